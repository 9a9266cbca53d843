"""False alarms of weights where there is no ship: `python -m benchmarks.false_alarms`.

Rendered scenes at 10 m of eleven kinds (`detector/rendering/hard.py`): open water, glint, crests,
wakes of boats, cloud edges, platforms, aeroplanes, moles, piers, marinas and quays. None holds a
ship of 25 m or more, so every box is false. Rendered at 2.5 m, then averaged with the blur, the
noise and the grey steps of a coarse sensor. Takes two minutes of one core for six scenes a kind.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from scipy.stats import chi2

from benchmarks.tables import markdown
from detector.data.coarse import coarse_pixels
from detector.inference.pipeline import predict_scene
from detector.models.detector import Detector, DetectorSettings, load_detector
from detector.rendering.hard import HARD_KINDS, hard_scene
from detector.scenes.scene import open_scene
from detector.scenes.types import SceneOptions

FIRST_SEED = 950_000  # training's seeds are small numbers
FINE_M, COARSE_M = 2.5, 10.0
SIDE_PX = 1024
LEAST_M = 60.0


@dataclass(frozen=True, slots=True)
class Alarms:
    """Boxes of one kind of scene.

    Attributes:
        kind: name.
        scenes: how many.
        km2: of them all.
        boxes: that were counted.
        long: of them, those of `LEAST_M` and more.
    """

    kind: str
    scenes: int
    km2: float
    boxes: int
    long: int


def main(words: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", default="port-s2")
    parser.add_argument("--scenes", type=int, default=6, help="of each kind")
    parser.add_argument("--kinds", nargs="*", default=list(HARD_KINDS), choices=list(HARD_KINDS))
    args = parser.parse_args(words)
    detector = load_detector(DetectorSettings(weights=args.weights, threads=1))
    rows = [measure(detector, kind, args.scenes) for kind in args.kinds]
    print(table(rows))


def measure(detector: Detector, kind: str, scenes: int) -> Alarms:
    """Count the boxes in so many scenes of one kind."""
    boxes = long = 0
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(FIRST_SEED, FIRST_SEED + scenes):
            path = Path(folder) / f"{kind}-{seed}.png"
            cv2.imwrite(str(path), coarse_picture(kind, seed)[..., ::-1])
            with open_scene(path, SceneOptions(gsd_m=COARSE_M)) as scene:
                found = predict_scene(scene, detector)
            boxes += len(found)
            long += int((found.length_m >= LEAST_M).sum())
    km2 = scenes * (SIDE_PX * FINE_M / 1000) ** 2
    return Alarms(kind, scenes, km2, boxes, long)


def coarse_picture(kind: str, seed: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """A scene of a kind as a sensor of 10 m sees it."""
    fine = np.ascontiguousarray(hard_scene(kind, seed, SIDE_PX, FINE_M).rgb)
    side = round(SIDE_PX * FINE_M / COARSE_M)
    return coarse_pixels(fine, (side, side), np.random.default_rng([seed, len(kind)]))


def table(rows: Sequence[Alarms]) -> str:
    """The rows as Markdown, with exact 95 % intervals of a Poisson number."""
    head = ["kind", "scenes", "km²", "boxes", "a km²", f"of {LEAST_M:g} m and more", "a km²"]
    body = [
        [
            row.kind,
            str(row.scenes),
            f"{row.km2:.0f}",
            str(row.boxes),
            _rate(row.boxes, row.km2),
            str(row.long),
            _rate(row.long, row.km2),
        ]
        for row in rows
    ]
    return markdown(head, body)


def _rate(number: int, km2: float) -> str:
    low = chi2.ppf(0.025, 2 * number) / 2 if number else 0.0
    high = chi2.ppf(0.975, 2 * number + 2) / 2
    return f"{number / km2:.3f} [{low / km2:.3f}, {high / km2:.3f}]"


if __name__ == "__main__":
    main()
