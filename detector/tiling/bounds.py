"""A cheap upper bound of what two boxes share, so that few pairs need an exact intersection."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detector.geometry.boxes import Corners


def shared_area_bound(first: Corners, second: Corners) -> NDArray[np.float64]:
    """Upper bound `(P,)` of the intersection of the boxes `first[i], second[i]`, square pixels.

    In the frame of one box the other lies inside a rectangle, and what both rectangles share holds
    the intersection. For boxes with parallel sides, the common case, the bound is exact.

    Args:
        first: `(P, 4, 2)` rectangles.
        second: `(P, 4, 2)`.
    """
    return np.minimum(_in_frame(first, second), _in_frame(second, first))


def _in_frame(frame: Corners, other: Corners) -> NDArray[np.float64]:
    along = frame[:, 1] - frame[:, 0]
    along = along / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-12)
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    shared = np.ones(len(frame))
    for axis in (along, across):
        own = np.einsum("nkd,nd->nk", frame, axis)
        its = np.einsum("nkd,nd->nk", other, axis)
        low = np.maximum(own.min(axis=1), its.min(axis=1))
        shared *= np.maximum(np.minimum(own.max(axis=1), its.max(axis=1)) - low, 0.0)
    return shared
