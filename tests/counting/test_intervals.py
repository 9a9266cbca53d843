"""The baseline and the score of intervals by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from detector.counting.intervals import interval_score, poisson_interval


@pytest.mark.parametrize(
    ("mean", "low", "high"),
    [
        (20.0, 13, 28),  # quantiles 0.05 and 0.95 of tables of Poisson's law
        (3.0, 1, 6),
        (2.0, 0, 5),
        (0.0, 0, 0),
    ],
)
def test_the_baseline_is_poissons(mean: float, low: int, high: int) -> None:
    said = poisson_interval(mean)
    assert (said.low, said.high) == (low, high)
    assert said.estimate == pytest.approx(mean)
    inside = sum(math.exp(-mean) * mean**k / math.factorial(k) for k in range(low, high + 1))
    assert inside >= 0.90


def test_the_score_fines_a_miss_by_two_over_what_the_level_leaves() -> None:
    true, low, high = np.array([0.0, 4.0, 10.0]), np.full(3, 4.0), np.full(3, 8.0)
    assert interval_score(true, low, high) == pytest.approx([4 + 20 * 4, 4, 4 + 20 * 2])
    assert interval_score(true, low, high, 0.8) == pytest.approx([4 + 10 * 4, 4, 4 + 10 * 2])
