"""GeoPackage, GeoJSON and GeoParquet: what other programs read from them, to the byte."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapely
from affine import Affine
from pyproj import CRS

from detector.classes import PORT
from detector.detections import COLUMNS, Detections
from detector.errors import OutputError
from detector.export.geopackage import REVIEW_COLUMNS, write_geopackage
from detector.export.vector import (
    WGS84,
    cut_at_antimeridian,
    read_detections,
    to_wgs84,
    write_geojson,
    write_geoparquet,
)
from detector.geometry.geodesy import lonlat
from tests.counting.make import SHIP, make_detections
from tests.export import rfc7946
from tests.export.make import HOSTILE_NAMES, Made, make_result, zones_named
from tests.reviewing.made_run import edit

UTM52 = "EPSG:32652"
FIJI = {"crs": "EPSG:32760", "transform": Affine(100.0, 0, 810_500.0, 0, -100.0, 8_130_000.0)}
"""UTM zone 60 south; the antimeridian crosses the scene of 20 km."""


def write_all(folder: Path, made: Made) -> dict[str, Path]:
    paths = {kind: folder / f"detections.{kind}" for kind in ("gpkg", "geojson", "parquet")}
    write_geopackage(paths["gpkg"], made.detections, made.zones, made.record)
    if made.detections.crs is None:
        del paths["geojson"]
    else:
        write_geojson(paths["geojson"], made.detections)
    frame = made.detections.to_geodataframe()
    write_geoparquet(paths["parquet"], [frame], made.detections.crs)
    return paths


def rows_of(path: Path, query: str, *values: Any) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute(query, values).fetchall()


def assert_equal(read: Detections, written: Detections, *, map_tolerance: float = 0.0) -> None:
    assert read.scene_id == written.scene_id
    for name in ("class_ids", "scores", "corners", "length_m", "width_m", "axis_deg", "on_ship"):
        np.testing.assert_array_equal(getattr(read, name), getattr(written, name), err_msg=name)
    np.testing.assert_allclose(read.map_corners, written.map_corners, rtol=0, atol=map_tolerance)


# --- GeoPackage


def test_geopackage_reads_back_what_was_written(tmp_path: Path) -> None:
    made = make_result(tmp_path, zones=zones_named(HOSTILE_NAMES))
    path = write_all(tmp_path, made)["gpkg"]
    assert [tuple(row) for row in pyogrio.list_layers(path)] == [
        ("detections", "Polygon"),
        ("zones", "MultiPolygon"),
        ("scenes", "Polygon"),
        ("layer_styles", None),
    ]
    frame = gpd.read_file(path, layer="detections")
    assert [*frame.columns] == [*COLUMNS, *REVIEW_COLUMNS, "geometry"]
    assert frame["box"].tolist() == [f"{made.record.scene_id}#{row}" for row in range(4)]
    assert frame[["verdict", "comment"]].isna().all(axis=None)  # for a person to fill
    assert frame.crs == UTM52
    assert_equal(Detections.from_geodataframe(frame), made.detections)
    assert frame["acquired"].iloc[0].isoformat() == "2023-10-13T02:15:07.123000+00:00"
    zones = gpd.read_file(path, layer="zones")
    assert zones["name"].tolist() == list(HOSTILE_NAMES)
    assert zones["status"].tolist() == ["cloud_unknown"] * 5 + ["unobserved"] * 2
    assert zones["observed_fraction"].tolist() == pytest.approx([1] * 5 + [0, 0])
    assert zones.geometry.area.iloc[0] == pytest.approx(40 * 100 * 0.25)
    scenes = gpd.read_file(path, layer="scenes")
    assert scenes.geometry.iloc[0].bounds == (500_000, 4_676_925, 500_100, 4_677_000)
    assert scenes[["ships", "container_stacks"]].iloc[0].tolist() == [2, 1]


@pytest.mark.parametrize("crs", [UTM52, None])
def test_geopackage_is_one(tmp_path: Path, crs: str | None) -> None:
    """OGC 12-128r19: identity, required tables, references between them."""
    made = make_result(tmp_path, zones=zones_named(["A", "B"]), crs=crs)
    path = write_all(tmp_path, made)["gpkg"]
    assert rows_of(path, "PRAGMA application_id") == [(0x47504B47,)]  # "GPKG"
    assert rows_of(path, "PRAGMA user_version")[0][0] >= 10200
    assert rows_of(path, "PRAGMA integrity_check") == [("ok",)]
    assert rows_of(path, "PRAGMA foreign_key_check") == []
    tables = {name for (name,) in rows_of(path, "SELECT name FROM sqlite_master")}
    assert tables >= {"gpkg_spatial_ref_sys", "gpkg_contents", "gpkg_geometry_columns"}
    systems = {row[0] for row in rows_of(path, "SELECT srs_id FROM gpkg_spatial_ref_sys")}
    assert systems >= {-1, 0, 4326}
    layers = rows_of(path, "SELECT table_name, data_type, srs_id FROM gpkg_contents ORDER BY 1")
    srs = 32652 if crs else -1
    assert [row[:2] for row in layers] == [
        ("detections", "features"),
        ("layer_styles", "attributes"),
        ("scenes", "features"),
        ("zones", "features"),
    ]
    assert {row[2] for row in layers if row[1] == "features"} == {srs}
    geometry = rows_of(
        path,
        "SELECT table_name, column_name, geometry_type_name, srs_id, z, m "
        "FROM gpkg_geometry_columns ORDER BY 1",
    )
    assert geometry == [
        ("detections", "geom", "POLYGON", srs, 0, 0),
        ("scenes", "geom", "POLYGON", srs, 0, 0),
        ("zones", "geom", "MULTIPOLYGON", srs, 0, 0),
    ]
    for table in ("detections", "zones", "scenes"):
        (blob,) = rows_of(path, f"SELECT geom FROM {table}")[0]  # noqa: S608
        assert blob[:2] == b"GP"
        assert int.from_bytes(blob[4:8], "little", signed=True) == srs


def test_every_layer_has_a_style_that_qgis_takes(tmp_path: Path) -> None:
    path = write_all(tmp_path, make_result(tmp_path, zones=zones_named(["A"])))["gpkg"]
    styles = rows_of(
        path,
        "SELECT f_table_name, f_geometry_column, useAsDefault, styleQML FROM layer_styles ORDER "
        "BY 1",
    )
    assert [style[:3] for style in styles] == [
        ("detections", "geom", 1),
        ("scenes", "geom", 1),
        ("zones", "geom", 1),
    ]
    for *_, qml in styles:
        root = ET.fromstring(qml.partition("\n")[2])  # noqa: S314 - our own
        renderer = root.find("renderer-v2")
        assert renderer is not None
        rules, symbols = renderer.findall("rules/rule"), renderer.findall("symbols/symbol")
        assert [rule.get("symbol") for rule in rules] == [symbol.get("name") for symbol in symbols]
        colours = [
            option.get("value")
            for option in renderer.iter("Option")
            if option.get("name") == "outline_color"
        ]
        assert len(set(colours)) == len(rules)
    filters = {
        rule.get("label"): rule.get("filter")
        for rule in ET.fromstring(styles[0][3].partition("\n")[2]).iter("rule")  # noqa: S314
    }
    counted = {  # the filters are SQL as well: each row is drawn once
        label: rows_of(path, f"SELECT count(*) FROM detections WHERE {text}")[0][0]  # noqa: S608
        for label, text in filters.items()
    }
    assert counted == {
        "ship": 2,
        "container stack": 1,
        "deck cargo (not counted)": 1,
        "not seen: no observation": 0,
        "said to be false: not counted": 0,
        "said to be doubtful": 0,
    }
    edit(path, "UPDATE detections SET verdict = 'false' WHERE fid = 1")
    drawn = {
        text: rows_of(path, f"SELECT count(*) FROM detections WHERE {text}")[0][0]  # noqa: S608
        for text in filters.values()
    }
    assert {label: drawn[text] for label, text in filters.items()} == counted | {
        "ship": 1,
        "said to be false: not counted": 1,
    }
    form = ET.fromstring(styles[0][3].partition("\n")[2])  # noqa: S314 - our own
    widgets = {one.get("name"): one.find("editWidget") for one in form.iter("field")}
    assert list(widgets) == ["verdict", "class", "comment"]
    values = [one.get("value") for one in widgets["verdict"].iter("Option") if one.get("value")]
    assert values[1:] == ["real", "false", "doubtful"]
    assert {one.get("value") for one in widgets["class"].iter("Option")} >= set(PORT.names)
    for at in (1, 2):
        form = ET.fromstring(styles[at][3].partition("\n")[2])  # noqa: S314 - our own
        assert form.find("fieldConfiguration/field[@name='reviewed']") is not None


# --- GeoJSON


def test_geojson_is_rfc_7946(tmp_path: Path) -> None:
    made = make_result(tmp_path)
    document = rfc7946.check(write_all(tmp_path, made)["geojson"])
    assert len(document["features"]) == 4
    feature = document["features"][0]
    properties = feature["properties"]
    assert [*properties] == list(COLUMNS)
    assert properties["class"] == "ship"
    assert properties["acquired"].startswith("2023-10-13T02:15:07")
    assert properties["acquired"].endswith("Z")
    assert properties["on_ship"] is False
    ring = np.array(feature["geometry"]["coordinates"][0])
    expected = lonlat(made.detections.map_corners[0], UTM52)
    for corner in expected:
        assert np.abs(ring - corner).max(axis=1).min() < 1e-7  # about a centimetre


@pytest.mark.parametrize(
    "profile",
    [
        {"transform": Affine(0.5, 0, 500_000, 0, 0.5, 4_677_000)},  # south up: turns the winding
        {"transform": Affine(0.5, 0, 500_000, 0, -0.5, 4_677_000) @ Affine.rotation(33)},
        {"crs": "EPSG:4326", "transform": Affine(1e-5, 0, 130, 0, -1e-5, 42)},
        {"crs": "EPSG:3857", "transform": Affine(0.7, 0, 14_471_533, 0, -0.7, 5_160_979)},
        {"crs": "+proj=laea +lat_0=42 +lon_0=130 +ellps=GRS80"},
    ],
    ids=["south up", "rotated", "degrees", "web mercator", "no EPSG code"],
)
def test_any_frame_of_the_map(tmp_path: Path, profile: dict[str, Any]) -> None:
    made = make_result(tmp_path, zones=zones_named(["A", "B"]), **profile)
    crs = made.record.crs
    assert crs is not None
    paths = write_all(tmp_path, made)
    document = rfc7946.check(paths["geojson"])
    expected = lonlat(made.detections.map_corners, crs)
    for feature, corners in zip(document["features"], expected, strict=True):
        read = shapely.Polygon(feature["geometry"]["coordinates"][0])
        np.testing.assert_allclose(read.bounds, shapely.Polygon(corners).bounds, atol=1e-7)
    check_geoparquet(paths["parquet"], crs)
    for layer in ("detections", "zones", "scenes"):
        frame = gpd.read_file(paths["gpkg"], layer=layer)
        assert CRS(frame.crs).equals(CRS(crs), ignore_axis_order=True)
    zones = gpd.read_file(paths["gpkg"], layer="zones")
    inside = zones.geometry.iloc[0].contains(shapely.Polygon(made.detections.map_corners[0]))
    assert inside == made.zones[0].shape.contains(shapely.Polygon(made.detections.corners[0]))
    found = gpd.read_file(paths["gpkg"], layer="detections")
    assert_equal(Detections.from_geodataframe(found), made.detections)


def test_geojson_is_cut_at_the_antimeridian(tmp_path: Path) -> None:
    made = make_result(tmp_path, rows=[(SHIP, 100, 75, 190, 30, 0.0)], **FIJI)
    corners = lonlat(made.detections.map_corners[0], FIJI["crs"])
    assert corners[:, 0].min() < -179.9  # the test tests what it says
    assert corners[:, 0].max() > 179.9
    document = rfc7946.check(write_all(tmp_path, made)["geojson"])
    (feature,) = document["features"]
    assert feature["geometry"]["type"] == "MultiPolygon"
    assert len(feature["geometry"]["coordinates"]) == 2


@pytest.mark.parametrize("east", [179.9, -180.1])  # counted on beyond 180, or from -180 down
def test_a_box_across_the_antimeridian_keeps_its_two_parts(east: float) -> None:
    leaning = np.array([(0.0, 0.0), (0.3, 0.1), (0.25, 0.3), (-0.05, 0.2)]) + np.array([east, 16])
    wrapped = np.where(leaning[:, :1] > 180, leaning - (360, 0), leaning)
    parts = (
        shapely.box(-180, -90, 180, 90),
        shapely.box(180, -90, 540, 90),
        shapely.box(-540, -90, -180, 90),
    )
    whole = shapely.Polygon(leaning)
    areas = sorted(part.intersection(whole).area for part in parts)[1:]
    for corners in (leaning, wrapped):
        (cut,) = cut_at_antimeridian(np.array([shapely.Polygon(corners)], object))
        assert cut.geom_type == "MultiPolygon"
        assert sorted(part.area for part in cut.geoms) == pytest.approx(
            areas, abs=1e-8
        )  # cut to 1e-7 degrees
        assert sorted(part.bounds[0] < 0 for part in cut.geoms) == [False, True]
    for corners in (leaning - (2 * np.sign(east), 0), leaning - (np.sign(east) * 50, 0)):
        (same,) = cut_at_antimeridian(np.array([shapely.Polygon(corners)], object))
        assert shapely.get_coordinates(same)[:4].tolist() == corners.tolist()


def test_lengths_that_are_not_known_are_null(tmp_path: Path) -> None:
    found = make_detections([(SHIP, 50, 50, 40, 10, 0.2)])
    unknown = np.full(1, np.nan)
    found = Detections(
        **{
            name: getattr(found, name)
            for name in Detections.__slots__
            if name not in ("length_m", "width_m")
        },
        length_m=unknown,
        width_m=unknown,
    )
    write_geojson(tmp_path / "a.geojson", found)
    properties = rfc7946.check(tmp_path / "a.geojson")["features"][0]["properties"]
    assert properties["length_m"] is None
    assert properties["area_m2"] is None
    assert properties["length_class"] == "unknown"


# --- GeoParquet


def check_geoparquet(path: Path, crs: str | None) -> dict[str, Any]:
    """The `geo` metadata, after what GeoParquet 1.1 asks of it has been checked."""
    file = pq.ParquetFile(path)
    geo: dict[str, Any] = json.loads(file.metadata.metadata[b"geo"])
    assert geo["version"] == "1.1.0"
    assert geo["primary_column"] == "geometry"
    (column,) = geo["columns"].values()
    assert column["encoding"] == "WKB"
    assert set(column["geometry_types"]) <= {"Polygon", "MultiPolygon"}
    assert "crs" in column  # absent would mean longitude and latitude
    assert column["crs"] is None if crs is None else CRS.from_json_dict(column["crs"]) == CRS(crs)
    names = ("xmin", "ymin", "xmax", "ymax")
    assert column["covering"] == {"bbox": {name: ["bbox", name] for name in names}}
    schema = file.schema_arrow
    assert str(schema.field("geometry").type) == "binary"
    assert [field.name for field in schema.field("bbox").type] == list(names)
    table = file.read()
    boxes = table.column("bbox").to_pylist()
    kinds = set()
    for box, wkb in zip(boxes, table.column("geometry").to_pylist(), strict=True):
        if wkb is None:
            assert box is None or box["xmin"] is None
            continue
        shape = shapely.from_wkb(wkb)
        kinds.add(shape.geom_type)
        assert [box[name] for name in names] == list(shape.bounds)
    assert kinds <= set(column["geometry_types"])
    return geo


@pytest.mark.parametrize("crs", [UTM52, "EPSG:4326", "EPSG:3857", None])
def test_geoparquet_is_one_and_reads_back(tmp_path: Path, crs: str | None) -> None:
    transform = Affine(1e-5, 0, 130, 0, -1e-5, 42) if crs == "EPSG:4326" else None
    made = make_result(tmp_path, crs=crs, **({"transform": transform} if transform else {}))
    path = write_all(tmp_path, made)["parquet"]
    check_geoparquet(path, crs)
    frame = read_detections(path)
    assert [*frame.columns] == [*COLUMNS, "geometry"]
    assert frame.crs == (CRS(crs) if crs else None)
    read = Detections.from_geodataframe(frame)
    assert_equal(read, made.detections)
    assert read.acquired == made.detections.acquired


def test_many_scenes_go_to_one_file(tmp_path: Path) -> None:
    """The run's table: WGS84, in the order of the scenes, null where a scene has no CRS."""
    made = [
        make_result(tmp_path, name="a"),
        make_result(tmp_path, name="b", rows=()),
        make_result(tmp_path, name="c", crs=None),
        make_result(tmp_path, name="d", rows=[(SHIP, 100, 75, 190, 30, 0.0)], **FIJI),
    ]
    frames = [to_wgs84(one.detections.to_geodataframe()) for one in made]
    path = tmp_path / "run.parquet"
    write_geoparquet(path, iter(frames), WGS84)
    check_geoparquet(path, WGS84)
    frame = gpd.read_parquet(path)
    assert frame["scene_id"].tolist() == [
        one.record.scene_id for one in made for _ in range(len(one.detections))
    ]
    assert frame.geometry.isna().tolist() == [False] * 4 + [True] * 4 + [False]
    np.testing.assert_allclose(
        shapely.get_coordinates(frame.geometry.iloc[0])[:4],
        lonlat(made[0].detections.map_corners[0], UTM52),
        rtol=0,
        atol=1e-9,
    )
    across = frame.geometry.iloc[-1]
    assert len(across.geoms) == 2
    assert max(np.ptp(shapely.get_coordinates(part)[:, 0]) for part in across.geoms) < 1


def test_small_scenes_share_a_row_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detector.export.vector.ROW_GROUP_ROWS", 10)
    made = [make_detections([(SHIP, 50, 50, 40, 10, 0.2)] * n) for n in (0, 3, 4, 0, 5, 25, 2)]
    path = tmp_path / "run.parquet"
    write_geoparquet(path, (one.to_geodataframe() for one in made), UTM52)
    check_geoparquet(path, UTM52)
    metadata = pq.read_metadata(path)
    sizes = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
    assert sizes == [12, 25, 2]
    assert len(gpd.read_parquet(path)) == 39


# --- all of them


@pytest.mark.parametrize("crs", [UTM52, None])
def test_nothing_found_gives_whole_files(tmp_path: Path, crs: str | None) -> None:
    made = make_result(tmp_path, rows=(), crs=crs)
    paths = write_all(tmp_path, made)
    frame = gpd.read_file(paths["gpkg"], layer="detections")
    assert len(frame) == 0
    assert set(COLUMNS) <= set(frame.columns)
    assert len(gpd.read_file(paths["gpkg"], layer="zones")) == 0
    assert len(gpd.read_file(paths["gpkg"], layer="scenes")) == 1
    check_geoparquet(paths["parquet"], crs)
    read = Detections.from_geodataframe(
        read_detections(paths["parquet"]), scene_id=made.record.scene_id
    )
    assert len(read) == 0
    if crs is not None:
        assert rfc7946.check(paths["geojson"])["features"] == []


def test_pixels_of_a_scene_without_crs(tmp_path: Path) -> None:
    made = make_result(tmp_path, zones=zones_named(["A"]), crs=None)
    paths = write_all(tmp_path, made)
    for frame in (
        gpd.read_file(paths["gpkg"], layer="detections"),
        read_detections(paths["parquet"]),
    ):
        np.testing.assert_array_equal(
            shapely.get_coordinates(frame.geometry.iloc[0])[:4], made.detections.corners[0]
        )
    zones = gpd.read_file(paths["gpkg"], layer="zones")
    assert zones.geometry.iloc[0].bounds == (0, 0, 40, 100)


@pytest.mark.parametrize("rows", ["some", "none"])
def test_the_same_bytes_at_another_time(tmp_path: Path, rows: str) -> None:
    chosen: Sequence[Any] = make_result(tmp_path).zones if rows == "none" else zones_named("AB")
    made = make_result(tmp_path, zones=chosen, **({"rows": ()} if rows == "none" else {}))
    digests = []
    for number in range(2):
        (tmp_path / str(number)).mkdir()
        paths = write_all(tmp_path / str(number), made)
        digests.append(
            {kind: hashlib.sha256(path.read_bytes()).hexdigest() for kind, path in paths.items()}
        )
        time.sleep(1.1 * (1 - number))  # clocks in files count seconds
    assert digests[0] == digests[1]
    (stamp,) = set(
        rows_of(tmp_path / "0" / "detections.gpkg", "SELECT last_change FROM gpkg_contents")
    )
    assert stamp == ("2023-10-13T02:15:07.000Z",)


Write = Callable[[Path, Made], None]
WRITERS: dict[str, Write] = {
    "gpkg": lambda path, made: write_geopackage(path, made.detections, made.zones, made.record),
    "geojson": lambda path, made: write_geojson(path, made.detections),
    "parquet": lambda path, made: write_geoparquet(
        path, [made.detections.to_geodataframe()], made.detections.crs
    ),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_a_folder_that_is_gone_is_one_sentence(tmp_path: Path, kind: str) -> None:
    made = make_result(tmp_path)
    with pytest.raises(OutputError, match=r"gone/x\.\w+: cannot be written \("):
        WRITERS[kind](tmp_path / "gone" / f"x.{kind}", made)


@pytest.mark.parametrize("kind", WRITERS)
def test_a_disk_that_is_full_leaves_nothing(tmp_path: Path, kind: str) -> None:
    resource = pytest.importorskip("resource")
    made = make_result(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))  # bytes a file
    try:
        with pytest.raises(OutputError, match=r"x\.\w+: cannot be written \("):
            WRITERS[kind](tmp_path / f"x.{kind}", made)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in tmp_path.iterdir()] == ["najin.tif"]


def test_nothing_half_written_stays(tmp_path: Path) -> None:
    made = make_result(tmp_path)
    write_all(tmp_path, made)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "detections.geojson",
        "detections.gpkg",
        "detections.parquet",
        "najin.tif",
    ]
