"""The merge with the real network: counts must not depend on where the tiles lie.

Mosaics of real port images are put together in memory, moved against the grid of tiles, and
counted again. The images are not part of the project and are never stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from detector.boxes import Boxes, TileBoxes
from detector.models.detector import Detector
from detector.tiling.plan import TilePlan
from detector.tiling.tile import Tile

CELL_PX = 1024
GRID = (6, 4)
OFFSETS = 8
SOURCES = ("HRSC2016", "DOTA-v1", "xView")


@dataclass(frozen=True, slots=True)
class Mosaic:
    """Images side by side.

    Attributes:
        pixels: `(h, w, 3)` uint8 RGB.
        cells: `(n, 4)` x_min, y_min, x_max, y_max of the images.
    """

    pixels: NDArray[np.uint8]
    cells: NDArray[np.int64]


def mosaic(data: Path, seed: int) -> Mosaic:
    """Images with most ships and stacks of the pool, in random order."""
    index = pd.read_csv(data / "port" / "index.csv")
    small = (index.width <= CELL_PX) & (index.height <= CELL_PX)
    pool = index[small & index.source.isin(SOURCES)].copy()
    pool["objects"] = pool.ships + pool.stacks
    pool = pool.sort_values(["objects", "image"], ascending=False).drop_duplicates("place")
    count = GRID[0] * GRID[1]
    chosen = pool.head(6 * count).sample(count, random_state=seed)
    pixels = np.full((GRID[1] * CELL_PX, GRID[0] * CELL_PX, 3), 96, np.uint8)
    cells = []
    for k, name in enumerate(chosen.image):
        image = cv2.imread(str(data / "port" / "images" / name), cv2.IMREAD_COLOR)
        image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        x, y = (k % GRID[0]) * CELL_PX, (k // GRID[0]) * CELL_PX
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
