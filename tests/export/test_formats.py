"""Formats of a scene's results: chosen, added later, KML read back, exporters from outside."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import geopandas as gpd
import numpy as np
import pyogrio
import pytest
from affine import Affine

from detector.cli.main import main
from detector.errors import OutputError, PluginError
from detector.export import kml
from detector.export.formats import DEFAULT_FORMATS, FORMATS
from detector.export.result import SceneResult
from detector.export.scene_files import missing_formats, write_scene_files
from detector.files import MARK_FILE
from detector.geometry.boxes import corners_from_xywhr
from detector.prediction import batch as run_module
from detector.scenes.scene import open_scene
from tests.cli.test_predict import FakeDetector
from tests.export.make import HOSTILE_NAMES, Made, make_result, zones_named
from tests.inference.blobs import blob_scene
from tests.plugins import MARKER, SHOWS_IMPORT, install, write_distribution
from tests.scenes.rasters import UTM52, utm_transform

ROOT = Path(__file__).parents[2]
NAME = "quaywatch-text"
ENTRIES = {"detector.exporters": {"text": "text_exporter:export"}}
EXPORTER = """
def export(result, folder):
    lines = [f"{len(result.detections)} in {result.record.name}", *map(str, result.stacks["id"])]
    (folder / "deep").mkdir()
    (folder / "deep" / "found.txt").write_text("\\n".join(lines))
"""
RECORD = {"detections.parquet", "stacks.csv", "stacks.parquet", "scene.json"}
FILES = {
    "gpkg": "detections.gpkg",
    "geojson": "detections.geojson",
    "csv": "counts.csv",
    "png": "overlay.png",
    "kml": "detections.kml",
    "kmz": "detections.kmz",
    "stac": "item.json",
}
SHIPS = corners_from_xywhr(
    np.array([(60.0, 60.0, 60.0, 14.0, 0.3), (160.0, 120.0, 50.0, 12.0, 1.2)])
)


def write(out: Path, made: Made, *formats: str) -> Path:
    folder = out / made.record.scene_id
    result = SceneResult(made.detections, made.counts, made.zones, made.record)
    with open_scene(made.path) as scene:
        write_scene_files(folder, scene, result, formats)
    return folder


def files_in(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != MARK_FILE  # the folder's own mark, in each of ours
    }


# Choosing ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("formats", [(), ("kml",), ("gpkg", "stac"), ("parquet", "kmz", "png")])
def test_a_folder_holds_the_formats_asked_for_and_its_record(
    tmp_path: Path, formats: tuple[str, ...]
) -> None:
    folder = write(tmp_path / "out", make_result(tmp_path), *formats)
    assert set(files_in(folder)) == RECORD | {FILES[name] for name in formats if name in FILES}
    said = json.loads((folder / "scene.json").read_text())["formats"]
    assert said == {name: [FILES[name]] for name in sorted(formats) if name in FILES}
    assert [path.name for path in (tmp_path / "out").iterdir()] == [folder.name]


def test_what_is_missing_is_known(tmp_path: Path) -> None:
    folder = write(tmp_path / "out", make_result(tmp_path, crs=None), "gpkg", "geojson")
    assert missing_formats(folder, ("gpkg", "geojson", "parquet")) == []  # no CRS, no GeoJSON
    assert missing_formats(folder, ("kml", "gpkg", "kml")) == ["kml"]
    (folder / "detections.gpkg").unlink()
    assert missing_formats(folder, ("gpkg", "geojson")) == ["gpkg"]


def test_the_defaults_of_the_code_are_those_of_the_configuration() -> None:
    from detector.config.compose import load_config
    from detector.prediction.options import PredictConfig

    assert tuple(load_config("predict", PredictConfig, []).formats) == DEFAULT_FORMATS
    assert set(FORMATS.names()) == {*FILES, "parquet"}


@pytest.mark.parametrize(
    ("word", "end"),
    [
        (
            "formats=[gpkg,kmll]",
            "gpkg|geojson|parquet|csv|png|kml|kmz|stac, or a list of them; did ",
        ),
        ("formats=geojsn", "did you mean 'geojson'? (see detector predict --help)"),
    ],
)
def test_an_unknown_format_gets_the_nearest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], word: str, end: str
) -> None:
    assert main(["predict", str(tmp_path / "a.tif"), f"out={tmp_path / 'out'}", word]) == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    assert end in error
    assert not (tmp_path / "out").exists()


# Runs -------------------------------------------------------------------------------------------


@pytest.fixture
def detector(monkeypatch: pytest.MonkeyPatch) -> FakeDetector:
    """Counts the batches that it sees."""
    made = FakeDetector()
    monkeypatch.setattr(run_module, "load_detector", lambda settings: made)
    return made


@pytest.fixture
def scene(tmp_path: Path, detector: FakeDetector) -> Path:
    """Of two ships."""
    path = tmp_path / "a_2023-10-13.tif"
    return blob_scene(path, (256, 192), SHIPS, transform=utm_transform(), crs=UTM52)


def predict(scene: Path, out: Path, *words: str) -> Path:
    assert main(["predict", str(scene), f"out={out}", "quiet=true", *words]) == 0
    (folder,) = (path for path in out.iterdir() if path.is_dir())
    return folder


def test_formats_that_come_later_need_no_network_and_have_the_same_bytes(
    tmp_path: Path, scene: Path, detector: FakeDetector
) -> None:
    everything = "formats=[gpkg,geojson,parquet,csv,png,kml,kmz]"
    at_once = files_in(predict(scene, tmp_path / "one", everything))
    folder = predict(scene, tmp_path / "two", "formats=[]")
    assert set(files_in(folder)) == RECORD
    before = len(detector.batches)
    predict(scene, tmp_path / "two", "formats=[kml,csv]")
    assert set(files_in(folder)) == RECORD | {"detections.kml", "counts.csv"}
    predict(scene, tmp_path / "two", everything)
    assert files_in(folder) == at_once
    assert len(detector.batches) == before
    (folder / "detections.gpkg").unlink()
    predict(scene, tmp_path / "two")
    assert files_in(folder) == at_once  # the gone one is back, the others stay
    assert len(detector.batches) == before


def test_what_is_always_written_is_said_where_it_was_left_out(
    tmp_path: Path, scene: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = "detections.parquet, stacks.csv, stacks.parquet and scene.json"
    said = f"{files} are the run's own record: written too"
    assert main(["predict", str(scene), f"out={tmp_path / 'a'}", "formats=kml"]) == 0
    captured = capsys.readouterr()
    assert said in captured.err
    assert "overlay.png" not in captured.out  # there is none to look at
    assert main(["predict", str(scene), f"out={tmp_path / 'b'}"]) == 0
    captured = capsys.readouterr()
    assert said not in captured.err
    assert "overlay.png" in captured.out


def test_a_damaged_record_is_said_and_made_anew(
    tmp_path: Path, scene: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = predict(scene, tmp_path / "out", "formats=[]")
    whole = (folder / "detections.parquet").read_bytes()
    (folder / "detections.parquet").write_bytes(b"PAR1")
    capsys.readouterr()
    assert main(["predict", str(scene), f"out={tmp_path / 'out'}", "formats=kml"]) == 0
    said = capsys.readouterr().err
    assert f"{folder}: results of an earlier run are damaged or were changed since" in said
    assert (folder / "detections.parquet").read_bytes() == whole
    assert (folder / "detections.kml").is_file()


# KML --------------------------------------------------------------------------------------------


def test_kml_holds_a_folder_for_each_class_and_comes_back(tmp_path: Path) -> None:
    made = make_result(tmp_path, zones=zones_named(["A"]))
    path = write(tmp_path / "out", made, "kml") / "detections.kml"
    assert pyogrio.list_layers(path)[:, 0].tolist() == ["ship", "container_stack", "zones"]
    wanted = made.detections.to_geodataframe().to_crs("EPSG:4326")
    for name in ("ship", "container_stack"):
        rows = wanted[wanted["class"] == name].reset_index(drop=True)
        found = pyogrio.read_dataframe(path, layer=name)
        assert len(found) == len(rows) == 2
        assert found.crs.to_epsg() == 4326
        assert found["score"].tolist() == pytest.approx(rows["score"].tolist())
        assert found["length_m"].tolist() == pytest.approx(rows["length_m"].tolist())
        assert found["on_ship"].tolist() == rows["on_ship"].tolist()
        assert found["timestamp"].tolist() == rows["acquired"].dt.floor("ms").tolist()
        gaps = found.geometry.force_2d().symmetric_difference(rows.geometry).area
        assert (gaps / rows.geometry.area).max() < 1e-6
    cargo = pyogrio.read_dataframe(path, layer="container_stack")["Name"]
    assert [name.endswith(", deck cargo") for name in cargo] == [False, True]
    assert cargo[0] == f"container_stack {made.detections.scores[2]:.2f}"
    zone = pyogrio.read_dataframe(path, layer="zones")
    assert zone["Name"].tolist() == ["A"]
    assert zone["status"].tolist() == [made.record.areas[1].status]


def test_kml_and_kmz_are_the_same_document_and_hold_no_clock(tmp_path: Path) -> None:
    made = make_result(tmp_path)
    folder = write(tmp_path / "out", made, "kml", "kmz")
    again = write(tmp_path / "again", made, "kml", "kmz")
    with zipfile.ZipFile(folder / "detections.kmz") as archive:
        assert archive.namelist() == ["doc.kml"]
        assert archive.read("doc.kml") == (folder / "detections.kml").read_bytes()
    for name in ("detections.kml", "detections.kmz"):
        assert (folder / name).read_bytes() == (again / name).read_bytes()
    assert len(pyogrio.read_dataframe(folder / "detections.kmz", layer="ship")) == 2


def test_names_of_zones_cannot_break_the_document(tmp_path: Path) -> None:
    hostile = ["]]><Placemark><name>made up</name></Placemark>", "bell\x07 \ufffe end", "a]]>b]]>"]
    names = [*HOSTILE_NAMES, *hostile]
    made = make_result(tmp_path, zones=zones_named(names))
    path = write(tmp_path / "out", made, "kml") / "detections.kml"
    found = pyogrio.read_dataframe(path, layer="zones")["Name"].tolist()
    assert found[: len(HOSTILE_NAMES)] == list(HOSTILE_NAMES)
    assert found[-3:] == [
        "]] ><Placemark><name>made up</name></Placemark>",
        "bell  end",
        "a]] >b]] >",
    ]
    tree = ElementTree.parse(path)  # noqa: S314 - our own file
    marks = tree.findall(".//{http://www.opengis.net/kml/2.2}Placemark")
    assert len(marks) == len(made.detections) + len(names)


def test_kml_of_an_empty_scene_and_of_one_without_crs(tmp_path: Path) -> None:
    empty = write(tmp_path / "empty", make_result(tmp_path, rows=()), "kml", "kmz")
    layers = pyogrio.list_layers(empty / "detections.kml")[:, 0].tolist()
    assert layers == ["ship", "container_stack"]
    for name in layers:
        assert len(pyogrio.read_dataframe(empty / "detections.kml", layer=name)) == 0
    flat = write(tmp_path / "flat", make_result(tmp_path, name="b", crs=None), "kml", "kmz")
    assert set(files_in(flat)) == RECORD


def test_boxes_over_the_antimeridian_are_cut_in_two(tmp_path: Path) -> None:
    transform = Affine(5e-6, 0, 180 - 60 * 5e-6, 0, -5e-6, 0.001)
    made = make_result(tmp_path, zones=(), crs="EPSG:4326", transform=transform)
    path = write(tmp_path / "out", made, "kml") / "detections.kml"
    shapes = [
        shape
        for name in ("ship", "container_stack")
        for shape in pyogrio.read_dataframe(path, layer=name).geometry
    ]
    assert {shape.geom_type for shape in shapes} == {"Polygon", "MultiPolygon"}
    assert gpd.GeoSeries(shapes).total_bounds[[0, 2]].tolist() == [-180, 180]


def test_a_gdal_without_the_driver_is_said_before_any_work(
    tmp_path: Path,
    scene: Path,
    detector: FakeDetector,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(kml.pyogrio, "list_drivers", lambda: {"GPKG": "rw"})
    assert main(["predict", str(scene), f"out={tmp_path / 'out'}", "formats=[gpkg,kmz]"]) == 2
    assert re.search(r"need GDAL's driver LIBKML, which this GDAL 3\.", capsys.readouterr().err)
    assert detector.batches == []
    assert not (tmp_path / "out").exists()


# Exporters of others ----------------------------------------------------------------------------


def test_an_exporter_from_outside_writes_its_files(
    tmp_path: Path, scene: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modules = {"text_exporter": SHOWS_IMPORT + EXPORTER}
    install(monkeypatch, tmp_path / "site", NAME, ENTRIES, modules)
    folder = predict(scene, tmp_path / "out", "formats=gpkg")
    assert not (tmp_path / "site" / MARKER).exists()
    predict(scene, tmp_path / "out", "formats=text,gpkg")
    assert (folder / "deep" / "found.txt").read_text() == "2 in a_2023-10-13"
    (folder / "deep" / "found.txt").unlink()
    assert missing_formats(folder, ("text", "gpkg")) == ["text"]


def test_another_process_lists_the_name_unloaded(tmp_path: Path) -> None:
    modules = {"text_exporter": SHOWS_IMPORT + EXPORTER}
    site = write_distribution(tmp_path / "site", NAME, ENTRIES, modules)
    environment = os.environ | {"PYTHONPATH": f"{site}{os.pathsep}{ROOT}", "COLUMNS": "100"}
    command = [sys.executable, "-m", "detector", "predict", "--help"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert "kml|kmz|stac|text" in "".join(done.stdout.split())
    assert not (site / MARKER).exists()


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("import nowhere_at_all", "cannot be loaded (ModuleNotFoundError"),
        (
            "def export(result): pass",
            "has another signature: text_exporter:export must be callable",
        ),
        ("def export(result, folder): result.nothing", "failed (AttributeError: 'SceneResult'"),
    ],
)
def test_a_broken_exporter_is_a_sentence(
    tmp_path: Path,
    scene: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    code: str,
    sentence: str,
) -> None:
    install(monkeypatch, tmp_path / "site", NAME, ENTRIES, {"text_exporter": code})
    out = tmp_path / "out"
    assert main(["predict", str(scene), f"out={out}", "formats=text", "quiet=true"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(
        f"detector: the format 'text' of the distribution '{NAME} 1.2' {sentence}"
    )
    assert not out.exists()


def test_a_name_of_ours_is_not_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = {"detector.exporters": {"kml": "text_exporter:export"}}
    install(monkeypatch, tmp_path / "site", NAME, entries, {"text_exporter": EXPORTER})
    made = make_result(tmp_path)
    assert set(files_in(write(tmp_path / "out", made, "csv"))) == RECORD | {"counts.csv"}
    with pytest.raises(
        PluginError, match=f"{NAME} 1.2' registers the format 'kml', which is built"
    ):
        write(tmp_path / "out", made, "kml")


def test_two_formats_do_not_write_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "def export(result, folder):\n    (folder / 'detections.gpkg').write_text('mine')\n"
    install(monkeypatch, tmp_path / "site", NAME, ENTRIES, {"text_exporter": code})
    made = make_result(tmp_path)
    with pytest.raises(OutputError, match=r"'gpkg' and 'text' both write detections\.gpkg; leave"):
        write(tmp_path / "out", made, "gpkg", "text")
    assert list((tmp_path / "out").iterdir()) == []
    record = replace(made.record, ships=0)
    code = "def export(result, folder):\n    (folder / 'scene.json').write_text('mine')\n"
    (tmp_path / "site" / "text_exporter.py").write_text(code)
    sys.modules.pop("text_exporter")
    with pytest.raises(OutputError, match=r"'the run itself' and 'text' both write scene\.json"):
        write(tmp_path / "out", replace(made, record=record), "text")
