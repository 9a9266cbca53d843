"""What kind every error is: missed, false, split, merged, of the wrong class, badly placed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

import numpy as np
import shapely
from numpy.typing import NDArray

from detector.boxes.scored import Boxes
from detector.evaluation.matching import UNMATCHED, ClassMatches, match_class
from detector.evaluation.overlap import overlap_matrix
from detector.evaluation.truth import EvalImage, Measure
from detector.geometry.boxes import Corners, envelopes, intersection_areas, polygons

MATCH_IOU: Final = 0.5
NEAR_IOU: Final = 0.1  # from it up to MATCH_IOU a box is badly placed (TIDE, arXiv:2008.08115)
INSIDE_SHARE: Final = 0.7  # of an area inside another box, to be a piece of it


class Kind(StrEnum):
    """What became of a prediction or a true object.

    `FALSE` is said of predictions, `MISSED` of true objects, `DUPLICATE` of further predictions of
    a found object, the others of both sides.
    """

    RIGHT = "right"
    NEUTRAL = "neutral"
    DUPLICATE = "duplicate"
    WRONG_CLASS = "wrong class"
    MERGED = "merged"
    SPLIT = "split"
    LOCALISATION = "localisation"
    FALSE = "false"
    MISSED = "missed"


@dataclass(frozen=True, slots=True)
class Kinds:
    """Kinds of all predictions and true objects of one class in one image.

    Attributes:
        predicted: `(D,)` indices into the predictions.
        predicted_kinds: `(D,)`.
        true: `(T,)` indices into the truth.
        true_kinds: `(T,)`.
    """

    predicted: NDArray[np.int64]
    predicted_kinds: list[Kind]
    true: NDArray[np.int64]
    true_kinds: list[Kind]


Explained: TypeAlias = Mapping[int, Kinds]
"""The kinds of one image by the classes that are scored in it."""


def explain_all(images: Sequence[EvalImage], counted: Sequence[Boxes]) -> list[Explained]:
    """The kinds of every image, as `explain` gives them.

    Args:
        images: the truth.
        counted: predictions at the thresholds of the card, in the order of the images.
    """
    return [
        {
            class_id: explain(image, boxes, class_id)
            for class_id, measure in enumerate(image.measures)
            if measure is not Measure.NONE
        }
        for image, boxes in zip(images, counted, strict=True)
    ]


def explain(image: EvalImage, boxes: Boxes, class_id: int) -> Kinds:
    """Give every prediction and true object of a class its kind, at IoU 0.5.

    The first that fits: a duplicate overlaps a found object by IoU 0.5; of the wrong class is what
    overlaps an object of another class by IoU 0.5; merged is a box that holds 70 % of each of two
    or more objects, and those; split is an object in which two or more boxes lie by 70 % of their
    areas, and those; localisation is an IoU of 0.1 to 0.5; the rest is false or missed.

    Args:
        image: the truth.
        boxes: predictions at the thresholds of the card.
        class_id: position in the classes of the truth, scored in this image.
    """
    matches = match_class(image, boxes, class_id, (MATCH_IOU,))
    found = matches.found[0]
    corners, truth = boxes.corners[matches.predicted], image.corners[matches.true]
    measure = image.measures[class_id]
    overlap = overlap_matrix(corners, truth, measure)
    of_box, of_true = _inside_shares(corners, truth, measure)
    merged = (of_true >= INSIDE_SHARE) & ((of_true >= INSIDE_SHARE).sum(axis=1) >= 2)[:, None]
    split = (of_box >= INSIDE_SHARE) & ((of_box >= INSIDE_SHARE).sum(axis=0) >= 2)[None, :]
    near = (overlap >= NEAR_IOU) & (overlap < MATCH_IOU)
    other_true, other_boxes = _other_classes(image, boxes, class_id, matches)
    hit = np.isin(np.arange(len(truth)), found[found != UNMATCHED])
    return Kinds(
        predicted=matches.predicted,
        predicted_kinds=_first_that_fits(
            [
                (Kind.RIGHT, found != UNMATCHED),
                (Kind.NEUTRAL, matches.neutral),
                (Kind.DUPLICATE, _any(overlap >= MATCH_IOU, axis=1)),
                (Kind.WRONG_CLASS, other_true),
                (Kind.MERGED, _any(merged, axis=1)),
                (Kind.SPLIT, _any(split, axis=1)),
                (Kind.LOCALISATION, _any(near, axis=1)),
            ],
            Kind.FALSE,
        ),
        true=matches.true,
        true_kinds=_first_that_fits(
            [
                (Kind.RIGHT, hit),
                (Kind.WRONG_CLASS, other_boxes),
                (Kind.MERGED, _any(merged, axis=0)),
                (Kind.SPLIT, _any(split, axis=0)),
                (Kind.LOCALISATION, _any(near, axis=0)),
            ],
            Kind.MISSED,
        ),
    )


def _first_that_fits(rules: list[tuple[Kind, NDArray[np.bool_]]], rest: Kind) -> list[Kind]:
    kinds = [rest] * len(rules[0][1])
    for kind, fits in reversed(rules):
        for index in np.flatnonzero(fits):
            kinds[index] = kind
    return kinds


def _other_classes(
    image: EvalImage, boxes: Boxes, class_id: int, matches: ClassMatches
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which predictions lie on objects, which objects under predictions, of another class."""
    corners, truth = boxes.corners[matches.predicted], image.corners[matches.true]
    on_other = np.zeros(len(corners), np.bool_)
    for other, measure in enumerate(image.measures):
        if other != class_id and measure is not Measure.NONE:
            objects = image.corners[image.class_ids == other]
            on_other |= _any(overlap_matrix(corners, objects, measure) >= MATCH_IOU, axis=1)
    others = boxes.corners[boxes.class_ids != class_id]
    under = overlap_matrix(others, truth, image.measures[class_id]) >= MATCH_IOU
    return on_other, _any(under, axis=0)


def _inside_shares(
    boxes: Corners, truth: Corners, measure: Measure
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shared area over that of the box, and over that of the object, `(D, T)` each."""
    shapes, objects = _shapes(boxes, measure), _shapes(truth, measure)
    shared = np.zeros((len(shapes), len(objects)))
    if shared.size:
        rows, cols = shapely.STRtree(objects).query(shapes, predicate="intersects")
        shared[rows, cols] = intersection_areas(shapes[rows], objects[cols])
    return shared / _areas(shapes)[:, None], shared / _areas(objects)


def _shapes(corners: Corners, measure: Measure) -> NDArray[np.object_]:
    if measure is Measure.ENVELOPE and len(corners):
        return np.asarray(shapely.box(*envelopes(corners).T))
    return polygons(corners)


def _areas(shapes: NDArray[np.object_]) -> NDArray[np.float64]:
    return np.maximum(np.asarray(shapely.area(shapes), np.float64), 1e-9)


def _any(matrix: NDArray[np.bool_], axis: int) -> NDArray[np.bool_]:
    return np.asarray(matrix.any(axis=axis))
