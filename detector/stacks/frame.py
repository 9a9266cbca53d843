"""Metres on the ground of one scene, with the directions of shadow and lean."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.geometry.frames import FilePixels, SceneMetres
from detector.geometry.geodesy import GEOD, lonlat, to_lonlat_transformer
from detector.scenes.scene import Scene

Vector = NDArray[np.float64]

NORTH_SPAN_M = 500.0  # a long span keeps digits
UNKNOWN_LEAN = 0.15  # tan of a usual off-nadir angle, per axis: what a view that is not told adds


@dataclass(frozen=True, slots=True)
class GroundFrame:
    """The ground of a scene in metres: pixels times their size, x right, y down.

    Attributes:
        scale: `(2,)` metres a pixel along x and y.
        shadow: `(2,)` metres by which a point one metre high throws its shadow; None where the
            sun is not told, below the horizon, or north is unknown (no CRS).
        lean: `(2,)` metres by which a point one metre high is displaced in the image; zero where
            unknown.
        lean_known: whether the view is told.
        off_nadir_deg: of the view; None where unknown.
        lean_east_north: the lean on the map, metres east and north; NaN where unknown.
    """

    scale: Vector
    shadow: Vector | None
    lean: Vector
    lean_known: bool
    off_nadir_deg: float | None
    lean_east_north: tuple[float, float] = (float("nan"), float("nan"))

    @property
    def gsd_m(self) -> float:
        """Side of a square pixel of the same area."""
        return float(np.sqrt(self.scale[0] * self.scale[1]))

    def to_metres(self, points: FilePixels) -> SceneMetres:
        """Points `(..., 2)` of the file in metres."""
        return SceneMetres(points * self.scale)

    def to_pixels(self, points: SceneMetres) -> FilePixels:
        """Points `(..., 2)` in metres as pixels of the file."""
        return FilePixels(points / self.scale)

    @property
    def throw(self) -> Vector | None:
        """`(2,)` image metres from a top edge to the end of its shadow, per metre of height.

        A top at height z shows at `p + z lean`, its shadow falls at `p + z shadow`: the distance
        in the image is their difference, whatever the height of the ground.
        """
        return None if self.shadow is None else self.shadow - self.lean


def ground_frame(scene: Scene) -> GroundFrame | None:
    """The frame at the centre of a scene; None where its gsd is unknown."""
    info = scene.info
    if info.pixel_size is None:
        return None
    scale = np.array([info.pixel_size.x_m, info.pixel_size.y_m])
    north = _north(scene, scale)
    shadow, lean, known = None, np.zeros(2), False
    east_north = np.full(2, np.nan)
    elevation, azimuth = info.sun_elevation_deg, info.sun_azimuth_deg
    if north is not None:
        if elevation is not None and azimuth is not None and elevation > 0:
            shadow = -_turned(north, azimuth) / np.tan(np.deg2rad(elevation))
        tilt = abs(info.off_nadir_deg) if info.off_nadir_deg is not None else None
        if tilt is not None and (info.view_azimuth_deg is not None or tilt < 1.0):
            known = True
            towards = _turned(north, info.view_azimuth_deg or 0.0)
            lean = -towards * np.tan(np.deg2rad(tilt))
            azimuth_rad = np.deg2rad(info.view_azimuth_deg or 0.0)
            east_north = -np.tan(np.deg2rad(tilt)) * np.array(
                [np.sin(azimuth_rad), np.cos(azimuth_rad)]
            )
    on_map = (float(east_north[0]), float(east_north[1]))
    return GroundFrame(scale, shadow, lean, known, info.off_nadir_deg, on_map)


def _north(scene: Scene, scale: Vector) -> Vector | None:
    """Unit vector `(2,)` to true north; None without CRS."""
    info = scene.info
    if info.crs is None:
        return None
    centre = FilePixels(np.array([info.width / 2.0, info.height / 2.0]))
    lon, lat = lonlat(scene.to_map(centre), info.crs)
    north_lon, north_lat, _ = GEOD.fwd(lon, lat, 0.0, NORTH_SPAN_M)
    x, y = to_lonlat_transformer(info.crs).transform(north_lon, north_lat, direction="INVERSE")
    step = (scene.to_pixel(np.array([x, y])) - centre) * scale
    length = float(np.hypot(*step))
    return step / length if np.isfinite(length) and length > 0 else None


def _turned(north: Vector, azimuth_deg: float) -> Vector:
    """The unit vector at an azimuth, clockwise from north on the screen (y down)."""
    angle = np.deg2rad(azimuth_deg)
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([cos * north[0] - sin * north[1], sin * north[0] + cos * north[1]])
