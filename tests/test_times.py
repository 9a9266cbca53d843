"""What is known of a time, and what may be said of times between."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from detector.times import Acquired, longest_days, parse_acquired

DAY = Acquired(day=date(2026, 9, 2))
LOS_ANGELES = ZoneInfo("America/Los_Angeles")


@pytest.mark.parametrize(
    ("value", "iso", "precision"),
    [
        ("2026-09-02", "2026-09-02", "time_unknown"),
        ("20260902", "2026-09-02", "time_unknown"),
        (" 2026-09-02T00:00:00Z ", "2026-09-02T00:00:00Z", "time"),  # said by a person
        ("2026-09-02T08:15:30+09:00", "2026-09-01T23:15:30Z", "time"),
        ("2026:09:02 08:15:30", "2026-09-02T08:15:30Z", "time"),
        (date(2026, 9, 2), "2026-09-02", "time_unknown"),
        (datetime(2026, 9, 2, 1, tzinfo=UTC), "2026-09-02T01:00:00Z", "time"),
        ("2026-02-30", "", "date_unknown"),
        (None, "", "date_unknown"),
        (7, "", "date_unknown"),
    ],
)
def test_a_date_is_kept_as_a_date(value: object, iso: str, precision: str) -> None:
    found = parse_acquired(value)
    assert (found.iso, found.precision) == (iso, precision)


def test_a_bare_day_is_that_day_in_every_time_zone() -> None:
    moment = Acquired(moment=datetime(2026, 9, 2, 3, tzinfo=UTC))
    assert DAY.day_in(LOS_ANGELES) == date(2026, 9, 2)
    assert moment.day_in(LOS_ANGELES) == date(2026, 9, 1)
    assert Acquired().day_in(UTC) is None
    assert (DAY.words, moment.words) == ("2026-09-02, time unknown", "2026-09-02 03:00 UTC")
    assert (Acquired().words, Acquired().day_words) == ("date unknown", "unknown")
    columns = {"acquired": None, "acquired_day": "2026-09-02", "acquired_precision": "time_unknown"}
    assert DAY.columns() == columns


@pytest.mark.parametrize(
    ("first", "second", "days"),
    [
        ("2026-09-02T03:00:00Z", "2026-09-05T09:00:00Z", 3.25),
        ("2026-09-02", "2026-09-05", 4.0),  # from the first minute of one to the last of the other
        # 26 hours before noon UTC is the first minute of the day where clocks are 14 hours ahead
        ("2026-09-02", "2026-09-05T12:00:00Z", 3.0 + 26 / 24),
        ("2026-09-02T12:00:00Z", "2026-09-05", 3.0 + 26 / 24),
    ],
)
def test_a_gap_is_the_longest_that_it_can_be(first: str, second: str, days: float) -> None:
    moments = [parse_acquired(second), parse_acquired(first), parse_acquired(first)]
    assert longest_days(moments) == pytest.approx(days)


def test_one_date_has_no_gap() -> None:
    assert longest_days([DAY]) == 0.0
    assert longest_days([]) == 0.0
    with pytest.raises(ValueError, match="nothing is known"):
        _ = Acquired().middle
