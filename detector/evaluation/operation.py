"""Precision, recall and F1 at one threshold, with intervals over places."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detector.evaluation.bootstrap import Estimate, Weights, estimate, place_sums, resampled_ratio
from detector.evaluation.select import Part


@dataclass(frozen=True, slots=True)
class Operation:
    """Precision, recall and F1 at one threshold and one match.

    Attributes:
        threshold: NaN for the card's, which differ by class.
        true: right predictions.
        false: wrong ones.
        missed: objects.
        precision: with interval.
        recall: with interval.
        f1: with interval; that of the best threshold does not know that it was chosen here.
    """

    threshold: float
    true: int
    false: int
    missed: int
    precision: Estimate
    recall: Estimate
    f1: Estimate


def operation(part: Part, weights: Weights, least: float, threshold: float) -> Operation:
    """Precision, recall and F1 of the predictions of at least a score.

    Args:
        part: of one class by one measure.
        weights: of its places, `(P, B)`.
        least: score from which predictions count.
        threshold: to be named in the result.
    """
    used = part.scores >= least
    n = len(part.places)
    hits, counted = part.hits[0] & used, part.counted[0] & used
    true = place_sums(np.ones(int(hits.sum())), part.place[hits], n)
    all_counted = place_sums(np.ones(int(counted.sum())), part.place[counted], n)
    objects = place_sums(np.ones(part.n_truth), part.true_place, n)
    return Operation(
        threshold=threshold,
        true=int(true.sum()),
        false=int(all_counted.sum() - true.sum()),
        missed=int(objects.sum() - true.sum()),
        precision=ratio(true, all_counted, weights),
        recall=ratio(true, objects, weights),
        f1=ratio(2 * true, all_counted + objects, weights),
    )


def ratio(parts: Weights, wholes: Weights, weights: Weights) -> Estimate:
    """Sum over sum of values by place `(P,)`, with its interval."""
    whole = float(wholes.sum())
    value = float(parts.sum()) / whole if whole > 0 else float("nan")
    return estimate(value, resampled_ratio(parts, wholes, weights), int((wholes > 0).sum()))
