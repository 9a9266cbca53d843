"""The resume key: whatever changes a fresh run changes the resumed one too, and nothing else."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from detector.errors import OutputError
from detector.models.detector import DetectorSettings
from detector.prediction import batch as run_module
from detector.prediction.batch import BatchSettings, RunSummary, predict_paths
from detector.scenes.types import SceneOptions
from tests.inference.blobs import BlobDetector, blob_scene
from tests.prediction.test_batch import SIZE, _ships
from tests.scenes.rasters import UTM52, utm_transform, write_raster

WIDTH, HEIGHT = SIZE
STAMP_NS = 1_600_000_000_000_000_000


@pytest.fixture(autouse=True)
def blobs(monkeypatch: pytest.MonkeyPatch) -> BlobDetector:
    detector = BlobDetector()
    monkeypatch.setattr(run_module, "load_detector", lambda settings: detector)
    return detector


def _predict(out: Path, *paths: Path, **changes: object) -> RunSummary:
    settings = BatchSettings(tuple(map(str, paths)), out, DetectorSettings("blobs"))
    return predict_paths(replace(settings, **changes))  # type: ignore[arg-type]


def _scene(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "a_2023-10-13.tif"
    return blob_scene(path, SIZE, _ships((250, 200)), transform=utm_transform(), crs=UTM52)


def _rewrite(path: Path, change: Callable[[np.ndarray], None]) -> None:
    with rasterio.open(path, "r+") as raster:
        pixels = raster.read()
        change(pixels)
        raster.write(pixels)


def _wipe_the_ship(pixels: np.ndarray) -> None:
    """Between the five places that the scene's id is made of."""
    pixels[:, 130:270, 150:350] = 20


def _tag(path: Path, **changes: object) -> None:
    with rasterio.open(path, "r+") as raster:
        for name, value in changes.items():
            setattr(raster, name, value)


def _mask(path: Path, value: int) -> None:
    write_raster(
        path.with_name(f"{path.stem}_cloud.tif"),
        np.full((1, HEIGHT, WIDTH), value, np.uint8),
        transform=utm_transform(),
        crs=UTM52,
    )


def _sidecar(path: Path, **properties: object) -> None:
    path.with_suffix(".json").write_text(json.dumps({"properties": properties}))


CHANGES: dict[str, Callable[[Path], None]] = {
    "pixels": lambda path: _rewrite(path, _wipe_the_ship),
    "crs": lambda path: _tag(path, crs="EPSG:32651"),
    "transform": lambda path: _tag(path, transform=utm_transform() @ Affine.scale(1.5)),
    "nodata": lambda path: _tag(path, nodata=20),
    "clouds come": lambda path: _mask(path, 1),
    "time": lambda path: _sidecar(path, datetime="2024-01-02T03:04:05Z"),
    "sun": lambda path: _sidecar(path, **{"view:sun_elevation": 30.0}),
}


def _told(out: Path) -> list[bytes]:
    """Everything but the hashes of the content, of which a fresh run is not the measure."""
    names = ("counts.csv", "detections.parquet", "stacks.csv", "scenes.csv")
    return [(out / name).read_bytes() for name in names]


@pytest.mark.parametrize("change", CHANGES)
def test_what_changes_a_fresh_run_changes_the_resumed_one(tmp_path: Path, change: str) -> None:
    path = _scene(tmp_path / "in")
    first = tmp_path / "first"
    _predict(first, path)
    before = _told(first)
    stamp = path.stat().st_mtime_ns
    CHANGES[change](path)
    os.utime(path, ns=(stamp, stamp))  # no date is believed
    fresh = tmp_path / "fresh"
    _predict(fresh, path)
    assert _told(fresh) != before
    assert _predict(first, path).resumed == 0
    assert _told(first) == _told(fresh)
    assert _predict(first, path).resumed == 1


@pytest.mark.parametrize("late", ["a mask that was mended", "a mask of the dataset"])
def test_the_content_of_side_files_counts(tmp_path: Path, late: str) -> None:
    path = _scene(tmp_path / "in")
    _mask(path, 0)
    first, fresh = tmp_path / "first", tmp_path / "fresh"
    _predict(first, path)
    if late == "a mask that was mended":
        _mask(path, 1)
    else:
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False), rasterio.open(path, "r+") as raster:
            raster.write_mask(np.zeros((HEIGHT, WIDTH), np.uint8) + 255 * (np.arange(WIDTH) < 100))
    _predict(fresh, path)
    assert _predict(first, path).resumed == 0
    assert _told(first) == _told(fresh)


def test_threads_and_places_change_nothing(tmp_path: Path, blobs: BlobDetector) -> None:
    """A change of the number of processors, or a folder that was moved."""
    path = _scene(tmp_path / "in")
    _predict(tmp_path / "out", path)
    blobs.threads += 7
    assert _predict(tmp_path / "out", path).resumed == 1
    allowed = SceneOptions(allow_remote=("example.org",))
    assert _predict(tmp_path / "out", path, scene=allowed).resumed == 1
    (tmp_path / "in").rename(tmp_path / "moved")
    assert _predict(tmp_path / "out", tmp_path / "moved" / path.name).resumed == 1


def test_other_settings_are_refused_still(tmp_path: Path, blobs: BlobDetector) -> None:
    path = _scene(tmp_path / "in")
    _predict(tmp_path / "out", path)
    blobs.card = replace(blobs.card, gsd_max_m=blobs.card.gsd_max_m * 2)
    with pytest.raises(OutputError, match="other settings, weights or code"):
        _predict(tmp_path / "out", path)


def test_scenes_that_only_look_alike_are_two(tmp_path: Path) -> None:
    one, two = _scene(tmp_path / "x"), _scene(tmp_path / "y")
    _rewrite(two, _wipe_the_ship)
    for resumed in (0, 2):
        summary = _predict(tmp_path / "out", one, two)
        assert [record.ships for record in summary.records] == [1, 0]
        assert len({record.scene_id for record in summary.records}) == 2
        assert summary.resumed == resumed


@pytest.mark.parametrize("name", ["scene.json", "detections.parquet", "stacks.parquet"])
@pytest.mark.parametrize("damage", ["empty", "one byte", "gone"])
def test_damaged_results_are_made_anew(tmp_path: Path, name: str, damage: str) -> None:
    path = _scene(tmp_path / "in")
    out = tmp_path / "out"
    record = _predict(out, path).records[0]
    file = out / record.scene_id / name
    whole = file.read_bytes()
    if damage == "empty":
        file.write_bytes(b"")
    elif damage == "gone":
        file.unlink()
    else:
        middle = whole.index(b'"ships": 1') + 9 if name == "scene.json" else len(whole) // 2
        file.write_bytes(whole[:middle] + bytes([whole[middle] ^ 3]) + whole[middle + 1 :])
    summary = _predict(out, path)
    assert (summary.resumed, summary.records[0].ships) == (0, 1)
    assert file.read_bytes() == whole
