"""Where a YOLO network runs: OpenVINO on the CPU, without torch once its export is cached."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol, runtime_checkable

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from detector.errors import DeviceError
from detector.models.devices import FORWARD, error_line
from detector.models.exports import ExportKey, read_or_export
from detector.models.precision import BF16, BF16_CAPABILITY, F32
from detector.profiling import span


class Runner(Protocol):
    """Runs a YOLO network on batches of one fixed size."""

    name: str
    device: str

    def forward(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Raw predictions `(B, 4 + classes + 1, anchors)` of `(B, tile, tile, 3)` RGB tiles."""
        ...


@runtime_checkable
class StartingRunner(Protocol):
    """A runner that works on several batches at once."""

    def begin(self, tiles: NDArray[np.uint8]) -> Future[NDArray[np.float32]]:
        """As `Runner.forward`, without waiting for the answer."""
        ...


@runtime_checkable
class ChoosingRunner(Protocol):
    """A runner that works on several batches at once and gives only what could count."""

    def begin_chosen(self, tiles: NDArray[np.uint8]) -> Callable[[], Sequence[NDArray[np.float32]]]:
        """What gives raw predictions `(4 + classes + 1, K)` a tile, from `LEAST_CHOSEN` on."""
        ...


class PooledRunner:
    """A runner whose threads work on a batch each."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, FORWARD)

    def forward(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """See `Runner.forward`."""
        return self.begin(tiles).result()

    def begin(self, tiles: NDArray[np.uint8]) -> Future[NDArray[np.float32]]:
        """See `StartingRunner.begin`."""
        return self._pool.submit(self._infer, tiles)

    def _infer(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        raise NotImplementedError


class OpenVinoRunner(PooledRunner):
    """OpenVINO on the CPU: one stream and one request a thread.

    Threads that work on a tile each need not wait for each other in every layer, and what they say
    does not depend on how many they are.

    Args:
        export: gives the network as OpenVINO's model; called only where none is cached.
        key: what that is an export of, and its precision.
        threads: of the CPU.

    Raises:
        DeviceError: this CPU cannot calculate so, or OpenVINO refuses the network.
    """

    name = "openvino"
    device = "cpu"

    def __init__(
        self, export: Callable[[], Any], key: ExportKey, threads: int, precision: str = F32
    ) -> None:
        core = ov.Core()
        _check_bf16(core, precision)
        settings = {
            # bfloat16 is OpenVINO's default where a CPU has it: it moves boxes by pixels
            "INFERENCE_PRECISION_HINT": "bf16" if precision == BF16 else "f32",
            "PERFORMANCE_HINT": "THROUGHPUT",
            "NUM_STREAMS": threads,
            "INFERENCE_NUM_THREADS": threads,
        }
        model = read_or_export(core, export, key)
        try:
            self._compiled = core.compile_model(model, "CPU", settings)
        except RuntimeError as error:
            raise DeviceError(
                f"backend=openvino: {error_line(error)}; use backend=torch"
            ) from error
        self._own = threading.local()
        super().__init__(threads)

    def _infer(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        request = getattr(self._own, "request", None)
        if request is None:
            request = self._own.request = self._compiled.create_infer_request()
        with span(FORWARD):
            try:
                result = request.infer([np.ascontiguousarray(tiles)])
            except RuntimeError as error:
                raise DeviceError(
                    f"backend=openvino failed on the CPU ({error_line(error)}); start the run "
                    "again: it goes on where it was"
                ) from error
            return np.array(result[0], np.float32)  # a copy: the request reuses its buffer


def started(runner: Runner, tiles: NDArray[np.uint8]) -> Callable[[], NDArray[np.float32]]:
    """What gives the raw predictions of some tiles, on which the runner works already."""
    if isinstance(runner, StartingRunner):
        return runner.begin(tiles).result
    raw = runner.forward(tiles)
    return lambda: raw


def forward_batches(runner: Runner, tiles: NDArray[np.uint8], batch: int) -> NDArray[np.float32]:
    """Raw predictions of one tile or more, in batches of one size: the last one is padded.

    A network that runs at one size gives equal tiles equal boxes, wherever in a batch they are.
    """
    missing = -len(tiles) % batch
    padded = np.pad(tiles, ((0, missing), (0, 0), (0, 0), (0, 0))) if missing else tiles
    waiting = [
        started(runner, padded[start : start + batch]) for start in range(0, len(padded), batch)
    ]
    return np.concatenate([raw() for raw in waiting])[: len(tiles)]


def _check_bf16(core: ov.Core, precision: str) -> None:
    if precision != BF16:
        return
    able = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if BF16_CAPABILITY not in able:
        raise DeviceError("precision=bf16: this CPU has no bfloat16; use precision=f32 or int8")
