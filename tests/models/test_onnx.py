"""ONNX Runtime as a backend, and TensorRT through it."""

from __future__ import annotations

import importlib.util
import json
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from detector.errors import DeviceError
from detector.models import onnx_runner, torch_runner
from detector.models.backends import choose_backend
from detector.models.detector import Detector, DetectorSettings, load_detector
from detector.models.exports import ONNX, ExportKey
from detector.models.onnx_runner import OnnxRunner, check_onnx, largest_moves
from detector.models.precision import choose_precision
from tests.models.conftest import Files
from tests.models.raw import raw_predictions

Patch = pytest.MonkeyPatch
SIDE = 128


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _own_cache(cache: Path, monkeypatch: Patch) -> None:
    monkeypatch.setenv("QUAYWATCH_CACHE", str(cache))


def _load(files: Files, backend: str = "onnx", **changes: object) -> Detector:
    values = {"weights": str(files.weights), "device": "cpu", "backend": backend, **changes}
    return load_detector(DetectorSettings(**values))  # type: ignore[arg-type]


def _tiles(number: int) -> NDArray[np.uint8]:
    coarse = np.random.default_rng(3).integers(0, 255, (number, SIDE // 8, SIDE // 8, 3))
    return coarse.astype(np.uint8).repeat(8, axis=1).repeat(8, axis=2)


def _never(*_: object) -> Any:
    pytest.fail("it was made again")


def test_it_says_what_the_others_say_and_is_exported_once(
    tiny: Files, cache: Path, monkeypatch: Patch
) -> None:
    tiles = _tiles(3)
    detector = _load(tiny, threads=2)
    assert (detector.backend.name, detector.backend.device) == ("onnx", "cpu")
    found = raw_predictions(detector, tiles)
    exact = raw_predictions(_load(tiny, "torch"), tiles)
    assert np.abs(found[:, :4] - exact[:, :4]).max() < 0.005
    assert np.abs(found[:, 4:] - exact[:, 4:]).max() < 1e-4
    [said] = (cache / "onnx").glob("*/sha256.json")
    assert json.loads(said.read_text())["made_of"] == f"{tiny.card.sha256} f32"
    monkeypatch.setattr(torch_runner, "onnx_bytes", _never)
    assert np.array_equal(raw_predictions(_load(tiny), tiles), found)


def test_a_damaged_export_is_made_anew_and_told(
    tiny: Files, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found = raw_predictions(_load(tiny), _tiles(1))
    [network] = (cache / "onnx").glob("*/network.onnx")
    network.write_bytes(network.read_bytes()[:-1] + b"!")
    with caplog.at_level(logging.WARNING, "detector"):
        assert np.array_equal(raw_predictions(_load(tiny), _tiles(1)), found)
    assert "its hash is another) and is made anew" in caplog.text


def test_what_says_something_else_than_torch_is_refused_and_not_kept(
    tiny: Files, tmp_path: Path, monkeypatch: Patch
) -> None:
    monkeypatch.setenv("QUAYWATCH_CACHE", str(tmp_path / "cache"))
    right = torch_runner.TorchRunner.forward

    def wrong(self: Any, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        raw = right(self, tiles)
        raw[:, 0] += 0.3
        return raw

    monkeypatch.setattr(torch_runner.TorchRunner, "forward", wrong)
    with pytest.raises(DeviceError, match=r"else than torch \(boxes move by up to 0.30 px"):
        _load(tiny)
    assert not list((tmp_path / "cache").rglob("network.onnx"))


def test_moves_are_those_of_boxes_that_count() -> None:
    exact = np.zeros((1, 7, 3), np.float32)
    exact[0, 4] = (0.9, 0.01, 0.5)
    other = exact.copy()
    other[0, 0] = (0.1, 50.0, 0.2)
    other[0, 5, 1] = 0.03
    assert largest_moves(exact, other) == pytest.approx((0.2, 0.03))
    assert largest_moves(exact, other[:, :6]) == (np.inf, np.inf)
    other[0, 0, 0] = np.nan
    assert largest_moves(exact, other) == (np.inf, np.inf)


@pytest.mark.parametrize("missing", ["onnxruntime", "onnx"])
def test_a_missing_library_is_one_line(
    tiny: Files, tmp_path: Path, monkeypatch: Patch, missing: str
) -> None:
    monkeypatch.setenv("QUAYWATCH_CACHE", str(tmp_path))
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda n: None if n == missing else find(n))
    with pytest.raises(DeviceError, match=rf"needs {missing}, .* pip install 'quaywatch\[onnx\]'"):
        _load(tiny)


def test_a_device_that_vanishes_is_one_line(tiny: Files) -> None:
    detector = _load(tiny)

    class Gone:
        def run(self, *_: object) -> None:
            raise RuntimeError("CUDA failure 999\ndevice lost")

    detector.backend.runner._session = Gone()  # type: ignore[attr-defined]
    with pytest.raises(DeviceError, match=r"failed on cpu \(CUDA failure 999 device lost\)"):
        detector.detect(_tiles(1))


@pytest.mark.parametrize(
    ("backend", "device", "says"),
    [("onnx", "cuda:0", "backend=onnx runs on the CPU"), ("tensorrt", "cpu", "NVIDIA GPUs")],
)
def test_what_runs_elsewhere_is_refused(backend: str, device: str, says: str) -> None:
    with pytest.raises(DeviceError, match=says):
        choose_backend(backend, device)


def test_precisions_of_onnx_and_tensorrt(monkeypatch: Patch) -> None:
    monkeypatch.delenv("QUAYWATCH_PRECISION", raising=False)
    assert choose_precision("auto", "onnx", "cpu", "bf16") == "f32"
    assert choose_precision("auto", "onnx", "cpu") == "f32"
    assert choose_precision("auto", "tensorrt", "cuda:0") == "f16"
    for backend, asked in (("onnx", "bf16"), ("onnx", "int8"), ("tensorrt", "int8")):
        with pytest.raises(DeviceError, match=f"backend={backend} calculates in .*not in {asked}"):
            choose_precision(asked, backend, "cuda:0")


def test_without_tensorrt_there_is_one_line() -> None:
    if onnx_runner.TENSORRT_PROVIDER in onnxruntime.get_available_providers():
        pytest.skip("TensorRT is here")
    with pytest.raises(DeviceError, match="pip install onnxruntime-gpu tensorrt"):
        check_onnx("tensorrt")


class _Session:
    """ONNX Runtime with TensorRT, as far as it is used: twice the mean of a tile."""

    made: tuple[object, ...] = ()
    starts = True

    def __init__(self, content: bytes, options: object, providers: list[Any]) -> None:
        type(self).made = (content, *providers)

    def get_inputs(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(name="tiles")]

    def get_providers(self) -> list[str]:
        return ["TensorrtExecutionProvider"] * self.starts + ["CPUExecutionProvider"]

    def run(self, _: None, fed: dict[str, NDArray[np.uint8]]) -> list[NDArray[np.float32]]:
        return [_mean(fed["tiles"])]


def _mean(tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.full((len(tiles), 7, 1), tiles.mean(), np.float32)


def test_tensorrt_gets_its_device_and_is_compared_with_torch(
    cache: Path, monkeypatch: Patch
) -> None:
    providers = ["TensorrtExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: providers)
    monkeypatch.setattr(onnxruntime, "InferenceSession", _Session)
    key = ExportKey("0" * 64, (2, 64, 64), "net", "f16", library=ONNX)
    make = lambda truth: OnnxRunner(lambda: b"net", lambda: truth, key, 8, "cuda:1")  # noqa: E731
    with pytest.raises(DeviceError, match="backend=tensorrt says something else than torch"):
        make(lambda tiles: _mean(tiles) + 3)
    runner = make(lambda tiles: _mean(tiles) + 0.01)
    assert (runner.name, runner.device) == ("tensorrt", "cuda:1")
    content, (name, told), last = _Session.made  # type: ignore[misc]
    assert (content, name, last) == (b"net", providers[0], "CPUExecutionProvider")
    assert (told["device_id"], told["trt_fp16_enable"]) == ("1", "True")
    assert Path(told["trt_engine_cache_path"]).parent == cache / "onnx"
    again = OnnxRunner(_never, _never, key, 8, "cuda:1")
    assert again.forward(np.full((2, 64, 64, 3), 7, np.uint8)).max() == 7
    monkeypatch.setattr(_Session, "starts", False)
    with pytest.raises(DeviceError, match="TensorRT does not start here; use backend=torch"):
        OnnxRunner(_never, _never, key, 8, "cuda:1")
