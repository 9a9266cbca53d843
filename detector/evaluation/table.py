"""All matches of an evaluation as columns, from which every number is made without rematching."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detector.boxes.scored import Boxes
from detector.classes import PORT, ClassSet
from detector.evaluation.matching import IOU_THRESHOLDS, UNMATCHED, match_class
from detector.evaluation.truth import EvalImage, EvaluationError, Measure, check_images
from detector.files import atomic_path
from detector.geometry.boxes import Corners, centres, edge_lengths, signed_areas

FORMAT_VERSION = 1
MEASURES = tuple(Measure)
CLASSES = "classes"  # in files only where they are not `detector.classes.PORT`
LOOSE_IOU = 0.2  # from it a box speaks of an object, however badly it lies: for counting
# columns that older runs don't have
LATER = ("image_px", "water_px", "on_water", "corners", "true_corners", "loose", "near")


@dataclass(frozen=True, slots=True)
class MatchTable:
    """Images, predictions and truth of an evaluation; K IoU thresholds.

    Attributes:
        names: `(I,)` of the images.
        sources: `(I,)`.
        places: `(I,)`.
        gsd_m: `(I,)`, NaN where unknown.
        measures: `(I, classes)` positions in `MEASURES`.
        image: `(D,)` image of each prediction.
        class_id: `(D,)`.
        score: `(D,)`.
        length_px: `(D,)` longer side.
        area_px: `(D,)` in square pixels.
        neutral: `(D,)` neither right nor wrong where unmatched.
        found: `(K, D)` the true object that each finds at each threshold, or `UNMATCHED`.
        found_prob_iou: `(D,)` the same at ProbIoU 0.5.
        true_image: `(T,)` image of each true object.
        true_class_id: `(T,)`.
        true_length_px: `(T,)`.
        true_area_px: `(T,)`.
        image_px: `(I,)` pixels of each image; empty in files of older runs.
        water_px: `(I,)` of them water, NaN where the ground is not known; empty as above.
        on_water: `(D,)` 1 where the centre of a prediction lies on water, 0 on land, NaN where the
            ground is not known; empty as above.
        corners: `(D, 4, 2)` pixels of each image; empty as above.
        true_corners: `(T, 4, 2)` likewise.
        loose: `(D,)` the true object that each finds at `LOOSE_IOU`; empty as above.
        near: `(D,)` the true object that each finds by its centre; empty as above.
        classes: that the ids are of.
    """

    names: NDArray[np.str_]
    sources: NDArray[np.str_]
    places: NDArray[np.str_]
    gsd_m: NDArray[np.float64]
    measures: NDArray[np.int64]
    image: NDArray[np.int64]
    class_id: NDArray[np.int64]
    score: NDArray[np.float64]
    length_px: NDArray[np.float64]
    area_px: NDArray[np.float64]
    neutral: NDArray[np.bool_]
    found: NDArray[np.int64]
    found_prob_iou: NDArray[np.int64]
    true_image: NDArray[np.int64]
    true_class_id: NDArray[np.int64]
    true_length_px: NDArray[np.float64]
    true_area_px: NDArray[np.float64]
    image_px: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    water_px: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    on_water: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    corners: Corners = field(default_factory=lambda: np.zeros((0, 4, 2)))
    true_corners: Corners = field(default_factory=lambda: np.zeros((0, 4, 2)))
    loose: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    near: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    classes: ClassSet = PORT

    def save(self, path: Path) -> None:
        """Write all columns, so that a later run can be compared with this one."""
        columns = {name: getattr(self, name) for name in _COLUMNS}
        if self.classes != PORT:
            columns[CLASSES] = np.array(json.dumps(self.classes.to_plain()))
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, format_version=FORMAT_VERSION, **columns)

    @classmethod
    def load(cls, path: Path) -> MatchTable:
        """Read what `save` wrote.

        Raises:
            EvaluationError: the file is missing, damaged or of another version.
        """
        try:
            with np.load(path, allow_pickle=False) as columns:
                if int(columns["format_version"]) != FORMAT_VERSION:
                    raise EvaluationError(f"{path}: of another version; evaluate that run anew")
                names = [name for name in _COLUMNS if name in columns or name not in LATER]
                classes = PORT
                if CLASSES in columns:
                    plain = json.loads(str(columns[CLASSES]))
                    classes = ClassSet.from_plain(plain, str(path))
                return cls(**{name: columns[name] for name in names}, classes=classes)
        except (OSError, ValueError, KeyError) as error:
            raise EvaluationError(
                f"{path}: not the matches of an evaluation ({error}); give the folder of a run of "
                "'detector evaluate'"
            ) from error


_COLUMNS = tuple(item.name for item in fields(MatchTable) if item.name != CLASSES)


@dataclass(frozen=True, slots=True)
class _Part:
    """Columns of one class in one image; `found` counts from the image's first true object."""

    image: int
    class_id: int
    predicted: NDArray[np.int64]
    found: NDArray[np.int64]
    found_prob_iou: NDArray[np.int64]
    loose: NDArray[np.int64]
    near: NDArray[np.int64]
    neutral: NDArray[np.bool_]


def match_images(
    images: Sequence[EvalImage], predictions: Sequence[Boxes], *, with_prob_iou: bool = True
) -> MatchTable:
    """Match the predictions of all images.

    Args:
        images: the truth.
        predictions: of the images, in their order, pixels of each image.
        with_prob_iou: match by ProbIoU too, which takes a third of the time.

    Raises:
        EvaluationError: no images, two of one name, or another number of predictions.
        GeometryError: a box is not finite or not simple.
    """
    check_images(images)
    if len(images) != len(predictions):
        raise EvaluationError(f"{len(images)} images with predictions of {len(predictions)}")
    starts = np.concatenate([[0], np.cumsum([len(image.corners) for image in images])])
    parts = [
        _match_part(index, image, boxes, class_id, int(starts[index]), with_prob_iou)
        for index, (image, boxes) in enumerate(zip(images, predictions, strict=True))
        for class_id, measure in enumerate(image.measures)
        if measure is not Measure.NONE
    ]
    corners = _stack([predictions[part.image].corners[part.predicted] for part in parts])
    scores = [predictions[part.image].scores[part.predicted] for part in parts]
    sizes = [len(part.predicted) for part in parts]
    truth = _stack([image.corners for image in images])
    return MatchTable(
        classes=images[0].classes,
        names=np.array([image.name for image in images]),
        sources=np.array([image.source for image in images]),
        places=np.array([image.place for image in images]),
        gsd_m=np.array([image.gsd_m or np.nan for image in images], np.float64),
        measures=np.array([[MEASURES.index(m) for m in image.measures] for image in images]),
        image=np.repeat([part.image for part in parts], sizes).astype(np.int64),
        class_id=np.repeat([part.class_id for part in parts], sizes).astype(np.int64),
        score=np.concatenate([*scores, np.zeros(0)]).astype(np.float64),
        length_px=np.maximum(*edge_lengths(corners)),
        area_px=np.abs(signed_areas(corners)),
        neutral=np.concatenate([*(part.neutral for part in parts), np.zeros(0, np.bool_)]),
        found=np.concatenate(
            [*(part.found for part in parts), np.zeros((len(IOU_THRESHOLDS), 0), np.int64)], axis=1
        ),
        found_prob_iou=np.concatenate(
            [*(part.found_prob_iou for part in parts), np.zeros(0, np.int64)]
        ),
        true_image=np.repeat(np.arange(len(images)), np.diff(starts)),
        true_class_id=np.concatenate([image.class_ids for image in images]).astype(np.int64),
        true_length_px=np.maximum(*edge_lengths(truth)),
        true_area_px=np.abs(signed_areas(truth)),
        image_px=np.array([image.width * image.height for image in images], np.float64),
        water_px=np.array([_water_px(image) for image in images], np.float64),
        on_water=np.concatenate(
            [
                *(_on_water(images[p.image], predictions[p.image], p.predicted) for p in parts),
                np.zeros(0),
            ]
        ),
        corners=corners,
        true_corners=truth,
        loose=np.concatenate([*(part.loose for part in parts), np.zeros(0, np.int64)]),
        near=np.concatenate([*(part.near for part in parts), np.zeros(0, np.int64)]),
    )


def _water_px(image: EvalImage) -> float:
    return float("nan") if image.water is None else float(image.water.sum())


def _on_water(image: EvalImage, boxes: Boxes, chosen: NDArray[np.int64]) -> NDArray[np.float64]:
    if image.water is None:
        return np.full(len(chosen), np.nan)
    x, y = centres(boxes.corners[chosen]).T
    column = np.clip(x.astype(int), 0, image.width - 1)
    row = np.clip(y.astype(int), 0, image.height - 1)
    return np.asarray(image.water[row, column], np.float64)


def _match_part(
    index: int,
    image: EvalImage,
    boxes: Boxes,
    class_id: int,
    first_true: int,
    with_prob_iou: bool,
) -> _Part:
    thresholds = (*IOU_THRESHOLDS, LOOSE_IOU)
    matches = match_class(image, boxes, class_id, thresholds, with_prob_iou=with_prob_iou)
    to_table = np.append(matches.true + first_true, UNMATCHED)  # UNMATCHED = -1 picks the last
    return _Part(
        image=index,
        class_id=class_id,
        predicted=matches.predicted,
        found=to_table[matches.found[:-1]],
        found_prob_iou=to_table[matches.found_prob_iou],
        loose=to_table[matches.found[-1]],
        near=to_table[matches.found_near],
        neutral=matches.neutral,
    )


def _stack(parts: Sequence[Corners]) -> Corners:
    return np.concatenate([*parts, np.zeros((0, 4, 2))])
