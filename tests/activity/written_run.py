"""A run as `detector predict` writes one, of scenes whose objects are known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from detector.counting.counts import count_scene
from detector.counting.zones import Zones, zones_in_pixels
from detector.detections import Detections
from detector.export.records import ModelUse, SceneRecord, scene_record
from detector.export.run_files import RunResult, write_run_files
from detector.export.scene_files import write_record
from detector.export.vector import write_geoparquet
from detector.scenes.scene import Scene


def write_run(
    out: Path,
    zones: Zones,
    seen: Iterable[tuple[Scene, Detections]],
    model: ModelUse,
    facts: dict[str, str],
    failed: Sequence[SceneRecord] = (),
) -> Path:
    """Write a run and return its folder; a scene is used before the next is asked for.

    Scenes that failed come last.
    """
    records, counts = [], []
    for scene, found in seen:
        table, areas = count_scene(scene, found, zones_in_pixels(zones, scene), model.in_range)
        digest = scene.pixels_sha256()
        records.append(scene_record(scene.info, found, areas, model, 1, pixels_sha256=digest))
        counts.append(table)
        folder = out / records[-1].scene_id
        folder.mkdir(parents=True)
        write_record(folder, records[-1], table)
        write_geoparquet(folder / "detections.parquet", [found.to_geodataframe()], found.crs)
    write_run_files(out, RunResult([*records, *failed], counts, facts))
    return out
