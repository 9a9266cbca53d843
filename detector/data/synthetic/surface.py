"""Gives drawn windows the look of water and ground: waves, glint, depth, grain, stains, wakes."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from detector.data.synthetic.canvas import Drawn
from detector.data.synthetic.content import PlacedShip
from detector.data.synthetic.georef import SceneFrame
from detector.data.synthetic.site import MATERIALS, Site
from detector.data.synthetic.solids import Colour
from detector.data.synthetic.spec import PortSpec
from detector.data.synthetic.streams import stream
from detector.data.synthetic.textures import (
    CoarseField,
    coarse_grid,
    rough,
    tiled,
    waves,
    wind_towards,
)
from detector.geometry.windows import PixelWindow

WATER_COLOURS: tuple[Colour, ...] = (
    (36, 52, 58),
    (44, 62, 58),
    (30, 46, 60),
    (58, 70, 60),
    (40, 58, 68),
    (70, 78, 66),
)
SHALLOW_COLOUR = np.array([92, 104, 88], np.float32)
FOAM_COLOUR = np.array([196, 204, 204], np.float32)
GLINT_COLOUR = np.array([168, 176, 180], np.float32)
# grain (per pixel), mottle (metres), patches (tens of metres): amplitude relative to the colour
MATERIAL_TEXTURE = np.array(
    [
        [0.0, 0.0, 0.0],
        [0.045, 0.05, 0.07],
        [0.07, 0.09, 0.12],
        [0.13, 0.14, 0.16],
        [0.03, 0.02, 0.02],
    ],
    np.float32,
)
OBJECT_GRAIN = 0.05
MOTTLE_M = 0.9
PATCH_M = 5.0
SHADOW_LIGHT = np.array([0.36, 0.40, 0.46], np.float32)  # skylight is blue
WATER_SHADOW_LIGHT = 0.62
SHORE_M = 55.0


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
    """

    spec: PortSpec
    seed: int
    frame: SceneFrame
    site: Site
    water_rgb: Colour
    shallow: CoarseField
    wakes: tuple[PlacedShip, ...]


def surroundings(
    spec: PortSpec, seed: int, frame: SceneFrame, site: Site, ships: tuple[PlacedShip, ...]
) -> Surroundings:
    """Prepare the slow fields of a scene."""
    generator = stream(site.seed, "water")
    drawn = WATER_COLOURS[int(generator.integers(len(WATER_COLOURS)))]
    moving = tuple(ship for ship in ships if ship.speed_ms > 0)
    return Surroundings(
        spec, seed, frame, site, spec.sky.water_rgb or drawn, _shallow(spec, site), moving
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
    rgb *= 1.0 + _relief(drawn, window, around)[..., None]
    if float(drawn.water.max(initial=0.0)) > 0:
        rgb += drawn.water[..., None] * _water(window, around)
        for ship in around.wakes:
            _add_wake(rgb, drawn.water, window, ship, around)
    light = SHADOW_LIGHT + (WATER_SHADOW_LIGHT - SHADOW_LIGHT) * drawn.water[..., None]
    rgb *= 1.0 - drawn.shadow[..., None] * (1.0 - light)
    return rgb


def _relief(drawn: Drawn, window: PixelWindow, around: Surroundings) -> NDArray[np.float32]:
    """Relative brightness of ground and things, `(h, w)`."""
    gsd, seed = around.frame.gsd_m, around.site.seed
    # the ground's textures belong to the ground: they move with a geolocation error
    shift = around.spec.sensor.shift_m[0] / gsd, around.spec.sensor.shift_m[1] / gsd
    grain = tiled(rough(seed, "grain", 0.35), window, 1.0, shift)
    mottle = tiled(rough(seed, "mottle", 1.0, 2.0), window, max(1.0, MOTTLE_M / gsd), shift)
    patch = tiled(rough(seed, "patch", 1.5, 2.0), window, max(1.0, PATCH_M / gsd), shift)
    amplitude = MATERIAL_TEXTURE[_materials(window, around)]
    relief = grain * amplitude[..., 0] + mottle * amplitude[..., 1] + patch * amplitude[..., 2]
    things = np.clip(1.0 - drawn.water - drawn.ground, 0, 1)
    return np.asarray(drawn.ground * relief + things * grain * OBJECT_GRAIN)


def _materials(window: PixelWindow, around: Surroundings) -> NDArray[np.uint8]:
    """Index of the ground's material, `(h, w)`."""
    field = np.zeros((window.height, window.width), np.uint8)
    origin = np.array([window.col, window.row])
    for outline, name in around.site.materials:
        points = outline / around.frame.gsd_m - origin
        if (points.max(axis=0) < 0).any() or (
            points.min(axis=0) > [window.width, window.height]
        ).any():
            continue
        cv2.fillPoly(field, [np.rint(points).astype(np.int32)], MATERIALS.index(name))
    return field


def _water(window: PixelWindow, around: Surroundings) -> NDArray[np.float32]:
    """What waves, glint and depth add to the water's colour, `(h, w, 3)`."""
    spec, seed, gsd = around.spec, around.seed, around.frame.gsd_m
    towards = wind_towards(spec.sky, around.frame)
    slope = tiled(waves(seed, gsd, spec.sky.wind_ms, towards), window)
    gusts = tiled(rough(seed, "gusts", 1.6, 4.0), window, max(1.0, 9.0 / gsd))
    strength = np.clip(0.25 + 0.11 * spec.sky.wind_ms, 0.2, 1.3) * (1 + 0.35 * gusts)
    # waves shorter than the pixel average out
    strength *= float(np.clip(1.5 / gsd, 0.15, 1.0))
    base = np.array(around.water_rgb, np.float32)
    brightness = slope * strength * (2.2 + 5.0 * spec.sky.glint) + gusts * 1.6
    glint = np.clip(slope - 1.4, 0, 4) ** 2 * spec.sky.glint * strength
    foam = np.clip(slope * strength - (4.4 - 0.16 * spec.sky.wind_ms), 0, 1)
    shallow = around.shallow.window(window) * (0.8 + 0.2 * np.tanh(gusts))
    added = np.empty((window.height, window.width, 3), np.float32)
    for band in range(3):
        layer = brightness * (0.75 + base[band] / 160.0)
        layer += shallow * (SHALLOW_COLOUR[band] - base[band])
        layer += glint * (GLINT_COLOUR[band] - base[band]) * 0.12
        layer += foam * (FOAM_COLOUR[band] - base[band]) * 0.7
        added[..., band] = layer
    return added


def _shallow(spec: PortSpec, site: Site) -> CoarseField:
    """Shallows along natural shores: falls off over `SHORE_M`."""
    rows, cols, cell_px = coarse_grid(spec)
    cell_m = cell_px * spec.gsd_m
    natural = np.ones((rows, cols), np.uint8)
    for outline, name in site.materials:
        if name in ("soil", "green"):
            cv2.fillPoly(natural, [np.rint(outline / cell_m).astype(np.int32)], 0)
    distance = cv2.distanceTransform(natural, cv2.DIST_L2, 3) * cell_m
    return CoarseField(np.exp(-distance / SHORE_M).astype(np.float32) * 0.8, cell_px)


def _add_wake(
    rgb: NDArray[np.float32],
    water: NDArray[np.float32],
    window: PixelWindow,
    ship: PlacedShip,
    around: Surroundings,
) -> None:
    """A turbulent trail behind the stern and the two arms of a Kelvin wake (19.5 degrees)."""
    gsd = around.frame.gsd_m
    length = ship.design.length_m * 2.2 + ship.speed_ms * 22
    reach = length + ship.design.length_m
    low = np.floor((ship.centre - reach) / gsd).astype(int)
    high = np.ceil((ship.centre + reach) / gsd).astype(int)
    box = PixelWindow(int(low[0]), int(low[1]), *(high - low).tolist()).intersection(window)
    if box is None:
        return
    x = (np.arange(box.col, box.col_end, dtype=np.float32) + 0.5) * gsd - ship.centre[0]
    y = (np.arange(box.row, box.row_end, dtype=np.float32) + 0.5) * gsd - ship.centre[1]
    cos, sin = np.float32(np.cos(ship.heading)), np.float32(np.sin(ship.heading))
    along = x[None, :] * cos + y[:, None] * sin
    across = np.abs(y[:, None] * cos - x[None, :] * sin)
    half, beam = ship.design.length_m / 2, ship.design.beam_m
    behind = -half * 0.92 - along
    age = np.clip(behind / length, 0, 1)
    texture = tiled(rough(around.seed, "foam", 0.7, 1.5), box)
    width = beam * (0.42 + 0.5 * age)
    trail = np.exp(-((across / width) ** 2)) * (1 - age) ** 1.3 * (behind > 0)
    from_bow = half * 0.96 - along
    arm = beam * 0.3 + from_bow * np.float32(np.tan(np.deg2rad(14.0)))
    spread = 1.0 + 0.035 * np.clip(from_bow, 0, None)
    fade = np.clip(1 - from_bow / (length * 1.1), 0, 1) ** 1.5 * (from_bow > 0)
    arms = np.exp(-(((across - arm) / spread) ** 2)) * fade
    bow = np.exp(-(((across - beam * 0.42) / 1.6) ** 2)) * np.exp(
        -(((from_bow - 0.12 * 2 * half) / (0.14 * 2 * half)) ** 2)
    )
    pace = min(1.0, ship.speed_ms / 8.0)
    foam = (trail * (0.5 + 0.22 * texture) + arms * (0.22 + 0.2 * texture) + bow * 0.5) * pace
    rows = slice(box.row - window.row, box.row_end - window.row)
    cols = slice(box.col - window.col, box.col_end - window.col)
    share = np.clip(foam, 0, 0.85)[..., None] * water[rows, cols, None]
    rgb[rows, cols] += share * (FOAM_COLOUR - rgb[rows, cols])
