"""What `skip=auto` loses on labelled images, by class, and how many tiles it saves."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.pool import find_pool, skip
from benchmarks.tables import markdown, put
from detector.classes import PORT
from detector.cli.demo import default_weights
from detector.data import port_pool
from detector.data.labelled import LabelledImage
from detector.geometry.boxes import centres
from detector.inference.coverage import Coverage
from detector.inference.flat import is_flat
from detector.inference.frame import PlanFrame
from detector.inference.pipeline import plan_scene
from detector.models.card import ModelCard
from detector.models.detector import find_card
from detector.scenes.scene import open_scene
from detector.scenes.types import SceneOptions

DOCS = Path("docs/performance.md")


def measure(images: Sequence[LabelledImage], card: ModelCard) -> dict[str, Any]:
    """Tiles, tiles skipped, and by class the objects that lie in skipped tiles only."""
    tiles = skipped = 0
    objects, lost = np.zeros(len(card.classes), int), np.zeros(len(card.classes), int)
    for image in images:
        with open_scene(image.image, SceneOptions(gsd_m=image.gsd_m)) as scene:
            frame, side = PlanFrame.of(scene.info), card.tile_px
            plan = plan_scene(frame, Coverage.of(scene), card)
            place = centres(np.concatenate([image.corners, image.envelopes]))
            ships = np.full(len(image.envelopes), PORT.id("ship"))
            ids = np.concatenate([image.class_ids, ships])
            kept = np.zeros(len(place), bool)
            for tile in plan.tiles:
                bounds = frame.file_bounds(tile.window)
                pixels = scene.read_bounds(bounds, (side, side))
                inside = ((place >= bounds[:2]) & (place < bounds[2:])).all(axis=1)
                tiles += 1
                if is_flat(pixels):
                    skipped += 1
                else:
                    kept |= inside
        for class_id in range(len(objects)):
            mine = ids == class_id
            objects[class_id] += int(mine.sum())
            lost[class_id] += int((mine & ~kept).sum())
    return {
        "images": len(images),
        "tiles": tiles,
        "skipped": skipped,
        "classes": list(card.classes),
        "objects": objects.tolist(),
        "lost": lost.tolist(),
    }


def table(said: dict[str, Any]) -> str:
    """One row a class."""
    rows = [
        [name, f"{number:,}", str(gone), f"{gone / max(number, 1):.2%}"]
        for name, number, gone in zip(said["classes"], said["objects"], said["lost"], strict=True)
    ]
    told = f"{said['images']} images, {said['tiles']} tiles, {said['skipped']} of them skipped.\n\n"
    return told + markdown(["class", "objects", "in skipped tiles only", "share"], rows)


def main() -> None:
    """Measure on every n-th image of the pool."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="every n-th image")
    parser.add_argument("--weights", default=default_weights())
    parser.add_argument("--json", type=Path)
    parser.add_argument("--docs", action="store_true")
    words = parser.parse_args()
    root = find_pool()
    if root is None:
        skip("what skip=auto loses")
        return
    images = list(port_pool.read(root))[:: words.every]
    said = measure(images, ModelCard.read(find_card(words.weights)))
    if words.json:
        words.json.write_text(json.dumps(said), encoding="utf-8")
    print(table(said))
    if words.docs:
        put(DOCS, "skipping", table(said))


if __name__ == "__main__":
    main()
