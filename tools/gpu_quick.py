"""A quick look at what weights are worth, on the packed images of an evaluation.

Tiles are planned and merged by the project's own `tiling`, boxes are matched by its own
`evaluation.matching` at exact polygon IoU. What the quick number lacks: pictures are compressed
once more, tiles are resampled from the whole picture, boxes below `FLOOR` are unseen, deck cargo
and impossible lengths are not taken out, nothing is read mirrored, and there are no intervals.
It steers; `detector evaluate` measures.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from detector.boxes.luck import TILE_SHARE
from detector.boxes.scored import Boxes, PlanBoxes
from detector.classes import PORT
from detector.evaluation.curves import average_precision
from detector.evaluation.matching import UNMATCHED, match_class
from detector.evaluation.truth import EvalImage, Measure
from detector.models.decode import decode_tile
from detector.models.network import Network
from detector.tiling.merge import Merger, MergeSettings
from detector.tiling.plan import PlanSettings, TilePlan, plan_tiles
from detector.tiling.tile import Tile
from tools.gpu_store import PackedScene

FLOOR = 0.05
IOUS = (0.5, 0.75)
BATCH = 32
MOST_THREADS = 8
NOTE = "quick: compressed pictures, no deck cargo rule, no intervals; not `detector evaluate`"


@dataclass
class _Tally:
    scores: list[NDArray[np.float32]] = field(default_factory=list)
    hits: list[NDArray[np.bool_]] = field(default_factory=list)
    truth: int = 0
    images: int = 0


def quick_evaluation(
    network: Network, scenes: Sequence[PackedScene], tile_px: int, gsd_m: float, deadline: float
) -> dict[str, Any]:
    """AP50 and AP75 of every class, measure and source.

    Args:
        network: in evaluation mode, on its device.
        scenes: images with their truth.
        tile_px: side of what the network reads.
        gsd_m: metres a pixel at which scenes of known gsd are read.
        deadline: of `time.monotonic()`; images after it are left out, and it says how many.

    Returns:
        `note`, `images`, `left_out`, and `ap`: by class, measure and source (`all` too) the
        numbers and what they rest on.
    """
    tallies: dict[tuple[str, str, str], _Tally] = defaultdict(_Tally)

    def look(scene: PackedScene) -> Boxes | None:
        if time.monotonic() > deadline:
            return None
        return _boxes(network, scene.read(), _plan(scene.truth, tile_px, gsd_m))

    done = 0
    with ThreadPoolExecutor(min(os.cpu_count() or 1, MOST_THREADS)) as pool:
        for scene, boxes in zip(scenes, pool.map(look, scenes), strict=True):
            if boxes is None:
                continue
            done += 1
            for class_id, name in enumerate(PORT.names):
                _score(scene.truth, boxes, class_id, name, tallies)
    return {
        "note": NOTE,
        "images": done,
        "left_out": len(scenes) - done,
        "ap": {"/".join(key): _numbers(tally) for key, tally in sorted(tallies.items())},
    }


def _score(
    truth: EvalImage,
    boxes: Boxes,
    class_id: int,
    name: str,
    tallies: dict[tuple[str, str, str], _Tally],
) -> None:
    measure = truth.measures[class_id]
    if measure is Measure.NONE:
        return
    matches = match_class(truth, boxes, class_id, IOUS)
    hits = matches.found != UNMATCHED
    scores = boxes.scores[matches.predicted]
    # What is neither right nor wrong does not count, at neither threshold.
    counts = hits[0] | ~matches.neutral
    for source in (truth.source, "all"):
        tally = tallies[name, str(measure), source]
        tally.scores.append(scores[counts])
        tally.hits.append(hits[:, counts])
        tally.truth += len(matches.true)
        tally.images += 1


def _numbers(tally: _Tally) -> dict[str, float | int | None]:
    scores, hits = np.concatenate(tally.scores), np.concatenate(tally.hits, axis=1)
    found = {
        f"ap{round(100 * iou)}": average_precision(scores, hits[k], tally.truth)
        for k, iou in enumerate(IOUS)
    }
    known = {name: round(value, 4) if tally.truth else None for name, value in found.items()}
    return {**known, "objects": tally.truth, "images": tally.images}


def _plan(truth: EvalImage, tile_px: int, gsd_m: float) -> TilePlan:
    """Tiles as `inference.pipeline.plan_scene` lays them, which a bare machine cannot import."""
    side = max(truth.width, truth.height)
    if truth.gsd_m is None and side < tile_px:
        settings = PlanSettings.for_small_scene(side, tile_px=tile_px)
    else:
        longest_m = MergeSettings().longest_coarse_m(PORT)
        settings = PlanSettings.for_scene(
            truth.gsd_m, tile_px=tile_px, read_gsd_m=gsd_m, longest_m=longest_m
        )
    settings = settings.snug(truth.width, truth.height)
    return plan_tiles(truth.width, truth.height, settings)


def _boxes(network: Network, pixels: NDArray[np.uint8], plan: TilePlan) -> Boxes:
    merger = Merger(plan, MergeSettings(), np.full(len(PORT), FLOOR, np.float32))
    least = np.full(len(PORT), FLOOR * TILE_SHARE, np.float32)
    device = next(network.parameters()).device
    for start in range(0, len(plan.tiles), BATCH):
        tiles = plan.tiles[start : start + BATCH]
        stack = np.stack([_read(pixels, tile, plan.settings.tile_px) for tile in tiles])
        with torch.inference_mode():
            raw = network(torch.from_numpy(stack).to(device)).float().cpu().numpy()
        for tile, prediction in zip(tiles, raw, strict=True):
            found = decode_tile(prediction, least)
            origin = (tile.window.col, tile.window.row)
            corners = found.corners / tile.scale + origin
            merger.add(tile.index, PlanBoxes(replace(found, corners=corners)))
    return merger.finish()


def _read(pixels: NDArray[np.uint8], tile: Tile, side: int) -> NDArray[np.uint8]:
    """A window of a picture at the size of the network, 0 beyond the picture."""
    window = tile.window
    top, left = max(window.row, 0), max(window.col, 0)
    part = pixels[top : window.row + window.height, left : window.col + window.width]
    padded = np.zeros((window.height, window.width, 3), np.uint8)
    row, column = top - window.row, left - window.col
    padded[row : row + part.shape[0], column : column + part.shape[1]] = part
    way = cv2.INTER_AREA if window.width > side else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(padded, (side, side), interpolation=way), np.uint8)
