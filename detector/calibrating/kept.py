"""Keeps what a network found, so that a card that is made again redoes only what changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final
from zipfile import BadZipFile

import numpy as np
import pandas as pd

from detector._version import __version__
from detector.boxes.scored import Boxes
from detector.classes import ClassSet
from detector.evaluation.dataset import Dataset
from detector.evaluation.predicting import FLOOR, predict_images
from detector.evaluation.summary import Predictions
from detector.files import atomic_path, file_sha256, make_folder
from detector.geometry.boxes import as_corners
from detector.models.card import UPSAMPLING, ModelCard
from detector.models.detector import Detector
from detector.progress import Progress

FOLDER: Final = "parts"
KEY_LENGTH: Final = 16
COLUMNS: Final = ("corners", "scores", "class_ids")
UNREAD: Final = ("metrics", "calibration", "sources", "training", "description", "lengths", "name")
"""What a card says besides how boxes are found: other values find the same boxes."""
LATER: Final = {
    "upsampling": UPSAMPLING,
    "class_gsd_max_m": {},
    "cpu_precision": "f32",
    "larger_tiles": True,
}
"""What cards say only since parts are kept: where it is as ever, earlier parts hold."""


def key_of(card: ModelCard, *facts: Any) -> str:
    """What tells one measurement from another: the program, the card as it is read, and facts.

    Args:
        card: of the weights, with the thresholds at which they are read.
        facts: plain values.
    """
    read = {
        name: value
        for name, value in asdict(card).items()
        if name not in UNREAD and (name not in LATER or value != LATER[name])
    }
    text = json.dumps([__version__, read, facts], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:KEY_LENGTH]


@dataclass(frozen=True, slots=True)
class Kept:
    """Measurements in a folder, by what they depend on; a damaged one is made anew.

    Attributes:
        folder: may be deleted at any time.
    """

    folder: Path

    def predictions(
        self,
        dataset: Dataset,
        card: ModelCard,
        detector: Callable[[], Detector],
        *,
        floor: float = FLOOR,
        progress: Progress | None = None,
    ) -> Predictions:
        """What a network finds on images, see `predict_images`.

        Args:
            dataset: the images.
            card: of the network, with the thresholds at which it counts.
            detector: reads as the card says; loaded only where something is not known.
            floor: score down to which the complete predictions reach.
            progress: where to show how far it is.
        """
        files = [
            [image.name, image.width, image.height, image.gsd_m, file_sha256(path)]
            for image, path in zip(dataset.images, dataset.paths, strict=True)
        ]
        classes = [image.classes.to_plain() for image in dataset.images[:1]]
        path = self.folder / f"boxes-{key_of(card, files, classes, floor)}.npz"
        known = _read_boxes(path, [image.classes for image in dataset.images])
        if known is not None:
            return known
        images, paths = dataset.images, dataset.paths
        run = predict_images(images, paths, detector(), floor=floor, progress=progress)
        _write_boxes(path, run.predictions)
        return run.predictions

    def frame(self, name: str, key: str, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        """A table of measurements.

        Args:
            name: of what is measured, for the file.
            key: see `key_of`.
            make: measures.
        """
        path = self.folder / f"{name}-{key}.parquet"
        try:
            return pd.read_parquet(path)
        except (OSError, ValueError):
            table = make()
        make_folder(self.folder)
        with atomic_path(path) as temporary:
            table.to_parquet(temporary)
        return pd.read_parquet(path)


def _write_boxes(path: Path, found: Predictions) -> None:
    make_folder(path.parent)
    columns: dict[str, Any] = {}
    for name, images in _parts(found).items():
        boxes = Boxes.concatenate(images)
        columns[f"{name}_number"] = np.array([len(item) for item in images], np.int64)
        columns |= {f"{name}_{column}": getattr(boxes, column) for column in COLUMNS}
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **columns)


def _parts(found: Predictions) -> dict[str, Sequence[Boxes]]:
    return {"complete": found.complete, "counted": found.counted}


def _read_boxes(path: Path, classes: Sequence[ClassSet]) -> Predictions | None:
    """None where the file is missing or damaged."""
    try:
        with np.load(path, allow_pickle=False) as columns:
            return Predictions(
                _boxes_of(columns, "complete", classes), _boxes_of(columns, "counted", classes)
            )
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None


def _boxes_of(columns: Any, name: str, classes: Sequence[ClassSet]) -> list[Boxes]:
    ends = np.cumsum(columns[f"{name}_number"])
    corners, scores, ids = (np.split(columns[f"{name}_{key}"], ends[:-1]) for key in COLUMNS)
    parts = zip(corners, scores, ids, classes, strict=True)
    return [Boxes(as_corners(box), score, kind, of) for box, score, kind, of in parts]
