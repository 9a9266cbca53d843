"""How others merge tiles, on the same boxes: the plain ways, and SAHI's and supervision's own.

Each is a function from the boxes of all tiles and their plan to boxes. Thresholds are the defaults
of the libraries unless the name says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import numpy as np
import shapely
from numpy.typing import NDArray

from detector.boxes.duplicates import suppress_duplicates
from detector.boxes.scored import Boxes, TileBoxes
from detector.geometry.boxes import centres, envelopes, order_corners, polygons
from detector.tiling.merge import merge
from detector.tiling.plan import TilePlan

MergeFunction: TypeAlias = Callable[[TileBoxes, TilePlan], Boxes]


def plain_nms(tile_boxes: TileBoxes, plan: TilePlan, iou: float) -> Boxes:
    """Suppression by class with exact oriented IoU over all tiles."""
    return tile_boxes.boxes.select(suppress_duplicates(tile_boxes.boxes, iou))


def core_only(tile_boxes: TileBoxes, plan: TilePlan, iou: float) -> Boxes:
    """Every tile keeps the boxes whose centre lies in its core; then exact oriented NMS."""
    cores = np.array([tile.core.bounds for tile in plan.tiles])[tile_boxes.tiles]
    centre = centres(tile_boxes.boxes.corners)
    own = ((centre >= cores[:, :2]) & (centre < cores[:, 2:])).all(axis=1)
    boxes = tile_boxes.boxes.select(own)
    return boxes.select(suppress_duplicates(boxes, iou))


def sahi_nms(tile_boxes: TileBoxes, plan: TilePlan, iou: float) -> Boxes:
    """SAHI's `NMS` by class, on envelopes as SAHI does it."""
    from sahi.postprocess.combine import batched_nms

    kept = batched_nms(_envelope_rows(tile_boxes.boxes), "IOU", iou)
    return tile_boxes.boxes.select(np.array(kept, np.int64))


def sahi_greedy_nmm(tile_boxes: TileBoxes, plan: TilePlan, metric: str, least: float) -> Boxes:
    """SAHI's `GREEDYNMM` by class (its default, IOS 0.5); merged polygons are united."""
    from sahi.postprocess.combine import batched_greedy_nmm

    groups = batched_greedy_nmm(_envelope_rows(tile_boxes.boxes), metric, least)
    return _united(tile_boxes.boxes, [[int(k), *map(int, rest)] for k, rest in groups.items()])


def supervision_nms(tile_boxes: TileBoxes, plan: TilePlan, metric: str, least: float) -> Boxes:
    """Supervision's oriented NMS, the filter of its `InferenceSlicer` (IOU 0.5)."""
    found = _supervision(tile_boxes.boxes).with_nms(least, overlap_metric=_metric(metric))
    return tile_boxes.boxes.select(found.data["index"])


def supervision_nmm(tile_boxes: TileBoxes, plan: TilePlan, metric: str, least: float) -> Boxes:
    """Supervision's oriented non-max merging."""
    import supervision as sv

    found = _supervision(tile_boxes.boxes).with_nmm(least, overlap_metric=_metric(metric))
    corners = np.asarray(found.data[sv.config.ORIENTED_BOX_COORDINATES], np.float64)
    return Boxes(
        order_corners(corners.reshape(-1, 4, 2)),
        np.asarray(found.confidence, np.float32),
        np.asarray(found.class_id, np.int64),
    )


PEERS: dict[str, MergeFunction] = {
    "Quaywatch": merge,
    "exact NMS, IoU 0.5": partial(plain_nms, iou=0.5),
    "exact NMS, IoU 0.3": partial(plain_nms, iou=0.3),
    "core only + exact NMS 0.5": partial(core_only, iou=0.5),
    "SAHI NMS, IOU 0.5": partial(sahi_nms, iou=0.5),
    "SAHI GREEDYNMM, IOS 0.5 (default)": partial(sahi_greedy_nmm, metric="IOS", least=0.5),
    "supervision NMS, IOU 0.5 (default)": partial(supervision_nms, metric="IOU", least=0.5),
    "supervision NMS, IOS 0.5": partial(supervision_nms, metric="IOS", least=0.5),
    "supervision NMM, IOU 0.5": partial(supervision_nmm, metric="IOU", least=0.5),
}

SWEPT: dict[str, Callable[[float], MergeFunction]] = {
    "exact NMS": lambda t: partial(plain_nms, iou=t),
    "SAHI NMS": lambda t: partial(sahi_nms, iou=t),
    "SAHI GREEDYNMM IOS": lambda t: partial(sahi_greedy_nmm, metric="IOS", least=t),
    "supervision NMS IOS": lambda t: partial(supervision_nms, metric="IOS", least=t),
    "supervision NMM IOU": lambda t: partial(supervision_nmm, metric="IOU", least=t),
}
"""Peers whose best threshold is looked for, so that no default is to blame."""


def _envelope_rows(boxes: Boxes) -> NDArray[np.float64]:
    return np.column_stack([envelopes(boxes.corners), boxes.scores, boxes.class_ids])


def _united(boxes: Boxes, groups: list[list[int]]) -> Boxes:
    """The first of each group, with the smallest rectangle around all of it."""
    shapes = polygons(boxes.corners)
    corners = boxes.corners[[group[0] for group in groups]].copy()
    for k, group in enumerate(groups):
        if len(group) > 1:
            around = shapely.minimum_rotated_rectangle(shapely.union_all(shapes[group]))
            corners[k] = shapely.get_coordinates(around)[:4]
    first = np.array([group[0] for group in groups], np.int64)
    return Boxes(order_corners(corners), boxes.scores[first], boxes.class_ids[first])


def _supervision(boxes: Boxes):  # type: ignore[no-untyped-def]
    import supervision as sv

    return sv.Detections(
        xyxy=envelopes(boxes.corners).astype(np.float32),
        confidence=boxes.scores,
        class_id=boxes.class_ids,
        data={
            sv.config.ORIENTED_BOX_COORDINATES: boxes.corners.astype(np.float32),
            "index": np.arange(len(boxes)),
        },
    )


def _metric(name: str):  # type: ignore[no-untyped-def]
    import supervision as sv

    return sv.detection.utils.iou_and_nms.OverlapMetric[name]
