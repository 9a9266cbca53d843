"""Judges of the page's sentences, each by the key of its text."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from benchmarks.published_changes import change_of, judge_changes, true_changes
from benchmarks.published_page import numbers
from benchmarks.published_registry import (
    WORDS,
    Answer,
    Asked,
    Held,
    day_of,
    listed,
    sentence,
    span_of,
    told,
)
from benchmarks.published_truth import AFLOAT, LYING, Span, TrueLook, TrueSite
from detector.counting.counts import UNOBSERVED_SHARE

WHOLE, UNSURE = 0.98, 0.02  # share of a zone that is the whole; how far a share may be off
PARTS = {
    "gone": re.compile(r"([\d,]+) gone \(([\d,]+) m²\)"),
    "appeared": re.compile(r"([\d,]+) new \(([\d,]+) m²\)"),
    "shrunk": re.compile(r"([\d,]+) smaller \(by ([\d,]+) m²\)"),
    "grown": re.compile(r"([\d,]+) larger \(by ([\d,]+) m²\)"),
}
CALLED = ("berth", "quay")
LEAST_CHANGE_M2 = 200.0  # a true change of less may go unsaid


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


@sentence("short.gone", "short.besides?")
@sentence("short.appeared", "short.besides?")
@sentence("short.shrunk", "short.besides?")
@sentence("short.grown", "short.besides?")
def _changes(asked: Asked) -> Iterator[Answer]:
    kind = asked.kind.split(" ")[0].removeprefix("short.")
    parts = {kind: (asked.number("n"), asked.number("area"))}
    parts |= parts_of(asked.values.get("besides_parts", ""))
    zone, span = asked.here.zone(asked.values["zone"]), span_of(asked.here, asked.values["between"])
    if span is None:
        yield asked.rule(False, "no such dates")
        return
    days = span[0].day, span[1].day
    rows = [
        row
        for row in asked.world.activity["stack_changes"]
        if (row["site"], row["zone"], row["from_day"], row["to_day"])
        == (asked.here.name, zone, *days)
    ]
    yield from judge_changes(asked, parts, rows)


@sentence("short.all_changes")
def _all_changes(asked: Asked) -> Iterator[Answer]:
    rows = [r for r in asked.world.activity["stack_changes"] if r["site"] == asked.here.name]
    yield from judge_changes(asked, parts_of(asked.values["parts"]), rows)


def parts_of(text: str) -> dict[str, tuple[float, float]]:
    """`1 gone (20 m²) and 2 new (30 m²)`: kind to number and square metres."""
    found = {}
    for kind, pattern in PARTS.items():
        for match in pattern.finditer(text):
            found[kind] = numbers(match[1])[0], numbers(match[2])[0]
    return found


@sentence("short.exchanged")
@sentence("short.undecided")
def _unclaimed(asked: Asked) -> Iterator[Answer]:
    """Places of which no change is claimed: as many as in the table, and full on both dates."""
    kind = asked.kind.removeprefix("short.")
    rows = [
        row
        for row in asked.world.activity["stack_changes"]
        if row["site"] == asked.here.name and row["kind"] == kind
    ]
    if len(rows) != int(asked.number("n")):
        yield asked.rule(False, f"{len(rows)} in the table")
        return
    stood = [min(part.area_m2 for part in change_of(asked, row)) > 0 for row in rows]
    wrong = kind == "exchanged" and not all(stood)
    yield asked.rule(False if wrong else None if kind == "undecided" else True)


@sentence("short.no_stack_change")
def _no_stack_change(asked: Asked) -> Iterator[Answer]:
    """Says what was found: false where the table has a change, true where there was none."""
    rows = [
        row
        for row in asked.world.activity["stack_changes"]
        if row["site"] == asked.here.name and row["kind"] in PARTS
    ]
    largest = max(true_changes(asked.here), default=(0.0, ""))
    none = True if largest[0] < LEAST_CHANGE_M2 else None
    yield asked.rule(False if rows else none, f"{len(rows)} changes in the table; {largest}")


@sentence("short.teu")
def _teu(asked: Asked) -> Iterator[Answer]:
    zone, look = asked.here.zone(asked.values["zone"]), day_of(asked.here, asked.values["day"])
    if look is None:
        yield asked.rule(False, "no such date")
        return
    of = asked.values.get("of", "")
    truth = asked.here.teu(look, zone, seen="seen" in of)
    low, high = asked.number("low"), asked.number("high")
    row = next(
        row
        for row in asked.world.activity["stacks"]
        if (row["site"], row["zone"], row["day"]) == (asked.here.name, zone, look.day)
    )
    same = [round(row[key]) for key in ("teu_low", "teu", "teu_high")] == [
        round(v) for v in (low, asked.number("mid"), high)
    ]
    yield asked.rule(same, "not what the table says", "as in the table")
    if "lower bound" in asked.text:
        yield asked.rule(truth.high >= low, f"{told(truth)} TEU there", "lower bound")
    if "found" not in of:
        yield Held("TEU of a zone", asked.text, truth.meets(low, high), f"{told(truth)} TEU")


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
    for name, is_ship in (("ships", True), ("stacks", False)):
        said = int(asked.number(name))
        things = [t for t in look.things if t.is_ship == is_ship and t.counts]
        truth = Span(sum(t.visible >= 0.5 for t in things), len(things))
        found = [e for e, ship in world.found(look) if ship == is_ship]
        on_seen = sum(world.unseen_share(e) < 0.5 for e in found)
        ok = False if said > on_seen else True if truth.holds(said) else None
        why = f"{on_seen} boxes on what was seen; {told(truth)} there"
        yield asked.rule(ok, why, name)
    seen = sum(look.seen.values()) / len(look.seen)
    said_seen = asked.number("seen") / 100
    close = abs(said_seen - seen) <= UNSURE + 0.005
    covered = asked.kind == "viewer.covered_counts" and said_seen > seen
    yield asked.rule(True if close else None if covered else False, f"{seen:.1%}", "seen")


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


@sentence("chart.empty.nothing")
def _never_seen(asked: Asked) -> Iterator[Answer]:
    zones = [asked.here.zone(zone) for zone in listed(asked.values["zones"])]
    most = max(look.seen[zone] for zone in zones for look in asked.here.looks)
    yield asked.rule(most < UNOBSERVED_SHARE + UNSURE, f"{most:.1%} of a zone seen")


@sentence("chart.empty.ship")
@sentence("chart.empty.stack")
@sentence("chart.empty.both")
def _empty(asked: Asked) -> Iterator[Answer]:
    """Nothing was found: true where nothing is, false where the tables say that it was."""
    ships = not asked.kind.endswith("stack")
    blocks = not asked.kind.endswith("ship")
    zones = [asked.here.zone(zone) for zone in listed(asked.values["zones"])]
    found = any(
        row["count"]
        for row in asked.world.activity["series"]
        if row["site"] == asked.here.name
        and row["zone"] in zones
        and (ships if row["class"] == "ship" else blocks)
        and (row["class"] != "ship" or row["length_class"].startswith(">="))
    )
    looks = asked.here.looks
    least = asked.world.document["min_length_m"]
    none = all(
        (not ships or asked.here.ships(look, zone, least).high == 0)
        and (not blocks or asked.here.blocks(look, zone).high == 0)
        for zone in zones
        for look in looks
    )
    seen = [sum(k.seen[zone] >= UNOBSERVED_SHARE for k in looks) for zone in zones]
    if "n" in asked.values and {int(asked.number("n"))} != set(seen):
        yield asked.rule(False, f"{seen} dates show them")
        return
    yield asked.rule(True if none else False if found else None)


@sentence("event.none")
def _nothing_came(asked: Asked) -> Iterator[Answer]:
    """Says what was found: false where the table has an event, true where nothing came."""
    site = next(s for s in asked.world.document["sites"] if s["name"] == asked.here.name)
    ships = [z for z in asked.here.kinds if callers(asked, z, (*LYING, *AFLOAT)).low]
    largest = max(true_changes(asked.here), default=(0.0, ""))
    none = True if not ships and largest[0] < LEAST_CHANGE_M2 else None
    yield asked.rule(False if site["events"] else none, f"{len(site['events'])} events")


def series_of(asked: Asked, chart: Mapping[str, Any]) -> list[Span]:
    """The true numbers of a chart, date by date."""
    site, zone = asked.here, chart["zone"]
    least = asked.world.document["min_length_m"]
    spans = []
    for point in chart["points"]:
        look = site.look(point["day"])
        if chart["class"] == "ship":
            spans.append(site.ships(look, zone, least))
        elif chart["measure"] == "stacks":
            spans.append(site.blocks(look, zone))
        elif chart["measure"] == "teu":
            spans.append(site.teu(look, zone))
        else:
            spans.append(site.area(look, zone))
    return spans


def _charts_that_say(asked: Asked) -> Iterable[tuple[Mapping[str, Any], Sequence[Span]]]:
    site = next(s for s in asked.world.document["sites"] if s["name"] == asked.here.name)
    for chart in site["charts"]:
        if asked.text in (chart["trend"], *chart["trend"].split(". ")):
            yield chart, series_of(asked, chart)


@sentence("chart.trend")
def _trend(asked: Asked) -> Iterator[Answer]:
    verdicts = []
    for chart, truth in _charts_that_say(asked):
        times = [asked.here.look(point["day"]).at for point in chart["points"]]
        middle = [(span.low + span.high) / 2 for span in truth]
        slope = _slope(times, middle)
        verdicts.append(slope * asked.number("mid") > 0)
        low, high = sorted((asked.number("low"), asked.number("high")))
        yield Held("trend a day", asked.text, low <= slope <= high, f"{slope:.2g}")
    yield asked.rule(any(verdicts), "no chart rises or falls so")


def _slope(times: Sequence[float], values: Sequence[float]) -> float:
    mean_t, mean_v = sum(times) / len(times), sum(values) / len(values)
    spread = math.fsum((t - mean_t) ** 2 for t in times)
    return (
        math.fsum((t - mean_t) * (v - mean_v) for t, v in zip(times, values, strict=True)) / spread
    )


@sentence("chart.change")
def _levels(asked: Asked) -> Iterator[Answer]:
    verdicts = []
    for chart, truth in _charts_that_say(asked):
        days = [point["day"] for point in chart["points"]]
        bounds = [days[0], *chart["changes"], "9999"]
        levels = []
        for low, high in pairwise(bounds):
            mine = [s for s, day in zip(truth, days, strict=True) if low <= day < high]
            levels.append(sum((s.low + s.high) / 2 for s in mine) / max(len(mine), 1))
        said = [numbers(part)[0] for part in listed(asked.values["levels"])]
        verdicts.append(
            len(said) == len(levels)
            and all(
                (b - a) * (d - c) > 0
                for (a, b), (c, d) in zip(pairwise(said), pairwise(levels), strict=True)
            )
        )
    yield asked.rule(any(verdicts), "no true level changed so")


@sentence("chart.trend_none")
def _no_trend(asked: Asked) -> Iterator[Answer]:
    rows = [r for r in asked.world.activity["trends"] if r["site"] == asked.here.name]
    yield asked.rule(None if any(row["finding"] == "nothing" for row in rows) else False)
