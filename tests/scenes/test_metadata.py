"""Place, time, angles, clouds and names of scenes."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from affine import Affine

from detector.errors import SceneError
from detector.geometry.windows import PixelWindow
from detector.scenes.identity import make_scene_id
from detector.scenes.scene import open_scene
from detector.scenes.types import SceneOptions, ViewAngles
from tests.scenes.rasters import UTM52, gradient, utm_transform, write_raster

METRES_A_DEGREE = 111_319.49  # on the equator, WGS84


def test_gsd_in_utm_knows_the_scale_factor(tmp_path: Path) -> None:
    with open_scene(write_raster(tmp_path / "a.tif", gradient(200, 200))) as scene:
        # On the central meridian a UTM metre is 1/0.9996 metres on the ground.
        assert scene.info.gsd_m == pytest.approx(0.5 / 0.9996, rel=1e-5)
        assert scene.info.gsd_source == "geodesic"


def test_gsd_in_degrees_is_measured_on_each_side(tmp_path: Path) -> None:
    step = 5e-6
    transform = Affine(step, 0, 10.0, 0, -step, 60.0)
    path = write_raster(
        tmp_path / "a.tif", gradient(200, 200), crs="EPSG:4326", transform=transform
    )
    with open_scene(path) as scene:
        size = scene.info.pixel_size
    assert size is not None
    # Radii of curvature of the ellipsoid at 60 degrees north.
    squash = 1 - 0.00669437999 * math.sin(math.radians(60)) ** 2
    east = METRES_A_DEGREE * math.cos(math.radians(60)) / math.sqrt(squash)
    north = METRES_A_DEGREE * (1 - 0.00669437999) / squash**1.5
    assert size.x_m == pytest.approx(step * east, rel=1e-4)
    assert size.y_m == pytest.approx(step * north, rel=1e-4)


def test_gsd_in_web_mercator_is_on_the_ground(tmp_path: Path) -> None:
    north_m = 8_399_737.9  # latitude 60
    path = write_raster(
        tmp_path / "a.tif",
        gradient(100, 100),
        crs="EPSG:3857",
        transform=Affine(10, 0, 0, 0, -10, north_m),
    )
    with open_scene(path) as scene:
        assert scene.info.gsd_m == pytest.approx(10 * math.cos(math.radians(60)), rel=0.005)


def test_gsd_of_a_rotated_transform(tmp_path: Path) -> None:
    transform = utm_transform(0.5) @ Affine.rotation(33)
    path = write_raster(tmp_path / "a.tif", gradient(100, 100), transform=transform)
    with open_scene(path) as scene:
        assert scene.info.gsd_m == pytest.approx(0.5 / 0.9996, rel=1e-5)
        points = np.array([[3.0, 4.0], [90.5, 17.25]])
        assert scene.to_pixel(scene.to_map(points)) == pytest.approx(points, abs=1e-6)


def test_without_a_crs_the_user_tells_the_gsd(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.png", gradient(40, 40), driver="PNG", crs=None)
    with open_scene(path) as scene:
        assert (scene.info.gsd_m, scene.info.gsd_source, scene.info.crs) == (None, "unknown", None)
    with open_scene(path, SceneOptions(gsd_m=0.3)) as scene:
        assert (scene.info.gsd_m, scene.info.gsd_source) == (0.3, "given")


@pytest.mark.parametrize(
    ("name", "tags", "sidecar", "option", "expected", "source"),
    [
        ("a", {}, None, None, None, "unknown"),
        ("port_2023-10-13", {}, None, None, "2023-10-13T00:00:00+00:00", "file name"),
        ("20231013_021530_12_ssc4_u1", {}, None, None, "2023-10-13T02:15:30+00:00", "file name"),
        ("S2A_20231013T021530_x", {}, None, None, "2023-10-13T02:15:30+00:00", "file name"),
        ("x_20231332_y", {}, None, None, None, "unknown"),
        (
            "a",
            {"": {"TIFFTAG_DATETIME": "2023:10:14 03:04:05"}},
            None,
            None,
            "2023-10-14T03:04:05+00:00",
            "tag:TIFFTAG_DATETIME",
        ),
        (
            "a_2023-10-13",
            {"": {"TIFFTAG_DATETIME": "2024:01:01 00:00:00"}},
            None,
            None,
            "2023-10-13T00:00:00+00:00",
            "file name",
        ),
        (
            "a_2023-10-13",
            {"IMAGERY": {"ACQUISITIONDATETIME": "2023-10-12 01:00:00"}},
            None,
            None,
            "2023-10-12T01:00:00+00:00",
            "tag:ACQUISITIONDATETIME",
        ),
        (
            "a_2023-10-13",
            {},
            "2023-10-11T10:00:00+09:00",
            None,
            "2023-10-11T01:00:00+00:00",
            "sidecar",
        ),
        (
            "a_2023-10-13",
            {},
            "2023-10-11T10:00:00Z",
            datetime(2020, 1, 2, tzinfo=UTC),
            "2020-01-02T00:00:00+00:00",
            "given",
        ),
    ],
)
def test_time_of_acquisition(
    tmp_path: Path,
    name: str,
    tags: dict[str, dict[str, str]],
    sidecar: str | None,
    option: datetime | None,
    expected: str | None,
    source: str,
) -> None:
    path = write_raster(tmp_path / f"{name}.tif", gradient(20, 20), tags=tags)
    if sidecar is not None:
        item = {"type": "Feature", "properties": {"datetime": sidecar}}
        path.with_suffix(".json").write_text(json.dumps(item))
    with open_scene(path, SceneOptions(acquired=option)) as scene:
        found = scene.info.acquired
        assert (found.isoformat() if found else None) == expected
        assert scene.info.acquired_source == source


def test_angles_come_from_the_sidecar_and_nonsense_is_none(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", gradient(20, 20))
    properties = {"view:sun_elevation": 41.5, "view:sun_azimuth": 160, "view:off_nadir": "high"}
    path.with_suffix(".json").write_text(json.dumps({"properties": properties}))
    with open_scene(path) as scene:
        assert scene.info.angles == ViewAngles(41.5, 160.0, None, None)


@pytest.mark.parametrize("kind", ["scl", "udm2", "mask", "coarse", "clear", "unknown", "band"])
def test_clouds_are_not_seen(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.tif"
    values = gradient(80, 60)
    cloud = np.zeros((60, 80), bool)
    cloud[10:20, 30:50] = True
    expected, known = ~cloud, True
    options = SceneOptions()
    if kind == "band":
        values = np.concatenate([values, np.where(cloud, 9, 4)[None].astype("uint8")])
        write_raster(path, values, descriptions=("red", "green", "blue", "SCL"))
    else:
        write_raster(path, values)
    if kind in ("scl", "clear", "unknown"):
        write_raster(tmp_path / "a_SCL.tif", np.where(cloud, 8, 6)[None].astype("uint8"))
    if kind == "udm2":
        bands = np.zeros((8, 60, 80), "uint8")
        bands[5] = cloud
        bands[2] = 1  # shadow does not hide
        write_raster(tmp_path / "a_udm2.tif", bands)
    if kind == "mask":
        write_raster(tmp_path / "a_cloud.tif", cloud[None].astype("uint8"))
    if kind == "coarse":  # another grid: ten times coarser, same place
        write_raster(
            tmp_path / "a_cloud.tif",
            cloud[5::10, 5::10][None].astype("uint8"),
            transform=utm_transform(5.0),
        )
    if kind in ("clear", "unknown"):
        options = SceneOptions(clouds=kind)  # type: ignore[arg-type]
        expected, known = np.ones_like(cloud), kind == "clear"
    with open_scene(path, options) as scene:
        observation = scene.observation(PixelWindow(0, 0, 80, 60), (80, 60))
        assert scene.valid_mask(PixelWindow(0, 0, 80, 60), (80, 60)).all()
    assert observation.cloud_known == known
    assert np.array_equal(observation.seen, expected)


def test_a_sidecar_cannot_point_outside_its_folder(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    path = write_raster(inner / "a.tif", gradient(20, 20))
    write_raster(tmp_path / "secret_cloud.tif", np.ones((1, 20, 20), "uint8"))
    item = {"properties": {}, "assets": {"cloud": {"href": "../secret_cloud.tif"}}}
    path.with_suffix(".json").write_text(json.dumps(item))
    with open_scene(path) as scene:
        assert scene.info.cloud_source is None


def test_bands_by_name_by_option_and_a_clear_refusal(tmp_path: Path) -> None:
    values = gradient(20, 20, bands=4, dtype="uint16") * 50
    path = write_raster(tmp_path / "a.tif", values, descriptions=("B02", "B03", "B04", "B08"))
    with open_scene(path) as scene:
        assert scene.info.bands == (3, 2, 1)
    with open_scene(path, SceneOptions(bands=(4, 2, 1))) as scene:
        assert scene.info.bands == (4, 2, 1)
    for wanted in ((5, 1, 2), (0, 1, 2), (1, 2)):
        with pytest.raises(SceneError, match=r"scene\.bands=.*4 bands"):
            open_scene(path, SceneOptions(bands=wanted))
    plain = write_raster(tmp_path / "b.tif", values, photometric="minisblack")
    with pytest.raises(SceneError, match=r"b\.tif.*scene\.bands=\[3,2,1\]"):
        open_scene(plain)


def test_the_id_is_the_same_for_the_same_content_and_another_for_another(tmp_path: Path) -> None:
    one = write_raster(tmp_path / "a.tif", gradient(90, 90))
    (tmp_path / "copy").mkdir()
    copy = tmp_path / "copy" / "a.tif"
    copy.write_bytes(one.read_bytes())
    changed = gradient(90, 90)
    changed[:, 45, 45] += 1
    other = write_raster(tmp_path / "copy" / "b.tif", changed)
    ids = []
    for path in (one, copy, other):
        with open_scene(path) as scene:
            ids.append(scene.info.scene_id.rsplit("-", 1)[1])
    assert ids[0] == ids[1] != ids[2]


@pytest.mark.parametrize("stem", ["..", "a/b", "x" * 500, "나진항" * 60, "", "a b[1]=~,(c)", "\0"])
def test_ids_are_safe_folder_names(stem: str) -> None:
    name = make_scene_id(stem, "ab" * 32)
    assert name.endswith("-abababab")
    assert len(name.encode()) <= 130
    assert not set(name) & set('/\\\0:*?"<>| []=~,()')
    assert not name.startswith(".")


def test_hangul_stays(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "나진항 2023-10-13.tif", gradient(20, 20), crs=UTM52)
    with open_scene(path) as scene:
        assert scene.info.scene_id.startswith("나진항_2023-10-13-")
