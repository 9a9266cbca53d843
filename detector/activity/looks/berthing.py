"""How a ship lies: at a berth, only in its zone, or under way. All that is said of calls is of it.

A ship is at the berth where its picture shows that it lies there, not where its centre happens to
be in the berth's zone:

- `alongside`: parallel to the quay line within `PARALLEL_DEG`, its side within `QUAY_M` of it;
- `bow_or_stern_to`: square to the quay line within `SQUARE_DEG`, its nearer end within `QUAY_M`;
- `double_banked`: alongside a ship that is at the berth by any of these rules, however many stand
  between it and the quay: parallel to it within `PARALLEL_DEG`, their sides within `BANKED_M`,
  and side by side over half of the shorter one.

Ships at anchor that lie side by side are at no berth: none of them is at the quay. A ship with a
wake (`wakes`) is `under_way` wherever it is. Others may lie at a quay though no rule says so
(`may_lie_at`): they are `near_quay`. All others are `in_zone`: at anchor, waiting, or under way
without a wake that can be told.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from detector.geometry.frames import LocalMetres

Lying = Literal[
    "alongside", "bow_or_stern_to", "double_banked", "near_quay", "in_zone", "under_way"
]
AT_BERTH: Final = ("alongside", "bow_or_stern_to", "double_banked")

# A box of a ship of 60 m is off by 2 degrees or less in nine of ten cases; quays are drawn to
# about 3, bend a little, and a ship lies up to 3 off on slack lines: 10 lets all of these through.
PARALLEL_DEG: Final = 10.0
SQUARE_DEG: Final = 15.0  # a ship on one anchor and a stern line swings more than one on a quay
# Of fenders and box 5 m, of the zone's drawing 5 m, of the reference scene's place 10 m (two
# standard deviations). Residuals of the other looks are added, twice.
QUAY_M: Final = 20.0
ENDS_M: Final = 10.0  # past an end of the line that the middle of a ship may be
BANKED_M: Final = 10.0  # fenders between ships are at most 4.5 m; the rest is of two boxes
BANKED_SHARE: Final = 0.5
MISSED_M: Final = 40.0  # beam of a ship that may lie between, and was not found

Segments = NDArray[np.float64]


def lying(
    corners: LocalMetres, quay: Segments, residual_m: float, under_way: NDArray[np.bool_]
) -> NDArray[np.str_]:
    """How each ship of a look lies.

    Args:
        corners: `(N, 4, 2)` boxes of ships, first edge = length.
        quay: `(S, 2, 2)` ends of the quay line's straight parts, local metres; with none nobody is
            at the berth.
        residual_m: of the look's registration.
        under_way: `(N,)` ships with a wake.

    Returns:
        `(N,)` of `Lying`.
    """
    ships = _Ships(np.asarray(corners, np.float64).reshape(-1, 4, 2))
    result = np.full(len(under_way), "in_zone", dtype="<U15")
    reach = QUAY_M + 2.0 * residual_m
    for start, end in quay:
        result[ships.square_to(start, end, reach) & (result == "in_zone")] = "bow_or_stern_to"
        result[ships.along(start, end, reach)] = "alongside"
    result[under_way] = "under_way"
    _bank(ships, result)
    return result


def may_lie_at(corners: LocalMetres, lines: Segments, residual_m: float) -> NDArray[np.bool_]:
    """Which ships may lie at a quay that is near, for all that a picture shows.

    One that lies along a line, or square to it, with room for one ship between that was missed.

    Args:
        corners: `(N, 4, 2)` boxes of ships, first edge = length.
        lines: `(S, 2, 2)` of all that may be quays there.
        residual_m: of the look's registration.
    """
    ships = _Ships(np.asarray(corners, np.float64).reshape(-1, 4, 2))
    reach = QUAY_M + MISSED_M + 2.0 * residual_m
    found = np.zeros(len(ships.centre), np.bool_)
    for start, end in lines:
        found |= ships.along(start, end, reach) | ships.square_to(start, end, reach)
    return found


def at_berth(lies: Sequence[str] | NDArray[np.str_]) -> NDArray[np.bool_]:
    """Which of them are at the berth."""
    return np.isin(np.asarray(lies, dtype=str), AT_BERTH)


class _Ships:
    """Boxes by centre, half sides and direction of the length."""

    def __init__(self, corners: NDArray[np.float64]) -> None:
        self.centre = corners.mean(axis=1)
        length, width = corners[:, 1] - corners[:, 0], corners[:, 3] - corners[:, 0]
        self.half_length = np.linalg.norm(length, axis=1) / 2
        self.half_width = np.linalg.norm(width, axis=1) / 2
        self.axis = length / np.maximum(2 * self.half_length, 1e-9)[:, None]

    def along(
        self, start: NDArray[np.float64], end: NDArray[np.float64], reach_m: float
    ) -> NDArray[np.bool_]:
        """Which lie along a straight part of the quay line, their middle beside it."""
        way, off, turned = self._against(start, end)
        side = np.abs(np.abs(off) - self.half_width)
        return np.asarray((turned <= PARALLEL_DEG) & (side <= reach_m) & way)

    def square_to(
        self, start: NDArray[np.float64], end: NDArray[np.float64], reach_m: float
    ) -> NDArray[np.bool_]:
        """Which lie with bow or stern to it."""
        way, off, turned = self._against(start, end)
        tip = np.abs(np.abs(off) - self.half_length)
        return np.asarray((turned >= 90.0 - SQUARE_DEG) & (tip <= reach_m) & way)

    def banked(self, ship: int) -> NDArray[np.bool_]:
        """Which lie alongside a ship."""
        axis = self.axis[ship]
        apart = self.centre - self.centre[ship]
        off = np.abs(apart[:, 0] * axis[1] - apart[:, 1] * axis[0])
        gap = off - self.half_width - self.half_width[ship]
        # a ship whose box lies over half into the other's is no neighbour but the same
        beside = (gap <= BANKED_M) & (off >= np.maximum(self.half_width, self.half_width[ship]))
        shorter = np.minimum(self.half_length, self.half_length[ship])
        shared = self.half_length + self.half_length[ship] - np.abs(apart @ axis)
        over = np.minimum(shared, 2 * shorter) >= BANKED_SHARE * 2 * shorter
        return np.asarray(beside & over & (self._turned(axis) <= PARALLEL_DEG))

    def _against(
        self, start: NDArray[np.float64], end: NDArray[np.float64]
    ) -> tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64]]:
        """Whether the middle is beside the line, how far off it, and the angle to it in degrees."""
        run = float(np.hypot(*(end - start)))
        direction = (end - start) / max(run, 1e-9)
        apart = self.centre - start
        way = apart @ direction
        off = apart[:, 0] * direction[1] - apart[:, 1] * direction[0]
        return (way >= -ENDS_M) & (way <= run + ENDS_M), off, self._turned(direction)

    def _turned(self, direction: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.degrees(np.arccos(np.clip(np.abs(self.axis @ direction), 0.0, 1.0))))


def _bank(ships: _Ships, result: NDArray[np.str_]) -> None:
    """Mark those alongside ships at the berth, from the quay outwards."""
    inner = np.flatnonzero(at_berth(result)).tolist()
    while inner:
        found = ships.banked(inner.pop()) & (result == "in_zone")
        result[found] = "double_banked"
        inner += np.flatnonzero(found).tolist()
