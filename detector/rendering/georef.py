"""From the flat metres of a rendered scene to pixels, map coordinates, sun and view."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from detector.errors import ConfigError
from detector.geometry.geodesy import GEOD, apply_transform, pixel_size
from detector.rendering.spec import PlaceSpec, PortSpec

Vector = NDArray[np.float64]

METRES_PER_DEGREE = 111_000.0  # a first guess, measured and corrected


@dataclass(frozen=True, slots=True)
class SceneFrame:
    """The frame of one scene.

    Local metres: origin at the scene's top left corner, x along rows, y along columns, z up.

    Attributes:
        transform: pixel to map.
        crs: of the map.
        gsd_m: metres a pixel.
        north: `(2,)` unit vector to true north, local frame.
        shadow: `(2,)` metres that a point one metre high throws its shadow by.
        lean: `(2,)` metres that a point one metre high is displaced by in the image.
        sun_slope: metres that a sun ray climbs per metre on the ground.
    """

    transform: Affine
    crs: str
    gsd_m: float
    north: Vector
    shadow: Vector
    lean: Vector
    sun_slope: float

    def to_map(self, pixels: Vector) -> Vector:
        """Map coordinates `(..., 2)` of pixel points `(..., 2)`."""
        return apply_transform(self.transform, pixels)


def scene_frame(spec: PortSpec) -> SceneFrame:
    """The frame that a spec asks for."""
    transform = scene_transform(spec.place, (spec.width, spec.height), spec.gsd_m)
    north = _north(transform, spec.place.crs, spec.width / 2, spec.height / 2)
    elevation = np.deg2rad(spec.sky.sun_elevation_deg)
    towards_sun = _turned(north, spec.sky.sun_azimuth_deg)
    towards_sensor = _turned(north, spec.sensor.view_azimuth_deg)
    return SceneFrame(
        transform=transform,
        crs=spec.place.crs,
        gsd_m=spec.gsd_m,
        north=north,
        shadow=-towards_sun / np.tan(elevation),
        lean=-towards_sensor * np.tan(np.deg2rad(spec.sensor.off_nadir_deg)),
        sun_slope=float(np.tan(elevation)),
    )


def scene_transform(place: PlaceSpec, size: tuple[int, int], gsd_m: float) -> Affine:
    """Pixel to map, so that a pixel at the centre measures `gsd_m` on the ground in both axes.

    Args:
        place: centre, CRS and rotation.
        size: `(width, height)`, pixels.
        gsd_m: metres a pixel, geodesic.

    Raises:
        ConfigError: the CRS is not defined at the place.
    """
    crs = CRS.from_user_input(place.crs)
    to_crs = Transformer.from_crs(CRS.from_epsg(4326), crs, always_xy=True)
    x, y = to_crs.transform(place.longitude_deg, place.latitude_deg)
    guess = gsd_m / METRES_PER_DEGREE if crs.is_geographic else gsd_m
    measured = pixel_size(Affine(guess, 0.0, x, 0.0, -guess, y), place.crs, 0.0, 0.0)
    if measured is None:
        raise ConfigError(
            f"place.crs={place.crs} is not defined at longitude {place.longitude_deg}, latitude "
            f"{place.latitude_deg}; choose another CRS or place"
        )
    scale_x, scale_y = guess * gsd_m / measured.x_m, -guess * gsd_m / measured.y_m
    turn = np.deg2rad(place.rotation_deg)
    cos, sin = float(np.cos(turn)), float(np.sin(turn))
    a, b, d, e = scale_x * cos, -scale_x * sin, scale_y * sin, scale_y * cos
    half_x, half_y = size[0] / 2, size[1] / 2
    return Affine(a, b, x - a * half_x - b * half_y, d, e, y - d * half_x - e * half_y)


def _north(transform: Affine, crs: str, column: float, row: float) -> Vector:
    """Unit vector to true north in the pixel frame at a pixel."""
    lonlat = Transformer.from_crs(CRS.from_user_input(crs), CRS.from_epsg(4326), always_xy=True)
    lon, lat = lonlat.transform(*apply_transform(transform, np.array([column, row])))
    north_lon, north_lat, _ = GEOD.fwd(lon, lat, 0.0, 500.0)
    x, y = lonlat.transform(north_lon, north_lat, direction="INVERSE")
    there = np.array(apply_transform(~transform, np.array([x, y]))) - np.array([column, row])
    return np.asarray(there / np.linalg.norm(there))


def _turned(north: Vector, azimuth_deg: float) -> Vector:
    """The unit vector at an azimuth, clockwise from north on the screen (y down)."""
    angle = np.deg2rad(azimuth_deg)
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([cos * north[0] - sin * north[1], sin * north[0] + cos * north[1]])
