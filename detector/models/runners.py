"""Where a YOLO network runs: OpenVINO on the CPU, without torch once its export is cached."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import logging
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Protocol

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from detector.documents import DocumentError, read_json
from detector.errors import OutputError
from detector.files import atomic_folder, file_sha256
from detector.models.backends import cache_folder

EXPORT_FILES: Final = ("network.xml", "network.bin")
HASHES_FILE: Final = "sha256.json"
TORCH_VERSION: Final = importlib.metadata.version("torch")  # its tracer made the export

logger = logging.getLogger(__name__)


class Runner(Protocol):
    """Runs a YOLO network on batches of one fixed size."""

    name: str
    device: str

    def forward(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Raw predictions `(B, 4 + classes + 1, anchors)` of `(B, tile, tile, 3)` RGB tiles."""
        ...


class OpenVinoRunner:
    """OpenVINO on the CPU, float32.

    The export is cached with its own hashes: a damaged one is made anew. Where nothing can be
    cached it is made at every start.

    Args:
        export: gives the network as OpenVINO's model; called only where none is cached.
        name: of the cached export; another network or another shape needs another one.
        threads: of the CPU.
    """

    name = "openvino"
    device = "cpu"

    def __init__(self, export: Callable[[], Any], name: str, threads: int) -> None:
        core = ov.Core()
        settings = {
            # float32: bfloat16, the default where a CPU has it, moves boxes by pixels
            "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
        }
        model = _exported(core, export, name)
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


def _exported(core: ov.Core, export: Callable[[], Any], name: str) -> Any:
    """The network as OpenVINO's model, converted unless it is there and whole."""
    version = ov.get_version().split("-", 1)[0]
    folder = cache_folder() / "openvino" / f"{name}-ov{version}-torch{TORCH_VERSION}"
    kept = _read_export(folder)
    if kept is not None:
        return core.read_model(*kept)
    model = export()
    _keep_export(model, folder)
    kept = _read_export(folder)
    # What was written reads a little otherwise than what was converted, in the last digits: every
    # run must read the same.
    return core.read_model(*kept) if kept is not None else _written(core, model)


def _written(core: ov.Core, model: Any) -> Any:
    """The model as it reads once it was written, where nothing can be cached."""
    try:
        with TemporaryDirectory() as folder:
            path = Path(folder) / EXPORT_FILES[0]
            ov.serialize(model, path)
            values = path.with_suffix(".bin").read_bytes()
            return core.read_model(path.read_bytes(), values)
    except (OSError, RuntimeError):
        return model  # nowhere to write: the last digits differ from those of a cached export


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
            hashes = {name: file_sha256(temporary / name) for name in EXPORT_FILES}
            (temporary / HASHES_FILE).write_text(json.dumps(hashes), encoding="utf-8")
    except (OSError, RuntimeError, OutputError) as error:
        reason = " ".join(str(error.__cause__ or error).split())[:200]
        logger.warning(
            "%s: the network cannot be cached (%s), so it is made anew at every start; name a "
            "folder with QUAYWATCH_CACHE=",
            folder,
            reason,
        )
