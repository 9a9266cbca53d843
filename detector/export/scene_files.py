"""The files of one scene: `out/<scene_id>/`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pandas as pd
from pyarrow import ArrowException

from detector.counting.counts import counts_table
from detector.counting.zones import Zone
from detector.detections import Detections
from detector.documents import DocumentError, read_json
from detector.errors import OutputError
from detector.export.exporters import export_formats
from detector.export.formats import ALWAYS_WRITTEN, DEFAULT_FORMATS
from detector.export.records import SceneRecord
from detector.export.result import SceneResult
from detector.export.stacks import STACKS_FILE, read_stacks, write_stacks
from detector.export.tables import UNENCODABLE, write_json
from detector.export.vector import read_detections, write_geoparquet
from detector.files import atomic_folder
from detector.scenes.scene import Scene

RECORD_FILE = "scene.json"
HASHES: Final = "sha256"
PARQUET_FILE = "detections.parquet"
OWN: Final = "the run itself"  # beside the formats, in sentences
RECORD_FILES: Final = (PARQUET_FILE, STACKS_FILE, "stacks.parquet", RECORD_FILE)


def write_scene_files(
    folder: Path, scene: Scene, result: SceneResult, formats: Sequence[str] = DEFAULT_FORMATS
) -> None:
    """Write a scene's folder, whole or not at all.

    `detections.parquet`, `stacks.csv`, `stacks.parquet` and `scene.json` are what later runs read,
    and always there; what else there is, `formats` says.

    Args:
        folder: to make; an existing one is replaced.
        scene: open.
        result: of the scene.
        formats: names of exporters.

    Raises:
        SceneError: the scene is damaged.
        OutputError: the folder cannot be written.
        PluginError: the exporter of another distribution cannot be used, or failed.
    """
    with atomic_folder(folder) as temporary:
        detections = result.detections
        write_geoparquet(temporary / PARQUET_FILE, [detections.to_geodataframe()], detections.crs)
        write_stacks(temporary / STACKS_FILE, result.stacks)
        # As the file has them, so that a format that is written later gets the same numbers.
        result = replace(result, stacks=read_stacks(temporary / STACKS_FILE))
        written = export_formats(temporary, scene, result, formats, {OWN: RECORD_FILES})
        write_record(temporary, result.record, result.counts, written)


def missing_formats(folder: Path, formats: Sequence[str]) -> list[str]:
    """The formats that a scene's folder lacks, or of which a file is gone."""
    written = _written(folder)
    return [
        name
        for name in dict.fromkeys(formats)
        if name not in ALWAYS_WRITTEN
        and not (name in written and all((folder / file).is_file() for file in written[name]))
    ]


def add_formats(folder: Path, scene: Scene, zones: Sequence[Zone], formats: Sequence[str]) -> None:
    """Write more formats of a scene that is done, from its record: the same bytes as at once.

    Args:
        folder: of the scene.
        scene: open.
        zones: of the run, in file pixels.
        formats: names of exporters.

    Raises:
        OutputError: the record is gone or damaged, or the folder cannot be written.
        PluginError: the exporter of another distribution cannot be used, or failed.
        SceneError: the scene is damaged.
    """
    read = read_scene_files(folder)
    try:
        table = read_detections(folder / PARQUET_FILE)
    except (OSError, ArrowException) as error:
        raise OutputError(
            f"{folder / PARQUET_FILE}: gone or damaged ({' '.join(str(error).split())[:200]}); "
            "remove the folder and run detector predict again"
        ) from error
    if read is None:
        raise OutputError(f"{folder / RECORD_FILE}: gone or damaged; remove the folder")
    record, counts = read
    found = Detections.from_geodataframe(table, scene_id=record.scene_id)
    stacks = read_stacks(folder / STACKS_FILE)
    result = SceneResult(replace(found, crs=record.crs), counts, zones, record, stacks)
    written = export_formats(folder, scene, result, formats, _written(folder))
    write_record(folder, record, counts, written)


def write_record(
    folder: Path,
    record: SceneRecord,
    counts: pd.DataFrame,
    written: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Write `scene.json`: the record, and the counts in full, as a resumed run needs them.

    Args:
        folder: of the scene.
        record: of the scene.
        counts: of the scene.
        written: files of each format.

    Raises:
        OutputError: it cannot be written.
    """
    table = counts.astype(object)
    table["acquired"] = [_exact_time(moment) for moment in counts["acquired"]]
    rows = table.where(table.notna(), None).to_dict(orient="records")
    kept = sorted((written or {}).items())
    formats = {name: list(files) for name, files in kept if name != OWN}
    content = {**record.to_dict(), "counts": rows, "formats": formats}
    hashes = {name: _sha256(folder / name) for name in RECORD_FILES if name != RECORD_FILE}
    hashes[RECORD_FILE] = _content_sha256(content)
    write_json(folder / RECORD_FILE, {**content, HASHES: hashes})


def is_damaged(folder: Path) -> bool:
    """Whether what later runs read of a scene's folder is not what was written there.

    A record of another version, which tells no hashes, is not damaged.
    """
    try:
        content = read_json(folder / RECORD_FILE)
        hashes = content.pop(HASHES, None) if isinstance(content, dict) else None
        if hashes is None:
            return not isinstance(content, dict)
        found = {name: _sha256(folder / name) for name in RECORD_FILES if name != RECORD_FILE}
        return bool(hashes != found | {RECORD_FILE: _content_sha256(content)})
    except (OSError, DocumentError):
        return True


def _sha256(file: Path) -> str | None:
    if not file.exists():
        return None
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _content_sha256(content: Mapping[str, Any]) -> str:
    """Of the content as it is read back."""
    text = json.dumps(content, ensure_ascii=False).encode("utf-8", UNENCODABLE)
    plain = json.dumps(json.loads(text), sort_keys=True)
    return hashlib.sha256(plain.encode()).hexdigest()


def read_record(folder: Path) -> SceneRecord:
    """The record of a scene that is done.

    Args:
        folder: of the scene.

    Raises:
        OutputError: there is none of this version.
    """
    found = read_scene_files(folder)
    if found is None:
        raise OutputError(
            f"{folder / RECORD_FILE}: the scene's record is missing or damaged; run detector "
            "predict again with overwrite=true"
        )
    return found[0]


def read_scene_files(folder: Path) -> tuple[SceneRecord, pd.DataFrame] | None:
    """Record and counts of a scene's folder; None where there are none of this version."""
    try:
        content = read_json(folder / RECORD_FILE)
        for key in ("formats", HASHES):
            content.pop(key, None)
        counts = counts_table(content.pop("counts"))
        return SceneRecord.from_dict(content), counts
    except (OSError, DocumentError, ValueError, KeyError, TypeError, AttributeError, OverflowError):
        return None


def _written(folder: Path) -> dict[str, list[str]]:
    """The files of a scene's folder, by what wrote them."""
    content = json.loads((folder / RECORD_FILE).read_text(encoding="utf-8"))
    return {OWN: list(RECORD_FILES), **content.get("formats", {})}


def _exact_time(moment: Any) -> str | None:
    return None if pd.isna(moment) else str(moment.isoformat())
