"""The one table of found objects, in scene pixels and in map coordinates, with metres.

Everything behind the network works on `Detections`: counting, export, report. It is arrays inside
and a GeoDataFrame outside; the two convert into each other without loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, date, datetime
from typing import Any, Self

import numpy as np
import shapely
from numpy.typing import NDArray

from detector.classes import PORT, ClassSet
from detector.errors import GeometryError
from detector.geometry.boxes import Corners, as_corners
from detector.geometry.frames import FilePixels
from detector.later import geopandas as gpd
from detector.later import pandas as pd
from detector.lengths import CLOUD, CUT_TYPE, SCALE_LIMIT, SCENE_EDGE, UNSEEN_SHARE, WHOLE
from detector.times import Acquired

CORNER_COLUMNS = ("px0", "py0", "px1", "py1", "px2", "py2", "px3", "py3")
COLUMNS = (
    "scene_id",
    "acquired",
    "class",
    "score",
    "length_m",
    "length_low_m",
    "length_high_m",
    "width_m",
    "length_class",
    "axis_deg",
    "area_m2",
    "cut",
    "at_scene_edge",
    "unseen_fraction",
    "unseen",
    "on_ship",
    "acquired_day",
    "acquired_precision",
    *CORNER_COLUMNS,
)
TEXT_COLUMNS = (
    *("scene_id", "class", "length_class", "cut"),
    *("acquired_day", "acquired_precision"),
)
NEW_COLUMNS = (
    *("length_low_m", "length_high_m", "cut", "unseen_fraction", "unseen"),
    *("acquired_day", "acquired_precision"),
)
"""Tables of an earlier version lack them: nothing is claimed of lengths, all was seen, and every
date is a time."""


@dataclass(frozen=True, slots=True)
class Detections:
    """The objects found in one scene, each once.

    Attributes:
        scene_id: id of the scene (`Scene.scene_id`).
        acquired: time of acquisition, UTC, or None where the time of day is unknown.
        crs: anything that pyproj reads, or None for a scene without (then `map_corners` = pixels).
        class_ids: `(N,)` int64, positions in `classes`.
        scores: `(N,)` float32 in [0, 1].
        corners: `(N, 4, 2)` pixel corners, full resolution of the file, clockwise, first edge =
            length.
        map_corners: `(N, 4, 2)` the same corners in `crs`.
        length_m: `(N,)` geodesic metres along the first edge; NaN where the gsd is unknown.
        width_m: `(N,)` geodesic metres across; NaN where the gsd is unknown.
        axis_deg: `(N,)` geodesic azimuth of the length, [0, 180); NaN without a CRS.
        on_ship: `(N,)` a container stack more than half inside a ship of at least its score: deck
            cargo (`ClassEntry.cargo_of`), not counted.
        classes: that the ids are of.
        cut: `(N,)` why the object may go on where its box ends (`detector.lengths.CUT_WORDS`), so
            that its sizes are lower bounds; empty where it was seen whole, as by default.
        unseen_fraction: `(N,)` of the box: nodata, masks, clouds, beyond the scene; 0 by default.
        length_low_m: `(N,)` lower end of the 90 % interval of the length; of a cut object what it
            is at least. NaN where the card claims nothing, as by default.
        length_high_m: `(N,)` upper end; NaN of cut objects too.
        acquired_day: the day at the place where only that is known; else None.

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
    on_ship: NDArray[np.bool_]
    classes: ClassSet = PORT
    cut: NDArray[np.str_] = field(default_factory=lambda: np.zeros(0, CUT_TYPE))
    unseen_fraction: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    length_low_m: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    length_high_m: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    acquired_day: date | None = None

    def __post_init__(self) -> None:
        usual = {
            "cut": np.full(len(self), WHOLE, CUT_TYPE),
            "unseen_fraction": np.zeros(len(self)),
            "length_low_m": np.full(len(self), np.nan),
            "length_high_m": np.full(len(self), np.nan),
        }
        for name, values in usual.items():
            if not len(getattr(self, name)):
                object.__setattr__(self, name, values)
        lengths = {name: len(getattr(self, name)) for name in _array_names()}
        if len(set(lengths.values())) > 1:
            raise GeometryError(f"the columns of a Detections differ in length: {lengths}")

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def when(self) -> Acquired:
        """Time of acquisition, or the day, or neither."""
        return Acquired(self.acquired, self.acquired_day)

    @property
    def area_m2(self) -> NDArray[np.float64]:
        """Areas `(N,)` in square metres, length times width; NaN where the gsd is unknown."""
        return self.length_m * self.width_m

    @property
    def is_cut(self) -> NDArray[np.bool_]:
        """Which objects `(N,)` may go on where their boxes end: sizes are lower bounds."""
        return np.asarray(self.cut != WHOLE)

    @property
    def at_scene_edge(self) -> NDArray[np.bool_]:
        """Which `(N,)` the border of the scene, of its valid part or of what was read cuts."""
        return self.is_cut & ~np.isin(self.cut, (CLOUD, SCALE_LIMIT))

    @property
    def unseen(self) -> NDArray[np.bool_]:
        """Which boxes `(N,)` lie by half or more on unseen pixels: they are no observations."""
        return np.asarray(self.unseen_fraction >= UNSEEN_SHARE)

    @property
    def counted(self) -> NDArray[np.bool_]:
        """Which objects `(N,)` are counted: seen, and no deck cargo."""
        return ~self.on_ship & ~self.unseen

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
        kinds = {**dict.fromkeys(TEXT_COLUMNS, "str"), "acquired": "datetime64[us, UTC]"}
        table = {
            name: pd.Series(values, dtype=kinds[name]) if name in kinds else values
            for name, values in self.columns().items()
        }
        return gpd.GeoDataFrame(table, geometry=self.shapes(), crs=self.crs)

    def columns(self) -> dict[str, Sequence[Any] | NDArray[Any]]:
        """The values of `COLUMNS`, one an object; None where there is none, NaN for numbers."""
        when = self.when.columns()
        pixels = self.corners.reshape(-1, 8)
        return {
            "scene_id": [self.scene_id] * len(self),
            "acquired": [self.acquired] * len(self),
            "class": [self.classes.names[i] for i in self.class_ids],
            "score": self.scores,
            "length_m": self.length_m,
            "length_low_m": self.length_low_m,
            "length_high_m": self.length_high_m,
            "width_m": self.width_m,
            "length_class": self.length_class,
            "axis_deg": self.axis_deg,
            "area_m2": self.area_m2,
            "cut": self.cut.tolist(),
            "at_scene_edge": self.at_scene_edge,
            "unseen_fraction": self.unseen_fraction,
            "unseen": self.unseen,
            "on_ship": self.on_ship,
            **{name: [when[name]] * len(self) for name in ("acquired_day", "acquired_precision")},
            **{name: pixels[:, i] for i, name in enumerate(CORNER_COLUMNS)},
        }

    def shapes(self) -> NDArray[np.object_]:
        """The boxes `(N,)` as polygons in the map frame, in pixels without a CRS."""
        return np.asarray(shapely.polygons(self.map_corners) if len(self) else [], object)

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
        frame = with_new_columns(frame)
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
        times, days = frame["acquired"].dropna(), frame["acquired_day"].dropna()
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
            on_ship=frame["on_ship"].to_numpy(bool),
            classes=classes,
            cut=frame["cut"].fillna(WHOLE).to_numpy(CUT_TYPE),
            unseen_fraction=frame["unseen_fraction"].to_numpy(np.float64),
            length_low_m=frame["length_low_m"].to_numpy(np.float64),
            length_high_m=frame["length_high_m"].to_numpy(np.float64),
            acquired_day=date.fromisoformat(days.iloc[0]) if len(days) else None,
        )


def with_new_columns(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """A table of an earlier version with the columns that it lacks (`NEW_COLUMNS`)."""
    if "at_scene_edge" not in frame.columns or set(NEW_COLUMNS) <= set(frame.columns):
        return frame
    edge = frame["at_scene_edge"].to_numpy(bool)
    timed = frame["acquired"].notna() if "acquired" in frame.columns else np.zeros(len(frame), bool)
    precisions = np.where(timed, "time", "date_unknown")
    usual = {
        "length_low_m": np.full(len(frame), np.nan),
        "length_high_m": np.full(len(frame), np.nan),
        "cut": pd.Series(np.where(edge, SCENE_EDGE, WHOLE), frame.index, dtype="str"),
        "unseen_fraction": np.zeros(len(frame)),
        "unseen": np.zeros(len(frame), np.bool_),
        "acquired_day": pd.Series([None] * len(frame), frame.index, dtype="str"),
        "acquired_precision": pd.Series(precisions, frame.index, dtype="str"),
    }
    return frame.assign(**{k: v for k, v in usual.items() if k not in frame.columns})


def _array_names() -> list[str]:
    scalars = {"scene_id", "acquired", "crs", "classes", "acquired_day"}
    return [field.name for field in fields(Detections) if field.name not in scalars]


def _utc(value: Any) -> datetime:
    moment: datetime = pd.Timestamp(value).to_pydatetime()
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
