"""Ground slots of real blocks against the counts by eye: the published errors hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.stacks_real import compare, held


@pytest.mark.real
def test_ground_slots_are_those_counted(shared_data: Path) -> None:
    table = compare(shared_data / "port")
    sets = dict(list(table.groupby("set")))
    assert {name: len(part) for name, part in sets.items()} == {"counted_twice": 30, "further": 17}
    assert sets["counted_twice"]["error"].abs().median() <= 0.15
    assert sets["further"]["error"].abs().median() <= 0.10
    assert held(sets["counted_twice"]) >= 17
    assert held(sets["further"]) >= 15
    between = (table["first"] - table["second"]).abs() / table["first"]
    assert between.mean() == pytest.approx(0.087, abs=0.001)  # the two counters of 30 blocks
