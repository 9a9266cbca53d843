"""Where a YOLO network runs: torch on CPU or CUDA, OpenVINO on CPU."""

from __future__ import annotations

import contextlib
import tempfile
import warnings
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import openvino as ov
import torch
from numpy.typing import NDArray

from detector.models.backends import cache_folder
from detector.models.network import Network


class Runner(Protocol):
    """Runs a YOLO network on batches of one fixed size."""

    name: str
    device: str

    def forward(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Raw predictions `(B, 4 + classes + 1, anchors)` of `(B, tile, tile, 3)` RGB tiles."""
        ...


class TorchRunner:
    """Torch: channels last; half precision on CUDA, all cores on the CPU."""

    name = "torch"

    def __init__(self, network: Network, device: torch.device, threads: int) -> None:
        self.device = str(device)
        self._device = device
        if device.type == "cpu":
            torch.set_num_threads(threads)
        network = network.to(device).to(memory_format=torch.channels_last)
        self._network = network.half() if device.type == "cuda" else network.float()

    @torch.inference_mode()
    def forward(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """See `Runner.forward`."""
        batch = torch.from_numpy(np.ascontiguousarray(tiles)).to(self._device, non_blocking=True)
        output: NDArray[np.float32] = self._network(batch).float().cpu().numpy()
        return output


class OpenVinoRunner:
    """OpenVINO on the CPU, float32; the export is cached by the hash of the weights."""

    name = "openvino"
    device = "cpu"

    def __init__(self, network: Network, shape: tuple[int, int, int], sha256: str, threads: int):
        path = _cached_export(network, shape, sha256)
        core = ov.Core()
        settings = {
            # float32: bfloat16, the default where a CPU has it, moves boxes by pixels
            "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
        }
        compiled = core.compile_model(core.read_model(path), "CPU", settings)
        self._request = compiled.create_infer_request()

    def forward(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """See `Runner.forward`."""
        result = self._request.infer([np.ascontiguousarray(tiles)])
        return np.array(result[0], np.float32)  # a copy: the request reuses its buffer


def forward_batches(runner: Runner, tiles: NDArray[np.uint8], batch: int) -> NDArray[np.float32]:
    """Raw predictions of one tile or more, in batches of one size: the last one is padded.

    A network that runs at one size gives equal tiles equal boxes, wherever in a batch they are.
    """
    missing = -len(tiles) % batch
    padded = np.pad(tiles, ((0, missing), (0, 0), (0, 0), (0, 0))) if missing else tiles
    outputs = [
        runner.forward(padded[start : start + batch]) for start in range(0, len(padded), batch)
    ]
    return np.concatenate(outputs)[: len(tiles)]


def _cached_export(network: Network, shape: tuple[int, int, int], sha256: str) -> Path:
    """The network in OpenVINO's format, converted unless it is there."""
    batch, height, width = shape
    version = ov.get_version().split("-", 1)[0]
    name = f"{sha256[:16]}-{batch}x{height}x{width}-ov{version}-torch{torch.__version__}"
    folder = cache_folder() / "openvino" / name
    path = folder / "network.xml"
    if path.is_file():
        return path
    example = torch.zeros((batch, height, width, 3), dtype=torch.uint8)
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # OpenVINO's converter traces
        network(example)  # the head caches its anchors, which must be constants in the trace
        model: Any = ov.convert_model(network, example_input=example, input=[example.shape])
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        export = Path(scratch) / name
        export.mkdir()
        ov.serialize(model, export / path.name)
        # Another process may have been faster; its export is as good.
        with contextlib.suppress(OSError):
            export.rename(folder)
    return path
