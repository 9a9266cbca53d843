"""Pieces of a narrow row of containers are one block; all else stays as it is."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from detector.boxes.scored import Boxes
from detector.classes import CONTAINER_STACK, PORT
from detector.geometry.boxes import corners_from_xywhr, iou_matrix
from detector.inference.trains import LARGEST_GAP_M, LARGEST_SHIFT_M, WIDEST_M, join_rows

STACK = PORT.id(CONTAINER_STACK.name)
GSD_M = 0.5
WIDTH_M = 2.44


def _boxes(rows: list[tuple[float, float, float, float, float]], class_id: int = STACK) -> Boxes:
    """Boxes of `(x, y, length, width, angle)`, metres, in pixels; scores fall from 0.9."""
    values = np.array(rows, float)
    values[:, :4] /= GSD_M
    scores = np.linspace(0.9, 0.5, len(rows)).astype(np.float32)
    return Boxes(corners_from_xywhr(values), scores, np.full(len(rows), class_id, np.int64))


def _row(starts: list[tuple[float, float]], angle: float) -> list[tuple[float, ...]]:
    """Pieces from `low` to `high` metres along a line through (500, 500)."""
    across = np.array([np.cos(angle), np.sin(angle)])
    rows = []
    for low, high in starts:
        x, y = np.array([500.0, 500.0]) + (low + high) / 2 * across
        rows.append((float(x), float(y), high - low, WIDTH_M, angle))
    return rows


@given(
    st.floats(0.0, 3.1),
    st.lists(st.tuples(st.floats(20, 60), st.floats(-30, 2.0)), min_size=2, max_size=8),
    st.randoms(use_true_random=False),
)
def test_a_row_cut_anyhow_is_one_box(angle: float, cuts: list[tuple[float, float]], rng) -> None:  # type: ignore[no-untyped-def]
    """Pieces that overlap or leave a coupling between them, in any order, at any angle."""
    pieces, end = [], 0.0
    for length, gap in cuts:
        low = max(0.0, end + gap) if pieces else 0.0
        pieces.append((low, max(low + length, end)))
        end = max(end, pieces[-1][1])
    rng.shuffle(pieces)
    whole, into = join_rows(_boxes(_row(pieces, angle)), GSD_M)  # type: ignore[arg-type]
    assert len(whole) == 1
    assert into.tolist() == [0] * len(pieces)
    assert whole.scores.tolist() == [np.float32(0.9)]
    true = _boxes(_row([(0.0, end)], angle)).corners  # type: ignore[arg-type]
    assert iou_matrix(whole.corners, true)[0, 0] > 1 - 1e-6


def test_what_does_not_belong_together_stays_apart() -> None:
    """A lane between, the next track, a turn, wide blocks, short ones, ships, unknown gsd."""
    pair = [(0.0, 40.0), (40.0 + LARGEST_GAP_M - 0.1, 80.0)]
    assert len(join_rows(_boxes(_row(pair, 0.3)), GSD_M)[0]) == 1  # type: ignore[arg-type]
    apart = [(0.0, 40.0), (40.0 + LARGEST_GAP_M + 0.1, 80.0)]
    near = (100.0, 100.0, 40.0, WIDTH_M, 0.0)
    beside = LARGEST_SHIFT_M + 0.1
    cases = {
        "lane": _boxes(_row(apart, 0.3)),  # type: ignore[arg-type]
        "track": _boxes([near, (141.0, 100.0 + beside, 40.0, WIDTH_M, 0.0)]),
        "turn": _boxes([near, (140.0, 100.0, 40.0, WIDTH_M, 0.1)]),
        "wide": _boxes([(*near[:3], WIDEST_M + 0.1, 0.0), (140.0, 100.0, 40.0, 4.1, 0.0)]),
        "short": _boxes([(100.0, 100.0, 4.0, WIDTH_M, 0.0), (104.5, 100.0, 4.0, WIDTH_M, 0.0)]),
        "ships": _boxes(_row(pair, 0.3), PORT.id("ship")),  # type: ignore[arg-type]
    }
    for name, boxes in cases.items():
        found, into = join_rows(boxes, GSD_M)
        assert into.tolist() == [0, 1], name
        np.testing.assert_array_equal(found.corners, boxes.corners)
    unknown, _ = join_rows(_boxes(_row(pair, 0.3)), None)  # type: ignore[arg-type]
    assert len(unknown) == 2


def test_a_piece_inside_another_turns_nothing() -> None:
    """Two boxes about one middle: their ends tell the line."""
    angle = 0.7
    pieces = _row([(0.0, 60.0), (20.0, 40.0)], angle)
    found, _ = join_rows(_boxes(pieces), GSD_M)  # type: ignore[arg-type]
    true = _boxes(_row([(0.0, 60.0)], angle)).corners  # type: ignore[arg-type]
    assert iou_matrix(found.corners, true)[0, 0] > 1 - 1e-6


def test_others_keep_their_order() -> None:
    """A joined row takes the place of its first piece; the map says where each box went."""
    first, second = _row([(0.0, 40.0), (30.0, 70.0)], 0.0)
    wide = (100.0, 100.0, 40.0, 12.0, 0.0)
    last = (100.0, 200.0, 30.0, 12.0, 0.0)
    boxes = _boxes([wide, first, last, second])  # type: ignore[list-item]
    found, into = join_rows(boxes, GSD_M)
    assert into.tolist() == [0, 1, 2, 1]
    np.testing.assert_array_equal(found.corners[[0, 2]], boxes.corners[[0, 2]])
    assert found.scores.tolist() == boxes.scores[:3].tolist()
    true = _boxes(_row([(0.0, 70.0)], 0.0)).corners  # type: ignore[arg-type]
    assert iou_matrix(found.corners[[1]], true)[0, 0] > 1 - 1e-6
