"""Networks as OpenVINO and ONNX Runtime read them, made once and kept with their hashes.

A cached export is believed only if it is whole and says that it is of these weights, at this
precision; any other is made anew, and the log says why.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import openvino as ov

from detector.documents import DocumentError, read_json
from detector.errors import OutputError
from detector.files import atomic_folder, file_sha256
from detector.models.backends import cache_folder
from detector.models.precision import F32

OPENVINO: Final = "openvino"
ONNX: Final = "onnx"
EXPORT_FILES: Final = {OPENVINO: ("network.xml", "network.bin"), ONNX: ("network.onnx",)}
HASHES_FILE: Final = "sha256.json"
MADE_OF: Final = "made_of"  # beside the hashes: weights and precision
TORCH_VERSION: Final = importlib.metadata.version("torch")  # its tracer made the export

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ExportKey:
    """What an export is of.

    Attributes:
        weights_sha256: of the safetensors file.
        shape: `(B, height, width)` of the tiles.
        built: hash of what else decides the network: architecture, number of classes.
        precision: of its arithmetic.
        maker: what made that network of the float one, with its version; empty for float.
        library: that reads it.
    """

    weights_sha256: str
    shape: tuple[int, int, int]
    built: str
    precision: str = F32
    maker: str = ""
    library: str = OPENVINO

    @property
    def folder(self) -> Path:
        """Where it is kept."""
        size = "x".join(map(str, self.shape))
        # ONNX is a standard: the library that reads it may change, what torch wrote stays.
        by = (f"ov{openvino_version()}",) if self.library == OPENVINO else ()
        parts = (size, self.built, self.maker or F32, *by, f"torch{TORCH_VERSION}")
        return cache_folder() / self.library / "-".join((self.weights_sha256[:16], *parts))

    @property
    def made_of(self) -> str:
        """Weights and precision in one word, as it stands beside the export."""
        return f"{self.weights_sha256} {self.precision}"


def openvino_version() -> str:
    """Of the library, without its build."""
    return str(ov.get_version().split("-", 1)[0])


def read_or_export(core: ov.Core, export: Callable[[], Any], key: ExportKey) -> Any:
    """The network as OpenVINO's model, made unless it is there and whole."""
    kept = read_export(key)
    if kept is not None:
        return core.read_model(*kept)
    model = export()
    keep_export(key, lambda folder: ov.serialize(model, folder / EXPORT_FILES[OPENVINO][0]))
    kept = read_export(key)
    # What was written reads a little otherwise than what was converted, in the last digits: every
    # run must read the same.
    return core.read_model(*kept) if kept is not None else _written(core, model)


def _written(core: ov.Core, model: Any) -> Any:
    """The model as it reads once it was written, where nothing can be cached."""
    try:
        with TemporaryDirectory() as folder:
            path = Path(folder) / EXPORT_FILES[OPENVINO][0]
            ov.serialize(model, path)
            values = path.with_suffix(".bin").read_bytes()
            return core.read_model(path.read_bytes(), values)
    except (OSError, RuntimeError):
        return model  # nowhere to write: the last digits differ from those of a cached export


def read_export(key: ExportKey) -> tuple[bytes, ...] | None:
    """What is cached, read once and only if its hashes hold; None where it must be made."""
    folder, names = key.folder, EXPORT_FILES[key.library]
    if not (folder / names[0]).exists():
        return None
    try:
        said = read_json(folder / HASHES_FILE)
        contents = tuple((folder / name).read_bytes() for name in names)
        found = {
            name: hashlib.sha256(content).hexdigest()
            for name, content in zip(names, contents, strict=True)
        }
        if said == found | {MADE_OF: key.made_of}:
            return contents
        of = said.get(MADE_OF) if isinstance(said, dict) else None
        other = of is not None and of != key.made_of
        reason = "it is of other weights or precision" if other else "its hash is another"
    except (OSError, DocumentError) as error:
        reason = str(error)
    logger.warning("%s: the cached network cannot be used (%s) and is made anew", folder, reason)
    return None


def keep_export(key: ExportKey, write: Callable[[Path], object]) -> None:
    """Keep what `write` writes into a folder, with its hashes; where that fails the log says so."""
    folder = key.folder
    try:
        with atomic_folder(folder) as temporary:
            write(temporary)
            said = {name: file_sha256(temporary / name) for name in EXPORT_FILES[key.library]}
            said[MADE_OF] = key.made_of
            (temporary / HASHES_FILE).write_text(json.dumps(said), encoding="utf-8")
    except (OSError, RuntimeError, OutputError) as error:
        reason = " ".join(str(error.__cause__ or error).split())[:200]
        logger.warning(
            "%s: the network cannot be cached (%s), so it is made anew at every start; name a "
            "folder with QUAYWATCH_CACHE=",
            folder,
            reason,
        )
