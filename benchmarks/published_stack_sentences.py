"""Judges of sentences on container stacks: what changed, and how many there are."""

from __future__ import annotations

import re
from collections.abc import Iterator

from benchmarks.published_changes import LEAST_CHANGE_M2, change_of, judge_changes, true_changes
from benchmarks.published_page import numbers
from benchmarks.published_registry import (
    Answer,
    Asked,
    Held,
    day_of,
    sentence,
    span_of,
    told,
)

CLOSE_GSD = 0.01
PARTS = {
    "gone": re.compile(r"([\d,]+) gone \(([\d,]+) m²\)"),
    "appeared": re.compile(r"([\d,]+) new \(([\d,]+) m²\)"),
    "shrunk": re.compile(r"([\d,]+) smaller \(by ([\d,]+) m²\)"),
    "grown": re.compile(r"([\d,]+) larger \(by ([\d,]+) m²\)"),
}


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


@sentence("short.ground")
@sentence("short.ground_same")
@sentence("short.stacks_unreadable")
def _coarse(asked: Asked) -> Iterator[Answer]:
    """What is said of scenes in which stacks cannot be read: at the resolution that they have."""
    said = asked.number("gsd")
    ok = any(abs(said - look.gsd_m) <= CLOSE_GSD * look.gsd_m for look in asked.here.looks)
    yield asked.rule(None if ok else False, "no such resolution")
