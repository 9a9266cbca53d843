"""Change between two looks of a zone: blocks that appeared, are gone, grew or shrank."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from shapely.geometry.base import BaseGeometry

from detector.activity.changes.pixels import Compare, Parts, PlaceShares, Shares, by_boxes
from detector.geometry.boxes import Corners, edge_lengths, intersection_areas, polygons
from detector.stacks.simulate import Draws, Floats

ChangeKind = Literal["appeared", "gone", "grown", "shrunk", "exchanged", "undecided"]

CLAIMS: Final = ("appeared", "gone", "grown", "shrunk")  # kinds that say that something changed
SAME_SHARE = 0.15  # of the smaller block: from it two blocks of two looks stand in one place
LEAST_M2 = 25.0  # one 40 ft container; less is in the errors of the boxes
BOX_SD_M = 0.7  # of one side of a found box
SIDES_SD = 1.645  # standard deviations of a side's place that are no change: 90 %
WHOLE_SHARE = 0.7  # of a part, from which all of it changed: windows blur its rim
# a box of one container, with its errors: on the ground and on a lorry it looks the same from above
LONE_M2 = 60.0
LONE_REASON: Final = "one container may stand on a lorry"
# lorries with a container side by side are as long as a lorry, and seldom as broad as a container
# is long; the EU allows articulated lorries of 16.5 m (directive 96/53/EC), boxes err by a metre
LORRY_M = (14.3, 17.7)
CONTAINER_M = (10.9, 13.4)  # a container of 40 ft, with the errors of a box
LORRIES_REASON: Final = "lorries may stand side by side"
LEAST_GROWN_M2 = 50.0  # of a block that grew or shrank: two 40 ft containers
LEAST_BESIDE_MISSED_M2 = 100.0  # the same, where the box of one look was merely missed
LEAST_EMPTIED = 0.4  # of a part, where no containers are left: boxes take in bare ground
LEFT_SHARE = 0.2  # of the ground of a block: with less of it left it is gone, not smaller
GROWN_SHARE = 0.6  # of a part beside ground that both looks have boxes on
LEAST_DECIDED = 0.5  # of a part, by pixels, or nothing is claimed of it
EXCHANGED_SHARE = 0.7  # of the ground that both looks have boxes on shows other containers


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
    """One change, or what cannot be told of one.

    Attributes:
        kind: what happened.
        before: blocks of the first look that take part.
        after: blocks of the second look.
        area_m2: of the ground that changed, negative where containers left; of the ground that is
            `exchanged` or `undecided`.
        containers: signed draws; None where the look that shows more has none, or nothing is
            claimed.
        teu: the same.
        centre: `(2,)` of that ground, local metres.
        reason: why it is undecided; empty else.
    """

    kind: ChangeKind
    before: NDArray[np.int64]
    after: NDArray[np.int64]
    area_m2: float
    containers: Floats | None
    teu: Floats | None
    centre: Floats
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Compared:
    """Two looks of a zone, compared.

    Attributes:
        changes: with what is exchanged or undecided.
        missed_before: rows of the second look that pixels show in the first as well.
        missed_after: rows of the first look that pixels show in the second as well.
    """

    changes: list[Change]
    missed_before: NDArray[np.int64]
    missed_after: NDArray[np.int64]


def find_changes(before: Standing, after: Standing, compare: Compare = by_boxes) -> Compared:
    """Changes of the ground under containers, as pixels show them.

    All that is said of stacks that came, went, grew or shrank comes from here: the table
    `stack_changes`, events, links, pictures and sentences.

    Boxes say where to look, pixels what became of it. Blocks that share ground are one place. Its
    ground under boxes of one look alone, less what boxes, lean and registration may be off, is
    compared: where both looks show the same, a box was split, joined, moved or missed, and that is
    no change. Where one look shows containers and the other plainer ground, they came or went.
    Where pixels cannot decide the row says so, and claims nothing. Ground under boxes of both looks
    that shows other containers is `exchanged`: no ground was gained or lost.

    Args:
        before: blocks of the first look.
        after: blocks of the second look.
        compare: what became of the parts of a place; by default all that boxes say has changed.
    """
    old, new = polygons(before.corners), polygons(after.corners)
    groups = _places(old, new)
    changes: list[Change] = []
    missed: tuple[list[int], list[int]] = ([], [])
    for group in np.unique(groups).tolist():
        mine = np.flatnonzero(groups == group)
        a, b = mine[mine < len(old)], mine[mine >= len(old)] - len(old)
        parts = _parts((before, after), (a, b), (old, new))
        if max(parts.gained.area, parts.lost.area, parts.kept.area) < LEAST_M2:
            continue
        shares = compare(parts)
        changes += _changes((before, after), parts, shares)
        for stands, rows, shapes, part, told in (
            (missed[0], b, new, parts.gained, shares.gained),
            (missed[1], a, old, parts.lost, shares.lost),
        ):
            if part.area >= LEAST_M2 and told.containers >= WHOLE_SHARE:
                shared = shapely.area(shapely.intersection(shapes[rows], part))
                stands.extend(rows[shared >= LEAST_M2].tolist())
    return Compared(changes, *(np.array(sorted(rows), np.int64) for rows in missed))


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


def _parts(
    looks: tuple[Standing, Standing],
    members: tuple[NDArray[np.int64], NDArray[np.int64]],
    shapes: tuple[NDArray[np.object_], NDArray[np.object_]],
) -> Parts:
    """The ground of a place by which look has boxes on it, strips within the tolerance left out."""
    a, b = members
    old, new = shapely.union_all(shapes[0][a]), shapely.union_all(shapes[1][b])
    if not len(a) or not len(b):
        return Parts(a, b, shapely.Polygon(), new, old)
    error = float(max(looks[0].error_m[a].max(), looks[1].error_m[b].max()))
    tolerance_m = SIDES_SD * float(np.hypot(BOX_SD_M * np.sqrt(2.0), error))
    return Parts(
        a,
        b,
        old.intersection(new),
        _without_strips(new.difference(old), tolerance_m),
        _without_strips(old.difference(new), tolerance_m),
    )


def _without_strips(shape: BaseGeometry, width_m: float) -> BaseGeometry:
    """A shape without what is narrower than a width; nothing where its sides may all be off."""
    core = shape.buffer(-width_m / 2, join_style="mitre")
    left = core.buffer(width_m / 2, join_style="mitre").intersection(shape)
    return left if left.area > width_m * left.length / 2 else shapely.Polygon()


def _changes(looks: tuple[Standing, Standing], parts: Parts, shares: PlaceShares) -> list[Change]:
    found = [
        _claim(looks, parts, parts.gained, shares.gained, ("appeared", "grown")),
        _claim(looks, parts, parts.lost, shares.lost, ("gone", "shrunk")),
    ]
    changes = [change for change in found if change is not None]
    kept = shares.kept
    if not changes and parts.kept.area >= LEAST_M2 and kept.changed >= EXCHANGED_SHARE:
        changes.append(_remark("exchanged", parts, parts.kept, ""))
    return changes


def _claim(
    looks: tuple[Standing, Standing],
    parts: Parts,
    part: BaseGeometry,
    told: Shares,
    kinds: tuple[ChangeKind, ChangeKind],
) -> Change | None:
    """What is said of the ground under boxes of one look alone; None: it did not change."""
    if part.area < LEAST_M2:
        return None
    decided = told.changed + told.same
    if decided < LEAST_DECIDED:
        return _remark("undecided", parts, part, told.reason)
    changed = told.changed / decided
    one_look = parts.kept.is_empty
    area = part.area * (1.0 if changed >= WHOLE_SHARE else changed)
    came = kinds[0] == "appeared"
    standing, rows = (looks[1], parts.after) if came else (looks[0], parts.before)
    others = parts.before if came else parts.after
    alone = rows if one_look else _rows_of(part, standing.corners, rows)
    # ground that is even on both dates is none on which containers were left
    emptied = changed >= LEAST_EMPTIED and told.containers < LEFT_SHARE * decided
    whole = (changed >= WHOLE_SHARE or emptied) and bool(len(alone))
    if whole:
        rows, others = alone, others[:0]
    least = LEAST_M2 if whole else LEAST_BESIDE_MISSED_M2 if one_look else LEAST_GROWN_M2
    if area < least or (not one_look and changed < GROWN_SHARE):
        return None
    doubt = _may_be_lorries(standing.corners[rows], area) if whole else ""
    if doubt:
        return _remark("undecided", parts, part, doubt)
    sign = 1.0 if came else -1.0
    containers = teu = None
    if standing.draws is not None:
        boxes = polygons(standing.corners[rows])
        share = sign * min(area / float(shapely.union_all(boxes).area), 1.0)
        containers = share * standing.draws.containers[:, rows].sum(axis=1)
        teu = share * standing.draws.teu[:, rows].sum(axis=1)
    return Change(
        kinds[0] if whole else kinds[1],
        others if came else rows,
        rows if came else others,
        sign * area,
        containers,
        teu,
        np.array(part.centroid.coords[0]),
    )


def _may_be_lorries(corners: Corners, area_m2: float) -> str:
    """Why blocks may be lorries: one container, or as long as a lorry and no side a container's."""
    if area_m2 < LONE_M2:
        return LONE_REASON
    sides = np.stack(edge_lengths(corners))
    longest, shortest = sides.max(axis=0), sides.min(axis=0)
    long = (longest >= LORRY_M[0]) & (longest <= LORRY_M[1])
    one_deep = (shortest >= CONTAINER_M[0]) & (shortest <= CONTAINER_M[1])
    return LORRIES_REASON if (long & ~one_deep).all() else ""


def _rows_of(part: BaseGeometry, corners: Corners, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """The blocks that a part consists of, but for a rim; none where it is a piece of larger ones.

    A box of the other look that touches a block that is gone makes it no smaller block.
    """
    boxes = polygons(corners[rows])
    inside = shapely.area(shapely.intersection(boxes, part)) / shapely.area(boxes)
    whole = inside >= 1.0 - LEFT_SHARE
    covered = shapely.union_all(boxes[whole]).intersection(part).area
    return rows[whole] if covered >= (1.0 - LEFT_SHARE) * part.area else rows[:0]


def _remark(kind: ChangeKind, parts: Parts, ground: BaseGeometry, reason: str) -> Change:
    centre = np.array(ground.centroid.coords[0])
    return Change(kind, parts.before, parts.after, ground.area, None, None, centre, reason)
