"""Fits how often boxes are real and objects are missed, and how places differ: one model for all.

A logistic regression with a normal effect of the place, whose spread is that of a kind of water.
The spreads are drawn towards one another (partial pooling), the coefficients towards 0. The effect
is integrated out by Gauss and Hermite's rule, exactly enough with `NODES` nodes since it is one
number a place. What is left is maximised by scipy with its gradient, and the curvature there says
how well the numbers are known (Laplace).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_expit, logsumexp

from detector.counting.crowding import WATERS
from detector.counting.draws import COVARIATES, RateModel

NODES: Final = 21
COEFFICIENT_SD: Final = (3.0, 1.0, 0.7, 1.0, 1.0, 1.0, 0.7)  # of the priors, as COVARIATES
SPREAD: Final = 0.7  # log odds; the prior's middle of the spread between places
SPREAD_SD: Final = 0.7  # of its logarithm
POOLING_SD: Final = 0.5  # of the logarithm of a kind of water around that of all
STEP: Final = 1e-4  # of the differences that give the curvature
DIGITS: Final = 5


@dataclass(frozen=True, slots=True)
class Trials:
    """What happened at the boxes of some places.

    Attributes:
        covariates: `(N, len(COVARIATES))`.
        water: `(N,)` positions in `WATERS`.
        place: `(N,)`.
        hits: `(N,)`.
        misses: `(N,)`.
        offset: `(N,)` added to the log odds, such as what another network differs by.
    """

    covariates: NDArray[np.float64]
    water: NDArray[np.int64]
    place: NDArray[np.int64]
    hits: NDArray[np.float64]
    misses: NDArray[np.float64]
    offset: NDArray[np.float64]


def fit_rates(trials: Trials) -> RateModel:
    """The rates whose posterior is greatest, and how well they are known.

    Args:
        trials: of places; may be empty, then the priors are what is known.
    """
    problem = _Problem.of(trials)
    start = np.zeros(len(COVARIATES) + len(WATERS) + 1)
    start[-1 - len(WATERS) :] = np.log(SPREAD)
    found = minimize(problem.loss, start, jac=True, method="L-BFGS-B")
    covariance = np.linalg.inv(_curvature(problem, found.x))
    kept = slice(0, len(COVARIATES) + len(WATERS))  # what is common to all water is not drawn
    return RateModel(
        [round(float(value), DIGITS) for value in found.x[: len(COVARIATES)]],
        [round(float(value), DIGITS) for value in found.x[len(COVARIATES) : -1]],
        [[round(float(value), DIGITS) for value in row[kept]] for row in covariance[kept]],
    )


@dataclass(frozen=True, slots=True)
class _Problem:
    """The trials in the order of their places, with the nodes of the integral."""

    trials: Trials
    first: NDArray[np.int64]
    nodes: NDArray[np.float64]
    log_weights: NDArray[np.float64]

    @classmethod
    def of(cls, trials: Trials) -> _Problem:
        order = np.argsort(trials.place, kind="stable")
        ordered = Trials(*(getattr(trials, name)[order] for name in Trials.__slots__))
        _, first = np.unique(ordered.place, return_index=True)
        nodes, weights = hermegauss(NODES)
        return cls(ordered, first, nodes, np.log(weights / weights.sum()))

    def loss(self, values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Minus the log posterior, and its gradient."""
        prior, slope = _prior(values)
        if not len(self.first):
            return prior, slope
        t = self.trials
        many = len(COVARIATES)
        spread = np.exp(values[many:-1])
        moved = spread[t.water][:, None] * self.nodes
        odds = (t.covariates @ values[:many] + t.offset)[:, None] + moved
        hits, misses = t.hits[:, None], t.misses[:, None]
        each = hits * log_expit(odds) + misses * log_expit(-odds)
        by_place = np.add.reduceat(each, self.first, axis=0) + self.log_weights
        total = logsumexp(by_place, axis=1)
        share = np.exp(by_place - total[:, None])  # of every node, given the place's trials
        number = np.diff(np.append(self.first, len(t.place)))
        pull = (hits - (hits + misses) * np.exp(log_expit(odds))) * np.repeat(share, number, axis=0)
        slope = slope.copy()
        slope[:many] -= t.covariates.T @ pull.sum(axis=1)
        slope[many:-1] -= np.bincount(t.water, (pull * moved).sum(axis=1), len(WATERS))
        return prior - float(total.sum()), slope


def _prior(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    many = len(COVARIATES)
    plain = values[:many] / np.array(COEFFICIENT_SD)
    apart = (values[many:-1] - values[-1]) / POOLING_SD
    middle = (values[-1] - np.log(SPREAD)) / SPREAD_SD
    slope = np.concatenate(
        [
            plain / np.array(COEFFICIENT_SD),
            apart / POOLING_SD,
            [middle / SPREAD_SD - apart.sum() / POOLING_SD],
        ]
    )
    return 0.5 * float((plain**2).sum() + (apart**2).sum() + middle**2), slope


def _curvature(problem: _Problem, values: NDArray[np.float64]) -> NDArray[np.float64]:
    rows = []
    for step in np.eye(len(values)) * STEP:
        up, down = problem.loss(values + step)[1], problem.loss(values - step)[1]
        rows.append((up - down) / (2 * STEP))
    matrix = np.array(rows)
    return np.asarray((matrix + matrix.T) / 2)
