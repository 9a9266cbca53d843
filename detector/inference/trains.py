"""Pieces of one row of containers, end to end on one line, as one block.

A network that reads a train of containers finds it in pieces that overlap: it is 3 m wide and
hundreds of metres long, and no part of it says where a block ends. What lies on one line, as wide
as one container, with no more between than a coupling leaves, is one row.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, TypeVar

import numpy as np
import shapely
from numpy.typing import NDArray

from detector.boxes.scored import Boxes
from detector.classes import CONTAINER_STACK
from detector.geometry.boxes import (
    Corners,
    centres,
    corners_from_xywhr,
    edge_lengths,
    polygons,
)
from detector.tiling.clusters import components

WIDEST_M: Final = 3.9  # of a row one container wide, 2.44 m (ISO 668), and what boxes lie off
WIDEST_PX: Final = 3.0  # boxes of coarse pixels are not drawn narrower
LEAST_RATIO: Final = 2.0  # of length to width: a shorter box has no line
LARGEST_GAP_M: Final = 2.5  # between boxes of containers on coupled wagons; lanes are 3 m and more
LARGEST_SHIFT_M: Final = 1.2  # across the line, half a container
LARGEST_TURN_RAD: Final = np.radians(4.0)

B = TypeVar("B", bound=Boxes)


def join_rows(boxes: B, gsd_m: float | None) -> tuple[B, NDArray[np.int64]]:
    """Boxes in which pieces of one narrow row of containers are one.

    A joined box takes the place of its first piece, spans all of them along the axis of the
    longest, has their mean width by length, and the highest score.

    Args:
        boxes: of a scene, merged; pixels.
        gsd_m: metres by pixel; None joins nothing, since then nobody knows how wide a box is.

    Returns:
        The boxes, and of each row of `boxes` the one that holds it, `(N,)`.
    """
    same = np.arange(len(boxes), dtype=np.int64)
    if gsd_m is None or CONTAINER_STACK.name not in boxes.classes.names:
        return boxes, same
    mine = np.flatnonzero(boxes.class_ids == boxes.classes.id(CONTAINER_STACK.name))
    lengths, widths = (side * gsd_m for side in edge_lengths(boxes.corners[mine]))
    narrow = (widths <= max(WIDEST_M, WIDEST_PX * gsd_m)) & (lengths >= LEAST_RATIO * widths)
    mine = mine[narrow]
    if len(mine) < 2:
        return boxes, same
    first, second = _pairs(boxes.corners[mine] * gsd_m)
    if not len(first):
        return boxes, same
    group = components(len(mine), first, second)
    into, corners, scores = same.copy(), boxes.corners.copy(), boxes.scores.copy()
    for number in np.flatnonzero(np.bincount(group) > 1):
        pieces = mine[group == number]
        into[pieces] = pieces[0]
        corners[pieces[0]] = _spanning(boxes.corners[pieces])
        scores[pieces[0]] = boxes.scores[pieces].max()
    kept, into = np.unique(into, return_inverse=True)
    whole = replace(boxes, corners=corners, scores=scores).select(kept)
    return whole, np.asarray(into, np.int64)


def _pairs(corners: Corners) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of boxes, metres, that follow each other on one line."""
    middle, length = centres(corners), edge_lengths(corners)[0]
    axis = (corners[:, 1] - corners[:, 0]) / np.maximum(length, 1e-9)[:, None]
    shapes = polygons(corners)
    near = shapely.STRtree(shapes).query(shapes, predicate="dwithin", distance=LARGEST_GAP_M)
    first, second = near[:, near[0] < near[1]]
    turn = np.arccos(np.clip(np.abs((axis[first] * axis[second]).sum(axis=1)), 0.0, 1.0))
    longer = np.where(length[first] >= length[second], first, second)
    away = middle[second] - middle[first]
    along = np.abs((away * axis[longer]).sum(axis=1))
    across = np.abs(away[:, 0] * axis[longer, 1] - away[:, 1] * axis[longer, 0])
    gap = along - (length[first] + length[second]) / 2.0
    good = (turn <= LARGEST_TURN_RAD) & (across <= LARGEST_SHIFT_M) & (gap <= LARGEST_GAP_M)
    return first[good], second[good]


def _spanning(pieces: Corners) -> NDArray[np.float64]:
    """The box `(4, 2)` on the line through the ends of the pieces, from the first to the last."""
    lengths, widths = edge_lengths(pieces)
    longest = pieces[int(np.argmax(lengths))]
    ends = np.concatenate([pieces[:, [0, 3]].mean(axis=1), pieces[:, [1, 2]].mean(axis=1)])
    weights = lengths / lengths.sum()
    middle = np.concatenate([weights, weights]) @ ends / 2.0
    axis = np.linalg.svd(ends - middle)[2][0]
    if axis @ (longest[1] - longest[0]) < 0:
        axis = -axis
    along = ((pieces - middle) @ axis).ravel()
    low, high = along.min(), along.max()
    x, y = middle + (low + high) / 2.0 * axis
    angle = np.arctan2(axis[1], axis[0])
    box = np.array([[x, y, high - low, weights @ widths, angle]])
    return np.asarray(corners_from_xywhr(box)[0])
