"""Labels as people have them: encodings, byte order marks, turned boxes and turned pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detector.data import coco, dota, hrsc
from detector.data.labelled import Fault
from detector.data.yolo_lines import oriented_lines
from detector.documents import read_json

BOX = "<mbox_cx>50</mbox_cx><mbox_cy>40</mbox_cy><mbox_w>20</mbox_w><mbox_h>8</mbox_h>"
OBJECT = f"<HRSC_Object>{BOX}<mbox_ang>0</mbox_ang></HRSC_Object>"


@pytest.mark.parametrize("encoding", ["gb2312", "cp949", "utf-8-sig", "utf-16", "utf-8"])
def test_xml_in_the_encoding_of_its_place(tmp_path: Path, encoding: str) -> None:
    for name in ("AllImages", "Annotations"):
        (tmp_path / name).mkdir()
    Image.new("RGB", (100, 80)).save(tmp_path / "AllImages" / "a.bmp")
    place = "나진항" if encoding == "cp949" else "大连港码头"
    declared = encoding.removesuffix("-sig")
    text = f'<?xml version="1.0" encoding="{declared}"?>\r\n<R><Place_ID>{place}</Place_ID>'
    path = tmp_path / "Annotations" / "a.xml"
    path.write_bytes(f"{text}{OBJECT}</R>".encode(encoding))
    (image,) = hrsc.read(tmp_path, [])
    assert image.faults == ()
    assert image.place == f"hrsc_{place}"
    assert image.corners.tolist() == [[[40, 36], [60, 36], [60, 44], [40, 44]]]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp949"])
def test_lines_with_marks_and_carriage_returns(tmp_path: Path, encoding: str) -> None:
    for name in ("images", "labelTxt"):
        (tmp_path / name).mkdir()
    Image.new("RGB", (100, 80)).save(tmp_path / "images" / "a.png")
    lines = "imagesource:나진\r\ngsd:0.5\r\n10 10 30 10 30 20 10 20 ship 0\r\n"
    (tmp_path / "labelTxt" / "a.txt").write_bytes(lines.encode(encoding))
    (image,) = dota.read(tmp_path, [])
    assert (image.faults, image.gsd_m, len(image.corners)) == ((), 0.5, 1)


def _coco(root: Path, attributes: dict[str, object]) -> None:
    (root / "images").mkdir()
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [30, 36, 40, 8]}
    content = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 100, "height": 80}],
        "categories": [{"id": 1, "name": "ship"}],
        "annotations": [{**box, "attributes": attributes}],
    }
    (root / "annotations.json").write_text(json.dumps(content), encoding="utf-16")


def test_the_rotation_of_cvat_turns_the_box(tmp_path: Path) -> None:
    """30 degrees, clockwise on the screen, about the centre (50, 40): the length points down."""
    _coco(tmp_path, {"occluded": False, "rotation": 30.0})
    Image.new("RGB", (100, 80)).save(tmp_path / "images" / "a.jpg")
    (image,) = coco.read(tmp_path, [])
    along = image.corners[0, 1] - image.corners[0, 0]
    along = along if along[0] > 0 else -along
    assert image.corners[0].mean(axis=0) == pytest.approx([50, 40])
    assert along == pytest.approx([40 * np.cos(np.pi / 6), 20])


def test_a_picture_that_is_shown_turned_is_a_fault(tmp_path: Path) -> None:
    _coco(tmp_path, {})
    exif = Image.Exif()
    exif[274] = 6
    Image.new("RGB", (100, 80)).save(tmp_path / "images" / "a.jpg", exif=exif)
    faults: list[Fault] = []
    assert list(coco.read(tmp_path, faults)) == []
    assert "shown turned (orientation 6)" in faults[0].reason


def test_json_in_utf_16(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"a": "나진"}', encoding="utf-16")
    assert read_json(tmp_path / "a.json") == {"a": "나진"}


@pytest.mark.parametrize("encoding", ["gb2312", "cp949", "utf-8-sig"])
def test_coco_in_the_encoding_of_its_place(tmp_path: Path, encoding: str) -> None:
    _coco(tmp_path, {"rotation": 30.0})
    name = "나진.jpg" if encoding == "cp949" else "大连港码头.jpg"
    path = tmp_path / "annotations.json"
    text = path.read_text(encoding="utf-16").replace("a.jpg", name)
    path.write_bytes(text.replace("\n", "\r\n").encode(encoding))
    Image.new("RGB", (100, 80)).save(tmp_path / "images" / name)
    (image,) = coco.read(tmp_path, [])
    assert image.image.name == name
    assert image.corners[0].mean(axis=0) == pytest.approx([50, 40])


def test_a_label_file_that_cannot_be_read_is_one_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other images of the dataset are read all the same."""
    for name in ("images", "labelTxt"):
        (tmp_path / name).mkdir()
    for name in "ab":
        Image.new("RGB", (100, 80)).save(tmp_path / "images" / f"{name}.png")
        (tmp_path / "labelTxt" / f"{name}.txt").write_text("10 10 30 10 30 20 10 20 ship 0\n")
    whole = Path.read_bytes

    def refuse(path: Path) -> bytes:
        if path.name == "a.txt":
            raise PermissionError(13, "Permission denied")
        return whole(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    one, two = dota.read(tmp_path, [])
    assert [fault.reason for fault in one.faults] == ["cannot be read (Permission denied)"]
    assert (len(one.corners), len(two.corners), two.faults) == (0, 1, ())
    _, _, wrong = oriented_lines(tmp_path / "labelTxt" / "a.txt", (100, 80))
    assert [fault.reason for fault in wrong] == ["cannot be read (Permission denied)"]
