"""Gives drawn windows the look of water and ground: waves, glint, depth, grain, stains, wakes."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from detector.geometry.windows import PixelWindow
from detector.rendering.canvas import Drawn
from detector.rendering.content import PlacedShip
from detector.rendering.georef import SceneFrame
from detector.rendering.site import MATERIALS, PortSite
from detector.rendering.solids import Colour, Points
from detector.rendering.spec import PortSpec
from detector.rendering.streams import stream
from detector.rendering.textures import (
    CoarseField,
    coarse_grid,
    offset,
    rough,
    tiled,
    waves,
    wind_towards,
    zoomed,
)

WATER_COLOURS: tuple[Colour, ...] = (
    (26, 42, 48),
    (34, 52, 48),
    (20, 36, 50),
    (48, 60, 48),
    (30, 48, 58),
    (58, 64, 52),
    (16, 40, 48),
    (40, 52, 62),
)
SHALLOW_COLOUR = np.array([92, 104, 88], np.float32)
FOAM_COLOUR = np.array([196, 204, 204], np.float32)
# grain (per pixel), mottle (metres), patches (tens of metres): amplitude relative to the colour
MATERIAL_TEXTURE = np.zeros((256, 3), np.float32)
MATERIAL_TEXTURE[: len(MATERIALS)] = [
    (0.0, 0.0, 0.0),
    (0.045, 0.05, 0.07),
    (0.07, 0.09, 0.12),
    (0.13, 0.14, 0.16),
    (0.03, 0.02, 0.02),
]
# name, slope of the spectrum, shortest wave in texels, metres a texel (at least a pixel)
GROUND_TEXTURES = (("grain", 0.35, 1.0, 0.0), ("mottle", 1.0, 2.0, 0.9), ("patch", 1.5, 2.0, 5.0))
OBJECT_GRAIN = 0.05
SHADOW_LIGHT = np.array([0.30, 0.34, 0.40], np.float32)  # skylight is blue
WATER_SHADOW_LIGHT = 0.55
SHORE_M = 55.0
WAKE_STEP_M = 1.2
WAKE_SLOPE = 0.25  # the arms of short waves stand at about 14 degrees, inside Kelvin's 19.5


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Slow fields of a scene, made once.

    Attributes:
        spec: of the scene.
        seed: of the scene.
        frame: of the scene.
        site: ground.
        water_rgb: colour of deep water.
        shallow: 1 at a natural shore, 0 far out.
        wakes: ships under way.
        material_bounds: `(M, 4)` of the site's materials, local metres.
    """

    spec: PortSpec
    seed: int
    frame: SceneFrame
    site: PortSite
    water_rgb: Colour
    shallow: CoarseField
    wakes: tuple[PlacedShip, ...]
    material_bounds: NDArray[np.float64]


def surroundings(
    spec: PortSpec, seed: int, frame: SceneFrame, site: PortSite, ships: tuple[PlacedShip, ...]
) -> Surroundings:
    """Prepare the slow fields of a scene."""
    generator = stream(site.seed, "water")
    drawn = WATER_COLOURS[int(generator.integers(len(WATER_COLOURS)))]
    moving = tuple(ship for ship in ships if ship.speed_ms > 0)
    red, green, blue = spec.sky.water_rgb or drawn
    water = (float(red), float(green), float(blue))
    outlines = [outline for outline, _ in site.materials]
    bounds = [[*outline.min(axis=0), *outline.max(axis=0)] for outline in outlines]
    return Surroundings(
        spec,
        seed,
        frame,
        site,
        water,
        _shallow(spec, site),
        moving,
        np.array(bounds, np.float64).reshape(-1, 4),
    )


def dress(drawn: Drawn, window: PixelWindow, around: Surroundings) -> NDArray[np.float32]:
    """Add textures, light and wakes.

    Args:
        drawn: as `canvas.draw` returns it.
        window: its window.
        around: slow fields of the scene.

    Returns:
        `(h, w, 3)` float32 display units, before haze and sensor.
    """
    rgb = drawn.rgb
    if float(drawn.water.min(initial=1.0)) < 1:
        rgb *= (1.0 + _relief(drawn, window, around))[..., None]
    if float(drawn.water.max(initial=0.0)) > 0:
        rgb += drawn.water[..., None] * _water(window, around)
        for ship in around.wakes:
            _add_wake(rgb, drawn.water, window, ship, around)
    if float(drawn.shadow.max(initial=0.0)) > 0:
        for band, land in enumerate(SHADOW_LIGHT):
            lost = (1 - land) - (WATER_SHADOW_LIGHT - land) * drawn.water
            rgb[..., band] *= 1.0 - drawn.shadow * lost
    return rgb


def _relief(drawn: Drawn, window: PixelWindow, around: Surroundings) -> NDArray[np.float32]:
    """Relative brightness of ground and things, `(h, w)`."""
    gsd, seed = around.frame.gsd_m, around.site.seed
    # the ground's textures belong to the ground: they move with a geolocation error
    shift = around.spec.sensor.shift_m / gsd
    materials = _materials(window, around)
    relief = np.zeros(materials.shape, np.float32)
    for i, (name, slope, shortest, metres) in enumerate(GROUND_TEXTURES):
        stretch = max(1.0, metres / gsd)
        start = shift + np.array(offset(seed, name)) * stretch
        field = tiled(rough(name, slope, shortest), window, stretch, (start[0], start[1]))
        relief += field * cv2.LUT(materials, MATERIAL_TEXTURE[:, i])
        if i == 0:
            things = field * (OBJECT_GRAIN * (1.0 - drawn.water - drawn.ground))
    relief *= drawn.ground
    relief += things
    return relief


def _materials(window: PixelWindow, around: Surroundings) -> NDArray[np.uint8]:
    """Index of the ground's material, `(h, w)`."""
    field = np.zeros((window.height, window.width), np.uint8)
    gsd = around.frame.gsd_m
    bounds = around.material_bounds / gsd
    x0, y0, x1, y1 = window.bounds
    near = (bounds[:, 2] >= x0) & (bounds[:, 0] <= x1) & (bounds[:, 3] >= y0) & (bounds[:, 1] <= y1)
    for i in np.flatnonzero(near).tolist():
        outline, name = around.site.materials[i]
        points = np.rint(outline / gsd - [window.col, window.row]).astype(np.int32)
        cv2.fillPoly(field, [points], MATERIALS.index(name))
    return field


def _water(window: PixelWindow, around: Surroundings) -> NDArray[np.float32]:
    """What waves, glint and depth add to the water's colour, `(h, w, 3)`."""
    sky, seed, gsd = around.spec.sky, around.seed, around.frame.gsd_m
    towards = wind_towards(sky, around.frame)
    slope = tiled(waves(gsd, sky.wind_ms, towards), window, 1.0, offset(seed, "waves"))
    stretch = max(1.0, 9.0 / gsd)
    start = np.array(offset(seed, "gusts")) * stretch
    gusts = tiled(rough("gusts", 1.6, 4.0), window, stretch, (start[0], start[1]))
    # waves shorter than the pixel average out
    calm = float(np.clip(0.25 + 0.11 * sky.wind_ms, 0.2, 1.3) * np.clip(1.5 / gsd, 0.15, 1.0))
    height = slope * (calm + 0.35 * calm * gusts)
    brightness = height * (2.2 + 5.0 * sky.glint) + gusts * 1.6
    # a facet that mirrors the sun, and breaking crests
    bright = np.square(np.clip(height - 1.2 * calm, 0, 4)) * (0.06 * sky.glint)
    bright += 0.6 * np.clip(height - (4.6 - 0.13 * sky.wind_ms), 0, 1)
    shallow = around.shallow.window(window)
    base = np.array(around.water_rgb, np.float32)
    added = np.empty((window.height, window.width, 3), np.float32)
    for band in range(3):
        added[..., band] = brightness * (0.75 + base[band] / 160.0)
        added[..., band] += shallow * (SHALLOW_COLOUR[band] - base[band])
        added[..., band] += bright * (FOAM_COLOUR[band] - base[band])
    return added


def _shallow(spec: PortSpec, site: PortSite) -> CoarseField:
    """Shallows along natural shores: falls off over `SHORE_M`."""
    rows, cols, cell_px = coarse_grid(spec)
    cell_m = cell_px * spec.gsd_m
    natural = np.ones((rows, cols), np.uint8)
    for outline, name in site.materials:
        if name in ("soil", "green"):
            cv2.fillPoly(natural, [np.rint(outline / cell_m).astype(np.int32)], 0)
    distance = np.minimum(cv2.distanceTransform(natural, cv2.DIST_L2, 3), 1e4) * cell_m
    return CoarseField(np.exp(-distance / SHORE_M).astype(np.float32) * 0.8, cell_px)


def _add_wake(
    rgb: NDArray[np.float32],
    water: NDArray[np.float32],
    window: PixelWindow,
    ship: PlacedShip,
    around: Surroundings,
) -> None:
    """Foam of one ship under way, on the water only."""
    gsd = around.frame.gsd_m
    length = ship.design.length_m * 2.2 + ship.speed_ms * 22
    outline = ship.centre + _turned(_wake_outline(ship, length), ship.heading)
    low = np.floor(outline.min(axis=0) / gsd).astype(int)
    high = np.ceil(outline.max(axis=0) / gsd).astype(int)
    box = PixelWindow(int(low[0]), int(low[1]), *(high - low).tolist()).intersection(window)
    if box is None:
        return
    step = max(1, round(WAKE_STEP_M / gsd))
    cols = np.arange(box.col, box.col_end + step, step, dtype=np.float32)
    rows = np.arange(box.row, box.row_end + step, step, dtype=np.float32)
    x = (cols + step / 2) * gsd - ship.centre[0]
    y = (rows + step / 2) * gsd - ship.centre[1]
    cos, sin = np.float32(np.cos(ship.heading)), np.float32(np.sin(ship.heading))
    along = x[None, :] * cos + y[:, None] * sin
    across = np.abs(y[:, None] * cos - x[None, :] * sin)
    smooth, torn = _wake(along, across, ship, np.float32(length))
    texture = tiled(rough("foam", 0.7, 1.5), box)
    origin = float(box.col), float(box.row)
    foam = zoomed(smooth, box, origin, step) + texture * zoomed(torn, box, origin, step)
    here = (
        slice(box.row - window.row, box.row_end - window.row),
        slice(box.col - window.col, box.col_end - window.col),
    )
    share = (np.clip(foam, 0, 0.85) * water[here])[..., None]
    rgb[here] += share * (FOAM_COLOUR - rgb[here])


def _wake_outline(ship: PlacedShip, length: float) -> Points:
    """Where a wake can be seen, `(4, 2)`, ship's frame."""
    front, back = ship.design.length_m * 0.52, -ship.design.length_m / 2 - length
    side = ship.design.beam_m + (front - back) * WAKE_SLOPE + 6.0
    return np.array([[front, -side], [front, side], [back, side], [back, -side]])


def _wake(
    along: NDArray[np.float32], across: NDArray[np.float32], ship: PlacedShip, length: np.float32
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Foam that is smooth and foam that is torn up: turbulent trail, two arms, bow wave.

    Args:
        along: metres ahead of the ship's middle, `(h, w)`.
        across: metres beside its axis, `(h, w)`.
        ship: its size and pace.
        length: of the trail, metres.
    """
    half, beam = np.float32(ship.design.length_m / 2), np.float32(ship.design.beam_m)
    behind = -half * np.float32(0.92) - along
    age = np.clip(behind / length, 0, 1)
    trail = np.exp(-np.square(across / (beam * (0.42 + 0.5 * age)))) * (1 - age) * (behind > 0)
    from_bow = half * np.float32(0.96) - along
    arm = beam * np.float32(0.3) + from_bow * np.float32(WAKE_SLOPE)
    spread = 1.0 + 0.035 * np.clip(from_bow, 0, None)
    fade = np.clip(1 - from_bow / (length * 1.1), 0, 1) ** 1.5 * (from_bow > 0)
    arms = np.exp(-np.square((across - arm) / spread)) * fade
    bow = np.exp(
        -np.square((across - beam * 0.42) / 1.6) - np.square(from_bow / half / 0.28 - 0.86)
    )
    pace = np.float32(min(1.0, ship.speed_ms / 8.0))
    smooth = pace * (0.5 * trail + 0.22 * arms + 0.5 * bow)
    return np.asarray(smooth, np.float32), np.asarray(
        pace * (0.22 * trail + 0.2 * arms), np.float32
    )


def _turned(points: Points, angle: float) -> Points:
    cos, sin = np.cos(angle), np.sin(angle)
    return np.asarray(points @ np.array([[cos, sin], [-sin, cos]]))
