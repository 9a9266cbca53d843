"""A small map of where the sites lie: land, a graticule, a dot for each site."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import geopandas as gpd
import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from detector.activity.looks.sites import Site

LAND_FILE: Final = Path(__file__).parent / "vendor" / "land-110m.json"
WIDTH_PX: Final = 360
HEIGHT_PX: Final = 240
LEAST_SPAN_DEG: Final = 18.0  # of latitude; Natural Earth's 1:110 million shows nothing closer
MARGIN: Final = 1.6  # of the window, over the span of the sites
STEPS_DEG: Final = (5.0, 10.0, 20.0, 30.0)  # of the graticule
MOST_LINES: Final = 8
LARGEST_LATITUDE_DEG: Final = 84.0
TURN_DEG: Final = 360.0
NEAR_PX: Final = 14.0  # dots nearer than this have one label


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the graticule: from `(x0, y0)` to `(x1, y1)` in pixels, and its label."""

    x0: float
    y0: float
    x1: float
    y1: float
    label: str


@dataclass(frozen=True, slots=True)
class Dot:
    """A site, pixels; `names` of all sites whose label stands here, empty where another says it."""

    x: float
    y: float
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Locator:
    """A map, all in pixels.

    Attributes:
        width: of the map.
        height: of it.
        land: SVG path data.
        lines: meridians and parallels.
        dots: one a site.
    """

    width: int
    height: int
    land: str
    lines: tuple[Line, ...]
    dots: tuple[Dot, ...]


def draw_locator(sites: Sequence[Site]) -> Locator | None:
    """The map around all sites, equirectangular at their middle; None without sites.

    Land is Natural Earth's 1:110 million, as the package world-atlas gives it.
    """
    if not sites:
        return None
    view = _View.around([(site.frame.lon_deg, site.frame.lat_deg) for site in sites])
    points = [view.pixels(site.frame.lon_deg, site.frame.lat_deg) for site in sites]
    names = [site.name for site in sites]
    return Locator(
        WIDTH_PX, HEIGHT_PX, _land(view), tuple(_lines(view)), tuple(_dots(points, names))
    )


@dataclass(frozen=True, slots=True)
class _View:
    """The window of a map: its middle, degrees, and pixels a degree along x and y."""

    lon_deg: float
    lat_deg: float
    x_px: float
    y_px: float

    @classmethod
    def around(cls, places: Sequence[tuple[float, float]]) -> _View:
        """The window that holds places, the short way around the Earth."""
        first = places[0][0]
        lons = [first + _turned(lon - first) for lon, _ in places]
        lats = [lat for _, lat in places]
        lat = float(np.clip((min(lats) + max(lats)) / 2, -75.0, 75.0))
        shrink = math.cos(math.radians(lat))
        across = (max(lons) - min(lons)) * shrink * HEIGHT_PX / WIDTH_PX
        span = max(LEAST_SPAN_DEG, MARGIN * (max(lats) - min(lats)), MARGIN * across)
        y_px = HEIGHT_PX / span
        return cls((min(lons) + max(lons)) / 2, lat, y_px * shrink, y_px)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north, degrees; west and east may pass 180."""
        half_lon, half_lat = WIDTH_PX / 2 / self.x_px, HEIGHT_PX / 2 / self.y_px
        south, north = self.lat_deg - half_lat, self.lat_deg + half_lat
        return self.lon_deg - half_lon, south, self.lon_deg + half_lon, north

    def pixels(self, lon: float, lat: float) -> tuple[float, float]:
        """Where a place lies in the map."""
        x = WIDTH_PX / 2 + _turned(lon - self.lon_deg) * self.x_px
        return round(x, 1), round(HEIGHT_PX / 2 - (lat - self.lat_deg) * self.y_px, 1)


def _turned(degrees: float) -> float:
    """A difference of longitudes, -180 to 180."""
    return (degrees + TURN_DEG / 2) % TURN_DEG - TURN_DEG / 2


@cache
def _world() -> BaseGeometry:
    land = gpd.read_file(LAND_FILE).geometry.to_numpy()
    return shapely.union_all(shapely.make_valid(land))


def _land(view: _View) -> str:
    west, south, east, north = view.bounds
    told = []
    for turn in (-TURN_DEG, 0.0, TURN_DEG):  # the window may pass 180 degrees
        part = shapely.clip_by_rect(_world(), west + turn, south, east + turn, north)
        for polygon in shapely.get_parts(part):
            if polygon.geom_type != "Polygon":
                continue
            for ring in (polygon.exterior, *polygon.interiors):
                points = shapely.get_coordinates(ring)[:-1] - (turn + view.lon_deg, view.lat_deg)
                pixels = points * (view.x_px, -view.y_px) + (WIDTH_PX / 2, HEIGHT_PX / 2)
                told.append("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in pixels.tolist()) + "Z")
    return "".join(told)


def _lines(view: _View) -> Iterator[Line]:
    west, south, east, north = view.bounds
    step = next((s for s in STEPS_DEG if (east - west) / s <= MOST_LINES), STEPS_DEG[-1])
    for lon in np.arange(math.ceil(west / step), math.floor(east / step) + 1) * step:
        x = round(WIDTH_PX / 2 + (lon - view.lon_deg) * view.x_px, 1)
        yield Line(x, 0.0, x, float(HEIGHT_PX), _degrees(_turned(float(lon)), "E", "W"))
    for lat in np.arange(math.ceil(south / step), math.floor(north / step) + 1) * step:
        if abs(lat) <= LARGEST_LATITUDE_DEG:
            y = round(HEIGHT_PX / 2 - (lat - view.lat_deg) * view.y_px, 1)
            yield Line(0.0, y, float(WIDTH_PX), y, _degrees(float(lat), "N", "S"))


def _degrees(value: float, plus: str, minus: str) -> str:
    side = "" if value in (0.0, -TURN_DEG / 2) else plus if value > 0 else minus
    return f"{abs(value):g}°{side}"


def _dots(points: Sequence[tuple[float, float]], names: Sequence[str]) -> Iterator[Dot]:
    told: list[int] = []
    groups: dict[int, list[str]] = {}
    for i, point in enumerate(points):
        home = next((j for j in told if math.dist(points[j], point) < NEAR_PX), i)
        if home == i:
            told.append(i)
        groups.setdefault(home, []).append(names[i])
    for i, (x, y) in enumerate(points):
        yield Dot(x, y, tuple(groups.get(i, ())))
