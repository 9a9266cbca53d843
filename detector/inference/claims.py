"""A ship and container stacks that claim the same place: the surer of them is right.

Containers on a ship are deck cargo, and a yard looks like a ship at times: long, straight, beside
water. The labels know no containers on ships, so a network is unsure of blocks on a deck, as it is
unsure of a hull around a yard.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import shapely
from numpy.typing import NDArray

from detector.boxes.scored import Boxes
from detector.geometry.boxes import intersection_areas, polygons

ON_SHIP_SHARE: Final = 0.5  # of a stack's area: over it the stack may be deck cargo
YARD_SHARE: Final = 0.5  # of a ship's area: from it the stacks that fill it are no cargo


def find_yards(boxes: Boxes) -> NDArray[np.bool_]:
    """Which boxes `(N,)` are ships that surer container stacks fill by half: yards, not ships."""
    result = np.zeros(len(boxes), np.bool_)
    ship, stack = _pairs(boxes)
    surer = boxes.scores[stack] > boxes.scores[ship]
    ship, stack = ship[surer], stack[surer]
    for one in np.unique(ship).tolist():
        hull = polygons(boxes.corners[one : one + 1])[0]
        blocks = shapely.union_all(polygons(boxes.corners[stack[ship == one]]))
        result[one] = float(intersection_areas(blocks, hull)[0]) >= YARD_SHARE * hull.area
    return result


def find_deck_cargo(boxes: Boxes) -> NDArray[np.bool_]:
    """Which boxes `(N,)` are container stacks with more than half of their area in a surer ship."""
    result = np.zeros(len(boxes), np.bool_)
    ship, stack = _pairs(boxes)
    hulls, blocks = polygons(boxes.corners[ship]), polygons(boxes.corners[stack])
    shared = intersection_areas(blocks, hulls)
    inside = shared > ON_SHIP_SHARE * shapely.area(blocks)
    result[stack[inside & (boxes.scores[ship] >= boxes.scores[stack])]] = True
    return result


def _pairs(boxes: Boxes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of ships and container stacks that meet: of what carries, and of what is cargo."""
    found = [(np.zeros(0, np.int64), np.zeros(0, np.int64))]
    for carrier_id, cargo_id in boxes.classes.cargoes:
        ships = np.flatnonzero(boxes.class_ids == carrier_id)
        stacks = np.flatnonzero(boxes.class_ids == cargo_id)
        tree = shapely.STRtree(polygons(boxes.corners[ships]))
        stack, ship = tree.query(polygons(boxes.corners[stacks]), predicate="intersects")
        found.append((ships[ship], stacks[stack]))
    carrier, cargo = (np.concatenate(part) for part in zip(*found, strict=True))
    return carrier, cargo
