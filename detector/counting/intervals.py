"""From boxes with probabilities to a count with an interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import poisson

LEVEL: Final = 0.90
DRAWS: Final = 4000
SEED: Final = 0
PRIOR_POWER: Final = 1.0  # of the prior of the number of objects, see `estimate_count`
LEAST_RECALL: Final = 0.01


@dataclass(frozen=True, slots=True)
class CountModel:
    """What counts of a class are known to be like, from places with truth.

    Attributes:
        precision_concentration: a + b of the beta distribution of precision between places; the
            larger, the more alike they are.
        recall_a: of the beta distribution of recall between places.
        recall_b: of the same.
    """

    precision_concentration: float
    recall_a: float
    recall_b: float

    @property
    def recall(self) -> float:
        """Mean recall of a place."""
        return self.recall_a / (self.recall_a + self.recall_b)


@dataclass(frozen=True, slots=True)
class CountEstimate:
    """A count with its interval.

    Attributes:
        estimate: mean.
        low: lower end.
        high: upper end.
    """

    estimate: float
    low: int
    high: int


def estimate_count(
    probability: NDArray[np.float64], model: CountModel, level: float = LEVEL
) -> CountEstimate:
    """The true number of objects where `n` boxes were found.

    Of the n boxes, R are real: R ~ Binomial(n, pi), and pi ~ Beta with the mean of the boxes'
    probabilities and the concentration that was found between places. M objects were missed: with
    the recall rho of the place, M given R is negative binomial, NB(R + 1, rho), under a flat prior
    of the number of objects, and rho ~ Beta as found between places (the binomial-beta model of
    Raftery, Biometrika 1988). The flat prior would give numbers without a mean where recall can be
    near 0, so draws are weighted by ((1 + R) / (1 + R + M))^`PRIOR_POWER`: most views hold few
    objects. The count is R + M. Both beta distributions carry the place-to-place spread, so the
    interval is wider than Poisson's where places differ. Computed by `DRAWS` draws with a fixed
    seed.

    Args:
        probability: `(n,)` of each box being real.
        model: of the class.
        level: of the interval.
    """
    generator = np.random.default_rng(SEED)
    n = len(probability)
    real: NDArray[np.int64] = np.zeros(DRAWS, np.int64)
    if n:
        mean = float(np.clip(np.mean(probability), 1e-3, 1 - 1e-3))
        weight = model.precision_concentration
        real = generator.binomial(n, generator.beta(mean * weight, (1 - mean) * weight, DRAWS))
    recall = np.clip(generator.beta(model.recall_a, model.recall_b, DRAWS), LEAST_RECALL, 1.0)
    total = real + generator.negative_binomial(real + 1, recall)
    # relative to R, so that the prior decides on the missed and not on which boxes are real
    weights = ((1.0 + real) / (1.0 + total)) ** PRIOR_POWER
    tail = (1 - level) / 2
    low, high = np.quantile(total, (tail, 1 - tail), weights=weights, method="inverted_cdf")
    return CountEstimate(float(np.average(total, weights=weights)), int(low), int(high))


def poisson_interval(
    probability: NDArray[np.float64], model: CountModel, level: float = LEVEL
) -> CountEstimate:
    """The baseline: a Poisson count with the mean of the real boxes over the mean recall."""
    mean = float(np.sum(probability)) / max(model.recall, 1e-3)
    tail = (1 - level) / 2
    law = poisson(max(mean, 1e-9))
    return CountEstimate(mean, max(0, int(law.ppf(tail))), int(law.ppf(1 - tail)))


def interval_score(
    true: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    level: float = LEVEL,
) -> NDArray[np.float64]:
    """Width, and a fine for every miss, `(N,)`: lower is better.

    Gneiting and Raftery, JASA 2007, equation 43.
    """
    fine = 2.0 / (1.0 - level)
    below, above = np.maximum(low - true, 0.0), np.maximum(true - high, 0.0)
    return np.asarray(high - low + fine * (below + above))
