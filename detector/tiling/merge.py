"""Every object once: boxes of overlapping tiles become objects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detector.boxes import Boxes, TileBoxes
from detector.tiling.duplicates import DUPLICATE_IOU, suppress_duplicates
from detector.tiling.plan import TilePlan


@dataclass(frozen=True, slots=True)
class MergeSettings:
    """Thresholds of the merge.

    Attributes:
        duplicate_iou: exact IoU from which two boxes of one tile are one object.
    """

    duplicate_iou: float = DUPLICATE_IOU


def merge(tile_boxes: TileBoxes, plan: TilePlan, settings: MergeSettings | None = None) -> Boxes:
    """The objects that the boxes of all tiles show, each once, in the frame of the scene."""
    merger = Merger(plan, settings or MergeSettings())
    for index in range(len(plan.tiles)):
        merger.add(index, tile_boxes.boxes.select(tile_boxes.tiles == index))
    return merger.finish()


class Merger:
    """The same, tile by tile, holding only what can still meet a later tile.

    Tiles may be added in any order, each exactly once (tiles without boxes too): the result does
    not depend on it.
    """

    def __init__(self, plan: TilePlan, settings: MergeSettings) -> None:
        self._plan = plan
        self._settings = settings
        self._parts: list[Boxes] = []

    def add(self, tile_index: int, boxes: Boxes) -> None:
        """Take all boxes of one tile, scene frame."""
        self._parts.append(boxes)

    def finish(self) -> Boxes:
        """All objects, in the order of their top left corners."""
        boxes = Boxes.concatenate(self._parts)
        kept = boxes.select(suppress_duplicates(boxes, self._settings.duplicate_iou))
        top_left = kept.corners.min(axis=1)
        return kept.select(np.lexsort((top_left[:, 0], top_left[:, 1])))
