"""No place is judged by a fit or by factors that know it: against an own account of the folds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from scipy.stats import binomtest

from detector.calibrating.fitting import fit_class
from detector.calibrating.held_out import FOLDS, SEED, calibrate_class, check_rows
from detector.calibrating.sample import Sample
from detector.classes import SHIP
from detector.counting.intervals import CountEstimate, estimate_count, interval_score
from detector.counting.widening import fit_widening, misfit


def places_of(found: Sequence[int], missed: Sequence[int], false: Sequence[int]) -> Sample:
    """One image a place with so many ships found and missed and so many false boxes.

    Real boxes score about 0.8, false ones about 0.3, both with some spread.
    """
    n = len(found)
    real = np.concatenate(
        [np.repeat([True, False], pair) for pair in zip(found, false, strict=True)]
    )
    image = np.repeat(np.arange(n), np.array(found) + np.array(false))
    hits = np.concatenate(
        [np.repeat([True, False], pair) for pair in zip(found, missed, strict=True)]
    )
    spread = np.random.default_rng(1).uniform(-0.2, 0.2, len(real))
    return Sample(
        score=np.where(real, 0.75, 0.35) + spread,
        real=real,
        length_m=np.full(len(real), np.nan),
        image=image,
        true_image=np.repeat(np.arange(n), np.array(found) + np.array(missed)),
        true_found=hits,
        true_length_m=np.full(len(hits), np.nan),
        place=np.arange(n),
        gsd_m=np.full(n, np.nan),
        on_water=np.full(len(real), np.nan),
        area_km2=np.full((n, 2), np.nan),
        whole_km2=np.full(n, np.nan),
    )


def uneven(places: int, seed: int) -> Sample:
    """Places of 1 to 24 ships, of which some hide much more than others."""
    rng = np.random.default_rng(seed)
    objects = rng.integers(1, 25, places)
    found = rng.binomial(objects, rng.beta(3.0, 1.0, places))
    return places_of(found, objects - found, rng.poisson(1.5, places))


def own_account(sample: Sample) -> tuple[list[int], list[int], list[CountEstimate]]:
    """Truth, boxes and held-out interval of every place, place by place."""
    n = len(sample.place)
    fold = np.random.default_rng(SEED).permutation(n) % FOLDS
    true = [int((sample.true_image == i).sum()) for i in range(n)]
    boxes = [int((sample.image == i).sum()) for i in range(n)]
    said = []
    for i in range(n):
        fitted = fit_class(sample.of_places(np.flatnonzero(fold != fold[i])), SHIP)
        mine = sample.image == i
        p = fitted.probability_of(SHIP, sample.score[mine], sample.length_m[mine])
        said.append(estimate_count(p, fitted.model))
    wide = []
    for i in range(n):
        # large counts are few: there only the place itself is left out
        others = [j for j in range(n) if (j != i if boxes[i] >= 10 else fold[j] != fold[i])]
        factors = fit_widening(
            np.array([misfit(said[j], true[j]) for j in others]),
            np.array([boxes[j] for j in others]),
        )
        wide.append(factors.apply(said[i], boxes[i]))
    return true, boxes, wide


def test_coverage_is_that_of_an_own_account() -> None:
    sample = uneven(37, 5)
    true, boxes, wide = own_account(sample)
    _, rows = calibrate_class(sample, SHIP, "made up")
    groups = {
        "all": [True] * len(true),
        "true < 10": [t < 10 for t in true],
        "true >= 10": [t >= 10 for t in true],
        "found < 10": [b < 10 for b in boxes],
        "found >= 10": [b >= 10 for b in boxes],
    }
    assert [row["count"] for row in rows] == list(groups)
    for row in rows:
        chosen = np.flatnonzero(groups[row["count"]])
        low = np.array([wide[i].low for i in chosen], float)
        high = np.array([wide[i].high for i in chosen], float)
        truth = np.array([true[i] for i in chosen], float)
        inside = (low <= truth) & (truth <= high)
        assert (row["images"], row["places"]) == (len(chosen), len(chosen))
        assert row["coverage"] == pytest.approx(inside.mean(), abs=1e-4)
        assert row["width"] == pytest.approx((high - low).mean(), abs=1e-4)
        score = interval_score(truth, low, high, 0.90).mean()
        assert row["score"] == pytest.approx(score, abs=1e-4)
        exact = binomtest(int(inside.sum()), len(inside)).proportion_ci(0.95)
        assert row["coverage_interval"] == pytest.approx([exact.low, exact.high], abs=1e-4)
    assert 0 < rows[0]["coverage"] < 1  # a check that everything passes would say nothing


def test_the_fit_does_not_know_the_place_that_it_judges() -> None:
    """Twenty calm places and one that hides 8 or 60 ships: what is said of it is the same."""
    widths = []
    for hidden in (8, 60):
        sample = places_of([4] * 21, [*[0, 1] * 10, hidden], [1] * 21)
        _, rows = calibrate_class(sample, SHIP, "made up")
        odd = next(row for row in rows if row["count"] == "true >= 10")
        assert (odd["images"], odd["coverage"]) == (1, 0.0)
        widths.append(odd["width"])
    assert widths[0] == widths[1]


def test_the_only_place_with_many_boxes_does_not_widen_its_own_interval() -> None:
    sample = places_of([*[4] * 21, 15], [*[0, 1, 1] * 7, 60], [*[1] * 21, 0])
    calibrated, rows = calibrate_class(sample, SHIP, "made up")
    odd = next(row for row in rows if row["count"] == "found >= 10")
    assert (odd["images"], odd["coverage"]) == (1, 0.0)
    assert calibrated.widening.many > 3  # what it teaches is for the next such place
    assert calibrated.widening.few == 1.0
    assert (calibrated.widening.many_places, calibrated.widening.largest) == (1, 15)


def test_the_only_odd_place_among_few_boxes_does_not_widen_its_own_interval() -> None:
    """Of six places with few boxes one hides 60 ships; large counts are widened apart."""
    sample = places_of([*[12] * 20, *[4] * 6], [*[0] * 20, *[0] * 5, 60], [1] * 26)
    calibrated, rows = calibrate_class(sample, SHIP, "made up")
    few = next(row for row in rows if row["count"] == "found < 10")
    assert few["images"] == 6
    assert few["coverage"] == pytest.approx(5 / 6, abs=1e-4)
    assert calibrated.widening.few > 3


def test_other_data_are_judged_with_the_widening_of_the_fit() -> None:
    fitted, _ = calibrate_class(uneven(37, 5), SHIP, "made up")
    others = uneven(25, 9)
    inside = []
    for i in range(25):
        p = fitted.probability_of(SHIP, others.score[others.image == i], np.full(0, np.nan))
        said = fitted.widening.apply(estimate_count(p, fitted.model), len(p))
        inside.append(said.low <= int((others.true_image == i).sum()) <= said.high)
    rows = check_rows(others, fitted, SHIP, "others")
    assert rows[0]["coverage"] == pytest.approx(np.mean(inside), abs=1e-4)
    assert (rows[0]["images"], rows[0]["object_places"], rows[0]["held_out"]) == (25, 37, False)
    assert [row["data"] for row in rows[::5]] == ["others", "others, ships ≥ 60 m"]
