"""Stacks in `counts.csv`: number, area and TEU of the same draws; a scene is the sum of zones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from detector.counting.counts import BLOCK_COLUMNS, CountedArea, Seen, counts_table
from detector.prediction.block_counts import SceneBlocks, with_block_intervals
from detector.stacks.settings import StackSettings
from detector.stacks.totals import draw_zone, interval_of
from tests.counting.make import SHIP, STACK, make_detections
from tests.stacks.test_totals import LOOSE, found

ZONES = [("yard 1", "yard"), ("yard 2", "yard"), ("", "")]
SIZES = (5, 3, 1)  # blocks of each
NAMES = ("number", "area_m2", "teu")


def scene_blocks(model: object = LOOSE) -> tuple[SceneBlocks, list[CountedArea]]:
    """Two yards and a block in none; a ship besides, and deck cargo on it."""
    total = sum(SIZES) + 2
    ids = [SHIP, *[STACK] * (total - 1)]
    rows = [(ids[i], i * 200.0, 50.0, 50.6, 14.2, 0.0) for i in range(total)]
    made = make_detections(rows, scene_id="scene", crs=None, gsd_m=1.0, on_ship=[1])
    detections = replace(made, scores=np.full(total, 0.8, np.float32))
    table = found(total - 1).table
    assert table is not None
    table = table.assign(id=[f"scene#{row}" for row in range(1, total)])
    inside = [zone for zone, n in zip(ZONES, SIZES, strict=True) for _ in range(n)]
    held = [("", ""), ("", ""), *inside]
    every = np.arange(total)
    seen = Seen(1.0, cloud_known=True)
    areas = [CountedArea("", "", seen, "observed", every, "given")]
    for name, kind in ZONES[:2]:
        mine = every[[zone[0] == name for zone in held]]
        areas.append(CountedArea(name, kind, seen, "observed", mine, "given"))
    blocks = SceneBlocks(detections, table, held, model, StackSettings())  # type: ignore[arg-type]
    return blocks, areas


def counts(areas: list[CountedArea]) -> pd.DataFrame:
    return counts_table(
        [
            {"scene_id": "scene", "zone": area.name, "kind": area.kind, "class": name,
             "length_class": "all", "count": 1, "status": area.status}
            for area in areas
            for name in ("ship", "container_stack")
        ]
    )  # fmt: skip


def test_the_scene_is_the_sum_of_its_zones_and_of_what_lies_in_none() -> None:
    blocks, areas = scene_blocks()
    table = with_block_intervals(counts(areas), areas, blocks)
    stacks = table[table["class"] == "container_stack"].set_index("zone")
    outside = counts(areas[:1])
    rest = replace(areas[0], members=np.arange(10, 11))
    outside = with_block_intervals(outside, [rest], blocks).iloc[1]
    for column in ("count", "area", "teu"):
        low, high = (stacks[f"{column}_{end}"].astype(float) for end in ("low", "high"))
        assert low[""] >= low["yard 1"] + low["yard 2"] + float(outside[f"{column}_low"]) - 1
        assert high[""] <= high["yard 1"] + high["yard 2"] + float(outside[f"{column}_high"]) + 1
        assert (low < high).all()
    parts = stacks["count_est"]
    total = parts["yard 1"] + parts["yard 2"] + outside["count_est"]
    assert parts[""] == pytest.approx(total)  # means add up exactly: the same draws
    ships = table[table["class"] == "ship"]
    assert ships[[*BLOCK_COLUMNS, "count_est"]].isna().all().all()


def test_a_zone_says_what_its_own_draws_say() -> None:
    blocks, areas = scene_blocks()
    table = with_block_intervals(counts(areas), areas, blocks)
    row = table[(table["class"] == "container_stack") & (table["zone"] == "yard 2")].iloc[0]
    boxes = found(3)
    boxes = replace(boxes, score=np.full(3, 0.8, np.float32).astype(float))
    drawn = draw_zone(boxes, "yard 2", StackSettings(), LOOSE)
    assert [row["teu_low"], row["teu_est"], row["teu_high"]] == interval_of(drawn.teu)
    assert row["count_est"] == pytest.approx(drawn.number.mean())


@pytest.mark.parametrize("status", ["partial", "unobserved", "outside_model_range"])
def test_what_was_not_seen_whole_has_no_interval(status: str) -> None:
    blocks, areas = scene_blocks()
    areas = [replace(area, status=status) for area in areas]  # type: ignore[arg-type]
    table = with_block_intervals(counts(areas), areas, blocks)
    assert table[[*BLOCK_COLUMNS, "count_est", "count_low"]].isna().all().all()


def test_a_card_of_few_places_claims_nothing() -> None:
    blocks, areas = scene_blocks(replace(LOOSE, n_places=6, n_area_places=6))
    table = with_block_intervals(counts(areas), areas, blocks)
    assert table[["area_est", "count_est"]].isna().all().all()


def test_a_block_that_nobody_saw_enters_nothing() -> None:
    blocks, areas = scene_blocks()
    hidden = int(areas[2].members[0])  # in yard 2
    fractions = np.where(np.arange(len(blocks.detections)) == hidden, 0.8, 0.0)
    unseen = replace(
        blocks,
        detections=replace(blocks.detections, unseen_fraction=fractions),
        stacks=blocks.stacks[blocks.stacks["id"] != f"scene#{hidden}"],
    )
    table = with_block_intervals(counts(areas), areas, unseen)
    without = [replace(area, members=area.members[area.members != hidden]) for area in areas]
    expected = with_block_intervals(counts(without), without, blocks)
    pd.testing.assert_frame_equal(table, expected)
    all_seen = with_block_intervals(counts(areas), areas, blocks)
    assert (table["count_est"] < all_seen["count_est"])[[1, 5]].all()  # the scene and yard 2
