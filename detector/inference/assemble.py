"""Merged boxes to the table of detections: map coordinates, metres, flags."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray

from detector.boxes import Boxes
from detector.classes import ObjectClass
from detector.detections import Detections
from detector.geometry.boxes import Corners, edge_lengths, polygons
from detector.geometry.geodesy import apply_transform, box_measures
from detector.inference.coverage import Coverage
from detector.inference.frame import PlanFrame
from detector.scenes.types import SceneInfo

# Seawise Giant was 458.5 m; 5 % on top for the error of a box.
LONGEST_SHIP_EVER_M = 481.0
ON_SHIP_SHARE = 0.5  # of a stack's area: over it the stack is deck cargo


def assemble(boxes: Boxes, info: SceneInfo, frame: PlanFrame, coverage: Coverage) -> Detections:
    """The detections of a scene.

    Args:
        boxes: merged, plan frame.
        info: of the scene.
        frame: the plan frame of the scene.
        coverage: valid part of the scene.

    Returns:
        One row an object, in an order fixed by class and place.
    """
    boxes = boxes.select(_reading_order(boxes))
    corners = frame.to_file(boxes.corners)
    length_m, width_m, axis_deg = _measures(boxes.corners, corners, info, frame)
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
        on_ship=find_deck_cargo(boxes),
    )


def find_implausible(detections: Detections) -> NDArray[np.bool_]:
    """Which detections `(N,)` are longer than any ship that was ever built, if metres are known.

    The network sees no metres: a pier or a roof of a coarse scene can look like a ship of 2 km.
    """
    ships = detections.class_ids == ObjectClass.SHIP
    return np.asarray(ships & (np.nan_to_num(detections.length_m) > LONGEST_SHIP_EVER_M))


def find_deck_cargo(boxes: Boxes) -> NDArray[np.bool_]:
    """Which boxes `(N,)` are container stacks with more than half of their area inside a ship."""
    result = np.zeros(len(boxes), np.bool_)
    ships = np.flatnonzero(boxes.class_ids == ObjectClass.SHIP)
    stacks = np.flatnonzero(boxes.class_ids == ObjectClass.CONTAINER_STACK)
    if not len(ships) or not len(stacks):
        return result
    hulls, blocks = polygons(boxes.corners[ships]), polygons(boxes.corners[stacks])
    block, hull = shapely.STRtree(hulls).query(blocks, predicate="intersects")
    shared = shapely.area(shapely.intersection(blocks[block], hulls[hull]))
    inside = shared > ON_SHIP_SHARE * shapely.area(blocks[block])
    result[stacks[block[inside]]] = True
    return result


def _measures(
    plan_corners: Corners, corners: Corners, info: SceneInfo, frame: PlanFrame
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
    order = np.lexsort((centre[:, 0], centre[:, 1], -boxes.scores, boxes.class_ids))
    return np.asarray(order, np.int64)
