"""Draws solids into colour, height and shadow at a multiple of the scene's resolution.

The height field is kept in the image frame, where a point at height z is displaced by `lean * z`.
A sun ray that climbs `sun_slope` a metre towards the sun is in that frame the straight line along
`towards_sun + sun_slope * lean`, so shadows of everything on everything follow from one march.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from detector.geometry.windows import PixelWindow
from detector.rendering.georef import SceneFrame
from detector.rendering.solids import Solids

HEIGHT_STEP_M = 0.2591  # ten steps to a container of 2.591 m: tiers are exact in the height field
GROUND_M = 12 * HEIGHT_STEP_M  # quays stand 3.1 m above the water
SUBPIXEL_BITS = 4
MARCH_BITS = 6  # fixed point of the march: 1/64 height step
WALL_AMBIENT = 0.45


@dataclass(frozen=True, slots=True)
class Drawn:
    """One drawn window at the scene's resolution.

    Attributes:
        rgb: `(h, w, 3)` float32 display units; water has the colour it was given.
        shadow: `(h, w)` float32, share of the pixel in shadow.
        water: `(h, w)` float32, share of the pixel that is water.
        ground: `(h, w)` float32, share of the pixel that is bare ground.
    """

    rgb: NDArray[np.float32]
    shadow: NDArray[np.float32]
    water: NDArray[np.float32]
    ground: NDArray[np.float32]


def supersampling(gsd_m: float) -> int:
    """Canvas pixels along a scene pixel: 2 up to 0.7 m, 3 at 1 m, 4 at 3 m, at most 5.

    Coarse scenes need more, since more edges cross a pixel; the cost grows with the square.
    """
    return int(np.clip(round(2.0 * (gsd_m / 0.5) ** 0.4), 2, 5))


def draw(
    solids: Solids,
    window: PixelWindow,
    frame: SceneFrame,
    water_rgb: tuple[float, float, float],
) -> Drawn:
    """Draw solids, in their order, into a window.

    Args:
        solids: in drawing order; those outside the window cost little.
        window: pixels of the scene.
        frame: of the scene.
        water_rgb: colour of what nothing is drawn on.
    """
    factor = supersampling(frame.gsd_m)
    scale = frame.gsd_m / factor
    reach = _shadow_reach(solids, frame, scale)
    origin = np.array([window.col * factor, window.row * factor]) - reach[:2]
    shape = (
        window.height * factor + reach[1] + reach[3],
        window.width * factor + reach[0] + reach[2],
    )
    canvas = np.empty((*shape, 4), np.uint8)
    canvas[:] = (*np.clip(np.rint(water_rgb), 0, 255).astype(np.uint8), 0)
    outlines = _Outlines(solids, frame, scale, origin, shape)
    outlines.fill_standing(canvas)
    height = canvas[..., 3].copy()
    shadow = _march(height, frame, scale)
    outlines.fill_floating(canvas, shadow)
    inner = (
        slice(reach[1], reach[1] + window.height * factor),
        slice(reach[0], reach[0] + window.width * factor),
    )
    size = (window.width, window.height)
    ground_step = round(GROUND_M / HEIGHT_STEP_M)
    top = canvas[inner][..., 3]
    return Drawn(
        rgb=_shrink(np.ascontiguousarray(canvas[inner][..., :3]), size).astype(np.float32),
        shadow=_share(shadow[inner] > 0, size),
        water=_share(top == 0, size),
        ground=_share(top == ground_step, size),
    )


def fill_mask(outlines: list[NDArray[np.float64]], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Pixels whose centres lie in one of the polygons (pixel coordinates), `(h, w)`."""
    mask = np.zeros(shape, np.uint8)
    for outline in outlines:
        points = np.rint((outline - 0.5) * 2**SUBPIXEL_BITS).astype(np.int32)
        cv2.fillPoly(mask, [points], 1, 8, SUBPIXEL_BITS)
    return mask.astype(bool)


class _Outlines:
    """Solids in canvas pixels, those near the window only."""

    def __init__(
        self,
        solids: Solids,
        frame: SceneFrame,
        scale: float,
        origin: NDArray[np.int64],
        shape: tuple[int, int],
    ) -> None:
        self._frame, self._scale = frame, scale
        self._origin, self._shape = origin, shape
        self._counts, self._starts = solids.counts, solids.starts
        self._ground = _tightened(solids, 0.5 * scale)
        self._owner = np.repeat(np.arange(len(solids)), self._counts)
        self._solids = solids
        self._tops = self._canvas(self._ground + solids.top_m[self._owner, None] * frame.lean)
        self._near = self._visible()

    def fill_standing(self, canvas: NDArray[np.uint8]) -> None:
        """Walls and tops of all solids that stand on something."""
        solids = self._solids
        steps = np.clip(np.rint(solids.top_m / HEIGHT_STEP_M), 1, 255).astype(int).tolist()
        colours = np.clip(np.rint(solids.colours), 0, 255).astype(int).tolist()
        leaning = float(np.hypot(*self._frame.lean)) > 0.02
        for i in np.flatnonzero(self._near & ~solids.floating).tolist():
            points = self._tops[self._starts[i] : self._starts[i + 1]]
            if leaning and solids.top_m[i] - solids.base_m[i] > self._scale:
                self._fill_walls(canvas, i)
            colour = (*colours[i], steps[i])
            if len(points) <= 4:
                cv2.fillConvexPoly(canvas, points, colour, 8, SUBPIXEL_BITS)
            else:
                cv2.fillPoly(canvas, [points], colour, 8, SUBPIXEL_BITS)

    def _fill_walls(self, canvas: NDArray[np.uint8], i: int) -> None:
        """The sides that face the sensor, lit by their angle to the sun."""
        solids, frame = self._solids, self._frame
        points = self._ground[self._starts[i] : self._starts[i + 1]]
        edges = np.roll(points, -1, axis=0) - points
        normals = np.stack([edges[:, 1], -edges[:, 0]], axis=1)
        normals /= np.maximum(np.hypot(normals[:, 0], normals[:, 1]), 1e-9)[:, None]
        sun = -frame.shadow / max(float(np.hypot(*frame.shadow)), 1e-9)
        light = WALL_AMBIENT + (0.9 - WALL_AMBIENT) * np.clip(normals @ sun, 0, 1)
        low = self._canvas(points + solids.base_m[i] * frame.lean)
        high = self._tops[self._starts[i] : self._starts[i + 1]]
        middle = int(np.clip((solids.base_m[i] + solids.top_m[i]) / 2 / HEIGHT_STEP_M, 1, 255))
        for edge in np.flatnonzero(normals @ frame.lean < -1e-6).tolist():
            after = (edge + 1) % len(points)
            quad = np.array([low[edge], low[after], high[after], high[edge]])
            colour = np.clip(solids.colours[i] * light[edge], 0, 255).astype(int).tolist()
            cv2.fillConvexPoly(canvas, quad, (*colour, middle), 8, SUBPIXEL_BITS)

    def fill_floating(self, canvas: NDArray[np.uint8], shadow: NDArray[np.uint8]) -> None:
        """Beams: their shadows on the ground, then themselves, always lit."""
        floating = np.flatnonzero(self._solids.floating).tolist()
        offsets = (self._solids.top_m - GROUND_M)[self._owner, None] * self._frame.shadow
        thrown = self._canvas(self._ground + offsets)
        for i in floating:
            points = thrown[self._starts[i] : self._starts[i + 1]]
            cv2.fillConvexPoly(shadow, points, 255, 8, SUBPIXEL_BITS)
        for i in floating:
            points = self._tops[self._starts[i] : self._starts[i + 1]]
            colour = np.clip(self._solids.colours[i], 0, 255).astype(int).tolist()
            cv2.fillConvexPoly(canvas, points, (*colour, 255), 8, SUBPIXEL_BITS)
            cv2.fillConvexPoly(shadow, points, 0, 8, SUBPIXEL_BITS)

    def _canvas(self, metres: NDArray[np.float64]) -> NDArray[np.int32]:
        """Fixed-point canvas coordinates; pixel centres are at whole numbers for OpenCV."""
        pixels = metres / self._scale - self._origin - 0.5
        return np.asarray(np.rint(pixels * 2**SUBPIXEL_BITS), np.int32)

    def _visible(self) -> NDArray[np.bool_]:
        if not len(self._solids):
            return np.zeros(0, bool)
        low = np.minimum.reduceat(self._tops, self._starts[:-1], axis=0) >> SUBPIXEL_BITS
        high = np.maximum.reduceat(self._tops, self._starts[:-1], axis=0) >> SUBPIXEL_BITS
        slack = 60.0 * float(np.hypot(*self._frame.lean)) / self._scale + 2
        limits = np.array([self._shape[1], self._shape[0]])
        return np.asarray(((high > -slack) & (low < limits + slack)).all(axis=1))


def _tightened(solids: Solids, by: float) -> NDArray[np.float64]:
    """Outlines moved inwards by `by` metres at right angles.

    OpenCV's fill includes the outline itself and so adds half a pixel on every side.
    """
    if not len(solids):
        return solids.points
    index = np.arange(len(solids.points))
    after, before = index + 1, index - 1
    after[solids.starts[1:] - 1] = solids.starts[:-1]
    before[solids.starts[:-1]] = solids.starts[1:] - 1
    inward = np.zeros_like(solids.points)
    for neighbour in (after, before):
        edge = solids.points[neighbour] - solids.points
        length = np.hypot(edge[:, 0], edge[:, 1])
        # thin things keep at least a third of their width
        step = np.minimum(by, length / 3)
        inward += edge * (step / np.maximum(length, 1e-9))[:, None]
    return np.asarray(solids.points + inward)


def _shadow_reach(solids: Solids, frame: SceneFrame, scale: float) -> NDArray[np.int64]:
    """Canvas pixels to draw beyond the window: left, top, right, bottom."""
    tallest = float(solids.top_m[~solids.floating].max(initial=GROUND_M))
    ray = -(frame.shadow * tallest) + frame.lean * tallest
    ray = np.ceil(ray / scale).astype(np.int64)
    slack = 10  # every level of the march rounds by half a pixel
    return np.array([max(0, -ray[0]), max(0, -ray[1]), max(0, ray[0]), max(0, ray[1])]) + slack


def _march(height: NDArray[np.uint8], frame: SceneFrame, scale: float) -> NDArray[np.uint8]:
    """Canvas pixels in shadow (255), by doubling: level j looks 2^j pixels further to the sun."""
    run = float(np.hypot(*frame.shadow))
    if run < 1e-6:
        return np.zeros(height.shape, np.uint8)
    ray = -frame.shadow / run + frame.sun_slope * frame.lean  # image metres per ground metre
    pixels_per_metre = float(np.hypot(*ray)) / scale
    direction = ray / np.hypot(*ray)
    drop = frame.sun_slope / pixels_per_metre / HEIGHT_STEP_M * 2**MARCH_BITS
    horizon: NDArray[np.uint16] = height.astype(np.uint16) << np.uint16(MARCH_BITS)
    lowest = int(horizon.min())
    step = 1
    while step * drop < int(horizon.max()) - lowest:
        shift = np.rint(direction * step).astype(int)
        lowered = cv2.subtract(_shifted(horizon, shift), round(step * drop))
        horizon = np.asarray(cv2.max(horizon, lowered), np.uint16)
        step *= 2
    level = (height.astype(np.uint16) << np.uint16(MARCH_BITS)) + np.uint16(2 ** (MARCH_BITS - 1))
    return np.asarray(cv2.compare(horizon, level, cv2.CMP_GT), np.uint8)


def _shifted(field: NDArray[np.uint16], shift: NDArray[np.int64]) -> NDArray[np.uint16]:
    """`field[y + shift_y, x + shift_x]`, zero outside."""
    moved = np.zeros_like(field)
    h, w = field.shape
    dx, dy = int(shift[0]), int(shift[1])
    if abs(dx) >= w or abs(dy) >= h:
        return moved
    moved[max(0, -dy) : h - max(0, dy), max(0, -dx) : w - max(0, dx)] = field[
        max(0, dy) : h + min(0, dy), max(0, dx) : w + min(0, dx)
    ]
    return moved


def _shrink(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))


def _share(mask: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.float32]:
    return _shrink(mask.astype(np.uint8) * 255, size).astype(np.float32) / 255.0
