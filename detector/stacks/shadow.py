"""Tiers of a block from the shadow that it throws on free level ground.

The end of a shadow lies, in the image, `height * throw` from the top edge that throws it, where
`throw` is shadow minus lean (`GroundFrame.throw`). Along every side that throws a shadow outwards
rays are followed in that direction from dark to light; every ray measures its own piece of edge.
Idea: Yasuda et al. 2024, Remote Sensing 16(6):1082.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from detector.stacks.block import BlockBox
from detector.stacks.frame import UNKNOWN_LEAN, GroundFrame, Vector
from detector.stacks.patch import Patch
from detector.stacks.pitch import LENGTH_40_M, ROW_PITCH_M
from detector.stacks.slots import SlotGrid

STANDARD_M = 2.591
HIGH_CUBE_M = 2.896
HIGH_CUBE_SHARE = 0.5  # of the containers of the world, about; 40 ft ones more, 20 ft ones less
TALLEST_TIERS = 8
TALLEST_M = TALLEST_TIERS * HIGH_CUBE_M + 1.0
BIN_M = ROW_PITCH_M  # along the edge: one row of containers
RAYS = 5  # in a bin
LEAST_SINE = 0.35  # of the angle between a side and the throw: shallower shadows are not used
LEAST_STEP_PX = 2.0  # of one tier's shadow: less cannot be told apart
LEAST_BINS = 2
DARK_FROM_M = (0.5, 1.7)  # heights at which every shadow must be dark
LEAST_CONTRAST = 0.86  # shadow over light: more is no shadow (haze lightens both)
STAY_LIT_M = 0.9  # height that must stay light behind a shadow's end
NEIGHBOUR_SPREAD = 1  # tiers by which stacks side by side differ, up or down
SCALE_SD = 0.04  # relative: sun angle, gsd, blur
OFFSET_SD_M = 0.35  # of the top edge against the box's side
# Tuned on rendered yards of other seeds than the validation's: where a bay lacks its outer rows the
# edge lies further in than the box and its shadow looks shorter; half high cubes are assumed.
EDGE_GAIN = 1.10
EDGE_SD = 0.25  # tiers: the rest, so that rendered yards of tuning are covered
MOST_HIDDEN = 0.5  # share of rays whose shadow ends on something else


@dataclass(frozen=True, slots=True)
class ShadowTiers:
    """What the shadows of a block tell.

    Attributes:
        tiers: mean of the block.
        sd: its error.
        bins: pieces of edge that were measured.
        hidden: share of the pieces whose shadow ends on another object, unseen.
        ends_m: `(bins, 2, 2)` top edge and end of the shadow of every piece, metres.
        heights_m: `(bins,)`.
    """

    tiers: float
    sd: float
    bins: int
    hidden: float
    ends_m: Vector
    heights_m: NDArray[np.float64]


def measure_tiers(
    box: BlockBox, grid: SlotGrid, patch: Patch, frame: GroundFrame
) -> tuple[ShadowTiers | None, str]:
    """Tiers of a block, or None and why not (a word for `flags`)."""
    throw = frame.throw
    if throw is None or frame.shadow is None:
        return None, "no_sun"
    length = float(np.hypot(*throw))
    if length * STANDARD_M < LEAST_STEP_PX * frame.gsd_m:
        return None, "shadow_too_short"
    lit = _lit_level(patch, box)
    starts, sides, normals = _starts(box, throw / length)
    if lit is None or not len(starts):
        return None, "no_free_ground"
    heights, hidden, clean = _ends(starts, throw, patch, frame.gsd_m / length, lit)
    measured = np.isfinite(heights) & clean
    known = int(measured.sum())
    share_hidden = float(hidden.sum() / max(known + hidden.sum(), 1))
    if known < LEAST_BINS or share_hidden > MOST_HIDDEN:
        return None, "shadow_on_neighbour" if hidden.any() else "no_shadow"
    tiers = tiers_of_heights(heights[measured])
    tiers -= _hidden_taller(sides[measured], normals[measured], throw, grid)
    sd = _error(tiers, heights[measured], length, frame)
    ends = np.stack([starts, starts + heights[:, None] * throw], axis=1)[measured]
    mean = float(np.clip(EDGE_GAIN * tiers.mean(), 1.0, TALLEST_TIERS))
    return ShadowTiers(mean, sd, known, share_hidden, ends, heights[measured]), ""


def tiers_of_heights(heights_m: NDArray[np.float64]) -> NDArray[np.float64]:
    """Expected tiers `(N,)` of heights, when every container is a standard one or a high cube.

    n tiers measure n times the mixture's mean, with a spread of sqrt(n) times its own; the error
    of one measurement is added. All numbers of tiers are alike before.
    """
    n = np.arange(1, TALLEST_TIERS + 1)
    mean = n * (STANDARD_M + HIGH_CUBE_SHARE * (HIGH_CUBE_M - STANDARD_M))
    spread = np.sqrt(n * HIGH_CUBE_SHARE * (1 - HIGH_CUBE_SHARE)) * (HIGH_CUBE_M - STANDARD_M)
    # a block's containers are often of one kind: the spread grows with n, not with its root
    sd = np.hypot(np.maximum(spread, n * (HIGH_CUBE_M - STANDARD_M) / 4), OFFSET_SD_M)
    z = (np.asarray(heights_m, float)[:, None] - mean) / sd
    likelihood = np.exp(-0.5 * z**2) / sd
    total = likelihood.sum(axis=1)
    expected = (likelihood * n).sum(axis=1) / np.maximum(total, 1e-300)
    nearest = np.clip(np.asarray(heights_m, float) / mean[0], 1, TALLEST_TIERS)
    return np.asarray(np.where(total > 1e-12, expected, nearest))


def _starts(
    box: BlockBox, direction: Vector
) -> tuple[Vector, NDArray[np.bool_], NDArray[np.float64]]:
    """Middles `(B, 2)` of the pieces of edge that throw outwards; which are ends; their sines."""
    starts, ends, sines = [], [], []
    middle = box.corners.mean(axis=0)
    for i in range(4):
        a, b = box.corners[i], box.corners[(i + 1) % 4]
        edge = b - a
        length = float(np.hypot(*edge))
        normal = np.array([edge[1], -edge[0]]) / length
        normal *= np.sign(normal @ ((a + b) / 2 - middle))
        sine = float(normal @ direction)
        count = int(length // BIN_M)
        if sine < LEAST_SINE or count < 1:
            continue
        places = (np.arange(count) + 0.5) / count
        starts.append(a + places[:, None] * edge)
        ends.append(np.full(count, i % 2 == 1))
        sines.append(np.full(count, sine))
    if not starts:
        return np.zeros((0, 2)), np.zeros(0, bool), np.zeros(0)
    return np.concatenate(starts), np.concatenate(ends), np.concatenate(sines)


def _ends(
    starts: Vector, throw: Vector, patch: Patch, step_m: float, lit: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]:
    """Heights `(B,)` by shadow, NaN where none; which end unseen; which began in shadow."""
    step = min(step_m / 2.0, 0.3)
    heights = np.arange(0.0, TALLEST_M, step)
    side = np.array([-throw[1], throw[0]]) / np.hypot(*throw)
    aside = np.linspace(-0.35, 0.35, RAYS) * BIN_M
    base = starts[:, None, :] + aside[None, :, None] * side
    points = base[:, :, None, :] + heights[None, None, :, None] * throw
    flat = points.reshape(-1, len(heights), 2)
    grey = patch.grey(flat).reshape(len(starts), RAYS, -1).mean(axis=1)
    free = patch.free(flat).reshape(len(starts), RAYS, -1).mean(axis=1) > 0.5
    dark_part = (heights >= DARK_FROM_M[0]) & (heights <= DARK_FROM_M[1])
    dark = grey[:, dark_part].mean(axis=1)
    clean = (dark < LEAST_CONTRAST * lit) & free[:, dark_part].all(axis=1)
    if not clean.any():
        return np.full(len(starts), np.nan), np.zeros(len(starts), bool), clean
    level = (float(np.median(dark[clean])) + lit) / 2.0
    clean &= dark < level
    found = np.full(len(starts), np.nan)
    hidden = np.zeros(len(starts), bool)
    stay = max(round(STAY_LIT_M / step), 2)
    for i in np.flatnonzero(clean):
        found[i], hidden[i] = _first_light(grey[i], free[i], heights, level, stay)
    return found, hidden, clean


def _first_light(
    grey: NDArray[np.float32],
    free: NDArray[np.bool_],
    heights: NDArray[np.float64],
    level: float,
    stay: int,
) -> tuple[float, bool]:
    """Where a ray gets light for good, linear between samples; and whether it ended unseen."""
    light = grey > level
    begin = int(np.searchsorted(heights, DARK_FROM_M[1]))
    stop = int(np.argmax(~free[begin:])) + begin if not free[begin:].all() else len(heights)
    run = np.convolve(light[:stop], np.ones(stay), "valid") if stop >= stay else np.zeros(0)
    places = np.flatnonzero(run[begin:] >= stay - 0.5) + begin
    if not len(places):
        return float("nan"), True
    k = int(places[0])
    before, after = float(grey[k - 1]), float(grey[k])
    part = (level - before) / max(after - before, 1e-6)
    step = heights[1] - heights[0]
    return float(heights[k - 1] + np.clip(part, 0.0, 1.0) * step), False


def _lit_level(patch: Patch, box: BlockBox) -> float | None:
    """Luminance of sunlit ground around a box."""
    margin = 14.0
    u = np.arange(-margin, box.length_m + margin, 0.8)
    v = np.arange(-margin, box.width_m + margin, 0.8)
    inside = ((u > -1) & (u < box.length_m + 1))[None, :] & ((v > -1) & (v < box.width_m + 1))[
        :, None
    ]
    places = box.places(u, v)
    chosen = patch.free(places) & ~inside
    if chosen.sum() < 60:
        return None
    grey = patch.grey(places)[chosen]
    bright = grey[grey > (np.percentile(grey, 8) + np.percentile(grey, 92)) / 2]
    return float(np.median(bright)) if len(bright) else None


def _hidden_taller(
    is_end: NDArray[np.bool_], sines: NDArray[np.float64], throw: Vector, grid: SlotGrid
) -> NDArray[np.float64]:
    """Tiers `(N,)` by which a taller stack behind the edge lengthens the shadow, on average.

    A stack `k` places behind the edge reaches beyond the edge's own shadow where it is taller by
    more than the way back takes off.
    """
    tier_m = (STANDARD_M + HIGH_CUBE_M) / 2 * float(np.hypot(*throw))
    over_rows = is_end != grid.lengthwise  # the ray crosses rows, else bays
    pitch = np.where(over_rows, ROW_PITCH_M, LENGTH_40_M)
    return np.array([_excess(round(float(q), 2)) for q in pitch / sines / tier_m])


@lru_cache(maxsize=512)
def _excess(step_tiers: float) -> float:
    """Mean of `max_k(d_k - k step)`, `d_k` evenly one of -s…s: exact, by its distribution."""
    values = np.arange(-NEIGHBOUR_SPREAD, NEIGHBOUR_SPREAD + 1)
    count = int(2 * NEIGHBOUR_SPREAD / max(step_tiers, 0.05)) + 1
    levels = np.unique(np.concatenate([values - k * step_tiers for k in range(min(count, 12))]))
    below = np.ones(len(levels))
    for k in range(min(count, 12)):
        below *= [(values - k * step_tiers <= level + 1e-9).mean() for level in levels]
    return float((levels * np.diff(below, prepend=0.0)).sum())


def _error(
    tiers: NDArray[np.float64], heights: NDArray[np.float64], throw: float, frame: GroundFrame
) -> float:
    """Error of a block's mean: the edge is a sample of it, and the angles have errors."""
    spread = max(float(tiers.std()), 0.6)
    pieces = max(len(tiers) / 3.0, 1.0)  # neighbours are alike: three tell as much as one
    relative = SCALE_SD if frame.lean_known else float(np.hypot(SCALE_SD, UNKNOWN_LEAN / throw))
    offset = OFFSET_SD_M / STANDARD_M
    mean = float(heights.mean()) / STANDARD_M
    return float(
        np.sqrt(spread**2 / pieces + (relative * mean) ** 2 + (offset / 2) ** 2 + EDGE_SD**2)
    )
