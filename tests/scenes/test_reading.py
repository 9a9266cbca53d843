"""Windows at a scale: values, padding, masks, stretch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from rasterio.enums import ColorInterp

from detector.geometry.windows import PixelWindow
from detector.scenes.scene import open_scene
from detector.scenes.stretch import apply_stretch, fit_stretch
from detector.scenes.types import SceneOptions, Stretch
from tests.scenes.rasters import gradient, write_raster


def test_a_window_at_full_resolution_is_the_file(tmp_path: Path) -> None:
    values = gradient(90, 70)
    with open_scene(write_raster(tmp_path / "a.tif", values)) as scene:
        pixels = scene.read(PixelWindow(13, 7, 30, 20))
    assert np.array_equal(pixels.rgb, np.moveaxis(values, 0, -1)[7:27, 13:43])
    assert pixels.valid.all()


def test_a_window_beyond_the_scene_is_padded(tmp_path: Path) -> None:
    values = gradient(40, 30)
    with open_scene(write_raster(tmp_path / "a.tif", values)) as scene:
        pixels = scene.read(PixelWindow(-10, -5, 60, 45))
    assert np.array_equal(pixels.rgb[5:35, 10:50], np.moveaxis(values, 0, -1))
    assert pixels.valid.sum() == 40 * 30
    assert pixels.rgb[~pixels.valid].sum() == 0


def test_a_window_outside_the_scene_is_empty(tmp_path: Path) -> None:
    with open_scene(write_raster(tmp_path / "a.tif", gradient(40, 30))) as scene:
        pixels = scene.read(PixelWindow(40, 0, 8, 8))
    assert not pixels.valid.any()


def test_downsampling_averages(tmp_path: Path) -> None:
    values = gradient(64, 48)
    with open_scene(write_raster(tmp_path / "a.tif", values)) as scene:
        pixels = scene.read(PixelWindow(0, 0, 64, 48), (16, 12))
    blocks = values.reshape(3, 12, 4, 16, 4).mean(axis=(2, 4))
    assert np.abs(pixels.rgb.astype(float) - np.moveaxis(blocks, 0, -1)).max() <= 0.5 + 1e-6


def test_fractional_bounds_keep_their_place(tmp_path: Path) -> None:
    # A ramp along x: the mean of a fractional window is the ramp at its middle.
    values = np.repeat(np.arange(200, dtype=np.uint8)[None, None], 3, axis=0)
    values = np.repeat(values, 50, axis=1)
    values[:, 0, :2] = 255  # fills the 8-bit range
    with open_scene(write_raster(tmp_path / "a.tif", values)) as scene:
        pixels = scene.read_bounds((40.5, 10.0, 120.5, 30.0), (20, 5))
    middle = 40.5 + (np.arange(20) + 0.5) * 4 - 0.5
    assert np.abs(pixels.rgb[2, :, 0] - middle).max() <= 0.6


def test_one_band_is_repeated(tmp_path: Path) -> None:
    values = gradient(90, 70, bands=1)
    with open_scene(write_raster(tmp_path / "a.tif", values)) as scene:
        rgb = scene.read(PixelWindow(0, 0, 90, 70)).rgb
    assert all(np.array_equal(rgb[..., band], values[0]) for band in range(3))


def test_a_palette_gives_its_colours(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    values = np.array([[[0, 1], [2, 1]]], np.uint8)
    write_raster(path, values, photometric="palette")
    with rasterio.open(path, "r+") as file:
        file.write_colormap(1, {0: (255, 0, 0, 255), 1: (0, 255, 0, 255), 2: (9, 8, 7, 255)})
        assert file.colorinterp[0] == ColorInterp.palette
    with open_scene(path) as scene:
        rgb = scene.read(PixelWindow(0, 0, 2, 2)).rgb
    assert rgb.tolist() == [[[255, 0, 0], [0, 255, 0]], [[9, 8, 7], [0, 255, 0]]]


@pytest.mark.parametrize("kind", ["nodata", "alpha", "mask", "zeros", "nan", "option"])
def test_missing_pixels_are_invalid(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.tif"
    hole = np.zeros((30, 40), bool)
    hole[4:9, 10:20] = True
    options = SceneOptions()
    if kind == "alpha":
        values = np.concatenate([gradient(40, 30), np.where(hole, 0, 255)[None].astype("uint8")])
        write_raster(path, values, photometric="rgb", alpha="yes")
    elif kind == "mask":
        write_raster(path, gradient(40, 30), mask=~hole)
    elif kind == "nan":
        values = gradient(40, 30, dtype="float32")
        values[:, hole] = np.nan
        write_raster(path, values)
    else:
        dtype = "uint16" if kind == "zeros" else "uint8"
        fill = 0 if kind == "zeros" else 253
        values = np.where(hole, fill, gradient(40, 30)).astype(dtype)
        write_raster(path, values, **({"nodata": 253} if kind == "nodata" else {}))
        if kind == "option":
            options = SceneOptions(nodata=253)
    with open_scene(path, options) as scene:
        pixels = scene.read(PixelWindow(0, 0, 40, 30))
        assert scene.info.valid_source == {"nan": "finite", "option": "nodata"}.get(kind, kind)
    assert np.array_equal(~pixels.valid, hole)
    assert pixels.rgb[hole].sum() == 0


def test_reopen_gives_the_same_pixels(tmp_path: Path) -> None:
    values = gradient(60, 60, dtype="uint16") * 40
    with open_scene(write_raster(tmp_path / "a.tif", values)) as scene, scene.reopen() as other:
        window = PixelWindow(5, 6, 40, 30)
        assert np.array_equal(scene.read(window).rgb, other.read(window).rgb)
        assert other.info is scene.info


def test_sixteen_bits_are_stretched_once_for_all_bands(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    values = rng.integers(2000, 6000, (3, 200, 200)).astype("uint16")
    values[2] //= 2  # a dark blue band stays dark: the stretch is joint
    with open_scene(write_raster(tmp_path / "a.tif", values)) as scene:
        stretch = scene.info.stretch
        rgb = scene.read(PixelWindow(0, 0, 200, 200)).rgb
    low, high = np.percentile(values, [0.5, 99.0])
    assert stretch == Stretch(pytest.approx(low), pytest.approx(high), "percentiles")
    assert rgb[..., 2].mean() < 0.6 * rgb[..., 0].mean()
    expected = np.clip(np.rint((values - low) / (high - low) * 255), 0, 255)
    assert np.abs(np.moveaxis(expected, 0, -1) - rgb).max() <= 1


def test_flat_water_stays_flat() -> None:
    water = np.random.default_rng(2).normal(3700, 15, 20_000).astype("uint16")
    stretched = apply_stretch(water, fit_stretch(water, "uint16"))
    assert stretched.std() < 3
    assert stretched.max() < 20


def test_a_filled_8_bit_scene_is_untouched_and_a_dark_one_amplified_at_most_threefold() -> None:
    filled = np.arange(256, dtype=np.uint8)
    assert apply_stretch(filled, fit_stretch(filled, "uint8")) is filled
    dark = np.tile(np.arange(10, 40, dtype=np.uint8), 50)
    stretch = fit_stretch(dark, "uint8")
    assert 255 / (stretch.high - stretch.low) == pytest.approx(3.0)
    assert apply_stretch(dark, stretch).max() == round((39 - stretch.low) * 3)


@given(
    st.lists(st.floats(-1e6, 1e6, width=32), min_size=2, max_size=50),
    st.sampled_from(["uint8", "uint16", "float32"]),
)
def test_a_stretch_never_turns_the_order_round(values: list[float], dtype: str) -> None:
    ordered = np.sort(np.array(values, np.float32))
    stretched = apply_stretch(ordered, fit_stretch(ordered, dtype)).astype(int)
    assert (np.diff(stretched) >= 0).all()
