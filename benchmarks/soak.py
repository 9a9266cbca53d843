"""Long runs: memory, handles, threads and time a scene over many small scenes, and a huge one.

    python -m benchmarks.soak --scenes 2000 --gigapixels 4 --docs

The network is left out, so that what is measured is everything else: one ship is found in the
middle of every tile. `--docs` writes the table into docs/reliability.md and draws the plot.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import psutil
import rasterio
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rasterio.transform import from_origin
from rasterio.windows import Window

from benchmarks.tables import markdown, put
from detector.boxes.scored import Boxes
from detector.geometry.boxes import corners_from_xywhr
from detector.models.backends import Reading
from detector.models.card import ModelCard
from detector.models.detector import Detector, DetectorSettings, find_card
from detector.prediction import batch
from detector.prediction.batch import BatchSettings, predict_paths
from detector.progress import SilentProgress, Task

DOCS = Path(__file__).parents[1] / "docs" / "reliability.md"
PLOT = DOCS.parent / "images" / "soak.svg"
CRS = "EPSG:32652"
GSD_M = 0.5
SIDE_PX = 256
BLOCK_PX = 512
SEEN_BLOCKS = 40  # of the huge scene; the others are sparse
FIRST = 0.2  # of the scenes, and the last: what is compared


@dataclass(frozen=True)
class Moment:
    """How the process is when a scene begins."""

    seconds: float
    memory_mb: float
    handles: int
    threads: int


@dataclass
class Watching(SilentProgress):
    """Notes the state of the process whenever a scene begins."""

    moments: list[Moment] = field(default_factory=list)

    def task(
        self, description: str, total: float | None, unit: str
    ) -> AbstractContextManager[Task]:
        """See `SilentProgress.task`."""
        self.note()
        return super().task(description, total, unit)

    def note(self) -> None:
        """The state now."""
        process = psutil.Process()
        handles, threads = process.num_fds(), process.num_threads()
        memory_mb = process.memory_info().rss / 1e6
        self.moments.append(Moment(time.process_time(), memory_mb, handles, threads))


class OneShip:
    """A backend that finds one ship in the middle of every tile."""

    name = "one ship"
    device = "cpu"

    def __init__(self, tile_px: int) -> None:
        middle = tile_px / 2
        corners = corners_from_xywhr(np.array([(middle, middle, 80.0, 16.0, 0.3)]))
        self._boxes = Boxes(corners, np.array([0.9], np.float32), np.zeros(1, np.int64))

    def detect(self, tiles: NDArray[np.uint8]) -> Reading:
        """See `Backend.detect`."""
        return Reading(tuple(lambda conf: self._boxes for _ in tiles))


def main() -> None:
    """Measure, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=2000)
    parser.add_argument("--gigapixels", type=float, default=4.0)
    parser.add_argument("--docs", action="store_true")
    words = parser.parse_args()
    batch.load_detector = one_ship_detector  # type: ignore[assignment]
    with tempfile.TemporaryDirectory() as folder:
        small = many(Path(folder) / "many", words.scenes)
        print(table_of(small))
        big = huge(Path(folder) / "huge", words.gigapixels) if words.gigapixels else {}
    print(json.dumps(big))
    if words.docs:
        put(DOCS, "soak", table_of(small))
        draw(small, PLOT)


def one_ship_detector(settings: DetectorSettings) -> Detector:
    """The shipped card, without its network."""
    card = ModelCard.read(find_card(settings.weights))
    conf = np.array([card.conf[name] for name in card.classes], np.float32)
    return Detector(card, OneShip(card.tile_px), 1, conf, card.iou, 1)


def many(folder: Path, scenes: int) -> list[Moment]:
    """One run over small scenes."""
    folder.mkdir()
    paths = [
        write_small(folder / f"{number:05d}_2024-05-01.tif", number) for number in range(scenes)
    ]
    watching = Watching()
    run(paths, folder / "out", watching)
    watching.note()
    return watching.moments


def huge(folder: Path, gigapixels: float) -> dict[str, Any]:
    """One run over a sparse scene."""
    folder.mkdir()
    side = BLOCK_PX * math.ceil(math.sqrt(gigapixels * 1e9) / BLOCK_PX)
    path = write_sparse(folder / "huge_2024-05-01.tif", side)
    process = psutil.Process()
    before_mb, start = process.memory_info().rss / 1e6, time.process_time()
    watching = Watching()
    run([path], folder / "out", watching)
    return {
        "side_px": side,
        "gigapixels": round(side * side / 1e9, 2),
        "file_mb": round(path.stat().st_size / 1e6, 1),
        "cpu_s": round(time.process_time() - start, 1),
        "more_memory_mb": round(process.memory_info().rss / 1e6 - before_mb),
    }


def run(paths: list[Path], out: Path, watching: Watching) -> None:
    """As `detector predict` does it."""
    settings = DetectorSettings("port-n4")
    predict_paths(BatchSettings(tuple(map(str, paths)), out, settings), watching)


def write_small(path: Path, number: int) -> Path:
    """A scene of noise; every one is another picture."""
    pixels = np.random.default_rng(number).integers(20, 90, (3, SIDE_PX, SIDE_PX), np.uint8)
    profile = profile_of(SIDE_PX, number * SIDE_PX * GSD_M)
    with rasterio.open(path, "w", **profile) as raster:
        raster.write(pixels)
    return path


def write_sparse(path: Path, side: int) -> Path:
    """A scene of nodata with a few blocks of noise all over it."""
    rng = np.random.default_rng(0)
    profile = profile_of(side, 0.0) | {"tiled": True, "SPARSE_OK": True, "BIGTIFF": "YES"}
    profile |= {"blockxsize": BLOCK_PX, "blockysize": BLOCK_PX, "compress": "deflate"}
    with rasterio.open(path, "w", **profile) as raster:
        for column, row in rng.integers(0, side // BLOCK_PX, (SEEN_BLOCKS, 2)) * BLOCK_PX:
            pixels = rng.integers(20, 90, (3, BLOCK_PX, BLOCK_PX), np.uint8)
            raster.write(pixels, window=Window(column, row, BLOCK_PX, BLOCK_PX))
    return path


def profile_of(side: int, east_m: float) -> dict[str, Any]:
    """How rasterio writes a square scene so far east."""
    transform = from_origin(500_000 + east_m % 40_000, 4_677_000, GSD_M, GSD_M)
    sizes = {"width": side, "height": side, "count": 3, "dtype": "uint8"}
    return {"driver": "GTiff", "crs": CRS, "transform": transform, "nodata": 0, **sizes}


def table_of(moments: list[Moment]) -> str:
    """The first and the last scenes, side by side, as Markdown."""
    part = max(2, round(FIRST * len(moments)))
    rows = []
    for name, some in (("first", moments[1 : part + 1]), ("last", moments[-part:])):
        spent = np.diff([moment.seconds for moment in some])
        end = some[-1]
        rows.append(
            [
                f"the {name} {len(spent)} of {len(moments) - 1}",
                f"{1000 * float(np.median(spent)):.0f} ms",
                f"{end.memory_mb:.0f} MB",
                str(end.handles),
                str(end.threads),
            ]
        )
    return markdown(["scenes", "processor time of one", "memory", "handles", "threads"], rows)


def draw(moments: list[Moment], path: Path) -> None:
    """Memory and time by the number of the scene; the same moments give the same bytes."""
    spent_ms = 1000 * np.diff([moment.seconds for moment in moments])
    with mpl.rc_context({"svg.hashsalt": "soak", "svg.fonttype": "none"}):
        figure = Figure(figsize=(7.5, 3.2), layout="constrained")
        left, right = figure.subplots(1, 2)
        left.plot([moment.memory_mb for moment in moments], color="#0b62a8")
        left.set(xlabel="scene", ylabel="memory, MB", ylim=(0, None))
        right.plot(spent_ms[1:], ".", markersize=2, color="#a4430a")
        right.set(xlabel="scene", ylabel="processor time of a scene, ms", ylim=(0, None))
        figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    main()
