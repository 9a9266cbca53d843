"""`on_grid` against brute force: every cell projected by itself, colours by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from numpy.typing import NDArray
from pyproj import Transformer

from detector.errors import SceneError
from detector.geometry.windows import PixelWindow
from detector.rendering import LayoutSpec, PlaceSpec, PortSpec, render
from detector.rendering.write import write_scene
from detector.scenes import grid as grid_module
from detector.scenes.grid import Grid, GridPixels, first_on_top, on_grid
from detector.scenes.scene import Scene, open_scene
from detector.scenes.types import SceneOptions
from tests.scenes.rasters import gradient, utm_transform, write_raster

LOCAL = "+proj=aeqd +lat_0=42.23 +lon_0=130.3 +datum=WGS84 +units=m"
CRSS = ("EPSG:4326", "EPSG:3857", "EPSG:32652")
POSITION_PX = 0.04  # of OpenCV's fixed point (1/32), the node grid and rounding together


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One rendered port of 300 m x 240 m in each CRS."""
    out = tmp_path_factory.mktemp("scenes")
    layout = LayoutSpec(["container"], 520.0, 20.0, 0.6)
    for crs in CRSS:
        place = PlaceSpec(crs=crs, longitude_deg=130.3, latitude_deg=42.23, rotation_deg=3.0)
        spec = PortSpec(width=600, height=480, gsd_m=0.5, place=place, layout=layout)
        write_scene(render(spec, 3), out / f"{crs[5:]}.tif")
    return out


@pytest.fixture(params=CRSS)
def scene(request: pytest.FixtureRequest, folder: Path) -> Iterator[Scene]:
    with open_scene(folder / f"{request.param[5:]}.tif") as opened:
        yield opened


def brute_pixels(info: Any, grid: Grid) -> NDArray[np.float64]:
    """Pixels `(h, w, 2)` under the cells' centres, each projected by itself."""
    v, u = np.mgrid[0 : grid.height, 0 : grid.width] + 0.5
    a, b, c, d, e, f = tuple(grid.transform)[:6]
    to_scene = Transformer.from_crs(grid.crs, info.crs, always_xy=True)
    x, y = to_scene.transform(a * u + b * v + c, d * u + e * v + f)
    a, b, c, d, e, f = tuple(~info.transform)[:6]
    return np.stack([a * x + b * y + c, d * x + e * y + f], axis=-1)


def brute_linear(
    values: NDArray[np.uint8], pixels: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Colours `(h, w, 3)` between the four pixels around, 0 outside, and how far these differ."""
    padded = np.pad(values.astype(float), ((2, 2), (2, 2), (0, 0)))
    height, width = padded.shape[:2]
    x = np.clip(pixels[..., 0] + 2 - 0.5, 0, width - 2)
    y = np.clip(pixels[..., 1] + 2 - 0.5, 0, height - 2)
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    right, down = (x - left)[..., None], (y - top)[..., None]
    four = np.stack([padded[top + i, left + j] for i in (0, 1) for j in (0, 1)])
    upper = four[0] * (1 - right) + four[1] * right
    lower = four[2] * (1 - right) + four[3] * right
    return upper * (1 - down) + lower * down, four.max(axis=0) - four.min(axis=0)


def raster_values(scene: Scene) -> NDArray[np.uint8]:
    with rasterio.open(scene.info.path) as file:
        return np.moveaxis(file.read(), 0, -1)


@pytest.mark.parametrize("turn", [0.0, 33.0])
def test_colours_and_masks_are_those_of_every_cell_by_itself(scene: Scene, turn: float) -> None:
    place = Affine.translation(-100.0, 70.0) * Affine.rotation(turn) * Affine.scale(0.7, -0.7)
    grid = Grid(place, 260, 190, LOCAL)
    laid = on_grid(scene, grid)
    pixels = brute_pixels(scene.info, grid)
    wanted, contrast = brute_linear(raster_values(scene), pixels)
    error = np.abs(laid.rgb - wanted)
    assert (error <= 1.0 + 2 * POSITION_PX * contrast).all()
    assert error.mean() < 0.5
    assert laid.rgb.std() > 20  # there is something to see
    inside = ((pixels >= 0) & (pixels < (600, 480))).all(axis=-1)
    clear = np.abs(pixels - np.rint(pixels)).min(axis=-1) > POSITION_PX
    assert np.array_equal(laid.valid[clear], inside[clear])
    assert np.array_equal(laid.seen, laid.valid)


def test_nearest_takes_the_pixel_under_the_centre_of_a_cell(scene: Scene) -> None:
    grid = Grid.around((-60.0, -50.0, 60.0, 50.0), 240, 0.5, LOCAL)
    laid = on_grid(scene, grid, "nearest")
    pixels = brute_pixels(scene.info, grid)
    under = np.floor(pixels).astype(int)
    clear = np.abs(pixels - np.rint(pixels)).min(axis=-1) > POSITION_PX
    exact = raster_values(scene)[under[..., 1], under[..., 0]]
    assert np.array_equal(laid.rgb[clear], exact[clear])
    assert clear.mean() > 0.8


def test_cells_beyond_the_scene_are_black_and_not_seen(scene: Scene) -> None:
    grid = Grid.around((-300.0, -300.0, 300.0, 300.0), 300, 0.5, LOCAL)
    laid = on_grid(scene, grid)
    assert laid.valid.mean() == pytest.approx(300 * 240 / 600**2, abs=0.01)
    pixels = brute_pixels(scene.info, grid)
    far = ((pixels < -2) | (pixels > (602, 482))).any(axis=-1)
    assert far.mean() > 0.7
    assert not laid.valid[far].any()
    assert not laid.rgb[far].any()
    away = on_grid(scene, grid.moved(5000.0, 0.0))
    assert not away.valid.any()
    assert not away.rgb.any()


def test_moving_the_grid_moves_what_it_shows(scene: Scene) -> None:
    grid = Grid.around((-60.0, -50.0, 60.0, 50.0), 240, 0.5, LOCAL)
    here, moved = on_grid(scene, grid), on_grid(scene, grid.moved(5.0, -10.0))
    # 5 m east are 10 cells, 10 m south are 20
    difference = here.rgb[20:, 10:].astype(int) - moved.rgb[:-20, :-10]
    assert np.abs(difference).mean() < 1.0


def test_a_coarse_grid_is_averaged_and_its_read_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = np.random.default_rng(1).integers(1, 256, (3, 1600, 1600)).astype(np.uint8)
    sizes: list[tuple[int, int]] = []
    with open_scene(write_raster(tmp_path / "noise.tif", values)) as scene:
        read = scene.read
        monkeypatch.setattr(scene, "read", lambda w, size: sizes.append(size) or read(w, size))
        grid = Grid(utm_transform() * Affine.scale(16.0), 100, 100, "EPSG:32652")
        laid = on_grid(scene, grid)
    assert max(sizes[0]) <= 2 * 100 + 2
    # a cell is made of averages of 8 x 8 pixels, four of them: noise of 74 becomes 74 / 16
    assert laid.rgb[2:-2, 2:-2].std() == pytest.approx(values.std() / 16, rel=0.1)
    assert laid.rgb[2:-2, 2:-2].mean() == pytest.approx(values.mean(), abs=0.6)


def test_blocks_of_a_large_grid_make_the_same_picture(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid = Grid.around((-120.0, -90.0, 120.0, 90.0), 400, 0.5, LOCAL)
    whole = on_grid(scene, grid)
    monkeypatch.setattr(grid_module, "BLOCK_CELLS", 128)
    parts = on_grid(scene, grid)
    _, contrast = brute_linear(raster_values(scene), brute_pixels(scene.info, grid))
    assert (np.abs(whole.rgb.astype(int) - parts.rgb) <= 1 + 2 * POSITION_PX * contrast).all()
    assert (whole.valid == parts.valid).mean() > 0.999


def test_without_crs_the_grid_lies_in_the_pixels_of_the_file(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "plain.tif", gradient(90, 70), crs=None)
    with open_scene(path) as scene:
        laid = on_grid(scene, Grid(Affine.translation(10, 20), 40, 30, None))
        assert np.array_equal(laid.rgb, scene.read(PixelWindow(10, 20, 40, 30)).rgb)
        assert laid.seen.all()
        with pytest.raises(SceneError, match=r"plain\.tif: has no CRS.*georeference it"):
            on_grid(scene, Grid(Affine.identity(), 4, 4, LOCAL))


def test_a_place_that_the_crs_does_not_know_is_said(tmp_path: Path) -> None:
    with open_scene(write_raster(tmp_path / "utm.tif", gradient(64, 64))) as scene:
        grid = Grid(Affine(1, 0, 0, 0, -1, 95.0), 4, 4, "EPSG:4326")  # north of the pole
        with pytest.raises(SceneError, match=r"utm\.tif: its CRS is not defined at the place"):
            on_grid(scene, grid)


def test_a_scene_in_degrees_across_180_is_one(tmp_path: Path) -> None:
    step = 5e-6
    transform = Affine(step, 0, 180 - 100 * step, 0, -step, 10 + 100 * step)
    path = write_raster(
        tmp_path / "dateline.tif", gradient(200, 200), crs="EPSG:4326", transform=transform
    )
    crs = "+proj=aeqd +lat_0=10 +lon_0=180 +datum=WGS84 +units=m"
    grid = Grid.around((-40.0, -40.0, 40.0, 40.0), 160, 0.5, crs)
    with open_scene(path) as scene:
        laid = on_grid(scene, grid, "nearest")
        values = raster_values(scene)
    assert laid.valid.all()
    east_m, north_m = 111_320 * np.cos(np.radians(10)) * step, 110_605 * step  # of a pixel
    columns = (100 + (np.arange(160) + 0.5 - 80) * 0.5 / east_m).astype(int)
    rows = (100 + (np.arange(160) + 0.5 - 80) * 0.5 / north_m).astype(int)
    same = (laid.rgb == values[rows][:, columns]).all(axis=-1)
    assert same.mean() > 0.9  # but for the sphere's own roughness


def test_clouds_are_valid_and_not_seen(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "cloudy.tif", gradient(80, 60))
    cloud = np.zeros((1, 60, 80), np.uint8)
    cloud[:, :, 50:] = 1
    write_raster(tmp_path / "cloudy_cloud.tif", cloud)
    grid = Grid(utm_transform() * Affine.translation(20, 10), 50, 40, "EPSG:32652")
    with open_scene(path) as scene:
        laid = on_grid(scene, grid)
    assert laid.valid.all()
    assert laid.seen[:, :30].all()
    assert not laid.seen[:, 30:].any()
    with open_scene(path, SceneOptions(clouds="clear")) as scene:
        assert on_grid(scene, grid).seen.all()


def test_a_grid_knows_its_bounds_and_cells() -> None:
    grid = Grid.around((-100.0, -50.0, 300.0, 150.0), 200, 0.5, LOCAL)
    assert (grid.width, grid.height, grid.cell_m) == (200, 100, 2.0)
    assert grid.bounds == (-100.0, -50.0, 300.0, 150.0)
    assert grid.to_cells(np.array([[-100.0, 150.0], [0.0, 0.0]])).tolist() == [[0, 0], [50, 75]]
    boxes = np.array([[[0, 0], [2, 0], [2, 1], [0, 1]]]) + np.array([[[0, 0]], [[300, 0]]])
    assert grid.holds(boxes.astype(float)).tolist() == [True, False]


def test_the_first_scene_that_saw_a_cell_is_on_top() -> None:
    rng = np.random.default_rng(3)
    grid = Grid(Affine.identity(), 7, 5, None)
    scenes = [
        GridPixels(rng.integers(1, 255, (5, 7, 3), np.uint8), seen, seen)
        for seen in rng.random((3, 5, 7)) < 0.4
    ]
    rgb, seen = first_on_top(iter(scenes), grid)
    for row in range(5):
        for column in range(7):
            who = [one for one in scenes if one.seen[row, column]]
            assert seen[row, column] == bool(who)
            assert rgb[row, column].tolist() == (
                who[0].rgb[row, column].tolist() if who else [0, 0, 0]
            )
    whole = GridPixels(scenes[0].rgb, np.ones((5, 7), np.bool_), np.ones((5, 7), np.bool_))
    asked = iter([whole, scenes[1]])
    assert first_on_top(asked, grid)[1].all()
    assert list(asked) == [scenes[1]]
    assert not first_on_top([], grid)[1].any()
