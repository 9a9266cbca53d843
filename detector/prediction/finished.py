"""Predictions that a run of `detector predict` has left, instead of running the network again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from detector.boxes.scored import Boxes
from detector.classes import PORT, ClassSet
from detector.detections import Detections
from detector.errors import OutputError
from detector.evaluation.dataset import Dataset
from detector.evaluation.predicting import FinishedRun, counted_boxes
from detector.evaluation.summary import Predictions
from detector.evaluation.truth import EvaluationError
from detector.export.records import SceneRecord
from detector.export.run_files import named_scenes, run_content
from detector.export.scene_files import PARQUET_FILE, read_record
from detector.export.seals import RUN_FILE
from detector.export.vector import read_detections


def read_finished(folder: Path, dataset: Dataset) -> FinishedRun:
    """The predictions of a run, in the order of the images.

    Scenes and images are brought together by the names of their files.

    Args:
        folder: `out` of `detector predict`.
        dataset: images with their truth.

    Raises:
        EvaluationError: no such run, a scene that failed, two of one name, one that is none of the
            images or of another size, or an image without predictions.
    """
    scenes = dict(_scenes(folder))
    images = {path.name: image for path, image in zip(dataset.paths, dataset.images, strict=True)}
    if len(images) < len(dataset.paths):
        raise EvaluationError("two images have one file name; predictions cannot be told apart")
    strange = sorted(set(scenes) - set(images))
    if strange:
        raise EvaluationError(f"{folder}: '{strange[0]}' is none of the images to evaluate")
    missing = sorted(set(images) - set(scenes))
    if missing:
        raise EvaluationError(
            f"{folder}: no predictions of '{missing[0]}'; predict all images, or narrow the data"
        )
    classes = run_classes(folder)
    boxes: list[Boxes] = []
    records: list[SceneRecord] = []
    for name, image in images.items():
        record = _record(folder, scenes[name])
        if (record.width, record.height) != (image.width, image.height):
            raise EvaluationError(
                f"{folder}: '{name}' has {record.width} x {record.height} pixels, the truth is of "
                f"an image of {image.width} x {image.height}; these are predictions of another one"
            )
        table = read_detections(folder / scenes[name] / PARQUET_FILE)
        found = Detections.from_geodataframe(table, scene_id=scenes[name], classes=classes)
        boxes.append(counted_boxes(found).in_classes(image.classes))
        records.append(record)
    weights = {(record.weights, record.weights_sha256) for record in records}
    if len(weights) > 1:
        raise EvaluationError(f"{folder}: the scenes were predicted with different weights")
    name, sha256 = weights.pop()
    tiles = sum(record.tiles or 0 for record in records)
    return FinishedRun(Predictions(boxes, boxes), name, sha256, tiles)


def run_classes(folder: Path) -> ClassSet:
    """The classes that a run looked for.

    Raises:
        EvaluationError: no such run.
        ConfigError: its record holds classes that cannot be read.
    """
    content = _content(folder)
    where = str(folder / RUN_FILE)
    return ClassSet.from_plain(content["classes"], where) if "classes" in content else PORT


def _scenes(folder: Path) -> Iterator[tuple[str, str]]:
    """File name and scene id of every scene of a run."""
    try:
        scenes = named_scenes(folder)
    except OutputError as error:
        raise EvaluationError(f"{error}; give the folder of 'detector predict'") from error
    seen: set[str] = set()
    for scene in scenes:
        name = Path(scene.path).name
        if scene.status != "done":
            raise EvaluationError(f"{folder}: '{name}' has no predictions ({scene.reason})")
        if name in seen:
            raise EvaluationError(f"{folder}: two scenes are called '{name}'")
        seen.add(name)
        yield name, scene.scene_id


def _content(folder: Path) -> dict[str, Any]:
    try:
        return run_content(folder)
    except OutputError as error:
        raise EvaluationError(f"{error}; give the folder of 'detector predict'") from error


def _record(folder: Path, scene_id: str) -> SceneRecord:
    try:
        return read_record(folder / scene_id)
    except OutputError as error:
        raise EvaluationError(str(error)) from error
