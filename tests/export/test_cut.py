"""A cut length is "at least", an unseen box no observation: in every format, and in the counts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyogrio
import pytest

from detector.counting.counts import count_scene
from detector.export.overlay_labels import ship_texts
from detector.export.overlay_marks import box_kinds
from detector.export.records import found_by_class
from detector.export.result import SceneResult
from detector.export.scene_files import add_formats, read_scene_files, write_scene_files
from detector.scenes.scene import open_scene
from detector.scenes.types import SceneOptions
from tests.counting.make import SHIP, make_detections
from tests.export.make import Made, make_result

CUT = ["scene_edge", "cloud", ""]
LOW_M = [28.4, 9.9, 38.0]
UNSEEN = [0.1, 0.75, 0.0]


def cut_result(folder: Path) -> Made:
    """Ships of 30, 20 and 40 m: cut by the edge, three quarters under a cloud, whole."""
    rows = [(SHIP, 30, 40, 60, 12, 0.0), (SHIP, 100, 40, 40, 10, 0.0), (SHIP, 100, 90, 80, 14, 0.0)]
    made = make_result(folder, rows)
    found = replace(
        made.detections,
        cut=np.array(CUT),
        unseen_fraction=np.array(UNSEEN),
        length_low_m=np.array(LOW_M),
        length_high_m=np.array([np.nan, np.nan, 42.2]),
    )
    return replace(made, detections=found)


def test_every_format_says_at_least(tmp_path: Path) -> None:
    made = cut_result(tmp_path)
    folder = tmp_path / "out" / made.record.scene_id
    result = SceneResult(made.detections, made.counts, made.zones, made.record)
    with open_scene(made.path) as scene:
        write_scene_files(folder, scene, result, ("gpkg", "geojson", "parquet", "kml"))
    tables = [
        gpd.read_file(folder / "detections.gpkg", layer="detections"),
        gpd.read_file(folder / "detections.geojson"),
        gpd.read_parquet(folder / "detections.parquet"),
        pyogrio.read_dataframe(folder / "detections.kml", layer="ship"),
    ]
    for table in tables:
        assert table["cut"].fillna("").tolist() == CUT
        assert table["length_low_m"].tolist() == pytest.approx(LOW_M)
        assert table["length_high_m"].isna().tolist() == [True, True, False]
        assert [bool(value) for value in table["unseen"]] == [False, True, False]
    kml = tables[-1]
    assert kml["length"].tolist() == ["at least 28 m", "at least 9 m", "40 ± 3 m"]
    assert [name.endswith("not seen: no observation") for name in kml["Name"]] == [
        False, True, False,
    ]  # fmt: skip
    texts = [ship_texts(made.detections, i)[1] for i in range(3)]
    assert texts == ["≥28 m", "≥9 m", "40 m"]


def test_an_unseen_box_is_kept_but_in_no_count(tmp_path: Path) -> None:
    made = cut_result(tmp_path)
    with open_scene(made.path, SceneOptions(clouds="clear")) as scene:
        counts, _ = count_scene(scene, made.detections, [], True)
    ships = counts[counts["class"] == "ship"]
    assert ships[ships["length_class"] == "all"]["count"].tolist() == [2]
    assert ships[ships["length_class"] == "<25 m"]["count"].tolist() == [0]
    assert found_by_class(made.detections)["ship"] == 2
    kinds = {kind.title: kind.index.tolist() for kind in box_kinds(made.detections)}
    assert kinds["on unseen pixels: no observation"] == [1]
    assert kinds["ship"] == [0, 2]


def test_formats_that_come_later_say_the_same(tmp_path: Path) -> None:
    """From the record alone: what the card claimed is in the table."""
    made = cut_result(tmp_path)
    folder = tmp_path / "out" / made.record.scene_id
    result = SceneResult(made.detections, made.counts, made.zones, made.record)
    with open_scene(made.path) as scene:
        write_scene_files(folder, scene, result, ("parquet",))
        add_formats(folder, scene, made.zones, ("kml",))
    assert read_scene_files(folder) is not None
    found = pyogrio.read_dataframe(folder / "detections.kml", layer="ship")
    assert found["length"].tolist() == ["at least 28 m", "at least 9 m", "40 ± 3 m"]


def test_a_table_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    made = cut_result(tmp_path)
    new = ["cut", "unseen", "unseen_fraction", "length_low_m", "length_high_m"]
    old = made.detections.to_geodataframe().drop(columns=new)
    read = type(made.detections).from_geodataframe(old)
    assert read.cut.tolist() == ["scene_edge", "", ""]  # a cloud was not told then
    assert read.counted.all()
    assert np.isnan(read.length_low_m).all()
    same = type(made.detections).from_geodataframe(made.detections.to_geodataframe())
    assert same.cut.tolist() == CUT
    assert same.unseen.tolist() == [False, True, False]
    assert len(make_detections([]).to_geodataframe()) == 0
