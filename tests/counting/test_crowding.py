"""Gaps and rafts by hand, and against brute force."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from detector.counting.crowding import (
    FAR_WIDTHS,
    MARINA_BOXES,
    RAFT_WIDTHS,
    WATERS,
    find_crowding,
)
from detector.geometry.boxes import corners_from_xywhr, polygons

numbers = st.integers(0, 60)


def row(count: int, gap: float) -> np.ndarray:
    """Boxes of 40 by 10 side by side, with clear gaps of so many pixels."""
    return corners_from_xywhr(
        np.array([(0.0, i * (10 + gap), 40, 10, 0) for i in range(count)], float)
    )


def test_gaps_in_widths_and_kinds_of_water() -> None:
    assert find_crowding(row(1, 0)).gap_widths.tolist() == [FAR_WIDTHS]
    assert find_crowding(row(2, 5)).gap_widths.tolist() == pytest.approx([0.5, 0.5])
    assert find_crowding(row(2, 39)).gap_widths.tolist() == pytest.approx([3.9, 3.9])
    assert find_crowding(row(2, 41)).gap_widths.tolist() == [FAR_WIDTHS] * 2
    kinds = {
        (1, 0.0): "open",
        (2, 41.0): "open",
        (2, 39.0): "berth",
        (5, 5.0): "berth",
        (6, 14.0): "marina",
        (6, 16.0): "berth",
    }
    for (count, gap), water in kinds.items():
        found = find_crowding(row(count, gap)).water
        assert [WATERS[i] for i in found] == [water] * count
    assert find_crowding(row(0, 0)).water.tolist() == []
    assert MARINA_BOXES == 6


@given(st.lists(st.tuples(numbers, numbers, st.integers(1, 3), st.integers(0, 3)), max_size=12))
def test_crowding_is_that_of_brute_force(boxes: list[tuple[int, int, int, int]]) -> None:
    corners = corners_from_xywhr(
        np.array([(x, y, 9, w, turn * 0.7) for x, y, w, turn in boxes], float).reshape(-1, 5)
    )
    found = find_crowding(corners)
    shapes = polygons(corners)
    n = len(shapes)
    width = np.array([w for _, _, w, _ in boxes], float)
    near: list[set[int]] = [{i} for i in range(n)]
    for i in range(n):
        apart = [shapely.distance(shapes[i], shapes[j]) / width[i] for j in range(n) if j != i]
        assert found.gap_widths[i] == pytest.approx(min([*apart, FAR_WIDTHS]), abs=1e-6)
        near[i] |= {
            j
            for j in range(n)
            if shapely.distance(shapes[i], shapes[j]) < RAFT_WIDTHS * max(width[i], width[j])
        }
    for i in range(n):
        raft = {i}
        while (grown := set().union(*(near[j] for j in raft))) != raft:
            raft = grown
        assert found.raft[i] == len(raft)
