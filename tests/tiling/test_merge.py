"""What holds for every merge: order, streaming, memory, bad input, nothing lost."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest
import shapely
from numpy.typing import NDArray

from detector.boxes.scored import Boxes, TileBoxes
from detector.errors import ConfigError
from detector.geometry.boxes import Corners, corners_from_xywhr, envelopes
from detector.simulating.scoring import score
from detector.simulating.views import GSD_M, NO_NOISE, Noise, Truth, Views, detect, world
from detector.tiling import matching
from detector.tiling.merge import Merger, MergeSettings, merge
from detector.tiling.plan import PlanSettings, TilePlan, plan_tiles

ONE_SCALE = plan_tiles(4500, 4500, PlanSettings(1024, 1.0, None, GSD_M, 100.0, 400.0))
TWO_SCALES = plan_tiles(4500, 4500, PlanSettings.for_scene(GSD_M, tile_px=1024, read_gsd_m=GSD_M))
PLANS = pytest.mark.parametrize("plan", [ONE_SCALE, TWO_SCALES], ids=["one", "two"])


def simulated(plan: TilePlan, seed: int, groups: int = 18, noise: Noise | None = None) -> Views:
    rng = np.random.default_rng(seed)
    return detect(world(plan, rng, groups), plan, noise or Noise(), rng)


def fed(plan: TilePlan, boxes: TileBoxes, order: NDArray[np.int64] | None = None) -> Merger:
    """A merger that was given the boxes tile by tile, in the order of the plan or another one."""
    merger = Merger(plan)
    for index in range(len(plan)) if order is None else order.tolist():
        merger.add(index, boxes.boxes.select(boxes.tiles == index))
    return merger


def assert_same(one: Boxes, other: Boxes) -> None:
    np.testing.assert_array_equal(one.corners, other.corners)
    np.testing.assert_array_equal(one.scores, other.scores)
    np.testing.assert_array_equal(one.class_ids, other.class_ids)


@PLANS
@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_the_boxes_does_not_matter(plan: TilePlan, seed: int) -> None:
    boxes = simulated(plan, seed).tile_boxes
    order = np.random.default_rng(seed).permutation(len(boxes))
    shuffled = TileBoxes(boxes.boxes.select(order), boxes.tiles[order])
    assert_same(merge(boxes, plan), merge(shuffled, plan))


@PLANS
def test_equal_scores_do_not_make_the_order_matter(plan: TilePlan) -> None:
    boxes = simulated(plan, 5).tile_boxes
    flat = Boxes(
        boxes.boxes.corners,
        np.full(len(boxes), 0.5, np.float32),
        boxes.boxes.class_ids,
    )
    order = np.random.default_rng(5).permutation(len(boxes))
    one = merge(TileBoxes(flat, boxes.tiles), plan)
    assert_same(one, merge(TileBoxes(flat.select(order), boxes.tiles[order]), plan))


@PLANS
@pytest.mark.parametrize("arrival", ["plan order", "swapped", "backwards"])
def test_streaming_gives_what_the_merge_of_all_boxes_gives(plan: TilePlan, arrival: str) -> None:
    boxes = simulated(plan, 7).tile_boxes
    order = np.arange(len(plan))
    if arrival == "swapped":  # within batches of 8
        rng = np.random.default_rng(7)
        order = np.concatenate(
            [rng.permutation(part) for part in np.split(order, range(8, len(order), 8))]
        )
    if arrival == "backwards":
        order = order[::-1]
    merger = fed(plan, boxes, order)
    assert_same(merger.finish(), merge(boxes, plan))


def test_streaming_holds_a_few_strips_only() -> None:
    settings = PlanSettings(512, 1.0, None, GSD_M, 40.0, 400.0)
    held, seen = [], []
    for height in (3000, 6300):
        plan = plan_tiles(1600, height, settings)
        merger = fed(plan, _carpet(plan))
        merger.finish()
        held.append(merger.stats.most_held)
        seen.append(merger.stats.boxes)
    assert seen[1] > 1.9 * seen[0]
    assert held[1] <= 1.1 * held[0]
    strips = len({tile.window.row for tile in plan.tiles})
    assert held[1] < 3.2 * seen[1] / strips


@pytest.mark.parametrize(("angle", "pitch"), [(0, 40), (45, 60), (90, 206)])
def test_a_quay_along_the_whole_scene_is_not_held_at_once(angle: float, pitch: float) -> None:
    """Both scales, as `predict` plans: ships of 60 m, 6 px apart, from the top to the bottom."""
    held, seen = [], []
    for height in (4000, 16_000):
        settings = PlanSettings.for_scene(GSD_M, tile_px=640, read_gsd_m=GSD_M)
        plan = plan_tiles(2500, height, settings.snug(2500, height))
        y = np.arange(150.0, height - 150, pitch)
        xywhr = np.tile([1200.0, 0, 200, 34, np.radians(angle)], (len(y), 1))
        xywhr[:, 1] = y
        quay = Truth(xywhr, np.zeros(len(y), np.int64), np.full(len(y), "quay"))
        boxes = detect(quay, plan, NO_NOISE, np.random.default_rng(0)).tile_boxes
        merger = fed(plan, boxes)
        assert len(merger.finish()) == len(y)
        held.append(merger.stats.most_held)
        seen.append(merger.stats.boxes)
    assert seen[1] > 3.5 * seen[0]
    assert held[1] <= 1.5 * held[0]


def _carpet(plan: TilePlan) -> TileBoxes:
    """Boats all over the scene, seen without errors."""
    x, y = np.meshgrid(np.arange(30, plan.width - 30, 40), np.arange(30, plan.height - 30, 50))
    count = x.size
    xywhr = np.column_stack([x.ravel(), y.ravel(), *(np.full(count, v) for v in (36.0, 12.0, 0.7))])
    corners = corners_from_xywhr(xywhr)
    boxes, tiles = [], []
    for tile in plan.tiles:
        x_min, y_min, x_max, y_max = tile.window.bounds
        inside = ((corners > [x_min, y_min]) & (corners < [x_max, y_max])).all(axis=(1, 2))
        index = np.flatnonzero(inside)
        scores = np.full(len(index), 0.5, np.float32)
        boxes.append(Boxes(corners[index], scores, np.zeros(len(index), np.int64)))
        tiles.append(np.full(len(index), tile.index))
    return TileBoxes(Boxes.concatenate(boxes), np.concatenate(tiles))


@PLANS
def test_without_errors_every_object_that_was_seen_comes_out_once(plan: TilePlan) -> None:
    rng = np.random.default_rng(11)
    truth = world(plan, rng)
    views = detect(truth, plan, NO_NOISE, rng)
    result = score(merge(views.tile_boxes, plan), truth, views)
    assert result.objects > 200
    assert (result.merges, result.splits) == (0, 0)
    assert result.iou.min() > 0.9


@PLANS
@pytest.mark.parametrize("seeds", [range(200, 210), range(210, 220)], ids=["200s", "210s"])
def test_at_most_two_errors_in_a_thousand_objects(plan: TilePlan, seeds: range) -> None:
    objects = errors = 0
    for seed in seeds:
        rng = np.random.default_rng(seed)
        truth = world(plan, rng)
        views = detect(truth, plan, Noise(), rng)
        result = score(merge(views.tile_boxes, plan), truth, views)
        objects += result.objects
        errors += result.merges + result.splits
    assert objects > 2000
    assert errors <= 0.002 * objects


@PLANS
def test_exact_intersections_are_not_more_than_the_candidate_pairs(
    plan: TilePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The calls are counted where they are made, the candidates by a tree of the test's own."""
    calls, met = [], []
    candidates = matching._candidates

    def count(name: str) -> None:
        call = getattr(matching, name)

        def counted(seen, first, second, *rest):  # type: ignore[no-untyped-def]
            calls.append(len(first))
            return call(seen, first, second, *rest)

        monkeypatch.setattr(matching, name, counted)

    count("_shared_areas")
    count("_share_a_fate")

    def queried(seen, fresh, counts):  # type: ignore[no-untyped-def]
        assert fresh.all()
        shapes = shapely.box(*envelopes(seen.shapes).T)
        met.append((len(shapely.STRtree(shapes).query(shapes)[0]) - len(shapes)) // 2)
        return candidates(seen, fresh, counts)

    monkeypatch.setattr(matching, "_candidates", queried)
    merger = Merger(plan)
    merger.take(simulated(plan, 3).tile_boxes)
    merger.finish()
    pairs = merger.stats.pairs
    assert met == [pairs.candidates]
    assert sum(calls) == pairs.exact
    assert 0 < pairs.exact <= met[0]


@PLANS
def test_streaming_looks_at_no_pair_twice(plan: TilePlan) -> None:
    boxes = simulated(plan, 3).tile_boxes
    at_once, tile_by_tile = Merger(plan), fed(plan, boxes)
    at_once.take(boxes)
    at_once.finish(), tile_by_tile.finish()
    assert 0 < tile_by_tile.stats.pairs.exact <= at_once.stats.pairs.exact


def test_boxes_of_no_class_and_of_no_tile_are_refused() -> None:
    boxes = simulated(ONE_SCALE, 4).tile_boxes
    for wrong in (-1, 2):
        odd = np.where(np.arange(len(boxes)) == 3, wrong, boxes.boxes.class_ids)
        with pytest.raises(ValueError, match=f"class {wrong} is none of ship, container_stack"):
            merge(replace(boxes, boxes=replace(boxes.boxes, class_ids=odd)), ONE_SCALE)
    for wrong in (-1, len(ONE_SCALE)):
        odd = np.where(np.arange(len(boxes)) == 3, wrong, boxes.tiles)
        with pytest.raises(IndexError, match=f"tile {wrong} is not in a plan of"):
            merge(replace(boxes, tiles=odd), ONE_SCALE)


def test_rows_that_tie_are_ordered_by_geometry() -> None:
    """Two stacks across each other have one lowest corner, one class and one score."""
    one = np.array([[770.0, 460], [830, 520], [810, 540], [750, 480]])
    other = np.array([[810.0, 460], [830, 480], [770, 540], [750, 520]])
    corners = np.stack([one, other])
    first, second = (t.index for t in ONE_SCALE.tiles if t.window.row == 0 and t.window.col < 900)
    boxes = Boxes(corners, np.full(2, 0.9, np.float32), np.ones(2, np.int64))
    seen_by = np.array([first, second])
    found = [merge(TileBoxes(boxes, tiles), ONE_SCALE) for tiles in (seen_by, seen_by[::-1])]
    assert len(found[0]) == 2
    assert found[0].scores[0] == found[0].scores[1]
    assert_same(*found)


def test_stats_add_up() -> None:
    boxes = simulated(ONE_SCALE, 4).tile_boxes
    merger = fed(ONE_SCALE, boxes)
    found = merger.finish()
    stats = merger.stats
    assert stats.boxes == len(boxes)
    assert stats.objects == len(found)
    assert stats.unusable == 0
    assert 0.03 * stats.boxes < stats.duplicates < 0.06 * stats.boxes
    assert 0 < stats.joined < stats.objects


# Bad input


def ship(
    x: float, y: float, length: float = 100, width: float = 20, angle: float = 0
) -> np.ndarray:
    return corners_from_xywhr(np.array([[x, y, length, width, angle]]))


def boxes_of(*corners: Corners, scores: tuple[float, ...] | None = None) -> Boxes:
    count = len(corners)
    given = np.array(scores or [0.5] * count, np.float32)
    return Boxes(np.concatenate(corners), given, np.zeros(count, np.int64))


SMALL = plan_tiles(900, 600, PlanSettings(512, 1.0, None, 0.5, 50.0))


@PLANS
def test_no_boxes_are_no_objects(plan: TilePlan) -> None:
    empty = TileBoxes(Boxes.empty(), np.zeros(0, np.int64))
    assert len(merge(empty, plan)) == 0
    merger = Merger(plan)
    for index in range(len(plan)):
        merger.add(index, Boxes.empty())
    assert merger.finish().corners.shape == (0, 4, 2)


def test_a_plan_without_tiles_has_no_objects() -> None:
    plan = plan_tiles(100, 100, PlanSettings(64, gsd_m=5.0), wanted=lambda core: False)
    assert len(Merger(plan).finish()) == 0


def test_one_tile_keeps_all_its_boxes() -> None:
    plan = plan_tiles(400, 300, PlanSettings(512, gsd_m=0.5, limit=50))
    boxes = boxes_of(ship(100, 100), ship(100, 122), ship(350, 150))
    found = merge(TileBoxes(boxes, np.zeros(3, np.int64)), plan)
    np.testing.assert_allclose(found.corners, boxes.corners)


def test_a_box_beyond_a_scene_smaller_than_its_tile_stays() -> None:
    plan = plan_tiles(80, 60, PlanSettings(512, gsd_m=0.5, limit=50))
    boxes = boxes_of(ship(70, 30, 60))
    found = merge(TileBoxes(boxes, np.zeros(1, np.int64)), plan)
    np.testing.assert_allclose(found.corners, boxes.corners)


def test_boxes_that_cannot_be_used_are_counted_and_told(caplog: pytest.LogCaptureFixture) -> None:
    nan, twisted = ship(50, 50), ship(250, 250)
    nan[0, 2, 1] = np.nan
    twisted[0] = twisted[0, [0, 2, 1, 3]]
    flat, far = ship(300, 100, 100, 0), ship(20, 20)
    far[0, :, 0] = np.inf
    boxes = boxes_of(nan, ship(100, 100), twisted, flat, far)
    merger = Merger(SMALL)
    with caplog.at_level(logging.WARNING):
        merger.add(0, boxes)
    found = merger.finish()
    np.testing.assert_allclose(found.corners, ship(100, 100))
    assert merger.stats.unusable == 4
    assert "4 of 5 boxes left out" in caplog.text


def test_a_crowded_tile_is_flagged() -> None:
    count = 100_001
    corners = np.tile(ship(100, 100), (count, 1, 1))
    boxes = Boxes(corners, np.full(count, 0.5, np.float32), np.zeros(count, np.int64))
    merger = Merger(SMALL)
    merger.add(0, boxes)
    assert len(merger.finish()) == 1
    assert merger.stats.crowded == [0]


def test_corners_in_any_order_are_one_object() -> None:
    plan = plan_tiles(900, 400, PlanSettings(512, gsd_m=0.5, limit=50))
    one, other = ship(450, 200), ship(451, 201)[:, [2, 1, 0, 3]]
    boxes = boxes_of(one, other)
    assert len(merge(TileBoxes(boxes, np.array([0, 1])), plan)) == 1


def test_tiles_are_added_once_and_exist() -> None:
    merger = Merger(SMALL)
    merger.add(0, Boxes.empty())
    with pytest.raises(ValueError, match="twice"):
        merger.add(0, Boxes.empty())
    with pytest.raises(IndexError, match="tile 99"):
        merger.add(99, Boxes.empty())
    box = boxes_of(ship(700, 100))
    with pytest.raises(ValueError, match="class 2"):
        merger.add(1, replace(box, class_ids=np.array([2])))
    merger.add(1, box)  # what was refused was not taken
    assert len(merger.finish()) == 1


@pytest.mark.parametrize("name", ["duplicate_iou", "match_iou", "fragment_cover", "width_ratio"])
@pytest.mark.parametrize("value", [0.0, 1.5, float("nan")])
def test_thresholds_out_of_range_say_so(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=name):
        MergeSettings(**{name: value})


# Rules, one by one. SMALL's first two tiles: columns 0-512 and 395-907.


def test_what_matches_nothing_stays_wherever_its_core_is() -> None:
    assert [tile.window.col for tile in SMALL.tiles[:2]] == [0, 395]
    for x in (60, 440, 470):  # both cores, seen by one tile only
        boxes = boxes_of(ship(x, 100))
        assert len(merge(TileBoxes(boxes, np.array([0])), SMALL)) == 1


def test_a_whole_box_comes_before_a_fragment_with_a_higher_score() -> None:
    whole, part = ship(500, 100, 120), ship(476, 100, 72)
    boxes = Boxes(
        np.concatenate([part, whole]), np.array([0.9, 0.3], np.float32), np.zeros(2, np.int64)
    )
    [found] = merge(TileBoxes(boxes, np.array([0, 1])), SMALL).corners
    np.testing.assert_allclose(found, whole[0])


def test_the_higher_score_stands_for_two_whole_boxes_and_the_core_for_equal_ones() -> None:
    one, other = ship(453, 100, 80), ship(454, 101, 80)
    for scores, expected in (((0.5, 0.6), other), ((0.6, 0.5), one), ((0.5, 0.5), other)):
        boxes = Boxes(
            np.concatenate([one, other]), np.array(scores, np.float32), np.zeros(2, np.int64)
        )
        [found] = merge(TileBoxes(boxes, np.array([0, 1])), SMALL).corners
        np.testing.assert_allclose(found, expected[0])


def test_classes_do_not_match() -> None:
    boxes = Boxes(
        np.concatenate([ship(450, 100)] * 2), np.full(2, 0.5, np.float32), np.array([0, 1])
    )
    assert len(merge(TileBoxes(boxes, np.array([0, 1])), SMALL)) == 2


def test_fragments_of_unlike_widths_stay_two() -> None:
    left, right = ship(412, 100, 200, 20), ship(488, 100, 200, 20)
    assert len(merge(TileBoxes(boxes_of(left, right), np.array([0, 1])), SMALL)) == 1
    narrow = ship(488, 100, 200, 12)
    assert len(merge(TileBoxes(boxes_of(left, narrow), np.array([0, 1])), SMALL)) == 2


def test_fragments_are_not_joined_beyond_the_longest_of_their_class() -> None:
    left, right = ship(256, 100, 512, 60), ship(644, 100, 512, 60)
    both = TileBoxes(boxes_of(left, right), np.array([0, 1]))
    assert len(merge(both, SMALL)) == 2  # 900 px are 450 m
    assert len(merge(both, SMALL, MergeSettings(longest_ship_m=430))) == 1


def test_a_doubtful_whole_box_does_not_stand_for_a_sure_fragment() -> None:
    part, whole = ship(476, 100, 72), ship(500, 100, 120)
    for doubt, expected in ((0.3, whole), (0.02, part)):
        boxes = boxes_of(part, whole, scores=(0.9, doubt))
        found = merge(TileBoxes(boxes, np.array([0, 1])), SMALL)
        np.testing.assert_allclose(found.corners, expected)
        assert found.scores[0] == np.float32(0.45)  # half of the best: the other tile doubts it


def test_doubtful_fragments_do_not_stretch_a_joined_box() -> None:
    left, right, junk = ship(412, 100, 200), ship(488, 100, 200), ship(560, 101, 344)
    boxes = boxes_of(left, right, junk, scores=(0.8, 0.7, 0.02))
    found = merge(TileBoxes(boxes, np.array([0, 1, 1])), SMALL)
    sure = found.select(found.scores > 0.25)
    np.testing.assert_allclose(sure.corners, ship(450, 100, 276), atol=1e-6)


@PLANS
def test_a_lower_threshold_of_the_network_does_not_change_the_sure_objects(plan: TilePlan) -> None:
    rng = np.random.default_rng(21)
    truth = world(plan, rng)
    views = detect(truth, plan, Noise(), rng)
    sure = views.tile_boxes
    junk = detect(truth, plan, Noise(8.0, 8.0, 0.2), rng).tile_boxes
    weak = Boxes(junk.boxes.corners, junk.boxes.scores * np.float32(0.03), junk.boxes.class_ids)
    both = TileBoxes.concatenate([sure, TileBoxes(weak, junk.tiles)])
    found = merge(both, plan)
    result = score(found.select(found.scores > 0.1), truth, views)
    assert result.merges + result.splits <= 0.01 * result.objects
