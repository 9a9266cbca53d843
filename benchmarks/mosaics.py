"""Mosaics of real port images, put together in memory, and what the network sees of them.

The images are not part of the project and are never stored.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from detector.boxes.scored import Boxes, TileBoxes
from detector.classes import PORT
from detector.data.yolo_lines import oriented_lines
from detector.geometry.boxes import Corners
from detector.models.detector import Detector
from detector.tiling.merge import MergeSettings, merge
from detector.tiling.plan import PlanSettings, TilePlan, plan_tiles
from detector.tiling.tile import Tile

CELL_PX = 1024
GRID, QUICK_GRID = (6, 4), (3, 2)
MOSAICS, QUICK_MOSAICS = 6, 1
SOURCES = ("HRSC2016", "DOTA-v1", "xView")
LONGEST_PX = 400.0
FILL = 96
SHARED = Path(os.environ.get("QUAYWATCH_SHARED", Path(__file__).parents[2] / "shared"))


@dataclass(frozen=True, slots=True)
class Mosaic:
    """Images side by side.

    Attributes:
        pixels: `(h, w, 3)` uint8 RGB.
        cells: `(n, 4)` x_min, y_min, x_max, y_max of the images.
        ships: `(K, 4, 2)` the ships with oriented labels.
        dev: `(K,)` whether a ship lies in an image of the dev split, which no network learns from.
    """

    pixels: NDArray[np.uint8]
    cells: NDArray[np.int64]
    ships: Corners
    dev: NDArray[np.bool_]


def mosaic(data: Path, grid: tuple[int, int], number: int) -> Mosaic:
    """One of `MOSAICS` that share out the images with the most ships and stacks, one a place.

    Args:
        data: folder of the real imagery.
        grid: images along x and y.
        number: of the mosaic, from 0.
    """
    index = pd.read_csv(data / "port" / "index.csv")
    small = (index.width <= CELL_PX) & (index.height <= CELL_PX)
    pool = index[small & index.source.isin(SOURCES)].copy()
    pool["objects"] = pool.ships + pool.stacks
    pool = pool.sort_values(["objects", "image"], ascending=False).drop_duplicates("place")
    count = grid[0] * grid[1]
    shuffled = pool.head(MOSAICS * count).sample(frac=1, random_state=0)
    chosen = shuffled.iloc[number * count : (number + 1) * count]
    pixels = np.full((grid[1] * CELL_PX, grid[0] * CELL_PX, 3), FILL, np.uint8)
    cells, ships, dev = [], [], []
    for k, (name, split) in enumerate(zip(chosen.image, chosen.split, strict=True)):
        image = cv2.imread(str(data / "port" / "images" / name), cv2.IMREAD_COLOR)
        image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        x, y = (k % grid[0]) * CELL_PX, (k // grid[0]) * CELL_PX
        high, wide = image.shape[:2]
        pixels[y : y + high, x : x + wide] = image
        cells.append((x, y, x + wide, y + high))
        labels = (data / "port" / "labels" / name).with_suffix(".txt")
        corners, class_ids, _ = oriented_lines(labels, (wide, high))
        ships.append(corners[class_ids == PORT.id("ship")] + [x, y])
        dev.append(np.full(len(ships[-1]), split == "dev"))
    return Mosaic(pixels, np.array(cells, np.int64), np.concatenate(ships), np.concatenate(dev))


def moved(scene: Mosaic, offset: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The pixels, moved right and down by `offset` `(2,)` against the grid of tiles."""
    high, wide = scene.pixels.shape[:2] + offset[::-1]
    pixels = np.full((high, wide, 3), FILL, np.uint8)
    pixels[offset[1] :, offset[0] :] = scene.pixels
    return pixels


def cell_plan(pixels: NDArray[np.uint8], detector: Detector) -> TilePlan:
    """Windows into which every image fits, so that it has an untiled prediction too."""
    settings = _cell_settings(detector.card.tile_px)
    return plan_tiles(pixels.shape[1], pixels.shape[0], settings)


def _cell_settings(side: int) -> PlanSettings:
    return PlanSettings(side, side / CELL_PX, None, None, LONGEST_PX, LONGEST_PX)


def predict_plan(pixels: NDArray[np.uint8], detector: Detector) -> TilePlan:
    """Windows at two scales, as `detector predict` reads a scene of unknown gsd."""
    card = detector.card
    settings = PlanSettings.for_scene(None, tile_px=card.tile_px, read_gsd_m=card.gsd_read_m)
    high, wide = pixels.shape[:2]
    return plan_tiles(wide, high, settings.snug(wide, high))


def tile_boxes(pixels: NDArray[np.uint8], plan: TilePlan, detector: Detector) -> TileBoxes:
    """What the network gives for every tile, scene frame, as the pipeline hands it to the merge."""
    parts = []
    for tile in plan.tiles:
        raw = detector.forward(read(pixels, tile, plan.settings.tile_px)[None])
        [boxes] = detector.decode(raw)
        places = boxes.corners / tile.scale + [tile.window.col, tile.window.row]
        found = Boxes(places, boxes.scores, boxes.class_ids)
        parts.append(TileBoxes(found, np.full(len(found), tile.index, np.int64)))
    return TileBoxes.concatenate(parts)


def merged(seen: TileBoxes, plan: TilePlan, detector: Detector) -> Boxes:
    """Our merge as the pipeline calls it."""
    settings = MergeSettings(duplicate_iou=detector.iou, luck=detector.card.luck)
    return merge(seen, plan, settings, detector.conf)


def one_look(scene: Mosaic, detector: Detector, rng: np.random.Generator | None = None) -> Boxes:
    """What every image alone gives, a scene of one tile, mosaic frame.

    Args:
        scene: the images.
        detector: that looks.
        rng: draws the place of each image in its tile; None puts it into the upper left corner.
    """
    side = detector.card.tile_px
    plan = plan_tiles(CELL_PX, CELL_PX, _cell_settings(side))
    parts = []
    for x_min, y_min, x_max, y_max in scene.cells.tolist():
        room = (CELL_PX - (x_max - x_min), CELL_PX - (y_max - y_min))
        x, y = (0, 0) if rng is None else (int(rng.integers(0, r + 1)) for r in room)
        pixels = np.full((CELL_PX, CELL_PX, 3), FILL, np.uint8)
        pixels[y : y + y_max - y_min, x : x + x_max - x_min] = scene.pixels[
            y_min:y_max, x_min:x_max
        ]
        boxes = merged(tile_boxes(pixels, plan, detector), plan, detector)
        places = boxes.corners + np.array([x_min - x, y_min - y])
        parts.append(Boxes(places, boxes.scores, boxes.class_ids))
    return Boxes.concatenate(parts)


def read(pixels: NDArray[np.uint8], tile: Tile, side: int) -> NDArray[np.uint8]:
    """The window of a tile, reduced to `side` pixels; black beyond the scene."""
    x_min, y_min, x_max, y_max = tile.window.bounds
    part = pixels[max(0, y_min) : y_max, max(0, x_min) : x_max]
    full = np.zeros((tile.window.height, tile.window.width, 3), np.uint8)
    full[: part.shape[0], : part.shape[1]] = part
    if tile.window.width == side:
        return full
    return cv2.resize(full, (side, side), interpolation=cv2.INTER_AREA)
