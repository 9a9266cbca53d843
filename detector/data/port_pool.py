"""The port pool: `index.csv` with one row an image, YOLO-OBB labels beside it."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import numpy as np

from detector.classes import ObjectClass
from detector.data.labelled import DataError, Fault, LabelledImage, Labelling
from detector.data.yolo_lines import envelope_lines, oriented_lines
from detector.geometry.boxes import Corners, as_corners

INDEX: Final = "index.csv"
SHIP_LABELS: Final = {
    "obb": Labelling.ORIENTED,
    "hbb": Labelling.ENVELOPE,
    "none_labelled": Labelling.NONE,
}
STACK_LABELS: Final = {
    "complete": Labelling.ORIENTED,
    "none_seen": Labelling.NONE,
    "unlabelled": Labelling.UNLABELLED,
}


def read(root: Path, split: str | None = None) -> Iterator[LabelledImage]:
    """The images of the pool, in the order of its index.

    Args:
        root: folder of `index.csv`.
        split: `train` or `dev`; None gives all.

    Raises:
        DataError: the index is missing, empty, or names an unknown state or a missing image.
    """
    index = root / INDEX
    if not index.is_file():
        raise DataError(f"{index}: no such file; give the folder of the port pool")
    with index.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        raise DataError(f"{index}: no images")
    for number, row in enumerate(rows, start=2):
        if split is None or row["split"] == split:
            yield _image(root, row, f"{index}:{number}")


def _image(root: Path, row: Mapping[str, str], where: str) -> LabelledImage:
    path = root / "images" / row["image"]
    if not path.is_file():
        raise DataError(f"{where}: the image '{path}' is missing")
    size = int(row["width"]), int(row["height"])
    label = f"{path.stem}.txt"
    boxes, class_ids, faults = oriented_lines(root / "labels" / label, size)
    ships = _state(SHIP_LABELS, row["ship_labels"], where)
    envelopes, more = _ship_envelopes(root / "labels_hbb" / label, size, ships)
    ignored, ignored_ids, ignored_faults = oriented_lines(root / "labels_ignore" / label, size)
    return LabelledImage(
        image=path,
        width=size[0],
        height=size[1],
        source=row["source"],
        split=row["split"],
        place=row["place"],
        gsd_m=float(row["gsd_m"]) if row["gsd_m"] else None,
        corners=boxes,
        class_ids=class_ids,
        envelopes=envelopes,
        ignored=ignored,
        ignored_class_ids=ignored_ids,
        labelling=(ships, _state(STACK_LABELS, row["stack_labels"], where)),
        faults=(*faults, *more, *ignored_faults),
    )


def _ship_envelopes(
    path: Path, size: tuple[int, int], ships: Labelling
) -> tuple[Corners, tuple[Fault, ...]]:
    if ships is not Labelling.ENVELOPE:
        return as_corners([]), ()
    envelopes, class_ids, faults = envelope_lines(path, size)
    return envelopes[np.asarray(class_ids == ObjectClass.SHIP)], faults


def _state(states: Mapping[str, Labelling], name: str, where: str) -> Labelling:
    if name not in states:
        raise DataError(f"{where}: '{name}' is none of {', '.join(states)}")
    return states[name]
