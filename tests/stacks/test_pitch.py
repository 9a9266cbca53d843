"""Pitches of rows and bays: measured where the picture repeats, nominal where it does not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from detector.rendering import cargo
from detector.scenes.scene import open_scene
from detector.stacks.estimate import estimate_stacks, examine_stacks
from detector.stacks.pitch import (
    HALF_BAY_PITCHES_M,
    NOMINAL_HALF_BAYS,
    NOMINAL_ROWS,
    ROW_PITCHES_M,
    Periods,
    find_pitches,
    lies_lengthwise,
)
from detector.stacks.settings import StackSettings
from tests.stacks.yards import found, write, yard


@pytest.mark.parametrize("pitch_m", [2.84, 3.3, 3.9])
@pytest.mark.parametrize("shape", [(5, 8), (2, 14)])
def test_rows_of_other_gaps_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pitch_m: float, shape: tuple[int, int]
) -> None:
    """Along and across the box: two bays of fourteen rows are longer across."""
    monkeypatch.setattr(cargo, "ROW_PITCH_M", pitch_m)
    scene = yard({(100.0, 80.0): np.full(shape, 2)})
    with open_scene(write(scene, tmp_path)) as opened:
        row = estimate_stacks(opened, found(scene), [], StackSettings()).iloc[0]
    assert row["row_pitch_m"] == pytest.approx(pitch_m, rel=0.025)
    assert row["rows"] == shape[1]
    assert row["places"] == 2 * shape[0] * shape[1]
    assert row["slots_low"] <= row["places"] <= row["slots_high"] + 0.01


def test_a_small_block_learns_from_its_neighbours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two rows make no period; beside blocks of nine they are two rows of 3.9 m all the same."""
    monkeypatch.setattr(cargo, "ROW_PITCH_M", 3.9)
    counted = {}
    large = {(x, y): np.full((5, 9), 2) for x, y in ((40.0, 35.0), (125.0, 35.0), (40.0, 90.0))}
    for name, more in (("alone", {}), ("beside", large)):
        scene = yard({(130.0, 110.0): np.full((4, 2), 2)} | more)
        (tmp_path / name).mkdir()
        with open_scene(write(scene, tmp_path / name)) as opened:
            blocks = examine_stacks(opened, found(scene), [], StackSettings())
        small = min(blocks, key=lambda block: block.size[1])
        assert small.grid is not None
        counted[name] = (small.grid.row_pitch.metres, small.grid.rows)
    assert counted["alone"][0] == pytest.approx(NOMINAL_ROWS.metres, rel=0.02)
    assert counted["beside"][0] == pytest.approx(3.9, rel=0.02)
    assert counted["beside"][1] == 2


def test_nothing_that_repeats_leaves_the_nominal_pitches() -> None:
    none = Periods(np.zeros(2), np.zeros(len(ROW_PITCHES_M)), np.zeros(len(HALF_BAY_PITCHES_M)))
    assert find_pitches(None, [], np.zeros(2)) == (NOMINAL_ROWS, NOMINAL_HALF_BAYS)
    rows, half_bays = find_pitches(none, [none] * 20, np.zeros(2))
    assert rows.metres == pytest.approx(NOMINAL_ROWS.metres, rel=0.01)
    assert half_bays.metres == pytest.approx(NOMINAL_HALF_BAYS.metres, rel=0.01)


def test_only_blocks_near_by_have_a_say() -> None:
    wide = 6.0 * (np.abs(ROW_PITCHES_M - 3.9) < 0.05)
    told = Periods(np.zeros(2), wide, np.zeros(len(HALF_BAY_PITCHES_M)))
    near, far = np.array([200.0, 0.0]), np.array([400.0, 0.0])
    assert find_pitches(None, [told] * 6, near)[0].metres == pytest.approx(3.9, abs=0.05)
    assert find_pitches(None, [told] * 6, far)[0] == NOMINAL_ROWS
    assert find_pitches(None, [told], near)[0].metres < 3.0  # one block's quarter is too little


def test_gaps_between_bays_do_not_turn_the_containers() -> None:
    """Dark gaps between bays give more edge across than along; their wave tells what they are."""
    bays = Periods(np.zeros(2), np.array([4.0]), np.array([8.0]))
    none = Periods(np.zeros(2), np.array([0.0]), np.array([0.5]))
    assert lies_lengthwise(None, 0.7) < 0 < lies_lengthwise((bays, none), 0.7)
    assert lies_lengthwise(None, None) == 0.0
