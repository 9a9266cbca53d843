"""Scenes without ships, of what looks like one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from detector.data.rendered import HARD_GSD_M, HARD_SOURCE, hard_scenes
from detector.rendering.hard import BAND_GAP_M, HARD_KINDS, hard_scene

SIDE_PX = 160  # 400 m
LONGEST_BOAT_M = 16.5
ON_WATER = ("calm", "glint", "crests", "wakes", "clouds", "platforms", "planes")
BOATS = ("wakes", "marina")


@pytest.mark.parametrize("kind", HARD_KINDS)
def test_no_kind_holds_a_ship(kind: str) -> None:
    scene = hard_scene(kind, 5, SIDE_PX)
    ships = [item.length_m for item in scene.truth if item.class_id == 0]
    assert max(ships, default=0.0) <= LONGEST_BOAT_M
    assert bool(ships) == (kind in BOATS)
    assert scene.rgb.shape == (SIDE_PX, SIDE_PX, 3)
    assert (scene.water.mean() > 0.97) == (kind in ON_WATER)  # boats are no water
    if kind not in ON_WATER:
        assert 0.3 < scene.water.mean() < 0.9


def test_a_seed_gives_one_scene() -> None:
    first, again, other = (hard_scene("platforms", seed, SIDE_PX).rgb for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_what_each_kind_is_of_shows() -> None:
    calm = hard_scene("calm", 3, SIDE_PX).rgb.astype(float)
    for kind, least in (("platforms", 40), ("clouds", 60), ("planes", 60)):
        assert hard_scene(kind, 3, SIDE_PX).rgb.max() > calm.max() + least
    assert hard_scene("glint", 3, SIDE_PX).spec.sky.glint == 1.0
    assert hard_scene("crests", 3, SIDE_PX).spec.sky.wind_ms >= 13.0


def test_the_bands_see_an_aeroplane_one_after_the_other() -> None:
    rgb = hard_scene("planes", 3, 400).rgb.astype(float)
    bright = rgb > 180
    assert bright.any(axis=(0, 1)).all()
    alone = bright & (bright.sum(axis=2, keepdims=True) == 1)
    assert alone.sum() > 0.5 * bright.sum()  # the pictures lie apart, but for wings
    spots = [np.argwhere(bright[..., band]).mean(axis=0) for band in range(3)]
    assert np.hypot(*(spots[2] - spots[0])) * 2.5 <= 2 * BAND_GAP_M[1]


def test_they_are_images_without_objects(tmp_path: Path) -> None:
    images = list(hard_scenes(tmp_path, 2, 32, 7))
    assert len(images) == 2 * len(HARD_KINDS)
    assert {image.source for image in images} == {HARD_SOURCE}
    assert {image.gsd_m for image in images} == {HARD_GSD_M}
    assert len({image.place for image in images}) == len(images)
    assert sum(len(image.corners) for image in images) == 0
    written = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.tif")}
    assert len(list(hard_scenes(tmp_path, 2, 32, 7))) == len(images)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.tif")} == written
