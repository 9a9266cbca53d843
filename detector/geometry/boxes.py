"""Oriented boxes as corners: measures, order of corners, exact IoU.

Frame: pixels, x right, y down. Corners are clockwise as seen on the screen, first edge = length.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray
from shapely.geometry.base import BaseGeometry

from detector.errors import GeometryError

Corners: TypeAlias = NDArray[np.float64]
"""`(N, 4, 2)` pixel corners."""

EXACT_GRID: Final = 2.0**-30
"""Coordinates on it differ by 1e-9 of the unit from those given; areas are exact to 1e-6."""


def as_corners(values: ArrayLike) -> Corners:
    """Check and convert to `(N, 4, 2)` float64; an empty input becomes `(0, 4, 2)`.

    Raises:
        GeometryError: the shape is another or a coordinate is not finite.
    """
    corners = np.asarray(values, dtype=np.float64)
    if corners.size == 0:
        return np.zeros((0, 4, 2))
    if corners.ndim != 3 or corners.shape[1:] != (4, 2):
        raise GeometryError(f"corners have the shape (N, 4, 2), not {corners.shape}")
    if not np.isfinite(corners).all():
        first = int(np.flatnonzero(~np.isfinite(corners).all(axis=(1, 2)))[0])
        raise GeometryError(
            f"box {first} has a corner that is not finite: {corners[first].tolist()}"
        )
    return corners


def signed_areas(corners: Corners) -> NDArray[np.float64]:
    """Shoelace areas `(N,)` in square pixels: positive where clockwise on the screen (y down)."""
    x, y = corners[..., 0], corners[..., 1]
    cross = x * np.roll(y, -1, axis=-1) - np.roll(x, -1, axis=-1) * y
    return np.asarray(cross.sum(axis=-1) / 2.0)


def order_corners(corners: Corners) -> Corners:
    """The same boxes, clockwise, first edge = length.

    Which of the two ends comes first is fixed by geometry: the first corner is the one of the two
    candidates with the smaller (y, x), so that equal boxes have equal corners.

    Args:
        corners: `(N, 4, 2)`, neighbouring corners adjacent, any winding and start.

    Examples:
        >>> order_corners(np.array([[[0, 0], [0, 4], [2, 4], [2, 0]]], float))[0].tolist()
        [[2.0, 0.0], [2.0, 4.0], [0.0, 4.0], [0.0, 0.0]]
    """
    ordered = corners.copy()
    anticlockwise = signed_areas(ordered) < 0
    ordered[anticlockwise] = ordered[anticlockwise, ::-1]
    first, second = edge_lengths(ordered)
    sideways = second > first
    ordered[sideways] = np.roll(ordered[sideways], -1, axis=1)
    one, other = ordered[:, 0], ordered[:, 2]
    flip = (other[:, 1] < one[:, 1]) | ((other[:, 1] == one[:, 1]) & (other[:, 0] < one[:, 0]))
    ordered[flip] = np.roll(ordered[flip], -2, axis=1)
    return ordered


def edge_lengths(corners: Corners) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean lengths `(N,), (N,)` in pixels of the first and third, second and fourth edges."""
    edges = np.linalg.norm(np.roll(corners, -1, axis=1) - corners, axis=2)
    return (edges[:, 0] + edges[:, 2]) / 2.0, (edges[:, 1] + edges[:, 3]) / 2.0


def centres(corners: Corners) -> NDArray[np.float64]:
    """Centres `(N, 2)` in pixels."""
    return np.asarray(corners.mean(axis=1))


def envelopes(corners: Corners) -> NDArray[np.float64]:
    """Axis-aligned envelopes `(N, 4)`: x_min, y_min, x_max, y_max."""
    return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)


def corners_from_xywhr(xywhr: NDArray[np.floating]) -> Corners:
    """Corners of boxes given by centre, size and angle.

    Args:
        xywhr: `(N, 5)`: centre x, y, size along the axis, size across, angle in radians from x to
            y (clockwise on the screen).

    Returns:
        `(N, 4, 2)`, ordered as `order_corners` orders them.
    """
    x, y, along, across, angle = np.asarray(xywhr, dtype=np.float64).reshape(-1, 5).T
    axis = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    normal = np.stack([-axis[:, 1], axis[:, 0]], axis=1)
    centre = np.stack([x, y], axis=1)
    half_along, half_across = axis * along[:, None] / 2, normal * across[:, None] / 2
    corners = np.stack(
        [
            centre - half_along - half_across,
            centre + half_along - half_across,
            centre + half_along + half_across,
            centre - half_along + half_across,
        ],
        axis=1,
    )
    return order_corners(corners)


def polygons(corners: Corners) -> NDArray[np.object_]:
    """Shapely polygons `(N,)` of the boxes."""
    return np.asarray(shapely.polygons(corners)) if len(corners) else np.zeros(0, dtype=object)


def intersection_areas(
    a: NDArray[np.object_] | BaseGeometry, b: NDArray[np.object_] | BaseGeometry
) -> NDArray[np.float64]:
    """Exact areas `(N,)` that polygon pairs `a[i], b[i]` share.

    GEOS (3.14) says that two polygons share nothing where they differ by 1e-14 only, once in a
    thousand such pairs: where nothing is shared and yet the first holds a point of the second, it
    is asked again with coordinates on a grid of `2^-30` of the frame's unit.

    Args:
        a: `(N,)` valid shapely polygons, or one for all.
        b: the same.
    """
    shared = np.atleast_1d(shapely.area(shapely.intersection(a, b)))
    a, b = np.broadcast_arrays(np.atleast_1d(a), np.atleast_1d(b))
    empty = np.flatnonzero(shared == 0)
    wrong = empty[shapely.contains(a[empty], shapely.point_on_surface(b[empty]))]
    again = shapely.intersection(a[wrong], b[wrong], grid_size=EXACT_GRID)
    shared[wrong] = shapely.area(again)
    return np.asarray(shared)


def iou_pairs(a: NDArray[np.object_], b: NDArray[np.object_]) -> NDArray[np.float64]:
    """Exact IoU of polygon pairs `a[i], b[i]`.

    Args:
        a: `(N,)` valid shapely polygons.
        b: `(N,)`.

    Returns:
        `(N,)` in [0, 1]; 0 where both have no area.
    """
    shared = intersection_areas(a, b)
    union = shapely.area(a) + shapely.area(b) - shared
    return np.asarray(np.divide(shared, union, out=np.zeros(len(shared)), where=union > 0))


def iou_matrix(a: Corners, b: Corners) -> NDArray[np.float64]:
    """Exact polygon IoU of every pair.

    Args:
        a: `(N, 4, 2)` pixel corners, convex, any winding.
        b: `(M, 4, 2)`.

    Returns:
        `(N, M)` in [0, 1]; 0 where a polygon has no area.

    Raises:
        GeometryError: a polygon is not finite or not simple.
    """
    shapes_a, shapes_b = _simple_polygons(as_corners(a)), _simple_polygons(as_corners(b))
    matrix = np.zeros((len(shapes_a), len(shapes_b)))
    if matrix.size == 0:
        return matrix
    rows, cols = shapely.STRtree(shapes_b).query(shapes_a, predicate="intersects")
    matrix[rows, cols] = iou_pairs(shapes_a[rows], shapes_b[cols])
    return matrix


def envelope_iou(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """IoU `(N, M)` of axis-aligned boxes `(N, 4)`, `(M, 4)`: x_min, y_min, x_max, y_max."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.clip(high - low, 0.0, None).prod(axis=2)
    union = (
        (a[:, 2:] - a[:, :2]).prod(axis=1)[:, None] + (b[:, 2:] - b[:, :2]).prod(axis=1) - shared
    )
    return np.asarray(np.divide(shared, union, out=np.zeros_like(shared), where=union > 0))


def _simple_polygons(corners: Corners) -> NDArray[np.object_]:
    """Polygons of the boxes; those without area are empty, twisted ones are refused."""
    shapes = polygons(corners)
    # Not by signed areas: those of the lobes of a twisted box may cancel.
    flat = shapely.area(shapely.convex_hull(shapes)) < 1e-9
    twisted = ~shapely.is_valid(shapes) & ~flat
    if twisted.any():
        first = int(np.flatnonzero(twisted)[0])
        raise GeometryError(f"box {first} is not a simple polygon: {corners[first].tolist()}")
    shapes[flat] = shapely.Polygon()
    return shapes
