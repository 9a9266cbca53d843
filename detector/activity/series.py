"""Series of counts for each zone, with gaps, trends, change points and routine in numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from ruptures import KernelCPD
from scipy.stats import theilslopes

from detector.activity.looks.sightings import PlacedObjects
from detector.activity.looks.zone_looks import Look
from detector.classes import PORT
from detector.counting.calibration import (
    COARSE_READ_M,
    COARSE_READABLE_M,
    Calibration,
    CountedBoxes,
    read_scale,
    readable_length_px,
)
from detector.counting.counts import (
    ALL_LENGTHS,
    DRAWS_COLUMN,
    agree,
    interval_columns,
    seen_whole,
)
from detector.counting.draws import DRAWS, LoneObjects
from detector.counting.intervals import CountEstimate
from detector.counting.zones import MARINA, Zone
from detector.stacks.block_model import BlockModel
from detector.stacks.totals import FoundBlocks, draw_number, interval_of
from detector.times import Acquired

MIN_TREND_LOOKS = 5  # with fewer a slope says nothing
TREND_LEVEL = 0.90
MIN_SEGMENT = 3  # looks between two change points
SECONDS_A_DAY = 86400.0
INTERVAL_COLUMNS = ("count_est", "count_low", "count_high")
TREND_SERIES = (  # class, length class (empty: the headline), column
    ("ship", "", "count"),
    ("container_stack", ALL_LENGTHS, "count"),
    ("container_stack", ALL_LENGTHS, "area_m2"),
)

CountSource = Literal["model", "corrected", "human"]
Finding = Literal["too_few_looks", "nothing", "trend", "change", "trend_and_change"]


@dataclass(frozen=True, slots=True)
class SeriesSettings:
    """How counts become series.

    Attributes:
        min_length_m: of the ships of the headline series.
        calibration: of the weights; without it counts have no intervals.
        blocks: of the weights, for container stacks; without it they have none.
    """

    min_length_m: float
    calibration: Calibration
    blocks: BlockModel | None


def headline(min_length_m: float) -> str:
    """The length class of the headline series."""
    return f">={min_length_m:g} m"


def series_rows(
    site: str, zone: Zone, looks: Sequence[Look], settings: SeriesSettings
) -> list[dict[str, Any]]:
    """One row a look, class and length class.

    `count` is null where the zone was not seen or the gsd is not the model's: a gap, not a zero.
    Where it was seen in part, it is of that part and carries no estimate; neither do ships below
    25 m, some of which are too short to be read.

    `source` says who counted: `model`; `corrected`, where people corrected single boxes; `human`,
    where a person looked at all of the zone: then the count is a count, without an interval but
    for what that person called doubtful. `count_found` is what the network alone found.

    Args:
        site: name.
        zone: of the looks.
        looks: in order of time.
        settings: how to count.
    """
    rows = []
    coarse = settings.calibration.read_gsd_m >= COARSE_READ_M
    for look in looks:
        found, before = look.sightings, look.as_found
        counted_before = _numbers(before, settings.min_length_m)
        mine_of: dict[int, list[dict[str, Any]]] = {}
        drawn = _draw_look(look, zone, settings) if look.whole and not look.reviewed else {}
        for class_id, name, mine in _groups(look, settings.min_length_m):
            view = look.of_class(PORT.names[class_id])
            chosen = found.select(mine)
            said = interval_columns(None)
            if look.reviewed:
                said |= _columns_of(_by_hand(chosen)) if view.whole else {}
            elif view.whole and PORT[class_id].containers:
                said |= _columns_of(count_blocks(chosen, zone, settings.blocks))
            elif view.whole and class_id in drawn:
                draws = drawn[class_id].sum(name, mine, settings.min_length_m)
                least_only = zone.kind == MARINA and PORT[class_id].visits
                said = interval_columns(draws, least_only=least_only)
            rows.append(
                {
                    "site": site,
                    "zone": zone.name,
                    "kind": zone.kind,
                    "day": look.day,
                    "acquired": look.acquired,
                    "acquired_precision": look.when.precision,
                    "class": PORT.names[class_id],
                    "length_class": name,
                    "count": len(chosen) if view.usable else None,
                    **{key: said[key] for key in INTERVAL_COLUMNS},
                    "area_m2": float(chosen.area_m2.sum()) if view.usable else None,
                    "observed_fraction": look.observed_fraction,
                    "status": view.status,
                    "scene_ids": "; ".join(look.scene_ids),
                    "evidence": "; ".join(chosen.ids.tolist()) if view.usable else "",
                    "source": source_of(look),
                    "count_found": counted_before[class_id, name] if view.usable else None,
                    DRAWS_COLUMN: said[DRAWS_COLUMN],
                }
            )
            if name != headline(settings.min_length_m):
                mine_of.setdefault(class_id, []).append(rows[-1])
        for class_id, same in mine_of.items():
            agree(same, PORT[class_id], COARSE_READABLE_M if coarse else 0.0)
    for row in rows:
        del row[DRAWS_COLUMN]
    return rows


def source_of(look: Look) -> CountSource:
    """Who counted the objects of a look."""
    if look.reviewed:
        return "human"
    return "model" if look.found is None else "corrected"


def _numbers(look: Look, min_length_m: float) -> dict[tuple[int, str], int]:
    """How many there are of each class and length class."""
    return {
        (class_id, name): int(mine.sum()) for class_id, name, mine in _groups(look, min_length_m)
    }


def _by_hand(chosen: PlacedObjects) -> CountEstimate | None:
    """The interval of what a person counted: only what that person called doubtful is open."""
    doubtful = int(chosen.is_doubtful.sum())
    if not doubtful:
        return None
    return CountEstimate(len(chosen) - doubtful / 2, len(chosen) - doubtful, len(chosen))


def count_blocks(
    stacks: PlacedObjects, zone: Zone, model: BlockModel | None
) -> CountEstimate | None:
    """The number of blocks in a zone, from the draws of its area and TEU; None without a claim."""
    boxes = FoundBlocks(stacks.scores, stacks.area_m2, None, zone.kind)
    drawn = draw_number(boxes, zone.name, model)
    if drawn is None:
        return None
    low, _, high = interval_of(drawn.number)
    return CountEstimate(float(drawn.number.mean()), round(low), round(high))


def _columns_of(said: CountEstimate | None) -> dict[str, Any]:
    values = (None,) * 3 if said is None else (said.estimate, said.low, said.high)
    return dict(zip(INTERVAL_COLUMNS, values, strict=True))


@dataclass(frozen=True, slots=True)
class _LookDraws:
    """What the boxes of one class of a look stand for; all rows of the look are sums of it."""

    class_id: int
    numbers: NDArray[np.int16]
    lone: LoneObjects
    read_gsd_m: float

    def sum(
        self, length_class: str, chosen: NDArray[np.bool_], min_length_m: float
    ) -> NDArray[np.int64]:
        """`(DRAWS,)` objects of the chosen boxes, and lone ones of a length class or headline."""
        length_m = self.lone.length_px * self.read_gsd_m
        ids = np.full(len(length_m), self.class_id)
        lone = np.array(PORT.length_classes(ids, length_m), dtype=object) == length_class
        if length_class == ALL_LENGTHS:
            lone = np.ones(len(length_m), np.bool_)
        elif length_class == headline(min_length_m):
            lone = length_m >= min_length_m
        total = self.numbers[chosen].sum(axis=0, dtype=np.int64)
        return np.asarray(total + self.lone.count(lone))


def _draw_look(look: Look, zone: Zone, settings: SeriesSettings) -> dict[int, _LookDraws]:
    """Of every class with a claim; boxes too short to be read stand for nothing."""
    found, calibration = look.sightings, settings.calibration
    drawn = {}
    for class_id, entry in enumerate(PORT):
        least_px = readable_length_px(found.gsd_m, calibration.read_gsd_m, entry)
        mine = (found.class_ids == class_id) & (found.length_m >= found.gsd_m * least_px)
        kept = found.select(mine)
        boxes = CountedBoxes(
            kept.scores, kept.length_m / kept.gsd_m, kept.gsd_m, kept.corners, kept.ids.tolist()
        )
        numbers = calibration.draw(class_id, boxes)
        gsd_m = max(calibration.read_gsd_m, float(np.median(found.gsd_m)) if len(found) else 0)
        read_gsd_m = gsd_m * float(read_scale(np.array(gsd_m), calibration.read_gsd_m))
        area_px = zone.shape.area / gsd_m**2
        name = f"{zone.name}#{'+'.join(look.scene_ids)}#{class_id}"
        lone = calibration.draw_lone(class_id, area_px, gsd_m, name)
        if numbers is not None and lone is not None:
            every = np.zeros((len(found), DRAWS), np.int16)
            every[mine] = numbers
            every[mine & found.is_sure] = 1  # a person saw it: one object, no more and no less
            drawn[class_id] = _LookDraws(class_id, every, lone, read_gsd_m)
    return drawn


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
    """The looks of a series that saw the whole zone.

    Attributes:
        day: `(n,)` days since the epoch, ascending; a look whose time of day is unknown stands at
            noon of its day.
        value: `(n,)`.
    """

    day: NDArray[np.float64]
    value: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Trend:
    """What a series does over time: the columns of `trends`, of which pages and charts speak.

    Attributes:
        looks: that saw the whole zone; others are gaps or of a part and stay out.
        finding: what stands out: a trend whose 90 % interval leaves zero out, changes of the level,
            both, or `nothing`; `too_few_looks` where neither can be told.
        per_day: change a day; None with fewer than `MIN_TREND_LOOKS` looks.
        per_day_low: lower end of its 90 % interval.
        per_day_high: upper end.
        change_days: the first day of each new level.
        levels: mean of each level in order, one more than changes; empty without looks.
    """

    looks: int
    finding: Finding
    per_day: float | None
    per_day_low: float | None
    per_day_high: float | None
    change_days: list[date]
    levels: list[float]


def trend_rows(
    site: str, zone: str, series: Sequence[Mapping[str, Any]], min_length_m: float
) -> list[dict[str, Any]]:
    """The rows of `trends` of a zone: ships of the headline, stacks, and the area under stacks.

    Args:
        site: name.
        zone: name.
        series: of the zone, see `series_rows`.
        min_length_m: of the headline series.
    """
    rows = []
    for class_name, length_class, column in TREND_SERIES:
        name = length_class or headline(min_length_m)
        same = [r for r in series if (r["class"], r["length_class"]) == (class_name, name)]
        mine = whole_rows(same, column)
        found = find_trend(
            usable_points(mine, column), [r["day"] for r in mine], _unit(mine, column)
        )
        key = {
            "site": site,
            "zone": zone,
            "class": class_name,
            "length_class": name,
            "of": column,
        }
        rows.append({**key, **asdict(found)})
    return rows


def find_trend(points: Points, days: Sequence[date], unit: float = 1.0) -> Trend:
    """What a series does over time. All that is said of trends and changes is decided here.

    Args:
        points: of one series.
        days: of the points.
        unit: of the values, see `change_points`.
    """
    slope = trend(points)
    changes = change_points(points, unit)
    sloped = slope is not None and not slope["low"] <= 0 <= slope["high"]
    finding: Finding = "trend" if sloped else "nothing"
    if changes:
        finding = "trend_and_change" if sloped else "change"
    elif slope is None:
        finding = "too_few_looks"
    return Trend(
        looks=len(points.day),
        finding=finding,
        per_day=slope["per_day"] if slope else None,
        per_day_low=slope["low"] if slope else None,
        per_day_high=slope["high"] if slope else None,
        change_days=[days[at] for at in changes],
        levels=[float(part.mean()) for part in np.split(points.value, changes) if len(part)],
    )


def whole_rows(rows: Sequence[Mapping[str, Any]], column: str = "count") -> list[Mapping[str, Any]]:
    """The rows of looks that saw the whole zone; partial ones are of a part and stay out."""
    return [
        row
        for row in rows
        if seen_whole(row["status"], row["observed_fraction"])
        and row[column] is not None
        and np.isfinite(row[column])
    ]


def usable_points(rows: Sequence[Mapping[str, Any]], column: str = "count") -> Points:
    """The points of `whole_rows`."""
    full = whole_rows(rows, column)
    return Points(
        np.array([_middle(row).timestamp() / SECONDS_A_DAY for row in full], float),
        np.array([row[column] for row in full], float),
    )


def _middle(row: Mapping[str, Any]) -> datetime:
    return Acquired(row["acquired"], None if row["acquired"] else row["day"]).middle


def _unit(rows: Sequence[Mapping[str, Any]], column: str) -> float:
    """A count's unit is one; an area's is the mean stack, so that its noise is that of a count."""
    number = sum(row["count"] for row in rows)
    if column == "count" or not number:
        return 1.0
    return float(sum(row[column] for row in rows) / number)


def trend(points: Points) -> dict[str, float] | None:
    """Change a day with its 90 % interval, Theil and Sen's median of slopes (Sen, JASA 1968).

    Returns:
        `per_day, low, high`; None with fewer than `MIN_TREND_LOOKS` looks.
    """
    if len(points.day) < MIN_TREND_LOOKS:
        return None
    slope, _, low, high = theilslopes(points.value, points.day, TREND_LEVEL)
    return {"per_day": float(slope), "low": float(low), "high": float(high)}


def change_points(points: Points, unit: float = 1.0) -> list[int]:
    """Positions at which the level of a series changes: the first look of each new level.

    Least squares of the square roots of the counts, whose variance hardly depends on the level
    (Anscombe, Biometrika 1948), with a penalty of 3 s² log n a change; s is estimated from
    differences of neighbours, robustly, and is at least 1/2, that of a Poisson count. The best
    changes of each number are ruptures' (KernelCPD with a linear kernel, dynamic programming).

    Args:
        points: of one series.
        unit: what one object adds to a value: 1 of counts, the mean area of a stack of areas.
    """
    x = np.sqrt(np.maximum(points.value, 0.0) / unit)
    n = len(x)
    if n < 2 * MIN_SEGMENT:
        return []
    spread = 1.4826 * float(np.median(np.abs(np.diff(x)))) / np.sqrt(2)
    penalty = 3.0 * max(spread, 0.5) ** 2 * np.log(n)
    search = KernelCPD(kernel="linear", min_size=MIN_SEGMENT).fit(x[:, None])
    changes: list[int] = []
    best = _squared_error(x, changes)
    # by number: its search by penalty prunes what a least length still needs (1 of 3,000 series)
    for number in range(1, n // MIN_SEGMENT):
        if number * penalty >= best:
            break  # no error is so small that so many changes pay
        found = [int(end) for end in search.predict(n_bkps=number)[:-1]]  # the last is the end
        cost = _squared_error(x, found) + number * penalty
        if cost < best:
            best, changes = cost, found
    return changes


def _squared_error(x: NDArray[np.float64], changes: Sequence[int]) -> float:
    return sum(float(part.var() * len(part)) for part in np.split(x, changes))


def routine(
    rows: Sequence[Mapping[str, Any]], visits: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """What is usual at a berth, in numbers.

    Args:
        rows: of the headline series of one zone.
        visits: of that zone.

    Returns:
        `looks_observed`; `days_between_visits`, median of the days from one visit's first sight to
        the next one's, of those that count, null with fewer than two.
    """
    points = usable_points(rows)
    first = sorted(visit["first_seen"] for visit in visits if visit["counted"])
    between = [(later - earlier).days for earlier, later in pairwise(first)]
    return {
        "looks_observed": len(points.value),
        "days_between_visits": float(np.median(between)) if between else None,
    }
