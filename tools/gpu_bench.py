"""Whether a GPU and the CPU read tiles alike, and how many tiles a second a GPU reads.

A line of JSON for each question, written as soon as it is answered; what fails is a line too. Tiles
and raw predictions stay in the device's memory: reading files and merging are not in these numbers.
`runner` is the road of `predict`: bytes from the host's memory, boxes back to it.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from torch import Tensor

from detector.classes import PORT
from detector.geometry.boxes import corners_from_xywhr
from detector.models.gpu_runner import GpuRunner, in_precision
from detector.models.network import Network, build_model, load_tensors
from tools.gpu_store import read_chips, read_scenes
from tools.gpu_views import Cells, ChipStore

BATCHES = (1, 8, 32, 128)
PRECISIONS = {"fp32": "f32", "fp16": "f16", "bf16": "bf16"}  # as `predict` names them
MODES = ("eager", "graph", "compile")
BOX_TOLERANCE_PX, SCORE_TOLERANCE = 0.05, 1e-3
CHECKED_TILES = 16
LEAST_SCORE = 0.05  # of an anchor whose box is compared
MEASURED_S = 0.5
COMPILE_S = 20.0  # that must be left for a compilation to begin


class Lines:
    """A file of JSON lines."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("", encoding="utf-8")

    def add(self, **values: Any) -> None:
        """Write and print a line."""
        line = json.dumps(values)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        print(line, flush=True)  # noqa: T201 - it is what the tool is for

    @contextmanager
    def guarded(self, **what: Any) -> Iterator[None]:
        """A question whose failure is a line."""
        try:
            yield
        except Exception as error:
            self.add(**what, failed=repr(error)[:400])


def main() -> None:
    """Check and measure as the command line says."""
    arguments = _parser().parse_args()
    end = time.monotonic() + arguments.seconds
    lines, device = Lines(arguments.out), torch.device(arguments.device)
    side = 128 if arguments.tiny else 640
    tiles = tiles_of(arguments.data, side)
    for precision in ("fp32", "tf32", "fp16"):
        with lines.guarded(check="boxes", precision=precision):
            lines.add(**check_boxes(arguments.weights, tiles, device, precision))
    with lines.guarded(check="views"):
        lines.add(**check_views(arguments.data, device))
    batches = BATCHES[:2] if arguments.tiny else BATCHES
    for batch in batches[-2:]:
        with lines.guarded(check="runner", batch=batch):
            lines.add(**check_runner(arguments.weights, tiles, device, batch))
    for mode in MODES if device.type == "cuda" else MODES[:1]:
        for precision, name in PRECISIONS.items():
            for batch in batches:
                left = end - time.monotonic()
                if left < (COMPILE_S if mode == "compile" else 3 * MEASURED_S):
                    lines.add(mode=mode, precision=precision, batch=batch, left_out="no time")
                    continue
                with lines.guarded(mode=mode, precision=precision, batch=batch):
                    network = in_precision(load(arguments.weights).to(device), name)
                    speed = tiles_a_second(network, tiles, batch, mode)
                    lines.add(mode=mode, precision=precision, batch=batch, tiles_s=round(speed, 1))


def load(weights: Path) -> Network:
    """A network of the architecture that its file names, fused, float32, on the CPU."""
    with safe_open(weights, "pt") as file:
        architecture = (file.metadata() or {}).get("architecture", "yolo11n-obb.yaml")
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    model = build_model(architecture, len(PORT))
    load_tensors(model, tensors, str(weights))
    model.float().eval().requires_grad_(False)
    network = Network(model.fuse(verbose=False))  # type: ignore[operator]
    return network.to(memory_format=torch.channels_last)


def tiles_of(data: Path, side: int) -> NDArray[np.uint8]:
    """Middles of packed images, `(CHECKED_TILES, side, side, 3)`, padded where they are smaller."""
    tiles = np.zeros((CHECKED_TILES, side, side, 3), np.uint8)
    scenes = read_scenes(data, "dev")
    for tile, scene in zip(tiles, scenes[:: max(len(scenes) // CHECKED_TILES, 1)], strict=False):
        pixels = scene.read()
        row, column = (max((length - side) // 2, 0) for length in pixels.shape[:2])
        part = pixels[row : row + side, column : column + side]
        tile[: part.shape[0], : part.shape[1]] = part
    return tiles


def check_boxes(
    weights: Path, tiles: NDArray[np.uint8], device: torch.device, precision: str
) -> dict[str, Any]:
    """The largest differences between a device and float32 on the CPU, anchor by anchor.

    `tf32` is float32 as a GPU runs it by default, `fp16` is how `predict` runs there.
    """
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    stack = torch.from_numpy(tiles)
    name = PRECISIONS.get(precision, "f32")
    moved = in_precision(load(weights).to(device), name)
    with torch.inference_mode():
        on_cpu = load(weights)(stack).numpy()
        found = moved(stack.to(device)).float().cpu().numpy()
    shown = on_cpu[:, 4:-1].max(axis=1) >= LEAST_SCORE
    boxes = [
        corners_from_xywhr(np.concatenate([raw[:, :4], raw[:, -1:]], axis=1).swapaxes(1, 2)[shown])
        for raw in (on_cpu, found)
    ]
    box_px = float(np.abs(boxes[0] - boxes[1]).max(initial=0.0))
    score = float(np.abs(on_cpu[:, 4:-1] - found[:, 4:-1]).max())
    return {
        "check": "boxes",
        "precision": precision,
        "anchors": int(shown.sum()),
        "box_px": round(box_px, 5),
        "score": round(score, 6),
        "holds": box_px <= BOX_TOLERANCE_PX and score <= SCORE_TOLERANCE,
    }


def check_runner(
    weights: Path, tiles: NDArray[np.uint8], device: torch.device, batch: int
) -> dict[str, Any]:
    """Tiles a second from bytes to boxes, and what share that is of the network alone."""
    mode = "graph" if device.type == "cuda" else "eager"
    network = in_precision(load(weights).to(device), "f16" if device.type == "cuda" else "f32")
    alone = tiles_a_second(network, tiles, batch, mode)
    runner = GpuRunner(load(weights), device, "f16" if device.type == "cuda" else "f32")
    stack = np.resize(tiles, (batch, *tiles.shape[1:]))
    runner.begin_chosen(stack)()
    start, count, waiting = time.perf_counter(), 0, [runner.begin_chosen(stack)]
    while count < 2 * batch or time.perf_counter() - start < MEASURED_S:
        waiting.append(runner.begin_chosen(stack))
        waiting.pop(0)()
        count += batch
    speed = count / (time.perf_counter() - start)
    return {
        "check": "runner",
        "batch": batch,
        "tiles_s": round(speed, 1),
        "alone_tiles_s": round(alone, 1),
        "share": round(speed / alone, 3),
    }


def check_views(data: Path, device: torch.device) -> dict[str, Any]:
    """The largest difference between views of a device and of the CPU, levels of 0 to 255."""
    chips = read_chips(data, "train")[:4]
    turned = np.array([[0.6, -0.3, 100.0], [0.3, 0.6, -50.0]])
    cells = Cells(np.arange(len(chips)), np.tile(turned, (len(chips), 1, 1)), 256)
    drawn = [ChipStore(chips, d, 2).draw(cells).cpu() for d in (torch.device("cpu"), device)]
    levels = float((drawn[0] - drawn[1]).abs().max())
    return {"check": "views", "levels": round(levels, 4), "holds": levels < 0.5}


def tiles_a_second(network: Network, tiles: NDArray[np.uint8], batch: int, mode: str) -> float:
    """Tiles that a network reads in a second, the best of three stretches."""
    device = next(network.parameters()).device
    stack = torch.from_numpy(np.resize(tiles, (batch, *tiles.shape[1:]))).to(device)
    torch.backends.cudnn.benchmark = True
    with torch.inference_mode():
        run = _runner(network, stack, mode)
        for _ in range(3):
            run()
        return max(_stretch(run, batch, device) for _ in range(3))


def _runner(network: Network, stack: Tensor, mode: str) -> Callable[[], object]:
    if mode == "compile":
        compiled = torch.compile(network)
        return lambda: compiled(stack)
    if mode == "eager":
        return lambda: network(stack)
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(3):  # the head keeps its anchors, libraries choose their ways
            network(stack)
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        network(stack)
    return graph.replay


def _stretch(run: Callable[[], object], batch: int, device: torch.device) -> float:
    _wait(device)
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < MEASURED_S / 3:
        for _ in range(4):
            run()
        count += 4
        _wait(device)
    return count * batch / (time.perf_counter() - start)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True, help="folder of the pack")
    parser.add_argument("--out", type=Path, required=True, help="file of lines")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--tiny", action="store_true")
    return parser


if __name__ == "__main__":
    main()
