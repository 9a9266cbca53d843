"""Duplicates inside one tile: one object, found twice by one pass of the network."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray

from detector.boxes import Boxes
from detector.geometry.boxes import iou_pairs, polygons

DUPLICATE_IOU = 0.5


def suppress_duplicates(boxes: Boxes, iou: float = DUPLICATE_IOU) -> NDArray[np.int64]:
    """Indices of the boxes that are not a duplicate of a better one of their class.

    Args:
        boxes: of one tile, any frame.
        iou: exact polygon IoU from which two boxes are the same object.

    Returns:
        `(K,)` int64, best score first; ties go by geometry, never by order.
    """
    order = rank(boxes)
    shapes = polygons(boxes.corners[order])
    first, second = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    classes = boxes.class_ids[order]
    pairs = (first < second) & (classes[first] == classes[second])
    first, second = first[pairs], second[pairs]
    same = iou_pairs(shapes[first], shapes[second]) >= iou
    kept = greedy_keep(len(order), first[same], second[same])
    return np.asarray(order[kept])


def rank(boxes: Boxes) -> NDArray[np.int64]:
    """Indices `(N,)` by falling score; ties by class and corners."""
    keys = [*boxes.corners.reshape(-1, 8).T[::-1], boxes.class_ids, -boxes.scores]
    return np.lexsort(keys).astype(np.int64)


def greedy_keep(
    count: int, better: NDArray[np.integer], worse: NDArray[np.integer]
) -> NDArray[np.bool_]:
    """Mask `(count,)` of those that no kept better one suppresses; `better[i] < worse[i]`."""
    kept = np.ones(count, bool)
    order = np.lexsort((worse, better))
    for i, j in zip(better[order].tolist(), worse[order].tolist(), strict=True):
        if kept[i]:
            kept[j] = False
    return kept
