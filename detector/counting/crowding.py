"""How close boxes lie to their neighbours, and what kind of water that speaks of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
import shapely
from numpy.typing import NDArray

from detector.geometry.boxes import Corners, edge_lengths, polygons

Water = Literal["open", "berth", "marina"]
WATERS: Final[tuple[Water, ...]] = get_args(Water)
FAR_WIDTHS: Final = 4.0  # from here on a box has no neighbour
RAFT_WIDTHS: Final = 1.5  # boxes nearer than this lie side by side
MARINA_BOXES: Final = 6  # side by side make a marina (or a raft as hard to count as one)


@dataclass(frozen=True, slots=True)
class Crowding:
    """How boxes of one class lie to each other.

    Attributes:
        gap_widths: `(N,)` clear distance to the nearest neighbour, in the box's own widths; at most
            `FAR_WIDTHS`.
        raft: `(N,)` boxes that lie side by side with it, itself too.
    """

    gap_widths: NDArray[np.float64]
    raft: NDArray[np.int64]

    @property
    def water(self) -> NDArray[np.int64]:
        """Positions in `WATERS` `(N,)`.

        Nobody says where berths and marinas are, so the boxes do: alone is open water, with a
        neighbour is a berth, `MARINA_BOXES` and more side by side are a marina.
        """
        berth = self.gap_widths < FAR_WIDTHS
        return np.where(self.raft >= MARINA_BOXES, 2, berth.astype(np.int64))


def find_crowding(corners: Corners) -> Crowding:
    """How boxes lie to each other.

    Args:
        corners: `(N, 4, 2)` of one class, of one frame whose pixels are square enough, such as
            file pixels or metres.
    """
    from scipy.sparse import coo_array  # noqa: PLC0415 - slow to load
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415 - slow to load

    count = len(corners)
    width = np.maximum(np.minimum(*edge_lengths(corners)), 1e-6) if count else np.zeros(0)
    gap = np.full(count, FAR_WIDTHS)
    if count < 2:
        return Crowding(gap, np.ones(count, np.int64))
    shapes = polygons(corners)
    one, other = shapely.STRtree(shapes).query(
        shapes, predicate="dwithin", distance=FAR_WIDTHS * width
    )
    apart = one != other
    one, other = one[apart], other[apart]
    widths = shapely.distance(shapes[one], shapes[other]) / width[one]
    np.minimum.at(gap, one, widths)
    near = widths < RAFT_WIDTHS
    links = coo_array((np.ones(int(near.sum())), (one[near], other[near])), shape=(count, count))
    _, raft = connected_components(links, directed=False)
    return Crowding(gap, np.bincount(raft)[raft].astype(np.int64))
