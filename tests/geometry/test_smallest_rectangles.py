"""Smallest rectangles, against every direction tried, and where there is no area."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from detector.boxes.areas import upright_corners
from detector.errors import GeometryError
from detector.geometry.boxes import edge_lengths, envelope_iou, iou_matrix
from detector.geometry.rectangles import min_rectangles


def tried(points: NDArray[np.float64]) -> float:
    """Least area over the directions of all pairs of points, one of which is a hull's side."""
    sides = (points[:, None] - points[None]).reshape(-1, 2)
    sides = sides[np.hypot(*sides.T) > 1e-9]
    along = sides / np.hypot(*sides.T)[:, None]
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    return float((np.ptp(along @ points.T, axis=1) * np.ptp(across @ points.T, axis=1)).min())


@given(st.integers(0, 2**32 - 1), st.integers(3, 12), st.floats(0, 1e6))
def test_no_rectangle_around_the_points_is_smaller(seed: int, count: int, far: float) -> None:
    points = np.random.default_rng(seed).uniform(0, 100, (count, 2))
    (found,) = min_rectangles([points + far])
    one, other = edge_lengths(found[None])
    assert one[0] >= other[0]
    np.testing.assert_allclose(one[0] * other[0], tried(points), rtol=1e-6, atol=1e-4)
    around = shapely.Polygon(found - far).buffer(1e-6)
    assert shapely.covers(around, shapely.points(points)).all()


def test_rectangles_keep_the_order_of_their_outlines() -> None:
    sizes = np.array([(30, 10), (8, 20), (5, 5)], float)
    outlines = [
        np.array([(0, 0), (w, 0), (w, h), (0, h), (w / 2, h)]) + i * 100
        for i, (w, h) in enumerate(sizes)
    ]
    found = min_rectangles(outlines)
    one, other = edge_lengths(found)
    assert one.tolist() == [30, 20, 5]
    assert other.tolist() == [10, 8, 5]
    centres = np.array([100 * i + size / 2 for i, size in enumerate(sizes)])
    np.testing.assert_allclose(found.mean(axis=1), centres)


def test_points_on_a_line_give_a_rectangle_without_width() -> None:
    line = np.array([(0, 0), (3, 4), (6, 8)], float)
    point = np.full((4, 2), 7.0)
    found = min_rectangles([line, point])
    one, other = edge_lengths(found)
    assert one.tolist() == [10, 0]
    assert other.tolist() == [0, 0]
    assert sorted(map(tuple, found[0].tolist())) == [(0, 0), (0, 0), (6, 8), (6, 8)]
    assert (found[1] == 7).all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_corner_that_is_no_number_is_refused(value: float) -> None:
    outlines = [np.eye(3, 2), np.array([(0, 0), (value, 1), (3, 4)])]
    with pytest.raises(GeometryError, match="box 1 has a corner that is not finite"):
        min_rectangles(outlines)


def test_no_outlines_give_no_rectangles() -> None:
    assert min_rectangles([]).shape == (0, 4, 2)


def test_envelopes_share_what_their_polygons_share() -> None:
    low = np.random.default_rng(5).uniform(0, 50, (40, 2))
    high = low + np.random.default_rng(6).uniform(0, 30, (40, 2))
    boxes = np.concatenate([low, high], axis=1)
    corners = upright_corners(low, high)
    found = envelope_iou(boxes, boxes[:15])
    np.testing.assert_allclose(found, iou_matrix(corners, corners[:15]), atol=1e-12)
    assert (np.diag(found) == 1).all()
    assert envelope_iou(np.zeros((1, 4)), boxes).tolist() == [[0.0] * 40]
