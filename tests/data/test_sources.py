"""The table of sources, and what the documents say of it."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from detector.data.kinds import KINDS
from detector.data.labelled import Labelling, labelling_of
from detector.data.sources import SOURCES, complete_above_px

PAGE = (Path(__file__).parents[2] / "docs" / "datasets.md").read_text(encoding="utf-8")
ROWS = {match[1]: match[0] for match in re.finditer(r"^\| `([\w-]+)` .*$", PAGE, re.MULTILINE)}


@pytest.mark.parametrize(
    "kind", [*KINDS, "kaggle-aerial-ships", "SIMD", "UCMerced", "Google-Earth"]
)
def test_every_kind_and_source_has_a_row_in_the_page(kind: str) -> None:
    assert kind in ROWS


@pytest.mark.parametrize(
    ("kind", "source"), [("dota", "DOTA"), ("hrsc", "HRSC2016"), ("xview", "xView")]
)
def test_the_page_says_the_sizes_of_the_code(kind: str, source: str) -> None:
    (size,) = re.findall(r"from (?:about )?(\d+) px", ROWS[kind])
    assert float(size) == SOURCES[source].complete_above_px["ship"] == complete_above_px(source)[0]


def test_what_the_sources_of_the_pool_label() -> None:
    oriented, envelope, unlabelled = Labelling.ORIENTED, Labelling.ENVELOPE, Labelling.UNLABELLED
    wanted = {
        "kaggle-aerial-ships": (envelope, unlabelled),
        "SIMD": (unlabelled, unlabelled),
        "UCMerced": (unlabelled, unlabelled),
        "Google-Earth": (oriented, oriented),
    }
    assert {name: labelling_of(SOURCES[name]) for name in wanted} == wanted
    assert {complete_above_px(name) for name in wanted} == {(0.0, 0.0)}


@pytest.mark.real
def test_every_source_of_the_real_pool_has_a_row(shared_data: Path) -> None:
    with (shared_data / "port" / "index.csv").open(newline="", encoding="utf-8") as file:
        names = {row["source"] for row in csv.DictReader(file)}
    assert {name for name in names if not name.startswith(tuple(SOURCES))} == set()
