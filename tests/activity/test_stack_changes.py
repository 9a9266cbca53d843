"""What is said of changed stacks on one rendered story, against its truth; docs: `stacks.md`."""

from __future__ import annotations

from pathlib import Path

from benchmarks.stack_changes import Measured, measure, table
from benchmarks.stack_stories import BlockErrors, simulated, tell_sites


def test_claims_of_a_story_are_true(tmp_path: Path) -> None:
    """At 1 m a pixel, with a detector that misses, splits, joins and invents blocks."""
    measured = Measured()
    measure(tell_sites(910, tmp_path, simulated(BlockErrors()), 1.0), measured)
    claims, true = sum(measured.claims.values()), sum(measured.true.values())
    assert claims >= 30
    assert true >= 0.95 * claims, measured.wrong
    # finer scenes show more, see the docs: 42 of 67 here
    assert measured.claimed >= 0.6 * measured.changes > 0, measured.missed
    assert measured.remarks["exchanged"] == 0
    assert f"| {true} " in table(measured)
