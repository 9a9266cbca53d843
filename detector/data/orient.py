"""Axis-aligned ships become oriented ones where a teacher's box agrees with the envelope."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from detector.boxes.scored import Boxes
from detector.data.labelled import LabelledImage, Labelling
from detector.geometry.boxes import Corners, as_corners, envelope_iou, envelopes, order_corners


@dataclass(frozen=True, slots=True)
class OrientSettings:
    """When a box is believed.

    Attributes:
        min_iou: of the envelope of the teacher's box with the labelled envelope.
        straight_ratio: an envelope this many times longer than wide holds a ship along an axis,
            whatever the teacher says: a ship is at most about five times longer than wide, and
            turned by 5 degrees its envelope is 3.5 times longer than wide.
    """

    min_iou: float = 0.6
    straight_ratio: float = 4.5


def orient_image(
    image: LabelledImage, teacher: Boxes, settings: OrientSettings | None = None
) -> LabelledImage:
    """The image with oriented ships in place of envelopes; those without agreement are ignored.

    Args:
        image: whose ships are labelled with envelopes.
        teacher: boxes found in the image, its pixels, any class and score.
        settings: when a box is believed.
    """
    settings = settings or OrientSettings()
    boxed = image.classes.boxable
    if boxed is None:  # then no envelope is an object
        return image
    ships = teacher.select(teacher.classes.is_named(teacher.class_ids, image.classes.names[boxed]))
    corners, found = orient_envelopes(image.envelopes, ships, settings)
    states = list(image.labelling)
    states[boxed] = Labelling.ORIENTED
    return replace(
        image,
        corners=np.concatenate([image.corners, corners[found]]),
        class_ids=np.concatenate([image.class_ids, np.full(int(found.sum()), boxed, np.int64)]),
        ignored=np.concatenate([image.ignored, image.envelopes[~found]]),
        envelopes=as_corners([]),
        labelling=tuple(states),
    )


def orient_envelopes(
    boxes: Corners, teacher: Boxes, settings: OrientSettings
) -> tuple[Corners, NDArray[np.bool_]]:
    """An oriented box for each envelope.

    The teacher's box gives direction and proportions; it is moved to the envelope's centre and
    scaled until both envelopes have one area. Each of the teacher's boxes is used once, best
    agreement first.

    Args:
        boxes: `(E, 4, 2)` axis-aligned.
        teacher: candidates in the same frame.
        settings: when a box is believed.

    Returns:
        `(E, 4, 2)` and `(E,)` whether there was agreement; without, the box is the envelope.
    """
    result = order_corners(boxes)
    bounds = envelopes(boxes)
    sides = bounds[:, 2:] - bounds[:, :2]
    found = sides.max(axis=1, initial=0) >= settings.straight_ratio * sides.min(
        axis=1, initial=np.inf
    )
    overlap = envelope_iou(bounds, envelopes(teacher.corners))
    while overlap.size and overlap.max() >= settings.min_iou:
        row, column = np.unravel_index(int(overlap.argmax()), overlap.shape)
        result[row] = _fit(teacher.corners[column], bounds[row])
        found[row] = True
        overlap[row, :] = -1.0
        overlap[:, column] = -1.0
    return order_corners(result), found


def _fit(box: NDArray[np.float64], bounds: NDArray[np.float64]) -> NDArray[np.float64]:
    centre = (bounds[:2] + bounds[2:]) / 2.0
    area = float(np.prod(bounds[2:] - bounds[:2]))
    own = box.max(axis=0) - box.min(axis=0)
    scale = np.sqrt(area / max(float(np.prod(own)), 1e-9))
    return np.asarray((box - box.mean(axis=0)) * scale + centre)
