"""From clusters to objects: the box that stands for each cluster."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import shapely
from numpy.typing import NDArray

from detector.boxes.areas import shared_areas
from detector.boxes.duplicates import greedy_keep
from detector.boxes.scored import Boxes
from detector.geometry.boxes import edge_lengths, envelopes
from detector.tiling.joining import join
from detector.tiling.scores import Voting, fused_scores
from detector.tiling.sightings import Sightings, TileTable

LEAST_SAY = 0.25
"""A sighting below this share of the best score of its cluster has no say: at a low threshold a
network gives whole boxes of 0.02 beside fragments of 0.6, and their geometry is noise. Real
fragments score less than whole boxes too, but seldom that much less."""

LEFT_INSIDE = 0.8
"""Share of a lone fragment inside an object that other tiles saw whole from which it is part of
it. A tile has one sighting in a cluster; a network that breaks a cut ship in two leaves one over.
Above what neighbours in a tight row share (4 of 12 px, and their errors)."""


@dataclass(frozen=True, slots=True)
class Objects:
    """One box a cluster.

    Attributes:
        boxes: `K` boxes, scene frame.
        levels: `(K,)` level of the tiles that saw it.
        whole: `(K,)` a tile saw it whole, or its fragments show all four sides.
        joined: `(K,)` made from two or more fragments.
        groups: `(K,)` component that it belongs to.
    """

    boxes: Boxes
    levels: NDArray[np.int64]
    whole: NDArray[np.bool_]
    joined: NDArray[np.bool_]
    groups: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.levels)

    def select(self, index: NDArray[np.integer] | NDArray[np.bool_]) -> Objects:
        """The objects at `index`, in its order."""
        return Objects(
            self.boxes.select(index),
            self.levels[index],
            self.whole[index],
            self.joined[index],
            self.groups[index],
        )


def represent(
    seen: Sightings,
    labels: NDArray[np.int64],
    groups: NDArray[np.int64],
    longest_px: tuple[float, ...],
    table: TileTable,
    voting: Voting,
) -> Objects:
    """Whole before fragment, then the highest score; ties by core, then by geometry.

    Sightings with a score far below the best of their cluster have no say in this. Fragments
    without a whole box among them are joined, unless the joined box is longer than the longest of
    its class: then each of them stays. The score is that of `fused_scores`.

    Args:
        seen: `N` sightings in canonical order.
        labels: `(N,)` clusters, from 0.
        groups: `(N,)` component of each sighting.
        longest_px: longest object by class, scene pixels.
        table: of the plan.
        voting: on the scores.
    """
    scores = seen.boxes.scores
    top = np.zeros(int(labels.max(initial=-1)) + 1, np.float32)
    np.maximum.at(top, labels, scores)
    weak = scores < LEAST_SAY * top[labels]
    order = np.lexsort((np.arange(len(seen)), ~seen.in_core, -scores, seen.fragment, weak))
    order = order[np.argsort(labels[order], kind="stable")]
    starts = np.flatnonzero(np.diff(labels[order], prepend=-1))
    best = order[starts]
    sizes = np.bincount(labels[~weak], minlength=len(top))
    corners = seen.boxes.corners[best].copy()
    whole, joined = ~seen.fragment[best], np.zeros(len(best), bool)
    loose: list[NDArray[np.int64]] = []
    for k in np.flatnonzero(~whole & (sizes > 1)).tolist():
        members = order[starts[k] : starts[k] + sizes[k]]
        result = join(seen.select(np.sort(members)))
        if edge_lengths(result.corners[None])[0][0] > longest_px[seen.boxes.class_ids[best[k]]]:
            loose.append(members[1:])
            continue
        corners[k], whole[k], joined[k] = result.corners, result.whole, True
    class_ids, levels = seen.boxes.class_ids[best], seen.levels[best]
    missed = voting.missed[class_ids]
    fused = fused_scores(corners, top, levels, seen, labels, table, missed, voting.luck)
    found = Objects(
        replace(seen.boxes.select(best), corners=corners, scores=fused),
        levels,
        whole,
        joined,
        groups[best],
    )
    return _with_loose(found, seen, groups, loose)


def without_leftovers(found: Objects, duplicate_iou: float) -> NDArray[np.bool_]:
    """Mask `(K,)` of the objects that are not what a better one left over.

    Two tiles may pair their boxes otherwise than one would: a network that gives two boxes for a
    ship in one tile and one in the next leaves one over.

    Args:
        found: objects; only those of one component, level and class are compared.
        duplicate_iou: exact IoU from which two objects are one.
    """
    standing = found.boxes.scores * np.where(found.whole, 1.0, LEAST_SAY)
    order = np.lexsort((np.arange(len(found)), -standing))
    corners = found.boxes.corners[order]
    boxes = shapely.box(*envelopes(corners).T)
    better, worse = shapely.STRtree(boxes).query(boxes)
    alike = better < worse
    for values in (found.groups, found.levels, found.boxes.class_ids):
        alike &= values[order][better] == values[order][worse]
    better, worse = better[alike], worse[alike]
    areas = shared_areas(corners)
    shared = shared_areas(corners[better], corners[worse])
    same = shared >= duplicate_iou * (areas[better] + areas[worse] - shared)
    lone = ~(found.whole | found.joined)[order]
    part = lone[worse] & ~lone[better] & (shared >= LEFT_INSIDE * areas[worse])
    keep = np.empty(len(found), bool)
    keep[order] = greedy_keep(len(found), better[same | part], worse[same | part])
    return keep


def _with_loose(
    found: Objects,
    seen: Sightings,
    groups: NDArray[np.int64],
    loose: list[NDArray[np.int64]],
) -> Objects:
    """The objects and the fragments that stay by themselves."""
    if not loose:
        return found
    rest = np.concatenate(loose)
    no = np.zeros(len(rest), bool)
    return Objects(
        Boxes.concatenate([found.boxes, seen.boxes.select(rest)]),
        np.concatenate([found.levels, seen.levels[rest]]),
        np.concatenate([found.whole, no]),
        np.concatenate([found.joined, no]),
        np.concatenate([found.groups, groups[rest]]),
    )
