"""What is true of an image, as the evaluation needs it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import shapely
from numpy.typing import NDArray

from detector.classes import PORT, ClassSet
from detector.errors import QuaywatchError
from detector.geometry.boxes import Corners, as_corners

ANY_CLASS = -1


class EvaluationError(QuaywatchError):
    """Truth, predictions or runs that cannot be scored."""


class Measure(StrEnum):
    """How a class is scored in an image; numbers of different measures are never mixed.

    `POLYGON`: exact IoU of the oriented boxes. `ENVELOPE`: the truth is axis-aligned, so the
    envelopes of the predictions are scored. `NONE`: the image says nothing of the class.
    """

    POLYGON = "polygon"
    ENVELOPE = "envelope"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class EvalImage:
    """The truth of one image.

    Attributes:
        name: unique within an evaluation.
        source: name of the dataset.
        place: images of the same place are drawn together by the bootstrap.
        width: pixels.
        height: pixels.
        gsd_m: ground sample distance in metres, or None where unknown.
        corners: `(N, 4, 2)` pixels.
        class_ids: `(N,)` positions in `classes`.
        measures: how each class is scored here, in the order of `classes`.
        ignored: `(M, 4, 2)` regions in which a prediction is neither right nor wrong.
        ignored_class_ids: `(M,)` the class that each region is for; `ANY_CLASS` for all.
        complete_above_px: of each class, the length below which unmatched predictions are
            ignored, since the source leaves small objects unlabelled.
        zones: polygons in pixels, in which objects are counted too.
        water: `(height, width)` which pixels are water; None where nobody says.
        classes: that the ids are of.

    Raises:
        EvaluationError: the arrays don't fit each other, or boxes of a class that isn't scored.
    """

    name: str
    source: str
    place: str
    width: int
    height: int
    gsd_m: float | None
    corners: Corners
    class_ids: NDArray[np.int64]
    measures: tuple[Measure, ...] = (Measure.POLYGON,) * len(PORT)
    ignored: Corners = field(default_factory=lambda: as_corners([]))
    ignored_class_ids: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    complete_above_px: tuple[float, ...] = (0.0,) * len(PORT)
    zones: tuple[shapely.Polygon, ...] = ()
    water: NDArray[np.bool_] | None = None
    classes: ClassSet = PORT

    def __post_init__(self) -> None:
        if len(self.corners) != len(self.class_ids):
            raise EvaluationError(
                f"{self.name}: {len(self.corners)} true boxes with {len(self.class_ids)} classes"
            )
        if len(self.ignored) != len(self.ignored_class_ids):
            raise EvaluationError(
                f"{self.name}: {len(self.ignored)} ignored regions with "
                f"{len(self.ignored_class_ids)} classes"
            )
        for states in (self.measures, self.complete_above_px):
            if len(states) != len(self.classes):
                raise EvaluationError(
                    f"{self.name}: one value for each of {self.classes.names} is needed"
                )
        for class_id, measure in enumerate(self.measures):
            if measure is Measure.NONE and (self.class_ids == class_id).any():
                name = self.classes.names[class_id]
                raise EvaluationError(f"{self.name}: boxes of '{name}', which isn't scored here")


def check_images(images: Sequence[EvalImage]) -> None:
    """Refuse what cannot be scored.

    Raises:
        EvaluationError: there are no images, two of one name, or their classes differ.
    """
    if not images:
        raise EvaluationError("no images to evaluate; check data= and split=")
    names: set[str] = set()
    for image in images:
        if image.name in names:
            raise EvaluationError(f"two images are called '{image.name}'; names must be unique")
        names.add(image.name)
        if image.classes != images[0].classes:
            raise EvaluationError(
                f"'{image.name}' is labelled with other classes than '{images[0].name}'"
            )
