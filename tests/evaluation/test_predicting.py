"""Predictions for scoring are those of `predict`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from detector.boxes.scored import Boxes
from detector.data import port_pool
from detector.errors import SceneError
from detector.evaluation.dataset import Dataset, labelled_dataset
from detector.evaluation.predicting import completed, counted_boxes, predict_images
from detector.evaluation.truth import EvaluationError
from detector.inference.pipeline import predict_scene
from detector.scenes.scene import open_scene
from detector.scenes.types import SceneOptions
from tests.evaluation.make import boxes
from tests.evaluation.pool import blob_detector, standard_pool


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return labelled_dataset(port_pool.read(standard_pool(tmp_path), "dev"))


def test_counted_is_what_predict_counts(dataset: Dataset) -> None:
    run = predict_images(dataset.images, dataset.paths, blob_detector(), floor=0.05)
    for image, path, counted in zip(
        dataset.images, dataset.paths, run.predictions.counted, strict=True
    ):
        with open_scene(path, SceneOptions(gsd_m=image.gsd_m)) as scene:
            alone = counted_boxes(predict_scene(scene, blob_detector()))
        np.testing.assert_array_equal(counted.corners, alone.corners)
        np.testing.assert_array_equal(counted.scores, alone.scores)
    assert sum(map(len, run.predictions.counted)) == 4 * 3 + 1 + 1 + 2 + 2 + 1


def test_complete_reaches_below_the_threshold(dataset: Dataset) -> None:
    run = predict_images(dataset.images, dataset.paths, blob_detector(), floor=0.05)
    names = [image.name for image in dataset.images]
    weak = names.index("weak.png")
    assert len(run.predictions.counted[weak]) == 1
    assert run.predictions.complete[weak].scores.tolist() == pytest.approx([0.9, 0.3], abs=0.01)
    for complete, counted in zip(run.predictions.complete, run.predictions.counted, strict=True):
        assert (complete.scores >= 0.5).sum() == len(counted)


def test_time_and_tiles_are_measured(dataset: Dataset) -> None:
    run = predict_images(dataset.images, dataset.paths, blob_detector())
    assert 0 < run.model_seconds < run.seconds
    assert run.tiles > 2 * len(dataset.images)


def test_labels_of_another_image_are_refused(dataset: Dataset) -> None:
    wrong = [replace(dataset.images[0], width=300), *dataset.images[1:]]
    with pytest.raises(EvaluationError, match=r"plain0\.png: 400 x 400 pixels.*300 x 400"):
        predict_images(wrong, dataset.paths, blob_detector())


def test_an_image_that_is_gone_is_named(dataset: Dataset) -> None:
    dataset.paths[3].unlink()
    with pytest.raises(SceneError, match=r"plain3\.png"):
        predict_images(dataset.images, dataset.paths, blob_detector())


def test_the_low_run_adds_only_what_is_below_and_new() -> None:
    conf = np.array([0.5, 0.4], np.float32)
    ship, stack = [100.0, 100, 40, 10, 0], [200.0, 100, 40, 10, 0]
    counted = boxes([ship], [0.8])
    low = Boxes.concatenate(
        [
            boxes([[101, 100, 40, 10, 0]], [0.3]),  # the same ship again
            boxes([[300, 300, 40, 10, 0]], [0.2]),  # new
            boxes([[300, 200, 40, 10, 0]], [0.7]),  # not below: predict does not count it
            boxes([ship], [0.2], 1),  # another class
            boxes([stack], [0.45], 1),  # not below for a stack
        ]
    )
    result = completed(counted, low, conf)
    assert result.scores.tolist() == pytest.approx([0.8, 0.2, 0.2])
    assert result.class_ids.tolist() == [0, 0, 1]
