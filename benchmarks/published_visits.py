"""Judges of visits: who a ship was, how long it is, where it lay, when it came and went."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import shapely
from pyproj import Transformer

from benchmarks.published_page import numbers
from benchmarks.published_registry import (
    WORDS,
    Answer,
    Asked,
    Held,
    Verdict,
    table,
)
from benchmarks.published_truth import LYING, Thing, TrueLook
from benchmarks.published_world import World

AT_LEAST = re.compile(r"(?:at least|≥|>=) ?([\d,.]+)")
PLUS_MINUS = re.compile(r"([\d,.]+) ± ([\d,.]+)")
BETWEEN = re.compile(r"([\d,.]+) (?:to|\u2013) ([\d,.]+)")
TO_A_TENTH = 0.1
REGISTERED_M = 3.0  # by which a picture may be laid wrongly
AT_BERTH = ("alongside", "bow_or_stern_to", "double_banked")


def length_said(asked: Asked, said: str, truth_m: float) -> Iterator[Answer]:
    """A length in words: `at least`, with ±, as a range, or alone; alone it is one to a tenth."""
    why = f"{truth_m:.0f} m"
    if found := AT_LEAST.search(said):
        least = numbers(found[1])[0]
        yield asked.rule(truth_m >= least - 0.5, why, "length at least")
    elif found := PLUS_MINUS.search(said):
        middle, error = numbers(found[1])[0], numbers(found[2])[0]
        yield Held("length ±", asked.text, abs(truth_m - middle) <= error + 0.5, why)
    elif found := BETWEEN.search(said):
        low, high = numbers(found[1])[0], numbers(found[2])[0]
        yield Held("length ±", asked.text, low - 0.5 <= truth_m <= high + 0.5, why)
    elif numbers(said):
        close = abs(truth_m - numbers(said)[0]) <= TO_A_TENTH * truth_m + 0.5
        yield Held("length alone, within a tenth", asked.text, close, why)


def ships_of(world: World, evidence: str) -> list[Thing | None]:
    """The ship that each box of a visit shows."""
    return [world.ship(name) for name in evidence.split("; ") if name]


def one_ship(asked: Asked, found: Sequence[Thing | None], row: Mapping[str, Any]) -> Verdict:
    """Whether all boxes of a visit show one ship; two where it may be two, not decidable."""
    idents = {ship.ident for ship in found if ship is not None}
    ok = None if not idents or (len(idents) == 2 and not row["one_ship"]) else len(idents) == 1
    return asked.rule(ok, f"ships {sorted(idents)}", "one ship")


@table(
    "visits",
    "zone",
    "length",
    "width",
    "lies",
    "arrival",
    "departure",
    "looks",
    "probability",
    "place",
)
def _visit(asked: Asked) -> Iterator[Answer]:
    values, world, row = asked.values, asked.world, asked.row
    found = ships_of(world, row["evidence"])
    yield one_ship(asked, found, row)
    ships = [ship for ship in found if ship is not None]
    said = asked.number("probability")
    yield Held("ships of visits", asked.text, bool(ships), "none there", expected=said)
    same = values["zone"] == row["zone"] and int(asked.number("looks")) == len(found)
    yield asked.rule(same, f"{len(found)} boxes", "dates")
    if not ships:
        return
    yield from length_said(asked, values["length"], ships[0].length_m)
    yield from length_said(asked, values["width"], ships[0].width_m)
    yield from lies_in(asked, ships, found, row)
    yield counted_once(asked, row)
    if len({ship.ident for ship in ships}) == 1 or row["one_ship"]:
        yield from came_and_went(asked, ships[0])
    yield from at_its_place(asked, row)


def at_its_place(asked: Asked, row: Mapping[str, Any]) -> Iterator[Answer]:
    """Whether the place of a visit is its ship's, but for what its picture is displaced by."""
    said = numbers(asked.values.get("place", ""))
    first = row["evidence"].split("; ")[0]
    ship = asked.world.ship(first)
    if len(said) != 2 or ship is None:
        yield asked.rule(None if ship is None else False, "no latitude and longitude", "place")
        return
    _, look = asked.world.scene_look(first.rpartition("#")[0])
    to_map = Transformer.from_crs("EPSG:4326", asked.world.crs[asked.here.name], always_xy=True)
    point = shapely.Point(*to_map.transform(said[1], said[0]))
    slack = float(np.hypot(*look.shift_m)) + REGISTERED_M
    away = ship.place.distance(point)
    yield asked.rule(away <= slack, f"{away:.0f} m off its ship", "place")


def lies_in(
    asked: Asked, ships: Sequence[Thing], found: Sequence[Thing | None], row: Mapping[str, Any]
) -> Iterator[Answer]:
    """Whether a ship that is told of at a zone lies there: not beside it, and not under way."""
    zone = row["zone"]
    kind = asked.here.kinds[zone]
    names = [name.rpartition("#")[0] for name in row["evidence"].split("; ")]
    days = [asked.world.scene_look(name)[1] for name in names]
    inside = any(
        ship is not None and asked.here.inside(ship, zone, look)[1]
        for ship, look in zip(found, days, strict=True)
    )
    yield asked.rule(inside, "beside the zone", "zone")
    lies = row.get("lies", "alongside" if kind in ("berth", "quay") else "")
    state = ships[0].state
    if lies == "under_way":
        yield asked.rule(state == "under_way", state, "under way")
    elif lies in AT_BERTH:
        yield asked.rule(state in LYING, state, "called")
    elif lies == "near_quay":
        yield asked.rule(None, state, "not told where")
    elif lies:
        yield asked.rule(state not in LYING, state, "not at the quay")


def counted_once(asked: Asked, row: Mapping[str, Any]) -> Verdict:
    """Whether no other visit of the page has another box of the same ship on the same picture."""
    world = asked.world
    shown = {}
    for name in row["evidence"].split("; "):
        ship = world.ship(name)
        if ship is not None:
            shown[name.rpartition("#")[0], ship.ident] = name
    site = next(s for s in world.document["sites"] if s["name"] == asked.here.name)
    others = [v for v in site["visits"] if v["visit_id"] != row["visit_id"]]
    names = [name for other in others for name in other["evidence"].split("; ")]
    twice = [
        name
        for name in names
        if (ship := world.ship(name)) is not None
        and (name.rpartition("#")[0], ship.ident) in shown
        and name not in shown.values()
    ]
    return asked.rule(not twice, f"{', '.join(twice)} shows it too", "counted once")


def came_and_went(asked: Asked, ship: Thing) -> Iterator[Answer]:
    """The words of a visit's coming and going."""
    times = asked.here.times_of(ship.ident)
    if times is None:
        return
    ends = (("arrival", asked.here.looks[0]), ("departure", asked.here.looks[-1]))
    for (name, end_look), (low, high) in zip(ends, times, strict=True):
        said = asked.values[name]
        doubtful = WORDS.say("visit.doubtful")
        ok = _moment_holds(asked, said.removesuffix(doubtful), low, high, end_look)
        yield asked.rule(None if not ok and said.endswith(doubtful) else ok, "", name)


def _moment_holds(asked: Asked, said: str, low: float, high: float, end: TrueLook) -> bool | None:
    """Whether a coming or going between two moments (days of the story) fits its words."""
    first, last = (_iso(asked.world, value) for value in (low, high))
    for look in asked.here.looks:
        day = WORDS.day(look.day)
        if said == WORDS.say("visit.there", day=day):
            return low <= look.at and look.day == end.day
        if said == WORDS.say("visit.still", day=day):
            return high >= look.at and look.day == end.day
        if said == WORDS.say("visit.before", day=day):
            return first <= look.day
        if said == WORDS.say("visit.after", day=day):
            return last >= look.day
    for i, one in enumerate(asked.here.looks):
        for two in asked.here.looks[i:]:
            if said == WORDS.between(one.day, two.day):
                return first <= two.day and one.day <= last
    return None if said == WORDS.say("visit.unknown") else False


def _iso(world: World, at: float) -> str:
    if not np.isfinite(at):
        return "0000" if at < 0 else "9999"
    return world.day_of(at).isoformat()
