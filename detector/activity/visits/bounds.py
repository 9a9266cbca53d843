"""How many distinct visits a series of looks shows, at least and at most."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.special import expit, logit
from scipy.stats import norm

from detector.activity.visits.linking import (
    LinkSettings,
    LookTimes,
    ShipsSeen,
    find_links,
    track_probability,
)
from detector.activity.visits.matching import Links, best_tracks, fewest_stays

SAME_PLACE_M = 15.0  # of two tracks at one fixed thing
SAME_LENGTH = 0.15  # relative
PLACE_SD = 1.0  # of the log odds that a box is real, between places
LEAST_DOUBT = 1e-4
COUNTED_SHARE = 0.5  # of a track's ships: one box that is off is no other way to lie


@dataclass(frozen=True, slots=True)
class VisitSettings:
    """How visits are counted.

    Attributes:
        min_length_m: ships from this length on are counted.
        links: what is assumed about ships and measurements.
        draws: Monte-Carlo draws.
        seed: of the draws.
        level: `visits_min` and `visits_seen_max` are its and its complement's quantile.
        certain: probability from which a match, an arrival or a departure is not doubtful.
    """

    min_length_m: float = 60.0
    links: LinkSettings = field(default_factory=LinkSettings)
    draws: int = 400
    seed: int = 0
    level: float = 0.05
    certain: float = 0.96


@dataclass(frozen=True, slots=True)
class VisitCount:
    """Distinct visits that a series shows.

    Attributes:
        visits_min: quantile `level` of the fewest visits.
        visits_likely: median of the fewest visits.
        visits_seen_max: quantile `1 - level` of the most visits among the ships seen.
        track: `(N,)` of each ship, the most probable stays; -1 for ships that are too short.
        track_probability: `(T,)` that each track is a ship of the wanted length.
        preceded: `(N,)` share of draws in which the ship was there at an earlier look.
        followed: `(N,)` share of draws in which it is there at a later look.
        counted: `(T,)` which tracks the three numbers are of.
        others_min: quantile `level` of the fewest visits among the other tracks.
    """

    visits_min: int
    visits_likely: int
    visits_seen_max: int
    track: NDArray[np.int64]
    track_probability: NDArray[np.float64]
    preceded: NDArray[np.float64]
    followed: NDArray[np.float64]
    counted: NDArray[np.bool_]
    others_min: int


def count_visits(
    ships: ShipsSeen,
    looks: LookTimes,
    settings: VisitSettings,
    counts: NDArray[np.bool_] | None = None,
) -> VisitCount:
    """Count the distinct visits among the ships seen.

    Each draw decides which tracks are ships of the wanted length (a track is the most probable
    stay; its boxes are real together, since a ship that is seen again is hardly a false alarm), and
    which pairs of ships at different looks are one ship that stayed, by their probabilities. The
    fewest visits of the draw are then a minimum path cover: ships less the most links that can hold
    at once. The most visits take only links that are not doubtful.

    Visits between two looks leave no trace; nothing here bounds them.

    Args:
        ships: of one zone, all lengths.
        looks: of that zone, those that saw something.
        settings: how to count.
        counts: `(N,)` which ships lie so that their visit counts, such as at the berth; a track
            counts where at least half of its ships do. All count without it.
    """
    n = len(ships)
    links = find_links(ships, looks, settings.links)
    tracks, holds = best_tracks(n, links)
    probability = track_probability(ships.probability, tracks)
    probability = probability * _long_enough(ships, tracks, settings)
    places = _same_thing(ships, looks, tracks)
    counted = _counted(tracks, len(probability), counts)
    fewest, most, others, preceded, followed, drawn = _draw(
        n, links, holds, tracks, places, probability, counted, settings
    )
    times = np.maximum(drawn, 1)
    return VisitCount(
        visits_min=int(np.quantile(fewest, settings.level, method="lower")),
        visits_likely=int(np.quantile(fewest, 0.5, method="lower")),
        visits_seen_max=int(np.quantile(most, 1 - settings.level, method="higher")),
        track=tracks,
        track_probability=probability,
        preceded=preceded / times,
        followed=followed / times,
        counted=counted,
        others_min=int(np.quantile(others, settings.level, method="lower")),
    )


def _counted(
    tracks: NDArray[np.int64], number: int, counts: NDArray[np.bool_] | None
) -> NDArray[np.bool_]:
    """Which tracks `(T,)` have at least half of their ships where they count."""
    if counts is None:
        return np.ones(number, np.bool_)
    share = np.bincount(tracks, counts, number) / np.maximum(
        np.bincount(tracks, minlength=number), 1
    )
    return np.asarray(share >= COUNTED_SHARE)


def _draw(
    n: int,
    links: Links,
    holds: NDArray[np.bool_],
    tracks: NDArray[np.int64],
    places: NDArray[np.int64],
    probability: NDArray[np.float64],
    counted: NDArray[np.bool_],
    settings: VisitSettings,
) -> tuple[NDArray[np.int64], ...]:
    """Fewest, most and other visits `(draws,)`, and how often each ship `(N,)` had a link or was.

    A ship that counts and one that does not are two visits, though it be one ship.
    """
    generator = np.random.default_rng(settings.seed)
    unseen = generator.poisson(
        _overlooked(tracks, probability * counted, settings.links.recall), settings.draws
    )
    certain = holds & (links.probability >= settings.certain)
    mine = counted[tracks]
    fewest, most, others = np.zeros((3, settings.draws), np.int64)
    preceded, followed, drawn = np.zeros((3, n), np.int64)
    odds = logit(np.clip(probability, LEAST_DOUBT, 1 - LEAST_DOUBT))
    for i in range(settings.draws):
        tilt = generator.normal(0.0, PLACE_SD)
        luck = generator.random(len(probability))[places]
        present = (luck < expit(odds + tilt))[tracks]
        held = generator.random(len(links.probability)) < links.probability
        pairs = links.earlier[held], links.later[held]
        fewest[i], after = fewest_stays(n, present & mine, *pairs)
        if not mine.all():
            others[i], apart = fewest_stays(n, present & ~mine, *pairs)
            after = np.where(mine, after, apart)
        sure = held & certain & (present & mine)[links.earlier]
        most[i] = (present & mine).sum() - sure.sum() + unseen[i]
        drawn += present
        followed += after >= 0
        preceded[after[after >= 0]] += 1
    return fewest, most, others, preceded, followed, drawn


def _same_thing(ships: ShipsSeen, looks: LookTimes, tracks: NDArray[np.int64]) -> NDArray[np.int64]:
    """The thing `(T,)` that each track would be a false alarm at: one place and one length.

    What fools the detector stays where it is and fools it again, so such tracks are right or wrong
    together.
    """
    count = int(tracks.max()) + 1 if len(tracks) else 0
    seen = np.maximum(np.bincount(tracks, minlength=count), 1)

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.bincount(tracks, values, count) / seen)

    x, y, length = mean(ships.xy[:, 0]), mean(ships.xy[:, 1]), mean(np.log(ships.length_m))
    reach = SAME_PLACE_M + 2 * float(looks.residual_m.max(initial=0.0))
    near = np.hypot(x[:, None] - x, y[:, None] - y) <= reach
    near &= np.abs(length[:, None] - length) <= SAME_LENGTH
    _, things = connected_components(coo_array(near), directed=False)
    return np.asarray(things, np.int64)


def _overlooked(
    tracks: NDArray[np.int64], probability: NDArray[np.float64], recall: float
) -> float:
    """Expected visits that were in view and never found (Horvitz-Thompson, JASA 1952).

    A stay that was in view on k looks is missed on all with (1 - recall)^k, so every one that was
    found stands for (1 - recall)^k / (1 - (1 - recall)^k) that were not.
    """
    missed = (1.0 - recall) ** np.bincount(tracks)
    return float((probability * missed / np.maximum(1.0 - missed, 1e-9)).sum())


def _long_enough(
    ships: ShipsSeen, tracks: NDArray[np.int64], settings: VisitSettings
) -> NDArray[np.float64]:
    """Probability `(T,)` that the ship of a track has the wanted length, by its mean length."""
    seen = np.maximum(np.bincount(tracks), 1)
    mean = np.bincount(tracks, weights=ships.length_m) / seen
    sd = settings.links.length_sd * mean / np.sqrt(seen)
    return np.asarray(norm.cdf((mean - settings.min_length_m) / np.maximum(sd, 1e-6)))
