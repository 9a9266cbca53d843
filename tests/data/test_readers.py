"""Readers of public datasets against fakes in their documented layouts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from detector.classes import PORT
from detector.data import coco, dota, hrsc, port_pool, xview, yolo
from detector.data.datasets import READERS, read_dataset
from detector.data.labelled import DataError, Fault, Labelling
from detector.geometry.boxes import edge_lengths, order_corners
from tests.data import fakes

ORIENTED, ENVELOPE = Labelling.ORIENTED, Labelling.ENVELOPE
NONE, UNLABELLED = Labelling.NONE, Labelling.UNLABELLED
SQUARE = order_corners(np.array([fakes.SQUARE], float))[0]
TURNED = order_corners(np.array([fakes.TURNED], float))[0]


def test_dota_boxes_gsd_place_and_difficult_ones(tmp_path: Path) -> None:
    faults: list[Fault] = []
    first, second = dota.read(fakes.dota(tmp_path), faults)
    assert first.gsd_m == 0.5
    assert first.place == "P0001"
    assert (first.width, first.height) == (fakes.SIDE, fakes.SIDE)
    np.testing.assert_allclose(first.corners, [SQUARE], atol=1e-4)
    np.testing.assert_allclose(first.ignored, [TURNED], atol=1e-4)
    assert first.class_ids.tolist() == [PORT.id("ship")]
    assert first.labelling == (ORIENTED, UNLABELLED)
    assert [(f.line, f.reason) for f in first.faults] == [(6, "5 fields instead of 10")]
    assert second.labelling == (UNLABELLED, UNLABELLED)
    assert str(second.faults[0]).endswith("P0002.txt: no label file of this image")
    assert [f.path.name for f in faults] == ["P0009.txt", "labelTxt"]


def test_dota_takes_the_newest_labels(tmp_path: Path) -> None:
    root = fakes.dota(tmp_path)
    newer = root / "labelTxt-v2.0"
    newer.mkdir()
    (newer / "P0001__1__0___0.txt").write_text("gsd:None\n" + " ".join(["1"] * 8) + " plane 0\n")
    first = next(iter(dota.read(root)))
    assert len(first.corners) == 0
    assert first.gsd_m is None


def test_hrsc_rotated_box(tmp_path: Path) -> None:
    (image,) = hrsc.read(fakes.hrsc(tmp_path))
    length, width = edge_lengths(image.corners)
    np.testing.assert_allclose([length[0], width[0]], [40, 10])
    np.testing.assert_allclose(image.corners.mean(axis=1), [[30, 32]])
    axis = image.corners[0, 1] - image.corners[0, 0]
    assert np.rad2deg(np.arctan2(axis[1], axis[0])) % 180 == pytest.approx(30)
    assert image.gsd_m == 1.07
    assert image.place == "hrsc_100000005"
    assert len(image.ignored) == 1
    assert [f.reason for f in image.faults] == ["object 3 has no size"]
    assert image.labelling == (ORIENTED, UNLABELLED)


def test_hrsc_damaged_annotation_teaches_nothing(tmp_path: Path) -> None:
    root = fakes.hrsc(tmp_path)
    (root / "Annotations" / "100000001.xml").write_text("<HRSC_Image>\n<broken")
    (image,) = hrsc.read(root)
    assert image.labelling == (UNLABELLED, UNLABELLED)
    assert [(f.line, f.reason) for f in image.faults] == [(2, "not XML")]


def test_xview_envelopes_are_clipped(tmp_path: Path) -> None:
    faults: list[Fault] = []
    (image,) = xview.read(fakes.xview(tmp_path), faults)
    assert len(image.corners) == 0
    np.testing.assert_allclose(
        [image.envelopes[0].min(axis=0), image.envelopes[0].max(axis=0)], [[10, 12], [30, 64]]
    )
    assert image.labelling == (ENVELOPE, UNLABELLED)
    assert image.gsd_m == 0.3
    assert [f.reason for f in image.faults] == ["object 3 has no box"]
    assert [f.reason for f in faults] == [
        "object 4 is of no image ('11.tif')",
        "classes not used: type_id 73 (1)",
    ]


def test_yolo_axis_aligned(tmp_path: Path) -> None:
    faults: list[Fault] = []
    first, second = yolo.read(fakes.yolo(tmp_path, oriented=False), faults)
    np.testing.assert_allclose(first.envelopes[0].min(axis=0), [16, 12])
    np.testing.assert_allclose(first.envelopes[0].max(axis=0), [48, 20])
    assert len(first.envelopes) == 1
    assert len(first.ignored) == 1  # a stack's envelope is passed over
    assert first.labelling == (ENVELOPE, UNLABELLED)
    assert [f.line for f in first.faults] == [4, 5]
    assert "1 coordinates instead of 4" in first.faults[0].reason
    assert len(second.envelopes) == 0
    assert [f.path.name for f in faults] == ["z.txt", "data.yaml"]


def test_yolo_oriented(tmp_path: Path) -> None:
    first, second = yolo.read_oriented(fakes.yolo(tmp_path, oriented=True))
    assert first.class_ids.tolist() == [PORT.id("ship"), PORT.id("container_stack")]
    np.testing.assert_allclose(first.corners, [SQUARE, TURNED], atol=1e-4)
    assert first.labelling == second.labelling == (ORIENTED, ORIENTED)
    assert len(second.corners) == 0


def test_yolo_unknown_classes(tmp_path: Path) -> None:
    root = fakes.yolo(tmp_path, oriented=True)
    (root / "data.yaml").write_text("names: [dog, cat]")
    with pytest.raises(DataError, match=r"none of its classes is ship, container_stack"):
        list(yolo.read_oriented(root))


def test_coco_shapes_masks_boxes_and_crowds(tmp_path: Path) -> None:
    faults: list[Fault] = []
    (image,) = coco.read(fakes.coco(tmp_path), faults)
    assert image.class_ids.tolist() == [PORT.id("ship"), PORT.id("container_stack")]
    np.testing.assert_allclose(image.corners[0], SQUARE, atol=1e-4)
    length, width = edge_lengths(image.corners[1:])
    np.testing.assert_allclose([length[0], width[0]], [30, 10], atol=1e-4)
    np.testing.assert_allclose(image.corners[1].min(axis=0), [30, 10], atol=1e-4)
    assert len(image.envelopes) == 1
    assert len(image.ignored) == 1
    assert [f.reason for f in image.faults] == ["object 6 (its id) has neither a shape nor a box"]
    assert [f.reason for f in faults] == [
        "the image 'gone.png' is missing",
        "classes not used: dog (1)",
    ]


def test_a_coco_image_without_a_name_or_size_is_a_fault(tmp_path: Path) -> None:
    path = fakes.coco(tmp_path) / "annotations.json"
    content = json.loads(path.read_text())
    first = content["images"][0]
    broken = [{**first, "id": 70}, {**first, "id": 71}, {**first, "id": 72, "width": "wide"}]
    del broken[0]["file_name"], broken[1]["height"]
    path.write_text(json.dumps({**content, "images": [*content["images"], *broken]}))
    faults: list[Fault] = []
    assert len(list(coco.read(tmp_path, faults))) == 1
    named = [f.reason for f in faults if "no usable file_name, width or height" in f.reason]
    assert [reason.split()[4] for reason in named] == ["70", "71", "72"]


def test_coco_rle_must_fill_its_mask() -> None:
    with pytest.raises(DataError, match="fill 7 pixels of a 4 x 2 mask"):
        coco.decode_rle({"size": [2, 4], "counts": [3, 4]})


def test_coco_rle_runs_down_the_columns_background_first() -> None:
    mask = np.random.default_rng(3).integers(0, 2, (9, 7)).astype(np.uint8)
    mask[0, 0] = 1  # the first run, of background, is empty
    values = mask.T.ravel()
    ends = np.flatnonzero(np.diff(values)) + 1
    counts = [0, *np.diff([0, *ends, values.size]).tolist()]
    np.testing.assert_array_equal(coco.decode_rle({"size": [9, 7], "counts": counts}), mask)
    with pytest.raises(DataError, match="fill 8 pixels of a 4 x 2 mask"):
        coco.decode_rle({"size": [2, 4], "counts": [9, -1]})


def test_coco_compressed_rle_equals_pycocotools() -> None:
    mask_module = pytest.importorskip("pycocotools.mask")
    mask = np.zeros((9, 7), np.uint8)
    mask[2:5, 1:6] = 1
    encoded = mask_module.encode(np.asfortranarray(mask))
    rle = {"size": encoded["size"], "counts": encoded["counts"].decode()}
    np.testing.assert_array_equal(coco.decode_rle(rle), mask)


def test_port_pool_states_and_splits(tmp_path: Path) -> None:
    root = fakes.port_pool(tmp_path)
    images = list(port_pool.read(root))
    assert [i.labelling for i in images] == [
        (ORIENTED, ORIENTED),
        (ENVELOPE, NONE),
        (ORIENTED, UNLABELLED),
        (NONE, NONE),
    ]
    assert images[0].class_ids.tolist() == [0, 1]
    assert [len(i.ignored) for i in images] == [1, 0, 0, 0]
    assert [len(i.envelopes) for i in images] == [0, 1, 0, 0]
    assert images[2].taught == (True, False)
    assert [i.image.name for i in port_pool.read(root, "dev")] == ["d.png"]


def test_port_pool_refuses_unknown_states_and_missing_images(tmp_path: Path) -> None:
    root = fakes.port_pool(tmp_path)
    text = (root / "index.csv").read_text()
    (root / "index.csv").write_text(text.replace("unlabelled", "maybe"))
    with pytest.raises(DataError, match=r"index\.csv:4: 'maybe' is none of complete"):
        list(port_pool.read(root))
    (root / "index.csv").write_text(text)
    (root / "images" / "h.png").unlink()
    with pytest.raises(DataError, match=r"index\.csv:3: the image .*h\.png' is missing"):
        list(port_pool.read(root))


@pytest.mark.parametrize("name", sorted(READERS))
def test_missing_folders_are_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=str(tmp_path / "nothing")):
        read_dataset(name, tmp_path / "nothing")


def test_unknown_kind_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none of the dataset kinds port, dota"):
        read_dataset("voc", tmp_path)


@pytest.mark.real
def test_the_real_pool_is_as_its_index_says(shared_data: Path) -> None:
    images = list(port_pool.read(shared_data / "port"))
    assert len(images) == 2722
    assert not [fault for image in images for fault in image.faults]
    held_out = {image.place for image in images if image.split in ("dev", "dev2")}
    assert not held_out & {image.place for image in images if image.split == "train"}
    stacks = sum(int((i.class_ids == 1).sum()) for i in images if i.split == "train")
    assert stacks == 1095
    assert sum(int((i.class_ids == 1).sum()) for i in images if i.split == "dev2") == 243
