"""How many objects a merge got wrong, against the objects that the tiles saw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from detector.boxes.scored import Boxes
from detector.geometry.boxes import iou_pairs, polygons
from detector.simulating.views import Truth, Views

LEAST_IOU, LEAST_COVER = 0.3, 0.6
"""A box can stand for an object from this IoU on, or where this share of it lies inside."""


@dataclass(frozen=True, slots=True)
class Score:
    """Errors of a merge.

    Attributes:
        objects: that at least one tile saw, at a scale that answers for them.
        merges: of them without a box of their own: swallowed by another.
        splits: boxes too many.
        missing: `(N,)` true objects without a box.
        extra: `(K,)` boxes too many.
        iou: `(M,)` of the boxes with their objects.
    """

    objects: int
    merges: int
    splits: int
    missing: NDArray[np.int64]
    extra: NDArray[np.int64]
    iou: NDArray[np.float64]


def score(found: Boxes, truth: Truth, views: Views) -> Score:
    """Pair boxes with objects one to one, as many as possible, then with the largest IoU."""
    seen = np.unique(views.source[views.answerable])
    shapes, objects = polygons(found.corners), polygons(truth.corners[seen])
    rows, cols = shapely.STRtree(objects).query(shapes, predicate="intersects")
    iou = iou_pairs(shapes[rows], objects[cols])
    shared = shapely.area(shapely.intersection(shapes[rows], objects[cols]))
    cover = shared / np.maximum(shapely.area(shapes[rows]), 1e-9)
    good = (found.class_ids[rows] == truth.class_ids[seen][cols]) & (
        (iou >= LEAST_IOU) | (cover >= LEAST_COVER)
    )
    rows, cols, iou = rows[good], cols[good], iou[good]
    paired = _assign(len(found), len(seen), rows, cols, iou)
    extra = np.setdiff1d(np.arange(len(found)), rows[paired])
    missing = seen[np.setdiff1d(np.arange(len(seen)), cols[paired])]
    return Score(len(seen), len(missing), len(extra), missing, extra, iou[paired])


def _assign(
    boxes: int,
    objects: int,
    rows: NDArray[np.int64],
    cols: NDArray[np.int64],
    iou: NDArray[np.float64],
) -> NDArray[np.int64]:
    """Positions of the chosen pairs."""
    graph = coo_array((np.ones(len(rows)), (rows, cols + boxes)), shape=(boxes + objects,) * 2)
    _, labels = connected_components(graph, directed=False)
    chosen: list[int] = []
    order = np.argsort(labels[rows], kind="stable")
    starts = np.flatnonzero(np.diff(labels[rows][order], prepend=-1))
    for part in np.split(order, starts[1:]):
        ids_row, row = np.unique(rows[part], return_inverse=True)
        ids_col, col = np.unique(cols[part], return_inverse=True)
        table = np.zeros((len(ids_row), len(ids_col)))
        place = np.full(table.shape, -1)
        table[row, col], place[row, col] = 2.0 + iou[part], part
        picked = place[linear_sum_assignment(table, maximize=True)]
        chosen += picked[picked >= 0].tolist()
    return np.array(chosen, np.int64)
