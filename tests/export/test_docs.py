"""docs/outputs.md names every column and value that the files hold."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest

from detector.classes import LENGTH_UNKNOWN, PORT, SHIP
from detector.counting.counts import ALL_LENGTHS, COUNT_COLUMNS, Status
from detector.counting.zones import OTHER_KIND, ZONE_KINDS
from detector.detections import COLUMNS
from detector.export.records import SceneRecord

TEXT = (Path(__file__).parents[2] / "docs" / "outputs.md").read_text(encoding="utf-8")


def rows_under(heading: str) -> set[str]:
    """What the first cells of the tables under a heading name, in back quotes."""
    section = TEXT.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    cells = re.findall(r"^\|([^|]*)\|", section, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def test_every_column_is_described() -> None:
    corners = {name for name in COLUMNS if name.startswith(("px", "py"))}
    described = rows_under("Detections")
    assert described == (set(COLUMNS) - corners) | {"px0, py0 … px3, py3", "geometry"}
    assert rows_under("Counts") == set(COUNT_COLUMNS) | set(get_args(Status))
    scenes = {item.name for item in fields(SceneRecord)} - {"areas"}
    assert rows_under("scenes.csv, scene.json, run.json") == scenes


@pytest.mark.parametrize(
    "value",
    [*PORT.names, *SHIP.length_classes, LENGTH_UNKNOWN, ALL_LENGTHS, *ZONE_KINDS, OTHER_KIND],
)
def test_every_value_is_named(value: str) -> None:
    assert f"`{value}`" in TEXT
