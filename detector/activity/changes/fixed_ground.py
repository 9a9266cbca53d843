"""Ships that are none: aprons, piers and roofs that stay, told by other dates.

A network takes an apron for a ship on one date and not on the next. A ship that lay there is gone
on other dates, or is found there again; ground stays. So a box of a ship is fixed ground where two
other dates or more have no ship in its place and all that are looked at show the same picture.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

import cv2
import numpy as np
import shapely
from numpy.typing import NDArray

from detector.activity.changes.pixels import FLAT, SAME, Picture, Shelf, compare_pictures
from detector.activity.looks.ground import box_grid
from detector.activity.looks.zone_looks import Look, Placement
from detector.classes import PORT
from detector.errors import SceneError
from detector.geometry.boxes import intersection_areas, polygons
from detector.scenes.grid import Grid, on_grid

CELL_M: Final = 1.0
LEAST_LENGTH_M: Final = 25.0  # shorter boats have too few pixels
LEAST_OTHERS: Final = 2  # dates; a ship that stays is not missed on two beside its own
MOST_OTHERS: Final = 3
FREE_SHARE: Final = 0.1  # of a box, that a ship of another date may lie on
STRUCTURE_SHARE: Final = 0.15  # of a box: flat ground and flat water look the same
ALIKE_SHARE: Final = 0.7  # of that structure
LARGEST_RESIDUAL_M: Final = 2.0  # or structures do not lie on each other
SEEN_SHARE: Final = 0.95
SMOOTH_CELLS: Final = 0.7

Mask = NDArray[np.bool_]


def fixed_ground(
    looks: Sequence[Look], shelf: Shelf, placements: Mapping[str, Placement], crs: str
) -> set[str]:
    """Ids of boxes of ships that show ground which stays; never of looks that a person corrected.

    Args:
        looks: of a zone.
        shelf: gives the scenes.
        placements: of the scenes.
        crs: of the local metres.
    """
    usable = [look for look in looks if look.usable and look.residual_m <= LARGEST_RESIDUAL_M]
    ships = [_ships(look) for look in usable]
    found: set[str] = set()
    for at, look in enumerate(usable):
        shelf.keep_only([name for one in usable for name in one.scene_ids])
        order = sorted((i for i in range(len(usable)) if i != at), key=lambda i: abs(i - at))
        long = PORT.mask(look.sightings.class_ids, "visits")
        long &= (look.sightings.length_m >= LEAST_LENGTH_M) & (look.found is None)
        for row in np.flatnonzero(long).tolist():
            box = polygons(look.sightings.corners[row][None])[0]
            free = [i for i in order if _is_free(box, ships[i])]
            if len(free) < LEAST_OTHERS:
                continue
            grid = box_grid(look.sightings.corners[row], 0.0, crs, CELL_M)
            others = [usable[i].scene_ids[0] for i in free[:MOST_OTHERS]]
            alike = list(_alike(look.scene_ids[0], others, grid, shelf, placements))
            if len(alike) >= LEAST_OTHERS and all(alike):
                found.add(str(look.sightings.ids[row]))
    return found


def without(looks: Sequence[Look], ids: Collection[str]) -> list[Look]:
    """The looks without boxes of some ids."""
    if not ids:
        return list(looks)
    kept = [~np.isin(look.sightings.ids, list(ids)) for look in looks]
    return [
        replace(look, sightings=look.sightings.select(mask))
        for look, mask in zip(looks, kept, strict=True)
    ]


def _ships(look: Look) -> NDArray[np.object_]:
    ships = PORT.mask(look.sightings.class_ids, "visits")
    return polygons(look.sightings.corners[ships])


def _is_free(box: shapely.Polygon, ships: NDArray[np.object_]) -> bool:
    shared = intersection_areas(ships, box) if len(ships) else np.zeros(0)
    return bool((shared <= FREE_SHARE * box.area).all())


def _alike(
    scene_id: str,
    others: Sequence[str],
    grid: Grid,
    shelf: Shelf,
    placements: Mapping[str, Placement],
) -> Iterator[bool]:
    """Whether each other scene shows the same; none where a scene does not show the place."""
    here = _read(scene_id, grid, shelf, placements)
    for other in others:
        there = _read(other, grid, shelf, placements) if here is not None else None
        if here is None or there is None:
            continue
        likeness = compare_pictures(here, there, grid.cell_m)
        structure = likeness.contrast[0] >= FLAT
        if structure.mean() >= STRUCTURE_SHARE:
            yield bool((likeness.same[structure] >= SAME).mean() >= ALIKE_SHARE)


def _read(
    scene_id: str, grid: Grid, shelf: Shelf, placements: Mapping[str, Placement]
) -> Picture | None:
    """What a scene shows of a grid; None where it does not show all, or is gone."""
    east, north = placements[scene_id].shift_m
    try:
        laid = on_grid(shelf.scene(scene_id), grid.moved(-east, -north))
    except SceneError:
        return None
    if laid.seen.mean() < SEEN_SHARE:
        return None
    smooth = cv2.GaussianBlur(laid.rgb.astype(np.float32), (0, 0), SMOOTH_CELLS)
    return np.asarray(smooth, np.float32)
