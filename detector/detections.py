"""The one table of found objects, in scene pixels and in map coordinates, with metres.

Everything behind the network works on `Detections`: counting, export, report. It is arrays inside
and a GeoDataFrame outside; the two convert into each other without loss.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any, Self

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from detector.classes import PORT, ClassSet
from detector.errors import GeometryError
from detector.geometry.boxes import Corners, as_corners
from detector.geometry.frames import FilePixels

CORNER_COLUMNS = ("px0", "py0", "px1", "py1", "px2", "py2", "px3", "py3")
COLUMNS = (
    "scene_id",
    "acquired",
    "class",
    "score",
    "length_m",
    "width_m",
    "length_class",
    "axis_deg",
    "area_m2",
    "at_scene_edge",
    "on_ship",
    *CORNER_COLUMNS,
)


@dataclass(frozen=True, slots=True)
class Detections:
    """The objects found in one scene, each once.

    Attributes:
        scene_id: id of the scene (`Scene.scene_id`).
        acquired: time of acquisition, UTC, or None where unknown.
        crs: anything that pyproj reads, or None for a scene without (then `map_corners` = pixels).
        class_ids: `(N,)` int64, positions in `classes`.
        scores: `(N,)` float32 in [0, 1].
        corners: `(N, 4, 2)` pixel corners, full resolution of the file, clockwise, first edge =
            length.
        map_corners: `(N, 4, 2)` the same corners in `crs`.
        length_m: `(N,)` geodesic metres along the first edge; NaN where the gsd is unknown.
        width_m: `(N,)` geodesic metres across; NaN where the gsd is unknown.
        axis_deg: `(N,)` geodesic azimuth of the length, [0, 180); NaN without a CRS.
        at_scene_edge: `(N,)` the box touches the border of the scene or of its valid part.
        on_ship: `(N,)` a container stack more than half inside a ship of at least its score: deck
            cargo (`ClassEntry.cargo_of`), not counted.
        classes: that the ids are of.

    Raises:
        GeometryError: the lengths of the arrays differ.

    Examples:
        >>> import detector
        >>> pixels = detector.render(seed=7, width=256, height=256).values
        >>> boxes = detector.predict(pixels, gsd=0.5)[0].boxes
        >>> boxes.corners.shape == (len(boxes), 4, 2)
        True
        >>> same = detector.Detections.from_geodataframe(boxes.to_geodataframe())
        >>> bool((same.scores == boxes.scores).all())
        True
    """

    scene_id: str
    acquired: datetime | None
    crs: str | None
    class_ids: NDArray[np.int64]
    scores: NDArray[np.float32]
    corners: FilePixels
    map_corners: Corners
    length_m: NDArray[np.float64]
    width_m: NDArray[np.float64]
    axis_deg: NDArray[np.float64]
    at_scene_edge: NDArray[np.bool_]
    on_ship: NDArray[np.bool_]
    classes: ClassSet = PORT

    def __post_init__(self) -> None:
        lengths = {name: len(getattr(self, name)) for name in _array_names()}
        if len(set(lengths.values())) > 1:
            raise GeometryError(f"the columns of a Detections differ in length: {lengths}")

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def area_m2(self) -> NDArray[np.float64]:
        """Areas `(N,)` in square metres, length times width; NaN where the gsd is unknown."""
        return self.length_m * self.width_m

    @property
    def length_class(self) -> list[str]:
        """Length class of every object, see `ClassSet.length_classes`."""
        return self.classes.length_classes(self.class_ids, self.length_m)

    def select(self, index: NDArray[np.integer] | NDArray[np.bool_]) -> Self:
        """The objects at `index`, in its order."""
        arrays = {name: getattr(self, name)[index] for name in _array_names()}
        return replace(self, **arrays)

    def to_geodataframe(self) -> gpd.GeoDataFrame:
        """One row an object: `COLUMNS` and `geometry` (map frame, pixels without CRS)."""
        acquired = pd.Series([self.acquired] * len(self), dtype="datetime64[us, UTC]")
        table: dict[str, Any] = {
            "scene_id": pd.Series([self.scene_id] * len(self), dtype="str"),
            "acquired": acquired,
            "class": pd.Series([self.classes.names[i] for i in self.class_ids], dtype="str"),
            "score": self.scores,
            "length_m": self.length_m,
            "width_m": self.width_m,
            "length_class": pd.Series(self.length_class, dtype="str"),
            "axis_deg": self.axis_deg,
            "area_m2": self.area_m2,
            "at_scene_edge": self.at_scene_edge,
            "on_ship": self.on_ship,
        }
        pixels = self.corners.reshape(-1, 8)
        table |= {name: pixels[:, i] for i, name in enumerate(CORNER_COLUMNS)}
        shapes = shapely.polygons(self.map_corners) if len(self) else []
        return gpd.GeoDataFrame(table, geometry=shapes, crs=self.crs)

    @classmethod
    def from_geodataframe(
        cls,
        frame: gpd.GeoDataFrame,
        *,
        scene_id: str | None = None,
        classes: ClassSet | None = None,
    ) -> Self:
        """The detections of one scene, read back from a table.

        Args:
            frame: as `to_geodataframe` makes it, rows of one scene.
            scene_id: needed where the table is empty.
            classes: of the run, see `run.json`; None for what the names tell.

        Raises:
            GeometryError: the rows belong to several scenes, a column is missing, or the geometry
                is not made of four-cornered polygons.
            ConfigError: a row is of a class that `classes` lacks.
        """
        missing = [name for name in COLUMNS if name not in frame.columns]
        if missing:
            raise GeometryError(f"a detections table needs the columns {', '.join(missing)}")
        ids = sorted(set(frame["scene_id"]) | ({scene_id} if scene_id is not None else set()))
        if len(ids) != 1:
            raise GeometryError(f"a Detections is of one scene, the table holds {ids or 'none'}")
        rings = [shapely.get_coordinates(shape)[:4] for shape in frame.geometry]
        if any(len(ring) != 4 for ring in rings):
            raise GeometryError("a detection's geometry has four corners")
        pixels = frame[list(CORNER_COLUMNS)].to_numpy(float).reshape(-1, 4, 2)
        times = frame["acquired"].dropna()
        classes = classes or ClassSet.found(frame["class"])
        return cls(
            scene_id=ids[0],
            acquired=_utc(times.iloc[0]) if len(times) else None,
            crs=frame.crs.to_string() if frame.crs is not None else None,
            class_ids=np.array([classes.id(name) for name in frame["class"]], np.int64),
            scores=frame["score"].to_numpy(np.float32),
            corners=FilePixels(as_corners(pixels)),
            map_corners=as_corners(rings),
            length_m=frame["length_m"].to_numpy(np.float64),
            width_m=frame["width_m"].to_numpy(np.float64),
            axis_deg=frame["axis_deg"].to_numpy(np.float64),
            at_scene_edge=frame["at_scene_edge"].to_numpy(bool),
            on_ship=frame["on_ship"].to_numpy(bool),
            classes=classes,
        )


def _array_names() -> list[str]:
    scalars = {"scene_id", "acquired", "crs", "classes"}
    return [field.name for field in fields(Detections) if field.name not in scalars]


def _utc(value: Any) -> datetime:
    moment: datetime = pd.Timestamp(value).to_pydatetime()
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
