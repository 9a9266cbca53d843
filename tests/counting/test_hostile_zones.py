"""Zones files that lie: they reach nothing, and too much is a sentence."""

from __future__ import annotations

import json
import os
import sqlite3
import time
import zipfile
from contextlib import closing
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import shapely

from detector.counting import vectors
from detector.counting.zones import assign_to_zones, read_zones, zones_in_pixels, zones_of
from detector.errors import ZonesError
from detector.geometry.boxes import corners_from_xywhr
from detector.geometry.frames import FilePixels
from detector.scenes.scene import open_scene
from tests.scenes.rasters import UTM52, utm_transform, write_raster
from tests.scenes.test_hostile import listener  # noqa: F401 - a fixture

SQUARE = [[[130.0, 42.0], [130.1, 42.0], [130.1, 42.1], [130.0, 42.1], [130.0, 42.0]]]
GEOMETRY: dict[str, Any] = {"type": "Polygon", "coordinates": SQUARE}
FEATURE: dict[str, Any] = {"type": "Feature", "properties": {"name": "a"}, "geometry": GEOMETRY}
NAMED = {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}


def _collection(**more: object) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": [FEATURE], **more}


def _write(path: Path, content: object) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.mark.parametrize(
    "crs", [None, NAMED, {"type": "name", "properties": {"name": "EPSG:4326"}}]
)
def test_plain_geojson_is_read(tmp_path: Path, crs: object) -> None:
    content = _collection(**({"crs": crs} if crs else {}))
    assert [zone.name for zone in read_zones(_write(tmp_path / "z.geojson", content)).zones] == [
        "a"
    ]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (
            "z.geojson",
            _collection(crs={"type": "link", "properties": {"href": "HTTP/crs", "type": "proj4"}}),
        ),
        ("z.geojson", _collection(crs={"type": "url", "properties": {"url": "HTTP/crs"}})),
        ("z.geojson", _collection(crs={"type": "name", "properties": {"name": "HTTP/crs"}})),
        ("z.geojson", _collection(coordRefSys="HTTP/crs")),
        (
            "z.geojson",
            {
                "type": "FeatureCollection",
                "features": [
                    {**FEATURE, "geometry": {**GEOMETRY, "crs": {"type": "link", "properties": {}}}}
                ],
            },
        ),
        ("z.gdalg.json", {"type": "gdal_streamed_alg", "command_line": "gdal vector pipeline"}),
        (
            "z.vrt",
            '<OGRVRTDataSource><OGRVRTLayer name="a"><SrcDataSource>HTTP/z.geojson</SrcDataSource>'
            "</OGRVRTLayer></OGRVRTDataSource>",
        ),
        ("z.gml", "<OGRWFSDataSource><URL>HTTP/wfs</URL></OGRWFSDataSource>"),
        ("z.geojson", "<!DOCTYPE a [<!ENTITY b SYSTEM 'HTTP/x'>]><kml>&b;</kml>"),
        ("z.geojson", "[1, 2]"),
        ("z.geojson", "[" * 100_000),
        ("z.geojson", '{"type": "FeatureCollection", "features": [' + "9" * 5000 + "]}"),
        ("z.txt", "WFS:HTTP"),
    ],
)
def test_a_file_that_leads_elsewhere_is_refused(
    tmp_path: Path,
    listener: tuple[str, list[bytes]],  # noqa: F811
    name: str,
    content: object,
) -> None:
    http, asked = listener
    text = content if isinstance(content, str) else json.dumps(content)
    path = _write(tmp_path / name, text.replace("HTTP", http))
    with pytest.raises(ZonesError, match=name):
        read_zones(path)
    assert asked == []


def test_an_archive_of_other_things_and_a_pipe_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "z.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.vrt", "<OGRVRTDataSource/>")
    with pytest.raises(ZonesError, match="unpack it"):
        read_zones(path)
    os.mkfifo(tmp_path / "p.gpkg")
    with pytest.raises(ZonesError, match="a pipe or device"):
        read_zones(tmp_path / "p.gpkg")


@pytest.mark.parametrize("suffix", [".gpkg", ".shp", ".fgb", ".kml", ".gml", ".geojsonl"])
def test_the_usual_formats_are_read(tmp_path: Path, suffix: str) -> None:
    driver = {".kml": "KML", ".gml": "GML", ".geojsonl": "GeoJSONSeq"}.get(suffix)
    frame = gpd.GeoDataFrame(
        {"name": ["a"]}, geometry=[shapely.box(130, 42, 130.1, 42.1)], crs=4326
    )
    path = tmp_path / f"z{suffix}"
    frame.to_file(path, driver=driver)
    assert len(read_zones(path)) == 1


def test_huge_coordinates_are_one_sentence(tmp_path: Path) -> None:
    ring = [[0.0, 0.0], [1e300, 0.0], [1e300, 1e300], [0.0, 0.0]]
    shape = {"type": "Polygon", "coordinates": [ring]}
    content = {"type": "FeatureCollection", "features": [{**FEATURE, "geometry": shape}]}
    with pytest.raises(ZonesError):
        read_zones(_write(tmp_path / "z.geojson", content))


def test_too_much_is_said_at_once() -> None:
    angles = np.random.default_rng(1).uniform(0, 2 * np.pi, 20_000)
    star = shapely.Polygon(np.stack([np.cos(angles), np.sin(angles)], axis=-1) * 1000)
    started = time.process_time()
    with pytest.raises(ZonesError, match=r"crosses itself and has 20,001 corners"):
        zones_of(gpd.GeoDataFrame({"name": ["a"]}, geometry=[star]))
    many = shapely.box(np.arange(20_001), 0, np.arange(20_001) + 0.5, 1)
    with pytest.raises(ZonesError, match=r"20,001 zones, at most 20,000"):
        zones_of(gpd.GeoDataFrame({"name": np.arange(20_001).astype(str)}, geometry=many))
    turn = np.linspace(0, 2 * np.pi, 2_000_000, endpoint=False)
    circle = shapely.Polygon(np.stack([np.cos(turn), np.sin(turn)], axis=-1))
    with pytest.raises(ZonesError, match=r"2,000,001 corners"):
        zones_of(gpd.GeoDataFrame({"name": ["a"]}, geometry=[circle]))
    assert time.process_time() - started < 15


def test_many_zones_are_placed_and_filled_as_one_by_one(tmp_path: Path) -> None:
    """The tree and the arrays against brute force."""
    rng = np.random.default_rng(2)
    path = write_raster(
        tmp_path / "a.tif",
        np.full((1, 200, 300), 9, np.uint8),
        transform=utm_transform(),
        crs=UTM52,
    )
    points = rng.uniform(0, 200, (500, 2))
    boxes = corners_from_xywhr(np.array([(x, y, 8, 4, 0.3) for x, y in points]))
    with open_scene(path) as scene:
        places = rng.uniform(-50, 300, (400, 2))
        shapes = [
            shapely.Polygon(
                scene.to_map(
                    FilePixels(np.array(shapely.box(x, y, x + 30, y + 20).exterior.coords))
                )
            )
            for x, y in places
        ]
        names = [f"z{number}" for number in range(len(shapes))]
        zones = zones_of(gpd.GeoDataFrame({"name": names}, geometry=shapes, crs=UTM52))
        placed = zones_in_pixels(zones, scene)
    for (x, y), zone in zip(places, placed, strict=True):
        assert zone.shape.symmetric_difference(shapely.box(x, y, x + 30, y + 20)).area < 1e-3
    found = assign_to_zones(boxes, placed)
    for zone, members in zip(placed, found, strict=True):
        brute = [n for n, (x, y) in enumerate(points) if zone.shape.intersects(shapely.Point(x, y))]
        assert members.tolist() == brute
    assert assign_to_zones(boxes, ()) == []


COMPUTED = {
    "a view": "ALTER TABLE zones RENAME TO z; CREATE VIEW zones AS SELECT fid, geom, "
    "printf('%.*c', 9, 'x') AS name, kind FROM z",
    "a view without end": "ALTER TABLE zones RENAME TO z; CREATE VIEW zones AS WITH RECURSIVE "
    "r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r) SELECT i AS fid, geom, name, kind FROM r, z; "
    "DELETE FROM gpkg_ogr_contents",
    "a column": "ALTER TABLE zones ADD COLUMN more TEXT AS (printf('%.*c', 9, 'x'))",
}


def _computed(path: Path, how: str) -> Path:
    frame = gpd.GeoDataFrame(
        {"name": ["a"], "kind": ["berth"]}, geometry=[shapely.box(130, 42, 130.1, 42.1)], crs=4326
    )
    frame.to_file(path, layer="zones", engine="pyogrio")
    assert len(read_zones(path).zones) == 1
    with closing(sqlite3.connect(path)) as database:
        database.executescript(COMPUTED[how])
    return path


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("how", COMPUTED)
def test_a_layer_that_a_database_computes_is_refused(
    tmp_path: Path, how: str, *, packed: bool
) -> None:
    """A few bytes of SQL fill the memory, or never end."""
    path = _computed(tmp_path / "z.gpkg", how)
    if packed:
        with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
            archive.write(path, "z.gpkg")
        path = tmp_path / "z.zip"
    with pytest.raises(ZonesError, match="while it is read"):
        read_zones(path)


def test_views_beside_the_layers_disturb_nobody(tmp_path: Path) -> None:
    path = _computed(tmp_path / "z.gpkg", "a view")
    with closing(sqlite3.connect(path)) as database:
        database.executescript(
            "DROP VIEW zones; ALTER TABLE z RENAME TO zones; CREATE VIEW v AS SELECT 1"
        )
    assert [zone.name for zone in read_zones(path).zones] == ["a"]


def test_an_archive_that_is_larger_inside_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(tmp_path / "z.kmz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("doc.kml", "<kml>" + " " * 200_000)
    monkeypatch.setattr(vectors, "MAX_UNPACKED_BYTES", 100_000)
    with pytest.raises(ZonesError, match="200,005 bytes unpacked, at most 100,000 are read"):
        read_zones(tmp_path / "z.kmz")
