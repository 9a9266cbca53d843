"""Tables of containers over time: stacks of every look, changes between looks, trains."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyproj import Transformer

from detector.activity.changes.blocks import Change, Compared, Standing, find_changes
from detector.activity.changes.following import Blocks, follow
from detector.activity.changes.pixels import PixelJudge, TopsOf, open_shelf
from detector.activity.changes.trains import find_trains
from detector.activity.looks.runs import RunScene
from detector.activity.looks.sightings import ID_SEPARATOR, PlacedObjects, scene_of, stacks_of
from detector.activity.looks.sites import Site
from detector.activity.looks.zone_looks import Look, Placement, look_row
from detector.counting.counts import OBSERVED_SHARE
from detector.counting.zones import Zone
from detector.errors import ConfigError, QuaywatchError
from detector.export.stacks import STACKS_FILE, read_stacks
from detector.geometry.boxes import Corners
from detector.reviewing.corrected import read_changed_stacks
from detector.stacks.block_model import BlockModel
from detector.stacks.estimate import FLAG_SEPARATOR, TRAIN_WIDTH_M
from detector.stacks.frame import UNKNOWN_LEAN
from detector.stacks.settings import StackSettings
from detector.stacks.simulate import Draws, Floats, quantiles
from detector.stacks.totals import (
    OF_FOUND,
    OF_SEEN_PART,
    OF_ZONE,
    FoundBlocks,
    ZoneDraws,
    draw_zone,
    interval_of,
)

TIER_M: Final = 2.74  # a standard container and a high cube, the mean
CUT_FLAGS: Final = ("cut_by_edge", "under_cloud")  # of a block of which a part was not seen
RUN_FILE: Final = "run.json"
TABLE_NAMES: Final = ("stacks", "stack_changes", "trains")


class StackBook:
    """What `detector predict` says of the stacks of all scenes, read once.

    Attributes:
        settings: what the runs assumed of stacks. Where they differ the first run's are taken for
            all looks, and said, since with several priors looks would differ by them.
        model: what the boxes of the weights are worth; None where the card does not say.
        warnings: what to know.
    """

    def __init__(self, scenes: Sequence[RunScene], model: BlockModel | None = None) -> None:
        self.model = model
        self.warnings: list[str] = []
        self._rows: dict[str, pd.DataFrame] = {}
        folders = list(dict.fromkeys(scene.folder for scene in scenes))
        reviewed = {scene.scene_id for scene in scenes if scene.found is not None}
        for folder in folders:
            try:
                rows = read_stacks(Path(folder) / STACKS_FILE).set_index("id")
                self._rows[folder] = _with_changed(rows, Path(folder), reviewed)
            except QuaywatchError as error:
                self.warnings.append(f"no numbers of containers: {error}")
        self._folders = {scene.scene_id: scene.folder for scene in scenes}
        self.settings = self._agreed(folders)

    def _agreed(self, folders: Sequence[str]) -> StackSettings:
        assumed = {folder: run_settings(Path(folder)) for folder in folders}
        known = {folder: value for folder, value in assumed.items() if value is not None}
        self.warnings += [
            f"{folder}: run.json does not say what was assumed of stacks; the defaults of detector "
            "predict are taken for blocks without a shadow"
            for folder in self._rows
            if folder not in known
        ]
        if not known:
            return StackSettings()
        first = next(iter(known))
        for folder, other in known.items():
            names = [n.name for n in fields(other)]
            differ = [n for n in names if getattr(other, n) != getattr(known[first], n)]
            if differ:
                self.warnings.append(
                    f"{first} and {folder} were predicted with different stacks.{differ[0]} "
                    f"({getattr(known[first], differ[0])} and {getattr(other, differ[0])}): all "
                    f"looks use those of {first}; predict again with the same stacks.* options"
                )
        return known[first]

    def of(self, ids: Sequence[str]) -> pd.DataFrame | None:
        """The rows of blocks in the order of their ids; None where one is not known."""
        parts = []
        for name in ids:
            rows = self._rows.get(self._folders.get(scene_of(name), ""))
            if rows is None or name not in rows.index:
                return None
            parts.append(rows.loc[[name]])
        return pd.concat(parts) if parts else None


def stack_rows(
    site: Site,
    zone: Zone,
    looks: Sequence[Look],
    scenes: Mapping[str, RunScene],
    placements: Mapping[str, Placement],
    book: StackBook,
    *,
    pixels: bool = True,
) -> dict[str, list[dict[str, Any]]]:
    """Rows of `TABLE_NAMES` of one zone.

    Args:
        site: with its frame.
        zone: its kind decides the prior of blocks without a shadow.
        looks: of the zone, in order of time.
        scenes: by id.
        placements: of the scenes.
        book: rows of `stacks.csv`.
        pixels: whether the pictures of the looks decide what changed; without, boxes alone do.
    """
    examined = [_Examined(zone, look, book) for look in looks]
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in TABLE_NAMES}
    keys = [look_row(site, zone, look) for look in looks]
    for key, one in zip(keys, examined, strict=True):
        rows["stacks"].append(key | _look_numbers(one))
        if zone.kind == "railhead":
            rows["trains"] += [key | row for row in _trains(one)]
    full = [one for one in examined if one.comparable]
    place, to_lonlat = {"site": site.name, "zone": zone.name}, lonlat_of(site)
    with open_shelf(scenes) as shelf:

        def compare(before: Blocks, after: Blocks) -> Compared:
            if not pixels:
                return find_changes(before.standing, after.standing)
            shelf.keep_only([*before.look.scene_ids, *after.look.scene_ids])
            both = (before, after)
            boxes = [
                part for one in both for part in (one.look.sightings.corners, one.standing.corners)
            ]
            judge = PixelJudge(
                (before.look, after.look), (before.tops, after.tops), shelf, placements,
                site.frame.crs, np.concatenate(boxes),
            )  # fmt: skip
            return find_changes(before.standing, after.standing, judge)

        told = follow([one.blocks() for one in full], compare)
    rows["stack_changes"] = [
        place | _change_row(pair, change, to_lonlat(change.centre))
        for pair, changes in told
        for change in changes
    ]
    return rows


def run_settings(folder: Path) -> StackSettings | None:
    """What a run assumed of stacks, by its `run.json`; None where no such settings are in it."""
    try:
        content = json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))
        return StackSettings(**content["stacks"])
    except (OSError, ValueError, KeyError, TypeError, ConfigError):
        return None


def _with_changed(rows: pd.DataFrame, folder: Path, reviewed: set[str]) -> pd.DataFrame:
    """Rows of stacks with those of blocks that people changed in the reviewed scenes."""
    changed = read_changed_stacks(folder)
    changed = changed[changed["scene_id"].isin(reviewed)].set_index("id")
    if not len(changed):
        return rows
    return pd.concat([rows[~rows.index.isin(changed.index)], changed])


class _Examined:
    """The stacks of one look with their factors and draws."""

    def __init__(self, zone: Zone, look: Look, book: StackBook) -> None:
        self.look = look
        self.stacks: PlacedObjects = stacks_of(look.sightings)
        self.ids: list[str] = self.stacks.ids.tolist()
        self.table: pd.DataFrame | None = None
        self._usual_tiers = book.settings.tiers_of(zone.kind)[1]
        found = book.of(self.ids)
        if found is not None and found["along_m"].notna().all():
            self.table = _in_zone(found, zone)
        boxes = FoundBlocks(self.stacks.scores, self.stacks.area_m2, self.table, zone.kind)
        # what a person looked at whole has no blocks that are missed, false or joined
        model = None if look.reviewed else book.model
        drawn: ZoneDraws = draw_zone(boxes, zone.name, book.settings, model)
        if look.reviewed and drawn.interval_of == OF_FOUND:
            drawn = replace(drawn, interval_of=OF_ZONE)
        self.drawn = drawn
        self.draws: Draws | None = self.drawn.blocks if self.table is not None else None

    @property
    def comparable(self) -> bool:
        return self.look.whole

    def blocks(self) -> Blocks:
        """The blocks where they stand, lean taken off."""
        tops = self._tops()
        corners = self.stacks.corners - (tops.lean * tops.height_m[:, None])[:, None, :]
        off = np.hypot(tops.error_m, self.look.residual_m)
        return Blocks(self.look, self.ids, Standing(corners, off, self.draws), tops)

    def _tops(self) -> TopsOf:
        """Where tops show; without rows of `stacks.csv` as high as is usual, seen from above."""
        if self.table is None:
            height = np.full(len(self.ids), TIER_M * self._usual_tiers)
            return TopsOf(np.zeros((len(height), 2)), height, UNKNOWN_LEAN * height)
        height = TIER_M * self.table["tiers"].to_numpy(float)
        spread = (self.table["tiers_high"] - self.table["tiers_low"]).to_numpy(float) / 3.29
        lean = self.table[["lean_east", "lean_north"]].to_numpy(float)
        known = np.isfinite(lean).all(axis=1)
        error = np.where(known, np.hypot(*lean.T) * TIER_M * spread, UNKNOWN_LEAN * height)
        return TopsOf(np.where(known[:, None], lean, 0.0), height, error)


def lonlat_of(site: Site) -> Callable[[Floats], tuple[float, float]]:
    """From a point in local metres to longitude and latitude."""
    transformer = Transformer.from_crs(site.frame.crs, "EPSG:4326", always_xy=True)

    def convert(point: Floats) -> tuple[float, float]:
        lon, lat = transformer.transform(float(point[0]), float(point[1]))
        return float(lon), float(lat)

    return convert


def _in_zone(found: pd.DataFrame, zone: Zone) -> pd.DataFrame:
    """The rows as blocks of the site's zone, whatever zones the run knew."""
    table = found.copy()
    table["zone_kind"] = zone.kind
    words = table["flags"].str.split(FLAG_SEPARATOR)
    narrow = (table["across_m"] < TRAIN_WIDTH_M) & (zone.kind == "railhead")
    table["flags"] = [
        FLAG_SEPARATOR.join([w for w in flags if w and w != "wagons"] + ["wagons"] * bool(train))
        for flags, train in zip(words, narrow, strict=True)
    ]
    return table


def _look_numbers(one: _Examined) -> dict[str, Any]:
    hidden = not one.look.usable
    drawn = ZoneDraws() if hidden else one.drawn
    of = drawn.interval_of
    if of == OF_ZONE and one.look.observed_fraction < OBSERVED_SHARE:
        of = OF_SEEN_PART
    methods = set() if one.table is None else set(one.table["method"])
    method = "mixed" if len(methods) > 1 else methods.pop() if methods else "area_only"
    return {
        "blocks": None if hidden else len(one.ids),
        "area_m2": None if hidden else float(np.nansum(one.stacks.area_m2)),
        **_interval("area_est", drawn.area_m2),
        **_interval("containers", drawn.containers),
        **_interval("teu", drawn.teu),
        "interval_of": of,
        "method": "prior" if not hidden and not one.ids else "area_only" if hidden else method,
        "cut_blocks": None if hidden else _cut(one),
    }


def _interval(name: str, draws: Floats | None) -> dict[str, float | None]:
    """Low, middle and high of draws, as columns; None where there are no draws."""
    stem = name.removesuffix("_est")
    names = (f"{stem}_low", name, f"{stem}_high")
    return dict(zip(names, interval_of(draws), strict=True))


def _cut(one: _Examined) -> int:
    """Blocks of which a part lies beyond the edge of the scene or under a known cloud."""
    if one.table is None:
        return int(one.stacks.is_cut.sum())
    return sum(any(word in flags for word in CUT_FLAGS) for flags in one.table["flags"])


def _trains(one: _Examined) -> list[dict[str, Any]]:
    if one.table is None or one.draws is None:
        return []
    wagons = one.table["flags"].str.contains("wagons").to_numpy(bool)
    rows = np.flatnonzero(wagons)
    corners: Corners = one.stacks.corners[rows]
    found = []
    for number, train in enumerate(find_trains(corners), start=1):
        mine = rows[train.blocks]
        low, mid, high = quantiles(one.draws.containers[:, mine].sum(axis=1)).tolist()
        found.append(
            {
                "train": number,
                "blocks": len(mine),
                "length_m": train.length_m,
                "length_cut": _cut_of(one.stacks.cut[mine]),
                "wagons": train.wagons,
                "containers_low": low,
                "containers": mid,
                "containers_high": high,
                "teu": float(np.median(one.draws.teu[:, mine].sum(axis=1))),
                "evidence": ID_SEPARATOR.join(one.ids[i] for i in mine.tolist()),
            }
        )
    return found


def _cut_of(cut: NDArray[np.str_]) -> str:
    """Why a train may go on: the reason of its first block that is cut; empty where none is."""
    return next((reason for reason in cut.tolist() if reason), "")


def _change_row(
    pair: tuple[Blocks, Blocks], change: Change, lonlat: tuple[float, float]
) -> dict[str, Any]:
    before, after = pair
    return {
        "from_day": before.look.day,
        "to_day": after.look.day,
        "from_acquired": before.look.acquired,
        "to_acquired": after.look.acquired,
        "kind": change.kind,
        "reason": change.reason,
        "blocks_before": ID_SEPARATOR.join(before.ids[i] for i in change.before.tolist()),
        "blocks_after": ID_SEPARATOR.join(after.ids[i] for i in change.after.tolist()),
        "area_m2": change.area_m2,
        **_interval("containers", change.containers),
        **_interval("teu", change.teu),
        "lon": lonlat[0],
        "lat": lonlat[1],
        "picture": None,  # see `stack_pictures`
    }
