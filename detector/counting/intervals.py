"""What draws of a count say: mean, quantiles, 90 % interval; and what intervals are worth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

LEVEL: Final = 0.90
QUANTILES: Final = (0.05, 0.25, 0.50, 0.75, 0.95)


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


def quantiles_of(draws: NDArray[np.int64]) -> tuple[int, ...]:
    """`QUANTILES` of draws, whole objects: the smallest that so many draws do not exceed.

    Args:
        draws: `(DRAWS,)`.
    """
    found = np.quantile(draws, QUANTILES, method="inverted_cdf")
    return tuple(int(value) for value in found)


def estimate_of(draws: NDArray[np.int64], level: float = LEVEL) -> CountEstimate:
    """Mean and 90 % interval of draws `(DRAWS,)`: the narrowest that holds so many of them.

    Counts are whole and lean to one side, so what lies between two quantiles of 5 % is more than
    90 % and wider than need be. Of several as narrow it is the one that holds most draws.
    """
    ordered = np.sort(draws)
    held = math.ceil(level * len(ordered))
    low, high = ordered[: len(ordered) - held + 1], ordered[held - 1 :]
    narrow = np.flatnonzero(high - low == (high - low).min())
    first = np.searchsorted(ordered, low[narrow], "left")
    number = np.searchsorted(ordered, high[narrow], "right") - first
    best = int(narrow[int(np.argmax(number))])
    return CountEstimate(float(draws.mean()), int(low[best]), int(high[best]))


def add_up(total: tuple[int, int], parts: Sequence[NDArray[np.int64]]) -> list[tuple[int, int]]:
    """90 % intervals of parts, widened until their sums hold that of the total.

    One object at a time goes to the part that holds it with the greatest probability.

    Args:
        total: low and high of the sum.
        parts: `(DRAWS,)` each; together the total.
    """
    ends = [(said.low, said.high) for said in map(estimate_of, parts)]
    while sum(high for _, high in ends) < total[1]:
        chance = [(draws > high).mean() for draws, (_, high) in zip(parts, ends, strict=True)]
        at = int(np.argmax(chance))
        ends[at] = ends[at][0], ends[at][1] + 1
    while sum(low for low, _ in ends) > total[0]:
        chance = [(draws < low).mean() for draws, (low, _) in zip(parts, ends, strict=True)]
        at = int(np.argmax(chance))
        ends[at] = ends[at][0] - 1, ends[at][1]
    return ends


def poisson_interval(mean: float, level: float = LEVEL) -> CountEstimate:
    """The baseline: a Poisson count of the mean that the model says."""
    tail = (1 - level) / 2
    least = max(mean, 1e-9)
    return CountEstimate(mean, _poisson_quantile(tail, least), _poisson_quantile(1 - tail, least))


def _poisson_quantile(share: float, mean: float) -> int:
    """The least count that is not exceeded with so much probability.

    As `scipy.stats.poisson.ppf` finds it, which takes longer to load than a small scene to read.
    """
    from scipy.special import pdtr, pdtrik  # noqa: PLC0415 - slow to load

    above = math.ceil(pdtrik(share, mean))
    below = max(above - 1, 0)
    return below if pdtr(below, mean) >= share else above


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
