"""A table of scenes: which there are, and what is known of each better than its file says."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final

from detector.documents import decode_text
from detector.scenes.limits import ANGLE_LIMITS_DEG, CLOUD_WORDS, LARGEST_GSD_M
from detector.scenes.types import ViewAngles
from detector.times import parse_acquired

ANGLES: Final = {name.removesuffix("_deg"): name for name in ANGLE_LIMITS_DEG}
COLUMNS: Final = ("path", "acquired", "gsd", "clouds", "bands", "nodata", *ANGLES)
MOST_BYTES: Final = 50_000_000


@dataclass(frozen=True, slots=True)
class TableRow:
    """A row of a table of scenes.

    Attributes:
        path: as written; empty where the problem is of the whole table.
        said: fields of `SceneOptions` with their values.
        problem: what is wrong, one sentence; None where nothing is.
    """

    path: str
    said: Mapping[str, Any] = field(default_factory=dict)
    problem: str | None = None


def read_scene_table(file: Path) -> Iterator[TableRow]:
    """The rows of a CSV with the column `path` and any other of `COLUMNS`; empty cells say nothing.

    Cells are parted by commas, semicolons or tabs; bands by spaces, as in `3 2 1`.
    """
    try:
        with file.open("rb") as opened:
            lines = decode_text(opened.read(MOST_BYTES)).removeprefix("\ufeff").splitlines()
    except OSError as error:
        yield TableRow("", problem=f"{file}: cannot be read as a table of scenes ({error})")
        return
    head = lines[0] if lines else ""
    reader = csv.reader(lines, delimiter=max(",;\t", key=head.count))
    names = [name.strip().lower() for name in next(reader, [])]
    unknown = [name for name in names if name not in COLUMNS]
    if unknown or "path" not in names or len(set(names)) < len(names):
        wrong = "lacks the column 'path', or has one twice"
        wrong = f"has the column '{unknown[0]}'" if unknown else wrong
        problem = f"{file}: {wrong}; a table of scenes may have {', '.join(COLUMNS)}"
        yield TableRow("", problem=problem)
        return
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            yield TableRow("", problem=f"{file}:{reader.line_num}: cannot be read ({error})")
            continue
        if cells is None:
            return
        row = dict(zip(names, (cell.strip() for cell in cells), strict=False))
        if any(row.values()):
            yield _row(f"{file}:{reader.line_num}", row)


def _row(where: str, row: Mapping[str, str]) -> TableRow:
    path = row.get("path", "")
    said: dict[str, Any] = {}
    angles: dict[str, float] = {}
    for name, text in row.items():
        if name == "path" or not text:
            continue
        try:
            if name in ANGLES:
                angles[ANGLES[name]] = _angle(ANGLES[name], text)
            else:
                key, read = _fields[name]
                said[key] = read(text)
        except (ValueError, OverflowError) as error:
            return TableRow(path, problem=f"{where}: {name} '{text}' cannot be used ({error})")
    if not path:
        return TableRow("", problem=f"{where}: names no scene; fill in path")
    return TableRow(path, said | ({"angles": ViewAngles(**angles)} if angles else {}))


def _angle(key: str, text: str) -> float:
    low, high = ANGLE_LIMITS_DEG[key]
    value = float(text)
    if not low <= value <= high:
        raise ValueError(f"from {low:g} to {high:g} degrees")
    return value


def _acquired(text: str) -> date:
    said = parse_acquired(text)
    found = said.moment or said.day
    if found is None:
        raise ValueError("a time such as 2023-10-13 or 2023-10-13T02:15:00Z")
    return found


def _gsd(text: str) -> float:
    value = float(text)
    if not 0 < value <= LARGEST_GSD_M:
        raise ValueError(f"metres a pixel, up to {LARGEST_GSD_M:g}")
    return value


def _bands(text: str) -> tuple[int, ...]:
    bands = tuple(int(word) for word in text.strip("[]").replace(",", " ").split())
    if len(bands) not in (1, 3) or min(bands) < 1:
        raise ValueError("one or three band numbers, as in 3 2 1")
    return bands


def _clouds(text: str) -> str:
    if text not in CLOUD_WORDS:
        raise ValueError(f"{', '.join(CLOUD_WORDS[:-1])} or {CLOUD_WORDS[-1]}")
    return text


def _nodata(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError("infinity is no value of a pixel; it is never valid")
    return value


_fields: Final[Mapping[str, tuple[str, Callable[[str], Any]]]] = {
    "acquired": ("acquired", _acquired),
    "gsd": ("gsd_m", _gsd),
    "clouds": ("clouds", _clouds),
    "bands": ("bands", _bands),
    "nodata": ("nodata", _nodata),
}
