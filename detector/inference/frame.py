"""The plan frame: pixels that are square on the ground.

Tiles, lengths and angles need square pixels, but the pixels of a scene in degrees are not. Boxes
live in the plan frame until they are merged (polygon IoU does not change under the stretch), and
go back to the file's own pixels at the end.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detector.geometry.frames import FilePixels, PlanPixels
from detector.geometry.windows import PixelWindow
from detector.scenes.types import SceneInfo

SQUARE_TOLERANCE = 0.02  # pixels within 2 % of square are square


@dataclass(frozen=True, slots=True)
class PlanFrame:
    """The file's pixel grid, stretched so that pixels are square on the ground.

    Attributes:
        width: columns of the stretched grid.
        height: rows of the stretched grid.
        x_scale: stretched columns a file column, 1.0 where pixels are square.
        y_scale: stretched rows a file row.
        gsd_m: ground size of a stretched pixel, or None where unknown.
    """

    width: int
    height: int
    x_scale: float
    y_scale: float
    gsd_m: float | None

    @classmethod
    def of(cls, info: SceneInfo) -> PlanFrame:
        """The frame of a scene; the finer of the two pixel sizes becomes the square's side."""
        size = info.pixel_size
        if size is None or abs(size.x_m / size.y_m - 1.0) <= SQUARE_TOLERANCE:
            return cls(info.width, info.height, 1.0, 1.0, info.gsd_m)
        side_m = min(size.x_m, size.y_m)
        x_scale, y_scale = size.x_m / side_m, size.y_m / side_m
        width, height = round(info.width * x_scale), round(info.height * y_scale)
        return cls(width, height, width / info.width, height / info.height, side_m)

    def file_bounds(self, window: PixelWindow) -> tuple[float, float, float, float]:
        """A window's `(x_min, y_min, x_max, y_max)` in the file's pixels."""
        x_min, y_min, x_max, y_max = window.bounds
        return (
            x_min / self.x_scale,
            y_min / self.y_scale,
            x_max / self.x_scale,
            y_max / self.y_scale,
        )

    def to_file(self, corners: PlanPixels) -> FilePixels:
        """Corners `(N, 4, 2)` of the plan frame in the file's pixels."""
        return FilePixels(corners / np.array([self.x_scale, self.y_scale]))
