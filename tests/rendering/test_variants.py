"""Every kind of raster that the renderer writes is read back by GDAL and by `Scene`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp

from detector.errors import ConfigError
from detector.geometry.geodesy import GEOD, apply_transform, lonlat, pixel_size
from detector.geometry.windows import PixelWindow
from detector.rendering import (
    LayoutSpec,
    PlaceSpec,
    PortSpec,
    SensorSpec,
    SkySpec,
    render,
)
from detector.rendering.stream import render_to_file
from detector.rendering.write import write_scene
from detector.scenes.scene import open_scene

SMALL = PortSpec(width=300, height=260, layout=LayoutSpec(["container"], 520.0, 20.0, 0.6))
PLACES = {
    "utm": PlaceSpec("EPSG:32652", 130.3, 42.2),
    "degrees": PlaceSpec("EPSG:4326", 103.8, 1.3),
    "mercator": PlaceSpec("EPSG:3857", 4.1, 51.9),
    "utm turned": PlaceSpec("EPSG:32652", 130.3, 42.2, 25.0),
    "degrees turned": PlaceSpec("EPSG:4326", 9.97, 53.5, 25.0),  # far from the equator
    "mercator turned": PlaceSpec("EPSG:3857", 4.1, 51.9, -40.0),
}
SENSORS = {
    "rgb 8": SensorSpec(),
    "rgb 11": SensorSpec(bits=11),
    "rgb 16": SensorSpec(bits=16),
    "pan 8": SensorSpec(bands="pan"),
    "pan 11": SensorSpec(bands="pan", bits=11, nodata_fraction=0.2, strip_seam=True),
    "pan 16": SensorSpec(bands="pan", bits=16),
}


@pytest.mark.parametrize("sensor", SENSORS)
@pytest.mark.parametrize("place", PLACES)
def test_gdal_reads_what_was_rendered(place: str, sensor: str, tmp_path: Path) -> None:
    spec = replace(SMALL, place=PLACES[place], sensor=SENSORS[sensor])
    scene = render(spec, 1)
    for cog in (False, True):
        path = write_scene(scene, tmp_path / f"{cog}", cog=cog)
        with rasterio.open(path) as raster:
            assert np.array_equal(raster.read(), scene.values.transpose(2, 0, 1))
            assert raster.dtypes[0] == ("uint8" if spec.sensor.bits == 8 else "uint16")
            assert raster.crs.to_epsg() == int(spec.place.crs.split(":")[1])
            assert raster.transform.almost_equals(scene.transform, 1e-12)
            assert (raster.transform.b != 0) == (spec.place.rotation_deg != 0)
            assert raster.nodata == 0
            assert raster.tags(ns="IMAGE_STRUCTURE").get("LAYOUT") == ("COG" if cog else None)
            bands = [ColorInterp.red, ColorInterp.green, ColorInterp.blue]
            assert list(raster.colorinterp) == (bands if raster.count == 3 else [ColorInterp.gray])
            assert raster.count == (1 if spec.sensor.bands == "pan" else 3)


@pytest.mark.parametrize("place", PLACES)
def test_pixels_are_square_metres_on_the_ground_in_every_place(place: str, tmp_path: Path) -> None:
    spec = replace(SMALL, place=PLACES[place], sensor=SENSORS["pan 11"])
    rendered = render(spec, 1)
    with open_scene(write_scene(rendered, tmp_path)) as scene:
        transform, crs = scene.info.transform, scene.info.crs
        assert scene.info.gsd_m == pytest.approx(0.5, rel=1e-3)
    size = pixel_size(transform, crs, 150, 130)
    assert size is not None
    assert (size.x_m, size.y_m) == pytest.approx((0.5, 0.5), rel=1e-3)
    # along a row, down a column and down the diagonal: a skewed grid would differ there
    pixels = np.array([[0.0, 130.0], [300.0, 130.0], [150.0, 0.0], [150.0, 260.0]])
    ends = lonlat(apply_transform(transform, pixels), crs)
    corner = lonlat(apply_transform(transform, np.array([[25.0, 5.0], [275.0, 255.0]])), crs)
    for (start, end), wanted_m in (
        (ends[:2], 150.0),
        (ends[2:], 130.0),
        (corner, 125.0 * np.sqrt(2)),
    ):
        assert GEOD.inv(*start, *end)[2] == pytest.approx(wanted_m, rel=2e-3)
    blocks = [item for item in rendered.truth if item.counts]
    assert blocks
    for item in blocks:
        ring = lonlat(apply_transform(transform, item.corners), crs)
        assert GEOD.inv(*ring[0], *ring[1])[2] == pytest.approx(item.length_m, rel=0.01)


@pytest.mark.parametrize("bands", ["rgb", "pan"])
def test_11_bits_stay_below_2048_and_16_bits_do_not(bands: str) -> None:
    eleven = render(replace(SMALL, sensor=SensorSpec(bands=bands, bits=11)), 1).values
    sixteen = render(replace(SMALL, sensor=SensorSpec(bands=bands, bits=16)), 1).values
    assert eleven.dtype == sixteen.dtype == np.uint16
    assert 300 < eleven.max() < 2048 < sixteen.max()


def test_scene_takes_time_angles_and_clouds_from_the_sidecar(tmp_path: Path) -> None:
    sky = SkySpec("2026-03-04T05:06:07Z", 33.0, 140.0, cloud_fraction=0.3)
    spec = replace(SMALL, sky=sky, sensor=SensorSpec(off_nadir_deg=12.0, view_azimuth_deg=77.0))
    rendered = render(spec, 4)
    with open_scene(write_scene(rendered, tmp_path)) as scene:
        info = scene.info
        assert info.acquired == rendered.acquired
        assert (info.sun_elevation_deg, info.sun_azimuth_deg) == (33.0, 140.0)
        assert (info.off_nadir_deg, info.view_azimuth_deg) == (12.0, 77.0)
        assert info.gsd_m == pytest.approx(0.5, rel=1e-3)
        seen = scene.observation(PixelWindow(0, 0, 300, 260), (300, 260))
    assert seen.cloud_known
    assert np.array_equal(seen.seen, rendered.valid & ~rendered.cloud)


def test_a_clear_sky_is_told_by_a_mask_too(tmp_path: Path) -> None:
    with open_scene(write_scene(render(SMALL, 4), tmp_path)) as scene:
        seen = scene.observation(PixelWindow(0, 0, 300, 260), (300, 260))
        assert scene.info.cloud_source is not None
    assert seen.cloud_known
    assert seen.seen.all()


def test_a_streamed_scene_has_the_pixels_of_one_in_memory(tmp_path: Path) -> None:
    spec = replace(SMALL, width=1300, height=1100)
    streamed = render_to_file(spec, 3, tmp_path / "big.tif")
    scene = render(spec, 3)
    with rasterio.open(streamed.path) as raster:
        assert np.array_equal(raster.read(), scene.values.transpose(2, 0, 1))
    assert streamed.rendered_px == 1300 * 1100
    assert [item.object_id for item in streamed.truth] == [item.object_id for item in scene.truth]


def test_a_coast_strip_leaves_the_rest_out_of_the_file(tmp_path: Path) -> None:
    layout = LayoutSpec(["container"], 520.0, 0.0, 0.5)
    spec = replace(SMALL, width=1024, height=6144, gsd_m=1.0, layout=layout)
    told: list[int] = []
    streamed = render_to_file(
        spec, 3, tmp_path / "tall.tif", coast_strip_m=300.0, on_window=told.append
    )
    assert streamed.rendered_px == 2 * 1024 * 1024 == sum(told)
    with rasterio.open(streamed.path) as raster:
        valid = raster.read_masks(1) > 0
    assert valid[2048:4096].all()
    assert not valid[:2048].any()
    assert not valid[4096:].any()
    ships = [item for item in streamed.truth if item.class_id == 0]
    assert ships
    assert all(valid[int(item.corners[:, 1].mean())].all() for item in ships)


def test_streams_refuse_clouds(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cloud_fraction=0\.2"):
        render_to_file(replace(SMALL, sky=SkySpec(cloud_fraction=0.2)), 1, tmp_path / "x.tif")


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: PortSpec(gsd_m=20.0), r"gsd_m=20: this option needs a number from 0\.2 to 12"),
        (lambda: PortSpec(width=0), r"width=0"),
        (lambda: PortSpec(layout=LayoutSpec(["harbour"])), r"layout\.sectors=\[harbour\]"),
        (lambda: SensorSpec(bits=12), r"sensor\.bits=12"),
        (lambda: SkySpec("yesterday"), r"sky\.acquired=yesterday"),
        (lambda: SkySpec(water_rgb=[1, 2]), r"sky\.water_rgb=\[1, 2\]"),
    ],
)
def test_specs_out_of_range_are_refused_in_one_sentence(
    build: Callable[[], object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        build()
