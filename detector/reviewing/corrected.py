"""What `detector review import` writes beside the review: corrected counts, and changed stacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import geopandas as gpd
import pandas as pd
import shapely
from affine import Affine
from shapely.geometry import box

from detector.counting.counts import gives_number
from detector.counting.zones import Zone, assign_to_zones, first_zones
from detector.detections import Detections
from detector.errors import ConfigError
from detector.export.records import SceneRecord
from detector.export.run_files import run_content
from detector.export.stacks import no_stacks, read_stacks, write_stacks
from detector.export.tables import write_csv
from detector.geometry.boxes import polygons
from detector.geometry.geodesy import apply_transform
from detector.reviewing.correct import BOX, corners_of, correct
from detector.reviewing.exporting import open_again, zones_of_run
from detector.reviewing.ledger import Looked, Review, Statement, of_scene
from detector.reviewing.runs import ReviewedRun
from detector.stacks.estimate import estimate_stacks
from detector.stacks.settings import StackSettings

COUNTS_FILE: Final = "counts_reviewed.csv"
STACKS_FILE: Final = "stacks_reviewed.csv"
LOOKED_SHARE: Final = 0.999  # of an area that was looked at


def write_corrected(review: Review, run: ReviewedRun) -> list[str]:
    """Write `counts_reviewed.csv`, and the stacks that people changed, of a run.

    Those of an earlier review are removed first: where these cannot be written there are none.

    Returns:
        Reviewed scenes that the run no longer has, and so are not counted.

    Raises:
        QuaywatchError: a scene or the zones of the run are gone or damaged, or the folder cannot
            be written.
    """
    for name in (COUNTS_FILE, STACKS_FILE):
        for path in (run.folder / name, (run.folder / name).with_suffix(".parquet")):
            path.unlink(missing_ok=True)
    zones = zones_of_run(run) if run_content(run.folder).get("zones") else {}
    rows = []
    parts = [no_stacks()]
    gone = [scene_id for scene_id in review.scenes if scene_id not in run.records]
    for scene_id in review.scenes:
        if scene_id in gone:
            continue
        statements, looked = of_scene(review, scene_id)
        record, mine = run.records[scene_id], zones.get(scene_id, ())
        found = pd.DataFrame(run.found(scene_id))
        now = correct(found, statements, record, run.classes)
        rows += _count_rows(record, mine, found, now, looked, run)
        parts.append(_changed_stacks(record, mine, now, statements, run))
    write_csv(run.folder / COUNTS_FILE, pd.DataFrame(rows))
    stacks = [part for part in parts if len(part)]
    write_stacks(run.folder / STACKS_FILE, pd.concat(stacks) if stacks else no_stacks())
    return gone


def read_changed_stacks(folder: Path) -> pd.DataFrame:
    """The stacks that people drew, moved or called so, as `stacks.csv` has others; none without.

    Raises:
        OutputError: the file is damaged.
    """
    path = folder / STACKS_FILE
    return read_stacks(path) if path.with_suffix(".parquet").is_file() else no_stacks()


def _count_rows(
    record: SceneRecord,
    zones: Sequence[Zone],
    found: pd.DataFrame,
    now: pd.DataFrame,
    looked: Sequence[Looked],
    run: ReviewedRun,
) -> list[dict[str, Any]]:
    """One row an area and class: what the network found, and what counts now."""
    frame = box(0, 0, record.width or 0, record.height or 0)
    areas = [Zone("", "", frame), *zones]
    told = {area.name: area for area in record.areas}
    seen = shapely.union_all([one.shape for one in looked]) if looked else shapely.Polygon()
    rows = []
    for area in areas:
        known = told.get(area.name)
        inside = area.shape.intersection(frame)
        if known is None or not gives_number(known.status) or inside.is_empty:
            continue  # nothing can be counted there, whoever looks
        whole = seen.intersection(inside).area >= LOOKED_SHARE * inside.area
        before, after = (_members(table, area) for table in (found, now))
        for name in run.classes.names:
            if not run.classes[run.classes.id(name)].counted:
                continue
            rows.append(
                {
                    "scene_id": record.scene_id,
                    "zone": area.name,
                    "kind": area.kind,
                    "class": name,
                    "count_found": int((before["class"] == name).sum()),
                    "count": int((after["class"] == name).sum()),
                    "area_found_m2": float(before["area_m2"][before["class"] == name].sum()),
                    "area_m2": float(after["area_m2"][after["class"] == name].sum()),
                    "doubtful": int(
                        ((after["class"] == name) & (after["said"] == "doubtful")).sum()
                    ),
                    "source": "human" if whole else "corrected",
                    "observed_fraction": known.observed_fraction,
                    "status": known.status,
                }
            )
    return rows


def _members(table: pd.DataFrame, area: Zone) -> pd.DataFrame:
    counted: pd.DataFrame = table[
        ~table["on_ship"].to_numpy(bool) & ~table["unseen"].to_numpy(bool)
    ]
    if not area.name:
        return counted
    inside: pd.DataFrame = counted.iloc[assign_to_zones(corners_of(counted), (area,))[0]]
    return inside


def _changed_stacks(
    record: SceneRecord,
    zones: Sequence[Zone],
    now: pd.DataFrame,
    statements: Sequence[Statement],
    run: ReviewedRun,
) -> pd.DataFrame:
    """Containers of the blocks that people drew, moved or called blocks, measured in the scene."""
    containers = {
        name for name in run.classes.names if run.classes[run.classes.id(name)].containers
    }
    touched = {one.box for one in statements if one.moved or one.reclassified}
    drawn = ~now[BOX].str.fullmatch(r".*#\d+")
    mine = now["class"].isin(containers) & (now[BOX].isin(touched) | drawn)
    if not mine.any():
        return no_stacks()
    corners = corners_of(now)
    transform = Affine(*record.transform) if record.crs else Affine.identity()
    frame = gpd.GeoDataFrame(
        now, geometry=polygons(apply_transform(transform, corners)), crs=record.crs
    )
    boxes = Detections.from_geodataframe(frame, scene_id=record.scene_id, classes=run.classes)
    held_by = first_zones(corners, tuple(zones)) if zones else []
    with open_again(record) as scene:
        table = estimate_stacks(
            scene,
            replace(boxes, crs=record.crs),
            held_by,
            _settings(run_content(run.folder)),
            readable=record.in_model_range is not False,
        )
    names = {f"{record.scene_id}#{i}": name for i, name in enumerate(now[BOX])}
    table["id"] = [names[name] for name in table["id"]]
    return table[table["id"].isin(set(now[BOX][mine]))]


def _settings(content: Mapping[str, Any]) -> StackSettings:
    """What the run assumed of stacks."""
    try:
        return StackSettings(**content["stacks"])
    except (KeyError, TypeError, ConfigError):
        return StackSettings()
