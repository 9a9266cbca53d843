"""Count intervals against exact posteriors: the level, the tails, the prior, the limits."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binom, nbinom

from detector.counting.intervals import (
    LEAST_RECALL,
    CountModel,
    estimate_count,
    interval_score,
    poisson_interval,
)

ALIKE = 1e9  # a concentration at which all places are alike


def exact(n: int, precision: float, recall: float, level: float) -> tuple[float, int, int]:
    """Mean, low and high of the posterior where precision and recall are known for certain."""
    real, missed = np.arange(n + 1)[:, None], np.arange(400)[None]
    total = real + missed
    weight = binom.pmf(real, n, precision) * nbinom.pmf(missed, real + 1, recall)
    weight *= (1 + real) / (1 + total)
    share = np.bincount(total.ravel(), weight.ravel())
    share /= share.sum()
    totals = np.arange(len(share))
    reached = np.cumsum(share)
    tail = (1 - level) / 2
    low, high = (int(totals[np.searchsorted(reached, at)]) for at in (tail, 1 - tail))
    return float(totals @ share), low, high


@pytest.mark.parametrize(
    ("n", "precision", "recall", "low", "high"),
    [
        (40, 0.5, 0.8, 18, 33),
        (12, 0.9, 0.6, 12, 25),
        (200, 0.7, 0.9, 142, 169),
        (6, 0.9, 0.5, 6, 17),
    ],
)
def test_the_interval_leaves_five_hundredths_on_each_side(
    n: int, precision: float, recall: float, low: int, high: int
) -> None:
    model = CountModel(ALIKE, ALIKE * recall, ALIKE * (1 - recall))
    said = estimate_count(np.full(n, precision), model)
    assert exact(n, precision, recall, 0.90)[1:] == (low, high)
    assert (said.low, said.high) == (low, high)
    assert said.estimate == pytest.approx(exact(n, precision, recall, 0.90)[0], rel=0.02)
    narrower = exact(n, precision, recall, 0.50)
    said = estimate_count(np.full(n, precision), model, 0.50)
    assert (said.low, said.high) == pytest.approx(narrower[1:], abs=1)


def test_places_that_differ_widen_the_interval_on_both_sides() -> None:
    p = np.full(50, 0.8)
    alike = estimate_count(p, CountModel(ALIKE, ALIKE * 0.8, ALIKE * 0.2))
    apart = estimate_count(p, CountModel(10.0, 8.0, 2.0))
    assert apart.low < alike.low < 50 < alike.high < apart.high


def test_a_recall_near_nothing_is_held_up() -> None:
    """At a recall of one hundredth the mean of the missed is 99 for each that was seen."""
    said = estimate_count(np.zeros(0), CountModel(ALIKE, 1.0, ALIKE))
    exact_mean, _, exact_high = exact_of_nothing(LEAST_RECALL)
    assert said.estimate == pytest.approx(exact_mean, rel=0.1)
    assert said.high == pytest.approx(exact_high, rel=0.15)


def exact_of_nothing(recall: float) -> tuple[float, int, int]:
    """No box: P(missed = m) in proportion to (1 - recall)^m / (1 + m)."""
    missed = np.arange(5000)
    share = (1 - recall) ** missed / (1.0 + missed)
    reached = np.cumsum(share / share.sum())
    low, high = (int(np.searchsorted(reached, at)) for at in (0.05, 0.95))
    return float(missed @ share / share.sum()), low, high


def test_the_mean_recall_of_a_place() -> None:
    assert CountModel(1.0, 6.0, 2.0).recall == 0.75


def test_boxes_that_are_sure_to_be_wrong_or_right_are_held_off_the_ends() -> None:
    model = CountModel(ALIKE, ALIKE, 1.0)
    none, every = (estimate_count(np.full(3000, p), model) for p in (0.0, 1.0))
    assert none.estimate == pytest.approx(3.0, abs=0.1)  # a thousandth of 3,000
    assert every.estimate == pytest.approx(2997.0, abs=0.1)
    assert (none.high, every.low) == (6, 2994)  # 0.95 of Poisson's law of 3


@pytest.mark.parametrize(
    ("p", "recall", "mean", "low", "high"),
    [
        ([0.5] * 32, 0.8, 20.0, 13, 28),  # quantiles 0.05 and 0.95 of tables of Poisson's law
        ([1.0] * 3, 1.0, 3.0, 1, 6),
        ([0.25, 0.75], 0.5, 2.0, 0, 5),
        ([], 0.5, 0.0, 0, 0),
    ],
)
def test_the_baseline_is_poissons(
    p: list[float], recall: float, mean: float, low: int, high: int
) -> None:
    model = CountModel(1.0, 10 * recall, 10 * (1 - recall))
    said = poisson_interval(np.array(p), model)
    assert (said.low, said.high) == (low, high)
    assert said.estimate == pytest.approx(mean)
    inside = sum(math.exp(-mean) * mean**k / math.factorial(k) for k in range(low, high + 1))
    assert inside >= 0.90


def test_the_score_fines_a_miss_by_two_over_what_the_level_leaves() -> None:
    true, low, high = np.array([0.0, 4.0, 10.0]), np.full(3, 4.0), np.full(3, 8.0)
    assert interval_score(true, low, high) == pytest.approx([4 + 20 * 4, 4, 4 + 20 * 2])
    assert interval_score(true, low, high, 0.8) == pytest.approx([4 + 10 * 4, 4, 4 + 10 * 2])
