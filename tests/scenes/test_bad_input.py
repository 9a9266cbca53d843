"""What cannot be read is said in one sentence that names the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.io import netcdf_file

from detector.errors import SceneError
from detector.geometry.windows import PixelWindow
from detector.scenes.scene import open_scene
from tests.scenes.rasters import gradient, write_raster


def _one_sentence(error: pytest.ExceptionInfo[SceneError], *words: str) -> None:
    text = str(error.value)
    assert "\n" not in text
    assert all(word in text for word in words), text


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SceneError) as error:
        open_scene(tmp_path / "gone.tif")
    _one_sentence(error, "gone.tif", "no such file")


def test_a_folder(tmp_path: Path) -> None:
    with pytest.raises(SceneError) as error:
        open_scene(tmp_path)
    _one_sentence(error, str(tmp_path), "folder")


def test_not_a_raster(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_text("not an image")
    with pytest.raises(SceneError) as error:
        open_scene(path)
    _one_sentence(error, "a.tif", "not a raster")


def test_a_truncated_tiff(tmp_path: Path) -> None:
    whole = write_raster(
        tmp_path / "a.tif", gradient(512, 512), tiled=True, blockxsize=128, blockysize=128
    )
    cut = tmp_path / "cut.tif"
    cut.write_bytes(whole.read_bytes()[:200_000])
    with pytest.raises(SceneError) as error, open_scene(cut) as scene:
        scene.read(PixelWindow(0, 0, 512, 512))
    _one_sentence(error, "cut.tif", "damaged or incomplete")


def test_no_bands(tmp_path: Path) -> None:
    path = tmp_path / "a.nc"
    with netcdf_file(path, "w") as file:  # two variables are two subdatasets and no band
        file.createDimension("y", 8)
        file.createDimension("x", 9)
        for name in ("first", "second"):
            file.createVariable(name, "f4", ("y", "x"))[:] = np.ones((8, 9))
    with pytest.raises(SceneError) as error:
        open_scene(path)
    _one_sentence(error, "a.nc", "no bands")


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_all_nodata(tmp_path: Path, dtype: str) -> None:
    fill = np.nan if dtype == "float32" else 0
    path = write_raster(tmp_path / "a.tif", np.full((3, 20, 20), fill, dtype))
    with pytest.raises(SceneError) as error:
        open_scene(path)
    _one_sentence(error, "a.tif", "no valid pixels")


def test_complex_values(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", np.ones((1, 8, 8), "complex64"))
    with pytest.raises(SceneError) as error:
        open_scene(path)
    _one_sentence(error, "a.tif", "complex")
