"""Grids, filling and lengths of containers in pictures made by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detector.stacks.patch import Patch
from detector.stacks.pitch import (
    HALF_BAY_PITCHES_M,
    ROW_PITCHES_M,
    lies_lengthwise,
    see_periods,
)
from detector.stacks.slots import SlotGrid, lay_grid, measure_fill, measure_share, way_of
from tests.stacks.made import box_of, patch_of

BAY_M, ROW_M = 12.642, 2.838
GROUND = np.array([110.0, 108.0, 104.0])
COLOURS = np.array([[150.0, 50, 40], [40, 70, 150], [40, 130, 70], [190, 120, 40], [200, 200, 195]])
LENGTH, WIDTH = 4 * BAY_M - 0.45, 6 * ROW_M - 0.40
BOX = box_of(30.0, 30.0, LENGTH, WIDTH)
ODDS_OF_GREY = 90.0**2 / (2 * np.pi * 9.0**2) * 0.08 / 0.92
GREY_IS_EMPTY = ODDS_OF_GREY / (1 + ODDS_OF_GREY)  # a container may be as grey as the ground: 0.58
GRID = SlotGrid(lengthwise=True, half_bays=8, rows=6, certain=True)


def block(
    empty: tuple[tuple[int, int], ...] = (), *, halves: bool = False, gsd: float = 0.25
) -> Patch:
    """Four bays of six rows of coloured containers on grey ground, gaps dark.

    `empty` are places `(bay, row)`; with `halves` every place is two containers of 20 ft.
    """
    rng = np.random.default_rng(4)
    tint = rng.permuted(np.tile(np.arange(5), (8, 6, 1)), axis=2)[..., 0]
    if not halves:
        tint[1::2] = tint[0::2]
    else:
        tint[1::2] = (tint[0::2] + 1 + rng.integers(0, 3, (4, 6))) % 5

    def paint(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        u, v = x - 30.0, y - 30.0
        bay, row = np.floor(u / BAY_M).astype(int), np.floor(v / ROW_M).astype(int)
        inside = (u >= 0) & (u < LENGTH) & (v >= 0) & (v < WIDTH)
        taken = inside & (u - bay * BAY_M < 12.192) & (v - row * ROW_M < 2.438)
        half = np.clip(2 * bay + (u - bay * BAY_M > 6.096), 0, 7)
        colour = COLOURS[tint[half, np.clip(row, 0, 5)]]
        value = np.where(inside[..., None], 30.0, GROUND)
        value = np.where(taken[..., None], colour, value)
        for b, r in empty:
            value = np.where((inside & (bay == b) & (row == r))[..., None], GROUND, value)
        return value + np.random.default_rng(5).normal(0, 1.5, value.shape)

    return patch_of(paint, 110.0, 80.0, gsd)


def test_a_clear_block_is_laid_out() -> None:
    grid = lay_grid((LENGTH + 0.2, WIDTH + 0.2), block(), BOX, 0.25)
    assert (grid.lengthwise, grid.certain) == (True, True)
    assert (grid.half_bays, grid.rows, grid.capacity) == (8, 6, 48)
    assert grid.row_pitch.metres == pytest.approx(ROW_M, rel=0.01)
    assert grid.half_bay_pitch.metres == pytest.approx(BAY_M / 2, rel=0.01)
    assert grid.row_pitch.sd < 0.03 * ROW_M


def test_the_same_block_found_across_its_length() -> None:
    """Two bays of fourteen rows are wider than long: the containers lie across the box."""

    def paint(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        u, v = y - 30.0, x - 30.0  # bays go down, rows to the right
        bay, row = np.floor(u / BAY_M), np.floor(v / ROW_M)
        inside = (u >= 0) & (u < 2 * BAY_M - 0.45) & (v >= 0) & (v < 14 * ROW_M - 0.4)
        taken = inside & (u - bay * BAY_M < 12.192) & (v - row * ROW_M < 2.438)
        return np.where(taken, 90 + 40 * ((3 * row + bay) % 3), np.where(inside, 30.0, 110.0))

    size = (14 * ROW_M - 0.4, 2 * BAY_M - 0.45)
    box = box_of(30.0, 30.0, *size)
    grid = lay_grid((size[0] + 0.2, size[1] + 0.2), patch_of(paint, gsd=0.25), box, 0.25)
    assert (grid.lengthwise, grid.certain, grid.half_bays, grid.rows) == (False, True, 4, 14)


def test_without_pixels_the_sizes_tell() -> None:
    """Whole containers one way and none the other."""
    long = lay_grid((LENGTH + 0.2, WIDTH + 0.2), None, BOX, 0.25)
    assert (long.lengthwise, long.certain, long.half_bays, long.rows) == (True, False, 8, 6)
    assert (long.row_pitch.metres, long.row_pitch.sd) == pytest.approx((2.838, 0.08514))
    assert (long.half_bay_pitch.metres, long.half_bay_pitch.sd) == pytest.approx((6.321, 0.12642))
    across = (6 * ROW_M - 0.4, 12.192)
    grid = lay_grid(across, None, box_of(0, 0, *across), 0.25)
    assert (grid.lengthwise, grid.certain) == (False, False)
    assert (grid.half_bays, grid.rows) == (2, 6)


@pytest.mark.parametrize(("width_m", "certain"), [(5.05, True), (5.06, False)])
def test_no_container_lies_across_less_than_its_length(width_m: float, certain: bool) -> None:
    """6.058 m, less a metre of error."""
    lengthwise, sure, _ = way_of((12.0, width_m), None, box_of(0, 0, 12.0, width_m), 0.5)
    assert sure == certain
    assert lengthwise or not certain


@pytest.mark.parametrize(("gsd_m", "told"), [(0.8, True), (0.81, False)])
def test_periods_need_fine_pixels(gsd_m: float, told: bool) -> None:
    assert (see_periods(block(gsd=0.4), BOX, gsd_m) is not None) == told


def test_periods_need_a_block_that_is_seen_by_half() -> None:
    patch = block()
    for hidden, told in ((0.45, True), (0.65, False)):
        other = patch.other.copy()
        other[:, : int((30 + hidden * LENGTH) / 0.25)] = True
        partly = replace(patch, other=other)
        assert (see_periods(partly, BOX, 0.25) is not None) == told
        assert (measure_fill(GRID, partly, BOX, 0.25) is None) == (not told)


def test_the_likeliest_periods_are_those_of_the_picture() -> None:
    both = see_periods(block(), BOX, 0.25)
    assert both is not None
    along, across = both
    assert ROW_PITCHES_M[along.rows.argmax()] == pytest.approx(ROW_M, rel=0.015)
    assert HALF_BAY_PITCHES_M[along.half_bays.argmax()] == pytest.approx(BAY_M / 2, rel=0.02)
    assert along.strength == along.rows.max() + along.half_bays.max()
    assert along.strength > across.strength
    assert along.centre == pytest.approx([30 + LENGTH / 2, 30 + WIDTH / 2])
    odds = lies_lengthwise(both, 1.5)
    assert odds == pytest.approx(4 * np.log(1.5) + along.strength - across.strength)
    assert lies_lengthwise(None, 2.0) == pytest.approx(4 * np.log(2.0))


def test_three_periods_are_needed() -> None:
    """Of rows 8.5 m, of half bays 19 m; shorter sides tell nothing of theirs."""
    rng = np.random.default_rng(0)
    patch = patch_of(lambda x, y: 100 + 40 * rng.random(x.shape), gsd=0.25)
    for length, width, rows, bays in (
        (19.4, 9.0, True, True),
        (18.6, 9.0, True, False),
        (19.4, 8.3, False, True),
    ):
        both = see_periods(patch, box_of(30, 30, length, width), 0.25)
        assert both is not None
        assert (both[0].rows.any(), both[0].half_bays.any()) == (rows, bays)


# Filling ----------------------------------------------------------------------------------------


def test_a_full_block_is_full_and_holes_are_seen() -> None:
    full = measure_fill(GRID, block(), BOX, 0.25)
    assert full is not None
    assert full.share > 0.99
    assert (full.sd, full.measured) == (0.06, True)
    holes = tuple((b, r) for b in (0, 2) for r in range(6))
    half = measure_fill(GRID, block(holes), BOX, 0.25)
    assert half is not None
    assert half.share == pytest.approx(1 - GREY_IS_EMPTY / 2, abs=0.01)
    none = measure_fill(GRID, block(tuple((b, r) for b in range(4) for r in range(6))), BOX, 0.25)
    assert none is not None
    assert none.share == pytest.approx(1 - GREY_IS_EMPTY, abs=0.06)


def test_filling_needs_fine_pixels_and_ground_around() -> None:
    assert measure_fill(GRID, block(gsd=0.5), BOX, 0.8) is not None
    assert measure_fill(GRID, block(gsd=0.5), BOX, 0.81) is None
    patch = block()
    only = np.ones_like(patch.other)
    only[120 : int((30 + WIDTH) * 4), 120 : int((30 + LENGTH) * 4)] = False
    assert measure_fill(GRID, replace(patch, other=only), BOX, 0.25) is None


def test_a_haze_over_all_changes_nothing() -> None:
    holes = tuple((b, r) for b in (0, 2) for r in range(6))
    clear = block(holes)
    hazy = replace(clear, rgb=(0.5 * clear.rgb + 60).astype(np.float32))
    shares = [measure_fill(GRID, patch, BOX, 0.25) for patch in (clear, hazy)]
    assert shares[0] is not None
    assert shares[1] is not None
    assert shares[1].share == pytest.approx(shares[0].share, abs=0.03)


# Lengths ----------------------------------------------------------------------------------------


def test_halves_of_one_colour_are_containers_of_40_ft() -> None:
    whole = measure_share(GRID, block(), BOX, 0.25, 0.5)
    halves = measure_share(GRID, block(halves=True), BOX, 0.25, 0.5)
    assert whole is not None
    assert halves is not None
    assert whole.share > 0.95
    assert halves.share < 0.05
    assert whole.sd == pytest.approx(0.08, abs=0.03)


def test_when_lengths_are_not_told() -> None:
    patch = block()
    assert measure_share(GRID, patch, BOX, 0.7, 0.5) is not None
    assert measure_share(GRID, patch, BOX, 0.71, 0.5) is None
    assert measure_share(replace(GRID, half_bays=7), patch, BOX, 0.25, 0.5) is None
    assert measure_share(replace(GRID, certain=False), patch, BOX, 0.25, 0.5) is None
    grey = replace(patch, rgb=np.repeat(patch.rgb.mean(axis=2, keepdims=True), 3, axis=2))
    assert measure_share(GRID, grey, BOX, 0.25, 0.5) is None


def test_the_prior_of_lengths_is_what_odds_begin_with() -> None:
    sure = measure_share(GRID, block(halves=True), BOX, 0.25, 1.0)
    open_ = measure_share(GRID, block(halves=True), BOX, 0.25, 0.5)
    assert sure is not None
    assert open_ is not None
    assert sure.share >= open_.share
