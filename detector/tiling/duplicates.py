"""Duplicates inside one tile: one object, found twice by one pass of the network."""

from __future__ import annotations

import logging

import numpy as np
import shapely
from numpy.typing import NDArray

from detector.boxes import Boxes
from detector.classes import ObjectClass
from detector.geometry.boxes import Corners, edge_lengths, envelopes
from detector.tiling.areas import shared_areas

DUPLICATE_IOU = 0.5
"""Where a card says nothing else. Neighbours in a tight row share 0.2, with errors up to 0.5."""

CROSSING_ANGLE_DEG = 20.0
CROSSING_SHARE = 0.3
CROSSING_ELONGATION = 2.0
"""No ship lies across another: of two boxes of ships at least twice as long as wide, at more than
20 degrees to each other, that share 30 % of the smaller one, the worse shows no ship. Networks box
a ship twice so where they are unsure of its axis; the IoU of such a pair is low. Errors of angle
are far below it (2 degrees), and ships side by side are parallel."""

MOST_BOXES = 100_000
"""More boxes than this in one tile are no detections: a head with stride 8 has 26 anchors a
thousand pixels, 21,504 in a tile of 1024 px."""

MOST_PAIRS = 4_000_000
"""Pairs that are listed at once; where more are to be expected, boxes come in blocks."""

BLOCK = 256

_log = logging.getLogger(__name__)


def suppress_duplicates(
    boxes: Boxes, iou: float = DUPLICATE_IOU, *, crossing: bool = False
) -> NDArray[np.int64]:
    """Indices of the boxes that are not a duplicate of a better one of their class.

    Of more than `MOST_BOXES` only the best are looked at, with a warning; see `crowded_tiles`.

    Args:
        boxes: of one tile, any frame.
        iou: exact polygon IoU from which two boxes are the same object.
        crossing: whether a ship that lies across a better one is a duplicate too.

    Returns:
        `(K,)` int64, best score first; ties go by geometry, never by order.
    """
    tiles = np.zeros(len(boxes), np.int64)
    return suppress_tile_duplicates(boxes, tiles, iou, crossing=crossing)


def suppress_tile_duplicates(
    boxes: Boxes,
    tiles: NDArray[np.int64],
    iou: float = DUPLICATE_IOU,
    *,
    crossing: bool = False,
) -> NDArray[np.int64]:
    """The same for the boxes of many tiles at once, in one frame; tiles do not see each other.

    Args:
        boxes: `N` boxes.
        tiles: `(N,)` tile of each.
        iou: exact polygon IoU from which two boxes of one tile are the same object.
        crossing: whether a ship that lies across a better one of its tile is a duplicate too.

    Returns:
        `(K,)` int64, best score first.
    """
    order = rank(boxes)
    for tile in crowded_tiles(tiles):
        inside = np.flatnonzero(tiles[order] == tile)
        order = np.delete(order, inside[MOST_BOXES:])
        _log.warning("%d boxes in one tile: only the best %d are used", len(inside), MOST_BOXES)
    groups = tiles[order] * (int(boxes.class_ids.max(initial=0)) + 1) + boxes.class_ids[order]
    corners, axes = boxes.corners[order], np.full(len(order), np.nan)
    if crossing:
        axes = _axes(corners)
        axes[boxes.class_ids[order] != ObjectClass.SHIP] = np.nan
    return np.asarray(order[_keep_best(corners, groups, iou, axes)])


def crowded_tiles(tiles: NDArray[np.int64]) -> list[int]:
    """The tiles with more boxes than a tile can hold, so that some are left out."""
    found, counts = np.unique(tiles, return_counts=True)
    crowded: list[int] = found[counts > MOST_BOXES].tolist()
    return crowded


def rank(boxes: Boxes) -> NDArray[np.int64]:
    """Indices `(N,)` by falling score; ties by class and corners."""
    keys = [*boxes.corners.reshape(-1, 8).T[::-1], boxes.class_ids, -boxes.scores]
    return np.lexsort(keys).astype(np.int64)


def greedy_keep(
    count: int, better: NDArray[np.integer], worse: NDArray[np.integer]
) -> NDArray[np.bool_]:
    """Mask `(count,)` of those that no kept better one suppresses.

    Args:
        count: how many there are, best first.
        better: `(P,)` index of the better one of each pair, below `worse`.
        worse: `(P,)`.
    """
    kept = np.ones(count, bool)
    order = np.lexsort((worse, better))
    for i, j in zip(better[order].tolist(), worse[order].tolist(), strict=True):
        if kept[i]:
            kept[j] = False
    return kept


def _axes(corners: Corners) -> NDArray[np.float64]:
    """Angles `(N,)` of the lengths in degrees; NaN where a box is not long enough to have one."""
    along = corners[:, 1] - corners[:, 0]
    length, width = edge_lengths(corners)
    return np.where(
        length >= CROSSING_ELONGATION * width, np.degrees(np.arctan2(*along.T[::-1])), np.nan
    )


def _cross(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether axes in degrees differ by more than the angle that tells a crossing; NaN: no."""
    turn = (first - second + 90.0) % 180.0 - 90.0
    return np.asarray(np.abs(turn) > CROSSING_ANGLE_DEG)


def _keep_best(
    corners: Corners, groups: NDArray[np.int64], iou: float, axes: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Mask of the boxes, best first, without those that a kept one of their group suppresses."""
    shapes, areas = shapely.box(*envelopes(corners).T), shared_areas(corners)

    def same(first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.bool_]:
        one_group = groups[first] == groups[second]
        first, second = first[one_group], second[one_group]
        shared = shared_areas(corners[first], corners[second])
        least = iou * (areas[first] + areas[second] - shared)
        across = _cross(axes[first], axes[second])
        smaller = np.minimum(areas[first], areas[second])
        least[across] = np.minimum(least, CROSSING_SHARE * smaller)[across]
        one_group[one_group] = (shared >= least) & (shared > 0)
        return np.asarray(one_group)

    alive = np.ones(len(corners), bool)
    block_size = BLOCK if _expected_pairs(corners) > MOST_PAIRS else len(corners)
    tree = shapely.STRtree(shapes) if block_size < len(corners) else None
    for start in range(0, len(corners), max(1, block_size)):
        block = start + np.flatnonzero(alive[start : start + block_size])
        one, other = shapely.STRtree(shapes[block]).query(shapes[block])
        one, other = one[one < other], other[one < other]
        pair = same(block[one], block[other])
        alive[block] = greedy_keep(len(block), one[pair], other[pair])
        if tree is None:
            continue
        kept = block[alive[block]]
        left, later = tree.query(shapes[kept])
        left = kept[left]
        ahead = (later >= start + block_size) & alive[later]
        left, later = left[ahead], later[ahead]
        alive[later[same(left, later)]] = False
    return alive


def _expected_pairs(corners: Corners) -> float:
    """About how many pairs of envelopes meet, from a grid of the mean size of the boxes."""
    if len(corners) * len(corners) <= MOST_PAIRS:
        return float(len(corners) ** 2)
    bounds = envelopes(corners)
    size = max(float((bounds[:, 2:] - bounds[:, :2]).mean()), 1e-9)
    cells = np.floor(bounds[:, :2] / size).astype(np.int64)
    _, counts = np.unique(cells, axis=0, return_counts=True)
    return 9.0 * float((counts.astype(float) ** 2).sum())
