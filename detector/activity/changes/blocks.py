"""Change between two looks of a zone: blocks that appeared, are gone, grew or shrank."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from detector.geometry.boxes import Corners, intersection_areas, polygons
from detector.stacks.simulate import Draws, Floats

ChangeKind = Literal["appeared", "gone", "grown", "shrunk"]

SAME_SHARE = 0.15  # of the smaller block: from it two blocks of two looks stand in one place
LEAST_M2 = 25.0  # one 40 ft container; less is in the errors of the boxes
BOX_SD_M = 0.7  # of one side of a found box
SIDES_SD = 1.645  # standard deviations of a side's place that are no change: 90 %
SAME_PICTURE = 0.5  # correlation from which the same containers are seen in both looks


@dataclass(frozen=True, slots=True)
class Standing:
    """The blocks of one look.

    Attributes:
        corners: `(N, 4, 2)` on the ground, local metres, lean taken off.
        error_m: `(N,)` standard deviation of their places: lean and registration.
        draws: of the same blocks; None where nothing is known of their containers.
    """

    corners: Corners
    error_m: Floats
    draws: Draws | None


@dataclass(frozen=True, slots=True)
class Change:
    """One change.

    Attributes:
        kind: what happened.
        before: blocks of the first look that take part.
        after: blocks of the second look.
        area_m2: signed.
        containers: signed draws; None where the look that shows more has none.
        teu: the same.
        centre: `(2,)` local metres.
    """

    kind: ChangeKind
    before: NDArray[np.int64]
    after: NDArray[np.int64]
    area_m2: float
    containers: Floats | None
    teu: Floats | None
    centre: Floats


def find_changes(
    before: Standing,
    after: Standing,
    same_picture: Callable[[str, int], float | None] = lambda _look, _block: None,
) -> list[Change]:
    """Changes larger than what boxes, lean and registration may be off.

    All that is said of stacks that came, went, grew or shrank comes from here: the table
    `stack_changes`, events, links, pictures and sentences.

    Blocks that share ground are one place, and a place changes by the difference of its areas. A
    block that only one look has is compared by its pixels too: where the other look shows the same
    containers, it was merely not found there.

    Args:
        before: blocks of the first look.
        after: blocks of the second look.
        same_picture: correlation of the pixels of a block of the look `before` or `after` with the
            other look; None where it cannot be told.
    """
    old, new = polygons(before.corners), polygons(after.corners)
    groups = _places(old, new)
    changes = []
    for group in np.unique(groups).tolist():
        mine = np.flatnonzero(groups == group)
        a, b = mine[mine < len(old)], mine[mine >= len(old)] - len(old)
        change = _change(before, after, (a, b), (old, new))
        if change is not None and not _merely_missed(change, same_picture):
            changes.append(change)
    return changes


def _places(old: NDArray[np.object_], new: NDArray[np.object_]) -> NDArray[np.int64]:
    """Number of the place of every block, first look first."""
    total = len(old) + len(new)
    if not len(old) or not len(new):
        return np.arange(total)
    second, first = shapely.STRtree(old).query(new, predicate="intersects")
    shared = intersection_areas(old[first], new[second])
    smaller = np.minimum(shapely.area(old[first]), shapely.area(new[second]))
    keep = shared >= SAME_SHARE * smaller
    links = coo_array(
        (np.ones(int(keep.sum())), (first[keep], second[keep] + len(old))), shape=(total, total)
    )
    return np.asarray(connected_components(links, directed=False)[1], np.int64)


def _change(
    before: Standing,
    after: Standing,
    members: tuple[NDArray[np.int64], NDArray[np.int64]],
    shapes: tuple[NDArray[np.object_], NDArray[np.object_]],
) -> Change | None:
    a, b = members
    old, new = shapely.union_all(shapes[0][a]), shapely.union_all(shapes[1][b])
    difference = float(new.area - old.area)
    if len(a) and len(b):
        error = float(max(before.error_m[a].max(), after.error_m[b].max()))
        perimeter = (old.length + new.length) / 2.0
        # a side that is off by e adds e times its length; four independent ones, about half of all
        tolerance = SIDES_SD * float(np.hypot(BOX_SD_M * np.sqrt(2.0), error)) * perimeter / 2.0
        if abs(difference) <= max(tolerance, LEAST_M2):
            return None
        grown = difference > 0
        kind: ChangeKind = "grown" if grown else "shrunk"
        standing, rows, whole = (after, b, new.area) if grown else (before, a, old.area)
        share = difference / whole
    else:
        if max(old.area, new.area) < LEAST_M2:
            return None
        kind = "appeared" if len(b) else "gone"
        standing, rows, share = (after, b, 1.0) if len(b) else (before, a, -1.0)
    centre = np.array(shapely.union(old, new).centroid.coords[0])
    if standing.draws is None:
        return Change(kind, a, b, difference, None, None, centre)
    containers = share * standing.draws.containers[:, rows].sum(axis=1)
    teu = share * standing.draws.teu[:, rows].sum(axis=1)
    return Change(kind, a, b, difference, containers, teu, centre)


def _merely_missed(change: Change, same_picture: Callable[[str, int], float | None]) -> bool:
    if change.kind not in ("appeared", "gone"):
        return False
    look, rows = ("after", change.after) if change.kind == "appeared" else ("before", change.before)
    alike = [same_picture(look, int(row)) for row in rows]
    return all(value is not None and value >= SAME_PICTURE for value in alike)
