"""Numbers of the plan and of sightings at their limits, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import shapely

from detector.boxes.scored import Boxes, TileBoxes
from detector.errors import ConfigError
from detector.geometry.boxes import corners_from_xywhr, edge_lengths
from detector.tiling.merge import MergeSettings, merge
from detector.tiling.plan import PlanSettings, plan_tiles, reach_beyond
from detector.tiling.sightings import (
    TileTable,
    grow,
    padded,
    sightings,
    touch_px,
    touches,
)

# The plan ---------------------------------------------------------------------------------------


def test_two_scales_by_hand() -> None:
    """0.5 m, tiles of 1,024 px read at 0.5 m: windows of 512 m."""
    settings = PlanSettings.for_scene(0.5, tile_px=1024, read_gsd_m=0.5)
    assert settings.limit == pytest.approx(0.25 * 512 / 1.3 / 1.06)  # 92.9 m
    # 400 m and 6 % in half of a coarse window: 848 m; three times the fine window are more.
    assert settings.coarse_scale == pytest.approx(1 / 3)
    assert (settings.scale, settings.gsd_m, settings.longest) == (1.0, 0.5, 400.0)
    small = PlanSettings.for_scene(0.5, tile_px=512, read_gsd_m=0.5)
    assert small.coarse_scale == pytest.approx(1 / (400 * 1.06 / (0.5 * 256)))


@pytest.mark.parametrize(("window_m", "levels"), [(1213.0, 1), (1210.0, 2)])
def test_one_scale_where_the_longest_ship_takes_35_hundredths(window_m: float, levels: int) -> None:
    """424 m of 1,211.4 m."""
    gsd = window_m / 1024
    settings = PlanSettings.for_scene(gsd, tile_px=1024, read_gsd_m=gsd)
    assert settings.levels == levels
    assert (settings.limit == 400.0) == (levels == 1)


def test_a_scene_without_gsd_and_a_small_one_by_hand() -> None:
    unknown = PlanSettings.for_scene(None, tile_px=1024, read_gsd_m=0.5)
    limit = 0.25 * 1024 / 1.3 / 1.06
    assert (unknown.limit, unknown.longest) == pytest.approx((limit, 4 * limit))
    assert (unknown.scale, unknown.coarse_scale, unknown.gsd_m) == (1.0, pytest.approx(1 / 3), None)
    small = PlanSettings.for_small_scene(500, tile_px=1024, enlarge=1.5)
    window = math.ceil(1024 / 1.5)
    assert small.scale == pytest.approx(1024 / window)
    assert (small.limit, small.longest) == pytest.approx((0.4 * window, 1.6 * window))
    several = PlanSettings.for_small_scene(500, tile_px=1024)
    window = math.ceil(1024 / 3)
    limit = 0.25 * window / 1.3 / 1.06
    assert several.window_px(0) == window
    assert (several.limit, several.longest) == pytest.approx((limit, 4 * limit))


def test_enlarged_by_half_at_most() -> None:
    assert PlanSettings.for_scene(0.7, tile_px=1024, read_gsd_m=0.5).scale == pytest.approx(1.4)
    assert PlanSettings.for_scene(0.8, tile_px=1024, read_gsd_m=0.5).scale == 1.5


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ({"tile_px": 32, "limit": 5.0}, {"tile_px": 31, "limit": 5.0}),
        ({"scale": 8.0, "limit": 10.0}, {"scale": 8.0001, "limit": 10.0}),
        ({"coarse_scale": 0.999, "longest": 300.0}, {"coarse_scale": 1.0, "longest": 300.0}),
        ({"limit": 1e-9}, {"limit": 0.0}),
        ({"longest": 1e-9}, {"longest": 0.0}),
        # An overlap of 95 % of 1,024 px is 972: 909.4 px of length, their envelope and 8 px.
        ({"limit": 909.4}, {"limit": 910.0}),
    ],
)
def test_settings_at_their_limits(good: dict[str, float], bad: dict[str, float]) -> None:
    PlanSettings(**good)  # type: ignore[arg-type]
    with pytest.raises(ConfigError):
        PlanSettings(**bad)  # type: ignore[arg-type]


def test_windows_by_hand() -> None:
    """1,500 px, windows of 640, overlap 114: (1500 - 114) / (640 - 114), three; the grid is 8."""
    settings = PlanSettings(640, 1.0, None, None, 100.0, 100.0)
    assert settings.overlap_px(0) == 114  # 106 + 2 * 4
    plan = plan_tiles(1500, 640, settings)
    # 860 px in two steps of whole cells of 8 px and 3 px more: 54 cells and 53.
    assert [tile.window.col for tile in plan.tiles] == [0, 435, 862]
    assert [tile.core.bounds[::2] for tile in plan.tiles] == [(0, 537), (537, 968), (968, 1500)]
    assert plan.read_pixels == 3 * 640**2
    assert len(plan_tiles(640, 640, settings)) == 1
    assert len(plan_tiles(641, 640, settings)) == 2
    assert len(plan_tiles(1, 1, settings)) == 1
    for size in ((0, 5), (5, 0)):
        with pytest.raises(ConfigError, match="cannot be tiled"):
            plan_tiles(*size, settings)


def test_what_goes_on_where_no_tile_looks() -> None:
    """Only the left window is read: 640 px; objects within four pixels of its end may go on."""
    settings = PlanSettings(640, 1.0, None, None, 100.0, 100.0)
    plan = plan_tiles(1500, 640, settings, wanted=shapely.box(0, 0, 10, 10))
    assert len(plan) == 1
    ends = np.array([630.0, 635.9, 636.1, 700.0])
    rows = np.column_stack(
        [ends - 20, np.full(4, 300.0), np.full(4, 40.0), np.full(4, 10.0), 0 * ends]
    )
    border = np.array([[20.0, 300, 40, 10, 0], [300, 5, 40, 10, 0]])  # of the scene: nothing there
    corners = corners_from_xywhr(np.concatenate([rows, border]))
    for class_id in (0, 1):
        boxes = Boxes(corners, np.ones(6, np.float32), np.full(6, class_id))
        assert reach_beyond(boxes, plan).tolist() == [False, False, True, True, False, False]


# Sightings --------------------------------------------------------------------------------------

TWO = plan_tiles(1500, 640, PlanSettings(640, 1.0, None, None, 100.0, 100.0))


def seen_by_first(*rows: tuple[float, ...]) -> object:
    boxes = Boxes(
        corners_from_xywhr(np.array(rows, float)),
        np.ones(len(rows), np.float32),
        np.zeros(len(rows), np.int64),
    )
    return sightings(boxes, np.zeros(len(rows), np.int64), TileTable.of(TWO))


def test_how_near_to_a_border_a_box_may_be_cut() -> None:
    """Three read pixels and 2 % of the length."""
    assert touch_px(np.array([50.0, 50.0]), np.array([1.0, 0.5])).tolist() == [4.0, 7.0]
    windows = np.array([[100.0, 0, 740, 640]] * 4)
    points = np.array([[[103.9, 50.0]], [[104.1, 50]], [[736.1, 50]], [[735.9, 50]]])
    touch, size = np.full(4, 4.0), np.array([1500.0, 640])
    assert touches(points, windows, touch, size)[:, 0].tolist() == [True, False, True, False]
    # At the border of the scene nothing is cut.
    ends = np.array([[[400.0, 1.0]], [[400, 639]], [[400, -5]], [[400, 700]]])
    assert not touches(ends, windows, touch, size).any()


def test_a_box_at_the_seam_is_a_fragment_and_which_edge_is_cut() -> None:
    """40 px long: 3.8 px from the window's end at 640."""
    seen = seen_by_first(
        (616.0, 300, 40, 10, 0.0), (616.3, 300, 40, 10, 0.0), (20, 300, 40, 10, 0.0)
    )
    assert seen.fragment.tolist() == [False, True, False]  # type: ignore[attr-defined]
    assert seen.cut.tolist() == [  # type: ignore[attr-defined]
        [False] * 4,
        [False, True, False, False],
        [False] * 4,
    ]
    assert seen.in_core.tolist() == [False, False, True]  # type: ignore[attr-defined]


def test_the_core_is_half_open() -> None:
    seen = seen_by_first((536.5, 300, 40, 10, 0.0), (537.0, 300, 40, 10, 0.0), (0.0, 0, 9, 9, 0.0))
    assert seen.in_core.tolist() == [True, False, True]  # type: ignore[attr-defined]
    assert seen.bottoms.tolist() == pytest.approx([305, 305, 5])  # type: ignore[attr-defined]


def test_thin_boxes_are_matched_as_if_ten_pixels_wide() -> None:
    boxes = corners_from_xywhr(np.array([[50.0, 50, 40, 4, 0.3], [50, 50, 40, 10, 0.3]]))
    wide = padded(boxes, np.full(2, 10.0))
    assert edge_lengths(wide)[0] == pytest.approx([40, 40])
    assert edge_lengths(wide)[1] == pytest.approx([10, 10])
    assert wide.mean(axis=1) == pytest.approx(boxes.mean(axis=1))
    assert np.array_equal(wide[1], boxes[1])
    seen = seen_by_first((300.0, 300, 40, 4, 0.3))
    assert edge_lengths(seen.shapes)[1] == pytest.approx([10])  # type: ignore[attr-defined]


def test_a_box_grows_on_every_side() -> None:
    box = corners_from_xywhr(np.array([[50.0, 50, 40, 10, 0.0]]))
    expected = [[28.0, 43], [72, 43], [72, 57], [28, 57]]
    assert grow(box, np.array([2.0]))[0] == pytest.approx(np.array(expected))


# The merge's settings ---------------------------------------------------------------------------


def test_the_merge_by_its_documented_numbers() -> None:
    settings = MergeSettings()
    assert (settings.duplicate_iou, settings.match_iou) == (0.5, 0.3)
    assert (settings.fragment_cover, settings.width_ratio) == (0.6, 0.75)
    assert (settings.longest_ship_m, settings.longest_stack_m, settings.luck) == (400, 1000, 0.05)
    MergeSettings(duplicate_iou=1.0, luck=0.0)
    for wrong in ({"luck": 1.0}, {"luck": -0.01}, {"match_iou": 0.0}, {"width_ratio": 1.01}):
        with pytest.raises(ConfigError):
            MergeSettings(**wrong)


@pytest.mark.parametrize(("shift", "objects"), [(21.0, 1), (22.5, 2)])
def test_boxes_of_two_tiles_match_from_three_tenths(shift: float, objects: int) -> None:
    """Of 40 px: IoU 19 / 61 = 0.311 and 17.5 / 62.5 = 0.28."""
    rows = np.array([[540.0, 300, 40, 12, 0], [540 + shift, 300, 40, 12, 0]])
    boxes = Boxes(corners_from_xywhr(rows), np.full(2, 0.9, np.float32), np.zeros(2, np.int64))
    merged = merge(TileBoxes(boxes, np.array([0, 1])), TWO)
    assert len(merged) == objects


@pytest.mark.parametrize(("width", "objects"), [(30.5, 1), (29.5, 2)])
def test_fragments_join_where_widths_agree_by_three_quarters(width: float, objects: int) -> None:
    """Two pieces of one stack of 40 px width that no tile saw whole, cut at 640 and at 435."""
    rows = np.array([[520.0, 300, 240, 40, 0], [560, 300, 250, width, 0]])
    boxes = Boxes(corners_from_xywhr(rows), np.full(2, 0.9, np.float32), np.ones(2, np.int64))
    merged = merge(TileBoxes(boxes, np.array([0, 1])), TWO)
    assert len(merged) == objects


@pytest.mark.parametrize(
    ("x", "trust"),
    [
        (480.0, 45 / 64),  # 45 px from the second window's border, of 64 that are full trust
        (498.0, 63 / 64),
        (500.0, 1.0),
        (459.0, 24 / 64),
    ],
)
def test_a_look_near_a_seam_counts_by_its_distance(x: float, trust: float) -> None:
    """0.9 in the first tile, whose seam is far, and 0.7 in the second."""
    rows = np.array([[x, 300, 30, 12, 0], [x, 300, 30, 12, 0]])
    scores = np.array([0.9, 0.7], np.float32)
    boxes = Boxes(corners_from_xywhr(rows), scores, np.zeros(2, np.int64))
    merged = merge(TileBoxes(boxes, np.array([0, 1])), TWO)
    mean = (0.9 + trust * 0.7) / (1 + trust)
    few = (1 + trust**2) / (1 + trust) ** 2
    assert merged.scores.tolist() == pytest.approx([mean - 0.05 * few], abs=1e-6)


def test_a_tile_that_says_nothing_says_no_but_takes_half_at_most() -> None:
    """Seen with 0.9 by the first of two tiles that could hold it, each in full."""
    rows = np.array([[530.0, 300, 30, 12, 0]])
    for score, conf in ((0.9, 0.4), (0.3, 0.0)):
        boxes = Boxes(corners_from_xywhr(rows), np.array([score], np.float32), np.zeros(1, int))
        limits = np.full(2, conf, np.float32)
        merged = merge(TileBoxes(boxes, np.array([0])), TWO, conf=limits)
        silent = 0.5 * 0.6 * conf  # half of what tiles give boxes from
        expected = max((score + silent) / 2 - 0.05 / 2, score / 2)
        assert merged.scores.tolist() == pytest.approx([expected], abs=1e-6)
