"""Clouds and haze that no file tells, told by the ground around blocks on two dates.

Under a cloud a yard looks like bare ground: even, and without the containers of the other date. But
a cloud hides the lanes as well. So ground that no box of either date is on is compared: its light
between the two dates is known from structures of the ground that both show, and where nearly all of
the ground of a neighbourhood is brighter on one date than that light makes it, something lies over
it. A cloud between two rows may leave no such ground; but ground from which containers went is not
brighter than all ground beside them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from affine import Affine
from numpy.typing import NDArray
from sklearn.linear_model import HuberRegressor

from detector.scenes.grid import Grid

CELL_M: Final = 2.0  # lanes between blocks are wider
AROUND_M: Final = 60.0  # of the blocks: their ground is looked at as well
BOX_MARGIN_M: Final = 1.0  # around boxes: their errors
BRIGHTER: Final = 20.0  # grey levels; a cloud that leaves three quarters of the contrast adds 25
NEAR_M: Final = 12.0  # standard deviation of a neighbourhood
VEILED_SHARE: Final = 0.7  # of the ground of a neighbourhood; shadows and lorries are less of it
LEAST_GROUND: Final = 0.03  # of a neighbourhood, or nothing is known of it
GROW_M: Final = 10.0  # clouds thin out towards their rim
BESIDE_M: Final = 16.0  # of boxes: ground like that under them
BRIGHTEST: Final = 98.0  # percentile of that ground: signs, roofs and white lorries are above it
BRIGHTEST_SLACK: Final = 12.0  # grey levels
LEAST_CELLS: Final = 200  # of ground that is the same on both dates, or its light is not known
MOST_CELLS: Final = 5_000  # of them that are used

Picture = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Veils:
    """What lies over the ground on either of two dates.

    Attributes:
        grid: of the cells.
        veiled: `(2, h, w)` whether something bright lies over the ground of a cell.
        brightest: grey level of the brightest ground beside blocks on either date, of the darkest
            of the three colours; infinite where it is not known.
    """

    grid: Grid
    veiled: Mask
    brightest: tuple[float, float]

    def hide(self, grid: Grid, pictures: Sequence[Picture]) -> Mask:
        """Cells `(2, h, w)` of a place that either date may hide.

        Args:
            grid: of the place, in the same coordinates.
            pictures: `(h, w, 3)` of both dates on it.
        """
        to_cells = ~self.grid.transform @ grid.transform
        # OpenCV counts from the centre of the first cell
        matrix = Affine.translation(-0.5, -0.5) @ to_cells @ Affine.translation(0.5, 0.5)
        warp = np.array(matrix[:6], np.float64).reshape(2, 3)
        size, how = (grid.width, grid.height), cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
        veiled = [
            cv2.warpAffine(mask.astype(np.uint8), warp, size, flags=how) for mask in self.veiled
        ]
        bright = [
            _darkest(picture) > most for picture, most in zip(pictures, self.brightest, strict=True)
        ]
        return np.asarray(np.stack(veiled).astype(bool) | np.stack(bright))


def find_veils(
    pictures: Sequence[Picture], seen: Sequence[Mask], boxes: Mask, alike: Mask, grid: Grid
) -> Veils:
    """What lies over the ground on either of two dates.

    Args:
        pictures: `(h, w, 3)` of both dates on a grid.
        seen: `(h, w)` cells that each shows.
        boxes: `(h, w)` cells under boxes of either date.
        alike: `(h, w)` cells of which both show the same structure.
        grid: of the cells, in metres.
    """
    dark = [_darkest(picture) for picture in pictures]
    ground = seen[0] & seen[1] & ~boxes
    light = _light(dark, ground & alike)
    brightest = _brightest(dark, ground & _near(boxes, BESIDE_M / grid.cell_m), light)
    if light is None:
        return Veils(grid, np.zeros((2, *boxes.shape), bool), brightest)
    gain, offset = light
    more = dark[1] - (gain * dark[0] + offset)
    sides = (more <= -BRIGHTER * gain, more >= BRIGHTER)
    return Veils(grid, np.stack([_veiled(side, ground, grid.cell_m) for side in sides]), brightest)


def _darkest(picture: Picture) -> Picture:
    """The darkest of the colours: clouds are bright in all of them."""
    return np.asarray(picture.min(axis=2), np.float32)


def _light(dark: Sequence[Picture], same: Mask) -> tuple[float, float] | None:
    """Gain and offset from the first date's grey levels to the second's; None: not known."""
    before, after = (part[same] for part in dark)
    if len(before) < LEAST_CELLS:
        return None
    step = max(len(before) // MOST_CELLS, 1)
    fit = HuberRegressor().fit(before[::step, None], after[::step])
    gain = float(fit.coef_[0])
    return (gain, float(fit.intercept_)) if gain > 0 else None


def _brightest(
    dark: Sequence[Picture], beside: Mask, light: tuple[float, float] | None
) -> tuple[float, float]:
    """Of the ground beside blocks; a cloud over it on one date does not raise what both show."""
    if not beside.any():
        return np.inf, np.inf
    before, after = (float(np.percentile(part[beside], BRIGHTEST)) for part in dark)
    if light is not None:
        gain, offset = light
        before, after = min(before, (after - offset) / gain), min(after, gain * before + offset)
    return before + BRIGHTEST_SLACK, after + BRIGHTEST_SLACK


def _veiled(brighter: Mask, ground: Mask, cell_m: float) -> Mask:
    def around(mask: Mask) -> Picture:
        sigma = NEAR_M / cell_m
        return np.asarray(cv2.GaussianBlur(mask.astype(np.float32), (0, 0), sigma), np.float32)

    known, bright = around(ground), around(brighter & ground)
    veiled = (known >= LEAST_GROUND) & (bright >= VEILED_SHARE * known)
    return _near(veiled, GROW_M / cell_m)


def _near(mask: Mask, reach: float) -> Mask:
    """Cells within a reach, in cells, of those of a mask."""
    side = 2 * round(reach) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return np.asarray(cv2.dilate(mask.astype(np.uint8), kernel), bool)
