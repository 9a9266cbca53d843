"""Which sightings of different tiles show the same object.

Two tiles can only agree on what both of them see. So boxes are compared inside the part that their
windows share: what is left of a whole ship there must equal what the other tile saw of it. The
same measure holds for two whole boxes, a whole box and a fragment, and two fragments.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from detector.boxes.areas import shared_areas, upright_corners
from detector.geometry.boxes import edge_lengths, envelopes
from detector.tiling.sightings import Sightings, grow

GROW_READ_PX = 2.0
"""How far a network errs: a whole box covers a fragment up to here beyond its sides."""

ALIKE_SCORES = 0.5

CROSS_SCALE_SHARE = 0.1
"""Share of the smaller one from which boxes of both scales are looked at together. Less does not
decide anything there, and would chain the ships of a whole quay to one component."""


@dataclass(frozen=True, slots=True)
class MatchSettings:
    """Thresholds of a match.

    Attributes:
        iou: least exact IoU inside the shared part of both windows.
        fragment_cover: or least share of a fragment that a whole box of the other tile covers.
        width_ratio: least ratio of the widths of two fragments.
        longest_px: longest object by class, scene pixels; infinite where unknown.
    """

    iou: float
    fragment_cover: float
    width_ratio: float
    longest_px: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Edges:
    """Pairs of sightings that may show one object.

    Attributes:
        first: `(E,)` index, below `second`.
        second: `(E,)` index.
        quality: `(E,)` in (0, 1].
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    quality: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.first)


@dataclass(slots=True)
class PairCounts:
    """How many pairs were looked at.

    Attributes:
        candidates: pairs that the tree returned, each counted once.
        exact: pairs whose exact intersection was computed.
    """

    candidates: int = 0
    exact: int = 0


def match(
    seen: Sightings, fresh: NDArray[np.bool_], settings: MatchSettings, counts: PairCounts
) -> Edges:
    """Edges between the fresh sightings and all.

    Args:
        seen: `N` sightings in canonical order.
        fresh: `(N,)` those that were not matched before.
        settings: thresholds.
        counts: is added to.
    """
    first, second = _candidates(seen, fresh, counts)
    levels = seen.levels[first] == seen.levels[second]
    quality = np.zeros(len(first))
    quality[levels] = _quality(seen, first[levels], second[levels], settings, counts)
    # Boxes of different scales only share a fate here; `scales.match_scales` compares them.
    quality[~levels] = _share_a_fate(seen, first[~levels], second[~levels], counts)
    good = quality > 0
    return Edges(first[good], second[good], quality[good])


def _candidates(
    seen: Sightings, fresh: NDArray[np.bool_], counts: PairCounts
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of one class and two tiles whose envelopes meet where both windows see."""
    new = np.flatnonzero(fresh)
    if len(new) == 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    boxes = shapely.box(*envelopes(seen.shapes).T)
    tree = shapely.STRtree(boxes)
    left, other = tree.query(boxes[new])
    left = new[left]
    once = (left < other) | ((left > other) & ~fresh[other])
    left, other = left[once], other[once]
    counts.candidates += len(left)
    first, second = np.minimum(left, other), np.maximum(left, other)
    classes = seen.boxes.class_ids
    apart = (seen.tiles[first] != seen.tiles[second]) & (classes[first] == classes[second])
    first, second = first[apart], second[apart]
    meet = _shared_extent(seen, first, second)
    order = np.lexsort((second[meet], first[meet]))
    return first[meet][order], second[meet][order]


def _shared_extent(
    seen: Sightings, first: NDArray[np.int64], second: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Whether the envelopes of both boxes and both windows have a common area."""
    bounds = envelopes(seen.shapes)
    low = np.maximum.reduce(
        [bounds[first, :2], bounds[second, :2], seen.windows[first, :2], seen.windows[second, :2]]
    )
    high = np.minimum.reduce(
        [bounds[first, 2:], bounds[second, 2:], seen.windows[first, 2:], seen.windows[second, 2:]]
    )
    return np.asarray((high > low).all(axis=1))


def _quality(
    seen: Sightings,
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    settings: MatchSettings,
    counts: PairCounts,
) -> NDArray[np.float64]:
    """IoU inside the shared windows `(P,)`; 0 where the pair is not one object."""
    counts.exact += len(first)
    both, one, other = _shared_areas(seen, first, second)
    union = one + other - both
    iou = np.divide(both, union, out=np.zeros(len(both)), where=union > 0)
    cover = _fragment_cover(seen, first, second)
    good = (iou >= settings.iou) | (cover >= settings.fragment_cover)
    good &= _fragments_may_join(seen, first, second, settings)
    trust = _score_trust(seen.boxes.scores[first], seen.boxes.scores[second])
    return np.where(good, trust * np.maximum(iou, cover / 2), 0.0)


def _share_a_fate(
    seen: Sightings, first: NDArray[np.int64], second: NDArray[np.int64], counts: PairCounts
) -> NDArray[np.float64]:
    """1 `(P,)` where boxes of two scales have a part in common that can matter, else 0."""
    counts.exact += len(first)
    one, other = seen.shapes[first], seen.shapes[second]
    least = np.minimum(shared_areas(one), shared_areas(other))
    return np.where(shared_areas(one, other) > CROSS_SCALE_SHARE * least, 1.0, 0.0)


def _score_trust(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float64]:
    """Weight `(P,)` in (0, 1] of a pair by its scores: 1 while one is at least half of the other.

    Of several boxes of the other tile a sure box shall be paired with a sure one, not with the
    doubtful one that overlaps it a little better.
    """
    low, high = np.minimum(first, second), np.maximum(first, second)
    ratio = np.divide(low, high, out=np.ones(len(low)), where=high > 0)
    return np.clip(ratio / ALIKE_SCORES, 1e-3, 1.0)


def _shared_areas(
    seen: Sightings, first: NDArray[np.int64], second: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Areas inside both windows of: the intersection, the first box, the second box."""
    a, b = seen.shapes[first], seen.shapes[second]
    low = np.maximum(seen.windows[first, :2], seen.windows[second, :2])
    high = np.minimum(seen.windows[first, 2:], seen.windows[second, 2:])
    both_see = upright_corners(low, high)
    inside = [((box >= low[:, None]) & (box <= high[:, None])).all(axis=(1, 2)) for box in (a, b)]
    areas = []
    for boxes, uncut in (
        ((a, b), inside[0] | inside[1]),
        ((a,), inside[0]),
        ((b,), inside[1]),
    ):
        area = np.empty(len(first))
        area[uncut] = shared_areas(*(box[uncut] for box in boxes))
        area[~uncut] = shared_areas(*(box[~uncut] for box in boxes), both_see[~uncut])
        areas.append(area)
    return areas[0], areas[1], areas[2]


def _fragment_cover(
    seen: Sightings, first: NDArray[np.int64], second: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Share `(P,)` of a fragment that a whole box covers; 0 where not one of each.

    The whole box is grown by the error of a network, since a fragment may be a narrow strip.
    """
    cover = np.zeros(len(first))
    mixed = np.flatnonzero(seen.fragment[first] != seen.fragment[second])
    first, second = first[mixed], second[mixed]
    part = np.where(seen.fragment[first], first, second)
    whole = np.where(seen.fragment[first], second, first)
    grown = grow(seen.boxes.corners[whole], GROW_READ_PX / seen.scales[whole])
    corners = seen.boxes.corners[part]
    window = upright_corners(seen.windows[part, :2], seen.windows[part, 2:])
    area, shared = shared_areas(corners, window), shared_areas(corners, window, grown)
    cover[mixed] = np.divide(shared, area, out=np.zeros(len(area)), where=area > 0)
    return cover


def _fragments_may_join(
    seen: Sightings,
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    settings: MatchSettings,
) -> NDArray[np.bool_]:
    """False `(P,)` for two fragments of unlike widths or of more than the longest length."""
    corners = seen.boxes.corners
    length, width = edge_lengths(corners)
    swap = length[second] > length[first]
    long, short = np.where(swap, second, first), np.where(swap, first, second)
    along = corners[long, 1] - corners[long, 0]
    along = along / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-12)
    points = np.concatenate([_inside(seen, long), _inside(seen, short)], axis=1)
    run = np.ptp(np.einsum("nkd,nd->nk", points, along), axis=1)
    longest = np.asarray(settings.longest_px)[seen.boxes.class_ids[first]]
    own = corners[short, 1] - corners[short, 0]
    turned = 2 * np.abs((own * along).sum(axis=1)) ** 2 < (own**2).sum(axis=1)
    breadth = np.where(turned, length[short], width[short])
    least, most = np.minimum(breadth, width[long]), np.maximum(breadth, width[long])
    slack = LEAST_WIDTH_ERROR_READ_PX / seen.scales[first]
    alike = (least >= settings.width_ratio * most) | (most - least <= slack)
    cut_along = (seen.cut[long][:, [0, 2]] | seen.cut[short][:, [0, 2]]).any(axis=1)
    fine = (alike | cut_along) & (run <= longest)
    return np.asarray(fine | ~(seen.fragment[first] & seen.fragment[second]))


LEAST_WIDTH_ERROR_READ_PX = 4.0
"""Widths that differ by less agree, whatever their ratio: the error of two boxes of 2 px each."""


def _inside(seen: Sightings, index: NDArray[np.int64]) -> NDArray[np.float64]:
    """Corners moved into their own windows: what lies behind a border is a guess."""
    low, high = seen.windows[index, None, :2], seen.windows[index, None, 2:]
    return np.clip(seen.boxes.corners[index], low, high)
