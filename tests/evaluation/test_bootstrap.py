"""The place bootstrap against copies of the images, and its behaviour at the edges."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detector.evaluation.bootstrap import (
    MIN_PLACES,
    draw_places,
    estimate,
    place_sums,
    resampled_ap,
    resampled_ap_prob_iou,
    resampled_mean_ap,
    resampled_ratio,
    two_sided_p,
)
from detector.evaluation.select import select
from detector.evaluation.table import match_images
from detector.evaluation.truth import Measure
from tests.evaluation.make import random_set


@pytest.mark.parametrize("seed", range(3))
def test_weights_equal_copies_of_the_images(seed: int) -> None:
    images, predictions = random_set(seed, n_images=14)
    part = select(match_images(images, predictions), 0, Measure.POLYGON)
    weights = draw_places(len(part.places), 12, seed)
    by_weight = {step: resampled_ap(part, weights, step) for step in (0, 5)}
    mean = resampled_mean_ap(part, weights)
    prob = resampled_ap_prob_iou(part, weights)
    voc = resampled_ap(part, weights, 0, "voc07")
    places = part.places.tolist()
    for draw in range(weights.shape[1]):
        copies = [
            (replace(image, name=f"{image.name} copy {copy}"), found)
            for image, found in zip(images, predictions, strict=True)
            for copy in range(int(weights[places.index(image.place), draw]))
        ]
        table = match_images([c[0] for c in copies], [c[1] for c in copies])
        copied = select(table, 0, Measure.POLYGON)
        for step, values in by_weight.items():
            assert values[draw] == pytest.approx(copied.ap(step), abs=1e-12)
        assert mean[draw] == pytest.approx(copied.mean_ap(), abs=1e-12)
        assert voc[draw] == pytest.approx(copied.ap(0, "voc07"), abs=1e-12)
        assert prob[draw] == pytest.approx(copied.ap_prob_iou(), abs=1e-12)
    assert np.ptp(by_weight[0]) > 0.01


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    images, predictions = random_set(1)
    part = select(match_images(images, predictions), 0, Measure.POLYGON)
    weights = draw_places(len(part.places), 100)
    whole = resampled_ap(part, weights)
    monkeypatch.setattr("detector.evaluation.bootstrap.MAX_CELLS", 100)
    np.testing.assert_array_equal(resampled_ap(part, weights), whole)


def test_every_place_once_gives_the_value_itself() -> None:
    images, predictions = random_set(2)
    part = select(match_images(images, predictions), 0, Measure.POLYGON)
    ones = np.ones((len(part.places), 1))
    assert resampled_ap(part, ones)[0] == pytest.approx(part.ap(), abs=1e-12)


def test_draws_are_fixed_and_complete() -> None:
    weights = draw_places(30, 200)
    assert (weights.sum(axis=0) == 30).all()
    np.testing.assert_array_equal(weights, draw_places(30, 200))
    assert (weights != draw_places(30, 200, seed=1)).any()


def test_interval_of_a_share_is_that_of_theory() -> None:
    """200 places of one object each, half found: the interval is 0.5 +- 1.96 sqrt(0.25 / 200)."""
    found = np.tile([0.0, 1.0], 100)
    place = np.arange(200)
    weights = draw_places(200, 4000)
    shares = resampled_ratio(
        place_sums(found, place, 200), place_sums(np.ones(200), place, 200), weights
    )
    result = estimate(0.5, shares, 200)
    half = 1.96 * np.sqrt(0.25 / 200)
    assert result.low == pytest.approx(0.5 - half, abs=0.006)
    assert result.high == pytest.approx(0.5 + half, abs=0.006)


def test_few_places_have_no_interval() -> None:
    values = np.linspace(0, 1, 100)
    few, enough = estimate(0.5, values, MIN_PLACES - 1), estimate(0.5, values, MIN_PLACES)
    assert np.isnan(few.low)
    assert np.isnan(few.high)
    assert (enough.low, enough.high) == pytest.approx((0.025, 0.975))


def test_undefined_resamples_are_left_out() -> None:
    values = np.array([np.nan, 0.2, 0.4, np.nan])
    assert estimate(0.3, values, 9).low == pytest.approx(0.205)
    assert np.isnan(estimate(float("nan"), values, 9).low)
    assert np.isnan(estimate(0.3, np.full(3, np.nan), 9).low)


def test_p_values() -> None:
    assert two_sided_p(np.zeros(999)) == 1.0
    assert two_sided_p(np.full(999, 0.1)) == pytest.approx(2 / 1000)
    assert two_sided_p(np.r_[np.full(25, -1.0), np.full(974, 1.0)]) == pytest.approx(0.052)
    assert np.isnan(two_sided_p(np.full(3, np.nan)))
