"""Sightings: what each tile saw, with what it could not see.

A *sighting* is one box of one tile. It is a *fragment* where it touches a border of its own window
inside the scene: the object may go on behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

from detector.boxes.scored import Boxes
from detector.geometry.boxes import Corners, centres, edge_lengths
from detector.tiling.plan import TilePlan

TOUCH_READ_PX = 3.0
"""A box that ends this near to a border of its window may be cut by it (read pixels)."""

TOUCH_LENGTH_SHARE = 0.02
"""More for long boxes: networks miss their ends by a share of the length."""

LEAST_SIDE_READ_PX = 10.0
"""Boxes are matched as if at least this wide: networks err by pixels, however small the object."""


@dataclass(frozen=True, slots=True)
class Sightings:
    """Boxes of many tiles with their tiles' geometry, scene frame, in a canonical order.

    Attributes:
        boxes: `N` boxes.
        tiles: `(N,)` int64, `Tile.index`.
        levels: `(N,)` int64, `Tile.level`.
        scales: `(N,)` read pixels by scene pixel.
        windows: `(N, 4)` x_min, y_min, x_max, y_max of the tile.
        in_core: `(N,)` the centre lies in the core of the tile.
        fragment: `(N,)` the box touches a border of its window inside the scene.
        cut: `(N, 4)` the edge from corner k to corner k + 1 lies at such a border or behind it.
        shapes: `(N, 4, 2)` corners for matching: not narrower than a network errs, see `padded`.
        bottoms: `(N,)` lowest row that can still match: of the shape, inside the window.
    """

    boxes: Boxes
    tiles: NDArray[np.int64]
    levels: NDArray[np.int64]
    scales: NDArray[np.float64]
    windows: NDArray[np.float64]
    in_core: NDArray[np.bool_]
    fragment: NDArray[np.bool_]
    cut: NDArray[np.bool_]
    shapes: Corners
    bottoms: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.tiles)

    def select(self, index: NDArray[np.integer] | NDArray[np.bool_]) -> Self:
        """The sightings at `index`, in its order."""
        arrays = {name: getattr(self, name)[index] for name in _array_names()}
        return type(self)(boxes=self.boxes.select(index), **arrays)

    @classmethod
    def concatenate(cls, parts: Sequence[Self]) -> Self:
        """All sightings of `parts` (at least one), in order."""
        arrays = {
            name: np.concatenate([getattr(part, name) for part in parts]) for name in _array_names()
        }
        return cls(boxes=Boxes.concatenate([part.boxes for part in parts]), **arrays)


@dataclass(frozen=True, slots=True)
class TileTable:
    """The tiles of a plan as arrays.

    Attributes:
        windows: `(T, 4)` x_min, y_min, x_max, y_max, scene frame.
        cores: `(T, 4)` the same of the cores.
        scales: `(T,)` read pixels by scene pixel.
        levels: `(T,)` int64.
        size: `(2,)` width and height of the scene, pixels.
    """

    windows: NDArray[np.float64]
    cores: NDArray[np.float64]
    scales: NDArray[np.float64]
    levels: NDArray[np.int64]
    size: NDArray[np.float64]

    @classmethod
    def of(cls, plan: TilePlan) -> Self:
        """The table of `plan`."""
        return cls(
            np.array([tile.window.bounds for tile in plan.tiles], float).reshape(-1, 4),
            np.array([tile.core.bounds for tile in plan.tiles], float).reshape(-1, 4),
            np.array([tile.scale for tile in plan.tiles], float),
            np.array([tile.level for tile in plan.tiles], np.int64),
            np.array([plan.width, plan.height], float),
        )


def sightings(boxes: Boxes, tiles: NDArray[np.int64], table: TileTable) -> Sightings:
    """The boxes of `tiles[i]`, with what their tiles could not see.

    Args:
        boxes: `N` simple boxes with area, scene frame.
        tiles: `(N,)` indices of the table's rows.
        table: of the plan.
    """
    windows, cores, scales = table.windows[tiles], table.cores[tiles], table.scales[tiles]
    length, _ = edge_lengths(boxes.corners)
    touch = touch_px(length, scales)
    middles = (boxes.corners + np.roll(boxes.corners, -1, axis=1)) / 2.0
    centre = centres(boxes.corners)
    shapes = padded(boxes.corners, LEAST_SIDE_READ_PX / scales)
    in_core = (centre >= cores[:, :2]) & (centre < cores[:, 2:])
    return Sightings(
        boxes=boxes,
        tiles=tiles,
        levels=table.levels[tiles],
        scales=scales,
        windows=windows,
        in_core=np.asarray(in_core.all(axis=1)),
        fragment=np.asarray(touches(boxes.corners, windows, touch, table.size).any(axis=1)),
        cut=touches(middles, windows, touch, table.size),
        shapes=shapes,
        bottoms=np.minimum(shapes[..., 1].max(axis=1), windows[:, 3]),
    )


def touch_px(length: NDArray[np.float64], scales: NDArray[np.float64]) -> NDArray[np.float64]:
    """How near to a border `(N,)` a box may be cut by it, scene pixels."""
    return TOUCH_READ_PX / scales + TOUCH_LENGTH_SHARE * length


def touches(
    points: NDArray[np.float64],
    windows: NDArray[np.float64],
    touch: NDArray[np.float64],
    size: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Mask `(N, K)` of the points `(N, K, 2)` at a border of their window inside the scene."""
    low = windows[:, None, :2] + touch[:, None, None]
    high = windows[:, None, 2:] - touch[:, None, None]
    inside_low = (windows[:, :2] > 0)[:, None, :]
    inside_high = (windows[:, 2:] < size)[:, None, :]
    hit = ((points < low) & inside_low) | ((points > high) & inside_high)
    return np.asarray(hit.any(axis=2))


def padded(corners: Corners, least_side: NDArray[np.float64]) -> Corners:
    """The same boxes with no side below `least_side` `(N,)`, grown about their centres."""
    length, width = edge_lengths(corners)
    short = np.minimum(length, width) < least_side
    if not short.any():
        return corners
    result = corners.copy()
    size = np.maximum(np.stack([length, width], axis=1), least_side[:, None])
    result[short] = _resized(corners[short], size[short])
    return result


def grow(corners: Corners, margin: NDArray[np.float64]) -> Corners:
    """The same boxes with every side moved outward by `margin` `(N,)`."""
    size = np.stack(edge_lengths(corners), axis=1) + 2 * margin[:, None]
    return _resized(corners, size)


def _resized(corners: Corners, size: NDArray[np.float64]) -> Corners:
    """Rectangles of `size` `(N, 2)`, length and width, with the centres and axes of the boxes."""
    along = corners[:, 1] - corners[:, 0]
    along = along / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-12)
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    half_length, half_width = along * size[:, :1] / 2, across * size[:, 1:] / 2
    offsets = [-half_length - half_width, half_length - half_width]
    offsets += [half_length + half_width, half_width - half_length]
    return np.asarray(centres(corners)[:, None, :] + np.stack(offsets, axis=1))


def _array_names() -> list[str]:
    return [item.name for item in fields(Sightings) if item.name != "boxes"]
