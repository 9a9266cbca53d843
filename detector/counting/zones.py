"""Zones: named polygons of a site, and which detections lie in them."""

from __future__ import annotations

import difflib
import logging
import os
import re
import unicodedata
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Transformer
from pyproj.exceptions import CRSError, ProjError
from shapely.geometry.base import BaseGeometry

from detector.counting.layers import read_layers
from detector.counting.vectors import check_amount, check_crossing, check_vector_file
from detector.errors import ZonesError
from detector.files import as_on_disk
from detector.geometry.boxes import Corners, centres
from detector.geometry.frames import FilePixels
from detector.geometry.geodesy import to_lonlat_transformer
from detector.geometry.turns import in_one_piece, nearest_turn, turn_of
from detector.later import geopandas as gpd
from detector.scenes.scene import Scene

MARINA = "marina"
"""Of boats side by side: too many of them are missed, unseen, for an upper end of their number."""
ZONE_KINDS = ("berth", "quay", "anchorage", "yard", "railhead", MARINA)
OTHER_KIND = "zone"
MAX_EDGE_SHARE = 0.02  # of a zone's extent: longer edges are split before they are reprojected
POLYGON_TYPE = 3  # of GEOS
POLYGON_TYPES = ("Polygon", "MultiPolygon")
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
    Points and lines beside polygons are left out, a closed line is the polygon that it encloses,
    a copy of a zone is taken once: each is said in `warnings`.

    Raises:
        ZonesError: the file is missing or unreadable, holds no polygon, has a polygon that cannot
            be repaired, an unknown kind, two zones of one name, or degrees that are none.
    """
    return _read_rows(_Rows(as_on_disk(str(path))), "zones file")


def read_land(path: str | Path) -> Zones:
    """Read the land of a coast from any vector file that GDAL reads, by the rules of `read_zones`.

    Its polygons are land, and its closed lines what they enclose; columns do not matter. Each is a
    zone of `OTHER_KIND`.

    Raises:
        ZonesError: the file is missing or unreadable, or holds no polygon.
    """
    return _read_rows(_Rows(as_on_disk(str(path)), of_land=True), "file of land")


def _read_rows(rows: _Rows, what: str) -> Zones:
    source = rows.source
    # Path.exists raises on names that are too long
    if not source.startswith("/vsi") and not os.path.exists(source):  # noqa: PTH110
        raise ZonesError(f"{source}: no such {what}; check the name and the folder")
    check_vector_file(source)
    crs: str | None = None
    for layer in read_layers(source, rows.notes):
        if rows.number and layer.crs != crs:
            raise ZonesError(f"{source}: layer '{layer.name}' has another CRS than the first one")
        crs = layer.crs
        rows.add(layer.frame)
    return rows.checked(crs)


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
    source = as_on_disk(str(path))
    if not source.startswith("/vsi") and not os.path.exists(source):  # noqa: PTH110
        raise ZonesError(f"{source}: no such file of lines; check the name and the folder")
    lines: dict[str, list[BaseGeometry]] = {}
    crs: str | None = None
    notes: list[str] = []
    for layer in read_layers(source, notes):
        crs = layer.crs
        columns = {str(name).lower(): name for name in layer.frame.columns}
        for index, shape in enumerate(layer.frame.geometry):
            name = _text(layer.frame, columns.get("name"), index)
            label = f"{source}: line {index + 1} of layer '{layer.name}'"
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
    rows = _Rows(source)
    rows.add(frame)
    return rows.checked(frame.crs.to_string() if frame.crs is not None else None)


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
    shapes = np.array([zone.shape for zone in zones.zones], object)
    turn = turn_of(zones.crs)
    if turn is not None:
        shapes = np.array([in_one_piece(shape, turn) for shape in shapes], object)
    min_x, min_y, max_x, max_y = shapely.bounds(shapes).T
    steps = MAX_EDGE_SHARE * np.maximum(max_x - min_x, max_y - min_y)
    # all at once: 20,000 zones one by one take most of a minute
    shapes = shapely.transform(shapely.segmentize(shapes, steps), to_map)
    points, of_zone = shapely.get_coordinates(shapes, return_index=True)
    shapes[of_zone[~np.isfinite(points).all(axis=1)]] = shapely.MultiPolygon()
    turn = turn_of(info.crs)
    if turn is not None:
        shapes = np.array([nearest_turn(one, float(middle[0]), turn) for one in shapes], object)
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


class _Rows:
    """The rows of a file, numbered over all layers, and the zones or the land that they are."""

    def __init__(self, source: str, *, of_land: bool = False) -> None:
        self.source = source
        self._of_land = of_land
        self.notes: list[str] = []
        self.number = 0
        self._zones: dict[int, Zone] = {}
        self._without_area: list[str] = []

    def add(self, frame: gpd.GeoDataFrame) -> None:
        """Add the rows of a layer."""
        columns = {} if self._of_land else {str(name).lower(): name for name in frame.columns}
        check_amount(self.source, np.asarray(frame.geometry.array), self.number)
        for index, shape in enumerate(frame.geometry):
            self.number += 1
            name = _text(frame, columns.get("name"), index) or f"zone {self.number}"
            label = f"{self.source}: zone '{name}' (row {self.number})"
            if self._of_land:
                label = f"{self.source}: land of row {self.number}"
            kind = (_text(frame, columns.get("kind"), index) or OTHER_KIND).lower()
            polygon = self._polygon(shape, label)
            if polygon is None:
                continue
            if kind not in (*ZONE_KINDS, OTHER_KIND):
                raise ZonesError(f"{label} is of the kind '{kind}'; {_kind_hint(kind)}")
            self._zones[self.number] = Zone(name, kind, polygon)

    def checked(self, crs: str | None) -> Zones:
        """All zones, each name once.

        Raises:
            ZonesError: there are none, or two different ones of a name.
        """
        if self._without_area and not self._zones:
            raise ZonesError(f"{self._without_area[0]}; draw it as a polygon")
        if not self._zones:
            lack = "no land; give it as polygons"
            if not self._of_land:
                lack = "no zones; draw polygons with the columns name and kind"
            raise ZonesError(f"{self.source}: holds {lack}")
        self.notes += [
            f"{told}, so it is left out; draw it as a polygon to count it"
            for told in self._without_area
        ]
        if crs is not None:
            _check_map(crs, self.source)
        turn = turn_of(crs) if crs is not None else None
        zones = [
            zone if turn is None else replace(zone, shape=in_one_piece(zone.shape, turn))
            for zone in self._unique()
        ]
        return Zones(tuple(zones), crs, self.source, tuple(self.notes))

    def _polygon(self, shape: BaseGeometry | None, label: str) -> BaseGeometry | None:
        """The polygon of a row; None, with a note, for points and lines."""
        if shape is None or shape.is_empty:
            raise ZonesError(f"{label} has no geometry; draw it or delete the row")
        if not (np.abs(shapely.get_coordinates(shape)) < LARGEST_COORDINATE).all():
            raise ZonesError(f"{label} has a coordinate that is not finite; draw it again")
        ring = _closed_line(shape)
        if ring is not None:
            self.notes.append(f"{label} is a closed line, taken as the polygon that it encloses")
            shape = ring
        if not shape.is_valid:
            check_crossing(label, shape)
        polygon = _polygonal(_valid(shape))
        if polygon.is_empty:
            told = f"{label} is a {shape.geom_type} without area"
            if shape.geom_type in POLYGON_TYPES:
                raise ZonesError(f"{told}; draw it as a polygon")
            self._without_area.append(told)
            return None
        if not shape.is_valid:
            self.notes.append(f"{label} was repaired: {shapely.is_valid_reason(shape)}")
        return polygon

    def _unique(self) -> list[Zone]:
        """The zones without copies of themselves.

        Raises:
            ZonesError: two different ones have one name.
        """
        first: dict[str, tuple[int, Zone]] = {}
        for row, zone in self._zones.items():
            before, known = first.setdefault(zone.name, (row, zone))
            if before == row:
                continue
            if known.kind != zone.kind or not known.shape.equals(zone.shape):
                raise ZonesError(
                    f"{self.source}: the zones of rows {before} and {row} are both named "
                    f"'{zone.name}'; counts are given by name, so give each its own"
                )
            self.notes.append(
                f"{self.source}: zone '{zone.name}' (row {row}) is the same as that of row "
                f"{before}, and taken once"
            )
        return [zone for _, zone in first.values()]


def _check_map(crs: str, source: str) -> None:
    try:
        to_lonlat_transformer(crs)
    except (CRSError, ProjError) as error:
        reason = " ".join(str(error).split())[:100]
        raise ZonesError(
            f"{source}: its CRS '{crs[:80]}' is no map of the Earth ({reason}); save the zones in "
            "another one, or without"
        ) from error


def _closed_line(shape: BaseGeometry) -> BaseGeometry | None:
    """The polygon inside a line that ends where it begins and crosses nothing; None for others."""
    if shape.geom_type != "LineString" or not (shape.is_closed and shape.is_simple):
        return None
    polygon = shapely.Polygon(shapely.get_coordinates(shape))
    return polygon if polygon.is_valid and polygon.area > 0 else None


def _kind_hint(kind: str) -> str:
    near = difflib.get_close_matches(kind, ZONE_KINDS, 1)
    meant = f" (did you mean '{near[0]}'?)" if near else ""
    return f"use {', '.join(ZONE_KINDS)}, or leave it empty{meant}"


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


def _polygonal(shape: BaseGeometry) -> BaseGeometry:
    """The polygons of a geometry as one polygon or multipolygon, lines and points left out."""
    parts = [
        part
        for part in shapely.get_parts(shapely.get_parts(shapely.force_2d(shape)))
        if part.geom_type == "Polygon" and part.area > 0
    ]
    return parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)
