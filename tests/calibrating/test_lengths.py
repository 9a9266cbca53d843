"""Intervals of lengths hold as often as they say, band by band, and on places left out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from detector.calibrating.lengths import (
    COARSE_BANDS_PX,
    FOLDS,
    LEAST_OBJECTS,
    conformal,
    fit_lengths,
    folds_of,
    held_out,
)
from detector.errors import WeightsError
from detector.lengths import LengthErrors, Measured


def measured(n: int, seed: int) -> pd.DataFrame:
    """Small objects are off by 15 %, large ones by 3 %; a tenth are cut to a half."""
    generator = np.random.default_rng(seed)
    length_px = generator.uniform(10, 400, n)
    error = generator.normal(0, np.where(length_px < 64, 0.15, 0.03))
    cut = generator.random(n) < 0.1
    error = np.where(cut, error + np.log(0.5), error)
    return pd.DataFrame(
        {
            "class": "ship",
            "length_px": length_px,
            "log_error": error,
            "log_over": error,
            "cut": np.where(cut, "scene_edge", ""),
            "place": [f"place {i % 40}" for i in range(n)],
        }
    )


def test_the_rank_covers_a_new_value() -> None:
    """The new value is as likely to have any of n + 1 ranks: nine tenths of them, and no fewer."""
    for n in range(9, 121):
        covering = next(rank for rank in range(1, n + 1) if 10 * rank >= 9 * (n + 1))
        assert conformal(np.arange(1.0, n + 1), 0.9) == covering
    assert conformal(np.arange(10.0), 0.9) == 9.0  # of ten the tenth; without the + 1 the ninth
    assert conformal(np.array([3.0, 1.0]), 0.9) == 3.0


def test_intervals_hold_in_nine_of_ten_new_objects() -> None:
    fitted = fit_lengths(measured(3000, 1), "made")
    errors = LengthErrors.from_card(fitted, 0.3)
    new = measured(20_000, 2)
    new = new[new["cut"] == ""]
    length_m = new["length_px"].to_numpy() * 0.3
    seen = Measured(length_m, np.zeros(len(new), bool), np.ones(len(new)), 0.3)
    found = errors.bounds("ship", seen)
    true = length_m * np.exp(-new["log_error"].to_numpy())
    holds = (true >= found.low_m) & (true <= found.high_m)
    small = new["length_px"].to_numpy() < 64
    assert holds[small].mean() == pytest.approx(0.9, abs=0.03)
    assert holds[~small].mean() == pytest.approx(0.9, abs=0.015)
    widths = [band["log_error"] for band in fitted["classes"]["ship"]["bands"]]
    assert widths[:2] == pytest.approx([0.15 * 1.645] * 2, rel=0.2)
    assert widths[2:] == pytest.approx([0.03 * 1.645] * 3, rel=0.1)


def test_ships_of_few_pixels_have_bands_of_their_own() -> None:
    """Off by a pixel, a ship of 8 pixels is uncertain by an eighth and one of 32 by a thirtieth."""
    generator = np.random.default_rng(5)
    true_px = generator.uniform(5, 60, 4000)
    length_px = true_px + generator.normal(0, 0.7, 4000)
    rows = measured(4000, 5).assign(
        length_px=length_px, log_error=np.log(length_px / true_px), cut=""
    )
    fitted = fit_lengths(rows, "made", bands_px=COARSE_BANDS_PX)
    bands = fitted["classes"]["ship"]["bands"]
    assert [band["from_px"] for band in bands] == [0.0, 8.0, 16.0, 32.0]
    widths = [band["log_error"] for band in bands]
    assert widths[0] > 1.6 * widths[1] > 1.6 * 1.6 * widths[2]
    bounds = LengthErrors.from_card(fitted, 2.5).bounds(
        "ship", Measured(np.array([70.0, 250.0]), np.zeros(2, bool), np.ones(2), 10.0)
    )
    wide = bounds.high_m - bounds.low_m
    assert wide[1] / 250 < 0.5 * wide[0] / 70
    one = fit_lengths(rows, "made")["classes"]["ship"]["bands"]
    assert [band["from_px"] for band in one] == [0.0, 32.0]


def test_a_band_of_too_few_is_taken_with_its_neighbour() -> None:
    rows = measured(400, 3)
    rows = rows[(rows["length_px"] < 40) | (rows["length_px"] > 300)]
    bands = fit_lengths(rows, "made")["classes"]["ship"]["bands"]
    assert all(band["n_objects"] >= LEAST_OBJECTS for band in bands)
    assert sum(band["n_objects"] for band in bands) == (rows["cut"] == "").sum()
    assert bands[0]["from_px"] == 0.0
    assert fit_lengths(measured(20, 4), "made")["classes"] == {}


def test_a_fold_is_not_in_its_own_fit() -> None:
    rows = measured(600, 5)
    folds = np.arange(600) % 3
    rows.loc[folds == 0, "log_error"] = 0.6
    first, *others = held_out(rows, folds)
    assert all(band["log_error"] < 0.5 for band in first["classes"]["ship"]["bands"])
    for other in others:
        assert any(band["log_error"] == 0.6 for band in other["classes"]["ship"]["bands"])


def test_a_card_with_other_lengths_is_refused() -> None:
    with pytest.raises(WeightsError, match="lengths are incomplete or mistyped"):
        LengthErrors.from_card({"classes": {"ship": {"bands": [{"from": 1}]}}}, 0.3)
    with pytest.raises(WeightsError, match="remove them"):
        LengthErrors.from_card({"classes": ["ship"]}, 0.3)
    nothing = LengthErrors.from_card({}, 0.3)
    seen = Measured(np.array([100.0, 100.0]), np.array([False, True]), np.array([1.0, 0.5]), 0.5)
    found = nothing.bounds("ship", seen)
    assert np.isnan(found.low_m[0])
    assert found.low_m[1] == 50.0


def test_a_size_known_to_a_factor_of_two_at_best_has_no_interval() -> None:
    rows = measured(600, 8)
    rows.loc[rows["length_px"] < 32, "log_error"] = 1.0
    fitted = fit_lengths(rows, "made")
    assert fitted["classes"]["ship"]["bands"][0]["log_error"] is None
    errors = LengthErrors.from_card(fitted, 0.3)
    found = errors.log_errors("ship", np.array([20.0, 300.0]) * 0.3, 0.3)
    assert np.isnan(found[0])
    assert 0.03 < found[1] < 0.07


def test_boxes_of_one_place_are_in_one_fold() -> None:
    """However often a place occurs, and beside whom; a fold by the row would leak."""
    places = [f"port {i % 11}" for i in range(50)]
    folds = folds_of(places)
    of = dict(zip(places, folds.tolist(), strict=True))
    assert folds.tolist() == [of[place] for place in places]
    assert sorted(set(folds.tolist())) == list(range(FOLDS))
