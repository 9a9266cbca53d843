"""From the factors of blocks to containers and TEU with 90 % intervals, by Monte Carlo.

For every draw and block: places = whole half bays times whole rows of a box with errors; slots =
places * taken share; TEU = slots * mean tiers; containers = TEU * (1 - share_40ft / 2), since a
40 ft container is 2 TEU. What blocks share is drawn once a draw: the error of the shadow's scale,
the habit of a zone (how high, how full), the share of 40 ft. Inside a block all stacks share its
level and differ by `STACK_SPREAD` each.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.stacks.pitch import NOMINAL_HALF_BAYS, NOMINAL_ROWS
from detector.stacks.settings import StackSettings
from detector.stacks.slots import half_bays_of, rows_of

Floats = NDArray[np.float64]

QUANTILES = (0.05, 0.5, 0.95)
ZONE_SHARE = 0.5  # of a prior's variance that the blocks of a zone have in common
SCALE_SHARE = 0.3  # of a shadow's error that the blocks of a scene have in common
STACK_SPREAD = 0.8  # tiers: standard deviation of one stack around its block
SHARE_SHARE = 0.3  # of the measured share's variance that the blocks of a zone have in common
PITCH_SHARE = 0.8  # of the pitches' variance that the blocks of a zone have in common
WAGON_HALF_PITCH_M = 6.9  # 40 ft wagons measure 14.2 m, three-TEU wagons 19.7 m over the buffers
WAGON_PITCH_SD = 0.04
USUAL_ALONG_M = 38.1  # three bays of 40 ft
USUAL_ACROSS_M = 14.4  # five rows
Z_90 = 1.6449  # a normal lies within this many standard deviations with 90 %


@dataclass(frozen=True, slots=True)
class Factors:
    """What is known of blocks, one entry a block, each `(N,)`.

    Attributes:
        along_m: extent along the containers' length, metres.
        across_m: extent across.
        size_sd_m: error of both.
        fill: taken share of the places.
        fill_sd: its error; NaN where it is the prior.
        share: of places under 40 ft containers.
        share_sd: its error; NaN where it is the prior.
        row_pitch_m: from row to row.
        row_pitch_sd: its error.
        half_bay_m: from one place of 20 ft to the next.
        half_bay_sd: its error.
        tiers: mean tiers by shadow; NaN where the prior holds.
        tiers_sd: its error.
        prior: `(N, 3)` tiers, 5 %, median, 95 %.
        wagons: containers on wagons: one row, one tier.
    """

    along_m: Floats
    across_m: Floats
    size_sd_m: Floats
    fill: Floats
    fill_sd: Floats
    share: Floats
    share_sd: Floats
    row_pitch_m: Floats
    row_pitch_sd: Floats
    half_bay_m: Floats
    half_bay_sd: Floats
    tiers: Floats
    tiers_sd: Floats
    prior: Floats
    wagons: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.along_m)


@dataclass(frozen=True, slots=True)
class Draws:
    """Draws of every block, each `(draws, N)`."""

    slots: Floats
    tiers: Floats
    containers: Floats
    teu: Floats


def simulate(factors: Factors, settings: StackSettings, seed: int = 0) -> Draws:
    """Draw the blocks of one zone, with what they have in common.

    Args:
        factors: of the blocks.
        settings: priors and number of draws.
        seed: of the draws; equal seeds give equal numbers.
    """
    generator = np.random.Generator(np.random.Philox(seed))
    shape = (settings.draws, len(factors))

    def noise() -> Floats:
        return generator.standard_normal(shape)

    def mixed(share: float) -> Floats:
        common = generator.standard_normal((settings.draws, 1))
        return np.asarray(np.sqrt(share) * common + np.sqrt(1 - share) * noise())

    places = _places(factors, (noise(), noise()), (mixed(PITCH_SHARE), mixed(PITCH_SHARE)))
    z = mixed(ZONE_SHARE)
    measured = np.clip(np.nan_to_num(factors.fill + factors.fill_sd * z, nan=1.0), 0.05, 1.0)
    assumed = np.minimum(split_lognormal(settings.fill, z), 1.0)
    slots = np.maximum(places * np.where(np.isnan(factors.fill_sd), assumed, measured), 1.0)
    level = _levels(factors, mixed(SCALE_SHARE), mixed(ZONE_SHARE))
    level = level + noise() * STACK_SPREAD / np.sqrt(np.maximum(slots / 2.0, 1.0))
    tiers = np.where(factors.wagons, 1.0, np.maximum(level, 1.0))
    share = _shares(factors, settings, (mixed(ZONE_SHARE), mixed(SHARE_SHARE), noise()), places)
    teu = slots * tiers
    return Draws(slots, tiers, teu * (1.0 - share / 2.0), teu)


def nominal_factors(tiers: list[float]) -> tuple[Factors, float]:
    """A usual block of which nothing was measured, and its area in square metres.

    Args:
        tiers: prior, 5 %, median, 95 %.
    """
    sides = {"along_m": USUAL_ALONG_M, "across_m": USUAL_ACROSS_M, "size_sd_m": 0.0}
    pitches = {
        "row_pitch_m": NOMINAL_ROWS.metres,
        "row_pitch_sd": NOMINAL_ROWS.sd,
        "half_bay_m": NOMINAL_HALF_BAYS.metres,
        "half_bay_sd": NOMINAL_HALF_BAYS.sd,
    }
    unknown = ("fill", "fill_sd", "share", "share_sd", "tiers", "tiers_sd")
    values = sides | pitches | dict.fromkeys(unknown, np.nan)
    arrays = {name: np.array([value]) for name, value in values.items()}
    factors = Factors(**arrays, prior=np.array([tiers]), wagons=np.zeros(1, np.bool_))
    return factors, USUAL_ALONG_M * USUAL_ACROSS_M


def quantiles(draws: Floats) -> Floats:
    """5 %, 50 % and 95 % of draws along the first axis: `(3, …)`."""
    return np.asarray(np.quantile(draws, QUANTILES, axis=0))


def split_lognormal(prior: list[float], z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values of a distribution given by 5 %, median and 95 %, at standard normal scores `z`.

    A lognormal whose spread differs on both sides of the median.
    """
    low, mid, high = prior
    spread = np.where(z < 0, float(np.log(mid / low)), float(np.log(high / mid)))
    return np.asarray(mid * np.exp(spread * z / Z_90), np.float64)


def _places(
    factors: Factors, sizes: tuple[Floats, Floats], pitches: tuple[Floats, Floats]
) -> Floats:
    """Places of 20 ft, whole numbers both ways, by errors of both sizes and both pitches."""
    half = np.where(factors.wagons, WAGON_HALF_PITCH_M, factors.half_bay_m)
    half_sd = np.where(factors.wagons, WAGON_PITCH_SD * WAGON_HALF_PITCH_M, factors.half_bay_sd)
    along = factors.along_m + factors.size_sd_m * sizes[0]
    across = factors.across_m + factors.size_sd_m * sizes[1]
    half_bays = half_bays_of(along, half + half_sd * pitches[0])
    rows = rows_of(across, factors.row_pitch_m + factors.row_pitch_sd * pitches[1])
    return np.asarray(half_bays * np.where(factors.wagons, 1.0, rows))


def _shares(
    factors: Factors,
    settings: StackSettings,
    scores: tuple[Floats, Floats, Floats],
    places: Floats,
) -> Floats:
    """Shares of 40 ft: a bay is of one length, so blocks of few bays differ widely.

    `scores` are standard normal: of the habit, of a measurement, of the bays.
    """
    habit, colour, bays = scores
    level = np.minimum(split_lognormal(settings.share_40ft, habit), 1.0)
    rows = np.where(factors.wagons, 1.0, rows_of(factors.across_m, factors.row_pitch_m))
    number = np.maximum(places / rows / 2.0, 1.0)
    by_prior = level + bays * np.sqrt(level * (1.0 - level) / number)
    by_colour = factors.share + np.nan_to_num(factors.share_sd) * colour
    share = np.where(np.isnan(factors.share_sd), by_prior, by_colour)
    return np.asarray(np.clip(share, 0.0, 1.0))


def _levels(factors: Factors, scale: Floats, habit: Floats) -> Floats:
    """Mean tiers of every block: by shadow where there is one, else by prior."""
    by_shadow = factors.tiers + factors.tiers_sd * scale
    by_prior = (
        np.stack(
            [split_lognormal(prior.tolist(), habit[:, i]) for i, prior in enumerate(factors.prior)],
            axis=1,
        )
        if len(factors)
        else np.zeros_like(habit)
    )
    return np.where(np.isnan(factors.tiers), by_prior, by_shadow)
