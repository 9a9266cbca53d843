"""The table of dataset readers: a new dataset is one file, one line here, a name in `kinds`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from detector.classes import PORT, ClassSet
from detector.data import coco, dota, hrsc, port_pool, xview, yolo
from detector.data.labelled import DataError, Fault, LabelledImage

Reader = Callable[[Path, list[Fault]], Iterator[LabelledImage]]
ClassReader = Callable[[Path, list[Fault], ClassSet], Iterator[LabelledImage]]

READERS: Final[Mapping[str, Reader]] = {
    "port": lambda root, faults: port_pool.read(root, faults=faults),
    "dota": dota.read,
    "hrsc": hrsc.read,
    "xview": xview.read,
    "yolo": yolo.read,
    "yolo-obb": yolo.read_oriented,
    "coco": coco.read,
}
# Layouts that name their classes themselves; the others have those of `detector.classes.PORT`.
ANY_CLASSES: Final[Mapping[str, ClassReader]] = {
    "yolo": yolo.read,
    "yolo-obb": yolo.read_oriented,
    "coco": coco.read,
}


def read_dataset(
    name: str, root: Path, classes: ClassSet = PORT
) -> tuple[list[LabelledImage], list[Fault]]:
    """All images of a dataset that can be read, and what of it could not be used.

    Args:
        name: key of `READERS`.
        root: its folder.
        classes: that are looked for.

    Raises:
        DataError: an unknown name, or the folder is not laid out as documented.
    """
    faults: list[Fault] = []
    images = read_images(name, root, faults, classes)
    return images, faults + [fault for image in images for fault in image.faults]


def read_images(
    name: str, root: Path, faults: list[Fault], classes: ClassSet = PORT
) -> list[LabelledImage]:
    """All images of a dataset that can be read.

    Args:
        name: key of `READERS`.
        root: its folder.
        faults: gets what belongs to no image; each image holds its own.
        classes: that are looked for.

    Raises:
        DataError: as `read_dataset`.
    """
    if name not in READERS:
        raise DataError(f"'{name}' is none of the dataset kinds {', '.join(READERS)}")
    if name in ANY_CLASSES:
        images = list(ANY_CLASSES[name](root, faults, classes))
    else:
        images = [image.in_classes(classes) for image in READERS[name](root, faults)]
    if not images:
        first = f"; first: {faults[0]}" if faults else ""
        raise DataError(f"{root}: no images that can be used{first}")
    return images
