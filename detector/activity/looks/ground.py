"""Pictures of the ground in local metres: for comparing two looks, and for the eye."""

from __future__ import annotations

import cv2
import numpy as np
from affine import Affine
from numpy.typing import NDArray

from detector.geometry.boxes import Corners
from detector.scenes.grid import Grid, on_grid
from detector.scenes.scene import Scene

Floats = NDArray[np.float64]

CELL_M = 0.5
BLUR_PX = 1.0
SEEN_SHARE = 0.9
APPEARED_RGB = (40, 220, 60)
GONE_RGB = (255, 60, 40)


def read_ground(scene: Scene, grid: Grid) -> NDArray[np.uint8] | None:
    """Colours `(h, w, 3)` of a grid; None where not wholly seen.

    Raises:
        SceneError: the file is damaged, or its CRS is not defined there.
    """
    laid = on_grid(scene, grid)
    return laid.rgb if laid.seen.mean() >= SEEN_SHARE else None


def box_grid(corners: Floats, margin_m: float, crs: str, cell_m: float = CELL_M) -> Grid:
    """The grid over an oriented box `(4, 2)` of local metres and a margin, along its sides."""
    length, width = corners[1] - corners[0], corners[3] - corners[0]
    along, across = length / np.hypot(*length), width / np.hypot(*width)
    columns = len(np.arange(-margin_m, np.hypot(*length) + margin_m, cell_m))
    rows = len(np.arange(-margin_m, np.hypot(*width) + margin_m, cell_m))
    # the first cell's centre lies on the margin's corner
    (a, d), (b, e) = cell_m * along, cell_m * across
    c, f = corners[0] - (margin_m + cell_m / 2) * (along + across)
    return Grid(Affine(*map(float, (a, b, c, d, e, f))), columns, rows, crs)


def levelled(
    picture: NDArray[np.uint8], like: NDArray[np.uint8], where: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """A picture with the brightness of another: other sun, haze and stretch are no change.

    Args:
        picture: `(h, w, 3)`.
        like: of the same ground.
        where: `(h, w)` the pixels that both show; their 10 % and 90 % are made equal.
    """
    if not where.any():
        return picture
    mine, other = (np.percentile(part[where], (10, 90)) for part in (picture, like))
    gain = np.clip((other[1] - other[0]) / max(mine[1] - mine[0], 1.0), 0.25, 4.0)
    return np.asarray(np.clip((picture - mine[0]) * gain + other[0], 0, 255).astype(np.uint8))


def difference_picture(
    before: NDArray[np.uint8],
    after: NDArray[np.uint8],
    appeared: Corners,
    gone: Corners,
) -> NDArray[np.uint8]:
    """Two registered pictures in one: what only the first has is red, only the second cyan.

    Args:
        before: `(h, w, 3)`.
        after: of the same shape and ground.
        appeared: `(N, 4, 2)` pixels of it, outlined in green.
        gone: `(M, 4, 2)`, outlined in red.

    Returns:
        `(h, w, 3)` uint8 RGB.
    """
    one, two = (cv2.cvtColor(part, cv2.COLOR_RGB2GRAY) for part in (before, after))
    picture = np.ascontiguousarray(np.stack([one, two, two], axis=-1))
    for corners, colour in ((appeared, APPEARED_RGB), (gone, GONE_RGB)):
        for box in corners:
            points = np.rint(box * 16).astype(np.int32)
            cv2.polylines(picture, [points], True, colour, 2, cv2.LINE_AA, 4)
    return np.asarray(picture, np.uint8)
