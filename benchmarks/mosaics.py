"""Mosaics of real port images, put together in memory, and what the network sees of them.

The images are not part of the project and are never stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from detector.boxes.scored import Boxes
from detector.calibrating.luck import CELL_PX, FILL, cell_settings, merged, tile_boxes
from detector.classes import PORT
from detector.data.yolo_lines import oriented_lines
from detector.geometry.boxes import Corners
from detector.models.detector import Detector
from detector.tiling.plan import PlanSettings, TilePlan, plan_tiles

GRID, QUICK_GRID = (6, 4), (3, 2)
MOSAICS, QUICK_MOSAICS = 6, 1
SOURCES = ("HRSC2016", "DOTA-v1", "xView")
FIRST_ADDED = 1  # column `added` of the images that the pool began with


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


def mosaic(pool: Path, grid: tuple[int, int], number: int) -> Mosaic:
    """One of `MOSAICS` that share out the images with the most ships and stacks, one a place.

    Args:
        pool: folder of the port pool.
        grid: images along x and y.
        number: of the mosaic, from 0.
    """
    index = pd.read_csv(pool / "index.csv")
    small = (index.width <= CELL_PX) & (index.height <= CELL_PX)
    first = index.added == FIRST_ADDED  # the published numbers are of these
    fit = index[small & first & index.source.isin(SOURCES)].copy()
    fit["objects"] = fit.ships + fit.stacks
    fit = fit.sort_values(["objects", "image"], ascending=False).drop_duplicates("place")
    count = grid[0] * grid[1]
    shuffled = fit.head(MOSAICS * count).sample(frac=1, random_state=0)
    chosen = shuffled.iloc[number * count : (number + 1) * count]
    pixels = np.full((grid[1] * CELL_PX, grid[0] * CELL_PX, 3), FILL, np.uint8)
    cells, ships, dev = [], [], []
    for k, (name, split) in enumerate(zip(chosen.image, chosen.split, strict=True)):
        image = cv2.imread(str(pool / "images" / name), cv2.IMREAD_COLOR)
        image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        x, y = (k % grid[0]) * CELL_PX, (k // grid[0]) * CELL_PX
        high, wide = image.shape[:2]
        pixels[y : y + high, x : x + wide] = image
        cells.append((x, y, x + wide, y + high))
        labels = (pool / "labels" / name).with_suffix(".txt")
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
    settings = cell_settings(detector.card.tile_px)
    return plan_tiles(pixels.shape[1], pixels.shape[0], settings)


def predict_plan(pixels: NDArray[np.uint8], detector: Detector) -> TilePlan:
    """Windows at two scales, as `detector predict` reads a scene of unknown gsd."""
    card = detector.card
    settings = PlanSettings.for_scene(None, tile_px=card.tile_px, read_gsd_m=card.gsd_read_m)
    high, wide = pixels.shape[:2]
    return plan_tiles(wide, high, settings.snug(wide, high))


def one_look(scene: Mosaic, detector: Detector, rng: np.random.Generator | None = None) -> Boxes:
    """What every image alone gives, a scene of one tile, mosaic frame.

    Args:
        scene: the images.
        detector: that looks.
        rng: draws the place of each image in its tile; None puts it into the upper left corner.
    """
    side = detector.card.tile_px
    plan = plan_tiles(CELL_PX, CELL_PX, cell_settings(side))
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
