"""Precisions and the exports that they run from; which backend is the fastest."""

from __future__ import annotations

import importlib.util
import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import openvino as ov
import pytest
import torch
from numpy.typing import NDArray

from detector.errors import DeviceError, WeightsError
from detector.models import fastest, precision, runners
from detector.models.backends import BackendRequest
from detector.models.detector import Detector, DetectorSettings, load_detector
from detector.models.precision import choose_precision
from detector.models.torch_runner import TorchRunner
from tests.models.conftest import Files
from tests.models.raw import raw_predictions

Patch = pytest.MonkeyPatch


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for these tests: an export takes seconds."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _own_cache(cache: Path, monkeypatch: Patch) -> None:
    monkeypatch.setenv("QUAYWATCH_CACHE", str(cache))


def _tiles(side: int, number: int) -> NDArray[np.uint8]:
    """Blocks of 8 pixels in random colours."""
    coarse = np.random.default_rng(3).integers(0, 255, (number, side // 8, side // 8, 3))
    return coarse.astype(np.uint8).repeat(8, axis=1).repeat(8, axis=2)


def _load(files: Files, examples: object = None, **changes: object) -> Detector:
    values = {"weights": str(files.weights), "device": "cpu", "backend": "openvino", **changes}
    return load_detector(DetectorSettings(**values), examples)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("asked", "backend", "device", "got"),
    [
        ("auto", "openvino", "cpu", "f32"),
        ("auto", "torch", "cpu", "f32"),
        ("auto", "torch", "cuda:0", "f16"),
        ("f32", "torch", "cuda:0", "f32"),
        ("bf16", "torch", "cpu", "bf16"),
        ("int8", "openvino", "cpu", "int8"),
    ],
)
def test_the_precision_is_what_is_asked_for(
    asked: str, backend: str, device: str, got: str, monkeypatch: Patch
) -> None:
    monkeypatch.delenv("QUAYWATCH_PRECISION", raising=False)
    assert choose_precision(asked, backend, device) == got


@pytest.mark.parametrize(
    ("backend", "card", "able", "got"),
    [
        ("openvino", "bf16", True, "bf16"),
        ("openvino", "bf16", False, "f32"),
        ("openvino", "f32", True, "f32"),
        ("torch", "bf16", True, "f32"),
    ],
)
def test_the_card_says_what_auto_is_where_the_processor_has_it(
    backend: str,
    card: str,
    able: bool,
    got: str,
    monkeypatch: Patch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(logging.getLogger("detector"), "propagate", True)
    monkeypatch.delenv("QUAYWATCH_PRECISION", raising=False)
    monkeypatch.setattr(precision, "cpu_has_bf16", lambda: able)
    with caplog.at_level(logging.DEBUG, "detector"):
        assert choose_precision("auto", backend, "cpu", card) == got
    assert ("has no bfloat16, so float32 is used" in caplog.text) == (not able)
    assert choose_precision("f32", backend, "cpu", card) == "f32"
    monkeypatch.setenv("QUAYWATCH_PRECISION", "f32")
    assert choose_precision("auto", backend, "cpu", card) == "f32"
    assert choose_precision("bf16", backend, "cpu", card) == "bf16"
    monkeypatch.setenv("QUAYWATCH_PRECISION", "f64")
    with pytest.raises(DeviceError, match="QUAYWATCH_PRECISION='f64' is none of auto, f32"):
        choose_precision("auto", backend, "cpu", card)


def test_the_processor_is_asked_of_openvino() -> None:
    able = "BF16" in ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    assert precision.cpu_has_bf16() == able


def test_a_card_that_says_bfloat16_is_read_so(tiny: Files, monkeypatch: Patch) -> None:
    monkeypatch.delenv("QUAYWATCH_PRECISION", raising=False)
    monkeypatch.setattr(precision, "cpu_has_bf16", lambda: False)
    assert "cpu_precision" not in tiny.card.to_yaml()
    tiny.rewrite(cpu_precision="bf16")
    detector = _load(tiny)
    assert (detector.card.cpu_precision, detector.precision) == ("bf16", "f32")
    tiny.rewrite(cpu_precision="int4")
    with pytest.raises(WeightsError, match="cpu_precision is 'int4'"):
        _load(tiny)


@pytest.mark.parametrize(
    ("asked", "says"), [("int8", "needs backend=openvino, not 'torch'"), ("f16", "is for GPUs")]
)
def test_what_a_backend_cannot_do_is_refused(tiny: Files, asked: str, says: str) -> None:
    with pytest.raises(DeviceError, match=says):
        _load(tiny, backend="torch", precision=asked)


def test_a_cpu_without_bfloat16_is_told(tiny: Files, monkeypatch: Patch) -> None:
    class Old(ov.Core):  # type: ignore[misc]
        def get_property(self, *_: object) -> list[str]:
            return ["FP32"]

    monkeypatch.setattr(runners.ov, "Core", Old)
    with pytest.raises(DeviceError, match="this CPU has no bfloat16; use precision=f32"):
        _load(tiny, precision="bf16")


def test_int8_without_nncf_says_what_to_install(tiny: Files, monkeypatch: Patch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda n: None if n == "nncf" else find(n))
    with pytest.raises(DeviceError, match=r"pip install 'quaywatch\[int8\]'"):
        _load(tiny, _tiles, precision="int8")


def test_int8_is_made_once_and_only_of_these_weights(
    tiny: Files, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tiles = _tiles(128, 3)
    exact = raw_predictions(_load(tiny), tiles)
    asked = []

    def examples(side: int, number: int) -> NDArray[np.uint8]:
        asked.append((side, number))
        return _tiles(side, 4)

    detector = _load(tiny, examples, precision="int8")
    assert detector.precision == "int8"
    coarse = raw_predictions(detector, tiles)
    assert asked == [(128, 32)]
    change = np.abs(exact[:, 4:6] - coarse[:, 4:6])
    assert 0 < change.max() < 0.3
    assert change.mean() < 0.02
    assert np.array_equal(raw_predictions(_load(tiny, precision="int8"), tiles), coarse)
    [said] = (cache / "openvino").glob("*int8*/sha256.json")
    content = json.loads(said.read_text())
    assert content["made_of"] == f"{tiny.card.sha256} int8"
    said.write_text(json.dumps(content | {"made_of": f"{'0' * 64} int8"}))
    with caplog.at_level(logging.WARNING), pytest.raises(DeviceError, match="needs examples="):
        _load(tiny, precision="int8")
    assert "it is of other weights or precision" in caplog.text
    ours = [r for r in caplog.records if r.name.startswith("detector")]
    assert len({r.getMessage() for r in ours if r.levelno >= logging.WARNING}) == 1


def test_the_export_of_another_precision_is_not_believed(
    tiny: Files, tmp_path: Path, monkeypatch: Patch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("QUAYWATCH_CACHE", str(tmp_path / "cache"))
    exact = raw_predictions(_load(tiny), _tiles(128, 1))
    [folder] = (tmp_path / "cache" / "openvino").glob("*f32*")
    said = json.loads((folder / "sha256.json").read_text())
    (folder / "sha256.json").write_text(json.dumps(said | {"made_of": "another f32"}))
    with caplog.at_level(logging.WARNING):
        again = raw_predictions(_load(tiny), _tiles(128, 1))
    assert "of other weights" in caplog.text
    assert np.array_equal(exact, again)
    shutil.rmtree(folder)


@pytest.mark.parametrize("threads", [1, 3])
def test_several_threads_work_on_several_tiles_and_say_the_same(tiny: Files, threads: int) -> None:
    tiles = _tiles(128, 5)
    one = raw_predictions(_load(tiny, threads=1), tiles)
    assert np.array_equal(raw_predictions(_load(tiny, threads=threads), tiles), one)


def test_a_cpu_that_fails_is_one_line(tiny: Files) -> None:
    detector = _load(tiny)

    class Broken:
        def infer(self, _: object) -> None:
            raise RuntimeError("the device\nis gone")

    class Compiled:
        def create_infer_request(self) -> Broken:
            return Broken()

    detector.backend.runner._compiled = Compiled()  # type: ignore[attr-defined]
    with pytest.raises(DeviceError, match=r"failed on the CPU \(the device is gone\); start"):
        detector.detect(_tiles(128, 1))


def test_a_device_that_vanishes_is_one_line() -> None:
    class Gone(torch.nn.Module):
        def forward(self, tiles: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("CUDA error: device lost\nsee the log")

    runner = TorchRunner(Gone(), torch.device("cpu"), 1)  # type: ignore[arg-type]
    with pytest.raises(DeviceError, match="CUDA error: device lost see the log"):
        runner.forward(_tiles(128, 4))


class _Clock:
    """Processor time that a runner of known cost moves on."""

    def __init__(self) -> None:
        self.now = 0.0

    def runner(self, cost_s: float) -> object:
        clock = self

        class Slow:
            name, device = "slow", "cpu"

            def forward(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
                clock.now += cost_s
                return np.zeros((len(tiles), 7, 1), np.float32)

        return lambda request: Slow()


@pytest.mark.parametrize(
    ("torch_s", "chosen"), [(0.05, "openvino"), (0.085, "openvino"), (0.01, "torch")]
)
def test_the_fastest_is_measured_once_and_remembered(
    tiny: Files, tmp_path: Path, monkeypatch: Patch, torch_s: float, chosen: str
) -> None:
    monkeypatch.setenv("QUAYWATCH_CACHE", str(tmp_path))
    clock = _Clock()
    monkeypatch.setattr(fastest.time, "process_time", lambda: clock.now)
    request = BackendRequest(tiny.card, tiny.weights, "cpu", 1, 1)
    ours = {"openvino": clock.runner(0.055), "torch": clock.runner(torch_s)}
    assert fastest.fastest(request, ours) == chosen  # type: ignore[arg-type]
    before = clock.now
    assert fastest.fastest(request, ours) == chosen  # type: ignore[arg-type]
    assert clock.now == before
    assert fastest.fastest(replace(request, threads=2), ours) == chosen  # type: ignore[arg-type]
    assert clock.now > before


def test_what_cannot_be_remembered_is_not_measured(
    tiny: Files, tmp_path: Path, monkeypatch: Patch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("QUAYWATCH_CACHE", str(tmp_path / "file" / "no"))
    request = BackendRequest(tiny.card, tiny.weights, "cpu", 1, 1)
    never = lambda request: pytest.fail("it was measured")  # noqa: E731
    monkeypatch.setattr(logging.getLogger("detector"), "propagate", True)
    with caplog.at_level(logging.DEBUG, "detector"):
        assert fastest.fastest(request, {"openvino": never, "torch": never}) == "openvino"
    assert "cannot be written, so openvino is used unmeasured" in caplog.text


def test_a_backend_that_does_not_run_here_is_not_chosen_and_told(
    tiny: Files, tmp_path: Path, monkeypatch: Patch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("QUAYWATCH_CACHE", str(tmp_path))
    clock = _Clock()

    def broken(request: BackendRequest) -> object:
        raise DeviceError("no such processor")

    request = BackendRequest(tiny.card, tiny.weights, "cpu", 1, 1)
    found = {"openvino": broken, "torch": clock.runner(0.05)}
    assert fastest.fastest(request, found) == "torch"  # type: ignore[arg-type]
    assert "openvino does not run here (no such processor)" in caplog.text
