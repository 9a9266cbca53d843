"""The files of one scene: `out/<scene_id>/`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from detector.counting.counts import counts_table
from detector.counting.zones import Zone
from detector.detections import Detections
from detector.export.overlay import ZoneOutline, draw_overlay, write_overlay
from detector.export.records import SceneRecord
from detector.export.stacks import STACKS_FILE, no_stacks, write_stacks
from detector.export.tables import write_csv, write_json
from detector.export.vector import write_geojson, write_geopackage, write_geoparquet
from detector.files import atomic_folder
from detector.scenes.scene import Scene

RECORD_FILE = "scene.json"
PARQUET_FILE = "detections.parquet"


@dataclass(frozen=True, slots=True)
class SceneResult:
    """Everything that is written of a scene.

    Attributes:
        detections: of the scene.
        counts: as `count_scene` makes them.
        zones: in file pixels.
        record: of the scene.
        stacks: one row a block, as `estimate_stacks` makes them.
    """

    detections: Detections
    counts: pd.DataFrame
    zones: Sequence[Zone]
    record: SceneRecord
    stacks: pd.DataFrame = field(default_factory=no_stacks)


def write_scene_files(folder: Path, scene: Scene, result: SceneResult) -> None:
    """Write a scene's folder, whole or not at all.

    `detections.gpkg`, `.geojson` (only with a CRS), `.parquet`, `counts.csv`, `stacks.csv`,
    `overlay.png`, `scene.json`.

    Raises:
        SceneError: the scene is damaged.
        OutputError: the folder cannot be written.
    """
    record, detections = result.record, result.detections
    with atomic_folder(folder) as temporary:
        write_geopackage(temporary / "detections.gpkg", detections, result.zones, record)
        if detections.crs is not None:
            write_geojson(temporary / "detections.geojson", detections)
        frame = detections.to_geodataframe()
        write_geoparquet(temporary / PARQUET_FILE, [frame], detections.crs)
        write_csv(temporary / "counts.csv", result.counts)
        write_stacks(temporary / STACKS_FILE, result.stacks)
        write_overlay(
            temporary / "overlay.png", scene, detections, _outlines(result), _notes(record)
        )
        write_json(temporary / RECORD_FILE, _record_content(result))


def draw_result(scene: Scene, result: SceneResult, *, max_side_px: int = 4000) -> NDArray[np.uint8]:
    """The picture of a result, `(height, width, 3)` RGB; what `overlay.png` shows.

    Raises:
        ConfigError: `max_side_px` is too small.
        SceneError: the scene is damaged.
    """
    outlines, notes = _outlines(result), _notes(result.record)
    return draw_overlay(scene, result.detections, outlines, notes, max_side_px=max_side_px)


def read_scene_files(folder: Path) -> tuple[SceneRecord, pd.DataFrame] | None:
    """Record and counts of a scene's folder; None where there are none of this version."""
    try:
        content = json.loads((folder / RECORD_FILE).read_text(encoding="utf-8"))
        counts = counts_table(content.pop("counts"))
        return SceneRecord.from_dict(content), counts
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _record_content(result: SceneResult) -> dict[str, Any]:
    """Every number in full, so that a resumed run writes the bytes of one that was not killed."""
    counts = result.counts.astype(object)
    counts["acquired"] = [_exact_time(moment) for moment in result.counts["acquired"]]
    rows = counts.where(counts.notna(), None).to_dict(orient="records")
    return {**result.record.to_dict(), "counts": rows}


def _exact_time(moment: Any) -> str | None:
    return None if pd.isna(moment) else str(moment.isoformat())


def _outlines(result: SceneResult) -> list[ZoneOutline]:
    areas = result.record.areas[1:]  # the first is the whole scene
    return [
        ZoneOutline(zone.name, zone.kind, area.status, tuple(shapely.get_parts(zone.shape)))
        for zone, area in zip(result.zones, areas, strict=True)
    ]


def _notes(record: SceneRecord) -> list[str]:
    """What a reader of the picture must know."""
    notes = []
    if record.in_model_range is False:
        notes.append(f"gsd {record.gsd_m:.2f} m is outside the model's range")
    if record.cloud_source is None:
        notes.append("clouds unknown")
    elif (record.observed_fraction or 0.0) < 1.0:
        notes.append(f"{100 * (1 - (record.observed_fraction or 0.0)):.0f} % under cloud")
    return notes
