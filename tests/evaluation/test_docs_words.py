"""The words of `docs/accuracy.md` that benchmarks make from numbers: no loss is left out."""

from __future__ import annotations

from benchmarks.accuracy import COLUMNS, Comparison, Row, losses
from detector.evaluation.bootstrap import Estimate


def row(name: str, *values: float) -> Row:
    """A row whose intervals reach 0.05 to both sides."""
    estimates = [Estimate(value, value - 0.05, value + 0.05) for value in values]
    return Row(name, dict(zip(COLUMNS, estimates, strict=True)))


def test_every_column_in_which_a_peer_is_better_is_named() -> None:
    ours = row("Quaywatch", 0.80, 0.50, 0.9, 0.9, 1.00, -0.30)
    one = row("SAHI", 0.70, 0.54, 0.8, 0.9, 1.20, 0.10)
    other = row("slicer", 0.60, 0.65, 0.7, 0.8, 0.50, 0.40)
    words = losses([("rows", Comparison("ship, exact polygons: 7 images", 70, [ours, one, other]))])
    assert words.startswith("- **rows**, ship, exact polygons. Behind: ")
    behind, level = words.split(" Best or level: ")
    assert "AP50:95 0.500 against 0.650 (slicer);" in behind
    assert "count MAE 1.00 against 0.50 (slicer);" in behind
    assert "total count error -30 % against +10 % (SAHI)." in behind
    assert level == "AP50, precision, recall."


def test_overlapping_intervals_are_told() -> None:
    ours = row("Quaywatch", 0.80, 0.5, 0.9, 0.9, 1.0, 0.0)
    peer = row("SAHI", 0.84, 0.4, 0.8, 0.8, 1.1, 0.1)
    words = losses([("dev", Comparison("ship: 7 images", 70, [ours, peer]))])
    assert "AP50 0.800 against 0.840 (SAHI), intervals overlap." in words


def test_few_objects_compare_nobody() -> None:
    same = row("Quaywatch", 0.8, 0.5, 0.9, 0.9, 1.0, 0.0)
    words = losses([("dev", Comparison("stack: 7 images", 4, [same, same]))])
    assert words == "- **dev**, stack: 4 objects, too few to compare anybody."
