"""The merge with the real network: counts must not depend on where the tiles lie.

Mosaics of real port images are put together in memory, moved against the grid of tiles, and
counted again. The images are not part of the project and are never stored.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.peers import PEERS
from benchmarks.tables import markdown
from detector.boxes import Boxes, TileBoxes
from detector.geometry.boxes import iou_matrix
from detector.geometry.windows import PixelWindow
from detector.models.detector import Detector, DetectorSettings, load_detector
from detector.tiling.plan import PlanSettings, TilePlan, plan_tiles
from detector.tiling.tile import Tile

CELL_PX = 1024
GRID, QUICK_GRID = (6, 4), (3, 2)
OFFSETS, QUICK_OFFSETS = 5, 2
SOURCES = ("HRSC2016", "DOTA-v1", "xView")
LONGEST_PX = 400.0
FILL = 96
SURE, SAME_IOU = 0.5, 0.5
WEIGHTS = "starter"
SHARED = Path(os.environ.get("QUAYWATCH_SHARED", Path(__file__).parents[2] / "shared"))
COMPARED = (
    "Quaywatch",
    "exact NMS, IoU 0.3",
    "core only + exact NMS 0.5",
    "SAHI GREEDYNMM, IOS 0.5 (default)",
    "supervision NMS, IOU 0.5 (default)",
    "supervision NMS, IOS 0.5",
)


@dataclass(frozen=True, slots=True)
class Mosaic:
    """Images side by side.

    Attributes:
        pixels: `(h, w, 3)` uint8 RGB.
        cells: `(n, 4)` x_min, y_min, x_max, y_max of the images.
    """

    pixels: NDArray[np.uint8]
    cells: NDArray[np.int64]


@dataclass(slots=True)
class Counts:
    """What one merge gives over all offsets.

    Attributes:
        ships: count at each offset.
        stacks: count at each offset.
        once: shares of the sure untiled boxes that come out exactly once.
        twice: shares of them that come out more than once.
    """

    ships: list[int] = field(default_factory=list)
    stacks: list[int] = field(default_factory=list)
    once: list[float] = field(default_factory=list)
    twice: list[float] = field(default_factory=list)


def offsets_table(quick: bool) -> str:
    """Counts of one mosaic at several offsets of the grid of tiles.

    Every image fits into one tile, so that it has an untiled prediction too.
    """
    if not (SHARED / "data").is_dir():
        return "The real imagery is not here."
    detector = load_detector(DetectorSettings(WEIGHTS))
    side = detector.card.tile_px
    settings = PlanSettings(side, side / CELL_PX, None, None, LONGEST_PX, LONGEST_PX)
    scene = mosaic(SHARED / "data", QUICK_GRID if quick else GRID, seed=0)
    alone = untiled(scene, detector)
    counts = {name: Counts() for name in COMPARED}
    rng = np.random.default_rng(0)
    for _ in range(QUICK_OFFSETS if quick else OFFSETS):
        offset = rng.integers(0, CELL_PX // 2, 2)
        high, wide = scene.pixels.shape[:2] + offset[::-1]
        pixels = np.full((high, wide, 3), FILL, np.uint8)
        pixels[offset[1] :, offset[0] :] = scene.pixels
        plan = plan_tiles(int(wide), int(high), settings)
        seen = tile_boxes(pixels, plan, detector)
        for name, tally in counts.items():
            _count(tally, PEERS[name](seen, plan), offset, alone)
    rows = [_row(name, tally) for name, tally in counts.items()]
    per_class = np.bincount(alone.class_ids, minlength=2)
    rows.append(["each image in one tile", *(str(n) for n in per_class), "", "", ""])
    head = ["merge", "ships, mean (least-most)", "stacks, mean (least-most)", "spread of ships"]
    return markdown([*head, "sure boxes once", "more than once"], rows)


def _count(tally: Counts, found: Boxes, offset: NDArray[np.int64], untiled: Boxes) -> None:
    per_class = np.bincount(found.class_ids, minlength=2)
    tally.ships.append(int(per_class[0]))
    tally.stacks.append(int(per_class[1]))
    sure = untiled.select(untiled.scores >= SURE)
    overlap = iou_matrix(sure.corners, found.corners - offset) >= SAME_IOU
    overlap &= sure.class_ids[:, None] == found.class_ids[None]
    hits = overlap.sum(axis=1)
    tally.once.append(float((hits == 1).mean()))
    tally.twice.append(float((hits > 1).mean()))


def _row(name: str, tally: Counts) -> list[str]:
    ships, stacks = np.array(tally.ships), np.array(tally.stacks)
    return [
        name,
        *(f"{n.mean():.0f} ({n.min()}-{n.max()})" for n in (ships, stacks)),
        f"{100 * ships.std() / ships.mean():.1f} %",
        f"{100 * np.mean(tally.once):.1f} %",
        f"{100 * np.mean(tally.twice):.1f} %",
    ]


def untiled(scene: Mosaic, detector: Detector) -> Boxes:
    """What the network finds in every image alone, mosaic frame."""
    side = detector.card.tile_px
    parts = []
    for cell in scene.cells.tolist():
        window = PixelWindow(cell[0], cell[1], CELL_PX, CELL_PX)
        tile = Tile(0, 0, 0, window, window, side / CELL_PX)
        [boxes] = detector.detect(read(scene.pixels, tile, side)[None])
        moved = boxes.corners / tile.scale + cell[:2]
        parts.append(Boxes(moved, boxes.scores, boxes.class_ids))
    return Boxes.concatenate(parts)


def mosaic(data: Path, grid: tuple[int, int], seed: int) -> Mosaic:
    """Images with many ships and stacks, one a place, in random order.

    Args:
        data: folder of the real imagery.
        grid: images along x and y.
        seed: of the choice.
    """
    index = pd.read_csv(data / "port" / "index.csv")
    small = (index.width <= CELL_PX) & (index.height <= CELL_PX)
    pool = index[small & index.source.isin(SOURCES)].copy()
    pool["objects"] = pool.ships + pool.stacks
    pool = pool.sort_values(["objects", "image"], ascending=False).drop_duplicates("place")
    count = grid[0] * grid[1]
    chosen = pool.head(6 * count).sample(count, random_state=seed)
    pixels = np.full((grid[1] * CELL_PX, grid[0] * CELL_PX, 3), FILL, np.uint8)
    cells = []
    for k, name in enumerate(chosen.image):
        image = cv2.imread(str(data / "port" / "images" / name), cv2.IMREAD_COLOR)
        image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        x, y = (k % grid[0]) * CELL_PX, (k // grid[0]) * CELL_PX
        high, wide = image.shape[:2]
        pixels[y : y + high, x : x + wide] = image
        cells.append((x, y, x + wide, y + high))
    return Mosaic(pixels, np.array(cells, np.int64))


def tile_boxes(pixels: NDArray[np.uint8], plan: TilePlan, detector: Detector) -> TileBoxes:
    """What the network finds in every tile, scene frame."""
    parts = []
    for tile in plan.tiles:
        [boxes] = detector.detect(read(pixels, tile, plan.settings.tile_px)[None])
        moved = boxes.corners / tile.scale + [tile.window.col, tile.window.row]
        found = Boxes(moved, boxes.scores, boxes.class_ids)
        parts.append(TileBoxes(found, np.full(len(found), tile.index, np.int64)))
    return TileBoxes.concatenate(parts)


def read(pixels: NDArray[np.uint8], tile: Tile, side: int) -> NDArray[np.uint8]:
    """The window of a tile, reduced to `side` pixels; black beyond the scene."""
    x_min, y_min, x_max, y_max = tile.window.bounds
    part = pixels[max(0, y_min) : y_max, max(0, x_min) : x_max]
    full = np.zeros((tile.window.height, tile.window.width, 3), np.uint8)
    full[: part.shape[0], : part.shape[1]] = part
    if tile.window.width == side:
        return full
    return cv2.resize(full, (side, side), interpolation=cv2.INTER_AREA)
