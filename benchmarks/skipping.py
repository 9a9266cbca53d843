"""What `skip=auto` loses of labelled objects, by class, and how many tiles it saves."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.pool import SHARED, find_pool, skip
from benchmarks.tables import markdown, put
from detector.classes import PORT
from detector.data import geojson, port_pool
from detector.data.labelled import LabelledImage
from detector.geometry.boxes import centres
from detector.inference.coverage import Coverage
from detector.inference.flat import cell_px, is_flat
from detector.inference.frame import PlanFrame
from detector.inference.pipeline import plan_scene
from detector.models.choice import card_named, choose_weights
from detector.scenes.scene import open_scene
from detector.scenes.types import SceneOptions

DOCS = Path("docs/performance.md")
SENTINEL = {"Sentinel-2, ports": "scenes", "Sentinel-2, anchorage": "series"}


@dataclass
class Lost:
    """What was skipped of some images.

    Attributes:
        images: how many.
        tiles: of their plans.
        bare: of them with no labelled object.
        skipped: of them.
        objects: labelled, by class.
        lost: of them in skipped tiles only, by class.
    """

    images: int = 0
    tiles: int = 0
    bare: int = 0
    skipped: int = 0
    objects: list[int] = field(default_factory=lambda: [0] * len(PORT))
    lost: list[int] = field(default_factory=lambda: [0] * len(PORT))


def measure(images: Iterable[LabelledImage], weights: str) -> Lost:
    """Go through the tiles of images as `predict` plans them; the network is not asked."""
    total = Lost()
    for image in images:
        _add(total, image, weights)
    return total


def _add(total: Lost, image: LabelledImage, weights: str) -> None:
    place = centres(np.concatenate([image.corners, image.envelopes]))
    ships = np.full(len(image.envelopes), PORT.id("ship"))
    ids = np.concatenate([image.class_ids, ships]).astype(np.int64)
    kept, skipped = np.zeros(len(place), bool), np.zeros(len(place), bool)
    with open_scene(image.image, SceneOptions(gsd_m=image.gsd_m)) as scene:
        card = card_named(choose_weights(weights, scene.info.gsd_m))
        frame, side = PlanFrame.of(scene.info), card.tile_px
        for tile in plan_scene(frame, Coverage.of(scene), card).tiles:
            bounds = frame.file_bounds(tile.window)
            inside = ((place >= bounds[:2]) & (place < bounds[2:])).all(axis=1)
            pixels = scene.read_bounds(bounds, (side, side))
            gsd_m = None if frame.gsd_m is None else frame.gsd_m / tile.scale
            flat = is_flat(pixels, cell_px(gsd_m))
            total.tiles += 1
            total.bare += not inside.any()
            total.skipped += flat
            (skipped if flat else kept)[inside] = True
    total.images += 1
    for class_id in range(len(PORT)):
        mine = ids == class_id
        total.objects[class_id] += int(mine.sum())
        total.lost[class_id] += int((mine & skipped & ~kept).sum())


def table(said: dict[str, Any]) -> str:
    """One row a set of images."""
    rows = []
    for name, values in said.items():
        one = Lost(**values)
        told = [
            f"{gone} of {number:,} ({gone / number:.2%})" if number else "none labelled"
            for number, gone in zip(one.objects, one.lost, strict=True)
        ]
        rows.append([name, str(one.images), str(one.tiles), str(one.bare), str(one.skipped), *told])
    head = ["images", "number", "tiles", "without a label", "skipped"]
    return markdown([*head, *(f"{name} lost" for name in PORT.names)], rows)


def _sets(every: int) -> dict[str, Sequence[LabelledImage]]:
    root = find_pool()
    sets: dict[str, Sequence[LabelledImage]] = {}
    if root is None:
        skip("what skip=auto loses in the port pool")
    else:
        sets["port pool"] = list(port_pool.read(root))[::every]
    for name, folder in SENTINEL.items():
        if (SHARED / "data" / folder).is_dir():
            scenes = list(geojson.read(SHARED / "data" / folder, []))
            sets[name] = scenes[:: max(1, every // 100)]  # there are few
    return sets


def main() -> None:
    """Measure on every n-th image of the pool, and on what is there of Sentinel-2."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="every n-th image")
    parser.add_argument("--weights", default="auto")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--docs", action="store_true")
    words = parser.parse_args()
    said = {name: asdict(measure(some, words.weights)) for name, some in _sets(words.every).items()}
    if words.json:
        words.json.write_text(json.dumps(said), encoding="utf-8")
    print(table(said))
    if words.docs:
        put(DOCS, "skipping", table(said))


if __name__ == "__main__":
    main()
