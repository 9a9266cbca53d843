"""Measures on the ground, on the WGS84 ellipsoid, whatever the CRS."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS, Geod, Transformer

from detector.geometry.boxes import Corners

GEOD = Geod(ellps="WGS84")
GSD_SPAN_PX = 100  # a longer span than one pixel keeps digits for fine pixels in degrees


@dataclass(frozen=True, slots=True)
class PixelSize:
    """Ground size of a pixel in metres, along a row (`x_m`) and along a column (`y_m`)."""

    x_m: float
    y_m: float

    @property
    def gsd_m(self) -> float:
        """Geometric mean of both sides, the side of a square of the same area."""
        return float(np.sqrt(self.x_m * self.y_m))


@lru_cache(maxsize=64)
def to_lonlat_transformer(crs: str) -> Transformer:
    """Transformer from `crs` to WGS84 longitude and latitude, degrees."""
    return Transformer.from_crs(CRS.from_user_input(crs), CRS.from_epsg(4326), always_xy=True)


def local_crs(lon_deg: float, lat_deg: float) -> str:
    """Metres east and north of a place (azimuthal equidistant, WGS84), as PROJ reads it."""
    return f"+proj=aeqd +lat_0={lat_deg:.9f} +lon_0={lon_deg:.9f} +datum=WGS84 +units=m"


def lonlat(points: NDArray[np.float64], crs: str) -> NDArray[np.float64]:
    """Longitude and latitude in degrees of map points.

    Args:
        points: `(..., 2)` x, y in `crs`.
        crs: anything that pyproj reads.

    Returns:
        `(..., 2)`; infinite where the projection is not defined.
    """
    x, y = to_lonlat_transformer(crs).transform(points[..., 0], points[..., 1])
    return np.stack([np.asarray(x, np.float64), np.asarray(y, np.float64)], axis=-1)


def pixel_size(transform: Affine, crs: str, column: float, row: float) -> PixelSize | None:
    """Ground size of the pixel at `column, row`, by geodesic measure.

    Args:
        transform: pixel to map.
        crs: of the map.
        column: where to measure, pixel frame.
        row: where to measure, pixel frame.

    Returns:
        The size, or None where the CRS is not defined at that place.
    """
    half = GSD_SPAN_PX / 2.0
    pixels = np.array(
        [
            [(column - half, row), (column + half, row)],
            [(column, row - half), (column, row + half)],
        ]
    )
    ends = lonlat(apply_transform(transform, pixels), crs)
    if not np.isfinite(ends).all():
        return None
    _, _, metres = GEOD.inv(ends[:, 0, 0], ends[:, 0, 1], ends[:, 1, 0], ends[:, 1, 1])
    x_m, y_m = (np.asarray(metres) / GSD_SPAN_PX).tolist()
    return PixelSize(x_m, y_m) if x_m > 0 and y_m > 0 else None


def apply_transform(transform: Affine, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """`transform` applied to `(..., 2)` points."""
    x, y = points[..., 0], points[..., 1]
    return np.stack(
        [
            transform.a * x + transform.b * y + transform.c,
            transform.d * x + transform.e * y + transform.f,
        ],
        axis=-1,
    )


def box_measures(
    map_corners: Corners, crs: str
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Length, width and azimuth of oriented boxes on the ground.

    Args:
        map_corners: `(N, 4, 2)` corners in `crs`, first edge = length.
        crs: of the corners.

    Returns:
        `length_m, width_m, axis_deg`, each `(N,)`: geodesic lengths of the lines between the
        middles of opposite edges, and the azimuth of the length in [0, 180).
    """
    middles = lonlat((map_corners + np.roll(map_corners, -1, axis=1)) / 2.0, crs)
    lon, lat = middles[..., 0], middles[..., 1]
    azimuth, _, length_m = GEOD.inv(lon[:, 3], lat[:, 3], lon[:, 1], lat[:, 1])
    _, _, width_m = GEOD.inv(lon[:, 0], lat[:, 0], lon[:, 2], lat[:, 2])
    axis_deg = np.mod(np.asarray(azimuth, np.float64), 180.0)
    axis_deg[axis_deg >= 180.0] = 0.0  # -1e-15 modulo 180 is 180 itself
    return np.asarray(length_m, np.float64), np.asarray(width_m, np.float64), axis_deg
