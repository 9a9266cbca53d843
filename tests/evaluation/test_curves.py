"""Average precision, precision and recall against hand-made numbers and brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.evaluation.curves import (
    at_threshold,
    average_precision,
    best_f1,
    precision_recall,
)

SCORES = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
HITS = np.array([True, False, True, True, False])


def brute_force_ap(
    hits: np.ndarray, n_truth: int, grid: np.ndarray | None, tolerance: float = 1e-9
) -> float:
    """The definition, point by point."""
    points = [(hits[: i + 1].sum() / n_truth, hits[: i + 1].mean()) for i in range(len(hits))]
    if grid is None:
        grid = np.arange(1, n_truth + 1) / n_truth
    best = [max((p for r, p in points if r >= level - tolerance), default=0.0) for level in grid]
    return float(np.mean(best))


def test_all_points_by_hand() -> None:
    # precision 1, 2/3, 3/4 at the hits; the envelope lifts the second to 3/4; one of 4 is missed
    assert average_precision(SCORES, HITS, 4) == pytest.approx((1 + 0.75 + 0.75) / 4)


def test_voc07_by_hand() -> None:
    # recalls 0, .1, .2 read 1; .3 to .7 read 3/4; the rest is never reached
    assert average_precision(SCORES, HITS, 4, "voc07") == pytest.approx((3 + 5 * 0.75) / 11)


@given(st.lists(st.booleans(), max_size=40), st.integers(0, 20))
def test_equals_brute_force(found: list[bool], missed: int) -> None:
    hits = np.array(found, bool)
    n_truth = int(hits.sum()) + missed
    scores = np.linspace(1, 0, len(hits))
    if n_truth == 0:
        assert np.isnan(average_precision(scores, hits, 0))
        return
    grids = {"all_points": None, "voc07": np.linspace(0, 1, 11), "coco": np.linspace(0, 1, 101)}
    for name, grid in grids.items():
        tolerance = 0.0 if name == "coco" else 1e-9
        expected = brute_force_ap(hits, n_truth, grid, tolerance) if len(hits) else 0.0
        assert average_precision(scores, hits, n_truth, name) == pytest.approx(expected, abs=1e-12)


def test_order_of_input_does_not_matter() -> None:
    shuffled = np.array([3, 0, 4, 2, 1])
    expected = average_precision(SCORES, HITS, 4)
    assert average_precision(SCORES[shuffled], HITS[shuffled], 4) == expected


def test_curve_joins_equal_scores() -> None:
    curve = precision_recall(np.array([0.9, 0.5, 0.5]), np.array([True, False, True]), 2)
    assert curve.scores.tolist() == [0.9, 0.5]
    assert curve.precision.tolist() == [1.0, 2 / 3]
    assert curve.recall.tolist() == [0.5, 1.0]


def test_threshold_counts() -> None:
    point = at_threshold(SCORES, HITS, 4, 0.7)
    assert (point.true, point.false, point.missed) == (2, 1, 2)
    assert point.precision == pytest.approx(2 / 3)
    assert point.recall == pytest.approx(1 / 2)
    assert point.f1 == pytest.approx(2 * (2 / 3) * 0.5 / (2 / 3 + 0.5))


def test_best_f1_is_the_best_of_all_thresholds() -> None:
    best = best_f1(SCORES, HITS, 4)
    assert best is not None
    assert best.f1 == max(at_threshold(SCORES, HITS, 4, t).f1 for t in SCORES)
    assert best.threshold == 0.6


@pytest.mark.parametrize(("n_truth", "hits"), [(0, [False]), (3, [False]), (3, [])])
def test_best_f1_needs_a_hit(n_truth: int, hits: list[bool]) -> None:
    assert best_f1(np.full(len(hits), 0.5), np.array(hits, bool), n_truth) is None


def test_nothing_predicted_is_zero_nothing_true_is_undefined() -> None:
    none = np.zeros(0)
    assert average_precision(none, none.astype(bool), 5) == 0.0
    assert np.isnan(average_precision(SCORES, HITS & False, 0))
