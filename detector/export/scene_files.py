"""The files of one scene: `out/<scene_id>/`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from detector.counting.counts import counts_table
from detector.counting.zones import Zone
from detector.detections import Detections
from detector.documents import DocumentError, read_json
from detector.errors import OutputError
from detector.export.exporters import export_formats
from detector.export.formats import ALWAYS_WRITTEN, DEFAULT_FORMATS
from detector.export.records import SceneRecord
from detector.export.result import SceneResult
from detector.export.seals import FILES, RECORD_FILE, SEAL, altered_record, file_seals, write_sealed
from detector.export.stacks import STACKS_FILE, read_stacks, write_stacks
from detector.export.vector import read_detections, write_detections
from detector.files import atomic_folder, is_file
from detector.later import pandas as pd
from detector.scenes.scene import Scene

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
        SceneError: the scene is damaged, or was changed since it was opened.
        OutputError: the folder cannot be written.
        PluginError: the exporter of another distribution cannot be used, or failed.
    """
    with atomic_folder(folder) as temporary:
        detections = result.detections
        write_detections(temporary / PARQUET_FILE, detections)
        # As the file has them, so that a format that is written later gets the same numbers.
        stacks = write_stacks(temporary / STACKS_FILE, result.stacks)
        result = replace(result, stacks=stacks)
        written = export_formats(temporary, scene, result, formats, {OWN: RECORD_FILES})
        write_record(temporary, result.record, result.counts, written)
        scene.check_unchanged()


def missing_formats(folder: Path, formats: Sequence[str]) -> list[str]:
    """The formats that a scene's folder lacks, or of which a file is gone."""
    written = _written(folder)
    return [
        name
        for name in dict.fromkeys(formats)
        if name not in ALWAYS_WRITTEN
        and not (name in written and all(is_file(folder / file) for file in written[name]))
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
    table = read_detections(folder / PARQUET_FILE)
    record, counts = _read_content(folder)
    found = Detections.from_geodataframe(table, scene_id=record.scene_id)
    stacks = read_stacks(folder / STACKS_FILE)
    result = SceneResult(replace(found, crs=record.crs), counts, zones, record, stacks)
    written = export_formats(folder, scene, result, formats, _written(folder))
    write_record(folder, record, counts, written, _seals(folder, formats))


def write_record(
    folder: Path,
    record: SceneRecord,
    counts: pd.DataFrame,
    written: Mapping[str, Sequence[str]] | None = None,
    sealed: Mapping[str, str] | None = None,
) -> None:
    """Write `scene.json`: the record, and the counts in full, as a resumed run needs them.

    It seals the files, see `seals`.

    Args:
        folder: of the scene.
        record: of the scene.
        counts: of the scene.
        written: files of each format, and of the record itself.
        sealed: files that keep the seals that they have.

    Raises:
        OutputError: it cannot be written.
    """
    columns = [[_plain(value) for value in counts[name].tolist()] for name in counts]
    rows = [dict(zip(counts, row, strict=True)) for row in zip(*columns, strict=True)]
    kept = sorted((written or {}).items())
    formats = {name: list(files) for name, files in kept if name != OWN}
    names = {file for _, files in kept for file in files} - {RECORD_FILE}
    content = {**record.to_dict(), "counts": rows, "formats": formats}
    seals = {**file_seals(folder, names - set(sealed or {})), **(sealed or {})}
    write_sealed(folder / RECORD_FILE, {**content, FILES: dict(sorted(seals.items()))})


def is_damaged(folder: Path) -> bool:
    """Whether what later runs read of a scene's folder is not what was written there.

    A record of another version, which has no seals, is not damaged.
    """
    try:
        content = read_json(folder / RECORD_FILE)
    except (OSError, DocumentError):
        return True
    if not isinstance(content, dict):
        return True
    return altered_record(folder, RECORD_FILES) is not None


def read_record(folder: Path) -> SceneRecord:
    """The record of a scene that is done.

    Args:
        folder: of the scene.

    Raises:
        OutputError: there is none of this version.
    """
    return _read_content(folder)[0]


def read_scene_files(folder: Path) -> tuple[SceneRecord, pd.DataFrame] | None:
    """Record and counts of a scene's folder; None where there are none of this version."""
    try:
        return _read_content(folder)
    except OutputError:
        return None


def _read_content(folder: Path) -> tuple[SceneRecord, pd.DataFrame]:
    """Record and counts of a scene's folder.

    Raises:
        OutputError: there are none of this version; says what is wrong, and in which field.
    """
    path = folder / RECORD_FILE
    try:
        content = read_json(path)
        for key in ("formats", FILES, SEAL):
            content.pop(key, None)
        counts = counts_table(content.pop("counts"))
        return SceneRecord.from_dict(content), counts
    except (
        *(OSError, DocumentError, ValueError, KeyError),
        *(TypeError, AttributeError, OverflowError),
    ) as error:
        missing = f"no '{error.args[0]}'" if isinstance(error, KeyError) else str(error)
        raise OutputError(
            f"{path}: the scene's record is missing or damaged ({' '.join(missing.split())[:200]});"
            " run detector predict again with overwrite=true"
        ) from error


def _written(folder: Path) -> dict[str, list[str]]:
    """The files of a scene's folder, by what wrote them."""
    content = json.loads((folder / RECORD_FILE).read_text(encoding="utf-8"))
    return {OWN: list(RECORD_FILES), **content.get("formats", {})}


def _seals(folder: Path, but: Sequence[str]) -> dict[str, str]:
    """The seals of a scene's files, without those of some formats, which are written anew."""
    content = json.loads((folder / RECORD_FILE).read_text(encoding="utf-8"))
    anew = {file for name in but for file in content.get("formats", {}).get(name, ())}
    return {name: seal for name, seal in content.get(FILES, {}).items() if name not in anew}


def _plain(value: Any) -> Any:
    """A cell as JSON has it; times are exact."""
    if pd.isna(value):
        return None
    return value.isoformat() if isinstance(value, pd.Timestamp) else value
