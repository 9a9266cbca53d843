"""Is one run better than another, or were the places lucky? Paired bootstrap over places."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detector.evaluation.bootstrap import (
    Estimate,
    Weights,
    draw_places,
    estimate,
    place_sums,
    resampled_ap,
    resampled_mean_ap,
    resampled_ratio,
    two_sided_p,
)
from detector.evaluation.counts import image_counts
from detector.evaluation.select import Part, select
from detector.evaluation.slices import WHOLE, Slice, slices_of
from detector.evaluation.summary import STEP_75
from detector.evaluation.table import MatchTable
from detector.evaluation.truth import EvaluationError, Measure

COMPARED_BY: Final = (WHOLE, "source")
SAME_TRUTH: Final = ("names", "measures", "true_image", "true_class_id", "true_length_px")


@dataclass(frozen=True, slots=True)
class Side:
    """One of two runs on the same images.

    Attributes:
        complete: matches of all predictions.
        counted: matches of those that are counted.
    """

    complete: MatchTable
    counted: MatchTable


@dataclass(frozen=True, slots=True)
class Delta:
    """How one number differs between two runs.

    Attributes:
        class_name: of the table's classes.
        measure: `polygon` or `envelope`.
        by: `all` or `source`.
        value: which one.
        number: `AP50`, `AP75`, `AP50:95`, `precision`, `recall`, `F1`, `count MAE`.
        n_images: that enter.
        n_places: that they show.
        n_truth: true objects.
        old: of the run that is compared with.
        new: of this run.
        difference: new minus old, with the 95 % interval under the same resamples of places.
        p: of 'no difference', two-sided; one of many, so read it with the others.
    """

    class_name: str
    measure: str
    by: str
    value: str
    number: str
    n_images: int
    n_places: int
    n_truth: int
    old: float
    new: float
    difference: Estimate
    p: float

    @property
    def significant(self) -> bool:
        """The interval of the difference does not hold 0."""
        return self.difference.low > 0 or self.difference.high < 0


def compare(new: Side, old: Side) -> list[Delta]:
    """The differences of two runs.

    Raises:
        EvaluationError: the runs are not of the same images with the same truth.
    """
    _check_same(new.complete, old.complete)
    return [
        delta
        for class_id in range(len(new.complete.classes))
        for measure in (Measure.POLYGON, Measure.ENVELOPE)
        for part in slices_of(new.complete, class_id)
        if part.by in COMPARED_BY
        for delta in _deltas(new, old, class_id, measure, part)
    ]


Number = Callable[[Part, Part, MatchTable, Weights], NDArray[np.float64]]
"""A number under weights of places `(B,)`, from all predictions and from those counted."""


def _deltas(new: Side, old: Side, class_id: int, measure: Measure, part: Slice) -> Iterator[Delta]:
    sides = [
        (
            select(side.complete, class_id, measure, part.images, part.size),
            select(side.counted, class_id, measure, part.images, part.size),
            side.counted,
        )
        for side in (new, old)
    ]
    whole = sides[0][0]
    if whole.n_truth == 0:
        return
    once = np.ones((len(whole.places), 1))
    weights = draw_places(len(whole.places))
    with_truth = len(np.unique(whole.true_place))
    for name, number in NUMBERS.items():
        after, before = (float(number(*side, once)[0]) for side in sides)
        differences = number(*sides[0], weights) - number(*sides[1], weights)
        interval = estimate(after - before, differences, with_truth)
        yield Delta(
            class_name=new.complete.classes.names[class_id],
            measure=str(measure),
            by=part.by,
            value=part.value,
            number=name,
            n_images=len(whole.images),
            n_places=len(whole.places),
            n_truth=whole.n_truth,
            old=before,
            new=after,
            difference=interval,
            p=float("nan") if np.isnan(interval.low) else two_sided_p(differences),
        )


def _place_counts(part: Part) -> tuple[Weights, Weights, Weights]:
    """Right predictions, all counted ones and true objects of each place `(P,)`."""
    n = len(part.places)
    hits, counted = part.hits[0], part.counted[0]
    return (
        place_sums(np.ones(int(hits.sum())), part.place[hits], n),
        place_sums(np.ones(int(counted.sum())), part.place[counted], n),
        place_sums(np.ones(part.n_truth), part.true_place, n),
    )


def _precision(_: Part, used: Part, __: MatchTable, weights: Weights) -> NDArray[np.float64]:
    right, counted, _objects = _place_counts(used)
    return resampled_ratio(right, counted, weights)


def _recall(_: Part, used: Part, __: MatchTable, weights: Weights) -> NDArray[np.float64]:
    right, _counted, objects = _place_counts(used)
    return resampled_ratio(right, objects, weights)


def _f1(_: Part, used: Part, __: MatchTable, weights: Weights) -> NDArray[np.float64]:
    right, counted, objects = _place_counts(used)
    return resampled_ratio(2 * right, counted + objects, weights)


def _count_mae(_: Part, used: Part, table: MatchTable, weights: Weights) -> NDArray[np.float64]:
    rows = image_counts(used, table)
    error = np.abs(rows.counted - rows.true)
    return resampled_ratio(
        place_sums(error, rows.place, rows.n_places),
        place_sums(np.ones(len(error)), rows.place, rows.n_places),
        weights,
    )


NUMBERS: Final[dict[str, Number]] = {
    "AP50": lambda whole, _, __, weights: resampled_ap(whole, weights),
    "AP75": lambda whole, _, __, weights: resampled_ap(whole, weights, STEP_75),
    "AP50:95": lambda whole, _, __, weights: resampled_mean_ap(whole, weights),
    "precision": _precision,
    "recall": _recall,
    "F1": _f1,
    "count MAE": _count_mae,
}


def _check_same(new: MatchTable, old: MatchTable) -> None:
    missing = sorted(set(new.names.tolist()) ^ set(old.names.tolist()))
    if missing:
        raise EvaluationError(
            f"compare: the runs are of other images; '{missing[0]}' is in one of them only"
        )
    if new.classes.names != old.classes.names:
        raise EvaluationError(
            f"compare: the other run is of the classes {', '.join(old.classes.names)}; this one is "
            f"of {', '.join(new.classes.names)}"
        )
    for column in SAME_TRUTH:
        mine, other = getattr(new, column), getattr(old, column)
        if mine.shape != other.shape or not _equal(mine, other):
            raise EvaluationError(
                f"compare: the truth has changed since the other run ({column}); evaluate it anew"
            )


def _equal(a: NDArray[np.generic], b: NDArray[np.generic]) -> bool:
    if a.dtype.kind == "f":
        return bool(np.allclose(a.astype(float), b.astype(float)))
    return bool((a == b).all())
