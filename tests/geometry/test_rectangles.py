"""Smallest rectangles and boxes cut by a window, against shapely and by symmetry."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from detector.errors import GeometryError
from detector.geometry.boxes import (
    Corners,
    centres,
    corners_from_xywhr,
    edge_lengths,
    signed_areas,
)
from detector.geometry.rectangles import clip_to_window, min_rectangles

FAR = 40_000.0
coordinate = st.floats(-50, 50)
outlines = st.lists(st.tuples(coordinate, coordinate), min_size=3, max_size=9)
slender = st.tuples(
    st.floats(-40, 40), st.floats(-40, 40), st.floats(20, 80), st.floats(4, 18), st.floats(0, 3.1)
)


def one(row: tuple[float, ...]) -> Corners:
    return corners_from_xywhr(np.array([row], float))


# Smallest rectangles ----------------------------------------------------------------------------


@given(outlines)
def test_the_smallest_rectangle_is_that_of_shapely(points: list[tuple[float, float]]) -> None:
    hull = shapely.MultiPoint(points).convex_hull
    assume(hull.geom_type == "Polygon" and hull.area > 1.0)
    found = min_rectangles([np.array(points)])
    expected = shapely.minimum_rotated_rectangle(hull)
    assert abs(signed_areas(found)[0]) == pytest.approx(expected.area, rel=1e-3, abs=1e-2)
    assert shapely.Polygon(found[0]).buffer(1e-3).covers(hull)


@settings(max_examples=50)
@given(slender, st.integers(0, 3), st.booleans())
def test_a_rectangle_is_its_own(row: tuple[float, ...], start: int, backwards: bool) -> None:
    box = one(row)
    ring = np.roll(box[0], start, axis=0)[:: -1 if backwards else 1]
    assert min_rectangles([ring])[0] == pytest.approx(box[0], abs=1e-3)


@given(slender)
def test_far_from_the_origin_it_keeps_its_digits(row: tuple[float, ...]) -> None:
    box = one(row)
    assert min_rectangles([box[0] + FAR])[0] - FAR == pytest.approx(box[0], abs=1e-3)


@settings(max_examples=50)
@given(outlines, st.floats(0, 6.3), st.floats(0.2, 5))
def test_it_turns_and_grows_with_its_outline(
    points: list[tuple[float, float]], angle: float, scale: float
) -> None:
    assume(shapely.MultiPoint(points).convex_hull.area > 1.0)
    ring = np.array(points)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    mirrored = ring * [1, -1]
    area = signed_areas(min_rectangles([ring]))[0]
    for other in (ring @ turn, mirrored, ring + np.array([7.0, -3.0])):
        assert signed_areas(min_rectangles([other]))[0] == pytest.approx(area, rel=1e-3, abs=1e-2)
    grown = signed_areas(min_rectangles([scale * ring]))[0]
    assert grown == pytest.approx(scale**2 * area, rel=1e-3, abs=1e-2)


def test_many_outlines_and_none() -> None:
    triangle, square = (
        np.array([[0.0, 0], [8, 0], [0, 4]]),
        np.array([[0, 0], [3, 0], [3, 3], [0, 3]]),
    )
    found = min_rectangles([triangle, square])
    assert signed_areas(found).tolist() == pytest.approx([32.0, 9.0], rel=1e-6)
    assert min_rectangles([]).shape == (0, 4, 2)


def test_a_corner_that_is_no_number_is_refused() -> None:
    with pytest.raises(GeometryError, match="box 0 has a corner that is not finite"):
        min_rectangles([np.array([[0.0, 0], [np.nan, 1], [3, 4]])])


# Cut by a window --------------------------------------------------------------------------------

WINDOW = (0.0, 0.0, 100.0, 60.0)


@pytest.mark.parametrize(
    ("row", "expected", "share"),
    [
        ((50, 30, 40, 10, 0.0), (30, 25, 70, 35), 1.0),  # inside
        ((0, 30, 40, 10, 0.0), (0, 25, 20, 35), 0.5),
        ((95, 30, 40, 10, 0.0), (75, 25, 100, 35), 0.625),
        ((50, 58, 40, 10, 0.0), (30, 53, 70, 60), 0.7),
        ((50, -3, 40, 10, 0.0), (30, 0, 70, 2), 0.2),
        ((0, 0, 40, 10, 0.0), (0, 0, 20, 5), 0.25),
        ((50, 30, 400, 10, 0.0), (0, 25, 100, 35), 0.25),  # through both borders
    ],
)
def test_an_upright_box_is_cut_to_what_is_inside(
    row: tuple[float, ...], expected: tuple[float, ...], share: float
) -> None:
    cut, shares = clip_to_window(one(row), WINDOW)
    assert shapely.Polygon(cut[0]).bounds == pytest.approx(expected)
    assert signed_areas(cut)[0] == pytest.approx(400 * share * (10 if row[2] == 400 else 1))
    assert shares[0] == pytest.approx(share)


def test_a_box_outside_or_touching_from_outside_stays_as_it_is() -> None:
    boxes = np.concatenate([one((-50, 30, 40, 10, 0.2)), one((-20, 30, 40, 10, 0.0))])
    cut, share = clip_to_window(boxes, WINDOW)
    assert np.array_equal(cut, boxes)
    assert share.tolist() == [0.0, 0.0]
    none, shares = clip_to_window(np.zeros((0, 4, 2)), WINDOW)
    assert (none.shape, shares.tolist()) == ((0, 4, 2), [])
    flat = np.array([[[10.0, 10], [20, 10], [20, 10], [10, 10]]])
    cut, share = clip_to_window(flat, WINDOW)
    assert share.tolist() == [0.0]
    assert np.array_equal(cut, flat)


def test_a_ship_cut_along_its_length_keeps_width_and_direction() -> None:
    """60 px at 0.3 rad across the right border: the visible part is longer than its middle line."""
    box = one((95, 30, 60, 8, 0.3))
    cut, share = clip_to_window(box, WINDOW)
    inside = shapely.intersection(shapely.Polygon(box[0]), shapely.box(*WINDOW))
    assert share[0] == pytest.approx(inside.area / 480, rel=1e-9)
    # From the stern to where the far side meets x = 100.
    length, width = edge_lengths(cut)
    assert width[0] == pytest.approx(8.0)
    assert length[0] == pytest.approx(30 + 5 / np.cos(0.3) + 4 * np.tan(0.3))
    edge = cut[0, 1] - cut[0, 0]
    assert np.arctan2(edge[1], edge[0]) == pytest.approx(0.3)


@settings(max_examples=60)
@given(slender)
def test_a_cut_box_is_the_least_of_its_axes_around_what_is_inside(row: tuple[float, ...]) -> None:
    box = one(row)
    window = shapely.box(-20, -15, 30, 25)
    inside = shapely.intersection(shapely.Polygon(box[0]), window)
    cut, share = clip_to_window(box, window.bounds)
    assert share[0] == pytest.approx(inside.area / signed_areas(box)[0], abs=1e-9)
    if not 0 < share[0] < 1 - 1e-9:
        assert np.array_equal(cut, box)
        return
    first, other = box[0, 1] - box[0, 0], cut[0, 1] - cut[0, 0]
    assert first @ other >= 0  # the first edge stays the first
    axis = first / np.linalg.norm(first)
    normal = np.array([-axis[1], axis[0]])
    seen = shapely.get_coordinates(inside)
    for side in (axis, normal):
        assert (cut[0] @ side).min() == pytest.approx((seen @ side).min(), abs=1e-9)
        assert (cut[0] @ side).max() == pytest.approx((seen @ side).max(), abs=1e-9)
    assert shapely.Polygon(cut[0]).buffer(1e-6).covers(inside)


@given(slender, st.floats(-200, 200), st.floats(-200, 200))
def test_cutting_moves_and_mirrors_with_box_and_window(
    row: tuple[float, ...], dx: float, dy: float
) -> None:
    box, bounds = one(row), np.array([-20.0, -15, 30, 25])
    cut, share = clip_to_window(box, tuple(bounds))
    shift = np.array([dx, dy])
    moved, moved_share = clip_to_window(box + shift, tuple(bounds + np.tile(shift, 2)))
    assert moved_share == pytest.approx(share, abs=1e-9)
    if min(share[0], 1 - share[0]) > 1e-6:  # at the ends rounding decides whether it is cut
        assert moved - shift == pytest.approx(cut, abs=1e-6)
    mirrored, mirrored_share = clip_to_window(box * [1, -1], (-20.0, -25.0, 30.0, 15.0))
    assert mirrored_share == pytest.approx(share, abs=1e-9)
    if min(share[0], 1 - share[0]) > 1e-6:
        assert centres(mirrored) * [1, -1] == pytest.approx(centres(cut), abs=1e-6)
