"""Copy-paste: stacks of the training chips set down on other land, ships on other open water."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import shapely
from numpy.typing import NDArray

from detector.data.borders import MIN_SIDE_PX
from detector.data.chips import Chip
from detector.geometry.boxes import Corners, as_corners, edge_lengths, order_corners, polygons
from detector.training.views import ChipView, warp

LAND_SOURCES = ("UCMerced", "SIMD", "negatives")  # their images without ships show land alone
MAX_PASTED = 8
MIN_LENGTH_PX = 12.0  # a shorter block shows no containers
GAP_PX = 4.0  # between pasted blocks and everything else; closer ones would be one block
SHADOW_DEPTH = 0.45

MAX_PASTED_SHIPS = 4
TRIES_A_SHIP = 4  # a place or a ship that does not fit is drawn again this often
RIM_PX = 4.0  # around a ship: all of it lies in the chip, with room for a soft edge
TAPER = 0.5  # of the width: bow and stern are not as wide as the box, their corners are water
WATER_STD = 9.0  # grey levels: water around a ship, and under a pasted one, is no rougher
WATER_APART = 28.0  # grey levels between the two waters, in any band; else it is land, or shows
FLAT_SHARE = 0.02  # of ground without any change over 3 x 3 pixels: it was painted over


@dataclass(frozen=True, slots=True)
class _Stack:
    chip: int
    class_id: int
    corners: NDArray[np.float64]


class StackLibrary:
    """The container stacks of a set of chips.

    Args:
        chips: to take them from.
    """

    def __init__(self, chips: Sequence[Chip]) -> None:
        self._chips = chips
        self._stacks = [
            _Stack(index, int(chip.class_ids[number]), chip.corners[number])
            for index, chip in enumerate(chips)
            for number in np.flatnonzero(chip.classes.mask(chip.class_ids, "containers")).tolist()
            if edge_lengths(chip.corners[number][None])[0][0] >= MIN_LENGTH_PX
        ]

    def __len__(self) -> int:
        return len(self._stacks)

    def paste(
        self, view: ChipView, rng: np.random.Generator, gsd_m: float | None = None
    ) -> ChipView:
        """The view with one to eight stacks of one chip set down where nothing else stands.

        Stacks share one direction and one light, as in a yard; each throws a short shadow.

        Args:
            view: to paste on; its pixels are not changed.
            rng: source of chance.
            gsd_m: metres a pixel of the view, where known: stacks of known gsd are as large there
                as on the ground.
        """
        first = self._stacks[rng.integers(len(self._stacks))]
        siblings = [stack for stack in self._stacks if stack.chip == first.chip]
        source = self._chips[first.chip].read()
        pixels, side = view.pixels.copy(), view.pixels.shape[0]
        angle, scale = rng.uniform(0, 2 * np.pi), np.exp(rng.uniform(np.log(0.7), np.log(1.5)))
        own_m = self._chips[first.chip].gsd_m
        if gsd_m is not None and own_m is not None:
            scale = own_m / gsd_m
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
        return ChipView(
            pixels,
            np.concatenate([view.corners, added]),
            np.concatenate([view.class_ids, np.full(len(added), first.class_id, np.int64)]),
        )


class ShipLibrary:
    """The whole ships of a set of chips that lie on open water.

    Args:
        chips: to take them from; those that do not box every ship give none.
    """

    def __init__(self, chips: Sequence[Chip]) -> None:
        self._chips = chips
        self._ships = [
            (index, number)
            for index, chip in enumerate(chips)
            for number in np.flatnonzero(chip.classes.mask(chip.class_ids, "visits")).tolist()
            if chip.taught[chip.class_ids[number]]
            and edge_lengths(chip.corners[number][None])[0][0] >= MIN_LENGTH_PX
        ]

    def __len__(self) -> int:
        return len(self._ships)

    def paste(
        self, view: ChipView, rng: np.random.Generator, scales: tuple[float, float]
    ) -> ChipView:
        """The view with up to four ships set down on water where nothing else is.

        Water is told by the ship's own: as smooth as `WATER_STD`, as bright and of the same colour
        as what the ship lay in. Padding and ground that was painted over are left alone.

        Args:
            view: to paste on; its pixels are not changed.
            rng: source of chance.
            scales: smallest and largest size of a ship, relative to its chip.
        """
        pixels, side = view.pixels.copy(), view.pixels.shape[0]
        taken = list(polygons(view.corners))
        pasted: list[NDArray[np.float64]] = []
        class_ids: list[int] = []
        wanted = int(rng.integers(1, MAX_PASTED_SHIPS + 1))
        for _ in range(wanted * TRIES_A_SHIP):
            if len(pasted) == wanted or not self._ships:
                break
            index, number = self._ships[rng.integers(len(self._ships))]
            chip = self._chips[index]
            box = chip.corners[number]
            scale = float(np.exp(rng.uniform(*np.log(scales))))
            matrix = _placement(box, scale, rng.uniform(0, 2 * np.pi), rng.uniform(0, side, 2))
            moved = box @ matrix[:, :2].T + matrix[:, 2]
            source = chip.read()
            if (
                edge_lengths(moved[None])[0][0] < MIN_LENGTH_PX
                or edge_lengths(moved[None])[1][0] < MIN_SIDE_PX
                or not _is_apart(moved, taken, side)
                or not _is_free(source, box, np.delete(chip.corners, number, axis=0))
                or not _is_same_water(pixels, moved, _around(source, box))
            ):
                continue
            _launch(pixels, source, box, matrix)
            taken.append(shapely.Polygon(moved))
            pasted.append(moved)
            class_ids.append(int(chip.class_ids[number]))
        added = np.array(class_ids, np.int64)
        return replace(
            view,
            pixels=pixels,
            corners=np.concatenate([view.corners, order_corners(as_corners(pasted))]),
            class_ids=np.concatenate([view.class_ids, added]),
        )


def _is_apart(box: NDArray[np.float64], taken: Sequence[shapely.Polygon], side: int) -> bool:
    """Whether a box lies in the view with its surroundings, and on nothing else."""
    around = _grown(box)
    if around.min() < 0 or around.max() > side:
        return False
    shape = shapely.Polygon(around)
    return not any(shape.intersects(other) for other in taken)


def _is_free(source: NDArray[np.uint8], box: NDArray[np.float64], others: Corners) -> bool:
    """Whether a ship lies whole in its chip, alone on smooth water."""
    height, width = source.shape[:2]
    around = _grown(box)
    if (around < 0).any() or (around > (width, height)).any():
        return False
    if shapely.intersects(polygons(others), shapely.Polygon(around)).any():
        return False
    ring = _around(source, box)
    return bool(ring.min() > 0 and ring.std(axis=0).max() <= WATER_STD)


def _is_same_water(
    pixels: NDArray[np.uint8], box: NDArray[np.float64], water: NDArray[np.uint8]
) -> bool:
    """Whether the ground under and around a box is like the water `(N, 3)` of a ship."""
    part, inside = _cut(pixels, _grown(box))
    ground = part[inside]
    if (ground.max(axis=1) == 0).any() or ground.std(axis=0).max() > WATER_STD:
        return False
    if np.abs(np.median(ground, axis=0) - np.median(water, axis=0)).max() > WATER_APART:
        return False
    square = np.ones((3, 3), np.uint8)
    change = cv2.dilate(part, square) - cv2.erode(part, square)
    return bool((change[inside].max(axis=1) == 0).mean() <= FLAT_SHARE)


def _around(pixels: NDArray[np.uint8], box: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Pixels `(N, 3)` around a box, not in it."""
    part, inside = _cut(pixels, _grown(box))
    low = np.maximum(np.floor(_grown(box).min(axis=0)).astype(int), 0)
    hull = np.zeros(inside.shape, np.uint8)
    cv2.fillConvexPoly(hull, np.rint(box - low).astype(np.int32), 1)
    hull = np.asarray(cv2.dilate(hull, np.ones((3, 3), np.uint8)), np.uint8)
    return np.asarray(part[inside & (hull == 0)])


def _cut(
    pixels: NDArray[np.uint8], outline: NDArray[np.float64]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """The part of an image around an outline, and where in it the outline's inside is."""
    low = np.maximum(np.floor(outline.min(axis=0)).astype(int), 0)
    high = np.ceil(outline.max(axis=0)).astype(int) + 1
    part = np.ascontiguousarray(pixels[low[1] : high[1], low[0] : high[0]])
    mask = np.zeros(part.shape[:2], np.uint8)
    cv2.fillConvexPoly(mask, np.rint(outline - low).astype(np.int32), 1)
    return part, mask > 0


def _grown(box: NDArray[np.float64]) -> NDArray[np.float64]:
    """A box with half its width, and `RIM_PX` at least, more on each side."""
    along, across = box[1] - box[0], box[2] - box[1]
    length, width = np.hypot(*along), np.hypot(*across)
    more = max(RIM_PX, width / 2)
    a, b = along / length * more, across / width * more
    return np.asarray(box + np.array([-a - b, a - b, a + b, b - a]))


def _launch(
    pixels: NDArray[np.uint8],
    source: NDArray[np.uint8],
    box: NDArray[np.float64],
    matrix: NDArray[np.float64],
) -> None:
    """Draw one ship with a soft edge, in place."""
    side = pixels.shape[0]
    low = np.maximum(np.floor(_grown(box).min(axis=0)).astype(int), 0)
    part, _ = _cut(source, _grown(box))
    shift = matrix[:, 2] + matrix[:, :2] @ low
    patch = warp(part, np.concatenate([matrix[:, :2], shift[:, None]], axis=1), side)
    _blend(pixels, patch, _hull(box) @ matrix[:, :2].T + matrix[:, 2])


def _hull(box: NDArray[np.float64]) -> NDArray[np.float64]:
    """A box `(4, 2)` without its corners, `(8, 2)`: bow and stern taper."""
    along, across = box[1] - box[0], box[2] - box[1]
    cut_along = along * min(TAPER * float(np.hypot(*across) / np.hypot(*along)), 0.4)
    cut_across = across * TAPER / 2
    return np.array(
        [
            box[0] + cut_along,
            box[1] - cut_along,
            box[1] + cut_across,
            box[2] - cut_across,
            box[2] - cut_along,
            box[3] + cut_along,
            box[3] - cut_across,
            box[0] + cut_across,
        ]
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
    _blend(pixels, np.asarray(patch, np.uint8), moved)


def _blend(pixels: NDArray[np.uint8], patch: NDArray[np.uint8], points: Corners) -> None:
    """Draw a patch inside the convex hull of points, with a soft edge, in place."""
    alpha = _mask(points, pixels.shape[0])[..., None]
    pixels[:] = np.rint(pixels * (1.0 - alpha) + patch * alpha).astype(np.uint8)


def _mask(points: Corners, side: int) -> NDArray[np.float32]:
    """The convex hull of points as a soft-edged mask `(side, side)`."""
    mask = np.zeros((side, side), np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(np.rint(points).astype(np.int32)), 255)
    return np.asarray(cv2.GaussianBlur(mask, (3, 3), 0.7), np.float32) / 255.0
