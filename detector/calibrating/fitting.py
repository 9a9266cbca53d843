"""Fits the calibration of scores and counts on places that the network never saw."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit, logit
from scipy.stats import betabinom
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from detector.calibrating.sample import Sample
from detector.classes import ClassEntry, ClassSet
from detector.counting.calibration import LEAST_PROBABILITY, CalibrationError, ClassCalibration

MIN_BOXES_ISOTONIC: Final = 300  # below it Platt's two numbers are safer than steps
MIN_OBJECTS_LENGTH: Final = 30  # of a length class, to state its recall
CONCENTRATION_LIMITS: Final = (0.5, 1000.0)  # of the beta distributions: from "anything" to "alike"
MIN_BOXES_LENGTH: Final = 30  # of a length class, to tell its scores from those of all
SHIFT_SD: Final = 1.0  # of log odds between length classes
MIN_KM2: Final = 0.5  # of a ground, to state its false alarms
KNOTS: Final = 41  # scores at which the curve is stored


def fit_class(sample: Sample, entry: ClassEntry) -> ClassCalibration:
    """Fit one class.

    Every place counts once in the mean recall, however many images show it. How counts come about
    is fitted by `counts.fit_counts`.

    Args:
        sample: of places that the network did not train on.
        entry: of the class.

    Raises:
        CalibrationError: no true object or no box, or no box is real.
    """
    if not len(sample.true_found) or not sample.real.any():
        raise CalibrationError(
            f"{entry.name}: {len(sample.true_found)} true objects and {int(sample.real.sum())} "
            "real boxes; calibration needs some of both"
        )
    score, probability, method = _score_curve(sample)
    expected = np.interp(sample.score, score, probability)
    shifts = _log_odds_by_length(sample, expected, entry)
    return ClassCalibration(
        score=[round(float(value), 4) for value in score],
        probability=[round(float(value), 4) for value in probability],
        recall=_mean_recall(sample),
        method=method,
        recall_by_length=recall_by_length(sample, entry),
        log_odds_by_length=shifts,
        false_per_km2=false_per_km2(sample),
        n_places=sample.n_places,
        n_objects=len(sample.true_found),
        n_boxes=len(sample.score),
    )


def false_per_km2(sample: Sample) -> dict[str, float]:
    """False alarms a km² of `all` ground, of `land` and of `water`, where `MIN_KM2` are known.

    Water and land are told apart only where the truth says where water is, as rendered scenes do.
    """
    scored = sample.place >= 0
    false = ~sample.real & scored[sample.image]
    rates = {}
    grounds = {
        "all": (sample.whole_km2, np.ones(len(false), np.bool_)),
        "land": (sample.area_km2[:, 0], sample.on_water == 0),
        "water": (sample.area_km2[:, 1], sample.on_water == 1),
    }
    for name, (area, mine) in grounds.items():
        known = scored & ~np.isnan(area)
        total = float(area[known].sum())
        if total >= MIN_KM2:
            rates[name] = round(float((false & mine & known[sample.image]).sum()) / total, 3)
    return rates


def recall_by_length(sample: Sample, entry: ClassEntry) -> dict[str, float]:
    """Recall of each length class of which `MIN_OBJECTS_LENGTH` of known gsd are true."""
    names = _length_classes(entry, sample.true_length_m)
    recalls = {}
    for name in entry.length_classes:
        mine = names == name
        if mine.sum() >= MIN_OBJECTS_LENGTH:
            recalls[name] = round(float(sample.true_found[mine].mean()), 4)
    return recalls


def _length_classes(entry: ClassEntry, length_m: NDArray[np.float64]) -> NDArray[np.str_]:
    ids = np.zeros(len(length_m), np.int64)
    return np.array(ClassSet((entry,)).length_classes(ids, length_m), np.str_)


def _score_curve(sample: Sample) -> tuple[NDArray[np.float64], NDArray[np.float64], str]:
    """Scores and probabilities: isotonic where boxes are many, else Platt's sigmoid."""
    score, real = sample.score, sample.real
    grid = np.linspace(float(score.min()), float(score.max()), KNOTS)
    if real.all():
        return grid, np.full(KNOTS, (real.sum() + 1) / (real.sum() + 2)), "platt"
    if len(score) >= MIN_BOXES_ISOTONIC:
        curve = IsotonicRegression(
            y_min=LEAST_PROBABILITY, y_max=1 - LEAST_PROBABILITY, out_of_bounds="clip"
        ).fit(score, real)
        return grid, np.asarray(curve.predict(grid), np.float64), "isotonic"
    sigmoid = LogisticRegression(C=10.0).fit(_logit(score), real)
    return grid, np.asarray(sigmoid.predict_proba(_logit(grid))[:, 1], np.float64), "platt"


def _logit(score: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(logit(np.clip(score, 1e-4, 1 - 1e-4)))[:, None]


def _log_odds_by_length(
    sample: Sample, expected: NDArray[np.float64], entry: ClassEntry
) -> dict[str, float]:
    """By how much the log odds of the boxes of each length class differ from those of all.

    The maximum of the likelihood with a normal prior of `SHIFT_SD`, which draws classes of few
    boxes to 0.
    """
    names = _length_classes(entry, sample.length_m)
    base = logit(np.clip(expected, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY))
    shifts = {}
    for name in entry.length_classes:
        mine = names == name
        if mine.sum() < MIN_BOXES_LENGTH:
            continue
        real, odds = sample.real[mine], base[mine]

        def loss(shift: float, real: Any = real, odds: Any = odds) -> float:
            p = expit(odds + shift)
            fit = np.log(np.where(real, p, 1 - p)).sum()
            return float(0.5 * (shift / SHIFT_SD) ** 2 - fit)

        shifts[name] = round(float(minimize_scalar(loss, bounds=(-5, 5), method="bounded").x), 4)
    return shifts


def _mean_recall(sample: Sample) -> float:
    """Of a place, by maximum likelihood where recall differs between places by a beta law."""
    hits, objects = _by_place(sample.true_found, sample.place[sample.true_image])

    def loss(values: NDArray[np.float64]) -> float:
        mean, weight = 1 / (1 + np.exp(-values[0])), np.exp(values[1])
        return -_beta_binomial(hits, objects, np.full(len(hits), mean), weight)

    mean = (hits.sum() + 0.5) / (objects.sum() + 1)
    bounds = [(-6, 6), tuple(np.log(CONCENTRATION_LIMITS))]
    found = minimize(loss, [np.log(mean / (1 - mean)), np.log(5)], bounds=bounds)
    return round(float(1 / (1 + np.exp(-found.x[0]))), 4)


def _by_place(
    values: NDArray[Any], place: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sums and numbers of the values of each place."""
    _, position = np.unique(place, return_inverse=True)
    sums = np.bincount(position, weights=values.astype(float)).astype(np.float64)
    return sums, np.bincount(position).astype(np.float64)


def _beta_binomial(
    hits: NDArray[np.float64], trials: NDArray[np.float64], mean: NDArray[np.float64], weight: float
) -> float:
    """Log likelihood of hits in trials whose rate is Beta(mean, concentration) in every place."""
    a, b = mean * weight, (1 - mean) * weight
    return float(np.sum(betabinom.logpmf(hits, trials, a, b)))
