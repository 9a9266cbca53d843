"""No place is judged by a fit that knows it: against an own account of the folds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import binomtest

from detector.calibrating.counts import fit_counts
from detector.calibrating.held_out import (
    FOLDS,
    Evidence,
    check_rows,
    coverage_table,
    folds_of,
    held_out_rows,
    judge,
)
from detector.calibrating.places import CountPlaces, join_places
from detector.classes import SHIP
from detector.counting.crowding import FAR_WIDTHS, Crowding
from detector.counting.draws import BoxFacts
from detector.counting.intervals import interval_score

CONF = 0.3


def places_of(
    found: list[int], missed: list[int], false: list[int], name: str = "place"
) -> CountPlaces:
    """One image a place with so many ships found and missed and so many false boxes.

    Real boxes score about 0.8, false ones about 0.4; the missed lie beside the first real box.
    """
    n = len(found)
    real = np.concatenate(
        [np.repeat([True, False], pair) for pair in zip(found, false, strict=True)]
    ).astype(bool)
    image = np.repeat(np.arange(n), np.array(found) + np.array(false))
    spread = np.random.default_rng(1).uniform(-0.1, 0.1, len(real))
    crowding = Crowding(np.full(len(real), FAR_WIDTHS), np.ones(len(real), np.int64))
    facts = BoxFacts(
        np.where(real, 0.8, 0.4) + spread, np.full(len(real), 64.0), crowding, real * np.nan
    )
    beside, lone = np.zeros(len(real), np.int64), np.zeros(n, np.int64)
    for place, count in enumerate(missed):
        mine = np.flatnonzero((image == place) & real)
        if len(mine):
            beside[mine[0]] = count
        else:
            lone[place] = count
    return CountPlaces(
        facts=facts,
        name=np.array([f"{name}{i}#{row}" for row, i in enumerate(image)], np.str_),
        real=real,
        beside=beside,
        image=image,
        place=np.array([f"{name}{i}" for i in range(n)], np.str_),
        true=np.array(found) + np.array(missed),
        lone=lone,
        mpx=np.full(n, 0.5),
        missed_px=np.full(sum(missed), 50.0),
        covariates=facts.covariates(CONF),
        real_offset=np.zeros(n),
        found_offset=np.zeros(n),
        least_px=np.full(n, 32.0),
    )


def uneven(places: int, seed: int, name: str = "place", spread: float = 0.8) -> CountPlaces:
    """Places of 1 to 40 ships, of which some hide more than others by `spread` log odds."""
    rng = np.random.default_rng(seed)
    objects = rng.integers(1, 41, places)
    found = rng.binomial(objects, expit(1.5 + spread * rng.standard_normal(places)))
    return places_of(
        found.tolist(), (objects - found).tolist(), rng.poisson(1.5, places).tolist(), name
    )


def test_coverage_is_that_of_an_own_account() -> None:
    """Every place by a fit of the places of other folds, judged by hand."""
    sample = uneven(40, 5)
    fold = folds_of(sample.place)
    assert sorted(set(fold.values())) == list(range(FOLDS))
    said = {}
    for number in range(FOLDS):
        others = np.array([fold[name] != number for name in sample.place])
        judged = judge(sample.images(~others), fit_counts(sample.images(others), CONF))
        said |= dict(zip(judged.place.tolist(), judged.said, strict=True))
    low = np.array([said[name].low for name in sample.place], float)
    high = np.array([said[name].high for name in sample.place], float)
    truth = sample.true.astype(float)
    rows = held_out_rows([Evidence("made up", sample, CONF)], CONF, SHIP)
    bands = {"all": (0, 99), "1 to 4": (1, 4), "5 to 9": (5, 9), "10 to 29": (10, 29)}
    bands["30 and more"] = (30, 99)
    assert [row["count"] for row in rows] == list(bands)
    for row in rows:
        least, most = bands[row["count"]]
        chosen = (truth >= least) & (truth <= most)
        inside = ((low <= truth) & (truth <= high))[chosen]
        assert (row["images"], row["places"]) == (chosen.sum(), chosen.sum())
        assert row["coverage"] == pytest.approx(inside.mean(), abs=1e-4)
        assert row["width"] == pytest.approx((high - low)[chosen].mean(), abs=1e-4)
        score = interval_score(truth, low, high, 0.90)[chosen].mean()
        assert row["score"] == pytest.approx(score, abs=1e-4)
        share = np.median(((high - low) / truth)[chosen])
        assert row["relative_width"] == pytest.approx(share, abs=1e-4)
        exact = binomtest(int(inside.sum()), len(inside)).proportion_ci(0.95)
        assert row["coverage_interval"] == pytest.approx([exact.low, exact.high], abs=1e-4)


@pytest.mark.parametrize("spread", [0.2, 0.8])
def test_new_places_are_held_as_often_as_is_said(spread: float) -> None:
    """Places of the same law that no fit knows: 90 % and not 80 %; Poisson's knows no law."""
    model = fit_counts(uneven(120, 7, spread=spread), CONF)
    rows = check_rows({"others": uneven(300, 8, "other", spread)}, model, 120, SHIP)
    assert 0.86 <= rows[0]["coverage"] <= 0.97  # ends are whole ships, both inside
    large = next(row for row in rows if row["count"] == "30 and more")
    assert large["coverage"] >= 0.83  # none holds more than 40: their highest are sure to be held
    if spread < 0.5:  # else the places differ by about as much as Poisson's law is wide
        assert rows[0]["score"] < rows[0]["poisson_score"]


@pytest.mark.parametrize("hidden", [8, 60])
def test_the_fit_does_not_know_the_place_that_it_judges(hidden: int) -> None:
    """Twenty-nine calm places and one that hides 8 or 60 ships: what is said of it is the same."""
    calm = places_of([4] * 30, [*[0, 1] * 14, 0, 8], [1] * 30)
    sample = places_of([4] * 30, [*[0, 1] * 14, 0, hidden], [1] * 30)
    said = []
    for one in (calm, sample):
        rows = held_out_rows([Evidence("made up", one, CONF)], CONF, SHIP)
        odd = next(row for row in rows if row["count"] in ("10 to 29", "30 and more"))
        assert (odd["images"], odd["coverage"]) == (1, 0.0)
        said.append(odd["width"])
    assert said[0] == said[1]


def test_images_of_one_place_are_never_in_two_folds() -> None:
    """The odd place is seen twice, by two networks: neither fit knows it."""
    calm, odd = places_of([4] * 30, [0, 1] * 15, [1] * 30), places_of([4], [40], [1], "odd")
    evidence = [
        Evidence("own", join_places([calm, odd]), CONF),
        Evidence("sister's", odd.shifted(0.0, 0.0), CONF),
    ]
    widths = {
        row["width"] for row in held_out_rows(evidence, CONF, SHIP) if row["count"] == "30 and more"
    }
    assert len(widths) == 1
    assert widths.pop() < 20  # a fit that knows it would reach to 40
    names = join_places([item.places for item in evidence]).place
    assert len(names) == 32
    assert len(folds_of(names)) == 31


def test_too_few_places_claim_nothing() -> None:
    rows = held_out_rows([Evidence("made up", uneven(19, 3), CONF)], CONF, SHIP)
    assert not any(row["claim"] for row in rows)
    assert "coverage" not in rows[0]
    assert "no claim: 19 places with objects, 20 needed" in coverage_table(rows)


def test_other_weights_stand_beside_by_place_and_size() -> None:
    """Rows are found by class, data and size; where others say nothing the cells are empty."""
    model = fit_counts(uneven(40, 7), CONF)
    rows = check_rows({"port": uneven(30, 8, "other")}, model, 40, SHIP)
    other = [row | {"coverage": 0.5, "width": 7.0, "score": 9.25} for row in reversed(rows[1:])]
    lines = coverage_table(rows, {"before": other}).splitlines()
    assert lines[0].count("|") == coverage_table(rows).splitlines()[0].count("|") + 3
    assert "before: coverage" in lines[0]
    cells = [[cell.strip() for cell in line.split("|")[-4:-1]] for line in lines[2:]]
    assert cells == [["", "", ""], *[["0.500", "7.00", "9.25"]] * (len(rows) - 1)]
