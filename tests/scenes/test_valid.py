"""A hole is the same hole whatever marks it, at every scale."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rasterio.enums import ColorInterp, Resampling

from detector.counting.counts import measure_seen
from detector.counting.zones import Zone
from detector.geometry.windows import PixelWindow
from detector.scenes.scene import Scene, open_scene
from detector.scenes.types import SceneOptions
from tests.scenes.rasters import gradient, utm_transform, write_raster

WIDTH, HEIGHT = 60, 48
SIZES = ((60, 48), (30, 24), (23, 17), (7, 5), (75, 60))
RGBA = {"photometric": "RGB", "alpha": "YES"}
WAYS = (
    *("nodata", "option", "option-over-alpha", "zeros", "mask", "alpha", "nan", "inf", "lowest"),
    *("nodata-float", "edge"),
)


def _scene(folder: Path, way: str, hole: tuple[int, int, int, int], fill: int) -> Scene:
    """A scene with values of 1 to 251, and a hole `x0, y0, x1, y1` marked in one way."""
    inside = np.zeros((HEIGHT, WIDTH), np.bool_)
    inside[hole[1] : hole[3], hole[0] : hole[2]] = True
    values = gradient(WIDTH, HEIGHT)
    values[0, 0, 0] = values[0, -1, -1] = 251  # left as it is by the stretch
    path, more, options = folder / f"{way}.tif", dict[str, Any](), SceneOptions()
    values[:, inside] = fill
    if way in ("nodata", "option", "option-over-alpha", "edge"):
        values[:, inside] = 0
    if way == "nodata":
        more["nodata"] = 0
    elif way in ("option", "option-over-alpha"):
        options = SceneOptions(nodata=0)
        if way == "option-over-alpha":
            infrared = np.random.default_rng(1).integers(0, 9, (1, HEIGHT, WIDTH)).astype(np.uint8)
            values, more = np.concatenate([values, infrared]), RGBA
    elif way == "zeros":
        values = np.where(inside, 0, values).astype(np.uint16)
    elif way == "mask":
        more["mask"] = np.where(inside, 0, 255).astype(np.uint8)
    elif way == "alpha":
        alpha = np.where(inside, 0, 255).astype(np.uint8)[None]
        values, more = np.concatenate([values, alpha]), RGBA
    elif way in ("nan", "inf", "lowest", "nodata-float"):
        marks = {"nan": np.nan, "inf": np.inf, "lowest": -3.4e38, "nodata-float": -9999.0}
        values = np.where(inside, np.float32(marks[way]), values).astype(np.float32)
        more = {"nodata": -9999.0} if way == "nodata-float" else {}
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        return open_scene(write_raster(path, values, **more), options)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    left=st.integers(8, 40),
    top=st.integers(0, 26),
    width=st.integers(8, 20),
    height=st.integers(12, 18),
    fill=st.sampled_from([0, 7, 255]),
)
def test_a_hole_is_the_same_at_every_scale(
    tmp_path: Path, left: int, top: int, width: int, height: int, fill: int
) -> None:
    hole = (left, 0, left + width, top + height)  # at the edge, as a collar is
    inside = np.zeros((HEIGHT, WIDTH), np.bool_)
    inside[: top + height, left : left + width] = True
    whole = PixelWindow(0, 0, WIDTH, HEIGHT)
    zone = Zone("z", "zone", _box(left - 8, 0, left + width, HEIGHT))
    shown = {}
    for way in WAYS:
        with _scene(tmp_path, way, hole, fill) as scene:
            assert not scene.is_all_seen
            masks = [scene.valid_mask(whole, size) for size in SIZES]
            colours = [scene.read(whole, size) for size in SIZES]
            stretch = scene.info.stretch
            shown[way] = masks, colours, measure_seen(scene, [zone])[0].fraction, stretch
    for way, (masks, colours, fraction, stretch) in shown.items():
        assert np.array_equal(masks[0], ~inside), way
        assert fraction == pytest.approx(1 - inside[:, left - 8 : left + width].mean(), abs=0.02)
        for mask, pixels, other, size in zip(masks, colours, shown["mask"][0], SIZES, strict=True):
            assert np.array_equal(mask, other), (way, size)
            assert np.array_equal(pixels.valid, mask), (way, size)
        if stretch == shown["mask"][3]:
            for pixels, other_pixels in zip(colours, shown["mask"][1], strict=True):
                apart = np.abs(pixels.rgb.astype(int) - other_pixels.rgb).max()
                assert apart <= 1, way


def _box(x0: float, y0: float, x1: float, y1: float) -> Any:
    import shapely

    return shapely.box(x0, y0, x1, y1)


def test_what_lies_in_a_hole_enters_no_neighbour(tmp_path: Path) -> None:
    """A scene of one grey stays that grey around the hole, whatever the hole holds."""
    values = np.full((3, 64, 64), 130, np.uint8)
    values[:, 20:41, 13:50] = 0
    path = write_raster(tmp_path / "a.tif", values)
    with open_scene(path, SceneOptions(nodata=0)) as scene:
        for size in ((64, 64), (19, 23), (8, 8), (90, 90)):
            pixels = scene.read(PixelWindow(0, 0, 64, 64), size)
            assert set(np.unique(pixels.rgb[pixels.valid]).tolist()) == {130}
        shifted = scene.read_bounds((3.3, 5.7, 53.3, 55.7), (50, 50))
        assert set(np.unique(shifted.rgb[shifted.valid]).tolist()) == {130}


@pytest.mark.parametrize("kind", ["zeros", "nan", "option"])
def test_overviews_that_know_no_fill_are_not_believed(tmp_path: Path, kind: str) -> None:
    values = np.full((3, 128, 128), 130, np.float32 if kind == "nan" else np.uint16)
    rows, columns = np.mgrid[0:128, 0:128]
    fill = np.nan if kind == "nan" else 7 if kind == "option" else 0
    values[:, (rows % 8 == 1) & (columns % 8 == 1)] = fill  # one pixel of 64
    path = write_raster(tmp_path / "a.tif", values)
    with rasterio.open(path, "r+") as raster:
        raster.build_overviews([2, 4, 8], Resampling.average)
    with open_scene(path, SceneOptions(nodata=7 if kind == "option" else None)) as scene:
        pixels = scene.read(PixelWindow(0, 0, 128, 128), (16, 16))
        assert pixels.valid.all()
        assert len(np.unique(pixels.rgb)) == 1
        full = scene.valid_mask(PixelWindow(0, 0, 128, 128), (128, 128))
        assert (~full).sum() == 256


def test_near_infrared_that_is_called_alpha_hides_no_water(tmp_path: Path) -> None:
    values = gradient(WIDTH, HEIGHT, bands=4)
    values[3, :, :30] = 0  # water
    with open_scene(write_raster(tmp_path / "a.tif", values, **RGBA)) as scene:
        assert scene._dataset.colorinterp[3] == ColorInterp.alpha
        assert scene.info.valid_source == "all"
        assert scene.info.remarks[0].startswith("band 4 is called alpha but has all kinds")
        assert scene.read(PixelWindow(0, 0, WIDTH, HEIGHT)).valid.all()
        coarse = scene.read(PixelWindow(0, 0, WIDTH, HEIGHT), (12, 8))
        assert coarse.rgb[:, :5].max() > 100


@pytest.mark.parametrize("nodata", [None, 255])
def test_beyond_a_cloud_mask_clouds_are_unknown(tmp_path: Path, nodata: int | None) -> None:
    path = write_raster(tmp_path / "a.tif", gradient(40, 40))
    mask = np.zeros((1, 40, 20), np.uint8)
    mask[:, 30:] = 1
    more = {} if nodata is None else {"nodata": nodata}
    write_raster(tmp_path / "a_cloud.tif", mask, **more)
    with open_scene(path) as scene:
        seen = scene.observation(PixelWindow(0, 0, 40, 40), (40, 40))
        west = Zone("west", "zone", _box(0, 0, 18, 28))
        east = Zone("east", "zone", _box(22, 0, 40, 40))
        covered, beyond = measure_seen(scene, [west, east])
        assert (covered.fraction, covered.cloud_known) == (1.0, True)
        assert (beyond.fraction, beyond.cloud_known) == (1.0, False)
    assert seen.known.mean(axis=0).tolist() == [1.0] * 20 + [0.0] * 20
    assert not seen.seen[30:, :20].any()
    assert seen.seen[:, 20:].all()
    assert not seen.cloud_known


def test_no_data_of_a_cloud_mask_is_unknown(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", gradient(40, 40))
    mask = np.zeros((1, 40, 40), np.uint8)
    mask[:, :, 10:] = 255
    write_raster(
        tmp_path / "a_cloud.tif", mask, nodata=255, transform=utm_transform() @ Affine.identity()
    )
    with open_scene(path) as scene:
        seen = scene.observation(PixelWindow(0, 0, 40, 40), (40, 40))
    assert seen.known.mean() == 0.25
    assert seen.seen.all()


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_zero_is_white_where_the_file_says_so(tmp_path: Path, bits: int) -> None:
    """Stored 0 is the brightest, and nodata is that of the stored values."""
    white = 2**bits - 1
    stored = np.linspace(0, white, 400).round().reshape(1, 20, 20)
    stored = stored.astype("uint8" if bits == 8 else "uint16")
    more = {"NBITS": 12} if bits == 12 else {}
    path = write_raster(tmp_path / "a.tif", stored, photometric="MINISWHITE", nodata=white, **more)
    with open_scene(path) as scene:
        assert scene.info.remarks == ("its 0 is white (MinIsWhite), so it is read inverted",)
        pixels = scene.read(PixelWindow(0, 0, 20, 20))
        grey = pixels.rgb[..., 0].astype(int)
        assert pixels.valid.sum() == 399
        low, high = scene.info.stretch.low, scene.info.stretch.high
        wanted = np.clip((white - stored[0].astype(float) - low) / (high - low) * 255, 0, 255)
        assert np.abs(grey - wanted)[pixels.valid].max() <= 0.51
        assert grey[0, 0] == 255


def test_one_bit_is_black_and_white_as_it_says(tmp_path: Path) -> None:
    """GDAL gives it a palette, which knows what is white."""
    stored = (gradient(20, 20, 1) % 2).astype(np.uint8)
    for kind, of_zero in (("MINISWHITE", 255), ("MINISBLACK", 0)):
        path = write_raster(tmp_path / f"{kind}.tif", stored, photometric=kind, NBITS=1)
        with open_scene(path) as scene:
            grey = scene.read(PixelWindow(0, 0, 20, 20)).rgb[..., 0]
            assert scene.info.remarks == ()
        assert (grey == np.where(stored[0] == 0, of_zero, 255 - of_zero)).all()
