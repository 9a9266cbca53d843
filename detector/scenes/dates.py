"""Dates and times as people and programs write them into names, sidecars and tags.

What can be read in two ways, or is no date of the calendar, is said and not guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Final

from detector.times import Acquired, parse_time, say_day

# 2023-10-13, 2023_10_13, 2023-9-2, 20231013; a time may follow
YEAR_FIRST: Final = re.compile(
    r"(?<!\d)(?P<y>(?:19|20)\d\d)(?:(?P<s>[-_.:/])(?P<a>\d{1,2})(?P=s)(?P<b>\d{1,2})(?!\d)"
    r"|(?P<c>\d\d)(?P<d>\d\d)(?=\D|$|\d{6}(?!\d)))"
)
YEAR_LAST: Final = re.compile(
    r"(?<!\d)(?P<a>\d{1,2})(?P<s>[-_./])(?P<b>\d{1,2})(?P=s)(?P<y>(?:19|20)\d\d)(?!\d)"
)
# 02Sep2026, 2-SEPT-2026, 02_September_2026; 2026-Sep-02, 2026Sep02
MONTH: Final = (
    r"(?P<m>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
NAMED: Final = (
    re.compile(rf"(?<!\d)(?P<d>\d{{1,2}})[-_. ]?{MONTH}[-_. ]?(?P<y>(?:19|20)\d\d)(?!\d)", re.I),
    re.compile(rf"(?<!\d)(?P<y>(?:19|20)\d\d)[-_. ]?{MONTH}[-_. ]?(?P<d>\d{{1,2}})(?!\d)", re.I),
)
# UTC: Maxar 23OCT13021530-P2AS-…, year first; Pléiades and SPOT 202310130215306, to 0.1 s
MAXAR: Final = re.compile(
    rf"(?<![A-Za-z\d])(?P<y>\d\d){MONTH}(?P<d>\d\d)(?P<t>\d{{6}})(?!\d)", re.I
)
AIRBUS: Final = re.compile(r"(?<!\d)(?P<y>20\d\d)(?P<mm>\d\d)(?P<d>\d\d)(?P<t>\d{6})\d(?!\d)")
MONTH_NAMES: Final = [
    "jan",
    "feb",
    "mar",
    "apr",
    "may",
    "jun",
    "jul",
    "aug",
    "sep",
    "oct",
    "nov",
    "dec",
]
# After a date: T081530, T08-15, _08-15-30, 081530; only behind a T can an offset stand
CLOCK: Final = re.compile(
    r"(?P<lead>[Tt_ -]?)(?P<H>\d\d)(?P<s>[-:_.]?)(?P<M>\d\d)(?:(?P=s)(?P<S>\d\d))?"
    r"(?:\.\d{1,6}(?=[Zz+-]))?"
    r"(?P<z>[Zz](?![A-Za-z])|[+-]\d\d[-:_]?(?:00|15|30|45)(?!\d)|\+\d\d(?!\d))?(?!\d)"
)
ODD_OFFSET: Final = re.compile(r"[+-]\d+")
# Names of products whose first date is that of acquisition: Sentinel 1, 2 and 3, Landsat
PRODUCT: Final = re.compile(r"^(?:S[123][A-D]_|L[COTEM]0\d_)")
LONGEST_OFFSET: Final = timedelta(hours=14)
MONTHS: Final = 12


@dataclass(frozen=True, slots=True)
class Reading:
    """What a text tells of a date.

    Attributes:
        acquired: nothing where it tells none, or more than one.
        problem: what is wrong with it, to be put behind the name of what holds the text; or empty.
    """

    acquired: Acquired = field(default_factory=Acquired)
    problem: str = ""


def read_name(name: str) -> Reading:
    """The date in a file's name, with its time of day where it has one.

    Examples:
        >>> read_name("najin_2023-10-13").acquired.words
        '2023-10-13, time unknown'
        >>> read_name("20231013_021530_ssc4_u0001_visual").acquired.iso
        '2023-10-13T02:15:30Z'
        >>> read_name("port_2026-09-02T08-15-30+0900").acquired.iso
        '2026-09-01T23:15:30Z'
        >>> read_name("port_03-04-2026").problem
        '03-04-2026 can be 3 April 2026 and 4 March 2026'
        >>> read_name("tile_12345678_0001").acquired.precision
        'date_unknown'
    """
    marks = sorted(_marks(name), key=lambda mark: mark.start)
    if PRODUCT.match(name):
        marks = marks[:1]
    return _agree(marks)


def read_text(text: str) -> Reading:
    """The date or time in the field of a sidecar or tag: ISO 8601, a TIFF's notation, or a date.

    Midnight to the second is what programs write where only the date was known, so it is taken as
    the date alone.
    """
    text = text.strip()
    if not text:
        return Reading()
    moment = _written_moment(text)
    if moment is not None:
        if moment.time() == time():
            return Reading(Acquired(day=moment.date()))
        return Reading(Acquired.of(moment))
    marks = [mark for mark in _marks(text) if mark.start == 0]
    if marks:
        return _agree(marks)
    return Reading(problem=f"'{text[:40]}' is no date that can be read")


@dataclass(frozen=True, slots=True)
class _Mark:
    """One date in a text.

    Attributes:
        start: position.
        text: as written.
        days: that it can be; none where the calendar has no such day, two where it is ambiguous.
        moment: UTC, where a time of day belongs to it.
        problem: of its time of day.
    """

    start: int
    text: str
    days: tuple[date, ...]
    moment: datetime | None = None
    problem: str = ""


def _marks(text: str) -> Iterator[_Mark]:
    yield from _named_marks(text)
    taken: list[tuple[int, int]] = []
    for match in YEAR_FIRST.finditer(text):
        separated = match["s"] is not None
        month, day = (match["a"], match["b"]) if separated else (match["c"], match["d"])
        numbers = int(month), int(day)
        if not separated and not (1 <= numbers[0] <= MONTHS and 1 <= numbers[1] <= 31):
            continue  # a number of eight digits, no date
        taken.append(match.span())
        yield _mark(text, match, _days(int(match["y"]), [numbers]))
    for match in YEAR_LAST.finditer(text):
        if any(start < match.end() and match.start() < end for start, end in taken):
            continue
        one, two = int(match["a"]), int(match["b"])
        yield _mark(text, match, _days(int(match["y"]), [(two, one), (one, two)]))


def _named_marks(text: str) -> Iterator[_Mark]:
    """Dates with the month in letters, and those of products that write all digits together."""
    for pattern in NAMED:
        for match in pattern.finditer(text):
            month = MONTH_NAMES.index(match["m"][:3].lower()) + 1
            yield _mark(text, match, _days(int(match["y"]), [(month, int(match["d"]))]))
    for match in (*MAXAR.finditer(text), *AIRBUS.finditer(text)):
        named = match.re is MAXAR
        month = MONTH_NAMES.index(match["m"][:3].lower()) + 1 if named else int(match["mm"])
        days = _days(int(match["y"]) + (2000 if named else 0), [(month, int(match["d"]))])
        try:
            at = datetime.strptime(match["t"], "%H%M%S").time()
        except ValueError:
            continue  # a number, no moment
        if days:
            moment = datetime.combine(days[0], at, UTC)
            yield _Mark(match.start(), match.group(), days, moment)


def _days(year: int, month_days: Sequence[tuple[int, int]]) -> tuple[date, ...]:
    found = []
    for month, day in month_days:
        try:
            found.append(date(year, month, day))
        except ValueError:
            continue  # 30 February
    return tuple(dict.fromkeys(found))


def _mark(text: str, match: re.Match[str], days: tuple[date, ...]) -> _Mark:
    mark = _Mark(match.start(), match.group(), days)
    clock = CLOCK.match(text, match.end())
    if len(days) != 1 or clock is None:
        return mark
    if clock["lead"] in ("T", "t"):
        return _timed(mark, text, clock)
    if clock["S"] is None:
        return mark  # 2026-09-02_0815 may be a number
    at = _clock_time(clock)
    return mark if at is None else replace(mark, moment=datetime.combine(days[0], at, UTC))


def _timed(mark: _Mark, text: str, clock: re.Match[str]) -> _Mark:
    """A date with what stands behind its T: a time of day, maybe with its offset."""
    written = f"{mark.text}{clock.group()}"
    at = _clock_time(clock)
    if at is None:
        return replace(mark, problem=f"{written} has a time of day that no clock shows")
    odd = None if clock["z"] else ODD_OFFSET.match(text, clock.end())
    zone = _offset(clock["z"])
    if odd is not None or zone is None:
        written += odd.group() if odd else ""
        return replace(mark, problem=f"{written} has an offset that cannot be read")
    moment = datetime.combine(mark.days[0], at, zone)
    return replace(mark, moment=moment.astimezone(UTC))


def _clock_time(clock: re.Match[str]) -> time | None:
    try:
        return time(int(clock["H"]), int(clock["M"]), int(clock["S"] or 0))
    except ValueError:
        return None


def _offset(text: str | None) -> timezone | None:
    """Of `+0900`, `-03:30`, `+09`; UTC without one; None for one that no place has."""
    if text is None or text in "Zz":
        return UTC
    digits = re.sub(r"\D", "", text).ljust(4, "0")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    if offset > LONGEST_OFFSET:
        return None
    return timezone(-offset if text[0] == "-" else offset)


def _agree(marks: Sequence[_Mark]) -> Reading:
    """What several dates of one text tell together."""
    problems = [f"{mark.text} is no day of the calendar" for mark in marks if not mark.days]
    problems += [mark.problem for mark in marks if mark.problem]
    sure = [mark for mark in marks if len(mark.days) == 1]
    days = list(dict.fromkeys(mark.days[0] for mark in sure))
    unsure = [mark for mark in marks if len(mark.days) > 1 and not set(mark.days) & set(days)]
    if unsure:
        one, two = (say_day(day) for day in unsure[0].days)
        return Reading(problem=f"{unsure[0].text} can be {one} and {two}")
    if len(days) > 1:
        return Reading(problem=f"{' and '.join(mark.text for mark in sure)} are different days")
    moments = list(dict.fromkeys(mark.moment for mark in sure if mark.moment is not None))
    if len(moments) > 1:
        problems.append(f"{days[0].isoformat()} stands with {len(moments)} different times of day")
    acquired = Acquired(day=days[0]) if days else Acquired()
    if len(moments) == 1:
        acquired = Acquired(moment=moments[0])
    return Reading(acquired, "; ".join(problems))


def _written_moment(text: str) -> datetime | None:
    """A date with a time of day, in its own offset; None for a date alone, and for anything else.

    Raises nothing: text that is neither is left to the patterns.
    """
    try:
        date.fromisoformat(text)
    except ValueError:
        pass
    else:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return parse_time(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
