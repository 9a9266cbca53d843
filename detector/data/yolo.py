"""YOLO and YOLO-OBB folders: `images/`, `labels/` and a `data.yaml` with the class names.

A line is `class cx cy w h` or `class x1 y1 … x4 y4`, normalised
(https://docs.ultralytics.com/datasets).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from detector.classes import CLASS_NAMES, ObjectClass, SourceClasses
from detector.data.files import find_images, image_size, orphans
from detector.data.labelled import DataError, Fault, LabelledImage, labelling_of
from detector.data.yolo_lines import Lines, envelope_lines, oriented_lines
from detector.geometry.boxes import as_corners

OURS: Mapping[str, ObjectClass] = {name: ObjectClass(i) for i, name in enumerate(CLASS_NAMES)}
LineReader = Callable[[Path, tuple[int, int], Mapping[int, int]], Lines]


def read(
    root: Path, faults: list[Fault] | None = None, classes: Mapping[str, ObjectClass] = OURS
) -> Iterator[LabelledImage]:
    """The images of a YOLO folder with axis-aligned boxes.

    Args:
        root: holds `images/`, `labels/` and `data.yaml`.
        faults: gets label files without an image.
        classes: the folder's class names to ours; others are no objects here.

    Raises:
        DataError: a folder or `data.yaml` is missing, or no class is known.
        SceneError: an image cannot be read.
    """
    return _read(root, faults, classes, envelope_lines, oriented=False)


def read_oriented(
    root: Path, faults: list[Fault] | None = None, classes: Mapping[str, ObjectClass] = OURS
) -> Iterator[LabelledImage]:
    """The images of a YOLO-OBB folder; see `read`."""
    return _read(root, faults, classes, oriented_lines, oriented=True)


def _read(
    root: Path,
    faults: list[Fault] | None,
    classes: Mapping[str, ObjectClass],
    lines: LineReader,
    *,
    oriented: bool,
) -> Iterator[LabelledImage]:
    numbers = class_numbers(root / "data.yaml", classes)
    labelled = [0.0 if c in numbers.values() else None for c in ObjectClass]
    table = SourceClasses(classes, tuple(labelled), oriented=oriented)
    images = find_images(root / "images")
    if faults is not None:
        faults.extend(orphans(images, root / "labels", ".txt"))
    for image in images:
        label = root / "labels" / image.relative_to(root / "images").with_suffix(".txt")
        size = image_size(image)
        boxes, class_ids, wrong = lines(label, size, numbers)
        ships = class_ids == ObjectClass.SHIP
        yield LabelledImage(
            image=image,
            width=size[0],
            height=size[1],
            source=root.name,
            split="",
            place=image.stem,
            gsd_m=None,
            corners=boxes if oriented else as_corners([]),
            class_ids=class_ids if oriented else np.zeros(0, np.int64),
            envelopes=as_corners([]) if oriented else boxes[ships],
            # A stack's envelope is no block: it is passed over.
            ignored=as_corners([]) if oriented else boxes[~ships],
            labelling=labelling_of(table),
            faults=wrong,
        )


def class_numbers(path: Path, classes: Mapping[str, ObjectClass]) -> dict[int, int]:
    """The numbers of a `data.yaml` to our classes.

    Raises:
        DataError: the file is missing, not as documented, or names none of the classes.
    """
    try:
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        names = content["names"]
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise DataError(f"{path}: no class names ({type(error).__name__})") from error
    pairs = names.items() if isinstance(names, dict) else enumerate(names)
    found = {int(number): int(classes[name]) for number, name in pairs if name in classes}
    if not found:
        raise DataError(f"{path}: none of its classes is {', '.join(classes)}")
    return found
