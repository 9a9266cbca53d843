"""One length a ship: whole before cut, "at least" where no look saw it whole, everywhere."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.activity.changes.events import ship_events, sort_events
from detector.activity.looks.lengths import (
    SHARED_VARIANCE,
    ShipLength,
    length_in_short,
    length_in_words,
)
from detector.activity.looks.sightings import PlacedObjects, SeenObjects
from detector.geometry.frames import LocalMetres
from detector.lengths import (
    ErrorBand,
    LengthErrors,
    Measured,
    at_least_m,
    half_width_m,
    say_length,
    short_length,
)
from detector.report.events import event_rows
from detector.report.words import Words

Row = tuple[float, float, float, str]  # length, low, high, cut
NAN = math.nan


def ship(rows: Sequence[Row]) -> PlacedObjects:
    """The boxes of one ship at its looks."""
    length, low, high = (np.array([row[i] for row in rows], float) for i in range(3))
    n = len(rows)
    return SeenObjects(
        ids=np.array([f"scene{i}#0" for i in range(n)], np.str_),
        class_ids=np.zeros(n, np.int64),
        scores=np.ones(n),
        corners=LocalMetres(np.zeros((n, 4, 2))),
        length_m=length,
        width_m=length / 6,
        axis_deg=np.zeros(n),
        gsd_m=np.full(n, 0.5),
        cut=np.array([row[3] for row in rows], "<U16"),
        length_low_m=low,
        length_high_m=high,
    )


def visit(rows: Sequence[Row]) -> dict[str, object]:
    found = ship(rows)
    return {
        "site": "Port",
        "zone": "Pier 1",
        "first_seen": "2026-09-01",
        "last_seen": "2026-09-02",
        "width_m": 30.0,
        "lies": "alongside",
        "one_ship": True,
        "evidence": "; ".join(found.ids.tolist()),
        **ShipLength.of_looks(found).columns,
    }


def event_text(row: dict[str, object]) -> str:
    [event] = event_rows("Port", {"events": ship_events([row])}, Words.read())
    return str(event["text"])


def test_a_ship_cut_at_every_look_is_at_least_its_longest_piece() -> None:
    row = visit([(180.0, 172.6, NAN, "scene_edge"), (150.0, 149.0, NAN, "cloud")])
    assert (row["length_m"], row["length_low_m"], row["length_high_m"]) == (180.0, 172.6, None)
    assert row["length_cut"] == "scene_edge"
    assert length_in_words(row) == "at least 172 m"
    assert length_in_words(row, unit="") == "at least 172"
    assert length_in_short(row) == "≥172 m"
    assert event_text(row) == "ship of at least 172 m at Pier 1"
    [event] = ship_events([row])
    assert event["text"] == event_text(row)
    assert (event["lengths_cut"], event["lengths_low_m"]) == (["scene_edge"], [172.6])


def test_a_ship_seen_whole_once_has_that_length() -> None:
    rows = [(180.0, 180.0, NAN, "cloud"), (264.0, 253.6, 274.8, ""), (240.0, 239.0, NAN, "nodata")]
    row = visit(rows)
    assert (row["length_m"], row["length_cut"]) == (264.0, "")
    assert length_in_short(row) == "264 m"
    assert event_text(row) == "ship of 264 ± 11 m at Pier 1"


def test_more_looks_narrow_the_interval_as_far_as_errors_are_independent() -> None:
    error = math.log(110 / 100)
    rows = [(100.0, 100 / 1.1, 110.0, "")] * 4
    one, four = (ShipLength.of_looks(ship(rows[:n])) for n in (1, 4))
    assert math.log(one.high_m / one.length_m) == pytest.approx(error)
    shrunk = math.sqrt(SHARED_VARIANCE + (1 - SHARED_VARIANCE) / 4)
    assert math.log(four.high_m / four.length_m) == pytest.approx(error * shrunk)
    assert four.low_m * four.high_m == pytest.approx(100.0**2)


def test_nothing_is_claimed_without_a_fit() -> None:
    row = visit([(100.4, NAN, NAN, "")])
    assert length_in_words(row) == "100 m"
    assert event_text(row) == "ship of 100 m at Pier 1"
    cut = visit([(100.9, NAN, NAN, "scene_edge")])
    assert length_in_words(cut) == "at least 100 m"  # never rounded up


def test_an_activity_of_an_earlier_version_is_told_without_an_error() -> None:
    event = ship_events([visit([(100.0, NAN, NAN, "")])])[0]
    old = {k: v for k, v in event.items() if k not in ("lengths_low_m", "lengths_high_m")}
    del old["lengths_cut"], old["one_ship"]
    [row] = event_rows("Port", {"events": sort_events([old])}, Words.read())
    assert row["text"] == "ship of 100 m at Pier 1"
    assert length_in_short({"length_m": 100.0}) == "100 m"


@given(st.floats(5, 500), st.floats(0.001, 0.5))
def test_both_ends_lie_within_what_is_printed(length: float, error: float) -> None:
    low, high = length * math.exp(-error), length * math.exp(error)
    half = half_width_m(length, low, high)
    assert half is not None
    assert round(length) - half <= low
    assert round(length) + half >= high
    assert half <= max(round(length) - low, high - round(length), 1.0) + 1
    assert say_length(length, low, high, "") == f"{length:,.0f} ± {half:,} m"
    assert at_least_m(length, low) <= low
    assert short_length(length, low, "cloud") == f"≥{math.floor(low):,} m"


def test_bounds_by_size_and_by_what_cuts() -> None:
    """By hand: 20 px have the wide band, 200 px the narrow one; half of a cut ship shows."""
    errors = LengthErrors(
        {"ship": [ErrorBand(0.0, 0.2, 50), ErrorBand(64.0, 0.05, 50)]}, {"ship": 0.02}, 0.3
    )
    length = np.array([10.0, 100.0, 100.0, 60.0])
    cut = np.array([False, False, True, True])
    found = errors.bounds("ship", Measured(length, cut, np.array([1.0, 1.0, 1.0, 0.5]), gsd_m=0.5))
    expected = [10 * math.exp(-0.2), 100 * math.exp(-0.05), 100 * math.exp(-0.02)]
    assert found.low_m == pytest.approx([*expected, 30 * math.exp(-0.02)])
    assert found.high_m[:2] == pytest.approx([10 * math.exp(0.2), 100 * math.exp(0.05)])
    assert np.isnan(found.high_m[2:]).all()


def test_an_estimated_scale_widens_the_interval() -> None:
    errors = LengthErrors({"ship": [ErrorBand(0.0, 0.05, 50)]}, {"ship": 0.0}, 0.3)
    one, no = np.array([100.0]), np.array([False])
    seen = Measured(one, no, np.ones(1), gsd_m=0.5, gsd_range_m=(0.44, 0.55))
    error = math.hypot(0.05, math.log(0.5 / 0.44))
    assert errors.bounds("ship", seen).high_m == pytest.approx([100 * math.exp(error)])
    told = errors.bounds("container_stack", seen)
    assert np.isnan([told.low_m, told.high_m]).all()
    unknown = errors.bounds("ship", Measured(one * NAN, no, np.ones(1), gsd_m=None))
    assert np.isnan([unknown.low_m, unknown.high_m]).all()
