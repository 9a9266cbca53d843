"""Where a YOLO network runs: torch on a GPU, with two batches under way.

Bytes go up from pinned memory on one stream while the network runs on another, as one CUDA graph a
batch; scaling, the network and the choice of boxes happen on the device, and only boxes that could
count come back. Duplicates come back too: the merge lets them vote. All of it runs on the CPU too,
without streams and graphs, which is how it is tested.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from detector.models.devices import (
    FORWARD,
    LEAST_CHOSEN,
    error_line,
    gone,
    is_no_memory,
    no_tile_fits,
)
from detector.models.network import Network
from detector.models.precision import BF16, F16, F32
from detector.profiling import span

LANES: Final = 2  # batches under way
WARM_UP: Final = 3  # runs before a graph is recorded: libraries choose their ways
DTYPES: Final = {F32: torch.float32, F16: torch.float16, BF16: torch.bfloat16}

logger = logging.getLogger(__name__)

Raw = NDArray[np.float32]


class GpuRunner:
    """Torch on one device, with batches of one size.

    Args:
        network: of a card.
        device: that it runs on; the CPU for tests.
        precision: `f32`, `f16` or `bf16`.
    """

    name = "torch"

    def __init__(self, network: Network, device: torch.device, precision: str = F32) -> None:
        self.device = str(device)
        self._device = device
        network = network.to(device).to(memory_format=torch.channels_last)
        self._network = in_precision(network, precision)
        self._lanes: list[_Lane] = []
        self._next = 0
        self._step = 0  # tiles a lane takes; 0 until the first batch comes

    @property
    def step(self) -> int:
        """Tiles that it reads at a time: those of a batch, or fewer where memory was short."""
        return self._step

    def forward(self, tiles: NDArray[np.uint8]) -> Raw:
        """See `Runner.forward`."""
        return np.concatenate([lane.raw() for lane in self._started(tiles)])[: len(tiles)]

    def begin_chosen(self, tiles: NDArray[np.uint8]) -> Callable[[], list[Raw]]:
        """What gives the raw predictions that could count, `(4 + classes + 1, K)` a tile.

        Raises:
            DeviceError: not even one tile fits, or the device is gone or failed.
        """
        waiting = [lane.chosen() for lane in self._started(tiles)]
        return lambda: [one for chosen in waiting for one in chosen()][: len(tiles)]

    def _started(self, tiles: NDArray[np.uint8]) -> Any:
        """The lanes that work on the parts of a batch, one after the other."""
        at = 0
        self._step = self._step or len(tiles)
        while at < len(tiles):
            lane = self._lane_for(tiles[at : at + self._step])
            if lane is not None:
                yield lane
                at += self._step

    def _lane_for(self, part: NDArray[np.uint8]) -> _Lane | None:
        """A lane that works on a part; None where memory was short, and the step is now smaller."""
        try:
            if not self._lanes:  # all at once: nothing may be fetched while a graph is recorded
                shape = (self._step, *part.shape[1:])
                self._lanes = [_Lane(self._network, self._device, shape) for _ in range(LANES)]
            lane = self._lanes[self._next % len(self._lanes)]
            with span(FORWARD):
                lane.start(part)
        except (MemoryError, RuntimeError) as error:
            if not is_no_memory(error):
                raise gone(self.device, error) from error
            reason = error_line(error)[:120]
        else:
            self._next += 1
            return lane
        self._back_off(reason)
        return None

    def _back_off(self, reason: str) -> None:
        for lane in self._lanes:
            lane.finish()
        self._lanes.clear()
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        if self._step <= 1:
            raise no_tile_fits(self.device, reason)
        logger.warning(
            "%s: %d tiles do not fit into memory (%s); %d at a time from here on",
            *(self.device, self._step, reason, self._step // 2),
        )
        self._step //= 2


class _Lane:
    """One batch under way: its buffers, its streams and its graph.

    A lane is taken again only when what it found was fetched. `finish` fetches it, from whichever
    thread comes first.
    """

    def __init__(self, network: Network, device: torch.device, shape: tuple[int, ...]) -> None:
        on_gpu = device.type == "cuda"
        self._api: Any = torch.cuda if on_gpu else torch.cpu
        self._device = str(device)
        self._network = network
        self._host = torch.zeros(shape, dtype=torch.uint8, pin_memory=on_gpu)
        self._tiles = torch.zeros(shape, dtype=torch.uint8, device=device)
        stream: Any = partial(torch.cuda.Stream, device) if on_gpu else torch.cpu.Stream
        self._up, self._run = stream(), stream()
        self._uploaded, self._done = (self._api.Event() for _ in range(2))
        self._pending: _Pending | None = None
        self._outputs: tuple[Tensor, Tensor, Tensor] = self._calculate()
        self._api.synchronize(device)  # what was made on the usual stream is used on others
        self._replay: Callable[[], object] = self._recorded().replay if on_gpu else self._again

    def start(self, tiles: NDArray[np.uint8]) -> None:
        """Begin a batch; of a shorter one the rest of the lane says nothing of interest."""
        self.finish()
        self._host[: len(tiles)] = torch.from_numpy(np.ascontiguousarray(tiles))
        self._host[len(tiles) :].zero_()
        with self._api.stream(self._up):
            self._tiles.copy_(self._host, non_blocking=True)
            self._uploaded.record()
        with self._api.stream(self._run):
            self._run.wait_event(self._uploaded)
            self._replay()
            self._done.record()
        self._pending = _Pending(partial(self._fetch, len(tiles)))

    def finish(self) -> None:
        """Fetch what is under way, if anything is."""
        if self._pending is not None:
            self._pending.get()

    def chosen(self) -> Callable[[], list[Raw]]:
        """What gives the predictions that could count, a tile each, of the batch under way."""
        if self._pending is None:
            raise ValueError("no batch was started")
        return self._pending.get

    def raw(self) -> Raw:
        """All predictions of the batch under way."""
        try:
            self._done.synchronize()
            found: Raw = self._outputs[0].cpu().numpy().copy()
        except RuntimeError as error:
            raise gone(self._device, error) from error
        return found

    def _fetch(self, number: int) -> list[Raw]:
        try:
            self._done.synchronize()
            _, packed, counts = self._outputs
            ends = np.cumsum(counts.cpu().numpy())[:number]
            rows: Raw = packed[: int(ends[-1])].cpu().numpy().copy()
        except RuntimeError as error:
            raise gone(self._device, error) from error
        return [np.ascontiguousarray(part.T) for part in np.split(rows, ends[:-1])]

    @torch.inference_mode()
    def _calculate(self) -> tuple[Tensor, Tensor, Tensor]:
        raw = self._network(self._tiles).float()
        return raw, *choose(raw)

    @torch.inference_mode()
    def _again(self) -> None:
        for kept, new in zip(self._outputs, self._calculate(), strict=True):
            kept.copy_(new)

    def _recorded(self) -> Any:
        with torch.cuda.stream(self._run):
            for _ in range(WARM_UP):
                self._calculate()
        self._run.synchronize()
        graph = torch.cuda.CUDAGraph()
        # Other devices may be at work meanwhile, from other threads.
        with torch.cuda.graph(graph, stream=self._run, capture_error_mode="thread_local"):
            self._outputs = self._calculate()
        return graph


class _Pending:
    """What a lane found, fetched once, by whichever thread asks first."""

    def __init__(self, fetch: Callable[[], list[Raw]]) -> None:
        self._fetch: Callable[[], list[Raw]] | None = fetch
        self._found: list[Raw] = []
        self._lock = threading.Lock()

    def get(self) -> list[Raw]:
        with self._lock:
            if self._fetch is not None:
                self._found = self._fetch()
                self._fetch = None
            return self._found


class DealingRunner:
    """Several devices: batches of the plan are dealt to them in turn.

    Args:
        runners: one a device, with the same network.
    """

    name = "torch"

    def __init__(self, runners: list[GpuRunner]) -> None:
        self._runners = runners
        self._next = 0
        self.device = ",".join(runner.device for runner in runners)

    def forward(self, tiles: NDArray[np.uint8]) -> Raw:
        """See `Runner.forward`."""
        return self._taker().forward(tiles)

    def begin_chosen(self, tiles: NDArray[np.uint8]) -> Callable[[], list[Raw]]:
        """See `GpuRunner.begin_chosen`."""
        return self._taker().begin_chosen(tiles)

    def _taker(self) -> GpuRunner:
        self._next += 1
        return self._runners[self._next % len(self._runners)]


def choose(raw: Tensor) -> tuple[Tensor, Tensor]:
    """Predictions that could count, side by side, without a word from the device's host.

    Args:
        raw: `(B, 4 + classes + 1, anchors)`.

    Returns:
        `(B * anchors + 1, 4 + classes + 1)` of which the first are those chosen, tile by tile in
        the order of the anchors, and `(B,)` how many each tile has.
    """
    batch, values, anchors = raw.shape
    could = raw[:, 4:-1].amax(dim=1) >= LEAST_CHOSEN
    could &= raw.isfinite().all(dim=1) & (raw[:, 2:4] > 0).all(dim=1)
    flat = could.reshape(-1)
    # Each chosen row goes to its rank, all others to the last row, which nobody reads.
    rank = torch.where(flat, flat.cumsum(0) - 1, batch * anchors)
    rows = raw.permute(0, 2, 1).reshape(-1, values)
    packed = rows.new_zeros((batch * anchors + 1, values)).index_copy_(0, rank, rows)
    return packed, could.sum(dim=1)


def in_precision(network: Network, precision: str) -> Network:
    """The network in a precision, but for its last layers and all after them.

    In halves a place beyond 512 px is known to 0.5 px, in bfloat16 to 4; the last convolutions
    and what makes boxes of them stay in float32 (`detector.models.bfloat` for OpenVINO).

    Args:
        network: float; it is changed.
        precision: `f32`, `f16` or `bf16`.
    """
    network.to(DTYPES[precision])
    if precision == F32:
        return network
    head: Any = network.model.model[-1]  # type: ignore[index]
    head.dfl = _InFloat(head.dfl)
    for branch in (head.cv2, head.cv3, head.cv4):
        for level in branch:
            level[-1] = _InFloat(level[-1])
    return network


class _InFloat(nn.Module):
    """A layer that calculates in float32, whatever comes in."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer.float()

    def forward(self, values: Tensor) -> Tensor:
        result: Tensor = self.layer(values.float())
        return result
