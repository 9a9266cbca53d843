"""The valid part of a scene on an overview: which tiles are worth reading."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from detector.geometry.windows import PixelWindow
from detector.scenes.scene import Scene

MAX_SIDE_PX = 2048
EDGE_PX = 2.0  # a box this near to the border of the scene is cut by it


@dataclass(frozen=True)
class Coverage:
    """Valid pixels of a scene on a reduced grid.

    Attributes:
        width: columns of the scene, file pixels.
        height: rows of the scene, file pixels.
        valid: reduced mask, at most `MAX_SIDE_PX` a side.
    """

    width: int
    height: int
    valid: NDArray[np.bool_]

    @classmethod
    def of(cls, scene: Scene) -> Coverage:
        """Read the reduced mask of a scene.

        Raises:
            SceneError: the scene is damaged.
        """
        info = scene.info
        window = PixelWindow(0, 0, info.width, info.height)
        mask = scene.valid_mask(window, window.size_within(MAX_SIDE_PX))
        return cls(info.width, info.height, mask)

    @cached_property
    def _sums(self) -> NDArray[np.int64]:
        # Grown by one cell, since the nearest pixel stands for all pixels of a cell.
        grown = cv2.dilate(self.valid.astype(np.uint8), np.ones((3, 3), np.uint8))
        return np.asarray(cv2.integral(grown), np.int64)

    def any_valid(self, bounds: tuple[float, float, float, float]) -> bool:
        """Whether a window `(x_min, y_min, x_max, y_max)` in file pixels may hold valid pixels."""
        rows, cols = self.valid.shape
        x0, x1 = (int(np.clip(v * cols / self.width, 0, cols)) for v in (bounds[0], bounds[2]))
        y0, y1 = (int(np.clip(v * rows / self.height, 0, rows)) for v in (bounds[1], bounds[3]))
        x1, y1 = min(cols, x1 + 1), min(rows, y1 + 1)
        sums = self._sums
        return bool(sums[y1, x1] - sums[y0, x1] - sums[y1, x0] + sums[y0, x0] > 0)
