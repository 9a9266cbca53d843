"""The table of dataset readers: a new dataset is one file, one line here, a name in `kinds`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from detector.data import coco, dota, hrsc, port_pool, xview, yolo
from detector.data.labelled import DataError, Fault, LabelledImage

Reader = Callable[[Path, list[Fault]], Iterator[LabelledImage]]

READERS: Final[Mapping[str, Reader]] = {
    "port": lambda root, faults: port_pool.read(root, faults=faults),
    "dota": dota.read,
    "hrsc": hrsc.read,
    "xview": xview.read,
    "yolo": yolo.read,
    "yolo-obb": yolo.read_oriented,
    "coco": coco.read,
}
POOL_VARIABLE: Final = "QUAYWATCH_POOL"
POOL_KINDS: Final = ("pool", "port")


def find_root(kind: str, root: str, option: str) -> Path:
    """The folder of a dataset; for the port pool, what `QUAYWATCH_POOL` names is the default.

    Args:
        kind: key of `READERS`, or `pool`.
        root: as told; empty where nothing was.
        option: with which it is told, for the error.

    Raises:
        DataError: nobody says where the dataset is.
    """
    if root:
        return Path(root)
    if kind not in POOL_KINDS:
        raise DataError(f"where is the dataset? Say {option}=folder of the {kind} dataset")
    if not os.environ.get(POOL_VARIABLE):
        raise DataError(
            f"where is the port pool? Say {option}=folder of the port pool, or set {POOL_VARIABLE} "
            "to that folder"
        )
    return Path(os.environ[POOL_VARIABLE])


def read_dataset(name: str, root: Path) -> tuple[list[LabelledImage], list[Fault]]:
    """All images of a dataset that can be read, and what of it could not be used.

    Args:
        name: key of `READERS`.
        root: its folder.

    Raises:
        DataError: an unknown name, or the folder is not laid out as documented.
    """
    faults: list[Fault] = []
    images = read_images(name, root, faults)
    return images, faults + [fault for image in images for fault in image.faults]


def read_images(name: str, root: Path, faults: list[Fault]) -> list[LabelledImage]:
    """All images of a dataset that can be read.

    Args:
        name: key of `READERS`.
        root: its folder.
        faults: gets what belongs to no image; each image holds its own.

    Raises:
        DataError: as `read_dataset`.
    """
    if name not in READERS:
        raise DataError(f"'{name}' is none of the dataset kinds {', '.join(READERS)}")
    images = list(READERS[name](root, faults))
    if not images:
        first = f"; first: {faults[0]}" if faults else ""
        raise DataError(f"{root}: no images that can be used{first}")
    return images
