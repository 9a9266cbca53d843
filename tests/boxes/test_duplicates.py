"""Duplicates of one tile, against brute force; densities that must not hang."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from detector.boxes.duplicates import MOST_BOXES, rank, suppress_duplicates, without_crossing
from detector.boxes.scored import Boxes
from detector.geometry.boxes import corners_from_xywhr, iou_matrix, polygons


def random_boxes(count: int, span: float, seed: int) -> Boxes:
    rng = np.random.default_rng(seed)
    sizes = rng.uniform([20, 8], [100, 30], (count, 2))
    xywhr = np.column_stack([rng.uniform(0, span, (count, 2)), sizes, rng.uniform(0, 3.2, count)])
    scores = rng.integers(1, 20, count).astype(np.float32) / 20  # with ties
    return Boxes(corners_from_xywhr(xywhr), scores, rng.integers(0, 2, count))


def brute_force(boxes: Boxes, iou: float) -> set[int]:
    overlap = iou_matrix(boxes.corners, boxes.corners)
    order = sorted(
        range(len(boxes)),
        key=lambda i: (-boxes.scores[i], boxes.class_ids[i], boxes.corners[i].ravel().tolist()),
    )
    kept: list[int] = []
    for i in order:
        rivals = [j for j in kept if boxes.class_ids[j] == boxes.class_ids[i]]
        if all(overlap[i, j] < iou for j in rivals):
            kept.append(i)
    return set(kept)


@pytest.mark.parametrize(("count", "span"), [(60, 60), (300, 150), (900, 500)])
@pytest.mark.parametrize("iou", [0.3, 0.5])
def test_equals_brute_force(count: int, span: float, iou: float) -> None:
    boxes = random_boxes(count, span, seed=count)
    kept = suppress_duplicates(boxes, iou)
    assert set(kept.tolist()) == brute_force(boxes, iou)
    assert (np.diff(boxes.scores[kept]) <= 0).all()


@given(st.integers(0, 10**6), st.randoms(use_true_random=False))
def test_does_not_depend_on_the_order(seed: int, shuffler: object) -> None:
    boxes = random_boxes(40, 60, seed)
    order = np.random.default_rng(seed + 1).permutation(40)
    shuffled = boxes.select(order)
    one = boxes.corners[suppress_duplicates(boxes)]
    other = shuffled.corners[suppress_duplicates(shuffled)]
    np.testing.assert_array_equal(one, other)


def test_rows_at_any_angle_are_no_duplicates() -> None:
    for angle in np.deg2rad(range(0, 91, 5)):
        offset = np.arange(20) * 8.0
        xywhr = np.column_stack(
            [
                500 - np.sin(angle) * offset,
                500 + np.cos(angle) * offset,
                *(np.full(20, value) for value in (60.0, 12.0, angle)),
            ]
        )
        boxes = Boxes(
            corners_from_xywhr(xywhr),
            np.linspace(0.3, 0.9, 20, dtype=np.float32),
            np.zeros(20, np.int64),
        )
        assert len(suppress_duplicates(boxes)) == 20


def test_a_ship_across_a_better_one_is_no_ship() -> None:
    def kept(angle_deg: float, classes: int, offset: float, crossing: bool = True) -> list[int]:
        turn = np.radians(angle_deg)
        xywhr = np.array([[0, 0, 120, 20, 0.3], [offset, 0, 100, 20, 0.3 + turn]])
        boxes = Boxes(
            corners_from_xywhr(xywhr), np.array([0.5, 0.8], np.float32), np.full(2, classes)
        )
        return suppress_duplicates(boxes, crossing=crossing).tolist()

    ship, stack = 0, 1
    assert kept(30, ship, 0) == [1]
    assert kept(150, ship, 0) == [1]
    assert kept(30, ship, 0, crossing=False) == [1, 0]
    assert kept(90, ship, 0) == [1]  # 20 x 20 of 2,000 px is a fifth, but the middles cross
    assert kept(90, ship, 0, crossing=False) == [1, 0]
    assert kept(90, ship, 55) == [1, 0]  # a bow against a side
    assert kept(30, stack, 0) == [1, 0]  # the arms of an L may meet
    assert kept(12, ship, 30) == [1, 0]  # no more than an error of angle; IoU 0.43
    assert kept(30, ship, 60) == [1, 0]


@given(st.integers(0, 10**6))
def test_crossing_agrees_with_shapely(seed: int) -> None:
    rng = np.random.default_rng(seed)
    boxes = corners_from_xywhr(
        np.column_stack(
            [
                rng.uniform(-60, 60, (2, 2)),
                rng.uniform([60, 5], [150, 25], (2, 2)),
                rng.uniform(0, 3.1, 2),
            ]
        )
    )
    scored = Boxes(boxes, np.array([0.9, 0.5], np.float32), np.zeros(2, np.int64))
    middles = []
    for box in boxes:
        half = (box[1] - box[0]) / 2 * 0.8
        middles.append(shapely.LineString([box.mean(axis=0) - half, box.mean(axis=0) + half]))
    first, second = polygons(boxes)
    share = first.intersection(second).area / min(first.area, second.area)
    along = boxes[:, 1] - boxes[:, 0]
    cosine = abs(along[0] @ along[1]) / np.prod(np.linalg.norm(along, axis=1))
    across = np.degrees(np.arccos(min(cosine, 1.0))) > 20 and (
        share >= 0.3 or middles[0].intersects(middles[1])
    )
    same = iou_matrix(boxes, boxes)[0, 1] >= 0.5
    kept = suppress_duplicates(scored, crossing=True).tolist()
    assert kept == ([0] if across or same else [0, 1])


def test_boxes_as_long_as_wide_have_no_axis_to_cross() -> None:
    xywhr = np.array([[0, 0, 30, 18, 0.0], [12, 0, 30, 18, np.pi / 2]])
    boxes = Boxes(corners_from_xywhr(xywhr), np.array([0.5, 0.8], np.float32), np.zeros(2, int))
    assert iou_matrix(boxes.corners, boxes.corners)[0, 1] < 0.5
    assert sorted(suppress_duplicates(boxes, crossing=True).tolist()) == [0, 1]


@given(st.integers(0, 10**6))
def test_objects_of_all_tiles_lie_across_each_other_as_boxes_of_one_tile_do(seed: int) -> None:
    rng = np.random.default_rng(seed)
    xywhr = np.column_stack(
        [
            rng.uniform(0, 200, (12, 2)),
            rng.uniform([60, 5], [150, 25], (12, 2)),
            rng.uniform(0, 3.1, 12),
        ]
    )
    scores = rng.choice([0.4, 0.6, 0.9], 12).astype(np.float32)
    boxes = Boxes(corners_from_xywhr(xywhr), scores, rng.integers(0, 2, 12))
    keep = without_crossing(boxes, scores)
    assert keep[boxes.class_ids == 1].all()
    alone = boxes.class_ids == 0
    alone[np.flatnonzero(alone)[2:]] = False  # two ships are no row
    two = boxes.select(alone)
    areas = polygons(two.corners)[rank(two)]
    if len(two) == 2 and areas[0].area >= 0.25 * areas[1].area:
        one_tile = suppress_duplicates(two, 1.0, crossing=True)
        kept = np.flatnonzero(without_crossing(two, two.scores))
        assert kept.tolist() == sorted(one_tile.tolist())
    order = rng.permutation(12)
    again = without_crossing(boxes.select(order), scores[order])
    assert again.tolist() == keep[order].tolist()


def test_the_one_that_stands_lower_goes_whatever_its_score() -> None:
    xywhr = np.array([[0, 0, 120, 20, 0.3], [0, 0, 100, 20, 1.3]])
    scores = np.array([0.5, 0.8], np.float32)
    boxes = Boxes(corners_from_xywhr(xywhr), scores, np.zeros(2, np.int64))
    assert without_crossing(boxes, scores).tolist() == [False, True]
    assert without_crossing(boxes, np.array([0.5, 0.2])).tolist() == [True, False]
    assert without_crossing(Boxes.empty(), np.zeros(0)).tolist() == []


def test_a_row_of_boats_is_not_a_ship_that_lies_across_them() -> None:
    boats = [[10.0 * k, 0, 24, 8, np.pi / 2] for k in range(8)]
    xywhr = np.array([[35, 0, 90, 26, 0.0], *boats])
    scores = np.array([0.9] + [0.5] * 8, np.float32)
    boxes = Boxes(corners_from_xywhr(xywhr), scores, np.zeros(9, np.int64))
    assert without_crossing(boxes, scores).tolist() == [False] + [True] * 8
    cranes = boxes.select(np.array([0, 2, 6]))  # two booms over a ship: 16 % of it
    assert without_crossing(cranes, cranes.scores).tolist() == [True, False, False]


def test_no_boxes() -> None:
    assert suppress_duplicates(Boxes.empty()).tolist() == []


def test_as_many_boxes_as_a_tile_can_hold_on_one_spot_are_a_few() -> None:
    rng = np.random.default_rng(0)
    xywhr = np.tile([500.0, 500.0, 60.0, 12.0, 0.3], (MOST_BOXES, 1))
    xywhr[:, :2] += rng.normal(0, 1, (MOST_BOXES, 2))
    scores = rng.random(MOST_BOXES).astype(np.float32)
    boxes = Boxes(corners_from_xywhr(xywhr), scores, np.zeros(MOST_BOXES, np.int64))
    kept = suppress_duplicates(boxes)
    assert 1 < len(kept) < 40
    assert kept[0] == scores.argmax()


def test_more_boxes_than_a_tile_can_hold_are_flagged(caplog: pytest.LogCaptureFixture) -> None:
    count = 1_000_000
    corners = np.tile([[0.0, 0], [9, 0], [9, 3], [0, 3]], (count, 1, 1))
    scores = np.linspace(0, 1, count, dtype=np.float32)
    with caplog.at_level(logging.WARNING):
        kept = suppress_duplicates(Boxes(corners, scores, np.zeros(count, np.int64)))
    assert "1000000 boxes in one tile" in caplog.text
    assert kept.tolist() == [count - 1]
