"""Counts per scene, zone, class and length class, and what was seen of each zone."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import rasterize
from shapely.geometry.base import BaseGeometry

from detector.classes import LENGTH_UNKNOWN, ClassEntry
from detector.counting.calibration import COARSE_READABLE_M, Calibration
from detector.counting.draws import pack_draws, unpack_draws
from detector.counting.intervals import QUANTILES, add_up, estimate_of, quantiles_of
from detector.counting.scene_draws import Ground, SceneDraws, draw_scene
from detector.counting.zones import MARINA, Zone, assign_to_zones
from detector.detections import Detections
from detector.geometry.windows import PixelWindow
from detector.later import pandas as pd
from detector.scenes.scene import Scene
from detector.scenes.types import GsdSource, knows_clouds

Status = Literal[
    "observed", "partial", "unobserved", "cloud_unknown", "outside_model_range", "scale_unknown"
]

OBSERVED_SHARE = 0.98  # from this fraction on a zone counts as seen
UNOBSERVED_SHARE = 1e-3  # below it nothing can be said
MASK_SIDE_PX = 1024  # grid on which the seen part of a zone is measured
MASK_FINE_SIDE_PX = 256  # small zones are sampled finer than pixels, for those that they cut
WHOLE_SCENE = ""  # name and kind of the rows of the whole scene
ALL_LENGTHS = "all"
QUANTILE_COLUMNS = tuple(f"count_q{100 * share:02.0f}" for share in QUANTILES)
DRAWS_COLUMN = "draws"  # packed, see `draws.pack_draws`; in Parquet files a list, in no CSV

BLOCK_COLUMNS = ("area_est", "area_low", "area_high", "teu_est", "teu_low", "teu_high")
"""Of container stacks, see `prediction.block_counts`; empty for other classes."""

COUNT_COLUMNS = (
    "scene_id",
    "acquired",
    "zone",
    "kind",
    "class",
    "length_class",
    "count",
    "count_est",
    "count_low",
    "count_high",
    *QUANTILE_COLUMNS,
    "left_out",
    "area_m2",
    "observed_fraction",
    "status",
    "gsd_source",
    "acquired_day",
    "acquired_precision",
    *BLOCK_COLUMNS,
    DRAWS_COLUMN,
)
JOINED_COUNTS = 64  # scenes whose counts are kept as one table
_KINDS: dict[str, Any] = {
    **dict.fromkeys(("count", "count_low", *QUANTILE_COLUMNS, "count_high", "left_out"), "Int64"),
    **dict.fromkeys(("count_est", "area_m2", "observed_fraction", *BLOCK_COLUMNS), "float64"),
    **dict.fromkeys(("acquired", DRAWS_COLUMN), "object"),
}
"""Types of columns that are no text."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of an area.

    Attributes:
        fraction: of its pixels that are valid and not under a known cloud, in [0, 1]; parts beyond
            the scene are unseen.
        cloud_known: whether anything says where clouds are.
    """

    fraction: float
    cloud_known: bool


def measure_seen(scene: Scene, zones: Sequence[Zone]) -> list[Seen]:
    """What was seen of each zone.

    Args:
        scene: open.
        zones: in file pixels.

    Raises:
        SceneError: the scene or its cloud mask is damaged.
    """
    return [_seen_of(scene, zone.shape) for zone in zones]


def measure_seen_scene(scene: Scene) -> Seen:
    """What was seen of the frame of the scene: nodata is unseen there too."""
    window = PixelWindow(0, 0, scene.info.width, scene.info.height)
    size = _mask_size(window)
    observation = scene.observation(window, size)
    return Seen(float(observation.seen.mean()), observation.cloud_known)


def find_status(seen: Seen, in_model_range: bool | None) -> Status:
    """The status of a count.

    The first that holds: `unobserved` (nothing seen), `scale_unknown` (nobody knows what size
    things are), `outside_model_range` (the network cannot read this gsd), `partial` (less than
    98 % seen), `cloud_unknown` (nothing tells whether clouds hid a part), `observed`.

    Args:
        seen: of the zone.
        in_model_range: whether the card covers the scene's gsd; None where the gsd is unknown.
    """
    if seen.fraction < UNOBSERVED_SHARE:
        return "unobserved"
    if in_model_range is None:
        return "scale_unknown"
    if not in_model_range:
        return "outside_model_range"
    if seen.fraction < OBSERVED_SHARE:
        return "partial"
    return "observed" if seen.cloud_known else "cloud_unknown"


def gives_number(status: str) -> bool:
    """Whether there is a count: something was seen, at a scale that is known and readable."""
    return status != "unobserved" and not unreadable(status)


def unreadable(status: str) -> bool:
    """Whether nothing can be counted whatever was seen, since the scale is unknown or another."""
    return status in ("scale_unknown", "outside_model_range")


def unreadable_words(gsd_m: float | None) -> str:
    """Why nothing can be counted where `unreadable` holds."""
    if gsd_m is None:
        return "scale unknown, say it with scene.gsd="
    return f"not readable at {gsd_m:.3g} m a pixel"


def seen_whole(status: str, fraction: float) -> bool:
    """Whether a count is of the whole zone: the only looks that are compared and enter trends."""
    return gives_number(status) and fraction >= OBSERVED_SHARE


@dataclass(frozen=True, slots=True)
class CountedArea:
    """An area that is counted: the whole scene or a zone.

    Attributes:
        name: of the zone, `WHOLE_SCENE` for the scene.
        kind: of the zone, `WHOLE_SCENE` for the scene.
        seen: what was seen of it.
        status: see `find_status`.
        members: indices of its detections.
        gsd_source: of the scene, see `SceneInfo`.
        marina: it is a marina or holds a part of one: of its ships only a lower end is claimed.
    """

    name: str
    kind: str
    seen: Seen
    status: Status
    members: NDArray[np.int64]
    gsd_source: GsdSource
    marina: bool = False

    @property
    def told_fraction(self) -> float | None:
        """The seen part; None where the scale is unknown: "100 % seen" would promise a count."""
        return None if self.status == "scale_unknown" else self.seen.fraction


def count_scene(
    scene: Scene,
    detections: Detections,
    zones: Sequence[Zone],
    in_model_range: bool | None,
    calibration: Calibration | None = None,
    unreadable: Collection[str] = (),
) -> tuple[pd.DataFrame, list[CountedArea]]:
    """Count the detections of a scene, as a whole and in each zone.

    Args:
        scene: open.
        detections: of the scene.
        zones: in file pixels.
        in_model_range: whether the card covers the scene's gsd; None where the gsd is unknown.
        calibration: of the weights; without it counts have no intervals.
        unreadable: classes that the network cannot tell at the scene's gsd, by name.

    Returns:
        The table (`COUNT_COLUMNS`; see `count_rows`) and the areas that were counted.

    Raises:
        SceneError: the scene or its cloud mask is damaged.
    """
    seen = [measure_seen_scene(scene), *measure_seen(scene, zones)]
    members = [np.arange(len(detections)), *assign_to_zones(detections.corners, tuple(zones))]
    names = [(WHOLE_SCENE, WHOLE_SCENE), *((zone.name, zone.kind) for zone in zones)]
    source = scene.info.gsd_source
    holds_marina = any(
        zone.kind == MARINA and part.fraction > 0
        for zone, part in zip(zones, seen[1:], strict=True)
    )
    areas = [
        CountedArea(
            name,
            kind,
            part,
            find_status(part, in_model_range),
            index,
            source,
            kind == MARINA or (kind == WHOLE_SCENE and holds_marina),
        )
        for (name, kind), part, index in zip(names, seen, members, strict=True)
    ]
    known = replace(calibration or Calibration(), class_set=detections.classes)
    info = scene.info
    ground = Ground(info.width, info.height, seen[0].fraction * _valid_share(scene), info.gsd_m)
    drawn = draw_scene(detections, known, ground)
    shapes = [None, *(zone.shape for zone in zones)]
    rows = [
        row
        for area, shape in zip(areas, shapes, strict=True)
        for row in count_rows(detections, area, drawn, shape, unreadable)
    ]
    return counts_table(rows), areas


def count_rows(
    detections: Detections,
    area: CountedArea,
    drawn: SceneDraws,
    shape: BaseGeometry | None = None,
    unreadable: Collection[str] = (),
) -> list[dict[str, Any]]:
    """The rows of one area: of each counted class all, then those of each length class.

    For ships and stacks: ships of all lengths, ships of each length class, container stacks. Deck
    cargo is not counted. Counts and areas are null where `gives_number` says no: what was not
    seen or cannot be read is not zero, and of a scene of unknown scale not even the seen part is
    told. So is the count of a length class where ships of unknown length may belong to it.
    Partial counts are what was seen, never extrapolated.

    The estimate with its 90 % interval is that of the objects long enough to be read; `left_out`
    tells how many boxes are not. It is null where the count is, where not all was seen, outside the
    model's range, where the calibration claims nothing, and for ships below 25 m, some of which are
    too short. All rows of a scene are sums of the same draws. Of ships in a marina, and in a scene
    that holds a part of one, only `count_low` is told (`interval_columns`).

    Args:
        detections: of the scene.
        area: of the scene.
        drawn: of the scene.
        shape: of the zone, file pixels; None for the scene.
        unreadable: classes that the network cannot tell at the scene's gsd, by name.
    """
    found = detections.select(area.members)
    classes = found.classes
    status_of = {
        class_id: _class_status(area.status, classes.names[class_id] in unreadable)
        for class_id in classes.with_role("counted")
    }
    groups = [
        group
        for class_id, status in status_of.items()
        for group in _groups(found, class_id, hidden=not gives_number(status))
    ]
    kept = drawn.readable[area.members]
    inside = {class_id: drawn.lone_inside(class_id, shape) for class_id in drawn.numbers}

    def draws(class_id: int, name: str, chosen: NDArray[np.bool_]) -> NDArray[np.int64] | None:
        if status_of[class_id] not in ("observed", "cloud_unknown") or class_id not in inside:
            return None
        lone = inside[class_id]
        if name != ALL_LENGTHS:
            ids = np.full(len(lone), class_id)
            names = classes.length_classes(ids, drawn.lone_lengths_m(class_id))
            lone = lone & (np.array(names, dtype=object) == name)
        mine = np.zeros(len(detections), np.bool_)
        mine[area.members[chosen & kept]] = True
        return drawn.sum(class_id, mine, lone)

    rows = [
        {
            "scene_id": detections.scene_id,
            **detections.when.columns(),
            "zone": area.name,
            "kind": area.kind,
            "class": classes.names[class_id],
            "length_class": length_class,
            "count": None if unknown else int(chosen.sum()),
            **interval_columns(
                None if unknown else draws(class_id, length_class, chosen),
                least_only=area.marina and classes[class_id].visits,
            ),
            "left_out": None if unknown else int((chosen & ~kept).sum()),
            "area_m2": None if unknown else _area_m2(found.area_m2[chosen]),
            "observed_fraction": area.told_fraction,
            "status": status_of[class_id],
            "gsd_source": area.gsd_source,
        }
        for class_id, length_class, chosen, unknown in groups
    ]
    for class_id in classes.with_role("counted"):
        same = [row for row in rows if row["class"] == classes.names[class_id]]
        agree(same, classes[class_id], COARSE_READABLE_M if drawn.enlarged else 0.0)
    return rows


def _class_status(status: Status, is_unreadable: bool) -> Status:
    """Of one class: what cannot be read at this gsd is that wherever anything was seen."""
    return "outside_model_range" if is_unreadable and gives_number(status) else status


def _groups(
    found: Detections, class_id: int, *, hidden: bool
) -> list[tuple[int, str, NDArray[np.bool_], bool]]:
    """Class, length class, which objects, and whether their number is unknown."""
    mine = (found.class_ids == class_id) & found.counted
    names = found.classes[class_id].length_classes
    if not names:
        return [(class_id, ALL_LENGTHS, mine, hidden)]
    lengths = np.array(found.length_class, dtype=object)
    nameless = mine & (lengths == LENGTH_UNKNOWN)
    blurred = hidden or bool(nameless.any())
    return [
        (class_id, ALL_LENGTHS, mine, hidden),
        *((class_id, name, mine & (lengths == name), blurred) for name in names),
        (class_id, LENGTH_UNKNOWN, nameless, hidden),
    ]


def interval_columns(
    draws: NDArray[np.int64] | None, *, least_only: bool = False
) -> dict[str, Any]:
    """The columns of an estimate: mean, 90 % interval, quantiles, and the draws themselves.

    Args:
        draws: `(DRAWS,)`; None where nothing is said.
        least_only: only what there are at least is said, with 95 %; no sum can be made of it.
    """
    if draws is None or least_only:
        names = ("count_est", "count_low", "count_high", *QUANTILE_COLUMNS, DRAWS_COLUMN)
        least = None if draws is None else quantiles_of(draws)[0]
        return {**dict.fromkeys(names), "count_low": least}
    said = estimate_of(draws)
    return {
        "count_est": said.estimate,
        "count_low": said.low,
        "count_high": said.high,
        **dict(zip(QUANTILE_COLUMNS, quantiles_of(draws), strict=True)),
        DRAWS_COLUMN: pack_draws(draws),
    }


def agree(rows: Sequence[dict[str, Any]], entry: ClassEntry, least_m: float = 0.0) -> None:
    """Make intervals of length classes add up to that of all, and leave out what none can say.

    Quantiles of sums are no sums of quantiles: five classes may hold no more than nobody each, with
    95 %, and together one. Then the class that most likely holds it gets it (`add_up`). Afterwards
    ships of the shortest class, some too short to be read, and those of unknown length lose theirs.

    Args:
        rows: of one class and area, changed in place; the first is of all.
        entry: of the class.
        least_m: length from which the claim of the counts holds, where it is above the shortest
            class: classes below it lose their intervals too.
    """
    said = [row for row in rows if row[DRAWS_COLUMN] is not None]
    parts = [row for row in said if row["length_class"] != ALL_LENGTHS]
    if parts and len(said) > len(parts):
        ends = add_up(
            (said[0]["count_low"], said[0]["count_high"]),
            [unpack_draws(part[DRAWS_COLUMN]) for part in parts],
        )
        for part, (low, high) in zip(parts, ends, strict=True):
            part["count_low"], part["count_high"] = low, high
    below = sum(limit <= least_m for limit in entry.length_limits_m)
    too_short = entry.length_classes[: max(1, below)] if entry.readable_px else ()
    for row in rows:
        if row["length_class"] in (*too_short, LENGTH_UNKNOWN):
            row |= {name: None for name in interval_columns(None) if name in row}


def counts_table(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Rows of `count_rows` as a table with fixed columns and types, counts nullable."""
    # column by column: ten times as fast as a table of objects whose types are set afterwards
    table = {name: [row.get(name) for row in rows] for name in COUNT_COLUMNS}
    for name, missing in (("gsd_source", ""), (DRAWS_COLUMN, None)):  # of an earlier version
        table[name] = [missing if pd.isna(value) else value for value in table[name]]
    typed = {name: pd.Series(table[name], dtype=_KINDS.get(name, "str")) for name in COUNT_COLUMNS}
    moments = pd.to_datetime(pd.Series(table["acquired"], dtype=object), utc=True)
    return pd.DataFrame({**typed, "acquired": moments.astype("datetime64[us, UTC]")})


@dataclass
class GatheredCounts:
    """The counts of a run's scenes in their order, a few of them in one table.

    A table costs 100 kB however few rows it has: each of its columns is an array of its own.
    """

    _joined: list[pd.DataFrame] = field(default_factory=list)
    _last: list[pd.DataFrame] = field(default_factory=list)

    def add(self, table: pd.DataFrame) -> None:
        """Take the table of one more scene, as `counts_table` makes it."""
        self._last.append(table)
        if len(self._last) == JOINED_COUNTS:
            self._joined.append(pd.concat(self._last, ignore_index=True))
            self._last.clear()

    @property
    def tables(self) -> list[pd.DataFrame]:
        """All of them, one or more scenes in each."""
        return [*self._joined, *self._last]


def _area_m2(areas: NDArray[np.float64]) -> float | None:
    total = float(areas.sum())
    return None if math.isnan(total) else total


def _seen_of(scene: Scene, shape: BaseGeometry) -> Seen:
    """Exact where the zone leaves the scene, sampled inside."""
    cloud_known = scene.info.cloud_source is not None
    inside = shape.intersection(shapely.box(0, 0, scene.info.width, scene.info.height))
    if inside.area <= 0:
        return Seen(0.0, cloud_known)
    if scene.is_all_seen:
        return Seen(min(float(inside.area / shape.area), 1.0), cloud_known)  # not 1 + 2e-16
    x_min, y_min, x_max, y_max = inside.bounds
    column, row = math.floor(x_min), math.floor(y_min)
    window = PixelWindow(column, row, math.ceil(x_max) - column, math.ceil(y_max) - row)
    size = _mask_size(window, cells=math.ceil(MASK_FINE_SIDE_PX / max(window.width, window.height)))
    mask = _rasterize(inside, window, size)
    observation = scene.observation(window, size)
    seen, known = observation.seen[mask], observation.known[mask]
    fraction = min(float(seen.mean() * inside.area / shape.area), 1.0)
    return Seen(fraction, knows_clouds(seen, known))


def _valid_share(scene: Scene) -> float:
    window = PixelWindow(0, 0, scene.info.width, scene.info.height)
    return float(scene.valid_mask(window, _mask_size(window)).mean())


def _mask_size(window: PixelWindow, cells: int = 1) -> tuple[int, int]:
    """Size of the grid: `cells` a pixel and side, but at most `MASK_SIDE_PX` a side."""
    return min(MASK_SIDE_PX, window.width * cells), min(MASK_SIDE_PX, window.height * cells)


def _rasterize(
    shape: BaseGeometry, window: PixelWindow, size: tuple[int, int]
) -> NDArray[np.bool_]:
    """Cells `(height, width)` whose centres lie in a polygon (file pixels), at least one."""
    cell = Affine(window.width / size[0], 0.0, window.col, 0.0, window.height / size[1], window.row)
    for all_touched in (False, True):  # a polygon thinner than a cell may hold no centre
        mask = rasterize(
            [(shape, 1)], (size[1], size[0]), transform=cell, all_touched=all_touched, dtype="uint8"
        )
        if mask.any():
            break
    return np.asarray(mask, np.bool_)
