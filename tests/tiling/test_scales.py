"""Two scales: bands, rows that the coarse scale sees as one ship, parts, and weak boxes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.boxes.scored import Boxes, TileBoxes
from detector.classes import PORT
from detector.geometry.boxes import Corners, corners_from_xywhr, iou_matrix
from detector.tiling import scales
from detector.tiling.merge import Merger, merge
from detector.tiling.plan import PlanSettings, plan_tiles

PLAN = plan_tiles(2400, 2400, PlanSettings.for_scene(0.5, tile_px=800, read_gsd_m=0.5))
FINE = next(tile for tile in PLAN.tiles if tile.level == 0)
COARSE = next(tile for tile in PLAN.tiles if tile.level == 1)
LIMIT_PX = PLAN.settings.limit / 0.5

Sight = tuple[Corners, int, float]
"""Corners, tile, score."""


def ship(x: float, y: float, length: float, width: float) -> Corners:
    return corners_from_xywhr(np.array([[x, y, length, width, 0.0]]))


def merged(*sights: Sight, class_id: int = PORT.id("ship")) -> Boxes:
    boxes = Boxes(
        np.concatenate([corners for corners, _, _ in sights]),
        np.array([score for _, _, score in sights], np.float32),
        np.full(len(sights), class_id, np.int64),
    )
    return merge(TileBoxes(boxes, np.array([tile for _, tile, _ in sights])), PLAN)


def fine(corners: Corners, score: float = 0.6) -> Sight:
    return corners, FINE.index, score


def coarse(corners: Corners, score: float = 0.6) -> Sight:
    return corners, COARSE.index, score


def test_the_plan_has_the_bands_that_these_tests_assume() -> None:
    assert PLAN.levels == 2
    assert FINE.window.bounds[:2] == COARSE.window.bounds[:2] == (0, 0)
    assert pytest.approx(145, abs=1) == LIMIT_PX


def test_below_its_band_the_coarse_scale_is_not_asked() -> None:
    merger = Merger(PLAN)
    short, long = ship(300, 300, 0.65 * LIMIT_PX, 20), ship(300, 500, 0.75 * LIMIT_PX, 20)
    scores, classes = np.full(2, 0.6, np.float32), np.zeros(2, np.int64)
    merger.add(COARSE.index, Boxes(np.concatenate([short, long]), scores, classes))
    np.testing.assert_allclose(merger.finish().corners, long)
    assert merger.stats.out_of_band == 1


def test_stacks_are_read_at_the_fine_scale_only() -> None:
    stack = ship(300, 300, 400, 24)
    assert len(merged(coarse(stack), class_id=PORT.id("container_stack"))) == 0
    assert len(merged(fine(stack), class_id=PORT.id("container_stack"))) == 1


@pytest.mark.parametrize("scores", [(0.6, 0.7), (0.7, 0.6)])
def test_both_scales_see_one_ship_and_the_higher_score_stands(scores: tuple[float, float]) -> None:
    small, large = ship(300, 300, 150, 26), ship(304, 303, 156, 30)
    found = merged(fine(small, scores[0]), coarse(large, scores[1]))
    np.testing.assert_allclose(found.corners, small if scores[0] > scores[1] else large)


def test_a_long_ship_is_one_although_the_fine_scale_saw_pieces_of_it() -> None:
    neighbour = next(t for t in PLAN.tiles if t.level == 0 and t.window.col > 0)
    start, end = neighbour.window.col, FINE.window.col_end
    assert 400 < start < end < 1150 < neighbour.window.col_end
    left = ship((400 + end) / 2, 300, end - 400, 100)
    right = ship((start + 1150) / 2, 300, 1150 - start, 100)
    whole = ship(775, 300, 750, 100)
    pieces = fine(left), (right, neighbour.index, 0.6)
    np.testing.assert_allclose(merged(*pieces).corners, whole, atol=1e-6)
    np.testing.assert_allclose(merged(*pieces, coarse(whole, 0.5)).corners, whole, atol=1e-6)
    assert len(merged(pieces[0], coarse(whole, 0.5))) == 1


def test_a_coarse_box_never_removes_two_whole_fine_boxes() -> None:
    row = [ship(300, 300 + 34 * k, 180, 28) for k in range(3)]
    as_one = ship(300, 334, 185, 100)
    found = merged(*(fine(corners) for corners in row), coarse(as_one, 0.95))
    np.testing.assert_allclose(found.corners, np.concatenate(row))


@pytest.mark.parametrize("length", [0.9, 1.2, 1.31, 1.7, 2.4])  # beyond 1.3 the coarse one answers
@pytest.mark.parametrize(("count", "slenderness"), [(2, 5.5), (3, 6), (3, 8), (5, 8)])
def test_nor_where_they_are_less_sure_and_longer_than_the_fine_scale_answers_for(
    length: float, count: int, slenderness: float
) -> None:
    long = length * LIMIT_PX
    wide = long / slenderness
    pitch = 1.1 * wide
    row = [ship(300, 300 + pitch * k, long, wide) for k in range(count)]
    as_one = ship(300, 300 + pitch * (count - 1) / 2, 1.02 * long, count * pitch)
    found = merged(*(fine(corners, 0.6) for corners in row), coarse(as_one, 0.65))
    np.testing.assert_allclose(found.corners, np.concatenate(row))


@pytest.mark.parametrize("length", [100, 149, 151])
def test_a_doubtful_coarse_box_does_not_bridge_two_sure_ships(length: float) -> None:
    two = [ship(150 + length / 2, 300, length, 40), ship(750 - length / 2, 300, length, 40)]
    sure = [fine(corners, 0.9) for corners in two]
    found = merged(*sure, coarse(ship(450, 300, 600, 42), 0.3))
    np.testing.assert_allclose(found.corners, np.concatenate(two))
    hull = ship(450, 300, 600, 42)
    np.testing.assert_allclose(merged(*sure, coarse(hull, 0.9)).corners, hull)  # seen in parts


def test_two_ships_bow_to_stern_are_not_one_long_ship() -> None:
    two = [ship(200, 300, 200, 34), ship(410, 300, 200, 34)]
    found = merged(*(fine(corners) for corners in two), coarse(ship(305, 300, 412, 36), 0.95))
    np.testing.assert_allclose(found.corners, np.concatenate(two))


def moored(
    count: int, length: float, width: float, pitch: float, angle_deg: float = 0.0
) -> Corners:
    """Ships side by side in the fine tile, `(count, 4, 2)`."""
    turn = np.deg2rad(angle_deg)
    offset = (np.arange(count) - (count - 1) / 2) * pitch
    x, y = 400 - np.sin(turn) * offset, 400 + np.cos(turn) * offset
    size = (np.full(count, value) for value in (length, width, turn))
    return corners_from_xywhr(np.column_stack([x, y, *size]))


def all_at(
    take: Callable[[Corners, float], Sight], row: Corners, score: float = 0.6
) -> list[Sight]:
    return [take(row[[k]], score) for k in range(len(row))]


@pytest.mark.parametrize("angle", [0.0, 30.0, 90.0])
@pytest.mark.parametrize("share", [0.35, 0.5, 0.65])
def test_a_coarse_box_between_two_moored_ships_is_none(share: float, angle: float) -> None:
    row = moored(4, 180, 28, 34, angle)  # at 1.2 widths: 22 of 28 px of the box lie on ships
    between = row[[1]] + share * (row[[2]] - row[[1]])
    sights = [*all_at(fine, row, 0.7), *all_at(coarse, row)]
    assert len(merged(*sights, coarse(between, 0.9))) == 4
    assert len(merged(*all_at(fine, row, 0.7), coarse(row[[0]]), coarse(between, 0.5))) == 4
    apart = moored(4, 180, 28, 39, angle)  # at 1.4 widths there is room for a boat: 17 of 28 px
    between = apart[[1]] + share * (apart[[2]] - apart[[1]])
    sights = [*all_at(fine, apart, 0.7), *all_at(coarse, apart)]
    assert len(merged(*sights, coarse(between, 0.9))) == 5


@pytest.mark.parametrize("pitch", [19.0, 22.0, 28.0, 34.0])
@pytest.mark.parametrize("error", [0.0, 6.0])  # 2 pixels as the coarse scale reads them
@pytest.mark.parametrize("angle", [0.0, 45.0])
def test_a_ship_of_a_tight_row_that_the_fine_scale_missed_stays(
    pitch: float, error: float, angle: float
) -> None:
    row = moored(5, 180, 28, pitch, angle)  # 19 px: neighbours share 9 of 28 px, two thirds in all
    shift = error * (row[1] - row[0]) / pitch
    for missed in ([1], [2], [1, 3]):
        sights = all_at(fine, np.delete(row, missed, axis=0))
        sights += all_at(coarse, np.delete(row, missed, axis=0), 0.5)
        sights += all_at(coarse, row[missed] + shift, 0.5)
        found = merged(*sights)
        assert len(found) == 5
        assert iou_matrix(row, found.corners).max(axis=1).min() > 0.6


def test_a_coarse_box_on_two_ships_bow_to_stern_is_none() -> None:
    ships = np.concatenate([ship(200, 300, 200, 34), ship(410, 300, 200, 34)])
    sights = [*all_at(fine, ships, 0.7), *all_at(coarse, ships)]
    assert len(merged(*sights, coarse(ship(305, 300, 190, 34), 0.9))) == 2
    ships = np.concatenate([ship(150, 300, 200, 34), ship(570, 300, 200, 34)])
    sights = [*all_at(fine, ships, 0.7), *all_at(coarse, ships)]
    assert len(merged(*sights, coarse(ship(360, 300, 200, 34), 0.5))) == 3  # there is room


def test_a_coarse_box_amid_four_rafted_barges_is_none() -> None:
    raft = np.concatenate([ship(x, y, 250, 38) for y in (300, 339) for x in (200, 456)])
    sights = [*all_at(fine, raft, 0.7), *all_at(coarse, raft)]
    assert len(merged(*sights, coarse(ship(328, 319, 250, 38), 0.9))) == 4
    for missed in range(4):
        sights = [*all_at(fine, np.delete(raft, missed, axis=0)), *all_at(coarse, raft)]
        np.testing.assert_allclose(merged(*sights).corners, raft)


def test_a_fine_box_that_may_be_two_ships_takes_no_room_from_them() -> None:
    two = [ship(300, 286, 180, 28), ship(300, 314, 180, 28)]
    assert len(merged(fine(ship(300, 300, 180, 56)), *(coarse(corners) for corners in two))) == 2
    ends = [ship(220, 300, 140, 34), ship(380, 300, 140, 34)]
    assert len(merged(fine(ship(300, 300, 300, 34)), *(coarse(corners) for corners in ends))) == 2


def test_doubtful_fine_boxes_take_no_room_from_a_sure_coarse_ship() -> None:
    row = moored(2, 180, 28, 30)
    between = row[[0]] + 0.5 * (row[[1]] - row[[0]])
    assert len(merged(*all_at(fine, row, 0.4), *all_at(coarse, row), coarse(between, 0.9))) == 2
    assert len(merged(*all_at(fine, row, 0.2), *all_at(coarse, row), coarse(between, 0.9))) == 3


@given(st.integers(0, 10**6))
def test_a_box_between_ships_goes_and_no_missed_ship_with_it(seed: int) -> None:
    """The fine scale errs by a pixel, the coarse one by one of its own, three in the scene."""
    rng = np.random.default_rng(seed)
    length, count = rng.uniform(110, 180), int(rng.integers(3, 8))
    width = length / rng.uniform(4.5, 7)
    row = moored(count, length, width, width * rng.uniform(0.8, 1.1), rng.uniform(0, 90))

    def seen(corners: Corners, error: float) -> Corners:
        return corners + rng.uniform(-error, error, (len(corners), 1, 2))

    k = int(rng.integers(count - 1))
    between = row[[k]] + rng.uniform(0.4, 0.6) * (row[[k + 1]] - row[[k]])
    sights = [*all_at(fine, seen(row, 1)), *all_at(coarse, row), coarse(seen(between, 1))]
    assert len(merged(*sights)) == count

    missed = np.delete(row, int(rng.integers(1, count - 1)), axis=0)
    sights = [*all_at(fine, seen(missed, 1)), *all_at(coarse, seen(row, 3), 0.5)]
    found = merged(*sights)
    again = merged(*(sights[i] for i in rng.permutation(len(sights))))
    np.testing.assert_array_equal(found.corners, again.corners)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scales, "TAKEN", 2.0)  # never
        np.testing.assert_array_equal(found.corners, merged(*sights).corners)


@pytest.mark.parametrize("backwards", [False, True])
def test_a_box_between_ships_goes_tile_by_tile_too(backwards: bool) -> None:
    row = moored(4, 180, 28, 34, 60)
    between = (row[[1]] + row[[2]]) / 2
    views = {FINE.index: row, COARSE.index: np.concatenate([row, between])}
    merger = Merger(PLAN)
    for tile in reversed(PLAN.tiles) if backwards else PLAN.tiles:
        corners = views.get(tile.index, np.zeros((0, 4, 2)))
        scores = np.linspace(0.6, 0.7, len(corners), dtype=np.float32)
        merger.add(tile.index, Boxes(corners, scores, np.zeros(len(corners), np.int64)))
    assert len(merger.finish()) == merger.stats.objects == 4


@pytest.mark.parametrize(("score", "count"), [(0.7, 1), (0.9, 2)])
def test_halves_of_a_long_hull_are_no_row_of_ships(score: float, count: int) -> None:
    """Longer than the fine scale answers for, less sure, and the coarse scale saw one ship."""
    hull = ship(300, 300, 1.7 * LIMIT_PX, 60)
    halves = [ship(300, y, 1.6 * LIMIT_PX, 27) for y in (286, 314)]
    found = merged(*(fine(half, score) for half in halves), coarse(hull, 0.8))
    assert len(found) == count
    if count == 1:
        np.testing.assert_allclose(found.corners, hull)


def test_long_ships_side_by_side_stay_where_the_coarse_scale_sees_each() -> None:
    pair = np.concatenate([ship(300, y, 1.6 * LIMIT_PX, 27) for y in (284, 316)])
    both = ship(300, 300, 1.7 * LIMIT_PX, 60)
    found = merged(*all_at(fine, pair, 0.6), *all_at(coarse, pair, 0.6), coarse(both, 0.8))
    assert len(found) == 2
    assert iou_matrix(pair, found.corners).max(axis=1).min() > 0.99


def test_tugs_do_not_remove_the_ship_that_they_lie_at() -> None:
    tugs = [ship(250, 262, 60, 20), ship(480, 338, 60, 20)]
    large = ship(400, 300, 600, 90)
    found = merged(*(fine(corners) for corners in tugs), coarse(large))
    assert len(found) == 3


def test_a_part_of_a_ship_that_only_the_coarse_scale_sees_whole_is_not_a_ship() -> None:
    found = merged(fine(ship(300, 300, 150, 88)), coarse(ship(400, 300, 600, 90)))
    np.testing.assert_allclose(found.corners, ship(400, 300, 600, 90))


def test_doubtful_fine_boxes_do_not_take_a_sure_ship_of_the_coarse_scale_away() -> None:
    large = ship(400, 300, 600, 90)
    parts = [fine(ship(x, 300, 180, 80), 0.35) for x in (220.0, 580.0)]
    sights = [*parts, coarse(large, 0.9)]
    boxes = Boxes(
        np.concatenate([corners for corners, _, _ in sights]),
        np.array([score for _, _, score in sights], np.float32),
        np.zeros(3, np.int64),
    )
    tiles = TileBoxes(boxes, np.array([tile for _, tile, _ in sights]))
    found = merge(tiles, PLAN, conf=np.array([0.4, 0.4], np.float32))
    np.testing.assert_allclose(found.corners, large)
    two = merge(tiles, PLAN, conf=np.array([0.2, 0.2], np.float32))
    assert len(two) == 2  # where they count, they are a row of two


def test_of_a_fine_and_a_coarse_ship_that_cross_the_better_stays() -> None:
    large = ship(400, 300, 600, 90)
    across = corners_from_xywhr(np.array([[400, 300, 180, 80, np.pi / 2]]))
    for one, other, better in ((0.5, 0.7, large), (0.7, 0.5, across)):
        found = merged(fine(across, one), coarse(large, other))
        np.testing.assert_allclose(found.corners, better)
    boat = corners_from_xywhr(np.array([[300, 300, 80, 20, np.pi / 2]]))
    assert len(merged(fine(boat, 0.5), coarse(large, 0.7))) == 1
    assert len(merged(fine(boat, 0.7), coarse(large, 0.5))) == 2


def test_the_ships_that_crossed_better_ones_are_counted() -> None:
    merger = Merger(PLAN)
    across = corners_from_xywhr(np.array([[300, 300, 80, 20, np.pi / 2]]))
    one = np.zeros(1, np.int64)
    merger.add(FINE.index, Boxes(across, np.array([0.5], np.float32), one))
    merger.add(COARSE.index, Boxes(ship(400, 300, 600, 90), np.array([0.7], np.float32), one))
    assert len(merger.finish()) == merger.stats.objects == 1
    assert merger.stats.crossing == 1


def test_a_doubtful_coarse_box_does_not_remove_a_sure_fragment() -> None:
    fragment = ship(700, 300, 210, 40)  # cut by the fine tile's right border, 800
    sure = merged(fine(fragment, 0.9), coarse(ship(750, 300, 310, 42), 0.3))
    np.testing.assert_allclose(sure.corners, ship(750, 300, 310, 42))
    doubtful = merged(fine(fragment, 0.9), coarse(ship(750, 300, 310, 42), 0.02))
    assert len(doubtful) == 2


def test_every_box_is_either_an_object_or_accounted_for() -> None:
    """Unmatched boxes of both scales stay."""
    found = merged(fine(ship(300, 300, 500, 60)), coarse(ship(300, 600, 500, 60)))
    assert len(found) == 2
