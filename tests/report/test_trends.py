"""What the page says of trends and changes is what the table holds, and nothing else."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from detector.activity.series import trend_rows
from detector.report.publish import Report
from detector.times import parse_time, say_day
from tests.report.make import Made, Names

NAMES = Names()
FIRST = date(2026, 9, 1)
BLOCK_M2 = 400.0
LEAST_M = 60.0


@dataclass(frozen=True)
class Case:
    """Counts of one look every third day, and what must be found in them.

    Attributes:
        counts: of ships and of stacks alike.
        finding: of all three series.
        sentence: of counts; the area's has the same form with other numbers.
        days: of new levels, by look.
    """

    counts: tuple[int, ...]
    finding: str
    sentence: str
    looks: tuple[int, ...] = ()


CASES = {
    "level": Case((3, 4, 3, 3, 4, 3, 4, 3, 3, 4, 3, 4), "nothing", "No trend that stands out."),
    "step": Case(
        (2, 3, 2, 2, 3, 2, 14, 15, 14, 14, 15, 14),
        "change",  # the slope's interval reaches zero, and the page must not deny the change
        "The level changed: 2.3 at first and 14 from 19 September 2026 on.",
        (6,),
    ),
    "stairs": Case(
        (1, 2, 1, 1, 6, 7, 7, 6, 16, 17, 16, 17, 17),
        "trend_and_change",
        "Trend: +0.5 a day (90 % interval +0.33 to +0.62). The level changed: 1.2 at first, "
        "6.5 from 13 September 2026 on and 17 from 25 September 2026 on.",
        (4, 8),
    ),
    "there and back": Case(
        (2, 2, 3, 2, 14, 14, 15, 14, 2, 3, 2, 2),
        "change",
        "The level changed: 2.2 at first, 14 from 13 September 2026 on and 2.2 from "
        "25 September 2026 on.",
        (4, 8),
    ),
    "slope": Case((4, 4, 4, 5, 5, 5, 6, 6, 6), "trend", "Trend: +0.1 a day"),
    "few": Case((2, 9, 2, 9), "too_few_looks", ""),
}


def series_of(zone: str, counts: tuple[int, ...]) -> list[dict[str, Any]]:
    """Rows of ships and of stacks; a look that saw half the zone stands between the others."""
    rows = []
    for class_name, length in (("ship", f">={LEAST_M:g} m"), ("container_stack", "all")):
        for i, count in enumerate(counts):
            day = FIRST + timedelta(days=3 * i)
            row = {
                "site": NAMES.port, "zone": zone, "kind": "quay", "day": day,
                "acquired": parse_time(f"{day}T03:00:00Z"), "class": class_name,
                "length_class": length, "count": count, "count_est": None, "count_low": None,
                "count_high": None, "area_m2": BLOCK_M2 * count, "observed_fraction": 1.0,
                "status": "observed", "scene_ids": f"s{i}", "evidence": "",
            }  # fmt: skip
            later = day + timedelta(days=1)
            half = {"observed_fraction": 0.5, "status": "partial", "count": 99, "area_m2": 9e4}
            half |= {"day": later, "acquired": parse_time(f"{later}T03:00:00Z")}
            rows += [row, row | half]
    return rows


def report_of(made: Made, folder: Path, series: list[dict[str, Any]]) -> Report:
    """A report of the tiny activity with another series in its yard, and no estimates of TEU."""
    activity = json.loads((made.activity / "activity.json").read_text(encoding="utf-8"))
    for name in ("stacks", "stack_changes", "trains"):
        activity.pop(name)
    for row in activity["looks"]:
        row["kind"] = "quay" if row["zone"] == NAMES.yard else row["kind"]
    trends = trend_rows(NAMES.port, NAMES.yard, series, LEAST_M)
    activity |= {"series": series, "trends": trends, "min_length_m": LEAST_M}
    source = folder / "activity"
    source.mkdir()
    (source / "activity.json").write_text(json.dumps(activity, default=str), encoding="utf-8")
    inputs = {"sites": [str(path) for path in made.sites], "runs": [str(p) for p in made.runs]}
    (source / "inputs.json").write_text(json.dumps(inputs), encoding="utf-8")
    return Made(made.names, folder, source, made.sites, made.runs).report()


@pytest.mark.parametrize("name", list(CASES))
def test_the_page_says_what_the_table_holds(made: Made, tmp_path: Path, name: str) -> None:
    case = CASES[name]
    report = report_of(made, tmp_path, series_of(NAMES.yard, case.counts))
    table = pd.read_csv(report.page.parent / "tables" / "trends.csv", keep_default_na=False)
    rows = {(row["class"], row["of"]): row for row in table.to_dict("records")}
    charts = {chart["measure"]: chart for chart in report.document["sites"][0]["charts"]}
    page = report.page.read_text(encoding="utf-8")
    pairs = {
        "count": ("ship", "count"),
        "stacks": ("container_stack", "count"),
        "area": ("container_stack", "area_m2"),
    }
    assert set(charts) == set(pairs)
    days = [(FIRST + timedelta(days=3 * look)).isoformat() for look in case.looks]
    for measure, key in pairs.items():
        row, chart = rows[key], charts[measure]
        assert row["looks"] == len(case.counts)  # the halves are left out
        assert row["finding"] == case.finding, measure
        assert [day for day in row["change_days"].split("; ") if day] == days
        assert chart["changes"] == days
        assert_says_the_row(chart["trend"], row)
        assert chart["trend"] in page
    assert charts["count"]["trend"].startswith(case.sentence)
    assert charts["stacks"]["trend"] == charts["count"]["trend"]
    assert page.count("<figcaption>No trend that stands out.") == (
        3 if case.finding == "nothing" else 0
    )
    drawn = {path.name: path.read_text("utf-8") for path in report.page.parent.glob("charts/*.svg")}
    dashed = [text for name, text in drawn.items() if "new level" in text]
    assert len(dashed) == (3 if days else 0)


def assert_says_the_row(sentence: str, row: dict[str, Any]) -> None:
    """Every number and day of a sentence, made anew from the cells of the table."""
    parts = []
    if row["finding"] == "nothing":
        parts.append("No trend that stands out.")
    if "trend" in row["finding"]:
        low, high = float(row["per_day_low"]), float(row["per_day_high"])
        assert low > 0 or high < 0
        told = [rate(float(row["per_day"])), rate(low), rate(high)]
        parts.append(f"Trend: {told[0]} a day (90 % interval {told[1]} to {told[2]}).")
    elif row["finding"] != "too_few_looks":
        assert float(row["per_day_low"]) <= 0 <= float(row["per_day_high"])
    if "change" in row["finding"]:
        first, *later = (level(float(cell)) for cell in row["levels"].split("; "))
        days = [say_day(day) for day in row["change_days"].split("; ")]
        told = [f"{first} at first"]
        told += [f"{new} from {day} on" for new, day in zip(later, days, strict=True)]
        parts.append(f"The level changed: {', '.join(told[:-1])} and {told[-1]}.")
    else:
        assert row["change_days"] == ""
    assert sentence == " ".join(parts)


def rate(value: float) -> str:
    return f"{value:+,.0f}" if abs(value) >= 10 else f"{value:+.2g}"


def level(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def test_areas_change_where_counts_do(made: Made) -> None:
    """The noise of an area is taken as that of so many stacks, so both find the same changes."""
    generator = np.random.default_rng(0)
    found = 0
    for _ in range(40):
        before, after = generator.uniform(0, 25, 2)
        counts = tuple(generator.poisson([before] * 9 + [after] * 9).tolist())
        _, stacks, area = trend_rows(NAMES.port, "x", series_of("x", counts), LEAST_M)
        assert stacks["change_days"] == area["change_days"]
        assert np.allclose(np.array(stacks["levels"]) * BLOCK_M2, area["levels"])
        found += bool(stacks["change_days"])
    assert 20 <= found < 40
