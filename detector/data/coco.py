"""COCO: one JSON with `images`, `annotations` and `categories`; boxes, polygons or RLE masks.

An object with a polygon or a mask becomes the smallest rectangle around it; one with a box alone
has no orientation (https://cocodataset.org/#format-data).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from detector.classes import PORT, ClassSet
from detector.data.files import unused_classes, with_sizes
from detector.data.labelled import DataError, Fault, LabelledImage, labelling_of
from detector.data.sources import SourceClasses
from detector.documents import DocumentError, read_json
from detector.files import is_file
from detector.geometry.boxes import as_corners
from detector.geometry.rectangles import min_rectangles


class ShapeError(DataError):
    """The shape of one object that is not as documented."""


MAX_MASK_PIXELS: Final = 1_000_000_000


def read(
    root: Path, faults: list[Fault] | None = None, classes: ClassSet = PORT
) -> Iterator[LabelledImage]:
    """The images of a COCO folder.

    Args:
        root: holds `annotations.json` and `images/`.
        faults: gets images and annotations that are not there or belong to none, images that
            cannot be read or have another size, and one note on the categories that are no objects
            here.
        classes: that are looked for, by name; others are no objects here.

    Raises:
        DataError: the JSON is missing, damaged, or names none of the classes.
        SceneError: an image cannot be read, and `faults` is None.
    """
    path = root / "annotations.json"
    try:
        content = read_json(path, any_encoding=True)
        categories = {c["id"]: str(c["name"]) for c in content["categories"]}
        records = {record["id"]: record for record in content["images"]}
        annotations = [one for one in content["annotations"] if one.keys() is not None]
    except (OSError, DocumentError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: cannot be read as COCO ({type(error).__name__})") from error
    ids = {name: class_id for class_id, name in enumerate(classes.names)}
    numbers = {i: ids.get(name) for i, name in categories.items()}
    if not any(ours is not None for ours in numbers.values()):
        raise DataError(f"{path}: none of its categories is {', '.join(classes.names)}")
    by_image = _by_image(annotations)
    for key in by_image.keys() - records.keys():
        _note(faults, Fault(path, 0, f"{len(by_image[key])} annotations of no image ({key})"))
    unused: Counter[Any] = Counter()
    for key, record in records.items():
        named = _named(record)
        if isinstance(named, str):
            _note(faults, Fault(path, 0, f"the image of id {key} has no usable {named}"))
            continue
        name, said = named
        image = root / "images" / name
        if not is_file(image):
            _note(faults, Fault(path, 0, f"the image '{name}' is missing"))
            continue
        for _, size in with_sizes([image], faults):
            if size == said:
                yield _image(image, path, record, by_image[key], numbers, unused, classes)
            else:
                reason = f"{size[0]} x {size[1]} pixels, {said[0]} x {said[1]} by {path.name}"
                _note(faults, Fault(image, 0, reason))
    if faults is not None:
        names = {str(categories[number]): count for number, count in unused.items()}
        faults.extend(unused_classes(path, names))


def _by_image(annotations: list[dict[str, Any]]) -> dict[Any, list[dict[str, Any]]]:
    grouped: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for annotation in annotations:
        grouped[_id(annotation, "image_id")].append(annotation)
    return grouped


def _id(annotation: Mapping[str, Any], key: str) -> Any:
    """What an annotation says that it belongs to; of a list or an object, its text."""
    value = annotation.get(key)
    return str(value) if isinstance(value, list | dict) else value


def _named(record: Mapping[str, Any]) -> tuple[str, tuple[int, int]] | str:
    """File name and size of an image, or what cannot be used of them."""
    try:
        return str(record["file_name"]), (int(record["width"]), int(record["height"]))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        return f"file_name, width or height ({error})"


def _note(faults: list[Fault] | None, fault: Fault) -> None:
    if faults is not None:
        faults.append(fault)


def _image(
    image: Path,
    path: Path,
    record: Mapping[str, Any],
    annotations: list[dict[str, Any]],
    numbers: Mapping[Any, int | None],
    unused: Counter[Any],
    classes: ClassSet,
) -> LabelledImage:
    outlines: list[NDArray[np.float64]] = []
    class_ids: list[int] = []
    ships: list[NDArray[np.float64]] = []
    unsure: list[NDArray[np.float64]] = []
    faults: list[Fault] = []
    for annotation in annotations:
        name = f"object {annotation.get('id', '?')} (its id)"
        category = _id(annotation, "category_id")
        if category not in numbers:
            faults.append(Fault(path, 0, f"{name} is of category {category}, which has no name"))
            continue
        class_id = numbers[category]
        if class_id is None:
            unused[category] += 1
            continue
        try:
            outline, box = _outline(annotation), _box(annotation)
        except (ShapeError, KeyError, TypeError, ValueError, OverflowError) as error:
            faults.append(Fault(path, 0, f"{name} has no usable shape ({error})"))
            continue
        shape = outline if outline is not None else box
        if shape is None:
            faults.append(Fault(path, 0, f"{name} has neither a shape nor a box"))
        elif annotation.get("iscrowd") or (outline is None and class_id != classes.boxable):
            unsure.append(shape)
        elif outline is None:
            ships.append(shape)
        else:
            outlines.append(shape)
            class_ids.append(class_id)
    labelled = {n: 0.0 for i, n in enumerate(classes.names) if i in numbers.values()}
    table = SourceClasses({}, labelled, oriented=not ships)
    return LabelledImage(
        image=image,
        width=int(record["width"]),
        height=int(record["height"]),
        source=path.parent.name,
        split="",
        place=image.stem,
        gsd_m=None,
        corners=min_rectangles(outlines),
        class_ids=np.array(class_ids, np.int64),
        envelopes=as_corners(ships),
        ignored=min_rectangles(unsure),
        labelling=labelling_of(table, classes),
        faults=tuple(faults),
        classes=classes,
    )


def _box(annotation: Mapping[str, Any]) -> NDArray[np.float64] | None:
    values = annotation.get("bbox") or []
    if len(values) != 4 or not np.isfinite(values).all() or min(values[2:]) <= 0:
        return None
    x, y, width, height = values
    corners = [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]
    return np.array(corners, float)


def _turned(annotation: Mapping[str, Any]) -> NDArray[np.float64] | None:
    """The box of an annotation that CVAT has turned about its centre; None where none is.

    CVAT writes `attributes.rotation` in degrees, clockwise on the screen, and the box unturned.
    """
    attributes = annotation.get("attributes")
    try:
        degrees = float(attributes["rotation"]) if isinstance(attributes, dict) else 0.0
    except (KeyError, TypeError, ValueError):
        return None
    box = _box(annotation)
    if box is None or not np.isfinite(degrees) or degrees % 360.0 == 0.0:
        return None
    angle, centre = np.deg2rad(degrees), box.mean(axis=0)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return np.asarray((box - centre) @ turn + centre, np.float64)


def _outline(annotation: Mapping[str, Any]) -> NDArray[np.float64] | None:
    """Points of the object's shape; None without one."""
    shape = annotation.get("segmentation")
    if isinstance(shape, dict):
        return _mask_outline(decode_rle(shape))
    parts = [part for part in shape or [] if len(part) >= 6 and len(part) % 2 == 0]
    if not parts:
        return _turned(annotation)
    points = np.concatenate([np.reshape(np.array(part, float), (-1, 2)) for part in parts])
    if not np.isfinite(points).all():
        raise ShapeError("a coordinate is not finite")
    return points


def _mask_outline(mask: NDArray[np.uint8]) -> NDArray[np.float64] | None:
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return None
    pixels = np.concatenate([contour[:, 0] for contour in contours]).astype(np.float64)
    # Contours run through pixel centres counted from 0; our corners lie around the pixels.
    return np.concatenate([pixels + shift for shift in ((0, 0), (1, 0), (1, 1), (0, 1))])


def _check_runs(counts: str, pixels: int) -> None:
    """Refuse compressed runs that do not fill the mask, which pycocotools would write beyond.

    The code is that of its `rleFrString`: five bits a character, the sixth says that more follow,
    the fifth of the last one is the sign; from the third run on the one before last is added.

    Raises:
        ShapeError: they don't.
    """
    runs: list[int] = []
    value = shift = 0
    for letter in counts.encode("latin-1", "replace"):
        code = letter - 48
        if not 0 <= code < 64 or shift > 60:
            raise ShapeError("RLE counts that are no runs")
        value |= (code & 0x1F) << shift
        shift += 5
        if code & 0x20:
            continue
        if code & 0x10:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    if shift or min(runs, default=0) < 0 or sum(runs) != pixels:
        raise ShapeError(f"RLE counts fill {sum(runs)} pixels of a mask of {pixels}")


def decode_rle(rle: Mapping[str, Any]) -> NDArray[np.uint8]:
    """The mask `(height, width)` of run lengths, column by column, background first.

    Raises:
        ShapeError: the counts don't fill the mask.
    """
    height, width = (int(side) for side in rle["size"])
    if min(height, width) < 1 or height * width > MAX_MASK_PIXELS:
        # pycocotools reserves that much unasked, and writes beyond it
        raise ShapeError(f"an RLE mask of {width} x {height} pixels")
    counts = rle["counts"]
    if isinstance(counts, str):
        _check_runs(counts, height * width)
        rle = {"size": [height, width], "counts": counts}
    else:
        # pycocotools takes any numbers for counts
        if sum(counts) != height * width or min(counts) < 0:
            raise ShapeError(f"RLE counts fill {sum(counts)} pixels of a {width} x {height} mask")
        rle = coco_mask.frPyObjects({"size": [height, width], "counts": counts}, height, width)
    return np.ascontiguousarray(coco_mask.decode(rle), np.uint8)
