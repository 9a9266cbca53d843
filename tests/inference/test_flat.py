"""Tiles that show nothing, and what of them is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from detector.geometry.boxes import corners_from_xywhr
from detector.inference.flat import cell_px, contrast, is_flat
from detector.inference.pipeline import PipelineSettings, find_objects, prepare_scene
from detector.scenes.scene import open_scene
from detector.scenes.types import ScenePixels
from tests.inference.blobs import BlobDetector, blob_scene
from tests.scenes.rasters import UTM52, utm_transform


def _sea(noise: float, seed: int = 0) -> np.ndarray:
    """Water `(256, 256, 3)` of grey level 60 with noise in every pixel."""
    values = np.random.default_rng(seed).normal(60.0, noise, (256, 256, 3))
    return np.clip(values, 0, 255).astype(np.uint8)


def test_the_contrast_is_that_of_neighbouring_cells() -> None:
    tile = np.full((64, 64, 3), 50, np.uint8)
    assert contrast(tile, 8) == 0
    tile[16:24, 16:24, 1] = 73  # one whole cell, in one band
    assert contrast(tile, 8) == 23
    tile[16:24, 16:20, 1] = 50  # half of it
    assert contrast(tile, 8) in (11, 12)
    slope = np.repeat(np.arange(64, dtype=np.uint8)[None, :, None], 64, axis=0).repeat(3, axis=2)
    assert contrast(slope, 8) == 16  # two cells of eight pixels


def test_a_cell_shows_about_as_much_ground_at_every_scale() -> None:
    assert [cell_px(gsd) for gsd in (0.1, 0.3, 0.5, 0.8, 1.5, 10.0)] == [8, 8, 5, 3, 2, 2]
    assert cell_px(None) == 2


def test_a_ship_of_three_pixels_is_seen_at_10_m() -> None:
    valid = np.ones((256, 256), np.bool_)
    ship = _sea(1.0)
    ship[100, 120:123] = 100  # 30 m by 10 m, 40 levels over the water
    assert is_flat(ScenePixels(ship, valid), 8)
    assert not is_flat(ScenePixels(ship, valid), cell_px(10.0))


@pytest.mark.parametrize("noise", [0.0, 3.0, 8.0])
def test_water_is_flat_and_a_boat_on_it_is_not(noise: float) -> None:
    valid = np.ones((256, 256), np.bool_)
    water = _sea(noise)
    assert is_flat(ScenePixels(water, valid), 8)
    boat = water.copy()
    boat[100:106, 120:134] = 120  # 14 x 6 pixels
    assert not is_flat(ScenePixels(boat, valid), 8)


def test_a_tile_with_a_hole_is_never_flat_but_one_that_leaves_the_scene_may_be() -> None:
    valid = np.ones((256, 256), np.bool_)
    valid[:, 248:] = valid[250:] = False
    water = np.where(valid[..., None], _sea(2.0), 0).astype(np.uint8)
    assert is_flat(ScenePixels(water, valid), 8)
    water[240:246, 236:248] = 130  # a boat at the border
    assert not is_flat(ScenePixels(water, valid), 8)
    assert not is_flat(ScenePixels(np.zeros_like(water), np.zeros_like(valid)), 8)
    valid = np.ones((256, 256), np.bool_)
    valid[0, 0] = False
    assert not is_flat(ScenePixels(_sea(0.0), valid), 8)


def test_skipping_changes_no_object_and_is_counted(tmp_path: Path) -> None:
    ships = corners_from_xywhr(np.array([[300.0, 300, 80, 16, 0.4], [700, 260, 90, 20, 1.9]]))
    path = blob_scene(tmp_path / "a.tif", (2000, 1600), ships, transform=utm_transform(), crs=UTM52)
    found = {}
    for skip in (False, True):
        detector, settings = BlobDetector(), PipelineSettings(skip_flat=skip)
        with open_scene(path) as scene:
            prepared = prepare_scene(scene, detector, settings)
            found[skip] = find_objects(scene, detector, settings, prepared=prepared)
        read = sum(detector.batches)
        assert read == len(prepared.plan) - found[skip].flat
    assert found[False].flat == 0
    assert found[True].flat > 0.7 * len(prepared.plan)
    assert np.array_equal(found[False].detections.corners, found[True].detections.corners)
    assert len(found[True].detections) == 2
