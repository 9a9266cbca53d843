"""Where a YOLO network runs: ONNX Runtime, on the CPU or through TensorRT on a GPU.

An export is compared with torch when it is made, and kept only if both say the same.
"""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detector.errors import DeviceError
from detector.models.devices import CPU, FORWARD, error_line
from detector.models.exports import EXPORT_FILES, ONNX, ExportKey, keep_export, read_export
from detector.models.precision import F16, F32
from detector.models.runners import PooledRunner
from detector.profiling import span

TENSORRT: Final = "tensorrt"
LIBRARY: Final = "onnxruntime"
MAKERS: Final = (LIBRARY, "onnx")  # what an export needs
TENSORRT_PROVIDER: Final = "TensorrtExecutionProvider"
CPU_PROVIDER: Final = "CPUExecutionProvider"
MOST_PX: Final = {F32: 0.05, F16: 2.0}  # that a box may move against torch in float32
MOST_SCORE: Final = {F32: 1e-3, F16: 0.02}  # that a score may
LEAST_SCORE: Final = 0.05  # of boxes that are compared
CHECKED_TILES: Final = 2

logger = logging.getLogger(__name__)

Forward = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


class OnnxRunner(PooledRunner):
    """ONNX Runtime: one run a thread, each on one core, that wait without spinning.

    Args:
        export: gives the network as ONNX; called only where none is cached.
        truth: gives the network's raw predictions by torch in float32, to compare with; called only
            where something was made.
        key: what that is an export of, and its precision.
        threads: of the CPU.
        device: `cpu`, or a CUDA device on which TensorRT runs it.

    Raises:
        DeviceError: ONNX Runtime or TensorRT is not there or refuses the network, or what it says
            is not what torch says.
    """

    def __init__(
        self,
        export: Callable[[], bytes],
        truth: Callable[[], Forward],
        key: ExportKey,
        threads: int,
        device: str = CPU,
    ) -> None:
        self.name = ONNX if device == CPU else TENSORRT
        self.device = device
        check_onnx(self.name, (LIBRARY,))
        super().__init__(threads if device == CPU else 1)
        kept = read_export(key)
        if kept is None:
            check_onnx(self.name, MAKERS)
            content = export()
        else:
            [content] = kept
        self._session = _session(content, key, device)
        self._input = self._session.get_inputs()[0].name
        if kept is None:
            self._check(truth(), key)
            keep_export(key, lambda folder: (folder / EXPORT_FILES[ONNX][0]).write_bytes(content))

    def _infer(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        with span(FORWARD):
            try:
                result = self._session.run(None, {self._input: np.ascontiguousarray(tiles)})
            except Exception as error:  # its exceptions have no common class but this
                raise DeviceError(
                    f"backend={self.name} failed on {self.device} ({error_line(error)}); see "
                    "whether it is still there and start the run again: it goes on where it was"
                ) from error
            return np.asarray(result[0], np.float32)

    def _check(self, truth: Forward, key: ExportKey) -> None:
        """Refuse a network that says something else than torch does."""
        random = np.random.default_rng(0)
        batch, height, width = key.shape
        cells = random.integers(0, 255, (CHECKED_TILES, batch, height // 32, width // 32, 3))
        for tiles in cells.astype(np.uint8).repeat(32, axis=2).repeat(32, axis=3):
            px, score = largest_moves(truth(tiles), self._infer(tiles))
            if px > MOST_PX[key.precision] or score > MOST_SCORE[key.precision]:
                raise DeviceError(
                    f"backend={self.name} says something else than torch (boxes move by up to "
                    f"{px:.2f} px, scores by {score:.4f}); use backend=torch or openvino"
                )
        logger.info("backend=%s says what torch says, on %d tiles", self.name, CHECKED_TILES)


def largest_moves(exact: NDArray[np.float32], other: NDArray[np.float32]) -> tuple[float, float]:
    """By how many pixels a box moves at most, of those that could count, and by how much a score.

    Args:
        exact: raw predictions `(B, 4 + classes + 1, anchors)`.
        other: of the same tiles; another shape, or what is no number, is infinitely far.
    """
    if exact.shape != other.shape or not np.isfinite(other).all():
        return float("inf"), float("inf")
    counts = exact[:, 4:-1].max(axis=1) >= LEAST_SCORE
    moved = np.abs(exact[:, :4] - other[:, :4]).max(axis=1)
    px = float(moved[counts].max(initial=0.0))
    return px, float(np.abs(exact[:, 4:-1] - other[:, 4:-1]).max(initial=0.0))


def check_onnx(backend: str, needed: Sequence[str] = MAKERS) -> None:
    """Refuse a backend before any work where its libraries are not there.

    Raises:
        DeviceError: one is not installed, or this ONNX Runtime is built without TensorRT.
    """
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        raise DeviceError(
            f"backend={backend} needs {' and '.join(missing)}, not installed here: pip install "
            "'quaywatch[onnx]', or use backend=openvino or torch"
        )
    if backend != TENSORRT:
        return
    import onnxruntime  # noqa: PLC0415 - an extra

    if TENSORRT_PROVIDER not in onnxruntime.get_available_providers():
        raise DeviceError(
            "backend=tensorrt needs an ONNX Runtime with TensorRT, which is not installed here: "
            "pip install onnxruntime-gpu tensorrt, or use backend=torch"
        )


def _session(content: bytes, key: ExportKey, device: str) -> Any:
    import onnxruntime  # noqa: PLC0415 - an extra

    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3  # errors
    providers: list[Any] = [CPU_PROVIDER]
    if device != CPU:
        providers = [(TENSORRT_PROVIDER, _tensorrt_options(key, device)), CPU_PROVIDER]
    try:
        session = onnxruntime.InferenceSession(content, options, providers=providers)
    except Exception as error:  # as above
        name = ONNX if device == CPU else TENSORRT
        raise DeviceError(f"backend={name}: {error_line(error)}; use backend=torch") from error
    if device != CPU and TENSORRT_PROVIDER not in session.get_providers():
        # ONNX Runtime goes on without a provider that does not start.
        raise DeviceError("backend=tensorrt: TensorRT does not start here; use backend=torch")
    return session


def _tensorrt_options(key: ExportKey, device: str) -> dict[str, str]:
    """Engines are kept beside the export: building one takes minutes."""
    engines = key.folder.with_name(f"{key.folder.name}-engines")
    return {
        "device_id": device.partition(":")[2] or "0",
        "trt_fp16_enable": str(key.precision == F16),
        "trt_engine_cache_enable": "True",
        "trt_engine_cache_path": str(engines),
    }
