"""Metadata, names, bands and the stretch at their limits, one by one."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import rasterio

from detector.errors import SceneError
from detector.geometry.windows import PixelWindow
from detector.scenes.dates import read_name
from detector.scenes.identity import content_hash, make_scene_id, scene_stem
from detector.scenes.scene import open_scene
from detector.scenes.stretch import apply_stretch, fit_stretch
from detector.scenes.types import SceneOptions, Stretch, ViewAngles
from detector.times import parse_time
from tests.scenes.rasters import gradient, utm_transform, write_raster

# Angles and times -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "name", "limit"),
    [
        ("view:sun_elevation", "sun_elevation_deg", 90.0),
        ("view:sun_azimuth", "sun_azimuth_deg", 360.0),
        ("view:off_nadir", "off_nadir_deg", 90.0),
        ("view:azimuth", "view_azimuth_deg", 360.0),
        ("sun_elevation", "sun_elevation_deg", 90.0),
        ("sun_azimuth", "sun_azimuth_deg", 360.0),
        ("view_angle", "off_nadir_deg", 90.0),
        ("satellite_azimuth", "view_azimuth_deg", 360.0),
    ],
)
def test_angles_up_to_their_limit(tmp_path: Path, key: str, name: str, limit: float) -> None:
    path = write_raster(tmp_path / "a.tif", gradient(20, 20))
    for value in (limit, -limit, limit + 0.01, -limit - 0.01):
        path.with_suffix(".json").write_text(json.dumps({"properties": {key: value}}))
        with open_scene(path) as scene:
            found = getattr(scene.info, name)
        assert found == (value if abs(value) <= limit else None)


def test_angles_of_a_vendors_tags_come_after_the_sidecar(tmp_path: Path) -> None:
    tags = {
        "IMD": {
            "IMAGE_1.meanSunEl": "38.2",
            "IMAGE_1.meanSunAz": "151.5",
            "IMAGE_1.meanOffNadirViewAngle": "12.5",
            "IMAGE_1.meanSatAz": "271.0",
        }
    }
    path = write_raster(tmp_path / "a.tif", gradient(20, 20), tags=tags)
    with open_scene(path) as scene:
        assert scene.info.angles == ViewAngles(38.2, 151.5, 12.5, 271.0)
    path.with_suffix(".json").write_text(json.dumps({"properties": {"view:off_nadir": 3}}))
    with open_scene(path) as scene:
        assert scene.info.angles == ViewAngles(38.2, 151.5, 3.0, 271.0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2023:10:13 02:15:30", datetime(2023, 10, 13, 2, 15, 30, tzinfo=UTC)),
        ("2023-10-13 02:15:30", datetime(2023, 10, 13, 2, 15, 30, tzinfo=UTC)),
        ("20231013021530", datetime(2023, 10, 13, 2, 15, 30, tzinfo=UTC)),
        ("2023-10-13T02:15:30.25Z", datetime(2023, 10, 13, 2, 15, 30, 250_000, tzinfo=UTC)),
        ("2023-10-13T02:15:30+09:00", datetime(2023, 10, 12, 17, 15, 30, tzinfo=UTC)),
        (" 2023-10-13 ", datetime(2023, 10, 13, tzinfo=UTC)),
        (datetime(2023, 10, 13, 2), datetime(2023, 10, 13, 2, tzinfo=UTC)),
        ("", None),
        ("soon", None),
        (20231013, None),
        (None, None),
    ],
)
def test_times_in_every_notation(text: object, expected: datetime | None) -> None:
    assert parse_time(text) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("20231013_021530", "2023-10-13T02:15:30Z"),
        ("x_2023-10-13T235959Z", "2023-10-13T23:59:59Z"),
        ("2023.12.31", "2023-12-31"),
        ("1999_01_01", "1999-01-01"),
        ("20230230_20230301", "2023-03-01"),  # no 30 February: the next one
        ("20231301", ""),
        ("20231032", ""),
        ("120231013", ""),
        ("202310131", ""),
        ("2023-10.13", ""),
    ],
)
def test_dates_in_names(name: str, expected: str) -> None:
    assert read_name(name).acquired.iso == expected


@pytest.mark.parametrize("sidecar", ["a.json", "a_metadata.json", "a.tif.json"])
def test_names_of_sidecars(tmp_path: Path, sidecar: str) -> None:
    path = write_raster(tmp_path / "a.tif", gradient(20, 20))
    (tmp_path / "a.json").write_text("[1, 2]")  # not an item: passed over
    (tmp_path / sidecar).write_text(json.dumps({"properties": {"view:off_nadir": 7}}))
    with open_scene(path) as scene:
        assert scene.info.off_nadir_deg == 7.0


# Names ------------------------------------------------------------------------------------------


def test_stems_and_ids() -> None:
    assert scene_stem("/vsicurl/https://x.org/port.tif?token=a.b") == "port"
    assert scene_stem("C:\\scenes\\a b.tif") == "a b"
    assert scene_stem("/") == "scene"
    assert make_scene_id("a" * 130, "0123456789") == "a" * 120 + "-01234567"
    assert make_scene_id("a  b---", "0123456789") == "a_b-01234567"
    assert make_scene_id("...", "0123456789") == "scene-01234567"


def test_the_hash_knows_size_place_type_and_five_blocks(tmp_path: Path) -> None:
    values = gradient(400, 300)

    def of(pixels: np.ndarray, **profile: object) -> str:
        path = write_raster(tmp_path / "a.tif", pixels, **profile)
        with rasterio.open(path) as dataset:
            return content_hash(dataset)

    one = of(values)
    assert one == of(values.copy())
    assert one != of(values, transform=utm_transform(0.25))
    assert one != of(values.astype("uint16"))
    assert one != of(values[:, :, :-1])
    assert one != of(values[[0, 1, 2, 2]])
    # Blocks of 64 px at a fifth, the half and four fifths of what is left of 400 and 300.
    for x, y in ((168, 118), (67, 47), (268, 47), (67, 188), (268, 188)):
        for dx, dy in ((0, 0), (63, 63)):
            changed = values.copy()
            changed[0, y + dy, x + dx] += 1
            assert of(changed) != one, (x, y, dx, dy)
        changed = values.copy()
        changed[0, y - 1, x - 1] += 1
        assert of(changed) == one, (x, y)


# Bands and clouds -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "bands"),
    [
        (("blue", "green", "red", "nir"), (3, 2, 1)),
        (("B2", "B3", "B4", "B8"), (3, 2, 1)),
        (("b02", "b03", "b04", "b08"), (3, 2, 1)),
        (("nir", "Red", " Green ", "Blue"), (2, 3, 4)),
    ],
)
def test_bands_by_their_names(
    tmp_path: Path, names: tuple[str, ...], bands: tuple[int, ...]
) -> None:
    values = gradient(20, 20, bands=4, dtype="uint16") * 50
    path = write_raster(tmp_path / "a.tif", values, descriptions=names)
    with open_scene(path) as scene:
        assert scene.info.bands == bands


@pytest.mark.parametrize(("count", "bands"), [(1, (1,)), (2, (1,)), (3, (1, 2, 3))])
def test_few_bands_without_names(tmp_path: Path, count: int, bands: tuple[int, ...]) -> None:
    values = gradient(20, 20, bands=count, dtype="uint16") * 50
    path = write_raster(tmp_path / "a.tif", values, photometric="minisblack")
    with open_scene(path) as scene:
        assert scene.info.bands == bands


@pytest.mark.parametrize(
    ("name", "hides"),
    [
        ("a_SCL.tif", [False, True, True, False]),
        ("a_scl.tif", [False, True, True, False]),
        ("a_cloud.tif", [True, True, True, False]),
        ("a_clouds.tif", [True, True, True, False]),
        ("a_cloudmask.tif", [True, True, True, False]),
        ("b_cloud.tif", [False] * 4),
        ("a_mask.tif", [False] * 4),
    ],
)
def test_cloud_masks_by_their_names(tmp_path: Path, name: str, hides: list[bool]) -> None:
    path = write_raster(tmp_path / "a.tif", gradient(16, 30))
    mask = np.broadcast_to(np.repeat(np.array([4, 8, 9, 0], np.uint8), 4), (1, 30, 16)).copy()
    if "scl" in name.lower():
        mask[..., 12:] = 5
    write_raster(tmp_path / name, mask)
    with open_scene(path) as scene:
        window = PixelWindow(0, 0, 16, 30)
        seen = scene.observation(window, (16, 30))
    assert (~seen.seen).all(axis=0)[::4].tolist() == hides
    assert seen.cloud_known == any(hides)


def test_planets_names_and_assets_of_an_item(tmp_path: Path) -> None:
    scene_path = write_raster(tmp_path / "x_3B_AnalyticMS_SR.tif", gradient(16, 30))
    bands = np.zeros((8, 30, 16), np.uint8)
    bands[5, :, 8:] = 1
    write_raster(tmp_path / "x_3B_udm2.tif", bands)
    with open_scene(scene_path) as scene:
        assert scene.info.cloud_source == str(tmp_path / "x_3B_udm2.tif")
    other = write_raster(tmp_path / "y.tif", gradient(16, 30))
    write_raster(tmp_path / "far_away.tif", np.ones((1, 30, 16), np.uint8))
    item = {"properties": {}, "assets": {"cloud": {"href": "./far_away.tif"}, "x": {"href": "y"}}}
    other.with_suffix(".json").write_text(json.dumps(item))
    with open_scene(other) as scene:
        assert scene.info.cloud_source == str(tmp_path / "far_away.tif")
        assert not scene.observation(PixelWindow(0, 0, 16, 30), (16, 30)).seen.any()


@pytest.mark.parametrize(("bands", "readable"), [(6, True), (5, False)])
def test_a_usable_data_mask_has_six_bands_at_least(
    tmp_path: Path, bands: int, readable: bool
) -> None:
    path = write_raster(tmp_path / "a.tif", gradient(16, 30))
    write_raster(tmp_path / "a_udm2.tif", np.zeros((bands, 30, 16), np.uint8))
    if not readable:
        with pytest.raises(SceneError, match=f"has {bands} bands, a UDM2 mask has 8"):
            open_scene(path)
        return
    with open_scene(path) as scene:
        assert scene.observation(PixelWindow(0, 0, 16, 30), (16, 30)).seen.all()


def test_a_mask_without_a_place_is_laid_over_its_scene(tmp_path: Path) -> None:
    """No CRS: a mask of half the size has the same extent."""
    path = write_raster(tmp_path / "a.png", gradient(40, 20), driver="PNG", crs=None)
    mask = np.zeros((1, 10, 20), np.uint8)
    mask[0, 2:4, 5:9] = 1
    write_raster(tmp_path / "a_cloud.tif", mask, crs=None)
    with open_scene(path) as scene:
        seen = scene.observation(PixelWindow(0, 0, 40, 20), (40, 20)).seen
    expected = np.ones((20, 40), bool)
    expected[4:8, 10:18] = False
    assert np.array_equal(seen, expected)


# Stretch ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("high", "source"), [(109, "percentiles"), (110, "as_is"), (255, "as_is")])
def test_a_bright_end_of_110_fills_eight_bits(high: int, source: str) -> None:
    assert fit_stretch(np.array([0] * 50 + [high] * 50), "uint8").source == source


def test_a_dark_scene_is_brightened_where_that_is_asked() -> None:
    # Twelve of 1000 are bright, so the end is filled; the mean is 31.
    dark = np.array([20] * 500 + [40] * 488 + [150] * 12, np.uint8)
    assert fit_stretch(dark, "uint8") == Stretch(0.0, 255.0, "as_is")
    brightened = fit_stretch(dark, "uint8", brighten_dark=True)
    assert brightened == Stretch(20.0, 150.0, "percentiles")
    deep = np.array([10] * 900 + [120] * 100, np.uint8)
    twice = fit_stretch(deep, "uint8", brighten_dark=True)
    assert (twice.low, twice.high) == (10.0, 137.5)  # at most twofold


@pytest.mark.parametrize("level", [60, 61, 128, 250])
def test_a_bright_scene_stays_as_it_is_byte_by_byte(level: int) -> None:
    values = np.random.default_rng(level).permutation(
        np.array([max(0, level - 60), min(255, level + 60)] * 5000, np.uint8)
    )
    assert values.mean() >= 60
    stretch = fit_stretch(values, "uint8", brighten_dark=True)
    assert stretch == fit_stretch(values, "uint8") == Stretch(0.0, 255.0, "as_is")
    assert apply_stretch(values, stretch).tobytes() == values.tobytes()
    deep = values.astype(np.uint16) + 1
    assert fit_stretch(deep, "uint16", brighten_dark=True) == fit_stretch(deep, "uint16")


def test_a_stretch_by_hand() -> None:
    values = np.arange(1000.0, 2001.0)
    assert fit_stretch(values, "uint16") == Stretch(1005.0, 1990.0, "percentiles")
    # At least half of the low value, at most threefold in 8 bits.
    flat = fit_stretch(np.array([4000.0, 4010.0]), "uint16")
    assert flat.high - flat.low == pytest.approx(0.5 * flat.low)
    dark = fit_stretch(np.array([10.0, 20.0]), "uint8")
    assert dark.high - dark.low == 85.0
    negative = fit_stretch(np.array([-4000.0, -3990.0]), "float32")
    assert negative.high - negative.low == pytest.approx(0.5 * -negative.low)
    ends = apply_stretch(
        np.array([1005.0, 1600.0, 1990.0, 0.0, 9e9]), Stretch(1005, 1990, "percentiles")
    )
    assert ends.tolist() == [0, 154, 255, 0, 255]
    strange = np.array([np.nan, np.inf, -np.inf])
    assert apply_stretch(strange, Stretch(0, 1, "percentiles")).tolist() == [0, 255, 0]
    with pytest.raises(SceneError, match="no finite values"):
        fit_stretch(strange, "float32")
    assert fit_stretch(np.zeros(9), "float32").high > 0


# Windows ----------------------------------------------------------------------------------------


def test_parts_of_windows_beyond_the_scene_are_lost_by_whole_pixels(tmp_path: Path) -> None:
    """Reduced by four: 38 of 40 columns are inside, so nine whole output pixels are."""
    with open_scene(write_raster(tmp_path / "a.tif", gradient(40, 30))) as scene:
        pixels = scene.read_bounds((2.0, 0.0, 42.0, 40.0), (10, 10))
        assert pixels.valid.any(axis=0).tolist() == [True] * 9 + [False]
        assert pixels.valid.any(axis=1).tolist() == [True] * 7 + [False] * 3
        left = scene.read_bounds((-6.0, -2.0, 34.0, 38.0), (10, 10)).valid
        assert left.any(axis=0).tolist() == [False] * 2 + [True] * 8
        assert left.any(axis=1).tolist() == [False] + [True] * 7 + [False] * 2
        for beside in ((40, 0, 50, 10), (-10, 0, 0, 10), (0, 30, 10, 40), (0, -10, 10, 0)):
            assert not scene.read_bounds(beside, (5, 5)).valid.any()


def test_what_the_user_says_goes_before_what_is_found(tmp_path: Path) -> None:
    moment = datetime(2020, 2, 3, tzinfo=UTC)
    path = write_raster(tmp_path / "a_2023-10-13.tif", gradient(20, 20))
    with open_scene(path, SceneOptions(acquired=moment, gsd_m=9.0, clouds="clear")) as scene:
        assert (scene.info.acquired, scene.info.acquired_source) == (moment, "given")
        assert scene.info.gsd_source == "geodesic"  # the file knows better
        assert scene.info.gsd_m == pytest.approx(0.5, rel=1e-3)
        assert scene.info.cloud_source == "user"


@pytest.mark.parametrize("size", [(20, 40), (40, 20), (20, 20)])
def test_a_side_that_is_reduced_is_averaged(tmp_path: Path, size: tuple[int, int]) -> None:
    values = np.random.default_rng(0).integers(1, 256, (3, 40, 40)).astype(np.uint8)
    with open_scene(write_raster(tmp_path / "a.tif", values)) as scene:
        rgb = scene.read(PixelWindow(0, 0, 40, 40), size).rgb
    wide, high = 40 // size[0], 40 // size[1]
    means = values.reshape(3, size[1], high, size[0], wide).mean(axis=(2, 4))
    assert np.abs(np.moveaxis(rgb, -1, 0) - means).max() <= 0.5 + 1e-6
