"""A run as `detector predict` writes one, of scenes whose objects are known."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from detector.counting.counts import count_scene
from detector.counting.zones import Zones, zones_in_pixels
from detector.detections import Detections
from detector.export.records import ModelUse, SceneRecord, scene_record
from detector.export.run_files import RUN_TABLES, RunResult, write_run_files
from detector.export.scene_files import OWN, PARQUET_FILE, write_record
from detector.export.seals import (
    FILES,
    RECORD_FILE,
    RUN_FILE,
    SEAL,
    file_seals,
    record_seal,
    write_sealed,
)
from detector.export.vector import write_geoparquet
from detector.scenes.scene import Scene


def seal_again(out: Path) -> None:
    """Make a run of changed files one that wrote them so."""
    run = json.loads((out / RUN_FILE).read_text(encoding="utf-8"))
    for scene in run["scenes"]:
        path = out / scene["scene_id"] / RECORD_FILE
        write_sealed(path, json.loads(path.read_text(encoding="utf-8")))
        scene[SEAL] = record_seal(path.parent)
    write_sealed(out / RUN_FILE, {**run, FILES: file_seals(out, RUN_TABLES)})


def write_run(
    out: Path,
    zones: Zones,
    seen: Iterable[tuple[Scene, Detections]],
    model: ModelUse,
    facts: dict[str, str],
    failed: Sequence[SceneRecord] = (),
    unreadable: Sequence[str] = (),
) -> Path:
    """Write a run and return its folder; a scene is used before the next is asked for.

    Scenes that failed come last.
    """
    records, counts = [], []
    for scene, found in seen:
        mine = zones_in_pixels(zones, scene)
        table, areas = count_scene(scene, found, mine, model.in_range, unreadable=unreadable)
        digest = scene.pixels_sha256()
        records.append(scene_record(scene.info, found, areas, model, 1, pixels_sha256=digest))
        counts.append(table)
        folder = out / records[-1].scene_id
        folder.mkdir(parents=True)
        write_geoparquet(folder / PARQUET_FILE, [found.to_geodataframe()], found.crs)
        write_record(folder, records[-1], table, {OWN: [PARQUET_FILE]})
    write_run_files(out, RunResult([*records, *failed], counts, facts))
    return out
