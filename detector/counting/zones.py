"""Zones: named polygons of a site, and which detections lie in them."""

from __future__ import annotations

import difflib
import logging
import re
import unicodedata
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pyogrio
import shapely
from numpy.typing import NDArray
from pyogrio.errors import DataLayerError, DataSourceError, FeatureError, GeometryError
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError
from shapely.geometry.base import BaseGeometry

from detector.counting.vectors import check_amount, check_crossing, check_vector_file
from detector.documents import guess_encoding
from detector.errors import ZonesError
from detector.geometry.boxes import Corners, centres
from detector.geometry.frames import FilePixels
from detector.scenes.scene import Scene

ZONE_KINDS = ("berth", "quay", "anchorage", "yard", "railhead")
OTHER_KIND = "zone"
MAX_EDGE_SHARE = 0.02  # of a zone's extent: longer edges are split before they are reprojected
LONLAT_LIMITS_DEG = (360.0, 90.0)  # 360: files that cross the antimeridian count on
POLYGON_TYPE = 3  # of GEOS
RAW_ENCODING = "ISO-8859-1"  # a character for each byte
DBF_CODE_PAGE = 29  # position of the byte that tells it
NO_CODE_PAGE = (0x00, 0x57)  # none, and that of whatever machine wrote it
LARGEST_SITE_DEG = 20.0  # of a zone across 180 degrees; a longer one is not cut wrongly but large
SITE_DEG = 2.0  # no zone is longer; pixels are
LARGEST_COORDINATE = 1e12  # of a map in its unit, or of pixels
CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Zone:
    """A named polygon.

    Attributes:
        name: unique in its file.
        kind: one of `ZONE_KINDS`, or `OTHER_KIND` where the file names none.
        shape: polygon or multipolygon, valid, in the CRS of the zones, or file pixels.
    """

    name: str
    kind: str
    shape: BaseGeometry


@dataclass(frozen=True, slots=True)
class Zones:
    """The zones of a file.

    Attributes:
        zones: in the order of the file.
        crs: of the shapes; None for shapes in the pixels of a scene without CRS.
        source: path of the file.
        warnings: what was mended while reading, one sentence each.
    """

    zones: tuple[Zone, ...]
    crs: str | None
    source: str
    warnings: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.zones)


NO_ZONES = Zones((), None, "")


def read_zones(path: str | Path) -> Zones:
    """Read zones from any vector file that GDAL reads.

    All layers are read. Column names don't depend on case. A zone without `name` is called
    `zone <row>`, counted over all layers, one without `kind` is a `zone`. Names are one line of
    text without control characters. Invalid polygons are repaired and named in `warnings`.
    GeoJSON without a CRS is in degrees, or, where its numbers cannot be degrees, in pixels.

    Raises:
        ZonesError: the file is missing or unreadable, holds no polygon, has a polygon that cannot
            be repaired, an unknown kind, two zones of one name, or degrees that are none.
    """
    source = str(path)
    if not source.startswith("/vsi") and not Path(source).exists():
        raise ZonesError(f"{source}: no such zones file; check the name and the folder")
    check_vector_file(source)
    zones: list[Zone] = []
    notes: list[str] = []
    crs: str | None = None
    for layer, frame in _read_layers(source):
        if frame.empty:
            continue
        notes += _decode(frame, source)
        layer_crs = _layer_crs(source, layer, frame)
        if zones and layer_crs != crs:
            raise ZonesError(f"{source}: layer '{layer}' has another CRS than the first one")
        crs = layer_crs
        _add_rows(zones, notes, frame, source)
    return _checked(zones, crs, source, notes)


def read_lines(path: str | Path) -> tuple[dict[str, BaseGeometry], str | None]:
    """Read named lines, such as quay lines, from any vector file that GDAL reads.

    Args:
        path: of the file; column `name`, geometries of lines.

    Returns:
        The lines by name, those of one name together, and their CRS.

    Raises:
        ZonesError: the file is missing or unreadable, or holds a row without name, or one that is
            no line.
    """
    source = str(path)
    if not source.startswith("/vsi") and not Path(source).exists():
        raise ZonesError(f"{source}: no such file of lines; check the name and the folder")
    lines: dict[str, list[BaseGeometry]] = {}
    crs: str | None = None
    for layer, frame in _read_layers(source):
        crs = _layer_crs(source, layer, frame) if len(frame) else crs
        columns = {str(name).lower(): name for name in frame.columns}
        for index, shape in enumerate(frame.geometry):
            name = _text(frame, columns.get("name"), index)
            label = f"{source}: line {index + 1} of layer '{layer}'"
            if not name:
                raise ZonesError(f"{label} has no name; give it that of its zone")
            kind = "empty" if shape is None or shape.is_empty else shape.geom_type
            if kind not in ("LineString", "MultiLineString"):
                raise ZonesError(f"{label}, '{name}', is {kind}; draw it as a line")
            lines.setdefault(name, []).append(shapely.force_2d(shape))
    return {name: shapely.union_all(parts) for name, parts in lines.items()}, crs


def zones_of(frame: gpd.GeoDataFrame, source: str = "zones") -> Zones:
    """Zones from a table as `geopandas.read_file` gives it, by the rules of `read_zones`.

    Args:
        frame: columns `name` and `kind`, polygons; without a CRS they are in pixels.
        source: what messages call the table.

    Raises:
        ZonesError: as `read_zones`.
    """
    zones: list[Zone] = []
    notes: list[str] = []
    _add_rows(zones, notes, frame, source)
    return _checked(zones, frame.crs.to_string() if frame.crs is not None else None, source, notes)


def _checked(zones: list[Zone], crs: str | None, source: str, notes: list[str]) -> Zones:
    if not zones:
        raise ZonesError(f"{source}: holds no zones; draw polygons with the columns name and kind")
    _check_names(source, zones)
    return Zones(tuple(zones), crs, source, tuple(notes))


def zones_in_pixels(zones: Zones, scene: Scene) -> tuple[Zone, ...]:
    """The zones in the file pixels of a scene.

    Long edges are split before they are reprojected, since a straight line of one CRS is curved in
    another. A zone that lies where the CRS of the scene is not defined (another site, far away)
    gets an empty shape: the scene has not seen it. So does every zone with a CRS in a scene
    without one, since nobody knows where it lies there (`placeable`).

    Raises:
        ZonesError: the scene has a CRS, the zones have none.
    """
    if not len(zones):
        return ()
    info = scene.info
    if zones.crs is None and info.crs is None:
        return zones.zones
    if zones.crs is None:
        return _as_of_scene(zones, scene)
    if info.crs is None:
        return tuple(Zone(zone.name, zone.kind, shapely.MultiPolygon()) for zone in zones.zones)
    transformer = Transformer.from_crs(zones.crs, info.crs, always_xy=True)

    def to_map(points: NDArray[np.float64]) -> NDArray[np.float64]:
        x, y = transformer.transform(points[:, 0], points[:, 1])
        return np.stack([np.asarray(x), np.asarray(y)], axis=-1)

    middle = scene.to_map(FilePixels(np.array([info.width / 2.0, info.height / 2.0])))
    turning = CRS.from_user_input(info.crs).is_geographic
    shapes = np.array([zone.shape for zone in zones.zones], object)
    if CRS.from_user_input(zones.crs).is_geographic:
        shapes = np.array([_unwrapped(shape) for shape in shapes], object)
    min_x, min_y, max_x, max_y = shapely.bounds(shapes).T
    steps = MAX_EDGE_SHARE * np.maximum(max_x - min_x, max_y - min_y)
    # all at once: 20,000 zones one by one take most of a minute
    shapes = shapely.transform(shapely.segmentize(shapes, steps), to_map)
    points, of_zone = shapely.get_coordinates(shapes, return_index=True)
    shapes[of_zone[~np.isfinite(points).all(axis=1)]] = shapely.MultiPolygon()
    if turning:
        shapes = np.array([_near_longitude(shape, float(middle[0])) for shape in shapes], object)
    shapes = shapely.transform(shapes, scene.to_pixel)
    whole = shapely.is_valid(shapes) & (shapely.get_type_id(shapes) == POLYGON_TYPE)
    return tuple(
        Zone(zone.name, zone.kind, shape if sound else _polygonal(_valid(shape)))
        for zone, shape, sound in zip(zones.zones, shapely.force_2d(shapes), whole, strict=True)
    )


def _as_of_scene(zones: Zones, scene: Scene) -> tuple[Zone, ...]:
    """Zones that do not say their CRS, in that of the scene where their numbers lie in it."""
    crs = scene.info.crs
    held = replace(zones, crs=crs)
    frame = shapely.box(0, 0, scene.info.width, scene.info.height)
    found = zones_in_pixels(held, scene)
    if not any(zone.shape.intersects(frame) for zone in found):
        raise ZonesError(
            f"{zones.source}: no CRS, but {scene.info.path} has one; save the zones with theirs"
        )
    logger.warning(
        "%s: no CRS; its numbers lie in %s, so its CRS %s was taken; save the zones with theirs",
        zones.source,
        scene.info.path,
        crs,
    )
    return found


def _unwrapped(shape: BaseGeometry) -> BaseGeometry:
    """A shape in degrees in one piece, where its corners lie on either side of 180 degrees."""
    west, _, east, _ = shape.bounds
    if east - west <= 180.0:
        return shape

    def eastward(points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(points < [0.0, -np.inf], np.add(points, [360.0, 0.0]), points)

    moved = shapely.transform(shape, eastward)
    west, _, east, _ = moved.bounds
    return moved if 0 < east - west < LARGEST_SITE_DEG else shape


def placeable(zones: Zones, scene: Scene) -> bool:
    """Whether it is known where the zones lie in a scene: not with a CRS in one without."""
    return zones.crs is None or scene.info.crs is not None


def assign_to_zones(corners: Corners, zones: tuple[Zone, ...]) -> list[NDArray[np.int64]]:
    """Which boxes lie in each zone: those whose centre it holds; overlapping zones share them.

    Args:
        corners: `(N, 4, 2)` in the frame of the zones.
        zones: any number.

    Returns:
        For each zone the indices of its boxes, ascending. A centre on the border is inside.
    """
    points = shapely.points(centres(corners)) if len(corners) else np.zeros(0, object)
    tree = shapely.STRtree(points)
    shapes = np.array([zone.shape for zone in zones], object)
    of_zone, boxes = tree.query(shapes, predicate="intersects")
    order = np.lexsort((boxes, of_zone))
    ends = np.searchsorted(of_zone[order], np.arange(1, len(zones)))
    return np.split(boxes[order].astype(np.int64), ends) if zones else []


def first_zones(corners: Corners, zones: tuple[Zone, ...]) -> list[tuple[str, str]]:
    """Name and kind of the first zone that holds each box's centre; empty where none does.

    Args:
        corners: `(N, 4, 2)` file pixels.
        zones: in the same frame.
    """
    found = [("", "")] * len(corners)
    members = assign_to_zones(corners, zones)
    for zone, inside in reversed(list(zip(zones, members, strict=True))):
        for member in inside.tolist():
            found[member] = (zone.name, zone.kind)
    return found


def _read_layers(source: str) -> list[tuple[str, gpd.GeoDataFrame]]:
    name = _gdal_name(source)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # A layer without a geometry type is a plain table, such as QGIS' layer_styles.
            layers = [str(layer) for layer, kind in pyogrio.list_layers(name) if kind is not None]
            more = {"encoding": RAW_ENCODING} if _tells_no_encoding(source) else {}
            return [
                (layer, pyogrio.read_dataframe(name, layer=layer, on_invalid="fix", **more))
                for layer in layers
            ]
    except (
        *(DataSourceError, DataLayerError, FeatureError, GeometryError, CRSError, ValueError),
        *(shapely.errors.GEOSException, OverflowError, KeyError, TypeError),
    ) as error:
        reason = " ".join(str(error).split())[:200]
        raise ZonesError(f"{source}: not a vector file that GDAL can read ({reason})") from error


def _tells_no_encoding(source: str) -> bool:
    """Whether a Shapefile has neither a `.cpg` nor a code page in its `.dbf`."""
    path = Path(source)
    if path.suffix.lower() != ".shp" or not path.is_file():
        return False
    beside = {file.suffix.lower(): file for file in path.parent.glob(f"{path.stem}.*")}
    if ".dbf" not in beside or ".cpg" in beside:
        return False
    with beside[".dbf"].open("rb") as file:
        head = file.read(DBF_CODE_PAGE + 1)
    return len(head) > DBF_CODE_PAGE and head[DBF_CODE_PAGE] in NO_CODE_PAGE


def _decode(frame: gpd.GeoDataFrame, source: str) -> list[str]:
    """Decode the texts of a Shapefile that does not say its encoding; what to say of it."""
    if not _tells_no_encoding(source):
        return []
    columns = [name for name in frame.columns if str(name).lower() in ("name", "kind")]
    raw = {
        name: [text.encode(RAW_ENCODING) if isinstance(text, str) else b"" for text in frame[name]]
        for name in columns
    }
    every = b" ".join(text for texts in raw.values() for text in texts)
    if every.isascii():
        return []
    encoding = guess_encoding(every)
    for name, texts in raw.items():
        frame[name] = [text.decode(encoding, errors="replace") for text in texts]
    return [
        f"{source}: does not say its encoding, {encoding} was taken; if names are wrong, put a "
        ".cpg file beside it"
    ]


def _gdal_name(source: str) -> str:
    """The name under which pyogrio opens a local file as it stands.

    It reads `!` as an archive, and cuts what follows a `;` as the parameters of an address.
    """
    special = "!" in source or ";" in source
    return f"/vsisubfile/0,{source}" if special and Path(source).is_file() else source


def _layer_crs(source: str, layer: str, frame: gpd.GeoDataFrame) -> str | None:
    """The CRS of a layer; None for pixels, and for GeoJSON that holds other than degrees.

    GDAL takes every GeoJSON without a CRS for WGS84, as its standard says; people write pixels
    into it all the same.
    """
    if frame.crs is None or not frame.crs.is_geographic:
        return frame.crs.to_string() if frame.crs is not None else None
    largest = np.abs(shapely.get_coordinates(frame.geometry.array)).max(axis=0, initial=0.0)
    if not (largest > LONLAT_LIMITS_DEG).any():
        return str(frame.crs.to_string())
    points = shapely.get_coordinates(frame.geometry.array)
    if (np.ptp(points, axis=0) < SITE_DEG).all() and largest[0] <= 90.0 and largest[1] <= 180.0:
        raise ZonesError(
            f"{source}: {points[0, 0]:g}, {points[0, 1]:g} are latitude and longitude swapped; "
            "longitude comes first, so swap them in the file"
        )
    if pyogrio.read_info(_gdal_name(source), layer=layer)["driver"] == "GeoJSON":
        return None
    raise ZonesError(
        f"{source}: {largest[0]:g}, {largest[1]:g} are no longitude and latitude, but the file "
        f"says {frame.crs.to_string()}; give it the CRS that its coordinates are in"
    )


def _add_rows(zones: list[Zone], notes: list[str], frame: gpd.GeoDataFrame, source: str) -> None:
    """Add the zones of a layer; rows are numbered over all layers."""
    columns = {str(name).lower(): name for name in frame.columns}
    before = len(zones)
    check_amount(source, np.asarray(frame.geometry.array), before)
    for index, shape in enumerate(frame.geometry):
        row = before + index + 1
        name = _text(frame, columns.get("name"), index) or f"zone {row}"
        label = f"{source}: zone '{name}' (row {row})"
        kind = (_text(frame, columns.get("kind"), index) or OTHER_KIND).lower()
        if kind not in (*ZONE_KINDS, OTHER_KIND):
            raise ZonesError(f"{label} is of the kind '{kind}'; {_kind_hint(kind)}")
        if shape is None or shape.is_empty:
            raise ZonesError(f"{label} has no geometry; draw it or delete the row")
        if not (np.abs(shapely.get_coordinates(shape)) < LARGEST_COORDINATE).all():
            raise ZonesError(f"{label} has a coordinate that is not finite; draw it again")
        if not shape.is_valid:
            check_crossing(label, shape)
        polygon = _polygonal(_valid(shape))
        if polygon.is_empty:
            raise ZonesError(f"{label} is a {shape.geom_type} without area; draw it as a polygon")
        if not shape.is_valid:
            notes.append(f"{label} was repaired: {shapely.is_valid_reason(shape)}")
        zones.append(Zone(name, kind, polygon))


def _kind_hint(kind: str) -> str:
    near = difflib.get_close_matches(kind, ZONE_KINDS, 1)
    meant = f" (did you mean '{near[0]}'?)" if near else ""
    return f"use {', '.join(ZONE_KINDS)}, or leave it empty{meant}"


def _check_names(source: str, zones: list[Zone]) -> None:
    rows: dict[str, int] = {}
    for row, zone in enumerate(zones, start=1):
        if zone.name in rows:
            raise ZonesError(
                f"{source}: the zones of rows {rows[zone.name]} and {row} are both named "
                f"'{zone.name}'; counts are given by name, so give each its own"
            )
        rows[zone.name] = row


def _text(frame: gpd.GeoDataFrame, column: Any, index: int) -> str:
    """A cell as one line of text without control characters, in composed form (NFC)."""
    value = frame[column].iloc[index] if column is not None else None
    if value is None or value != value:  # noqa: PLR0124 - NaN is the value that is not itself
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # whole numbers with an empty cell among them come as floats
    text = CONTROL_CHARACTERS.sub(" ", unicodedata.normalize("NFC", str(value)))
    return " ".join(text.split())


def _valid(shape: BaseGeometry) -> BaseGeometry:
    """`shape` without self-crossings; both lobes of a figure eight are kept."""
    if shape.is_valid:
        return shape
    return shapely.make_valid(shape, method="structure", keep_collapsed=False)


def _near_longitude(shape: BaseGeometry, longitude_deg: float) -> BaseGeometry:
    """The same place, every part in the turn of the globe that is nearest to a longitude."""
    moved = []
    for part in shapely.get_parts(shape):
        turns = round((longitude_deg - part.centroid.x) / 360.0)
        shift = np.array([360.0 * turns, 0.0])
        moved.append(shapely.transform(part, lambda points, by=shift: points + by))
    return shapely.MultiPolygon(moved)


def _polygonal(shape: BaseGeometry) -> BaseGeometry:
    """The polygons of a geometry as one polygon or multipolygon, lines and points left out."""
    parts = [
        part
        for part in shapely.get_parts(shapely.get_parts(shapely.force_2d(shape)))
        if part.geom_type == "Polygon" and part.area > 0
    ]
    return parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)
