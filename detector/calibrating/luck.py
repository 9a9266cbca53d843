"""What one look is lucky by: the same images in one tile each, and under tiles that overlap.

The mean score of few looks is luckier than that of many (`detector.tiling.scores`). The right luck
makes both show as many ships. Images are put on grey ground, so that both read the same pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from detector.boxes.scored import Boxes, PlanBoxes, TileBoxes
from detector.counting.calibration import CalibrationError
from detector.evaluation.dataset import Dataset
from detector.geometry.windows import PixelWindow
from detector.models.detector import Detector
from detector.progress import Progress, SilentProgress
from detector.scenes.scene import open_scene
from detector.scenes.types import SceneOptions
from detector.tiling.merge import MergeSettings, merge
from detector.tiling.plan import PlanSettings, TilePlan, plan_tiles
from detector.tiling.tile import Tile

CELL_PX: Final = 1024  # what a tile shows of the ground, scene pixels
GROUND_PX: Final = 2 * CELL_PX  # side of the ground under tiles that overlap
LONGEST_PX: Final = 400.0  # tiles overlap by what a ship of this length needs
FILL: Final = 96  # grey around an image
IMAGES: Final = 144
LOOKS: Final = 4  # places of every image
SEED: Final = 0
STEPS: Final = 150  # luck is looked for from 0 to so many steps
STEP: Final = 0.001


@dataclass(frozen=True, slots=True)
class MeasuredLuck:
    """What one look is lucky by.

    Attributes:
        luck: for the card.
        images: that were looked at.
        one_look: ships in one tile each, all places together, with that luck taken away.
        several_looks: ships under tiles that overlap, likewise.
    """

    luck: float
    images: int
    one_look: int
    several_looks: int


@dataclass(frozen=True, slots=True)
class _Seen:
    """What all tiles gave of one image at one place."""

    boxes: TileBoxes
    plan: TilePlan


def measure_luck(
    dataset: Dataset, detector: Detector, progress: Progress | None = None
) -> MeasuredLuck:
    """The least luck with which one look shows no more ships than several.

    Args:
        dataset: of it the `IMAGES` of most objects are taken that a tile can hold, one a place.
        detector: at the thresholds of the card.
        progress: where to show how far it is.

    Raises:
        CalibrationError: no image fits.
        SceneError: an image cannot be read.
    """
    chosen = _chosen(dataset)
    one, several = square_plan(CELL_PX, detector), square_plan(GROUND_PX, detector)
    generator = np.random.default_rng(SEED)
    alone: list[_Seen] = []
    under: list[_Seen] = []
    with (progress or SilentProgress()).task("luck", len(chosen), "images") as task:
        for index in chosen:
            pixels = _pixels(dataset, index)
            for _ in range(LOOKS):
                for plan, seen in ((one, alone), (several, under)):
                    side = CELL_PX if plan is one else GROUND_PX
                    ground, window = placed(pixels, side, generator)
                    seen.append(_Seen(tile_boxes(ground, plan, detector, window), plan))
            task.advance()
    step = _least_step(lambda k: _ships(alone, detector, k) <= _ships(under, detector, k))
    counts = _ships(alone, detector, step), _ships(under, detector, step)
    return MeasuredLuck(round(step * STEP, 3), len(chosen), *counts)


def square_plan(side_px: int, detector: Detector) -> TilePlan:
    """Windows of `CELL_PX` on square ground."""
    return plan_tiles(side_px, side_px, cell_settings(detector.card.tile_px))


def cell_settings(tile_px: int) -> PlanSettings:
    """Tiles that show `CELL_PX` of the ground each, and overlap by `LONGEST_PX`."""
    return PlanSettings(tile_px, tile_px / CELL_PX, None, None, LONGEST_PX, LONGEST_PX)


def placed(
    pixels: NDArray[np.uint8], side_px: int, generator: np.random.Generator
) -> tuple[NDArray[np.uint8], PixelWindow]:
    """An image at a place of grey ground that is drawn, and where it lies."""
    high, wide = pixels.shape[:2]
    x, y = (int(generator.integers(0, side_px - length + 1)) for length in (wide, high))
    ground = np.full((side_px, side_px, 3), FILL, np.uint8)
    ground[y : y + high, x : x + wide] = pixels
    return ground, PixelWindow(x, y, wide, high)


def tile_boxes(
    pixels: NDArray[np.uint8],
    plan: TilePlan,
    detector: Detector,
    window: PixelWindow | None = None,
) -> TileBoxes:
    """What the network gives for every tile, scene frame, as the pipeline hands it to the merge.

    Args:
        pixels: `(h, w, 3)` of the scene.
        plan: its tiles.
        detector: that looks.
        window: tiles that show nothing of it are not read.
    """
    parts = [TileBoxes(PlanBoxes(Boxes.empty()), np.zeros(0, np.int64))]
    for tile in plan.tiles:
        if window is not None and tile.window.intersection(window) is None:
            continue
        reading = detector.forward(read_tile(pixels, tile, plan.settings.tile_px)[None])
        [boxes] = detector.decode(reading)
        places = boxes.corners / tile.scale + [tile.window.col, tile.window.row]
        found = PlanBoxes(Boxes(places, boxes.scores, boxes.class_ids))
        parts.append(TileBoxes(found, np.full(len(found), tile.index, np.int64)))
    return TileBoxes.concatenate(parts)


def read_tile(pixels: NDArray[np.uint8], tile: Tile, side: int) -> NDArray[np.uint8]:
    """The window of a tile, reduced to `side` pixels; black beyond the scene."""
    x_min, y_min, x_max, y_max = tile.window.bounds
    part = pixels[max(0, y_min) : y_max, max(0, x_min) : x_max]
    full = np.zeros((tile.window.height, tile.window.width, 3), np.uint8)
    full[: part.shape[0], : part.shape[1]] = part
    if tile.window.width == side:
        return full
    return np.asarray(cv2.resize(full, (side, side), interpolation=cv2.INTER_AREA), np.uint8)


def merged(seen: TileBoxes, plan: TilePlan, detector: Detector, luck: float | None = None) -> Boxes:
    """Our merge as the pipeline calls it, with the card's luck or another."""
    settings = MergeSettings(duplicate_iou=detector.iou, luck=detector.card.luck)
    if luck is not None:
        settings = replace(settings, luck=luck)
    return merge(seen, plan, settings, detector.conf)


def _chosen(dataset: Dataset) -> list[int]:
    """Positions of the images with most objects that a tile can hold, one a place."""
    images = dataset.images
    order = sorted(range(len(images)), key=lambda i: (-len(images[i].corners), images[i].name))
    chosen: dict[str, int] = {}
    for i in order:
        if len(images[i].corners) and max(images[i].width, images[i].height) <= CELL_PX:
            chosen.setdefault(images[i].place, i)
    if not chosen:
        raise CalibrationError(
            f"none of the {len(images)} images holds a true object and is at most {CELL_PX} pixels "
            "wide and high, so luck cannot be measured on them; say luck=card"
        )
    return list(chosen.values())[:IMAGES]


def _pixels(dataset: Dataset, index: int) -> NDArray[np.uint8]:
    image = dataset.images[index]
    with open_scene(dataset.paths[index], SceneOptions(gsd_m=image.gsd_m, as_stored=True)) as scene:
        return scene.read(PixelWindow(0, 0, image.width, image.height)).rgb


def _ships(seen: list[_Seen], detector: Detector, step: int) -> int:
    """Ships that are counted where so many steps of luck are taken away."""
    total = 0
    for part in seen:
        found = merged(part.boxes, part.plan, detector, step * STEP)
        total += int(found.classes.mask(found.class_ids, "visits").sum())
    return total


def _least_step(holds: Callable[[int], bool]) -> int:
    """The least step from which `holds` is true, by halving; `STEPS` where it never is."""
    low, high = 0, STEPS
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low
