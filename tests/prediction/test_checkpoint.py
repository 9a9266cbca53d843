"""A run that is stopped inside a scene goes on there, and ends with the same bytes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from detector.boxes.scored import Boxes, PlanBoxes, TileBoxes
from detector.classes import PORT
from detector.errors import OutputError
from detector.inference import checkpoint
from detector.inference.checkpoint import FOLDER_PREFIX, SUFFIX, Checkpoint, Part, TilesDone
from detector.inference.pipeline import MAX_PENDING_MERGES
from detector.models.detector import DetectorSettings
from detector.prediction import batch as run_module
from detector.prediction.batch import BatchSettings, predict_paths
from detector.tiling.plan import PlanSettings, plan_tiles
from tests.inference.blobs import BlobDetector, blob_scene
from tests.prediction.test_batch import _bytes, _ships
from tests.scenes.rasters import UTM52, utm_transform

KILLS = int(os.environ.get("QUAYWATCH_KILLS", "8"))
SIZE = (1900, 1600)
MOST_LOST = MAX_PENDING_MERGES + 2  # batches: on their way to the merge, in it, in the network


class StoppingDetector(BlobDetector):
    """Is interrupted at a batch."""

    stop_at: int | None = None

    def forward(self, tiles: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if len(self.batches) == self.stop_at:
            raise KeyboardInterrupt
        return super().forward(tiles)


@pytest.fixture(autouse=True)
def blobs(monkeypatch: pytest.MonkeyPatch) -> StoppingDetector:
    detector = StoppingDetector()
    monkeypatch.setattr(run_module, "load_detector", lambda settings: detector)
    monkeypatch.setattr(checkpoint, "EVERY_S", 0.0)
    return detector


def _scene(folder: Path) -> Path:
    ships = _ships((250, 200), (255, 215), (700, 260), (500, 640), (1200, 900), (1100, 300))
    path = folder / "a_2023-10-13.tif"
    return blob_scene(path, SIZE, ships, transform=utm_transform(), crs=UTM52)


def _predict(out: Path, scene: Path) -> None:
    predict_paths(BatchSettings((str(scene),), out, DetectorSettings("blobs")))


def _stopped(out: Path, scene: Path, blobs: StoppingDetector, at: int) -> list[Path]:
    """The parts that a run leaves which is stopped before a batch."""
    blobs.batches.clear()
    blobs.stop_at = at
    with pytest.raises(KeyboardInterrupt):
        _predict(out, scene)
    blobs.stop_at = None
    blobs.batches.clear()
    return sorted(out.glob(f"{FOLDER_PREFIX}*/*{SUFFIX}"))


def test_a_stopped_scene_goes_on_where_it_was(tmp_path: Path, blobs: StoppingDetector) -> None:
    scene = _scene(tmp_path)
    _predict(tmp_path / "whole", scene)
    all_batches = len(blobs.batches)
    assert all_batches > 20
    kept = _stopped(tmp_path / "out", scene, blobs, 15)
    assert 15 - MOST_LOST <= len(kept) <= 15
    _predict(tmp_path / "out", scene)
    assert len(blobs.batches) == all_batches - len(kept)
    assert _bytes(tmp_path / "out") == _bytes(tmp_path / "whole")


def _flip(path: Path) -> None:
    stored = bytearray(path.read_bytes())
    stored[len(stored) // 2] ^= 1
    path.write_bytes(stored)


DAMAGES: dict[str, Callable[[Path], None]] = {
    "one bit": _flip,
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-7]),
    "gone": Path.unlink,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_part_is_read_anew(tmp_path: Path, blobs: StoppingDetector, damage: str) -> None:
    scene = _scene(tmp_path)
    _predict(tmp_path / "whole", scene)
    all_batches = len(blobs.batches)
    kept = _stopped(tmp_path / "out", scene, blobs, 15)
    DAMAGES[damage](kept[4])
    _predict(tmp_path / "out", scene)
    assert len(blobs.batches) == all_batches - len(kept) + 1  # its own tiles alone
    assert _bytes(tmp_path / "out") == _bytes(tmp_path / "whole")


def test_parts_of_another_picture_or_threshold_are_not_used(
    tmp_path: Path, blobs: StoppingDetector
) -> None:
    scene = _scene(tmp_path)
    _predict(tmp_path / "whole", scene)
    all_batches = len(blobs.batches)
    _stopped(tmp_path / "out", scene, blobs, 15)
    ships = _ships((250, 200), (900, 700))
    blob_scene(scene, SIZE, ships, transform=utm_transform(), crs=UTM52)
    fresh = tmp_path / "fresh"
    blobs.conf = blobs.conf + np.float32(0.1)
    _predict(fresh, scene)
    blobs.batches.clear()
    _predict(tmp_path / "out", scene)
    assert len(blobs.batches) == all_batches
    assert _bytes(tmp_path / "out") == _bytes(fresh)


def test_a_part_that_cannot_be_written_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    scene = _scene(tmp_path)
    _predict(tmp_path / "whole", scene)

    def full(path: Path) -> None:
        raise OutputError(f"{path}: cannot be written (No space left on device)")

    monkeypatch.setattr(checkpoint, "atomic_path", full)
    monkeypatch.setattr("logging.Logger.propagate", True, raising=False)
    with caplog.at_level("WARNING", "detector"):
        _predict(tmp_path / "out", scene)
    said = [text for text in caplog.messages if "begins it anew" in text]
    assert len(said) == 1
    assert SUFFIX in said[0]
    assert _bytes(tmp_path / "out") == _bytes(tmp_path / "whole")


def test_a_part_gives_back_what_it_was_given(tmp_path: Path) -> None:
    """Stacks of low score too, by which the scale of a scene is measured."""
    plan = plan_tiles(*SIZE, PlanSettings(tile_px=256, limit=40.0))
    corners = _ships((250.1, 200.3), (700.7, 260.9), (500.2, 640.4))
    scores, ids = np.array([0.3, 0.11, 0.2], np.float32), np.array([0, 1, 1])
    boxes = TileBoxes(PlanBoxes(Boxes(corners, scores, ids)), np.array([0, 0, 2]))
    low = TileBoxes(PlanBoxes(Boxes(corners[::-1], scores / 9, ids)), np.array([2, 1, 0]))
    written = Checkpoint(tmp_path / "parts", "key", plan, PORT)
    written.add(TilesDone(3, flat=1), [boxes], [low])
    written.add(TilesDone(2), [], [low, low])
    every = range(len(plan))
    first, second, rest = Checkpoint(tmp_path / "parts", "key", plan, PORT).pieces(every)
    assert rest == range(5, len(plan))
    assert isinstance(first, Part)
    assert isinstance(second, Part)
    spans = [(part.start, part.stop, part.flat) for part in (first, second)]
    assert spans == [(0, 3, 1), (3, 5, 0)]
    assert (len(second.boxes), len(second.blocks)) == (0, 6)
    for given, back in ((boxes, first.boxes), (low, first.blocks)):
        assert np.array_equal(given.boxes.corners, back.boxes.corners)
        assert np.array_equal(given.boxes.scores, back.boxes.scores)
        assert np.array_equal(given.boxes.class_ids, back.boxes.class_ids)
        assert np.array_equal(given.tiles, back.tiles)
    assert list(Checkpoint(tmp_path / "parts", "another key", plan, PORT).pieces(every)) == [every]


def test_killed_at_random_moments(tmp_path: Path) -> None:
    """`QUAYWATCH_KILLS=50` for a night."""
    driver = "tests.prediction.kill_driver"
    words = [sys.executable, "-m", driver, str(_scene(tmp_path)), str(tmp_path), str(KILLS), "23"]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout.splitlines()[-1])
    assert len(told["kills"]) == KILLS
    for kill in told["kills"]:
        assert kill["same"], kill
        assert kill["all"] - told["whole"] <= MOST_LOST, kill
    inside = [kill for kill in told["kills"] if 0 < kill["before"] < told["whole"]]
    assert len(inside) >= KILLS // 2


def test_parts_of_several_processes_are_one_scene(tmp_path: Path) -> None:
    """Parts with gaps between them, a part that reaches over the end, and one that is hidden."""
    plan = plan_tiles(*SIZE, PlanSettings(tile_px=256, limit=40.0))

    def checkpoint() -> Checkpoint:
        return Checkpoint(tmp_path / "parts", "key", plan, PORT, needed=True)

    for start, tiles in ((4, 3), (7, 2), (12, 6), (14, 2)):
        written = checkpoint()
        written.begin(start)
        written.add(TilesDone(tiles), [], [])
    spans = [
        (piece.start, piece.stop, isinstance(piece, Part))
        for piece in checkpoint().pieces(range(2, 16))
    ]
    assert spans == [(2, 4, False), (4, 7, True), (7, 9, True), (9, 12, False), (12, 18, True)]
    assert list(checkpoint().pieces(range(9, 12))) == [range(9, 12)]


def test_a_part_that_others_wait_for_must_be_written(tmp_path: Path) -> None:
    plan = plan_tiles(*SIZE, PlanSettings(tile_px=256, limit=40.0))
    (tmp_path / "file").write_text("")
    needed = Checkpoint(tmp_path / "file" / "parts", "key", plan, PORT, needed=True)
    with pytest.raises(OutputError, match="is a file where a folder should be"):
        needed.add(TilesDone(3), [], [])
