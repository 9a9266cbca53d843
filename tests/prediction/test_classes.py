"""Runs with other sets of classes than the shipped one: fewer, more, in another order."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from numpy.typing import NDArray

from detector.boxes.scored import Boxes
from detector.classes import PORT
from detector.geometry.boxes import centres, corners_from_xywhr
from detector.models.card import ModelCard
from detector.models.detector import DetectorSettings
from detector.prediction import batch
from detector.prediction.batch import BatchSettings, RunSummary, predict_paths
from detector.prediction.finished import run_classes
from detector.prediction.headline import headline_counts
from tests.inference.blobs import CARD, BlobDetector
from tests.scenes.rasters import UTM52, utm_transform, write_raster

SIZE = (900, 500)
GREYS = {"ship": 255, "container_stack": 210, "storage_tank": 165}
SHIPS = [(150, 100, 140, 24, 0.3), (450, 300, 200, 26, 1.2), (760, 120, 150, 25, 0.0)]
STACKS = [(120, 380, 90, 30, 0.2), (700, 400, 80, 28, 1.0)]
TANKS = [(300, 90, 40, 40, 0.0), (600, 90, 36, 36, 0.0), (820, 300, 40, 40, 0.0)]
WEST, EAST = (0, 0, 550, 500), (550, 0, 900, 500)
TANK = {"title": "storage tank", "ground": "land", "longest_m": 120.0, "colour": [0, 158, 115]}


@dataclass
class KindDetector(BlobDetector):
    """Blobs by their grey; what the card does not name is not seen."""

    def decode(self, raw: NDArray[np.uint8]) -> list[Boxes]:
        """Ships, container stacks and storage tanks, by the card's own ids."""
        return [self._named(b, t) for b, t in zip(super().decode(raw), raw, strict=True)]

    def _named(self, boxes: Boxes, tile: NDArray[np.uint8]) -> Boxes:
        x, y = np.clip(centres(boxes.corners).astype(int), 0, len(tile) - 1).T
        nearest = np.abs(tile[y, x, 1][:, None].astype(int) - list(GREYS.values())).argmin(axis=1)
        ids = [self.card.classes.index(n) if n in self.card.classes else -1 for n in GREYS]
        class_ids = np.array(ids, np.int64)[nearest]
        return replace(boxes, class_ids=class_ids).select(class_ids >= 0)


def _card(*classes: str) -> ModelCard:
    own = {"storage_tank": TANK} if "storage_tank" in classes else {}
    return replace(CARD, classes=classes, conf=dict.fromkeys(classes, 0.5), class_entries=own)


def _run(folder: Path, monkeypatch: pytest.MonkeyPatch, *classes: str) -> RunSummary:
    """A run over one scene with a west and an east zone."""
    folder.mkdir()
    scene = _scene(folder / "port_2023-10-13.tif")
    shapes = [shapely.Polygon(_on_map(box)) for box in (WEST, EAST)]
    zones = gpd.GeoDataFrame(
        {"name": ["west", "east"], "kind": ["yard", "yard"]}, geometry=shapes, crs=UTM52
    )
    zones.to_file(folder / "zones.gpkg")
    card = _card(*classes)
    blobs = KindDetector(card=card, conf=np.full(len(classes), 0.5, np.float32))
    monkeypatch.setattr(batch, "load_detector", lambda settings: blobs)
    return predict_paths(
        BatchSettings(
            paths=(str(scene),),
            out=folder / "out",
            detector=DetectorSettings("blobs"),
            zones=str(folder / "zones.gpkg"),
        )
    )


def _scene(path: Path) -> Path:
    band = np.zeros(SIZE[::-1], np.uint8)
    for grey, kind in zip(GREYS.values(), (SHIPS, STACKS, TANKS), strict=True):
        for box in corners_from_xywhr(np.array(kind, float)):
            fixed = np.rint((box - 0.5) * 16).astype(np.int32)
            cv2.fillPoly(band, [fixed], grey, shift=4)
    band[0, 0] = 1
    values = np.repeat(band[None], 3, axis=0)
    return write_raster(path, values, crs=UTM52, transform=utm_transform(), tiled=True)


def _on_map(box: tuple[float, float, float, float]) -> list[tuple[float, float]]:
    x0, y0, x1, y1 = box
    return [utm_transform() @ point for point in ((x0, y0), (x1, y0), (x1, y1), (x0, y1))]


def test_the_order_of_the_networks_outputs_changes_no_byte_of_the_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = _run(tmp_path / "a", monkeypatch, "ship", "container_stack")
    other = _run(tmp_path / "b", monkeypatch, "container_stack", "ship")
    (record,) = usual.records
    assert (record.ships, record.container_stacks, record.deck_cargo) == (3, 2, 0)
    for name in ("counts.csv", "overlay.png", "detections.geojson", "stacks.csv"):
        one, two = (s.out / record.scene_id / name for s in (usual, other))
        assert one.read_bytes() == two.read_bytes(), name
    one, two = (
        gpd.read_parquet(s.out / record.scene_id / "detections.parquet") for s in (usual, other)
    )
    pd.testing.assert_frame_equal(pd.DataFrame(one), pd.DataFrame(two))
    assert run_classes(usual.out) == PORT
    assert run_classes(other.out).names == ("container_stack", "ship")


def test_a_network_of_one_class_counts_it_alike_and_says_nothing_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = _run(tmp_path / "a", monkeypatch, "ship", "container_stack")
    alone = _run(tmp_path / "b", monkeypatch, "ship")
    (both,), (counts,) = usual.counts, alone.counts
    wanted = both[both["class"] == "ship"].reset_index(drop=True)
    pd.testing.assert_frame_equal(counts, wanted)
    (record,) = alone.records
    assert (record.ships, record.container_stacks, record.deck_cargo) == (3, None, 0)
    table = headline_counts(counts, alone.classes)
    assert table[["zone", "ships"]].to_numpy().tolist() == [
        ["whole scene", "3"],
        ["west", "2"],
        ["east", "1"],
    ]
    assert "stacks" not in table


def test_a_network_of_stacks_alone_reads_the_fine_scale_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = _run(tmp_path / "a", monkeypatch, "ship", "container_stack")
    alone = _run(tmp_path / "b", monkeypatch, "container_stack")
    (both,), (counts,) = usual.counts, alone.counts
    wanted = both[both["class"] == "container_stack"].reset_index(drop=True)
    assert counts["count"].tolist() == wanted["count"].tolist() == [2, 1, 1]
    assert alone.records[0].tiles < usual.records[0].tiles


def test_a_class_of_the_cards_own_is_counted_drawn_and_read_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = _run(tmp_path / "a", monkeypatch, "storage_tank", "ship", "container_stack")
    (counts,) = summary.counts
    total = counts[counts["length_class"] == "all"]
    found = {(z, c): int(n) for z, c, n in total[["zone", "class", "count"]].to_numpy()}
    assert found == {
        ("", "ship"): 3,
        ("", "container_stack"): 2,
        ("", "storage_tank"): 3,
        ("west", "ship"): 2,
        ("west", "container_stack"): 1,
        ("west", "storage_tank"): 1,
        ("east", "ship"): 1,
        ("east", "container_stack"): 1,
        ("east", "storage_tank"): 2,
    }
    (record,) = summary.records
    assert record.others == {"storage_tank": 3}
    scenes = pd.read_csv(summary.out / "scenes.csv")
    at = scenes.columns.tolist().index("deck_cargo")
    assert scenes.columns[at + 1] == "storage_tank"
    assert scenes["storage_tank"].tolist() == [3]
    assert headline_counts(counts, summary.classes)["storage tanks"].tolist() == ["3", "1", "2"]
    folder = summary.out / record.scene_id
    with closing(sqlite3.connect(folder / "detections.gpkg")) as database:
        query = "SELECT styleQML FROM layer_styles WHERE f_table_name = 'detections'"
        ((style,),) = database.execute(query).fetchall()
    assert "'storage_tank'" in style
    assert "0,158,115,255" in style
    said = json.loads((summary.out / "run.json").read_text())["classes"]
    assert said[1:] == ["ship", "container_stack"]
    back = run_classes(summary.out)
    assert back == _card("storage_tank", "ship", "container_stack").class_set
    assert back[0].longest_m == 120.0
