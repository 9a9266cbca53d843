"""The numbers of an evaluation, each with what it rests on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from detector.boxes.scored import Boxes
from detector.evaluation.bootstrap import (
    Estimate,
    Weights,
    draw_places,
    estimate,
    place_sums,
    resampled_ap,
    resampled_ap_prob_iou,
)
from detector.evaluation.counts import (
    CountErrors,
    LengthErrors,
    count_errors,
    image_areas,
    image_counts,
    length_errors,
    zone_counts,
)
from detector.evaluation.curves import best_f1
from detector.evaluation.failures import Explained, Kind, explain_all
from detector.evaluation.matching import IOU_THRESHOLDS
from detector.evaluation.near import CentreRow, centre_rows
from detector.evaluation.operation import Operation, operation, ratio
from detector.evaluation.select import Part, select
from detector.evaluation.slices import WHOLE, Slice, slices_of
from detector.evaluation.table import MatchTable, match_images
from detector.evaluation.truth import EvalImage, Measure

STEP_75 = IOU_THRESHOLDS.index(0.75)


@dataclass(frozen=True, slots=True)
class Predictions:
    """What a detector says of the images, in their order.

    Attributes:
        complete: down to a low score, for whole curves.
        counted: at the thresholds that `predict` uses, through the same merge: what is counted.
    """

    complete: Sequence[Boxes]
    counted: Sequence[Boxes]


@dataclass(frozen=True, slots=True)
class DetectionRow:
    """One class by one measure in one part of the data.

    Attributes:
        class_name: of the table's classes.
        measure: `polygon` or `envelope`.
        by: kind of the part.
        value: which part.
        n_images: that score the class by this measure.
        n_places: that they show.
        n_truth: true objects.
        n_truth_places: places that hold them; intervals rest on these.
        ap50: average precision, all points, IoU 0.5.
        ap75: the same at 0.75.
        ap50_95: mean of 0.5, 0.55 … 0.95.
        ap50_voc07: at 0.5 by 11 points.
        ap50_prob_iou: at ProbIoU 0.5, for comparison with Ultralytics; not an overlap of areas.
        counted: at the thresholds of the card.
        best: at the threshold of the best F1, chosen on these same images.
        false_per_image: wrong predictions at the thresholds of the card.
    """

    class_name: str
    measure: str
    by: str
    value: str
    n_images: int
    n_places: int
    n_truth: int
    n_truth_places: int
    ap50: Estimate
    ap75: Estimate
    ap50_95: Estimate
    ap50_voc07: Estimate
    ap50_prob_iou: Estimate
    counted: Operation
    best: Operation | None
    false_per_image: Estimate


@dataclass(frozen=True, slots=True)
class CountRow:
    """Count errors of one class.

    Attributes:
        class_name: of the table's classes.
        measure: `polygon` or `envelope`.
        what: `objects by image`, `objects by zone`, `area by image, m2`, `area by image, px2`.
        errors: with intervals.
    """

    class_name: str
    measure: str
    what: str
    errors: CountErrors


@dataclass(frozen=True, slots=True)
class KindRow:
    """Errors of one class by kind, at the thresholds of the card.

    Attributes:
        class_name: of the table's classes.
        measure: `polygon` or `envelope`.
        predicted: kind to number of predictions.
        true: kind to number of true objects.
    """

    class_name: str
    measure: str
    predicted: dict[str, int]
    true: dict[str, int]


@dataclass(frozen=True, slots=True)
class LengthRow:
    """Length errors of found ships where the gsd is known; polygon measure.

    Attributes:
        value: `all`, or a range of true length.
        errors: with intervals.
    """

    value: str
    errors: LengthErrors


@dataclass(frozen=True, slots=True)
class Summary:
    """All numbers of an evaluation.

    Attributes:
        detection: average precision and the like, the whole first.
        counts: of objects and areas.
        lengths: of ships.
        kinds: errors by kind.
        centres: what is found by centres, where images are coarse.
    """

    detection: list[DetectionRow]
    counts: list[CountRow]
    lengths: list[LengthRow]
    kinds: list[KindRow]
    centres: list[CentreRow] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """An evaluation before and after it is summed up.

    Attributes:
        complete: matches of all predictions.
        counted: matches of those that are counted.
        explained: kinds of what is counted and of what is true, one an image.
        summary: the numbers.
    """

    complete: MatchTable
    counted: MatchTable
    explained: list[Explained]
    summary: Summary


def evaluate(images: Sequence[EvalImage], predictions: Predictions) -> Evaluation:
    """Score predictions against truth.

    Args:
        images: the truth.
        predictions: of the images, in their order.

    Raises:
        EvaluationError: no images, two of one name, or another number of predictions.
        GeometryError: a box is not finite or not simple.
    """
    complete = match_images(images, predictions.complete)
    counted = match_images(images, predictions.counted, with_prob_iou=False)
    scored = [
        (class_id, measure)
        for class_id in range(len(complete.classes))
        for measure in (Measure.POLYGON, Measure.ENVELOPE)
        if len(select(complete, class_id, measure).images)
    ]
    explained = explain_all(images, predictions.counted)
    summary = Summary(
        detection=[
            row
            for class_id, measure in scored
            for part in slices_of(complete, class_id)
            if (row := detection_row(complete, counted, class_id, measure, part)) is not None
        ],
        counts=[
            row
            for class_id, measure in scored
            for row in _count_rows(images, predictions, counted, class_id, measure)
        ],
        lengths=_length_rows(counted),
        kinds=[_kind_row(images, explained, *which) for which in scored],
        centres=centre_rows(complete, counted),
    )
    return Evaluation(complete, counted, explained, summary)


def detection_row(
    complete: MatchTable, counted: MatchTable, class_id: int, measure: Measure, part: Slice
) -> DetectionRow | None:
    """The numbers of one part; None where it holds neither truth nor wrong predictions."""
    whole = select(complete, class_id, measure, part.images, part.size)
    used = select(counted, class_id, measure, part.images, part.size)
    if not len(whole.images) or (whole.n_truth == 0 and not len(used.scores)):
        return None
    weights = draw_places(len(whole.places))
    with_truth = len(np.unique(whole.true_place))

    def ap(value: float, resampled: Weights) -> Estimate:
        return estimate(value, resampled, with_truth)

    by_step = [resampled_ap(whole, weights, step) for step in range(len(IOU_THRESHOLDS))]
    best = best_f1(*whole.scored())
    return DetectionRow(
        class_name=complete.classes.names[class_id],
        measure=str(measure),
        by=part.by,
        value=part.value,
        n_images=len(whole.images),
        n_places=len(whole.places),
        n_truth=whole.n_truth,
        n_truth_places=with_truth,
        ap50=ap(whole.ap(), by_step[0]),
        ap75=ap(whole.ap(STEP_75), by_step[STEP_75]),
        ap50_95=ap(whole.mean_ap(), np.mean(by_step, axis=0)),
        ap50_voc07=ap(whole.ap(0, "voc07"), resampled_ap(whole, weights, 0, "voc07")),
        ap50_prob_iou=ap(whole.ap_prob_iou(), resampled_ap_prob_iou(whole, weights)),
        counted=operation(used, weights, 0.0, float("nan")),
        best=operation(whole, weights, best.threshold, best.threshold) if best else None,
        false_per_image=_false_per_image(used, counted, weights),
    )


def _false_per_image(part: Part, table: MatchTable, weights: Weights) -> Estimate:
    n = len(part.places)
    wrong = part.counted[0] & ~part.hits[0]
    false = place_sums(np.ones(int(wrong.sum())), part.place[wrong], n)
    place = np.searchsorted(part.places, table.places[part.images])
    return ratio(false, place_sums(np.ones(len(place)), place, n), weights)


def _count_rows(
    images: Sequence[EvalImage],
    predictions: Predictions,
    table: MatchTable,
    class_id: int,
    measure: Measure,
) -> list[CountRow]:
    part = select(table, class_id, measure)
    rows = {"objects by image": image_counts(part, table)}
    if any(image.zones for image in images) and measure is Measure.POLYGON:
        rows["objects by zone"] = zone_counts(images, predictions.counted, class_id)
    if table.classes[class_id].by_area and measure is Measure.POLYGON:
        rows["area by image, px2"] = image_areas(part, table, metres=False)
        rows["area by image, m2"] = image_areas(part, table, metres=True)
    return [
        CountRow(table.classes.names[class_id], str(measure), what, count_errors(values))
        for what, values in rows.items()
    ]


def _length_rows(table: MatchTable) -> list[LengthRow]:
    rows: list[LengthRow] = []
    ship = next(iter(table.classes.with_role("visits")), None)
    if ship is None:
        return rows
    for part in slices_of(table, ship):
        if part.by in (WHOLE, "length_m"):
            chosen = select(table, ship, Measure.POLYGON, part.images, part.size)
            errors = length_errors(chosen, table)
            if errors.n:
                rows.append(LengthRow(part.value, errors))
    return rows


def _kind_row(
    images: Sequence[EvalImage], explained: list[Explained], class_id: int, measure: Measure
) -> KindRow:
    predicted: Counter[Kind] = Counter()
    true: Counter[Kind] = Counter()
    for image, kinds in zip(images, explained, strict=True):
        if image.measures[class_id] is measure:
            predicted.update(kinds[class_id].predicted_kinds)
            true.update(kinds[class_id].true_kinds)
    return KindRow(
        images[0].classes.names[class_id],
        str(measure),
        {str(kind): predicted[kind] for kind in Kind if kind is not Kind.MISSED},
        {str(kind): true[kind] for kind in Kind if kind in TRUE_KINDS},
    )


TRUE_KINDS = (Kind.RIGHT, Kind.WRONG_CLASS, Kind.MERGED, Kind.SPLIT, Kind.LOCALISATION, Kind.MISSED)
