"""Constants, limits and signs of plan and merge, each number worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import shapely

from detector.boxes.scored import Boxes, TileBoxes
from detector.classes import CONTAINER_STACK, PORT, SHIP
from detector.geometry.boxes import corners_from_xywhr
from detector.tiling import merge as merging
from detector.tiling.clusters import _best_pairs, _with_two_of_a_tile
from detector.tiling.joining import _fitted_axis, _mean_axis, join
from detector.tiling.matching import (
    Edges,
    MatchSettings,
    PairCounts,
    _fragment_cover,
    _fragments_may_join,
    _score_trust,
    _share_a_fate,
)
from detector.tiling.merge import Merger, MergeSettings, _match_settings, _usable, _within, merge
from detector.tiling.objects import Objects, without_leftovers
from detector.tiling.plan import PlanSettings, _spans, _starts, plan_tiles, reach_beyond
from detector.tiling.scales import (
    ScalePairs,
    ScaleSettings,
    _are_as_wide,
    _are_parallel,
    _bridges,
    _is_doubted,
    _is_larger,
    _rows,
    _without_room,
    match_scales,
)
from detector.tiling.sightings import Sightings

OPEN = (-1e4, -1e4, 1e4, 1e4)
ONE = np.array([0])
TWO = np.array([1])


def boxes_of(*rows: tuple[float, ...], scores: tuple[float, ...] = (), class_id: int = 0) -> Boxes:
    """Boxes of `(x, y, length, width, degrees)`."""
    values = np.array(rows, float)
    values[:, 4] = np.deg2rad(values[:, 4])
    said = np.array(scores or [0.9] * len(rows), np.float32)
    return Boxes(corners_from_xywhr(values), said, np.full(len(rows), class_id))


def seen(
    *rows: tuple[float, ...],
    cut: tuple[str, ...] = (),
    windows: tuple[tuple[float, ...], ...] = (),
    scale: float = 1.0,
    fragment: tuple[bool, ...] = (),
    scores: tuple[float, ...] = (),
) -> Sightings:
    """Sightings, one a tile; `cut` names the sides by `t`op, `r`ight, `b`ottom, `l`eft."""
    boxes, count = boxes_of(*rows, scores=scores), len(rows)
    edges = np.array([[side in names for side in "trbl"] for names in cut or [""] * count])
    return Sightings(
        boxes=boxes,
        tiles=np.arange(count),
        levels=np.zeros(count, np.int64),
        scales=np.full(count, scale),
        windows=np.array(windows or [OPEN] * count, float),
        in_core=np.ones(count, bool),
        fragment=np.array(fragment or [bool(names) for names in cut or [""] * count]),
        cut=edges,
        shapes=boxes.corners,
        bottoms=boxes.corners[..., 1].max(axis=1),
    )


# Joining ----------------------------------------------------------------------------------------


def spread(found: np.ndarray) -> list[float]:
    return [*found.min(axis=0), *found.max(axis=0)]


@pytest.mark.parametrize("scale", [1.0, 0.5])
@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize(("inside", "whole"), [(-0.1, True), (0.1, False)])
def test_an_end_may_lie_half_a_width_and_a_touch_behind_what_was_seen(
    inside: float, whole: bool, side: str, scale: float
) -> None:
    """Three read pixels, 2 % of 100 px and half of a width of 20 px; the other fragment is cut."""
    reach = 3 / scale + 2 + 10
    end = reach + inside
    sign = 1 if side == "right" else -1
    rows = ((sign * 50.0, 0, 100, 20, 0), (sign * (50 + end), 0, 100, 20, 0))
    cuts = ("l", "lr") if side == "right" else ("r", "lr")
    found = join(seen(*rows, cut=cuts, scale=scale))
    assert not found.whole  # the near end is cut in both
    assert max(spread(found.corners), key=abs) == pytest.approx(
        sign * (100.0 if whole else 100 + end)
    )


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("further", "edge"), [(4.9, 10.0), (5.1, 15.1)])
def test_a_side_may_lie_a_touch_behind_what_was_seen(
    further: float, edge: float, sign: int
) -> None:
    """Three pixels and 2 % of 100 px: sides have no half of a width more."""
    rows = ((0.0, 0, 100, 20, 0), (0, sign * further, 100, 20, 0))
    found = join(seen(*rows, cut=("", "tb")))
    reach = found.corners[:, 1].max() if sign > 0 else -found.corners[:, 1].min()
    assert reach == pytest.approx(edge)


def test_sides_seen_uncut_are_averaged_by_their_length() -> None:
    """Ends at 50 and 52, both 20 and 10 px wide; sides at 10 over 100 px and 5 over 40."""
    rows = ((0.0, 0, 100, 20, 0), (32, 0, 40, 18, 0))
    found = join(seen(*rows, cut=("", "l")))
    assert spread(found.corners) == pytest.approx(
        [-50, -(100 * 10 + 40 * 9) / 140, (20 * 50 + 18 * 52) / 38, (100 * 10 + 40 * 9) / 140]
    )
    assert found.whole


def test_a_cut_end_reaches_as_far_as_its_window() -> None:
    rows = ((0.0, 0, 100, 20, 0), (60, 0, 100, 20, 0))
    found = join(seen(*rows, cut=("r", "lr"), windows=(OPEN, (-20.0, -50, 90, 50))))
    assert spread(found.corners) == pytest.approx([-50, -10, 90, 10])
    assert not found.whole


def test_the_mean_axis_is_weighted_modulo_a_quarter_turn() -> None:
    corners = boxes_of((0, 0, 10, 5, 10.0), (0, 0, 10, 5, 105.0)).corners
    axis = _mean_axis(corners, np.array([3.0, 1.0]))
    turn = np.angle(3 * np.exp(4j * np.deg2rad(10)) + np.exp(4j * np.deg2rad(15))) / 4
    assert axis == pytest.approx([np.cos(turn), np.sin(turn)])


@pytest.mark.parametrize("turned", [0.0, 90.0])
def test_a_long_axis_is_the_line_through_the_ends(turned: float) -> None:
    """Middles of ends at x = -50 and 50 (y 0), 50 and 150 (y 8): the slope by least squares."""
    size = (100.0, 20.0, 0.0) if turned == 0 else (20.0, 100.0, 90.0)
    rows = ((0.0, 0, *size), (100.0, 8, *size))
    axis = _fitted_axis(seen(*rows, cut=("r", "l")), np.array([1.0, 0.0]))
    x, y = np.array([-50.0, 50, 50, 150]), np.array([0.0, 0, 8, 8])
    slope = np.polyfit(x, y, 1)[0]
    assert axis == pytest.approx(np.array([1, slope]) / np.hypot(1, slope))


def test_a_fragment_cut_along_its_side_tells_no_axis() -> None:
    rows = ((0.0, 0, 100, 20, 0), (100.0, 8, 100, 20, 0), (200.0, 40, 100, 20, 0))
    axis = _fitted_axis(seen(*rows, cut=("r", "lr", "t")), np.array([1.0, 0.0]))
    assert axis[1] / axis[0] == pytest.approx(
        np.polyfit([-50.0, 50, 50, 150], [0.0, 0, 8, 8], 1)[0]
    )


def test_one_fragment_that_is_not_cut_along_its_side_tells_the_axis_alone() -> None:
    rows = ((0.0, 0, 100, 20, 0), (100.0, 8, 100, 20, 0))
    axis = _fitted_axis(seen(*rows, cut=("r", "t")), np.array([1.0, 0.0]))
    assert axis == pytest.approx([1.0, 0.0])
    neither = _fitted_axis(seen(*rows, cut=("b", "t")), np.array([1.0, 0.0]))
    assert neither[1] > 0.03


@pytest.mark.parametrize(("length", "fitted"), [(49.0, True), (47.0, False)])
def test_an_axis_is_fitted_from_two_and_a_half_widths_on(length: float, fitted: bool) -> None:
    """Two fragments, 4 px aside and 12 px ahead of each other: 24 px broad, 60 px the limit."""
    found = join(seen((0.0, 0, length, 20, 0), (12.0, 4, length, 20, 0), cut=("r", "l")))
    edge = found.corners[1] - found.corners[0]
    assert (abs(edge[1]) > 1e-6) == fitted


# Matching ---------------------------------------------------------------------------------------


def may_join(*rows: tuple[float, ...], cut: tuple[str, ...] = ("r", "l"), **how: object) -> bool:
    longest = float(how.pop("longest", np.inf))  # type: ignore[arg-type]
    settings = MatchSettings(0.3, 0.6, 0.75, (longest,))
    found = _fragments_may_join(seen(*rows, cut=cut, **how), ONE, TWO, settings)  # type: ignore[arg-type]
    return bool(found[0])


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("degrees", "joined"), [(44.0, True), (46.0, False), (134, False)])
def test_from_45_degrees_on_a_length_is_compared_with_the_width(
    degrees: float, joined: bool, sign: int
) -> None:
    """A fragment of 30 by 20 px beside one of 100 by 20 px."""
    rows = ((0.0, 0, 100, 20, 0), (60, 0, 30, 20, sign * degrees))
    assert may_join(*rows) == joined
    assert may_join(*rows[::-1]) == joined


def test_widths_agree_by_their_ratio_or_by_four_read_pixels() -> None:
    for width, joined in ((15.1, True), (14.9, False)):
        assert may_join((0.0, 0, 100, 20, 0), (60, 0, 50, width, 0)) == joined
    for width, joined in ((4.1, True), (3.9, False)):
        assert may_join((0.0, 0, 100, 8, 0), (60, 0, 50, width, 0)) == joined
        assert may_join((0.0, 0, 100, 2 * 8, 0), (60, 0, 50, 2 * width, 0), scale=0.5) == joined
    # Cut along its side a fragment's width tells nothing; and of whole boxes none is asked.
    assert may_join((0.0, 0, 100, 20, 0), (60, 0, 50, 5, 0), cut=("r", "t"))
    assert may_join((0.0, 0, 100, 20, 0), (60, 0, 50, 5, 0), cut=("b", "l"))
    assert may_join((0.0, 0, 100, 20, 0), (60, 0, 50, 5, 0), fragment=(False, True))


@pytest.mark.parametrize(("longest", "joined"), [(135.1, True), (134.9, False)])
def test_what_both_saw_is_as_long_as_the_longest_at_most(longest: float, joined: bool) -> None:
    """From -50 to 85: the rest of the second box lies behind its window."""
    rows = ((0.0, 0, 100, 20, 0), (60, 0, 80, 20, 0))
    windows = (OPEN, (-1e4, -1e4, 85.0, 1e4))
    assert may_join(*rows, longest=longest, windows=windows) == joined


def test_scores_weigh_a_pair_below_a_half_of_each_other() -> None:
    first = np.array([0.8, 0.8, 0.2, 0.0, 0.0, 0.4], np.float32)
    second = np.array([0.4, 0.2, 0.8, 0.0, 0.5, 0.8], np.float32)
    assert _score_trust(first, second) == pytest.approx([1, 0.5, 0.5, 1, 0.001, 1])


@pytest.mark.parametrize(("shift", "shared"), [(35.9, 1.0), (36.1, 0.0)])
def test_boxes_of_two_scales_share_a_fate_from_a_tenth_of_the_smaller(
    shift: float, shared: float
) -> None:
    counts = PairCounts()
    pair = seen((0.0, 0, 40, 10, 0), (shift + 100, 0, 240, 10, 0))
    assert _share_a_fate(pair, ONE, TWO, counts) == shared
    assert counts.exact == 1


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_a_whole_box_covers_two_read_pixels_beyond_its_sides(scale: float) -> None:
    """A fragment of 40 by 10 px, of which 30 by 10 px lie in its window, 12 by 10 px covered."""
    more = 2 / scale
    pair = seen(
        (0.0, 0, 40, 10, 0),
        (12 - more - 50 - 20, 0, 100, 10 + 0.0, 0),
        windows=((-1e4, -1e4, 10.0, 1e4), OPEN),
        fragment=(True, False),
        scale=scale,
    )
    assert _fragment_cover(pair, ONE, TWO) == pytest.approx([0.4])
    assert _fragment_cover(pair, TWO, ONE) == pytest.approx([0.4])
    thin = seen((0.0, 0, 40, 10, 0), (0, 5 + more, 100, 6, 0), fragment=(True, False), scale=scale)
    assert _fragment_cover(thin, ONE, TWO) == pytest.approx([0.3])
    both = replace(pair, fragment=np.array([True, True]))
    assert _fragment_cover(both, ONE, TWO) == 0


# Clusters ---------------------------------------------------------------------------------------


def test_two_of_a_tile_are_seen_in_any_order() -> None:
    labels, tiles = np.array([1, 0, 1, 2, 0, 2]), np.array([0, 0, 1, 3, 0, 4])
    assert _with_two_of_a_tile(labels, tiles).tolist() == [True, False, False]
    none = np.zeros(0, np.int64)
    assert len(_with_two_of_a_tile(none, none)) == 0


def test_the_largest_sum_is_not_that_of_the_best_pair() -> None:
    one, other = np.array([5, 5, 7]), np.array([2, 3, 2])
    assert _best_pairs(one, other, np.array([0.9, 0.6, 0.5])).tolist() == [1, 2]
    assert _best_pairs(one, other, np.array([0.9, 0.3, 0.5])).tolist() == [0]


# Plan -------------------------------------------------------------------------------------------


def test_starts_of_windows_by_hand() -> None:
    # 500 px in steps of up to 256: 31 whole cells of 8 px and 3 px more; three such are 753.
    assert _starts(500, 251, 1.0) == [0, 251, 502]
    assert _starts(503, 251, 1.0) == [0, 3 + 8 * 21, 6 + 8 * 41, 9 + 8 * 62]
    assert _starts(298, 251, 2.0) == [0, round((3 + 8 * 37) / 2), (6 + 8 * 74) // 2]
    # A cell of 8 px and three pixels need 11 read pixels, and one scene pixel where they differ.
    assert _starts(23, 11, 1.0) == [0, 3 + 8, 6 + 8, 9 + 16]
    assert _starts(23, 10, 1.0) == [0, 8, 15, 23]
    assert _starts(46, 23, 0.5) == [0, 2 * (3 + 8), 2 * (6 + 8), 2 * (9 + 16)]
    assert _starts(46, 22, 0.5) == [0, 15, 31, 46]
    assert _starts(20, 10, 1.0) == [0, 10, 20]
    assert _starts(21, 10, 1.0) == [0, 7, 14, 21]
    assert _starts(22, 11, 1.0) == [0, 11, 22]


def test_cores_meet_in_the_middle_of_the_overlap() -> None:
    assert _spans(100, 100, 20, 1.0) == [(0, 0, 100)]
    (a, a_low, a_high), (b, b_low, b_high) = _spans(101, 100, 20, 1.0)
    assert (a, a_low, a_high) == (0, 0, (b + 100) // 2)
    assert (b, b_low, b_high) == (3, 51, 101)


@pytest.mark.parametrize(("width", "height"), [(1, 1500), (1500, 1)])
def test_a_scene_of_one_column_or_row_goes_on_where_no_tile_looks(width: int, height: int) -> None:
    settings = PlanSettings(640, 1.0, None, None, 100.0, 100.0)
    plan = plan_tiles(width, height, settings, wanted=shapely.box(0, 0, 1, 1))
    assert len(plan) == 1
    places = ((0.5, 300.0, 1, 1, 0), (0.5, 1200.0, 1, 1, 0))
    rows = places if width == 1 else tuple((y, x, *rest) for x, y, *rest in places)
    assert reach_beyond(boxes_of(*rows), plan).tolist() == [False, True]


def test_what_is_near_the_end_of_a_window_goes_on_by_read_pixels() -> None:
    """Half as many read pixels by scene pixel: eight scene pixels are four read ones."""
    settings = PlanSettings(640, 0.5, None, None, 100.0, 100.0)
    plan = plan_tiles(3000, 640, settings, wanted=shapely.box(0, 0, 10, 10))
    assert plan.tiles[0].window.col_end == 1280
    boxes = boxes_of((1251.9, 300, 40, 10, 0), (1252.1, 300, 40, 10, 0))
    assert reach_beyond(boxes, plan).tolist() == [False, True]


def test_one_scale_that_joins_what_is_longer() -> None:
    alone = PlanSettings.for_scene(0.25, tile_px=1024, read_gsd_m=0.5, longest_m=None)
    assert (alone.scale, alone.coarse_scale, alone.gsd_m) == (0.5, None, 0.25)
    assert alone.limit == alone.longest == pytest.approx(0.25 * 2048 * 0.25 / 1.06)
    unknown = PlanSettings.for_scene(None, tile_px=1024, read_gsd_m=0.5, longest_m=None)
    assert (unknown.scale, unknown.limit) == (1.0, pytest.approx(256 / 1.06))


def test_the_overlap_by_hand() -> None:
    two = PlanSettings(1000, 1.0, 0.5, 0.5, 50.0, 200.0)
    assert two.overlap_px(0) == 146  # 1.3 * 100 px * 1.06 = 137.8, and 8
    assert two.overlap_px(1) == 440  # 400 px * 1.06 = 424, and 16
    assert PlanSettings(1000, 1.0, None, 0.5, 50.0, 200.0).overlap_px(0) == 114
    assert (two.unit_px, two.window_px(1), two.level_scale(1)) == (2.0, 2000, 0.5)


# Two scales -------------------------------------------------------------------------------------


def objects(
    *rows: tuple[float, ...],
    levels: tuple[int, ...] = (),
    whole: tuple[bool, ...] = (),
    joined: tuple[bool, ...] = (),
    scores: tuple[float, ...] = (),
) -> Objects:
    count = len(rows)
    return Objects(
        boxes_of(*rows, scores=scores),
        np.array(levels or [1] + [0] * (count - 1)),
        np.array(whole or [True] * count),
        np.array(joined or [False] * count),
        np.zeros(count, np.int64),
    )


def pairs_of(count: int, iou: float = 0.0, share: float = 0.0, cover: float = 1.0) -> ScalePairs:
    """The first object is coarse, the others are fine."""
    return ScalePairs(
        np.zeros(count, np.int64),
        np.arange(1, count + 1),
        np.full(count, iou),
        np.full(count, share),
        np.full(count, cover),
    )


SCALES = ScaleSettings(iou=0.3, least_side_px=10.0, width_ratio=0.75, fine_px=130.0)


@pytest.mark.parametrize("sign", [1, -1])
def test_parallel_is_up_to_ten_degrees(sign: int) -> None:
    """The cosine of 9.94 degrees is 0.985."""
    found = objects(
        (0, 0, 100, 20, 0.0), (0, 0, 50, 20, sign * 9.9), (0, 0, 50, 20, sign * 10.0),
        (0, 0, 50, 20, 180 - sign * 9.9),
    )  # fmt: skip
    assert _are_parallel(found, pairs_of(3)).tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("coarse", "fine", "alike"),
    [(40, 30.1, True), (40, 29.9, False), (30.1, 40, True), (29.9, 40, False),
     (12, 7.1, True), (12, 6.9, False), (6.9, 12, False)],
)  # fmt: skip
def test_as_wide_is_three_quarters_or_half_of_the_least_side(
    coarse: float, fine: float, alike: bool
) -> None:
    found = objects((0, 0, 200, coarse, 0), (0, 0, 200, fine, 0))
    assert _are_as_wide(found, pairs_of(1), SCALES).tolist() == [alike]


@pytest.mark.parametrize(
    ("fine", "larger"),
    [((133, 20), False), ((134, 20), True), ((50, 26.6), False), ((50, 26.8), True)],
)
def test_a_fine_box_may_be_several_ships_from_four_thirds_on(
    fine: tuple[float, float], larger: bool
) -> None:
    found = objects((0, 0, 100, 20, 0), (0, 0, *fine, 0))
    assert _is_larger(found, pairs_of(1), 0.75).tolist() == [larger]


@pytest.mark.parametrize(
    ("coarse", "fine", "score", "doubted"),
    [((300, 99.9), 131.0, 0.8, True), ((300, 100.1), 131.0, 0.8, False),
     ((300, 60), 129.9, 0.8, False), ((300, 60), 130.1, 0.8, True),
     ((300, 60), 131.0, 0.9, False), ((300, 60), 131.0, 0.91, False)],
)  # fmt: skip
def test_a_long_fine_box_is_doubted_by_a_surer_hull(
    coarse: tuple[float, float], fine: float, score: float, doubted: bool
) -> None:
    found = objects((0, 0, *coarse, 0), (0, 0, fine, 20, 0), scores=(0.9, score))
    for iou in (0.1, 0.5):  # of the same pair: that it agrees itself is no other one
        assert _is_doubted(found, pairs_of(1, iou=iou), SCALES).tolist() == [doubted]


def test_a_long_fine_box_that_another_coarse_one_confirms_is_not_doubted() -> None:
    found = objects(
        (0, 0, 300, 60, 0), (0, 0, 140, 20, 0), (0, 0, 140, 25, 0), levels=(1, 0, 1),
        scores=(0.9, 0.8, 0.9),
    )  # fmt: skip
    for iou, doubted in ((0.3, [False, True]), (0.29, [True, True])):
        pairs = ScalePairs(
            np.array([0, 2]), np.array([1, 1]), np.array([0.0, iou]), np.zeros(2), np.ones(2)
        )
        assert _is_doubted(found, pairs, SCALES).tolist() == doubted


@pytest.mark.parametrize(("second", "bridge"), [(0.61, True), (0.59, False)])
def test_two_parts_half_as_sure_again_refute_a_bridge(second: float, bridge: bool) -> None:
    rows = ((0.0, 0, 100, 20, 0), (0, 0, 30, 20, 0), (0, 0, 30, 20, 0))
    found = objects(*rows, scores=(0.4, 0.9, second))
    assert _bridges(found, pairs_of(2), np.ones(2, bool)).tolist() == [bridge, False, False]
    assert not _bridges(found, pairs_of(2), np.array([True, False])).any()
    exact = objects(*rows, scores=(0.5, 0.75, 0.75))
    assert _bridges(exact, pairs_of(2), np.ones(2, bool)).tolist() == [True, False, False]
    alone = objects(*rows[:2], scores=(0.4, 0.9))
    assert not _bridges(alone, pairs_of(1), np.ones(1, bool)).any()


@pytest.mark.parametrize(("length", "full"), [(37.6, True), (37.4, False)])
def test_three_quarters_taken_leave_no_room(length: float, full: bool) -> None:
    """Two of 37.5 of 100 px are 75 %; what both cover counts once."""
    apart = objects((0, 0, 100, 20, 0), (-30, 0, length, 20, 0), (30, 0, length, 20, 0))
    coarse, fine = np.zeros(2, np.int64), np.array([1, 2])
    assert _without_room(apart, coarse, fine).tolist() == [full, False, False]
    # Moved 10 px into one another, the first is 10 px longer instead.
    more = objects((0, 0, 100, 20, 0), (-10, 0, length + 10, 20, 0), (17.5, 0, length, 20, 0))
    taken = (length + 10) + length - ((-10 + (length + 10) / 2) - (17.5 - length / 2))
    assert _without_room(more, coarse, fine)[0] == (taken >= 75)


def test_boxes_of_both_scales_are_one_ship_from_the_least_iou_on() -> None:
    """Two equal boxes at a limit of 1: one ship, the surer box stays. Else the fine one would."""
    found = objects((200, 200, 100, 20, 0), (200, 200, 100, 20, 0), scores=(0.9, 0.8))
    assert match_scales(found, replace(SCALES, iou=1.0)).tolist() == [True, False]


def test_a_row_needs_whole_boxes_inside() -> None:
    pairs = pairs_of(3, share=0.3, cover=0.9)
    assert _rows(pairs, np.ones(3, bool), 4)[0]
    assert not _rows(pairs, np.array([True, False, False]), 4).any()


# The merge --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("gsd", "unit"), [(0.5, 2.0), (None, 1.0)])
def test_the_scales_meet_by_scene_pixels(
    monkeypatch: pytest.MonkeyPatch, gsd: float | None, unit: float
) -> None:
    """The fine scale answers for 1.3 times the limit; ten read pixels are forty scene pixels."""
    told: list[ScaleSettings] = []

    def note(found: Objects, settings: ScaleSettings) -> np.ndarray:
        told.append(settings)
        return np.ones(len(found), bool)

    monkeypatch.setattr(merging, "match_scales", note)
    plan = plan_tiles(3000, 3000, PlanSettings(1024, 1.0, 0.25, gsd, 100.0, 400.0))
    boxes = boxes_of((300.0, 300, 60, 12, 0))
    merge(TileBoxes(boxes, np.zeros(1, np.int64)), plan, MergeSettings(match_iou=0.4))
    assert told[0] == ScaleSettings(
        iou=0.4, least_side_px=40.0, width_ratio=0.75, fine_px=pytest.approx(130 * unit)
    )


@pytest.mark.parametrize(("gsd", "unit"), [(0.5, 2.0), (2.0, 0.5)])
def test_the_coarse_scale_reads_ships_from_seven_tenths_of_the_limit(
    gsd: float, unit: float
) -> None:
    plan = plan_tiles(3000, 3000, PlanSettings(1024, 1.0, 0.25, gsd, 100.0, 400.0))
    fine, coarse = (next(t.index for t in plan.tiles if t.level == k) for k in (0, 1))
    merger = Merger(plan)
    lengths = np.array([69.9, 70.1, 70.1, 10.0]) * unit
    rows = [(300.0, 300, length, 4, 0) for length in lengths]
    boxes = replace(boxes_of(*rows), class_ids=np.array([0, 0, 1, 0]))
    tiles = np.array([coarse, coarse, coarse, fine])
    assert merger._in_band(boxes, tiles).tolist() == [False, True, False, True]


def test_joined_boxes_may_exceed_the_longest_by_a_twentieth() -> None:
    settings = MergeSettings(longest_ship_m=200.0, longest_stack_m=300.0)
    plan = plan_tiles(900, 900, PlanSettings(1024, 1.0, None, 0.5, 100.0, 100.0))
    assert _match_settings(settings, plan, PORT).longest_px == pytest.approx((420.0, 630.0))
    unknown = plan_tiles(900, 900, PlanSettings(1024, 1.0, None, None, 100.0, 100.0))
    assert _match_settings(settings, unknown, PORT).longest_px == (np.inf, np.inf)
    assert (settings.longest_m(SHIP), settings.longest_m(CONTAINER_STACK)) == (200.0, 300.0)
    assert settings.longest_coarse_m(PORT) == 200.0


def test_a_box_needs_an_area_and_finite_numbers() -> None:
    good = (50.0, 50.0, 1.0, 1.05e-6, 0.0)
    boxes = boxes_of(good, (50, 50, 1.0, 0.95e-6, 0), good, good, good)
    corners = boxes.corners.copy()
    corners[2, 3, 1] = np.nan
    corners[3] = [[0, 0], [10, 10], [10, 0], [0, 10]]  # sides that cross
    corners[3, 1] = [10, 12]
    scores = boxes.scores.copy()
    scores[4] = np.inf
    usable = _usable(Boxes(corners, scores, boxes.class_ids))
    assert usable.tolist() == [True, False, False, False, False]


def test_edges_within_a_part_are_numbered_anew() -> None:
    edges = Edges(np.array([0, 1, 3]), np.array([2, 4, 4]), np.array([0.5, 0.6, 0.7]))
    inside = _within(edges, np.array([False, True, False, True, True]))
    assert inside.first.tolist() == [0, 1]
    assert inside.second.tolist() == [2, 2]
    assert inside.quality.tolist() == [0.6, 0.7]


@pytest.mark.parametrize(("inside", "kept"), [(8.1, False), (7.9, True)])
def test_a_lone_fragment_four_fifths_inside_a_whole_box_is_left_over(
    inside: float, kept: bool
) -> None:
    """Ten px long, beside a ship of 100 px that ends at 50."""
    rows = ((0.0, 0, 100, 20, 0), (50 - inside + 5, 0, 10, 20, 0))
    for whole, joined, left in (
        ((True, False), (False, False), kept),
        ((False, False), (True, False), kept),
        ((False, False), (False, False), True),
        ((True, True), (False, False), True),
        ((True, False), (False, True), True),
    ):
        found = objects(*rows, levels=(0, 0), whole=whole, joined=joined)
        assert without_leftovers(found, 0.5).tolist() == [True, left]


@pytest.mark.parametrize(("score", "first"), [(0.21, True), (0.23, False)])
def test_a_whole_box_stands_before_a_fragment_of_four_times_its_score(
    score: float, first: bool
) -> None:
    """Of 0.88: a quarter is 0.22."""
    rows = ((0.0, 0, 100, 20, 0), (5, 0, 100, 20, 0))
    found = objects(*rows, levels=(0, 0), whole=(False, True), scores=(0.88, score))
    assert without_leftovers(found, 0.5).tolist() == [first, not first]
