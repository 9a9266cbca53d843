"""Conversion to YOLO-OBB and the summary, and their commands."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from detector.cli.data_convert import ConvertConfig
from detector.cli.data_convert import run as run_convert
from detector.cli.data_summary import SummaryConfig
from detector.cli.data_summary import run as run_summary
from detector.data import port_pool, yolo
from detector.data.convert import convert
from detector.data.datasets import read_dataset
from detector.data.labelled import DataError, Fault, Labelling
from detector.data.summary import summarise, to_text
from detector.errors import OutputError
from tests.data import fakes


def test_converted_images_read_back(tmp_path: Path) -> None:
    images = list(port_pool.read(fakes.port_pool(tmp_path / "pool")))
    written, left_out = convert(images, tmp_path / "yolo")
    assert written == 2
    assert left_out == [
        "h.png: a class is envelope there",
        "u.png: a class is unlabelled there",
    ]
    back = {i.image.name: i for i in yolo.read_oriented(tmp_path / "yolo")}
    assert sorted(back) == ["d.png", "o.png"]
    np.testing.assert_allclose(back["o.png"].corners, images[0].corners, atol=1e-3)
    assert back["o.png"].class_ids.tolist() == [0, 1]
    assert len(back["d.png"].corners) == 0
    assert back["o.png"].image.read_bytes() == images[0].image.read_bytes()


def test_regions_that_are_neither_right_nor_wrong_go_with_the_images(tmp_path: Path) -> None:
    images = list(port_pool.read(fakes.port_pool(tmp_path / "pool")))
    convert(images, tmp_path / "yolo")
    back = {i.image.name: i for i in yolo.read_oriented(tmp_path / "yolo")}
    before = next(i for i in images if i.image.name == "o.png")
    assert len(before.ignored) == 1
    np.testing.assert_allclose(back["o.png"].ignored, before.ignored, atol=1e-3)
    ids, expected = back["o.png"].ignored_class_ids, before.ignored_class_ids
    assert ids is not None
    assert expected is not None
    assert ids.tolist() == expected.tolist()
    assert [p.name for p in (tmp_path / "yolo" / "labels_ignore").iterdir()] == ["o.txt"]
    # A region for every class is one for each of them; one for a class that is not named goes.
    everyone = replace(before, ignored_class_ids=None)
    convert([everyone], tmp_path / "both")
    (both,) = yolo.read_oriented(tmp_path / "both")
    assert both.ignored_class_ids is not None
    assert sorted(both.ignored_class_ids.tolist()) == [0, 1]
    ships = replace(
        before,
        corners=before.corners[:1],
        class_ids=before.class_ids[:1],
        ignored_class_ids=np.array([1]),
        labelling=(Labelling.ORIENTED, Labelling.UNLABELLED),
    )
    convert([ships], tmp_path / "ships")
    assert not (tmp_path / "ships" / "labels_ignore").exists()
    # A region without an image is a fault, as a label is.
    (tmp_path / "yolo" / "labels_ignore" / "gone.txt").write_text("")
    faults: list[Fault] = []
    list(yolo.read_oriented(tmp_path / "yolo", faults))
    assert [f.path.name for f in faults] == ["gone.txt"]


def test_a_class_that_no_image_labels_is_no_class_of_the_folder(tmp_path: Path) -> None:
    images, _ = read_dataset("hrsc", fakes.hrsc(tmp_path / "hrsc"))  # stacks are unlabelled
    written, left_out = convert(images, tmp_path / "yolo")
    assert (written, left_out) == (1, [])
    assert yaml.safe_load((tmp_path / "yolo" / "data.yaml").read_text())["names"] == {0: "ship"}
    (back,) = yolo.read_oriented(tmp_path / "yolo")
    assert back.labelling == (Labelling.ORIENTED, Labelling.UNLABELLED)
    np.testing.assert_allclose(back.corners, images[0].corners, atol=1e-3)
    assert back.source == "HRSC2016"
    assert back.place == "hrsc_100000005"
    assert back.gsd_m == 1.07


def test_classes_of_a_folder_are_numbered_from_nought(tmp_path: Path) -> None:
    (pool_image, *_) = port_pool.read(fakes.port_pool(tmp_path / "pool"))
    stacks = replace(
        pool_image,
        corners=pool_image.corners[1:],
        class_ids=pool_image.class_ids[1:],
        labelling=(Labelling.UNLABELLED, Labelling.ORIENTED),
    )
    assert convert([stacks], tmp_path / "yolo") == (1, [])
    names = yaml.safe_load((tmp_path / "yolo" / "data.yaml").read_text())["names"]
    assert names == {0: "container_stack"}
    (back,) = yolo.read_oriented(tmp_path / "yolo")
    assert back.class_ids.tolist() == [1]
    np.testing.assert_allclose(back.corners, stacks.corners, atol=1e-3)


def test_a_damaged_table_of_a_converted_folder_is_named(tmp_path: Path) -> None:
    images = list(port_pool.read(fakes.port_pool(tmp_path / "pool"), "dev"))
    convert(images, tmp_path / "yolo")
    table = tmp_path / "yolo" / "quaywatch.csv"
    text = table.read_text()
    table.write_text(text.replace("0.5", "half"))
    with pytest.raises(DataError, match=r"quaywatch\.csv: d\.png has no gsd but 'half'"):
        list(yolo.read_oriented(tmp_path / "yolo"))
    table.write_text(text.replace("place", "where"))
    with pytest.raises(DataError, match=r"quaywatch\.csv: its columns are not image, source"):
        list(yolo.read_oriented(tmp_path / "yolo"))


def test_conversion_never_mixes_datasets(tmp_path: Path) -> None:
    images = list(port_pool.read(fakes.port_pool(tmp_path / "pool"), "dev"))
    convert(images, tmp_path / "yolo")
    with pytest.raises(OutputError, match="already holds a dataset"):
        convert(images, tmp_path / "yolo")
    with pytest.raises(DataError, match=r"a second image called 'd'"):
        convert([*images, *images], tmp_path / "other")
    with pytest.raises(DataError, match="no image could be converted"):
        convert([], tmp_path / "none")


def test_summary_counts_boxes_places_sizes_and_faults(tmp_path: Path) -> None:
    images, faults = read_dataset("port", fakes.port_pool(tmp_path))
    summary = summarise(images, faults)
    rows = {row.name: row for row in summary.classes}
    assert summary.images == {"HRSC2016": 4}
    assert summary.places == {"HRSC2016": 4}
    assert summary.gsd_m == (0.5, 0.5, 0.5)
    assert (rows["ship"].boxes, rows["ship"].images, rows["ship"].places) == (2, 2, 2)
    assert rows["ship"].length_px == pytest.approx((32, 32, 32), abs=1e-3)
    assert rows["ship"].length_m == pytest.approx((16, 16, 16), abs=1e-3)
    assert rows["container_stack"].length_px[1] == pytest.approx(28.28, abs=0.01)
    assert rows["ship (axis-aligned)"].boxes == 1
    assert summary.labelling["HRSC2016", "ship", "oriented"] == 2
    assert summary.faults == ()


def test_faults_are_named_by_file_and_line(tmp_path: Path) -> None:
    images, faults = read_dataset("yolo", fakes.yolo(tmp_path, oriented=False))
    text = to_text(summarise(images, faults))
    assert "3 annotations or files could not be used" in text
    assert f"{tmp_path}/labels/a.txt:4: 1 coordinates instead of 4" in text
    assert f"{tmp_path}/labels/a.txt:5: '1 x y z w' is not made of numbers" in text
    assert f"{tmp_path}/labels/z.txt: no image of this name" in text
    assert "gsd unknown" in text


def test_commands_print_and_tell_their_exit_codes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = str(fakes.port_pool(tmp_path / "pool"))
    assert run_summary(SummaryConfig(kind="port", root=root, split="train")) == 0
    assert "3 images of 3 places" in capsys.readouterr().out
    with pytest.raises(DataError, match="no image of the split 'test'"):
        run_summary(SummaryConfig(kind="port", root=root, split="test"))
    out = str(tmp_path / "out")
    assert run_convert(ConvertConfig(kind="port", root=root, split=None, out=out)) == 0
    printed = capsys.readouterr().out
    assert "left out: h.png" in printed
    assert "2 images in" in printed
    yolo_root = str(fakes.yolo(tmp_path / "y", oriented=True))
    again = ConvertConfig(kind="yolo-obb", root=yolo_root, split=None, out=str(tmp_path / "z"))
    assert run_convert(again) == 1
