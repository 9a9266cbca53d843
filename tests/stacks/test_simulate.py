"""Draws of blocks: exact where nothing is uncertain, with the laws that are said where it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detector.stacks.settings import StackSettings
from detector.stacks.simulate import Factors, quantiles, simulate, split_lognormal
from detector.stacks.slots import half_bays_of, rows_of

CERTAIN = StackSettings(draws=4000)
BAY_M, ROW_M = 6.321, 2.838  # of 20 ft places and of rows, nominal
SHARED = {"fill": 0.5, "tiers": 0.3}


def factors(count: int = 1, **changed: object) -> Factors:
    """Blocks of 8 places by 5 rows, full, three tiers, a half of them 40 ft; nothing uncertain."""
    values = {
        "along_m": 8 * BAY_M,
        "across_m": 5 * ROW_M,
        "size_sd_m": 0.0,
        "fill": 1.0,
        "fill_sd": 0.0,
        "share": 0.5,
        "share_sd": 0.0,
        "row_pitch_m": ROW_M,
        "row_pitch_sd": 0.0,
        "half_bay_m": BAY_M,
        "half_bay_sd": 0.0,
        "tiers": 3.0,
        "tiers_sd": 0.0,
    }
    values |= {key: value for key, value in changed.items() if key in values}
    arrays = {key: np.full(count, value) for key, value in values.items()}
    prior = np.tile(np.array(changed.get("prior", [1.0, 2.0, 4.0]), float), (count, 1))
    wagons = np.full(count, bool(changed.get("wagons", False)))
    return Factors(**arrays, prior=prior, wagons=wagons)  # type: ignore[arg-type]


def test_a_block_of_which_all_is_known() -> None:
    draws = simulate(factors(), CERTAIN)
    assert np.unique(draws.slots).tolist() == [40.0]
    assert draws.teu == pytest.approx(draws.slots * draws.tiers)
    assert draws.containers == pytest.approx(draws.teu * 0.75)  # half of them take two places
    # Twenty stacks of two places differ by 0.8 tiers each around the level.
    assert draws.tiers.mean() == pytest.approx(3.0, abs=0.01)
    assert draws.tiers.std() == pytest.approx(0.8 / np.sqrt(20), rel=0.05)


def test_wagons_are_one_row_of_one_tier() -> None:
    draws = simulate(factors(wagons=True, along_m=9 * 13.8, across_m=3.0), CERTAIN)
    assert np.unique(draws.tiers).tolist() == [1.0]
    assert np.median(draws.slots) == 18.0
    low, middle, high = quantiles(draws.slots)[:, 0]
    # A pitch that errs by 4 % errs on eighteen places by one at the 5 % and 95 %.
    assert (low, middle, high) == (17.0, 18.0, 19.0)


@pytest.mark.parametrize(
    ("length_m", "places"), [(6.06, 1), (12.19, 2), (12.64 * 4 - 0.45, 8), (2.0, 1), (0.0, 1)]
)
def test_places_in_a_length(length_m: float, places: int) -> None:
    assert half_bays_of(np.array(length_m + 0.2), np.array(BAY_M)) == places


@pytest.mark.parametrize(("width_m", "rows"), [(2.438, 1), (5.276, 2), (13.79, 5), (1.0, 1)])
def test_rows_in_a_width(width_m: float, rows: int) -> None:
    assert rows_of(np.array(width_m + 0.2), np.array(ROW_M)) == rows


def test_the_limit_between_two_numbers_of_rows() -> None:
    """Rounded at half a row: 0.2 m is the box's looseness, the last gap of 0.4 m is not there."""
    limit = 3.5 * ROW_M - 0.4 + 0.2
    assert rows_of(np.array([limit - 0.01, limit + 0.01]), np.array(ROW_M)).tolist() == [3, 4]
    limit = 3.5 * BAY_M - (2 * BAY_M - 12.192) + 0.2
    assert half_bays_of(np.array([limit - 0.01, limit + 0.01]), np.array(BAY_M)).tolist() == [3, 4]


def test_a_prior_is_met_at_its_three_quantiles() -> None:
    prior = [1.0, 2.1, 5.3]
    z = np.array([-1.6449, 0.0, 1.6449])
    assert split_lognormal(prior, z) == pytest.approx(prior, rel=1e-4)
    draws = simulate(factors(tiers=np.nan, prior=prior, along_m=400 * BAY_M), CERTAIN)
    assert quantiles(draws.tiers)[:, 0] == pytest.approx([1.0, 2.1, 5.3], rel=0.08)
    assert draws.tiers.min() >= 1.0


def test_filling_by_prior_and_by_measurement() -> None:
    prior = simulate(factors(fill=np.nan, fill_sd=np.nan, along_m=100 * BAY_M), CERTAIN)
    assert quantiles(prior.slots / 500)[:, 0] == pytest.approx([0.72, 0.92, 1.0], rel=0.01)
    measured = simulate(factors(fill=0.6, fill_sd=0.1, along_m=100 * BAY_M), CERTAIN)
    share = measured.slots[:, 0] / 500
    assert (share.mean(), share.std()) == pytest.approx((0.6, 0.1), rel=0.05)
    assert simulate(factors(fill=0.01), CERTAIN).slots.min() == 2.0  # a twentieth of forty
    assert simulate(factors(fill=1.5), CERTAIN).slots.max() == 40.0


def test_what_blocks_of_a_zone_have_in_common() -> None:
    """Correlations of two blocks: half of the filling, three tenths of a shadow's error."""
    many = StackSettings(draws=20_000)
    filled = simulate(factors(2, fill=0.5, fill_sd=0.05, along_m=400 * BAY_M), many)
    assert np.corrcoef(filled.slots.T)[0, 1] == pytest.approx(0.5, abs=0.02)
    seen = simulate(factors(2, tiers=5.0, tiers_sd=0.5, along_m=4000 * BAY_M), many)
    assert np.corrcoef(seen.tiers.T)[0, 1] == pytest.approx(0.3, abs=0.02)
    assert seen.tiers.std(axis=0) == pytest.approx([0.5, 0.5], rel=0.03)
    assumed = simulate(factors(2, tiers=np.nan, prior=[2, 4, 8], along_m=4000 * BAY_M), many)
    assert np.corrcoef(np.log(assumed.tiers).T)[0, 1] == pytest.approx(0.5, abs=0.03)
    pitch = simulate(factors(2, half_bay_sd=0.1, along_m=900 * BAY_M), many)
    assert np.corrcoef(pitch.slots.T)[0, 1] == pytest.approx(0.8, abs=0.02)
    told = factors(2, share=0.5, share_sd=0.1, along_m=900 * BAY_M)
    ratio = simulate(told, many)
    share = 2 * (1 - ratio.containers / ratio.teu)
    assert np.corrcoef(share.T)[0, 1] == pytest.approx(0.3, abs=0.02)
    assert share.std(axis=0) == pytest.approx([0.1, 0.1], rel=0.03)


def test_blocks_of_few_bays_differ_in_their_share_of_40_ft() -> None:
    """By prior: the binomial spread of so many bays, beside that of the habit."""
    priors = [0.7799, 0.78, 0.7801]
    settings = replace(CERTAIN, share_40ft=priors)
    spreads = []
    for bays in (4, 100):
        drawn = simulate(factors(share=np.nan, share_sd=np.nan, along_m=2 * bays * BAY_M), settings)
        share = 2 * (1 - drawn.containers / drawn.teu)
        spreads.append(float(share.std()))
    assert spreads[1] == pytest.approx(np.sqrt(0.78 * 0.22 / 100), rel=0.05)
    assert 0.15 < spreads[0] < np.sqrt(0.78 * 0.22 / 4)  # cut off at one


def test_sizes_err_on_both_sides() -> None:
    """An error of 3 m on eight places of 6.3 m and five rows of 2.8 m."""
    draws = simulate(factors(size_sd_m=3.0, along_m=100 * BAY_M, across_m=5 * ROW_M), CERTAIN)
    rows = np.unique(np.round(draws.slots[:, 0] / 100))
    assert set(rows.tolist()) >= {3.0, 4.0, 5.0, 6.0, 7.0}
    assert draws.slots.std() == pytest.approx(
        100 * np.hypot(3.0 / ROW_M, 1 / np.sqrt(12)), rel=0.05
    )


def test_equal_seeds_give_equal_numbers_and_none_give_none() -> None:
    known = factors(2, tiers_sd=0.3)
    one, again, other = (simulate(known, CERTAIN, seed).teu for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    none = simulate(factors(0), CERTAIN)
    assert none.teu.shape == (4000, 0)
    assert quantiles(np.arange(101.0)).tolist() == [5.0, 50.0, 95.0]
