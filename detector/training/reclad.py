"""Reclad: blocks of a yard that get the look of real blocks of another yard.

A network that knows few yards learns their containers by heart. Here a yard keeps where its blocks
begin and end, and what stands around them, while their tops are those of another one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from detector.data.chips import Chip
from detector.geometry.boxes import edge_lengths, order_corners
from detector.training.views import ChipView

CLAD_SHARE = 0.8  # of the blocks of a view; the others keep their own look
SAME_WIDTH = 1.35  # widest by narrowest: more rows of containers would be squeezed into a block
LEAST_DONORS = 4  # blocks of a yard; fewer would make all of a yard alike
COARSEST_DONOR_M = 0.6  # a pixel; containers of coarser chips are a blur at the finest view
GAIN = (0.6, 1.7)  # of the brightness, at most; a block stays about as bright as it was
GAIN_SPREAD = 0.15  # natural logarithm
MOST_PIECES = 12  # end to end along a block


@dataclass(frozen=True, slots=True)
class _Donor:
    corners: NDArray[np.float64]
    length_m: float
    width_m: float


class Cladding:
    """The looks of blocks, by yard.

    Args:
        chips: to take them from; those of unknown gsd, coarse ones and those of `leave_out` give
            none.
        leave_out: a source whose blocks are not real.
    """

    def __init__(self, chips: Sequence[Chip], leave_out: str) -> None:
        yards = [
            (chip, _donors(chip, chip.gsd_m))
            for chip in chips
            if chip.gsd_m is not None
            and chip.gsd_m <= COARSEST_DONOR_M
            and chip.source != leave_out
        ]
        self._yards = [(chip, donors) for chip, donors in yards if len(donors) >= LEAST_DONORS]

    def __len__(self) -> int:
        return len(self._yards)

    def put_on(self, view: ChipView, gsd_m: float, rng: np.random.Generator) -> ChipView:
        """The view with most of its blocks clad as those of one other yard.

        Args:
            view: of a yard; its pixels are not changed, nor are its boxes.
            gsd_m: metres a pixel of the view.
            rng: source of chance.
        """
        chip, donors = self._yards[rng.integers(len(self._yards))]
        source = chip.read()
        pixels = view.pixels.copy()
        blocks = chip.classes.mask(view.class_ids, "containers")
        for box in order_corners(view.corners[blocks]):
            if rng.random() < CLAD_SHARE:
                _clad(pixels, box, gsd_m, source, donors, rng)
        return replace(view, pixels=pixels)


def _donors(chip: Chip, gsd_m: float) -> list[_Donor]:
    boxes = order_corners(chip.corners[chip.classes.mask(chip.class_ids, "containers")])
    lengths, widths = edge_lengths(boxes)
    return [
        _Donor(box, float(length) * gsd_m, float(width) * gsd_m)
        for box, length, width in zip(boxes, lengths, widths, strict=True)
    ]


def _clad(
    pixels: NDArray[np.uint8],
    box: NDArray[np.float64],
    gsd_m: float,
    source: NDArray[np.uint8],
    donors: Sequence[_Donor],
    rng: np.random.Generator,
) -> None:
    """Clad one block, in place; it stays as it is where no donor is about as wide."""
    lengths, widths = edge_lengths(box[None])
    length_m, width_m = float(lengths[0]) * gsd_m, float(widths[0]) * gsd_m
    fit = [d for d in donors if 1 / SAME_WIDTH < d.width_m / width_m < SAME_WIDTH]
    low = np.maximum(np.floor(box.min(axis=0)).astype(int), 0)
    high = np.minimum(np.ceil(box.max(axis=0)).astype(int) + 1, pixels.shape[1::-1])
    if not fit or (high - low).min() < 1:
        return
    patch = pixels[low[1] : high[1], low[0] : high[0]].copy()
    before = patch.copy()
    done = 0.0
    for _ in range(MOST_PIECES):
        donor = fit[rng.integers(len(fit))]
        share = min(donor.length_m, length_m - done) / donor.length_m
        start = rng.uniform(0.0, 1.0 - share)
        piece = _part(donor.corners, start, start + share)
        if rng.random() < 0.5:
            piece = piece[[2, 3, 0, 1]]  # turned by half
        end = done + share * donor.length_m
        _lay(patch, _part(box, done / length_m, end / length_m) - low, source, piece)
        done = end
        if done >= length_m * (1 - 1e-6):
            break
    else:
        return
    _blend_bright(pixels[low[1] : high[1], low[0] : high[0]], before, patch, box - low, rng)


def _part(box: NDArray[np.float64], start: float, end: float) -> NDArray[np.float64]:
    """The part of a box `(4, 2)` between two shares of its length."""
    top, bottom = box[1] - box[0], box[2] - box[3]
    return np.array(
        [box[0] + start * top, box[0] + end * top, box[3] + end * bottom, box[3] + start * bottom]
    )


def _lay(
    patch: NDArray[np.uint8],
    to: NDArray[np.float64],
    source: NDArray[np.uint8],
    piece: NDArray[np.float64],
) -> None:
    """Draw a piece of an image `(4, 2)` in a place of the patch `(4, 2)`, in place."""
    low = np.maximum(np.floor(piece.min(axis=0)).astype(int) - 2, 0)
    high = np.ceil(piece.max(axis=0)).astype(int) + 3
    part = np.ascontiguousarray(source[low[1] : high[1], low[0] : high[0]])
    # OpenCV puts pixel centres at whole numbers, our frame puts corners there.
    matrix = cv2.getAffineTransform(
        (piece[[0, 1, 3]] - low - 0.5).astype(np.float32), (to[[0, 1, 3]] - 0.5).astype(np.float32)
    )
    size = patch.shape[1], patch.shape[0]
    warped = cv2.warpAffine(
        part, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    mask = np.zeros(patch.shape[:2], np.uint8)
    cv2.fillConvexPoly(mask, np.rint(to - 0.5).astype(np.int32), 1)
    patch[mask > 0] = warped[mask > 0]


def _blend_bright(
    pixels: NDArray[np.uint8],
    before: NDArray[np.uint8],
    patch: NDArray[np.uint8],
    box: NDArray[np.float64],
    rng: np.random.Generator,
) -> None:
    """Put a patch inside a box `(4, 2)`, about as bright as what was there, with a soft edge."""
    mask = np.zeros(pixels.shape[:2], np.uint8)
    cv2.fillConvexPoly(mask, np.rint(box - 0.5).astype(np.int32), 255)
    if not mask.any():
        return
    inside = mask > 0
    gain = (before[inside].mean() + 1.0) / (patch[inside].mean() + 1.0)
    gain = float(np.clip(gain * np.exp(rng.normal(0.0, GAIN_SPREAD)), *GAIN))
    alpha = np.asarray(cv2.GaussianBlur(mask, (3, 3), 0.7), np.float32)[..., None] / 255.0
    bright = np.clip(patch * np.float32(gain), 0.0, 255.0)
    pixels[:] = np.rint(pixels * (1.0 - alpha) + bright * alpha).astype(np.uint8)
