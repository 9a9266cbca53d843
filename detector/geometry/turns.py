"""Maps that begin again: shapes on either side of 180 degrees, however they are written.

In degrees, and in any cylindrical projection such as EPSG:3857, one place has many x, a turn of the
globe apart. A file may cut a shape at the border of its map, jump from one side to the other, or
count on beyond the border.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError, ProjError
from shapely.geometry.base import BaseGeometry

FULL_TURN_DEG: Final = 360.0
PROBES_DEG: Final = ((10.0, 0.0), (100.0, 0.0), (10.0, 40.0))  # longitude and latitude
ALIKE: Final = 1e-9  # of a step: how far apart they may be
SAME_POINT: Final = 1e-11  # of a turn, 0.4 mm: halves that were cut apart meet within it
LARGEST_SHARE: Final = 1 / 18  # of a turn, 20 degrees: no site is longer


@lru_cache(maxsize=64)
def turn_of(crs: str) -> float | None:
    """After how many units of x a map begins again; None where it does not.

    A map begins again where a degree of longitude is the same step of x everywhere: in degrees and
    in cylindrical projections.

    Args:
        crs: anything that pyproj reads.
    """
    try:
        to_map = Transformer.from_crs(CRS.from_epsg(4326), CRS.from_user_input(crs), always_xy=True)
    except (CRSError, ProjError):
        return None  # no map of the Earth
    longitude, latitude = np.array(PROBES_DEG).T
    here, _ = to_map.transform(longitude, latitude)
    there, _ = to_map.transform(longitude + 1.0, latitude)
    steps = np.subtract(there, here)
    if not np.isfinite(steps).all() or steps[0] <= 0:
        return None
    if np.abs(steps / steps[0] - 1.0).max() > ALIKE:
        return None
    return float(steps[0] * FULL_TURN_DEG)


def in_one_piece(shape: BaseGeometry, turn: float) -> BaseGeometry:
    """A shape that jumps or is cut at the border of its map, counting on beyond it.

    Args:
        shape: any; one that is no longer than half a turn stays as it is.
        turn: of its map.
    """
    west, _, east, _ = shape.bounds
    if not east - west > turn / 2:
        return shape
    middle = west + turn / 2

    def eastward(points: NDArray[np.float64]) -> NDArray[np.float64]:
        return points + _along_x((points[:, 0] < middle) * turn)

    moved = shapely.transform(shape, eastward)
    west, _, east, _ = moved.bounds
    if not 0 < east - west < LARGEST_SHARE * turn:
        return shape
    parts = shapely.get_parts(moved)
    if len(parts) == 1 or not shapely.is_valid(parts).all():
        return moved
    return shapely.union_all(parts, grid_size=SAME_POINT * turn)


def nearest_turn(shape: BaseGeometry, x: float, turn: float) -> BaseGeometry:
    """The same place, every part whole and in the turn that is nearest to an x.

    Args:
        shape: polygon or multipolygon, its parts smaller than half a turn.
        x: of the map.
        turn: of the map.
    """
    return shapely.MultiPolygon([_near(part, x, turn) for part in shapely.get_parts(shape)])


def _near(part: BaseGeometry, x: float, turn: float) -> BaseGeometry:
    first = shapely.get_coordinates(part)[0, 0]

    def whole(points: NDArray[np.float64]) -> NDArray[np.float64]:
        return points - _along_x(np.round((points[:, 0] - first) / turn) * turn)

    joined = shapely.transform(part, whole)
    turns = round((x - joined.centroid.x) / turn)
    return shapely.transform(joined, lambda points: np.add(points, [turns * turn, 0.0]))


def _along_x(shifts: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.stack([shifts, np.zeros(len(shifts))], axis=-1)
