"""Strips of a plan."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from detector.tiling.plan import PlanSettings, plan_tiles
from detector.tiling.strips import cut_strips


@given(
    width=st.integers(1, 3000),
    height=st.integers(1, 3000),
    coarse=st.booleans(),
    least=st.integers(1, 60),
)
def test_strips_are_whole_rows_of_enough_tiles(
    width: int, height: int, coarse: bool, least: int
) -> None:
    settings = PlanSettings(tile_px=256, limit=40.0, coarse_scale=0.3 if coarse else None)
    plan = plan_tiles(width, height, settings.snug(width, height))
    strips = cut_strips(plan, least)
    assert [index for strip in strips for index in strip] == list(range(len(plan)))
    rows = [{plan.tiles[index].window.row for index in strip} for strip in strips]
    assert all(max(above) < min(below) for above, below in itertools.pairwise(rows))
    if len(strips) > 1:
        assert min(map(len, strips)) >= least


def test_as_many_strips_as_there_can_be() -> None:
    plan = plan_tiles(1000, 2000, PlanSettings(tile_px=256, limit=40.0))
    row = sum(tile.window.row == 0 for tile in plan.tiles)
    rows = len(plan) // row
    assert (row, len(plan)) == (5, 5 * rows)
    assert cut_strips(plan, 1) == [range(5 * at, 5 * at + 5) for at in range(rows)]
    assert list(map(len, cut_strips(plan, 2 * row)))[:-1] == [10] * (rows // 2 - 1)
    assert cut_strips(plan, len(plan) // 2 + 1) == [range(len(plan))]
    nothing = plan_tiles(1000, 2000, plan.settings, wanted=lambda core: False)
    assert cut_strips(nothing, 1) == []
