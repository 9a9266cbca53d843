"""Views: the tiles that the network sees, taken out of chips at any scale, angle and place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from detector.classes import PORT, ClassSet
from detector.data.borders import paint_over, settle
from detector.geometry.boxes import Corners

SOFT_SHRINK = 0.75  # below this factor bilinear sampling aliases, so pixels are averaged first


@dataclass(frozen=True, slots=True)
class ViewSettings:
    """How views are drawn from chips.

    Attributes:
        tile_px: side of a view.
        scale_min: smallest read scale of a chip, relative to its own.
        scale_max: largest one.
        stack_scale_min: smallest one for chips with stacks, which are always read finely.
        stack_gsd_min: finest ground sample distance, in metres, at which chips with stacks are
            shown where theirs is known, as the pipeline reads scenes of known gsd at one.
        stack_gsd_max: coarsest one; 0 leaves it to the scales above.
        gsd_min: finest ground sample distance, in metres, at which other chips of known gsd are
            shown, for a network that reads all scenes at one.
        gsd_max: coarsest one; 0 leaves it to the scales above.
        whole: share of views that show the whole chip.
        any_angle: share of views turned by any angle; the others are turned by quarters.
        on_object: share of views that hold a chosen object, where the chip is larger than a view.
        collage: share of views of chips without stacks that are four small ones of several chips:
            ships as the coarse scale sees them, without a view that is mostly padding.
        collage_scale_min: smallest read scale in a collage.
        collage_scale_max: largest one.
        paste: share of views of land and of yards on which more stacks are set down.
        paste_ships: share of views with ships on whose open water more ships are set down.
        reclad: share of views of yards of known gsd whose blocks get the look of another yard's.
    """

    tile_px: int = 640
    scale_min: float = 0.5
    scale_max: float = 2.0
    stack_scale_min: float = 0.7
    stack_gsd_min: float = 0.2
    stack_gsd_max: float = 0.45
    gsd_min: float = 0.0
    gsd_max: float = 0.0
    whole: float = 0.4
    any_angle: float = 0.5
    on_object: float = 0.7
    collage: float = 0.4
    collage_scale_min: float = 0.2
    collage_scale_max: float = 0.5
    paste: float = 0.0
    paste_ships: float = 0.0
    reclad: float = 0.0

    def cell(self) -> ViewSettings:
        """Settings of one of the four views of a collage."""
        return replace(
            self,
            tile_px=self.tile_px // 2,
            scale_min=self.collage_scale_min,
            scale_max=self.collage_scale_max,
        )


@dataclass(frozen=True, slots=True)
class ChipView:
    """A tile with its truth.

    Attributes:
        pixels: `(tile, tile, 3)` uint8, RGB; 0 outside the chip, as `Scene` pads.
        corners: `(N, 4, 2)` tile pixels.
        class_ids: `(N,)`.
        scale: tile pixels a chip pixel.
    """

    pixels: NDArray[np.uint8]
    corners: Corners
    class_ids: NDArray[np.int64]
    scale: float = 1.0


def draw_view(
    pixels: NDArray[np.uint8],
    corners: Corners,
    class_ids: NDArray[np.int64],
    settings: ViewSettings,
    rng: np.random.Generator,
    gsd_m: float | None = None,
    classes: ClassSet = PORT,
) -> ChipView:
    """A random view of a chip.

    Args:
        pixels: `(height, width, 3)` of the chip.
        corners: `(N, 4, 2)` chip pixels.
        class_ids: `(N,)`.
        settings: what to draw.
        rng: source of chance.
        gsd_m: metres a chip pixel, where known.
        classes: that the ids are of.
    """
    has_stacks = bool(classes.mask(class_ids, "containers").any())
    matrix = draw_matrix(pixels.shape[:2], corners, settings, rng, gsd_m, has_stacks=has_stacks)
    return take_view(pixels, corners, class_ids, matrix, settings.tile_px, classes)


def draw_matrix(
    shape: tuple[int, ...],
    corners: Corners,
    settings: ViewSettings,
    rng: np.random.Generator,
    gsd_m: float | None,
    *,
    has_stacks: bool,
) -> NDArray[np.float64]:
    """The affine map of a random view, `(2, 3)`: chip pixels to tile pixels.

    Args:
        shape: height and width of the chip.
        corners: `(N, 4, 2)` chip pixels.
        settings: what to draw.
        rng: source of chance.
        gsd_m: metres a chip pixel, where known.
        has_stacks: whether the chip shows stacks.
    """
    scale = _draw_scale(shape, settings, rng, gsd_m, has_stacks=has_stacks)
    return _draw_matrix(shape, corners, scale, settings, rng)


def take_view(
    pixels: NDArray[np.uint8],
    corners: Corners,
    class_ids: NDArray[np.int64],
    matrix: NDArray[np.float64],
    tile_px: int,
    classes: ClassSet = PORT,
) -> ChipView:
    """The view that an affine map shows; objects at its border are settled and painted.

    Args:
        pixels: `(height, width, 3)` of the chip.
        corners: `(N, 4, 2)` chip pixels.
        class_ids: `(N,)`.
        matrix: `(2, 3)`, chip pixels to tile pixels, corners of pixels at whole numbers.
        tile_px: side of the view.
        classes: that the ids are of.
    """
    tile = warp(pixels, matrix, tile_px)
    moved = corners @ matrix[:, :2].T + matrix[:, 2]
    settled = settle(moved, class_ids, (0, 0, tile_px, tile_px), classes)
    paint_over(tile, settled.painted, settled.corners)
    return ChipView(tile, settled.corners, settled.class_ids, scale_of(matrix))


def scale_of(matrix: NDArray[np.float64]) -> float:
    """Lengths after an affine map `(2, 3)` over those before it."""
    return float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))


def join_views(cells: Sequence[ChipView]) -> ChipView:
    """Four views of one size as one of twice the side, row by row; its scale is their largest."""
    side = cells[0].pixels.shape[0]
    pixels = np.concatenate(
        [np.concatenate([cell.pixels for cell in cells[i : i + 2]], axis=1) for i in (0, 2)]
    )
    shifts = [(side * (i % 2), side * (i // 2)) for i in range(4)]
    return ChipView(
        pixels,
        np.concatenate([c.corners + shift for c, shift in zip(cells, shifts, strict=True)]),
        np.concatenate([cell.class_ids for cell in cells]),
        max(cell.scale for cell in cells),
    )


def _draw_scale(
    shape: tuple[int, ...],
    settings: ViewSettings,
    rng: np.random.Generator,
    gsd_m: float | None,
    *,
    has_stacks: bool,
) -> float:
    if has_stacks and gsd_m is not None and settings.stack_gsd_max:
        bounds = np.log([settings.stack_gsd_min, settings.stack_gsd_max])
        return float(gsd_m / np.exp(rng.uniform(*bounds)))
    if not has_stacks and gsd_m is not None and settings.gsd_max:
        bounds = np.log([settings.gsd_min, settings.gsd_max])
        return float(gsd_m / np.exp(rng.uniform(*bounds)))
    low = settings.stack_scale_min if has_stacks else settings.scale_min
    if not has_stacks and rng.random() < settings.whole:
        fit = settings.tile_px / max(shape)
        return float(np.clip(fit * rng.uniform(0.8, 1.25), min(low, fit), settings.scale_max))
    return float(np.exp(rng.uniform(np.log(low), np.log(settings.scale_max))))


def _draw_matrix(
    shape: tuple[int, ...],
    corners: Corners,
    scale: float,
    settings: ViewSettings,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    if rng.random() < settings.any_angle:
        angle = rng.uniform(0.0, 2.0 * np.pi)
    else:
        angle = rng.integers(4) * np.pi / 2.0
    cos, sin = np.cos(angle), np.sin(angle)
    linear = scale * np.array([[cos, -sin], [sin, cos]])
    if rng.random() < 0.5:
        linear[:, 0] *= -1.0  # mirror the chip's columns
    size = np.array([shape[1], shape[0]], np.float64)
    half = np.full(2, settings.tile_px / 2.0)
    centre = rng.uniform(0.0, size)
    if len(corners) and rng.random() < settings.on_object:
        aim = corners[rng.integers(len(corners))].mean(axis=0)
        offset = rng.uniform(-0.35, 0.35, 2) * settings.tile_px
        centre = aim + np.linalg.solve(linear, offset)
    # The chip fills the view, or lies in it whole: padding teaches nothing.
    reach = half / scale
    centre = np.clip(centre, np.minimum(reach, size - reach), np.maximum(reach, size - reach))
    return np.concatenate([linear, (half - linear @ centre)[:, None]], axis=1)


def warp(pixels: NDArray[np.uint8], matrix: NDArray[np.float64], tile_px: int) -> NDArray[np.uint8]:
    """The tile `(tile_px, tile_px, 3)` that an affine map shows of an image; 0 outside the image.

    Args:
        pixels: `(height, width, 3)`.
        matrix: `(2, 3)`, image pixels to tile pixels, corners of pixels at whole numbers.
        tile_px: side of the tile.
    """
    scale = scale_of(matrix)
    linear, shift = matrix[:, :2], matrix[:, 2]
    if scale < SOFT_SHRINK:
        height, width = pixels.shape[:2]
        size = max(round(width * scale), 1), max(round(height * scale), 1)
        pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
        linear = linear @ np.diag([width / size[0], height / size[1]])
    # OpenCV puts pixel centres at whole numbers, our frame puts corners there.
    shift = shift + linear @ np.array([0.5, 0.5]) - 0.5
    warped = cv2.warpAffine(
        pixels,
        np.concatenate([linear, shift[:, None]], axis=1),
        (tile_px, tile_px),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(0, 0, 0),
    )
    return np.asarray(warped, np.uint8)
