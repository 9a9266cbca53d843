"""Chips: the parts of scenes that people look at, each picture with a margin around its part.

The parts of a scene share no pixel and leave none out, so every object belongs to the one that
holds its middle. The margin only shows what the border cuts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detector.export.records import SceneRecord
from detector.geometry.boxes import Corners, centres
from detector.geometry.frames import FilePixels
from detector.geometry.windows import PixelWindow
from detector.scenes.scene import Scene

MARGIN_PX: Final = 64  # of a picture
LOOK_SIDE_PX: Final = 4000  # of the picture of a whole scene, at most
CELLS: Final = 8  # a side of a chip, at which is looked whether it shows anything

Bounds = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Chip:
    """A part of a scene and its picture.

    Attributes:
        scene_id: of the scene.
        bounds: of the part, `(x_min, y_min, x_max, y_max)`, file pixels.
        window: of the picture, file pixels.
        scale: pixels of the picture by pixels of the file, at most 1.
    """

    scene_id: str
    bounds: Bounds
    window: PixelWindow
    scale: float = 1.0

    @property
    def image(self) -> str:
        """Name of the picture's file."""
        x, y = self.bounds[:2]
        return f"{self.scene_id}_{x:.0f}_{y:.0f}.png"

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the picture."""
        sides = (self.window.width, self.window.height)
        return max(round(sides[0] * self.scale), 1), max(round(sides[1] * self.scale), 1)

    def holds(self, corners: Corners) -> NDArray[np.bool_]:
        """Which boxes `(N, 4, 2)` of file pixels have their middle in the part; `(N,)`."""
        return _inside(corners, self.bounds)

    def shows(self, corners: Corners) -> NDArray[np.bool_]:
        """Which boxes have their middle in the picture."""
        return _inside(corners, self.window.bounds)

    def to_picture(self, corners: Corners) -> Corners:
        """Boxes of file pixels in pixels of the picture."""
        return (corners - [self.window.col, self.window.row]) * self._scales

    def to_file(self, corners: Corners) -> FilePixels:
        """Boxes of the picture in file pixels."""
        return FilePixels(corners / self._scales + [self.window.col, self.window.row])

    @property
    def _scales(self) -> NDArray[np.float64]:
        """Along x and y: the picture has whole pixels."""
        return np.array(self.size) / [self.window.width, self.window.height]


def plan_chips(record: SceneRecord, side_px: int) -> list[Chip]:
    """The chips of a scene, row by row.

    Args:
        record: of the scene.
        side_px: longest side of a part; 0: the whole scene in one picture of at most
            `LOOK_SIDE_PX`.
    """
    width, height = record.width or 0, record.height or 0
    if not side_px:
        scale = min(1.0, LOOK_SIDE_PX / max(width, height, 1))
        whole = PixelWindow(0, 0, width, height)
        return [Chip(record.scene_id, (0.0, 0.0, width, height), whole, scale)]
    columns = _cuts(width, side_px)
    rows = _cuts(height, side_px)
    chips = []
    for top, bottom in rows:
        for left, right in columns:
            x0, y0 = max(left - MARGIN_PX, 0), max(top - MARGIN_PX, 0)
            x1, y1 = min(right + MARGIN_PX, width), min(bottom + MARGIN_PX, height)
            window = PixelWindow(x0, y0, x1 - x0, y1 - y0)
            chips.append(Chip(record.scene_id, (left, top, right, bottom), window))
    return chips


def with_pixels(scene: Scene, chips: Sequence[Chip]) -> list[Chip]:
    """The chips that show anything: parts without a valid pixel hold no object.

    Args:
        scene: open.
        chips: of it.

    Raises:
        SceneError: the scene is damaged.
    """
    kept = []
    for chip in chips:
        x0, y0, x1, y1 = (round(value) for value in chip.bounds)
        part = PixelWindow(x0, y0, x1 - x0, y1 - y0)
        cells = min(CELLS, part.width), min(CELLS, part.height)
        if scene.valid_mask(part, cells).any():
            kept.append(chip)
    return kept


def _cuts(length: int, side_px: int) -> list[tuple[int, int]]:
    """A length in equal parts of at most `side_px`, whole pixels."""
    number = max(math.ceil(length / side_px), 1)
    ends = [round(length * i / number) for i in range(number + 1)]
    return list(pairwise(ends))


def _inside(corners: Corners, bounds: Bounds) -> NDArray[np.bool_]:
    x, y = centres(corners).T if len(corners) else np.zeros((2, 0))
    x_min, y_min, x_max, y_max = bounds
    return np.asarray((x >= x_min) & (x < x_max) & (y >= y_min) & (y < y_max))
