"""Box voting: a block of containers lies at the mean of its box and the duplicates that agree.

A network gives an object several boxes, from neighbouring anchors; the one with the highest score
need not lie best. Their mean, weighted by score, lies better where ends are uncertain, as those of
blocks are (Gidaris and Komodakis, "Object detection via a multi-region and semantic
segmentation-aware CNN model", ICCV 2015, there for axis-aligned boxes). Ships keep their best box
(`ClassEntry.voted`): `docs/research/merging.md` has the numbers.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import shapely
from numpy.typing import NDArray

from detector.boxes.areas import shared_areas
from detector.boxes.duplicates import MOST_BOXES, rank
from detector.boxes.scored import Boxes
from detector.geometry.boxes import Corners, corners_from_xywhr, envelopes

VOTER_IOU: Final = 0.6
"""Exact IoU from which a duplicate votes: one that shares less shows a part, or more than one."""

VOTER_SHARE: Final = 0.6
"""Of the kept box's score, from which a duplicate votes. Tiles give boxes from the same share of an
object's threshold on, so the result does not depend on how far below it a run looks."""


def voted_corners(boxes: Boxes, tiles: NDArray[np.int64], kept: NDArray[np.int64]) -> Corners:
    """Corners `(K, 4, 2)` of the kept boxes after their duplicates of the same tile have voted.

    Args:
        boxes: of many tiles, one frame, duplicates included.
        tiles: `(N,)` tile of each. Where one has more than `MOST_BOXES`, nobody votes.
        kept: `(K,)` indices of those that are no duplicates.
    """
    corners = boxes.corners[kept].copy()
    voted = boxes.classes.mask(boxes.class_ids, "voted")
    place = np.flatnonzero(voted[kept])  # in `kept`
    voted[kept] = False
    others = np.flatnonzero(voted)
    others = others[np.bincount(tiles)[tiles[others]] <= MOST_BOXES]
    if not len(others) or not len(place):
        return corners
    own, voter = _pairs(boxes, tiles, kept[place], others)
    own = place[own]
    if not len(own):
        return corners
    turned = _turned_to(boxes.corners[voter], corners[own])
    weight = boxes.scores[voter].astype(np.float64)
    total = boxes.scores[kept].astype(np.float64)
    mean = corners * total[:, None, None]
    np.add.at(mean, own, turned * weight[:, None, None])
    np.add.at(total, own, weight)
    changed = np.unique(own)
    corners[changed] = _rectangles(mean[changed] / total[changed, None, None])
    return corners


def _pairs(
    boxes: Boxes,
    tiles: NDArray[np.int64],
    kept: NDArray[np.int64],
    others: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Kept boxes, as positions in `kept`, and indices of the boxes that vote on them."""
    tree = shapely.STRtree(shapely.box(*envelopes(boxes.corners[others]).T))
    own, other = tree.query(shapely.points(boxes.corners[kept].mean(axis=1)))
    ours, theirs = kept[own], others[other]
    area = shared_areas(boxes.corners[kept])[own]
    their_area = shared_areas(boxes.corners[others])[other]
    alike = (tiles[ours] == tiles[theirs]) & (boxes.class_ids[ours] == boxes.class_ids[theirs])
    alike &= boxes.scores[theirs] >= VOTER_SHARE * boxes.scores[ours]
    # No IoU is higher than the smaller area over the larger.
    alike &= np.minimum(area, their_area) >= VOTER_IOU * np.maximum(area, their_area)
    own, ours, theirs = own[alike], ours[alike], theirs[alike]
    shared = shared_areas(boxes.corners[ours], boxes.corners[theirs])
    agree = shared >= VOTER_IOU * (area[alike] + their_area[alike] - shared)
    own, theirs = own[agree], theirs[agree]
    # Sums depend on their order in the last digit, so it is that of scores and geometry.
    voters = rank(boxes.select(theirs))
    order = voters[np.argsort(own[voters], kind="stable")]
    return own[order], theirs[order]


def _turned_to(corners: Corners, like: Corners) -> Corners:
    """Corners `(P, 4, 2)` from the one on that brings all nearest to those of `like`."""
    turns = np.stack([np.roll(corners, k, axis=1) for k in range(4)])
    best = ((turns - like) ** 2).sum(axis=(2, 3)).argmin(axis=0)
    return np.asarray(turns[best, np.arange(len(corners))])


def _rectangles(means: Corners) -> Corners:
    """The rectangles `(P, 4, 2)` with the middles and the mean sides of mean corners."""
    along = (means[:, 1] - means[:, 0] + means[:, 2] - means[:, 3]) / 2
    across = (means[:, 2] - means[:, 1] + means[:, 3] - means[:, 0]) / 2
    length, width = np.hypot(*along.T), np.hypot(*across.T)
    # One direction for both: that of the longer sides, which is known best.
    angle = np.where(
        length >= width,
        np.arctan2(along[:, 1], along[:, 0]),
        np.arctan2(across[:, 1], across[:, 0]) - np.pi / 2,
    )
    return corners_from_xywhr(np.column_stack([means.mean(axis=1), length, width, angle]))
