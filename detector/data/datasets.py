"""The table of dataset readers: a new dataset is one file, one line here, a name in `kinds`.

Other distributions add readers of their own (docs/extending/datasets.md).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from detector.classes import PORT, ClassSet
from detector.data import coco, dota, geojson, hrsc, port_pool, xview, yolo
from detector.data.kinds import DATASETS
from detector.data.labelled import DataError, Fault, LabelledImage
from detector.errors import PluginError, nearest

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
    "geojson": geojson.read,
}
POOL_VARIABLE: Final = "QUAYWATCH_POOL"
POOL_KINDS: Final = ("pool", "port")
# Layouts that name their classes themselves; the others have those of `detector.classes.PORT`.
ANY_CLASSES: Final[Mapping[str, ClassReader]] = {
    "yolo": yolo.read,
    "yolo-obb": yolo.read_oriented,
    "coco": coco.read,
    "geojson": geojson.read,
}


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


def read_dataset(
    name: str, root: Path, classes: ClassSet = PORT
) -> tuple[list[LabelledImage], list[Fault]]:
    """All images of a dataset that can be read, and what of it could not be used.

    Args:
        name: key of `READERS`, or of a plug-in's reader.
        root: its folder.
        classes: that are looked for.

    Raises:
        DataError: an unknown name, or the folder is not laid out as documented.
        PluginError: the plug-in of that name cannot be used.
    """
    faults: list[Fault] = []
    images = read_images(name, root, faults, classes)
    return images, faults + [fault for image in images for fault in image.faults]


def read_images(
    name: str, root: Path, faults: list[Fault], classes: ClassSet = PORT
) -> list[LabelledImage]:
    """All images of a dataset that can be read.

    Args:
        name: key of `READERS`, or of a plug-in's reader.
        root: its folder.
        faults: gets what belongs to no image; each image holds its own.
        classes: that are looked for.

    Raises:
        DataError: as `read_dataset`.
        PluginError: as `read_dataset`.
    """
    known = DATASETS.names()
    if name not in known:
        words = f"{', '.join(known)}{nearest(name, known)}"
        raise DataError(f"'{name}' is none of the dataset kinds {words}")
    if name in ANY_CLASSES:
        images = list(ANY_CLASSES[name](root, faults, classes))
    else:
        reader = DATASETS.get(name, READERS)
        images = [image.in_classes(classes) for image in _read(name, reader, root, faults)]
    if not images:
        first = f"; first: {faults[0]}" if faults else ""
        raise DataError(f"{root}: no images that can be used{first}")
    return images


def _read(
    name: str, reader: Callable[..., Any], root: Path, faults: list[Fault]
) -> Iterator[LabelledImage]:
    """What a reader gives, which may be anybody's."""
    with DATASETS.blaming(name):
        images = reader(root, faults)
        for image in images if isinstance(images, Iterable) else (images,):
            if not isinstance(image, LabelledImage):
                raise PluginError(
                    f"the dataset kind '{name}' of {DATASETS.distribution(name)} gives a "
                    f"{type(image).__name__}; it must give LabelledImage, one after the other"
                )
            yield image
