"""Tiers from shadows of known length, painted without a renderer."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from scipy.stats import norm

from detector.stacks.block import BlockBox
from detector.stacks.frame import GroundFrame
from detector.stacks.patch import Patch
from detector.stacks.shadow import ShadowTiers, _excess, measure_tiers, tiers_of_heights
from detector.stacks.slots import SlotGrid
from tests.stacks.made import box_of, frame_of, patch_of

LIT, DARK, ROOF = 160.0, 60.0, 120.0
BOX = box_of(40.0, 40.0, 50.0, 14.0)
GRID = SlotGrid(lengthwise=True, half_bays=8, rows=5, certain=True)
TIER_M = 2.7435  # half of the containers are high cubes


def painted(height_m: float, shadow: tuple[float, float], dark: float = DARK) -> Patch:
    """The block's roof and the shadow that its upper edge throws upwards and aside."""

    def paint(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        up = (40.0 - y) / -shadow[1]  # height whose shadow ends here
        from_x = x - up * shadow[0]
        in_shadow = (y < 40) & (up < height_m) & (from_x > 40) & (from_x < 90)
        roof = (x > 40) & (x < 90) & (y > 40) & (y < 54)
        ground = LIT + np.random.default_rng(2).normal(0, 1.0, x.shape)
        return np.where(roof, ROOF, np.where(in_shadow, dark, ground))

    return patch_of(paint)


def measured(
    height_m: float, shadow: tuple[float, float] = (0.0, -1.0), frame: GroundFrame | None = None
) -> ShadowTiers:
    found, why = measure_tiers(BOX, GRID, painted(height_m, shadow), frame or frame_of(shadow))
    assert found is not None, why
    return found


@pytest.mark.parametrize("height_m", [2.6, 5.4, 8.0, 11.0, 16.0])
@pytest.mark.parametrize("shadow", [(0.0, -1.0), (0.0, -1.6), (0.5, -1.2)])
def test_heights_are_those_of_the_shadow(height_m: float, shadow: tuple[float, float]) -> None:
    found = measured(height_m, shadow)
    middle = np.median(found.heights_m)
    assert middle == pytest.approx(height_m, abs=0.2)
    ends = found.ends_m[len(found.ends_m) // 2]
    assert ends[0, 1] == pytest.approx(40.0)
    assert ends[1] - ends[0] == pytest.approx(np.array(shadow) * middle, abs=0.3)
    assert found.bins == len(found.heights_m) == len(found.ends_m)


def test_every_row_of_edge_is_a_piece() -> None:
    """Fifty metres of edge are seventeen pieces of 2.838 m, all measured, none hidden."""
    found = measured(8.0)
    assert (found.bins, found.hidden) == (17, 0.0)
    starts = found.ends_m[:, 0, 0]
    assert starts == pytest.approx(40 + (np.arange(17) + 0.5) * 50 / 17)


def test_a_lean_is_taken_from_the_shadow() -> None:
    """A top that leans 0.3 m a metre along the shadow shortens what is seen of it."""
    found = measured(8.0, (0.0, -0.7), frame_of((0.0, -1.0), (0.0, -0.3)))
    assert np.median(found.heights_m) == pytest.approx(8.0, abs=0.15)


def test_the_mean_of_the_block_is_that_of_its_edge_and_a_tenth() -> None:
    """Three tiers: the edge lies further in than the box; taller stacks behind lengthen it."""
    found = measured(3 * TIER_M)
    edge = tiers_of_heights(found.heights_m)
    behind = _excess(round(2.838 / TIER_M, 2))
    assert found.tiers == pytest.approx(1.10 * (edge - behind).mean(), abs=1e-6)
    assert measured(1.8).tiers >= 1.0
    assert measured(22.0).tiers == 8.0


def test_behind_an_end_stand_bays_and_behind_a_side_rows() -> None:
    """The shadow goes left from an end of 14 m; the next stack stands 12.2 m behind, not 2.8 m."""

    def paint(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        up = (40.0 - x) / 1.2
        in_shadow = (x < 40) & (up < 3 * TIER_M) & (y > 40) & (y < 54)
        ground = LIT + np.random.default_rng(2).normal(0, 1.0, x.shape)
        roof = (x > 40) & (x < 90) & (y > 40) & (y < 54)
        return np.where(roof, ROOF, np.where(in_shadow, DARK, ground))

    for lengthwise, pitch_m in ((True, 12.192), (False, 2.838)):
        grid = replace(GRID, lengthwise=lengthwise)
        found, why = measure_tiers(BOX, grid, patch_of(paint), frame_of((-1.2, 0.0)))
        assert found is not None, why
        assert found.bins == 4
        edge = tiers_of_heights(found.heights_m)
        behind = _excess(round(pitch_m / (TIER_M * 1.2), 2))
        assert (behind > 0.1) == (not lengthwise)
        assert found.tiers == pytest.approx(1.10 * (edge - behind).mean(), abs=1e-6)


def test_the_error_of_a_block_by_hand() -> None:
    """Level edge: 0.6 tiers over 17 / 3 pieces, 4 % of the height, half of 0.35 m, 0.25."""
    found = measured(8.0)
    mean = found.heights_m.mean() / 2.591
    level = np.sqrt(0.6**2 / (17 / 3) + (0.04 * mean) ** 2 + (0.35 / 2.591 / 2) ** 2 + 0.25**2)
    assert found.sd == pytest.approx(level, rel=1e-3)
    unknown = measured(8.0, frame=replace(frame_of((0.0, -1.0)), lean_known=False))
    relative = np.hypot(0.04, 0.15 / 1.0)
    wider = np.sqrt(0.6**2 / (17 / 3) + (relative * mean) ** 2 + (0.35 / 2.591 / 2) ** 2 + 0.25**2)
    assert unknown.sd == pytest.approx(wider, rel=1e-3)


@pytest.mark.parametrize(
    ("shadow", "why"),
    [(None, "no_sun"), ((0.0, -0.38), "shadow_too_short"), ((0.0, -0.40), "")],
)
def test_a_tier_must_throw_two_pixels(shadow: tuple[float, float] | None, why: str) -> None:
    """2.591 m throw 1 m, two pixels, at 0.386 m a metre."""
    painted_for = shadow or (0.0, -1.0)
    found, said = measure_tiers(BOX, GRID, painted(16.0, painted_for), frame_of(shadow))
    assert said == why
    assert (found is not None) == (why == "")


@pytest.mark.parametrize(("dark", "known"), [(0.84, True), (0.88, False), (1.0, False)])
def test_a_shadow_is_darker_than_86_hundredths_of_the_light(dark: float, known: bool) -> None:
    patch = painted(8.0, (0.0, -1.0), dark * LIT)
    found, why = measure_tiers(BOX, GRID, patch, frame_of((0.0, -1.0)))
    assert (found is not None) == known
    assert why == ("" if known else "no_shadow")


def covered(patch: Patch, x_from: float, x_to: float, y_to: float) -> Patch:
    """The same with another object over a part."""
    other = patch.other.copy()
    other[: int(y_to / 0.5), int(x_from / 0.5) : int(x_to / 0.5)] = True
    return Patch(patch.rgb, patch.seen, other, patch.origin, patch.scale)


@pytest.mark.parametrize(("covered_m", "hidden"), [(0.0, 0.0), (20.0, 0.42), (27.0, None)])
def test_half_of_the_shadow_may_end_on_something_else(
    covered_m: float, hidden: float | None
) -> None:
    patch = covered(painted(8.0, (0.0, -1.0)), 40.0, 40.0 + covered_m, 36.0)
    found, why = measure_tiers(BOX, GRID, patch, frame_of((0.0, -1.0)))
    if hidden is None:
        assert (found, why) == (None, "shadow_on_neighbour")
        return
    assert found is not None
    assert found.hidden == pytest.approx(hidden, abs=0.03)
    assert np.median(found.heights_m) == pytest.approx(8.0, abs=0.15)


def test_without_free_ground_there_is_no_light_to_compare() -> None:
    patch = painted(8.0, (0.0, -1.0))
    everywhere = Patch(patch.rgb, patch.seen, np.ones_like(patch.other), patch.origin, patch.scale)
    assert measure_tiers(BOX, GRID, everywhere, frame_of((0.0, -1.0))) == (None, "no_free_ground")
    small = box_of(40.0, 40.0, 2.8, 2.8)  # no side is as long as a row is wide
    assert measure_tiers(small, GRID, patch, frame_of((0.0, -1.0)))[1] == "no_free_ground"


def test_a_side_that_lies_along_the_throw_tells_nothing() -> None:
    """Only sides at more than 20 degrees to the throw, whose sine is 0.35, are followed."""
    for tilt_deg, pieces in ((19.0, 17), (22.0, 17 + 4)):
        shadow = (float(np.tan(np.radians(tilt_deg))), -1.0)
        patch = patch_of(lambda x, y: np.where((x > 90) | (y < 40), DARK, LIT))
        lit = patch.rgb.copy()
        lit[:, -30:], lit[:30] = LIT, LIT
        found, _ = measure_tiers(BOX, GRID, replace(patch, rgb=lit), frame_of(shadow))
        assert found is None or found.bins <= pieces


def brute_excess(step: float) -> float:
    """Mean of the tallest shadow of stacks behind the edge, over all their differences."""
    count = min(int(2 / step) + 1, 12)
    heights = product(*([(-1, 0, 1)] * count))
    return float(np.mean([max(d - k * step for k, d in enumerate(row)) for row in heights]))


@pytest.mark.parametrize("step", [0.3, 0.45, 0.7, 1.0, 1.03, 1.5, 2.5, 7.0])
def test_taller_stacks_behind_by_all_their_combinations(step: float) -> None:
    assert _excess(step) == pytest.approx(brute_excess(step), abs=1e-9)


def test_heights_between_two_tiers_are_shared_between_them() -> None:
    n = np.arange(1, 9)
    assert tiers_of_heights(n * TIER_M) == pytest.approx(n, abs=0.12)
    heights = np.array([1.5, 2.5, 3.4, 6.6]) * TIER_M
    # By tier a quarter of what standard and high cubes differ by, and 0.35 m of the edge.
    spread = np.hypot(np.maximum(np.sqrt(n), n / 2) * 0.1525, 0.35)
    weight = norm.pdf(heights[:, None], n * TIER_M, spread)
    expected = (weight * n).sum(axis=1) / weight.sum(axis=1)
    assert tiers_of_heights(heights) == pytest.approx(expected, rel=1e-6)
    assert (np.diff(tiers_of_heights(np.linspace(1, 23, 200))) >= -1e-9).all()
    # Far off all of them: the nearest, from one to eight.
    assert tiers_of_heights(np.array([-30.0, 90.0])).tolist() == [1.0, 8.0]


def test_a_turned_block_is_measured_as_an_upright_one() -> None:
    """The same scene turned by 30 degrees about a point."""
    angle = np.radians(30.0)
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[cos, sin], [-sin, cos]])
    pivot = np.array([60.0, 45.0])
    shadow = (0.0, -1.2)

    def paint(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        back = (np.stack([x, y], axis=-1) - pivot) @ turn.T + pivot
        bx, by = back[..., 0], back[..., 1]
        up = (40.0 - by) / 1.2
        dark = (by < 40) & (up < 8.0) & (bx > 40) & (bx < 90)
        roof = (bx > 40) & (bx < 90) & (by > 40) & (by < 54)
        return np.where(roof, ROOF, np.where(dark, DARK, LIT))

    box = BlockBox.of((BOX.corners - pivot) @ turn + pivot)
    assert box is not None
    frame = frame_of(tuple(np.array(shadow) @ turn))
    found, why = measure_tiers(box, GRID, patch_of(paint), frame)
    assert found is not None, why
    assert np.median(found.heights_m) == pytest.approx(8.0, abs=0.25)
