"""What becomes of objects at the borders of a window: kept and cut, painted over, or left out."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from detector.classes import PORT, ClassSet
from detector.geometry.boxes import Corners, order_corners
from detector.geometry.rectangles import clip_to_window

MIN_SIDE_PX = 3.0  # a box narrower than this after scaling shows nothing


@dataclass(frozen=True, slots=True)
class Settled:
    """Objects of a window after its borders have cut them.

    Attributes:
        corners: `(N, 4, 2)` kept boxes, cut to the window.
        class_ids: `(N,)`.
        kept: `(N,)` their indices in the input.
        painted: `(M, 4, 2)` objects to paint over.
    """

    corners: Corners
    class_ids: NDArray[np.int64]
    kept: NDArray[np.int64]
    painted: Corners


def settle(
    corners: Corners,
    class_ids: NDArray[np.int64],
    bounds: tuple[float, float, float, float],
    classes: ClassSet = PORT,
) -> Settled:
    """Decide what becomes of every object at the borders of a window.

    Objects stay with `ClassEntry.least_inside` inside (ships 70 %, stacks 15 %), cut to the window;
    what is
    less inside is painted over, what is outside is left out. Boxes under 3 px wide are painted.

    Args:
        corners: `(N, 4, 2)` rectangles in the frame of the window.
        class_ids: `(N,)`.
        bounds: of the window, `(x_min, y_min, x_max, y_max)`.
        classes: that the ids are of.
    """
    cut, share = clip_to_window(corners, bounds)
    needed = classes.values(class_ids, "least_inside")
    sides = np.linalg.norm(cut[:, 1:3] - cut[:, 0:2], axis=2).min(axis=1, initial=np.inf)
    keep = (share >= needed) & (sides >= MIN_SIDE_PX)
    paint = (share > 0) & ~keep
    return Settled(order_corners(cut[keep]), class_ids[keep], np.flatnonzero(keep), corners[paint])


def paint_over(pixels: NDArray[np.uint8], hidden: Corners, kept: Corners) -> None:
    """Fill regions with the colour around them, in place; kept objects are spared.

    Args:
        pixels: `(height, width, 3)`.
        hidden: `(M, 4, 2)` regions to fill.
        kept: `(N, 4, 2)` objects that stay visible.
    """
    if not len(hidden):
        return
    spared = np.zeros(pixels.shape[:2], np.uint8)
    cv2.fillPoly(spared, [_whole(box) for box in kept], 1)
    for box in hidden:
        left, top = np.floor(box.min(axis=0)).astype(int) - 4
        right, bottom = np.ceil(box.max(axis=0)).astype(int) + 5
        left, top = max(left, 0), max(top, 0)
        window = (slice(top, max(bottom, top)), slice(left, max(right, left)))
        part = pixels[window]
        if part.size == 0:
            continue
        inside = np.zeros(part.shape[:2], np.uint8)
        cv2.fillPoly(inside, [_whole(box - (left, top))], 1)
        ring = (cv2.dilate(inside, np.ones((7, 7), np.uint8)) > 0) & (inside == 0)
        colour = np.median(part[ring], axis=0) if ring.any() else np.array([110, 110, 110])
        part[(inside > 0) & (spared[window] == 0)] = colour


def _whole(box: NDArray[np.float64]) -> NDArray[np.int32]:
    return np.rint(box).astype(np.int32)
