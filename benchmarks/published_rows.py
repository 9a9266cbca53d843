"""Judges of the page's tables, row by row, and of its numbers outside of sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import numpy as np
import shapely
from pyproj import Transformer

from benchmarks.published_changes import change_of, is_true, judge_change_row
from benchmarks.published_charts import series_of
from benchmarks.published_page import numbers
from benchmarks.published_registry import (
    WORDS,
    Answer,
    Asked,
    Held,
    day_of,
    place,
    sentence,
    table,
    told,
)
from benchmarks.published_truth import UNSURE, WHOLE, TrueLook, TrueSite
from benchmarks.published_visits import REGISTERED_M, length_said, lies_in, one_ship, ships_of

STATUS = WORDS.group("status")


@table("series", "day", "found", "blocks", "area", "estimate", "interval", "seen", "status")
def _point(asked: Asked) -> Iterator[Answer]:
    chart, at = asked.row["chart"], asked.row["at"]
    point, truth = chart["points"][at], series_of(asked, chart)[at]
    look = asked.here.look(point["day"])
    seen = look.seen[chart["zone"]]
    name = {"count": "ships", "stacks": "stacks", "teu": "TEU", "area": "area"}[chart["measure"]]
    yield asked.rule(asked.values["day"] == look.day, look.day, "day")
    close = abs(asked.number("seen") / 100 - seen) <= UNSURE + 0.005
    untold = asked.values["status"] == STATUS["cloud_unknown"]
    covered = untold and asked.number("seen") / 100 > seen
    yield asked.rule(True if close else None if covered else False, f"{seen:.1%}", "seen")
    yield asked.rule(status_fits(asked.values["status"], seen), f"{seen:.1%} seen", "status")
    held = numbers(asked.values.get("interval", ""))
    if len(held) == 2 and seen >= WHOLE:
        yield Held(f"{name} of a zone", asked.text, truth.meets(*held), told(truth))
    for key in ("found", "blocks", "area"):
        if numbers(asked.values.get(key, "")):
            said = asked.number(key)
            blocks = asked.here.blocks(look, chart["zone"])
            there = {"area": asked.here.area(look, chart["zone"]), "blocks": blocks}.get(key, truth)
            bound = "at least" in WORDS.say("legend.at_least")
            partial = asked.values["status"] == STATUS["partial"] and bound
            ok = False if partial and said > there.high else True if there.holds(said) else None
            yield asked.rule(ok, f"{told(there)} there", f"found ({name})")


def status_fits(said: str, seen: float) -> bool | None:
    """Whether a status in words fits the share of a zone that was seen."""
    if said == STATUS["observed"]:
        return seen >= WHOLE - UNSURE
    if said == STATUS["unobserved"]:
        return seen <= 0.02 + UNSURE
    if said == STATUS["partial"]:
        return -UNSURE < seen < WHOLE + UNSURE / 2
    begins = [text.partition("{")[0] for text in STATUS.values()]
    return None if any(said.startswith(begin) for begin in begins if begin) else False


@table("events", "day", "zone", "what", "area")
def _event(asked: Asked) -> Iterator[Answer]:
    row = asked.row
    yield asked.rule(asked.values["zone"] == row["zone"], row["zone"], "zone")
    yield from judge_event(asked, row)


def judge_event(asked: Asked, row: Mapping[str, Any]) -> Iterator[Answer]:
    """What an event says, by its kind."""
    if row["kind"] == "ship":
        found = ships_of(asked.world, row["evidence"])
        ships = [ship for ship in found if ship is not None]
        yield asked.rule(bool(ships), "no ship there", "a ship")
        if ships:
            yield one_ship(asked, found, row)
            yield from length_said(asked, row["text"], ships[0].length_m)
            yield from lies_in(asked, ships, found, row)
    elif row["kind"] == "train":
        look = asked.here.look(row["last_day"])
        truth = asked.here.blocks(look, row["zone"])
        ok = True if truth.holds(row["number"]) else None if truth.high else False
        yield asked.rule(ok, f"{told(truth)} there", "loaded")
    else:
        rows = [
            change
            for change in asked.world.activity["stack_changes"]
            if (change["site"], change["zone"], change["from_day"], change["to_day"])
            == (row["site"], row["zone"], row["first_day"], row["last_day"])
            and change["kind"] == row["kind"]
        ]
        wrong = [change for change in rows if not is_true(row["kind"], *change_of(asked, change))]
        ok = bool(rows) and len(rows) == row["number"] and not wrong
        yield asked.rule(ok, f"{len(wrong)} of {len(rows)} are none", row["kind"])


@sentence("event.ship")
@sentence("event.ship_in")
@sentence("event.ship_under_way")
@sentence("event.ships")
@sentence("event.ships_in")
@sentence("event.ships_under_way")
@sentence("event.gone")
@sentence("event.appeared")
@sentence("event.shrunk")
@sentence("event.grown")
@sentence("event.train")
def _event_text(asked: Asked) -> Iterator[Answer]:
    """The heading of an event's pictures: `2 to 6 September 2026 1 stack gone from quay 1`."""
    site = next(s for s in asked.world.document["sites"] if s["name"] == asked.here.name)
    for row in site["events"]:
        dates = WORDS.days(row["first_day"], row["last_day"])
        if asked.text in (f"{dates} {row['text']}", row["text"]):
            yield from judge_event(asked, row)
            return
    yield asked.rule(False, "not in the table")


@table("ground_changes", "day", "zone", "changed", "interval", "by_chance", "gsd", "reason")
def _ground(asked: Asked) -> Iterator[Answer]:
    """The row of the table, and a yard of the site; what lay there is not decidable."""
    row = asked.row
    named = asked.values["zone"] == row["zone"] and row["zone"] in asked.here.kinds
    yield asked.rule(named, row["zone"], "zone")
    said = numbers(asked.values["changed"])
    if row["changed_share"] is not None:
        same = said == [round(100 * row["changed_share"])]
        yield asked.rule(None if same else False, str(row["changed_share"]), "share")


@table("stacks", "day", "zone", "blocks", "area", "containers", "teu", "method")
def _stacks(asked: Asked) -> Iterator[Answer]:
    look, zone = day_of(asked.here, asked.values["day"]), asked.values["zone"]
    if look is None or zone not in asked.here.kinds:
        yield asked.rule(False, "no such zone and date")
        return
    whole = look.seen[zone] >= WHOLE
    blocks = asked.here.blocks(look, zone)
    if numbers(asked.values["blocks"]):
        said = asked.number("blocks")
        ok = True if blocks.holds(said) else False if not look.seen[zone] and said else None
        yield asked.rule(ok, f"{told(blocks)} there", "blocks found")
    of = asked.row.get("interval_of", "zone" if whole else "")
    seen = of == "seen_part"
    truths = {
        "containers": asked.here.containers(look, zone, seen=seen),
        "teu": asked.here.teu(look, zone, seen=seen),
    }
    for name, truth in truths.items():
        found = numbers(asked.values[name])
        if len(found) == 3 and of in ("zone", "seen_part"):
            yield Held(f"{name} of a zone", asked.text, truth.meets(*found[1:]), told(truth))
        if found and "at least" in asked.values["method"]:
            yield asked.rule(truth.high >= min(found), told(truth), f"{name} at least")
    area = asked.here.area(look, zone)
    if numbers(asked.values["area"]) and whole:
        said = asked.number("area")
        close = area.holds(said, max(0.25 * area.high, 30.0))
        yield Held("area of a zone, within a quarter", asked.text, close, told(area))


@table("stack_changes", "day", "zone", "event", "area", "containers", "teu")
def _stack_change(asked: Asked) -> Iterator[Answer]:
    days = WORDS.days(asked.row["from_day"], asked.row["to_day"])
    same = (asked.values["day"], asked.values["zone"]) == (days, asked.row["zone"])
    yield asked.rule(same, f"{days}, {asked.row['zone']}", "where")
    yield from judge_change_row(asked)


@table("trains", "day", "zone", "length", "wagons", "containers", "teu")
def _train(asked: Asked) -> Iterator[Answer]:
    look, zone = asked.here.look(asked.row["day"]), asked.row["zone"]
    things = [asked.world.block(name) for name in asked.row["evidence"].split("; ") if name]
    blocks = {thing.ident: thing for thing in things if thing is not None}
    yield asked.rule(bool(blocks) and zone in asked.here.kinds, "nothing there", "loaded")
    truth = sum(thing.containers for thing in blocks.values())
    found = numbers(asked.values["containers"])
    if len(found) == 3 and blocks and look.seen[zone] >= WHOLE:
        held = found[1] <= truth <= found[2]
        yield Held("containers of a train", asked.text, held, f"{truth:.0f}")


@table(
    "scenes", "scene", "file", "acquired", "gsd", "shift", "residual", "weights", "credit", "hash"
)
def _scene(asked: Asked) -> Iterator[Answer]:
    scene_id = asked.values["scene"]
    known = [k for s in asked.world.sites.values() for k in s.looks if k.scene_id == scene_id]
    if not known:
        yield asked.rule(False, "no such scene")
        return
    site, look = asked.world.scene_look(scene_id)
    yield asked.rule(asked.values["file"] == look.name, look.name, "file")
    yield asked.rule(time_fits(asked.values["acquired"], look.acquired), str(look.acquired), "time")
    close = abs(asked.number("gsd") - look.gsd_m) <= 0.01 * look.gsd_m
    yield asked.rule(close, f"{look.gsd_m} m", "resolution")
    yield from registered(asked, site, look)
    untold = asked.values["credit"] == WORDS.say("provenance.no_credit")
    yield asked.rule(untold, "rendered scenes are nobody's imagery", "credit")


def time_fits(said: str, truth: datetime) -> bool:
    """Whether a time in UTC, as the page writes it, is the truth to the second."""
    return said.removesuffix(" UTC").strip() == f"{truth:%Y-%m-%d %H:%M:%S}"


def registered(asked: Asked, site: TrueSite, look: TrueLook) -> Iterator[Answer]:
    """Whether a scene was laid on the others as far as it says that it was not."""
    moved = numbers(asked.values["shift"])
    rows = [r for r in asked.world.activity["registration"] if r["site"] == site.name]
    reference = next((r["scene_id"] for r in rows if r["method"] == "reference"), None)
    if len(moved) != 2 or reference is None or not numbers(asked.values["residual"]):
        return
    fixed = np.array(asked.world.scene_look(reference)[1].shift_m)
    off = float(np.hypot(*(np.array(moved) + look.shift_m - fixed)))
    allowed = max(REGISTERED_M, 3 * asked.number("residual"))
    yield asked.rule(off <= allowed, f"{off:.1f} m off", "registered")


@table("", "key", "value")
def _setting(asked: Asked) -> Iterator[Answer]:
    runs = asked.world.document["provenance"]["runs"]
    key, value = asked.values["key"], asked.values["value"]
    as_written = any(" ".join(str(run.get(key)).split()) == value for run in runs)
    yield asked.rule(None if as_written else False, "not in run.json")


@place("day")
def _day(asked: Asked) -> Iterator[Answer]:
    """A date alone, or a span of dates."""
    looks = asked.here.looks
    spans = {WORDS.days(a.day, b.day) for i, a in enumerate(looks) for b in looks[i:]}
    yield asked.rule(asked.text in spans, "no such date")


@place("ids")
def _ids(asked: Asked) -> Iterator[Answer]:
    """Scenes by their ids, with the time of the first."""
    names = asked.text.split(", ")
    when = names.pop() if names[-1].endswith("UTC") else None
    looks = [k for k in asked.here.looks if k.scene_id in names]
    ok = len(looks) == len(names)
    if ok and when is not None:
        ok = time_fits(when, looks[0].acquired)
    yield asked.rule(ok, ", ".join(f"{k.scene_id} {k.acquired}" for k in looks))


@place("bar")
def _bar(asked: Asked) -> Iterator[Answer]:
    """A scale bar: its share of the picture, of which the document has the bounds."""
    share, metres = asked.row.get("share"), asked.number("text")
    width = asked.row.get("width_m")
    if share is None or width is None:
        yield asked.rule(None if metres > 0 else False)
        return
    yield asked.rule(abs(share * width / 100 - metres) <= 0.02 * metres, f"{share * width / 100}")


@place("label")
def _label(asked: Asked) -> Iterator[Answer]:
    """The label of a ship in the viewer, at its place in local metres."""
    look, frame = asked.here.look(asked.row["day"]), asked.row["crs"]
    rows = [r for r in asked.world.activity["registration"] if r["site"] == asked.here.name]
    reference = next((r["scene_id"] for r in rows if r["method"] == "reference"), None)
    fixed = asked.world.scene_look(reference)[1].shift_m if reference else (0.0, 0.0)
    to_map = Transformer.from_crs(frame, asked.row["map_crs"], always_xy=True)
    x, y = to_map.transform(asked.row["x"], asked.row["y"])
    point = shapely.Point(x - fixed[0], y - fixed[1])
    here = [ship for ship in look.ships if ship.place.buffer(3.0).contains(point)]
    if not here:
        yield asked.rule(None, "no ship there")
        return
    ship = min(here, key=lambda ship: ship.place.centroid.distance(point))
    yield from length_said(asked, asked.text, ship.length_m)
