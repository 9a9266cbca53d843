"""Precision and recall from scored hits, and the numbers that are read off the curve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Interpolation = Literal["all_points", "voc07", "coco"]
RECALL_GRIDS: dict[str, NDArray[np.float64]] = {
    "voc07": np.linspace(0.0, 1.0, 11),  # Everingham et al., IJCV 88 (2010), section 4.2
    "coco": np.linspace(0.0, 1.0, 101),  # COCOeval of pycocotools
}
# 3/10 must reach the grid point 0.3; pycocotools compares without tolerance, so does "coco".
GRID_TOLERANCE = {"voc07": 1e-12, "coco": 0.0}


@dataclass(frozen=True, slots=True)
class Curve:
    """Precision and recall as the threshold falls.

    Attributes:
        scores: `(D,)` thresholds, highest first; the point holds all scores from it up.
        precision: `(D,)` raw, not made monotone.
        recall: `(D,)`; NaN without truth.
        n_truth: number of true objects.
    """

    scores: NDArray[np.float64]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    n_truth: int

    def f1(self) -> NDArray[np.float64]:
        """F1 `(D,)` at every threshold: 0 where nothing is right, NaN without truth."""
        total = self.precision + self.recall
        twice = 2 * self.precision * self.recall
        return np.divide(twice, total, out=np.where(np.isnan(total), np.nan, 0.0), where=total > 0)


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """What one score threshold gives.

    Attributes:
        threshold: scores from it up are counted.
        true: matched predictions.
        false: predictions without a true object.
        missed: true objects without a prediction.
    """

    threshold: float
    true: int
    false: int
    missed: int

    @property
    def precision(self) -> float:
        """Share of right predictions; NaN without predictions."""
        return _ratio(self.true, self.true + self.false)

    @property
    def recall(self) -> float:
        """Share of found objects; NaN without truth."""
        return _ratio(self.true, self.true + self.missed)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; NaN without truth and predictions."""
        return _ratio(2 * self.true, 2 * self.true + self.false + self.missed)


def average_precision(
    scores: NDArray[np.floating],
    hits: NDArray[np.bool_],
    n_truth: int,
    interpolation: Interpolation = "all_points",
) -> float:
    """Average precision of one class at one IoU.

    Predictions of equal score keep their order, as in pycocotools.

    Args:
        scores: `(D,)` of the predictions that count (ignored ones left out), any order.
        hits: `(D,)` whether each matched a true object of its own.
        n_truth: number of true objects that count.
        interpolation: `all_points` is the area under the precision envelope (VOC since 2010),
            `voc07` its mean at 11 recalls, `coco` at 101.

    Returns:
        A share in [0, 1]; NaN without truth.

    Examples:
        >>> average_precision(np.array([0.9, 0.8, 0.7]), np.array([True, False, True]), 2)
        0.8333333333333333
    """
    if n_truth == 0:
        return float("nan")
    found = np.asarray(hits, bool)[np.argsort(-np.asarray(scores), kind="stable")]
    cumulative = np.cumsum(found)
    at_hits = np.flatnonzero(found)
    precision = cumulative[at_hits] / (at_hits + 1.0)
    # The best precision at this recall or a higher one; only hits raise it.
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    if interpolation == "all_points":
        return float(envelope.sum() / n_truth)
    recall = np.arange(1, len(at_hits) + 1) / n_truth
    levels = RECALL_GRIDS[interpolation] - GRID_TOLERANCE[interpolation]
    at_grid = np.searchsorted(recall, levels, side="left")
    return float(np.append(envelope, 0.0)[at_grid].mean())


def precision_recall(scores: NDArray[np.floating], hits: NDArray[np.bool_], n_truth: int) -> Curve:
    """The precision-recall curve; arguments as of `average_precision`.

    Equal scores form one point, since no threshold can tell them apart.
    """
    values = np.asarray(scores, np.float64)
    order = np.argsort(-values, kind="stable")
    values, cumulative = values[order], np.cumsum(np.asarray(hits, bool)[order])
    last = np.append(values[1:] != values[:-1], True)[: len(values)]
    count = np.arange(1, len(values) + 1)
    precision = cumulative[last] / count[last]
    recall = cumulative[last] / n_truth if n_truth else np.full(int(last.sum()), np.nan)
    return Curve(values[last], precision, recall, n_truth)


def at_threshold(
    scores: NDArray[np.floating], hits: NDArray[np.bool_], n_truth: int, threshold: float
) -> OperatingPoint:
    """What the predictions of at least a score give; arguments as of `average_precision`."""
    counted = np.asarray(scores) >= threshold
    true = int((counted & np.asarray(hits, bool)).sum())
    return OperatingPoint(threshold, true, int(counted.sum()) - true, n_truth - true)


def best_f1(
    scores: NDArray[np.floating], hits: NDArray[np.bool_], n_truth: int
) -> OperatingPoint | None:
    """The threshold with the highest F1, the higher one of equals; None if nothing is right."""
    curve = precision_recall(scores, hits, n_truth)
    f1 = curve.f1()
    if not len(f1) or n_truth == 0 or f1.max() <= 0:
        return None
    return at_threshold(scores, hits, n_truth, float(curve.scores[int(f1.argmax())]))


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
