"""Duplicates at their limits: on it, just below, just above, with numbers that floats hold."""

from __future__ import annotations

import numpy as np
import pytest

from detector.boxes.duplicates import (
    are_rows,
    crowded_tiles,
    greedy_keep,
    rank,
    suppress_duplicates,
    suppress_tile_duplicates,
    without_crossing,
)
from detector.boxes.scored import Boxes
from detector.geometry.boxes import corners_from_xywhr, iou_matrix

SHIP, STACK = 0, 1
BAR = (0.0, 0.0, 32.0, 8.0, 0.0)


def boxes_of(rows: list[tuple[float, ...]], scores: list[float], class_id: int = SHIP) -> Boxes:
    ids = np.full(len(rows), class_id, np.int64)
    return Boxes(corners_from_xywhr(np.array(rows, float)), np.array(scores, np.float32), ids)


@pytest.mark.parametrize(
    ("shift", "iou"), [(0.0, 1.0), (4.0, 28 / 36), (32 / 3, 0.5), (96 / 5, 0.25)]
)
def test_an_iou_at_the_limit_is_a_duplicate_and_just_below_is_not(shift: float, iou: float) -> None:
    boxes = boxes_of([BAR, (shift, *BAR[1:])], [0.5, 0.9], STACK)
    found = float(iou_matrix(boxes.corners, boxes.corners)[0, 1])
    assert found == pytest.approx(iou, rel=1e-12)
    assert suppress_duplicates(boxes, iou * (1 - 1e-9)).tolist() == [1]
    assert suppress_duplicates(boxes, min(iou * (1 + 1e-9), 1.001)).tolist() == [1, 0]


def test_half_of_the_union_exactly_is_the_same_object() -> None:
    """200 of 400 pixels, all whole numbers: nothing is rounded."""
    boxes = boxes_of(
        [(15.0, 5.0, 30.0, 10.0, 0.0), (25.0, 5.0, 30.0, 10.0, 0.0)], [0.9, 0.5], STACK
    )
    assert suppress_duplicates(boxes, 0.5).tolist() == [0]
    assert suppress_duplicates(boxes).tolist() == [0]
    assert suppress_duplicates(boxes, 0.5000001).tolist() == [0, 1]


def test_boxes_that_only_touch_are_two_even_at_a_limit_of_nothing() -> None:
    boxes = boxes_of([BAR, (32.0, *BAR[1:])], [0.9, 0.5], STACK)
    assert suppress_duplicates(boxes, 0.0).tolist() == [0, 1]


def test_other_classes_and_other_tiles_do_not_suppress() -> None:
    boxes = boxes_of([BAR, BAR, BAR], [0.9, 0.8, 0.7])
    boxes = Boxes(boxes.corners, boxes.scores, np.array([SHIP, STACK, SHIP]))
    assert suppress_duplicates(boxes).tolist() == [0, 1]
    tiles = np.array([0, 0, 1])
    assert suppress_tile_duplicates(boxes, tiles).tolist() == [0, 1, 2]
    # Tile 1's ships are not tile 0's stacks, however tiles and classes are put into one number.
    assert suppress_tile_duplicates(boxes, np.array([1, 0, 0])).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("width", "crosses"), [(40.0, True), (39.0, True), (40.5, False), (60.0, False)]
)
def test_a_ship_twice_as_long_as_wide_can_lie_across(width: float, crosses: bool) -> None:
    boxes = boxes_of([(0.0, 0.0, 80.0, width, 0.0), (0.0, 0.0, 160.0, 10.0, np.pi / 2)], [0.5, 0.9])
    assert suppress_duplicates(boxes, 0.9, crossing=True).tolist() == ([1] if crosses else [1, 0])


@pytest.mark.parametrize(("angle_deg", "crosses"), [(19.5, False), (20.5, True), (159.5, True)])
def test_twenty_degrees_are_needed_to_lie_across(angle_deg: float, crosses: bool) -> None:
    rows = [(0.0, 0.0, 120.0, 20.0, 0.0), (0.0, 0.0, 120.0, 20.0, np.radians(angle_deg))]
    assert float(iou_matrix(*[corners_from_xywhr(np.array([r])) for r in rows])[0, 0]) < 0.9
    kept = suppress_duplicates(boxes_of(rows, [0.5, 0.9]), 0.9, crossing=True).tolist()
    assert kept == ([1] if crosses else [1, 0])


@pytest.mark.parametrize(("along", "crosses"), [(39.5, True), (40.0, True), (40.5, False)])
def test_middle_lines_meet_up_to_four_fifths_from_the_centre(along: float, crosses: bool) -> None:
    """The short ship's centre lies `along` the long one's 50 px of half length."""
    rows = [(0.0, 0.0, 100.0, 4.0, 0.0), (along, 0.0, 80.0, 4.0, np.pi / 2)]
    kept = suppress_duplicates(boxes_of(rows, [0.9, 0.5]), crossing=True).tolist()
    assert kept == ([0] if crosses else [0, 1])
    aside = [(0.0, 0.0, 100.0, 4.0, 0.0), (0.0, along * 0.8, 80.0, 4.0, np.pi / 2)]
    kept = suppress_duplicates(boxes_of(aside, [0.9, 0.5]), crossing=True).tolist()
    assert kept == ([0] if crosses else [0, 1])


@pytest.mark.parametrize(("depth", "crosses"), [(11.9, False), (12.0, True), (12.1, True)])
def test_three_tenths_of_the_smaller_are_enough_to_lie_across(depth: float, crosses: bool) -> None:
    """A ship of 40 x 20 px reaches `depth` into the end of one of 400 x 40 px, at 90 degrees."""
    rows = [(0.0, 0.0, 400.0, 40.0, 0.0), (185.0, 20.0 + 20.0 - depth, 40.0, 20.0, np.pi / 2)]
    kept = suppress_duplicates(boxes_of(rows, [0.9, 0.5]), crossing=True).tolist()
    assert kept == ([0] if crosses else [0, 1])


@pytest.mark.parametrize(("length", "goes"), [(99.0, False), (100.0, True), (101.0, True)])
def test_a_quarter_of_the_size_is_a_rival(length: float, goes: bool) -> None:
    rows = [(0.0, 0.0, 400.0, 10.0, 0.0), (0.0, 0.0, length, 10.0, np.pi / 2)]
    boxes = boxes_of(rows, [0.5, 0.9])
    assert without_crossing(boxes, boxes.scores).tolist() == [not goes, True]


def test_a_quarter_besides_the_largest_part_makes_a_row() -> None:
    whole = np.array([0, 0, 1, 1, 1, 2])
    share = np.array([0.6, 0.25, 0.5, 0.125, 0.12, 1.0])
    assert are_rows(whole, share, 4).tolist() == [True, False, False, False]
    share[4] = 0.125
    assert are_rows(whole, share, 4).tolist() == [True, True, False, False]


@pytest.mark.parametrize(("inside", "row"), [(11.9, False), (12.0, True), (14.0, True)])
def test_three_fifths_of_a_boat_inside_make_it_part_of_a_row(inside: float, row: bool) -> None:
    """Eight boats of 20 x 6 px reach `inside` a box of 80 x 20 px from its side."""
    y = 10.0 + 10.0 - inside
    boats = [(-35.0 + 10.0 * k, y, 20.0, 6.0, np.pi / 2) for k in range(8)]
    boxes = boxes_of([(0.0, 0.0, 80.0, 20.0, 0.0), *boats], [0.9] + [0.5] * 8)
    kept = without_crossing(boxes, boxes.scores)
    assert kept[0] == (not row)
    assert kept[1:].all() == row


def test_rank_is_by_score_then_class_then_corners() -> None:
    rows = [(5.0, 0, 10, 4, 0.0), (0.0, 0, 10, 4, 0.0), (0.0, 0, 10, 4, 0.0), (9.0, 0, 10, 4, 0.0)]
    boxes = boxes_of(rows, [0.5, 0.5, 0.5, 0.9])
    boxes = Boxes(boxes.corners, boxes.scores, np.array([SHIP, STACK, SHIP, STACK]))
    assert rank(boxes).tolist() == [3, 2, 0, 1]


def test_what_is_suppressed_suppresses_nothing() -> None:
    chain = np.array([0, 1, 2]), np.array([1, 2, 3])
    assert greedy_keep(4, *chain).tolist() == [True, False, True, False]
    assert greedy_keep(4, chain[0][::-1], chain[1][::-1]).tolist() == [True, False, True, False]
    assert greedy_keep(2, np.zeros(0, int), np.zeros(0, int)).tolist() == [True, True]


def test_a_tile_is_crowded_above_twenty_five_thousand() -> None:
    tiles = np.repeat([3, 7, 9], [25_000, 25_001, 10])
    assert crowded_tiles(tiles) == [7]


def test_duplicates_are_duplicates_however_small() -> None:
    """Two boxes of 0.72 square pixels in one place, in a frame of coarse pixels."""
    boxes = boxes_of([(5.0, 5.0, 1.2, 0.6, 0.3)] * 2, [0.9, 0.5], STACK)
    assert suppress_duplicates(boxes).tolist() == [0]


def test_by_itself_nothing_is_across() -> None:
    """Only the merge asks for it."""
    rows = [(0.0, 0.0, 120.0, 20.0, 0.3), (0.0, 0.0, 100.0, 20.0, 1.3)]
    boxes = boxes_of(rows, [0.5, 0.8])
    assert suppress_duplicates(boxes).tolist() == [1, 0]
    assert suppress_tile_duplicates(boxes, np.zeros(2, np.int64)).tolist() == [1, 0]
