"""The parts of the data that are reported beside the whole: sources, gsd, sizes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detector.evaluation.select import SizeRange, SizeUnit
from detector.evaluation.table import MatchTable

WHOLE: Final = "all"
GSD_LIMITS_M: Final = (0.4, 0.7, 1.5, 4.0)
LENGTH_LIMITS_PX: Final = (16.0, 32.0, 96.0, 256.0)


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of the data.

    Attributes:
        by: `all`, `source`, `gsd`, `length_px` or `length_m`.
        value: which one, in words.
        images: `(I,)` which images; None for all.
        size: which objects; None for all.
    """

    by: str
    value: str
    images: NDArray[np.bool_] | None = None
    size: SizeRange | None = None


def slices_of(table: MatchTable, class_id: int) -> list[Slice]:
    """All parts for one class, the whole first; parts may be empty."""
    entry = table.classes[class_id]
    return [
        Slice(WHOLE, WHOLE),
        *(Slice("source", str(name), table.sources == name) for name in np.unique(table.sources)),
        *_by_gsd(table.gsd_m),
        *_by_length(LENGTH_LIMITS_PX, "px"),
        *_by_length(entry.slice_limits_m or entry.length_limits_m, "m"),
    ]


def range_name(low: float, high: float, unit: str) -> str:
    """A half-open range in words.

    Examples:
        >>> range_name(0, 25, "m"), range_name(25, 60, "m"), range_name(60, float("inf"), "m")
        ('<25 m', '25-60 m', '>=60 m')
    """
    if low == 0:
        return f"<{high:g} {unit}"
    return f">={low:g} {unit}" if np.isinf(high) else f"{low:g}-{high:g} {unit}"


def _by_gsd(gsd_m: NDArray[np.float64]) -> list[Slice]:
    known = [
        Slice("gsd", range_name(low, high, "m"), (gsd_m >= low) & (gsd_m < high))
        for low, high in pairwise((0.0, *GSD_LIMITS_M, np.inf))
    ]
    return [*known, Slice("gsd", "unknown", np.isnan(gsd_m))]


def _by_length(limits: Sequence[float], unit: SizeUnit) -> list[Slice]:
    return [
        Slice(f"length_{unit}", range_name(low, high, unit), size=SizeRange(low, high, unit))
        for low, high in pairwise((0.0, *limits, np.inf))
    ]
