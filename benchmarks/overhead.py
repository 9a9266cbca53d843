"""What a scene costs beside the network: tiny scenes, run, run again, in shards, collected, stored.

    python -m benchmarks.overhead --scenes 300

Processor time of this process, so that other work on the machine changes little.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import from_origin

from benchmarks.remote import Blind
from detector.export.formats import DEFAULT_FORMATS
from detector.export.store import store_run
from detector.models.detector import DetectorSettings
from detector.prediction import batch
from detector.prediction.batch import BatchSettings, predict_paths
from detector.prediction.collect import CollectSettings, collect_shards
from detector.prediction.shard import Shard

SIDE_PX = 256
GSD_M = 0.5
MS = 1000.0


def make_scenes(folder: Path, number: int) -> None:
    """Noise, each of its own."""
    rng = np.random.default_rng(1)
    place = {"crs": "EPSG:32652", "transform": from_origin(500_000, 4_600_000, GSD_M, GSD_M)}
    profile = {"driver": "GTiff", "width": SIDE_PX, "height": SIDE_PX, "count": 3, "dtype": "uint8"}
    for at in range(number):
        path = folder / f"scene_{at:05}.tif"
        with rasterio.open(path, "w", **profile, **place, photometric="rgb") as dataset:
            dataset.write(rng.integers(1, 255, (3, SIDE_PX, SIDE_PX), np.uint8))


def main() -> None:
    """Measure and print."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--scenes", type=int, default=300)
    number = words.parse_args().scenes
    blind = Blind()
    batch.load_detector = lambda settings: blind  # type: ignore[assignment,return-value]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scenes = folder / "in"
        scenes.mkdir()
        make_scenes(scenes, number)

        def predict(out: str, formats: tuple[str, ...] = (), shard: Shard | None = None) -> None:
            detector = DetectorSettings("port-n3", device="cpu")
            settings = BatchSettings(
                (str(scenes),), folder / out, detector, formats=formats, shard=shard
            )
            predict_paths(settings)

        def shards() -> None:
            for at in (1, 2):
                predict("shards", shard=Shard(at, 2))

        predict("warm")
        shutil.rmtree(folder / "warm")
        steps: dict[str, Callable[[], object]] = {
            "record only (formats=[])": lambda: predict("record"),
            "default formats": lambda: predict("all", DEFAULT_FORMATS),
            "the same again": lambda: predict("all", DEFAULT_FORMATS),
            "two shards, record only": shards,
            "collect": lambda: collect_shards(CollectSettings(folder / "shards")),
            "collect again": lambda: collect_shards(CollectSettings(folder / "shards")),
            "store": lambda: store_run(folder / "record", folder / "store", "site"),
        }
        print(f"{number} scenes of {SIDE_PX} x {SIDE_PX} pixels, ms of processor time a scene")
        for title, step in steps.items():
            began = time.process_time()
            step()
            print(f"| {title} | {(time.process_time() - began) / number * MS:.0f} |", flush=True)
        for out in ("record", "all", "store"):
            size = sum(path.stat().st_size for path in (folder / out).rglob("*") if path.is_file())
            print(f"| {out}: kB a scene | {size / number / 1000:.1f} |")


if __name__ == "__main__":
    main()
