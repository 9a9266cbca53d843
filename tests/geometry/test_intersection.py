"""Shared areas of polygon pairs, where the library is right and where it is not."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from detector.geometry.boxes import (
    corners_from_xywhr,
    intersection_areas,
    iou_pairs,
    polygons,
)


def drawn(rng: np.random.Generator, count: int) -> np.ndarray:
    rows = [
        rng.uniform(0, 1000, (count, 2)),
        rng.uniform(20, 80, count),
        rng.uniform(5, 20, count),
        rng.uniform(0, np.pi, count),
    ]
    return corners_from_xywhr(np.column_stack(rows))


@pytest.mark.parametrize("shift", [3e-15, 1e-14, 3e-14, 1e-12, 1e-9])
def test_boxes_that_differ_by_rounding_alone_share_all(shift: float) -> None:
    """GEOS 3.14 gives 0 for about one in a thousand of these."""
    rng = np.random.default_rng(0)
    corners = drawn(rng, 20_000)
    moved = corners + rng.normal(0, shift, (len(corners), 1, 2))
    one, other = polygons(corners), polygons(moved)
    np.testing.assert_allclose(intersection_areas(one, other), shapely.area(one), rtol=1e-6)
    assert iou_pairs(one, other).min() > 1 - 1e-6


@given(st.integers(0, 2**32 - 1))
def test_other_pairs_are_those_of_the_library(seed: int) -> None:
    rng = np.random.default_rng(seed)
    corners = drawn(rng, 50)
    near = corners + rng.normal(0, 8, (50, 1, 2))
    one, other = polygons(corners), polygons(near)
    expected = shapely.area(shapely.intersection(one, other))
    np.testing.assert_array_equal(intersection_areas(one, other), expected)
    whole = shapely.box(200, 200, 700, 700)
    np.testing.assert_array_equal(
        intersection_areas(one, whole), shapely.area(shapely.intersection(one, whole))
    )


def test_nothing_shared_is_nothing() -> None:
    left, right = shapely.box(0, 0, 1, 1), shapely.box(1, 0, 2, 1)
    empty = shapely.Polygon()
    assert intersection_areas(left, right).tolist() == [0.0]
    assert intersection_areas(left, empty).tolist() == [0.0]
    assert intersection_areas(np.zeros(0, object), np.zeros(0, object)).tolist() == []
