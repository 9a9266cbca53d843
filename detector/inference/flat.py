"""Tiles that show nothing: flat water, ice, fields, of which the network need not be asked.

A tile is reduced until waves, noise and furrows average out; the smallest boats that the network
is taught still stand out of their surroundings by several grey levels. What that loses is measured
on labelled images (`docs/performance.md`).
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from detector.scenes.types import ScenePixels

CELL_PX: Final = 8  # of a tile, that become one
LEAST_CONTRAST: Final = 10  # grey levels between neighbouring cells, in any band
NEIGHBOURS: Final = np.ones((3, 3), np.uint8)


def is_flat(pixels: ScenePixels) -> bool:
    """Whether nothing in a tile can be an object.

    A tile at the border of the scene is judged by what lies inside; one with holes is never flat.
    """
    valid = pixels.valid
    rows, columns = np.flatnonzero(valid.any(axis=1)), np.flatnonzero(valid.any(axis=0))
    if not len(rows):
        return False
    inside = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    return bool(valid[inside].all()) and contrast(pixels.rgb[inside]) < LEAST_CONTRAST


def contrast(rgb: NDArray[np.uint8]) -> int:
    """Largest difference among nine neighbouring cells in any band, grey levels.

    Args:
        rgb: `(height, width, 3)`.
    """
    height, width = (max(1, side // CELL_PX) for side in rgb.shape[:2])
    small = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA)
    spread = cv2.dilate(small, NEIGHBOURS) - cv2.erode(small, NEIGHBOURS)
    return int(spread.max())
