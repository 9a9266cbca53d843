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
from detector.tiling.duplicates import suppress_tile_duplicates
from detector.tiling.merge import MergeSettings, merge
from detector.tiling.plan import PlanSettings, TilePlan, plan_tiles
from detector.tiling.tile import Tile

CELL_PX = 1024
GRID, QUICK_GRID = (6, 4), (3, 2)
MOSAICS, QUICK_MOSAICS = 2, 1
OFFSETS, QUICK_OFFSETS = 6, 2
SOURCES = ("HRSC2016", "DOTA-v1", "xView")
LONGEST_PX = 400.0
FILL = 96
SURE, SAME_IOU = 0.5, 0.5
PARTNER_IOU = 0.3
PEERS_DUPLICATE_IOU = 0.5
WEIGHTS = "port-n"
SHARED = Path(os.environ.get("QUAYWATCH_SHARED", Path(__file__).parents[2] / "shared"))
OURS = "Quaywatch"
COMPARED = (
    OURS,
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


@dataclass(frozen=True, slots=True)
class Look:
    """A mosaic at one offset of the grid, mosaic frame.

    Attributes:
        found: objects.
        shown: boxes that any tile gave from the threshold on.
    """

    found: Boxes
    shown: Boxes


@dataclass(slots=True)
class Counts:
    """What one merge gives over all offsets, summed over the mosaics.

    Attributes:
        ships: count at each offset.
        stacks: count at each offset.
        looks: of every mosaic, one an offset.
        once: for each sure untiled box and offset, whether it comes out exactly once.
        twice: whether it comes out more than once.
    """

    ships: list[int] = field(default_factory=lambda: [0] * OFFSETS)
    stacks: list[int] = field(default_factory=lambda: [0] * OFFSETS)
    looks: list[list[Look]] = field(default_factory=list)
    once: list[NDArray[np.bool_]] = field(default_factory=list)
    twice: list[NDArray[np.bool_]] = field(default_factory=list)


def offsets_table(quick: bool, weights: str = WEIGHTS) -> str:
    """Counts of mosaics at several offsets of the grid of tiles.

    Every image fits into one tile, so that it has an untiled prediction too.
    """
    if not (SHARED / "data").is_dir():
        return "The real imagery is not here."
    detector = load_detector(DetectorSettings(weights))
    counts = {name: Counts() for name in COMPARED}
    alone = np.zeros(2, np.int64)
    for seed in range(QUICK_MOSAICS if quick else MOSAICS):
        scene = mosaic(SHARED / "data", QUICK_GRID if quick else GRID, seed)
        untiled_boxes = untiled(scene, detector)
        alone += np.bincount(untiled_boxes.class_ids, minlength=2)
        _look(scene, untiled_boxes, detector, counts, QUICK_OFFSETS if quick else OFFSETS)
    rows = [_row(name, tally, alone) for name, tally in counts.items()]
    rows.append(["each image in one tile", str(alone[0]), "", "", str(alone[1]), "", "", "", ""])
    head = ["merge", "ships, mean (least-most)", "spread", "against one look"]
    head += ["stacks, mean (least-most)", "no partner: not shown", "no partner: lost"]
    return markdown([*head, "sure boxes once", "more than once"], rows)


def _look(
    scene: Mosaic, alone: Boxes, detector: Detector, counts: dict[str, Counts], offsets: int
) -> None:
    """Merge the mosaic at every offset, by every merge."""
    side = detector.card.tile_px
    settings = PlanSettings(side, side / CELL_PX, None, None, LONGEST_PX, LONGEST_PX)
    rng = np.random.default_rng(0)
    for tally in counts.values():
        tally.looks.append([])
    for position in range(offsets):
        offset = rng.integers(0, CELL_PX // 2, 2)
        high, wide = scene.pixels.shape[:2] + offset[::-1]
        pixels = np.full((high, wide, 3), FILL, np.uint8)
        pixels[offset[1] :, offset[0] :] = scene.pixels
        plan = plan_tiles(int(wide), int(high), settings)
        ours = tile_boxes(pixels, plan, detector)
        theirs = for_peers(ours, detector)
        shown = _moved(theirs.boxes, -offset)
        for name, tally in counts.items():
            found = merged(ours, plan, detector) if name == OURS else PEERS[name](theirs, plan)
            found = _moved(found, -offset)
            tally.looks[-1].append(Look(found, shown))
            _count(tally, position, found, alone)


def merged(seen: TileBoxes, plan: TilePlan, detector: Detector) -> Boxes:
    """Our merge as the pipeline calls it."""
    return merge(seen, plan, MergeSettings(duplicate_iou=detector.iou), detector.conf)


def for_peers(seen: TileBoxes, detector: Detector) -> TileBoxes:
    """What a merge that takes boxes as they are gets: from the threshold on, no duplicates."""
    counts = seen.boxes.scores >= detector.conf[seen.boxes.class_ids]
    boxes, tiles = seen.boxes.select(counts), seen.tiles[counts]
    kept = np.sort(suppress_tile_duplicates(boxes, tiles, PEERS_DUPLICATE_IOU))
    return TileBoxes(boxes.select(kept), tiles[kept])


def _moved(boxes: Boxes, offset: NDArray[np.int64]) -> Boxes:
    return Boxes(boxes.corners + offset, boxes.scores, boxes.class_ids)


def _count(tally: Counts, position: int, found: Boxes, untiled: Boxes) -> None:
    per_class = np.bincount(found.class_ids, minlength=2)
    tally.ships[position] += int(per_class[0])
    tally.stacks[position] += int(per_class[1])
    sure = untiled.select(untiled.scores >= SURE)
    hits = (_overlap(sure, found) >= SAME_IOU).sum(axis=1)
    tally.once.append(hits == 1)
    tally.twice.append(hits > 1)


def _lone(looks: list[list[Look]]) -> tuple[float, float]:
    """Shares of the objects at one offset that have no partner at another.

    First those of which no tile shows a box there: the network's doing. Then those of which one
    does, from the threshold on: the merge's.
    """
    objects = unseen = lost = 0
    for offsets in looks:
        for i, one in enumerate(offsets):
            for other in offsets[:i] + offsets[i + 1 :]:
                alone = _overlap(one.found, other.found).max(axis=1, initial=0) < PARTNER_IOU
                rest = one.found.select(alone)
                shown = _overlap(rest, other.shown).max(axis=1, initial=0) >= PARTNER_IOU
                objects += len(one.found)
                lost += int(shown.sum())
                unseen += int((~shown).sum())
    return unseen / max(objects, 1), lost / max(objects, 1)


def _overlap(one: Boxes, other: Boxes) -> NDArray[np.float64]:
    """Exact IoU `(N, M)`, 0 between classes."""
    same = one.class_ids[:, None] == other.class_ids[None]
    return np.asarray(iou_matrix(one.corners, other.corners) * same)


def _row(name: str, tally: Counts, alone: NDArray[np.int64]) -> list[str]:
    used = len(tally.looks[0])
    ships, stacks = np.array(tally.ships[:used]), np.array(tally.stacks[:used])
    means = [f"{n.mean():.0f} ({n.min()}-{n.max()})" for n in (ships, stacks)]
    unseen, lost = _lone(tally.looks)
    return [
        name,
        means[0],
        f"{100 * ships.std() / ships.mean():.1f} %",
        f"{100 * (ships.mean() / alone[0] - 1):+.1f} %",
        means[1],
        f"{100 * unseen:.1f} %",
        f"{100 * lost:.1f} %",
        f"{100 * np.concatenate(tally.once).mean():.1f} %",
        f"{100 * np.concatenate(tally.twice).mean():.1f} %",
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
    """What the network gives for every tile, scene frame, as the pipeline hands it to the merge."""
    parts = []
    for tile in plan.tiles:
        raw = detector.forward(read(pixels, tile, plan.settings.tile_px)[None])
        [boxes] = detector.decode(raw)
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
