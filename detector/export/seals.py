"""Seals: a run's own record of what it wrote, by which a file that was changed since is noticed.

`scene.json` holds the SHA-256 of every file of its scene, `run.json` that of the run's tables and
the seal of each `scene.json`; both hold their own, over all that they say. Pictures have none: they
hold no data.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from detector.documents import DocumentError, computed_tables, read_json
from detector.export.tables import write_json
from detector.files import file_sha256, is_file

SEAL: Final = "sha256"  # key of a sealed JSON: of all the others
FILES: Final = "files"  # key: name of a file to its SHA-256
RUN_FILE: Final = "run.json"
RECORD_FILE: Final = "scene.json"
GEOPACKAGE: Final = ".gpkg"
PICTURES: Final = (".png",)
OWN_LAYERS: Final = ("detections", "zones", "scenes")  # of a GeoPackage

State = Literal["changed", "gone", "foreign"]


@dataclass(frozen=True, slots=True)
class Altered:
    """A file that is no more what its run wrote.

    Attributes:
        name: path in the run's folder.
        state: `changed`, `gone`, or `foreign`: whole, but written by another run.
    """

    name: str
    state: State


def altered_files(out: Path) -> list[Altered] | None:
    """The files of a run that are not what it wrote.

    Reads every file but the pictures once, so it takes as long as copying them.

    Args:
        out: folder of a finished run.

    Returns:
        In the order of the run's record; None where an earlier version wrote it, without seals.
    """
    run = _content(out / RUN_FILE)
    if run is None or FILES not in run:
        return None
    found = [] if _is_sealed(run) else [Altered(RUN_FILE, "changed")]
    found += _altered(out, run[FILES], "")
    for scene in run["scenes"]:
        if SEAL in scene:
            found += _altered_scene(out, scene["scene_id"], scene[SEAL])
    return found


def altered_record(folder: Path, names: Iterable[str]) -> str | None:
    """The first of some files of a scene's folder, or its record, that is not what was written.

    Args:
        folder: of the scene.
        names: of files.

    Returns:
        Its name; None where all are as they were, or an earlier version wrote them without seals.
    """
    record = _content(folder / RECORD_FILE)
    if record is None or SEAL not in record:
        return None
    if not _is_sealed(record):
        return RECORD_FILE
    wanted = {name: seal for name, seal in record[FILES].items() if name in set(names)}
    return next((item.name for item in _altered(folder, wanted, "")), None)


def file_seals(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """SHA-256 of the content of files, by name, in the order of the names; pictures left out.

    Of a GeoPackage it is that of the rows of its layers: QGIS changes bytes of a file that is only
    looked at.

    Raises:
        OSError: a file cannot be read.
    """
    return {
        name: _sha256(folder / name)
        for name in sorted(names)
        if not name.endswith(PICTURES) and (folder / name).is_file()
    }


def write_sealed(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON with its own seal.

    Args:
        path: of the file.
        content: a seal in it is replaced.

    Raises:
        OutputError: it cannot be written.
    """
    write_json(path, {**content, SEAL: seal_of(content)})


def seal_of(content: Mapping[str, Any]) -> str:
    """SHA-256 of what a JSON says besides its seal, however it is laid out."""
    plain = {key: value for key, value in content.items() if key != SEAL}
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def record_seal(folder: Path) -> str | None:
    """The seal of a scene's record as it stands; None where it has none."""
    return (_content(folder / RECORD_FILE) or {}).get(SEAL)


def _altered_scene(out: Path, scene_id: str, seal: str) -> list[Altered]:
    name = f"{scene_id}/{RECORD_FILE}"
    record = _content(out / name)
    if record is None:
        state: State = "changed" if is_file(out / name) else "gone"
        return [Altered(name, state)]
    if not _is_sealed(record):
        return [Altered(name, "changed")]
    found = [] if record[SEAL] == seal else [Altered(name, "foreign")]
    return found + _altered(out / scene_id, record[FILES], f"{scene_id}/")


def _altered(folder: Path, seals: Mapping[str, str], prefix: str) -> list[Altered]:
    found = []
    for name, seal in seals.items():
        if not is_file(folder / name):
            found.append(Altered(prefix + name, "gone"))
        elif not _has_seal(folder / name, seal):
            found.append(Altered(prefix + name, "changed"))
    return found


def _has_seal(path: Path, seal: str) -> bool:
    try:
        return _sha256(path) == seal
    except OSError:
        return False


def _is_sealed(content: Mapping[str, Any]) -> bool:
    return content.get(SEAL) == seal_of(content) and isinstance(content.get(FILES), dict)


def _content(path: Path) -> dict[str, Any] | None:
    try:
        content = read_json(path)
    except (OSError, DocumentError):
        return None
    return content if isinstance(content, dict) else None


def _sha256(path: Path) -> str:
    return _rows_sha256(path) if path.suffix == GEOPACKAGE else file_sha256(path)


def _rows_sha256(path: Path) -> str:
    """Of columns and rows of a GeoPackage's layers, in the order in which they are stored.

    Raises:
        OSError: it is damaged.
    """
    digest = hashlib.sha256()
    if computed_tables(path) & set(OWN_LAYERS):
        raise OSError(f"{path}: a layer is computed while it is read")
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as opened:
            for layer in OWN_LAYERS:
                rows = opened.execute(f'SELECT * FROM "{layer}" ORDER BY rowid')  # noqa: S608 - ours
                digest.update(repr([column[0] for column in rows.description]).encode())
                for row in rows:
                    digest.update(repr(row).encode("utf-8", "backslashreplace"))
    except sqlite3.Error as error:
        raise OSError(f"{path}: {error}") from error
    return digest.hexdigest()
