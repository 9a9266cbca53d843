"""One labelled image, whatever dataset it comes from."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detector.boxes.scored import Boxes
from detector.classes import CLASS_NAMES, ObjectClass, SourceClasses
from detector.errors import QuaywatchError
from detector.geometry.boxes import Corners, as_corners


class DataError(QuaywatchError):
    """A dataset that is missing, empty, damaged or not in its documented layout."""


class Labelling(StrEnum):
    """What an image's labels say of one class.

    `ORIENTED`: all objects are boxed with oriented boxes. `ENVELOPE`: all are boxed, with
    axis-aligned boxes only. `NONE`: somebody looked and there are none. `UNLABELLED`: objects may
    be visible without a box, so the image teaches nothing of the class.
    """

    ORIENTED = "oriented"
    ENVELOPE = "envelope"
    NONE = "none"
    UNLABELLED = "unlabelled"


def labelling_of(source: SourceClasses, *, labelled: bool = True) -> tuple[Labelling, ...]:
    """What a source says of each class in one image.

    Args:
        source: its row of the table of sources.
        labelled: whether the image has a label file that could be read.
    """
    states = []
    for class_id, limit in enumerate(source.complete_above_px):
        if limit is None or not labelled:
            states.append(Labelling.UNLABELLED)
        elif source.oriented or class_id != ObjectClass.SHIP:
            states.append(Labelling.ORIENTED if source.oriented else Labelling.UNLABELLED)
        else:
            states.append(Labelling.ENVELOPE)
    return tuple(states)


@dataclass(frozen=True, slots=True)
class Fault:
    """An annotation or a file that could not be used.

    Attributes:
        path: the label file, or the image.
        line: line of it, counted from 1; 0 for the whole file, and where it has no lines of ours:
            then the reason names the object.
        reason: what is wrong, half a sentence.
        note: True where it is only to be known: nothing of our classes is lost by it.
    """

    path: Path
    line: int
    reason: str
    note: bool = False

    def __str__(self) -> str:
        where = f"{self.path}:{self.line}" if self.line else str(self.path)
        return f"{where}: {self.reason}"


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """An image with what is known of it.

    Attributes:
        image: the file, opened through `Scene`.
        width: pixels.
        height: pixels.
        source: name of the dataset.
        split: `train`, `dev`, or empty where the dataset has none.
        place: images of the same place are never on both sides of a split.
        gsd_m: ground sample distance in metres, or None where unknown.
        corners: `(N, 4, 2)` oriented boxes, pixels, clockwise, first edge = length.
        class_ids: `(N,)` int64, values of `ObjectClass`.
        envelopes: `(E, 4, 2)` axis-aligned ships whose orientation is unknown, pixels.
        ignored: `(M, 4, 2)` regions that are neither right nor wrong, pixels.
        ignored_class_ids: `(M,)` the class that each region is for; None: for all classes.
        labelling: of each class, in the order of `CLASS_NAMES`.
        faults: annotations that were left out.

    Raises:
        DataError: the arrays or the labelling don't fit each other.
    """

    image: Path
    width: int
    height: int
    source: str
    split: str
    place: str
    gsd_m: float | None
    corners: Corners
    class_ids: NDArray[np.int64]
    envelopes: Corners = field(default_factory=lambda: as_corners([]))
    ignored: Corners = field(default_factory=lambda: as_corners([]))
    ignored_class_ids: NDArray[np.int64] | None = None
    labelling: tuple[Labelling, ...] = (Labelling.ORIENTED,) * len(CLASS_NAMES)
    faults: tuple[Fault, ...] = ()

    def __post_init__(self) -> None:
        if len(self.corners) != len(self.class_ids):
            raise DataError(
                f"{self.image}: {len(self.corners)} boxes with {len(self.class_ids)} classes"
            )
        if len(self.labelling) != len(CLASS_NAMES):
            raise DataError(f"{self.image}: the labelling needs one state for each class")
        for class_id, state in enumerate(self.labelling):
            if state is Labelling.NONE and (self.class_ids == class_id).any():
                raise DataError(
                    f"{self.image}: boxes of '{CLASS_NAMES[class_id]}', said to be absent"
                )

    @property
    def taught(self) -> tuple[bool, ...]:
        """Whether the oriented boxes of each class are complete, so that the rest is background."""
        return tuple(state in (Labelling.ORIENTED, Labelling.NONE) for state in self.labelling)

    def boxes(self) -> Boxes:
        """The oriented truth as boxes of score 1."""
        return Boxes(self.corners, np.ones(len(self.corners), np.float32), self.class_ids)
