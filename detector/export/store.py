"""A store of many runs: GeoParquet by site and date, which a database reads where it lies.

`detections/site=najin/date=2023-10-13/<scene_id>.parquet`, and the same of `counts`, `stacks` and
`scenes`: one file a scene, so a run adds its scenes without reading the others, and a scene that is
done anew replaces its own. A query for a site or some dates opens no other files. `views.sql` names
the tables for DuckDB.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq

from detector.counting.counts import DRAWS_COLUMN, counts_table
from detector.errors import OutputError
from detector.export.records import SceneRecord
from detector.export.run_files import named_scenes, with_draws
from detector.export.scene_files import PARQUET_FILE, read_scene_files
from detector.export.seals import altered_record
from detector.export.stacks import STACKS_FILE, no_stacks, read_stacks
from detector.export.vector import WGS84, read_detections, to_wgs84, write_geoparquet
from detector.files import atomic_path, held_folder
from detector.later import pandas as pd

TABLES: Final = ("detections", "counts", "stacks", "scenes")
VIEWS_FILE: Final = "views.sql"
UNKNOWN: Final = "unknown"  # date of a scene that has none, and of one that is not done
READ_BACK: Final = (PARQUET_FILE, STACKS_FILE, "stacks.parquet")
DIGITS: Final = 12
_TEXT: Final = pa.string()
_MOMENT: Final = pa.timestamp("us", tz="UTC")
_KINDS: Final[Mapping[str, Any]] = {
    "acquired": _MOMENT,
    "width": pa.int64(),
    "height": pa.int64(),
    "tiles": pa.int64(),
    "ships": pa.int64(),
    "container_stacks": pa.int64(),
    "deck_cargo": pa.int64(),
    "unseen_boxes": pa.int64(),
    "gsd_m": pa.float64(),
    "sun_elevation_deg": pa.float64(),
    "sun_azimuth_deg": pa.float64(),
    "off_nadir_deg": pa.float64(),
    "view_azimuth_deg": pa.float64(),
    "observed_fraction": pa.float64(),
    "in_model_range": pa.bool_(),
}
SCENE_COLUMNS: Final = (
    *("scene_id", "path", "name", "reason", "acquired", "acquired_day", "acquired_precision"),
    *("acquired_source", "crs", "width", "height", "gsd_m", "gsd_source", "in_model_range"),
    *("cloud_source", "sun_elevation_deg", "sun_azimuth_deg", "off_nadir_deg", "view_azimuth_deg"),
    *("tiles", "ships", "container_stacks", "deck_cargo", "unseen_boxes", "observed_fraction"),
    *("copy_of", "weights", "weights_sha256", "fingerprint", "pixels_sha256"),
)


@dataclass(frozen=True, slots=True)
class Stored:
    """What a run gave to a store.

    Attributes:
        added: scenes that were not there.
        replaced: scenes that were there with other results.
        kept: scenes that were there with the same results.
        not_done: scenes of the run that are not done; rows of `scenes`.
        left: scenes that cannot be read, with the reason.
    """

    added: int = 0
    replaced: int = 0
    kept: int = 0
    not_done: int = 0
    left: Mapping[str, str] = field(default_factory=dict)


def store_run(run: Path, out: Path, site: str) -> Stored:
    """Add a run to a store.

    Args:
        run: folder of a finished run.
        out: folder of the store.
        site: name of what the scenes show.

    Raises:
        OutputError: there is no finished run, or the store cannot be written.
    """
    named = named_scenes(run)
    counted = {"added": 0, "replaced": 0, "kept": 0}
    left: dict[str, str] = {}
    with held_folder(out):
        there = _there(out, site)
        for scene in named:
            if scene.status != "done":
                continue
            folder = run / scene.scene_id
            try:
                counted[_store_scene(folder, out, site, there.get(scene.scene_id))] += 1
            except (_UnreadableError, OutputError) as error:
                left[scene.path] = str(error)
        others = [scene for scene in named if scene.status != "done"]
        _store_others(run, out, site, others)
        with atomic_path(out / VIEWS_FILE) as temporary:
            temporary.write_text(_views(), encoding="utf-8")
    return Stored(**counted, not_done=len(others), left=left)


class _UnreadableError(Exception):
    """A scene whose results are gone or damaged."""


def _store_scene(folder: Path, out: Path, site: str, earlier: str | None) -> str:
    """Write the files of a scene; whether it was added, replaced or kept.

    Args:
        folder: of its results.
        out: of the store.
        site: of the scene.
        earlier: date under which it is there; None where it is not.
    """
    read = read_scene_files(folder)
    altered = altered_record(folder, READ_BACK)
    if read is None or altered is not None:
        raise _UnreadableError(f"{folder}: damaged, or changed since; run detector predict again")
    record, counts = read
    date = record.when.iso[:10] or UNKNOWN
    paths = {name: _place(out, name, site, date, record.scene_id) for name in TABLES}
    if earlier is not None:
        if earlier == date and _fingerprint(paths["scenes"]) == record.fingerprint:
            return "kept"
        for name in TABLES:
            _place(out, name, site, earlier, record.scene_id).unlink(missing_ok=True)
    frame = to_wgs84(read_detections(folder / PARQUET_FILE))
    paths["detections"].parent.mkdir(parents=True, exist_ok=True)
    write_geoparquet(paths["detections"], [frame], WGS84)
    _write(paths["counts"], with_draws(counts.astype(counts_table([]).dtypes)), _COUNTS)
    _write(paths["stacks"], read_stacks(folder / STACKS_FILE), _STACKS)
    _write(paths["scenes"], _scenes([record]), _SCENES)  # the last: who has it has all
    return "added" if earlier is None else "replaced"


def _store_others(run: Path, out: Path, site: str, records: Sequence[SceneRecord]) -> None:
    """The rows of scenes that are not done, a file a run."""
    digest = hashlib.sha256(str(run.resolve()).encode("utf-8", "surrogateescape")).hexdigest()
    path = _place(out, "scenes", site, UNKNOWN, f"not-done-{digest[:DIGITS]}")
    if records:
        _write(path, _scenes(records), _SCENES)
    else:
        path.unlink(missing_ok=True)


def _there(out: Path, site: str) -> dict[str, str]:
    """The scenes of a site that a store has, with the date that they lie under."""
    folder = out / "scenes" / f"site={_safe(site)}"
    return {
        path.stem: path.parent.name.removeprefix("date=")
        for path in folder.glob("date=*/*.parquet")
    }


def _place(out: Path, table: str, site: str, date: str, name: str) -> Path:
    return out / table / f"site={_safe(site)}" / f"date={date}" / f"{name}.parquet"


def _safe(site: str) -> str:
    """A site as the name of a folder; who reads partitions decodes it."""
    return quote(site, safe="")


def _fingerprint(path: Path) -> str:
    try:
        found = pq.read_table(path, columns=["fingerprint"], partitioning=None)["fingerprint"]
    except (OSError, pa.ArrowException, KeyError):
        return ""
    return str(found[0]) if len(found) else ""


def _scenes(records: Sequence[SceneRecord]) -> pd.DataFrame:
    rows = [record.to_dict() for record in records]
    table = pd.DataFrame(rows, columns=["status", *SCENE_COLUMNS], dtype=object)
    table["acquired"] = pd.to_datetime(table["acquired"], utc=True)
    return table


def _write(path: Path, table: pd.DataFrame, schema: pa.Schema) -> None:
    """Write a table with the types that every file of it has, whatever is null in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = pa.Table.from_pandas(table, schema, preserve_index=False)
    with atomic_path(path) as temporary:
        pq.write_table(rows.replace_schema_metadata(None), temporary, compression="zstd")


def _views() -> str:
    """What names the tables, for `duckdb -init views.sql` in the folder of the store."""
    return "".join(
        f"CREATE OR REPLACE VIEW {name} AS SELECT * FROM read_parquet("  # noqa: S608 - our names
        f"'{name}/*/*/*.parquet', hive_partitioning = true, "
        "hive_types = {'site': VARCHAR, 'date': VARCHAR});\n"
        for name in TABLES
    )


def _schema(table: pd.DataFrame) -> pa.Schema:
    plain = pa.Schema.from_pandas(table, preserve_index=False)
    kinds = {DRAWS_COLUMN: pa.list_(pa.int32()), "acquired": _MOMENT}
    return pa.schema(
        [
            (item.name, kinds.get(item.name, _TEXT if _is_text(item.type) else item.type))
            for item in plain
        ]
    )


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


_COUNTS: Final = _schema(counts_table([]))
_STACKS: Final = _schema(no_stacks())
_SCENES: Final = pa.schema(
    [
        ("status", _TEXT),
        *(
            (name, _MOMENT if name == "acquired" else _KINDS.get(name, _TEXT))
            for name in SCENE_COLUMNS
        ),
    ]
)
