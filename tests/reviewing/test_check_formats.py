"""The check by the tools' own libraries: what it takes for written, and what it finds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from detector.classes import PORT
from detector.geometry.boxes import corners_from_xywhr
from detector.reviewing.folders import write_folder
from detector.reviewing.formats import write_sheets
from detector.reviewing.sheet import Sheet
from tools import check_formats

BOXES = corners_from_xywhr(np.array([(50, 40, 40, 20, 0.3), (70, 20, 30, 10, 1.2)]))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Exports of one picture with a ship and a stack."""
    sheet = Sheet("a.png", 100, 80, BOXES, np.array([0, 1]), ("s#0", "s#1"), ("", ""), ("", ""))
    (tmp_path / "coco").mkdir()
    (tmp_path / "coco" / "annotations.json").write_text(write_sheets("coco", [sheet]))
    for name, text in write_folder("yolo-obb", [sheet]).items():
        path = tmp_path / "yolo-obb" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_what_agrees_has_no_fault(folder: Path) -> None:
    truth = check_formats.plain_coco(folder / "coco" / "annotations.json")
    assert [label for label, _ in truth["a"]] == [*PORT.names]
    np.testing.assert_allclose([box for _, box in truth["a"]], BOXES, atol=1e-9)
    assert check_formats.differences(truth, check_formats.yolo_obb(folder)) == []
    turned = {"a": [(label, np.roll(box, 2, axis=0)) for label, box in truth["a"]]}
    assert check_formats.differences(truth, turned) == []


def test_what_differs_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth = check_formats.plain_coco(folder / "coco" / "annotations.json")
    (ship, stack) = truth["a"]
    far = (ship[0], ship[1] + [0.5, 0.0])
    assert check_formats.differences(truth, {"a": [far, stack]}) == [
        "a: a corner is 0.50 pixels off"
    ]
    assert check_formats.differences(truth, {"a": [stack, ship]}) == ["a: other classes"]
    assert check_formats.differences(truth, {"a": [ship], "b": []}) == [
        "b is none of the pictures",
        "a: 1 boxes of 2",
    ]
    assert check_formats.differences(truth, {}) == ["a: 0 boxes of 2"]
    assert check_formats.main([str(folder)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "written: 2 boxes in 1 pictures"
    assert said[-1].endswith("read as documented: all 2 boxes where they were written")
    assert "datumaro, CVAT for images 1.1: not installed here, not checked" in said
