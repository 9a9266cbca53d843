"""A ship and container stacks in one place: the shares from which one claims it, exactly."""

from __future__ import annotations

import numpy as np
import pytest

from detector.boxes.scored import Boxes
from detector.classes import PORT
from detector.geometry.boxes import corners_from_xywhr
from detector.inference.claims import find_deck_cargo, find_yards

SHIP, STACK = PORT.id("ship"), PORT.id("container_stack")


def ship_and_stacks(*stacks: tuple[float, float, float, float], scores: list[float]) -> Boxes:
    """A hull from (0, 0) to (100, 20) and blocks of `x, y, width, height` from their corner."""
    rows = [(0.0, 0.0, 100.0, 20.0), *stacks]
    xywhr = np.array([(x + w / 2, y + h / 2, w, h, 0.0) for x, y, w, h in rows])
    ids = np.array([SHIP, *[STACK] * len(stacks)], np.int64)
    return Boxes(corners_from_xywhr(xywhr), np.array(scores, np.float32), ids)


@pytest.mark.parametrize(
    ("inside", "cargo"), [(0.45, False), (0.5, False), (0.51, True), (0.55, True), (0.65, True)]
)
def test_more_than_half_of_a_stack_on_a_surer_ship_is_deck_cargo(
    inside: float, cargo: bool
) -> None:
    block = (100 - 40 * inside, 4, 40, 10)
    boxes = ship_and_stacks(block, scores=[0.9, 0.5])
    assert find_deck_cargo(boxes).tolist() == [False, cargo]
    assert find_yards(boxes).tolist() == [False, False]


@pytest.mark.parametrize(("ship", "cargo"), [(0.49, False), (0.5, True), (0.51, True)])
def test_of_equal_scores_the_ship_is_right(ship: float, cargo: bool) -> None:
    boxes = ship_and_stacks((10, 2, 60, 16), scores=[ship, 0.5])
    assert find_deck_cargo(boxes).tolist() == [False, cargo]


@pytest.mark.parametrize(("filled", "yard"), [(49, False), (50, True), (51, True), (60, True)])
def test_surer_stacks_that_fill_half_of_a_ship_make_it_a_yard(filled: float, yard: bool) -> None:
    boxes = ship_and_stacks((0, 0, filled, 20), scores=[0.5, 0.9])
    assert find_yards(boxes).tolist() == [yard, False]
    assert find_deck_cargo(boxes).tolist() == [False, False]


def test_stacks_that_overlap_fill_their_union_and_only_surer_ones_count() -> None:
    blocks = ((0, 0, 40, 20), (20, 0, 25, 20), (60, 0, 20, 20))
    assert not find_yards(ship_and_stacks(*blocks, scores=[0.5, 0.9, 0.9, 0.5])).any()  # 45 of 100
    assert find_yards(ship_and_stacks(*blocks, scores=[0.5, 0.9, 0.9, 0.6])).tolist() == [
        *(True, False, False, False)  # 65 of 100
    ]
