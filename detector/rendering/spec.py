"""What decides a rendered scene: place, layout, traffic, sky and sensor, as plain frozen values.

They are options of `detector data render` as well, so each says its range and one line of help.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from detector.errors import ConfigError
from detector.options import check_ranges, option

SECTOR_KINDS = (
    "container",
    "general",
    "bulk",
    "tanks",
    "piers",
    "marina",
    "natural",
    "railhead",
    "depot",
    "empty",
)
SENSOR_BITS = (8, 11, 16)


@dataclass(frozen=True, slots=True)
class PlaceSpec:
    """Where the scene lies."""

    crs: str = option("CRS of the raster, anything that pyproj reads", default="EPSG:32652")
    longitude_deg: float = option(
        "WGS84 longitude of the scene's centre", low=-180, high=180, default=130.30
    )
    latitude_deg: float = option(
        "WGS84 latitude of the scene's centre", low=-84, high=84, default=42.23
    )
    rotation_deg: float = option("rotation of the pixel grid; 0 is north up", default=0.0)


@dataclass(frozen=True, slots=True)
class LayoutSpec:
    """What is built where."""

    sectors: list[str] = option(
        "stretches of coast, as seen from the sea; empty: drawn; railhead alone has no water",
        choices=SECTOR_KINDS,
        default_factory=list,
    )
    sector_m: float = option("length of one stretch of coast, metres", above=50, default=520.0)
    coast_deg: float | None = option(
        "direction of the coast in the image, from x to y; null: drawn", default=None
    )
    land_fraction: float = option(
        "share of the scene on the land's side of the coast", low=0, high=1, default=0.5
    )
    breakwater: bool = option("a breakwater in front of the port", default=False)


@dataclass(frozen=True, slots=True)
class TrafficSpec:
    """What comes and goes."""

    berth_occupancy: float = option("share of berths taken", low=0, high=1, default=0.7)
    rafted: float = option("share of taken berths with a second ship", low=0, high=1, default=0.1)
    anchored_per_km2: float = option("ships at anchor per km2 of water", low=0, default=3.0)
    under_way_per_km2: float = option("ships under way per km2 of water", low=0, default=1.0)
    boats_per_km2: float = option("boats of 6 to 16 m per km2 of water", low=0, default=4.0)
    yard_fill: float = option("share of yard bays taken", low=0, high=1, default=0.7)
    tiers_max: int = option("most tiers in a yard", low=1, high=8, default=5)
    trucks: bool = option("lorries, with and without containers", default=True)


@dataclass(frozen=True, slots=True)
class SkySpec:
    """Time, light and weather."""

    acquired: str = option("time of acquisition, ISO 8601, UTC", default="2026-05-14T02:10:00Z")
    sun_elevation_deg: float = option("above the horizon", low=10, high=90, default=48.0)
    sun_azimuth_deg: float = option("from true north, clockwise", default=152.0)
    haze: float = option("0 clear, 1 nothing seen", low=0, high=0.9, default=0.06)
    cloud_fraction: float = option("share of the scene under cloud", low=0, high=0.95, default=0.0)
    wind_ms: float = option(
        "wind speed, metres a second: waves, crests", low=0, high=25, default=5.0
    )
    wind_from_deg: float = option("where the wind comes from, from true north", default=215.0)
    glint: float = option("sun glint: 0 none, 1 strong", low=0, high=1, default=0.3)
    water_rgb: list[int] | None = option(
        "colour of deep water, 0 to 255; null: drawn", low=0, high=255, default=None
    )

    def __post_init__(self) -> None:
        try:
            datetime.fromisoformat(self.acquired)
        except ValueError as error:
            raise ConfigError(
                f"sky.acquired={self.acquired}: needs a time such as 2026-05-14T02:10:00Z"
            ) from error
        if self.water_rgb is not None and len(self.water_rgb) != 3:
            raise ConfigError(f"sky.water_rgb={self.water_rgb}: needs three numbers")

    @property
    def time(self) -> datetime:
        """Time of acquisition, UTC; a time without a zone is UTC."""
        moment = datetime.fromisoformat(self.acquired)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class SensorSpec:
    """How the scene is measured."""

    bands: str = option("colour or panchromatic", choices=("rgb", "pan"), default="rgb")
    bits: int = option("8 (for the eye), 11 or 16 (linear, uint16)", low=8, high=16, default=8)
    off_nadir_deg: float = option("angle of view from the vertical", low=0, high=40, default=0.0)
    view_azimuth_deg: float = option("azimuth from scene to sensor", default=90.0)
    blur_px: float = option("sigma of the point spread, pixels", low=0, high=4, default=0.55)
    noise: float = option("noise at mid grey, 8-bit grey levels", low=0, high=40, default=2.0)
    shift_x_m: float = option(
        "error of geolocation along x: the content moves, the transform stays",
        low=-25,
        high=25,
        default=0.0,
    )
    shift_y_m: float = option("the same along y (down)", low=-25, high=25, default=0.0)
    nodata_fraction: float = option(
        "share cut off by a wedge without data", low=0, high=0.9, default=0.0
    )
    strip_seam: bool = option("a seam between two strips, with a jump in brightness", default=False)

    def __post_init__(self) -> None:
        if self.bits not in SENSOR_BITS:
            raise ConfigError(f"sensor.bits={self.bits}: a sensor has 8, 11 or 16 bits")

    @property
    def shift_m(self) -> NDArray[np.float64]:
        """Error of geolocation `(2,)`, metres along x and y."""
        return np.array([self.shift_x_m, self.shift_y_m])


@dataclass(frozen=True, slots=True)
class PortSpec:
    """Everything that decides a rendered scene, with a seed.

    Raises:
        ConfigError: a value is out of its range; the sentence names it.
    """

    name: str = option("name of the site, first part of the files' names", default="port")
    width: int = option("pixels", low=1, high=100_000, default=1024)
    height: int = option("pixels", low=1, high=100_000, default=1024)
    gsd_m: float = option("metres a pixel", low=0.2, high=12, default=0.5)
    place: PlaceSpec = field(default_factory=PlaceSpec)
    layout: LayoutSpec = field(default_factory=LayoutSpec)
    traffic: TrafficSpec = field(default_factory=TrafficSpec)
    sky: SkySpec = field(default_factory=SkySpec)
    sensor: SensorSpec = field(default_factory=SensorSpec)

    def __post_init__(self) -> None:
        check_ranges(self)

    @property
    def size_m(self) -> tuple[float, float]:
        """Width and height of the scene in metres."""
        return self.width * self.gsd_m, self.height * self.gsd_m
