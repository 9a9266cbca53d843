"""What places a raster: points, polynomials and files beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from numpy.typing import NDArray
from PIL import Image
from rasterio.control import GroundControlPoint
from rasterio.rpc import RPC

from detector.errors import SceneError
from detector.geometry.frames import FilePixels
from detector.geometry.windows import PixelWindow
from detector.scenes.scene import Scene, open_scene
from detector.scenes.types import SceneOptions
from tests.scenes.rasters import UTM52, gradient, write_raster

SIDE = 200
TURN = np.deg2rad(20)
SPOT = (150, 60)  # column and row of the brightest place
STEP_DEG = 5e-6
WORLD = "0.5\n0\n0\n-0.5\n500000\n4677000\n"


def _spotted(dtype: str) -> NDArray[np.generic]:
    values = np.full((1, SIDE, SIDE), 20, dtype)
    values[0, SPOT[1] - 3 : SPOT[1] + 4, SPOT[0] - 3 : SPOT[0] + 4] = 240
    return values


def _point(column: float, row: float) -> tuple[float, float]:
    """Map coordinates of a turned picture of half metres."""
    x, y = column * 0.5, -row * 0.5
    return (
        500_000 + x * np.cos(TURN) - y * np.sin(TURN),
        4_677_000 + x * np.sin(TURN) + y * np.cos(TURN),
    )


def _with_points(path: Path, dtype: str, crs: str | None, number: int = 9) -> Path:
    write_raster(path, _spotted(dtype), crs=None)
    spots = [(c, r) for c in (0, 100, 200) for r in (0, 100, 200)][:number]
    places = np.array([_point(*spot) for spot in spots])
    if crs == "EPSG:4326":
        from pyproj import Transformer

        transformer = Transformer.from_crs(UTM52, crs, always_xy=True)
        places = np.stack(transformer.transform(*places.T), axis=-1)
    points = [
        GroundControlPoint(row, column, x, y)
        for (column, row), (x, y) in zip(spots, places.tolist(), strict=True)
    ]
    with rasterio.open(path, "r+") as raster:
        raster.gcps = (points, rasterio.CRS.from_user_input(crs) if crs else rasterio.CRS())
    return path


def _brightest(scene: Scene) -> NDArray[np.float64]:
    """Map coordinates of the middle of what is bright."""
    info = scene.info
    grey = scene.read(PixelWindow(0, 0, info.width, info.height)).rgb[..., 0]
    rows, columns = np.nonzero(grey > 128)
    middle = np.array([columns.mean() + 0.5, rows.mean() + 0.5])
    return scene.to_map(FilePixels(middle))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("crs", [UTM52, "EPSG:4326"])
def test_ground_control_points_warp_the_scene(tmp_path: Path, dtype: str, crs: str) -> None:
    path = _with_points(tmp_path / "a.tif", dtype, crs)
    with open_scene(path) as scene, scene.reopen() as again:
        info = scene.info
        assert info.crs == UTM52
        assert info.gsd_m == pytest.approx(0.5, abs=0.01)
        assert "placed by 9 ground control points, that fit within 0.0 pixels" in info.remarks[0]
        x, y = _point(SPOT[0] + 0.5, SPOT[1] + 0.5)
        assert _brightest(scene) == pytest.approx([x, y], abs=0.25)
        assert _brightest(again) == pytest.approx([x, y], abs=0.25)
        seen = scene.valid_mask(
            PixelWindow(0, 0, info.width, info.height), (info.width, info.height)
        )
        # a turned square fills its own area of the map, and no more is seen
        assert seen.sum() * info.gsd_m**2 == pytest.approx((SIDE * 0.5) ** 2, rel=0.02)


def test_pixels_that_hold_labels_are_never_warped(tmp_path: Path) -> None:
    path = _with_points(tmp_path / "a.tif", "uint8", UTM52)
    with (
        open_scene(path, SceneOptions(gsd_m=0.5, as_stored=True)) as scene,
        scene.reopen() as again,
    ):
        for one in (scene, again):
            assert (one.info.crs, one.info.gsd_source, one.info.width) == (None, "given", SIDE)
            grey = one.read(PixelWindow(0, 0, SIDE, SIDE)).rgb[..., 0]
            rows, columns = np.nonzero(grey > 128)
            assert (columns.mean(), rows.mean()) == SPOT


@pytest.mark.parametrize(
    ("crs", "number", "why"), [(None, 9, "without a CRS"), (UTM52, 2, "fewer than 3")]
)
def test_points_that_give_no_place_are_said(
    tmp_path: Path, crs: str | None, number: int, why: str
) -> None:
    with open_scene(_with_points(tmp_path / "a.tif", "uint8", crs, number)) as scene:
        assert (scene.info.crs, scene.info.width) == (None, SIDE)
        assert why in scene.info.remarks[0]
        assert "not georeferenced" in scene.info.remarks[0]


def test_rpcs_warp_the_scene_at_sea_level(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", _spotted("uint8"), crs=None)
    half = SIDE / 2
    with rasterio.open(path, "r+") as raster:
        raster.rpcs = RPC(
            *(100.0, 100.0, 42.24, half * STEP_DEG),  # height and latitude, offset and scale
            *([1.0] + [0.0] * 19, [0.0, 0.0, -1.0] + [0.0] * 17, half, half),  # lines: south
            *(129.0, half * STEP_DEG, [1.0] + [0.0] * 19),
            *([0.0, 1.0, 0.0, 0.2] + [0.0] * 16, half, half, None, None),  # samples: east and up
        )
    with open_scene(path) as scene:
        assert scene.info.crs == UTM52
        assert "placed by RPCs: warped to EPSG:32652 at height 0" in scene.info.remarks[0]
        # at height 0 everything stands 0.2 x 100 samples to the east of where 100 m would put it
        east = (SPOT[0] - half + 0.2 * half) * STEP_DEG  # RPCs count from the first pixel's middle
        south = (SPOT[1] - half) * STEP_DEG
        from pyproj import Transformer

        wanted = Transformer.from_crs("EPSG:4326", UTM52, always_xy=True).transform(
            129.0 + east, 42.24 - south
        )
        assert _brightest(scene) == pytest.approx(wanted, abs=0.3)


def _picture(folder: Path, name: str) -> Path:
    Image.fromarray(np.moveaxis(gradient(SIDE, SIDE), 0, -1)).save(folder / name)
    (folder / "a.wld").write_text(WORLD)
    return folder / name


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.bmp"])
@pytest.mark.parametrize("version", ["WKT1_ESRI", "WKT2_2019"])
def test_a_prj_beside_a_world_file_is_its_crs(tmp_path: Path, name: str, version: str) -> None:
    path = _picture(tmp_path, name)
    text = rasterio.CRS.from_user_input(UTM52).to_wkt(version=version)
    (tmp_path / "a.prj").write_bytes(b"\xef\xbb\xbf" + text.encode() + b"\r\n")
    with open_scene(path) as scene:
        assert scene.info.crs == UTM52
        assert scene.info.gsd_m == pytest.approx(0.5, abs=0.001)
        assert scene.info.remarks == ("its CRS, EPSG:32652, is that of a.prj",)
        # a world file tells the middle of the first pixel
        assert scene.to_map(FilePixels(np.array([0.5, 0.5]))) == pytest.approx([500_000, 4_677_000])
        before = scene.content_sha256()
    (tmp_path / "a.prj").write_text(rasterio.CRS.from_epsg(32653).to_wkt())
    with open_scene(path) as scene:
        assert scene.info.crs == "EPSG:32653"
        assert scene.content_sha256() != before


def test_a_prj_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    path = _picture(tmp_path, "a.png")
    (tmp_path / "a.prj").write_text("Projection UTM\nZone 52\n")
    with open_scene(path, SceneOptions(gsd_m=0.5)) as scene:
        assert scene.info.gsd_source == "given"
        assert "its a.prj is no CRS" in scene.info.remarks[0]
    (tmp_path / "a.prj").write_text(
        'LOCAL_CS["site",UNIT["metre",1],AXIS["Easting",EAST],AXIS["Northing",NORTH]]'
    )
    with pytest.raises(SceneError, match="is no map of the Earth"):
        open_scene(path)


@pytest.mark.parametrize(
    ("crs", "kept"),
    [("EPSG:32652+5773", UTM52), ("EPSG:4979", "EPSG:4326"), ("EPSG:5174", "EPSG:5174")],
)
def test_heights_of_a_crs_are_left_out(tmp_path: Path, crs: str, kept: str) -> None:
    step = 5e-6 if crs == "EPSG:4979" else 0.5
    corner = (129.0, 42.0) if crs == "EPSG:4979" else (500_000.0, 4_677_000.0)
    if crs == "EPSG:5174":
        corner = (200_000.0, 500_000.0)
    place = Affine(step, 0, corner[0], 0, -step, corner[1])
    path = write_raster(tmp_path / "a.tif", gradient(40, 40), crs=crs, transform=place)
    with open_scene(path) as scene:
        assert (scene.info.crs, scene.info.gsd_source) == (kept, "geodesic")
        assert scene.info.gsd_m == pytest.approx(0.5, abs=0.03)


def test_a_crs_without_a_plane_is_refused(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", gradient(40, 40), crs="EPSG:4978")
    with pytest.raises(SceneError, match=r"is no map of the Earth \(a Geocentric"):
        open_scene(path)


def test_latitude_before_longitude_is_said(tmp_path: Path) -> None:
    place = Affine(5e-6, 0, 42.0, 0, -5e-6, 129.0)
    path = write_raster(tmp_path / "a.tif", gradient(40, 40), crs="EPSG:4326", transform=place)
    with open_scene(path) as scene:
        assert scene.info.gsd_m is None
        assert scene.info.remarks[0].startswith("its middle, 42.0001, 129, is no place of its CRS")
