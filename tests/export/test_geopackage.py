"""A GeoPackage that is filled through SQLite is the one that GDAL writes."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from affine import Affine

from detector.counting.zones import Zone
from detector.export import geopackage
from detector.export.geopackage import write_geopackage
from detector.export.seals import (
    FILES,
    RECORD_FILE,
    altered_record,
    file_seals,
    write_sealed,
)
from detector.export.vector import write_detections, write_geoparquet
from detector.reviewing.errors import ReviewError
from detector.reviewing.geopackage import read_geopackage as read_review
from tests.export.make import HOSTILE_NAMES, ROWS, Made, make_result, zones_named


def content(path: Path) -> dict[str, list[Any]]:
    """All that a GeoPackage says: rows of every table but the pages of its spatial indices."""
    with closing(sqlite3.connect(path)) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master")]
        pages = ("_node", "_parent", "_rowid")
        told = {"schema": database.execute("SELECT name, sql FROM sqlite_master").fetchall()}
        for name, kind in database.execute("SELECT name, type FROM sqlite_master").fetchall():
            if kind == "table" and not (name.startswith("rtree_") and name.endswith(pages)):
                rows = database.execute(f'SELECT * FROM "{name}"').fetchall()  # noqa: S608
                told[name] = sorted(rows, key=repr) if name == "sqlite_sequence" else rows
        assert any(name.startswith("rtree_") for name in tables)
    return told


def written_by_gdal(path: Path, made: Made, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same as a Python writes it whose SQLite has no spatial indices: all rows by GDAL."""
    with monkeypatch.context() as patch:
        patch.setattr(geopackage, "_has_rtree", lambda: False)
        write_geopackage(path, made.detections, made.zones, made.record)
    return path


@pytest.mark.parametrize("crs", ["EPSG:32652", "EPSG:4326", None])
@pytest.mark.parametrize("zones", [(), zones_named(HOSTILE_NAMES)])
def test_the_content_is_what_gdal_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crs: str | None, zones: tuple[Zone, ...]
) -> None:
    profile: dict[str, Any] = {"crs": crs}
    if crs == "EPSG:4326":
        profile["transform"] = Affine(1e-5, 0, 130.0, 0, -1e-5, 42.0)
    made = make_result(tmp_path, zones=zones, **profile)
    holes = made.detections.length_m.copy()
    holes[1] = np.nan
    made = replace(made, detections=replace(made.detections, length_m=holes))
    assert geopackage._has_rtree()
    write_geopackage(tmp_path / "ours.gpkg", made.detections, made.zones, made.record)
    gdal = written_by_gdal(tmp_path / "gdal.gpkg", made, monkeypatch)
    ours, theirs = content(tmp_path / "ours.gpkg"), content(gdal)
    extents = [tables.pop("gpkg_contents") for tables in (ours, theirs)]
    assert ours == theirs
    for mine, other in zip(*extents, strict=True):  # GDAL writes them as text, of 16 digits
        assert mine[:5] == other[:5]
        np.testing.assert_allclose(np.array(mine[5:], float), np.array(other[5:], float), 1e-15)


def test_the_spatial_index_finds_every_row(tmp_path: Path) -> None:
    made = make_result(tmp_path, zones=zones_named(["A", "B"]))
    path = tmp_path / "a.gpkg"
    write_geopackage(path, made.detections, made.zones, made.record)
    bounds = shapely.bounds(shapely.polygons(made.detections.map_corners))
    with closing(sqlite3.connect(path)) as database:
        rows = database.execute("SELECT * FROM rtree_detections_geom ORDER BY id").fetchall()
        counts = database.execute("SELECT * FROM gpkg_ogr_contents ORDER BY 1").fetchall()
    assert [row[0] for row in rows] == [1, 2, 3, 4]
    found = np.array(rows)[:, 1:]
    assert (found[:, ::2] <= bounds[:, :2]).all()  # a box of float32 holds that of float64
    assert (found[:, 1::2] >= bounds[:, 2:]).all()
    assert counts == [("detections", 4), ("scenes", 1), ("zones", 2)]


def test_scenes_of_many_kinds_do_not_fill_the_memory(tmp_path: Path) -> None:
    for zone in range(1, 13):
        made = make_result(tmp_path, name=f"z{zone}", crs=f"EPSG:{32600 + zone}")
        write_geopackage(tmp_path / "a.gpkg", made.detections, made.zones, made.record)
    assert 0 < len(geopackage._empty) <= geopackage.MOST_EMPTY


def test_the_detections_are_those_that_the_table_gives(tmp_path: Path) -> None:
    """Parquet made of columns has the bytes of one that is made of the table."""
    for rows, crs in ((ROWS, "EPSG:32652"), ((), "EPSG:32652"), (ROWS, None)):
        made = make_result(tmp_path, rows=rows, crs=crs)
        write_detections(tmp_path / "a.parquet", made.detections)
        frame = made.detections.to_geodataframe()
        write_geoparquet(tmp_path / "b.parquet", [frame], made.detections.crs)
        assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_a_layer_that_is_computed_is_no_layer_of_a_run(tmp_path: Path) -> None:
    """Its rows would be hashed without end."""
    made = make_result(tmp_path)
    path = tmp_path / "detections.gpkg"
    write_geopackage(path, made.detections, made.zones, made.record)
    seals = file_seals(tmp_path, [path.name])
    write_sealed(tmp_path / RECORD_FILE, {FILES: seals})
    assert altered_record(tmp_path, [path.name]) is None
    with closing(sqlite3.connect(path)) as database:
        database.executescript(
            "ALTER TABLE zones RENAME TO z; CREATE VIEW zones AS WITH RECURSIVE r(i) AS "
            "(SELECT 1 UNION ALL SELECT i + 1 FROM r) SELECT i FROM r"
        )
    assert altered_record(tmp_path, [path.name]) == path.name
    with pytest.raises(ReviewError, match="the layer zones is computed while it is read"):
        read_review(path, made.record)
