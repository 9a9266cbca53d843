"""DOTA v1.0, v1.5 and v2.0: `images/` beside `labelTxt*/`.

A label file starts with `imagesource:` and `gsd:` lines; then one object a line:
`x1 y1 x2 y2 x3 y3 x4 y4 class difficult`, pixels (https://captain-whu.github.io/DOTA).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detector.classes import PORT
from detector.data.files import find_images, label_text, orphans, unused_classes, with_sizes
from detector.data.labelled import DataError, Fault, LabelledImage, labelling_of
from detector.data.sources import SOURCES
from detector.geometry.rectangles import min_rectangles

SOURCE = SOURCES["DOTA"]


def read(root: Path, faults: list[Fault] | None = None) -> Iterator[LabelledImage]:
    """The images of a DOTA folder (one split of it).

    Args:
        root: holds `images/` and `labelTxt/`, `labelTxt-v1.5/` or `labelTxt-v2.0/`.
        faults: gets label files without an image, images that cannot be read, and one note on the
            classes that are no objects here.

    Raises:
        DataError: a folder is missing or empty.
        SceneError: an image cannot be read, and `faults` is None.
    """
    images = find_images(root / "images")
    folders = sorted(path for path in root.glob("labelTxt*") if path.is_dir())
    if not folders:
        raise DataError(f"{root}: no labelTxt folder beside images; give one split of DOTA")
    labels = folders[-1]  # the newest version
    if faults is not None:
        faults.extend(orphans(images, labels, ".txt"))
    unused: Counter[str] = Counter()
    for image, size in with_sizes(images, faults):
        yield _image(image, size, labels / f"{image.stem}.txt", unused)
    if faults is not None:
        faults.extend(unused_classes(labels, unused))


def _image(image: Path, size: tuple[int, int], label: Path, unused: Counter[str]) -> LabelledImage:
    faults: list[Fault] = []
    gsd_m: float | None = None
    outlines: dict[bool, list[NDArray[np.float64]]] = {False: [], True: []}
    lines = (label_text(label, faults, "no label file of this image") or "").splitlines()
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if line.startswith("gsd:"):
            gsd_m = _gsd(line)
        elif words and not line.startswith("imagesource:"):
            reason = _add(words, outlines, unused)
            if reason:
                faults.append(Fault(label, number, reason))
    corners = min_rectangles(outlines[False])
    return LabelledImage(
        image=image,
        width=size[0],
        height=size[1],
        source="DOTA",
        split="",
        place=image.stem.split("__")[0],
        gsd_m=gsd_m,
        corners=corners,
        class_ids=np.full(len(corners), PORT.id("ship"), np.int64),
        ignored=min_rectangles(outlines[True]),
        labelling=labelling_of(SOURCE, labelled=label.is_file()),
        faults=tuple(faults),
    )


def _add(
    words: list[str], outlines: dict[bool, list[NDArray[np.float64]]], unused: Counter[str]
) -> str:
    """Add an object to the certain, difficult or unused ones; says what is wrong, or nothing."""
    if len(words) not in (9, 10):
        return f"{len(words)} fields instead of 10"
    if words[8] not in SOURCE.classes:
        unused[words[8]] += 1
        return ""
    try:
        points = np.array(words[:8], np.float64).reshape(4, 2)
    except ValueError:
        return f"'{' '.join(words[:8])}' is not made of numbers"
    if not np.isfinite(points).all():
        return "a coordinate is not finite"
    outlines[len(words) == 10 and words[9] not in ("0", "0.0")].append(points)
    return ""


def _gsd(line: str) -> float | None:
    try:
        value = float(line.partition(":")[2])
    except ValueError:  # "gsd:null" and "gsd:None" occur
        return None
    return value if math.isfinite(value) and value > 0 else None
