"""Rows of a GeoPackage, put into a copy of an empty one through SQLite.

GDAL needs 30 ms to make a GeoPackage of three layers, and a hundredth of it for their rows. So an
empty one of every kind is made once by GDAL (`detector.export.vector`), and copies of it are filled
here, with the same content as GDAL's own.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

# OGC 12-128r19, 2.1.3: "GP", version 0, flags: little endian, with an envelope; srs_id, envelope
HEADER: Final = "S2, u1, u1, <i4, (4,)<f8"
FLAGS: Final = 0b00000011
# what the triggers of the spatial index ask; it is filled in one go, so they find nothing to add
TRIGGER_FUNCTIONS: Final = ("ST_MinX", "ST_MaxX", "ST_MinY", "ST_MaxY")


def fill_geopackage(
    path: Path, layers: Mapping[str, gpd.GeoDataFrame], geometry_column: str, timestamp: str
) -> None:
    """Put rows into an empty GeoPackage.

    Args:
        path: of a file that GDAL made of the same layers without rows.
        layers: polygons by the name of the layer; none is null or empty.
        geometry_column: of all layers.
        timestamp: ISO 8601 with milliseconds; of layers and styles.

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
            if len(layer):
                _fill(database, name, layer, geometry_column)
        database.execute("UPDATE gpkg_contents SET last_change = ?", (timestamp,))
        database.execute("UPDATE layer_styles SET update_time = ?", (timestamp,))
        database.execute("COMMIT")


def _fill(
    database: sqlite3.Connection, name: str, layer: gpd.GeoDataFrame, geometry_column: str
) -> None:
    ((srs_id, kind),) = database.execute(
        "SELECT srs_id, geometry_type_name FROM gpkg_geometry_columns WHERE table_name = ?", (name,)
    )
    shapes = np.asarray(layer.geometry.array)
    if kind == "MULTIPOLYGON":
        parts = [shapely.get_parts(shape) for shape in shapes]
        shapes = np.array([shapely.multipolygons(some) for some in parts], dtype=object)
    bounds = shapely.bounds(shapes)
    plain = layer.drop(columns=layer.geometry.name)
    columns = [_blobs(shapes, bounds, srs_id), *(_values(plain[column]) for column in plain)]
    names = ", ".join(f'"{column}"' for column in (geometry_column, *plain))
    marks = ", ".join("?" * len(columns))
    database.executemany(
        f'INSERT INTO "{name}" ({names}) VALUES ({marks})',  # noqa: S608 - ours
        zip(*columns, strict=True),
    )
    index = f"rtree_{name}_{geometry_column}"
    database.executemany(
        f'INSERT INTO "{index}" VALUES (?, ?, ?, ?, ?)',  # noqa: S608 - ours
        zip(range(1, len(layer) + 1), *bounds[:, [0, 2, 1, 3]].T.tolist(), strict=True),
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


def _values(column: pd.Series) -> list[Any]:
    """The values of a column as SQLite takes them: null where there is none."""
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        return [None if pd.isna(moment) else _time(moment) for moment in column]
    if column.dtype.kind in "bi":
        return column.astype(int).tolist()
    if column.dtype.kind == "f":
        return column.astype(float).astype(object).where(column.notna(), None).tolist()
    return [None if pd.isna(value) else value for value in column]


def _time(moment: pd.Timestamp) -> str:
    """As GDAL writes it: milliseconds where there are some."""
    told = moment.tz_convert("UTC").isoformat(timespec="milliseconds").removesuffix("+00:00")
    return f"{told.removesuffix('.000')}Z"
