"""A trained network looks at images whose ships have no orientation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from detector.boxes.scored import Boxes
from detector.data.files import unreadable
from detector.data.labelled import LabelledImage, Labelling
from detector.data.orient import OrientSettings, orient_image
from detector.errors import SceneError
from detector.geometry.windows import PixelWindow
from detector.models.detector import Detector
from detector.scenes.scene import Scene, open_scene
from detector.scenes.types import SceneOptions

TEACHER_SCALES = (1.4, 1.0, 0.6, 0.3)  # boats want a fine scale, long ships a coarse one
TEACHER_CONF = 0.05  # agreement with the label is the evidence, not the score


def orient_ships(
    images: Iterable[LabelledImage], detector: Detector, settings: OrientSettings | None = None
) -> Iterator[LabelledImage]:
    """The images; where ships are labelled with envelopes, the teacher orients them.

    An image that cannot be read keeps its envelopes and gets a fault that says so.

    Args:
        images: any.
        detector: the teacher, its thresholds at `TEACHER_CONF`.
        settings: when its boxes are believed.
    """
    for image in images:
        if Labelling.ENVELOPE not in image.labelling:
            yield image
            continue
        try:
            with open_scene(image.image, SceneOptions(as_stored=True)) as scene:
                found = look(scene, detector)
        except SceneError as error:
            yield replace(image, faults=(*image.faults, unreadable(image.image, error)))
        else:
            yield orient_image(image, found, settings)


def look(scene: Scene, detector: Detector) -> Boxes:
    """All boxes of a scene at all of the teacher's scales, neither merged nor chosen from."""
    found = []
    for scale in TEACHER_SCALES:
        windows = list(_windows(scene.info.width, scene.info.height, scale, detector.card.tile_px))
        side = detector.card.tile_px
        tiles = np.stack([scene.read(window, (side, side)).rgb for window in windows])
        for window, boxes in zip(windows, detector.detect(tiles), strict=True):
            factor = side / window.width
            corners = boxes.corners / factor + (window.col, window.row)
            found.append(replace(boxes, corners=corners))
    return Boxes.concatenate(found)


def _windows(width: int, height: int, scale: float, tile_px: int) -> Iterator[PixelWindow]:
    side = round(tile_px / scale)
    step = max(side // 2, 1)
    for row in range(0, max(height - side, 0) + step, step):
        for col in range(0, max(width - side, 0) + step, step):
            yield PixelWindow(col, row, side, side)
