"""Calibration on made-up places whose laws are known."""

from __future__ import annotations

import numpy as np
import pytest

from detector.classes import ObjectClass
from detector.counting.calibration import (
    Calibration,
    CalibrationError,
    Sample,
    fit_class,
)
from detector.counting.coverage import held_out_rows
from detector.counting.intervals import CountModel, estimate_count, interval_score


def made(places: int, seed: int = 0, recall: tuple[float, float] = (16.0, 4.0)) -> Sample:
    """Places with 1 to 12 objects, beta recall, scores whose probability is the score itself."""
    generator = np.random.default_rng(seed)
    score, real, image, true_image, found = [], [], [], [], []
    for place in range(places):
        objects = int(generator.integers(1, 13))
        hits = generator.random(objects) < generator.beta(*recall)
        true_image += [place] * objects
        found += hits.tolist()
        for _ in range(int(hits.sum())):
            score.append(generator.beta(5, 2))
            real.append(True)
        for _ in range(generator.poisson(1.0)):
            score.append(generator.beta(2, 4))
            real.append(False)
        image += [place] * (len(score) - len(image))
    return Sample(
        np.array(score), np.array(real), np.array(image), np.array(true_image), np.array(found),
        np.full(len(found), np.nan), np.arange(places), np.full(places, 0.5),
    )  # fmt: skip


def test_recall_and_probability_are_found_again() -> None:
    fitted = fit_class(made(200), ObjectClass.SHIP)
    assert fitted.model.recall == pytest.approx(0.8, abs=0.03)
    assert fitted.method == "isotonic"
    assert np.all(np.diff(fitted.probability) >= 0)
    sample = made(200)
    expected = np.interp(sample.score, fitted.score, fitted.probability)
    assert expected.sum() == pytest.approx(sample.real.sum(), rel=0.05)
    assert fitted.false_per_km2 == pytest.approx((~sample.real).sum() / 100, rel=0.01)


def test_held_out_intervals_cover_and_beat_poisson() -> None:
    row = held_out_rows(made(200, 1), ObjectClass.SHIP, "made up")[0]
    assert row["claim"]
    assert 0.84 <= row["coverage"] <= 0.98
    assert row["coverage_interval"][0] < row["coverage"] < row["coverage_interval"][1]
    assert row["score"] < row["poisson_score"]


def test_no_claim_with_few_places() -> None:
    sample = made(12)
    fitted = fit_class(sample, ObjectClass.CONTAINER_STACK)
    calibration = Calibration({"container_stack": fitted})
    assert not fitted.claims
    assert calibration.estimate(ObjectClass.CONTAINER_STACK, np.full(5, 0.9)) is None
    rows = held_out_rows(sample, ObjectClass.CONTAINER_STACK, "made up")
    assert not any(row["claim"] for row in rows)
    assert "coverage" not in rows[0]


def test_large_counts_get_no_interval_where_theirs_did_not_hold() -> None:
    fitted = fit_class(made(60), ObjectClass.SHIP)
    row = {"class": "ship", "truth": ">= 10", "held_out": True, "claim": True}
    bad = Calibration({"ship": fitted}, "", ({**row, "coverage_interval": [0.14, 0.79]},))
    good = Calibration({"ship": fitted}, "", ({**row, "coverage_interval": [0.7, 0.95]},))
    many, few = np.full(12, 0.9), np.full(9, 0.9)
    assert bad.estimate(ObjectClass.SHIP, many) is None
    assert bad.estimate(ObjectClass.SHIP, few) is not None
    assert good.estimate(ObjectClass.SHIP, many) is not None


def test_card_round_trip() -> None:
    calibration = Calibration({"ship": fit_class(made(60), ObjectClass.SHIP)}, "made up")
    again = Calibration.from_card(calibration.to_card())
    assert again.to_card() == calibration.to_card()
    p = again.probability(np.array([0, 1]), np.array([0.5, 0.5]))
    assert p[1] == 0.5  # stacks are not calibrated: the score stays
    assert p[0] == pytest.approx(calibration.probability(np.array([0]), np.array([0.5]))[0])
    with pytest.raises(CalibrationError, match="cannot be read"):
        Calibration.from_card({"classes": {"ship": {"score": []}}})


def test_nothing_to_calibrate_is_refused() -> None:
    sample = made(30).of_places(np.array([-5]))
    with pytest.raises(CalibrationError, match="needs some of both"):
        fit_class(sample, ObjectClass.SHIP)


def test_interval_of_a_sure_detector_is_narrow_and_of_a_poor_one_wide() -> None:
    sure, poor = CountModel(1000.0, 990.0, 10.0), CountModel(5.0, 3.0, 3.0)
    p = np.full(20, 0.99)
    narrow, wide = estimate_count(p, sure), estimate_count(p, poor)
    assert narrow.high - narrow.low <= 3
    assert wide.high - wide.low > 10
    assert narrow.low <= 20 <= narrow.high
    assert estimate_count(np.zeros(0), sure).low == 0


def test_interval_score_by_hand() -> None:
    score = interval_score(np.array([5.0, 1, 12]), np.array([3.0] * 3), np.array([10.0] * 3))
    assert score == pytest.approx([7.0, 7 + 20 * 2, 7 + 20 * 2])
