"""What the looks together say of the length and beam of each ship, and of those that come.

One measured length tells sisters from ships that stayed badly, and a box that a shadow cut looks
like another ship. So the size of a ship is a distribution over a grid of lengths and beams, carried
from look to look along the pairs that may be one ship (a hidden Markov model, forward and back);
the ships that come are a broad prior and the ships that the series has shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

OUTLIERS = 0.05  # share of measures that are off by much more, as of a cut or shadowed ship
OUTLIER_FACTOR = 4.0
POPULATION_LOG_SD = 0.35  # of the lengths of ships, where the series says nothing else
POPULATION_WEIGHT = 10.0  # ships that the broad prior is worth
NEW_BEAM_SD = 0.15  # of beam at a given length, among ships
LENGTH_STEP = 0.025  # of the grid, in logs; about half the error of a length
BEAM_STEP = 0.06
MARGIN = 0.3  # of the grid beyond the lengths seen, in logs
BEAM_REACH = 0.42
LEAST_LENGTH_M = 1.0
LEAST_BEAM_M = 0.5
TINY = 1e-300
MOST_ODDS = 1e12
CHUNK = 1000  # pairs at once: a grid has some thousand points


@dataclass(frozen=True, slots=True)
class Sizes:
    """Sizes that ships may have, on a grid of G log lengths and relative beams.

    Attributes:
        likelihood: `(N, G)` of the measured length and beam of every ship at each size.
        broad: `(G,)` sizes of ships, whatever the series shows.
        population: `(G,)` sizes of the ships that come, as far as is known.
    """

    likelihood: NDArray[np.float64]
    broad: NDArray[np.float64]
    population: NDArray[np.float64]


def measure_sizes(
    length_m: NDArray[np.float64], width_m: NDArray[np.float64], length_sd: float, width_sd: float
) -> Sizes:
    """The grid for the ships of a zone.

    Args:
        length_m: `(N,)`, of at least one ship.
        width_m: `(N,)`.
        length_sd: error of one length, relative.
        width_sd: error of one beam, relative.
    """
    length = np.log(np.maximum(length_m, LEAST_LENGTH_M))
    beam = np.log(np.maximum(width_m, LEAST_BEAM_M))
    lengths = np.arange(length.min() - MARGIN, length.max() + MARGIN, LENGTH_STEP)
    usual = float(np.median(beam - length))
    relative = usual + np.arange(-BEAM_REACH, BEAM_REACH + BEAM_STEP / 2, BEAM_STEP)
    of_length = with_outliers(length[:, None] - lengths, length_sd)
    of_beam = with_outliers(beam[:, None, None] - (lengths[:, None] + relative), width_sd)
    mean = length.mean()
    spread = ((length - mean) ** 2).sum() + POPULATION_WEIGHT * POPULATION_LOG_SD**2
    sd = np.sqrt(spread / (len(length) + POPULATION_WEIGHT))
    broad = np.outer(norm.pdf(lengths, mean, sd), norm.pdf(relative, usual, NEW_BEAM_SD)).ravel()
    broad /= broad.sum()
    return Sizes((of_length[:, :, None] * of_beam).reshape(len(length), -1), broad, broad)


def with_outliers(difference: NDArray[np.float64], sd: float) -> NDArray[np.float64]:
    """Density of an error of measurement; a share of outliers keeps the tails up."""
    outer = norm.pdf(difference, scale=OUTLIER_FACTOR * sd)
    return np.asarray((1 - OUTLIERS) * norm.pdf(difference, scale=sd) + OUTLIERS * outer)


def compare_sizes(
    sizes: Sizes,
    earlier: NDArray[np.int64],
    later: NDArray[np.int64],
    odds: NDArray[np.float64],
    sure: NDArray[np.bool_],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Log likelihood ratio of the sizes of pairs, and what is known of every ship.

    Args:
        sizes: of N ships, in order of the looks.
        earlier: `(E,)` ships.
        later: `(E,)` ships.
        odds: `(E,)` that a pair is one ship, its size apart.
        sure: `(E,)` false where the size of one of the two says nothing.

    Returns:
        `(E,)` of one ship against two, 0 where not sure; `(N, G)` the size of each ship by all its
        looks.
    """
    before = _carry(sizes, earlier, later, odds, sure, np.arange(len(sizes.likelihood)))
    after = _carry(sizes, later, earlier, odds, sure, np.arange(len(sizes.likelihood))[::-1])
    after /= np.maximum(sizes.population, TINY)
    same = np.concatenate(
        [
            np.einsum("eg,eg->e", before[earlier[part]], after[later[part]])
            for part in _chunks(len(earlier))
        ]
    )
    known = before * after
    known /= known.sum(axis=1, keepdims=True)
    return np.where(sure, np.log(same + TINY), 0.0), known


def learn_population(
    sizes: Sizes, known: NDArray[np.float64], starts: NDArray[np.float64]
) -> Sizes:
    """The sizes with a population that the ships of the series have joined.

    Args:
        sizes: of N ships.
        known: `(N, G)` from `compare_sizes`.
        starts: `(N,)` probability that a ship was at no earlier look, so that a visit counts once.
    """
    seen = POPULATION_WEIGHT * sizes.broad + starts @ known
    return replace(sizes, population=seen / (POPULATION_WEIGHT + starts.sum()))


def _carry(
    sizes: Sizes,
    source: NDArray[np.int64],
    target: NDArray[np.int64],
    odds: NDArray[np.float64],
    sure: NDArray[np.bool_],
    order: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Size `(N, G)` of each ship, by itself and by those that it may have been before."""
    known = sizes.likelihood * sizes.population
    alone = known.sum(axis=1)
    known /= alone[:, None]
    by_target = np.argsort(target, kind="stable")
    ends = np.searchsorted(target[by_target], np.arange(len(known) + 1))
    for ship in order:
        pairs = by_target[ends[ship] : ends[ship + 1]]
        pairs = pairs[sure[pairs]]
        if not len(pairs):
            continue
        joint = known[source[pairs]] * sizes.likelihood[ship]
        fits = joint.sum(axis=1)
        weight = np.minimum(odds[pairs] * fits / alone[ship], MOST_ODDS)
        share = weight / (1.0 + weight.sum())
        known[ship] *= 1.0 - share.sum()
        known[ship] += (share / np.maximum(fits, TINY)) @ joint
    return known


def _chunks(number: int) -> Iterator[slice]:
    for start in range(0, number, CHUNK):
        yield slice(start, start + CHUNK)
