"""A world of one port and three dates, made by hand, to judge sentences in.

In berth 1 lies ship `a` (120 m) on the first two dates, and `b` (90 m) on the last; `c` (80 m)
sails by on the first. Of the yard's blocks one stays, `gone` (400 m², 40 TEU) leaves after the
first date, and `new` (300 m²) comes with the last. The second date shows half of the berth.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import shapely
from affine import Affine

from benchmarks.published_truth import Thing, TrueLook, TrueSite
from benchmarks.published_world import Leg, World
from detector.rendering.story import Visit

SIZE = 400
DAYS = ("2026-09-02", "2026-09-06", "2026-09-11")
AT = (0.0, 4.0, 9.0)


def ship(ident: str, x: float, y: float, length_m: float, state: str = "berthed") -> Thing:
    """A ship along x."""
    box = shapely.box(x - length_m / 2, y - 10, x + length_m / 2, y + 10)
    return Thing(ident, True, box, box, length_m, 20.0, state)


def block(ident: str, x: float, y: float, length_m: float) -> Thing:
    """A block of ten metres' width, one TEU to ten square metres."""
    box = shapely.box(x, y, x + length_m, y + 10)
    return Thing(ident, False, box, box, length_m, 10.0, teu=length_m, containers=length_m / 2)


A, B = ship("a", 100, 50, 120), ship("b", 300, 50, 90)
C = ship("c@0", 200, 90, 80, "under_way")
STAYS, GONE, NEW = (
    block("stays", 50, 200, 50),
    block("gone", 150, 200, 40),
    block("new", 250, 200, 30),
)
THINGS = ((A, C, STAYS, GONE), (A, STAYS), (B, STAYS, NEW))
BOXES = {
    "s0#0": A, "s0#1": STAYS, "s0#2": GONE, "s0#3": C, "s1#0": A, "s1#1": STAYS,
    "s2#0": B, "s2#1": STAYS, "s2#2": NEW,
}  # fmt: skip


def made_world() -> World:
    """The world with what was published of it."""
    looks = tuple(_look(i) for i in range(3))
    stay = Visit("port", "berth 1", "a", "general", 120.0, -1.0, 6.0)
    kinds = {"berth 1": "berth", "yard 1": "yard"}
    shapes = {"berth 1": shapely.box(0, 0, SIZE, 120), "yard 1": shapely.box(0, 150, SIZE, 300)}
    site = TrueSite("port", kinds, shapes, looks, (stay,))
    corners = {
        name: shapely.get_coordinates(thing.outline)[[3, 0, 1, 2]] for name, thing in BOXES.items()
    }
    activity = _activity()
    return World(
        {"port": site},
        (Leg("port", ("yard 1",), DAYS[0], DAYS[0]), Leg("rail", ("track",), DAYS[2], DAYS[2])),
        ZoneInfo("UTC"),
        _document(activity),
        activity,
        corners,
        {name: thing.is_ship for name, thing in BOXES.items()},
        (),
        {"port": "EPSG:32652"},
        {"port": Path("port.yaml")},
        "",
    )


def _look(i: int) -> TrueLook:
    month, day = int(DAYS[i][5:7]), int(DAYS[i][8:])
    unseen = np.zeros((SIZE, SIZE), bool)
    unseen[:100, 200:] = i == 1
    seen = {"berth 1": 0.5 if i == 1 else 1.0, "yard 1": 1.0}
    when = datetime(2026, month, day, 2, 12, tzinfo=UTC)
    name = f"port_{DAYS[i]}.tif"
    return TrueLook(
        DAYS[i], AT[i], when, name, f"s{i}", 1.0, Affine.identity(), (0.0, 0.0), seen, THINGS[i],
        unseen,
    )  # fmt: skip


def _activity() -> dict[str, Any]:
    place = {"site": "port", "zone": "yard 1"}
    span = {"from_day": DAYS[0], "to_day": DAYS[1]}
    later = {"from_day": DAYS[1], "to_day": DAYS[2]}
    numbers = {"teu_low": -50, "teu_high": -30, "containers_low": -30, "containers_high": -15}
    changes = [
        {**place, **span, "kind": "gone", "blocks_before": "s0#2", "blocks_after": "",
         "area_m2": -400.0, **numbers, "picture": "a.png"},
        {**place, **later, "kind": "appeared", "blocks_before": "", "blocks_after": "s2#2",
         "area_m2": 300.0, **dict.fromkeys(numbers), "picture": "b.png"},
    ]  # fmt: skip
    periods = [
        {"site": "port", "zone": "berth 1", "visits_min": 2},
        {"site": "port", "zone": "yard 1", "visits_min": None},
    ]
    teu = {"teu_low": 60.0, "teu": 80.0, "teu_high": 100.0}
    stacks = [{**place, "day": DAYS[2], **teu}]
    series = [
        {"site": "port", "zone": "berth 1", "day": DAYS[0], "class": "ship",
         "length_class": ">=60", "count": 1},
    ]  # fmt: skip
    trends = [{"site": "port", "finding": "nothing"}]
    return {
        "periods": periods, "stack_changes": changes, "stacks": stacks, "series": series,
        "trends": trends, "registration": [], "warnings": [],
    }  # fmt: skip


def _document(activity: dict[str, Any]) -> dict[str, Any]:
    def visit(number: int, zone: str, evidence: str) -> dict[str, Any]:
        return {"visit_id": f"v{number}", "site": "port", "zone": zone, "evidence": evidence,
                "one_ship": True}  # fmt: skip

    place = {"site": "port", "zone": "yard 1", "kind": "gone", "number": 1}
    events = [
        {**place, "first_day": DAYS[0], "last_day": DAYS[1], "text": "1 stack gone from yard 1",
         "event": "stacks gone", "evidence": "s0#2"},
        {"site": "port", "zone": "berth 1", "kind": "ship", "number": 1, "event": "ship",
         "first_day": DAYS[0], "last_day": DAYS[1], "evidence": "s0#0; s1#0", "one_ship": True,
         "text": "ship of 118 ± 6 m at berth 1"},
    ]  # fmt: skip
    points = [{"day": day} for day in DAYS]
    chart = {"zone": "berth 1", "class": "ship", "measure": "count", "points": points,
             "trend": "", "changes": []}  # fmt: skip
    site = {
        "name": "port", "events": events, "trains": [], "charts": [chart],
        "stack_changes": activity["stack_changes"],
        "visits": [visit(1, "berth 1", "s0#0; s1#0"), visit(2, "berth 1", "s2#0")],
    }  # fmt: skip
    return {
        "sites": [site], "min_length_m": 60.0, "calibrated": True, "version": "0.1.0", "links": [],
        "note": "", "provenance": {"runs": [{"iou": 0.5}], "warnings": [], "skipped": []},
    }  # fmt: skip
