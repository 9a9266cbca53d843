"""Zones: read from anything, mended or refused in one sentence, placed in a scene."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from pyproj import Transformer

from detector.counting.zones import Zone, Zones, placeable, read_zones, zones_in_pixels
from detector.errors import ZonesError
from detector.scenes.scene import Scene, open_scene
from tests.counting.conftest import WriteZones, square
from tests.scenes.rasters import gradient, utm_transform, write_raster

UTM52 = "EPSG:32652"


@pytest.fixture
def scene(tmp_path: Path) -> Any:
    """200 x 100 pixels of 0.5 m in UTM zone 52; pixel (0, 0) at 500000, 4677000."""
    with open_scene(write_raster(tmp_path / "scene.tif", gradient(200, 100))) as opened:
        yield opened


def lonlat_of(pixels: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Pixels of the scene as longitude and latitude, by a way of its own."""
    transformer = Transformer.from_crs(UTM52, "EPSG:4326", always_xy=True)
    return [transformer.transform(500_000 + 0.5 * x, 4_677_000 - 0.5 * y) for x, y in pixels]


def refusal(path: Path) -> str:
    with pytest.raises(ZonesError) as caught:
        read_zones(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


# --- reading


def test_names_and_kinds_in_any_case(write_zones: WriteZones) -> None:
    path = write_zones(
        ({"NAME": "East quay", "Kind": "Berth"}, square(130, 42, 1)),
        ({"NAME": None, "Kind": " YARD "}, square(131, 42, 1)),
        ({"NAME": "x"}, square(132, 42, 1)),
    )
    zones = read_zones(path)
    assert [(zone.name, zone.kind) for zone in zones.zones] == [
        ("East quay", "berth"),
        ("zone 2", "yard"),
        ("x", "zone"),
    ]
    assert zones.crs == "EPSG:4326"
    assert zones.warnings == ()


def test_a_file_without_columns_counts_its_rows(write_zones: WriteZones) -> None:
    zones = read_zones(write_zones(({}, square(130, 42, 1)), ({}, square(131, 42, 1))))
    assert [(zone.name, zone.kind) for zone in zones.zones] == [
        ("zone 1", "zone"),
        ("zone 2", "zone"),
    ]


def test_numbers_are_names(write_zones: WriteZones) -> None:
    zones = read_zones(
        write_zones(({"name": 7}, square(130, 42, 1)), ({"name": None}, square(131, 42, 1)))
    )
    assert [zone.name for zone in zones.zones] == ["7", "zone 2"]


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("나진 3부두", "나진 3부두"),
        ("Пирс №1", "Пирс №1"),
        ("=HYPERLINK(1)", "=HYPERLINK(1)"),
        ("'; DROP TABLE zones; --", "'; DROP TABLE zones; --"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("two\r\nlines\x1b[31m", "two lines [31m"),
        ("\u1102\u1161\u110c\u1175\u11ab", "나진"),
        ("../../etc/passwd", "../../etc/passwd"),
    ],
)
def test_hostile_names_are_only_text(write_zones: WriteZones, name: str, kept: str) -> None:
    assert read_zones(write_zones(({"name": name}, square(130, 42, 1)))).zones[0].name == kept


@pytest.mark.parametrize(
    "stem", ["a b", "[1]", "a=b,c", "~x", "나진", "a!b", "a;b", "a#b", "a?b", "a%20b"]
)
def test_any_file_name(write_zones: WriteZones, stem: str) -> None:
    path = write_zones(({"name": "A"}, square(130, 42, 1)), name=f"{stem}.geojson")
    zones = read_zones(path)
    assert zones.source == str(path)
    assert zones.zones[0].name == "A"


def test_all_layers_and_formats(tmp_path: Path) -> None:
    path = tmp_path / "site.gpkg"
    for layer, names in (("berths", ["B1", "B2"]), ("yards", ["Y1", None])):
        shapes = [shapely.box(i, 0, i + 0.5, 1) for i in range(len(names))]
        table = gpd.GeoDataFrame({"name": names}, geometry=shapes, crs=UTM52)
        table.to_file(path, layer=layer, engine="pyogrio")
    zones = read_zones(path)
    assert [zone.name for zone in zones.zones] == ["B1", "B2", "Y1", "zone 4"]
    assert zones.crs == UTM52
    table = gpd.GeoDataFrame({"name": ["S"]}, geometry=[shapely.box(0, 0, 1, 1)], crs=UTM52)
    table.to_file(tmp_path / "zones.shp")
    assert read_zones(tmp_path / "zones.shp").zones[0].name == "S"


def test_a_figure_eight_is_repaired_and_named(write_zones: WriteZones) -> None:
    bow = [(130, 42), (131, 43), (131, 42), (130, 43), (130, 42)]
    path = write_zones(({"name": "A"}, square(132, 42, 1)), ({"name": "B"}, bow))
    zones = read_zones(path)
    assert zones.zones[1].shape.is_valid
    assert zones.zones[1].shape.area == pytest.approx(0.5)  # two triangles of 1/4
    assert len(zones.warnings) == 1
    assert zones.warnings[0].startswith(f"{path}: zone 'B' (row 2) was repaired: Self-intersection")


def test_multipolygons_and_heights(write_zones: WriteZones) -> None:
    rings = [[[(x, y, 5.0) for x, y in square(130 + i, 42, 0.5)]] for i in range(2)]
    path = write_zones(({"name": "A"}, {"type": "MultiPolygon", "coordinates": rings}))
    shape = read_zones(path).zones[0].shape
    assert shape.area == pytest.approx(0.5)
    assert not shape.has_z


def test_an_open_ring_is_closed(write_zones: WriteZones) -> None:
    path = write_zones(({"name": "A"}, square(130, 42, 1)[:-1]))
    assert read_zones(path).zones[0].shape.area == pytest.approx(1.0)


def test_pixels_in_geojson_are_pixels(write_zones: WriteZones) -> None:
    assert read_zones(write_zones(({"name": "A"}, square(0, 0, 361)))).crs is None
    assert read_zones(write_zones(({"name": "A"}, square(0, 0, 89)))).crs == "EPSG:4326"


# --- refusals


def test_missing(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.gpkg") == "no such zones file; check the name and the folder"


@pytest.mark.parametrize("content", ["", "hello", '{"type": "FeatureCollection"', "a,b\n1,2\n"])
def test_not_a_vector_file(tmp_path: Path, content: str) -> None:
    path = tmp_path / "zones.geojson"
    path.write_text(content)
    assert refusal(path).startswith("not a vector file that GDAL can read (")


def test_a_raster_is_not_a_zones_file(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "scene.tif", gradient(20, 20))
    assert refusal(path).startswith("not a vector file that GDAL can read (")


def test_empty(write_zones: WriteZones) -> None:
    assert refusal(write_zones()) == (
        "holds no zones; draw polygons with the columns name and kind"
    )


def test_no_polygon(write_zones: WriteZones) -> None:
    line = {"type": "LineString", "coordinates": [(130, 42), (131, 42)]}
    message = refusal(write_zones(({"name": "quay wall"}, line)))
    assert message == (
        "zone 'quay wall' (row 1) is a LineString without area; draw it as a polygon"
    )


@pytest.mark.parametrize(
    "ring",
    [
        [(130, 42), (131, 42), (130.5, 42), (130, 42)],
        [(130, 42), (130, 42), (130, 42), (130, 42)],
    ],
)
def test_no_area(write_zones: WriteZones, ring: Any) -> None:
    message = refusal(write_zones(({"name": "A"}, ring)))
    assert message == "zone 'A' (row 1) is a Polygon without area; draw it as a polygon"


@pytest.mark.parametrize("ring", [None, [(130, 42), (131, 42)], []])
def test_no_geometry(write_zones: WriteZones, ring: Any) -> None:
    message = refusal(write_zones(({"name": "A"}, square(130, 42, 1)), ({"name": "B"}, ring)))
    assert message.startswith("zone 'B' (row 2) ")


def test_two_zones_of_one_name(write_zones: WriteZones) -> None:
    path = write_zones(
        ({"name": "A"}, square(130, 42, 1)),
        ({"name": "B"}, square(131, 42, 1)),
        ({"name": " A "}, square(132, 42, 1)),
    )
    assert refusal(path) == (
        "the zones of rows 1 and 3 are both named 'A'; counts are given by name, so give each its "
        "own"
    )


@pytest.mark.parametrize(("kind", "hint"), [("brth", "'berth'"), ("rail head", "'railhead'")])
def test_an_unknown_kind_names_the_nearest(write_zones: WriteZones, kind: str, hint: str) -> None:
    message = refusal(write_zones(({"name": "A", "kind": kind}, square(130, 42, 1))))
    assert message == (
        f"zone 'A' (row 1) is of the kind '{kind}'; use berth, quay, anchorage, yard, railhead, "
        f"marina, or leave it empty (did you mean {hint}?)"
    )


def test_metres_that_say_they_are_degrees(tmp_path: Path) -> None:
    table = gpd.GeoDataFrame(
        {"name": ["A"]}, geometry=[shapely.box(500_000, 4_676_000, 500_100, 4_676_100)], crs=4326
    )
    table.to_file(tmp_path / "zones.gpkg")
    assert refusal(tmp_path / "zones.gpkg") == (
        "500100, 4.6761e+06 are no longitude and latitude, but the file says EPSG:4326; give it "
        "the CRS that its coordinates are in"
    )


# --- placing


def test_reprojected_into_pixels(write_zones: WriteZones, scene: Scene) -> None:
    corners = [(20.0, 10.0), (120.0, 10.0), (120.0, 60.0), (20.0, 60.0), (20.0, 10.0)]
    zones = read_zones(write_zones(({"name": "A"}, lonlat_of(corners))))
    (zone,) = zones_in_pixels(zones, scene)
    expected = shapely.Polygon(corners)
    assert zone.shape.symmetric_difference(expected).area < 0.05  # pixels²; a side is 100


def test_a_long_edge_stays_where_it_is(tmp_path: Path) -> None:
    """A parallel of 0.6 degrees bows by 100 m in UTM; cut at its ends it would miss the scene."""
    raster = write_raster(tmp_path / "s.tif", gradient(100, 100), transform=utm_transform(10.0))
    ring = [(128.7, 42.0), (129.3, 42.0), (129.3, 42.24), (128.7, 42.24), (128.7, 42.0)]
    zones = Zones((Zone("A", "zone", shapely.Polygon(ring)),), "EPSG:4326", "z.geojson")
    with open_scene(raster) as scene:
        (zone,) = zones_in_pixels(zones, scene)
        middle = Transformer.from_crs("EPSG:4326", UTM52, always_xy=True).transform(129.0, 42.24)
        row = scene.to_pixel(np.array([middle]))[0, 1]
    border = zone.shape.intersection(shapely.LineString([(0, -1000), (0, 1000)])).bounds[1]
    assert border == pytest.approx(row, abs=0.1)  # pixels of 10 m


def test_another_site_is_not_an_error(write_zones: WriteZones, scene: Scene) -> None:
    """UTM zone 52 is not defined at 39 E: the zone is unseen there, and the run goes on."""
    zones = read_zones(
        write_zones(
            ({"name": "Mombasa"}, square(39, 5, 1)), ({"name": "Busan"}, square(129, 35, 1))
        )
    )
    placed = zones_in_pixels(zones, scene)
    assert placed[0].shape.is_empty
    assert not placed[1].shape.is_empty
    assert placed[1].shape.distance(shapely.box(0, 0, 200, 100)) > 1e6


def test_across_the_antimeridian(tmp_path: Path) -> None:
    """A scene from 179.9 to 180.1 degrees meets zones that are written on either side."""
    path = write_raster(
        tmp_path / "fiji.tif",
        gradient(200, 100),
        crs="EPSG:4326",
        transform=Affine(0.001, 0, 179.9, 0, -0.001, -16.9),
    )
    east, west = shapely.box(179.95, -17, 180, -16.95), shapely.box(-180, -17, -179.95, -16.95)
    zones = Zones(
        (Zone("A", "zone", west), Zone("B", "zone", shapely.MultiPolygon([east, west]))),
        "EPSG:4326",
        "z",
    )
    with open_scene(path) as scene:
        a, b = zones_in_pixels(zones, scene)
    assert a.shape.bounds == pytest.approx((100, 50, 150, 100))
    assert b.shape.bounds == pytest.approx((50, 50, 150, 100))


def test_pixels_in_a_scene_without_crs(write_zones: WriteZones, tmp_path: Path) -> None:
    path = write_raster(tmp_path / "port.png", gradient(400, 400), crs=None, driver="PNG")
    zones = read_zones(write_zones(({"name": "A"}, square(0, 0, 380))))
    with open_scene(path) as scene:
        assert zones_in_pixels(zones, scene)[0].shape.bounds == (0, 0, 380, 380)


def test_only_one_of_both_has_a_crs(write_zones: WriteZones, scene: Scene, tmp_path: Path) -> None:
    pixels = read_zones(write_zones(({"name": "A"}, square(0, 0, 380)), name="px.geojson"))
    with pytest.raises(ZonesError, match=r"px\.geojson: no CRS, but .*scene\.tif has one"):
        zones_in_pixels(pixels, scene)
    degrees = read_zones(write_zones(({"name": "A"}, square(130, 42, 1))))
    path = write_raster(tmp_path / "port.png", gradient(40, 40), crs=None, driver="PNG")
    with open_scene(path) as flat:
        (zone,) = zones_in_pixels(degrees, flat)
        assert zone.shape.is_empty
        assert not placeable(degrees, flat)
        assert placeable(pixels, flat)
    assert placeable(degrees, scene)


@pytest.mark.parametrize(
    ("far", "crs"),
    [((360.0, 10.0), True), ((361.0, 10.0), False), ((10.0, 90.0), True), ((10.0, 91.0), False)],
)
def test_numbers_that_can_be_degrees_are(
    write_zones: WriteZones, far: tuple[float, float], crs: bool
) -> None:
    """GeoJSON without a word on its CRS: up to 360 and 90 it is what the standard says."""
    ring = [(0.0, 0.0), far, (far[0] / 2, 9.0), (0.0, 0.0)]
    zones = read_zones(write_zones(({"name": "A"}, ring)))
    assert (zones.crs is not None) == crs
