"""Box voting: kept boxes move to the mean of the duplicates that agree with them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.boxes.duplicates import suppress_tile_duplicates
from detector.boxes.scored import Boxes
from detector.classes import PORT
from detector.geometry.boxes import corners_from_xywhr, edge_lengths, iou_matrix
from detector.tiling import voting
from detector.tiling.voting import VOTER_IOU, VOTER_SHARE, voted_corners

STACK = 1


def boxes_of(rows: list[tuple[float, ...]], scores: list[float], class_id: int = STACK) -> Boxes:
    corners = corners_from_xywhr(np.array(rows))
    return Boxes(corners, np.array(scores, np.float32), np.full(len(rows), class_id, np.int64))


def one_tile(boxes: Boxes) -> np.ndarray:
    return np.zeros(len(boxes), np.int64)


def test_a_box_moves_to_the_weighted_mean_of_its_duplicates() -> None:
    rows = [(100, 50, 80, 20, 0.0), (104, 50, 80, 20, 0.0), (100, 50, 88, 20, 0.0)]
    boxes = boxes_of(rows, [0.8, 0.6, 0.6])
    (found,) = voted_corners(boxes, one_tile(boxes), np.array([0]))
    np.testing.assert_allclose(found.mean(axis=0), [100 + 4 * 0.6 / 2.0, 50], atol=1e-6)
    length, width = edge_lengths(found[None])
    assert length[0] == pytest.approx(80 + 8 * 0.6 / 2.0, abs=1e-5)
    assert width[0] == pytest.approx(20, abs=1e-5)


@pytest.mark.parametrize("angle", [0.0, 0.7, np.pi / 2, 3.0])
def test_angles_on_both_sides_cancel(angle: float) -> None:
    """Whatever the corner from which each is told: a long side may be the first or the third."""
    rows = [(0, 0, 60, 24, angle + turn) for turn in (0.0, 0.06, -0.06, np.pi + 0.06, np.pi - 0.06)]
    boxes = boxes_of(rows, [0.9] * 5)
    found = voted_corners(boxes, one_tile(boxes), np.array([0]))
    assert iou_matrix(found, boxes.corners[:1])[0, 0] > 0.995
    assert edge_lengths(found)[0][0] == pytest.approx(60 * (1 + 4 * np.cos(0.06)) / 5, abs=1e-6)


def test_a_nearly_square_box_told_along_its_other_side_votes_too() -> None:
    boxes = boxes_of([(0, 0, 30, 29, 0.0), (2, 0, 30, 29, np.pi / 2)], [0.9, 0.9])
    (found,) = voted_corners(boxes, one_tile(boxes), np.array([0]))
    np.testing.assert_allclose(found.mean(axis=0), [1, 0], atol=1e-9)
    assert np.ptp(found, axis=0) == pytest.approx([29.5, 29.5])


@pytest.mark.parametrize(
    ("other", "score", "class_id", "tile"),
    [
        ((104, 50, 80, 20, 0.0), 0.9 * VOTER_SHARE - 0.01, STACK, 0),  # too doubtful
        ((104, 50, 80, 20, 0.0), 0.8, 0, 0),  # of another class
        ((104, 50, 80, 20, 0.0), 0.8, STACK, 1),  # of another tile
        ((80, 50, 40, 20, 0.0), 0.8, STACK, 0),  # half of it
        ((100, 60, 80, 40, 0.0), 0.8, STACK, 0),  # twice as wide
    ],
)
def test_who_does_not_vote(
    other: tuple[float, ...], score: float, class_id: int, tile: int
) -> None:
    second = boxes_of([other], [score], class_id)
    boxes = Boxes.concatenate([boxes_of([(100, 50, 80, 20, 0.0)], [0.9]), second])
    found = voted_corners(boxes, np.array([0, tile]), np.array([0]))
    np.testing.assert_array_equal(found, boxes.corners[:1])


def test_ships_keep_their_best_box() -> None:
    rows = [(100, 50, 80, 20, 0.0), (104, 50, 80, 20, 0.0)]
    boxes = boxes_of(rows, [0.9, 0.8], class_id=0)
    found = voted_corners(boxes, one_tile(boxes), np.array([0]))
    np.testing.assert_array_equal(found, boxes.corners[:1])


def test_a_box_without_duplicates_keeps_every_digit() -> None:
    boxes = boxes_of([(10.123, 7.7, 33.3, 9.1, 0.321), (80, 60, 30, 8, 1.0)], [0.5, 0.4])
    found = voted_corners(boxes, one_tile(boxes), np.array([0, 1]))
    np.testing.assert_array_equal(found, boxes.corners)
    none = voted_corners(Boxes.empty(), np.zeros(0, np.int64), np.zeros(0, np.int64))
    assert none.shape == (0, 4, 2)


def test_nobody_votes_in_a_tile_with_more_boxes_than_a_network_gives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    boxes = boxes_of([(100, 50, 80, 20, 0.0), (104, 50, 80, 20, 0.0)], [0.9, 0.8])
    monkeypatch.setattr(voting, "MOST_BOXES", 1)
    found = voted_corners(boxes, one_tile(boxes), np.array([0]))
    np.testing.assert_array_equal(found, boxes.corners[:1])


@st.composite
def crowds(draw: st.DrawFn) -> tuple[Boxes, np.ndarray]:
    """A few objects, each seen by several jittered boxes in one of two tiles."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = draw(st.integers(1, 5))
    middles = rng.uniform(0, 120, (count, 2))
    of = rng.integers(0, count, draw(st.integers(1, 25)))
    rows = np.column_stack(
        [
            middles[of] + rng.normal(0, 2, (len(of), 2)),
            rng.uniform(20, 70, count)[of] + rng.normal(0, 3, len(of)),
            rng.uniform(6, 25, count)[of] + rng.normal(0, 1, len(of)),
            rng.uniform(0, np.pi, count)[of] + rng.normal(0, 0.05, len(of)),
        ]
    )
    corners = corners_from_xywhr(rows)
    scores = rng.uniform(0.2, 1.0, len(of)).astype(np.float32)
    return Boxes(corners, scores, rng.integers(0, 2, len(of))), rng.integers(0, 2, len(of))


def brute_force(boxes: Boxes, tiles: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Box by box, from the definition."""
    found = []
    iou = iou_matrix(boxes.corners, boxes.corners)
    for k in kept:
        own = boxes.corners[k]
        total, mean = float(boxes.scores[k]), own * float(boxes.scores[k])
        for j in range(len(boxes)):
            alike = tiles[j] == tiles[k] and boxes.class_ids[j] == PORT.id("container_stack")
            alike &= boxes.class_ids[k] == PORT.id("container_stack")
            sure = boxes.scores[j] >= VOTER_SHARE * boxes.scores[k]
            if j in kept or not alike or not sure or iou[k, j] < VOTER_IOU:
                continue
            turns = [np.roll(boxes.corners[j], r, axis=0) for r in range(4)]
            nearest = min(turns, key=lambda turn: float(((turn - own) ** 2).sum()))
            mean, total = mean + nearest * boxes.scores[j], total + float(boxes.scores[j])
        mean = mean / total
        along, across = (mean[1] - mean[0] + mean[2] - mean[3]) / 2, (mean[2] - mean[1]) / 2
        across = across + (mean[3] - mean[0]) / 2
        length, width = np.hypot(*along), np.hypot(*across)
        angle = np.arctan2(*along[::-1])
        if width > length:
            angle = np.arctan2(*across[::-1]) - np.pi / 2
        row = np.array([[*mean.mean(axis=0), length, width, angle]])
        found.append(corners_from_xywhr(row)[0])
    return np.array(found)


@settings(max_examples=150, deadline=None)
@given(crowds())
def test_votes_are_those_of_the_definition(crowd: tuple[Boxes, np.ndarray]) -> None:
    boxes, tiles = crowd
    kept = suppress_tile_duplicates(boxes, tiles)
    found = voted_corners(boxes, tiles, kept)
    expected = brute_force(boxes, tiles, kept)
    iou = iou_matrix(found, expected)[np.arange(len(kept)), np.arange(len(kept))]
    assert iou.min() > 1 - 1e-6


@settings(max_examples=50, deadline=None)
@given(crowds(), st.integers(0, 2**32 - 1))
def test_votes_do_not_depend_on_the_order(crowd: tuple[Boxes, np.ndarray], seed: int) -> None:
    boxes, tiles = crowd
    kept = suppress_tile_duplicates(boxes, tiles)
    order = np.random.default_rng(seed).permutation(len(boxes))
    again = suppress_tile_duplicates(boxes.select(order), tiles[order])
    np.testing.assert_array_equal(order[again], kept)
    one = voted_corners(boxes, tiles, kept)
    other = voted_corners(boxes.select(order), tiles[order], again)
    np.testing.assert_array_equal(other, one)
