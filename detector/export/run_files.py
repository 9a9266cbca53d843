"""The files of a run: `out/`, put together from the folders of its scenes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detector.counting.counts import DRAWS_COLUMN, counts_table
from detector.counting.draws import unpack_draws
from detector.errors import OutputError
from detector.export.records import SceneRecord
from detector.export.scene_files import PARQUET_FILE, read_record
from detector.export.seals import FILES, RUN_FILE, SEAL, file_seals, record_seal, write_sealed
from detector.export.stac import STAC_FILES, write_collection
from detector.export.stacks import STACKS_FILE, join_stacks
from detector.export.tables import scenes_table, write_csv, write_parquet
from detector.export.vector import (
    WGS84,
    joined_detections,
    no_detections,
    to_wgs84,
    write_geoparquet,
)
from detector.later import geopandas as gpd
from detector.later import pandas as pd

COUNTS_FILE = "counts.parquet"
RUN_TABLES = (PARQUET_FILE, "counts.csv", COUNTS_FILE, STACKS_FILE, "stacks.parquet", "scenes.csv")
NAMED = ("path", "scene_id", "status", "reason", "copy_of")  # of every scene, in `run.json`


@dataclass(frozen=True, slots=True)
class RunResult:
    """Everything that is written of a run.

    Attributes:
        records: one a scene, in the order that the user gave, failed ones too.
        counts: of the scenes that are done, in that order.
        provenance: what `run.json` says besides the scenes: version, weights, settings.
        model: the weights as a STAC item, where scenes have items (`detector.export.stac`).
    """

    records: Sequence[SceneRecord]
    counts: Sequence[pd.DataFrame]
    provenance: dict[str, Any]
    model: Mapping[str, Any] | None = None


def write_run_files(out: Path, result: RunResult) -> None:
    """Write detections, counts, stacks, `scenes.csv` and `run.json`.

    Detections are read a few scenes at a time, so memory does not grow with their number.

    Raises:
        OutputError: the folder cannot be written.
    """
    done = [record for record in result.records if record.status == "done"]
    frames = _wgs84_frames(out, done)
    write_geoparquet(out / PARQUET_FILE, frames, WGS84)
    counts = pd.concat([counts_table([]), *result.counts], ignore_index=True)
    counts = counts.astype(counts_table([]).dtypes.to_dict())
    write_csv(out / "counts.csv", counts.drop(columns=DRAWS_COLUMN))
    write_parquet(out / COUNTS_FILE, with_draws(counts))
    join_stacks(out / STACKS_FILE, [out / record.scene_id / STACKS_FILE for record in done])
    write_csv(out / "scenes.csv", scenes_table(result.records))
    write_collection(out, result.records, result.model)
    scenes = [_named_and_sealed(out, record) for record in result.records]
    sealed = {
        **result.provenance,
        "scenes": scenes,
        FILES: file_seals(out, (*RUN_TABLES, *STAC_FILES)),
    }
    write_sealed(out / RUN_FILE, sealed)


def with_draws(counts: pd.DataFrame) -> pd.DataFrame:
    """The table with its draws as lists of `DRAWS` whole numbers, null where nothing is said."""
    packed = counts[DRAWS_COLUMN]
    lists = [None if text is None else unpack_draws(text).astype("int32") for text in packed]
    return counts.assign(**{DRAWS_COLUMN: pd.Series(lists, counts.index, dtype=object)})


def read_records(out: Path) -> list[SceneRecord]:
    """What a run says of every scene, in the order in which they were named, failed ones too.

    Args:
        out: folder of the run.

    Raises:
        OutputError: the run is not finished, or the record of a scene is missing or damaged.
    """
    return [
        read_record(out / scene.scene_id) if scene.status == "done" else scene
        for scene in named_scenes(out)
    ]


def named_scenes(out: Path) -> list[SceneRecord]:
    """What `run.json` says of every scene of a run, `NAMED`, and nothing more.

    Args:
        out: folder of the run.

    Raises:
        OutputError: there is no `run.json`, or it is damaged.
    """
    return _named(run_content(out), out / RUN_FILE)


def run_content(out: Path) -> dict[str, Any]:
    """What `run.json` says of a run.

    Args:
        out: folder of the run.

    Raises:
        OutputError: there is no `run.json`, or it is damaged.
    """
    path = out / RUN_FILE
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        _named(content, path)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise OutputError(f"{path}: not the record of a run ({reason})") from error
    return content


def _named(content: dict[str, Any], path: Path) -> list[SceneRecord]:
    try:
        scenes = [
            SceneRecord.from_dict(
                {key: scene[key] for key in NAMED if key != "copy_of" or key in scene}
            )
            for scene in content["scenes"]
        ]
    except (KeyError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise OutputError(f"{path}: not the record of a run ({reason})") from error
    strange = next((s for s in scenes if s.scene_id != Path(s.scene_id).name), None)
    if strange is not None:
        raise OutputError(f"{path}: scene_id '{strange.scene_id[:60]}' is no name of a folder")
    return scenes


def _named_and_sealed(out: Path, record: SceneRecord) -> dict[str, Any]:
    named = {key: getattr(record, key) for key in NAMED}
    return named if record.status != "done" else {**named, SEAL: record_seal(out / record.scene_id)}


def _wgs84_frames(out: Path, records: Sequence[SceneRecord]) -> Iterator[gpd.GeoDataFrame]:
    yield to_wgs84(no_detections(WGS84).to_geodataframe())  # the columns, where no scene is done
    yield from joined_detections(out / record.scene_id / PARQUET_FILE for record in records)
