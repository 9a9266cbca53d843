"""The table of dataset readers; a new dataset is one file and one line here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from detector.data import coco, dota, hrsc, port_pool, xview, yolo
from detector.data.labelled import DataError, Fault, LabelledImage

Reader = Callable[[Path, list[Fault]], Iterator[LabelledImage]]

READERS: Final[Mapping[str, Reader]] = {
    "port": lambda root, _: port_pool.read(root),
    "dota": dota.read,
    "hrsc": hrsc.read,
    "xview": xview.read,
    "yolo": yolo.read,
    "yolo-obb": yolo.read_oriented,
    "coco": coco.read,
}


def read_dataset(name: str, root: Path) -> tuple[list[LabelledImage], list[Fault]]:
    """All images of a dataset, and what of it could not be used.

    Args:
        name: key of `READERS`.
        root: its folder.

    Raises:
        DataError: an unknown name, or the folder is not laid out as documented.
        SceneError: an image cannot be read.
    """
    if name not in READERS:
        raise DataError(f"'{name}' is none of the dataset kinds {', '.join(READERS)}")
    faults: list[Fault] = []
    images = list(READERS[name](root, faults))
    if not images:
        raise DataError(f"{root}: no images")
    return images, faults + [fault for image in images for fault in image.faults]
