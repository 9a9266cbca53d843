"""The plan: cores partition the scene, and every object that a level keeps is whole somewhere."""

from __future__ import annotations

import math

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.errors import ConfigError
from detector.geometry.windows import PixelWindow
from detector.tiling.plan import GRID_PX, GRID_STEP_PX, PlanSettings, TilePlan, plan_tiles
from detector.tiling.tile import Tile


@st.composite
def plans(draw: st.DrawFn) -> TilePlan:
    tile = draw(st.integers(32, 200))
    scale = draw(st.sampled_from([0.3, 0.5, 0.77, 1.0, 1.5]))
    coarse = draw(st.sampled_from([None, scale / 2, scale / 4]))
    gsd = draw(st.sampled_from([None, 0.3, 2.0]))
    unit = 1.0 if gsd is None else gsd
    share = draw(st.floats(0.05, 0.5))
    limit = share * tile / scale * unit / 1.6
    longest = limit if coarse is None else limit * draw(st.floats(1.0, scale / coarse))
    wide, high = draw(st.integers(1, 700)), draw(st.integers(1, 700))
    settings = PlanSettings(tile, scale, coarse, gsd, limit, longest)
    return plan_tiles(wide, high, settings.snug(wide, high) if draw(st.booleans()) else settings)


@given(plans())
def test_every_pixel_lies_in_exactly_one_core_of_each_level(plan: TilePlan) -> None:
    for level in range(plan.levels):
        owners = np.zeros((plan.height, plan.width), int)
        for tile in plan.tiles:
            if tile.level == level:
                core = tile.core
                owners[core.row : core.row_end, core.col : core.col_end] += 1
        assert (owners == 1).all()


@given(plans())
def test_tiles_of_a_level_have_one_size_and_hold_their_cores(plan: TilePlan) -> None:
    for tile in plan.tiles:
        side = plan.settings.window_px(tile.level)
        assert (tile.window.width, tile.window.height) == (side, side)
        assert tile.scale * side == pytest.approx(plan.settings.tile_px, abs=1e-9)
        assert tile.window.intersection(tile.core) == tile.core
        behind = math.ceil(GRID_PX / tile.scale)  # a cell of the network's grid at most
        assert tile.window.col_end < max(plan.width, side) + behind + 1
        assert tile.window.row_end < max(plan.height, side) + behind + 1
        assert tile.window.col < plan.width
        assert tile.window.row < plan.height


@given(plans())
def test_from_window_to_window_an_object_moves_in_the_grid_of_the_network(plan: TilePlan) -> None:
    for level in range(plan.levels):
        scale = plan.settings.level_scale(level)
        most = plan.settings.window_px(level) - plan.settings.overlap_px(level)
        tiles = [tile for tile in plan.tiles if tile.level == level]
        for starts in ({t.window.col for t in tiles}, {t.window.row for t in tiles}):
            moved = np.diff(sorted(starts))
            assert (moved <= most).all()
            if scale * (most - 1) >= GRID_PX + GRID_STEP_PX:
                off = (scale * moved - GRID_STEP_PX + GRID_PX / 2) % GRID_PX - GRID_PX / 2
                assert (np.abs(off) <= scale + 1e-6).all()  # windows start at whole scene pixels


@pytest.mark.parametrize("length", [641, 700, 1160, 4000, 12_345])
def test_moving_in_the_grid_costs_at_most_a_cell_of_the_overlap(length: int) -> None:
    settings = PlanSettings(640, 1.0, None, None, 100.0, 100.0)
    overlap = settings.overlap_px(0) + GRID_PX
    count = math.ceil((length - overlap) / (640 - overlap))
    assert len(plan_tiles(length, 1, settings)) <= max(2, count)


@given(plans())
def test_a_snug_plan_has_no_more_tiles_and_a_coarse_scale_as_fine_or_finer(plan: TilePlan) -> None:
    snug = plan_tiles(plan.width, plan.height, plan.settings.snug(plan.width, plan.height))
    assert len(snug) <= len(plan)
    assert [t for t in snug.tiles if t.level == 0] == [
        Tile(mine.index, t.strip, t.level, t.window, t.core, t.scale)
        for t, mine in zip(
            (t for t in plan.tiles if t.level == 0),
            (t for t in snug.tiles if t.level == 0),
            strict=True,
        )
    ]
    if plan.settings.coarse_scale is None:
        assert snug == plan
    else:
        assert snug.settings.coarse_scale is not None
        assert snug.settings.coarse_scale >= plan.settings.coarse_scale


def test_the_coarse_scale_of_a_small_scene_is_as_fine_as_its_tiles_allow() -> None:
    settings = PlanSettings.for_scene(0.5, tile_px=640, read_gsd_m=0.3)
    assert settings.coarse_scale == pytest.approx(0.377, abs=1e-3)  # windows of 1696 px
    for size, window in {
        (806, 806): 918,  # one window, 95 % of which hold an overlap of 870 px
        (1300, 900): 1300,
        (1696, 100): 1696,
        (2400, 500): 1647,  # two windows: (2400 - 893) / 2 + 893
        (9000, 9000): 1696,  # ten, which could lie no closer in the grid
    }.items():
        snug = settings.snug(*size)
        assert snug.window_px(1) == pytest.approx(window, abs=1), size
        assert (snug.scale, snug.limit, snug.longest) == (1.5, settings.limit, 400.0)
    # Never as fine as the fine scale.
    unknown = PlanSettings.for_scene(None, tile_px=640, read_gsd_m=0.3)
    assert unknown.snug(700, 700).coarse_scale == pytest.approx(1.0 / 1.5)


@given(plans())
def test_tiles_come_in_reading_order(plan: TilePlan) -> None:
    keys = [(tile.window.row, tile.level, tile.window.col) for tile in plan.tiles]
    assert keys == sorted(keys)
    assert [tile.index for tile in plan.tiles] == list(range(len(plan)))
    for level in range(plan.levels):
        own = [tile for tile in plan.tiles if tile.level == level]
        rows = sorted({tile.window.row for tile in own})
        assert [tile.strip for tile in own] == [rows.index(tile.window.row) for tile in own]


@given(plans(), st.data())
def test_an_object_not_longer_than_the_overlap_is_whole_in_the_tile_that_owns_its_centre(
    plan: TilePlan, data: st.DataObject
) -> None:
    level = data.draw(st.integers(0, plan.levels - 1))
    overlap = plan.settings.overlap_px(level)
    size = np.array([data.draw(st.floats(0.5, overlap)), data.draw(st.floats(0.5, overlap))])
    scene = np.array([plan.width, plan.height], float)
    size = np.minimum(size, scene)
    spot = np.array([data.draw(st.floats(0, 1)), data.draw(st.floats(0, 1))])
    low = spot * (scene - size)
    centre = low + size / 2
    [owner] = [
        tile
        for tile in plan.tiles
        if tile.level == level
        and tile.core.col <= centre[0] < tile.core.col_end
        and tile.core.row <= centre[1] < tile.core.row_end
    ]
    x_min, y_min, x_max, y_max = owner.window.bounds
    # Cores are cut at whole pixels, so half a pixel may be missing.
    assert low[0] >= x_min - 0.5
    assert low[1] >= y_min - 0.5
    assert (low + size <= np.array([x_max, y_max]) + 0.5).all()


def test_the_overlap_holds_the_longest_object_of_the_level() -> None:
    one = PlanSettings(1024, 1.0, None, 0.5, 100.0, 400.0)
    assert one.overlap_px(0) == 220  # 100 m / 0.5 * 1.06 + 2 * 4
    two = PlanSettings(1024, 1.0, 0.25, 0.5, 100.0, 400.0)
    assert two.overlap_px(0) == 284  # 130 m / 0.5 * 1.06 + 2 * 4
    assert two.overlap_px(1) == 880  # 400 m / 0.5 * 1.06 + 2 * 4 * 4
    pixels = PlanSettings(1024, 1.0, None, None, 200.0, 400.0)
    assert pixels.overlap_px(0) == 220


def test_zones_keep_the_tiles_whose_core_they_meet() -> None:
    whole = plan_tiles(3000, 2000, PlanSettings(512, gsd_m=0.5, limit=50))
    zones = [
        shapely.box(100, 100, 200, 200),
        shapely.Polygon([(2500, 900), (2600, 1500), (2400, 1500)]),
    ]
    kept = plan_tiles(3000, 2000, whole.settings, wanted=zones)
    expected = [
        tile.core
        for tile in whole.tiles
        if any(shapely.intersects(shapely.box(*tile.core.bounds), zone) for zone in zones)
    ]
    assert [tile.core for tile in kept.tiles] == expected
    assert 0 < len(kept) < len(whole)
    assert [tile.index for tile in kept.tiles] == list(range(len(kept)))


def test_a_predicate_is_asked_for_cores() -> None:
    asked: list[PixelWindow] = []

    def left_half(core: PixelWindow) -> bool:
        asked.append(core)
        return core.col_end <= 1000

    kept = plan_tiles(2000, 600, PlanSettings(512, gsd_m=0.5, limit=50), wanted=left_half)
    whole = plan_tiles(2000, 600, PlanSettings(512, gsd_m=0.5, limit=50))
    assert sorted(c.bounds for c in asked) == sorted(tile.core.bounds for tile in whole.tiles)
    assert [t.core for t in kept.tiles] == [t.core for t in whole.tiles if t.core.col_end <= 1000]


def test_a_plan_without_wanted_tiles_is_empty() -> None:
    plan = plan_tiles(3000, 2000, PlanSettings(), wanted=shapely.box(9000, 9000, 9001, 9001))
    assert plan.tiles == ()


def test_a_scene_smaller_than_a_tile_is_one_tile() -> None:
    plan = plan_tiles(300, 40, PlanSettings(512))
    [tile] = plan.tiles
    assert tile.window == PixelWindow(0, 0, 512, 512)
    assert tile.core == PixelWindow(0, 0, 300, 40)


@pytest.mark.parametrize(
    ("gsd_m", "levels", "scale"),
    [(0.25, 2, 0.5), (0.5, 2, 1.0), (1.0, 2, 1.5), (3.0, 1, 1.5), (10.0, 1, 1.5), (None, 2, 1.0)],
)
def test_scales_follow_from_the_gsd(gsd_m: float | None, levels: int, scale: float) -> None:
    settings = PlanSettings.for_scene(gsd_m, tile_px=1024, read_gsd_m=0.5)
    assert settings.levels == levels
    assert settings.scale == pytest.approx(scale)
    for level in range(levels):
        assert settings.overlap_px(level) < 0.5 * settings.window_px(level)


@settings(max_examples=200)
@given(st.floats(0.05, 60), st.integers(320, 2048), st.floats(0.1, 3))
def test_for_scene_never_asks_for_too_much(gsd_m: float, tile_px: int, read_gsd_m: float) -> None:
    plan = PlanSettings.for_scene(gsd_m, tile_px=tile_px, read_gsd_m=read_gsd_m)
    assert plan.scale <= 1.5
    for level in range(plan.levels):
        assert plan.overlap_px(level) <= 0.55 * plan.window_px(level)


@pytest.mark.parametrize(
    ("side_px", "enlarge", "scale"),
    [(500, 3.0, 3.0), (639, 1.5, 1.5), (200, 1.5, 1.5), (200, 1.2, 1.2), (200, 1.0, 1.0)],
)
def test_a_small_scene_of_unknown_gsd_is_enlarged_as_it_is_told(
    side_px: int, enlarge: float, scale: float
) -> None:
    settings = PlanSettings.for_small_scene(side_px, tile_px=640, enlarge=enlarge)
    assert settings.level_scale(0) == pytest.approx(scale, rel=0.004)  # windows are whole pixels
    assert settings.level_scale(0) <= enlarge
    assert settings.level_scale(1) == pytest.approx(settings.level_scale(0) / 3)


@given(st.integers(96, 2048), st.floats(0.001, 0.999), st.floats(1.0, 3.0), st.floats(0.05, 1.0))
def test_a_small_scene_is_one_coarse_window_and_as_many_fine_ones_as_fill_it(
    tile_px: int, share: float, enlarge: float, aspect: float
) -> None:
    wide = max(1, int(share * tile_px))
    high = max(1, int(aspect * wide))
    settings = PlanSettings.for_small_scene(wide, tile_px=tile_px, enlarge=enlarge)
    tiles = plan_tiles(wide, high, settings.snug(wide, high)).tiles
    fine, coarse = ([tile for tile in tiles if tile.level == level] for level in (0, 1))
    assert all(1.0 <= tile.scale <= enlarge for tile in fine)
    assert [tile.core for tile in coarse] == [PixelWindow(0, 0, wide, high)]
    assert coarse[0].window.width >= wide
    assert sum(tile.core.width * tile.core.height for tile in fine) == wide * high
    if settings.window_px(0) >= wide:
        assert [tile.core for tile in fine] == [PixelWindow(0, 0, wide, high)]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"tile_px": 8}, "at least 32"),
        ({"scale": 8.1}, "up to 8.0"),
        ({"scale": 0.0}, "above 0"),
        ({"coarse_scale": 1.0}, "below 1.0"),
        ({"gsd_m": -1.0}, "null if unknown"),
        ({"gsd_m": float("nan")}, "null if unknown"),
        ({"limit": float("nan")}, "both are above 0"),
        ({"gsd_m": 0.1}, "leaves no stride"),
    ],
)
def test_settings_out_of_range_say_so(wrong: dict[str, float], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        PlanSettings(**wrong)  # type: ignore[arg-type]


def test_a_scene_without_pixels_is_refused() -> None:
    with pytest.raises(ConfigError, match="0 x 5"):
        plan_tiles(0, 5, PlanSettings(gsd_m=0.5))
