"""What cannot be used is said: missing files, unknown classes, images that cannot be read."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from detector.cli.data_convert import ConvertConfig
from detector.cli.data_convert import run as run_convert
from detector.data import dota, port_pool
from detector.data.datasets import READERS, read_dataset
from detector.data.kinds import KINDS
from detector.data.labelled import DataError, Fault, Labelling
from detector.data.summary import summarise, to_text
from detector.errors import SceneError
from tests.data import fakes

BROKEN = b"\x89PNG nothing"


def words(faults: list[Fault], root: Path) -> list[str]:
    return [str(fault).removeprefix(f"{root}/") for fault in faults]


def test_every_reader_can_be_named_in_options() -> None:
    assert tuple(READERS) == KINDS


def test_the_pool_names_files_without_a_row(tmp_path: Path) -> None:
    root = fakes.port_pool(tmp_path)
    fakes.image(root / "images" / "extra.png")
    for folder in ("labels", "labels_hbb", "labels_ignore"):
        (root / folder / f"lost_{folder}.txt").write_text("")
    _, faults = read_dataset("port", root)
    assert words(faults, root) == [
        "images/extra.png: no row of index.csv names this image",
        "labels/lost_labels.txt: no image of this name",
        "labels_hbb/lost_labels_hbb.txt: no image of this name",
        "labels_ignore/lost_labels_ignore.txt: no image of this name",
    ]


def test_a_missing_label_file_of_the_pool_teaches_nothing_of_its_classes(tmp_path: Path) -> None:
    root = fakes.port_pool(tmp_path)
    (root / "labels" / "o.txt").unlink()  # ships and stacks stand in it
    (root / "labels" / "u.txt").unlink()  # ships alone
    (root / "labels_hbb" / "h.txt").unlink()
    images, faults = read_dataset("port", root)
    unlabelled = Labelling.UNLABELLED
    assert [image.labelling for image in images] == [
        (unlabelled, unlabelled),
        (unlabelled, Labelling.NONE),
        (unlabelled, unlabelled),
        (Labelling.NONE, Labelling.NONE),
    ]
    assert words(faults, root) == [
        "labels/o.txt: no label file of this image",
        "labels_hbb/h.txt: no label file of this image",
        "labels/u.txt: no label file of this image",
    ]


def test_an_empty_label_file_of_the_pool_is_no_fault(tmp_path: Path) -> None:
    root = fakes.port_pool(tmp_path)
    (root / "labels" / "o.txt").write_text("")
    images, faults = read_dataset("port", root)
    assert images[0].labelling == (Labelling.ORIENTED, Labelling.ORIENTED)
    assert faults == []


def test_class_numbers_that_the_pool_does_not_have_are_faults(tmp_path: Path) -> None:
    root = fakes.port_pool(tmp_path)
    text = (root / "labels" / "o.txt").read_text()
    box = text.splitlines()[0].partition(" ")[2]
    (root / "labels" / "o.txt").write_text(text + f"7 {box}\n-1 {box}\n")
    (root / "labels_hbb" / "h.txt").write_text("0 0.5 0.25 0.5 0.125\n1 0.5 0.5 0.1 0.1\n")
    images, faults = read_dataset("port", root)
    assert images[0].class_ids.tolist() == [0, 1]
    assert len(images[1].envelopes) == 1
    assert words(faults, root) == [
        "labels/o.txt:3: class 7 is none of 0, 1",
        "labels/o.txt:4: class -1 is none of 0, 1",
        "labels_hbb/h.txt:2: class 1 is none of 0",
    ]


@pytest.mark.parametrize(
    ("kind", "note"),
    [
        ("dota", "labelTxt: classes not used: plane (1)"),
        ("xview", "xView_train.geojson: classes not used: type_id 73 (1)"),
        ("yolo", "data.yaml: classes not used: car (1)"),
        ("yolo-obb", "data.yaml: classes not used: car (1)"),
        ("coco", "annotations.json: classes not used: dog (1)"),
    ],
)
def test_classes_that_are_not_used_are_said_once(kind: str, note: str, tmp_path: Path) -> None:
    make = {"dota": fakes.dota, "xview": fakes.xview, "coco": fakes.coco}.get(kind)
    root = make(tmp_path) if make else fakes.yolo(tmp_path, oriented=kind == "yolo-obb")
    images, faults = read_dataset(kind, root)
    assert words([fault for fault in faults if fault.note], root) == [note]
    lines = to_text(summarise(images, faults)).splitlines()
    assert lines[-1] == f"{root}/{note}"
    lost = sum(not fault.note for fault in faults)
    assert f"{lost} annotations or files could not be used" in lines


def test_class_numbers_that_a_file_does_not_name_are_faults(tmp_path: Path) -> None:
    root = fakes.yolo(tmp_path / "yolo", oriented=False)
    (root / "labels" / "b.txt").write_text("7 0.5 0.5 0.1 0.1\n")
    _, faults = read_dataset("yolo", root)
    assert "labels/b.txt:1: class 7 is none of 0, 1, 2" in words(faults, root)
    root = fakes.coco(tmp_path / "coco")
    content = json.loads((root / "annotations.json").read_text())
    content["annotations"].append({"id": 7, "image_id": 3, "category_id": 5, "bbox": [1, 1, 2, 2]})
    (root / "annotations.json").write_text(json.dumps(content))
    _, faults = read_dataset("coco", root)
    reason = "annotations.json: object 7 (its id) is of category 5, which has no name"
    assert reason in words(faults, root)


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ({"segmentation": {"size": [64, 64], "counts": [3, 4]}}, "RLE counts fill 7 pixels"),
        ({"segmentation": {"size": [64, 64]}}, "'counts'"),
        ({"segmentation": [[1, 2, 3, 4, float("nan"), 6]]}, "a coordinate is not finite"),
        ({"segmentation": [[1, 2, 3, 4, "x", 6]]}, "could not convert string to float"),
        ({"bbox": ["a", 1, 2, 3]}, "ufunc 'isfinite' not supported"),
    ],
)
def test_a_damaged_shape_of_coco_is_a_fault_of_its_object(
    shape: dict[str, object], reason: str, tmp_path: Path
) -> None:
    root = fakes.coco(tmp_path)
    content = json.loads((root / "annotations.json").read_text())
    content["annotations"].append({"id": 8, "image_id": 3, "category_id": 7, **shape})
    (root / "annotations.json").write_text(json.dumps(content))
    images, faults = read_dataset("coco", root)
    assert len(images[0].corners) == 2
    start = f"annotations.json: object 8 (its id) has no usable shape ({reason}"
    assert any(line.startswith(start) for line in words(faults, root))


@pytest.mark.parametrize("content", [BROKEN, None])
def test_images_of_coco_that_are_not_as_recorded_are_left_out(
    content: bytes | None, tmp_path: Path
) -> None:
    root = fakes.coco(tmp_path)
    image = root / "images" / "c.png"
    if content is None:
        fakes.image(image, side=32)
    else:
        image.write_bytes(content)
    reason = "32 x 32 pixels, 64 x 64 by annotations" if content is None else "not a raster"
    with pytest.raises(DataError, match=f"no images that can be used; first: .*{reason}"):
        read_dataset("coco", root)


@pytest.mark.parametrize("kind", ["dota", "hrsc", "xview", "yolo", "yolo-obb"])
def test_an_image_that_cannot_be_read_is_named_and_the_others_are_used(
    kind: str, tmp_path: Path
) -> None:
    make = {"dota": fakes.dota, "hrsc": fakes.hrsc, "xview": fakes.xview}.get(kind)
    root = make(tmp_path) if make else fakes.yolo(tmp_path, oriented=kind == "yolo-obb")
    before = sorted(image.image.name for image in read_dataset(kind, root)[0])
    folder = {"hrsc": "AllImages", "xview": "train_images"}.get(kind, "images")
    bad = root / folder / "0bad.png"
    bad.write_bytes(BROKEN)
    images, faults = read_dataset(kind, root)
    assert sorted(image.image.name for image in images) == before
    (fault,) = [fault for fault in faults if fault.path == bad]
    assert str(fault).startswith(f"{bad}: not a raster")
    assert not fault.note
    assert f"  {fault}" in to_text(summarise(images, faults)).splitlines()


def test_convert_goes_on_after_an_image_that_cannot_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = fakes.yolo(tmp_path / "in", oriented=True)
    bad = root / "images" / "0bad.png"
    bad.write_bytes(BROKEN)
    out = str(tmp_path / "out")
    config = ConvertConfig(kind="yolo-obb", root=str(root), split=None, out=out)
    assert run_convert(config) == 1
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith(f"left out: {bad}: ") for line in lines)
    assert lines[-1] == f"2 images in {out}; 0 images left out, 4 faults"


def test_classes_that_are_not_used_do_not_fail_a_conversion(tmp_path: Path) -> None:
    root = fakes.yolo(tmp_path / "in", oriented=True)
    text = (root / "labels" / "a.txt").read_text().splitlines()
    (root / "labels" / "a.txt").write_text("\n".join(text[:3]))  # a ship, a stack, a car
    (root / "labels" / "z.txt").unlink()
    out = str(tmp_path / "out")
    config = ConvertConfig(kind="yolo-obb", root=str(root), split=None, out=out)
    assert run_convert(config) == 0


def test_without_a_list_of_faults_an_image_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    root = fakes.dota(tmp_path)
    (root / "images" / "P0002.png").write_bytes(BROKEN)
    with pytest.raises(SceneError, match=r"P0002\.png"):
        list(dota.read(root))


def test_a_dataset_of_unreadable_images_says_why(tmp_path: Path) -> None:
    root = fakes.hrsc(tmp_path)
    (root / "AllImages" / "100000001.bmp").write_bytes(BROKEN)
    with pytest.raises(DataError, match=r"no images that can be used; first: .*100000001\.bmp: "):
        read_dataset("hrsc", root)


def test_records_without_lines_are_named_as_objects(tmp_path: Path) -> None:
    root = fakes.hrsc(tmp_path / "hrsc")
    _, faults = read_dataset("hrsc", root)
    assert words(faults, root) == ["Annotations/100000001.xml: object 3 has no size"]
    root = fakes.xview(tmp_path / "xview")
    _, faults = read_dataset("xview", root)
    assert words([fault for fault in faults if not fault.note], root) == [
        "xView_train.geojson: object 4 is of no image ('11.tif')",
        "xView_train.geojson: object 3 has no box",
    ]
    root = fakes.coco(tmp_path / "coco")
    _, faults = read_dataset("coco", root)
    reason = "annotations.json: object 6 (its id) has neither a shape nor a box"
    assert reason in words(faults, root)


@pytest.mark.real
def test_no_file_of_the_real_pool_is_lost(shared_data: Path) -> None:
    faults: list[Fault] = []
    images = list(port_pool.read(shared_data / "port", faults=faults))
    assert len(images) == 2722
    assert faults == []
    assert np.concatenate([image.class_ids for image in images]).max() == 1
