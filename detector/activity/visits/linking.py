"""Which ships of different looks may be one ship that stayed: odds, tracks and draws.

Odds of "the same ship stayed" against "it left and another came", of two ships at looks i < j:

    e^(-gap / stay) · f_same / ((1 - e^(-gap / stay)) · f_new) · product of (1 - recall · seen)

with the gap in days, `stay` the typical stay, `seen` the observed fraction of every look between,
at which the ship must have been missed, and `f_same`, `f_new` the densities of the measured
differences (position, length, beam, axis, appearance) of one ship and of the ships that come. It is
the likelihood ratio of multiple-hypothesis tracking (Reid, IEEE Transactions on Automatic Control
1979), for targets that don't move. Lengths and beams are compared by what all looks say of them
(`sizes`), positions after the looks were laid on each other by the ships that stayed (`offsets`),
and the probability of a pair is its share of all pairings (`matching`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from detector.activity.visits.matching import Links, pair_probability
from detector.activity.visits.offsets import Offsets, find_offsets, no_offsets
from detector.activity.visits.sizes import (
    OUTLIER_FACTOR,
    OUTLIERS,
    compare_sizes,
    learn_population,
    measure_sizes,
)

LEAST_ODDS = 1e-3  # pairs below it are no candidates
LEAST_NEAR = 1e-4  # nor those below it by place and time, for sizes seldom weigh ten to one
MOST_LOG_LENGTH = 0.6  # nor those that differ by more: no shadow hides half a ship
MOST_LOG_ODDS = 50.0
LEAST_GAP_DAYS = 1e-3
ROUNDS = 3
TAKEN_FACTOR = 0.05  # a ship cannot have been missed where another was found in its place
TAKEN_SHARE = 0.5  # of the lesser length, within which two centres are one place
BERTHING_M = 3.0  # ships berth at the places where others did, to about this
VACANT_SHARE = 0.2  # of a typical stay for which a place at a busy quay is free
LEAST_SHIPS = 0.3  # in a zone on average, however few were seen
AXIS_SD_DEG = 3.0
LEAST_DOUBT = 1e-3  # no score makes a box surer than this
LEAST_FEATURES = 8  # ships, to say what they have in common
# Mean and spread of the cosine distance, from rendered ports of three seeds (docs/counting.md)
DISTANCE_SAME = (0.2, 0.15)
DISTANCE_NEW = (1.0, 0.27)
CHANGED_SHARE = (
    0.3  # of ships whose load, light or neighbours changed, so that they look like others
)
MOST_APPEARANCE = 2.0  # log odds that one look may weigh
EM_STEPS = 30
EM_PRIOR = 1.0  # tracks of each kind that the scores alone are worth


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """What is assumed about ships and measurements.

    Attributes:
        stay_days: typical stay; the odds of staying fall with it.
        recall: share of seen ships that are found.
        position_sd_m: of one measured centre, beside the residual of the registration.
        length_sd: of one measured length, relative.
        width_sd: of one measured beam, relative.
        shift_share: of stays in which the ship is moved along the quay.
        swing_lengths: ships at anchor swing around by this many lengths; 0 at berths.
        longest_miss: looks in a row at which a ship that stays may have been missed.
    """

    stay_days: float = 5.0
    recall: float = 0.9
    position_sd_m: float = 2.5
    length_sd: float = 0.045
    width_sd: float = 0.09
    shift_share: float = 0.05
    swing_lengths: float = 0.0
    longest_miss: int = 3


@dataclass(frozen=True, slots=True)
class ShipsSeen:
    """Ships of all looks of a zone, in order of the looks.

    Attributes:
        look: `(N,)` position of the look, ascending.
        xy: `(N, 2)` centres, metres.
        length_m: `(N,)`.
        width_m: `(N,)`.
        axis_deg: `(N,)`.
        probability: `(N,)` of being a ship.
        sure_size: `(N,)` false where the scene's edge cuts the ship.
        embeddings: `(N, D)` or None; NaN where unknown.
    """

    look: NDArray[np.int64]
    xy: NDArray[np.float64]
    length_m: NDArray[np.float64]
    width_m: NDArray[np.float64]
    axis_deg: NDArray[np.float64]
    probability: NDArray[np.float64]
    sure_size: NDArray[np.bool_]
    embeddings: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.look)


@dataclass(frozen=True, slots=True)
class LookTimes:
    """The looks of a zone at which something was seen.

    Attributes:
        day: `(L,)` days since any moment, ascending.
        seen: `(L,)` observed fraction.
        residual_m: `(L,)` of the registration.
        area_m2: of the zone.
    """

    day: NDArray[np.float64]
    seen: NDArray[np.float64]
    residual_m: NDArray[np.float64]
    area_m2: float


def find_links(ships: ShipsSeen, looks: LookTimes, settings: LinkSettings) -> Links:
    """All pairs of ships at different looks that may be one ship that stayed.

    Each round knows more: which sizes ships have here, and by how far the looks are off.

    Args:
        ships: of one zone.
        looks: of that zone.
        settings: what is assumed.
    """
    a, b = np.nonzero(
        (ships.look[:, None] < ships.look[None])
        & (ships.look[None] - ships.look[:, None] <= settings.longest_miss + 1)
    )
    stays = np.exp(-_gap_days(ships, looks, a, b) / settings.stay_days)
    apart = np.log(stays) - np.log1p(-stays) + _appearance_ratio(ships, a, b)
    apart += _missed(ships, looks, settings, a, b)
    offsets = no_offsets(looks.residual_m)
    near = apart + _position_ratio(ships, looks, offsets, settings, a, b) > np.log(LEAST_NEAR)
    near &= np.abs(np.log(ships.length_m[a] / ships.length_m[b])) < MOST_LOG_LENGTH
    a, b, apart = a[near], b[near], apart[near]
    if not len(a):
        return Links(a, b, np.zeros(0))
    apart += _taken(ships, a, b)
    sizes = measure_sizes(ships.length_m, ships.width_m, settings.length_sd, settings.width_sd)
    sure = ships.sure_size[a] & ships.sure_size[b]
    difference = ships.xy[b] - ships.xy[a]
    for _ in range(ROUNDS):
        log_odds = apart + _position_ratio(ships, looks, offsets, settings, a, b)
        by_size, known = compare_sizes(sizes, a, b, _odds(log_odds), sure)
        odds = _odds(log_odds + by_size)
        probability = pair_probability(len(ships), a, b, odds)
        starts = np.clip(1.0 - np.bincount(b, probability, len(ships)), 0.0, 1.0)
        sizes = learn_population(sizes, known, starts)
        offsets = find_offsets(
            (ships.look[a], ships.look[b]), difference, _spread(ships, settings, a, b),
            probability, looks.residual_m, offsets,
        )  # fmt: skip
    kept = odds > LEAST_ODDS
    return Links(a[kept], b[kept], probability[kept])


def track_probability(
    probability: NDArray[np.float64], tracks: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Probability `(T,)` that each track is a ship and not a false alarm.

    A box seen once is more often a false alarm than its score says, one that is seen at many looks
    less often: ships stay. How much is found from the series itself by expectation maximisation:
    the numbers of ships and of false alarms among tracks of one, two and more boxes. The scores of
    a track count once, as the geometric mean of their odds, since what fools the detector once (a
    pier, a crane) fools it again.

    Args:
        probability: `(N,)` of each box, calibrated for boxes by themselves.
        tracks: `(N,)` track of each box.
    """
    count = int(tracks.max()) + 1 if len(tracks) else 0
    if not count:
        return np.zeros(0)
    boxes = np.bincount(tracks, minlength=count)
    p = np.clip(probability, LEAST_DOUBT, 1 - LEAST_DOUBT)
    logit = np.bincount(tracks, np.log(p / (1 - p)), count) / boxes
    share = p.mean()
    ratio = np.exp(logit) * (1 - share) / share
    group = np.minimum(boxes, 3) - 1
    real = 1.0 / (1.0 + np.exp(-logit))
    for _ in range(EM_STEPS):
        ships = np.bincount(group, real, 3) + EM_PRIOR * share
        alarms = np.bincount(group, 1 - real, 3) + EM_PRIOR * (1 - share)
        odds = ratio * (ships / alarms)[group]
        real = odds / (1.0 + odds)
    return np.asarray(real)


def _gap_days(
    ships: ShipsSeen, looks: LookTimes, a: NDArray[np.int64], b: NDArray[np.int64]
) -> NDArray[np.float64]:
    return np.maximum(looks.day[ships.look[b]] - looks.day[ships.look[a]], LEAST_GAP_DAYS)


def _odds(log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.exp(np.minimum(log_odds, MOST_LOG_ODDS)))


def _spread(
    ships: ShipsSeen, settings: LinkSettings, a: NDArray[np.int64], b: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Variance `(E,)`, m², of the distance of one ship's two boxes on each axis, looks aside."""
    length = (ships.length_m[a] + ships.length_m[b]) / 2.0
    variance = 2.0 * settings.position_sd_m**2 + (settings.swing_lengths * length) ** 2
    # where one end is cut or shadowed, the centre moves by half of what is missing
    return np.asarray(variance + ((ships.length_m[a] - ships.length_m[b]) / 2.0) ** 2)


def _position_ratio(
    ships: ShipsSeen,
    looks: LookTimes,
    offsets: Offsets,
    settings: LinkSettings,
    a: NDArray[np.int64],
    b: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Log of the densities of where the later ship lies: it stayed, or one of those that come.

    The longer the gap, the more ships have been moved and the more have come: those that come take
    the place of one that left, which is free for `VACANT_SHARE` of a stay, or lie anywhere.
    """
    xy = ships.xy - offsets.shift_m[ships.look]
    distance = np.linalg.norm(xy[a] - xy[b], axis=1)
    variance = _spread(ships, settings, a, b) + offsets.variance_m2[ships.look[a], ships.look[b]]
    anywhere = 1.0 / max(looks.area_m2, 1.0)
    stays = _gap_days(ships, looks, a, b) / settings.stay_days
    changed = -np.expm1(-stays)
    moved = settings.shift_share * changed
    same = (1 - moved) * _rayleigh(distance, variance) + moved * anywhere
    same *= _axis_density(ships, settings, a, b)
    others = max(len(ships) / max(1, len(looks.day)), LEAST_SHIPS)
    again = -np.expm1(-stays / 2.0 / VACANT_SHARE)  # it left halfway through the gap
    new = again * _rayleigh(distance, variance + BERTHING_M**2) + changed * others * anywhere
    return np.asarray(np.log(same) - np.log(new))


def _rayleigh(distance: NDArray[np.float64], variance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Density in the plane, 1/m²; a share of outliers, as of a cut box, keeps the tails up."""
    wide = variance * OUTLIER_FACTOR**2
    narrow = np.exp(-(distance**2) / (2 * variance)) / (2 * np.pi * variance)
    outer = np.exp(-(distance**2) / (2 * wide)) / (2 * np.pi * wide)
    return np.asarray((1 - OUTLIERS) * narrow + OUTLIERS * outer)


def _axis_density(
    ships: ShipsSeen, settings: LinkSettings, a: NDArray[np.int64], b: NDArray[np.int64]
) -> NDArray[np.float64]:
    """At a berth a ship that stayed lies as it lay; relative to ships that come, which do too."""
    if settings.swing_lengths > 0:
        return np.ones(len(a))
    turn = np.abs(ships.axis_deg[a] - ships.axis_deg[b]) % 180.0
    turn = np.minimum(turn, 180.0 - turn)
    density = np.exp(-0.5 * (turn / (2.0 * AXIS_SD_DEG)) ** 2)
    return np.asarray(np.where(np.isnan(turn), 1.0, (1 - OUTLIERS) * density + OUTLIERS))


def _appearance_ratio(
    ships: ShipsSeen, a: NDArray[np.int64], b: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Log of the densities of the cosine distance, of one ship seen twice and of two ships.

    Every number of the features is taken relative to its mean and spread among the ships of the
    zone, so that what they have in common does not count. 0 where a feature is unknown.
    """
    if ships.embeddings is None or len(ships) < LEAST_FEATURES:
        return np.zeros(len(a))
    known = np.asarray(np.isfinite(ships.embeddings).all(axis=1), np.bool_)
    if known.sum() < LEAST_FEATURES:
        return np.zeros(len(a))
    among = ships.embeddings[known]
    apart = (ships.embeddings - among.mean(axis=0)) / np.maximum(among.std(axis=0), 1e-9)
    unit = apart / np.maximum(np.linalg.norm(apart, axis=1, keepdims=True), 1e-9)
    distance = 1.0 - (unit[a] * unit[b]).sum(axis=1)
    new = norm.pdf(distance, *DISTANCE_NEW)
    same = (1 - CHANGED_SHARE) * norm.pdf(distance, *DISTANCE_SAME) + CHANGED_SHARE * new
    ratio = np.log(same + 1e-9) - np.log(new + 1e-9)
    return np.where(known[a] & known[b], np.minimum(ratio, MOST_APPEARANCE), 0.0)


def _missed(
    ships: ShipsSeen,
    looks: LookTimes,
    settings: LinkSettings,
    a: NDArray[np.int64],
    b: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Log probability that a ship that stayed was not found at the looks between."""
    miss = np.log(np.maximum(1.0 - settings.recall * looks.seen, 1e-6))
    until = np.concatenate([[0.0], np.cumsum(miss)])
    return np.asarray(until[ships.look[b]] - until[ships.look[a] + 1])


def _taken(ships: ShipsSeen, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.float64]:
    """Log factor for the looks between at which another ship was found in the place of one."""
    result = np.zeros(len(a))
    for pair in np.flatnonzero(ships.look[b] - ships.look[a] > 1):
        others = slice(*np.searchsorted(ships.look, [ships.look[a[pair]] + 1, ships.look[b[pair]]]))
        reach = TAKEN_SHARE * np.minimum(ships.length_m[others], ships.length_m[a[pair]])
        near = np.hypot(*(ships.xy[others] - ships.xy[a[pair]]).T) < reach
        result[pair] = np.log(TAKEN_FACTOR) * len(np.unique(ships.look[others][near]))
    return result
