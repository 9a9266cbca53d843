"""Pictures of blocks made by hand, without a renderer: exact in metres."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from detector.stacks.block import BlockBox
from detector.stacks.frame import GroundFrame
from detector.stacks.patch import Patch

GSD_M = 0.5
Paint = Callable[[np.ndarray, np.ndarray], np.ndarray]


def patch_of(
    paint: Paint, width_m: float = 120.0, height_m: float = 90.0, gsd: float = GSD_M
) -> Patch:
    """A patch whose pixels are `paint(x, y)` of their centres in metres, grey or RGB."""
    columns, rows = round(width_m / gsd), round(height_m / gsd)
    y, x = (np.mgrid[0:rows, 0:columns] + 0.5) * gsd
    values = np.asarray(paint(x, y), np.float32)
    if values.ndim == 2:
        values = np.repeat(values[..., None], 3, axis=2)
    seen = np.ones((rows, columns), bool)
    return Patch(values, seen, np.zeros_like(seen), np.zeros(2), np.array([gsd, gsd]))


def box_of(x: float, y: float, length: float, width: float) -> BlockBox:
    """An upright box from its upper left corner, metres."""
    corners = np.array([[x, y], [x + length, y], [x + length, y + width], [x, y + width]], float)
    box = BlockBox.of(corners)
    assert box is not None
    return box


def frame_of(
    shadow: tuple[float, float] | None = None,
    lean: tuple[float, float] | None = (0.0, 0.0),
    gsd: float = GSD_M,
) -> GroundFrame:
    return GroundFrame(
        np.array([gsd, gsd]),
        None if shadow is None else np.array(shadow, float),
        np.array(lean or (0.0, 0.0), float),
        lean is not None,
        None,
    )
