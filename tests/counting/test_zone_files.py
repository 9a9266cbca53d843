"""Files of zones as people have them: encodings, swapped degrees, no CRS, across 180 degrees."""

from __future__ import annotations

import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine

from detector.counting.zones import read_zones, zones_in_pixels
from detector.errors import ZonesError
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


@pytest.mark.parametrize("way", ["counting on", "jumping", "cut"])
def test_across_180_degrees_however_it_is_written(tmp_path: Path, way: str) -> None:
    """The scene lies in UTM 60, its middle on the line; the zone spans 0.002 degrees of it."""
    x, y = gpd.GeoSeries([shapely.Point(180, 0.001)], crs=4326).to_crs(32660).iloc[0].coords[0]
    place = Affine(1.0, 0, x - 250, 0, -1.0, y + 200)
    path = write_raster(tmp_path / "a.tif", gradient(500, 400), crs="EPSG:32660", transform=place)
    shape = {
        "counting on": shapely.box(179.999, 0.0, 180.001, 0.002),
        "jumping": shapely.Polygon(
            [(179.999, 0), (-179.999, 0), (-179.999, 0.002), (179.999, 0.002)]
        ),
        "cut": shapely.MultiPolygon(
            [shapely.box(179.999, 0, 180, 0.002), shapely.box(-180, 0, -179.999, 0.002)]
        ),
    }[way]
    gpd.GeoDataFrame({"name": ["z"]}, geometry=[shape], crs=4326).to_file(tmp_path / "z.gpkg")
    with open_scene(path) as scene:
        (zone,) = zones_in_pixels(read_zones(tmp_path / "z.gpkg"), scene)
    low_x, _, high_x, _ = zone.shape.bounds
    assert (low_x + high_x) / 2 == pytest.approx(250, abs=1)
    assert np.isclose(high_x - low_x, 222.6, atol=1.0)
    assert zone.shape.area == pytest.approx(222.6 * 221.1, rel=0.01)
