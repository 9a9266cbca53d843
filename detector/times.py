"""Times and days: one reader, one writer of times, one writer of days in words.

A date is not a time: what is known to the day is kept as that day, and nowhere as its midnight.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import pairwise
from typing import Any, Final, Literal, Self

Precision = Literal["time", "time_unknown", "date_unknown"]

NOON: Final = time(12)
HALF_DAY: Final = timedelta(hours=12)
WIDEST_OFFSET: Final = timedelta(hours=14)  # from UTC, of any place
TIME_FORMAT: Final = "%Y-%m-%dT%H:%M:%SZ"  # UTC, ISO 8601, as in every table and page
OTHER_FORMATS: Final = (  # TIFF tags, NITF, Maxar's IMD
    "%Y:%m:%d %H:%M:%S",
    "%Y-%m-%d %H:%M:%S",
    "%Y%m%d%H%M%S",
    "%Y-%m-%dT%H:%M:%S.%fZ",
)


@dataclass(frozen=True, slots=True)
class DayWords:
    """How days are written in a language.

    Attributes:
        months: twelve names; those of a locale would change with the machine.
        day: with `{day}`, `{month}` and `{year}`.
    """

    months: Sequence[str]
    day: str


ENGLISH: Final = DayWords(
    (
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ),
    "{day} {month} {year}",
)


@dataclass(frozen=True, slots=True)
class Acquired:
    """When a scene was taken, as far as anybody knows.

    Attributes:
        moment: UTC; None where the time of day is unknown.
        day: the day at the place, where only that is known; else None.
    """

    moment: datetime | None = None
    day: date | None = None

    @classmethod
    def of(cls, value: date | None) -> Self:
        """Of a moment (one without an offset is UTC), of a day alone, or of nothing."""
        if isinstance(value, datetime):
            return cls(moment=_utc(value))
        return cls(day=value)

    @property
    def precision(self) -> Precision:
        """How much is known."""
        if self.moment is not None:
            return "time"
        return "time_unknown" if self.day is not None else "date_unknown"

    @property
    def iso(self) -> str:
        """`2026-09-02T03:00:00Z`, `2026-09-02` where the time of day is unknown, or nothing."""
        if self.moment is not None:
            return format_time(self.moment)
        return self.day.isoformat() if self.day is not None else ""

    @property
    def words(self) -> str:
        """`2026-09-02 03:00 UTC`, `2026-09-02, time unknown`, or `date unknown`."""
        if self.moment is not None:
            return f"{self.moment:%Y-%m-%d %H:%M} UTC"
        return f"{self.day.isoformat()}, time unknown" if self.day is not None else "date unknown"

    @property
    def day_words(self) -> str:
        """The day alone, as ISO: of a moment its UTC day; `unknown` where nothing is known."""
        return self.iso[: len("2026-09-02")] or "unknown"

    def columns(self) -> dict[str, Any]:
        """The columns of tables: `acquired` (UTC or null), `acquired_day`, `acquired_precision`."""
        return {
            "acquired": self.moment,
            "acquired_day": self.day.isoformat() if self.day is not None else None,
            "acquired_precision": self.precision,
        }

    def record(self) -> dict[str, Any]:
        """The same as plain values, for records in JSON."""
        return {**self.columns(), "acquired": format_time(self.moment) if self.moment else None}

    def day_in(self, zone: tzinfo) -> date | None:
        """The day at a place: a bare day is that already, whatever the zone."""
        return self.moment.astimezone(zone).date() if self.moment is not None else self.day

    @property
    def middle(self) -> datetime:
        """Where it stands in sums over weeks, UTC: a bare day at its noon. Never to be shown.

        Raises:
            ValueError: nothing is known.
        """
        if self.moment is not None:
            return self.moment
        if self.day is None:
            raise ValueError("nothing is known of the date")
        return datetime.combine(self.day, NOON, UTC)

    def longest_to(self, later: Acquired) -> timedelta:
        """The longest time that can lie between it and a later one.

        Between two days of a place that is one day more than between their dates; between a day
        and a moment nobody knows the place's offset, so it is taken at its widest.
        """
        between = later.middle - self.middle
        bare = (self.moment is None) + (later.moment is None)
        return between + (timedelta(0), HALF_DAY + WIDEST_OFFSET, 2 * HALF_DAY)[bare]


def longest_days(moments: Iterable[Acquired]) -> float:
    """The longest time, in days, that can lie between two neighbours of these; 0 for one alone."""
    ordered = sorted(set(moments), key=lambda one: one.middle)
    gaps = [one.longest_to(two) / timedelta(days=1) for one, two in pairwise(ordered)]
    return max(gaps, default=0.0)


def parse_acquired(value: object) -> Acquired:
    """A time, or a date alone, from what a user or a record says; nothing for anything else.

    Text is ISO 8601 or a TIFF's notation. A time without an offset is UTC; a date is that day at
    the place, its time of day unknown.
    """
    if isinstance(value, str):
        try:
            return Acquired(day=date.fromisoformat(value.strip()))
        except ValueError:
            return Acquired(moment=parse_time(value))
    return Acquired.of(value) if isinstance(value, date) else Acquired()


def parse_time(value: object) -> datetime | None:
    """A time in UTC from ISO 8601 or a TIFF's notation; None for anything else.

    A time without an offset is UTC.
    """
    if isinstance(value, datetime):
        return _utc(value)
    if not isinstance(value, str) or not value.strip():
        return None
    text = value.strip()
    for pattern in OTHER_FORMATS:
        try:
            return datetime.strptime(text, pattern).replace(tzinfo=UTC)
        except ValueError:
            continue
    try:
        return _utc(datetime.fromisoformat(text))
    except ValueError:
        return None


def format_time(moment: datetime) -> str:
    """A time as `2026-09-02T03:00:00Z`; one without an offset is UTC."""
    return _utc(moment).strftime(TIME_FORMAT)


def say_day(value: date | str, words: DayWords = ENGLISH) -> str:
    """A day in words, `3 October 2026`; text is an ISO date."""
    when = _day(value)
    return words.day.format(day=when.day, month=words.months[when.month - 1], year=when.year)


def say_span(
    first: date | str, last: date | str, forms: Mapping[str, str], words: DayWords = ENGLISH
) -> str:
    """Two days in words, with the months and years that are needed.

    Args:
        first: earlier day.
        last: later day.
        forms: texts `same_month`, `same_year` and `years` with `{day}` and `{month}` of the first
            day, and `{first}` and `{last}`, the days in full.
        words: of the language.
    """
    one, two = _day(first), _day(last)
    key = "years"
    if one.year == two.year:
        key = "same_month" if one.month == two.month else "same_year"
    return forms[key].format(
        day=one.day,
        month=words.months[one.month - 1],
        first=say_day(one, words),
        last=say_day(two, words),
    )


def _day(value: date | str) -> date:
    return date.fromisoformat(value) if isinstance(value, str) else value


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
