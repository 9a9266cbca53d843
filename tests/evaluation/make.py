"""Random truth and predictions for the tests of the evaluation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from detector.boxes.scored import Boxes
from detector.evaluation.truth import EvalImage, Measure
from detector.geometry.boxes import Corners, as_corners, corners_from_xywhr

SIDE_PX = 400


def image(name: str = "a", xywhr: list[list[float]] | None = None, **changes: object) -> EvalImage:
    """An image with ships of `(x, y, length, width, angle)`."""
    corners = corners_from_xywhr(np.array(xywhr or [], float).reshape(-1, 5))
    base = EvalImage(
        name=name,
        source="here",
        place=name,
        width=SIDE_PX,
        height=SIDE_PX,
        gsd_m=None,
        corners=corners,
        class_ids=np.zeros(len(corners), np.int64),
    )
    return replace(base, **changes)


def boxes(xywhr: list[list[float]], scores: list[float], class_id: int = 0) -> Boxes:
    corners = corners_from_xywhr(np.array(xywhr, float).reshape(-1, 5))
    ids = np.full(len(corners), class_id, np.int64)
    return Boxes(corners, np.array(scores, np.float32), ids)


def random_set(
    seed: int, n_images: int = 12, *, upright: bool = False, ignored: bool = False
) -> tuple[list[EvalImage], list[Boxes]]:
    """Images of two classes with predictions of every quality, several images a place."""
    rng = np.random.default_rng(seed)
    images, predictions = [], []
    for index in range(n_images):
        truth = _random_xywhr(rng, int(rng.integers(0, 9)), upright)
        near = truth[rng.random(len(truth)) < 0.8]
        near = np.concatenate([near, near[rng.random(len(near)) < 0.3]])
        noise = np.array([1.0, 1.0, 3.0, 0.8, 0.0 if upright else 0.03])
        moved = near + rng.normal(0, 1, near.shape) * noise
        found = np.concatenate([moved, _random_xywhr(rng, int(rng.integers(0, 6)), upright)])
        found[:, 2:4] = np.abs(found[:, 2:4]) + 2
        regions = _random_xywhr(rng, 2, upright) if ignored else truth[:0]
        images.append(
            EvalImage(
                name=f"image {index}",
                source=f"source {index % 2}",
                place=f"place {index // 2}",
                width=SIDE_PX,
                height=SIDE_PX,
                gsd_m=0.5 if index % 3 else None,
                corners=corners_from_xywhr(truth),
                class_ids=rng.integers(0, 2, len(truth)),
                measures=(Measure.ENVELOPE if upright else Measure.POLYGON,) * 2,
                ignored=corners_from_xywhr(regions) if len(regions) else as_corners([]),
                ignored_class_ids=np.full(len(regions), -1, np.int64),
            )
        )
        classes = rng.integers(0, 2, len(found))
        classes[: len(moved)] = _class_of_nearest(truth, images[-1].class_ids, moved, classes)
        scores = rng.permutation(np.linspace(0.02, 0.98, len(found)))
        scores = scores + rng.random(len(found)) * 1e-3
        found_corners: Corners = corners_from_xywhr(found)
        predictions.append(Boxes(found_corners, scores.astype(np.float32), classes))
    return images, predictions


def _random_xywhr(rng: np.random.Generator, count: int, upright: bool) -> NDArray[np.float64]:
    centre = rng.uniform(40, SIDE_PX - 40, (count, 2))
    size = np.stack([rng.uniform(20, 80, count), rng.uniform(8, 20, count)], axis=1)
    angle = np.zeros((count, 1)) if upright else rng.uniform(0, np.pi, (count, 1))
    return np.concatenate([centre, size, angle], axis=1)


def _class_of_nearest(
    truth: NDArray[np.float64],
    truth_classes: NDArray[np.int64],
    moved: NDArray[np.float64],
    fallback: NDArray[np.int64],
) -> NDArray[np.int64]:
    if not len(moved):
        return fallback[:0]
    distance = np.linalg.norm(moved[:, None, :2] - truth[None, :, :2], axis=2)
    return truth_classes[distance.argmin(axis=1)]
