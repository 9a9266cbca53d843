"""Which way containers lie, and how far apart rows and bays stand, from the picture.

Gantry cranes and reach stackers leave 0.4 m between rows; straddle carriers leave 1.4 m. Gaps are
dark lines and their sides are edges, so the profile across a block repeats with the pitch of its
rows, and the one along it with that of its bays. A pitch is as likely as the share of the profile
that a wave of this length explains; blocks near by are mostly served by the same machines and have
a say. Where nothing repeats, the nominal pitches hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detector.stacks.block import BlockBox
from detector.stacks.frame import Vector
from detector.stacks.patch import Patch

LENGTH_20_M = 6.058
LENGTH_40_M = 12.192
WIDTH_M = 2.438
BAY_GAP_M = 0.45  # between the ends of 40 ft containers
ROW_GAP_M = 0.40  # between their sides
HALF_BAY_PITCH_M = (LENGTH_40_M + BAY_GAP_M) / 2.0
ROW_PITCH_M = WIDTH_M + ROW_GAP_M
ROW_PITCHES_M = np.exp(np.arange(np.log(2.5), np.log(4.25), 0.01))
HALF_BAY_PITCHES_M = np.exp(np.arange(np.log(6.1), np.log(7.8), 0.01))
NOMINAL_SD = 0.03  # relative, of pitches with the usual gap
OTHER_SHARE = 0.2  # of yards with another gap; any pitch of the lists alike
STEP_M = 0.2
FREQUENCIES = 8192  # of the spectrum: 0.005 m between pitches of rows; no block is as long, 1.6 km
RIM_M = 0.4  # of a box is left out: ground and walls
ROWS_LOCAL_M = 3.5  # light and dark are told from what is this near: no longer wave is seen
BAYS_LOCAL_M = 9.0
LEAST_PERIODS = 3  # fewer make no period
NEAR_M = 300.0  # between the centres of blocks that go together
NEAR_WEIGHT = 0.25
COARSEST_PITCH_M = 0.8  # gsd; above it a gap is no line
DARKEST = 8.0  # grey level: below it noise rules
MOST_CONTRAST = 0.5  # log: one bright roof must not outweigh ten gaps
OVERTONE_WEIGHT = 3.0  # a wave that is stronger at twice the length is an overtone of bays
EDGE_WEIGHT = 4.0  # of the log ratio of edges, beside log likelihoods


@dataclass(frozen=True, slots=True)
class Pitch:
    """From row to row, or from half bay to half bay.

    Attributes:
        metres: the most likely.
        sd: its error.
    """

    metres: float
    sd: float


@dataclass(frozen=True, slots=True)
class Periods:
    """What one block tells, if its containers lie one way.

    Attributes:
        centre: `(2,)` of the block, metres.
        rows: log likelihood of each of `ROW_PITCHES_M`.
        half_bays: of each of `HALF_BAY_PITCHES_M`.
    """

    centre: Vector
    rows: Vector
    half_bays: Vector

    @property
    def strength(self) -> float:
        """How much better than nothing the best pitches are."""
        return float(self.rows.max() + self.half_bays.max())


NOMINAL_ROWS = Pitch(ROW_PITCH_M, NOMINAL_SD * ROW_PITCH_M)
NOMINAL_HALF_BAYS = Pitch(HALF_BAY_PITCH_M, 0.02 * HALF_BAY_PITCH_M)


def see_periods(patch: Patch, box: BlockBox, gsd_m: float) -> tuple[Periods, Periods] | None:
    """What a block's picture tells if its containers lie along the box, and if across it.

    Args:
        patch: its pixels.
        box: as found.
        gsd_m: of the scene.

    Returns:
        None where it is too coarse or not wholly seen.
    """
    if gsd_m > COARSEST_PITCH_M:
        return None
    u = np.arange(RIM_M, box.length_m - RIM_M, STEP_M)
    v = np.arange(RIM_M, box.width_m - RIM_M, STEP_M)
    if min(len(u), len(v)) < 3:
        return None
    places = box.places(u, v)
    if patch.free(places).mean() < 0.5:
        return None
    light = np.log(np.maximum(patch.grey(places).astype(np.float64), DARKEST))
    (rows_v, bays_v), (rows_u, bays_u) = _likelihoods(light), _likelihoods(light.T)
    centre = box.corners.mean(axis=0)
    return Periods(centre, rows_v, bays_u), Periods(centre, rows_u, bays_v)


def lies_lengthwise(periods: tuple[Periods, Periods] | None, edge_ratio: float | None) -> float:
    """Log odds that containers lie along the box, by its picture; 0 where it does not tell.

    Args:
        periods: of both ways.
        edge_ratio: mean contrast across the box over that along it: a container has five times as
            much edge along itself as across, but dark gaps between bays may outweigh that.
    """
    edges = EDGE_WEIGHT * float(np.log(edge_ratio)) if edge_ratio else 0.0
    return edges + (periods[0].strength - periods[1].strength if periods is not None else 0.0)


def find_pitches(
    own: Periods | None, others: Sequence[Periods], centre: Vector
) -> tuple[Pitch, Pitch]:
    """Pitches of the rows and of the half bays of a block.

    Args:
        own: of the block, or None.
        others: of other blocks of the scene.
        centre: `(2,)` of the block, metres.
    """
    near = [other for other in others if np.hypot(*(other.centre - centre)) <= NEAR_M]
    if own is None and not near:
        return NOMINAL_ROWS, NOMINAL_HALF_BAYS
    weights = [NEAR_WEIGHT] * len(near) + [1.0] * (own is not None)
    told = [*near, *([own] if own is not None else [])]
    rows = np.sum([w * p.rows for w, p in zip(weights, told, strict=True)], axis=0)
    bays = np.sum([w * p.half_bays for w, p in zip(weights, told, strict=True)], axis=0)
    return (
        _most_likely(rows, ROW_PITCHES_M, NOMINAL_ROWS),
        _most_likely(bays, HALF_BAY_PITCHES_M, NOMINAL_HALF_BAYS),
    )


def _likelihoods(light: Vector) -> tuple[Vector, Vector]:
    """Log likelihoods `(rows, half bays)` of the pitches, for a picture `(along, across)`."""
    extent = len(light) * STEP_M + 2 * RIM_M
    rows, bays = np.zeros(len(ROW_PITCHES_M)), np.zeros(len(HALF_BAY_PITCHES_M))
    wide = _spectrum(_profiles(light, BAYS_LOCAL_M))
    if extent >= LEAST_PERIODS * ROW_PITCH_M:
        shares = _explained(_spectrum(_profiles(light, ROWS_LOCAL_M)), ROW_PITCHES_M)
        over = _explained(wide, 2 * ROW_PITCHES_M) - _explained(wide, ROW_PITCHES_M)
        shares = np.maximum(shares - OVERTONE_WEIGHT * np.maximum(over, 0.0), 0.0)
        rows = -extent / ROW_PITCH_M * np.log1p(-np.minimum(shares, 0.99))
    if extent >= LEAST_PERIODS * HALF_BAY_PITCH_M:
        # 20 ft containers leave a gap after every half bay, 40 ft ones after every other
        shares = np.maximum(
            _explained(wide, HALF_BAY_PITCHES_M), _explained(wide, 2 * HALF_BAY_PITCHES_M)
        )
        bays = -extent / HALF_BAY_PITCH_M * np.log1p(-np.minimum(shares, 0.99))
    return rows, bays


def _profiles(light: Vector, local_m: float) -> list[Vector]:
    """How dark and how full of edges every line across the first axis is, beside its like."""
    from scipy.ndimage import uniform_filter1d  # noqa: PLC0415 - slow to load

    window = max(round(local_m / STEP_M), 1)
    relief = light - uniform_filter1d(light, window, axis=0, mode="nearest")
    edge = np.abs(np.gradient(light, axis=0)).mean(axis=1)
    return [
        np.clip(relief, -MOST_CONTRAST, MOST_CONTRAST).mean(axis=1),
        edge - uniform_filter1d(edge, window, mode="nearest"),
    ]


def _spectrum(profiles: Sequence[Vector]) -> Vector:
    """Share of the profiles' variance, on average, that a wave explains, by its frequency."""
    power = np.zeros(FREQUENCIES // 2 + 1)
    for profile in profiles:
        signal = profile - profile.mean()
        total = float((signal**2).sum()) * len(signal) / 2.0
        wave = np.fft.rfft(signal, FREQUENCIES)
        power += (wave.real**2 + wave.imag**2) / max(total, 1e-12)  # no root to be squared again
    return np.asarray(power / len(profiles))


def _explained(spectrum: Vector, lengths_m: Vector) -> Vector:
    """The share that a wave of each length explains, linear between frequencies."""
    at = FREQUENCIES * STEP_M / lengths_m
    return np.asarray(np.interp(at, np.arange(len(spectrum)), spectrum))


def _most_likely(likelihood: Vector, pitches: Vector, nominal: Pitch) -> Pitch:
    z = (pitches - nominal.metres) / nominal.sd
    usual = np.exp(-0.5 * z**2)
    prior = (1 - OTHER_SHARE) * usual / usual.sum() + OTHER_SHARE / len(pitches)
    weight = np.exp(likelihood - likelihood.max()) * prior
    best = pitches[np.argmax(weight)]
    mode = weight * (np.abs(np.log(pitches / best)) < 3 * NOMINAL_SD)
    mean = float((mode * pitches).sum() / mode.sum())
    sd = float(np.sqrt((mode * (pitches - mean) ** 2).sum() / mode.sum()))
    return Pitch(mean, max(sd, 0.01 * mean))
