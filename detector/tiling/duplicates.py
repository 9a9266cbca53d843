"""Duplicates inside one tile: one object, found twice by one pass of the network."""

from __future__ import annotations

import logging

import numpy as np
import shapely
from numpy.typing import NDArray

from detector.boxes import Boxes
from detector.geometry.boxes import iou_pairs, polygons
from detector.tiling.bounds import shared_area_bound

DUPLICATE_IOU = 0.5

MOST_BOXES = 100_000
"""More boxes than this in one tile are no detections: a head with stride 8 has 26 anchors a
thousand pixels, 21,504 in a tile of 1024 px."""

BLOCK = 256
"""Boxes that are compared with each other at once: any density costs at most their square."""

_log = logging.getLogger(__name__)


def suppress_duplicates(boxes: Boxes, iou: float = DUPLICATE_IOU) -> NDArray[np.int64]:
    """Indices of the boxes that are not a duplicate of a better one of their class.

    Of more than `MOST_BOXES` only the best are looked at, with a warning; `is_crowded` tells.

    Args:
        boxes: of one tile, any frame.
        iou: exact polygon IoU from which two boxes are the same object.

    Returns:
        `(K,)` int64, best score first; ties go by geometry, never by order.
    """
    order = rank(boxes)
    if is_crowded(boxes):
        _log.warning("%d boxes in one tile: only the best %d are used", len(boxes), MOST_BOXES)
        order = order[:MOST_BOXES]
    shapes, corners = polygons(boxes.corners[order]), boxes.corners[order]
    classes, areas = boxes.class_ids[order], shapely.area(shapes)
    alive = np.ones(len(order), bool)
    tree = shapely.STRtree(shapes) if len(order) > BLOCK else None

    def same(first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.bool_]:
        worth = classes[first] == classes[second]
        first, second = first[worth], second[worth]
        bound = shared_area_bound(corners[first], corners[second])
        close = bound >= iou * (areas[first] + areas[second] - bound)
        close[close] = iou_pairs(shapes[first[close]], shapes[second[close]]) >= iou
        worth[worth] = close
        return np.asarray(worth)

    for start in range(0, len(order), BLOCK):
        block = start + np.flatnonzero(alive[start : start + BLOCK])
        one, other = shapely.STRtree(shapes[block]).query(shapes[block])
        one, other = one[one < other], other[one < other]
        pair = same(block[one], block[other])
        alive[block] = greedy_keep(len(block), one[pair], other[pair])
        if tree is None:
            continue
        kept = block[alive[block]]
        left, later = tree.query(shapes[kept])
        left = kept[left]
        ahead = (later >= start + BLOCK) & alive[later]
        left, later = left[ahead], later[ahead]
        alive[later[same(left, later)]] = False
    return np.asarray(order[alive])


def is_crowded(boxes: Boxes) -> bool:
    """Whether there are more boxes than a tile can hold, so that some are left out."""
    return len(boxes) > MOST_BOXES


def rank(boxes: Boxes) -> NDArray[np.int64]:
    """Indices `(N,)` by falling score; ties by class and corners."""
    keys = [*boxes.corners.reshape(-1, 8).T[::-1], boxes.class_ids, -boxes.scores]
    return np.lexsort(keys).astype(np.int64)


def greedy_keep(
    count: int, better: NDArray[np.integer], worse: NDArray[np.integer]
) -> NDArray[np.bool_]:
    """Mask `(count,)` of those that no kept better one suppresses.

    Args:
        count: how many there are, best first.
        better: `(P,)` index of the better one of each pair, below `worse`.
        worse: `(P,)`.
    """
    kept = np.ones(count, bool)
    order = np.lexsort((worse, better))
    for i, j in zip(better[order].tolist(), worse[order].tolist(), strict=True):
        if kept[i]:
            kept[j] = False
    return kept
