"""Times and days: one reader, one writer of times, one writer of days in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

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
