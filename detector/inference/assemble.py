"""Merged boxes to the table of detections: map coordinates, metres, flags."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from detector.boxes.scored import Boxes, PlanBoxes
from detector.detections import Detections
from detector.geometry.boxes import edge_lengths
from detector.geometry.frames import FilePixels, PlanPixels
from detector.geometry.geodesy import apply_transform, box_measures
from detector.inference.claims import find_deck_cargo, find_yards
from detector.inference.coverage import Coverage
from detector.inference.frame import PlanFrame
from detector.inference.land import Land, find_on_land
from detector.inference.sight import Sight, look_at_boxes
from detector.lengths import CUT_TYPE, NOT_READ, SCALE_LIMIT, WHOLE, LengthErrors, Measured
from detector.scenes.scene import Scene
from detector.scenes.types import SceneInfo


@dataclass(frozen=True, slots=True)
class Assembled:
    """The detections of a scene, and what was no object.

    Attributes:
        detections: one row an object, in an order fixed by class and place.
        implausible: left out, since nothing of their class is so long: ships, by class.
        yards: ships left out, since surer container stacks fill them.
        on_land: ships left out, since they lie on land.
    """

    detections: Detections
    implausible: int
    yards: int
    on_land: int


@dataclass(frozen=True, slots=True)
class Ends:
    """Which merged boxes end where the tiles do, not the object.

    Attributes:
        beyond: `(N,)` they reach beyond what was read.
        fragment: `(N,)` no tile saw the whole of them, and nothing could be joined to them.
    """

    beyond: NDArray[np.bool_]
    fragment: NDArray[np.bool_]


def assemble(
    boxes: PlanBoxes,
    scene: Scene,
    frame: PlanFrame,
    coverage: Coverage,
    ends: Ends,
    errors: LengthErrors,
    land: Land,
) -> Assembled:
    """The detections of a scene.

    Args:
        boxes: merged, plan frame.
        scene: open.
        frame: the plan frame of the scene.
        coverage: valid part of the scene.
        ends: of the boxes.
        errors: of lengths, as the card tells them.
        land: what is known of it.

    Raises:
        SceneError: the scene or its cloud mask is damaged.
    """
    order = _reading_order(boxes)
    rows = _rows(boxes.select(order), scene.info, frame)
    sight = look_at_boxes(scene, coverage, rows.corners)
    rows = replace(rows, cut=_cut(sight, ends, order), unseen_fraction=sight.unseen_fraction)
    rows = _bounded(rows, sight, scene.info, errors)
    implausible = find_implausible(rows)
    rows = rows.select(~implausible)
    on_land = find_on_land(scene, rows, land)
    rows = rows.select(~on_land)
    yards = _among_seen(rows, find_yards)
    rows = rows.select(~yards)
    rows = replace(rows, on_ship=_among_seen(rows, find_deck_cargo))
    return Assembled(rows, int(implausible.sum()), int(yards.sum()), int(on_land.sum()))


def find_implausible(detections: Detections) -> NDArray[np.bool_]:
    """Which detections `(N,)` are longer than anything of their class, if metres are known.

    The network sees no metres: a pier or a roof of a coarse scene can look like a ship of 2 km.
    """
    most = detections.classes.values(detections.class_ids, "impossible_m")
    return np.asarray(np.nan_to_num(detections.length_m) > most)


def _among_seen(rows: Detections, find: Callable[[Boxes], NDArray[np.bool_]]) -> NDArray[np.bool_]:
    """What `find` says of the boxes `(N,)`; those on unseen pixels claim no place."""
    result = np.zeros(len(rows), np.bool_)
    seen = ~rows.unseen
    result[seen] = find(_boxes(rows.select(seen)))
    return result


def _boxes(rows: Detections) -> Boxes:
    return Boxes(rows.corners, rows.scores, rows.class_ids, rows.classes)


def _cut(sight: Sight, ends: Ends, order: NDArray[np.int64]) -> NDArray[np.str_]:
    """Why each box is cut: the scene tells before the tiles do."""
    by_tiles = np.where(ends.fragment[order], SCALE_LIMIT, WHOLE)
    by_tiles = np.where(ends.beyond[order], NOT_READ, by_tiles)
    return np.where(sight.cut != WHOLE, sight.cut, by_tiles).astype(CUT_TYPE)


def _bounded(rows: Detections, sight: Sight, info: SceneInfo, errors: LengthErrors) -> Detections:
    """The detections with the intervals of their lengths."""
    low, high = np.full(len(rows), np.nan), np.full(len(rows), np.nan)
    for class_id, name in enumerate(rows.classes.names):
        mine = np.flatnonzero(rows.class_ids == class_id)
        bounds = errors.bounds(
            name,
            Measured(
                rows.length_m[mine],
                rows.is_cut[mine],
                sight.seen_length[mine],
                info.gsd_m,
                info.gsd_range_m,
            ),
        )
        low[mine], high[mine] = bounds.low_m, bounds.high_m
    return replace(rows, length_low_m=low, length_high_m=high)


def _rows(boxes: PlanBoxes, info: SceneInfo, frame: PlanFrame) -> Detections:
    plan_corners = PlanPixels(boxes.corners)
    corners = frame.to_file(plan_corners)
    length_m, width_m, axis_deg = _measures(plan_corners, corners, info, frame)
    return Detections(
        scene_id=info.scene_id,
        acquired=info.acquired,
        acquired_day=info.acquired_day,
        crs=info.crs,
        class_ids=boxes.class_ids,
        scores=boxes.scores,
        corners=corners,
        map_corners=apply_transform(info.transform, corners),
        length_m=length_m,
        width_m=width_m,
        axis_deg=axis_deg,
        on_ship=np.zeros(len(boxes), np.bool_),
        classes=boxes.classes,
    )


def _measures(
    plan_corners: PlanPixels, corners: FilePixels, info: SceneInfo, frame: PlanFrame
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    unknown = np.full(len(corners), np.nan)
    if info.crs is not None and info.gsd_source == "geodesic":
        return box_measures(apply_transform(info.transform, corners), info.crs)
    if frame.gsd_m is None:
        return unknown, unknown.copy(), unknown.copy()
    length_px, width_px = edge_lengths(plan_corners)
    return length_px * frame.gsd_m, width_px * frame.gsd_m, unknown


def _reading_order(boxes: Boxes) -> NDArray[np.int64]:
    centre = boxes.corners.mean(axis=1) if len(boxes) else np.zeros((0, 2))
    ranks = boxes.classes.ranks(boxes.class_ids)
    order = np.lexsort((centre[:, 0], centre[:, 1], -boxes.scores, ranks))
    return np.asarray(order, np.int64)
