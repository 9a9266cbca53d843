"""What may be said of a period, in one sentence, with what limits it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date

from detector.activity.looks.quays import QuaySource
from detector.times import say_span
from detector.wording import counted

CALLING_KINDS = ("berth", "quay")
BETWEEN = {  # of `say_span`
    "same_month": "{day} and {last}",
    "same_year": "{day} {month} and {last}",
    "years": "{first} and {last}",
}


@dataclass(frozen=True, slots=True)
class Period:
    """The visits to a zone in a period.

    Attributes:
        site: name.
        zone: name.
        kind: of the zone.
        first_day: of the looks; None without looks.
        last_day: of the looks.
        min_length_m: ships from this length on.
        looks: dates with a scene that meets the zone.
        looks_observed: of them, dates that saw the whole zone.
        looks_partial: of them, dates that saw a part.
        looks_cloud_unknown: of them, dates on which nothing tells where clouds were.
        longest_gap_days: between dates that saw the whole zone; None with fewer than two looks.
        ships_of_unknown_length: boxes left out, since their length is not known.
        visits_min: at least so many visits; None where fewer than two looks can be used.
        visits_likely: median of the fewest visits.
        visits_seen_max: at most so many of the visits that were in view.
        visits_listed: rows of the list of visits.
        there_at_first_look: of them, there before the first look: the stay is censored.
        there_at_last_look: of them, there after the last look: the stay is censored.
        ships_on_only_look: ships on the only look that can be used; of a berth those at it.
        looks_unreadable: of the looks, dates at a scale that cannot be read, or is unknown.
        quay: where the quay line of a berth is from, see `quays.Quay`; where it is `unknown`, the
            visits are to the zone; empty for other zones.
        others_min: at least so many visits besides, that do not count: in the zone of a berth and
            not at it, or under way.
        others_listed: rows of the list of visits that do not count.
        under_way_listed: of these, with a wake.
        sentence: what may be said.
    """

    site: str
    zone: str
    kind: str
    first_day: date | None
    last_day: date | None
    min_length_m: float
    looks: int
    looks_observed: int
    looks_partial: int
    looks_cloud_unknown: int
    longest_gap_days: float | None
    ships_of_unknown_length: int
    visits_min: int | None = None
    visits_likely: int | None = None
    visits_seen_max: int | None = None
    visits_listed: int = 0
    there_at_first_look: int = 0
    there_at_last_look: int = 0
    ships_on_only_look: int | None = None
    looks_unreadable: int = 0
    quay: QuaySource = ""
    others_min: int = 0
    others_listed: int = 0
    under_way_listed: int = 0
    sentence: str = ""

    @property
    def calls(self) -> bool:
        """Whether the visits are calls at a berth."""
        return self.kind in CALLING_KINDS and self.quay != "unknown"


def say_period(period: Period) -> str:
    """The sentence of a period."""
    if period.visits_min is None:
        return _say_without_visits(period)
    who = f"at least {ships(period.visits_min, period.min_length_m)} {_verb(period)}"
    if period.visits_min == 0:
        verb = "called at" if period.calls else "been in"
        who = f"no ship{longer(period.min_length_m)} is sure to have {verb}"
    text = f"{who} {period.zone} between {days(period.first_day, period.last_day)}"
    if period.visits_seen_max is not None and period.visits_seen_max > period.visits_min:
        text += f" ({period.visits_seen_max} if every doubtful match was a new ship)"
    text += _besides(period)
    text += f"; {period.looks_observed} of {counted(period.looks, 'day')} observed"
    if period.looks_partial:
        text += f", {period.looks_partial} in part"
    if period.longest_gap_days is not None and period.longest_gap_days > 0:
        text += f"; a call shorter than {gap(period.longest_gap_days)} can have been missed"
    return text + _caveats(period) + "."


def ships(number: int, min_length_m: float) -> str:
    """`1 ship ≥ 60 m`, `11 ships ≥ 60 m`."""
    return f"{counted(number, 'ship')}{longer(min_length_m)}"


def longer(min_length_m: float) -> str:
    """` ≥ 60 m`, or nothing where all lengths count."""
    return f" ≥ {min_length_m:g} m" if min_length_m > 0 else ""


def days(first: date | None, last: date | None) -> str:
    """`1 and 30 October 2026`, with the months and years that are needed."""
    if first is None or last is None:
        return "unknown days"
    return say_span(first, last, BETWEEN)


def gap(value: float) -> str:
    """A gap, rounded up: `1 day`, `3 days`, `7 hours`."""
    if value < 1:
        return counted(math.ceil(value * 24), "hour")
    # looks of one hour differ by minutes from date to date; that is no further day
    whole = math.ceil(value - 0.1)
    return counted(whole, "day")


def _verb(period: Period) -> str:
    if period.calls:
        return "called at"
    return "was in" if period.visits_min == 1 else "were in"


def _besides(period: Period) -> str:
    """Ships that do not count: they were there, but did not call."""
    text = ""
    if period.others_min and period.calls:
        text += f"; besides, at least {ships(period.others_min, period.min_length_m)} in its zone "
        text += "but not seen to lie at its quay"
    elif period.others_min:
        text += f"; besides, at least {ships(period.others_min, period.min_length_m)}"
        text += " under way by a wake"
    if period.calls and period.under_way_listed:
        text += f", {period.under_way_listed} under way by a wake"
    return text


def _caveats(period: Period) -> str:
    text = _unread(period)
    if period.quay == "unknown":
        text += "; its quay is not known, so who called at it is not"
    if period.looks_cloud_unknown:
        text += f"; clouds unknown on {counted(period.looks_cloud_unknown, 'day')}, taken as clear"
    if period.ships_of_unknown_length:
        text += f"; {counted(period.ships_of_unknown_length, 'ship')} of unknown length left out"
    return text


def _unread(period: Period) -> str:
    number = period.looks_unreadable
    return f"; not readable at their resolution: {counted(number, 'day')}" if number else ""


def _say_without_visits(period: Period) -> str:
    if period.looks == 0:
        return f"{period.zone}: no scene shows it."
    if period.ships_on_only_look is None:
        return (
            f"{period.zone}: none of {counted(period.looks, 'day')} can be used{_unread(period)}."
        )
    return (
        f"{ships(period.ships_on_only_look, period.min_length_m)} "
        f"{'at' if period.calls else 'in'} {period.zone}: only one day "
        "can be used, and one day shows no visits."
    )
