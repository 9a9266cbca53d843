"""Names that look like code, paths or formulas, in zones and files: text in every output."""

from __future__ import annotations

import csv
import re
import sqlite3
import xml.etree.ElementTree as ET
from contextlib import closing
from pathlib import Path

import geopandas as gpd
import pyogrio
import pytest

from detector.counting.zones import first_zones, read_zones, zones_in_pixels
from detector.export.run_files import RunResult, write_run_files
from detector.export.scene_files import SceneResult, write_scene_files
from detector.scenes.scene import open_scene
from detector.stacks.estimate import StackSettings, estimate_stacks
from tests.export.make import Made, make_result, zones_named

ZONES = (
    "=cmd|'/c calc'!A1",
    "+1;@SUM(A1)",  # holds a stack
    "../../../etc/passwd",
    "\"'); DROP TABLE detections; --",
    "<script>alert(1)</script>",
    "\u202eمرسى الحاويات 나진",  # turned from right to left
    "@" + "ж" * 10_000,
    "[% eval('1') %] {{ 7*7 }} %s \\ `id` $(id)",
)
SCENE = "=x'; DROP TABLE zones; --<img src=x onerror=a> \u202e항구"
FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
LAYERS = ["detections", "zones", "scenes", "layer_styles"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make_result(tmp_path_factory.mktemp("hostile"), zones=zones_named(ZONES), name=SCENE)


@pytest.fixture(scope="module")
def out(made: Made) -> Path:
    """A run of one scene, as `predict` writes it."""
    out = made.path.parent / "out"
    with open_scene(made.path) as scene:
        held_by = first_zones(made.detections.corners, tuple(made.zones))
        stacks = estimate_stacks(scene, made.detections, held_by, StackSettings())
        result = SceneResult(made.detections, made.counts, made.zones, made.record, stacks)
        write_scene_files(out / made.record.scene_id, scene, result)
    write_run_files(out, RunResult([made.record], [made.counts], {"program": "quaywatch"}))
    return out


@pytest.fixture(scope="module")
def package(out: Path) -> Path:
    (path,) = out.rglob("*.gpkg")
    return path


def test_gdal_reads_the_names_as_they_are(made: Made, package: Path) -> None:
    assert pyogrio.list_layers(package)[:, 0].tolist() == LAYERS
    zones = gpd.read_file(package, layer="zones")
    assert zones["name"].tolist() == list(ZONES)
    assert zones.geometry.notna().all()
    found = gpd.read_file(package, layer="detections")
    assert found["scene_id"].unique().tolist() == [made.record.scene_id]
    scenes = gpd.read_file(package, layer="scenes")
    assert scenes["scene_id"].tolist() == [made.record.scene_id]
    assert made.record.path == str(made.path)  # the name of the file, as it is
    assert re.fullmatch(r"[\w.-]+", made.record.scene_id)  # and what folders are called


@pytest.mark.parametrize("name", ZONES)
def test_a_name_can_be_asked_for(package: Path, name: str) -> None:
    quoted = name.replace("'", "''")
    query = f"SELECT name FROM zones WHERE name = '{quoted}'"  # noqa: S608 - this is the test
    rows = pyogrio.read_dataframe(package, sql=query)
    assert rows["name"].tolist() == [name]


def test_names_are_no_sql_and_no_style(package: Path) -> None:
    with closing(sqlite3.connect(package)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        objects = [row[0] for row in database.execute("SELECT name FROM sqlite_master")]
        layers = [row[0] for row in database.execute("SELECT table_name FROM gpkg_contents")]
        styles = database.execute("SELECT f_table_name, styleQML, description FROM layer_styles")
        told = styles.fetchall()
    assert all(re.fullmatch(r"[A-Za-z0-9_]+", name) for name in objects)
    assert set(layers) <= set(LAYERS)
    assert [row[0] for row in told] == ["detections", "zones", "scenes"]
    for _, style, description in told:
        ET.fromstring(style)  # noqa: S314 - our own
        assert not any(name in f"{style}{description}" for name in (*ZONES, SCENE))


def test_zones_of_a_package_can_be_used_again(made: Made, package: Path, tmp_path: Path) -> None:
    frame = gpd.read_file(package, layer="zones")
    frame.to_file(tmp_path / "z.gpkg", layer='z"; DROP TABLE zones; --', engine="pyogrio")
    alone = (tmp_path / "z.gpkg").rename(tmp_path / "'; DROP TABLE zones; --.gpkg")
    again = read_zones(alone)
    assert [zone.name for zone in again.zones] == list(ZONES)
    with open_scene(made.path) as scene:
        placed = zones_in_pixels(again, scene)
    assert placed[0].shape.bounds == pytest.approx((0, 0, 40, 100), abs=1e-6)


def test_no_cell_of_any_table_is_a_formula(out: Path) -> None:
    tables = sorted(out.rglob("*.csv"))
    assert {path.name for path in tables} == {"counts.csv", "scenes.csv", "stacks.csv"}
    csv.field_size_limit(1_000_000)
    guarded = 0
    for path in tables:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
        assert len(rows) > 1, path
        for cell in (cell for row in rows for cell in row):
            number = re.fullmatch(r"-?[\d.]+(e[-+]?\d+)?", cell)
            assert number or not cell.startswith(FORMULAS), (path, cell[:30])
            guarded += cell.startswith("'=")
        assert any(cell[:3] in ("'=x", "'=c", "'+1") for row in rows for cell in row), path
    assert guarded > 10


def test_everything_lies_in_the_folder_of_the_run(made: Made, out: Path) -> None:
    root = made.path.parent.resolve()
    written = [path.resolve() for path in root.rglob("*")]
    assert all(path.is_relative_to(out) or path == made.path.resolve() for path in written)
    assert sorted(path.name for path in out.iterdir() if path.is_dir()) == [made.record.scene_id]
    for path in out.rglob("*"):
        assert not any(name[:30] in path.name for name in ZONES)
