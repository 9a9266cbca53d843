"""Exact areas of many pairs, against shapely."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from detector.boxes.areas import shared_areas, upright_corners
from detector.geometry.boxes import Corners, corners_from_xywhr, polygons

FAR = 30_000.0


def by_shapely(first: Corners, *others: Corners) -> np.ndarray:
    shapes = polygons(first)
    for other in others:
        shapes = shapely.intersection(shapes, polygons(other))
    return shapely.area(shapes)


def random_boxes(rng: np.random.Generator, count: int) -> Corners:
    sizes = rng.uniform([10, 2], [120, 60], (count, 2))
    centres = FAR + rng.uniform(0, 80, (count, 2))
    return corners_from_xywhr(np.column_stack([centres, sizes, rng.uniform(0, 3.2, count)]))


def test_ten_thousand_pairs_and_windows() -> None:
    rng = np.random.default_rng(0)
    a, b = random_boxes(rng, 10_000), random_boxes(rng, 10_000)
    low = FAR + rng.uniform(-40, 60, (10_000, 2))
    windows = upright_corners(low, low + rng.uniform(1, 90, (10_000, 2)))
    for shapes in ((a,), (a, b), (a, windows), (a, b, windows)):
        np.testing.assert_allclose(shared_areas(*shapes), by_shapely(*shapes), atol=1e-8)


box = st.tuples(
    st.integers(-30, 30),
    st.integers(-30, 30),
    st.integers(1, 60),
    st.integers(1, 40),
    st.sampled_from(np.deg2rad([0, 30, 45, 90, 137]).tolist()),
)


@given(box, box, st.sampled_from([0.0, 1e-12, 1e-9, 1e-7]))
def test_common_sides_and_corners(
    one: tuple[float, ...], other: tuple[float, ...], by: float
) -> None:
    a = corners_from_xywhr(np.array([one], float))
    b = corners_from_xywhr(np.array([other], float)) + by
    shared = by_shapely(a, b)[0]
    # GEOS 3.14 finds no area in (a & b) & a where sides fall together; so the truth is a & b.
    for shapes in ((a, b), (b, a), (a, b, a), (a, b, b), (b, a, a + by)):
        assert shared_areas(*shapes)[0] == pytest.approx(shared, abs=1e-5)


def test_apart_and_inside() -> None:
    small = upright_corners(np.array([[0.0, 0]]), np.array([[2.0, 2]]))
    large = upright_corners(np.array([[-5.0, -5]]), np.array([[9.0, 9]]))
    assert shared_areas(small, large) == [4.0]
    assert shared_areas(large, small) == [4.0]
    assert shared_areas(small, small + 2) == [0.0]
    assert shared_areas(small, small + 50) == [0.0]
    assert shared_areas(small[:0], small[:0]).shape == (0,)


slender = st.tuples(
    st.floats(-40, 40), st.floats(-40, 40), st.floats(2, 90), st.floats(2, 40), st.floats(0, 3.1)
)


@given(slender, slender, st.floats(-6, 6), st.floats(0.1, 8), st.floats(-1e4, 1e4))
def test_a_shared_area_knows_no_frame(
    one: tuple[float, ...], other: tuple[float, ...], angle: float, scale: float, shift: float
) -> None:
    a, b = (corners_from_xywhr(np.array([row])) for row in (one, other))
    shared = shared_areas(a, b)[0]
    assert shared == pytest.approx(by_shapely(a, b)[0], abs=1e-6)
    assert shared_areas(b, a)[0] == pytest.approx(shared, abs=1e-6)
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[cos, sin], [-sin, cos]])
    assert shared_areas(a @ turn, b @ turn)[0] == pytest.approx(shared, abs=1e-6)
    assert shared_areas(a + shift, b + shift)[0] == pytest.approx(shared, abs=1e-5)
    mirror = [box[:, ::-1] * [1, -1] for box in (a, b)]  # turned round, so that it stays clockwise
    assert shared_areas(*mirror)[0] == pytest.approx(shared, abs=1e-6)
    assert shared_areas(a * scale, b * scale)[0] == pytest.approx(scale**2 * shared, abs=1e-5)


def test_more_pairs_than_are_taken_at_once_keep_their_places() -> None:
    count = 2 * 2048 + 5
    size = np.arange(1.0, count + 1)
    squares = upright_corners(np.zeros((count, 2)), np.stack([size, np.full(count, 2.0)], axis=1))
    assert shared_areas(squares).tolist() == (2 * size).tolist()
    assert shared_areas(squares, squares[:1].repeat(count, 0)).tolist() == [2.0] * count


def test_a_rectangle_is_clockwise_from_its_low_corner() -> None:
    corners = upright_corners(np.array([[1.0, 2]]), np.array([[5.0, 9]]))
    assert corners.tolist() == [[[1, 2], [5, 2], [5, 9], [1, 9]]]
