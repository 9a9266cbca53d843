"""Trains: rows of wagons in line at a railhead, how long, and how many containers they carry."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from detector.geometry.boxes import Corners, centres
from detector.stacks.simulate import WAGON_HALF_PITCH_M, Floats

LATERAL_M = 2.5  # tracks lie 4.5 m apart or more
LONGEST_GAP_M = 60.0  # empty wagons between loaded ones
ANGLE_DEG = 6.0
WAGON_M = 2 * WAGON_HALF_PITCH_M  # over the buffers, one 40 ft container


@dataclass(frozen=True, slots=True)
class Train:
    """Loaded wagons in one line.

    Attributes:
        blocks: rows of the boxes that it is made of.
        length_m: from the first to the last container, gaps included.
        wagons: wagons of one 40 ft container that the loaded parts are long for.
    """

    blocks: NDArray[np.int64]
    length_m: float
    wagons: float


def find_trains(corners: Corners) -> list[Train]:
    """Trains among one-row boxes `(N, 4, 2)`, metres: in line and not far apart."""
    if not len(corners):
        return []
    middle = centres(corners)
    edge = corners[:, 1] - corners[:, 0]
    length = np.hypot(edge[:, 0], edge[:, 1])
    axis = edge / length[:, None]
    between = middle[None] - middle[:, None]
    along = np.abs(np.einsum("ijk,ik->ij", between, axis))
    aside = np.abs(between[..., 0] * axis[:, None, 1] - between[..., 1] * axis[:, None, 0])
    parallel = np.abs(axis @ axis.T) > np.cos(np.deg2rad(ANGLE_DEG))
    gap = along - (length[:, None] + length[None]) / 2.0
    linked = parallel & (aside < LATERAL_M) & (gap < LONGEST_GAP_M)
    groups = connected_components(linked & linked.T, directed=False)[1]
    return [
        _train(np.flatnonzero(groups == group), corners, axis, length)
        for group in np.unique(groups).tolist()
    ]


def _train(rows: NDArray[np.int64], corners: Corners, axis: Floats, length: Floats) -> Train:
    line = corners[rows].reshape(-1, 2) @ axis[rows[np.argmax(length[rows])]]
    return Train(rows, float(np.ptp(line)), float(length[rows].sum() / WAGON_M))
