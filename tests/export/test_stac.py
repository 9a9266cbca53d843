"""Results as STAC: valid, true to the record, the same bytes, and the weights as MLM has them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pystac
import pytest
from pyproj import Transformer
from pystac.validation.local_validator import LocalValidator
from shapely.geometry import shape

from detector.export import stac as stac_module
from detector.export.seals import altered_files
from detector.export.stac import MLM, STAC_FILES
from detector.models.detector import DetectorSettings
from detector.prediction import batch as run_module
from detector.prediction import work
from detector.prediction.batch import BatchSettings, RunSummary, predict_paths
from detector.prediction.collect import CollectSettings, collect_shards
from detector.prediction.shard import Shard
from tests.inference.blobs import CARD, BlobDetector, blob_scene
from tests.prediction.test_batch import SIZE, _ships
from tests.scenes.rasters import UTM52, utm_transform

# MLM 1.4: what its schema asks of an item
REQUIRED = ("name", "architecture", "framework", "tasks", "input", "output")
SEMVER = re.compile(r"\d+\.\d+\.\d+")


@pytest.fixture(scope="module", autouse=True)
def _detector() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_module, "load_detector", lambda settings: BlobDetector())
        patch.setattr(work, "find_weights", lambda name: Path(f"{name}.safetensors"))
        yield


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two scenes with a place, one of which a STAC item names, and one without."""
    folder = tmp_path_factory.mktemp("in")
    for number, name in enumerate(("a_2023-10-13", "b")):
        place = (150.0 + 60 * number, 100.0)
        path = folder / f"{name}.tif"
        blob_scene(path, SIZE, _ships(place), transform=utm_transform(), crs=UTM52)
    blob_scene(folder / "c.tif", SIZE, _ships((150.0, 400.0)), transform=utm_transform(), crs=None)
    item = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": "b",
        "geometry": None,
        "properties": {"datetime": "2023-10-14T02:15:30Z", "view:sun_azimuth": -10.0},
        "links": [],
        "assets": {"visual": {"href": "b.tif", "type": "image/tiff"}},
    }
    (folder / "b.json").write_text(json.dumps(item))
    return folder


@dataclass(frozen=True)
class Run:
    """A run that wrote items."""

    out: Path
    summary: RunSummary


@pytest.fixture(scope="module")
def run(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Of the three scenes."""
    out = tmp_path_factory.mktemp("run") / "out"
    return Run(out, _predict(scenes, out))


def _predict(scenes: Path, out: Path, **changes: Any) -> RunSummary:
    names = (str(scenes / "a_2023-10-13.tif"), f"stac:{scenes / 'b.json'}", str(scenes / "c.tif"))
    settings = {"formats": ("stac",), **changes}
    return predict_paths(BatchSettings(names, out, DetectorSettings("blobs"), **settings))


def _read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def _core_errors(path: Path) -> Iterator[str]:
    """What the schemas of STAC's core, which pystac brings, have against a file."""
    content = _read(path)
    validator = LocalValidator()
    kind = content["type"]
    check = validator.item_validator if kind == "Feature" else validator.collection_validator
    yield from (error.message for error in check(content["stac_version"]).iter_errors(content))


def test_a_run_is_a_valid_collection_of_items(run: Run) -> None:
    out, records = run.out, run.summary.records
    files = [*(out / record.scene_id / "item.json" for record in records)]
    for file in (*files, *(out / name for name in STAC_FILES)):
        assert list(_core_errors(file)) == [], file
    collection = pystac.Collection.from_file(str(out / "collection.json"))
    items = list(collection.get_items())
    assert [item.id for item in items] == [record.scene_id for record in records]
    for item in items:
        for asset in item.assets.values():
            assert Path(str(asset.get_absolute_href())).is_file()
        assert [link.rel for link in item.links].count("derived_from") == 2
    west, south, east, north = collection.extent.spatial.bboxes[0]
    assert (west, east) == pytest.approx((min(i.bbox[0] for i in items[:2]), items[0].bbox[2]))
    assert south < north
    (start, end) = collection.extent.temporal.intervals[0]
    assert start is not None
    assert end is not None
    assert (start.date(), end.date()) == (date(2023, 10, 12), date(2023, 10, 14))
    assert altered_files(out) == []


def test_an_item_says_what_the_record_says(scenes: Path, run: Run) -> None:
    out = run.out
    day, moment, bare = run.summary.records
    item = _read(out / moment.scene_id / "item.json")
    told = item["properties"]
    assert told["datetime"] == "2023-10-14T02:15:30Z"
    assert told["gsd"] == moment.gsd_m
    assert told["view:sun_azimuth"] == 350.0  # the extension knows no negative ones
    assert (told["proj:code"], told["proj:shape"]) == (UTM52, [SIZE[1], SIZE[0]])
    assert told["proj:transform"] == list(moment.transform)
    assert (told["quaywatch:ships"], told["quaywatch:weights"]) == (1, "blobs")
    links = [link["href"] for link in item["links"] if link["rel"] == "derived_from"]
    assert links == [(scenes / "b.json").as_uri(), "../model.json"]
    counts = pd.read_parquet(out / moment.scene_id / item["assets"]["counts"]["href"])
    assert (counts["scene_id"] == moment.scene_id).any()
    told = _read(out / day.scene_id / "item.json")["properties"]
    assert (told["datetime"], told["start_datetime"], told["end_datetime"]) == (
        None,
        "2023-10-12T10:00:00Z",
        "2023-10-14T14:00:00Z",
    )
    item = _read(out / bare.scene_id / "item.json")
    assert (item["geometry"], "bbox" in item) == (None, False)
    assert item["properties"]["start_datetime"] == "1900-01-01T00:00:00Z"
    assert item["links"][3]["href"] == (scenes / "c.tif").as_uri()
    assert item["stac_extensions"] == []


def test_the_footprint_is_that_of_the_scene(run: Run) -> None:
    record = run.summary.records[0]
    place = shape(_read(run.out / record.scene_id / "item.json")["geometry"])
    to_degrees = Transformer.from_crs(UTM52, "EPSG:4326", always_xy=True)
    corner = to_degrees.transform(*(utm_transform() @ (SIZE[0], SIZE[1])))
    assert min(abs(x - corner[0]) + abs(y - corner[1]) for x, y in place.exterior.coords) < 1e-6
    assert place.exterior.is_ccw
    assert len(place.exterior.coords) == 4 * stac_module.EDGE_POINTS + 1


def test_the_weights_are_a_model(run: Run) -> None:
    model = _read(run.out / "model.json")
    told = model["properties"]
    assert MLM in model["stac_extensions"]
    assert all(f"mlm:{name}" in told for name in REQUIRED)
    assert re.fullmatch(r"[a-zA-Z][a-zA-Z0-9_.-]+[a-zA-Z0-9]", told["mlm:name"])
    assert told["mlm:tasks"] == ["object-detection"]
    (tiles,) = told["mlm:input"]
    assert tiles["input"]["shape"] == [-1, 3, CARD.tile_px, CARD.tile_px]
    assert len(tiles["input"]["dim_order"]) == len(tiles["input"]["shape"])
    (boxes,) = told["mlm:output"]
    assert len(boxes["result"]["dim_order"]) == len(boxes["result"]["shape"])
    classes = [(entry["value"], entry["name"]) for entry in boxes["classification:classes"]]
    assert classes == [(0, "ship"), (1, "container_stack")]
    assert told["mlm:hyperparameters"] == {
        "conf_ship": 0.5,
        "conf_container_stack": 0.5,
        "iou": 0.5,
    }
    weights = model["assets"]["weights"]
    assert "mlm:model" in weights["roles"]
    assert weights["mlm:artifact_type"] == "safetensors"
    assert weights["file:checksum"] == "1220" + CARD.sha256
    named = {band["name"] for band in weights["bands"]}
    assert named == set(tiles["bands"])
    real = stac_module.model_item(CARD, Path("w"), {**_used(), "backend": "torch"})["properties"]
    assert real["mlm:framework"] == "PyTorch"
    assert SEMVER.match(real["mlm:framework_version"])
    assert real["mlm:accelerator"] == "cuda"


def _used() -> dict[str, Any]:
    return {"conf": [0.5, 0.5], "iou": 0.5, "device": "cuda:0", "batch": 4, "backend": "blobs"}


def test_items_come_later_and_collected_the_same(scenes: Path, run: Run, tmp_path: Path) -> None:
    once, later, out = run.out, tmp_path / "later", tmp_path / "out"
    _predict(scenes, later, formats=("csv",))
    assert not (later / "collection.json").exists()
    assert _predict(scenes, later).resumed == 3
    for number in (1, 2):
        _predict(scenes, out, shard=Shard(number, 2))
    collect_shards(CollectSettings(out))
    for folder in (later, out):
        names = [
            *STAC_FILES,
            *(f"{path.parent.name}/item.json" for path in once.glob("*/item.json")),
        ]
        assert len(names) == 5
        assert all((folder / name).read_bytes() == (once / name).read_bytes() for name in names)
