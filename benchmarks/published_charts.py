"""Judges of what is said beside charts: that nothing was found, trends and levels."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from benchmarks.published_changes import LEAST_CHANGE_M2, true_changes
from benchmarks.published_page import numbers
from benchmarks.published_registry import (
    Answer,
    Asked,
    Held,
    listed,
    sentence,
)
from benchmarks.published_sentences import callers
from benchmarks.published_truth import AFLOAT, LYING, UNSURE, Span
from detector.counting.counts import UNOBSERVED_SHARE


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
