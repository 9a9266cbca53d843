"""Vector files: GeoPackage, GeoJSON, GeoParquet."""

from __future__ import annotations

import io
import json
import shutil
import sqlite3
import warnings
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
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

from detector.classes import ClassSet
from detector.columns import TableError, check_columns, read_columns, read_table
from detector.counting.zones import Zone
from detector.detections import Detections
from detector.errors import OutputError
from detector.export.columns import DETECTION_COLUMNS
from detector.export.geopackage import fill_geopackage
from detector.export.records import SceneRecord
from detector.export.styles import add_layer_style, add_layer_styles
from detector.files import atomic_path
from detector.later import geopandas as gpd
from detector.later import pandas as pd
from detector.later import pyogrio

GEOMETRY = "geom"
WGS84 = "EPSG:4326"
UNDEFINED_CARTESIAN = "-1"  # srs_id of GeoPackage, OGC 12-128r19, 1.1.2.1.2
NO_TIME = "1970-01-01T00:00:00.000Z"
ROW_GROUP_ROWS = 50_000
MOST_JOINED = 256  # scenes of a run whose tables are joined at once
MOST_EMPTY = 8  # empty GeoPackages of 140 kB that are kept
GEOPARQUET_VERSION = "1.1.0"
REVIEW_COLUMNS = ("box", "verdict", "comment")
"""Of the layer `detections` of a GeoPackage: the row's id, and what a person says of it."""
# what geopandas lets through of the metadata and the geometry of a damaged file
UNREADABLE = (
    *(OSError, ValueError, KeyError, TypeError, AttributeError),
    *(pa.ArrowException, GEOSException, CRSError),
)
AGAIN = "run detector predict again with overwrite=true"


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
        "zones": zone_layer(zones, record).assign(reviewed=np.zeros(len(zones), np.bool_)),
        "scenes": _scene_layer(record),
    }
    with writing(path) as temporary:
        temporary.write_bytes(_empty_geopackage(temporary, layers, detections.classes))
        fill_geopackage(temporary, layers, GEOMETRY, timestamp)


_empty: dict[Hashable, bytes] = {}
"""GeoPackages without rows, by their columns and frame."""


def _empty_geopackage(
    place: Path, layers: Mapping[str, gpd.GeoDataFrame], classes: ClassSet
) -> bytes:
    """A GeoPackage of layers without rows; it is made at a place where nothing is, once a kind."""
    columns = tuple((name, *layer.dtypes.astype(str).items()) for name, layer in layers.items())
    kind = (columns, tuple(str(layer.crs) for layer in layers.values()), classes)
    if kind not in _empty:
        if len(_empty) >= MOST_EMPTY:
            _empty.clear()
        _make_geopackage(place, {name: layer[:0] for name, layer in layers.items()}, classes)
        _empty[kind] = place.read_bytes()
    return _empty[kind]


def _make_geopackage(path: Path, layers: Mapping[str, gpd.GeoDataFrame], classes: ClassSet) -> None:
    # GDAL would call pixels an "Undefined SRS" of its own; the standard has one for them.
    # GDAL stamps the time of writing into the file unless it is told one.
    # The file is new and is renamed when it is whole: no need to wait for the disk 48 times.
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": NO_TIME, "OGR_SQLITE_SYNCHRONOUS": "OFF"})
    try:
        with writing(path) as temporary:
            for name, layer in layers.items():
                options = {"GEOMETRY_NAME": GEOMETRY}
                pyogrio.write_dataframe(
                    layer,
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
    tables = (_arrow(frame, crs) for frame in frames)
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


def _review_layer(detections: Detections) -> gpd.GeoDataFrame:
    """The detections with `REVIEW_COLUMNS`, of which a person fills the last two."""
    frame = detections.to_geodataframe()
    names = [f"{detections.scene_id}#{row}" for row in range(len(frame))]
    frame["box"] = pd.Series(names, dtype="str")
    for name in REVIEW_COLUMNS[1:]:
        frame[name] = pd.Series([None] * len(frame), dtype="str")
    return frame


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
    shapes = [_to_map(zone.shape, record) for zone in zones]
    return gpd.GeoDataFrame(table, geometry=shapes, crs=record.crs)


def _scene_layer(record: SceneRecord) -> gpd.GeoDataFrame:
    footprint = shapely.box(0, 0, record.width or 0, record.height or 0)
    table = {
        "scene_id": [record.scene_id],
        "acquired": pd.Series([record.acquired or pd.NaT], dtype="datetime64[ms, UTC]"),
        "gsd_m": [record.gsd_m if record.gsd_m is not None else np.nan],
        "ships": [record.ships],
        "container_stacks": [record.container_stacks],
        **{name: [number] for name, number in record.others.items()},
        "observed_fraction": np.array([record.observed_fraction], np.float64),
        "status": [record.areas[0].status],
        "weights": [record.weights],
        "acquired_day": pd.Series([record.acquired_day], dtype="str"),
        "acquired_precision": [record.acquired_precision],
        "reviewed": [False],
        "reviewer": pd.Series([None], dtype="str"),
    }
    return gpd.GeoDataFrame(table, geometry=[_to_map(footprint, record)], crs=record.crs)


def _to_map(shape: Any, record: SceneRecord) -> Any:
    a, b, c, d, e, f = record.transform
    return shapely.transform(
        shape, lambda x, y: (a * x + b * y + c, d * x + e * y + f), interleaved=False
    )


def _arrow(frame: gpd.GeoDataFrame, crs: str | None) -> pa.Table:
    shapes = np.asarray(frame.geometry.array)
    plain = pd.DataFrame(frame.drop(columns=frame.geometry.name))
    table = pa.Table.from_pandas(plain, preserve_index=False)
    bounds = frame.geometry.bounds.to_numpy(np.float64)
    names = ("xmin", "ymin", "xmax", "ymax")
    boxes = pa.StructArray.from_arrays(
        [pa.array(bounds[:, i], from_pandas=True) for i in range(4)], names=list(names)
    )
    wkb = pa.array(shapely.to_wkb(shapes), type=pa.binary())
    table = table.append_column("bbox", boxes).append_column("geometry", wkb)
    column: dict[str, Any] = {
        "encoding": "WKB",
        "geometry_types": ["MultiPolygon", "Polygon"],
        "crs": json.loads(CRS.from_user_input(crs).to_json()) if crs is not None else None,
        "covering": {"bbox": {name: ["bbox", name] for name in names}},
    }
    geo = {
        "version": GEOPARQUET_VERSION,
        "primary_column": "geometry",
        "columns": {"geometry": column},
    }
    metadata = {**(table.schema.metadata or {}), b"geo": json.dumps(geo).encode()}
    return table.replace_schema_metadata(metadata)
