"""Scenes that go wrong while they are read, and disks that fail at each file that a run writes."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from rasterio.errors import RasterioIOError

from detector.errors import OutputError, QuaywatchError
from detector.files import LEFTOVER
from detector.models.detector import DetectorSettings
from detector.prediction import batch as run_module
from detector.prediction.batch import BatchSettings, RunSummary, predict_paths
from detector.scenes.scene import Scene
from detector.scenes.valid import PixelRules
from tests.faults.disk import FAULTS, failing
from tests.inference.blobs import BlobDetector, blob_scene
from tests.prediction.test_batch import _ships
from tests.scenes.rasters import UTM52, utm_transform

SIZE = (700, 500)
AT_BATCH = 2  # of the second scene


class FaultyDetector(BlobDetector):
    """Lets something happen at a batch of the second scene."""

    happens: Callable[[], object] | None = None

    def forward(self, tiles: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if len(self.batches) == self.at and self.happens is not None:
            self.happens()
        return super().forward(tiles)

    at = 0


@pytest.fixture(autouse=True)
def blobs(monkeypatch: pytest.MonkeyPatch) -> FaultyDetector:
    detector = FaultyDetector(batch=1)
    monkeypatch.setattr(run_module, "load_detector", lambda settings: detector)
    return detector


def _scenes(folder: Path, names: str = "abc") -> list[Path]:
    return [
        blob_scene(
            folder / f"{name}.tif",
            SIZE,
            _ships((150.0 + 100 * number, 100.0)),
            transform=utm_transform(),
            crs=UTM52,
        )
        for number, name in enumerate(names)
    ]


def _predict(out: Path, scenes: list[Path], formats: tuple[str, ...] = ("csv",)) -> RunSummary:
    paths = tuple(map(str, scenes))
    return predict_paths(BatchSettings(paths, out, DetectorSettings("blobs"), formats=formats))


def _truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _replace(path: Path) -> None:
    """By another picture of the same size in bytes, as a slow download does it."""
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)


CHANGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "truncated": (_truncate, "b.tif: "),
    "deleted": (Path.unlink, "b.tif: removed while it was read"),
    "replaced": (_replace, "b.tif: changed while it was read; predict it again when"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_scene_that_changes_while_it_is_read_is_a_row(
    tmp_path: Path, blobs: FaultyDetector, change: str
) -> None:
    act, said = CHANGES[change]
    scenes = _scenes(tmp_path)
    _predict(tmp_path / "whole", scenes[:1])
    of_one = len(blobs.batches)
    assert of_one > 2 * AT_BATCH
    blobs.at, blobs.happens = 2 * of_one + AT_BATCH, lambda: act(scenes[1])
    summary = _predict(tmp_path / "out", scenes)
    assert [record.status for record in summary.records] == ["done", "failed", "done"]
    assert said in summary.failed[0].reason
    assert "\n" not in summary.failed[0].reason
    assert [record.ships for record in summary.records] == [1, None, 1]
    folders = {path.name[0] for path in (tmp_path / "out").iterdir() if path.is_dir()}
    assert folders == {"a", "c"}


def _io_error(*rest: object) -> None:
    raise RasterioIOError("Read failed. See previous exception for details.")


def _no_memory(*rest: object) -> None:
    raise MemoryError


def _ends(*rest: object) -> None:
    raise SystemExit(0)


def _no_threads(*rest: object) -> None:
    raise RuntimeError("can't start new thread")


FAILURES = {
    "read error": (_io_error, "b.tif: damaged or incomplete (Read failed."),
    "no memory": (_no_memory, "b.tif: not enough memory to read it"),
    "a thread that ends": (_ends, "an error of the program (SystemExit: 0)"),
    "no more threads": (_no_threads, "can't start new thread"),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_reader_that_fails_in_mid_scene_is_a_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: str
) -> None:
    """In a thread: nothing hangs, no thread is left, and the other scenes are done."""
    fails, said = FAILURES[failure]
    scenes = _scenes(tmp_path)
    real, reads = PixelRules.read, {"of b": 0}

    def read(rules: PixelRules, dataset: object, *rest: object) -> object:
        if "b.tif" in dataset.name and threading.current_thread() is not main:  # type: ignore[attr-defined]
            reads["of b"] += 1
            if reads["of b"] == 4:
                fails()
        return real(rules, dataset, *rest)  # type: ignore[arg-type]

    main = threading.current_thread()
    monkeypatch.setattr(PixelRules, "read", read)
    before = threading.active_count()
    summary = _predict(tmp_path / "out", scenes)
    assert [record.status for record in summary.records] == ["done", "failed", "done"]
    assert said in summary.failed[0].reason
    assert threading.active_count() == before
    monkeypatch.undo()


def _hashes(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_each_file_of_a_run_may_fail_and_the_next_run_goes_on(
    tmp_path: Path, blobs: FaultyDetector
) -> None:
    """All files, each with another fault in turn; `QUAYWATCH_FAULTS=all` for each with every."""
    scenes = _scenes(tmp_path, "a")
    every = os.environ.get("QUAYWATCH_FAULTS") == "all"
    formats = ("gpkg", "geojson", "csv", "png", "kmz") if every else ("csv",)
    away = tmp_path / "away"
    away.mkdir()
    with failing(-1, "open", away) as begun:
        _predict(tmp_path / "whole", scenes, formats)
    assert len(begun) >= (16 if every else 12)
    whole = _hashes(tmp_path / "whole")
    for at, final in enumerate(begun):
        by_gdal = final.suffix in (".gpkg", ".kml")  # it would read a full device without end
        for number, fault in enumerate(FAULTS):
            wanted = every or number == at % len(FAULTS)
            # the run's stacks.csv begins with a head that replaces the full device
            no_device = by_gdal or final == tmp_path / "whole" / "stacks.csv"
            if not wanted or (no_device and fault == "write"):
                continue
            out = tmp_path / f"out{at}{fault}"
            with pytest.raises(OutputError) as caught, failing(at, fault, away):
                _predict(out, scenes, formats)
            said = str(caught.value)
            assert said.startswith(f"{out}/")
            name = LEFTOVER.sub("", final.name)  # of the head of a table, that of the table
            assert f"/{name}: cannot be written" in said
            assert ("make room" in said) is (fault == "write")
            assert ".unfinished" not in said
            assert not list(out.rglob(".unfinished-*"))
            if every or at == len(begun) - 2:
                _predict(out, scenes, formats)
                assert _hashes(out) == whole


def test_a_scene_as_it_was_passes(tmp_path: Path) -> None:
    (path,) = _scenes(tmp_path, "a")
    with run_module.open_scene(path) as scene:
        assert isinstance(scene, Scene)
        scene.check_unchanged()
        os.utime(path, (1, 1))
        with pytest.raises(QuaywatchError, match="changed while it was read"):
            scene.check_unchanged()
