"""A backend from outside the package: another family of networks finds ships in a whole scene."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from detector.boxes.scored import Boxes
from detector.cli.main import main
from detector.errors import PluginError, QuaywatchError, WeightsError
from detector.geometry.boxes import corners_from_xywhr
from detector.inference.pipeline import find_objects
from detector.models.backends import Reading
from detector.models.card import ModelCard, sha256_of
from detector.models.detector import Detector, DetectorSettings, load_detector
from detector.models.yolo import YoloBackend
from detector.scenes.scene import open_scene
from tests.evaluation.pool import BlobRunner
from tests.inference.blobs import CARD, blob_scene
from tests.models.conftest import Files
from tests.plugins import MARKER, SHOWS_IMPORT, install, write_distribution
from tests.scenes.rasters import UTM52, utm_transform

ROOT = Path(__file__).parents[2]
NAME = "quaywatch-blobs"
ENTRIES = {"detector.backends": {"blobs": "blobs_backend:open_blobs"}}
SHIPS = np.array([(60.0, 60.0, 60.0, 14.0, 0.3), (160.0, 120.0, 50.0, 12.0, 1.2)])
# No anchors, no YOLO: thresholds and contours, with its one weight read from the file.
BACKEND = """
import cv2
import numpy as np
from safetensors.numpy import load_file
from detector.boxes.scored import Boxes
from detector.geometry.boxes import as_corners, order_corners
from detector.models.backends import Reading


def open_blobs(request):
    assert request.card.family == "blobs"
    return Blobs(float(load_file(request.weights)["level"][0]))


class Blobs:
    name, device = "blobs", "cpu"

    def __init__(self, level):
        self.level = level

    def detect(self, tiles):
        return Reading.of([self.find(tile) for tile in tiles])

    def find(self, tile):
        bright = (tile[..., 1] > self.level).astype(np.uint8)
        contours, _ = cv2.findContours(bright, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        rects = [cv2.minAreaRect(contour) for contour in contours]
        corners = [
            cv2.boxPoints(((x + 0.5, y + 0.5), (w + 0.5, h + 0.5), angle))
            for (x, y), (w, h), angle in rects
            if min(w, h) > 1
        ]
        boxes = order_corners(as_corners(corners))
        count = len(boxes)
        return Boxes(boxes, np.full(count, 0.9, np.float32), np.zeros(count, np.int64))
"""


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Weights of another family, with their card."""
    path = tmp_path / "blobs.safetensors"
    save_file({"level": torch.tensor([127.0])}, path)
    card = replace(CARD, name="blobs", architecture="contours", family="blobs")
    write_card(path, replace(card, sha256=sha256_of(path)))
    return path


def write_card(weights: Path, card: ModelCard) -> None:
    weights.with_suffix(".yaml").write_text(card.to_yaml())


def write_ships(path: Path) -> Path:
    corners = corners_from_xywhr(SHIPS)
    return blob_scene(path, (256, 192), corners, transform=utm_transform(), crs=UTM52)


def test_another_process_finds_the_ships_of_a_scene_with_it(tmp_path: Path, weights: Path) -> None:
    modules = {"blobs_backend": SHOWS_IMPORT + BACKEND}
    site = write_distribution(tmp_path / "site", NAME, ENTRIES, modules)
    environment = os.environ | {"PYTHONPATH": f"{site}{os.pathsep}{ROOT}", "COLUMNS": "100"}
    command = [sys.executable, "-m", "detector", "predict"]
    words = [str(write_ships(tmp_path / "a.tif")), "out=out", f"model.weights={weights}"]

    def run(*more: str) -> subprocess.CompletedProcess[str]:
        line = [*command, *more]
        return subprocess.run(
            line, env=environment, capture_output=True, text=True, cwd=tmp_path, check=False
        )

    assert "auto|torch|openvino|onnx|tensorrt|blobs" in "".join(run("--help").stdout.split())
    assert not (site / MARKER).exists()
    refused = run(*words)
    assert refused.returncode == 2
    assert "the family 'blobs', which needs a plug-in; say backend= " in refused.stderr
    assert "(there are: blobs)" in refused.stderr
    assert not (tmp_path / "out").exists()
    assert not (site / MARKER).exists()
    done = run(*words, "backend=blobs")
    assert done.returncode == 0, done.stderr
    found = gpd.read_parquet(tmp_path / "out" / "detections.parquet")
    assert np.sort(found["length_m"]) == pytest.approx([25.0, 30.0], abs=1.0)
    record = (tmp_path / "out" / "run.json").read_text()
    assert f"blobs of the distribution '{NAME} 1.2'" in record


def test_it_serves_the_detector(
    tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, tmp_path / "site", NAME, ENTRIES, {"blobs_backend": BACKEND})
    detector = load_detector(DetectorSettings(str(weights), backend="blobs", batch=3))
    tiles = np.zeros((4, 256, 256, 3), np.uint8)
    tiles[1, 40:60, 30:110] = 255
    found = detector.detect(tiles)
    assert [len(boxes) for boxes in found] == [0, 1, 0, 0]
    assert np.allclose(found[1].corners.min(axis=1), [[30, 40]], atol=0.5)
    assert np.allclose(found[1].corners.max(axis=1), [[110, 60]], atol=0.5)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ("None", "gave a reading of NoneType; it must give a Reading of 1 tiles"),
        ("Reading(())", "gave a reading of 0; it must give a Reading of 1 tiles"),
        ("Reading((lambda conf: 3,))", "gave no Boxes"),
        ("Reading((lambda conf: box(score=0.1),))", "gave scores below the thresholds or above 1"),
        ("Reading.of([box(score=1.5)])", "gave scores below the thresholds or above 1"),
        ("Reading((lambda conf: box(class_id=2),))", "gave class ids that are not below 2"),
        ("Reading.of([box(x=np.nan)])", "gave corners that are not (N, 4, 2) finite numbers"),
    ],
)
def test_a_wrong_answer_is_a_sentence(
    tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch, answer: str, sentence: str
) -> None:
    code = f"""
import numpy as np
from detector.boxes.scored import Boxes
from detector.geometry.boxes import corners_from_xywhr
from detector.models.backends import Reading

def box(x=50.0, score=0.9, class_id=0):
    corners = corners_from_xywhr(np.array([[x, 50.0, 20.0, 8.0, 0.0]]))
    return Boxes(corners, np.array([score], np.float32), np.array([class_id]))

class Wrong:
    name, device = "wrong", "cpu"
    def detect(self, tiles):
        return {answer}

def open_blobs(request):
    return Wrong()
"""
    install(monkeypatch, tmp_path / "site", NAME, ENTRIES, {"blobs_backend": code})
    detector = load_detector(DetectorSettings(str(weights), backend="blobs"))
    with pytest.raises(PluginError) as error:
        detector.detect(np.zeros((1, 256, 256, 3), np.uint8))
    start = f"the backend 'blobs' of the distribution '{NAME} 1.2' {sentence}"
    assert str(error.value).startswith(start)


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("import nowhere_at_all", "cannot be loaded (ModuleNotFoundError"),
        ("def open_blobs(): pass", "has another signature"),
        ("def open_blobs(request): return 1 / 0", "failed (ZeroDivisionError: division by zero)"),
        ("def open_blobs(request): return 3", "gives a int without detect(tiles)"),
    ],
)
def test_a_broken_backend_is_a_sentence(
    tmp_path: Path,
    weights: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    code: str,
    sentence: str,
) -> None:
    install(monkeypatch, tmp_path / "site", NAME, ENTRIES, {"blobs_backend": code})
    scene, out = write_ships(tmp_path / "a.tif"), tmp_path / "out"
    words = [str(scene), f"out={out}", f"model.weights={weights}", "backend=blobs"]
    assert main(["predict", *words]) == 2
    error = capsys.readouterr().err
    assert f"detector: the backend 'blobs' of the distribution '{NAME} 1.2' {sentence}" in error
    assert not out.exists()


def test_weights_that_are_not_the_cards_do_not_reach_it(
    tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modules = {"blobs_backend": SHOWS_IMPORT + BACKEND}
    install(monkeypatch, tmp_path / "site", NAME, ENTRIES, modules)
    save_file({"level": torch.tensor([1.0])}, weights)
    with pytest.raises(WeightsError, match="is damaged or was replaced"):
        load_detector(DetectorSettings(str(weights), backend="blobs"))
    assert not (tmp_path / "site" / MARKER).exists()


def test_a_card_that_only_ours_can_read_is_refused(
    tmp_path: Path, tiny: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, tmp_path / "site", NAME, ENTRIES, {"blobs_backend": BACKEND})
    tiny.rewrite(mirrored=True)
    with pytest.raises(WeightsError, match="are read mirrored, which backend=blobs does not do"):
        load_detector(DetectorSettings(str(tiny.weights), backend="blobs"))


@pytest.mark.parametrize("name", ["auto", "torch"])
def test_a_name_of_ours_is_not_taken_over(
    tmp_path: Path, tiny: Files, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    entries = {"detector.backends": {name: "blobs_backend:open_blobs"}}
    install(monkeypatch, tmp_path / "site", NAME, entries, {"blobs_backend": BACKEND})
    with pytest.raises(PluginError, match=f"registers the backend '{name}', which is built in"):
        load_detector(DetectorSettings(str(tiny.weights), device="cpu", backend=name))


def test_a_family_is_said_on_cards_of_others_only(tiny: Files, weights: Path) -> None:
    assert "family" not in tiny.card.to_yaml()
    assert ModelCard.read(weights.with_suffix(".yaml")).family == "blobs"
    assert ModelCard.read(tiny.weights.with_suffix(".yaml")).family == "yolo"
    with pytest.raises(QuaywatchError, match="family 'blobs', which needs a plug-in"):
        load_detector(DetectorSettings(str(weights), backend="torch"))


def test_boxes_of_a_batch_are_made_while_the_next_is_read(tmp_path: Path) -> None:
    """The first batch's boxes wait for the second batch: without overlap they wait in vain."""
    import threading

    second = threading.Event()
    threads: set[str] = set()

    class Halves:
        name, device = "halves", "cpu"

        def __init__(self) -> None:
            self.calls = 0
            self.plain = YoloBackend(BlobRunner())

        def detect(self, tiles: np.ndarray) -> Reading:
            self.calls += 1
            if self.calls == 2:
                second.set()
            read = self.plain.detect(tiles)

            def boxes(index: int, conf: np.ndarray) -> Boxes:
                threads.add(threading.current_thread().name)
                assert second.wait(20)
                return read.tiles[index](conf)

            return Reading(
                tuple(lambda conf, i=index: boxes(i, conf) for index in range(len(read)))  # type: ignore[misc]
            )

    corners = corners_from_xywhr(SHIPS)
    path = blob_scene(
        tmp_path / "a.tif", (1200, 700), corners, transform=utm_transform(), crs=UTM52
    )
    backend = Halves()
    detector = Detector(CARD, backend, 2, np.full(2, 0.5, np.float32), 0.5, 1)
    with open_scene(path) as scene:
        found = find_objects(scene, detector).detections
    assert backend.calls > 2
    assert threads == {"merge_0"}
    # white is a ship to this runner and a stack too
    assert found.class_ids.tolist().count(1) == 2
    assert np.sort(found.length_m[found.class_ids == 0]) == pytest.approx([25.0, 30.0], abs=1.0)
