"""Models of counts whose rates are known for certain, or differ between places as is said."""

from __future__ import annotations

import numpy as np
from scipy.special import logit

from detector.counting.calibration import Calibration, ClassCalibration
from detector.counting.crowding import WATERS
from detector.counting.draws import COVARIATES, CountModel, LoneModel, RateModel

CERTAIN = 1e-12  # variance of a number that is known
NO_LONE = LoneModel(1e-9, 0.5, [])


def rate(mean: float, sd: float = 1e-6, **effects: float) -> RateModel:
    """A rate of this mean; `effects` are coefficients of covariates by name."""
    coefficients = [float(logit(mean)), *(effects.get(name, 0.0) for name in COVARIATES[1:])]
    many = len(COVARIATES) + len(WATERS)
    covariance = (np.eye(many) * CERTAIN).tolist()
    return RateModel(coefficients, [float(np.log(sd))] * len(WATERS), covariance)


def count_model(
    precision: float, recall: float, sd: float = 1e-6, lone: LoneModel = NO_LONE
) -> CountModel:
    """Boxes counted from 0.5 on; both rates differ between places by `sd` log odds."""
    return CountModel(0.5, rate(precision, sd), rate(recall, sd), lone)


def calibration(
    model: CountModel | None, places: int = 40, class_name: str = "ship"
) -> Calibration:
    """One class whose counts come about so."""
    fitted = ClassCalibration(
        score=[0.0, 1.0],
        probability=[0.9, 0.9],
        recall=0.9,
        method="platt",
        recall_by_length={},
        n_places=places,
        n_objects=100,
        n_boxes=100,
        counts=model,
        count_places=places,
    )
    return Calibration({class_name: fitted})
