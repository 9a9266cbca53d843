"""The black collar of 8-bit scenes whose file does not say where it has no data.

A warped or cut-off scene lies in a frame of exact zeros. A dark scene has zeros too, but between
other dark values, with ships and waves in them, and with the outline of a coast.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

SIDE_CELLS: Final = 2048  # longest side of the grid on which the collar is found
LEAST_SHARE: Final = 5e-4  # of the scene; smaller dark corners are left as they are
LEAST_VALID: Final = 0.1  # of the scene: one bright thing in the dark is no scene in a collar
MOST_SPECKS: Final = 0.005  # of the valid cells, apart from their main part: fill holds no ships
NEAR_BLACK: Final = 3  # grey levels: night and deep shadow have as many of these as zeros
MOST_NEAR_BLACK: Final = 0.05  # of the cells of the collar
BEND_SHARE: Final = 0.004  # of the longer side: how far an edge may be from straight
MOST_CORNERS: Final = 24  # of the outline of the data: swaths and mosaics have few, coasts many


@dataclass(frozen=True, slots=True)
class Collar:
    """Cells of a reduced grid in which zeros are missing data.

    Attributes:
        cells: `(rows, columns)`, one cell wider than the collar, so that its edge is exact.
        width: columns of the scene.
        height: rows of the scene.
    """

    cells: NDArray[np.bool_]
    width: int
    height: int

    def within(self, window: Window, size: tuple[int, int]) -> NDArray[np.bool_]:
        """Whether pixels `size` (width, height) of a window of the scene lie in the cells."""
        rows, columns = self.cells.shape
        x = window.col_off + (np.arange(size[0]) + 0.5) * window.width / size[0]
        y = window.row_off + (np.arange(size[1]) + 0.5) * window.height / size[1]
        column = np.clip(x * columns / self.width, 0, columns - 1).astype(int)
        row = np.clip(y * rows / self.height, 0, rows - 1).astype(int)
        return np.asarray(self.cells[np.ix_(row, column)])


def find_collar(values: NDArray[Any], width: int, height: int) -> Collar | None:
    """The collar of a scene, or None where it has none.

    Zeros are missing data where they hang together with the edge of the scene, hold nothing else,
    are cut off straight from what lies inside, and where hardly anything else is nearly black.

    Args:
        values: `(bands, rows, columns)`, every so many pixels of the scene.
        width: columns of the scene.
        height: rows of the scene.
    """
    brightest = values.max(axis=0)
    fill = _at_edge(brightest == 0)
    near_black = np.count_nonzero((brightest > 0) & (brightest <= NEAR_BLACK))
    number = np.count_nonzero(fill)
    if number == 0 or near_black > MOST_NEAR_BLACK * number or not _is_frame(~fill):
        return None
    cells = cv2.dilate(fill.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(np.bool_)
    return Collar(cells, width, height)


def _at_edge(zero: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The zeros of pieces that touch the edge of the scene and are no mere dark corners."""
    inner = np.zeros_like(zero)
    inner[1:-1, 1:-1] = True
    if not (zero & ~inner).any():
        return np.zeros_like(zero)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(zero.astype(np.uint8), connectivity=4)
    touching = np.unique(labels[zero & ~inner])
    large = touching[stats[touching, cv2.CC_STAT_AREA] >= LEAST_SHARE * zero.size]
    return np.asarray(np.isin(labels, large))


def _is_frame(valid: NDArray[np.bool_]) -> bool:
    """Whether what is not fill is one piece with straight edges."""
    number = np.count_nonzero(valid)
    if number < LEAST_VALID * valid.size:
        return False
    _, labels, stats, _ = cv2.connectedComponentsWithStats(valid.astype(np.uint8), connectivity=8)
    main = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    if number - stats[main, cv2.CC_STAT_AREA] > MOST_SPECKS * number:
        return False
    piece = (labels == main).astype(np.uint8)
    contours, _ = cv2.findContours(piece, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    bend = max(1.5, BEND_SHARE * max(valid.shape))
    return len(cv2.approxPolyDP(max(contours, key=len), bend, True)) <= MOST_CORNERS
