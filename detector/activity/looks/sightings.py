"""Objects of scenes and looks, as columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Generic, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from detector.classes import PORT
from detector.geometry.boxes import as_corners, centres
from detector.geometry.frames import FilePixels, LocalMetres, Place
from detector.lengths import CUT_TYPE, WHOLE

ID_SEPARATOR = "; "  # of several ids in one cell
SAID_TYPE = "<U8"


def scene_of(name: str) -> str:
    """The scene of an evidence id `<scene_id>#<row>`."""
    return name.rpartition("#")[0]


@dataclass(frozen=True, slots=True)
class SeenObjects(Generic[Place]):
    """Objects of a scene or of a look, deck cargo and boxes on unseen pixels left out.

    Attributes:
        ids: `N` evidence ids `<scene_id>#<row>`, the row in that scene's detections, from 0.
        class_ids: `(N,)` positions in `detector.classes.PORT`.
        scores: `(N,)`.
        corners: `(N, 4, 2)` file pixels of a scene; local metres, after registration, of a look.
        length_m: `(N,)`.
        width_m: `(N,)`.
        axis_deg: `(N,)` azimuth of the length, [0, 180).
        gsd_m: `(N,)` of the scene of each.
        embeddings: `(N, D)` features of each object's chip, compared by their cosine, or None.
        cut: `(N,)` why sizes are lower bounds, see `Detections.cut`; none are by default.
        length_low_m: `(N,)` lower end of the length, see `Detections`; NaN by default.
        length_high_m: `(N,)` upper end.
        said: `(N,)` what a person called each, `real` or `doubtful`; empty by default.
    """

    ids: NDArray[np.str_]
    class_ids: NDArray[np.int64]
    scores: NDArray[np.float64]
    corners: Place
    length_m: NDArray[np.float64]
    width_m: NDArray[np.float64]
    axis_deg: NDArray[np.float64]
    gsd_m: NDArray[np.float64]
    embeddings: NDArray[np.float64] | None = None
    cut: NDArray[np.str_] = field(default_factory=lambda: np.zeros(0, CUT_TYPE))
    length_low_m: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    length_high_m: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    said: NDArray[np.str_] = field(default_factory=lambda: np.zeros(0, SAID_TYPE))

    def __post_init__(self) -> None:
        usual = {
            "cut": np.full(len(self), WHOLE, CUT_TYPE),
            "length_low_m": np.full(len(self), np.nan),
            "length_high_m": np.full(len(self), np.nan),
            "said": np.zeros(len(self), SAID_TYPE),
        }
        for name, values in usual.items():
            if not len(getattr(self, name)):
                object.__setattr__(self, name, values)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def is_cut(self) -> NDArray[np.bool_]:
        """Which `(N,)` may go on where their boxes end: sizes are lower bounds."""
        return np.asarray(self.cut != WHOLE)

    @property
    def is_sure(self) -> NDArray[np.bool_]:
        """Which `(N,)` a person called real, or drew."""
        return np.asarray(self.said == "real")

    @property
    def is_doubtful(self) -> NDArray[np.bool_]:
        """Which `(N,)` a person looked at and could not tell."""
        return np.asarray(self.said == "doubtful")

    @property
    def rows(self) -> NDArray[np.int64]:
        """Row `(N,)` of each in its scene's detections; -1 of what a person drew."""
        last = [name.rpartition("#")[2] for name in self.ids.tolist()]
        return np.array([int(word) if word.isdecimal() else -1 for word in last], np.int64)

    @property
    def centres(self) -> NDArray[np.float64]:
        """Centres `(N, 2)` in the frame of the corners."""
        return centres(self.corners) if len(self) else np.zeros((0, 2))

    @property
    def area_m2(self) -> NDArray[np.float64]:
        """Areas `(N,)`, length times width."""
        return self.length_m * self.width_m

    def select(self, index: NDArray[np.integer] | NDArray[np.bool_]) -> Self:
        """The objects at `index`, in its order."""
        chosen: dict[str, Any] = {}
        for item in fields(self):
            values = getattr(self, item.name)
            chosen[item.name] = None if values is None else values[index]
        return type(self)(**chosen)

    def placed(self, corners: LocalMetres) -> SeenObjects[LocalMetres]:
        """The same objects at their corners `(N, 4, 2)` in a site."""
        own = {item.name: getattr(self, item.name) for item in fields(self)}
        return SeenObjects(**{**own, "corners": corners})


FileObjects: TypeAlias = SeenObjects[FilePixels]
"""Of a scene."""

PlacedObjects: TypeAlias = SeenObjects[LocalMetres]
"""Of a look, registered."""


def concatenate(parts: Sequence[PlacedObjects]) -> PlacedObjects:
    """All objects, one part after another; embeddings are kept where all parts have them."""
    if not parts:
        return no_sightings()
    joined: dict[str, Any] = {}
    for item in fields(SeenObjects):
        values = [getattr(part, item.name) for part in parts]
        missing = any(value is None for value in values)
        joined[item.name] = None if missing else np.concatenate(values)
    return SeenObjects(**joined)


def stacks_of(sightings: SeenObjects[Place]) -> SeenObjects[Place]:
    """The container stacks."""
    return sightings.select(PORT.mask(sightings.class_ids, "containers"))


def no_sightings() -> SeenObjects[Any]:
    """A scene or a look without objects: it belongs to any frame."""
    none = np.zeros(0)
    return SeenObjects(
        ids=np.zeros(0, np.str_),
        class_ids=none.astype(np.int64),
        scores=none,
        corners=as_corners([]),
        length_m=none,
        width_m=none,
        axis_deg=none,
        gsd_m=none,
    )
