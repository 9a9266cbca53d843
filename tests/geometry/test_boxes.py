"""Boxes as corners: order, measures, exact IoU; by symmetry, against shapely, and refused input."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from detector.errors import GeometryError
from detector.geometry.boxes import (
    Corners,
    as_corners,
    centres,
    corners_from_xywhr,
    edge_lengths,
    envelopes,
    intersection_areas,
    iou_matrix,
    iou_pairs,
    order_corners,
    polygons,
    signed_areas,
)

angles = st.floats(-7, 7)
rows = st.tuples(st.floats(-60, 60), st.floats(-60, 60), st.floats(5, 80), st.floats(5, 80), angles)
SQUARE = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]


def one(row: tuple[float, ...]) -> Corners:
    return corners_from_xywhr(np.array([row], float))


def turn(angle: float) -> np.ndarray:
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, sin], [-sin, cos]])


# Input ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values", [[[0.0, 0, 1, 1]], np.zeros((4, 2)), np.zeros((2, 3, 2)), np.zeros((2, 4, 3)), 5.0]
)
def test_other_shapes_are_refused(values: object) -> None:
    with pytest.raises(GeometryError, match=r"shape \(N, 4, 2\), not"):
        as_corners(values)  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [(1, 0, 0), (1, 3, 1), (2, 2, 0)])
def test_a_corner_that_is_no_number_is_named(bad: float, place: tuple[int, ...]) -> None:
    values = np.array([SQUARE] * 3)
    values[place] = bad
    with pytest.raises(GeometryError, match=f"box {place[0]} has a corner that is not finite"):
        as_corners(values)


def test_nothing_is_no_boxes() -> None:
    assert as_corners([]).shape == (0, 4, 2)
    assert as_corners(np.zeros((0, 9))).shape == (0, 4, 2)
    assert polygons(np.zeros((0, 4, 2))).tolist() == []
    assert iou_matrix(np.zeros((0, 4, 2)), np.array([SQUARE])).shape == (0, 1)
    assert iou_matrix(np.array([SQUARE]), np.zeros((0, 4, 2))).shape == (1, 0)
    assert as_corners([SQUARE]).dtype == np.float64


# Order ------------------------------------------------------------------------------------------


@given(rows, st.integers(0, 3), st.booleans())
def test_a_box_has_one_order_whatever_its_ring(
    row: tuple[float, ...], start: int, backwards: bool
) -> None:
    assume(abs(row[2] - row[3]) > 1e-3)
    box = one(row)
    ring = np.roll(box, start, axis=1)[:, :: -1 if backwards else 1]
    assert order_corners(ring) == pytest.approx(box)
    assert signed_areas(box)[0] == pytest.approx(row[2] * row[3])  # clockwise: positive
    length, width = edge_lengths(box)
    assert length[0] == pytest.approx(max(row[2:4]))
    assert width[0] == pytest.approx(min(row[2:4]))
    first, opposite = box[0, 0], box[0, 2]
    assert (first[1], first[0]) <= (opposite[1] + 1e-9, opposite[0] + 1e-9)


def test_ends_on_one_height_go_by_x() -> None:
    """A box of 4√5 by 2√5 whose first and third corner lie on row 3, of whole numbers."""
    box = np.array([[[100.0, 3], [108, -1], [110, 3], [102, 7]]])
    for start in range(4):
        assert np.array_equal(order_corners(np.roll(box, start, axis=1)), box)


def test_order_leaves_its_input_alone() -> None:
    ring = np.array([SQUARE])[:, ::-1].copy()
    before = ring.copy()
    order_corners(ring)
    assert np.array_equal(ring, before)


@given(rows)
def test_half_a_turn_and_swapped_sides_are_the_same_box(row: tuple[float, ...]) -> None:
    assume(abs(row[2] - row[3]) > 1e-3)
    x, y, along, across, angle = row
    box = one(row)
    # Where both ends lie on one height, rounding may choose the other.
    assume(abs(box[0, 0, 1] - box[0, 2, 1]) > 1e-6)
    assert one((x, y, along, across, angle + np.pi)) == pytest.approx(box, abs=1e-9)
    assert one((x, y, across, along, angle + np.pi / 2)) == pytest.approx(box, abs=1e-9)


def test_an_angle_goes_from_x_to_y() -> None:
    """30 degrees clockwise on the screen: the bow of a box of 20 px lies 10 px right, 5 down."""
    box = one((100, 50, 20, 4, np.pi / 6))
    bow = (box[0, 1] + box[0, 2]) / 2
    stern = (box[0, 0] + box[0, 3]) / 2
    assert bow.tolist() == pytest.approx([100 + 10 * np.cos(np.pi / 6), 55.0])
    assert stern.tolist() == pytest.approx([100 - 10 * np.cos(np.pi / 6), 45.0])


# Measures ---------------------------------------------------------------------------------------


@given(rows, st.floats(-500, 500), st.floats(-500, 500), angles, st.floats(0.1, 9))
def test_measures_follow_the_box(
    row: tuple[float, ...], dx: float, dy: float, angle: float, scale: float
) -> None:
    box = one(row)
    length, width = edge_lengths(box)
    area = signed_areas(box)
    for other, grown in (
        (box + np.array([dx, dy]), 1.0),
        (box @ turn(angle), 1.0),
        (box[:, ::-1] * [1, -1], 1.0),
        (box * scale, scale),
    ):
        again = order_corners(other)
        assert edge_lengths(again)[0] == pytest.approx(grown * length)
        assert edge_lengths(again)[1] == pytest.approx(grown * width)
        assert signed_areas(again) == pytest.approx(grown**2 * area, rel=1e-6)
    assert centres(box + np.array([dx, dy])) == pytest.approx(centres(box) + np.array([dx, dy]))
    assert centres(box)[0] == pytest.approx(row[:2], abs=1e-9)
    assert signed_areas(box * [1, -1]) == pytest.approx(-area)
    assert envelopes(box)[0] == pytest.approx(polygons(box)[0].bounds)
    assert abs(area[0]) == pytest.approx(polygons(box)[0].area)


def test_edges_of_a_box_that_is_no_rectangle_are_means() -> None:
    box = np.array([[[0.0, 0], [4, 0], [6, 3], [0, 3]]])
    length, width = edge_lengths(box)
    assert length[0] == pytest.approx((4 + 6) / 2)
    assert width[0] == pytest.approx((np.hypot(2, 3) + 3) / 2)
    assert centres(box).tolist() == [[2.5, 1.5]]


# IoU --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ((0, 0, 40, 10, 0.0), 1.0),
        ((20, 0, 40, 10, 0.0), 1 / 3),
        ((0, 5, 40, 10, 0.0), 1 / 3),
        ((0, 0, 20, 10, 0.0), 0.5),  # inside
        ((0, 0, 40, 10, np.pi / 2), 100 / 700),  # a cross
        ((40, 0, 40, 10, 0.0), 0.0),  # touches
        ((90, 0, 40, 10, 0.0), 0.0),
    ],
)
def test_iou_by_hand(other: tuple[float, ...], expected: float) -> None:
    a, b = one((0, 0, 40, 10, 0.0)), one(other)
    assert iou_matrix(a, b)[0, 0] == pytest.approx(expected, abs=1e-12)
    assert iou_pairs(polygons(a), polygons(b)) == pytest.approx([expected], abs=1e-12)


def test_a_square_turned_by_an_eighth_shares_an_octagon() -> None:
    """2 (√2 - 1) of the square's area: IoU 0.7071, where ProbIoU says 1."""
    a, b = one((0, 0, 10, 10, 0.0)), one((0, 0, 10, 10, np.pi / 4))
    octagon = 2 * (np.sqrt(2) - 1)
    assert iou_matrix(a, b)[0, 0] == pytest.approx(octagon / (2 - octagon))


@settings(max_examples=40)
@given(st.lists(rows, min_size=1, max_size=5), st.lists(rows, min_size=1, max_size=5))
def test_iou_of_all_pairs_is_that_of_shapely(
    first: list[tuple[float, ...]], second: list[tuple[float, ...]]
) -> None:
    a, b = corners_from_xywhr(np.array(first)), corners_from_xywhr(np.array(second))
    found = iou_matrix(a, b)
    assert found.shape == (len(first), len(second))
    for i, p in enumerate(polygons(a)):
        for j, q in enumerate(polygons(b)):
            expected = p.intersection(q).area / p.union(q).area
            assert found[i, j] == pytest.approx(expected, abs=1e-6)
    assert pytest.approx(found, abs=1e-9) == iou_matrix(b, a).T


@settings(max_examples=50)
@given(rows, rows, angles, st.floats(0.2, 5), st.floats(-300, 300))
def test_iou_knows_no_frame(
    first: tuple[float, ...], second: tuple[float, ...], angle: float, scale: float, shift: float
) -> None:
    a, b = one(first), one(second)
    iou = iou_matrix(a, b)[0, 0]
    for change in (
        lambda box: box + np.array([shift, -shift]),
        lambda box: box @ turn(angle),
        lambda box: box * [1, -1],
        lambda box: box * scale,
        lambda box: box * [scale, 1.0],  # stretched along one axis too: areas go alike
    ):
        assert iou_matrix(change(a), change(b))[0, 0] == pytest.approx(iou, abs=1e-6)


def test_what_has_no_area_shares_nothing_and_what_is_twisted_is_refused() -> None:
    square = np.array([SQUARE])
    line = np.array([[[0.0, 0], [1, 0], [1, 0], [0, 0]]])
    assert iou_matrix(line, square).tolist() == [[0.0]]
    assert iou_matrix(line, line).tolist() == [[0.0]]
    empty = np.array([shapely.Polygon()])
    assert iou_pairs(empty, empty).tolist() == [0.0]
    twisted = np.array([SQUARE, [[0.0, 0], [2, 0], [0, 1], [2, 2]]])
    with pytest.raises(GeometryError, match="box 1 is not a simple polygon"):
        iou_matrix(square, twisted)
    with pytest.raises(GeometryError, match=r"shape \(N, 4, 2\)"):
        iou_matrix(np.zeros((1, 3, 2)), square)
    with pytest.raises(GeometryError, match="not finite"):
        iou_matrix(square, np.full_like(square, np.inf))


def test_one_shape_for_many() -> None:
    boxes = corners_from_xywhr(
        np.array([[5.0, 5, 10, 10, 0], [10, 5, 10, 10, 0], [50, 5, 9, 9, 0]])
    )
    window = shapely.box(0, 0, 10, 10)
    assert intersection_areas(polygons(boxes), window).tolist() == [100.0, 50.0, 0.0]
    assert intersection_areas(window, polygons(boxes)).tolist() == [100.0, 50.0, 0.0]
