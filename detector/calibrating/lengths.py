"""How far lengths are off: 90 % intervals by size in pixels, fitted on objects of known length.

The half width of an interval is a quantile of the errors of like objects, with the rank that
covers a new one (split conformal: Lei et al., Distribution-Free Predictive Inference for
Regression, 2018): of n errors the one of rank ceil((n + 1) 0.9). Sizes of which too few are known
are taken together, and of sizes of which a length is known to a factor of two at best nothing is
claimed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from detector.classes import PORT, ClassSet
from detector.lengths import LEVEL, WHOLE

BANDS_PX: Final = (0.0, 32.0, 64.0, 128.0, 256.0)  # from, read pixels
COARSE_BANDS_PX: Final = (0.0, 8.0, 16.0, *BANDS_PX[1:])  # of 10 m a pixel: 80 m, 160 m, 320 m
LEAST_OBJECTS: Final = 30  # of a band
MOST_LOG_ERROR: Final = 0.7  # a factor of two: such an interval says nothing
ONE_SIDED: Final = (1.0 + LEVEL) / 2.0  # holds as often as one end of an interval
FOLDS: Final = 8  # of places, to check a fit on those that it did not see
ROWS_FILE: Final = "lengths.parquet"  # what is fitted, beside the card
COLUMNS: Final = ("class", "length_px", "log_error", "cut", "log_over", "place")


def fit_lengths(
    measured: pd.DataFrame,
    fitted_on: str,
    classes: ClassSet = PORT,
    bands_px: Sequence[float] = BANDS_PX,
) -> dict[str, Any]:
    """The `lengths` of a card.

    Args:
        measured: `COLUMNS`, one row a box that lies on an object of known length: `length_px` read
            pixels; `log_error` of the length, measured by true; `cut` as of detections; `log_over`
            of what shows of it by the whole object's true length; `place` name.
        fitted_on: the data, in words.
        classes: that are fitted; those with fewer than `LEAST_OBJECTS` objects are left out.
        bands_px: from where bands of sizes begin, read pixels.

    Returns:
        Plain values, as `detector.lengths.LengthErrors.from_card` reads them.
    """
    found: dict[str, Any] = {}
    for name in classes.names:
        mine = measured.loc[measured["class"] == name, list(COLUMNS)]
        whole, cut = mine[mine["cut"] == WHOLE], mine[mine["cut"] != WHOLE]
        if len(whole) < LEAST_OBJECTS:
            continue
        over = cut["log_over"].to_numpy(float)
        length_px, log_error = (whole[key].to_numpy(float) for key in ("length_px", "log_error"))
        found[name] = {
            "bands": _bands(length_px, log_error, bands_px),
            "log_cut": round(max(conformal(over, ONE_SIDED), 0.0), 4) if len(over) else 0.0,
            "n_cut": len(over),
        }
    return {"fitted_on": fitted_on, "classes": found}


def folds_of(places: Sequence[str]) -> NDArray[np.int64]:
    """Fold `(N,)` of each row, from 0; all rows of a place are in one."""
    numbers = {name: number % FOLDS for number, name in enumerate(sorted(set(places)))}
    return np.array([numbers[name] for name in places], np.int64)


def conformal(values: NDArray[np.float64], level: float) -> float:
    """What a new value stays below with this probability: the value of rank ceil((n + 1) level).

    The largest one where there are too few for the rank.
    """
    rank = min(math.ceil((len(values) + 1) * level), len(values))
    return float(np.sort(values)[rank - 1])


def held_out(measured: pd.DataFrame, folds: NDArray[np.int64]) -> list[Mapping[str, Any]]:
    """The `lengths` fitted without each fold, in order of the folds.

    Args:
        measured: as of `fit_lengths`.
        folds: `(N,)` of each row; rows of one place are in one fold.
    """
    return [fit_lengths(measured[folds != fold], "") for fold in range(int(folds.max()) + 1)]


def _bands(
    length_px: NDArray[np.float64], log_error: NDArray[np.float64], bands_px: Sequence[float]
) -> list[dict[str, Any]]:
    """Bands from the smallest on, each grown until it holds enough objects."""
    ends = [*bands_px[1:], math.inf]
    bands: list[dict[str, Any]] = []
    start = bands_px[0]
    for end in ends:
        mine = (length_px >= start) & (length_px < end)
        rest = int((length_px >= end).sum())
        if mine.sum() < LEAST_OBJECTS or 0 < rest < LEAST_OBJECTS:
            continue  # with the next one
        error = conformal(np.abs(log_error[mine]), LEVEL)
        bands.append(
            {
                "from_px": start,
                "log_error": round(error, 4) if error <= MOST_LOG_ERROR else None,
                "n_objects": int(mine.sum()),
            }
        )
        start = end
    return bands
