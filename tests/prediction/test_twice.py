"""A run again over its own results: killed, in the same folder, beside another process."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from detector.errors import OutputError
from detector.files import held_folder, is_marked
from detector.models.detector import DetectorSettings
from detector.prediction import batch as run_module
from detector.prediction import work
from detector.prediction.batch import BatchSettings, RunSummary, predict_paths
from detector.scenes.discover import discover
from detector.scenes.scene import Scene
from tests.inference.blobs import BlobDetector, blob_scene
from tests.prediction.test_batch import SIZE, _ships
from tests.scenes.rasters import UTM52, utm_transform


@pytest.fixture(autouse=True)
def _detector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "load_detector", lambda settings: BlobDetector())


@pytest.fixture
def scenes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of three scenes, which is the current one."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number, name in enumerate("abc"):
        place = [(150.0 + 100 * number, 100.0)]
        blob_scene(
            folder / f"{name}.tif", SIZE, _ships(*place), transform=utm_transform(), crs=UTM52
        )
    monkeypatch.chdir(folder)
    return folder


def _predict(out: str) -> RunSummary:
    return predict_paths(BatchSettings((".",), Path(out), DetectorSettings("blobs")))


@pytest.mark.parametrize("out", ["runs/predict", ".", "results"])
def test_a_killed_run_does_not_count_its_own_pictures(
    scenes: Path, monkeypatch: pytest.MonkeyPatch, out: str
) -> None:
    done: list[str] = []
    real = work.find_objects

    def killed_at_the_third(scene: Scene, *rest: object, **others: object) -> object:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(scene.info.name)
        return real(scene, *rest, **others)  # type: ignore[arg-type]

    monkeypatch.setattr(work, "find_objects", killed_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        _predict(out)
    monkeypatch.setattr(work, "find_objects", real)
    assert len(list(scenes.rglob("overlay.png"))) == 2
    for resumed in (2, 3):
        summary = _predict(out)
        assert [Path(record.path).name for record in summary.records] == ["a.tif", "b.tif", "c.tif"]
        assert [record.ships for record in summary.records] == [1, 1, 1]
        assert summary.resumed == resumed
    assert [Path(source.path).name for source in discover(["."])] == ["a.tif", "b.tif", "c.tif"]


def test_what_a_run_writes_is_marked_while_it_runs(
    scenes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []
    real = work.find_objects

    def look(scene: Scene, *rest: object, **others: object) -> object:
        seen.append(is_marked(Path("results")))
        return real(scene, *rest, **others)  # type: ignore[arg-type]

    monkeypatch.setattr(work, "find_objects", look)
    _predict("results")
    assert seen == [True] * 3
    assert all(is_marked(folder) for folder in (scenes / "results").iterdir() if folder.is_dir())


def test_a_second_process_stops_with_one_line(scenes: Path) -> None:
    with (
        held_folder(scenes / "results"),
        pytest.raises(OutputError, match=r"results: another process writes to this folder"),
    ):
        _predict("results")
    assert len(_predict("results").records) == 3


def test_a_scene_that_nobody_foresaw_is_one_row(
    scenes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = work.find_objects

    def fails_for_b(scene: Scene, *rest: object, **others: object) -> object:
        if scene.info.name == "b":
            raise np.exceptions.AxisError("no such axis")
        return real(scene, *rest, **others)  # type: ignore[arg-type]

    monkeypatch.setattr(work, "find_objects", fails_for_b)
    summary = _predict("results")
    assert [record.status for record in summary.records] == ["done", "failed", "done"]
    assert "b.tif: an error of the program (AxisError: no such axis)" in summary.failed[0].reason
    assert (scenes / "results" / "run.json").is_file()


def test_names_and_frames_that_nobody_likes_are_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    monkeypatch.chdir(folder)
    first = blob_scene(
        Path("a.tif"), SIZE, _ships((150, 100)), transform=utm_transform(), crs=UTM52
    )
    content = first.read_bytes()
    long, korean = f"{'n' * 245}.tif", f"{chr(0xB098) * 82}.tif"
    for number, name in enumerate(("a.tif", long, korean, "\x1b[31m.tif", "x\udcff.tif")):
        place = (150.0 + 40 * number, 100.0)
        made = blob_scene(
            Path("made.tif"), SIZE, _ships(place), transform=utm_transform(), crs=UTM52
        )
        content = made.read_bytes()
        made.rename(name)
    Path("loop.tif").symlink_to("loop.tif")
    Path("broken.tif").write_bytes(content[:200])
    summary = _predict("out")
    status = {record.path: record.status for record in summary.records}
    assert [status[name] for name in ("a.tif", long, korean, "\x1b[31m.tif")] == ["done"] * 4
    assert len(status) == 7
    assert sum(value == "failed" for value in status.values()) >= 2
    assert (folder / "out" / "run.json").is_file()
    assert _predict("out").resumed == sum(value == "done" for value in status.values())
