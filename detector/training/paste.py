"""Copy-paste: container stacks of the training chips, set down on other land."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import shapely
from numpy.typing import NDArray

from detector.classes import ObjectClass
from detector.data.chips import Chip
from detector.geometry.boxes import Corners, as_corners, edge_lengths, order_corners, polygons
from detector.training.views import View

LAND_SOURCES = ("UCMerced", "SIMD")  # their images without ships show land alone
MAX_PASTED = 8
MIN_LENGTH_PX = 12.0  # a shorter block shows no containers
GAP_PX = 4.0  # between pasted blocks and everything else; closer ones would be one block
SHADOW_DEPTH = 0.45


@dataclass(frozen=True, slots=True)
class _Stack:
    chip: int
    corners: NDArray[np.float64]


class StackLibrary:
    """The container stacks of a set of chips.

    Args:
        chips: to take them from.
    """

    def __init__(self, chips: Sequence[Chip]) -> None:
        self._chips = chips
        self._stacks = [
            _Stack(index, box)
            for index, chip in enumerate(chips)
            for box in chip.corners[chip.class_ids == ObjectClass.CONTAINER_STACK]
            if edge_lengths(box[None])[0][0] >= MIN_LENGTH_PX
        ]

    def __len__(self) -> int:
        return len(self._stacks)

    def paste(self, view: View, rng: np.random.Generator) -> View:
        """The view with one to eight stacks of one chip set down where nothing else stands.

        Stacks share one direction and one light, as in a yard; each throws a short shadow.
        """
        first = self._stacks[rng.integers(len(self._stacks))]
        siblings = [stack for stack in self._stacks if stack.chip == first.chip]
        source = self._chips[first.chip].read()
        pixels, side = view.pixels.copy(), view.pixels.shape[0]
        angle, scale = rng.uniform(0, 2 * np.pi), np.exp(rng.uniform(np.log(0.7), np.log(1.5)))
        shadow = rng.uniform(2.0, 9.0) * np.array([np.cos(a := rng.uniform(0, 6.28)), np.sin(a)])
        taken = list(polygons(view.corners))
        pasted: list[NDArray[np.float64]] = []
        for index in rng.integers(len(siblings), size=rng.integers(1, MAX_PASTED + 1)):
            turn = angle + (rng.integers(2) * np.pi / 2 if rng.random() < 0.2 else 0.0)
            matrix = _placement(siblings[index].corners, scale, turn, rng.uniform(0, side, 2))
            box = siblings[index].corners @ matrix[:, :2].T + matrix[:, 2]
            if not _free(box, taken, pixels):
                continue
            _set_down(pixels, source, siblings[index].corners, matrix, shadow)
            taken.append(shapely.Polygon(box))
            pasted.append(box)
        added = order_corners(as_corners(pasted))
        return View(
            pixels,
            np.concatenate([view.corners, added]),
            np.concatenate(
                [view.class_ids, np.full(len(added), ObjectClass.CONTAINER_STACK, np.int64)]
            ),
        )


def _placement(
    box: NDArray[np.float64], scale: float, angle: float, centre: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The map `(2, 3)` that turns a box's length to `angle` and its centre to `centre`."""
    along = box[1] - box[0]
    turn = angle - np.arctan2(along[1], along[0])
    linear = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return np.concatenate([linear, (centre - linear @ box.mean(axis=0))[:, None]], axis=1)


def _free(
    box: NDArray[np.float64], taken: Sequence[shapely.Polygon], pixels: NDArray[np.uint8]
) -> bool:
    side = pixels.shape[0]
    if box.min() < 1 or box.max() > side - 1:
        return False
    points = np.clip(box.astype(int), 0, side - 1)
    if (pixels[points[:, 1], points[:, 0]].max(axis=1) == 0).any():  # padding
        return False
    around = shapely.Polygon(box).buffer(GAP_PX)
    return not any(around.intersects(shape) for shape in taken)


def _set_down(
    pixels: NDArray[np.uint8],
    source: NDArray[np.uint8],
    box: NDArray[np.float64],
    matrix: NDArray[np.float64],
    shadow: NDArray[np.float64],
) -> None:
    """Draw one stack and its shadow, in place."""
    side = pixels.shape[0]
    moved = box @ matrix[:, :2].T + matrix[:, 2]
    dark = _mask(np.concatenate([moved, moved + shadow]), side)[..., None] * SHADOW_DEPTH
    pixels[:] = np.rint(pixels * (1.0 - dark)).astype(np.uint8)
    # Only the part of the chip around the stack is warped; pixel centres lie at halves.
    low = np.maximum(np.floor(box.min(axis=0)).astype(int) - 2, 0)
    high = np.ceil(box.max(axis=0)).astype(int) + 3
    part = np.ascontiguousarray(source[low[1] : high[1], low[0] : high[0]])
    linear = matrix[:, :2]
    shift = matrix[:, 2] + linear @ (low + 0.5) - 0.5
    patch = cv2.warpAffine(
        part,
        np.concatenate([linear, shift[:, None]], axis=1),
        (side, side),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    alpha = _mask(moved, side)[..., None]
    pixels[:] = np.rint(pixels * (1.0 - alpha) + patch * alpha).astype(np.uint8)


def _mask(points: Corners, side: int) -> NDArray[np.float32]:
    """The convex hull of points as a soft-edged mask `(side, side)`."""
    mask = np.zeros((side, side), np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(np.rint(points).astype(np.int32)), 255)
    return np.asarray(cv2.GaussianBlur(mask, (3, 3), 0.7), np.float32) / 255.0
