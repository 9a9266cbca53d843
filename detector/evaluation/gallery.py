"""The worst images, with truth and prediction drawn over them."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from detector.boxes.scored import Boxes
from detector.evaluation.failures import Explained, Kind
from detector.evaluation.truth import EvalImage
from detector.geometry.windows import PixelWindow
from detector.scenes.scene import open_scene
from detector.scenes.types import SceneOptions

SIDE_PX: Final = 900  # longer side in the page
JPEG_QUALITY: Final = 80
IMAGES: Final = 12
WORKERS: Final = 4  # pictures at once: most of the work is outside Python


@dataclass(frozen=True, slots=True)
class Shape:
    """A box to draw.

    Attributes:
        points: as SVG wants them, pixels of the picture.
        style: CSS class: `found`, `missed`, `right`, `wrong` or `neutral`.
        words: what it is.
    """

    points: str
    style: str
    words: str


@dataclass(frozen=True, slots=True)
class ScoredPicture:
    """An image of the gallery.

    Attributes:
        name: of the image.
        source: name of the dataset.
        errors: number of wrong and missed objects.
        width: pixels of the picture.
        height: pixels of the picture.
        jpeg: base64.
        shapes: truth first.
    """

    name: str
    source: str
    errors: int
    width: int
    height: int
    jpeg: str
    shapes: list[Shape]


def worst_images(
    images: Sequence[EvalImage],
    paths: Sequence[Path],
    counted: Sequence[Boxes],
    explained: Sequence[Explained],
    n: int = IMAGES,
) -> list[ScoredPicture]:
    """The images with the most errors, worst first.

    Args:
        images: the truth.
        paths: of the image files.
        counted: predictions at the thresholds of the card.
        explained: what became of them and of the truth.
        n: at most so many; images without errors don't enter.
    """
    errors = [_errors(kinds) for kinds in explained]
    order = sorted(range(len(images)), key=lambda i: (-errors[i], images[i].name))
    chosen = [i for i in order[:n] if errors[i] > 0]
    of_chosen = ([values[i] for i in chosen] for values in (images, paths, counted, explained))
    with ThreadPoolExecutor(WORKERS, "gallery") as pool:
        return list(pool.map(_picture, *of_chosen, [errors[i] for i in chosen]))


def _errors(explained: Explained) -> int:
    fine = (Kind.RIGHT, Kind.NEUTRAL)
    total = 0
    for kinds in explained.values():
        total += sum(kind not in fine for kind in kinds.predicted_kinds)
        total += kinds.true_kinds.count(Kind.MISSED)
    return total


def _picture(
    image: EvalImage, path: Path, boxes: Boxes, explained: Explained, errors: int
) -> ScoredPicture:
    scale = min(1.0, SIDE_PX / max(image.width, image.height))
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    with open_scene(path, SceneOptions(gsd_m=image.gsd_m, as_stored=True)) as scene:
        rgb = scene.read(PixelWindow(0, 0, image.width, image.height), size).rgb
    quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    jpeg = cv2.imencode(".jpg", np.ascontiguousarray(rgb[..., ::-1]), quality)[1].tobytes()
    truth: list[Shape] = []
    found: list[Shape] = []
    for class_id, kinds in explained.items():
        for index, kind in zip(kinds.true, kinds.true_kinds, strict=True):
            style = "found" if kind is Kind.RIGHT else "missed"
            words = f"true {boxes.classes.names[class_id]}: {kind}"
            truth.append(Shape(_points(image.corners[index] * scale), style, words))
        for index, kind in zip(kinds.predicted, kinds.predicted_kinds, strict=True):
            words = f"{boxes.classes.names[class_id]} {boxes.scores[index]:.2f}: {kind}"
            style = {Kind.RIGHT: "right", Kind.NEUTRAL: "neutral"}.get(kind, "wrong")
            found.append(Shape(_points(boxes.corners[index] * scale), style, words))
    return ScoredPicture(
        name=image.name,
        source=image.source,
        errors=errors,
        width=size[0],
        height=size[1],
        jpeg=base64.b64encode(jpeg).decode(),
        shapes=[*truth, *found],
    )


def _points(corners: np.ndarray) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
