"""Duplicates inside one tile: one object, found twice by one pass of the network."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import shapely
from numpy.typing import NDArray

from detector.boxes.areas import shared_areas
from detector.boxes.scored import Boxes
from detector.geometry.boxes import Corners, edge_lengths, envelopes

DUPLICATE_IOU = 0.5
"""Where a card says nothing else. Neighbours in a tight row share 0.2, with errors up to 0.5."""

CROSSING_ANGLE_DEG = 20.0
CROSSING_SHARE = 0.3
CROSSING_LINE = 0.8
CROSSING_ELONGATION = 2.0
"""No ship lies across another: of two boxes of ships at least twice as long as wide, at more than
20 degrees to each other, that share 30 % of the smaller one or whose middle lines cross (the inner
80 % of them: a bow against a side does not), the worse shows no ship. Networks box a ship twice so
where they are unsure of its axis; the IoU of such a pair is low. Errors of angle are far below it
(2 degrees), and ships side by side are parallel. So for every class that says `crossing`."""

ROW_SHARE, ROW_INSIDE = 0.25, 0.6
"""A box is a row, not a ship, where ships with this much of them inside it (0.6) cover this much of
it besides the one that covers most (0.25)."""

LEAST_RIVAL = 0.25
"""Area by area from which a box removes a worse one of another tile that it lies across."""

MOST_BOXES = 25_000
"""More boxes than this in one tile are no detections: a head with strides from 8 on has 21,504
anchors in a tile of 1024 px."""

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
    corners = boxes.corners[order]
    may_cross = _long_ships(boxes)[order] & crossing
    return np.asarray(order[_keep_best(corners, groups, iou, may_cross)])


def without_crossing(boxes: Boxes, standing: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Mask `(N,)` of the objects that do not lie across a better ship, whatever tiles saw them.

    A box across two or more ships that lie in it is a row of them that a coarse look took for one
    ship: it goes, however high it stands. A much smaller box (`LEAST_RIVAL`) removes nothing: a
    boat or a crane at a long ship says little about it.

    Args:
        boxes: objects of all tiles and scales, one frame.
        standing: `(N,)` the higher, the better; ties go by geometry.
    """
    keep = np.ones(len(boxes), bool)
    long = np.flatnonzero(_long_ships(boxes))
    order = long[rank(replace(boxes.select(long), scores=standing[long]))]
    better, worse, shared = _crossing_pairs(boxes.corners[order], boxes.class_ids[order])
    areas = shared_areas(boxes.corners[order])
    rows = _rows(better, worse, shared, areas)
    both = ~(rows[better] | rows[worse]) & (areas[better] >= LEAST_RIVAL * areas[worse])
    keep[order] = greedy_keep(len(order), better[both], worse[both]) & ~rows
    return keep


def are_rows(whole: NDArray[np.int64], share: NDArray[np.float64], count: int) -> NDArray[np.bool_]:
    """Mask `(count,)` of the boxes that others fill by `ROW_SHARE` besides the largest part.

    Args:
        whole: `(P,)` a box, for each part that lies in it.
        share: `(P,)` of the box that the part covers.
        count: how many boxes there are.
    """
    best = np.zeros(count)
    np.maximum.at(best, whole, share)
    return np.asarray(np.bincount(whole, share, count) - best >= ROW_SHARE)


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


def _long_ships(boxes: Boxes) -> NDArray[np.bool_]:
    """Mask of the boxes of ships with an axis that can lie across another."""
    length, width = edge_lengths(boxes.corners)
    crossing = boxes.classes.mask(boxes.class_ids, "crossing")
    return np.asarray(crossing & (length >= CROSSING_ELONGATION * width))


def _lie_across(first: Corners, second: Corners, share: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether boxes cross.

    Args:
        first: `(P, 4, 2)`.
        second: `(P, 4, 2)`.
        share: `(P,)` of the smaller box that both hold.
    """
    one, other = (first[:, 1] - first[:, 0]) / 2, (second[:, 1] - second[:, 0]) / 2
    between = second.mean(axis=1) - first.mean(axis=1)
    turn = _cross(one, other)
    steep = np.abs(turn) > np.sin(np.radians(CROSSING_ANGLE_DEG)) * np.linalg.norm(
        one, axis=1
    ) * np.linalg.norm(other, axis=1)
    safe = np.where(steep, turn, 1.0)
    # The middle lines meet at these shares of the half lengths from the centres.
    meet = np.maximum(np.abs(_cross(between, other) / safe), np.abs(_cross(between, one) / safe))
    return np.asarray(steep & ((share >= CROSSING_SHARE) | (meet <= CROSSING_LINE)))


def _crossing_pairs(
    corners: Corners, class_ids: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Pairs of one class that cross, the lower index first, and the area that both hold."""
    shapes, areas = shapely.box(*envelopes(corners).T), shared_areas(corners)
    tree = shapely.STRtree(shapes)
    size = BLOCK if _expected_pairs(corners) > MOST_PAIRS else max(1, len(corners))
    found = [(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))]
    for start in range(0, len(corners), size):
        first, second = tree.query(shapes[start : start + size])
        first = first + start
        pair = (first < second) & (class_ids[first] == class_ids[second])
        first, second = first[pair], second[pair]
        shared = shared_areas(corners[first], corners[second])
        share = shared / np.maximum(np.minimum(areas[first], areas[second]), 1e-12)
        across = _lie_across(corners[first], corners[second], share)
        found.append((first[across], second[across], shared[across]))
    first, second, shared = (np.concatenate(part) for part in zip(*found, strict=True))
    return first, second, shared


def _rows(
    one: NDArray[np.int64],
    other: NDArray[np.int64],
    shared: NDArray[np.float64],
    areas: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Mask of the boxes that ships across them fill: by `ROW_SHARE` besides the largest part."""
    whole, part = np.concatenate([one, other]), np.concatenate([other, one])
    shared = np.concatenate([shared, shared])
    inside = shared >= ROW_INSIDE * areas[part]
    return are_rows(whole[inside], (shared / areas[whole])[inside], len(areas))


def _cross(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])


def _keep_best(
    corners: Corners, groups: NDArray[np.int64], iou: float, may_cross: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Mask of the boxes, best first, without those that a kept one of their group suppresses."""
    shapes, areas = shapely.box(*envelopes(corners).T), shared_areas(corners)

    def same(first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.bool_]:
        one_group = groups[first] == groups[second]
        first, second = first[one_group], second[one_group]
        shared = shared_areas(corners[first], corners[second])
        least = iou * (areas[first] + areas[second] - shared)
        same_object = (shared >= least) & (shared > 0)
        both = np.flatnonzero(may_cross[first] & may_cross[second] & ~same_object)
        share = shared[both] / np.maximum(np.minimum(areas[first], areas[second])[both], 1e-12)
        same_object[both] = _lie_across(corners[first[both]], corners[second[both]], share)
        one_group[one_group] = same_object
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
