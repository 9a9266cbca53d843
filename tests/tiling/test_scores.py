"""Scores of objects: what all tiles say, against a plain loop; no box goes for its place."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.boxes.luck import LUCK, TILE_SHARE
from detector.boxes.scored import Boxes, TileBoxes
from detector.classes import PORT
from detector.geometry.boxes import centres, corners_from_xywhr, edge_lengths
from detector.simulating.views import Noise, detect, world
from detector.tiling.merge import Merger, merge
from detector.tiling.plan import PlanSettings, TilePlan, plan_tiles
from detector.tiling.scores import (
    FULL_TRUST,
    LEAST_SHARE,
    LEAST_TRUST,
    Voting,
    fused_scores,
)
from detector.tiling.sightings import TOUCH_LENGTH_SHARE, TOUCH_READ_PX, TileTable, sightings

CONF = np.array([0.25, 0.25], np.float32)
PLAN = plan_tiles(1500, 1200, PlanSettings(512, 1.0, None, 0.5, 60.0, 400.0))
SHIP_PX = (80.0, 20.0)


def seen_by(plan: TilePlan, x: float, y: float) -> list[int]:
    """Tiles that hold a level ship of `SHIP_PX` at this centre whole."""
    length, width = SHIP_PX
    margin = TOUCH_READ_PX + TOUCH_LENGTH_SHARE * length
    held = []
    for tile in plan.tiles:
        x_min, y_min, x_max, y_max = tile.window.bounds
        left = x_min if x_min == 0 else x_min + margin
        top = y_min if y_min == 0 else y_min + margin
        right = x_max if x_max >= plan.width else x_max - margin
        bottom = y_max if y_max >= plan.height else y_max - margin
        inside = left <= x - length / 2 and x + length / 2 <= right
        if inside and top <= y - width / 2 and y + width / 2 <= bottom:
            held.append(tile.index)
    return held


def trust(plan: TilePlan, tile: int, x: float, y: float) -> float:
    """Weight of a look: full from a tenth of the window's side between centre and seam."""
    x_min, y_min, x_max, y_max = plan.tiles[tile].window.bounds
    gaps = [0.5 * (x_max - x_min)]
    gaps += [x - x_min] * (x_min > 0) + [y - y_min] * (y_min > 0)
    gaps += [x_max - x] * (x_max < plan.width) + [y_max - y] * (y_max < plan.height)
    return max(LEAST_TRUST, min(1.0, min(gaps) / (x_max - x_min) / FULL_TRUST))


def spots_with(count: int) -> list[tuple[float, float]]:
    """Places at which so many tiles hold a ship whole."""
    return [
        (x, y)
        for x in np.arange(60.0, 1440, 20)
        for y in np.arange(60.0, 1140, 20)
        if len(seen_by(PLAN, x, y)) == count
    ]


def looks(x: float, y: float, scores: dict[int, float]) -> TileBoxes:
    """One level ship, seen by each of the tiles with its score."""
    corners = corners_from_xywhr(np.array([[x, y, *SHIP_PX, 0.0]] * len(scores)).reshape(-1, 5))
    ships = np.full(len(scores), PORT.id("ship"), np.int64)
    boxes = Boxes(corners, np.array(list(scores.values()), np.float32), ships)
    return TileBoxes(boxes, np.array(list(scores), np.int64))


@settings(max_examples=100, deadline=None)
@given(st.floats(41, 1459), st.floats(11, 1189), st.data())
def test_the_score_is_the_weighted_mean_of_all_tiles_without_the_luck_of_few(
    x: float, y: float, data: st.DataObject
) -> None:
    tiles = seen_by(PLAN, x, y)
    given_by = data.draw(st.lists(st.sampled_from(tiles), min_size=1, unique=True))
    scores = {tile: data.draw(st.floats(0.2, 0.95)) for tile in sorted(given_by)}
    found = merge(looks(x, y, scores), PLAN, conf=np.zeros(2, np.float32))
    weights = np.array([trust(PLAN, tile, x, y) for tile in tiles])
    said = np.array([scores.get(tile, 0.0) for tile in tiles])
    luck = LUCK * float(weights @ weights) / float(weights.sum()) ** 2
    mean = float(weights @ said / weights.sum())
    expected = max(mean - luck, LEAST_SHARE * max(scores.values()))
    assert len(found) == 1
    assert found.scores[0] == pytest.approx(expected, abs=1e-6)


def test_a_sure_box_counts_wherever_the_seams_are() -> None:
    """Ownership never removes an object: seen by one tile only, near that tile's own border."""
    alone = next(t for t in PLAN.tiles if t.window.col > 0 and t.window.row > 0)
    x, y = alone.window.col + 45.0, alone.window.row + 256.0
    others = [tile for tile in seen_by(PLAN, x, y) if tile != alone.index]
    assert others
    for score, count in ((0.51, 1), (0.3, 0)):
        merger = Merger(PLAN, conf=CONF)
        merger.take(looks(x, y, {alone.index: score}))
        assert len(merger.finish()) == count
        assert merger.stats.doubtful == 1 - count


def test_a_doubtful_look_counts_if_the_others_are_sure() -> None:
    corner = next(
        (x, y)
        for x in range(60, 1440, 5)
        for y in range(60, 1140, 5)
        if len(seen_by(PLAN, x, y)) == 4
    )
    tiles = seen_by(PLAN, *corner)
    low = float(TILE_SHARE * CONF[0]) + 0.01
    least = min(tiles, key=lambda tile: trust(PLAN, tile, *corner))
    scores = dict.fromkeys(tiles, 0.35) | {least: low}
    found = merge(looks(*corner, scores), PLAN, conf=CONF)
    assert len(found) == 1
    assert low < found.scores[0] < 0.35


def test_more_looks_do_not_make_objects_surer() -> None:
    """The highest of several scores grows with their number; the mean does not."""
    rng = np.random.default_rng(3)
    means = {}
    for count in (1, 4):
        spots = spots_with(count)
        scores = [
            merge(
                looks(x, y, {t: float(rng.uniform(0.2, 0.9)) for t in seen_by(PLAN, x, y)}), PLAN
            ).scores[0]
            for x, y in spots
        ]
        means[count] = float(np.mean(scores))
        assert len(spots) > 50
    assert means[1] == pytest.approx(0.55 - LUCK, abs=0.03)
    assert means[4] == pytest.approx(0.55 - LUCK / 4, abs=0.03)


def test_as_many_objects_count_whether_one_tile_looks_or_four() -> None:
    """Doubtful objects are the more, the lower their scores, so errors lift more than they drop."""
    rng = np.random.default_rng(5)
    true = np.minimum(0.05 + rng.exponential(1 / 6, 20_000), 0.9)
    lucky, counted = {}, {}
    for count in (1, 4):
        spots = spots_with(count)
        said = np.clip(rng.normal(true[:, None], 0.14, (len(true), count)), 0.0, 1.0)
        lucky[count] = float((said.mean(axis=1) >= 0.35).sum())
        x, y = np.array(spots)[rng.integers(len(spots), size=len(true))].T
        scores = _fused(x, y, said)
        counted[count] = float((scores >= 0.35).sum())
    assert lucky[1] > 1.2 * lucky[4]
    assert counted[1] == pytest.approx(counted[4], rel=0.05)


def _fused(x: np.ndarray, y: np.ndarray, said: np.ndarray) -> np.ndarray:
    """Scores `(K,)` of ships seen by all tiles that hold them, `said` `(K, looks)`."""
    table = TileTable.of(PLAN)
    xywhr = np.column_stack([x, y, *(np.full(len(x), v) for v in (*SHIP_PX, 0.0))])
    corners = corners_from_xywhr(xywhr)
    labels = np.repeat(np.arange(len(x)), said.shape[1])
    tiles = np.concatenate([seen_by(PLAN, *spot) for spot in zip(x, y, strict=True)])
    boxes = Boxes(corners[labels], said.ravel().astype(np.float32), np.zeros(len(labels), np.int64))
    top = said.max(axis=1).astype(np.float32)
    none = np.zeros(len(x), np.int64)
    seen = sightings(boxes, tiles, table)
    return fused_scores(corners, top, none, seen, labels, table, np.zeros(len(x), np.float32), LUCK)


def test_what_no_tile_holds_keeps_its_highest_score() -> None:
    table = TileTable.of(PLAN)
    long = corners_from_xywhr(np.array([[700.0, 300, 900, 60, 0.0]]))
    assert edge_lengths(long)[0][0] > 512
    boxes = Boxes(long, np.array([0.4], np.float32), np.zeros(1, np.int64))
    tile = np.array([0], np.int64)
    seen = sightings(boxes, tile, table)
    none = np.zeros(1, np.int64)
    top = np.array([0.4], np.float32)
    score = fused_scores(long, top, none, seen, none, table, Voting.of(CONF, LUCK).missed[:1], LUCK)
    assert score[0] == np.float32(0.4)


def test_the_threshold_is_that_of_the_class_and_nothing_else_changes() -> None:
    rng = np.random.default_rng(5)
    truth = world(PLAN_LARGE, rng, groups=12)
    views = detect(truth, PLAN_LARGE, Noise(), rng).tile_boxes
    all_of_them = merge(views, PLAN_LARGE)
    conf = np.array([0.6, 0.7], np.float32)
    some = merge(views, PLAN_LARGE, conf=conf)
    assert 0 < len(some) < len(all_of_them)
    assert (some.scores >= conf[some.class_ids]).all()
    assert {tuple(c) for c in centres(some.corners)} <= {
        tuple(c) for c in centres(all_of_them.corners)
    }


PLAN_LARGE = plan_tiles(4500, 4500, PlanSettings(1024, 1.0, None, 0.3, 100.0, 400.0))
