"""Sites: `site.yaml`, its zones in a local frame in metres."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from shapely.geometry.base import BaseGeometry

from detector.activity.errors import ActivityError
from detector.counting.zones import Zone, Zones, read_lines, read_zones
from detector.documents import DocumentError, read_yaml
from detector.geometry.frames import FilePixels, LocalMetres
from detector.geometry.geodesy import apply_transform, local_crs, lonlat

KEYS: Final = ("name", "zones", "time_zone", "fixed", "quays")
LARGEST_SITE_M: Final = 100_000.0  # the local frame is true to 1e-5 within it
SEGMENTS: Final = 24  # of an edge that is reprojected: straight in one CRS is curved in another


@dataclass(frozen=True, slots=True)
class LocalFrame:
    """Metres east and north of a site's middle (azimuthal equidistant, WGS84).

    Attributes:
        lon_deg: longitude of the origin.
        lat_deg: latitude of the origin.
    """

    lon_deg: float
    lat_deg: float

    @property
    def crs(self) -> str:
        """The frame as PROJ reads it."""
        return local_crs(self.lon_deg, self.lat_deg)

    def from_crs(self, points: NDArray[np.float64], crs: str) -> LocalMetres:
        """Points `(..., 2)` of a CRS in local metres; infinite where a projection is undefined."""
        transformer = Transformer.from_crs(CRS.from_user_input(crs), self.crs, always_xy=True)
        x, y = transformer.transform(points[..., 0], points[..., 1])
        return LocalMetres(np.stack([np.asarray(x, float), np.asarray(y, float)], axis=-1))

    def from_pixels(self, points: FilePixels, transform: Affine, crs: str) -> LocalMetres:
        """Points `(..., 2)` of a scene in local metres."""
        return self.from_crs(apply_transform(transform, points), crs)


@dataclass(frozen=True, slots=True)
class Site:
    """A named set of zones.

    Attributes:
        name: one line.
        frame: local metres.
        zones: shapes in the local frame.
        time_zone: whose days are the days of the looks.
        fixed: land that does not change, for registration, in the local frame; None: all but the
            zones.
        quays: lines that ships lie along, in the local frame, by the name of their zone; of others
            they are found.
        warnings: what was mended while reading.
    """

    name: str
    frame: LocalFrame
    zones: tuple[Zone, ...]
    time_zone: ZoneInfo
    fixed: BaseGeometry | None = None
    quays: Mapping[str, BaseGeometry] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Bounds of all zones and fixed land, local metres."""
        shapes = [zone.shape for zone in self.zones]
        shapes += [self.fixed] if self.fixed is not None else []
        west, south, east, north = shapely.total_bounds(np.array(shapes, object)).tolist()
        return west, south, east, north


def read_site(path: str | Path) -> Site:
    """Read a site file.

    A YAML mapping: `name`; `zones`, a vector file; `time_zone` (optional, UTC), an IANA name such
    as `Asia/Vladivostok`; `fixed` (optional), a vector file of land that does not change; `quays`
    (optional), a vector file of quay lines named as their zones. Paths are relative to the site
    file.

    Raises:
        ActivityError: missing, not such a mapping, an unknown time zone, or zones without a CRS.
        ZonesError: a vector file cannot be used.
    """
    path = Path(path)
    values = _mapping(path)
    zones = read_zones(_file(path, values, "zones"))
    name = _text(path, values, "name")
    land = read_zones(_file(path, values, "fixed")) if values.get("fixed") is not None else None
    site = make_site(name, zones, _time_zone(path, values.get("time_zone", "UTC")), land)
    quays = values.get("quays")
    if quays is None:
        return site
    return replace(site, quays=_quays(path.parent / str(quays), site))


def make_site(
    name: str, zones: Zones, time_zone: ZoneInfo | None = None, fixed: Zones | None = None
) -> Site:
    """A site of zones that are in memory.

    Raises:
        ActivityError: the zones have no CRS, or lie too far apart for one site.
    """
    for item in (zones, fixed):
        if item is not None and item.crs is None:
            raise ActivityError(
                f"{item.source}: the zones of a site need a CRS, since scenes of other dates lie "
                "elsewhere; georeference the scenes and draw the zones on the map"
            )
    frame = _frame_of(zones)
    local = tuple(Zone(z.name, z.kind, _to_local(z.shape, zones.crs, frame)) for z in zones.zones)
    site = Site(
        name=name,
        frame=frame,
        zones=local,
        time_zone=time_zone or ZoneInfo("UTC"),
        fixed=_union(fixed, frame) if fixed is not None else None,
        warnings=zones.warnings + (fixed.warnings if fixed is not None else ()),
    )
    west, south, east, north = site.extent
    if not max(east - west, north - south) <= LARGEST_SITE_M:
        raise ActivityError(
            f"{zones.source}: the zones of site '{name}' lie {max(east - west, north - south):.0f} "
            f"m apart; a site is at most {LARGEST_SITE_M:.0f} m wide, so write one file a site"
        )
    return site


def _quays(path: Path, site: Site) -> dict[str, BaseGeometry]:
    lines, crs = read_lines(path)
    names = [zone.name for zone in site.zones]
    strange = next((name for name in lines if name not in names), None)
    if strange is not None:
        raise ActivityError(
            f"{path}: the quay line '{strange}' has the name of no zone ({', '.join(names)})"
        )
    if crs is None:
        raise ActivityError(f"{path}: the quay lines need a CRS; draw them on the map")
    return {name: _to_local(line, crs, site.frame) for name, line in lines.items()}


def _mapping(path: Path) -> dict[str, Any]:
    try:
        values = read_yaml(path)
    except OSError as error:
        raise ActivityError(f"{path}: cannot read the site ({error}); check the name") from error
    except DocumentError as error:
        raise ActivityError(f"{path}: not YAML that can be read ({error})") from error
    if not isinstance(values, dict):
        raise ActivityError(f"{path}: a site is a YAML mapping with the keys {', '.join(KEYS)}")
    unknown = sorted(set(map(str, values)) - set(KEYS))
    if unknown:
        raise ActivityError(
            f"{path}: unknown key '{unknown[0]}' in the site; it has {', '.join(KEYS)}"
        )
    return values


def _text(path: Path, values: dict[str, Any], key: str) -> str:
    value = values.get(key)
    if not isinstance(value, str | int) or not str(value).strip():
        raise ActivityError(f"{path}: a site needs the key '{key}', a text")
    return " ".join(str(value).split())


def _file(path: Path, values: dict[str, Any], key: str) -> Path:
    """A file that a site names; one of GDAL's names could lead to the network."""
    name = _text(path, values, key)
    if name.startswith("/vsi") or "://" in name:
        raise ActivityError(f"{path}: {key} '{name[:200]}' is no file; fetch it, and name the file")
    return path.parent / name


def _time_zone(path: Path, name: Any) -> ZoneInfo:
    try:
        return ZoneInfo(str(name))
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ActivityError(
            f"{path}: time_zone '{name}' is not known; use a name such as Asia/Seoul or UTC"
        ) from error


def _frame_of(zones: Zones) -> LocalFrame:
    """The frame around the middle of the zones; a mean of directions copes with longitude 180."""
    middles = np.array([[z.shape.centroid.x, z.shape.centroid.y] for z in zones.zones])
    degrees = lonlat(middles, str(zones.crs))
    if not np.isfinite(degrees).all():
        raise ActivityError(f"{zones.source}: a zone lies where its CRS is not defined")
    lon, lat = np.radians(degrees).T
    x, y, z = np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)
    east, north, up = x.mean(), y.mean(), z.mean()
    return LocalFrame(
        float(np.degrees(np.arctan2(north, east))),
        float(np.degrees(np.arctan2(up, np.hypot(east, north)))),
    )


def _to_local(shape: BaseGeometry, crs: str | None, frame: LocalFrame) -> BaseGeometry:
    west, south, east, north = shape.bounds
    step = max(east - west, north - south) / SEGMENTS
    return shapely.transform(
        shapely.segmentize(shape, step), lambda points: frame.from_crs(points, str(crs))
    )


def _union(zones: Zones, frame: LocalFrame) -> BaseGeometry:
    return shapely.union_all([_to_local(zone.shape, zones.crs, frame) for zone in zones.zones])
