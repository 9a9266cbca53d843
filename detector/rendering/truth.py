"""What is in a rendered scene, exactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

from detector.classes import PORT
from detector.detections import CORNER_COLUMNS
from detector.geometry.boxes import Corners, as_corners

SHIP_ID: Final = PORT.id("ship")
STACK_ID: Final = PORT.id("container_stack")


@dataclass(frozen=True, slots=True)
class TruthObject:
    """One ship or container stack.

    Attributes:
        object_id: the same for the same thing on every date of a story.
        class_id: position in `detector.classes.PORT`, which the renderer draws.
        kind: kind of ship (`SHIP_KINDS`), or `block`, `wagons`, `deck_cargo`, `chassis`.
        role: `object`, or `ignore` for what is neither right nor wrong to find.
        corners: `(4, 2)` pixels, ordered by `order_corners`: the deck of a ship, the tops of a
            stack, as they show in the image (with lean).
        map_corners: `(4, 2)` the same corners in the scene's CRS.
        length_m: true length, metres.
        width_m: true width, metres.
        tiers: most containers on top of each other; 0 for ships.
        slots: TEU ground slots taken; 0 for ships.
        containers: containers, of 20 or 40 ft; 0 for ships.
        teu: the same in TEU; 0 for ships.
        on_ship: deck cargo.
        state: `berthed`, `rafted`, `anchored`, `under_way`, `moored` for ships, `` for stacks.
        zone: the zone it was put in, or ``.
        visible: share of its box inside the scene, on valid pixels and not under cloud.
    """

    object_id: str
    class_id: int
    kind: str
    role: str
    corners: NDArray[np.float64]
    map_corners: NDArray[np.float64]
    length_m: float
    width_m: float
    tiers: int
    slots: int
    containers: int
    teu: int
    on_ship: bool
    state: str
    zone: str
    visible: float

    @property
    def counts(self) -> bool:
        """Whether a perfect counter counts it: an object, seen by half, not deck cargo."""
        return self.role == "object" and not self.on_ship and self.visible >= 0.5


def truth_corners(truth: tuple[TruthObject, ...]) -> Corners:
    """Corners `(N, 4, 2)` in pixels."""
    return as_corners([item.corners for item in truth])


def truth_classes(truth: tuple[TruthObject, ...]) -> NDArray[np.int64]:
    """Class ids `(N,)`."""
    return np.array([item.class_id for item in truth], np.int64)


def truth_table(truth: tuple[TruthObject, ...], crs: str) -> gpd.GeoDataFrame:
    """One row an object: the fields of `TruthObject`, pixel corners, and its box on the map."""
    names = (
        "object_id",
        "kind",
        "role",
        "length_m",
        "width_m",
        "tiers",
        "slots",
        "containers",
        "teu",
        "on_ship",
        "state",
        "zone",
        "visible",
    )
    columns: dict[str, object] = {
        "class": [PORT.names[item.class_id] for item in truth],
        **{name: [getattr(item, name) for item in truth] for name in names},
    }
    pixels = truth_corners(truth).reshape(-1, 8)
    columns |= {name: pixels[:, i] for i, name in enumerate(CORNER_COLUMNS)}
    shapes = [shapely.Polygon(item.map_corners) for item in truth]
    return gpd.GeoDataFrame(columns, geometry=shapes, crs=crs)


def count_truth(truth: tuple[TruthObject, ...], class_id: int) -> int:
    """How many objects of a class a perfect counter counts."""
    return sum(item.counts and item.class_id == class_id for item in truth)
