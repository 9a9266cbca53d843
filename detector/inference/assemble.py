"""Merged boxes to the table of detections: map coordinates, metres, flags."""

from __future__ import annotations

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
from detector.scenes.types import SceneInfo


@dataclass(frozen=True, slots=True)
class Assembled:
    """The detections of a scene, and what was no object.

    Attributes:
        detections: one row an object, in an order fixed by class and place.
        implausible: left out, since nothing of their class is so long: ships, by class.
        yards: ships left out, since surer container stacks fill them.
    """

    detections: Detections
    implausible: int
    yards: int


def assemble(
    boxes: PlanBoxes,
    info: SceneInfo,
    frame: PlanFrame,
    coverage: Coverage,
    beyond: NDArray[np.bool_],
) -> Assembled:
    """The detections of a scene.

    Args:
        boxes: merged, plan frame.
        info: of the scene.
        frame: the plan frame of the scene.
        coverage: valid part of the scene.
        beyond: `(N,)` boxes that reach beyond what was read.
    """
    order = _reading_order(boxes)
    rows = _rows(boxes.select(order), info, frame, coverage)
    rows = replace(rows, at_scene_edge=rows.at_scene_edge | beyond[order])
    implausible = find_implausible(rows)
    rows = rows.select(~implausible)
    yards = find_yards(_boxes(rows))
    rows = rows.select(~yards)
    rows = replace(rows, on_ship=find_deck_cargo(_boxes(rows)))
    return Assembled(rows, int(implausible.sum()), int(yards.sum()))


def find_implausible(detections: Detections) -> NDArray[np.bool_]:
    """Which detections `(N,)` are longer than anything of their class, if metres are known.

    The network sees no metres: a pier or a roof of a coarse scene can look like a ship of 2 km.
    """
    most = detections.classes.values(detections.class_ids, "impossible_m")
    return np.asarray(np.nan_to_num(detections.length_m) > most)


def _boxes(rows: Detections) -> Boxes:
    return Boxes(rows.corners, rows.scores, rows.class_ids, rows.classes)


def _rows(boxes: PlanBoxes, info: SceneInfo, frame: PlanFrame, coverage: Coverage) -> Detections:
    plan_corners = PlanPixels(boxes.corners)
    corners = frame.to_file(plan_corners)
    length_m, width_m, axis_deg = _measures(plan_corners, corners, info, frame)
    return Detections(
        scene_id=info.scene_id,
        acquired=info.acquired,
        crs=info.crs,
        class_ids=boxes.class_ids,
        scores=boxes.scores,
        corners=corners,
        map_corners=apply_transform(info.transform, corners),
        length_m=length_m,
        width_m=width_m,
        axis_deg=axis_deg,
        at_scene_edge=coverage.touches_edge(corners),
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
