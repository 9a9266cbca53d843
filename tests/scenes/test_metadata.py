"""Place, time, angles, clouds and names of scenes."""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest
from affine import Affine

from detector.errors import SceneError
from detector.geometry.windows import PixelWindow
from detector.scenes.dates import read_name
from detector.scenes.discover import SceneSource, said_of_all
from detector.scenes.identity import make_scene_id
from detector.scenes.scene import open_scene
from detector.scenes.types import SceneOptions, ViewAngles
from tests.scenes.rasters import UTM52, gradient, utm_transform, write_raster

LAST = "TIFFTAG_DATETIME"
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
        ("a", {}, None, None, "", "unknown"),
        ("port_2023-10-13", {}, None, None, "2023-10-13", "file name"),
        ("20231013_021530_12_ssc4_u1", {}, None, None, "2023-10-13T02:15:30Z", "file name"),
        ("S2A_20231013T021530_x", {}, None, None, "2023-10-13T02:15:30Z", "file name"),
        ("x_20231332_y", {}, None, None, "", "unknown"),
        (
            "a",
            {"": {"TIFFTAG_DATETIME": "2023:10:14 03:04:05"}},
            None,
            None,
            "2023-10-14T03:04:05Z",
            "tag:TIFFTAG_DATETIME",
        ),
        (
            "a_2023-10-13",
            {"": {"TIFFTAG_DATETIME": "2024:01:01 00:00:00"}},
            None,
            None,
            "2023-10-13",
            "file name",
        ),
        (
            "a_2023-10-13",
            {"IMAGERY": {"ACQUISITIONDATETIME": "2023-10-12 01:00:00"}},
            None,
            None,
            "2023-10-12T01:00:00Z",
            "tag:ACQUISITIONDATETIME",
        ),
        (
            "a_2023-10-13",
            {},
            "2023-10-11T10:00:00+09:00",
            None,
            "2023-10-11T01:00:00Z",
            "sidecar",
        ),
        ("a", {}, "2023-10-11", None, "2023-10-11", "sidecar"),
        ("a", {}, "2023-10-11T00:00:00Z", None, "2023-10-11", "sidecar"),
        ("a", {}, "2023-10-11T00:00:00+09:00", None, "2023-10-11", "sidecar"),
        ("a", {}, "2023-10-11T00:00:00.5Z", None, "2023-10-11T00:00:00Z", "sidecar"),
        ("a", {"": {LAST: "2023:10:14 00:00:00"}}, None, None, "2023-10-14", f"tag:{LAST}"),
        ("a", {"": {LAST: "2023:10:14"}}, None, None, "2023-10-14", f"tag:{LAST}"),
        ("a_2023-10-13", {}, None, date(2020, 1, 2), "2020-01-02", "given"),
        (
            "a_2023-10-13",
            {},
            "2023-10-11T10:00:00Z",
            datetime(2020, 1, 2, tzinfo=UTC),
            "2020-01-02T00:00:00Z",
            "given",
        ),
    ],
)
def test_time_of_acquisition(
    tmp_path: Path,
    name: str,
    tags: dict[str, dict[str, str]],
    sidecar: str | None,
    option: date | None,
    expected: str,
    source: str,
) -> None:
    path = write_raster(tmp_path / f"{name}.tif", gradient(20, 20), tags=tags)
    if sidecar is not None:
        item = {"type": "Feature", "properties": {"datetime": sidecar}}
        path.with_suffix(".json").write_text(json.dumps(item))
    with open_scene(path, SceneOptions(acquired=option)) as scene:
        assert scene.info.when.iso == expected
        assert (scene.info.acquired is None) == ("T" not in expected)
        assert scene.info.acquired_source == source


LATER_NAME = "port_2023-10-13"


@pytest.mark.parametrize(
    ("name", "sidecar", "iso", "remark"),
    [
        ("port_03-04-2026", None, "", "name: 03-04-2026 can be 3 April 2026 and 4 March 2026"),
        ("port_2026-02-30", None, "", "name: 2026-02-30 is no day of the calendar"),
        (
            "port_2026-09-02_2026-10-03",
            None,
            "",
            "name: 2026-09-02 and 2026-10-03 are different days",
        ),
        (LATER_NAME, "03/04/2026", "2023-10-13", "sidecar's 'datetime': 03/04/2026 can be 3 April"),
        (
            LATER_NAME,
            "2026-02-30",
            "2023-10-13",
            "'datetime': 2026-02-30 is no day of the calendar",
        ),
        (LATER_NAME, "last week", "2023-10-13", "'datetime': 'last week' is no date that can be"),
        (
            LATER_NAME,
            "2023-10-20T03:00:00Z",
            "2023-10-20T03:00:00Z",
            "the file's name says 13 October 2023, what belongs to it 20 October 2023",
        ),
    ],
)
def test_what_cannot_be_read_is_said(
    tmp_path: Path, name: str, sidecar: str | None, iso: str, remark: str
) -> None:
    tags = {"": {LAST: "2024:01:01 10:00:00"}}  # a name with a doubtful date is not passed over
    path = write_raster(tmp_path / f"{name}.tif", gradient(20, 20), tags=tags)
    if sidecar is not None:
        path.with_suffix(".json").write_text(json.dumps({"properties": {"datetime": sidecar}}))
    with open_scene(path) as scene:
        assert scene.info.when.iso == iso
        assert len(scene.info.acquired_remarks) == 1
        assert remark in scene.info.acquired_remarks[0]


@pytest.mark.parametrize(
    ("name", "iso"),
    [
        ("port_2026-09-02T08-15-30+0900", "2026-09-01T23:15:30Z"),
        ("port_2026-09-02T08-15-30+09", "2026-09-01T23:15:30Z"),
        ("port_2026-09-02T18-15-30-0800", "2026-09-03T02:15:30Z"),
        ("port_20260902T0815+05-30", "2026-09-02T02:45:00Z"),
        ("port_2026-09-02T08-15Z", "2026-09-02T08:15:00Z"),
        ("port_2026-09-02T08-15-30.250Z", "2026-09-02T08:15:30Z"),
        ("20260902081530", "2026-09-02T08:15:30Z"),
        ("port_2026-09-02_0815", "2026-09-02"),  # may be a number
        ("port_2026-09-02_999999", "2026-09-02"),
        ("port_2026-09-02T25-61-00", "2026-09-02"),
        ("port_2026-09-02T08-15-30-07", "2026-09-02"),  # an offset, or a number?
        ("port_2026-09-02T08-15-30+2500", "2026-09-02"),
        ("port_2026-9-2", "2026-09-02"),
        ("port_13-04-2026", "2026-04-13"),
        ("port_04-13-2026", "2026-04-13"),
        ("port_03.03.2026", "2026-03-03"),
        ("port_03-04-2026_2026-04-03", "2026-04-03"),
        ("port_2026-09-02_at_20260902T081530Z", "2026-09-02T08:15:30Z"),
        ("port_20260902T081530Z_20260902T091530Z", "2026-09-02"),
        ("S2B_MSIL2A_20230101T021349_N0204_20230102T042030", "2023-01-01T02:13:49Z"),
        ("LC08_L1TP_116035_20230901_20230907_02_T1", "2023-09-01"),
        ("tile_20269902", ""),
        ("tile_1202609021", ""),
        ("port_02Sep2026", "2026-09-02"),
        ("port_2-SEPT-2026_x", "2026-09-02"),
        ("2026-Sep-02T08-15-30+0900", "2026-09-01T23:15:30Z"),
        ("port_31Feb2026", ""),
        ("port_2026-09-02_03Sep2026", ""),
        ("23OCT13021530-P2AS-011", "2023-10-13T02:15:30Z"),
        ("IMG_PHR1A_PMS_202310130215306_ORT", "2023-10-13T02:15:30Z"),
        ("tile_202399990215306", ""),
        ("may2020", ""),
        ("room_19mar", ""),
    ],
)
def test_dates_in_names(name: str, iso: str) -> None:
    assert read_name(name).acquired.iso == iso


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


def test_what_is_overridden_is_said(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a_2023-10-13.tif", gradient(40, 40), nodata=0)
    write_raster(tmp_path / "a_2023-10-13_cloud.tif", np.zeros((1, 40, 40), np.uint8))
    given = SceneOptions(nodata=7.0, clouds="clear", acquired=date(2024, 1, 2), gsd_m=0.7)
    with open_scene(path, given) as scene:
        assert scene.info.remarks == (
            "scene.nodata=7 was taken in place of the file's 0",
            "scene.clouds=clear was taken in place of the mask a_2023-10-13_cloud.tif",
            "scene.gsd=0.7 was not used: the file is georeferenced, with 0.5 m a pixel",
        )
        assert scene.info.acquired_remarks == (
            "scene.acquired=2024-01-02 was taken, though the file name says 2023-10-13",
        )
    same = SceneOptions(acquired=datetime(2023, 10, 13, 2, tzinfo=UTC), nodata=0.0)
    with open_scene(path, same) as scene:
        assert (scene.info.remarks, scene.info.acquired_remarks) == ((), ())


def test_one_date_for_many_scenes_is_said() -> None:
    common = SceneOptions(acquired=date(2023, 10, 13))
    one, two = SceneSource("a.tif"), SceneSource("b.tif")
    told = SceneSource("c.tif", said={"acquired": date(2023, 10, 14)})
    (remark,) = said_of_all(common, [one, two, told])
    assert remark.startswith("scene.acquired=2023-10-13 was taken for 2 scenes; if their dates")
    assert said_of_all(common, [one, told]) == []
    assert said_of_all(SceneOptions(), [one, two]) == []
