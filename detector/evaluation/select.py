"""Parts of the match table: one class by one measure, in some images or of some sizes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from detector.evaluation.curves import Interpolation, average_precision
from detector.evaluation.table import MEASURES, MatchTable
from detector.evaluation.truth import Measure

SizeUnit = Literal["px", "m"]


@dataclass(frozen=True, slots=True)
class SizeRange:
    """Objects whose length lies in `[low, high)`.

    Attributes:
        low: in `unit`.
        high: in `unit`.
        unit: `px`, or `m`, for which the gsd must be known.
    """

    low: float
    high: float
    unit: SizeUnit


@dataclass(frozen=True, slots=True)
class Part:
    """What one class by one measure gives in the chosen images; K IoU thresholds.

    Attributes:
        class_id: position in the classes of the truth.
        measure: how it is scored.
        scores: `(D,)` highest first.
        hits: `(K, D)` finds a true object of this part.
        counted: `(K, D)` right or wrong; the rest is neither.
        hits_prob_iou: `(D,)` as `hits` at ProbIoU 0.5.
        counted_prob_iou: `(D,)`.
        place: `(D,)` position in `places`.
        area_px: `(D,)` square pixels.
        row: `(D,)` row in the match table.
        true_place: `(T,)` position in `places`.
        true_row: `(T,)` row in the match table's truth.
        places: `(P,)` names, those without objects too.
        images: `(I,)` images in the match table.
    """

    class_id: int
    measure: Measure
    scores: NDArray[np.float64]
    hits: NDArray[np.bool_]
    counted: NDArray[np.bool_]
    hits_prob_iou: NDArray[np.bool_]
    counted_prob_iou: NDArray[np.bool_]
    place: NDArray[np.int64]
    area_px: NDArray[np.float64]
    row: NDArray[np.int64]
    true_place: NDArray[np.int64]
    true_row: NDArray[np.int64]
    places: NDArray[np.str_]
    images: NDArray[np.int64]

    @property
    def n_truth(self) -> int:
        """Number of true objects."""
        return len(self.true_place)

    def scored(self, step: int = 0) -> tuple[NDArray[np.float64], NDArray[np.bool_], int]:
        """Scores, hits and number of true objects at the IoU threshold `step`, for `curves`."""
        counted = self.counted[step]
        return self.scores[counted], self.hits[step, counted], self.n_truth

    def ap(self, step: int = 0, interpolation: Interpolation = "all_points") -> float:
        """Average precision at the IoU threshold `step`."""
        return average_precision(*self.scored(step), interpolation)

    def mean_ap(self) -> float:
        """Average precision, the mean over all IoU thresholds."""
        return float(np.mean([self.ap(step) for step in range(len(self.hits))]))

    def ap_prob_iou(self) -> float:
        """Average precision at ProbIoU 0.5."""
        counted = self.counted_prob_iou
        return average_precision(self.scores[counted], self.hits_prob_iou[counted], self.n_truth)


def select(
    table: MatchTable,
    class_id: int,
    measure: Measure,
    images: NDArray[np.bool_] | None = None,
    size: SizeRange | None = None,
) -> Part:
    """One class by one measure.

    A right prediction belongs to the size of the object that it finds, a wrong one to its own
    size, so that nothing is matched anew and the sizes add up to the whole.

    Args:
        table: of the evaluation.
        class_id: position in the classes of the truth.
        measure: images that score the class otherwise are left out.
        images: `(I,)` which images; None for all.
        size: which objects; in metres, images of unknown gsd are left out.
    """
    chosen = table.measures[:, class_id] == MEASURES.index(measure)
    if images is not None:
        chosen = chosen & images
    if size is not None and size.unit == "m":
        chosen = chosen & ~np.isnan(table.gsd_m)
    rows = np.flatnonzero((table.class_id == class_id) & chosen[table.image])
    rows = rows[np.argsort(-table.score[rows], kind="stable")]
    true_rows = (table.true_class_id == class_id) & chosen[table.true_image]
    true_rows &= _in_range(table.true_length_px, table.gsd_m[table.true_image], size)
    own = _in_range(table.length_px[rows], table.gsd_m[table.image[rows]], size)
    wrong = own & ~table.neutral[rows]
    hits, counted = _split(table.found[:, rows], true_rows, wrong)
    hits_prob, counted_prob = _split(table.found_prob_iou[None, rows], true_rows, wrong)
    kept = counted.any(axis=0) | counted_prob[0]
    rows = rows[kept]
    names, place = np.unique(table.places[chosen], return_inverse=True)
    place_of_image = np.full(len(chosen), -1, np.int64)
    place_of_image[chosen] = place
    true_index = np.flatnonzero(true_rows)
    return Part(
        class_id=class_id,
        measure=measure,
        scores=table.score[rows],
        hits=hits[:, kept],
        counted=counted[:, kept],
        hits_prob_iou=hits_prob[0, kept],
        counted_prob_iou=counted_prob[0, kept],
        place=place_of_image[table.image[rows]],
        area_px=table.area_px[rows],
        row=rows,
        true_place=place_of_image[table.true_image[true_index]],
        true_row=true_index,
        places=names,
        images=np.flatnonzero(chosen),
    )


def _split(
    found: NDArray[np.int64], true_rows: NDArray[np.bool_], wrong: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which predictions `(K, D)` are hits in this part, and which count."""
    hits = np.append(true_rows, False)[found]  # UNMATCHED = -1 picks the last
    return hits, hits | ((found < 0) & wrong)


def _in_range(
    length_px: NDArray[np.float64], gsd_m: NDArray[np.float64], size: SizeRange | None
) -> NDArray[np.bool_]:
    if size is None:
        return np.ones(len(length_px), np.bool_)
    length = length_px * gsd_m if size.unit == "m" else length_px
    return np.asarray((length >= size.low) & (length < size.high))
