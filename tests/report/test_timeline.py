"""The pictures of visits over time, by what is drawn: one bar a visit, broken, open, in lanes."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from detector.report.charts import draw_timeline, draw_visits
from detector.report.timeline import unseen_spans, visit_bars
from detector.report.words import Words

DAYS = [(date(2026, 9, 2) + timedelta(days=3 * i)).isoformat() for i in range(10)]
BLIND = (4, 5)  # looks that show nothing
WORDS = Words.read()
SVG = "{http://www.w3.org/2000/svg}"
Row = dict[str, Any]


def looks(zones: Sequence[str] = ("Pier 1",)) -> list[Row]:
    return [
        {
            "site": "Port", "zone": zone, "day": day, "scene_ids": f"s{i}",
            "status": "unobserved" if i in BLIND else "observed",
            "shows": "nothing" if i in BLIND else "whole",
        }
        for zone in zones
        for i, day in enumerate(DAYS)
    ]  # fmt: skip


def visit(name: str, *seen: int, zone: str = "Pier 1", **changes: Any) -> Row:
    first, last = seen[0], seen[-1]
    row = {
        "visit_id": name, "site": "Port", "zone": zone,
        "first_seen": DAYS[first], "last_seen": DAYS[last],
        "not_before": DAYS[first - 1] if first else None,
        "not_after": DAYS[last + 1] if last + 1 < len(DAYS) else None,
        "arrival": "arrived" if first else "before the first look",
        "departure": "left" if last + 1 < len(DAYS) else "after the last look",
        "length_m": 100.0, "lies": "alongside", "counted": True, "one_ship": True,
        "evidence": "; ".join(f"s{i}#0" for i in seen),
    }  # fmt: skip
    return row | changes


def document(visits: Sequence[Row], zones: Sequence[str] = ("Pier 1",)) -> Row:
    seen = looks(zones)
    bars = [
        bar | {"length_short": "100 m", "length_words": "100 m"} for bar in visit_bars(visits, seen)
    ]
    return {
        "timeline": {
            "rows": [{"site": "Port", "zone": zone} for zone in zones], "looks": seen,
            "unseen": unseen_spans(seen), "visits": bars, "changes": [], "links": [],
        }
    }  # fmt: skip


def test_a_bar_is_broken_where_it_may_be_two_ships() -> None:
    (bar,) = visit_bars([visit("a", 0, 1, one_ship=False)], looks())
    assert bar["solid"] == [[DAYS[0]] * 2, [DAYS[1]] * 2]
    assert bar["broken"] == [[DAYS[0], DAYS[1]]]


def test_a_bar_is_broken_where_a_look_does_not_show_the_ship() -> None:
    (whole, missed, blind) = visit_bars(
        [visit("a", 0, 1, 2), visit("b", 0, 2, 3), visit("c", 2, 3, 6)], looks()
    )
    assert (whole["solid"], whole["broken"]) == ([[DAYS[0], DAYS[2]]], [])
    assert (missed["solid"], missed["broken"]) == (
        [[DAYS[0]] * 2, [DAYS[2], DAYS[3]]],
        [[DAYS[0], DAYS[2]]],
    )
    assert (blind["solid"], blind["broken"]) == (
        [[DAYS[2], DAYS[3]], [DAYS[6]] * 2],
        [[DAYS[3], DAYS[6]]],
    )
    assert blind["seen"] == [DAYS[2], DAYS[3], DAYS[6]]


def test_times_without_sight_reach_from_look_to_look() -> None:
    assert unseen_spans(looks()) == [
        {"site": "Port", "zone": "Pier 1", "from": DAYS[3], "to": DAYS[6]}
    ]


def many(number: int) -> list[Row]:
    generator = np.random.default_rng(3)
    rows = []
    for i in range(number):
        first = int(generator.integers(len(DAYS)))
        seen = [at for at in range(first, min(first + 3, len(DAYS))) if at not in BLIND] or [3]
        rows.append(visit(f"v{i}", *seen, zone=("Pier 1", "Pier 2")[i % 2], counted=i % 5 > 0))
    return rows


def reach(bar: Row) -> tuple[str, str]:
    return bar["not_before"] or bar["first_seen"], bar["not_after"] or bar["last_seen"]


@pytest.mark.parametrize("number", [1, 2, 60])
def test_bars_of_a_zone_never_touch(number: int) -> None:
    bars = visit_bars(many(number), looks(("Pier 1", "Pier 2")))
    assert len(bars) == number
    taken = 0
    for zone in ("Pier 1", "Pier 2"):
        mine = [bar for bar in bars if bar["zone"] == zone]
        for one in mine:
            for two in mine:
                if one is not two and one["lane"] == two["lane"]:
                    (a, b), (c, d) = reach(one), reach(two)
                    assert b < c or d < a
        # no more lanes than ships that are there, or may be, at once
        most = max((sum(a <= day <= b for a, b in map(reach, mine)) for day in DAYS), default=0)
        assert {bar["lane"] for bar in mine} == set(range(most))
        taken += len(mine)
    assert taken == number


def drawn(figure: Figure) -> dict[str, list[tuple[float, float]]]:
    """Points of every named line or surface of a figure, by parsing its SVG."""
    file = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none"}):
        figure.savefig(file, format="svg")
    found = {}
    for group in ET.fromstring(file.getvalue()).iter(f"{SVG}g"):  # noqa: S314 - our own
        name = group.get("id", "")
        if name.startswith(("visit-", "unseen-")):
            paths = [path.get("d", "") for path in group.iter(f"{SVG}path")]
            uses = [(u.get("x"), u.get("y")) for u in group.iter(f"{SVG}use")]
            text = " ".join(paths)
            points = re.findall(r"[ML] (-?[\d.]+) (-?[\d.]+)", text)
            found[name] = [(float(x), float(y)) for x, y in (uses or points)]  # type: ignore[arg-type]
    return found


def test_the_picture_holds_each_part_of_a_bar_at_its_days() -> None:
    rows = [visit("a", 0, 1), visit("b", 2, 3, 6, arrival="undecided"), visit("c", 8, 9)]
    shown = drawn(draw_timeline(document(rows), WORDS))
    (x0, y0), (x1, _) = shown["visit-0-solid-0"]
    day = (x1 - x0) / 3.0  # of the picture; looks are three days apart

    def at(index: int) -> float:
        return x0 + 3.0 * day * index

    assert [x for x, _ in shown["visit-1-solid-0"]] == pytest.approx([at(2), at(3)], abs=0.01)
    assert [x for x, _ in shown["visit-1-broken-0"]] == pytest.approx([at(3), at(6)], abs=0.01)
    assert [x for x, _ in shown["visit-1-came"]] == pytest.approx([at(1), at(2)], abs=0.01)
    assert [x for x, _ in shown["visit-1-went"]] == pytest.approx([at(6), at(7)], abs=0.01)
    assert [x for x, _ in shown["visit-1-seen"]] == pytest.approx([at(2), at(3), at(6)], abs=0.01)
    # there on the first look, and on the last: open to the edges of the picture
    assert shown["visit-0-came"][0][0] < at(0) - 0.3 * day
    assert shown["visit-2-went"][1][0] > at(9) + 0.3 * day
    band = [x for x, _ in shown["unseen-0"]]
    assert (min(band), max(band)) == pytest.approx((at(3), at(6)), abs=0.01)
    # `a` may have left when `b` may have come: they lie in two lanes
    assert shown["visit-1-solid-0"][0][1] > y0 + 5
    assert shown["visit-2-solid-0"][0][1] == pytest.approx(y0, abs=0.01)


@pytest.mark.parametrize("number", [1, 60])
def test_every_visit_is_one_bar_and_rows_stay_apart(number: int) -> None:
    content = document(many(number), ("Pier 1", "Pier 2"))
    for figure in (draw_timeline(content, WORDS), draw_visits(content, {"name": "Port"}, WORDS)):
        shown = drawn(figure)
        starts = {name.split("-")[1] for name in shown if name.endswith("-solid-0")}
        assert starts == {str(i) for i in range(number)}
        rows = sorted(
            {round(points[0][1], 2) for name, points in shown.items() if "-solid-" in name}
        )
        assert np.diff(rows).min(initial=99) >= 8.0  # points: bars are 5 thick
        assert figure.get_figheight() < 297 / 25.4 * 1.9


def test_more_visits_than_bars_are_said() -> None:
    content = document(many(61), ("Pier 1", "Pier 2"))
    figure = draw_visits(content, {"name": "Port"}, WORDS)
    assert "The first 60 of 61 visits as bars" in figure.axes[0].get_xlabel()
