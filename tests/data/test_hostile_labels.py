"""Labels with any bytes in them: only our own errors, and no mask beyond its memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from detector.data import coco, dota, xview
from detector.data.coco import ShapeError, decode_rle
from detector.data.yolo_lines import oriented_lines
from detector.errors import QuaywatchError
from tests.scenes.rasters import write_raster


@pytest.mark.parametrize(
    "rle",
    [
        {"size": [64, 10**12], "counts": "0"},
        {"size": [64, 10**12], "counts": [64 * 10**12]},
        {"size": [10**9, 10**9], "counts": "PPYo0"},
        {"size": [8, 8], "counts": "o" * 50},
        {"size": [8, 8], "counts": "PPPPPPPPPPPPPPPPPPPPPPPP"},
        {"size": [8, 8], "counts": "Z3"},
        {"size": [-8, -8], "counts": [64]},
        {"size": [8, 8], "counts": "\x00\xff"},
        {"size": [8, 8], "counts": ""},
    ],
)
def test_a_mask_that_does_not_fill_its_size_is_refused(rle: dict[str, Any]) -> None:
    with pytest.raises(ShapeError):
        decode_rle(rle)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_every_true_mask_is_read_as_pycocotools_reads_it(
    height: int, width: int, seed: int
) -> None:
    mask = np.random.default_rng(seed).integers(0, 2, (height, width)).astype(np.uint8)
    packed = coco_mask.encode(np.asfortranarray(mask))
    found = decode_rle({"size": [height, width], "counts": packed["counts"].decode()})
    assert np.array_equal(found, mask)


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        '{"categories": 3}',
        '{"categories": [], "images": [], "annotations": [1]}',
        '{"categories": [{"id": 1, "name": "ship"}], "images": [], "annotations": [1]}',
        '{"categories": [{"id": [1], "name": "ship"}], "images": [], "annotations": []}',
        "[" * 100_000,
        "9" * 5000,
        "\udcf4",
    ],
)
def test_a_damaged_file_of_labels_is_one_sentence(tmp_path: Path, content: str) -> None:
    (tmp_path / "annotations.json").write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(QuaywatchError, match=r"annotations\.json"):
        list(coco.read(tmp_path))


@pytest.mark.parametrize(
    "annotation",
    [
        {"bbox": [0, 0, float("inf"), 4]},
        {"bbox": [0, 0, 10**400, 4]},
        {"bbox": 7},
        {"segmentation": [[0, 0, 1e400, 0, 4, 4]]},
        {"segmentation": 7},
        {"segmentation": [["a"] * 6]},
        {"segmentation": {"size": [8], "counts": "1"}},
        {"segmentation": {"size": [8, 8], "counts": None}},
    ],
)
def test_a_damaged_object_is_a_fault(tmp_path: Path, annotation: dict[str, Any]) -> None:
    (tmp_path / "images").mkdir()
    write_raster(tmp_path / "images" / "a.tif", np.ones((3, 8, 8), np.uint8))
    content = {
        "categories": [{"id": 1, "name": "ship"}],
        "images": [{"id": 1, "file_name": "a.tif", "width": 8, "height": 8}],
        "annotations": [{"id": 5, "image_id": 1, "category_id": 1, **annotation}],
    }
    (tmp_path / "annotations.json").write_text(json.dumps(content))
    (image,) = coco.read(tmp_path)
    assert len(image.corners) == 0
    assert len(image.faults) == 1


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
@example(b"\xf4")
@example(b"0 0.1 0.1 0.2 0.1 0.2 0.2 1e999 0.2")
@example(b"0 " + b"9" * 5000)
def test_any_bytes_are_lines_with_faults(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    corners, class_ids, _ = oriented_lines(path, (64, 64))
    assert len(corners) == len(class_ids)
    dota._image(tmp_path / "a.png", (64, 64), path, dota.Counter())
    (tmp_path / "train_images").mkdir(exist_ok=True)
    (tmp_path / "xView_train.geojson").write_bytes(content)
    with pytest.raises(QuaywatchError):
        list(xview.read(tmp_path))
