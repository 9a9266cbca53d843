"""Zones: named polygons of a site, and which detections lie in them."""

from __future__ import annotations

import unicodedata
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pyogrio
import shapely
from numpy.typing import NDArray
from pyogrio.errors import DataLayerError, DataSourceError
from pyproj import Transformer
from pyproj.exceptions import CRSError
from shapely.geometry.base import BaseGeometry

from detector.errors import ZonesError
from detector.geometry.boxes import Corners, centres
from detector.scenes.scene import Scene

ZONE_KINDS = ("berth", "quay", "anchorage", "yard", "railhead")
OTHER_KIND = "zone"
MAX_EDGE_SHARE = 0.02  # of a zone's extent: longer edges are split before they are reprojected


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
    `zone <row>`, one without `kind` is a `zone`. Invalid polygons are repaired and named in
    `warnings`.

    Raises:
        ZonesError: the file is missing or unreadable, holds no polygon, has a polygon that cannot
            be repaired, an unknown kind, or two zones of one name.
    """
    source = str(path)
    if not source.startswith("/vsi") and not Path(source).exists():
        raise ZonesError(f"{source}: no such zones file; check the name and the folder")
    zones: list[Zone] = []
    notes: list[str] = []
    crs: str | None = None
    for layer, frame in _read_layers(source):
        if frame.empty:
            continue
        layer_crs = frame.crs.to_string() if frame.crs is not None else None
        if zones and layer_crs != crs:
            raise ZonesError(f"{source}: layer '{layer}' has another CRS than the first one")
        crs = layer_crs
        _add_rows(zones, notes, frame, source)
    if not zones:
        raise ZonesError(f"{source}: holds no zones; draw polygons with the columns name and kind")
    repeated = [name for name, n in Counter(zone.name for zone in zones).items() if n > 1]
    if repeated:
        raise ZonesError(f"{source}: two zones are named '{repeated[0]}'; give each its own name")
    return Zones(tuple(zones), crs, source, tuple(notes))


def zones_in_pixels(zones: Zones, scene: Scene) -> tuple[Zone, ...]:
    """The zones in the file pixels of a scene.

    Long edges are split before they are reprojected, since a straight line of one CRS is curved in
    another.

    Raises:
        ZonesError: only one of zones and scene has a CRS, or one cannot be reprojected.
    """
    if not len(zones):
        return ()
    info = scene.info
    if zones.crs is None and info.crs is None:
        return zones.zones
    if zones.crs is None:
        raise ZonesError(
            f"{zones.source}: no CRS, but {info.path} has one; save the zones with theirs"
        )
    if info.crs is None:
        raise ZonesError(
            f"{info.path}: no CRS, so zones in map coordinates don't fit; draw zones in pixels and "
            "save them without CRS"
        )
    transformer = Transformer.from_crs(zones.crs, info.crs, always_xy=True)

    def to_pixel(points: NDArray[np.float64]) -> NDArray[np.float64]:
        x, y = transformer.transform(points[:, 0], points[:, 1])
        return scene.to_pixel(np.stack([np.asarray(x), np.asarray(y)], axis=-1))

    placed = []
    for zone in zones.zones:
        min_x, min_y, max_x, max_y = zone.shape.bounds
        step = MAX_EDGE_SHARE * max(max_x - min_x, max_y - min_y)
        shape = shapely.transform(shapely.segmentize(zone.shape, step), to_pixel)
        if not np.isfinite(shapely.get_coordinates(shape)).all():
            raise ZonesError(
                f"{zones.source}: zone '{zone.name}' lies where the CRS of {info.path} is undefined"
            )
        placed.append(Zone(zone.name, zone.kind, _polygonal(shapely.make_valid(shape))))
    return tuple(placed)


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
    return [
        np.sort(tree.query(zone.shape, predicate="intersects")).astype(np.int64) for zone in zones
    ]


def _read_layers(source: str) -> list[tuple[str, gpd.GeoDataFrame]]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            names = [str(name) for name, kind in pyogrio.list_layers(source) if kind is not None]
            return [(name, pyogrio.read_dataframe(source, layer=name)) for name in names]
    except (DataSourceError, DataLayerError, CRSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ZonesError(f"{source}: not a vector file that GDAL can read ({reason})") from error


def _add_rows(zones: list[Zone], notes: list[str], frame: gpd.GeoDataFrame, source: str) -> None:
    columns = {str(name).lower(): name for name in frame.columns}
    for row, shape in enumerate(frame.geometry, start=1):
        name = _text(frame, columns.get("name"), row) or f"zone {row}"
        kind = (_text(frame, columns.get("kind"), row) or OTHER_KIND).lower()
        if kind not in (*ZONE_KINDS, OTHER_KIND):
            raise ZonesError(
                f"{source}: zone '{name}' is of the kind '{kind}'; use {', '.join(ZONE_KINDS)}"
            )
        if shape is None or shape.is_empty:
            raise ZonesError(f"{source}: zone '{name}' (row {row}) has no geometry; draw it")
        polygon = _polygonal(shape if shape.is_valid else shapely.make_valid(shape))
        if polygon.is_empty:
            raise ZonesError(
                f"{source}: zone '{name}' (row {row}) is a {shape.geom_type} without area; draw it "
                "as a polygon"
            )
        if not shape.is_valid:
            notes.append(
                f"{source}: zone '{name}' (row {row}) was repaired: "
                f"{shapely.is_valid_reason(shape)}"
            )
        zones.append(Zone(name, kind, polygon))


def _text(frame: gpd.GeoDataFrame, column: Any, row: int) -> str:
    if column is None:
        return ""
    value = frame[column].iloc[row - 1]
    if value is None or value != value:  # noqa: PLR0124 - NaN is the value that is not itself
        return ""
    return unicodedata.normalize("NFC", str(value)).strip()


def _polygonal(shape: BaseGeometry) -> BaseGeometry:
    """The polygons of a geometry as one polygon or multipolygon, lines and points left out."""
    flat = shapely.force_2d(shape)
    parts = [p for p in shapely.get_parts(flat, return_index=False) if p.geom_type == "Polygon"]
    nested = [p for p in shapely.get_parts(flat) if p.geom_type == "MultiPolygon"]
    parts += [p for group in nested for p in shapely.get_parts(group)]
    return parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)
