"""Tiles that show nothing: flat water, ice, fields, of which the network need not be asked.

A tile is reduced until waves, noise and furrows average out; the smallest boats that the network
is taught still stand out of their surroundings by several grey levels. How far depends on the
ground that a pixel shows: a boat of 2 m is six pixels wide in one scene and a part of one in
another. What that loses is measured on labelled images (`docs/performance.md`).
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from detector.scenes.types import ScenePixels

CELL_M: Final = 2.4  # side of a cell on the ground, where it has no more pixels than these
LEAST_CELL_PX, MOST_CELL_PX = 2, 8  # of a tile, that become one
LEAST_CONTRAST: Final = 10  # grey levels between neighbouring cells, in any band
NEIGHBOURS: Final = np.ones((3, 3), np.uint8)


def cell_px(gsd_m: float | None) -> int:
    """Side of a cell, pixels of a tile; where nothing tells their ground, the least.

    Args:
        gsd_m: metres by pixel of the tile as it is read.
    """
    if gsd_m is None:
        return LEAST_CELL_PX
    return int(np.clip(round(CELL_M / gsd_m), LEAST_CELL_PX, MOST_CELL_PX))


def is_flat(pixels: ScenePixels, cell: int) -> bool:
    """Whether nothing in a tile can be an object.

    A tile at the border of the scene is judged by what lies inside; one with holes is never flat.

    Args:
        pixels: of the tile.
        cell: side of what is averaged, see `cell_px`.
    """
    valid = pixels.valid
    rows, columns = np.flatnonzero(valid.any(axis=1)), np.flatnonzero(valid.any(axis=0))
    if not len(rows):
        return False
    inside = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    return bool(valid[inside].all()) and contrast(pixels.rgb[inside], cell) < LEAST_CONTRAST


def contrast(rgb: NDArray[np.uint8], cell: int) -> int:
    """Largest difference among nine neighbouring cells in any band, grey levels.

    Args:
        rgb: `(height, width, 3)`.
        cell: side of a cell, pixels.
    """
    height, width = (max(1, side // cell) for side in rgb.shape[:2])
    small = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA)
    spread = cv2.dilate(small, NEIGHBOURS) - cv2.erode(small, NEIGHBOURS)
    return int(spread.max())
