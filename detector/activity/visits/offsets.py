"""How far the looks of a zone are off each other, from the ships that stayed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

GATE_SD = 3.0  # pairs farther apart say nothing of an offset: the ship was moved, or it is another
LEAST_RESIDUAL_M = 0.1


@dataclass(frozen=True, slots=True)
class Offsets:
    """Where the L looks lie.

    Attributes:
        shift_m: `(L, 2)` of each look, to be taken off its positions.
        variance_m2: `(L, L)` of the difference that is left between two looks, each axis.
    """

    shift_m: NDArray[np.float64]
    variance_m2: NDArray[np.float64]


def no_offsets(residual_m: NDArray[np.float64]) -> Offsets:
    """Before any ship is looked at: looks are off by the residual `(L,)` of their registration."""
    variance = residual_m**2
    return Offsets(np.zeros((len(residual_m), 2)), variance[:, None] + variance)


def find_offsets(
    looks: tuple[NDArray[np.int64], NDArray[np.int64]],
    difference_m: NDArray[np.float64],
    variance_m2: NDArray[np.float64],
    probability: NDArray[np.float64],
    residual_m: NDArray[np.float64],
    known: Offsets,
) -> Offsets:
    """Offsets by least squares over pairs of ships that may be one.

    A look is off by a normal error of its residual, all its ships alike; a pair counts with its
    probability. Where no ship stayed, the residual of the registration is what is known.

    Args:
        looks: `(E,)` look of the earlier and of the later ship.
        difference_m: `(E, 2)` between the places of the two.
        variance_m2: `(E,)` of that difference, each axis, if it is one ship and no look is off.
        probability: `(E,)` that it is one ship.
        residual_m: `(L,)` of the registration.
        known: offsets so far; they say which pairs lie near enough.
    """
    earlier, later = looks
    off = difference_m - (known.shift_m[later] - known.shift_m[earlier])
    reach = GATE_SD * np.sqrt(variance_m2 + known.variance_m2[earlier, later])
    weight = np.where(np.linalg.norm(off, axis=1) < reach, probability, 0.0) / variance_m2
    precision = np.diag(1.0 / np.maximum(residual_m, LEAST_RESIDUAL_M) ** 2)
    np.add.at(precision, (earlier, earlier), weight)
    np.add.at(precision, (later, later), weight)
    np.add.at(precision, (earlier, later), -weight)
    np.add.at(precision, (later, earlier), -weight)
    pull = np.zeros((len(residual_m), 2))
    np.add.at(pull, later, weight[:, None] * difference_m)
    np.add.at(pull, earlier, -weight[:, None] * difference_m)
    covariance = np.linalg.inv(precision)
    own = np.diag(covariance)
    left = np.maximum(own[:, None] + own - 2.0 * covariance, 0.0)
    return Offsets(covariance @ pull, left)
