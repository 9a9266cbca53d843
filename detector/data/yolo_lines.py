"""Lines of YOLO label files: class and normalised coordinates."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detector.classes import PORT
from detector.data.files import label_text
from detector.data.labelled import Fault
from detector.geometry.boxes import Corners, as_corners, corners_from_xywhr
from detector.geometry.rectangles import min_rectangles

Lines = tuple[Corners, NDArray[np.int64], tuple[Fault, ...]]
Numbers = Mapping[int, int | None]
# Beside `labels/`: boxes of objects that are neither right nor wrong, in the same lines.
IGNORE_FOLDER: Final = "labels_ignore"
OUR_NUMBERS: Final[Numbers] = {class_id: class_id for class_id in range(len(PORT))}


def oriented_lines(
    path: Path,
    size: tuple[int, int],
    numbers: Numbers = OUR_NUMBERS,
    unused: Counter[int] | None = None,
) -> Lines:
    """Oriented boxes of a file: `class x1 y1 … x4 y4`, normalised.

    Args:
        path: label file; one that is missing holds no boxes.
        size: `(width, height)` of the image, pixels.
        numbers: the file's class numbers to ours; None for a class that is no object here. A
            number that is not in it is a fault.
        unused: counts the boxes of classes that are no objects here.

    Returns:
        Corners `(N, 4, 2)` in pixels (the smallest rectangle around each polygon), classes
        `(N,)`, and the lines that could not be used.
    """
    polygons, class_ids, faults = _records(path, 8, numbers, unused)
    points = [np.reshape(values, (4, 2)) * size for values in polygons]
    return min_rectangles(points), np.array(class_ids, np.int64), faults


def envelope_lines(
    path: Path,
    size: tuple[int, int],
    numbers: Numbers = OUR_NUMBERS,
    unused: Counter[int] | None = None,
) -> Lines:
    """Axis-aligned boxes of a file: `class cx cy w h`, normalised. See `oriented_lines`."""
    boxes, class_ids, faults = _records(path, 4, numbers, unused)
    if not boxes:
        return as_corners([]), np.zeros(0, np.int64), faults
    scaled = np.array(boxes) * [*size, *size]
    xywhr = np.concatenate([scaled, np.zeros((len(scaled), 1))], axis=1)
    return corners_from_xywhr(xywhr), np.array(class_ids, np.int64), faults


def _records(
    path: Path, count: int, classes: Numbers, unused: Counter[int] | None
) -> tuple[list[list[float]], list[int], tuple[Fault, ...]]:
    values: list[list[float]] = []
    class_ids: list[int] = []
    faults: list[Fault] = []
    for number, fields in _lines(path, faults):
        try:
            class_id = int(fields[0])
            coordinates = [float(text) for text in fields[1:]]
        except ValueError:
            faults.append(Fault(path, number, f"'{' '.join(fields)}' is not made of numbers"))
            continue
        ours = classes.get(class_id)
        if len(coordinates) != count:
            faults.append(Fault(path, number, f"{len(coordinates)} coordinates instead of {count}"))
        elif not all(math.isfinite(v) and -0.5 <= v <= 1.5 for v in coordinates):
            faults.append(Fault(path, number, "a coordinate is not normalised"))
        elif class_id not in classes:
            known = ", ".join(map(str, sorted(classes)))
            faults.append(Fault(path, number, f"class {class_id} is none of {known}"))
        elif ours is not None:
            values.append(coordinates)
            class_ids.append(ours)
        elif unused is not None:
            unused[class_id] += 1
    return values, class_ids, tuple(faults)


def _lines(path: Path, faults: list[Fault]) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate((label_text(path, faults) or "").splitlines(), start=1):
        if line.strip():
            yield number, line.split()
