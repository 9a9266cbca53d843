"""Train, look at and time networks on a machine with a GPU and little else; see docs/gpu.md.

    tools/gpu_run.sh [MINUTES] [NETWORK ...]
    python -m tools.gpu_train --device cpu --minutes 1 --tiny

Every step is guarded: one that fails is a line in the log, and the rest goes on.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from detector.models.gpu_runner import in_precision
from detector.models.network import Network
from detector.training.mix import MixSettings, group_of
from detector.training.start import save_weights
from detector.training.views import ViewSettings
from tools.gpu_learn import LearnSettings, Lesson, learn
from tools.gpu_pixels import Chances
from tools.gpu_quick import quick_evaluation
from tools.gpu_store import MIB, PackedScene, read_chips, read_facts, read_scenes
from tools.gpu_views import ChipStore

ROOT = Path(__file__).parents[1]
READ_GSD_M = 0.3  # as the card of port-n says
SPLITS = ("dev", "dev2")
LARGEST_FILE_MIB = 15.0
QUICK_S, QUICK_SHARE = 25.0, 0.06  # a network, at most this share of all
BENCH_SHARE = 0.2
LAST_S = 5.0
TINY_CHIPS, TINY_SCENES, TINY_PX = 4, 1, 128


@dataclass(frozen=True, slots=True)
class Candidate:
    """A network that can be trained.

    Attributes:
        architecture: Ultralytics yaml.
        starts: names of weights to start from, the first that is there; tensors that don't fit are
            random.
        rate: peak of the learning rate.
        share: of the time, beside the others' 1.
    """

    architecture: str
    starts: tuple[str, ...]
    rate: float
    share: float = 1.0


CANDIDATES = {
    "yolo11n": Candidate("yolo11n-obb.yaml", ("port-n-more", "port-n"), 1e-3),
    "yolo26n": Candidate("yolo26n-obb.yaml", ("yolo26n-obb-dota",), 1e-3),
    "yolo11s": Candidate("yolo11s-obb.yaml", ("port-n-more", "port-n"), 2e-3, 1.5),
}


@dataclass(frozen=True, slots=True)
class RunSettings:
    """What is run.

    Attributes:
        data: folder of the pack.
        out: folder of what comes of it.
        networks: keys of `CANDIDATES`, in order.
        minutes: of everything together.
        begun: when they began, of `time.monotonic()`.
        device: where.
        batch: views a step.
        workers: processes that draw views.
        tiny: a few chips and images, small views.
    """

    data: Path
    out: Path
    networks: tuple[str, ...]
    minutes: float
    begun: float
    device: torch.device
    batch: int
    workers: int
    tiny: bool

    @property
    def end(self) -> float:
        """Of `time.monotonic()`."""
        return self.begun + 60.0 * self.minutes


class Log:
    """Lines for people, the same as JSON, and one file of results, whole after every step."""

    def __init__(self, out: Path, begun: float) -> None:
        self._begun = begun
        out.mkdir(parents=True, exist_ok=True)
        self._lines = (out / "log.jsonl").open("w", encoding="utf-8")
        self._metrics = out / "metrics.json"
        self.results: dict[str, Any] = {}

    def line(self, **values: Any) -> None:
        """Print and keep a line."""
        line = {"s": round(time.monotonic() - self._begun, 1), **values}
        print(json.dumps(line), flush=True)  # noqa: T201 - it is what the tool is for
        self._lines.write(json.dumps(line) + "\n")
        self._lines.flush()

    def keep(self, step: str, values: Any) -> None:
        """Keep a result."""
        self.results[step] = values
        self._metrics.write_text(json.dumps(self.results, indent=1) + "\n", encoding="utf-8")

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """A step whose failure is told and ends nothing else."""
        start = time.monotonic()
        self.line(step=name, event="begins")
        try:
            yield
        except Exception as error:
            where = traceback.format_exc().splitlines()[-8:]
            self.line(step=name, event="failed", error=repr(error)[:500], where=where)
            self.keep(f"{name}/failed", repr(error)[:500])
        else:
            self.line(step=name, event="done", took_s=round(time.monotonic() - start, 1))


def main() -> None:
    """Run as the command line says."""
    arguments = _parser().parse_args()
    if arguments.join:
        join_parts(arguments.join)
        return
    run(_settings(arguments))


def run(settings: RunSettings) -> None:
    """Train every network, look at it, and time the first one."""
    log = Log(settings.out, settings.begun)
    log.keep("machine", _machine(settings))
    log.line(**log.results["machine"])
    lesson: Lesson | None = None
    with log.step("load"):
        lesson = load_lesson(settings, log)
    scenes = {}
    for split in SPLITS:
        with log.step(f"load {split}"):
            scenes[split] = load_scenes(settings, split)
    quick_s = min(QUICK_S, QUICK_SHARE * 60.0 * settings.minutes)
    bench_s = BENCH_SHARE * 60.0 * settings.minutes
    for place, name in enumerate(settings.networks if lesson else ()):
        later = settings.networks[place + 1 :]
        left = settings.end - time.monotonic() - bench_s - LAST_S
        left -= quick_s * (1 + len(later))
        share = CANDIDATES[name].share
        seconds = left * share / (share + sum(CANDIDATES[n].share for n in later))
        with log.step(f"train {name}"):
            model = _train(name, settings, lesson, seconds, log)
            _look(name, model, scenes, settings, time.monotonic() + quick_s, log)
        if settings.device.type == "cuda":
            torch.cuda.empty_cache()
    with log.step("benchmark"):
        _benchmark(settings, settings.end - time.monotonic() - LAST_S, log)
    log.line(event="all done")


def load_lesson(settings: RunSettings, log: Log) -> Lesson:
    """The packed training set, decoded on the device."""
    chips = read_chips(settings.data, "train")
    facts = read_facts(settings.data, "train")
    views, mix = ViewSettings(**facts["views"]), MixSettings(**facts["mix"])
    chances = Chances()
    if settings.tiny:  # little enough for the loss to fall within a minute
        stacks = [chip for chip in chips if group_of(chip) == "stacks"][: TINY_CHIPS // 2]
        ships = [chip for chip in chips if group_of(chip) == "ships"][: TINY_CHIPS // 2]
        chips, views = [*stacks, *ships], replace(views, tile_px=TINY_PX, collage=0.0)
        chances = Chances(*(0.0 for _ in fields(Chances)))
    store = ChipStore(chips, settings.device, os.cpu_count() or 1)
    log.line(chips=len(chips), store_mib=round(store.size_bytes / MIB), recipe=facts["recipe"])
    return Lesson(chips, store, views, mix, chances)


def load_scenes(settings: RunSettings, split: str) -> list[PackedScene]:
    """The packed images of a split; a few of them where it is tiny."""
    scenes = read_scenes(settings.data, split)
    if not settings.tiny:
        return scenes
    shown = [scene for scene in scenes if len(scene.truth.corners)]
    return sorted(shown, key=lambda scene: scene.truth.width * scene.truth.height)[:TINY_SCENES]


def join_parts(folder: Path) -> None:
    """Put the parts of weights that were too large for one file together again."""
    for first in sorted(folder.glob("*-part1.safetensors")):
        name = first.name.removesuffix("-part1.safetensors")
        tensors, metadata = {}, {}
        for part in sorted(folder.glob(f"{name}-part*.safetensors")):
            with safe_open(part, "pt") as file:
                metadata = file.metadata()
                tensors.update({key: file.get_tensor(key) for key in file.keys()})  # noqa: SIM118
        save_file(tensors, folder / f"{name}.safetensors", metadata)


def split_weights(path: Path, most_bytes: float) -> list[Path]:
    """Weights in files of at most so many bytes, `NAME-part1.safetensors` and so on.

    A file that is small enough stays as it is.
    """
    if path.stat().st_size <= most_bytes:
        return [path]
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    parts: list[dict[str, torch.Tensor]] = [{}]
    size = 0
    for key, tensor in tensors.items():
        if size + tensor.nbytes > most_bytes and parts[-1]:
            parts.append({})
            size = 0
        parts[-1][key] = tensor
        size += tensor.nbytes
    paths = [path.with_name(f"{path.stem}-part{n}.safetensors") for n in range(1, len(parts) + 1)]
    for part, place in zip(parts, paths, strict=True):
        save_file(part, place, metadata)
    path.unlink()
    return paths


def find_start(name: str, data: Path) -> str:
    """The file of the first starting weights of a network that is there; empty for none."""
    for start in CANDIDATES[name].starts:
        for folder in (data / "weights", ROOT / "weights"):
            if (folder / f"{start}.safetensors").is_file():
                return str(folder / f"{start}.safetensors")
    return ""


def _train(
    name: str, settings: RunSettings, lesson: Lesson | None, seconds: float, log: Log
) -> nn.Module:
    if lesson is None or seconds <= 0:
        raise RuntimeError(f"{seconds:.0f} seconds are left for {name}: say more minutes")
    candidate = CANDIDATES[name]
    how = LearnSettings(
        candidate.architecture,
        find_start(name, settings.data),
        batch=settings.batch,
        rate=candidate.rate,
        workers=settings.workers,
    )
    model = learn(lesson, how, seconds, lambda values: log.line(network=name, **values))
    path = settings.out / f"{name}.safetensors"
    save_weights(path, model.state_dict(), candidate.architecture)
    files = split_weights(path, LARGEST_FILE_MIB * MIB)
    log.keep(f"weights/{name}", [file.name for file in files])
    return model


def _look(
    name: str,
    model: nn.Module,
    scenes: dict[str, list[PackedScene]],
    settings: RunSettings,
    deadline: float,
    log: Log,
) -> None:
    network = as_network(model, settings.device)
    tile_px = TINY_PX if settings.tiny else 640
    for split in reversed(SPLITS):  # the small one first: it always fits
        with log.step(f"quick {name} {split}"):
            found = quick_evaluation(network, scenes[split], tile_px, READ_GSD_M, deadline)
            log.keep(f"quick/{name}/{split}", found)
            alls = {key: value for key, value in found["ap"].items() if key.endswith("/all")}
            log.line(
                network=name, split=split, note=found["note"], left_out=found["left_out"], **alls
            )


def as_network(model: nn.Module, device: torch.device) -> Network:
    """Averaged weights as the pipeline runs them: fused, on a GPU in halves but for the ends."""
    still = copy.deepcopy(model).float().eval().requires_grad_(False)
    network = Network(still.fuse(verbose=False)).to(device)  # type: ignore[operator]
    return in_precision(network, "f16" if device.type == "cuda" else "f32")


def _benchmark(settings: RunSettings, seconds: float, log: Log) -> None:
    """In a process of its own: what hangs in a compiler is ended with it."""
    trained = [settings.out / f"{name}.safetensors" for name in settings.networks]
    whole = [path for path in trained if path.is_file()]
    weights = whole[0] if whole else Path(find_start("yolo11n", settings.data))
    lines = settings.out / "bench.jsonl"
    command = [sys.executable, "-m", "tools.gpu_bench", "--weights", str(weights)]
    command += ["--data", str(settings.data), "--out", str(lines), "--device", str(settings.device)]
    command += [
        "--seconds",
        f"{max(seconds - LAST_S, 1):.0f}",
        *(["--tiny"] if settings.tiny else []),
    ]
    try:
        subprocess.run(command, check=True, timeout=max(seconds, 1.0), cwd=ROOT)  # noqa: S603
    except subprocess.TimeoutExpired:
        log.line(step="benchmark", event="out of time")
    if lines.is_file():
        rows = [json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines()]
        log.keep("benchmark", rows)


def _machine(settings: RunSettings) -> dict[str, Any]:
    told = {"torch": torch.__version__, "cpus": os.cpu_count(), "device": str(settings.device)}
    if settings.device.type == "cuda":
        told["gpu"] = torch.cuda.get_device_name(settings.device)
    return {**told, "minutes": settings.minutes, "networks": list(settings.networks)}


def _settings(arguments: argparse.Namespace) -> RunSettings:
    device = torch.device(arguments.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    on_gpu = device.type == "cuda"
    if on_gpu:
        torch.backends.cudnn.benchmark = True
    cpus = os.cpu_count() or 1
    return RunSettings(
        arguments.data,
        arguments.out,
        tuple(arguments.networks or (["yolo11n"] if arguments.tiny else CANDIDATES)),
        arguments.minutes,
        time.monotonic() - max(time.time() - (arguments.begun or time.time()), 0.0),
        device,
        arguments.batch or (4 if arguments.tiny else 128 if on_gpu else 8),
        0 if arguments.tiny else max(min(cpus - 2, 12), 0),
        arguments.tiny,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("networks", nargs="*", choices=[[], *CANDIDATES], metavar="NETWORK")
    parser.add_argument("--minutes", type=float, default=7.0, help="of everything together")
    parser.add_argument("--begun", type=float, help="since when they count, Unix time; now")
    parser.add_argument("--device", help="cpu, cuda; by default what is there")
    parser.add_argument("--data", type=Path, default=ROOT / ".cache" / "gpu")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "gpu")
    parser.add_argument("--batch", type=int, default=0, help="views a step; 0: as the device")
    parser.add_argument("--tiny", action="store_true", help="a few small views, for a trial")
    parser.add_argument("--join", type=Path, help="only join the parts of weights in a folder")
    return parser


if __name__ == "__main__":
    main()
