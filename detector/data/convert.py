"""Any dataset to one YOLO-OBB folder, which Ultralytics and others read."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from detector.data.labelled import DataError, LabelledImage, Labelling
from detector.data.yolo import INDEX, INDEX_COLUMNS
from detector.data.yolo_lines import IGNORE_FOLDER
from detector.errors import OutputError
from detector.files import atomic_path, make_folder
from detector.geometry.boxes import Corners


def convert(images: Iterable[LabelledImage], out: Path) -> tuple[int, list[str]]:
    """Write images and oriented labels.

    A class that no image labels is no class of the folder. Images with axis-aligned ships, or with
    a class that is visible but labelled in other images only, are left out: YOLO's format cannot
    say so, and a trainer would take the objects for background. Source, split, place and gsd stand
    in a table of ours beside it, regions that are neither right nor wrong in `labels_ignore/`. Our
    reader of YOLO-OBB folders knows both; others take such regions for background.

    Args:
        images: to write.
        out: gets `images/`, `labels/`, `labels_ignore/` where there are any, `data.yaml` and
            `quaywatch.csv`; must not hold images yet.

    Returns:
        Number of images written, and one sentence for each that was left out.

    Raises:
        OutputError: the folder holds another dataset, or cannot be written.
        DataError: two images have one name, or none could be written.
    """
    if (out / "images").is_dir() and any((out / "images").iterdir()):
        raise OutputError(f"{out}: already holds a dataset; name another folder with out=")
    images = list(images)
    named = _named(images)
    written: dict[str, LabelledImage] = {}
    left_out: list[str] = []
    for image in images:
        unfit = [image.labelling[c] for c in named if image.labelling[c] in _UNFIT]
        if unfit:
            left_out.append(f"{image.image.name}: a class is {unfit[0].value} there")
            continue
        if image.image.stem in written:
            raise DataError(f"{image.image}: a second image called '{image.image.stem}'")
        _write(image, out, named)
        written[image.image.stem] = image
    if not written:
        raise DataError(f"no image could be converted; first: {(left_out or ['no images'])[0]}")
    _write_index(list(written.values()), out / INDEX)
    names = dict(enumerate(images[0].classes.names[class_id] for class_id in named))
    content = {"path": ".", "train": "images", "val": "images", "names": names}
    with atomic_path(out / "data.yaml") as temporary:
        temporary.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return len(written), left_out


_UNFIT = (Labelling.ENVELOPE, Labelling.UNLABELLED)


def _named(images: Sequence[LabelledImage]) -> list[int]:
    """The classes that an image labels, or has a box of; all where there is none."""
    all_ids = range(len(images[0].classes)) if images else ()
    named = [
        c
        for c in all_ids
        if any(i.labelling[c] not in _UNFIT or (i.class_ids == c).any() for i in images)
    ]
    return named or list(all_ids)


def _write_index(images: Sequence[LabelledImage], path: Path) -> None:
    rows = [(i.image.name, i.source, i.split, i.place, i.gsd_m) for i in images]
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(INDEX_COLUMNS)
        writer.writerows(rows)  # None becomes an empty field


def _write(image: LabelledImage, out: Path, named: Sequence[int]) -> None:
    target, name = out / "images" / image.image.name, f"{image.image.stem}.txt"
    make_folder(target.parent)
    with atomic_path(target) as temporary:
        shutil.copyfile(image.image, temporary)
    _write_lines(out / "labels" / name, image, image.corners, image.class_ids, named)
    regions, class_ids = image.ignored, image.ignored_class_ids
    if class_ids is None:  # for every class: one line for each
        class_ids = np.repeat(np.array(named, np.int64), len(regions))
        regions = np.concatenate([regions] * len(named))
    told = np.isin(class_ids, named)
    if told.any():
        ignored = out / IGNORE_FOLDER / name
        _write_lines(ignored, image, regions[told], class_ids[told], named)


def _write_lines(
    path: Path,
    image: LabelledImage,
    corners: Corners,
    class_ids: NDArray[np.int64],
    named: Sequence[int],
) -> None:
    normalised = corners / np.array([image.width, image.height])
    lines = [
        f"{named.index(class_id)} " + " ".join(f"{value:.6f}" for value in box.ravel())
        for class_id, box in zip(class_ids, normalised, strict=True)
    ]
    make_folder(path.parent)
    with atomic_path(path) as temporary:
        temporary.write_text("\n".join(lines) + ("\n" if lines else ""), encoding="utf-8")
