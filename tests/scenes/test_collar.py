"""A black collar is no ground, a dark scene is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from detector.counting.counts import measure_seen_scene
from detector.geometry.windows import PixelWindow
from detector.scenes.scene import open_scene
from tests.scenes.rasters import gradient, write_raster

WIDTH, HEIGHT = 400, 300
WINDOW = PixelWindow(0, 0, WIDTH, HEIGHT)


def seen_of(path: Path) -> tuple[str, NDArray[np.bool_]]:
    with open_scene(path) as scene:
        return scene.info.valid_source, scene.observation(WINDOW, (WIDTH, HEIGHT)).seen


def turned(degrees: float) -> NDArray[np.bool_]:
    """The inside of a swath that lies askew in its frame."""
    box = cv2.boxPoints(((WIDTH / 2, HEIGHT / 2), (300, 170), degrees)).astype(np.int32)
    inside: NDArray[np.uint8] = cv2.fillPoly(np.zeros((HEIGHT, WIDTH), np.uint8), [box], 1)
    return inside.astype(bool)


@pytest.mark.parametrize("degrees", [0, 7, 33, 80])
def test_a_swath_in_a_frame_of_zeros(tmp_path: Path, degrees: float) -> None:
    inside = turned(degrees)
    source, seen = seen_of(write_raster(tmp_path / "a.tif", gradient(WIDTH, HEIGHT) * inside))
    assert source == "edge_zeros"
    assert np.array_equal(seen, inside)
    with open_scene(tmp_path / "a.tif") as scene:
        told = measure_seen_scene(scene).fraction
    assert told == pytest.approx(inside.mean(), abs=1e-9)


@pytest.mark.parametrize("edge", [np.s_[:, -100:], np.s_[:40], np.s_[-90:, :200]])
def test_a_cut_side_or_corner(tmp_path: Path, edge: Any) -> None:
    inside = np.ones((HEIGHT, WIDTH), bool)
    inside[edge] = False
    values = gradient(WIDTH, HEIGHT) * inside
    values[:, 120:140, 60:90] = 0  # a black roof in the scene is one
    inside_of_roof = inside.copy()
    source, seen = seen_of(write_raster(tmp_path / "a.tif", values))
    assert source == "edge_zeros"
    assert np.array_equal(seen, inside_of_roof)


def test_a_collar_in_a_jpeg(tmp_path: Path) -> None:
    """Compression blurs the seam by a few pixels, and nothing else."""
    inside = turned(0)
    picture = np.moveaxis(np.clip(gradient(WIDTH, HEIGHT), 60, 250) * inside, 0, -1)
    cv2.imwrite(str(tmp_path / "a.jpg"), np.ascontiguousarray(picture), [1, 95])
    source, seen = seen_of(tmp_path / "a.jpg")
    assert source == "edge_zeros"
    assert seen[inside].all()
    assert (~seen[~inside]).mean() > 0.9


def dark_noise() -> NDArray[np.uint8]:
    """A night scene: most pixels are 0 to 3 in every band."""
    return np.random.default_rng(3).integers(0, 4, (3, HEIGHT, WIDTH)).astype(np.uint8)


def black_water() -> NDArray[np.uint8]:
    """Water that is clipped to 0 behind a bent coast, with ships in it."""
    values = gradient(WIDTH, HEIGHT)
    coast = 150 + 30 * np.sin(np.arange(WIDTH) / 6) + 12 * np.sin(np.arange(WIDTH) / 1.7)
    water = np.arange(HEIGHT)[:, None] < coast
    values[:, water] = 0
    return values


def ships_at_night() -> NDArray[np.uint8]:
    values = np.zeros((3, HEIGHT, WIDTH), np.uint8)
    values[:, 170:] = 90  # a straight quay
    for at in range(40, 360, 50):
        values[:, 60:72, at : at + 30] = 120
    return values


def black_middle() -> NDArray[np.uint8]:
    values = gradient(WIDTH, HEIGHT)
    values[:, 60:200, 80:300] = 0
    return values


def one_lamp() -> NDArray[np.uint8]:
    values = np.zeros((3, HEIGHT, WIDTH), np.uint8)
    values[:, 100:130, 100:180] = 200
    return values


@pytest.mark.parametrize(
    "make",
    [dark_noise, black_water, ships_at_night, black_middle, one_lamp],
    ids=lambda f: f.__name__,
)
def test_a_dark_scene_is_valid(tmp_path: Path, make: Any) -> None:
    source, seen = seen_of(write_raster(tmp_path / "a.tif", make()))
    assert source == "all"
    assert seen.all()


@pytest.mark.real
@pytest.mark.parametrize(("name", "missing"), [("pan1", 0.0), ("pan2", 0.3234), ("pan3", 0.391)])
def test_a_third_of_a_real_scene_was_not_seen(shared_data: Path, name: str, missing: float) -> None:
    with open_scene(shared_data / "scenes" / f"rotterdam_{name}.tif") as scene:
        assert measure_seen_scene(scene).fraction == pytest.approx(1 - missing, abs=1e-3)
