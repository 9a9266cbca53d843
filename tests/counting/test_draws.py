"""Draws of counts against exact laws: the level, sums, subsets, what is far from all boxes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, nbinom

from detector.counting.crowding import FAR_WIDTHS, Crowding
from detector.counting.draws import (
    DRAWS,
    BoxFacts,
    CountModel,
    LoneModel,
    draw_lone,
    draw_numbers,
    pack_draws,
    unpack_draws,
)
from detector.counting.intervals import (
    LEVEL,
    QUANTILES,
    CountEstimate,
    add_up,
    estimate_of,
    quantiles_of,
)
from tests.counting.models import count_model, rate


def alone(n: int, score: float = 0.5, length_px: float = 64.0) -> BoxFacts:
    """Boxes far from each other."""
    crowding = Crowding(np.full(n, FAR_WIDTHS), np.ones(n, np.int64))
    return BoxFacts(np.full(n, score), np.full(n, length_px), crowding, np.full(n, np.nan))


def names(n: int, scene: str = "a") -> list[str]:
    return [f"{scene}#{i}" for i in range(n)]


def exact(n: int, precision: float, recall: float) -> np.ndarray:
    """Probabilities of 0, 1, 2 … objects: R real of n, and NB(R, recall) missed beside them."""
    law = np.zeros(2000)
    for real in range(n + 1):
        missed = nbinom.pmf(np.arange(len(law) - real), max(real, 1e-12), recall)
        if not real:
            missed = (np.arange(len(law)) == 0).astype(float)
        law[real:] += binom.pmf(real, n, precision) * missed
    return law


def ends(law: np.ndarray, level: float) -> tuple[int, int]:
    reached = np.cumsum(law)
    return tuple(int(np.searchsorted(reached, at)) for at in ((1 - level) / 2, (1 + level) / 2))


def narrowest(law: np.ndarray, level: float) -> tuple[int, int]:
    """By trying all, shortest first."""
    for width in range(len(law)):
        held = {low: law[low : low + width + 1].sum() for low in range(400 - width)}
        low = max(held, key=lambda at: held[at])
        if held[low] >= level:
            return low, low + width
    raise AssertionError


def pooled(n: int, model: CountModel, scenes: int = 60) -> np.ndarray:
    """Draws of many scenes alike, so that what is left of chance is small."""
    parts = [draw_numbers(model, alone(n), names(n, f"s{i}")).sum(axis=0) for i in range(scenes)]
    return np.concatenate(parts).astype(np.int64)


@pytest.mark.parametrize(
    ("n", "precision", "recall", "low", "high"),
    [(40, 0.5, 0.8, 18, 33), (12, 0.9, 0.6, 12, 25), (200, 0.7, 0.9, 142, 169)],
)
def test_the_interval_leaves_five_hundredths_on_each_side(
    n: int, precision: float, recall: float, low: int, high: int
) -> None:
    law = exact(n, precision, recall)
    assert ends(law, 0.90) == (low, high)
    drawn = pooled(n, count_model(precision, recall))
    quantiles = quantiles_of(drawn)
    assert (quantiles[0], quantiles[-1]) == pytest.approx((low, high), abs=1)
    said = estimate_of(drawn)
    assert said.estimate == pytest.approx(law @ np.arange(len(law)), rel=0.01)
    assert (said.low, said.high) == pytest.approx(narrowest(law, 0.90), abs=1)
    held = law[said.low : said.high + 1].sum()
    assert 0.89 <= held <= 0.90 + law.max() + 0.01
    # an 80 % interval would be narrower on both sides
    narrow = ends(law, 0.80)
    assert quantiles[0] < narrow[0] < narrow[1] < quantiles[-1]
    assert narrowest(law, 0.80)[1] - narrowest(law, 0.80)[0] < said.high - said.low - 1


def test_the_outer_quantiles_are_the_level() -> None:
    assert LEVEL == 0.90
    assert QUANTILES == (0.05, 0.25, 0.5, 0.75, 0.95)
    assert quantiles_of(np.arange(1, 101)) == (5, 25, 50, 75, 95)
    assert estimate_of(np.arange(100)).high - estimate_of(np.arange(100)).low == 89
    leaning = np.repeat([3, 4, 5, 6, 9], [3, 60, 27, 4, 6])
    assert estimate_of(leaning) == CountEstimate(float(leaning.mean()), 4, 6)
    assert quantiles_of(leaning)[::4] == (4, 9)
    tied = np.repeat([1, 2, 3, 4], [10, 40, 45, 5])
    assert (estimate_of(tied).low, estimate_of(tied).high) == (1, 3)  # 95 rather than 90 of 100


def test_one_scene_is_drawn_as_its_law_says() -> None:
    """300 boxes, half of them real, nothing missed: 150 ± 8.66."""
    drawn = draw_numbers(count_model(0.5, 1 - 1e-9), alone(300), names(300)).sum(axis=0)
    assert drawn.mean() == pytest.approx(150, abs=1.5)
    assert drawn.std() == pytest.approx(8.66, rel=0.12)


def test_places_that_differ_widen_the_interval_on_both_sides() -> None:
    alike, apart = (estimate_of(pooled(50, count_model(0.8, 0.8, sd), 1)) for sd in (1e-6, 1.0))
    assert apart.low < alike.low < 50 < alike.high < apart.high
    # boxes of one place vary together: the spread of a sum grows with its number, not its root
    few, many = (pooled(n, count_model(0.8, 1 - 1e-9, 1.0), 1).std() / n for n in (50, 500))
    assert many == pytest.approx(few, rel=0.25)


def test_what_is_known_badly_widens_too() -> None:
    model = count_model(0.8, 0.9)
    unsure = (np.eye(10) * np.diag([0.5, *[1e-12] * 9])).tolist()
    badly = replace(model, real=replace(model.real, covariance=unsure))
    known, guessed = (draw_numbers(m, alone(60), names(60)).sum(axis=0) for m in (model, badly))
    assert guessed.std() > 1.5 * known.std()


def test_covariates_move_the_rate() -> None:
    """Log odds by hand: 0 at the threshold 0.5; ln 4 more at a score of 0.8; twice the length."""
    model = replace(count_model(0.5, 1 - 1e-9), real=rate(0.5, score=1.0, length=2.0, marina=-1.0))
    crowd = Crowding(np.zeros(900), np.full(900, 6))
    cases = {
        0.5: alone(900),
        0.8: alone(900, score=0.8),
        16 / 17: alone(900, score=0.8, length_px=128.0),  # 4 · 2² = 16 to 1
        1 / (1 + np.e): replace(alone(900), crowding=crowd),
    }
    for expected, facts in cases.items():
        drawn = draw_numbers(model, facts, names(900))
        assert drawn.mean() == pytest.approx(expected, abs=0.005)


def test_a_subset_draws_what_it_drew_in_the_whole() -> None:
    """Zones, length classes and dates add up draw by draw, in whatever company."""
    model, facts = count_model(0.7, 0.7, 0.8), alone(40)
    whole = draw_numbers(model, facts, names(40))
    odd = np.arange(40) % 2 == 1
    part = draw_numbers(model, facts.take(odd), names(40)[1::2])
    assert (part == whole[odd]).all()
    assert whole.shape == (40, DRAWS)
    other = draw_numbers(model, facts, names(40, "b"))
    assert (other != whole).any()
    assert (draw_numbers(model, facts, names(40)) == whole).all()


def test_looks_of_one_place_vary_together() -> None:
    model = count_model(0.7, 1 - 1e-9, 1.5)
    one, two = (draw_numbers(model, alone(80), names(80, s)).sum(axis=0) for s in "ab")
    assert np.corrcoef(one, two)[0, 1] > 0.9
    sure = count_model(0.7, 1 - 1e-9)
    one, two = (draw_numbers(sure, alone(80), names(80, s)).sum(axis=0) for s in "ab")
    assert abs(np.corrcoef(one, two)[0, 1]) < 0.15


def test_what_is_far_from_all_boxes_is_by_area() -> None:
    """NB(shape 0.5 a million pixels, 0.25): a mean of 1.5 a million."""
    model = LoneModel(0.5, 0.25, [40.0, 80.0])
    for mpx in (1.0, 40.0):
        total = sum(len(draw_lone(model, mpx, f"s{i}").draw) for i in range(40))
        assert total / 40 / DRAWS == pytest.approx(1.5 * mpx, rel=0.06)
    found = draw_lone(model, 40.0, "s")
    short = found.count(found.length_px < 60)
    assert short.mean() == pytest.approx(30, rel=0.1)
    assert (short + found.count(found.length_px >= 60)).sum() == len(found.draw)
    assert found.place.min() >= 0
    assert found.place.max() < 1
    assert len(draw_lone(model, 0.0, "s").draw) == 0


def test_draws_travel_as_text() -> None:
    drawn = draw_numbers(count_model(0.7, 0.7), alone(400), names(400)).sum(axis=0, dtype=np.int64)
    text = pack_draws(drawn)
    assert (unpack_draws(text) == drawn).all()
    assert len(text) < 2 * DRAWS
    with pytest.raises(ValueError, match="draws"):
        unpack_draws("AAAA")


def test_a_card_holds_plain_numbers() -> None:
    model = count_model(0.7, 0.8, 0.5, LoneModel(0.1, 0.5, [33.0, 90.5]))
    assert CountModel.from_card(model.to_card()) == model
    spoilt = model.to_card()
    spoilt["real"]["coefficients"] = spoilt["real"]["coefficients"][:-1]
    with pytest.raises(ValueError, match="7 coefficients and 3 spreads"):
        CountModel.from_card(spoilt)


@given(st.lists(st.lists(st.integers(0, 3), min_size=40, max_size=40), min_size=1, max_size=5))
def test_parts_hold_the_total(parts: list[list[int]]) -> None:
    """Sums of the ends enclose the total's; no end moves that need not."""
    drawn = [np.array(part) for part in parts]
    total = estimate_of(np.sum(drawn, axis=0))
    said = add_up((total.low, total.high), drawn)
    assert sum(low for low, _ in said) <= total.low
    assert sum(high for _, high in said) >= total.high
    for (low, high), part in zip(said, drawn, strict=True):
        own = estimate_of(part)
        assert low <= own.low <= own.high <= high
    if sum(estimate_of(part).high for part in drawn) >= total.high:
        assert [high for _, high in said] == [estimate_of(part).high for part in drawn]


def test_the_likeliest_part_gets_the_object() -> None:
    """Both hold nobody with 95 %; together one is there in 8 of 100 draws."""
    rare, rarer = np.zeros(100, int), np.zeros(100, int)
    rare[:5], rarer[5:8] = 1, 1
    assert add_up((0, 1), [rarer, rare]) == [(0, 0), (0, 1)]
