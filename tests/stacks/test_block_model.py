"""What boxes of blocks stand for: draws by hand, and the fit on places made by known numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, logit

from detector.stacks.block_model import (
    CENTRE_M2,
    MIN_PLACES,
    BlockModel,
    BlockModelError,
    draw_blocks,
    seed_of,
)

CERTAIN = BlockModel(
    real=(50.0, 0.0, 0.0),
    real_sd=0.0,
    joined=(-50.0, 0.0),
    log_ratio=[0.0, 0.0],
    ratio_sd=0.0,
    recall=(50.0, 0.0),
    recall_sd=0.0,
    clean=0.0,
    log_missed=[0.0, 0.0],
    usual_m2=CENTRE_M2,
    n_places=30,
    n_area_places=30,
    n_blocks=300,
    n_boxes=300,
)
SURE = np.full(20, 0.6)
AREAS = np.full(20, 250.0)
MANY = 40_000


def test_boxes_that_are_always_right_are_the_blocks() -> None:
    draws = draw_blocks(CERTAIN, SURE, AREAS, 1)
    assert np.unique(draws.number).tolist() == [20.0]
    assert np.unique(draws.area_m2(AREAS)) == pytest.approx([5000.0])


def test_false_boxes_by_score_and_size() -> None:
    """At 0.6 and 500 m² the odds are as said; by a slope of 1 the score is the probability."""
    model = replace(CERTAIN, real=(float(logit(0.6)), 1.0, 0.5))
    score, area = np.array([0.6, 0.9, 0.6]), np.array([500.0, 500.0, 500.0 * np.e])
    real = (draw_blocks(model, score, area, 3, MANY).held > 0).mean(axis=0)
    assert real == pytest.approx([0.6, 0.9, expit(logit(0.6) + 0.5)], abs=0.01)
    unknown = draw_blocks(model, score[:1], np.array([np.nan]), 3, MANY)
    assert (unknown.held > 0).mean() == pytest.approx(0.6, abs=0.01)


def test_joined_blocks_are_geometric() -> None:
    model = replace(CERTAIN, joined=(float(logit(0.2)), 0.0))
    held = draw_blocks(model, SURE[:1], np.array([500.0]), 5, MANY).held[:, 0]
    assert [(held == k).mean() for k in (1, 2, 3)] == pytest.approx([0.8, 0.16, 0.032], abs=0.01)


def test_missed_blocks_are_negative_binomial() -> None:
    """Of 20 found at a recall of 0.8: 20.25 (1 - 0.8) / 0.8 missed, each half as large."""
    model = replace(CERTAIN, recall=(float(logit(0.8)), 0.0), log_missed=[np.log(0.5)] * 2)
    draws = draw_blocks(model, SURE, AREAS, 7, MANY)
    assert draws.missed.mean() == pytest.approx(20.25 / 4, rel=0.02)
    assert draws.missed.var() == pytest.approx(20.25 * 0.2 / 0.64, rel=0.04)
    size = 250 ** (20 / 22) * 500 ** (2 / 22)  # drawn to the usual size as by two blocks
    assert draws.missed_m2 == pytest.approx(draws.missed * size / 2)


def test_where_nothing_is_found_something_may_be_missed() -> None:
    model = replace(CERTAIN, recall=(float(logit(0.6)), 0.0))
    draws = draw_blocks(model, np.zeros(0), np.zeros(0), 9, MANY)
    assert (draws.number == 0).mean() == pytest.approx(0.6**0.25, abs=0.01)
    assert draws.missed_m2 == pytest.approx(draws.missed * CENTRE_M2)


def test_more_missed_than_are_drawn_one_by_one() -> None:
    """Their sizes differ: the sum beyond two hundred keeps its mean."""
    model = replace(CERTAIN, recall=(float(logit(0.25)), 0.0), log_missed=[-1.0, 0.0])
    draws = draw_blocks(model, np.full(300, 0.6), np.full(300, 500.0), 9, 1000)
    assert draws.missed.min() > 200
    mean = 1 - np.exp(-1)
    assert (draws.missed_m2 / draws.missed).mean() == pytest.approx(500 * mean, rel=0.01)


def test_zones_of_a_place_vary_together() -> None:
    """All that differs is the place: two zones of other seeds have the same oddness."""
    model = replace(CERTAIN, real=(0.0, 0.0, 0.0), real_sd=1.5)
    score, area = np.full(400, 0.6), np.full(400, 500.0)
    one, two = (draw_blocks(model, score, area, seed).number for seed in (1, 2))
    assert np.corrcoef(one, two)[0, 1] > 0.98
    assert np.quantile(one, 0.05) / 400 == pytest.approx(expit(-1.5 * 1.699 * 1.0165), abs=0.02)
    alone = replace(model, real_sd=0.0)
    one, two = (draw_blocks(alone, score, area, seed).number for seed in (1, 2))
    assert abs(np.corrcoef(one, two)[0, 1]) < 0.1


def test_few_places_are_wider() -> None:
    """A t distribution of one degree of freedom less than places, sqrt(1 + 1 / places) wide."""
    model = replace(CERTAIN, real=(0.0, 0.0, 0.0), real_sd=0.5)
    ends = {}
    for places in (10, 1000):
        few = replace(model, n_places=places, n_area_places=places)
        number = draw_blocks(few, np.full(2000, 0.6), np.full(2000, 500.0), 4).number
        ends[places] = logit(np.quantile(number, 0.95) / 2000)
    assert ends[1000] == pytest.approx(0.5 * 1.646, rel=0.06)
    assert ends[10] == pytest.approx(0.5 * 1.833 * np.sqrt(1.1), rel=0.06)


def test_a_clean_place_joins_and_misses_nothing() -> None:
    model = replace(CERTAIN, joined=(0.0, 0.0), recall=(0.0, 0.0), clean=0.3)
    number = draw_blocks(model, SURE, AREAS, 2, MANY).number
    assert (number == 20).mean() == pytest.approx(0.3, abs=0.01)


def test_equal_seeds_give_equal_numbers() -> None:
    model = replace(CERTAIN, real=(0.0, 1.0, 0.0))
    one, again, other = (draw_blocks(model, SURE, AREAS, seed).held for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    assert seed_of("yard 1") == 1_930_398_756  # CRC-32
    assert seed_of("a", "b") != seed_of("b", "a")


def test_a_card_tells_the_model_again() -> None:
    model = replace(CERTAIN, rates={"precision": [0.5, 0.4, 0.6, 20]}, fitted_on="dev")
    assert BlockModel.from_card({"blocks": model.to_card()}) == model
    assert BlockModel.from_card({"classes": {}}) is None
    with pytest.raises(BlockModelError, match="run 'detector card' again"):
        BlockModel.from_card({"blocks": {"real": [1.0]}})


def test_what_is_claimed_needs_nine_places() -> None:
    few = replace(CERTAIN, n_places=MIN_PLACES, n_area_places=MIN_PLACES - 1)
    assert (few.claims_number, few.claims_area) == (True, False)
