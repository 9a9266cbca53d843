"""What counts as unseen: values that are fill, every class and band of the cloud masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from detector.geometry.windows import PixelWindow
from detector.scenes.scene import open_scene
from detector.scenes.types import SceneOptions
from tests.scenes.rasters import gradient, write_raster

WINDOW = PixelWindow(0, 0, 40, 30)


@pytest.mark.parametrize("kind", ["zeros", "nodata", "option"])
def test_fill_is_what_is_fill_in_every_band(tmp_path: Path, kind: str) -> None:
    """A shadow is 0 in one band or two, a missing pixel in all three."""
    values = gradient(40, 30, dtype="uint16")
    values[0, 5:10] = 0
    values[1:, 15:20] = 0
    values[:, 25:] = 0
    path = write_raster(tmp_path / "a.tif", values, **({"nodata": 0} if kind == "nodata" else {}))
    options = SceneOptions(nodata=0 if kind == "option" else None)
    with open_scene(path, options) as scene:
        valid = scene.read(WINDOW).valid
        assert np.array_equal(scene.valid_mask(WINDOW, (40, 30)), valid)
        assert np.array_equal(scene.observation(WINDOW, (40, 30)).seen, valid)
        assert scene.info.valid_source == ("zeros" if kind == "zeros" else "nodata")
    assert valid.all(axis=1).tolist() == [True] * 25 + [False] * 5


def test_nan_in_one_band_is_no_colour(tmp_path: Path) -> None:
    values = gradient(40, 30, dtype="float32")
    values[1, 3, 4] = np.nan
    with open_scene(write_raster(tmp_path / "a.tif", values)) as scene:
        assert np.argwhere(~scene.read(WINDOW).valid).tolist() == [[3, 4]]


def test_eight_bits_may_be_black(tmp_path: Path) -> None:
    values = gradient(40, 30)
    values[:, 5:25, 5:35] = 0
    with open_scene(write_raster(tmp_path / "a.tif", values)) as scene:
        assert scene.info.valid_source == "all"
        assert scene.read(WINDOW).valid.all()


def test_each_class_of_the_scene_classification(tmp_path: Path) -> None:
    """0 none, 1 saturated, 2 dark, 3 shadow, 4 plants, 5 soil, 6 water, 7 unclassified, 8 to 9
    clouds, 10 cirrus, 11 snow: no data, clouds and cirrus hide what is below."""
    path = write_raster(tmp_path / "a.tif", gradient(36, 30))
    classes = np.repeat(np.arange(12, dtype=np.uint8), 3)
    write_raster(tmp_path / "a_SCL.tif", np.broadcast_to(classes, (1, 30, 36)))
    with open_scene(path) as scene:
        seen = scene.observation(PixelWindow(0, 0, 36, 30), (36, 30)).seen
    hidden = sorted(set(classes[~seen.any(axis=0)].tolist()))
    assert hidden == [0, 8, 9, 10]
    assert sorted(set(classes[seen.all(axis=0)].tolist())) == [1, 2, 3, 4, 5, 6, 7, 11]


def test_each_band_of_a_usable_data_mask(tmp_path: Path) -> None:
    """1 clear, 2 snow, 3 shadow, 4 light haze, 5 heavy haze, 6 cloud, 7 confidence, 8 unusable."""
    path = write_raster(tmp_path / "a.tif", gradient(16, 30))
    bands = np.zeros((8, 30, 16), np.uint8)
    for band in range(8):
        bands[band, :, 2 * band : 2 * band + 2] = 1
    write_raster(tmp_path / "a_udm2.tif", bands)
    with open_scene(path) as scene:
        seen = scene.observation(PixelWindow(0, 0, 16, 30), (16, 30)).seen
    assert (np.flatnonzero(~seen.all(axis=0)[::2]) + 1).tolist() == [5, 6]


def test_any_value_of_a_plain_mask_is_cloud(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", gradient(16, 30))
    mask = np.broadcast_to(np.repeat(np.array([0, 1, 128, 255], np.uint8), 4), (1, 30, 16))
    write_raster(tmp_path / "a_clouds.tif", mask)
    with open_scene(path) as scene:
        seen = scene.observation(PixelWindow(0, 0, 16, 30), (16, 30)).seen
    assert seen.all(axis=0).tolist() == [True] * 4 + [False] * 12
    assert not seen[:, 4:].any()
