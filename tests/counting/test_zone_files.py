"""Files of zones as people have them: encodings, swapped degrees, no CRS, across 180 degrees."""

from __future__ import annotations

import json
import sqlite3
import struct
import unicodedata
from contextlib import closing
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine

from detector.counting.zones import read_zones, zones_in_pixels, zones_of
from detector.errors import ZonesError
from detector.geometry.turns import turn_of
from detector.scenes.discover import discover
from detector.scenes.scene import open_scene
from tests.scenes.rasters import gradient, write_raster

NAMES = {
    "cp949": "나진항 부두",
    "gb2312": "大连港集装箱码头",
    "cp1251": "Причал Восточный",
    "koi8-r": "Причал Восточный",
    "cp866": "Причал Восточный",
    "utf-8": "나진항 부두",
}


@pytest.mark.parametrize("encoding", NAMES)
def test_a_shapefile_that_does_not_say_its_encoding(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "zones.shp"
    frame = gpd.GeoDataFrame({"NAME": ["x" * 30]}, geometry=[shapely.box(0, 0, 1, 1)], crs=32652)
    frame.to_file(path, encoding="ISO-8859-1")
    path.with_suffix(".cpg").unlink()
    name = NAMES[encoding].encode(encoding)
    content = path.with_suffix(".dbf").read_bytes()
    path.with_suffix(".dbf").write_bytes(content.replace(b"x" * 30, name.ljust(30)))
    zones = read_zones(path)
    assert zones.zones[0].name == NAMES[encoding]
    assert "does not say its encoding" in zones.warnings[0]


def test_swapped_degrees_are_said(tmp_path: Path) -> None:
    path = tmp_path / "zones.geojson"
    ring = [[42.2, 130.3], [42.3, 130.3], [42.3, 130.4], [42.2, 130.3]]
    path.write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))
    with pytest.raises(ZonesError, match=r"42\.2, 130\.3 are latitude and longitude swapped"):
        read_zones(path)


def test_without_a_crs_the_scenes_metres_are_taken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    scene_path = write_raster(tmp_path / "a.tif", gradient(200, 100))
    shape = shapely.box(500_010, 4_676_960, 500_030, 4_676_990)
    gpd.GeoDataFrame({"name": ["quay"]}, geometry=[shape]).to_file(tmp_path / "z.shp")
    with open_scene(scene_path) as scene:
        (zone,) = zones_in_pixels(read_zones(tmp_path / "z.shp"), scene)
    assert zone.shape.bounds == pytest.approx((20, 20, 60, 80))
    assert "its CRS EPSG:32652 was taken" in caplog.text
    gpd.GeoDataFrame(geometry=[shapely.box(0, 0, 9, 9)]).to_file(tmp_path / "y.shp")
    with open_scene(scene_path) as scene, pytest.raises(ZonesError, match="no CRS, but"):
        zones_in_pixels(read_zones(tmp_path / "y.shp"), scene)


ZONE = shapely.box(179.999, 0.0, 180.001, 0.002)
HALVES = (shapely.box(179.999, 0, 180, 0.002), shapely.box(-180, 0, -179.999, 0.002))


def _written(way: str, crs: str) -> shapely.Geometry:
    """The zone across 180 degrees, as people and programs write it."""
    east, west = gpd.GeoSeries(list(HALVES), crs=4326).to_crs(crs)
    if way == "cut":
        return shapely.MultiPolygon([east, west])
    low, _, border, high = east.bounds
    back, _, end, _ = west.bounds
    if way == "jumping":
        return shapely.Polygon([(low, 0), (end, 0), (end, high), (low, high)])
    return shapely.box(low, 0, border + end - back, high)


@pytest.mark.parametrize("scene_crs", ["EPSG:32660", "EPSG:32601", "EPSG:3857", "EPSG:4326"])
@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:3857", "EPSG:4087"])
@pytest.mark.parametrize("way", ["counting on", "jumping", "cut"])
def test_across_180_degrees_however_it_is_written(
    tmp_path: Path, way: str, crs: str, scene_crs: str
) -> None:
    """The middle of the scene is on the line; the zone spans 0.002 degrees around it."""
    (middle,) = gpd.GeoSeries([shapely.Point(180, 0.001)], crs=4326).to_crs(scene_crs)
    step = 1e-5 if scene_crs == "EPSG:4326" else 1.0
    place = Affine(step, 0, middle.x - 250 * step, 0, -step, middle.y + 200 * step)
    path = write_raster(tmp_path / "a.tif", gradient(500, 400), crs=scene_crs, transform=place)
    zones = zones_of(gpd.GeoDataFrame({"name": ["z"]}, geometry=[_written(way, crs)], crs=crs))
    (kept,) = zones.zones
    assert (kept.shape.geom_type, len(kept.shape.exterior.coords) > 4) == ("Polygon", True)
    with open_scene(path) as scene:
        (zone,) = zones_in_pixels(zones, scene)
    wide, high = (200.0, 200.0) if scene_crs == "EPSG:4326" else (222.6, 221.1)
    low_x, _, high_x, _ = zone.shape.bounds
    assert (low_x + high_x) / 2 == pytest.approx(250, abs=1)
    assert np.isclose(high_x - low_x, wide, atol=1.0)
    assert zone.shape.area == pytest.approx(wide * high, rel=0.01)


def test_a_zone_on_the_other_side_of_the_world_meets_no_scene(tmp_path: Path) -> None:
    """Its corners are the nearest to the scene on either side of it."""
    place = Affine(1e-5, 0, -0.0025, 0, -1e-5, 0.003)
    path = write_raster(tmp_path / "a.tif", gradient(500, 400), crs="EPSG:4326", transform=place)
    frame = shapely.box(0, 0, 500, 400)
    for way in ("counting on", "jumping", "cut"):
        table = gpd.GeoDataFrame(geometry=[_written(way, "EPSG:3857")], crs=3857)
        with open_scene(path) as scene:
            (zone,) = zones_in_pixels(zones_of(table), scene)
        assert not zone.shape.intersects(frame)


@pytest.mark.parametrize(
    ("crs", "turn"),
    [
        ("EPSG:4326", 360.0),
        ("EPSG:3857", 40_075_016.686),
        ("EPSG:3832", 40_075_016.686),
        ("EPSG:32652", None),
        ("EPSG:3031", None),
        ('LOCAL_CS["site",UNIT["metre",1]]', None),
    ],
)
def test_which_maps_begin_again(crs: str, turn: float | None) -> None:
    assert turn_of(crs) == (None if turn is None else pytest.approx(turn, abs=0.01))


def test_points_lines_and_copies_are_said(tmp_path: Path) -> None:
    square = shapely.box(130.0, 42.0, 130.01, 42.01)
    rows = {
        "gate": shapely.Point(130, 42),
        "A": square,
        "road": shapely.LineString([(130, 42), (130.1, 42)]),
        "ring": shapely.LineString(square.exterior.coords),
        "masts": shapely.MultiPoint([(130, 42), (130.1, 42)]),
    }
    shapes = [*rows.values(), shapely.reverse(square)]
    frame = gpd.GeoDataFrame({"name": [*rows, "A"]}, geometry=shapes, crs=4326)
    frame.to_file(tmp_path / "z.gpkg", layer="all")
    zones = read_zones(tmp_path / "z.gpkg")
    assert [zone.name for zone in zones.zones] == ["A", "ring"]
    assert all(zone.shape.equals(square) for zone in zones.zones)
    assert [note.split(": ", 1)[1] for note in zones.warnings] == [
        "zone 'ring' (row 4) is a closed line, taken as the polygon that it encloses",
        *(
            f"zone '{name}' (row {row}) is a {kind} without area, so it is left out; draw it as a "
            "polygon to count it"
            for name, row, kind in (
                ("gate", 1, "Point"), ("road", 3, "LineString"), ("masts", 5, "MultiPoint"))
        ),
        "zone 'A' (row 6) is the same as that of row 2, and taken once",
    ]  # fmt: skip


@pytest.mark.parametrize("suffix", ["csv", "gpkg"])
def test_curves_are_followed(tmp_path: Path, suffix: str) -> None:
    """Half a disc of radius 10: the chord alone would have no area."""
    text = "CURVEPOLYGON(COMPOUNDCURVE(CIRCULARSTRING(0 0,10 10,20 0),(20 0,0 0)))"
    path = tmp_path / "z.csv"
    path.write_text(f'WKT,name\n"{text}",bay\n')
    if suffix == "gpkg":
        path = tmp_path / "z.gpkg"
        _curve_geopackage(path)
    (zone,) = read_zones(path).zones
    assert zone.shape.area == pytest.approx(np.pi * 50, rel=0.002)
    assert zone.name == "bay"


def _curve_geopackage(path: Path) -> None:
    """A GeoPackage as GIS writes it, its polygon exchanged for one with an arc."""
    frame = gpd.GeoDataFrame({"name": ["bay"]}, geometry=[shapely.box(0, 0, 20, 10)], crs=32652)
    frame.to_file(path, layer="z")

    def line(kind: int, *points: tuple[float, float]) -> bytes:
        numbers = [value for point in points for value in point]
        return struct.pack(f"<BII{len(numbers)}d", 1, kind, len(points), *numbers)

    arc, chord = line(8, (0, 0), (10, 10), (20, 0)), line(2, (20, 0), (0, 0))
    compound = struct.pack("<BII", 1, 9, 2) + arc + chord
    shape = struct.pack("<BII", 1, 10, 1) + compound
    blob = b"GP" + struct.pack("<BBi", 0, 1, 32652) + shape
    with closing(sqlite3.connect(path)) as store, store:
        names = store.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for (name,) in names:
            store.execute(f'DROP TRIGGER "{name}"')
        store.execute("UPDATE z SET geom = ?", (blob,))


def test_surfaces_of_solids_are_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "z.csv"
    path.write_text('WKT,name\n"TRIANGLE((0 0,1 0,1 1,0 0))",a\n')
    with pytest.raises(ZonesError, match=r"zone 'a' \(row 1\) has no geometry; draw it"):
        read_zones(path)


def test_a_local_crs_of_zones_is_one_sentence() -> None:
    crs = 'ENGCRS["site",EDATUM["x"],CS[Cartesian,2],AXIS["x",east],AXIS["y",north],UNIT["m",1]]'
    table = gpd.GeoDataFrame(geometry=[shapely.box(0, 0, 1, 1)], crs=crs)
    with pytest.raises(ZonesError, match=r"z\.gpkg: its CRS 'ENGCRS.*is no map of the Earth"):
        zones_of(table, "z.gpkg")


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_names_are_found_however_their_letters_are_composed(tmp_path: Path, form: str) -> None:
    other = "NFD" if form == "NFC" else "NFC"
    folder = tmp_path / unicodedata.normalize(form, "나진항")
    folder.mkdir()
    path = folder / unicodedata.normalize(form, "é.geojson")
    gpd.GeoDataFrame({"name": ["a"]}, geometry=[ZONE], crs=4326).to_file(path)
    scene = write_raster(folder / unicodedata.normalize(form, "ü.tif"), gradient(20, 20))
    assert len(read_zones(unicodedata.normalize(other, str(path)))) == 1
    (found,) = discover([unicodedata.normalize(other, str(scene))])
    assert (found.problem, found.path) == (None, str(scene))
