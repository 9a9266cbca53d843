"""The labelled images of a run, with the orientation of ships that have none."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from detector.classes import PORT, ClassSet
from detector.data.datasets import read_images
from detector.data.labelled import DataError, Fault, LabelledImage, Labelling
from detector.data.sources import PARTLY_BOXED_SHIPS
from detector.files import atomic_path, make_folder
from detector.geometry.boxes import as_corners
from detector.models.card import sha256_of
from detector.models.detector import DetectorSettings, find_weights, load_detector
from detector.training.teacher import TEACHER_CONF, orient_ships

LOG = logging.getLogger(__name__)
HELD_OUT = frozenset({"dev", "dev2"})  # what numbers are measured on
SAVE_EVERY = 50  # images, so that a run that is stopped here does not start the pass anew
TEACHER_VERSION = 1  # raise when the same teacher would orient ships otherwise


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSettings:
    """Which images a run learns from.

    Attributes:
        root: folder of the port pool or of another dataset.
        cache: folder for chips and for what the teacher said.
        kind: its layout, a key of `READERS`.
        split: images of another split are left out, those without a split are taken; never one of
            `HELD_OUT`.
        sources: names of datasets; empty takes all.
        leave_out: names of images whose labels are wrong.
        teacher: weights that orient axis-aligned ships; empty leaves these images out.
        classes: that are looked for.
    """

    root: str
    cache: str
    kind: str = "port"
    split: str = "train"
    sources: tuple[str, ...] = ()
    leave_out: tuple[str, ...]
    teacher: str
    classes: ClassSet = PORT


def gather(settings: DataSettings, faults: list[Fault] | None = None) -> list[LabelledImage]:
    """The images, every ship oriented or ignored.

    Args:
        settings: which.
        faults: gets what of them could not be used: files, label lines, classes.

    Raises:
        DataError: nothing is left, the dev split is asked for, a place of it is among them, or
            two images have one name.
        WeightsError: the teacher cannot be loaded.
    """
    if settings.split in HELD_OUT:
        raise DataError(
            f"the {settings.split} split is for measuring and is never trained on; choose another"
        )
    faults = [] if faults is None else faults
    everything = read_images(settings.kind, Path(settings.root), faults, settings.classes)
    held_out = {image.place for image in everything if image.split in HELD_OUT}
    images = [image for image in everything if _wanted(image, settings)]
    shared = sorted(image.image.name for image in images if image.place in held_out)
    if shared:
        raise DataError(f"{shared[0]} shows a place of the dev split; places are never shared")
    _check_names(images)
    faults.extend(fault for image in images for fault in image.faults)
    if settings.teacher:
        images = _oriented(images, settings, faults)
    else:
        images = _without_envelopes(images, settings, faults)
    if not images:
        raise DataError(
            f"{settings.root}: no image of the split '{settings.split}' is left"
            + (f"; last: {faults[-1]}" if faults else "")
        )
    return images


def gather_reviews(
    folders: Sequence[str], split: str, classes: ClassSet, faults: list[Fault] | None = None
) -> list[LabelledImage]:
    """The images that people reviewed, of the places that are not held out.

    Args:
        folders: each with the datasets that `detector review import labels=` wrote.
        split: that is learnt from; never one of `HELD_OUT`.
        classes: that are looked for.
        faults: gets what of them could not be used.

    Raises:
        DataError: a folder holds none, all its places are held out, or the split is for measuring.
    """
    images: list[LabelledImage] = []
    for folder in map(Path, folders):
        datasets = sorted(path.parent for path in folder.glob("*/data.yaml"))
        if not datasets:
            raise DataError(
                f"{folder}: no labels of a review; write them with detector review import "
                f"labels={folder}"
            )
        mine = [image for path in datasets for image in _reviewed(path, split, classes, faults)]
        if not mine:
            raise DataError(
                f"{folder}: every place of it is held out for measuring; review another place, or "
                "name the side of a new one with detector review import side=train"
            )
        images += mine
    _check_names(images)
    return images


def _reviewed(
    path: Path, split: str, classes: ClassSet, faults: list[Fault] | None
) -> list[LabelledImage]:
    if split in HELD_OUT:
        raise DataError(
            f"the {split} split is for measuring and is never trained on; choose another"
        )
    faults = [] if faults is None else faults
    everything = read_images("yolo-obb", path, faults, classes)
    faults.extend(fault for image in everything for fault in image.faults)
    return [image for image in everything if image.split == split]


def check_apart(images: Sequence[LabelledImage], reviewed: Sequence[LabelledImage]) -> None:
    """Refuse images of one name in a dataset and in what was reviewed.

    Raises:
        DataError: two have one name.
    """
    _check_names([*images, *reviewed])


def manifest_hash(images: Sequence[LabelledImage]) -> str:
    """Hash of the names, labels and places of images, hexadecimal."""
    digest = hashlib.sha256()
    for image in sorted(images, key=lambda item: item.image.name):
        states = ",".join(image.labelling)
        digest.update(f"{image.source}|{image.image.name}|{image.place}|{states}".encode())
        for array in (image.corners, image.class_ids, image.ignored):
            digest.update(np.ascontiguousarray(np.round(array, 3)).tobytes())
    return digest.hexdigest()


def _wanted(image: LabelledImage, settings: DataSettings) -> bool:
    return (
        image.split in ("", settings.split)
        and (not settings.sources or image.source in settings.sources)
        and image.image.name not in settings.leave_out
    )


def _check_names(images: Sequence[LabelledImage]) -> None:
    stems: set[str] = set()
    for image in images:
        if image.image.stem in stems:
            raise DataError(
                f"{image.image}: a second image called '{image.image.stem}'; chips are named by "
                "their image, so rename one of them"
            )
        stems.add(image.image.stem)


def _without_envelopes(
    images: Sequence[LabelledImage], settings: DataSettings, faults: list[Fault]
) -> list[LabelledImage]:
    kept = [image for image in images if Labelling.ENVELOPE not in image.labelling]
    if len(kept) < len(images):
        reason = (
            f"{len(images) - len(kept)} images with axis-aligned ships, and no teacher to orient "
            "them (data.teacher)"
        )
        faults.append(Fault(Path(settings.root), 0, reason))
    return kept


def _oriented(
    images: Sequence[LabelledImage], settings: DataSettings, faults: list[Fault]
) -> list[LabelledImage]:
    """The images with oriented ships; what the teacher said before is read from the cache.

    An image that the teacher cannot read is left out, and a fault says so.
    """
    if not any(Labelling.ENVELOPE in image.labelling for image in images):
        return list(images)
    weights = find_weights(settings.teacher)
    key = hashlib.sha256(f"{TEACHER_VERSION}|{sha256_of(weights)}".encode()).hexdigest()
    path = Path(settings.cache) / f"oriented-{key[:16]}.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    todo = [i for i in images if Labelling.ENVELOPE in i.labelling and _key(i) not in known]
    if todo:
        LOG.info("the teacher orients the ships of %d images", len(todo))
        detector = load_detector(DetectorSettings(weights=settings.teacher, conf=TEACHER_CONF))
        make_folder(path.parent)
        answers = zip(todo, orient_ships(todo, detector), strict=True)
        for number, (before, after) in enumerate(answers, start=1):
            if Labelling.ENVELOPE in after.labelling:
                faults.extend(after.faults[len(before.faults) :])
            else:
                known[_key(before)] = {
                    "ships": after.corners[len(before.corners) :].tolist(),
                    "ignored": after.ignored[len(before.ignored) :].tolist(),
                }
            if number % SAVE_EVERY == 0 or number == len(todo):
                LOG.info("oriented the ships of %d of %d images", number, len(todo))
                with atomic_path(path) as temporary:
                    temporary.write_text(json.dumps(known), encoding="utf-8")
    return [
        _apply(image, known) if Labelling.ENVELOPE in image.labelling else image
        for image in images
        if Labelling.ENVELOPE not in image.labelling or _key(image) in known
    ]


def _apply(image: LabelledImage, known: dict[str, dict[str, list[float]]]) -> LabelledImage:
    said = known[_key(image)]
    ships, ignored = as_corners(said["ships"]), as_corners(said["ignored"])
    boxed = image.classes.boxable or 0  # only images of classes that have one have envelopes
    states = list(image.labelling)
    partly = image.source in PARTLY_BOXED_SHIPS
    states[boxed] = Labelling.UNLABELLED if partly else Labelling.ORIENTED
    return replace(
        image,
        corners=np.concatenate([image.corners, ships]),
        class_ids=np.concatenate([image.class_ids, np.full(len(ships), boxed, np.int64)]),
        ignored=np.concatenate([image.ignored, ignored]),
        envelopes=as_corners([]),
        labelling=tuple(states),
    )


def _key(image: LabelledImage) -> str:
    envelopes = np.ascontiguousarray(image.envelopes).tobytes()
    return f"{image.image.name}|{hashlib.sha256(envelopes).hexdigest()[:16]}"
