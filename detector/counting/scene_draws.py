"""What the boxes of a scene stand for in every draw: all rows of its counts are sums of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from detector.counting.calibration import Calibration, CountedBoxes, read_scale
from detector.counting.draws import DRAWS, LoneObjects
from detector.detections import Detections
from detector.geometry.boxes import edge_lengths


@dataclass(frozen=True, slots=True)
class Ground:
    """What a scene shows.

    Attributes:
        width: columns.
        height: rows.
        seen: share of its pixels that was seen.
        gsd_m: None where unknown.
    """

    width: int
    height: int
    seen: float
    gsd_m: float | None


@dataclass(frozen=True, slots=True)
class SceneDraws:
    """What the boxes of a scene stand for in every draw; all rows of the scene are sums of it.

    Attributes:
        readable: `(N,)` which detections are long enough for the claim.
        numbers: of each class with a claim, `(N, DRAWS)`: 0 for all other detections.
        lone: of each class with a claim, objects missed far from all boxes.
        ground: of the scene.
        read_scale: pixels of the file in one as read.
    """

    readable: NDArray[np.bool_]
    numbers: dict[int, NDArray[np.int16]]
    lone: dict[int, LoneObjects]
    ground: Ground
    read_scale: float

    @property
    def enlarged(self) -> bool:
        """Whether a coarse network read the scene enlarged, so that it claims long ships alone."""
        return self.read_scale < 1.0

    def sum(
        self,
        class_id: int,
        chosen: NDArray[np.bool_],
        lone: NDArray[np.bool_],
    ) -> NDArray[np.int64] | None:
        """`(DRAWS,)` objects of chosen boxes and chosen lone ones; None without a claim."""
        if class_id not in self.numbers:
            return None
        total = self.numbers[class_id][chosen].sum(axis=0, dtype=np.int64)
        return np.asarray(total + self.lone[class_id].count(lone))

    def lone_inside(self, class_id: int, shape: BaseGeometry | None) -> NDArray[np.bool_]:
        """Which lone objects lie in a zone (file pixels), in the scene where it is None."""
        lone = self.lone.get(class_id)
        if lone is None:
            return np.zeros(0, np.bool_)
        if shape is None:
            return np.ones(len(lone.draw), np.bool_)
        x, y = (lone.place * [self.ground.width, self.ground.height]).T
        return np.asarray(shapely.contains_xy(shape, x, y), np.bool_)

    def lone_lengths_m(self, class_id: int) -> NDArray[np.float64]:
        """Of the lone objects, NaN where the gsd is unknown."""
        gsd_m = np.nan if self.ground.gsd_m is None else self.ground.gsd_m
        lone = self.lone.get(class_id)
        return (np.zeros(0) if lone is None else lone.length_px) * self.read_scale * gsd_m


def draw_scene(detections: Detections, calibration: Calibration, ground: Ground) -> SceneDraws:
    """What every box of a scene stands for.

    Args:
        detections: of the scene.
        calibration: of the weights, with the classes of the detections.
        ground: of the scene.
    """
    gsd_m = np.nan if ground.gsd_m is None else ground.gsd_m
    length_px = np.maximum(*edge_lengths(detections.corners)) if len(detections) else np.zeros(0)
    if ground.gsd_m is not None:  # in metres, for pixels of a scene in degrees are not square
        length_px = detections.length_m / ground.gsd_m
    readable = calibration.readable(
        detections.class_ids, detections.length_m, detections.corners, ground.gsd_m
    )
    numbers, lone = {}, {}
    for class_id in detections.classes.with_role("counted"):
        mine = np.flatnonzero((detections.class_ids == class_id) & detections.counted & readable)
        boxes = CountedBoxes(
            detections.scores[mine].astype(np.float64),
            length_px[mine],
            np.full(len(mine), gsd_m),
            detections.corners[mine],
            [f"{detections.scene_id}#{row}" for row in mine],
        )
        drawn = calibration.draw(class_id, boxes)
        area_px = ground.width * ground.height * ground.seen
        apart = calibration.draw_lone(class_id, area_px, gsd_m, f"{detections.scene_id}#{class_id}")
        if drawn is None or apart is None:
            continue
        numbers[class_id] = np.zeros((len(detections), DRAWS), np.int16)
        numbers[class_id][mine] = drawn
        lone[class_id] = apart
    scale = float(read_scale(np.array(gsd_m), calibration.read_gsd_m))
    return SceneDraws(readable, numbers, lone, ground, scale)
