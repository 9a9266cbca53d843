"""One labelled image, whatever dataset it comes from."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detector.boxes.scored import Boxes
from detector.classes import PORT, ClassSet
from detector.data.sources import SourceClasses
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


def labelling_of(
    source: SourceClasses, classes: ClassSet = PORT, *, labelled: bool = True
) -> tuple[Labelling, ...]:
    """What a source says of each class in one image.

    Args:
        source: its row of the table of sources.
        classes: of the labels.
        labelled: whether the image has a label file that could be read.
    """
    states = []
    for class_id, name in enumerate(classes.names):
        if name not in source.complete_above_px or not labelled:
            states.append(Labelling.UNLABELLED)
        elif source.oriented:
            states.append(Labelling.ORIENTED)
        else:
            boxed = class_id == classes.boxable
            states.append(Labelling.ENVELOPE if boxed else Labelling.UNLABELLED)
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
        class_ids: `(N,)` int64, positions in `classes`.
        envelopes: `(E, 4, 2)` axis-aligned ships (`ClassSet.boxable`) whose orientation is unknown,
            pixels.
        ignored: `(M, 4, 2)` regions that are neither right nor wrong, pixels.
        ignored_class_ids: `(M,)` the class that each region is for; None: for all classes.
        labelling: of each class, in the order of `classes`.
        faults: annotations that were left out.
        classes: that the ids are of.

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
    labelling: tuple[Labelling, ...] = (Labelling.ORIENTED,) * len(PORT)
    faults: tuple[Fault, ...] = ()
    classes: ClassSet = PORT

    def __post_init__(self) -> None:
        if len(self.corners) != len(self.class_ids):
            raise DataError(
                f"{self.image}: {len(self.corners)} boxes with {len(self.class_ids)} classes"
            )
        if len(self.labelling) != len(self.classes):
            raise DataError(f"{self.image}: the labelling needs one state for each class")
        for class_id, state in enumerate(self.labelling):
            if state is Labelling.NONE and (self.class_ids == class_id).any():
                raise DataError(
                    f"{self.image}: boxes of '{self.classes.names[class_id]}', said to be absent"
                )

    @property
    def taught(self) -> tuple[bool, ...]:
        """Whether the oriented boxes of each class are complete, so that the rest is background."""
        return tuple(state in (Labelling.ORIENTED, Labelling.NONE) for state in self.labelling)

    def boxes(self) -> Boxes:
        """The oriented truth as boxes of score 1."""
        scores = np.ones(len(self.corners), np.float32)
        return Boxes(self.corners, scores, self.class_ids, self.classes)

    def in_classes(self, classes: ClassSet) -> LabelledImage:
        """The same with the ids of another set of classes.

        Boxes of a class that it lacks are left out; of one that only it has, nothing is known.
        """
        if classes == self.classes:
            return self
        new = self.classes.ids_in(classes)
        known = new[self.class_ids] >= 0
        regions, region_ids = self.ignored, self.ignored_class_ids
        if region_ids is not None:
            of_known = new[region_ids] >= 0
            regions, region_ids = regions[of_known], new[region_ids[of_known]]
        old = classes.ids_in(self.classes).tolist()
        boxed = self.classes.boxable
        same = boxed is not None and new[boxed] >= 0 and new[boxed] == classes.boxable
        states = [self.labelling[i] if i >= 0 else Labelling.UNLABELLED for i in old]
        return replace(
            self,
            corners=self.corners[known],
            class_ids=new[self.class_ids[known]],
            envelopes=self.envelopes if same else as_corners([]),
            ignored=regions,
            ignored_class_ids=region_ids,
            labelling=tuple(states),
            classes=classes,
        )
