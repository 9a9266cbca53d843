"""Any dataset to one YOLO-OBB folder, which Ultralytics and others read."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import yaml

from detector.classes import CLASS_NAMES
from detector.data.labelled import DataError, LabelledImage, Labelling
from detector.errors import OutputError
from detector.export.atomic import atomic_path


def convert(images: Iterable[LabelledImage], out: Path) -> tuple[int, list[str]]:
    """Write images and oriented labels.

    Images with axis-aligned ships, or with a class that is visible but not labelled, are left out:
    YOLO's format cannot say so, and a trainer would take the objects for background.

    Args:
        images: to write.
        out: gets `images/`, `labels/` and `data.yaml`; must not hold images yet.

    Returns:
        Number of images written, and one sentence for each that was left out.

    Raises:
        OutputError: the folder holds another dataset, or cannot be written.
        DataError: two images have one name, or none could be written.
    """
    if (out / "images").is_dir() and any((out / "images").iterdir()):
        raise OutputError(f"{out}: already holds a dataset; name another folder with out=")
    written: set[str] = set()
    left_out: list[str] = []
    for image in images:
        unfit = [state for state in image.labelling if state in _UNFIT]
        if unfit:
            left_out.append(f"{image.image.name}: a class is {unfit[0].value} there")
            continue
        if image.image.stem in written:
            raise DataError(f"{image.image}: a second image called '{image.image.stem}'")
        _write(image, out)
        written.add(image.image.stem)
    if not written:
        raise DataError(f"no image could be converted; first: {(left_out or ['no images'])[0]}")
    names = dict(enumerate(CLASS_NAMES))
    content = {"path": ".", "train": "images", "val": "images", "names": names}
    with atomic_path(out / "data.yaml") as temporary:
        temporary.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return len(written), left_out


_UNFIT = (Labelling.ENVELOPE, Labelling.UNLABELLED)


def _write(image: LabelledImage, out: Path) -> None:
    target = out / "images" / image.image.name
    label = out / "labels" / f"{image.image.stem}.txt"
    for path in (target, label):
        path.parent.mkdir(parents=True, exist_ok=True)
    normalised = image.corners / np.array([image.width, image.height])
    lines = [
        f"{class_id} " + " ".join(f"{value:.6f}" for value in box.ravel())
        for class_id, box in zip(image.class_ids, normalised, strict=True)
    ]
    with atomic_path(target) as temporary:
        shutil.copyfile(image.image, temporary)
    with atomic_path(label) as temporary:
        temporary.write_text("\n".join(lines) + ("\n" if lines else ""), encoding="utf-8")
