"""The score of an object: what all tiles that see it whole say, not the luckiest of them.

The highest of several scores grows with their number, and how many tiles look at an object depends
on where the seams lie: in the corner of four tiles it would be counted more easily than in the
middle of one. So the score is a mean. A tile that could hold the object and gave no box for it says
no, but cannot take away more than half. A look at an object near a seam counts less, so that no
score jumps where a window begins to hold an object.

The mean of few looks is still luckier than that of many: there are more objects just below a
threshold than just above it, so errors of scores lift more over it than they drop. What that is
worth is taken away, and a count does not depend on how many looks there were.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import shapely
from numpy.typing import NDArray

from detector.boxes.luck import TILE_SHARE
from detector.geometry.boxes import Corners, centres, edge_lengths
from detector.tiling.sightings import Sightings, TileTable, touch_px, touches

MISSED_SHARE = 0.5
"""A tile that gave no box had one between 0 and its threshold: half of it."""

LEAST_SHARE = 0.5
"""Least share of the highest score that is left: a box of twice the threshold always counts, even
where another tile gave none. Only doubtful boxes are put to the vote."""

FULL_TRUST = 0.1
"""Distance to the nearest seam, by the side of the window, from which on a look counts in full.
Objects that lie whole in their window score alike from 0.03 on (`docs/research/merging.md`),
and the mean of several looks is the surer, the more evenly they count."""

LEAST_TRUST = 0.2
"""Weight of a look at an object whose centre lies at the border of its window or behind it."""


@dataclass(frozen=True, slots=True)
class Voting:
    """What is known of looks before there are any.

    Attributes:
        missed: `(classes,)` score of a tile that gave no box.
        luck: of one look, see `boxes.luck`.
    """

    missed: NDArray[np.float32]
    luck: float

    @classmethod
    def of(cls, conf: NDArray[np.float32], luck: float) -> Self:
        """From the thresholds `(classes,)` of objects."""
        return cls(np.asarray(MISSED_SHARE * TILE_SHARE * conf, np.float32), luck)


def fused_scores(
    corners: Corners,
    top: NDArray[np.float32],
    levels: NDArray[np.int64],
    seen: Sightings,
    labels: NDArray[np.int64],
    table: TileTable,
    missed: NDArray[np.float32],
    luck: float,
) -> NDArray[np.float32]:
    """Scores `(K,)` of objects: the mean over the tiles without the luck of few.

    A tile with a seam close to the object counts less.

    Args:
        corners: `(K, 4, 2)` of the objects, scene pixels.
        top: `(K,)` highest score of each; it stands where no tile holds the object whole, and
            half of it is the least.
        levels: `(K,)` level of the tiles that saw it.
        seen: `N` sightings, at most one an object and tile.
        labels: `(N,)` object of each.
        table: of the plan.
        missed: `(K,)` score of a tile that gave no box for the object.
        luck: of one look, see `boxes.luck`.
    """
    many = len(table.windows)
    held, holder = _holders(corners, levels, table)
    whole = np.zeros(len(corners), bool)
    whole[held] = True
    keys = np.union1d(labels * many + seen.tiles, held * many + holder)
    objects, tiles = np.divmod(keys, many)
    said = missed[objects].astype(np.float64)
    said[np.searchsorted(keys, labels * many + seen.tiles)] = seen.boxes.scores
    trust = _trust(centres(corners)[objects], tiles, table)
    total, weight, squares = (
        np.bincount(objects, part, len(corners)) for part in (trust * said, trust, trust**2)
    )
    mean = np.divide(total, weight, out=np.zeros(len(corners)), where=whole)
    # The number of looks that would be worth as much, if all counted alike, is its reciprocal.
    few = np.divide(squares, weight**2, out=np.ones(len(corners)), where=whole)
    fused = np.maximum(mean - luck * few, LEAST_SHARE * top)
    return np.where(whole, fused, top).astype(np.float32)


def _holders(
    corners: Corners, levels: NDArray[np.int64], table: TileTable
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of an object and a tile of its level whose window holds all of it."""
    tree = shapely.STRtree(shapely.box(*table.windows.T))
    held, holder = tree.query(shapely.points(centres(corners)))
    same = levels[held] == table.levels[holder]
    held, holder = held[same], holder[same]
    length, _ = edge_lengths(corners[held])
    touch = touch_px(length, table.scales[holder])
    cut = touches(corners[held], table.windows[holder], touch, table.size).any(axis=1)
    return held[~cut], holder[~cut]


def _trust(
    centre: NDArray[np.float64], tiles: NDArray[np.int64], table: TileTable
) -> NDArray[np.float64]:
    """Weights `(P,)` of looks at objects with these centres, by how far the seams are."""
    windows = table.windows[tiles]
    low = np.where(windows[:, :2] > 0, centre - windows[:, :2], np.inf)
    high = np.where(windows[:, 2:] < table.size, windows[:, 2:] - centre, np.inf)
    nearest = np.minimum(low, high).min(axis=1) / (windows[:, 2] - windows[:, 0])
    return np.asarray(np.clip(nearest / FULL_TRUST, LEAST_TRUST, 1.0))
