"""Which prediction finds which true object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detector.boxes.scored import Boxes
from detector.evaluation.overlap import (
    centre_closeness,
    overlap_matrix,
    prob_iou,
    share_inside,
)
from detector.evaluation.truth import ANY_CLASS, EvalImage, Measure
from detector.geometry.boxes import edge_lengths

IOU_THRESHOLDS: Final = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
IGNORED_SHARE: Final = 0.5  # of a prediction's area inside ignored regions, or IoU with one
UNMATCHED: Final = -1


@dataclass(frozen=True, slots=True)
class ClassMatches:
    """One class of one image, predictions against truth.

    Attributes:
        predicted: `(D,)` indices into the image's predictions, highest score first.
        true: `(T,)` indices into the image's truth.
        found: `(K, D)` at each IoU threshold the position in `true` of the object that each
            prediction finds, or `UNMATCHED`.
        found_prob_iou: `(D,)` the same at ProbIoU 0.5, where it was asked for.
        found_near: `(D,)` the same by centres, see `overlap.centre_closeness`.
        neutral: `(D,)` neither right nor wrong where unmatched: in an ignored region, or smaller
            than what the source labels.
    """

    predicted: NDArray[np.int64]
    true: NDArray[np.int64]
    found: NDArray[np.int64]
    found_prob_iou: NDArray[np.int64]
    found_near: NDArray[np.int64]
    neutral: NDArray[np.bool_]


def match_class(
    image: EvalImage,
    boxes: Boxes,
    class_id: int,
    thresholds: Sequence[float] = IOU_THRESHOLDS,
    *,
    with_prob_iou: bool = False,
) -> ClassMatches:
    """Match the predictions of one class in one image.

    Args:
        image: the truth; its measure of the class must not be `NONE`.
        boxes: predictions of all classes, pixels of the image, any order.
        class_id: position in the classes of the truth.
        thresholds: K IoU thresholds.
        with_prob_iou: match by ProbIoU too; without, and for the envelope measure, its matches
            are those of no overlap.

    Raises:
        GeometryError: a box is not finite or not simple.
    """
    predicted = np.flatnonzero(boxes.class_ids == class_id)
    predicted = predicted[np.argsort(-boxes.scores[predicted], kind="stable")]
    true = np.flatnonzero(image.class_ids == class_id)
    corners, truth = boxes.corners[predicted], image.corners[true]
    measure = image.measures[class_id]
    overlap = overlap_matrix(corners, truth, measure)
    wanted = with_prob_iou and measure is Measure.POLYGON
    by_prob = prob_iou(corners, truth) if wanted else np.zeros_like(overlap)
    return ClassMatches(
        predicted=predicted,
        true=true,
        found=np.stack([match_greedily(overlap, threshold) for threshold in thresholds]),
        found_prob_iou=match_greedily(by_prob, IOU_THRESHOLDS[0]),
        found_near=match_greedily(centre_closeness(corners, truth), 0.0),
        neutral=_neutral(image, boxes.select(predicted), class_id),
    )


def match_greedily(overlap: NDArray[np.float64], threshold: float) -> NDArray[np.int64]:
    """COCO's rule: from the highest score down, each prediction takes the best object left.

    Args:
        overlap: `(D, T)`, predictions in the order of falling scores.
        threshold: overlap from which a prediction may take an object.

    Returns:
        `(D,)` the object that each prediction takes, or `UNMATCHED`.
    """
    found = np.full(len(overlap), UNMATCHED, np.int64)
    if overlap.size == 0:
        return found
    left = overlap.copy()
    for row in np.flatnonzero(overlap.max(axis=1) >= threshold):
        best = int(left[row].argmax())
        if left[row, best] >= threshold:
            found[row] = best
            left[:, best] = -1.0
    return found


def _neutral(image: EvalImage, boxes: Boxes, class_id: int) -> NDArray[np.bool_]:
    length, width = edge_lengths(boxes.corners)
    neutral = np.maximum(length, width) < image.complete_above_px[class_id]
    regions = image.ignored[np.isin(image.ignored_class_ids, (class_id, ANY_CLASS))]
    if len(regions) and len(boxes):
        neutral |= share_inside(boxes.corners, regions) >= IGNORED_SHARE
        overlap = overlap_matrix(boxes.corners, regions, image.measures[class_id])
        neutral |= overlap.max(axis=1) >= IGNORED_SHARE
    return np.asarray(neutral, np.bool_)
