"""Ranks of conformal factors by exact fractions, and where few becomes many."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from detector.counting.intervals import CountEstimate
from detector.counting.widening import LARGE_COUNT, Widening, fit_widening, misfit


@pytest.mark.parametrize("places", [1, 2, 8, 9, 10, 11, 18, 19, 20, 29, 30, 39, 49, 69, 99, 109])
def test_the_rank_counts_the_new_place_too(places: int) -> None:
    """Of m misfits the ceil((m + 1) 9/10)-th smallest: 10 of 10, 19 of 20, 90 of 99."""
    rank = min(places, math.ceil(Fraction(9, 10) * (places + 1)))
    misfits = np.random.default_rng(places).permutation(np.arange(places) + 2.0)
    few = fit_widening(misfits, np.full(places, 3))
    assert few == Widening(few=rank + 1.0, many=rank + 1.0, many_places=0, largest=10)
    many = fit_widening(misfits, np.full(places, 25))
    assert many == Widening(few=1.0, many=rank + 1.0, many_places=places, largest=25)


def test_a_new_place_is_held_as_often_as_is_said() -> None:
    """Exchangeable misfits: 9 of 10 at 19 and 99 places, m / (m + 1) at 4."""
    rng = np.random.default_rng(3)
    for places, said in ((4, 0.8), (19, 0.9), (99, 0.9)):
        draws = 1 + rng.exponential(1.0, (4000, places + 1))
        boxes = np.full(places, 3)
        held = [
            new <= fit_widening(seen, boxes).few
            for seen, new in zip(draws[:, 1:], draws[:, 0], strict=True)
        ]
        assert np.mean(held) == pytest.approx(said, abs=0.02)


def test_ten_boxes_are_many() -> None:
    assert LARGE_COUNT == 10
    fitted = fit_widening(np.array([2.0, 3.0]), np.array([9, 10]))
    assert fitted == Widening(few=2.0, many=3.0, many_places=1, largest=10)
    said = CountEstimate(20.0, 18, 22)
    assert fitted.apply(said, 9) == CountEstimate(20.0, 16, 24)
    assert fitted.apply(said, 10) == CountEstimate(20.0, 14, 26)


def test_no_factor_is_below_one_and_that_of_many_not_below_that_of_few() -> None:
    assert fit_widening(np.array([0.2, 0.4]), np.array([3, 30])) == Widening(1.0, 1.0, 1, 30)
    assert fit_widening(np.array([2.5, 1.5]), np.array([3, 30])) == Widening(2.5, 2.5, 1, 30)
    assert fit_widening(np.zeros(0), np.zeros(0, int)) == Widening()
    assert Widening() == Widening(1.0, 1.0, 0, 10)


def test_ends_go_outward_to_whole_ships_and_not_below_none() -> None:
    said = CountEstimate(3.4, 2, 5)
    assert Widening(few=1.5).apply(said, 3) == CountEstimate(3.4, 1, 6)  # 1.3 and 5.8
    assert Widening(few=9.0).apply(said, 3) == CountEstimate(3.4, 0, 18)
    # up to the largest that was seen nothing grows; nine times as many boxes: three times as wide
    wide = Widening(many=1.0, many_places=5, largest=20)
    assert wide.apply(CountEstimate(30.0, 28, 32), 20) == CountEstimate(30.0, 28, 32)
    assert wide.apply(CountEstimate(30.0, 28, 32), 180) == CountEstimate(30.0, 24, 36)


def test_misfits_are_measured_on_the_side_where_the_truth_lies() -> None:
    said = CountEstimate(10.0, 6, 12)
    assert [misfit(said, true) for true in (14, 10, 2)] == [2.0, 0.0, 2.0]
    # a side without width counts as half a ship
    assert misfit(CountEstimate(10.0, 10, 12), 8) == 4.0
    assert misfit(CountEstimate(10.0, 6, 10), 11) == 2.0
