"""HRSC2016: `AllImages/*.bmp` beside `Annotations/*.xml`.

An annotation gives each ship's rotated box as `mbox_cx, mbox_cy, mbox_w, mbox_h, mbox_ang`,
pixels and radians (Liu et al., ICPRAM 2017).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np

from detector.classes import PORT
from detector.data.files import find_images, label_text, orphans, with_sizes
from detector.data.labelled import DataError, Fault, LabelledImage, labelling_of
from detector.data.sources import SOURCES
from detector.documents import DocumentError, parse_xml
from detector.geometry.boxes import as_corners, corners_from_xywhr

XML_HEAD = re.compile(r"^\s*<\?xml[^>]*\?>")
FIELDS = ("mbox_cx", "mbox_cy", "mbox_w", "mbox_h", "mbox_ang")
SOURCE = SOURCES["HRSC2016"]


def read(root: Path, faults: list[Fault] | None = None) -> Iterator[LabelledImage]:
    """The images of an HRSC2016 folder (`FullDataSet`, `Train` or `Test`).

    Args:
        root: holds `AllImages/` and `Annotations/`.
        faults: gets annotations without an image, and images that cannot be read.

    Raises:
        DataError: a folder is missing or empty.
        SceneError: an image cannot be read, and `faults` is None.
    """
    images = find_images(root / "AllImages")
    labels = root / "Annotations"
    if not labels.is_dir():
        raise DataError(f"{root}: no Annotations folder beside AllImages")
    if faults is not None:
        faults.extend(orphans(images, labels, ".xml"))
    for image, size in with_sizes(images, faults):
        yield _image(image, size, labels / f"{image.stem}.xml")


def _image(image: Path, size: tuple[int, int], label: Path) -> LabelledImage:
    faults: list[Fault] = []
    boxes: dict[bool, list[list[float]]] = {False: [], True: []}
    tree = _parse(label, faults)
    for number, item in enumerate(tree.iter("HRSC_Object") if tree is not None else (), start=1):
        try:
            values = [float(item.findtext(name, "")) for name in FIELDS]
        except ValueError:
            faults.append(Fault(label, 0, f"object {number} has no whole rotated box"))
            continue
        if not np.isfinite(values).all() or min(values[2:4]) <= 0:
            faults.append(Fault(label, 0, f"object {number} has no size"))
            continue
        boxes[item.findtext("difficult", "0").strip() == "1"].append(values)
    corners = _corners(boxes[False])
    place = tree.findtext("Place_ID", "") if tree is not None else ""
    return LabelledImage(
        image=image,
        width=size[0],
        height=size[1],
        source="HRSC2016",
        split="",
        place=f"hrsc_{place}" if place else image.stem,
        gsd_m=_gsd(tree),
        corners=corners,
        class_ids=np.full(len(corners), PORT.id("ship"), np.int64),
        ignored=_corners(boxes[True]),
        labelling=labelling_of(SOURCE, labelled=tree is not None),
        faults=tuple(faults),
    )


def _parse(label: Path, faults: list[Fault]) -> ET.Element | None:
    text = label_text(label, faults, "no annotation of this image")
    if text is None:
        return None
    try:
        # expat knows few encodings, and the declared one is often not that of the file
        return parse_xml(XML_HEAD.sub("", text))
    except DocumentError as error:
        faults.append(Fault(label, error.line, "not XML"))
        return None


def _gsd(tree: ET.Element | None) -> float | None:
    try:
        value = float(tree.findtext("Img_Resolution", "")) if tree is not None else 0.0
    except ValueError:
        return None
    return value if 0 < value < 100 else None


def _corners(values: list[list[float]]) -> np.ndarray:
    return corners_from_xywhr(np.array(values)) if values else as_corners([])
