"""Objects of scenes and looks, as columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.classes import PORT
from detector.geometry.boxes import Corners, as_corners, centres

ID_SEPARATOR = "; "  # of several ids in one cell
LEAST_STACK_M2 = 60.0  # two 40 ft containers side by side; less is in the errors of the boxes


def scene_of(name: str) -> str:
    """The scene of an evidence id `<scene_id>#<row>`."""
    return name.rpartition("#")[0]


@dataclass(frozen=True, slots=True)
class SeenObjects:
    """Objects of a scene or of a look, deck cargo left out.

    Attributes:
        ids: `N` evidence ids `<scene_id>#<row>`, the row in that scene's detections, from 0.
        class_ids: `(N,)` positions in `detector.classes.PORT`.
        scores: `(N,)`.
        corners: `(N, 4, 2)` file pixels of a scene; local metres, after registration, of a look.
        length_m: `(N,)`.
        width_m: `(N,)`.
        axis_deg: `(N,)` azimuth of the length, [0, 180).
        at_scene_edge: `(N,)` sizes are lower bounds.
        gsd_m: `(N,)` of the scene of each.
        embeddings: `(N, D)` features of each object's chip, compared by their cosine, or None.
    """

    ids: NDArray[np.str_]
    class_ids: NDArray[np.int64]
    scores: NDArray[np.float64]
    corners: Corners
    length_m: NDArray[np.float64]
    width_m: NDArray[np.float64]
    axis_deg: NDArray[np.float64]
    at_scene_edge: NDArray[np.bool_]
    gsd_m: NDArray[np.float64]
    embeddings: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def rows(self) -> NDArray[np.int64]:
        """Row `(N,)` of each in its scene's detections."""
        return np.array([int(name.rpartition("#")[2]) for name in self.ids], np.int64)

    @property
    def centres(self) -> NDArray[np.float64]:
        """Centres `(N, 2)` in the frame of the corners."""
        return centres(self.corners) if len(self) else np.zeros((0, 2))

    @property
    def area_m2(self) -> NDArray[np.float64]:
        """Areas `(N,)`, length times width."""
        return self.length_m * self.width_m

    def select(self, index: NDArray[np.integer] | NDArray[np.bool_]) -> SeenObjects:
        """The objects at `index`, in its order."""
        chosen: dict[str, Any] = {}
        for item in fields(self):
            values = getattr(self, item.name)
            chosen[item.name] = None if values is None else values[index]
        return SeenObjects(**chosen)


def concatenate(parts: Sequence[SeenObjects]) -> SeenObjects:
    """All objects, one part after another; embeddings are kept where all parts have them."""
    if not parts:
        return no_sightings()
    joined: dict[str, Any] = {}
    for item in fields(SeenObjects):
        values = [getattr(part, item.name) for part in parts]
        missing = any(value is None for value in values)
        joined[item.name] = None if missing else np.concatenate(values)
    return SeenObjects(**joined)


def stacks_of(sightings: SeenObjects) -> SeenObjects:
    """The container stacks that are larger than the errors of boxes: `LEAST_STACK_M2` and more."""
    stacks = PORT.mask(sightings.class_ids, "containers")
    return sightings.select(stacks & (sightings.area_m2 >= LEAST_STACK_M2))


def no_sightings() -> SeenObjects:
    """A scene or a look without objects."""
    none = np.zeros(0)
    return SeenObjects(
        ids=np.zeros(0, np.str_),
        class_ids=none.astype(np.int64),
        scores=none,
        corners=as_corners([]),
        length_m=none,
        width_m=none,
        axis_deg=none,
        at_scene_edge=none.astype(np.bool_),
        gsd_m=none,
    )
