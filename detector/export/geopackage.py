"""GeoPackage, with styles and a form for QGIS.

GDAL needs 30 ms to make a file of three layers, and a hundredth of it for their rows. So it makes
an empty one of each kind once, and copies of it are filled through SQLite, with the same content as
GDAL's own.
"""

from __future__ import annotations

import math
import shutil
import sqlite3
from collections.abc import Hashable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import shapely
from numpy.typing import NDArray

from detector.classes import ClassSet
from detector.counting.zones import Zone
from detector.detections import Detections
from detector.export.records import SceneRecord
from detector.export.styles import add_layer_style, add_layer_styles
from detector.export.vector import to_map, writing
from detector.later import geopandas as gpd
from detector.later import pandas as pd
from detector.later import pyogrio

GEOMETRY = "geom"
UNDEFINED_CARTESIAN = "-1"  # srs_id of GeoPackage, OGC 12-128r19, 1.1.2.1.2
NO_TIME = "1970-01-01T00:00:00.000Z"
MOST_EMPTY = 8  # empty files of 140 kB that are kept
REVIEW_COLUMNS = ("box", "verdict", "comment")
"""Of the layer `detections` of a GeoPackage: the row's id, and what a person says of it."""
# OGC 12-128r19, 2.1.3: "GP", version 0, flags: little endian, with an envelope; srs_id, envelope
HEADER: Final = "S2, u1, u1, <i4, (4,)<f8"
FLAGS: Final = 0b00000011
# what the triggers of the spatial index ask; it is filled in one go, so they find nothing to add
TRIGGER_FUNCTIONS: Final = ("ST_MinX", "ST_MaxX", "ST_MinY", "ST_MaxY")


def write_geopackage(
    path: Path, detections: Detections, zones: Sequence[Zone], record: SceneRecord
) -> None:
    """Write the layers `detections`, `zones` and `scenes` with QGIS styles, in the scene's CRS.

    A person may review the scene in it: `detections` has `REVIEW_COLUMNS`, `zones` and `scenes`
    have `reviewed`, and `scenes` has `reviewer`. `detector review import` reads them.

    A scene without CRS gets pixel coordinates, y down as in the file, without a CRS.

    Args:
        path: of the file; an existing one is replaced when the new one is complete.
        detections: of the scene.
        zones: in file pixels, in the order of `record.areas` behind the whole scene.
        record: of the scene.

    Raises:
        OutputError: it cannot be written.
    """
    timestamp = f"{record.acquired[:-1]}.000Z" if record.acquired else NO_TIME
    layers = {
        "detections": _review_layer(detections),
        "zones": _zone_layer(zones, record),
        "scenes": _scene_layer(record),
    }
    with writing(path) as temporary:
        if _has_rtree():
            temporary.write_bytes(_empty_geopackage(temporary, layers, detections.classes))
            _fill(temporary, layers, timestamp)
        else:  # GDAL brings its own SQLite
            _make_geopackage(temporary, layers, detections.classes)
            _fill(temporary, {}, timestamp)


def add_layer(path: Path, name: str, layer: gpd.GeoDataFrame, record: SceneRecord) -> None:
    """Add one more layer of polygons to a GeoPackage, with its style.

    Args:
        path: of a file that `write_geopackage` wrote.
        name: of the layer, one that `styles.LAYER_RULES` has.
        layer: in the scene's CRS.
        record: of the scene.

    Raises:
        OutputError: it cannot be written.
    """
    timestamp = f"{record.acquired[:-1]}.000Z" if record.acquired else NO_TIME
    options = {"GEOMETRY_NAME": GEOMETRY} | ({} if record.crs else {"SRID": UNDEFINED_CARTESIAN})
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": timestamp})
    try:
        with writing(path) as temporary:
            shutil.copyfile(path, temporary)
            pyogrio.write_dataframe(
                layer,
                temporary,
                layer=name,
                driver="GPKG",
                append=True,
                geometry_type="Polygon",
                layer_options=options,
            )
            add_layer_style(temporary, name, GEOMETRY, timestamp)
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": None})


_Values: TypeAlias = Sequence[Any] | NDArray[Any]


@dataclass(frozen=True, slots=True)
class _Layer:
    """A layer of polygons.

    Attributes:
        kinds: pandas' type of each column, by name.
        columns: values of each, one a row; None where there is none, NaN for numbers.
        shapes: `(N,)` polygons, none null or empty.
        crs: of the shapes, or None.
    """

    kinds: Mapping[str, str]
    columns: Mapping[str, _Values]
    shapes: NDArray[np.object_]
    crs: str | None

    def frame(self) -> gpd.GeoDataFrame:
        """The layer as a table."""
        table = {n: pd.Series(values, dtype=self.kinds[n]) for n, values in self.columns.items()}
        return gpd.GeoDataFrame(table, geometry=self.shapes, crs=self.crs)

    def without_rows(self) -> _Layer:
        """The same columns, empty."""
        return _Layer(self.kinds, dict.fromkeys(self.columns, ()), self.shapes[:0], self.crs)


def _review_layer(detections: Detections) -> _Layer:
    """The detections with `REVIEW_COLUMNS`, of which a person fills the last two."""
    number = len(detections)
    columns = {
        **detections.columns(),
        "box": [f"{detections.scene_id}#{row}" for row in range(number)],
        **{name: [None] * number for name in REVIEW_COLUMNS[1:]},
    }
    kinds = {
        name: values.dtype.name if isinstance(values, np.ndarray) else "str"
        for name, values in columns.items()
    }
    kinds["acquired"] = "datetime64[us, UTC]"
    return _Layer(kinds, columns, detections.shapes(), detections.crs)


def _zone_layer(zones: Sequence[Zone], record: SceneRecord) -> _Layer:
    """One row a zone, with what was seen of it."""
    areas = {(area.name, area.kind): area for area in record.areas}
    rows = [areas[zone.name, zone.kind] for zone in zones]
    columns: dict[str, _Values] = {
        "name": [zone.name for zone in zones],
        "kind": [zone.kind for zone in zones],
        "observed_fraction": np.array([row.observed_fraction for row in rows], np.float64),
        "status": [row.status for row in rows],
        "reviewed": np.zeros(len(zones), np.bool_),
    }
    kinds = dict.fromkeys(columns, "str") | {"observed_fraction": "float64", "reviewed": "bool"}
    shapes = np.array([to_map(zone.shape, record) for zone in zones], dtype=object)
    return _Layer(kinds, columns, shapes, record.crs)


def _scene_layer(record: SceneRecord) -> _Layer:
    numbers = {
        "ships": record.ships,
        "container_stacks": record.container_stacks,
        **record.others,
    }
    columns: dict[str, _Values] = {
        "scene_id": [record.scene_id],
        "acquired": [pd.Timestamp(record.acquired) if record.acquired else None],
        "gsd_m": np.array([record.gsd_m], np.float64),
        **{name: [number] for name, number in numbers.items()},
        "observed_fraction": np.array([record.observed_fraction], np.float64),
        "status": [record.areas[0].status],
        "weights": [record.weights],
        "acquired_day": [record.acquired_day],
        "acquired_precision": [record.acquired_precision],
        "reviewed": [False],
        "reviewer": [None],
    }
    kinds = {
        **dict.fromkeys(columns, "str"),
        **dict.fromkeys(("gsd_m", "observed_fraction"), "float64"),
        **{name: "int64" for name, number in numbers.items() if number is not None},
        "acquired": "datetime64[ms, UTC]",
        "reviewed": "bool",
    }
    footprint = shapely.box(0, 0, record.width or 0, record.height or 0)
    shapes = np.array([to_map(footprint, record)], dtype=object)
    return _Layer(kinds, columns, shapes, record.crs)


@cache
def _has_rtree() -> bool:
    """Whether the SQLite of this Python can fill spatial indices; few are built without."""
    with closing(sqlite3.connect(":memory:")) as database:
        try:
            database.execute("CREATE VIRTUAL TABLE one USING rtree (id, low, high)")
        except sqlite3.OperationalError:
            return False
    return True


_empty: dict[Hashable, bytes] = {}
"""GeoPackages without rows, by their columns and frame."""


def _empty_geopackage(place: Path, layers: Mapping[str, _Layer], classes: ClassSet) -> bytes:
    """A GeoPackage of layers without rows; it is made at a place where nothing is, once a kind."""
    columns = tuple((name, layer.crs, *layer.kinds.items()) for name, layer in layers.items())
    kind = (columns, classes)
    if kind not in _empty:
        if len(_empty) >= MOST_EMPTY:
            _empty.clear()
        none = {name: layer.without_rows() for name, layer in layers.items()}
        _make_geopackage(place, none, classes)
        _empty[kind] = place.read_bytes()
    return _empty[kind]


def _make_geopackage(path: Path, layers: Mapping[str, _Layer], classes: ClassSet) -> None:
    # GDAL would call pixels an "Undefined SRS" of its own; the standard has one for them.
    # GDAL stamps the time of writing into the file unless it is told one.
    # The file is new and is renamed when it is whole: no need to wait for the disk 48 times.
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": NO_TIME, "OGR_SQLITE_SYNCHRONOUS": "OFF"})
    try:
        with writing(path) as temporary:
            for name, layer in layers.items():
                options = {"GEOMETRY_NAME": GEOMETRY}
                pyogrio.write_dataframe(
                    layer.frame(),
                    temporary,
                    layer=name,
                    driver="GPKG",
                    append=temporary.exists(),
                    geometry_type="MultiPolygon" if name == "zones" else "Polygon",
                    promote_to_multi=name == "zones",
                    layer_options=options | ({} if layer.crs else {"SRID": UNDEFINED_CARTESIAN}),
                )
            add_layer_styles(temporary, GEOMETRY, NO_TIME, classes)
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": None, "OGR_SQLITE_SYNCHRONOUS": None})


def _fill(path: Path, layers: Mapping[str, _Layer], timestamp: str) -> None:
    """Put rows into an empty GeoPackage of the same layers.

    Raises:
        sqlite3.Error: the file cannot be written.
    """
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        # the file is new and gets its name when it is whole
        database.execute("PRAGMA synchronous = OFF")
        database.execute("PRAGMA journal_mode = MEMORY")
        database.create_function("ST_IsEmpty", 1, lambda _: 1)
        for name in TRIGGER_FUNCTIONS:
            database.create_function(name, 1, lambda _: None)
        database.execute("BEGIN")
        for name, layer in layers.items():
            if len(layer.shapes):
                _insert(database, name, layer)
        database.execute("UPDATE gpkg_contents SET last_change = ?", (timestamp,))
        database.execute("UPDATE layer_styles SET update_time = ?", (timestamp,))
        database.execute("COMMIT")


def _insert(database: sqlite3.Connection, name: str, layer: _Layer) -> None:
    ((srs_id, kind),) = database.execute(
        "SELECT srs_id, geometry_type_name FROM gpkg_geometry_columns WHERE table_name = ?", (name,)
    )
    shapes = layer.shapes
    if kind == "MULTIPOLYGON":
        parts = [shapely.get_parts(shape) for shape in shapes]
        shapes = np.array([shapely.multipolygons(some) for some in parts], dtype=object)
    bounds = shapely.bounds(shapes)
    values = [_values(layer.columns[column], layer.kinds[column]) for column in layer.columns]
    names = ", ".join(f'"{column}"' for column in (GEOMETRY, *layer.columns))
    marks = ", ".join("?" * (1 + len(values)))
    database.executemany(
        f'INSERT INTO "{name}" ({names}) VALUES ({marks})',  # noqa: S608 - ours
        zip(_blobs(shapes, bounds, srs_id), *values, strict=True),
    )
    database.executemany(
        f'INSERT INTO "rtree_{name}_{GEOMETRY}" VALUES (?, ?, ?, ?, ?)',  # noqa: S608 - ours
        zip(range(1, len(shapes) + 1), *bounds[:, [0, 2, 1, 3]].T.tolist(), strict=True),
    )
    low, high = bounds[:, :2].min(axis=0), bounds[:, 2:].max(axis=0)
    database.execute(
        "UPDATE gpkg_contents SET min_x = ?, min_y = ?, max_x = ?, max_y = ? WHERE table_name = ?",
        (*low.tolist(), *high.tolist(), name),
    )


def _blobs(shapes: NDArray[np.object_], bounds: NDArray[np.float64], srs_id: int) -> list[bytes]:
    """Geometries as GeoPackage has them: a header, then well-known binary."""
    headers = np.zeros(len(shapes), HEADER)
    headers["f0"], headers["f2"], headers["f3"] = b"GP", FLAGS, srs_id
    headers["f4"] = bounds[:, [0, 2, 1, 3]]
    wkb = shapely.to_wkb(shapes, byte_order=1)
    return [header.tobytes() + one for header, one in zip(headers, wkb, strict=True)]


def _values(values: _Values, kind: str) -> list[Any]:
    """The values of a column as SQLite takes them: null where there is none."""
    plain = values.tolist() if isinstance(values, np.ndarray) else list(values)
    if kind.startswith("datetime64"):
        return [None if moment is None else _time(moment) for moment in plain]
    if kind.startswith("float"):
        return [None if math.isnan(value) else value for value in plain]
    return [int(value) for value in plain] if kind in ("bool", "int64") else plain


def _time(moment: datetime) -> str:
    """As GDAL writes it: milliseconds where there are some."""
    told = moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")
    return f"{told.removesuffix('.000')}Z"
