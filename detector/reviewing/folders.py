"""Sheets as folders of label files: YOLO-OBB and DOTA.

YOLO-OBB: `labels/<picture>.txt`, `class x1 y1 … x4 y4`, normalised
(https://docs.ultralytics.com/datasets/obb). DOTA: `labelTxt/<picture>.txt`, `x1 y1 … x4 y4 class
difficulty`, pixels (https://captain-whu.github.io/DOTA); a doubtful box is a difficult one.

A line of either has no room for an id, a verdict or a comment. They stand in `boxes.csv` beside
the labels, by picture and line as written: a line that nobody touched finds its own there again,
a line that changed is known by where it lies (`compare`), one that is gone was deleted. Pictures
that somebody looked at as a whole are listed in `looked.txt`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Final

import numpy as np
import yaml

from detector.classes import PORT, ClassSet
from detector.documents import DocumentError, decode_text, read_rows
from detector.errors import QuaywatchError
from detector.reviewing.errors import ReviewError
from detector.reviewing.sheet import Sheet, SheetRow, Told, sheet_of

BOXES_FILE: Final = "boxes.csv"
LOOKED_FILE: Final = "looked.txt"
COLUMNS: Final = ("picture", "width", "height", "line", "box", "verdict", "comment")
PIXEL_DIGITS: Final = 4
SHARE_DIGITS: Final = 8


@dataclass(frozen=True, slots=True)
class Lines:
    """How a format writes and reads a box.

    Attributes:
        folder: of the label files.
        write: a box of a sheet as a line.
        read: class name, outline and whether it is doubtful, of a line and a picture's size.
    """

    folder: str
    write: Callable[[Sheet, int], str]
    read: Callable[[str, tuple[int, int], ClassSet], tuple[str, np.ndarray, bool]]


def write_folder(kind: str, sheets: Sequence[Sheet]) -> dict[str, str]:
    """Sheets as the files of a folder: path in it to text.

    Args:
        kind: `yolo-obb` or `dota`.
        sheets: each of another picture.
    """
    lines = FOLDERS[kind]
    files = {}
    rows = io.StringIO()
    table = csv.writer(rows, lineterminator="\n")
    table.writerow(COLUMNS)
    for sheet in sheets:
        told = [lines.write(sheet, i) for i in range(len(sheet.ids))]
        files[f"{lines.folder}/{PurePath(sheet.image).stem}.txt"] = "".join(f"{t}\n" for t in told)
        size = (sheet.width, sheet.height)
        table.writerow([sheet.image, *size, "", "", "", ""])  # also of a picture without a box
        for i, line in enumerate(told):
            said = (sheet.ids[i], sheet.verdicts[i], sheet.comments[i])
            table.writerow([sheet.image, *size, line, *said])
    files[BOXES_FILE] = rows.getvalue()
    files[LOOKED_FILE] = "".join(f"{sheet.image}\n" for sheet in sheets if sheet.reviewed)
    if kind == "yolo-obb":
        names = dict(enumerate((sheets[0].classes if sheets else PORT).names))
        content = {"path": ".", "train": "images", "val": "images", "names": names}
        files["data.yaml"] = yaml.safe_dump(content, sort_keys=False)
    return files


def read_folder(kind: str, folder: Path, classes: ClassSet = PORT) -> list[Sheet]:
    """The sheets of a folder.

    Args:
        kind: `yolo-obb` or `dota`.
        folder: as `write_folder` wrote it, after somebody worked on its label files.
        classes: that are known.

    Raises:
        ReviewError: `boxes.csv` is missing or damaged, or a line of a label file is none.
    """
    lines = FOLDERS[kind]
    known, sizes = _boxes(folder / BOXES_FILE)
    looked_file = folder / LOOKED_FILE
    looked = decode_text(looked_file.read_bytes()).splitlines() if looked_file.is_file() else []
    sheets = []
    for image, size in sizes.items():
        path = folder / lines.folder / f"{PurePath(image).stem}.txt"
        rows = _rows(path, lines, size, classes, known[image])
        told = Told(reviewed=image in looked, answered=path.is_file())
        sheets.append(sheet_of(image, size, rows, classes, told))
    return sheets


def _boxes(
    path: Path,
) -> tuple[dict[str, dict[str, list[tuple[str, str, str]]]], dict[str, tuple[int, int]]]:
    """Of each picture: what belongs to each line, and its size."""
    try:
        table, columns = read_rows(path)
        if columns != COLUMNS:
            raise ReviewError(f"{path}: its columns are not {', '.join(COLUMNS)}")
        sizes = {row["picture"]: (int(row["width"]), int(row["height"])) for row in table}
    except (OSError, DocumentError, ValueError, TypeError) as error:
        raise ReviewError(
            f"{path}: cannot be read ({error}); it came with the export and says which box is "
            "which: put it back"
        ) from error
    known: dict[str, dict[str, list[tuple[str, str, str]]]] = {name: {} for name in sizes}
    for row in table:
        if row["line"]:
            said = (row["box"], row["verdict"], row["comment"])
            known[row["picture"]].setdefault(row["line"], []).append(said)
    return known, sizes


def _rows(
    path: Path,
    lines: Lines,
    size: tuple[int, int],
    classes: ClassSet,
    known: Mapping[str, list[tuple[str, str, str]]],
) -> list[SheetRow]:
    if not path.is_file():
        return []
    left = {line: list(said) for line, said in known.items()}
    rows = []
    for number, line in enumerate(decode_text(path.read_bytes()).splitlines(), start=1):
        text = " ".join(line.split())
        if not text or text.startswith(("imagesource:", "gsd:")):
            continue
        try:
            name, outline, doubtful = lines.read(text, size, classes)
        except (ValueError, IndexError, QuaywatchError) as error:
            raise ReviewError(f"{path}:{number}: '{text[:80]}' is no box ({error})") from error
        said = left.get(text, [])
        box, verdict, comment = said.pop(0) if said else ("", "", "")
        rows.append(SheetRow(name, outline, box, verdict or ("doubtful" * doubtful), comment))
    return rows


def _write_yolo(sheet: Sheet, i: int) -> str:
    shares = (sheet.corners[i] / [sheet.width, sheet.height]).ravel()
    return f"{sheet.class_ids[i]} " + " ".join(f"{value:.{SHARE_DIGITS}f}" for value in shares)


def _read_yolo(line: str, size: tuple[int, int], classes: ClassSet) -> tuple[str, np.ndarray, bool]:
    number, *shares = line.split()
    outline = np.array([float(share) for share in shares]).reshape(4, 2) * size
    if not 0 <= int(number) < len(classes):
        raise ReviewError(f"class {number} is none of 0 to {len(classes) - 1}")
    return classes.names[int(number)], _finite(outline), False


def _write_dota(sheet: Sheet, i: int) -> str:
    numbers = " ".join(f"{value:.{PIXEL_DIGITS}f}" for value in sheet.corners[i].ravel())
    difficult = int(sheet.verdicts[i] == "doubtful")
    return f"{numbers} {sheet.classes.names[sheet.class_ids[i]]} {difficult}"


def _read_dota(line: str, size: tuple[int, int], classes: ClassSet) -> tuple[str, np.ndarray, bool]:
    del size, classes
    words = line.split()
    outline = np.array([float(word) for word in words[:8]]).reshape(4, 2)
    return words[8], _finite(outline), words[9:10] not in ([], ["0"])


def _finite(outline: np.ndarray) -> np.ndarray:
    if not np.isfinite(outline).all():
        raise ReviewError("a coordinate is not finite")
    return outline


FOLDERS: Final[Mapping[str, Lines]] = {
    "yolo-obb": Lines("labels", _write_yolo, _read_yolo),
    "dota": Lines("labelTxt", _write_dota, _read_dota),
}
