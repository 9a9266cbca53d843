"""Boxes on their way to the table: lengths that differ are refused, order is kept."""

from __future__ import annotations

import numpy as np
import pytest

from detector.boxes.scored import Boxes, TileBoxes
from detector.errors import GeometryError
from detector.geometry.boxes import corners_from_xywhr


def some(count: int, start: int = 0) -> Boxes:
    x = np.arange(start, start + count, dtype=float)
    corners = corners_from_xywhr(np.column_stack([x * 10, x, x + 4, x + 2, 0 * x]))
    return Boxes(corners, (x / 10).astype(np.float32), np.arange(count) % 2)


@pytest.mark.parametrize(("boxes", "scores", "ids"), [(2, 3, 3), (3, 2, 3), (3, 3, 2), (0, 1, 0)])
def test_arrays_of_other_lengths_are_refused(boxes: int, scores: int, ids: int) -> None:
    whole = some(3)
    message = f"{boxes} boxes with {scores} scores and {ids} classes"
    with pytest.raises(GeometryError, match=message):
        Boxes(whole.corners[:boxes], whole.scores[:scores], whole.class_ids[:ids])


@pytest.mark.parametrize("tiles", [0, 2, 4])
def test_so_are_tile_indices(tiles: int) -> None:
    with pytest.raises(GeometryError, match=f"3 boxes with {tiles} tile indices"):
        TileBoxes(some(3), np.zeros(tiles, np.int64))


def test_parts_keep_their_order() -> None:
    one, other = some(3), some(2, 7)
    joined = Boxes.concatenate([other, Boxes.empty(), one])
    assert np.array_equal(joined.corners, np.concatenate([other.corners, one.corners]))
    assert joined.scores.tolist() == [*other.scores.tolist(), *one.scores.tolist()]
    assert joined.class_ids.tolist() == [0, 1, 0, 1, 0]
    chosen = joined.select(np.array([4, 0]))
    assert chosen.scores.tolist() == [joined.scores[4], joined.scores[0]]
    assert np.array_equal(chosen.corners, joined.corners[[4, 0]])
    tiled = TileBoxes.concatenate(
        [TileBoxes(one, np.array([5, 5, 6])), TileBoxes(other, np.array([1, 2]))]
    )
    assert tiled.tiles.tolist() == [5, 5, 6, 1, 2]
    assert np.array_equal(tiled.boxes.scores, np.concatenate([one.scores, other.scores]))
    assert len(tiled) == 5


def test_nothing_has_its_types() -> None:
    for none in (Boxes.empty(), Boxes.concatenate([]), TileBoxes.concatenate([]).boxes):
        assert none.corners.shape == (0, 4, 2)
        assert (none.scores.dtype, none.class_ids.dtype) == (np.float32, np.int64)
        assert len(none) == 0
    assert TileBoxes.concatenate([]).tiles.dtype == np.int64
