"""What a scene costs beside the network: tiny scenes, run, run again, in shards, collected, stored.

    python -m benchmarks.overhead --scenes 300 --docs

Processor time of this process, so that other work on the machine changes little. What a megapixel
costs to read, and in the network, is measured on one rendered port; both tell what a million scenes
cost. `--docs` writes the tables into docs/scale.md.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.transform import from_origin

from benchmarks import tables
from benchmarks.remote import Blind, make_scene, read
from detector.export.formats import DEFAULT_FORMATS
from detector.export.store import store_run
from detector.models.choice import choose_weights
from detector.models.detector import DetectorSettings, load_detector
from detector.prediction import batch
from detector.prediction.batch import BatchSettings, predict_paths
from detector.prediction.collect import CollectSettings, collect_shards
from detector.prediction.shard import Shard

SIDE_PX = 256
GSD_M = 0.5
MS = 1000.0
MILLION = 1_000_000
HOUR_S = 3600.0
DOCUMENT = Path("docs/scale.md")
SIZES_MP = (("chips", 0.0655), ("2.5 km a side", 25.0), ("5 km a side", 100.0))
ASSUMED_MP_S = 100.0  # of a GPU: nothing here has measured one

RECORD, ALL, AGAIN = "record", "all", "again"
SHARDS, COLLECT, COLLECT_AGAIN, STORE = "shards", "collect", "collect_again", "store"
TITLES = {
    RECORD: "identify, read, count, write the record (`formats=[]`), with the tables of the run",
    ALL: "with the default formats",
    AGAIN: "the same again: nothing to do",
    SHARDS: "in two shards, record only",
    COLLECT: "`detector collect` of them",
    COLLECT_AGAIN: "`detector collect` again",
    STORE: "`detector store`",
}


@dataclass(frozen=True, slots=True)
class Costs:
    """What was measured.

    Attributes:
        scenes: tiny ones.
        step_ms: of one core a scene, by step.
        kept_kb: on the disk, by the step that wrote it.
        weights: of the network.
        network_s: of one core a megapixel, reading left out.
        reading_s: of one core a megapixel, decoding and scaling included.
    """

    scenes: int
    step_ms: dict[str, float]
    kept_kb: dict[str, float]
    weights: str
    network_s: float
    reading_s: float


def make_scenes(folder: Path, number: int) -> None:
    """Noise, each of its own."""
    rng = np.random.default_rng(1)
    place = {"crs": "EPSG:32652", "transform": from_origin(500_000, 4_600_000, GSD_M, GSD_M)}
    profile = {"driver": "GTiff", "width": SIDE_PX, "height": SIDE_PX, "count": 3, "dtype": "uint8"}
    for at in range(number):
        path = folder / f"scene_{at:05}.tif"
        with rasterio.open(path, "w", **profile, **place, photometric="rgb") as dataset:
            dataset.write(rng.integers(1, 255, (3, SIDE_PX, SIDE_PX), np.uint8))


def measure_steps(folder: Path, number: int) -> tuple[dict[str, float], dict[str, float]]:
    """Milliseconds a scene by step, and kilobytes by what was written."""
    scenes = folder / "in"
    scenes.mkdir()
    make_scenes(scenes, number)

    def predict(out: str, formats: tuple[str, ...] = (), shard: Shard | None = None) -> None:
        detector = DetectorSettings("auto", device="cpu")
        predict_paths(
            BatchSettings((str(scenes),), folder / out, detector, formats=formats, shard=shard)
        )

    def shards() -> None:
        for at in (1, 2):
            predict("shards", shard=Shard(at, 2))

    predict("warm")
    shutil.rmtree(folder / "warm")
    steps: dict[str, Callable[[], object]] = {
        RECORD: lambda: predict(RECORD),
        ALL: lambda: predict(ALL, DEFAULT_FORMATS),
        AGAIN: lambda: predict(ALL, DEFAULT_FORMATS),
        SHARDS: shards,
        COLLECT: lambda: collect_shards(CollectSettings(folder / "shards")),
        COLLECT_AGAIN: lambda: collect_shards(CollectSettings(folder / "shards")),
        STORE: lambda: store_run(folder / RECORD, folder / STORE, "site"),
    }
    took = {}
    for name, step in steps.items():
        began = time.process_time()
        step()
        took[name] = (time.process_time() - began) / number * MS
        print(f"{TITLES[name]}: {took[name]:.0f} ms", flush=True)
    kept = {}
    for out in (RECORD, ALL, STORE):
        files = [path for path in (folder / out).rglob("*") if path.is_file()]
        kept[out] = sum(path.stat().st_size for path in files) / number / 1000
    return took, kept


def measure_network(folder: Path, side: int) -> tuple[str, float, float]:
    """Name of the weights, and seconds of a core a megapixel, in the network and to read."""
    scene = folder / "port.tif"
    make_scene(scene, side)
    weights = choose_weights("auto", GSD_M)
    detector = load_detector(DetectorSettings(weights, device="cpu", threads=1))

    def seconds(reader: Any) -> float:
        read(str(scene), reader)  # warm
        began = time.process_time()
        read(str(scene), reader)
        return (time.process_time() - began) / (side * side / MILLION)

    reading_s = seconds(Blind())
    return weights, max(0.0, seconds(detector) - reading_s), reading_s


def step_table(costs: Costs) -> str:
    """What a scene costs by step, and what it leaves on the disk."""
    rows = [[TITLES[name], f"{ms:.0f}"] for name, ms in costs.step_ms.items()]
    table = tables.markdown([f"step, {costs.scenes} scenes", "ms of one core a scene"], rows)
    kept = costs.kept_kb
    return (
        f"{table}\n\nA scene takes {kept[RECORD]:.0f} kB with its record only and "
        f"{kept[STORE]:.0f} kB in a store; with the default formats it took {kept[ALL]:,.0f} kB, "
        f"nearly all of it the picture of its noise. `{costs.weights}` takes "
        f"{costs.network_s:.2f} s of one core a megapixel at {GSD_M:g} m, reading and decoding "
        f"{costs.reading_s:.2f} s more."
    )


def million_table(costs: Costs) -> str:
    """What a million scenes cost, in hours of cores and of an assumed GPU."""
    head = ["1,000,000 scenes", "network", "reading", "beside", "in all", "GPU-hours"]
    rows = []
    for title, size in SIZES_MP:
        tiny = size < 1
        beside_ms = costs.step_ms[RECORD if tiny else ALL] + costs.step_ms[COLLECT]
        hours = [
            MILLION * seconds / HOUR_S
            for seconds in (size * costs.network_s, size * costs.reading_s, beside_ms / MS)
        ]
        gpu_hours = MILLION * size / ASSUMED_MP_S / HOUR_S
        figures = [f"{value:,.0f}" for value in (*hours, sum(hours), gpu_hours)]
        rows.append([f"{title}, {size:.3g} MP", *figures])
    keep_up = costs.reading_s * ASSUMED_MP_S
    collect_h = MILLION * costs.step_ms[COLLECT] / MS / HOUR_S
    return (
        f"{tables.markdown(head, rows)}\n\n"
        "The first four are core-hours: multiply by what a core-hour costs you. Beside the network "
        "and reading are the record, the default formats (of chips the record only) and collecting."
        "\n\nOn a GPU that does R megapixels a second the first column becomes `1,000,000 · MP / "
        "(3,600 · R)` GPU-hours, and the others stay. **No GPU was at hand for this page**: the "
        f"column assumes R = {ASSUMED_MP_S:g}; [gpu.md](gpu.md) says how to measure yours. Reading "
        f"must keep up: {costs.reading_s:.2f} · R cores for each GPU, {keep_up:.0f} at that R.\n\n"
        f"On the disk a million records take {costs.kept_kb[RECORD]:.0f} GB, a store of them "
        f"{costs.kept_kb[STORE]:.0f} GB. Collecting them into one folder takes one process "
        f"{collect_h:.0f} hours."
    )


def main() -> None:
    """Measure and print, or write into the docs."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--scenes", type=int, default=300)
    words.add_argument("--side", type=int, default=2048, help="of the rendered port, pixels")
    words.add_argument("--docs", action="store_true", help="put the tables into docs/scale.md")
    asked = words.parse_args()
    with tempfile.TemporaryDirectory() as name:
        weights, network_s, reading_s = measure_network(Path(name), asked.side)
        blind = Blind()
        batch.load_detector = lambda settings: blind  # type: ignore[assignment,return-value]
        took, kept = measure_steps(Path(name), asked.scenes)
    costs = Costs(asked.scenes, took, kept, weights, network_s, reading_s)
    for place, text in (("overhead", step_table(costs)), ("million", million_table(costs))):
        print(f"\n{text}")
        if asked.docs:
            tables.put(DOCUMENT, place, text)


if __name__ == "__main__":
    main()
