"""Judges of the page's sentences, each by the key of its text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from benchmarks.published_page import numbers
from benchmarks.published_registry import (
    WORDS,
    Answer,
    Asked,
    day_of,
    listed,
    sentence,
    told,
)
from benchmarks.published_truth import AFLOAT, LYING, UNSURE, WHOLE, Span, TrueLook, TrueSite
from detector.counting.counts import UNOBSERVED_SHARE

CALLED = ("berth", "quay")


@sentence("title")
def _title(asked: Asked) -> Iterator[Answer]:
    sites = asked.world.sites.values()
    days = sorted(look.day for site in sites for look in site.looks)
    truth = {
        "scenes": WORDS.say("scenes", n=len(days)),
        "sites": WORDS.say("sites", n=len(asked.world.sites)),
        "days": WORDS.days(days[0], days[-1]),
    }
    yield asked.rule(truth.items() <= asked.values.items(), str(truth))


TAILS = ("short.more?", "short.others_in_zone?", "short.others_under_way?", "short.wakes?")


@sentence("short.calls", *TAILS, "short.no_quay?")
@sentence("short.lay", *TAILS, "short.no_quay?")
def _calls(asked: Asked) -> Iterator[Answer]:
    zone = asked.here.zone(asked.values["zone"])
    states = LYING if asked.kind == "short.calls" else states_of(asked, zone)
    yield from at_least(asked, zone, int(asked.number("n")), states)
    if "more_max" in asked.values:
        most, least = int(asked.number("more_max")), int(asked.number("n"))
        truth = callers(asked, zone, states)
        ok = False if most < least else True if most >= truth.low else None
        yield asked.rule(ok, f"{told(truth)} came", "at most")
    yield from besides(asked, zone, int(asked.number("n")))


def besides(asked: Asked, zone: str, called: int) -> Iterator[Answer]:
    """Ships of a zone that are told beside those that called: in any state, or with a wake."""
    for name in ("others_in_zone", "others_under_way", "wakes"):
        if f"{name}_n" not in asked.values:
            continue
        number = int(asked.number(f"{name}_n"))
        if name == "others_in_zone":  # not seen at the quay: they are other ships than those
            yield from at_least(asked, zone, called + number, (*LYING, *AFLOAT), "besides")
        else:
            yield from at_least(asked, zone, number, ("under_way",), "besides")


def states_of(asked: Asked, zone: str) -> tuple[str, ...]:
    """States of the ships of a sentence that says only that they lay, or were, in a zone."""
    if " lay in " not in asked.text:
        return (*LYING, *AFLOAT)
    return LYING if asked.here.kinds[zone] in ("berth", "quay") else (*LYING, "anchored")


def at_least(
    asked: Asked, zone: str, number: int, states: Sequence[str], part: str = "at least"
) -> Iterator[Answer]:
    """Whether at least so many ships came."""
    truth = callers(asked, zone, states)
    ok = True if number <= truth.low else False if number > truth.high else None
    yield asked.rule(ok, f"{zone}: {told(truth)} came", part)


def callers(asked: Asked, zone: str, states: Sequence[str]) -> Span:
    """How many ships of the page's length were there, in one of these states."""
    return asked.here.callers(zone, asked.world.document["min_length_m"], states)


def nobody_came(asked: Asked, zones: Sequence[str]) -> bool:
    """Whether no ship was in any of these zones."""
    return all(callers(asked, zone, (*LYING, *AFLOAT)).high == 0 for zone in zones)


@sentence("short.no_calls", *TAILS, "short.no_quay?")
@sentence("short.nobody", *TAILS, "short.no_quay?")
def _no_calls(asked: Asked) -> Iterator[Answer]:
    sure = {
        row["zone"]
        for row in asked.world.activity["periods"]
        if row["site"] == asked.here.name and row["visits_min"]
    }
    zones = [asked.here.zone(zone) for zone in listed(asked.values["zones"])]
    yield asked.rule(False if sure & set(zones) else True if nobody_came(asked, zones) else None)
    yield from besides(asked, zones[0], 0)


@sentence("short.one_look")
@sentence("short.one_look_at")
def _one_look(asked: Asked) -> Iterator[Answer]:
    zone = asked.here.zone(asked.values["zone"])
    look = max(asked.here.looks, key=lambda look: look.seen[zone])
    truth = asked.here.ships(look, zone, asked.world.document["min_length_m"])
    yield asked.rule(truth.holds(asked.number("n")), f"{told(truth)} there")


@sentence("short.no_look")
def _no_look(asked: Asked) -> Iterator[Answer]:
    zone = asked.here.zone(asked.values["zone"])
    most = max(look.seen[zone] for look in asked.here.looks)
    yield asked.rule(most < WHOLE - UNSURE, f"{most:.0%} of it seen on a date")


@sentence("short.lead_ships")
@sentence("short.lead_in")
def _lead_ships(asked: Asked) -> Iterator[Answer]:
    for part in listed(asked.values["parts"]):
        found = re.fullmatch(r"(?:at least )?(\d+) (?:at|in) (.+)", part.strip())
        if found is None:
            yield asked.rule(False, f"no number of a zone: {part}")
        else:
            zone = asked.here.zone(found[2])
            calls = asked.kind == "short.lead_ships" and asked.here.kinds[zone] in CALLED
            states = LYING if calls else (*LYING, *AFLOAT)
            yield from at_least(asked, zone, int(found[1]), states)


@sentence("short.lead_none")
def _lead_none(asked: Asked) -> Iterator[Answer]:
    rows = [r for r in asked.world.activity["periods"] if r["site"] == asked.here.name]
    zones = [row["zone"] for row in rows if row["visits_min"] is not None]
    said = any(row["visits_min"] for row in rows)
    yield asked.rule(False if said else True if nobody_came(asked, zones) else None)


@sentence("short.all_seen")
def _all_seen(asked: Asked) -> Iterator[Answer]:
    yield from _seen_days(asked, {"whole": len(asked.here.looks)})


@sentence("short.unseen")
def _unseen(asked: Asked) -> Iterator[Answer]:
    keys = {"observed": "whole", "partial": "part", "unobserved": "nothing"}
    said = {name: int(asked.number(key)) for key, name in keys.items() if key in asked.values}
    if "n" in asked.values and int(asked.number("n")) != len(asked.here.looks):
        yield asked.rule(False, f"{len(asked.here.looks)} dates")
        return
    yield from _seen_days(asked, said)


def _seen_days(asked: Asked, said: Mapping[str, int]) -> Iterator[Answer]:
    site, days = asked.here, asked.values.get("days")
    truth: dict[str, list[int]] = {"whole": [0, 0], "part": [0, 0], "nothing": [0, 0]}
    for look in site.looks:
        possible = day_status(look)
        for name in possible:
            truth[name][1] += 1
            truth[name][0] += len(possible) == 1
    ok = all(truth[name][0] <= number <= truth[name][1] for name, number in said.items())
    if days is not None and days != WORDS.days(site.looks[0].day, site.looks[-1].day):
        ok = False
    yield asked.rule(ok, str({name: ends[0] for name, ends in truth.items()}))


def day_status(look: TrueLook) -> set[str]:
    """What a date may be said to show of all zones."""
    least, most = min(look.seen.values()), max(look.seen.values())
    possible = set()
    if least >= WHOLE - UNSURE:
        possible.add("whole")
    if most < UNOBSERVED_SHARE + UNSURE:
        possible.add("nothing")
    if least < WHOLE + UNSURE / 2 and most >= UNOBSERVED_SHARE - UNSURE and least < 1.0:
        possible.add("part")
    return possible


@sentence("short.covered")
def _covered(asked: Asked) -> Iterator[Answer]:
    """Says what pictures cover, not what was seen: at least every date that was seen whole."""
    site, values = asked.here, asked.values
    looks = asked.world.activity["looks"]
    untold = {r["day"] for r in looks if r["site"] == site.name and r["status"] == "cloud_unknown"}
    whole = sum(day_status(look) == {"whole"} for look in site.looks)
    number = {key: int(asked.number(key)) for key in ("observed", "partial", "unobserved")}
    ok = (
        sum(number.values()) == int(asked.number("n")) == len(site.looks)
        and number["observed"] >= whole
        and numbers(values["untold"])[0] == len(untold)
        and values["days"] == WORDS.days(site.looks[0].day, site.looks[-1].day)
    )
    yield asked.rule(ok, f"{whole} of {len(site.looks)} whole, {len(untold)} untold")


@sentence("short.covered_gap")
@sentence("short.unseen_gap")
def _gap(asked: Asked) -> Iterator[Answer]:
    said = numbers(asked.values["gap"])[0]
    gaps = [longest_gap(asked.here, slack) for slack in (-UNSURE, 0.0, UNSURE)]
    least = 0.0 if asked.kind == "short.covered_gap" else min(gaps) - 0.2
    ok = least <= said <= max(gaps) + 1.0
    yield asked.rule(ok, f"{gaps[1]:.1f} days")


def longest_gap(site: TrueSite, slack: float = 0.0) -> float:
    """The longest time, in days, in which some zone was not seen whole."""
    longest = 0.0
    for zone in site.kinds:
        full = {look.at for look in site.looks if look.seen[zone] >= WHOLE + slack}
        times = sorted({site.looks[0].at, site.looks[-1].at, *full})
        longest = max([longest, *(two - one for one, two in pairwise(times))])
    return longest


@sentence("links.sentence")
def _link(asked: Asked) -> Iterator[Answer]:
    values, world = asked.values, asked.world
    rows = [row for row in world.document["links"] if row["sentence"] == asked.text]
    if not rows:
        yield asked.rule(False, "not in the table")
        return
    row = rows[0]
    right = False
    for one, two in pairwise(world.lot):
        right |= (
            (row["from_site"], row["to_site"]) == (one.site, two.site)
            and values["from_zone"] in one.zones
            and values["to_zone"] in two.zones
            and one.last < row["gone_by"]
            and row["appeared_by"] <= two.first
        )
    yield asked.rule(right, f"the goods went {world.lot}")


@sentence("viewer.look_counts")
@sentence("viewer.covered_counts")
def _look_counts(asked: Asked) -> Iterator[Answer]:
    site, world = asked.here, asked.world
    look = day_of(site, asked.values["day"])
    if look is None:
        yield asked.rule(False, "no such date")
        return
    covered = (
        asked.kind == "viewer.covered_counts"
    )  # a box may lie on a cloud of which nothing tells
    for name, is_ship in (("ships", True), ("stacks", False)):
        said = int(asked.number(name))
        things = [t for t in look.things if t.is_ship == is_ship and t.counts]
        truth = Span(sum(t.visible >= 0.5 for t in things), len(things))
        found = [e for e, ship in world.found(look) if ship == is_ship]
        on_seen = sum(world.unseen_share(e) < 0.5 for e in found)
        most = len(found) if covered else on_seen
        ok = False if said > most else True if truth.holds(said) else None
        why = f"{on_seen} boxes on what was seen; {told(truth)} there"
        yield asked.rule(ok, why, name)
    seen = sum(look.seen.values()) / len(look.seen)
    said_seen = asked.number("seen") / 100
    close = abs(said_seen - seen) <= UNSURE + 0.005
    more = covered and said_seen > seen
    yield asked.rule(True if close else None if more else False, f"{seen:.1%}", "seen")


@sentence("viewer.not_counted")
def _not_counted(asked: Asked) -> Iterator[Answer]:
    look = day_of(asked.here, asked.values.get("day", ""))
    if look is None:
        yield asked.rule(None)
        return
    most = max(look.seen.values())
    yield asked.rule(most < UNOBSERVED_SHARE + UNSURE, f"{most:.1%} of a zone seen")


@sentence("short.uncounted")
def _uncounted(asked: Asked) -> Iterator[Answer]:
    """All rendered scenes can be read."""
    yield asked.rule(False, "every scene has a scale that the network reads")
