"""Rectangles around polygons and parts of rectangles inside a window."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from detector.geometry.boxes import Corners, as_corners, order_corners, polygons


def min_rectangles(outlines: Sequence[NDArray[np.floating]]) -> Corners:
    """Smallest rectangle around each polygon.

    Args:
        outlines: `N` arrays `(P, 2)` of pixels, `P` at least 3.

    Returns:
        `(N, 4, 2)`, ordered as `order_corners` orders them.

    Raises:
        GeometryError: a coordinate is not finite.
    """
    if not len(outlines):
        return as_corners([])
    rectangles = []
    for outline in outlines:
        points = np.asarray(outline, np.float64)
        # GEOS squares coordinates: a million pixels from the origin it is 1e-4 pixels off
        origin = points.mean(axis=0)
        if np.isfinite(origin).all():
            shape = shapely.oriented_envelope(shapely.MultiPoint(points - origin))
            rectangles.append(_corners_of(shape) + origin)
        else:
            rectangles.append(np.tile(origin, (4, 1)))  # refused below, by its number
    return order_corners(as_corners(rectangles))


def _corners_of(shape: BaseGeometry) -> NDArray[np.float64]:
    """Corners `(4, 2)`; what has no area comes as a line or a point, and goes there and back."""
    ring = np.asarray(shapely.get_coordinates(shape))
    if len(ring) == 5:
        return ring[:4]
    first, last = ring[0], ring[-1]
    return np.stack([first, last, last, first])


def clip_to_window(
    corners: Corners, bounds: tuple[float, float, float, float]
) -> tuple[Corners, NDArray[np.float64]]:
    """Each box cut down to the part inside a window, its axes kept.

    The cut box is the extent, along and across the box's own axes, of the part inside, so that a
    ship cut by a border keeps its width and direction and loses length.

    Args:
        corners: `(N, 4, 2)` rectangles.
        bounds: `(x_min, y_min, x_max, y_max)`.

    Returns:
        `(N, 4, 2)` cut boxes, the first edge still along the first edge of the input (boxes
        without a part inside are unchanged), and `(N,)` the share of each area inside.
    """
    if not len(corners):
        return as_corners([]), np.zeros(0)
    whole = polygons(corners)
    parts = shapely.intersection(whole, shapely.box(*bounds))
    areas = shapely.area(whole)
    share = np.divide(shapely.area(parts), areas, out=np.zeros(len(corners)), where=areas > 0)
    cut = corners.copy()
    for index in np.flatnonzero((share > 0) & (share < 1 - 1e-9)):
        cut[index] = _extent_along(corners[index], shapely.get_coordinates(parts[index]))
    return cut, share


def _extent_along(box: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rectangle with the axes of `box` around `points`."""
    along = box[1] - box[0]
    along = along / max(float(np.linalg.norm(along)), 1e-9)
    across = np.array([-along[1], along[0]])
    u, v = points @ along, points @ across
    corner = [(u.min(), v.min()), (u.max(), v.min()), (u.max(), v.max()), (u.min(), v.max())]
    return np.array([a * along + b * across for a, b in corner])
