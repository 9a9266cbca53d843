"""Fits how counts come about: what is real, what was missed, and what a sister network teaches."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, log_expit
from scipy.stats import nbinom

from detector.calibrating.places import CountPlaces
from detector.calibrating.rates import Trials, fit_rates
from detector.counting.calibration import CalibrationError
from detector.counting.draws import CountModel, LoneModel

LONE_SHAPE: Final = (-2.0, 1.5)  # mean and spread of the logarithm of the shape, beforehand
LONE_ODDS: Final = (0.0, 1.5)  # of the log odds of the recall
COARSE_LONE_MPX: Final = 1.0  # 6 km2 read at 2.5 m; pictures of ships made coarse have less
LENGTHS: Final = 21  # quantiles by which lengths of missed objects are told
DIGITS: Final = 5


def fit_counts(places: CountPlaces, conf: float, least_lone_mpx: float = 0.0) -> CountModel:
    """The model of counts.

    Args:
        places: that the networks did not train on.
        conf: score from which the weights that are calibrated count.
        least_lone_mpx: millions of pixels as read from which images tell how many objects are
            missed far from all boxes; crops around ships say nothing of how empty the ground is.

    Raises:
        CalibrationError: no box is real.
    """
    if not places.real.any():
        raise CalibrationError("no box is real; counts need some that are")
    lengths = (
        np.quantile(places.missed_px, np.linspace(0, 1, LENGTHS), method="inverted_cdf")
        if (len(places.missed_px))
        else np.zeros(0)
    )
    large = places.mpx >= least_lone_mpx
    shape, recall = fit_lone(places.lone[large], places.mpx[large])
    return CountModel(
        conf=conf,
        real=fit_rates(_real_trials(places)),
        found=fit_rates(_found_trials(places)),
        lone=LoneModel(shape, recall, [round(float(value), 1) for value in lengths]),
    )


def fit_lone(lone: NDArray[np.int64], mpx: NDArray[np.float64]) -> tuple[float, float]:
    """Shape a million pixels and probability of the negative binomial of lone objects.

    Args:
        lone: `(I,)` objects missed far from all real boxes of each image.
        mpx: `(I,)` millions of pixels as read.
    """

    def loss(values: NDArray[np.float64]) -> float:
        fits = nbinom.logpmf(lone, np.exp(values[0]) * mpx, expit(values[1])).sum()
        apart = (
            (values[0] - LONE_SHAPE[0]) / LONE_SHAPE[1],
            (values[1] - LONE_ODDS[0]) / LONE_ODDS[1],
        )
        return float(0.5 * (apart[0] ** 2 + apart[1] ** 2) - fits)

    found = minimize(loss, np.array([LONE_SHAPE[0], LONE_ODDS[0]]), method="Nelder-Mead")
    return round(float(np.exp(found.x[0])), DIGITS), round(float(expit(found.x[1])), DIGITS)


def sister_offsets(own: CountPlaces, sister: CountPlaces) -> tuple[float, float]:
    """By how much a sister network's log odds, of real boxes and of recall, exceed the own ones.

    Both looked at the same places, so what they differ by is theirs. The offsets are those at which
    the totals of the own network's rates, put on the sister's boxes, are the sister's.

    Args:
        own: the same images as seen by the weights that are calibrated.
        sister: as seen by the sister.
    """
    real = _offset(_real_trials(own), _real_trials(sister))
    found = _offset(_found_trials(own), _found_trials(sister))
    return round(real, DIGITS), round(found, DIGITS)


def summary_of(places: CountPlaces) -> dict[str, Any]:
    """What counts rest on, as plain values for a card."""
    return {
        "images": len(places.place),
        "places": len(np.unique(places.place)),
        "places_with_objects": places.object_places,
        "objects": int(places.true.sum()),
        "boxes": len(places.facts),
    }


def _real_trials(places: CountPlaces) -> Trials:
    real = places.real.astype(np.float64)
    return _trials(places, real, 1 - real, places.real_offset, np.ones(len(real), np.bool_))


def _found_trials(places: CountPlaces) -> Trials:
    """A real box is an object that was found; the objects beside it were missed."""
    beside = places.beside.astype(np.float64)
    return _trials(places, np.ones(len(beside)), beside, places.found_offset, places.real)


def _trials(
    places: CountPlaces,
    hits: NDArray[np.float64],
    misses: NDArray[np.float64],
    offset: NDArray[np.float64],
    chosen: NDArray[np.bool_],
) -> Trials:
    _, place = np.unique(places.place, return_inverse=True)
    image = places.image[chosen]
    return Trials(
        covariates=places.covariates[chosen],
        water=places.facts.crowding.water[chosen],
        place=place[image],
        hits=hits[chosen],
        misses=misses[chosen],
        offset=offset[image],
    )


def _offset(own: Trials, sister: Trials) -> float:
    """The shift of the log odds with the greatest likelihood on the sister's boxes."""
    fitted = fit_rates(own)
    odds = sister.covariates @ np.array(fitted.coefficients)

    def loss(shift: NDArray[np.float64]) -> float:
        moved = odds + shift[0]
        fits = sister.hits * log_expit(moved) + sister.misses * log_expit(-moved)
        return float(0.5 * shift[0] ** 2 - fits.sum())

    return float(minimize(loss, np.zeros(1)).x[0])
