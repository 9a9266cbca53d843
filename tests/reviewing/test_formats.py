"""Sheets come back from every format as they went out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO

from detector.geometry.boxes import order_corners
from detector.reviewing.errors import ReviewError
from detector.reviewing.formats import FORMATS, read_sheets, write_sheets
from detector.reviewing.sheet import VERDICTS, Sheet, SheetRow, rotated, sheet_of

LETTERS = st.characters(min_codepoint=32, exclude_categories=("Cs", "Cn", "Co"))
ROWS = st.builds(
    lambda name, x, y, across, longer, turn, verdict, comment: SheetRow(
        name, rotated(x, y, (across * longer, across), turn), "", verdict, comment
    ),
    st.sampled_from(["ship", "container_stack"]),
    *(st.floats(-50, 2000), st.floats(-50, 2000), st.floats(2, 60), st.floats(1.2, 9)),
    st.floats(0, 359.9),
    st.sampled_from(VERDICTS),
    st.text(LETTERS, max_size=12).map(str.strip),
)


@pytest.mark.parametrize("kind", FORMATS)
@settings(max_examples=60, deadline=None)
@given(rows=st.lists(ROWS, max_size=6))
def test_nothing_is_lost_on_the_way(kind: str, rows: list[SheetRow]) -> None:
    made = sheet_of("a b 항구.png", (1900, 1100), rows)
    ids = tuple(f"scene-1#{i}" if i % 2 else "" for i in range(len(rows)))
    parts = (made.corners, made.class_ids, ids, made.verdicts, made.comments)
    sent = Sheet(made.image, 1900, 1100, *parts)
    (back,) = read_sheets(kind, write_sheets(kind, [sent]), "f")
    np.testing.assert_allclose(back.corners, sent.corners, atol=1e-6)
    assert (back.image, back.width, back.height) == ("a b 항구.png", 1900, 1100)
    assert back.class_ids.tolist() == sent.class_ids.tolist()
    assert (back.ids, back.verdicts, back.comments) == (ids, sent.verdicts, sent.comments)


def _sheet() -> Sheet:
    rows = [SheetRow("ship", rotated(100, 50, (80, 20), 30), "s#0", "real", "tug")]
    return sheet_of("a.png", (400, 200), rows)


def test_label_studio_is_as_documented() -> None:
    """Percent of the picture, clockwise around the first corner."""
    (task,) = json.loads(write_sheets("label-studio", [_sheet()]))
    value = task["predictions"][0]["result"][0]["value"]
    corner = _sheet().corners[0]
    end = np.deg2rad(value["rotation"])
    x, y = value["x"] * 4, value["y"] * 2
    tip = x + value["width"] * 4 * np.cos(end), y + value["width"] * 4 * np.sin(end)
    np.testing.assert_allclose([(x, y), tip], corner[:2], atol=1e-9)
    assert value["width"] == pytest.approx(20.0)
    assert value["height"] == pytest.approx(10.0)
    assert value["rectanglelabels"] == ["ship"]


def test_a_box_that_cvat_turned_is_read_around_its_centre() -> None:
    text = (
        '<annotations><version>1.1</version><image id="0" name="a.png" width="400" height="200">'
        '<box label="ship" xtl="60" ytl="40" xbr="140" ybr="60" rotation="90"/></image>'
        "</annotations>"
    )
    (back,) = read_sheets("cvat", text, "f")
    upright = np.array([[(90, 10), (110, 10), (110, 90), (90, 90)]], float)
    np.testing.assert_allclose(back.corners, order_corners(upright), atol=1e-9)
    assert back.ids == back.verdicts == ("",)


def test_pycocotools_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text(write_sheets("coco", [_sheet()]), encoding="utf-8")
    read = COCO(str(path))
    (one,) = read.loadAnns(read.getAnnIds())
    assert int(read.annToMask(one).sum()) == pytest.approx(1600, rel=0.05)
    assert one["area"] == pytest.approx(1600)


def test_what_a_person_saved_goes_before_what_was_drawn_for_them() -> None:
    (task,) = json.loads(write_sheets("label-studio", [_sheet()]))
    text = json.dumps([{**task, "annotations": [{"result": []}]}])
    assert len(read_sheets("label-studio", text, "f")[0].ids) == 0


@pytest.mark.parametrize("kind", FORMATS)
def test_bad_files_are_one_sentence(kind: str) -> None:
    with pytest.raises(ReviewError, match=rf"f\.x: cannot be read as {kind} \("):
        read_sheets(kind, "no file of a tool", "f.x")


def test_what_contradicts_is_named() -> None:
    row = SheetRow("ship", rotated(1, 2, (9, 3), 0), "s#0", "real")
    with pytest.raises(ReviewError, match="two boxes are called s#0"):
        sheet_of("a.png", (9, 9), [row, row])
    for wrong, told in (("boat", "'boat' is none of"), ("ship", "'maybe' is no verdict")):
        with pytest.raises(ReviewError, match=told):
            sheet_of("a.png", (9, 9), [SheetRow(wrong, row.outline, "", "maybe")])
