"""Objects found by their centres, beside those found by overlap: what coarse pixels allow.

At 10 m a pixel a ship is two or three pixels wide, and an outline that is half a pixel off on each
side has an IoU below 0.5. Both matches stand side by side, so that what a network misses is told
from what the pixels do not say.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import numpy as np

from detector.evaluation.bootstrap import Estimate, draw_places, estimate, resampled_ap
from detector.evaluation.operation import Operation, operation
from detector.evaluation.select import SizeRange, select
from detector.evaluation.slices import WHOLE, range_name
from detector.evaluation.table import MatchTable
from detector.evaluation.truth import Measure

COARSE_M: Final = 2.5  # gsd from which centres are told beside overlaps
HEADLINE_M: Final = 60.0  # ships from this length on are what 10 m a pixel shows


@dataclass(frozen=True, slots=True)
class CentreRow:
    """One class by polygons in one range of lengths, images of `COARSE_M` and coarser.

    Attributes:
        class_name: of the table's classes.
        value: `all`, or a range of length.
        n_truth: true objects.
        n_truth_places: places that hold them; intervals rest on these.
        by_overlap: at the thresholds of the card, IoU 0.5.
        by_centre: the same where centres lie within half a length and a width.
        ap: average precision by centres.
    """

    class_name: str
    value: str
    n_truth: int
    n_truth_places: int
    by_overlap: Operation
    by_centre: Operation
    ap: Estimate


def centre_rows(complete: MatchTable, counted: MatchTable) -> list[CentreRow]:
    """The rows of all classes of ships; none where no image is coarse.

    Args:
        complete: matches of all predictions.
        counted: matches of those that are counted.
    """
    coarse = complete.gsd_m >= COARSE_M
    if not coarse.any():
        return []
    near = replace(complete, found=complete.near[None]), replace(counted, found=counted.near[None])
    rows = []
    for class_id, entry in enumerate(complete.classes):
        for value, size in _ranges(entry.length_limits_m):
            whole, used = (select(table, class_id, Measure.POLYGON, coarse, size) for table in near)
            if not whole.n_truth:
                continue
            overlap = select(counted, class_id, Measure.POLYGON, coarse, size)
            weights = draw_places(len(whole.places))
            places = len(np.unique(whole.true_place))
            rows.append(
                CentreRow(
                    entry.name,
                    value,
                    whole.n_truth,
                    places,
                    operation(overlap, weights, 0.0, float("nan")),
                    operation(used, weights, 0.0, float("nan")),
                    estimate(whole.ap(), resampled_ap(whole, weights), places),
                )
            )
    return rows


def _ranges(limits_m: tuple[float, ...]) -> Iterator[tuple[str, SizeRange | None]]:
    """The whole, what is long enough for coarse pixels, and every range; nothing without limits."""
    if not limits_m:
        return
    yield WHOLE, None
    yield range_name(HEADLINE_M, np.inf, "m"), SizeRange(HEADLINE_M, np.inf, "m")
    for low, high in pairwise((0.0, *limits_m, np.inf)):
        yield range_name(low, high, "m"), SizeRange(low, high, "m")
