"""What larger tiles change: AP, recall and time, on rendered ports and on labelled images.

Every image is read twice, at the same scales and overlaps: in the card's tiles and in those of
`larger_tiles=true`. Of the port pool those images of the dev splits are taken whose plan that
changes; all others are too small.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray

from benchmarks.pool import find_pool, skip
from benchmarks.tables import markdown, put
from benchmarks.throughput_page import DOCS
from detector.classes import PORT
from detector.cli.demo import default_weights
from detector.data import port_pool
from detector.evaluation.curves import at_threshold, average_precision
from detector.evaluation.matching import match_greedily
from detector.geometry.boxes import Corners, as_corners, iou_matrix
from detector.inference.coverage import Coverage
from detector.inference.frame import PlanFrame
from detector.inference.pipeline import LARGER_SHARE, PreparedScene, find_objects
from detector.models.detector import (
    Detector,
    DetectorSettings,
    larger_tile_px,
    load_detector,
)
from detector.rendering import LayoutSpec, PortSpec, render, truth_classes, truth_corners
from detector.scenes.scene import Scene, open_scene
from detector.scenes.types import SceneOptions
from detector.tiling.plan import PlanSettings, TilePlan, plan_tiles

FIGURES = Path("benchmarks/larger_tiles.json")
SEEDS, GSD_M = (21, 22, 23, 24, 25, 26), (0.3, 0.3, 0.3, 0.3, 0.5, 0.5)
SECTORS = ("container", "general", "piers")
FLOOR = 0.05  # lowest score of the curves
IOUS = (0.5, 0.75)
IGNORED_IOU = 0.3  # with a box that is neither right nor wrong


@dataclass(frozen=True)
class Image:
    """A picture with its truth; `ignored` is neither right nor wrong."""

    path: Path
    gsd_m: float | None
    corners: Corners
    class_ids: NDArray[np.int64]
    ignored: Corners
    ships_are_oriented: bool = True


def measure(images: list[Image], weights: str) -> list[dict[str, Any]]:
    """One row a side of tiles and class."""
    low = load_detector(DetectorSettings(weights, device="cpu", threads=1, conf=FLOOR))
    conf = [low.card.conf[name] for name in low.card.classes]
    rows = []
    for side in (low.card.tile_px, _larger_px(low) or low.card.tile_px):
        low.of_tiles(side)
        found = [_read(low, image, side) for image in images]
        for class_id, name in enumerate(PORT.names):
            rows.append(
                {
                    "tile_px": side,
                    "tiles": sum(one[1] for one in found),
                    "cpu_s": sum(one[2] for one in found),
                    "class": name,
                    **_scored(images, [one[0] for one in found], class_id, conf[class_id]),
                }
            )
    return rows


def _read(detector: Detector, image: Image, side: int) -> tuple[Any, int, float]:
    with open_scene(image.path, SceneOptions(gsd_m=image.gsd_m)) as scene:
        plan = _plan(scene, detector, side)
        prepared = PreparedScene(PlanFrame.of(scene.info), Coverage.of(scene), plan, part=False)
        start = time.process_time()
        found = find_objects(scene, detector, prepared=prepared).detections
        return found, len(plan), time.process_time() - start


def _plan(scene: Scene, detector: Detector, side: int) -> TilePlan:
    frame, card = PlanFrame.of(scene.info), detector.card
    settings = PlanSettings.for_scene(
        frame.gsd_m, tile_px=card.tile_px, read_gsd_m=card.gsd_read_m, upsampling=card.upsampling
    )
    settings = replace(settings, tile_px=side).snug(frame.width, frame.height)
    return plan_tiles(frame.width, frame.height, settings)


def _scored(
    images: list[Image], found: list[Any], class_id: int, conf: float
) -> dict[str, float | int]:
    said: dict[str, float | int] = {}
    for iou in IOUS:
        scores, hits, objects = [], [], 0
        for image, detections in zip(images, found, strict=True):
            if class_id == PORT.id("ship") and not image.ships_are_oriented:
                continue
            true = image.corners[image.class_ids == class_id]
            mine = detections.select(detections.class_ids == class_id)
            order = np.argsort(-mine.scores, kind="stable")
            boxes, values = mine.corners[order], mine.scores[order]
            if len(image.ignored) and len(boxes):
                near = iou_matrix(boxes, image.ignored).max(axis=1) >= IGNORED_IOU
                good = iou_matrix(boxes, true).max(axis=1) >= iou if len(true) else ~near
                boxes, values = boxes[~near | good], values[~near | good]
            overlap = iou_matrix(boxes, true) if len(true) else np.zeros((len(boxes), 0))
            hits.append(match_greedily(overlap, iou) >= 0)
            scores.append(values)
            objects += len(true)
        score, hit = np.concatenate(scores), np.concatenate(hits)
        point = at_threshold(score, hit, objects, conf)
        said |= {
            "objects": objects,
            f"ap{round(100 * iou)}": average_precision(score, hit, objects),
            f"recall{round(100 * iou)}": point.true / max(objects, 1),
        }
    return said


def _rendered(folder: Path, count: int, side_px: int) -> Iterator[Image]:
    folder.mkdir(parents=True, exist_ok=True)
    for seed, gsd_m in list(zip(SEEDS, GSD_M, strict=True))[:count]:
        spec = PortSpec(
            width=side_px, height=side_px, gsd_m=gsd_m, layout=LayoutSpec(sectors=list(SECTORS))
        )
        scene, path = render(spec, seed=seed), folder / f"port{seed}-{side_px}.tif"
        profile = {
            **{"driver": "GTiff", "width": side_px, "height": side_px, "count": 3},
            **{"dtype": "uint8", "crs": "EPSG:32652", "tiled": True},
            "transform": Affine(gsd_m, 0, 500_000, 0, -gsd_m, 4_600_000),
        }
        with rasterio.open(path, "w", **profile) as target:
            target.write(np.moveaxis(scene.rgb, -1, 0))
        truth = scene.truth
        yield Image(path, None, truth_corners(truth), truth_classes(truth), as_corners([]))


def _larger_px(detector: Detector) -> int | None:
    """Side of the larger tiles, also where the card says that they cost accuracy."""
    return larger_tile_px(replace(detector.card, larger_tiles=True))


def _labelled(detector: Detector, most: int) -> Iterator[Image]:
    """Images of the dev splits whose plan `larger_tiles` changes."""
    root = find_pool()
    if root is None:
        skip("larger tiles on labelled images")
        return
    taken = 0
    usual = detector.card.tile_px
    larger = _larger_px(detector) or usual
    for image in port_pool.read(root):
        if taken == most:
            return
        if not image.split.startswith("dev") or max(image.width, image.height) <= larger:
            continue
        with open_scene(image.image, SceneOptions(gsd_m=image.gsd_m)) as scene:
            pixels = [
                _plan(scene, detector, s).read_pixels for s in (detector.card.tile_px, larger)
            ]
        if pixels[1] <= LARGER_SHARE * pixels[0]:
            taken += 1
            yield Image(
                image.image,
                image.gsd_m,
                image.corners,
                image.class_ids,
                image.ignored,
                ships_are_oriented=not len(image.envelopes),
            )


def table(said: dict[str, list[dict[str, Any]]]) -> str:
    """One row a set, class and side of tiles."""
    rows = [
        [
            f"{name}: {one['objects']} {one['class']}",
            str(one["tile_px"]),
            str(one["tiles"]),
            f"{one['cpu_s']:.1f}",
            *(f"{one[key]:.3f}" for key in ("ap50", "ap75", "recall50")),
        ]
        for name, found in said.items()
        for one in sorted(found, key=lambda one: (one["class"], one["tile_px"]))
    ]
    return markdown(["objects", "tile px", "tiles", "CPU s", "AP50", "AP75", "recall"], rows)


def main() -> None:
    """Measure, and write the table where asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ports", type=int, default=len(SEEDS))
    parser.add_argument("--side", type=int, default=2600, help="of a port, pixels")
    parser.add_argument("--images", type=int, default=-1, help="of the pool; -1: all")
    parser.add_argument("--weights", default=default_weights())
    parser.add_argument("--out", type=Path, default=Path(".cache/larger_tiles"))
    parser.add_argument("--docs", action="store_true", help="keep the figures, write the table")
    parser.add_argument("--page", action="store_true", help="measure nothing, write the table")
    words = parser.parse_args()
    if words.page:
        put(DOCS, "larger_tiles", table(json.loads(FIGURES.read_text(encoding="utf-8"))))
        return
    said = {}
    if words.ports:
        ports = list(_rendered(words.out, words.ports, words.side))
        said["rendered ports"] = measure(ports, words.weights)
    detector = load_detector(DetectorSettings(words.weights, device="cpu", threads=1))
    labelled = list(_labelled(detector, words.images))
    if labelled:
        said["large dev images"] = measure(labelled, words.weights)
    print(table(said))
    if words.docs:
        FIGURES.write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
        put(DOCS, "larger_tiles", table(said))


if __name__ == "__main__":
    main()
