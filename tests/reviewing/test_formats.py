"""Sheets come back from every format as they went out."""

from __future__ import annotations

import json
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO

from detector.classes import PORT
from detector.geometry.boxes import order_corners
from detector.reviewing.errors import ReviewError
from detector.reviewing.folders import BOXES_FILE, FOLDERS, read_folder, write_folder
from detector.reviewing.formats import (
    FORMATS,
    cvat_labels,
    labelling_config,
    read_sheets,
    write_sheets,
)
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


def there_and_back(kind: str, sheet: Sheet, folder: Path) -> Sheet:
    """A sheet as a person saves it, and as it is read."""
    if kind in FORMATS:
        text = write_sheets(kind, [sheet])
        if kind == "label-studio":  # what a person saves stands under annotations
            (task,) = json.loads(text)
            text = json.dumps([{**task, "annotations": task.pop("predictions")}])
        (back,) = read_sheets(kind, text, "f")
        return back
    for name, text in write_folder(kind, [sheet]).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text.encode())
    (back,) = read_folder(kind, folder)
    return back


@pytest.mark.parametrize("kind", [*FORMATS, *FOLDERS])
@settings(max_examples=25, deadline=None)
@given(rows=st.lists(ROWS, max_size=6), reviewed=st.booleans())
def test_nothing_is_lost_on_the_way(kind: str, rows: list[SheetRow], reviewed: bool) -> None:
    made = sheet_of("a b 항구.png", (1900, 1100), rows)
    ids = tuple(f"scene-1#{i}" if i % 2 else "" for i in range(len(rows)))
    parts = (made.corners, made.class_ids, ids, made.verdicts, made.comments)
    sent = Sheet(made.image, 1900, 1100, *parts, reviewed=reviewed)
    with tempfile.TemporaryDirectory() as folder:
        back = there_and_back(kind, sent, Path(folder))
    assert (back.reviewed, back.answered) == (reviewed, True)
    # DOTA has pixels to four digits, YOLO shares to eight
    np.testing.assert_allclose(back.corners, sent.corners, atol=1e-6 if kind in FORMATS else 1e-4)
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


def test_label_studio_has_what_its_interface_asks_for() -> None:
    """Results of one region share an id; choices and texts go by the names of the interface."""
    (task,) = json.loads(write_sheets("label-studio", [_sheet()]))
    rectangle, verdict, comment = task["predictions"][0]["result"]
    assert rectangle["id"] == verdict["id"] == comment["id"] == "s#0"
    interface = ET.fromstring(labelling_config(PORT))  # noqa: S314 - our own
    tags = {one.get("name"): one for one in interface.iter() if one.get("name")}
    assert tags[rectangle["from_name"]].tag == "RectangleLabels"
    assert [one.get("value") for one in tags["label"]] == list(PORT.names)
    assert (tags[verdict["from_name"]].tag, verdict["type"]) == ("Choices", "choices")
    assert verdict["value"]["choices"][0] in [one.get("value") for one in tags["verdict"]]
    assert (tags[comment["from_name"]].tag, comment["value"]["text"]) == ("TextArea", ["tug"])
    assert tags["image"].get("value") == "$image"
    assert [one.get("category") for one in tags["label"]] == ["0", "1"]
    assert {one.get("toName") for one in tags.values()} == {None, "image"}
    labels = json.loads(cvat_labels(PORT))
    assert [one["name"] for one in labels] == [*PORT.names, "looked-at"]
    cvat = ET.fromstring(write_sheets("cvat", [_sheet()]))  # noqa: S314 - our own
    meta = cvat.findall("meta/task/labels/label")  # without it datumaro refuses the file
    assert [one.findtext("name") for one in meta] == [*PORT.names, "looked-at"]
    told = [one.findtext("name") for one in meta[0].iter("attribute")]
    assert told == [one["name"] for one in labels[0]["attributes"]] == ["verdict", "box", "comment"]


def test_label_studio_tells_who_and_when_and_what_was_not_looked_at() -> None:
    """As its export: users by number or address, ids of its own, what was skipped."""
    (task,) = json.loads(write_sheets("label-studio", [_sheet()]))
    (untouched,) = read_sheets("label-studio", json.dumps([task]), "f")
    assert not untouched.answered
    result = [{**one, "meta": {}} for one in task["predictions"][0]["result"]]
    result.append({"from_name": "looked", "to_name": "image", "type": "choices",
                   "value": {"choices": ["all of it"]}})  # fmt: skip
    saved = {"result": result, "completed_by": {"email": "ann@port.kr"}, "was_cancelled": False,
             "updated_at": "2026-11-02T08:00:00Z"}  # fmt: skip
    skipped = {**saved, "was_cancelled": True, "result": []}
    text = json.dumps([{**task, "annotations": [saved, skipped]}])
    (back,) = read_sheets("label-studio", text, "f")
    assert (back.who, back.when) == ("ann@port.kr", "2026-11-02T08:00:00Z")
    assert (back.answered, back.reviewed) == (True, True)
    assert (back.ids, back.verdicts, back.comments) == (("s#0",), ("real",), ("tug",))


def test_edited_lines_of_labels_are_known_by_what_is_left(tmp_path: Path) -> None:
    """A line that somebody changed has no id; a file that is gone was never looked at."""
    for name, text in write_folder("dota", [_sheet()]).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    path = tmp_path / "labelTxt" / "a.txt"
    path.write_text(path.read_text().replace("ship 0", "ship 1") + "1 1 9 1 9 4 1 4 ship 0\n")
    (back,) = read_folder("dota", tmp_path)
    assert (back.ids, back.verdicts) == (("", ""), ("doubtful", ""))
    path.write_text("1 1 9 1 9 4 1 ship 0\n")
    with pytest.raises(ReviewError, match=r"a\.txt:1: '1 1 9 1 9 4 1 ship 0' is no box"):
        read_folder("dota", tmp_path)
    path.unlink()
    assert not read_folder("dota", tmp_path)[0].answered
    (tmp_path / BOXES_FILE).unlink()
    with pytest.raises(ReviewError, match=r"boxes\.csv: cannot be read"):
        read_folder("dota", tmp_path)


def test_what_contradicts_is_named() -> None:
    row = SheetRow("ship", rotated(1, 2, (9, 3), 0), "s#0", "real")
    with pytest.raises(ReviewError, match="two boxes are called s#0"):
        sheet_of("a.png", (9, 9), [row, row])
    for wrong, told in (("boat", "'boat' is none of"), ("ship", "'maybe' is no verdict")):
        with pytest.raises(ReviewError, match=told):
            sheet_of("a.png", (9, 9), [SheetRow(wrong, row.outline, "", "maybe")])
