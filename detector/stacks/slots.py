"""Ground slots of a block: a grid of ISO containers in its box, and which places are taken.

Sizes are ISO 668: 6.058 and 12.192 m long, 2.438 m wide. Gaps are what stacking machines leave.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.stacks.block import BlockBox
from detector.stacks.frame import Vector
from detector.stacks.patch import Patch
from detector.stacks.pitch import (
    BAY_GAP_M,
    LENGTH_20_M,
    LENGTH_40_M,
    NOMINAL_HALF_BAYS,
    NOMINAL_ROWS,
    ROW_GAP_M,
    WIDTH_M,
    Periods,
    Pitch,
    find_pitches,
    lies_lengthwise,
    see_periods,
)

LOOSE_M = 0.2  # by which a found box is longer and wider than its containers; by hand 0.2 to 0.45
CLEAR_RANGE = 150.0  # grey levels between the darkest and the lightest of a clear scene's yard
LEAST_ODDS = 0.6  # log odds from which the picture tells which way containers lie
COARSEST_FILL_M = 0.8  # gsd; above it a place is narrower than three pixels
RING_M = (1.0, 9.0)  # around the box, where the ground is looked at
GROUND_SD = 9.0  # grey levels: spread of bare ground around its colour, least
EMPTY_PRIOR = 0.08  # share of empty places in a block, before its pixels are looked at
COLOUR_RANGE = 90.0  # grey levels a band: how widely containers' colours are spread
COARSEST_SHARE_M = 0.7  # gsd; above it the halves of a place have too few pixels
DARK_LEVEL = 6.0  # grey level: below it colour is noise
# How the halves of a place differ: scale of two containers, share of pairs alike, noise of one
# container, share and scale of stains and shadows. Fitted to 40 rendered yards of tuning.
DISTANCE_LAW = (28.0, 0.15, 3.5, 0.12, 28.0)  # grey levels
HUE_LAW = (0.28, 0.25, 0.02, 0.07, 0.12)  # logarithms
VOTE_WEIGHT = 0.5  # the rows of a bay share their shadows
SHARE_SD = 0.08  # error of the measured share beside that of undecided bays; rendered yards
FILL_SD_MEASURED = 0.06  # error of the measured filling; from rendered yards, see docs/stacks.md


@dataclass(frozen=True, slots=True)
class SlotGrid:
    """How containers lie in a box.

    Attributes:
        lengthwise: the containers lie along the length of the box.
        half_bays: places of 20 ft along the containers' length.
        rows: of containers side by side.
        certain: the pixels tell the direction; else the sizes alone did.
        row_pitch: from row to row, metres.
        half_bay_pitch: from one place of 20 ft to the next, metres.
    """

    lengthwise: bool
    half_bays: int
    rows: int
    certain: bool
    row_pitch: Pitch = NOMINAL_ROWS
    half_bay_pitch: Pitch = NOMINAL_HALF_BAYS

    @property
    def capacity(self) -> int:
        """Ground slots, TEU."""
        return self.half_bays * self.rows


@dataclass(frozen=True, slots=True)
class Fill:
    """The taken share of the places.

    Attributes:
        share: of the places.
        sd: its error.
        measured: seen in the pixels; else the prior.
    """

    share: float
    sd: float
    measured: bool


@dataclass(frozen=True, slots=True)
class Share:
    """The share of places under 40 ft containers, and its error."""

    share: float
    sd: float


def half_bays_of(length_m: Vector, pitch_m: Vector) -> Vector:
    """Places of 20 ft in a length, whole, at least 1; the outer ends have no gap."""
    gap = 2 * pitch_m - LENGTH_40_M
    return np.maximum(np.rint((length_m - LOOSE_M + gap) / pitch_m), 1.0)


def rows_of(width_m: Vector, pitch_m: Vector) -> Vector:
    """Rows of containers in a width, whole, at least 1; the outer sides have no gap."""
    gap = pitch_m - WIDTH_M
    return np.maximum(np.rint((width_m - LOOSE_M + gap) / pitch_m), 1.0)


def lay_grid(
    size_m: tuple[float, float],
    patch: Patch | None,
    box: BlockBox,
    gsd_m: float,
    others: Sequence[Periods] = (),
) -> SlotGrid:
    """The grid of containers in a box.

    Which way they lie is told by the picture: by edges, and by what repeats along both sides. Where
    it does not tell, the way whose sizes fit better is taken.

    Args:
        size_m: length and width of the box without lean, metres.
        patch: pixels, or None.
        box: as found.
        gsd_m: of the scene.
        others: what other blocks of the scene tell of the pitches.
    """
    lengthwise, certain, own = way_of(size_m, patch, box, gsd_m)
    rows, half_bays = find_pitches(own, others, box.corners.mean(axis=0))
    length, width = size_m if lengthwise else size_m[::-1]
    return SlotGrid(
        lengthwise,
        int(half_bays_of(np.array(length), np.array(half_bays.metres))),
        int(rows_of(np.array(width), np.array(rows.metres))),
        certain,
        rows,
        half_bays,
    )


def way_of(
    size_m: tuple[float, float], patch: Patch | None, box: BlockBox, gsd_m: float
) -> tuple[bool, bool, Periods | None]:
    """Whether containers lie lengthwise, whether that is certain, and what repeats; see above."""
    both = see_periods(patch, box, gsd_m) if patch is not None else None
    odds = lies_lengthwise(both, _edge_ratio(patch, box) if patch is not None else None)
    certain = abs(odds) > LEAST_ODDS
    lengthwise = odds > 0 if certain else _misfit(*size_m) <= _misfit(*size_m[::-1])
    if size_m[1] < LENGTH_20_M - 1.0:
        lengthwise, certain = True, True  # no container lies across so narrow a box
    own = both[0 if lengthwise else 1] if both is not None and certain else None
    return lengthwise, certain, own


def measure_fill(grid: SlotGrid, patch: Patch, box: BlockBox, gsd_m: float) -> Fill | None:
    """The taken share of the grid's places, by the colour of each against the bare ground around.

    A place is empty where it looks like the ground, in sun or in shadow; a soft vote by Bayes'
    rule, so that a grey container on grey ground counts as taken rather than not.

    Returns:
        None where the pixels are too coarse, hidden, or no ground is seen around.
    """
    if gsd_m > COARSEST_FILL_M:
        return None
    ground = _ground_colours(patch, box)
    if ground is None:
        return None
    cells = _cells(grid, box)
    colours = patch.colour(cells.reshape(-1, cells.shape[2], 2)).reshape(*cells.shape[:3], 3)
    usable = patch.free(cells.reshape(-1, cells.shape[2], 2)).reshape(cells.shape[:3])
    weight = usable.sum(axis=2)
    if (weight > 0).mean() < 0.5:
        return None
    mean = (colours * usable[..., None]).sum(axis=2) / np.maximum(weight, 1)[..., None]
    contrast = _contrast(patch, box)
    empty = _empty(mean.astype(np.float64), ground, contrast)
    share = 1.0 - float((empty * (weight > 0)).sum() / (weight > 0).sum())
    least = 1.0 / grid.capacity
    return Fill(max(share, least), FILL_SD_MEASURED, True)


def measure_share(
    grid: SlotGrid, patch: Patch, box: BlockBox, gsd_m: float, prior: float
) -> Share | None:
    """The share of places under 40 ft containers: those whose two halves have one colour.

    The containers of a bay are mostly of one length, so its rows vote together. Hue tells more than
    brightness, since the shadow of a taller bay darkens one half.

    Returns:
        None where the pixels are too coarse or without colour, or the grid is no whole number of
        40 ft bays.
    """
    bays, odd = divmod(grid.half_bays, 2)
    if gsd_m > COARSEST_SHARE_M or odd or not grid.certain or bays == 0:
        return None
    cells = _cells(grid, box)
    colours = patch.colour(cells.reshape(-1, cells.shape[2], 2)).reshape(*cells.shape[:3], 3)
    mean = np.median(colours, axis=2).astype(np.float64)
    if float(np.ptp(mean, axis=-1).mean()) < 4.0:
        return None  # panchromatic: light and shade look like colours
    distance = np.linalg.norm(mean[0::2] - mean[1::2], axis=-1) / np.sqrt(3.0)
    ratio = np.log(np.maximum(mean, DARK_LEVEL))
    change = ratio[0::2] - ratio[1::2]
    hue = np.linalg.norm(change - change.mean(axis=-1, keepdims=True), axis=-1)
    votes = (_for_two(distance, DISTANCE_LAW) + _for_two(hue, HUE_LAW)) / 2.0
    odds = np.log(prior / (1 - prior)) if prior < 1 else 20.0
    whole = 1.0 / (1.0 + np.exp(VOTE_WEIGHT * votes.sum(axis=1) - odds))
    sd = np.hypot(SHARE_SD, np.sqrt((whole * (1 - whole)).sum()) / bays)
    return Share(float(whole.mean()), float(sd))


def _for_two(difference: Vector, law: tuple[float, ...]) -> Vector:
    """Log likelihood ratio that halves differing so are two containers, not one.

    Two: a gamma law, and some pairs that are alike; one: small noise, and now and then a stain.
    """
    apart, alike_share, noise, stain_share, stain = law

    def falling(scale: float) -> Vector:
        return np.asarray(np.exp(-difference / scale) / scale)

    two = (1 - alike_share) * difference / apart * falling(apart) + alike_share * falling(noise)
    one = (1 - stain_share) * falling(noise) + stain_share * falling(stain)
    return np.asarray(np.log(two / one))


def _misfit(length_m: float, width_m: float) -> float:
    """How far a size is from whole containers, in shares of a place."""
    bays = (length_m + BAY_GAP_M) / NOMINAL_HALF_BAYS.metres
    rows = (width_m + ROW_GAP_M) / NOMINAL_ROWS.metres
    short = 10.0 if length_m < LENGTH_20_M - 1.0 else 0.0
    return abs(bays - round(bays)) * 2 + abs(rows - round(rows)) + short


def _edge_ratio(patch: Patch, box: BlockBox) -> float | None:
    """Mean contrast across the box over that along it; above 1 the containers lie lengthwise."""
    step = max(float(np.sqrt(patch.scale[0] * patch.scale[1])), 0.25)
    u, v = np.arange(0.5, box.length_m - 0.5, step), np.arange(0.5, box.width_m - 0.5, step)
    if min(len(u), len(v)) < 4:
        return None
    places = box.places(u, v)
    if patch.free(places).mean() < 0.5:
        return None
    grey = patch.grey(places)
    across = float(np.abs(np.diff(grey, axis=0)).mean())
    along = float(np.abs(np.diff(grey, axis=1)).mean())
    return across / along if along > 0 else None


def _cells(grid: SlotGrid, box: BlockBox) -> Vector:
    """Sample points `(half bays, rows, points, 2)` in the middle part of every place."""
    length, width = (box.length_m, box.width_m) if grid.lengthwise else (box.width_m, box.length_m)
    inner = np.array([-0.3, -0.1, 0.1, 0.3])
    a = (np.arange(grid.half_bays)[:, None] + 0.5 + inner) * length / grid.half_bays
    b = (np.arange(grid.rows)[:, None] + 0.5 + 0.6 * inner) * width / grid.rows
    along, across = (box.along, box.across) if grid.lengthwise else (box.across, box.along)
    points = box.corners[0] + a[:, None, :, None, None] * along + b[None, :, None, :, None] * across
    return np.asarray(points.reshape(grid.half_bays, grid.rows, -1, 2))


def _ground_colours(patch: Patch, box: BlockBox) -> list[tuple[Vector, Vector]] | None:
    """Colour and spread `(3,), (3,)` of the bare ground in sun and in shadow around a box."""
    step = 0.7
    u = np.arange(-RING_M[1], box.length_m + RING_M[1], step)
    v = np.arange(-RING_M[1], box.width_m + RING_M[1], step)
    places = box.places(u, v)
    gap = RING_M[0]
    inside = ((u > -gap) & (u < box.length_m + gap))[None, :] & (
        (v > -gap) & (v < box.width_m + gap)
    )[:, None]
    chosen = patch.free(places) & ~inside
    if chosen.sum() < 40:
        return None
    colours = patch.colour(places)[chosen].astype(np.float64)
    grey = colours.mean(axis=1)
    middle = (np.percentile(grey, 10) + np.percentile(grey, 85)) / 2.0
    parts = []
    for part in (colours[grey >= middle], colours[grey < middle]):
        if len(part) >= 0.08 * len(colours):
            centre = np.median(part, axis=0)
            parts.append((centre, 1.4826 * np.median(np.abs(part - centre), axis=0)))
    return parts


def _contrast(patch: Patch, box: BlockBox) -> float:
    """Range of light on and around a block beside that of a clear scene; at most 1."""
    margin = RING_M[1]
    u = np.arange(-margin, box.length_m + margin, 1.0)
    v = np.arange(-margin, box.width_m + margin, 1.0)
    low, high = np.percentile(patch.grey(box.places(u, v)), (2, 98))
    return float(np.clip((high - low) / CLEAR_RANGE, 0.1, 1.0))


def _empty(
    colours: Vector, ground: list[tuple[Vector, Vector]], contrast: float
) -> NDArray[np.float64]:
    """Probability `(bays, rows)` that a place is bare ground; all in the scene's contrast."""
    likelihood = np.zeros(colours.shape[:2])
    for centre, spread in ground:
        sd = np.clip(spread, GROUND_SD * contrast, 2 * GROUND_SD * contrast)
        z = (colours - centre) / sd
        # bands go together on ground and on containers: two of three tell something of their own
        density = np.exp(-0.5 * (z**2).sum(axis=-1) * 2 / 3) / (2 * np.pi * sd.mean() ** 2)
        likelihood = np.maximum(likelihood, density)
    taken = 1.0 / (COLOUR_RANGE * contrast) ** 2
    odds = likelihood * EMPTY_PRIOR / (taken * (1 - EMPTY_PRIOR))
    return np.asarray(odds / (1 + odds))
