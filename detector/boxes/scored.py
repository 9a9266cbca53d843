"""Boxes on their way from the network to the table: corners, scores, classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NewType, Self

import numpy as np
from numpy.typing import NDArray

from detector.classes import PORT, ClassSet
from detector.errors import GeometryError
from detector.geometry.boxes import Corners, as_corners


@dataclass(frozen=True, slots=True)
class Boxes:
    """Scored oriented boxes in one pixel frame.

    Attributes:
        corners: `(N, 4, 2)` float64, pixels, clockwise, first edge = length.
        scores: `(N,)` float32 in [0, 1].
        class_ids: `(N,)` int64, positions in `classes`.
        classes: that the ids are of.

    Raises:
        GeometryError: the lengths of the arrays differ.
    """

    corners: Corners
    scores: NDArray[np.float32]
    class_ids: NDArray[np.int64]
    classes: ClassSet = PORT

    def __post_init__(self) -> None:
        if not len(self.corners) == len(self.scores) == len(self.class_ids):
            raise GeometryError(
                f"{len(self.corners)} boxes with {len(self.scores)} scores and "
                f"{len(self.class_ids)} classes"
            )

    def __len__(self) -> int:
        return len(self.scores)

    def select(self, index: NDArray[np.integer] | NDArray[np.bool_]) -> Self:
        """The boxes at `index`, in its order."""
        return replace(
            self,
            corners=self.corners[index],
            scores=self.scores[index],
            class_ids=self.class_ids[index],
        )

    def in_classes(self, classes: ClassSet) -> Self:
        """The boxes with the ids of another set; those of classes that it lacks are left out."""
        if classes == self.classes:
            return self
        ids = self.classes.ids_in(classes)[self.class_ids]
        return replace(self, class_ids=ids, classes=classes).select(ids >= 0)

    @classmethod
    def empty(cls, classes: ClassSet = PORT) -> Self:
        """No boxes."""
        return cls(as_corners([]), np.zeros(0, np.float32), np.zeros(0, np.int64), classes)

    @classmethod
    def concatenate(cls, parts: Sequence[Self]) -> Self:
        """All boxes of `parts`, in order.

        Raises:
            GeometryError: boxes of one part are of other classes than those of another.
        """
        if not parts:
            return cls.empty()
        classes = next((part.classes for part in parts if len(part)), parts[0].classes)
        if any(len(part) and part.classes != classes for part in parts):
            raise GeometryError("boxes of different sets of classes cannot be put together")
        return cls(
            np.concatenate([part.corners for part in parts]),
            np.concatenate([part.scores for part in parts]),
            np.concatenate([part.class_ids for part in parts]),
            classes,
        )


PlanBoxes = NewType("PlanBoxes", Boxes)
"""Boxes whose corners are `PlanPixels`."""


@dataclass(frozen=True, slots=True)
class TileBoxes:
    """Boxes of many tiles in the plan frame of the scene, each with the tile that saw it.

    Attributes:
        boxes: `N` boxes, plan frame.
        tiles: `(N,)` int64, `Tile.index` of the tile that each comes from.
    """

    boxes: PlanBoxes
    tiles: NDArray[np.int64]

    def __post_init__(self) -> None:
        if len(self.boxes) != len(self.tiles):
            raise GeometryError(f"{len(self.boxes)} boxes with {len(self.tiles)} tile indices")

    def __len__(self) -> int:
        return len(self.boxes)

    @classmethod
    def concatenate(cls, parts: Sequence[Self]) -> Self:
        """All boxes of `parts`, in order."""
        tiles = [part.tiles for part in parts] or [np.zeros(0, np.int64)]
        boxes = PlanBoxes(Boxes.concatenate([part.boxes for part in parts]))
        return cls(boxes, np.concatenate(tiles))
