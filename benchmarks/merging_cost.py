"""Time and memory of the merge, beside the least that exact IoU costs, and beside peers."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import shapely

from benchmarks.merging_errors import SCENE_PX, TILE_PX
from benchmarks.peers import PEERS
from benchmarks.tables import markdown
from detector.boxes.scored import TileBoxes
from detector.geometry.boxes import polygons
from detector.simulating.views import GSD_M, Noise, Truth, detect, world
from detector.tiling.plan import PlanSettings, TilePlan, plan_tiles

SIZES = (2_000, 10_000, 100_000)
REFERENCE = "STRtree query + shapely intersection"
COMPARED = (
    REFERENCE,
    "Quaywatch",
    "Quaywatch, tile by tile",
    "SAHI NMS, IOU 0.5",
    "SAHI GREEDYNMM, IOS 0.5 (default)",
    "supervision NMS, IOU 0.5 (default)",
    "supervision NMM, IOU 0.5",
)
MOST_BOXES = {"supervision NMS, IOU 0.5 (default)": 10_000}
"""It fills a matrix of all pairs: 80 GB at 100,000 boxes."""

LIMIT_S = 60.0


def cost_table(sizes: tuple[int, ...] = SIZES) -> str:
    """CPU seconds and megabytes of every merge at several sizes, each in its own process."""
    rows = []
    for name in COMPARED:
        cells = []
        for size in sizes:
            if size > MOST_BOXES.get(name, size):
                cells.append("does not fit into memory")
                continue
            cells.append(_in_own_process(name, size))
        rows.append([name, *cells])
    return markdown(["merge", *(f"{size:,} boxes" for size in sizes)], rows)


def many_boxes(count: int) -> tuple[TileBoxes, TilePlan]:
    """Boxes of one large simulated port, about `count` of them after a cut by tile."""
    blocks = int(np.ceil(np.sqrt(count / 680)))
    part = PlanSettings(TILE_PX, 1.0, None, GSD_M, 100.0, 400.0)
    small = plan_tiles(SCENE_PX, SCENE_PX, part)
    truths = []
    for k in range(blocks**2):
        truth = world(small, np.random.default_rng(k))
        xywhr = truth.xywhr + np.array([k % blocks, k // blocks, 0, 0, 0]) * SCENE_PX
        truths.append(Truth(xywhr, truth.class_ids, truth.kinds))
    joined = Truth(
        np.concatenate([truth.xywhr for truth in truths]),
        np.concatenate([truth.class_ids for truth in truths]),
        np.concatenate([truth.kinds for truth in truths]),
    )
    plan = plan_tiles(blocks * SCENE_PX, blocks * SCENE_PX, part)
    boxes = detect(joined, plan, Noise(), np.random.default_rng(0)).tile_boxes
    keep = slice(0, count)
    index = np.arange(len(boxes))[keep]
    return TileBoxes(boxes.boxes.select(index), boxes.tiles[keep]), plan


def reference(tile_boxes: TileBoxes, plan: TilePlan) -> int:
    """The least that exact IoU costs: query the tree, intersect each pair that it returns once."""
    shapes = polygons(tile_boxes.boxes.corners)
    first, second = shapely.STRtree(shapes).query(shapes)
    once = first < second
    areas = shapely.area(shapely.intersection(shapes[first[once]], shapes[second[once]]))
    return int((areas > 0).sum())


def tile_by_tile(tile_boxes: TileBoxes, plan: TilePlan) -> int:
    """The streaming merge, as the pipeline runs it."""
    from detector.tiling.merge import Merger

    merger = Merger(plan)
    order = np.argsort(tile_boxes.tiles, kind="stable")
    starts = np.searchsorted(tile_boxes.tiles[order], np.arange(len(plan) + 1))
    for index in range(len(plan)):
        merger.add(index, tile_boxes.boxes.select(order[starts[index] : starts[index + 1]]))
    return len(merger.finish())


def measure(name: str, count: int) -> dict[str, float]:
    """Run one merge in this process: CPU seconds, and megabytes above what its input takes."""
    tile_boxes, plan = many_boxes(count)
    function: Callable[[TileBoxes, TilePlan], object]
    function = {REFERENCE: reference, "Quaywatch, tile by tile": tile_by_tile}.get(
        name, PEERS.get(name, reference)
    )
    function(*many_boxes(2_000))  # imports and compilation
    before = psutil.Process().memory_info().rss
    # Linux: the peak of this process from here on; getrusage would tell that of its parent too.
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    start = time.process_time()
    function(tile_boxes, plan)
    seconds = time.process_time() - start
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak = 1024 * int(status.split("VmHWM:")[1].split()[0])
    return {
        "seconds": seconds,
        "megabytes": max(0.0, peak - before) / 1e6,
        "boxes": len(tile_boxes),
    }


def _in_own_process(name: str, size: int) -> str:
    command = [sys.executable, "-m", "benchmarks.merging_cost", name, str(size)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=True)
    except subprocess.TimeoutExpired:
        return f"over {LIMIT_S:.0f} s"
    result = json.loads(done.stdout)
    return f"{result['seconds']:.2f} s, {result['megabytes']:,.0f} MB"


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(json.dumps(measure(sys.argv[1], int(sys.argv[2]))))
    else:
        print(cost_table())
