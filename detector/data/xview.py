"""xView: `train_images/*.tif` and `xView_train.geojson`, axis-aligned boxes in image pixels.

Of each feature `bounds_imcoords` ("x1,y1,x2,y2"), `image_id` and `type_id` are read (Lam et al.,
arXiv:1802.07856).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from detector.data.files import find_images, unused_classes, with_sizes
from detector.data.labelled import DataError, Fault, LabelledImage, labelling_of
from detector.data.sources import SOURCES
from detector.documents import DocumentError, read_json
from detector.geometry.boxes import as_corners

GSD_M = 0.3  # WorldView-3, pan-sharpened
SOURCE = SOURCES["xView"]


def read(root: Path, faults: list[Fault] | None = None) -> Iterator[LabelledImage]:
    """The images of an xView folder.

    Args:
        root: holds `train_images/` and `xView_train.geojson`.
        faults: gets features of images that are not there, images that cannot be read, and one
            note on the classes that are no objects here.

    Raises:
        DataError: the images or the GeoJSON are missing or damaged.
        SceneError: an image cannot be read, and `faults` is None.
    """
    images = find_images(root / "train_images")
    path = root / "xView_train.geojson"
    try:
        features = [
            one for one in read_json(path, any_encoding=True)["features"] if one.keys() is not None
        ]
    except (OSError, DocumentError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: cannot be read as GeoJSON ({type(error).__name__})") from error
    by_image: dict[str, list[tuple[int, dict[str, Any]]]] = defaultdict(list)
    for number, feature in enumerate(features, start=1):
        found = feature.get("properties")
        properties = found if isinstance(found, dict) else {}
        by_image[str(properties.get("image_id"))].append((number, properties))
    names = {image.name for image in images}
    if faults is not None:
        missing = sorted(set(by_image) - names)
        faults.extend(Fault(path, 0, _gone(by_image[n], n)) for n in missing)
    unused: Counter[str] = Counter()
    for image, size in with_sizes(images, faults):
        yield _image(image, size, path, by_image[image.name], unused)
    if faults is not None:
        faults.extend(unused_classes(path, unused))


def _gone(records: list[tuple[int, dict[str, Any]]], name: str) -> str:
    more = f" and {len(records) - 1} more are" if len(records) > 1 else " is"
    return f"object {records[0][0]}{more} of no image ('{name}')"


def _image(
    image: Path,
    size: tuple[int, int],
    path: Path,
    records: list[tuple[int, dict[str, Any]]],
    unused: Counter[str],
) -> LabelledImage:
    width, height = size
    faults: list[Fault] = []
    envelopes = []
    for number, properties in records:
        name = str(properties.get("type_id"))
        if name not in SOURCE.classes:
            unused[f"type_id {name}"] += 1
            continue
        bounds = _bounds(str(properties.get("bounds_imcoords")))
        if bounds is None:
            faults.append(Fault(path, 0, f"object {number} has no box"))
            continue
        left, top, right, bottom = np.clip(bounds, 0, [width, height, width, height])
        if right <= left or bottom <= top:
            faults.append(Fault(path, 0, f"object {number} has no area in its image"))
            continue
        envelopes.append([(left, top), (right, top), (right, bottom), (left, bottom)])
    return LabelledImage(
        image=image,
        width=width,
        height=height,
        source="xView",
        split="",
        place=image.stem,
        gsd_m=GSD_M,
        corners=as_corners([]),
        class_ids=np.zeros(0, np.int64),
        envelopes=as_corners(envelopes),
        labelling=labelling_of(SOURCE),
        faults=tuple(faults),
    )


def _bounds(text: str) -> list[float] | None:
    try:
        values = [float(word) for word in text.split(",")]
    except ValueError:
        return None
    return values if len(values) == 4 and np.isfinite(values).all() else None
