"""Predictions for scoring, through the pipeline of `predict`.

Curves need predictions of low score, counts need exactly those that `predict` would count, and the
merge sees the difference: at a low threshold more boxes compete. So each image is run at the low
threshold, and its readings, kept for the moment, go through decoding and merge a second
time at the thresholds of the card. The curves then take what is counted, and below the thresholds
what the low run finds besides, so that they pass through the point at which objects are counted.
"""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detector.boxes.scored import Boxes
from detector.detections import Detections
from detector.errors import DeviceError
from detector.evaluation.summary import Predictions
from detector.evaluation.truth import EvalImage, EvaluationError
from detector.geometry.boxes import iou_matrix
from detector.inference.pipeline import (
    PipelineSettings,
    find_objects,
    predict_scene,
    prepare_scene,
    settle_scale,
)
from detector.models.backends import Backend, Reading
from detector.models.detector import Detector
from detector.progress import Progress, SilentProgress
from detector.scenes.scene import open_scene
from detector.scenes.types import SceneOptions

FLOOR: Final = 0.01  # lowest score of the curves; lower ones change AP by less than 0.001
SAME_IOU: Final = 0.5  # from it a box of the low run is one that is counted already
WORKERS: Final = 3  # images at once: one in the network, one ready for it, one read or merged


@dataclass(frozen=True, slots=True)
class Run:
    """Predictions with what they cost.

    Attributes:
        predictions: of all images.
        tiles: that the network saw.
        seconds: from the first image to the last prediction.
        model_seconds: of them inside the network.
    """

    predictions: Predictions
    tiles: int
    seconds: float
    model_seconds: float


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """What a run says of the images.

    Attributes:
        predictions: of all images; curves end where the run's threshold was.
        weights: name of the card.
        sha256: of the weights.
        tiles: that the network saw.
    """

    predictions: Predictions
    weights: str
    sha256: str
    tiles: int


def predict_images(
    images: Sequence[EvalImage],
    paths: Sequence[Path],
    detector: Detector,
    settings: PipelineSettings | None = None,
    *,
    floor: float = FLOOR,
    progress: Progress | None = None,
) -> Run:
    """Predict all images.

    Args:
        images: the truth; only names, sizes and gsd are read.
        paths: of the image files, in the order of `images`.
        detector: at the thresholds at which objects are counted.
        settings: of the pipeline.
        floor: score down to which the complete predictions reach.
        progress: where to show how far it is.

    Raises:
        EvaluationError: an image has another size than its truth.
        SceneError: an image cannot be read.
    """
    shared = _Shared(detector)
    job = _Job(detector, shared, settings or PipelineSettings(readers=1), floor)
    start = time.perf_counter()
    with (
        (progress or SilentProgress()).task("evaluate", len(images), "images") as task,
        ThreadPoolExecutor(WORKERS, "evaluate") as pool,
    ):
        waiting = [
            pool.submit(_predict_image, job, image, path)
            for image, path in zip(images, paths, strict=True)
        ]
        results = []
        try:
            for future in waiting:
                results.append(future.result())
                task.advance()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return Run(
        Predictions([r[0] for r in results], [r[1] for r in results]),
        shared.tiles,
        time.perf_counter() - start,
        shared.seconds,
    )


def counted_boxes(detections: Detections) -> Boxes:
    """What is counted of a scene: all but deck cargo, file pixels."""
    kept = detections.select(detections.counted)
    return Boxes(kept.corners, kept.scores, kept.class_ids, kept.classes)


@dataclass(frozen=True, slots=True)
class _Job:
    detector: Detector
    shared: _Shared
    settings: PipelineSettings
    floor: float


def _predict_image(job: _Job, image: EvalImage, path: Path) -> tuple[Boxes, Boxes]:
    recorder = _Recorder(job.shared)
    low = np.minimum(job.detector.conf, np.float32(job.floor))
    with open_scene(path, SceneOptions(gsd_m=image.gsd_m, as_stored=True)) as scene:
        size = (scene.info.width, scene.info.height)
        if size != (image.width, image.height):
            raise EvaluationError(
                f"{path}: {size[0]} x {size[1]} pixels, but the truth is of an image of "
                f"{image.width} x {image.height}; the labels belong to another image"
            )
        prepared = prepare_scene(scene, job.detector, job.settings)
        side = prepared.plan.settings.tile_px
        reader = _detector(job, side, recorder, low)
        found = find_objects(scene, reader, job.settings, prepared=prepared)
        closer = _detector(job, job.detector.card.tile_px, job.shared, low)
        if settle_scale(scene, closer, found, job.settings):
            # as `predict` does: read again, as if told
            recorder = _Recorder(job.shared)
            prepared = prepare_scene(scene, job.detector, job.settings)
            side = prepared.plan.settings.tile_px
            again = _detector(job, side, recorder, low)
            found = find_objects(scene, again, job.settings, prepared=prepared)
        settings = replace(job.settings, estimate_gsd=False)
        at_card = predict_scene(
            scene,
            _detector(job, side, _Replay(recorder), job.detector.conf),
            settings,
            prepared=prepared,
        )
    counted = counted_boxes(at_card)
    complete = completed(counted, counted_boxes(found.detections), job.detector.conf)
    return complete.in_classes(image.classes), counted.in_classes(image.classes)


def completed(counted: Boxes, low: Boxes, conf: NDArray[np.float32]) -> Boxes:
    """What is counted, and below the thresholds what a low run finds besides.

    Args:
        counted: at the thresholds `conf`.
        low: of the same image at a lower threshold.
        conf: `(classes,)` thresholds.
    """
    below = low.select(low.scores < conf[low.class_ids])
    same_class = below.class_ids[:, None] == counted.class_ids[None]
    again = (iou_matrix(below.corners, counted.corners) >= SAME_IOU) & same_class
    return Boxes.concatenate([counted, below.select(~again.any(axis=1))])


def _detector(job: _Job, side_px: int, backend: Backend, conf: NDArray[np.float32]) -> Detector:
    detector = copy.copy(job.shared.of_tiles(side_px))
    detector.backend, detector.conf = backend, conf
    detector.tile_conf = np.minimum(job.detector.tile_conf, conf)
    return detector


class _Shared:
    """A backend that many threads use, one at a time, for tiles of any side; it is timed."""

    def __init__(self, detector: Detector) -> None:
        self.name = detector.backend.name
        self.device = detector.backend.device
        self.seconds = 0.0
        self.tiles = 0
        self._detector = detector
        self._lock = threading.Lock()

    def of_tiles(self, side_px: int) -> Detector:
        """The network on tiles of some side."""
        with self._lock:
            return self._detector.of_tiles(side_px)

    def detect(self, tiles: NDArray[np.uint8]) -> Reading:
        """See `Backend.detect`."""
        with self._lock:
            backend = self._detector.of_tiles(tiles.shape[1]).backend
            start = time.perf_counter()
            result = backend.detect(tiles)
            result.wait()
            self.seconds += time.perf_counter() - start
            self.tiles += len(tiles)
        return result


class _Recorder:
    """A backend that keeps its readings, for one image."""

    def __init__(self, backend: Backend) -> None:
        self.name = backend.name
        self.device = backend.device
        self.readings: list[Reading] = []
        self._backend = backend

    def detect(self, tiles: NDArray[np.uint8]) -> Reading:
        """See `Backend.detect`."""
        self.readings.append(self._backend.detect(tiles))
        return self.readings[-1]


class _Replay:
    """A backend that gives the readings of a recorder again, in their order."""

    def __init__(self, recorder: _Recorder) -> None:
        self.name = recorder.name
        self.device = recorder.device
        self._readings = iter(recorder.readings)

    def detect(self, tiles: NDArray[np.uint8]) -> Reading:
        """See `Backend.detect`."""
        reading = next(self._readings, None)
        if reading is None or len(reading) != len(tiles):
            raise DeviceError("the second pass over an image asked for other tiles than the first")
        return reading
