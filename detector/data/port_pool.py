"""The port pool: `index.csv` with one row an image, YOLO-OBB labels beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from detector.classes import PORT
from detector.data.files import find_images, orphans
from detector.data.labelled import DataError, Fault, LabelledImage, Labelling
from detector.data.yolo_lines import IGNORE_FOLDER, envelope_lines, oriented_lines
from detector.documents import DocumentError, read_rows
from detector.files import is_file
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
# Where the boxes of a class are that an image's row says is labelled.
LABEL_FOLDERS: Final = {Labelling.ORIENTED: "labels", Labelling.ENVELOPE: "labels_hbb"}
SHIP_ID: Final = PORT.id("ship")
ENVELOPE_NUMBERS: Final = {SHIP_ID: SHIP_ID}


def read(
    root: Path, split: str | None = None, faults: list[Fault] | None = None
) -> Iterator[LabelledImage]:
    """The images of the pool, in the order of its index.

    Args:
        root: folder of `index.csv`.
        split: `train` or `dev`; None gives all.
        faults: gets images and label files without a row of the index.

    Raises:
        DataError: the index is missing, empty, or names an unknown state or a missing image.
    """
    index = root / INDEX
    if not index.is_file():
        raise DataError(f"{index}: no such file; give the folder of the port pool")
    try:
        rows, _ = read_rows(index)
    except (OSError, DocumentError) as error:
        raise DataError(f"{index}: cannot be read ({error})") from error
    if not rows:
        raise DataError(f"{index}: no images")
    if faults is not None:
        faults.extend(_without_row(root, {row.get("image", "") for row in rows}))
    for number, row in enumerate(rows, start=2):
        if split is None or row.get("split") == split:
            where = f"{index}:{number}"
            try:
                yield _image(root, row, where)
            except (KeyError, ValueError) as error:
                raise DataError(f"{where}: cannot be used ({error})") from error


def _image(root: Path, row: Mapping[str, str], where: str) -> LabelledImage:
    path = root / "images" / row["image"]
    if not is_file(path):
        raise DataError(f"{where}: the image '{path}' is missing")
    size = int(row["width"]), int(row["height"])
    label = f"{path.stem}.txt"
    said = (
        _state(SHIP_LABELS, row["ship_labels"], where),
        _state(STACK_LABELS, row["stack_labels"], where),
    )
    labelling, missing = _labelling(root, label, said)
    boxes, class_ids, faults = oriented_lines(root / "labels" / label, size)
    envelopes, more = _ship_envelopes(root / "labels_hbb" / label, size, labelling)
    ignored, ignored_ids, ignored_faults = oriented_lines(root / IGNORE_FOLDER / label, size)
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
        labelling=labelling,
        faults=(*missing, *faults, *more, *ignored_faults),
    )


def _labelling(
    root: Path, label: str, said: tuple[Labelling, ...]
) -> tuple[tuple[Labelling, ...], tuple[Fault, ...]]:
    """What the row says of each class; nothing is known of those whose label file is missing."""
    paths = [root / LABEL_FOLDERS[s] / label if s in LABEL_FOLDERS else None for s in said]
    missing = {path for path in paths if path is not None and not is_file(path)}
    states = [Labelling.UNLABELLED if p in missing else s for s, p in zip(said, paths, strict=True)]
    return tuple(states), tuple(Fault(p, 0, "no label file of this image") for p in sorted(missing))


def _ship_envelopes(
    path: Path, size: tuple[int, int], labelling: tuple[Labelling, ...]
) -> tuple[Corners, tuple[Fault, ...]]:
    if labelling[SHIP_ID] is not Labelling.ENVELOPE:
        return as_corners([]), ()
    envelopes, _, faults = envelope_lines(path, size, ENVELOPE_NUMBERS)
    return envelopes, faults


def _without_row(root: Path, names: set[str]) -> Iterator[Fault]:
    images = find_images(root / "images")
    for image in images:
        if str(image.relative_to(root / "images")) not in names:
            yield Fault(image, 0, f"no row of {INDEX} names this image")
    for folder in (*LABEL_FOLDERS.values(), IGNORE_FOLDER):
        yield from orphans([Path(name) for name in names], root / folder, ".txt")


def _state(states: Mapping[str, Labelling], name: str, where: str) -> Labelling:
    if name not in states:
        raise DataError(f"{where}: '{name}' is none of {', '.join(states)}")
    return states[name]
