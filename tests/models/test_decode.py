"""What of a network's raw output becomes a box: at the threshold, beside it, in which order."""

from __future__ import annotations

import numpy as np
import pytest

from detector.geometry.boxes import centres, edge_lengths
from detector.models.decode import decode_tile

CONF = np.array([0.5, 0.25], np.float32)


def raw_of(*anchors: tuple[float, ...]) -> np.ndarray:
    """`(4 + 2 + 1, N)` from `(x, y, along, across, ship, stack, angle)`."""
    return np.array(anchors, np.float32).T.reshape(7, -1)


def test_a_score_at_its_threshold_is_enough_and_just_below_is_not() -> None:
    below = [float(np.nextafter(conf, np.float32(0))) for conf in CONF]
    raw = raw_of(
        (10, 10, 20, 10, 0.5, 0, 0),
        (50, 10, 20, 10, below[0], 0, 0),
        (10, 50, 20, 10, 0, 0.25, 0),
        (50, 50, 20, 10, 0, below[1], 0),
    )
    boxes = decode_tile(raw, CONF)
    assert boxes.scores.tolist() == [0.5, 0.25]
    assert boxes.class_ids.tolist() == [0, 1]
    assert centres(boxes.corners) == pytest.approx(np.array([[10, 10], [10, 50]]))


def test_the_better_class_has_the_anchor_and_must_pass_its_own_threshold() -> None:
    raw = raw_of((10, 10, 20, 10, 0.4, 0.3, 0), (50, 10, 20, 10, 0.6, 0.7, 0))
    boxes = decode_tile(raw, CONF)  # 0.4 is a ship below 0.5, though 0.3 would do for a stack
    assert boxes.class_ids.tolist() == [1]
    assert boxes.scores.tolist() == pytest.approx([0.7])
    assert decode_tile(raw_of((10, 10, 20, 10, 0.6, 0.6, 0)), CONF).class_ids.tolist() == [0]


def test_best_first_and_equals_in_the_order_of_the_anchors() -> None:
    raw = raw_of(*((10.0 + i, 10, 20, 10, score, 0, 0) for i, score in enumerate([0.6, 0.9, 0.6])))
    assert centres(decode_tile(raw, CONF).corners)[:, 0].tolist() == [11.0, 10.0, 12.0]


@pytest.mark.parametrize("row", range(7))
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_an_anchor_with_one_number_that_is_none_is_no_box(row: int, value: float) -> None:
    raw = raw_of((10, 10, 20, 10, 0.9, 0.1, 0), (50, 10, 20, 10, 0.9, 0.1, 0))
    raw[row, 0] = value
    assert centres(decode_tile(raw, CONF).corners).tolist() == [[50.0, 10.0]]


def test_a_box_of_a_hundredth_of_a_pixel_is_one_and_of_none_is_not() -> None:
    raw = raw_of(
        (10, 10, 0.01, 0.02, 0.9, 0, 0), (50, 10, 20, 0, 0.9, 0, 0), (90, 10, 0, 9, 0.9, 0, 0)
    )
    boxes = decode_tile(raw, CONF)
    length, width = edge_lengths(boxes.corners)
    assert (length.tolist(), width.tolist()) == (pytest.approx([0.02]), pytest.approx([0.01]))
