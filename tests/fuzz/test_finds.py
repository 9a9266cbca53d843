"""What the fuzz target has found, each as it was."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from detector.activity.looks.sites import read_site
from detector.counting.zones import read_lines
from detector.data import geojson, port_pool
from detector.data.datasets import read_dataset
from detector.data.labelled import Fault
from detector.documents import DocumentError, parse_yaml
from detector.errors import QuaywatchError
from detector.export.scene_files import missing_formats
from detector.export.seals import FILES, RECORD_FILE, altered_record, write_sealed
from detector.export.stacks import no_stacks, read_stacks, write_stacks
from detector.models.card import ModelCard
from detector.models.detector import find_card
from detector.scenes.discover import discover
from tests.data import fakes
from tests.scenes.rasters import gradient, write_raster

LONG = "[" * 2000 + "a"  # longer than any disk takes


@pytest.mark.parametrize("text", ["\x00name: port", "name: \x07", "a: \ufffe"])
def test_yaml_of_control_characters(text: str) -> None:
    """PyYAML refuses them when it is given the text, before it is asked for anything."""
    with pytest.raises(DocumentError, match="special characters are not allowed"):
        parse_yaml(text)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [(b'"numpy_type": "float64"', b'"numpy_type": "inf"'), (b'"name": "area_m2"', b'"name": NaN')],
)
def test_what_pandas_wrote_of_its_own_types_is_not_read(
    tmp_path: Path, right: bytes, wrong: bytes
) -> None:
    """It is JSON in the metadata of a Parquet file, and pandas trusts it."""
    write_stacks(tmp_path / "stacks.csv", no_stacks())
    path = tmp_path / "stacks.parquet"
    table = pq.read_table(path)
    told = table.schema.metadata[b"pandas"]
    assert right in told
    pq.write_table(table.replace_schema_metadata({b"pandas": told.replace(right, wrong)}), path)
    assert read_stacks(tmp_path / "stacks.csv").dtypes.equals(no_stacks().dtypes)


def test_a_list_of_names_with_zero_bytes(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(b"\x00.tif\na.tif\n")
    first, second = discover([str(tmp_path / "list.txt")])
    assert first.problem
    assert second.problem


def test_a_site_whose_zones_have_a_name_that_is_too_long(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text(f"name: port\nzones: {'z' * 2000}\n")
    with pytest.raises(QuaywatchError, match="zzz"):
        read_site(tmp_path / "site.yaml")


def _coco(folder: Path) -> object:
    (folder / "images").mkdir()
    content = {
        "categories": [{"id": 1, "name": "ship"}],
        "images": [{"id": 1, "file_name": f"{LONG}.png", "width": 64, "height": 64}],
        "annotations": [],
    }
    (folder / "annotations.json").write_text(json.dumps(content))
    return read_dataset("coco", folder)


def _lines(folder: Path) -> object:
    return read_lines(folder / f"{LONG}.geojson")


def _weights(folder: Path) -> object:
    return find_card(LONG)


def _weights_by_path(folder: Path) -> object:
    return find_card(f"{folder}/{LONG}.safetensors")


@pytest.mark.parametrize("read", [_coco, _lines, _weights, _weights_by_path])
def test_a_name_that_no_disk_takes(tmp_path: Path, read: Callable[[Path], object]) -> None:
    """`Path.is_file` and `Path.exists` raise on it."""
    with pytest.raises(QuaywatchError, match=r"\[\[\[\[|no image|no labelled"):
        read(tmp_path)


def test_a_record_of_files_whose_names_no_disk_takes(tmp_path: Path) -> None:
    write_sealed(tmp_path / RECORD_FILE, {FILES: {LONG: "0" * 64}, "formats": {"x": [LONG]}})
    assert altered_record(tmp_path, [LONG]) == LONG
    assert missing_formats(tmp_path, ["x"]) == ["x"]


def test_a_label_file_whose_name_is_longer_than_its_scene(tmp_path: Path) -> None:
    """With its ending the name of the labels has 259 bytes."""
    scene = write_raster(tmp_path / f"{'s' * 251}.tif", gradient(8, 8))
    faults: list[Fault] = []
    assert list(geojson.read(tmp_path, faults)) == []
    assert [(fault.path, "no sss" in fault.reason) for fault in faults] == [(scene, True)]


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("name", "none of its categories is ship"),
        ("image_id", r"1 annotations of no image \(\[1\]\)"),
        ("category_id", r"of category \[1\], which has no name"),
    ],
)
def test_a_list_where_coco_has_a_name_or_an_id(tmp_path: Path, key: str, told: str) -> None:
    fakes.image(tmp_path / "images" / "a.png", 64)
    category = {"id": 1, "name": "ship"}
    shape = {"id": 5, "image_id": 1, "category_id": 1, "bbox": [1, 2, 30, 8]}
    content = {
        "categories": [{**category, key: [1]} if key in category else category],
        "images": [{"id": 1, "file_name": "a.png", "width": 64, "height": 64}],
        "annotations": [{**shape, key: [1]} if key in shape else shape],
    }
    (tmp_path / "annotations.json").write_text(json.dumps(content))
    if key == "name":
        with pytest.raises(QuaywatchError, match=told):
            read_dataset("coco", tmp_path)
    else:
        _, faults = read_dataset("coco", tmp_path)
        assert len([one for one in faults if re.search(told, one.reason)]) == 1


@pytest.mark.parametrize("name", ["../../x", "a/b", "a\\b", "a\u202etfit", ""])
def test_a_card_whose_name_is_no_name_of_a_file(tmp_path: Path, name: str) -> None:
    """`detector card` writes weights and card under it."""
    card = find_card("port-n")
    content = parse_yaml(card.read_text(encoding="utf-8")) | {"name": name}
    (tmp_path / "x.yaml").write_text(json.dumps(content))
    with pytest.raises(QuaywatchError, match=r"x\.yaml: the card is incomplete or mistyped \(name"):
        ModelCard.read(tmp_path / "x.yaml")


@pytest.mark.parametrize(
    ("kind", "name"), [("geojson", "index.csv"), ("yolo", "quaywatch.csv"), ("pool", "index.csv")]
)
@pytest.mark.parametrize("content", [b"image,\xf4", b'image\n"' + b"a" * 200_000 + b'"'])
def test_an_index_of_a_dataset_that_is_no_table(
    tmp_path: Path, kind: str, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    fakes.image(tmp_path / "images" / "a.png", 64)
    (tmp_path / "data.yaml").write_text("names: [ship]\n")
    readers: dict[str, Callable[[Path], object]] = {
        "geojson": lambda folder: list(geojson.read(folder, [])),
        "yolo": lambda folder: read_dataset("yolo", folder),
        "pool": lambda folder: list(port_pool.read(folder)),
    }
    with pytest.raises(QuaywatchError, match=f"{name}: cannot be read .(not UTF-8|not a table)"):
        readers[kind](tmp_path)


def test_a_row_of_the_pool_that_says_no_numbers(tmp_path: Path) -> None:
    fakes.image(tmp_path / "images" / "a.png", 64)
    (tmp_path / "index.csv").write_text("image,split,width,height\na.png,train,x,64\n")
    with pytest.raises(QuaywatchError, match=r"index\.csv:2: cannot be used"):
        list(port_pool.read(tmp_path))


def test_a_table_of_scenes_with_a_cell_without_end(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('path,gsd\n"' + "a" * 200_000 + '",1\nb.tif,2\n')
    first, second = discover([str(tmp_path / "t.csv")])
    assert "t.csv:2: cannot be read (field larger" in str(first.problem)
    assert second.path.endswith("b.tif")
