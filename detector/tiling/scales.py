"""The same ship at two scales: one object.

Up to 0.7 of the limit the fine scale answers alone, from 1.3 on the coarse one; between, both do,
and their boxes are matched here. A coarse box never removes two or more whole fine boxes: where it
covers several, it saw a row of them as one. One that matches nothing and lies where fine ships lie
already is a look between them. Narrow fine boxes along a hull that are longer than the fine scale
answers for, and that the coarse scale denies, are halves of it, not whole ships.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from detector.boxes.areas import shared_areas
from detector.boxes.duplicates import ROW_INSIDE, are_rows
from detector.geometry.boxes import edge_lengths, iou_pairs, polygons
from detector.tiling.clusters import assign
from detector.tiling.matching import Edges
from detector.tiling.objects import LEAST_SAY, Objects
from detector.tiling.sightings import padded

INSIDE = ROW_INSIDE
"""Share of a fine box inside a coarse one from which it is a part of what the coarse one saw."""

ALIGNED_COS = 0.985
"""Cosine of 10 degrees: a whole fine box is a part of a coarse one only if they are parallel."""

TAKEN = 0.75
"""Share of an unmatched coarse box under fine ships from which it has no room to be one more ship.
Hulls do not overlap, boxes do: the two neighbours of a ship in the tightest row, boxes of 12 px at
8 px, cover two thirds of it. A box that lies between two ships side by side, at up to 1.2 widths
from axis to axis, is covered by four fifths. This lies between the two, whatever the width."""

HULL_ELONGATION = 3.0
"""Length by width from which a coarse box can be one hull. Cargo ships have 5 to 8, an aircraft
carrier 4 by its deck; a box of two ships side by side is at most half as slender as one of them."""

SURER = 1.5
"""Score by score from which two or more whole fine boxes in line refute the coarse box that they
lie in: it bridges what lies between them."""


@dataclass(frozen=True, slots=True)
class ScaleSettings:
    """Thresholds of the match between scales.

    Attributes:
        iou: exact IoU from which a coarse and a whole fine box are one ship.
        least_side_px: error of the coarse scale, scene pixels: no side counts as shorter.
        width_ratio: least ratio of the widths of a ship and a part of it.
        fine_px: longest ship that the fine scale answers for, scene pixels.
    """

    iou: float
    least_side_px: float
    width_ratio: float
    fine_px: float


@dataclass(frozen=True, slots=True)
class ScalePairs:
    """Coarse and fine objects of one component that meet.

    Attributes:
        coarse: `(P,)` index.
        fine: `(P,)` index.
        iou: `(P,)` exact, of boxes not narrower than the error of the coarse scale.
        share: `(P,)` of the coarse box that the fine one covers.
        cover: `(P,)` of the fine box that the coarse one covers.
    """

    coarse: NDArray[np.int64]
    fine: NDArray[np.int64]
    iou: NDArray[np.float64]
    share: NDArray[np.float64]
    cover: NDArray[np.float64]


def match_scales(found: Objects, settings: ScaleSettings) -> NDArray[np.bool_]:
    """Mask `(K,)` of the objects of both levels that stay."""
    keep = np.ones(len(found), bool)
    pairs = _pairs(found, settings.least_side_px)
    if len(pairs.coarse) == 0:
        return keep
    whole = found.whole[pairs.fine]
    scores = found.boxes.scores
    parallel = _are_parallel(found, pairs)
    alike = parallel & _are_as_wide(found, pairs, settings)
    doubted = parallel & ~alike & _is_doubted(found, pairs, settings)
    heard = whole & ~doubted & (scores[pairs.fine] >= LEAST_SAY * scores[pairs.coarse])
    rows = _rows(pairs, heard, len(found)) | _bridges(found, pairs, whole & alike)
    matched = np.zeros(len(found), bool)
    edges = _matches(found, pairs, ~rows[pairs.coarse] & whole & (pairs.iou >= settings.iou))
    matched[edges.first], matched[edges.second] = True, True
    lone = ~(matched | rows)[pairs.coarse]
    fits = lone & heard & alike & ~_is_larger(found, pairs, settings.width_ratio)
    gone = rows | _without_room(found, pairs.coarse[fits], pairs.fine[fits])
    keep[gone] = False
    usable = ~gone[pairs.coarse]
    fine_wins = scores[edges.first] >= scores[edges.second]
    fine_wins &= found.whole[edges.first] | ~found.whole[edges.second]
    keep[edges.first[~fine_wins]] = False
    keep[edges.second[fine_wins]] = False
    inside = usable & (pairs.cover >= INSIDE) & ~matched[pairs.fine]
    inside &= scores[pairs.coarse] >= LEAST_SAY * scores[pairs.fine]
    part = ~whole | doubted | (alike & ~matched[pairs.coarse])
    keep[pairs.fine[inside & part]] = False
    return keep


def _pairs(found: Objects, least_side_px: float) -> ScalePairs:
    fine, coarse = np.flatnonzero(found.levels == 0), np.flatnonzero(found.levels == 1)
    shapes = polygons(found.boxes.corners)
    side = np.full(len(found), least_side_px)
    wide = polygons(padded(found.boxes.corners, side))
    one, other = shapely.STRtree(wide[fine]).query(wide[coarse], predicate="intersects")
    one, other = coarse[one], fine[other]
    same = (found.groups[one] == found.groups[other]) & (
        found.boxes.class_ids[one] == found.boxes.class_ids[other]
    )
    order = np.lexsort((other[same], one[same]))
    one, other = one[same][order], other[same][order]
    shared = shapely.area(shapely.intersection(wide[one], shapes[other]))
    fine_area = np.maximum(shapely.area(shapes[other]), 1e-9)
    return ScalePairs(
        coarse=one,
        fine=other,
        iou=iou_pairs(wide[one], wide[other]),
        share=shared / np.maximum(shapely.area(wide[one]), 1e-9),
        cover=shared / fine_area,
    )


def _rows(pairs: ScalePairs, whole: NDArray[np.bool_], count: int) -> NDArray[np.bool_]:
    """Mask `(count,)` of the coarse objects that are rows of whole fine ones."""
    inside = whole & (pairs.cover >= INSIDE)
    return are_rows(pairs.coarse[inside], pairs.share[inside], count)


def _bridges(found: Objects, pairs: ScalePairs, part: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Mask `(K,)` of the coarse objects that two or more parts in line refute.

    Args:
        found: objects of both levels.
        pairs: that meet.
        part: `(P,)` whether the fine object is whole, parallel to the coarse one and as wide.
    """
    scores = found.boxes.scores
    surer = part & (pairs.cover >= INSIDE)
    surer &= scores[pairs.fine] >= SURER * scores[pairs.coarse]
    return np.asarray(np.bincount(pairs.coarse[surer], minlength=len(found)) >= 2)


def _matches(found: Objects, pairs: ScalePairs, good: NDArray[np.bool_]) -> Edges:
    """One-to-one pairs of a fine (`first`) and a coarse (`second`) object."""
    edges = Edges(pairs.fine[good], pairs.coarse[good], pairs.iou[good])
    return assign(found.levels, edges)


def _without_room(
    found: Objects, coarse: NDArray[np.int64], fine: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Mask `(K,)` of the coarse objects that fine ones together cover by `TAKEN`.

    Args:
        found: objects of both levels.
        coarse: `(P,)` index, for each fine object that may take room from it.
        fine: `(P,)` index.
    """
    corners, full = found.boxes.corners, np.zeros(len(found), bool)
    for index in np.unique(coarse).tolist():
        boxes = corners[fine[coarse == index]]
        one, other = np.triu_indices(len(boxes), 1)
        box = corners[index][None]
        taken = shared_areas(np.repeat(box, len(boxes), axis=0), boxes).sum()
        # What two of them cover counts once; where three lie on each other it counts too little.
        taken -= shared_areas(np.repeat(box, len(one), axis=0), boxes[one], boxes[other]).sum()
        full[index] = taken >= TAKEN * shared_areas(box)[0]
    return full


def _is_doubted(found: Objects, pairs: ScalePairs, settings: ScaleSettings) -> NDArray[np.bool_]:
    """Whether the fine box is longer than its scale answers for, and the coarse scale denies it.

    A tile that holds but a part of a long hull may show half of its width as a whole ship, and two
    such halves would be a row. The coarse box is as slender as a hull then and surer, and no other
    one agrees.
    """
    length, width = edge_lengths(found.boxes.corners)
    hull = length >= HULL_ELONGATION * width
    less = found.boxes.scores[pairs.fine] < found.boxes.scores[pairs.coarse]
    agrees = pairs.iou >= settings.iou
    others = np.bincount(pairs.fine[agrees], minlength=len(found))[pairs.fine] - agrees
    denied = hull[pairs.coarse] & less & (others == 0)
    return np.asarray(denied & (length[pairs.fine] > settings.fine_px))


def _is_larger(found: Objects, pairs: ScalePairs, ratio: float) -> NDArray[np.bool_]:
    """Whether the fine box is so much longer or wider that it may be several ships itself."""
    size = np.stack(edge_lengths(found.boxes.corners), axis=1)
    return np.asarray((ratio * size[pairs.fine] > size[pairs.coarse]).any(axis=1))


def _are_parallel(found: Objects, pairs: ScalePairs) -> NDArray[np.bool_]:
    """Whether both boxes of a pair have one axis."""
    along = found.boxes.corners[:, 1] - found.boxes.corners[:, 0]
    along = along / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    return np.asarray(np.abs((along[pairs.fine] * along[pairs.coarse]).sum(axis=1)) >= ALIGNED_COS)


def _are_as_wide(found: Objects, pairs: ScalePairs, settings: ScaleSettings) -> NDArray[np.bool_]:
    """Whether both boxes of a pair are equally wide, within the error of the coarse scale."""
    _, width = edge_lengths(found.boxes.corners)
    one, other = width[pairs.fine], width[pairs.coarse]
    alike = np.minimum(one, other) >= settings.width_ratio * np.maximum(one, other)
    return np.asarray(alike | (np.abs(one - other) <= settings.least_side_px / 2))
