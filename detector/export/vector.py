"""Vector files: GeoJSON, GeoParquet, and what GeoPackage and KML need too."""

from __future__ import annotations

import io
import json
import sqlite3
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from antimeridian import fix_polygon
from numpy.typing import NDArray
from pyproj import CRS
from pyproj.exceptions import CRSError
from shapely.errors import GEOSException

from detector.columns import TableError, check_columns, read_columns, read_table
from detector.counting.zones import Zone
from detector.detections import Detections
from detector.errors import OutputError
from detector.export.columns import DETECTION_COLUMNS
from detector.export.records import SceneRecord
from detector.files import atomic_path
from detector.geometry.boxes import as_corners
from detector.geometry.frames import FilePixels
from detector.later import geopandas as gpd
from detector.later import pandas as pd
from detector.later import pyogrio

WGS84 = "EPSG:4326"
ROW_GROUP_ROWS = 50_000
MOST_JOINED = 256  # scenes of a run whose tables are joined at once
GEOPARQUET_VERSION = "1.1.0"
BBOX_NAMES = ("xmin", "ymin", "xmax", "ymax")
# what geopandas lets through of the metadata and the geometry of a damaged file
UNREADABLE = (
    *(OSError, ValueError, KeyError, TypeError, AttributeError),
    *(pa.ArrowException, GEOSException, CRSError),
)
AGAIN = "run detector predict again with overwrite=true"


def write_geojson(path: Path, detections: Detections) -> None:
    """Write RFC 7946 GeoJSON: WGS84, right-hand rule, seven decimals. Needs a CRS.

    Raises:
        OutputError: it cannot be written.
    """
    content = io.BytesIO()  # on a full disk GDAL would leave half a file and say nothing
    pyogrio.write_dataframe(
        to_wgs84(detections.to_geodataframe()),
        content,
        layer="detections",
        driver="GeoJSON",
        geometry_type="Unknown",  # polygons, and those that are cut in two
        RFC7946="YES",
        WRITE_NAME="NO",
    )
    with atomic_path(path) as temporary:
        temporary.write_bytes(content.getvalue())


def write_geoparquet(path: Path, frames: Iterable[gpd.GeoDataFrame], crs: str | None) -> None:
    """Write GeoParquet 1.1 with a bounding box a row.

    Frames are gathered to row groups of `ROW_GROUP_ROWS`, so that memory does not grow with their
    number, nor the file's index with that of small scenes. `GeoDataFrame.to_parquet` takes one
    whole frame: a million boxes of 200 scenes cost it 862 MB, and 70 MB here, in the same time.

    Args:
        path: of the file.
        frames: tables of equal columns in `crs`, at least one; geometry may be null.
        crs: of all of them, or None.

    Raises:
        OutputError: it cannot be written.
    """
    _write_tables(path, (_arrow(frame, crs) for frame in frames))


def write_detections(path: Path, detections: Detections) -> None:
    """Write the detections of one scene, as `write_geoparquet` writes their table.

    Raises:
        OutputError: it cannot be written.
    """
    schema = _schema(detections.crs)
    columns, shapes = detections.columns(), detections.shapes()
    arrays = [
        pa.array(columns[field.name], field.type, from_pandas=True)
        for field in schema
        if field.name in columns
    ]
    arrays += [_boxes(shapely.bounds(shapes).reshape(-1, 4)), _wkb(shapes)]
    _write_tables(path, iter([pa.table(arrays, schema=schema)]))


@lru_cache(maxsize=64)
def _schema(crs: str | None) -> pa.Schema:
    """The columns of `detections.parquet`: pandas and pyproj need 5 ms to find them out."""
    return _arrow(no_detections(crs).to_geodataframe(), crs).schema


def no_detections(crs: str | None) -> Detections:
    """The detections of a scene that has none."""
    none = np.zeros(0)
    return Detections(
        scene_id="",
        acquired=None,
        crs=crs,
        class_ids=none.astype(np.int64),
        scores=none.astype(np.float32),
        corners=FilePixels(as_corners([])),
        map_corners=as_corners([]),
        length_m=none,
        width_m=none,
        axis_deg=none,
        on_ship=none.astype(np.bool_),
    )


def _write_tables(path: Path, tables: Iterator[pa.Table]) -> None:
    waiting = [next(tables)]
    schema = waiting[0].schema
    with (
        atomic_path(path) as temporary,
        pq.ParquetWriter(temporary, schema, compression="zstd") as writer,
    ):
        for table in tables:
            waiting.append(table)
            if sum(len(one) for one in waiting) >= ROW_GROUP_ROWS:
                writer.write_table(pa.concat_tables(waiting))
                waiting = []
        writer.write_table(pa.concat_tables([schema.empty_table(), *waiting]))


def read_detections(path: Path) -> gpd.GeoDataFrame:
    """A `detections.parquet` as a table, in the CRS that it is written in.

    Raises:
        OutputError: it is missing or damaged, or a column is not what `DETECTION_COLUMNS` says.
    """
    try:
        read_columns(path, DETECTION_COLUMNS)
        return gpd.read_parquet(path).drop(columns="bbox", errors="ignore")
    except TableError as error:
        raise OutputError(f"{error}; {AGAIN}") from error
    except UNREADABLE as error:
        reason = " ".join(str(error).split())[:200]
        raise OutputError(f"{path}: its geometry cannot be read ({reason}); {AGAIN}") from error


def joined_detections(parts: Iterable[Path]) -> Iterator[gpd.GeoDataFrame]:
    """The detections of many scenes in WGS84, in order; small scenes together in one table.

    A table costs 20 ms however few rows it has.

    Args:
        parts: `detections.parquet` of scenes.

    Raises:
        OutputError: one is missing or damaged.
    """
    waiting: list[tuple[Path, pa.Table]] = []
    for part in parts:
        try:
            table = read_table(part)
        except TableError as error:
            raise OutputError(f"{error}; {AGAIN}") from error
        if waiting and not _go_together([one for _, one in waiting], table):
            yield from _joined(waiting)
            waiting = []
        waiting.append((part, table))
    if waiting:
        yield from _joined(waiting)


def _go_together(tables: Sequence[pa.Table], more: pa.Table) -> bool:
    rows = sum(len(table) for table in tables)
    return (
        rows < ROW_GROUP_ROWS
        and len(tables) < MOST_JOINED
        and more.schema.equals(tables[0].schema, check_metadata=True)
    )


def _joined(parts: Sequence[tuple[Path, pa.Table]]) -> Iterator[gpd.GeoDataFrame]:
    table = pa.concat_tables([table for _, table in parts])
    try:
        check_columns(parts[0][0], table, DETECTION_COLUMNS)
        crs = json.loads(table.schema.metadata[b"geo"])["columns"]["geometry"]["crs"]
        plain = table.drop_columns(["bbox", "geometry"]).to_pandas()
        shapes = shapely.from_wkb(table["geometry"].to_numpy())
        yield to_wgs84(gpd.GeoDataFrame(plain, geometry=shapes, crs=crs))
    except (*UNREADABLE, TableError):  # one by one, to say which
        for path, _ in parts:
            yield to_wgs84(read_detections(path))


def to_wgs84(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """The same rows in WGS84, cut at the antimeridian; without a CRS geometry becomes null."""
    if frame.crs is not None:
        moved = frame.to_crs(WGS84)
        return moved.set_geometry(cut_at_antimeridian(np.asarray(moved.geometry.array)), crs=WGS84)
    nothing = gpd.GeoSeries([None] * len(frame), index=frame.index, crs=WGS84)
    return frame.set_geometry(nothing, crs=WGS84)


def cut_at_antimeridian(shapes: NDArray[np.object_]) -> NDArray[np.object_]:
    """Polygons `(N,)` in degrees within ±180; those across the antimeridian as two parts.

    A polygon that spans more than half of the globe is one whose corners lie on either side.
    """
    west, _, east, _ = shapely.bounds(shapes).reshape(-1, 4).T
    result = shapes.copy()
    for index in np.flatnonzero((east - west > 180.0) | (east > 180.0) | (west < -180.0)):
        # boxes are small, their sides straight on the map: no great circles
        result[index] = fix_polygon(shapes[index], fix_winding=True, great_circle=False)
    return result


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """As `atomic_path`; what GDAL and SQLite cannot write is one sentence."""
    failures = (
        pyogrio.errors.DataSourceError,
        pyogrio.errors.DataLayerError,
        pyogrio.errors.FeatureError,
        sqlite3.Error,
    )
    with warnings.catch_warnings(), atomic_path(path, *failures) as temporary:
        warnings.filterwarnings("ignore", "'crs' was not provided", UserWarning)
        yield temporary


def zone_layer(zones: Sequence[Zone], record: SceneRecord) -> gpd.GeoDataFrame:
    """One row a zone, with what was seen of it, in the scene's CRS."""
    areas = {(area.name, area.kind): area for area in record.areas}
    rows = [areas[zone.name, zone.kind] for zone in zones]
    table = {
        "name": pd.Series([zone.name for zone in zones], dtype="str"),
        "kind": pd.Series([zone.kind for zone in zones], dtype="str"),
        "observed_fraction": np.array([row.observed_fraction for row in rows], np.float64),
        "status": pd.Series([row.status for row in rows], dtype="str"),
    }
    shapes = [to_map(zone.shape, record) for zone in zones]
    return gpd.GeoDataFrame(table, geometry=shapes, crs=record.crs)


def to_map(shape: Any, record: SceneRecord) -> Any:
    """A shape in file pixels as it lies on the map, in pixels where the scene has no CRS."""
    a, b, c, d, e, f = record.transform
    return shapely.transform(
        shape, lambda x, y: (a * x + b * y + c, d * x + e * y + f), interleaved=False
    )


def _boxes(bounds: NDArray[np.float64]) -> pa.StructArray:
    columns = [pa.array(bounds[:, i], from_pandas=True) for i in range(4)]
    return pa.StructArray.from_arrays(columns, names=list(BBOX_NAMES))


def _wkb(shapes: NDArray[np.object_]) -> pa.BinaryArray:
    return pa.array(shapely.to_wkb(shapes), type=pa.binary())


def _arrow(frame: gpd.GeoDataFrame, crs: str | None) -> pa.Table:
    shapes = np.asarray(frame.geometry.array)
    plain = pd.DataFrame(frame.drop(columns=frame.geometry.name))
    table = pa.Table.from_pandas(plain, preserve_index=False)
    bounds = frame.geometry.bounds.to_numpy(np.float64)
    table = table.append_column("bbox", _boxes(bounds)).append_column("geometry", _wkb(shapes))
    column: dict[str, Any] = {
        "encoding": "WKB",
        "geometry_types": ["MultiPolygon", "Polygon"],
        "crs": json.loads(CRS.from_user_input(crs).to_json()) if crs is not None else None,
        "covering": {"bbox": {name: ["bbox", name] for name in BBOX_NAMES}},
    }
    geo = {
        "version": GEOPARQUET_VERSION,
        "primary_column": "geometry",
        "columns": {"geometry": column},
    }
    metadata = {**(table.schema.metadata or {}), b"geo": json.dumps(geo).encode()}
    return table.replace_schema_metadata(metadata)
