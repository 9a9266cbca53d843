"""Ground slots, filling and lengths of containers, against rendered blocks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.rendering.cargo import BAY_GAP_M, BAY_PITCH_M, ROW_GAP_M, ROW_PITCH_M
from detector.scenes.scene import open_scene
from detector.stacks.block import BlockBox
from detector.stacks.estimate import estimate_stacks
from detector.stacks.settings import StackSettings
from detector.stacks.slots import half_bays_of, rows_of
from tests.stacks.yards import found, write, yard


@given(st.integers(1, 40), st.integers(1, 30), st.floats(-0.9, 0.9))
def test_sizes_give_whole_places(bays: int, rows: int, error_m: float) -> None:
    length = bays * BAY_PITCH_M - BAY_GAP_M + error_m
    width = rows * ROW_PITCH_M - ROW_GAP_M + error_m
    pitches = np.array([BAY_PITCH_M / 2]), np.array([ROW_PITCH_M])
    assert half_bays_of(np.array([length]), pitches[0])[0] == 2 * bays
    assert rows_of(np.array([width]), pitches[1])[0] == rows


def test_a_box_without_area_is_none() -> None:
    assert BlockBox.of(np.zeros((4, 2))) is None
    box = BlockBox.of(np.array([[0, 0], [0, 12], [-3, 12], [-3, 0]], float))
    assert box is not None
    assert (box.length_m, box.width_m) == (12.0, 3.0)


@pytest.mark.parametrize(("shape", "slots"), [((4, 6), 48), ((1, 8), 16), ((6, 1), 12)])
def test_slots_of_full_blocks(tmp_path: Path, shape: tuple[int, int], slots: int) -> None:
    """Also where the containers lie across the box: one bay of eight rows."""
    scene = yard({(100.0, 80.0): np.full(shape, 2)})
    with open_scene(write(scene, tmp_path)) as opened:
        row = estimate_stacks(opened, found(scene), [], StackSettings()).iloc[0]
    assert row["places"] == slots
    assert row["slots_low"] <= slots <= row["slots_high"] + 0.01
    assert row["slots"] == pytest.approx(slots, rel=0.1)


def test_holes_lower_the_fill(tmp_path: Path) -> None:
    """Grey ground is told from containers only in part, so a hole counts as taken in part."""
    holed = np.full((6, 6), 1)
    holed[2:4, 1:5] = 0  # 8 of 36 places
    fills = []
    for name, tiers in (("full", np.full((6, 6), 1)), ("holed", holed)):
        scene = yard({(100.0, 80.0): tiers})
        (tmp_path / name).mkdir()
        with open_scene(write(scene, tmp_path / name)) as opened:
            row = estimate_stacks(opened, found(scene), [], StackSettings()).iloc[0]
        fills.append(row["fill"])
    assert fills[0] > 0.98
    assert 28 / 36 - 0.05 < fills[1] < fills[0] - 0.04


@pytest.mark.parametrize(("paired", "low", "high"), [(0.0, 0.8, 1.0), (1.0, 0.0, 0.35)])
def test_lengths_are_seen(tmp_path: Path, paired: float, low: float, high: float) -> None:
    scene = yard({(100.0, 80.0): np.full((6, 6), 2)}, paired=paired)
    with open_scene(write(scene, tmp_path)) as opened:
        row = estimate_stacks(opened, found(scene), [], StackSettings()).iloc[0]
    assert low <= row["share_40ft"] <= high
    truth = next(item for item in scene.truth if item.class_id == 1)
    assert row["containers_low"] <= truth.containers <= row["containers_high"]
