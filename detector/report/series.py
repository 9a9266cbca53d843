"""The charts' data: counts, areas and containers of every zone over time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from detector.activity.series import headline
from detector.counting.counts import ALL_LENGTHS, gives_number
from detector.report.captions import say_empty, status_words, unread_reason
from detector.report.findings import length_words, shows_whole
from detector.report.words import Words

Row = Mapping[str, Any]
SHIP_KINDS: Final = ("berth", "quay", "anchorage", "marina", "zone")
STACK_KINDS: Final = ("yard", "railhead", "quay", "zone")


def zone_charts(
    site: str, activity: Mapping[str, Any], words: Words
) -> tuple[list[dict[str, Any]], list[str]]:
    """Charts of the zones of a site in which anything was found, and sentences on the others.

    A chart: `zone`, `class`, `measure`, `title`, `trend` (a sentence or empty) and `changes` (days
    of new levels), both of the table `trends`, and `points` with `day`, `acquired`, `found`,
    `value` (what is drawn: the estimate, else what was found), `low`, `high` (null without a
    claim), `fraction`, `status`, `told` (it in words), `mark` (`estimate`, `found`, `human`,
    `partial`, `unseen`), `scene_ids`.
    """
    looks = [row for row in activity["looks"] if row["site"] == site]
    kinds = {row["zone"]: row["kind"] for row in looks}
    gsds = {(row["zone"], row["day"]): row.get("gsd_m") for row in looks}
    charts: list[dict[str, Any]] = []
    empty: list[dict[str, Any]] = []
    for zone, kind in kinds.items():
        mine = [c for c in _charts(site, zone, kind, activity, words) if _holds_anything(c)]
        charts += mine
        seen = [row for row in looks if row["zone"] == zone]
        series = [row for row in activity["series"] if (row["site"], row["zone"]) == (site, zone)]
        empty += _without_chart(zone, kind, seen, series, words, charted=bool(mine))
    for chart in charts:
        for point in chart["points"]:
            gsd_m = gsds.get((chart["zone"], point["day"]))
            point["told"] = status_words(point["status"], gsd_m, words)
            if point["mark"] == "human":
                point["told"] += f", {words.say('review.counted')}"
    return charts, say_empty(empty, length_words(activity["min_length_m"], words), words)


def _without_chart(
    zone: str,
    kind: str,
    looks: Sequence[Row],
    series: Sequence[Row],
    words: Words,
    *,
    charted: bool,
) -> Iterable[dict[str, Any]]:
    """What a zone has no chart of, as `say_empty` takes it."""
    numbers = sum(gives_number(look["status"]) for look in looks)
    stacks = _of(series, "container_stack", ALL_LENGTHS) if kind in STACK_KINDS else []
    reason = unread_reason(stacks, looks, words)
    if not charted:
        wanted = [kind in SHIP_KINDS, kind in STACK_KINDS and not reason]
        named = {(True, True): "both", (True, False): "ship", (False, True): "stack"}
        of = named.get((wanted[0], wanted[1])) if numbers else "nothing"
        seen = numbers
        if of == "stack":
            seen = sum(gives_number(row["status"]) for row in stacks) or numbers
        if of:
            yield {"zone": zone, "of": of, "seen": seen, "reason": ""}
    if reason:
        yield {"zone": zone, "of": "unread", "seen": 0, "reason": reason}


def _charts(
    site: str, zone: str, kind: str, activity: Mapping[str, Any], words: Words
) -> Iterable[dict[str, Any]]:
    length = activity["min_length_m"]
    series = [row for row in activity["series"] if (row["site"], row["zone"]) == (site, zone)]
    if kind in SHIP_KINDS:
        rows = _of(series, "ship", headline(length))
        title = words.say("chart.ships", zone=zone, length=length_words(length, words))
        trend = _trend(activity, site, zone, "ship", "count")
        points = [_count_point(row) for row in rows]
        yield _chart(zone, "ship", "count", title, points) | _told(trend, words)
    if kind in STACK_KINDS:
        rows = _of(series, "container_stack", ALL_LENGTHS)
        name = "container_stack"
        trend = _trend(activity, site, zone, name, "count")
        title = words.say("chart.stacks", zone=zone)
        points = [_count_point(row) for row in rows]
        yield _chart(zone, name, "stacks", title, points) | _told(trend, words)
        yield _land_chart(site, zone, rows, activity, words)


def _land_chart(
    site: str, zone: str, rows: Sequence[Row], activity: Mapping[str, Any], words: Words
) -> dict[str, Any]:
    """TEU where they were estimated, else the area under stacks."""
    stacks = [r for r in activity.get("stacks", ()) if (r["site"], r["zone"]) == (site, zone)]
    if stacks:
        title = words.say("chart.teu", zone=zone)
        points = [_point(row, row["blocks"], row, "teu") for row in stacks]
        return _chart(zone, "container_stack", "teu", title, points) | _told(None, words)
    trend = _trend(activity, site, zone, "container_stack", "area_m2")
    points = [_point(row, row["area_m2"], None, "area_m2") for row in rows]
    title = words.say("chart.area", zone=zone)
    return _chart(zone, "container_stack", "area", title, points) | _told(trend, words)


def _chart(
    zone: str, class_name: str, measure: str, title: str, points: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "zone": zone,
        "class": class_name,
        "measure": measure,
        "title": title,
        "points": points,
    }


def _told(trend: Row | None, words: Words) -> dict[str, Any]:
    """What a chart says of its trend, and the days that it marks: those of the table."""
    if trend is None:
        return {"trend": "", "changes": []}
    return {"trend": say_trend(trend, words), "changes": list(trend["change_days"])}


def _count_point(row: Row) -> dict[str, Any]:
    bounds = None
    if row["count_est"] is not None:
        bounds = {"v": row["count_est"], "v_low": row["count_low"], "v_high": row["count_high"]}
    return _point(row, row["count"], bounds, "v")


def _point(row: Row, found: float | None, bounds: Row | None, key: str) -> dict[str, Any]:
    """A point of a chart; `bounds` holds `key`, `key_low` and `key_high`, or is None."""
    estimate = bounds.get(key) if bounds else None
    value = found if estimate is None else estimate
    claimed = bounds is not None and estimate is not None
    mark = "estimate" if claimed else "found"
    if not gives_number(row["status"]) or value is None:
        mark, value = "unseen", None
    elif not shows_whole(row):
        mark = "partial"
    elif row.get("source") == "human":
        mark = "human"
    return {
        "day": row["day"],
        "acquired": row["acquired"],
        "found": found,
        "value": value,
        "estimate": estimate if value is not None else None,
        "low": bounds.get(f"{key}_low") if bounds and value is not None else None,
        "high": bounds.get(f"{key}_high") if bounds and value is not None else None,
        "fraction": row["observed_fraction"],
        "status": row["status"],
        "mark": mark,
        "scene_ids": row["scene_ids"],
    }


def _of(series: Sequence[Row], class_name: str, length_class: str) -> list[Row]:
    return [r for r in series if (r["class"], r["length_class"]) == (class_name, length_class)]


def _holds_anything(chart: Mapping[str, Any]) -> bool:
    return any(point["found"] for point in chart["points"])


def _trend(
    activity: Mapping[str, Any], site: str, zone: str, class_name: str, of: str
) -> Row | None:
    keys = ("site", "zone", "class", "of")
    wanted = (site, zone, class_name, of)
    rows = (row for row in activity["trends"] if tuple(row[key] for key in keys) == wanted)
    return next(rows, None)


def say_trend(row: Row, words: Words) -> str:
    """A row of `trends` in words: its finding and its numbers, and nothing that is not in it."""
    finding = row["finding"]
    if finding == "nothing":
        return words.say("chart.trend_none")
    said = []
    if finding in ("trend", "trend_and_change"):
        keys = {"mid": "per_day", "low": "per_day_low", "high": "per_day_high"}
        said.append(words.say("chart.trend", **{key: _rate(row[of]) for key, of in keys.items()}))
    if finding in ("change", "trend_and_change"):
        first, *later = (_level(value) for value in row["levels"])
        levels = [words.say("chart.level_first", level=first)]
        levels += [
            words.say("chart.level_then", level=level, day=words.day(day))
            for level, day in zip(later, row["change_days"], strict=True)
        ]
        said.append(words.say("chart.change", levels=words.listed(levels)))
    return " ".join(said)


def _rate(value: float) -> str:
    """A signed change a day, to two digits below ten and to whole numbers above."""
    return f"{value:+,.0f}" if abs(value) >= 10 else f"{value:+.2g}"


def _level(value: float) -> str | int:
    """The same of a level; whole numbers get the page's separators."""
    return round(value) if value >= 10 else f"{value:.2g}"
