"""What decides a rendered scene: place, layout, traffic, sky and sensor, as plain frozen values."""

from __future__ import annotations

from dataclasses import dataclass, field

from detector.errors import ConfigError

SECTOR_KINDS = (
    "container",
    "general",
    "bulk",
    "tanks",
    "piers",
    "marina",
    "natural",
    "railhead",
    "empty",
)
SENSOR_BANDS = ("rgb", "pan")
SENSOR_BITS = (8, 11, 16)
LIMITS = {
    "gsd_m": (0.2, 12.0),
    "land_fraction": (0.0, 1.0),
    "berth_occupancy": (0.0, 1.0),
    "yard_fill": (0.0, 1.0),
    "cloud_fraction": (0.0, 0.95),
    "nodata_fraction": (0.0, 0.9),
    "haze": (0.0, 0.9),
    "sun_elevation_deg": (10.0, 90.0),
    "off_nadir_deg": (0.0, 40.0),
}


@dataclass(frozen=True, slots=True)
class PlaceSpec:
    """Where the scene lies.

    Attributes:
        crs: CRS of the raster, anything that pyproj reads.
        longitude_deg: WGS84 longitude of the scene's centre.
        latitude_deg: WGS84 latitude of the scene's centre.
        rotation_deg: rotation of the pixel grid against the CRS; 0 is north up.
    """

    crs: str = "EPSG:32652"
    longitude_deg: float = 130.30
    latitude_deg: float = 42.23
    rotation_deg: float = 0.0


@dataclass(frozen=True, slots=True)
class LayoutSpec:
    """What is built where.

    Attributes:
        sectors: stretches of the coast from left to right as seen from the sea, of
            `SECTOR_KINDS`; empty: drawn from the seed. `railhead` alone is a scene without water.
        sector_m: length of one stretch along the coast, metres.
        coast_deg: direction of the coast in the pixel frame, from x to y; None: drawn.
        land_fraction: share of the scene on the land side of the coast.
        breakwater: a breakwater in front of the port.
    """

    sectors: tuple[str, ...] = ()
    sector_m: float = 520.0
    coast_deg: float | None = None
    land_fraction: float = 0.5
    breakwater: bool = False


@dataclass(frozen=True, slots=True)
class TrafficSpec:
    """What comes and goes.

    Attributes:
        berth_occupancy: share of berths that are taken.
        rafted: share of taken berths with a second ship outside the first.
        anchored_per_km2: ships at anchor per square kilometre of open water.
        under_way_per_km2: ships under way per square kilometre of open water.
        boats_per_km2: boats of 5 to 15 m per square kilometre of water.
        yard_fill: share of yard bays that hold containers.
        tiers_max: most tiers in a yard.
        trucks: parked trucks and containers on chassis.
    """

    berth_occupancy: float = 0.7
    rafted: float = 0.1
    anchored_per_km2: float = 3.0
    under_way_per_km2: float = 1.0
    boats_per_km2: float = 4.0
    yard_fill: float = 0.7
    tiers_max: int = 5
    trucks: bool = True


@dataclass(frozen=True, slots=True)
class SkySpec:
    """Time, light and weather.

    Attributes:
        acquired: time of acquisition, ISO 8601, UTC.
        sun_elevation_deg: above the horizon.
        sun_azimuth_deg: from true north, clockwise.
        haze: 0 clear, 1 nothing seen.
        cloud_fraction: share of the scene under cloud.
        wind_ms: wind speed, metres a second; sets waves and whitecaps.
        wind_from_deg: direction the wind comes from, from true north.
        glint: 0 none, 1 strong sun glint on the water.
        water_rgb: colour of deep water in display units; None: drawn.
    """

    acquired: str = "2026-05-14T02:10:00Z"
    sun_elevation_deg: float = 48.0
    sun_azimuth_deg: float = 152.0
    haze: float = 0.06
    cloud_fraction: float = 0.0
    wind_ms: float = 5.0
    wind_from_deg: float = 215.0
    glint: float = 0.25
    water_rgb: tuple[int, int, int] | None = None


@dataclass(frozen=True, slots=True)
class SensorSpec:
    """How the scene is measured.

    Attributes:
        bands: `rgb` or `pan`.
        bits: 8 (display values), 11 or 16 (linear, stored as uint16).
        off_nadir_deg: angle of view from the vertical; tall things lean.
        view_azimuth_deg: azimuth from the scene to the sensor, from true north.
        blur_px: sigma of the point spread function, pixels.
        noise: standard deviation of noise at mid grey, in 8-bit grey levels.
        shift_m: error of geolocation (x, y in pixel axes): the content moves, the transform stays.
        nodata_fraction: share of the scene cut off by a wedge without data.
        strip_seam: a seam between two strips, with a jump in brightness.
    """

    bands: str = "rgb"
    bits: int = 8
    off_nadir_deg: float = 0.0
    view_azimuth_deg: float = 90.0
    blur_px: float = 0.55
    noise: float = 2.0
    shift_m: tuple[float, float] = (0.0, 0.0)
    nodata_fraction: float = 0.0
    strip_seam: bool = False


@dataclass(frozen=True, slots=True)
class PortSpec:
    """Everything that decides a rendered scene, with a seed.

    Attributes:
        name: of the site; stem of the files.
        width: pixels.
        height: pixels.
        gsd_m: ground sample distance, metres a pixel.

    Raises:
        ConfigError: a value is out of its range; the sentence names it.
    """

    name: str = "port"
    width: int = 1024
    height: int = 1024
    gsd_m: float = 0.5
    place: PlaceSpec = field(default_factory=PlaceSpec)
    layout: LayoutSpec = field(default_factory=LayoutSpec)
    traffic: TrafficSpec = field(default_factory=TrafficSpec)
    sky: SkySpec = field(default_factory=SkySpec)
    sensor: SensorSpec = field(default_factory=SensorSpec)

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise ConfigError(f"a scene of {self.width} x {self.height} pixels holds nothing")
        for part in (self, self.layout, self.traffic, self.sky, self.sensor):
            for name in part.__dataclass_fields__:
                if name in LIMITS:
                    _check_range(name, getattr(part, name))
        _check_choices("layout.sectors", self.layout.sectors, SECTOR_KINDS)
        _check_choices("sensor.bands", (self.sensor.bands,), SENSOR_BANDS)
        _check_choices("sensor.bits", (self.sensor.bits,), SENSOR_BITS)

    @property
    def size_m(self) -> tuple[float, float]:
        """Width and height of the scene in metres."""
        return self.width * self.gsd_m, self.height * self.gsd_m


def _check_range(name: str, value: float) -> None:
    low, high = LIMITS[name]
    if not low <= value <= high:
        raise ConfigError(f"{name}={value} is out of range: {low} to {high}")


def _check_choices(name: str, values: tuple[object, ...], allowed: tuple[object, ...]) -> None:
    for value in values:
        if value not in allowed:
            raise ConfigError(f"{name}: {value!r} is none of {', '.join(map(str, allowed))}")
