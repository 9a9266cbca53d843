"""Series of counts for each zone, with gaps, trends, change points and routine in numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import theilslopes

from detector.activity.looks.zone_looks import Look
from detector.classes import PORT, SHIP
from detector.counting.calibration import Calibration
from detector.counting.counts import ALL_LENGTHS, OBSERVED_SHARE
from detector.counting.zones import Zone

MIN_TREND_LOOKS = 5  # with fewer a slope says nothing
TREND_LEVEL = 0.90
MIN_SEGMENT = 3  # looks between two change points
SECONDS_A_DAY = 86400.0
SMALL = SHIP.length_classes[0]


@dataclass(frozen=True, slots=True)
class SeriesSettings:
    """How counts become series.

    Attributes:
        min_length_m: of the ships of the headline series.
        calibration: of the weights; without it counts have no intervals.
    """

    min_length_m: float
    calibration: Calibration


def headline(min_length_m: float) -> str:
    """The length class of the headline series."""
    return f">={min_length_m:g} m"


def series_rows(
    site: str, zone: Zone, looks: Sequence[Look], settings: SeriesSettings
) -> list[dict[str, Any]]:
    """One row a look, class and length class.

    `count` is null where the zone was not seen or the gsd is not the model's: a gap, not a zero.
    Where it was seen in part, it is a lower bound and carries no estimate; neither do ships below
    25 m, some of which are too short to be read.

    Args:
        site: name.
        zone: of the looks.
        looks: in order of time.
        settings: how to count.
    """
    rows = []
    for look in looks:
        found = look.sightings
        for class_id, name, mine in _groups(look, settings.min_length_m):
            chosen = found.select(mine)
            estimate = None
            if look.usable and look.observed_fraction >= OBSERVED_SHARE and name != SMALL:
                estimate = settings.calibration.count(
                    class_id, chosen.scores, chosen.length_m, chosen.gsd_m
                )
            rows.append(
                {
                    "site": site,
                    "zone": zone.name,
                    "kind": zone.kind,
                    "day": look.day,
                    "acquired": look.acquired,
                    "class": PORT.names[class_id],
                    "length_class": name,
                    "count": len(chosen) if look.usable else None,
                    "count_est": estimate.estimate if estimate else None,
                    "count_low": estimate.low if estimate else None,
                    "count_high": estimate.high if estimate else None,
                    "area_m2": float(chosen.area_m2.sum()) if look.usable else None,
                    "observed_fraction": look.observed_fraction,
                    "status": look.status,
                    "scene_ids": "; ".join(look.scene_ids),
                    "evidence": "; ".join(chosen.ids.tolist()) if look.usable else "",
                }
            )
    return rows


def _groups(look: Look, min_length_m: float) -> list[tuple[int, str, NDArray[np.bool_]]]:
    found = look.sightings
    names = np.array(PORT.length_classes(found.class_ids, found.length_m), dtype=object)
    groups = []
    for class_id, entry in enumerate(PORT):
        mine = found.class_ids == class_id
        groups.append((class_id, ALL_LENGTHS, mine))
        if entry.visits:
            long = mine & (found.length_m >= min_length_m)
            groups.append((class_id, headline(min_length_m), long))
        groups += [(class_id, name, mine & (names == name)) for name in entry.length_classes]
    return groups


@dataclass(frozen=True, slots=True)
class Points:
    """The fully observed looks of a series.

    Attributes:
        day: `(n,)` days since the epoch, ascending.
        value: `(n,)`.
    """

    day: NDArray[np.float64]
    value: NDArray[np.float64]


def usable_points(rows: Sequence[Mapping[str, Any]], column: str = "count") -> Points:
    """The looks that saw the whole zone; partial ones are lower bounds and stay out."""
    full = [
        row
        for row in rows
        if row[column] is not None and row["observed_fraction"] >= OBSERVED_SHARE
    ]
    return Points(
        np.array([row["acquired"].timestamp() / SECONDS_A_DAY for row in full], float),
        np.array([row[column] for row in full], float),
    )


def trend(points: Points) -> dict[str, float] | None:
    """Change a day with its 90 % interval, Theil and Sen's median of slopes (Sen, JASA 1968).

    Returns:
        `per_day, low, high`; None with fewer than `MIN_TREND_LOOKS` looks.
    """
    if len(points.day) < MIN_TREND_LOOKS:
        return None
    slope, _, low, high = theilslopes(points.value, points.day, TREND_LEVEL)
    return {"per_day": float(slope), "low": float(low), "high": float(high)}


def change_points(points: Points) -> list[int]:
    """Positions at which the level of a series changes: the first look of each new level.

    Optimal partitioning (Jackson et al., IEEE Signal Processing Letters 2005) of the square roots
    of the counts, whose variance hardly depends on the level (Anscombe, Biometrika 1948), by
    squared error with a penalty of 3 s² log n a change; s is estimated from differences of
    neighbours, robustly, and is at least 1/2, that of a Poisson count.

    Args:
        points: of one series.
    """
    x = np.sqrt(np.maximum(points.value, 0.0))
    n = len(x)
    if n < 2 * MIN_SEGMENT:
        return []
    spread = 1.4826 * float(np.median(np.abs(np.diff(x)))) / np.sqrt(2)
    penalty = 3.0 * max(spread, 0.5) ** 2 * np.log(n)
    sums, squares = np.concatenate([[0], np.cumsum(x)]), np.concatenate([[0], np.cumsum(x**2)])
    best = np.full(n + 1, np.inf)
    best[0], previous = -penalty, np.zeros(n + 1, int)
    for end in range(MIN_SEGMENT, n + 1):
        starts = np.arange(0, end - MIN_SEGMENT + 1)
        cost = squares[end] - squares[starts] - (sums[end] - sums[starts]) ** 2 / (end - starts)
        total = best[starts] + cost + penalty
        best[end], previous[end] = total.min(), int(starts[total.argmin()])
    changes = []
    end = n
    while previous[end] > 0:
        end = int(previous[end])
        changes.append(end)
    return changes[::-1]


def routine(
    rows: Sequence[Mapping[str, Any]], visits: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """What is usual at a berth, in numbers.

    Args:
        rows: of the headline series of one zone.
        visits: of that zone.

    Returns:
        `looks_observed`; `share_occupied`, of the observed looks with a ship;
        `days_between_visits`, median of the days from one visit's first sight to the next one's,
        null with fewer than two.
    """
    points = usable_points(rows)
    first = sorted(visit["first_seen"] for visit in visits)
    between = [(later - earlier).days for earlier, later in pairwise(first)]
    return {
        "looks_observed": len(points.value),
        "share_occupied": float((points.value > 0).mean()) if len(points.value) else None,
        "days_between_visits": float(np.median(between)) if between else None,
    }
