"""How wrong the counts are: the number that is published in the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import shapely
from numpy.typing import NDArray

from detector.boxes.scored import Boxes
from detector.evaluation.bootstrap import (
    Estimate,
    Weights,
    draw_places,
    estimate,
    place_sums,
    resampled_ratio,
)
from detector.evaluation.select import Part
from detector.evaluation.table import MatchTable
from detector.evaluation.truth import EvalImage, Measure
from detector.geometry.boxes import centres

MAPE_MIN_TRUTH: Final = 5  # a relative error of a smaller count says little
WITHIN: Final = 0.10  # of the true count


@dataclass(frozen=True, slots=True)
class CountRows:
    """True and counted objects (or areas) of images or zones.

    Attributes:
        true: `(R,)`.
        counted: `(R,)`.
        place: `(R,)` positions of the places.
        n_places: number of places.
    """

    true: NDArray[np.float64]
    counted: NDArray[np.float64]
    place: NDArray[np.int64]
    n_places: int


@dataclass(frozen=True, slots=True)
class CountErrors:
    """How wrong counts are.

    Attributes:
        n: rows (images or zones).
        n_places: that they come from.
        true: sum of the true counts.
        counted: sum of the counts.
        bias: mean of counted minus true.
        mae: mean of its size.
        mape: mean of its size over the true count, rows with at least `MAPE_MIN_TRUTH`.
        n_mape: number of those rows.
        total_error: sum of counted minus true over the sum of true.
        within_10: share of the rows with true objects whose count is within 10 % of the truth.
        n_within_10: number of those rows.
    """

    n: int
    n_places: int
    true: float
    counted: float
    bias: Estimate
    mae: Estimate
    mape: Estimate
    n_mape: int
    total_error: Estimate
    within_10: Estimate
    n_within_10: int


@dataclass(frozen=True, slots=True)
class LengthErrors:
    """How wrong lengths of found objects are, where the gsd is known.

    Attributes:
        n: found objects.
        n_places: that they come from.
        bias_m: mean of measured minus true, metres.
        mae_m: mean of its size, metres.
        mape: mean of its size over the true length.
    """

    n: int
    n_places: int
    bias_m: Estimate
    mae_m: Estimate
    mape: Estimate


def image_counts(part: Part, table: MatchTable) -> CountRows:
    """Objects of each image; predictions that are neither right nor wrong are not counted."""
    counted = table.image[part.row[part.counted[0]]]
    true = table.true_image[part.true_row]
    return _rows(part, table, _per_image(true, table), _per_image(counted, table))


def image_areas(part: Part, table: MatchTable, *, metres: bool) -> CountRows:
    """Summed areas of the boxes of each image, square metres (gsd known) or square pixels."""
    row = part.row[part.counted[0]]
    true = _per_image(table.true_image[part.true_row], table, table.true_area_px[part.true_row])
    counted = _per_image(table.image[row], table, table.area_px[row])
    if not metres:
        return _rows(part, table, true, counted)
    known = ~np.isnan(table.gsd_m)
    return _rows(part, table, true * table.gsd_m**2, counted * table.gsd_m**2, known)


def zone_counts(
    images: Sequence[EvalImage], predictions: Sequence[Boxes], class_id: int
) -> CountRows:
    """Objects with their centre in each zone, of all images that have zones and score the class.

    Args:
        images: the truth.
        predictions: at the thresholds of the card, in the order of the images.
        class_id: position in the classes of the truth.
    """
    true, counted, places = [], [], []
    for image, found in zip(images, predictions, strict=True):
        if image.measures[class_id] is Measure.NONE:
            continue
        for zone in image.zones:
            true.append(_inside(zone, image.corners[image.class_ids == class_id]))
            counted.append(_inside(zone, found.corners[found.class_ids == class_id]))
            places.append(image.place)
    names, place = np.unique(np.array(places, np.str_), return_inverse=True)
    return CountRows(np.array(true, float), np.array(counted, float), place, len(names))


def count_errors(rows: CountRows) -> CountErrors:
    """The errors of counts or areas, with 95 % place-bootstrap intervals."""
    weights = draw_places(rows.n_places)
    error = rows.counted - rows.true
    size = np.abs(error)
    some, many = rows.true > 0, rows.true >= MAPE_MIN_TRUTH
    relative = np.divide(size, rows.true, out=np.zeros(len(size)), where=some)
    every = np.ones(len(error))
    return CountErrors(
        n=len(error),
        n_places=rows.n_places,
        true=float(rows.true.sum()),
        counted=float(rows.counted.sum()),
        bias=_mean(error, every, rows, weights),
        mae=_mean(size, every, rows, weights),
        mape=_mean(relative * many, many, rows, weights),
        n_mape=int(many.sum()),
        total_error=_mean(error, rows.true, rows, weights),
        within_10=_mean(some & (relative <= WITHIN), some, rows, weights),
        n_within_10=int(some.sum()),
    )


def length_errors(part: Part, table: MatchTable) -> LengthErrors:
    """The errors of the lengths of found objects in images of known gsd."""
    row, place = part.row[part.hits[0]], part.place[part.hits[0]]
    gsd = table.gsd_m[table.image[row]]
    row, place, gsd = (values[~np.isnan(gsd)] for values in (row, place, gsd))
    true = table.true_length_px[table.found[0, row]] * gsd
    names, place = np.unique(place, return_inverse=True)
    rows = CountRows(true, table.length_px[row] * gsd, place, len(names))
    weights = draw_places(rows.n_places)
    error, every = rows.counted - true, np.ones(len(true))
    return LengthErrors(
        n=len(true),
        n_places=len(names),
        bias_m=_mean(error, every, rows, weights),
        mae_m=_mean(np.abs(error), every, rows, weights),
        mape=_mean(np.abs(error) / true, every, rows, weights),
    )


def _mean(
    values: NDArray[np.generic], per: NDArray[np.generic], rows: CountRows, weights: Weights
) -> Estimate:
    """Sum of `values` over sum of `per`, with its interval."""
    parts = place_sums(np.asarray(values, float), rows.place, rows.n_places)
    wholes = place_sums(np.asarray(per, float), rows.place, rows.n_places)
    total = float(wholes.sum())
    value = float(parts.sum()) / total if total > 0 else float("nan")
    return estimate(value, resampled_ratio(parts, wholes, weights), int((wholes > 0).sum()))


def _rows(
    part: Part,
    table: MatchTable,
    true: NDArray[np.float64],
    counted: NDArray[np.float64],
    chosen: NDArray[np.bool_] | None = None,
) -> CountRows:
    images = part.images if chosen is None else part.images[chosen[part.images]]
    names, place = np.unique(table.places[images], return_inverse=True)
    return CountRows(true[images], counted[images], place, len(names))


def _per_image(
    image: NDArray[np.int64], table: MatchTable, values: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    sums = np.bincount(image, weights=values, minlength=len(table.names))
    return np.asarray(sums, np.float64)


def _inside(zone: shapely.Polygon, corners: NDArray[np.float64]) -> int:
    return int(shapely.contains_xy(zone, centres(corners)).sum()) if len(corners) else 0
