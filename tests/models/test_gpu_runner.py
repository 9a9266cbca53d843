"""The roads of a GPU, walked on the CPU."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn

from detector.boxes.scored import Boxes
from detector.errors import DeviceError
from detector.models import fastest
from detector.models.backends import BackendRequest
from detector.models.card import ModelCard
from detector.models.decode import decode_tile
from detector.models.devices import LEAST_CHOSEN
from detector.models.gpu_runner import DealingRunner, GpuRunner, choose, in_precision
from detector.models.network import Network, build_model, load_tensors
from detector.models.torch_runner import TorchRunner
from detector.models.yolo import YoloBackend
from tests.models.conftest import Files
from tools import gpu_bench

Patch = pytest.MonkeyPatch
CPU = torch.device("cpu")
SIDE = 128
CONF = np.array([0.1, 0.2], np.float32)


@pytest.fixture
def network(tiny_weights: Path) -> Network:
    model = build_model("yolo11n-obb.yaml", 2)
    load_tensors(model, load_file(tiny_weights), "tiny")
    return Network(model.eval().requires_grad_(False).fuse(verbose=False))  # type: ignore[operator]


def _tiles(number: int) -> NDArray[np.uint8]:
    coarse = np.random.default_rng(3).integers(0, 255, (number, SIDE // 8, SIDE // 8, 3))
    return coarse.astype(np.uint8).repeat(8, axis=1).repeat(8, axis=2)


def _same(one: Boxes, other: Boxes) -> bool:
    return (
        np.array_equal(one.corners, other.corners)
        and np.array_equal(one.scores, other.scores)
        and np.array_equal(one.class_ids, other.class_ids)
    )


def test_what_comes_back_makes_the_boxes_of_all_that_was_said(network: Network) -> None:
    tiles = _tiles(10)
    raw = TorchRunner(network, CPU, torch.get_num_threads()).forward(tiles)
    runner = GpuRunner(network, CPU)
    backend = YoloBackend(runner)
    # Five batches begin before one is fetched: a lane that is needed again is fetched by itself.
    readings = [backend.detect(tiles[at : at + 2]) for at in range(0, 10, 2)]
    found = [boxes for reading in reversed(readings) for boxes in reversed(reading.boxes(CONF))]
    expected = [decode_tile(one, CONF) for one in raw][::-1]
    assert sum(map(len, expected)) > 100
    assert all(_same(*pair) for pair in zip(found, expected, strict=True))
    assert np.array_equal(runner.forward(tiles[:2]), raw[:2])


def test_a_short_batch_says_only_what_its_tiles_hold(network: Network) -> None:
    tiles = _tiles(2)
    runner = GpuRunner(network, CPU)
    runner.begin_chosen(tiles)()
    [one] = runner.begin_chosen(tiles[:1])()
    assert np.array_equal(one, runner.begin_chosen(tiles)()[0])
    assert len(runner.forward(tiles[:1])) == 1


def test_chosen_is_what_could_count() -> None:
    raw = np.random.default_rng(5).uniform(-0.2, 1, (3, 7, 40)).astype(np.float32)
    raw[:, 4:6] **= 8
    raw[0, 6, :5] = np.nan
    raw[1, 2, :] = -1.0  # a tile in which nothing can count
    packed, counts = (found.numpy() for found in choose(torch.from_numpy(raw)))
    at = 0
    for tile, count in zip(raw, counts, strict=True):
        could = (tile[4:6].max(axis=0) >= LEAST_CHOSEN) & (tile[2:4] > 0).all(axis=0)
        could &= np.isfinite(tile).all(axis=0)
        assert np.array_equal(packed[at : at + count], tile[:, could].T)
        at += count
    assert counts[1] == 0
    assert 20 < at < 80


def test_scores_that_do_not_come_back_are_not_asked_for(network: Network) -> None:
    reading = YoloBackend(GpuRunner(network, CPU)).detect(_tiles(1))
    with pytest.raises(DeviceError, match=r"from a score of 0.0005 on, not from 0.0001"):
        reading.boxes(np.array([0.5, 1e-4], np.float32))


def test_devices_take_batches_in_turn_and_say_the_same(network: Network) -> None:
    tiles = _tiles(6)
    runners = [GpuRunner(network, CPU) for _ in range(2)]
    taken: list[int] = []
    for number, runner in enumerate(runners):
        begin = runner.begin_chosen
        runner.begin_chosen = lambda t, n=number, b=begin: (taken.append(n), b(t))[1]  # type: ignore[misc]
    dealing = DealingRunner(runners)
    assert dealing.device == "cpu,cpu"
    waiting = [dealing.begin_chosen(tiles[at : at + 2]) for at in (0, 2, 4)]
    found = [one for chosen in waiting for one in chosen()]
    assert taken in ([0, 1, 0], [1, 0, 1])
    alone = GpuRunner(network, CPU).begin_chosen(tiles)()
    assert all(np.allclose(a, b, atol=1e-3) for a, b in zip(found, alone, strict=True))


class _Small(nn.Module):
    """Reads at most `fits` tiles at a time; a tile reads as one box with its mean as length."""

    def __init__(self, fits: int, error: Exception) -> None:
        super().__init__()
        self.fits = fits
        self.error = error
        self.asked: list[int] = []

    def forward(self, tiles: Tensor) -> Tensor:
        self.asked.append(len(tiles))
        if len(tiles) > self.fits:
            raise self.error
        mean = tiles.float().mean(dim=(1, 2, 3)) + 1
        return mean[:, None, None] * torch.ones((1, 7, 1))


TILES = np.arange(8, dtype=np.uint8).repeat(4 * 4 * 3).reshape(8, 4, 4, 3)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory."), MemoryError()])
def test_a_batch_is_halved_until_it_fits(
    error: Exception, monkeypatch: Patch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(logging.getLogger("detector"), "propagate", True)
    network = _Small(3, error)
    runner = GpuRunner(network, CPU)  # type: ignore[arg-type]
    for _ in range(2):
        found = runner.begin_chosen(TILES)()
        assert [one[2, 0] for one in found] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert runner.forward(TILES)[:, 2, 0].tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert network.asked[:3] == [8, 4, 2]
    assert set(network.asked[3:]) == {2}
    assert runner.step == 2
    told = dict.fromkeys(message for message in caplog.messages if "do not fit" in message)
    assert [text.split("; ")[-1] for text in told] == [
        *("4 at a time from here on", "2 at a time from here on")
    ]


def test_a_tile_that_does_not_fit_is_one_sentence() -> None:
    full = torch.OutOfMemoryError("CUDA out of memory.")
    with pytest.raises(DeviceError, match=r"not even one tile fits into memory \(CUDA out"):
        GpuRunner(_Small(0, full), CPU).begin_chosen(TILES)  # type: ignore[arg-type]


def test_a_device_that_vanishes_is_one_sentence_whenever_it_is_seen(network: Network) -> None:
    gone = RuntimeError("CUDA error: device lost\nsee the log")
    said = r"device 'cpu' failed while it ran \(CUDA error: device lost see the log\); see whether"
    with pytest.raises(DeviceError, match=said):
        GpuRunner(_Small(0, gone), CPU).forward(TILES)  # type: ignore[arg-type]
    runner = GpuRunner(network, CPU)
    chosen = runner.begin_chosen(_tiles(1))

    class Event:
        def synchronize(self) -> None:
            raise gone

    runner._lanes[0]._done = Event()  # type: ignore[assignment]
    with pytest.raises(DeviceError, match=said):
        chosen()
    with pytest.raises(DeviceError, match=said):
        runner._lanes[0].raw()


def test_a_graph_is_recorded_after_warm_up_and_replayed(
    network: Network, monkeypatch: Patch
) -> None:
    runner = GpuRunner(network, CPU)
    first = runner.begin_chosen(_tiles(1))()
    lane = runner._lanes[0]
    runs: list[str] = []
    calculate = lane._calculate
    monkeypatch.setattr(lane, "_calculate", lambda: (runs.append("run"), calculate())[1])

    class Stream(torch.cpu.Stream):
        def synchronize(self) -> None:
            runs.append("wait")

    class Graph:
        def replay(self) -> None:
            runs.append("replay")

    @contextmanager
    def graph(made: Graph, stream: object, capture_error_mode: str) -> Iterator[None]:
        assert (stream, capture_error_mode) == (lane._run, "thread_local")
        runs.append("record")
        yield

    lane._run = Stream()
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", graph)
    monkeypatch.setattr(torch.cuda, "stream", torch.cpu.stream)
    lane._replay = lane._recorded().replay
    assert runs == ["run", "run", "run", "wait", "record", "run"]
    lane.start(_tiles(1))
    assert runs[-1] == "replay"
    assert np.array_equal(lane.chosen()()[0], first[0])


def test_halves_keep_the_last_layers_in_float(network: Network) -> None:
    tile = torch.from_numpy(_tiles(1))
    with torch.inference_mode():
        exact = network(tile)[0].numpy()
        plain = network.to(torch.bfloat16)(tile)[0].float().numpy()
        network.float()
        ends = in_precision(network, "bf16")(tile)[0]
    assert ends.dtype == torch.float32
    moved, less = (np.abs(other[:2] - exact[:2]).mean() for other in (plain, ends.numpy()))
    assert less < 0.35 * moved
    head: Any = network.model.model[-1]  # type: ignore[index]
    assert head.cv2[0][-1].layer.weight.dtype == torch.float32
    assert head.cv2[0][0].conv.weight.dtype == torch.bfloat16


class _Clock:
    """Wall time, which a runner moves on by the cost of its batch; some batches do not fit."""

    def __init__(self, cost_s: dict[int, float]) -> None:
        self.now = 0.0
        self.cost_s = cost_s

    def runner(self, request: BackendRequest) -> Any:
        clock, batch = self, request.batch

        class Runner:
            name, device, step = "torch", "cuda:0", batch

            def forward(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
                if batch not in clock.cost_s:
                    raise torch.OutOfMemoryError("CUDA out of memory.")
                clock.now += batch * clock.cost_s[batch]
                return np.zeros((len(tiles), 7, 1), np.float32)

        return Runner()


@pytest.mark.parametrize(
    ("cost_s", "batch"),
    [
        ({8: 4.0, 16: 2.0, 32: 1.5}, 32),  # 64 do not fit
        ({8: 4.0, 16: 2.0, 32: 1.95, 64: 1.0}, 16),  # 32 gain too little
        ({}, 32),  # nothing fits: the usual one, which backs off
    ],
)
def test_the_batch_of_a_gpu_is_found_once_and_remembered(
    tiny: Files, tmp_path: Path, monkeypatch: Patch, cost_s: dict[int, float], batch: int
) -> None:
    monkeypatch.setenv("QUAYWATCH_CACHE", str(tmp_path))
    clock = _Clock(cost_s)
    monkeypatch.setattr(fastest.time, "perf_counter", lambda: clock.now)
    card: ModelCard = replace(tiny.card, tile_px=32)
    request = BackendRequest(card, tiny.weights, "cuda:0", 32, 1, "f16")
    assert fastest.best_batch(request, clock.runner, "H200 141 GB") == batch
    before = clock.now
    assert fastest.best_batch(request, clock.runner, "H200 141 GB") == batch
    assert clock.now == before
    if cost_s:
        fastest.best_batch(request, clock.runner, "A10 24 GB")
        assert clock.now > before


def test_a_batch_that_cannot_be_remembered_is_not_looked_for(
    tiny: Files, tmp_path: Path, monkeypatch: Patch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("QUAYWATCH_CACHE", str(tmp_path / "file" / "no"))
    request = BackendRequest(tiny.card, tiny.weights, "cuda:0", 32, 1)
    never = lambda request: pytest.fail("it was measured")  # noqa: E731
    assert fastest.best_batch(request, never, "H200") == 32


def test_the_benchmark_takes_the_road_of_predict(tiny_weights: Path, monkeypatch: Patch) -> None:
    monkeypatch.setattr(gpu_bench, "MEASURED_S", 0.03)
    found = gpu_bench.check_runner(tiny_weights, _tiles(1), CPU, 2)
    assert found["batch"] == 2
    assert found["share"] == pytest.approx(found["tiles_s"] / found["alone_tiles_s"], rel=0.1)
    assert found["tiles_s"] > 0
    checked = gpu_bench.check_boxes(tiny_weights, _tiles(1), CPU, "fp32")
    assert (checked["holds"], checked["box_px"]) == (True, 0.0)
