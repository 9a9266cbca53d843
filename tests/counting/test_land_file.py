"""Files of land: any polygons, whatever their columns, and nothing that leads elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
from shapely.geometry import LineString, Point, Polygon, box

from detector.counting.zones import OTHER_KIND, read_land
from detector.errors import ZonesError
from tests.scenes.rasters import UTM52


def write(path: Path, shapes: list[Any], **columns: Any) -> Path:
    gpd.GeoDataFrame(columns, geometry=shapes, crs=UTM52).to_file(path)
    return path


@pytest.mark.parametrize("ending", [".geojson", ".gpkg", ".shp", ".fgb"])
def test_columns_do_not_matter(tmp_path: Path, ending: str) -> None:
    """As OSM writes them: many of one name, kinds that no zone has."""
    shapes = [box(0, 0, 500, 500), box(600, 0, 900, 500)]
    path = write(tmp_path / f"land{ending}", shapes, name=["Korea"] * 2, kind=["island"] * 2)
    land = read_land(path)
    assert [zone.kind for zone in land.zones] == [OTHER_KIND] * 2
    assert sum(zone.shape.area for zone in land.zones) == pytest.approx(400_000)
    assert land.crs == UTM52


def test_a_closed_coastline_is_what_it_encloses(tmp_path: Path) -> None:
    ring = LineString([(0, 0), (100, 0), (100, 100), (0, 100), (0, 0)])
    land = read_land(write(tmp_path / "a.geojson", [ring, Point(5, 5)]))
    assert [zone.shape.area for zone in land.zones] == [pytest.approx(10_000)]
    assert len(land.warnings) == 2  # the line was closed, the point left out
    assert "land of row 2" in land.warnings[1]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("open.geojson", [LineString([(0, 0), (100, 0), (100, 100)])], "draw it as a polygon"),
        ("bow.geojson", [Polygon()], "land of row 1 has no geometry"),
        ("remote.geojson", {"type": "FeatureCollection", "features": [], "crs": {
            "type": "link", "properties": {"href": "http://example.org/crs"}}}, "leads elsewhere"),
        ("service.xml", "<OGRWFSDataSource><URL>http://example.org</URL></OGRWFSDataSource>",
         "neither KML, GPX nor GML"),
        ("empty.geojson", {"type": "FeatureCollection", "features": []}, "holds no land"),
        ("text.txt", "land", "not a vector file"),
    ],
)  # fmt: skip
def test_what_is_no_land_is_refused(tmp_path: Path, name: str, content: Any, says: str) -> None:
    path = tmp_path / name
    if isinstance(content, list):
        write(path, content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(ZonesError, match=says) as told:
        read_land(path)
    assert str(path) in str(told.value)


def test_a_file_that_is_not_there_and_too_much_of_it(tmp_path: Path) -> None:
    with pytest.raises(ZonesError, match=r"no\.gpkg: no such file of land"):
        read_land(tmp_path / "no.gpkg")
    angle = np.linspace(0, 2 * np.pi, 2_000_002)
    many = Polygon(np.stack([1e5 * np.cos(angle), 1e5 * np.sin(angle)], axis=1))
    path = write(tmp_path / "large.fgb", [many])
    with pytest.raises(ZonesError, match="corners, at most"):
        read_land(path)
