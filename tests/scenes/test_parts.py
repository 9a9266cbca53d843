"""Parts of files by name, archives, and Sentinel-2 products."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
import rasterio
from scipy.io import netcdf_file

from detector.errors import SceneError
from detector.geometry.windows import PixelWindow
from detector.scenes.discover import discover
from detector.scenes.scene import Scene, open_scene
from detector.scenes.types import ViewAngles
from tests.scenes.rasters import gradient, write_raster
from tests.scenes.sentinel import (
    GRANULE,
    NAME,
    OFFSET,
    SIDE,
    reflectance,
    write_level_1c,
    write_product,
    zipped,
)

WHOLE = PixelWindow(0, 0, SIDE, SIDE)


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_product(tmp_path_factory.mktemp("sentinel"))


def _check_product(scene: Scene) -> None:
    info = scene.info
    assert (info.crs, info.width, info.height) == ("EPSG:32652", SIDE, SIDE)
    assert info.gsd_m == pytest.approx(10.0, abs=0.01)
    assert info.when.iso == "2023-10-13T02:20:11Z"
    assert info.angles == ViewAngles(37.5, 165.25, 8.5, 104.0)
    stretch = info.stretch
    seen = scene.observation(WHOLE, (SIDE, SIDE))
    assert not seen.seen[:6].any()  # clouds
    assert not seen.seen[:, 0].any()  # no data
    assert seen.seen[6:, 1:].all()
    assert seen.known.all()
    pixels = scene.read(WHOLE).rgb
    for band, channel in (("B04", 0), ("B03", 1), ("B02", 2)):
        light = reflectance(band)[:, 1:].astype(np.float64) + OFFSET
        wanted = np.clip((light - stretch.low) / (stretch.high - stretch.low), 0, 1) * 255
        assert np.abs(pixels[:, 1:, channel] - wanted).max() <= 0.51
    light = np.stack([reflectance(band)[:, 1:] for band in ("B04", "B03", "B02")])
    assert stretch.low == pytest.approx(np.percentile(light, 0.5) + OFFSET)


def test_a_folder_of_sentinel_2_is_a_scene(product: Path) -> None:
    (found,) = discover([product])
    with open_scene(found.path) as scene:
        _check_product(scene)
        with scene.reopen() as again:
            _check_product(again)
        assert scene.info.name == NAME.removesuffix(".SAFE")
        assert scene.content_sha256() != scene.info.content_hash
    assert [one.path for one in discover([product.parent])] == [str(product)]


@pytest.mark.parametrize("name", ["MTD_MSIL2A.xml", "zip", "zip in a folder"])
def test_its_metadata_file_and_its_zip_are_the_same(
    product: Path, tmp_path: Path, name: str
) -> None:
    path = product / name
    if name != "MTD_MSIL2A.xml":
        path = zipped(product).rename(tmp_path / f"{product.stem}.zip")
    (found,) = discover([tmp_path if "folder" in name else path])
    with open_scene(found.path) as scene:
        _check_product(scene)
        assert scene.info.name == NAME.removesuffix(".SAFE")


def test_parts_of_a_product(product: Path) -> None:
    with open_scene(f"{product}::TCI") as scene:
        assert (scene.read(WHOLE).rgb[..., 1] == 20 + 10 * np.arange(SIDE)).all()
    with pytest.raises(SceneError, match="no such part; there are 10m, 20m, 60m, TCI"):
        open_scene(f"{product}::5m")


def test_a_product_that_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    root = write_product(tmp_path)
    main = root / "MTD_MSIL2A.xml"
    text = main.read_text()
    main.write_text(text.replace("<IMAGE_FILE>GRANULE", "<IMAGE_FILE>../GRANULE", 1))
    with pytest.raises(SceneError, match="names an image elsewhere"):
        open_scene(root)
    main.write_text(text)
    image = next((root / "GRANULE" / GRANULE).rglob("*_B03_10m.jp2"))
    image.write_text("<VRTDataset/>")
    with pytest.raises(SceneError, match="is no JPEG 2000"):
        open_scene(root)


def test_a_product_without_one_of_its_images_is_not_black(tmp_path: Path) -> None:
    root = write_product(tmp_path)
    images = root / "GRANULE" / GRANULE / "IMG_DATA"
    next(images.rglob("*_B05_20m.jp2")).unlink()  # not read
    with open_scene(root) as scene:
        _check_product(scene)
    next(images.rglob("*_B03_10m.jp2")).unlink()
    with pytest.raises(SceneError, match="its image of B03 is not there; fetch the product again"):
        open_scene(root)


@pytest.fixture
def variables(tmp_path: Path) -> Path:
    path = tmp_path / "a 2023-10-13.nc"
    with netcdf_file(path, "w") as file:
        for axis in "yx":
            file.createDimension(axis, 30)
        for number, name in enumerate(("red", "near infrared")):
            held = file.createVariable(name, "h", ("y", "x"))
            held[:] = gradient(30, 30, 2, "int16")[number]
    return path


def test_subdatasets_are_named_and_the_named_one_opens(variables: Path) -> None:
    with pytest.raises(SceneError, match=r"one of its parts.*nc::red' \(there are red, near inf"):
        open_scene(variables)
    for name in (f"{variables}::near infrared", f'NETCDF:"{variables}":near infrared'):
        (found,) = discover([name])
        assert found.problem is None
        with open_scene(name) as scene:
            assert scene.info.when.iso == "2023-10-13"
            raw = gradient(30, 30, 2, "int16")[1, ::-1]  # without axes the first row is lowest
            low, high = scene.info.stretch.low, scene.info.stretch.high
            grey = scene.read(PixelWindow(0, 0, 30, 30)).rgb[..., 0]
            wanted = np.clip((raw - low) / (high - low) * 255, 0, 255)
            assert np.abs(grey - wanted).max() <= 0.51
    with pytest.raises(SceneError, match="no such part; there are red, near infrared"):
        open_scene(f"{variables}::blue")


def test_another_page_of_a_tiff(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", gradient(40, 40))
    second = np.full((1, 30, 20), 200, np.uint8)
    second[0, 3, 4] = 7
    with rasterio.open(
        path, "w", "GTiff", 20, 30, 1, dtype="uint8", APPEND_SUBDATASET="YES"
    ) as page:
        page.write(second)
    with open_scene(path) as scene:
        assert scene.info.width == 40
        assert "name another one as 'a.tif::2' (there are 1, 2)" in scene.info.remarks[-1]
        first = scene.content_sha256()
    for name in (f"{path}::2", f"GTIFF_DIR:2:{path}"):
        with open_scene(name) as scene:
            assert (scene.info.width, scene.info.height) == (20, 30)
            pixels = scene.read(PixelWindow(0, 0, 20, 30)).rgb
            assert np.argwhere(pixels[..., 0] < 100).tolist() == [[3, 4]]
            assert scene.content_sha256() != first
    with pytest.raises(SceneError, match="no such part; there are 1, 2"):
        open_scene(f"{path}::3")


def test_a_file_whose_name_holds_colons_is_whole(tmp_path: Path) -> None:
    write_raster(tmp_path / "a.tif", gradient(40, 40))
    path = write_raster(tmp_path / "a.tif::2", gradient(30, 40))
    with open_scene(path) as scene:
        assert scene.info.width == 30


def test_an_archive_of_one_raster_and_of_several(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", gradient(40, 40))
    one, two = tmp_path / "one !.zip", tmp_path / "two.zip"
    for archive, names in ((one, ["in ü/a.tif"]), (two, ["a.tif", "b.tif"])):
        with zipfile.ZipFile(archive, "w") as file:
            for name in names:
                file.write(path, name)
    for name in (str(one), f"{two}::b.tif"):
        with open_scene(name) as scene, open_scene(path) as plain:
            assert scene.info.gsd_m == plain.info.gsd_m
            whole = PixelWindow(0, 0, 40, 40)
            assert (scene.read(whole).rgb == plain.read(whole).rgb).all()
    with pytest.raises(SceneError, match=r"an archive of 2 rasters; name one.*two.zip::a.tif"):
        open_scene(two)
    with pytest.raises(SceneError, match="no such file in it"):
        open_scene(f"{two}::c.tif")


def test_both_levels_tell_near_infrared_and_only_one_tells_clouds(tmp_path: Path) -> None:
    """Water is where band 3 is brighter than band 8; here it never is, but for missing pixels."""
    for write, clouds in ((write_product, True), (write_level_1c, False)):
        with open_scene(write(tmp_path)) as scene:
            assert scene.info.near_infrared == 4
            assert (scene.info.cloud_source is not None) == clouds
            assert scene.info.gsd_m == pytest.approx(10.0, rel=1e-3)
            water, known = scene.water(PixelWindow(0, 0, SIDE, SIDE), (SIDE, SIDE))
            assert not water.any()
            assert known.sum() == SIDE * (SIDE - 1)  # the first column holds no data
