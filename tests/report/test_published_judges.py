"""Judges of published sentences: each says true of what is so, and false of what is spoilt."""

from __future__ import annotations

from typing import Any

import pytest
from pyproj import Transformer

from benchmarks.published_changes import is_true
from benchmarks.published_page import TableRow
from benchmarks.published_reading import Judgement, judge_row, judge_text
from benchmarks.published_registry import FALSE, OPEN, TRUE, WORDS, Held, Verdict
from benchmarks.published_world import Loaded, World
from tests.report.published_world import made_world

SPAN = WORDS.between("2026-09-02", "2026-09-06")
LATER = WORDS.between("2026-09-06", "2026-09-11")
SIXTY = WORDS.say("short.length", metres="60")


@pytest.fixture(scope="module")
def world() -> World:
    return made_world()


def verdicts(judgement: Judgement) -> set[str]:
    assert judgement.unknown == []
    return {answer.verdict for answer in judgement.verdicts}


def said(key: str, **values: Any) -> str:
    text = WORDS.say(key, **values)
    return text[0].upper() + text[1:]


# 1.5 m beside ship `a` (x 40 to 160, y 40 to 60 of UTM 52 N), and 30 m
NEAR, FAR = (
    "{1:.6f}, {0:.6f}".format(*Transformer.from_crs(32652, 4326, always_xy=True).transform(100, y))
    for y in (61.5, 90.0)
)
PARTS = WORDS.say("short.part.gone", n=1, area=400)
BOTH = WORDS.listed([PARTS, WORDS.say("short.part.appeared", n=1, area=300)])
TITLE = {"scenes": "3 scenes", "sites": "1 site", "days": "2 to 11 September 2026"}
COVERED = {"days": "2 to 11 September 2026", "observed": 1, "n": 3, "partial": 2, "untold": 1}
COVERED |= {"unobserved": 0}
SENTENCES = {
    "title": (said("title", **TITLE), said("title", **(TITLE | {"scenes": "4 scenes"}))),
    "calls": (
        said("short.calls", n=2, length=SIXTY, zone="berth 1") + ".",
        said("short.calls", n=3, length=SIXTY, zone="berth 1") + ".",
    ),
    "at most": (
        said("short.calls", n=1, length=SIXTY, zone="berth 1") + WORDS.say("short.more", max=2),
        said("short.calls", n=2, length=SIXTY, zone="berth 1") + WORDS.say("short.more", max=1),
    ),
    "lead": (
        said("short.lead_ships", length=SIXTY, parts="2 at berth 1"),
        said("short.lead_ships", length=SIXTY, parts="3 at berth 1"),
    ),
    "gone": (
        said("short.gone", n=1, area=400, zone="yard 1", between=SPAN) + ".",
        said("short.gone", n=2, area=400, zone="yard 1", between=SPAN) + ".",
    ),
    "wrong dates": (
        said("short.appeared", n=1, area=300, zone="yard 1", between=LATER),
        said("short.appeared", n=1, area=300, zone="yard 1", between=SPAN),
    ),
    "all changes": (
        said("short.all_changes", parts=BOTH),
        said("short.all_changes", parts=PARTS.replace("1 gone", "3 gone")),
    ),
    "unseen": (
        said("short.unseen_gap", gap=WORDS.say("short.gap_days", n=9)),
        said("short.unseen_gap", gap=WORDS.say("short.gap_days", n=4)),
    ),
    "covered gap": (
        said("short.covered_gap", gap=WORDS.say("short.gap_days", n=9)),
        said("short.covered_gap", gap=WORDS.say("short.gap_days", n=12)),
    ),
    "event": (
        "2 to 6 September 2026 1 stack gone from yard 1",
        "2 to 6 September 2026 2 stacks gone from yard 1",
    ),
    "trains": (WORDS.say("stacks.changes", n=2), WORDS.say("stacks.changes", n=3)),
    "version": (None, said("provenance.made", version="0.0.9")),
    "calibrated": (said("provenance.calibrated"), said("provenance.uncalibrated")),
    "no calls": (None, said("short.no_calls", length=SIXTY, zones="berth 1")),
    "no change": (None, said("short.no_stack_change") + "."),
    "covered": (None, said("short.covered", **COVERED)),
    "nothing came": (None, said("event.none")),
    "all seen": (None, said("short.all_seen", n=3, days="2 to 11 September 2026")),
    "date": ("2 September 2026", "3 September 2026"),
}


@pytest.mark.parametrize("name", SENTENCES)
def test_a_sentence_is_true_and_a_spoilt_one_false(world: World, name: str) -> None:
    right, spoilt = SENTENCES[name]
    if right is not None:
        assert verdicts(judge_text(world, right)) == {TRUE}
    assert FALSE in verdicts(judge_text(world, spoilt))


def test_what_no_judge_knows_is_told(world: World) -> None:
    assert judge_text(world, "Seven ships carried bananas.").unknown
    odd = TableRow("visits", 0, None, 0, {"Zone": "berth 1", "Bananas": "7"})
    assert judge_row(world, odd).unknown


def row_of(judgement: Judgement, part: str) -> str:
    """The only verdict whose kind ends so."""
    (found,) = [v.verdict for v in judgement.verdicts if v.kind.endswith(f": {part}")]
    return found


def visit_row(at: int, **changes: str) -> TableRow:
    cells = {
        "Zone": "berth 1", "Length, m": "118 ± 6", "Beam, m": "20",
        "Came": WORDS.say("visit.there", day="2 September 2026"), "Went": LATER,
        "Dates": "2", "Probability": "0.90",
    }  # fmt: skip
    return TableRow("visits", 0, None, at, cells | changes)


@pytest.mark.parametrize(
    ("changes", "part", "verdict"),
    [
        ({}, "arrival", TRUE),
        ({"Came": LATER}, "arrival", FALSE),
        ({"Came": LATER + WORDS.say("visit.doubtful")}, "arrival", OPEN),
        ({}, "departure", TRUE),
        ({"Went": SPAN.replace("2", "1", 1)}, "departure", FALSE),
        ({"Went": WORDS.say("visit.still", day="11 September 2026")}, "departure", FALSE),
        ({"Dates": "3"}, "dates", FALSE),
        ({"Length, m": "at least 110"}, "length at least", TRUE),
        ({"Length, m": "at least 130"}, "length at least", FALSE),
        ({}, "one ship", TRUE),
        ({}, "counted once", TRUE),
        ({}, "zone", TRUE),
        ({}, "place", FALSE),
        ({"Latitude, longitude": NEAR}, "place", TRUE),
        ({"Latitude, longitude": FAR}, "place", FALSE),
    ],
)
def test_every_part_of_a_visit_is_judged(
    world: World, changes: dict[str, str], part: str, verdict: str
) -> None:
    assert row_of(judge_row(world, visit_row(0, **changes)), part) == verdict


def test_two_ships_are_not_one_and_a_ship_is_not_two() -> None:
    world = made_world()
    visits = world.document["sites"][0]["visits"]
    visits[0]["evidence"] = "s0#0; s2#0"
    visits[1]["evidence"] = "s1#0; s2#0"
    assert row_of(judge_row(world, visit_row(0)), "one ship") == FALSE
    visits[0]["one_ship"] = False  # it is said that it may be two
    assert row_of(judge_row(world, visit_row(0)), "one ship") == OPEN
    visits[0]["evidence"], world.boxes["s0#9"] = "s0#0", world.boxes["s0#0"]
    visits[1]["evidence"] = "s0#9"
    judged = judge_row(world, visit_row(0, Dates="1"))
    assert row_of(judged, "counted once") == FALSE


def test_a_ship_under_way_did_not_call() -> None:
    world = made_world()
    world.document["sites"][0]["visits"][0]["evidence"] = "s0#3"
    assert row_of(judge_row(world, visit_row(0, Dates="1")), "called") == FALSE


@pytest.mark.parametrize(("length", "held"), [("118 ± 6", True), ("110 ± 6", False)])
def test_a_length_is_in_its_interval_or_not(world: World, length: str, held: bool) -> None:
    judged = judge_row(world, visit_row(0, **{"Length, m": length}))
    assert [h.held for h in judged.held if h.kind == "length ±"] == [held]


def series_row(at: int, **changes: str) -> TableRow:
    cells = {
        "Date": ("2026-09-02", "2026-09-06", "2026-09-11")[at], "Found": "2", "Estimate": "2.1",
        "90 % interval": "1\u20133", "Seen": "100 %", "Status": WORDS.say("status.observed"),
    }  # fmt: skip
    return TableRow("series", 0, 0, at, cells | changes)


@pytest.mark.parametrize(
    ("at", "changes", "part", "verdict"),
    [
        (1, {"Status": WORDS.say("status.cloud_unknown")}, "seen", OPEN),
        (0, {}, "found (ships)", TRUE),
        (0, {"Found": "5"}, "found (ships)", OPEN),
        (0, {}, "seen", TRUE),
        (1, {}, "seen", FALSE),
        (1, {}, "status", FALSE),
        (1, {"Seen": "50 %", "Status": WORDS.say("status.partial")}, "status", TRUE),
        (0, {"Date": "2026-09-03"}, "day", FALSE),
    ],
)
def test_every_part_of_a_point_is_judged(
    world: World, at: int, changes: dict[str, str], part: str, verdict: str
) -> None:
    assert row_of(judge_row(world, series_row(at, **changes)), part) == verdict


@pytest.mark.parametrize(("interval", "held"), [("1\u20133", True), ("3\u20135", False)])
def test_a_count_is_in_its_interval_or_not(world: World, interval: str, held: bool) -> None:
    judged = judge_row(world, series_row(0, **{"90 % interval": interval}))
    assert [h.held for h in judged.held if h.kind == "ships of a zone"] == [held]


def test_a_change_is_what_it_is_told_as() -> None:
    world = made_world()
    changes = world.document["sites"][0]["stack_changes"]
    cells = {
        "Date": "2 to 6 September 2026", "Zone": "yard 1", "Event": "gone", "Area, m²": "-400",
        "Containers": "-20 (-30 to -15)", "TEU": "-40 (-50 to -30)",
    }  # fmt: skip
    judged = judge_row(world, TableRow("stack_changes", 0, None, 0, cells))
    assert row_of(judged, "gone") == TRUE
    held = {h.kind: h.held for h in judged.held}
    assert held["teu of a change"]
    assert held["containers of a change"]
    changes[0]["blocks_before"], changes[0]["area_m2"] = "s0#1", -500.0  # it stands there still
    judged = judge_row(world, TableRow("stack_changes", 0, None, 0, cells))
    assert row_of(judged, "gone") == FALSE
    assert not any(h.held for h in judged.held if h.kind.startswith("area gone"))


@pytest.mark.parametrize(
    ("left", "gone", "shrunk"),
    [(0.0, True, False), (0.08, True, False), (0.15, True, True), (0.3, False, True),
     (0.98, False, False)],
)  # fmt: skip
def test_gone_and_smaller_by_what_is_left(left: float, gone: bool, shrunk: bool) -> None:
    before, after = Loaded(400.0, 40.0, 20.0), Loaded(400.0 * left, 0.0, 0.0)
    assert (is_true("gone", before, after), is_true("shrunk", before, after)) == (gone, shrunk)
    assert (is_true("appeared", after, before), is_true("grown", after, before)) == (gone, shrunk)
    assert not is_true("appeared", before, after)


def test_ships_beside_those_that_called_are_others(world: World) -> None:
    """Two called, and one sails by: with two others there would be four."""
    calls = said("short.calls", n=2, length=SIXTY, zone="berth 1")
    for n, verdict in ((1, TRUE), (2, FALSE)):
        text = calls + WORDS.say("short.others_in_zone", n=n) + "."
        judged = judge_text(world, text)
        assert [v.verdict for v in judged.verdicts if v.kind.endswith("besides")] == [verdict]


def test_verdicts_and_intervals_are_apart(world: World) -> None:
    judged = judge_row(world, visit_row(0))
    assert {type(answer) for answer in judged.answers} == {Verdict, Held}
