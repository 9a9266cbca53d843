"""YOLO and YOLO-OBB folders: `images/`, `labels/` and a `data.yaml` with the class names.

A line is `class cx cy w h` or `class x1 y1 … x4 y4`, normalised
(https://docs.ultralytics.com/datasets).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from detector.classes import PORT, ClassSet
from detector.data.files import find_images, orphans, unused_classes, with_sizes
from detector.data.labelled import DataError, Fault, LabelledImage, labelling_of
from detector.data.sources import SourceClasses
from detector.data.yolo_lines import (
    IGNORE_FOLDER,
    Lines,
    Numbers,
    envelope_lines,
    oriented_lines,
)
from detector.documents import DocumentError, read_rows, read_yaml
from detector.geometry.boxes import as_corners

# What a folder of `detector data convert` knows of its images beside YOLO's own files.
INDEX: Final = "quaywatch.csv"
INDEX_COLUMNS: Final = ("image", "source", "split", "place", "gsd_m")
LineReader = Callable[[Path, tuple[int, int], Numbers, Counter[int]], Lines]


def read(
    root: Path, faults: list[Fault] | None = None, classes: ClassSet = PORT
) -> Iterator[LabelledImage]:
    """The images of a YOLO folder with axis-aligned boxes.

    Args:
        root: holds `images/`, `labels/` and `data.yaml`; if `detector data convert` wrote it,
            also the table of sources, splits, places and gsds, and the regions of oriented boxes
            that are neither right nor wrong.
        faults: gets label files without an image, images that cannot be read, and one note on the
            classes that are no objects here.
        classes: that are looked for, by name; others are no objects here.

    Raises:
        DataError: a folder or `data.yaml` is missing, no class is known, or the table is damaged.
        SceneError: an image cannot be read, and `faults` is None.
    """
    return _read(root, faults, classes, envelope_lines, oriented=False)


def read_oriented(
    root: Path, faults: list[Fault] | None = None, classes: ClassSet = PORT
) -> Iterator[LabelledImage]:
    """The images of a YOLO-OBB folder; see `read`."""
    return _read(root, faults, classes, oriented_lines, oriented=True)


def _read(
    root: Path,
    faults: list[Fault] | None,
    classes: ClassSet,
    lines: LineReader,
    *,
    oriented: bool,
) -> Iterator[LabelledImage]:
    names = class_names(root / "data.yaml", classes)
    ids = {name: class_id for class_id, name in enumerate(classes.names)}
    numbers = {number: ids.get(name) for number, name in names.items()}
    unused: Counter[int] = Counter()
    rows = _index(root / INDEX)
    labelled = {name: 0.0 for name in classes.names if name in names.values()}
    table = SourceClasses({}, labelled, oriented=oriented)
    images = find_images(root / "images")
    if faults is not None:
        for folder in ("labels", IGNORE_FOLDER)[: 1 + oriented]:
            faults.extend(orphans(images, root / folder, ".txt"))
    for image, size in with_sizes(images, faults):
        label = root / "labels" / image.relative_to(root / "images").with_suffix(".txt")
        boxes, class_ids, wrong = lines(label, size, numbers, unused)
        regions, region_ids, more = _ignored(root, label, size, numbers, oriented=oriented)
        boxed = class_ids == (-1 if classes.boxable is None else classes.boxable)
        row = rows.get(image.name, {})
        yield LabelledImage(
            image=image,
            width=size[0],
            height=size[1],
            source=row.get("source") or root.name,
            split=row.get("split", ""),
            place=row.get("place") or image.stem,
            gsd_m=float(row["gsd_m"]) if row.get("gsd_m") else None,
            corners=boxes if oriented else as_corners([]),
            class_ids=class_ids if oriented else np.zeros(0, np.int64),
            envelopes=as_corners([]) if oriented else boxes[boxed],
            # A stack's envelope is no block: it is passed over.
            ignored=regions if oriented else boxes[~boxed],
            ignored_class_ids=region_ids if oriented else None,
            labelling=labelling_of(table, classes),
            faults=(*wrong, *more),
            classes=classes,
        )
    if faults is not None:
        counts = {names[number]: count for number, count in unused.items()}
        faults.extend(unused_classes(root / "data.yaml", counts))


def _ignored(
    root: Path, label: Path, size: tuple[int, int], numbers: Numbers, *, oriented: bool
) -> Lines:
    """Regions that are neither right nor wrong; only folders with oriented boxes have them."""
    if not oriented:
        return as_corners([]), np.zeros(0, np.int64), ()
    return oriented_lines(root / IGNORE_FOLDER / label.relative_to(root / "labels"), size, numbers)


def _index(path: Path) -> dict[str, dict[str, str]]:
    if not path.is_file():
        return {}
    try:
        found, names = read_rows(path)
    except (OSError, DocumentError) as error:
        raise DataError(f"{path}: cannot be read ({error}); convert anew") from error
    rows = {row.get("image", ""): row for row in found}
    if names != INDEX_COLUMNS:
        raise DataError(f"{path}: its columns are not {', '.join(INDEX_COLUMNS)}; convert anew")
    for name, row in rows.items():
        try:
            float(row["gsd_m"] or 1.0)
        except (TypeError, ValueError) as error:
            raise DataError(f"{path}: {name} has no gsd but '{row['gsd_m']}'") from error
    return rows


def class_names(path: Path, classes: ClassSet) -> dict[int, str]:
    """The names of the classes of a `data.yaml`, by their numbers.

    Raises:
        DataError: the file is missing, not as documented, or names none of the classes.
    """
    try:
        content: Any = read_yaml(path)
        names = content["names"]
        pairs = names.items() if isinstance(names, dict) else enumerate(names)
        found = {int(number): str(name) for number, name in pairs}
    except (OSError, DocumentError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: no class names ({type(error).__name__})") from error
    if not set(classes.names) & set(found.values()):
        raise DataError(f"{path}: none of its classes is {', '.join(classes.names)}")
    return found
