"""The bars of ships over time: one a visit, for the page, for its charts and for the files.

A visit is solid between two looks that follow each other and both show its ship. Where a look
between does not show it, because it saw nothing of the zone or the ship was not found, or where the
ships of two looks may be two, the bar is broken. Before the first and after the last sight it is
open to the look before and after: within that time the ship came and went. Bars of one zone that
would touch lie in lanes of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from detector.activity.looks.sightings import ID_SEPARATOR, scene_of

KEYS: Final = (
    "visit_id",
    "site",
    "zone",
    "first_seen",
    "last_seen",
    "not_before",
    "not_after",
    "arrival",
    "departure",
    "length_m",
    "lies",
    "counted",
)

Row = Mapping[str, Any]


def visit_bars(visits: Sequence[Row], looks: Sequence[Row]) -> list[dict[str, Any]]:
    """One bar a visit, in the order of the visits.

    Args:
        visits: rows of the visits.
        looks: rows of the looks of all zones: `site`, `zone`, `day`, `scene_ids`.

    Returns:
        `KEYS` of each visit; `seen`, the days on which its ship was seen; `solid` and `broken`,
        pairs of days; `lane`, from 0, of its zone.
    """
    days = _days(looks)
    bars = []
    for visit in visits:
        mine = days.get((visit["site"], visit["zone"]), {})
        scenes = {scene_of(name) for name in visit["evidence"].split(ID_SEPARATOR)}
        seen = sorted({day for day, ids in mine.items() if ids & scenes})
        seen = seen or sorted({visit["first_seen"], visit["last_seen"]})
        solid, broken = _parts(seen, sorted(mine), visit.get("one_ship", True))
        picked = {key: visit[key] for key in KEYS}
        bars.append({**picked, "seen": seen, "solid": solid, "broken": broken})
    return _in_lanes(bars)


def unseen_spans(looks: Sequence[Row]) -> list[dict[str, Any]]:
    """The times in which nothing was seen of a zone, though there was a look.

    Args:
        looks: of the timeline: `site`, `zone`, `day`, `shows`.

    Returns:
        `site`, `zone`, `from`, `to`: the days of the looks before and after that show something of
        it, or of the first and last look.
    """
    zones: dict[tuple[str, str], dict[str, bool]] = {}
    for look in sorted(looks, key=lambda look: str(look["day"])):
        mine = zones.setdefault((look["site"], look["zone"]), {})
        mine[look["day"]] = mine.get(look["day"], False) or look["shows"] != "nothing"
    spans = []
    for (site, zone), days in zones.items():
        order = list(days)
        for at, day in enumerate(order):
            if days[day] or (at and not days[order[at - 1]]):
                continue
            after = next((later for later in order[at:] if days[later]), order[-1])
            spans.append({"site": site, "zone": zone, "from": order[max(at - 1, 0)], "to": after})
    return spans


def _days(looks: Sequence[Row]) -> dict[tuple[str, str], dict[str, set[str]]]:
    """Scenes of each day, by site and zone."""
    days: dict[tuple[str, str], dict[str, set[str]]] = {}
    for look in looks:
        mine = days.setdefault((look["site"], look["zone"]), {})
        mine.setdefault(look["day"], set()).update(look["scene_ids"].split(ID_SEPARATOR))
    return days


def _parts(
    seen: Sequence[str], days: Sequence[str], one_ship: bool
) -> tuple[list[list[str]], list[list[str]]]:
    """The solid and the broken parts of a bar between its first and last sight."""
    solid: list[list[str]] = [[seen[0], seen[0]]]
    broken: list[list[str]] = []
    for day in seen[1:]:
        before = solid[-1][1]
        if not one_ship or any(before < between < day for between in days):
            broken.append([before, day])
            solid.append([day, day])
        else:
            solid[-1][1] = day
    return solid, broken


def _in_lanes(bars: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The bars with the lane of each: the first one of its zone in which nothing touches it."""
    ends: dict[tuple[str, str], list[str]] = {}
    lanes: dict[str, int] = {}
    for bar in sorted(bars, key=lambda bar: (_start(bar), bar["visit_id"])):
        taken = ends.setdefault((bar["site"], bar["zone"]), [])
        free = [lane for lane, end in enumerate(taken) if end < _start(bar)]
        lane = free[0] if free else len(taken)
        taken[lane : lane + 1] = [bar["not_after"] or bar["last_seen"]]
        lanes[bar["visit_id"]] = lane
    return [{**bar, "lane": lanes[bar["visit_id"]]} for bar in bars]


def _start(bar: Row) -> str:
    return str(bar["not_before"] or bar["first_seen"])
