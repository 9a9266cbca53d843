"""Where a YOLO network runs: torch on CPU or CUDA, OpenVINO on CPU."""

from __future__ import annotations

import hashlib
import json
import logging
import warnings
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import openvino as ov
import torch
from numpy.typing import NDArray

from detector.documents import DocumentError, read_json
from detector.errors import OutputError
from detector.files import atomic_folder
from detector.models.backends import cache_folder
from detector.models.network import Network

EXPORT_FILES: Final = ("network.xml", "network.bin")
HASHES_FILE: Final = "sha256.json"

logger = logging.getLogger(__name__)


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
    """OpenVINO on the CPU, float32.

    The export is cached by the hash of the weights, with its own hashes: a damaged one is made
    anew. Where nothing can be cached it is made at every start.
    """

    name = "openvino"
    device = "cpu"

    def __init__(self, network: Network, shape: tuple[int, int, int], sha256: str, threads: int):
        core = ov.Core()
        settings = {
            # float32: bfloat16, the default where a CPU has it, moves boxes by pixels
            "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
        }
        model = _exported(core, network, shape, sha256)
        compiled = core.compile_model(model, "CPU", settings)
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


def _exported(core: ov.Core, network: Network, shape: tuple[int, int, int], sha256: str) -> Any:
    """The network as OpenVINO's model, converted unless it is there and whole."""
    batch, height, width = shape
    version = ov.get_version().split("-", 1)[0]
    name = f"{sha256[:16]}-{batch}x{height}x{width}-ov{version}-torch{torch.__version__}"
    folder = cache_folder() / "openvino" / name
    kept = _read_export(folder)
    if kept is not None:
        return core.read_model(*kept)
    example = torch.zeros((batch, height, width, 3), dtype=torch.uint8)
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # OpenVINO's converter traces
        network(example)  # the head caches its anchors, which must be constants in the trace
        model: Any = ov.convert_model(network, example_input=example, input=[example.shape])
    _keep_export(model, folder)
    return model


def _read_export(folder: Path) -> tuple[bytes, bytes] | None:
    """What is cached, read once and only if its hashes hold; None where it must be made."""
    if not (folder / EXPORT_FILES[0]).exists():
        return None
    try:
        hashes = read_json(folder / HASHES_FILE)
        network, values = ((folder / name).read_bytes() for name in EXPORT_FILES)
        found = {
            name: hashlib.sha256(content).hexdigest()
            for name, content in zip(EXPORT_FILES, (network, values), strict=True)
        }
        if hashes == found:
            return network, values
        reason = "its hash is another"
    except (OSError, DocumentError) as error:
        reason = str(error)
    logger.warning("%s: the cached network is damaged (%s) and made anew", folder, reason)
    return None


def _keep_export(model: Any, folder: Path) -> None:
    try:
        with atomic_folder(folder) as temporary:
            ov.serialize(model, temporary / EXPORT_FILES[0])
            hashes = {
                name: hashlib.sha256((temporary / name).read_bytes()).hexdigest()
                for name in EXPORT_FILES
            }
            (temporary / HASHES_FILE).write_text(json.dumps(hashes), encoding="utf-8")
    except (OSError, RuntimeError, OutputError) as error:
        reason = " ".join(str(error.__cause__ or error).split())[:200]
        logger.warning(
            "%s: the network cannot be cached (%s), so it is made anew at every start; name a "
            "folder with QUAYWATCH_CACHE=",
            folder,
            reason,
        )
