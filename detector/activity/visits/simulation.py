"""Simulates what looks show of the ships at a berth, with the truth, to validate the counting.

Not made by the assumptions of `linking`: stays are of mixed length, ships come in classes of
sisters, misses belong to ships and looks, errors have tails, false alarms come back.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from detector.activity.visits.linking import LookTimes, ShipsSeen

BERTH_DEPTH_M = 40.0
GAP_M = 14.0  # free water between two ships at one quay
WARM_UP_DAYS = 30.0
SECTORS = 4  # parts of the quay that clouds hide one by one
SCORE_REAL = (8.0, 1.5)  # beta distribution of the scores of ships
SCORE_FALSE = (2.0, 3.0)
TAIL_SHARE = 0.03  # of boxes that a shadow or a crane cuts
SHIFT_M = (40.0, 200.0)
PLACE_STEP_M = 5.0


@dataclass(frozen=True, slots=True)
class SeriesSpec:
    """A berth, its traffic, its looks and the faults of the detector.

    Attributes:
        days: length of the series.
        cadence_days: between looks; with `irregular` the mean.
        irregular: looks at random times.
        berth_m: length of the quay.
        arrivals_per_day: ships that come.
        stay_days: mean stay.
        sisters: share of ships that are of one of three standard classes.
        miss: share of seen ships that are not found.
        false_per_look: mean false alarms.
        persistent_false: share of false alarms that are fixed things, found again and again.
        shift_sd_m: geolocation error of a look after registration, each axis.
        moved: share of ships that are shifted along the quay once.
        cloudy: share of looks with clouds over a part of the quay or all of it.
        length_sd: relative error of a length.
        width_sd: relative error of a beam.
    """

    days: float = 30.0
    cadence_days: float = 1.0
    irregular: bool = False
    berth_m: float = 600.0
    arrivals_per_day: float = 0.7
    stay_days: float = 3.5
    sisters: float = 0.3
    miss: float = 0.0
    false_per_look: float = 0.0
    persistent_false: float = 0.0
    shift_sd_m: float = 0.0
    moved: float = 0.0
    cloudy: float = 0.0
    length_sd: float = 0.04
    width_sd: float = 0.08


@dataclass(frozen=True, slots=True)
class Series:
    """A simulated series with its truth.

    Attributes:
        ships: found at the looks, false alarms included.
        looks: that saw something.
        visits: true visits between the first and the last look.
        visible: of them in view, unclouded, on at least one look.
        found: of them found on at least one look.
        identity: `(N,)` visit of each of the ships found; -1 for false alarms.
    """

    ships: ShipsSeen
    looks: LookTimes
    visits: int
    visible: int
    found: int
    identity: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Stays:
    """`(V,)` arrays: come, gone, place along the quay before and after `moved_day`, sizes."""

    come: NDArray[np.float64]
    gone: NDArray[np.float64]
    place: NDArray[np.float64]
    moved_day: NDArray[np.float64]
    moved_place: NDArray[np.float64]
    length_m: NDArray[np.float64]
    beam_m: NDArray[np.float64]

    def place_on(self, day: float) -> NDArray[np.float64]:
        """Places `(V,)` on a day."""
        return np.where(day < self.moved_day, self.place, self.moved_place)


def simulate_series(spec: SeriesSpec, seed: int) -> Series:
    """One series.

    Args:
        spec: of everything.
        seed: of all that is drawn.
    """
    generator = np.random.default_rng(seed)
    days = _look_days(spec, generator)
    stays = _stays(spec, generator)
    hidden = _clouds(spec, len(days), generator)
    fixed = _fixed_things(spec, generator)
    rows: list[NDArray[np.float64]] = []
    visible, found = np.zeros((2, len(stays.come)), np.bool_)
    for i, day in enumerate(days):
        place = stays.place_on(day)
        there = (stays.come <= day) & (day < stays.gone)
        sector = np.clip(place / spec.berth_m * SECTORS, 0, SECTORS - 1).astype(int)
        in_view = there & ~hidden[i, sector]
        hit = in_view & (generator.random(len(there)) >= spec.miss)
        visible |= in_view
        found |= hit
        shift = generator.normal(0, spec.shift_sd_m, 2)
        rows.append(_boxes(i, place[hit], stays, hit, shift, spec, generator))
        rows.append(_false_boxes(i, fixed, hidden[i], spec, generator))
    table = np.concatenate(rows)
    inside = (stays.come <= days[-1]) & (stays.gone > days[0])
    seen = 1.0 - hidden.mean(axis=1)
    return Series(
        _as_ships(table, seen, spec),
        LookTimes(
            days[seen > 0],
            seen[seen > 0],
            np.full(int((seen > 0).sum()), spec.shift_sd_m),
            spec.berth_m * BERTH_DEPTH_M,
        ),
        int(inside.sum()),
        int(visible.sum()),
        int(found.sum()),
        table[:, 7].astype(np.int64),
    )


def _look_days(spec: SeriesSpec, generator: np.random.Generator) -> NDArray[np.float64]:
    if spec.irregular:
        number = max(2, round(spec.days / spec.cadence_days))
        return np.sort(generator.uniform(0, spec.days, number))
    regular = np.arange(0, spec.days + 1e-9, spec.cadence_days)
    return np.asarray(regular + generator.uniform(-0.02, 0.02, len(regular)))


def _stays(spec: SeriesSpec, generator: np.random.Generator) -> _Stays:
    """Ships that come at random and take the first place along the quay that is free."""
    classes = np.exp(generator.normal(np.log(130), 0.3, 3))
    taken: list[tuple[float, float, float, float, float, float, float]] = []
    day = -WARM_UP_DAYS
    while day < spec.days:
        day += generator.exponential(1 / spec.arrivals_per_day)
        standard = generator.random() < spec.sisters
        length = generator.choice(classes) if standard else np.exp(generator.normal(4.8, 0.4))
        length = float(np.clip(length, 65, min(300, spec.berth_m * 0.6)))
        beam = length / 6.5 * (1.0 if standard else float(np.exp(generator.normal(0, 0.12))))
        stay = generator.gamma(1.5, spec.stay_days / 1.5) + 0.3
        gone = day + stay
        place = _free(spec, taken, day, gone, length, 0.0)
        if place is None:
            continue
        moved_day, moved = np.inf, place
        if generator.random() < spec.moved:
            when = day + float(generator.uniform(0.2, 0.8)) * stay
            later = _free(spec, taken, when, gone, length, place + generator.uniform(*SHIFT_M))
            if later is not None and abs(later - place) > length + GAP_M:
                moved_day, moved = when, later
        taken.append((day, gone, place, moved_day, moved, length, beam))
    columns = np.array(taken).reshape(-1, 7).T
    return _Stays(*columns)


def _free(
    spec: SeriesSpec,
    taken: list[tuple[float, float, float, float, float, float, float]],
    come: float,
    gone: float,
    length: float,
    start: float,
) -> float | None:
    others = [(t[i], t[5]) for t in taken if t[0] < gone and t[1] > come for i in (2, 4)]
    first = max(start, length / 2 + 2)
    for place in np.arange(first, spec.berth_m - length / 2 - 2, PLACE_STEP_M):
        if all(abs(place - other) > (length + size) / 2 + GAP_M for other, size in others):
            return float(place)
    return None


def _clouds(spec: SeriesSpec, looks: int, generator: np.random.Generator) -> NDArray[np.bool_]:
    """`(L, SECTORS)` hidden parts of the quay; some looks are hidden as a whole."""
    cloudy = generator.random(looks) < spec.cloudy
    share = generator.uniform(0.1, 1.3, (looks, 1))
    hidden: NDArray[np.bool_] = generator.random((looks, SECTORS)) < share
    return hidden & cloudy[:, None]


def _fixed_things(spec: SeriesSpec, generator: np.random.Generator) -> NDArray[np.float64]:
    """`(F, 3)` place, length, share of looks at which they are taken for a ship."""
    number = generator.poisson(spec.persistent_false)
    return np.stack(
        [
            generator.uniform(0, spec.berth_m, number),
            generator.uniform(60, 120, number),
            generator.uniform(0.1, 0.5, number),
        ],
        axis=1,
    )


def _boxes(
    look: int,
    place: NDArray[np.float64],
    stays: _Stays,
    hit: NDArray[np.bool_],
    shift: NDArray[np.float64],
    spec: SeriesSpec,
    generator: np.random.Generator,
) -> NDArray[np.float64]:
    """Rows `look, x, y, length, beam, axis, score, visit`."""
    n = len(place)
    length = stays.length_m[hit] * np.exp(generator.normal(0, spec.length_sd, n))
    cut = generator.random(n) < TAIL_SHARE
    length = np.where(cut, length * generator.uniform(0.7, 0.95, n), length)
    beam = stays.beam_m[hit] * np.exp(generator.normal(0, spec.width_sd, n))
    noise = generator.normal(0, 2.0, (2, n))
    x = place + shift[0] + noise[0] + np.where(cut, (stays.length_m[hit] - length) / 2, 0)
    y = stays.beam_m[hit] / 2 + shift[1] + noise[1]
    axis = 90.0 + generator.normal(0, 1.5, n)
    score = generator.beta(*SCORE_REAL, n)
    visit = np.flatnonzero(hit)
    return np.stack([np.full(n, look), x, y, length, beam, axis, score, visit], axis=1)


def _false_boxes(
    look: int,
    fixed: NDArray[np.float64],
    hidden: NDArray[np.bool_],
    spec: SeriesSpec,
    generator: np.random.Generator,
) -> NDArray[np.float64]:
    again = fixed[generator.random(len(fixed)) < fixed[:, 2]]
    new = int(generator.poisson(spec.false_per_look))
    x = np.concatenate([again[:, 0], generator.uniform(0, spec.berth_m, new)])
    length = np.concatenate([again[:, 1], generator.uniform(60, 150, new)])
    n = len(x)
    length = length * np.exp(generator.normal(0, 0.06, n))
    beam = length / 6 * np.exp(generator.normal(0, 0.2, n))
    x, y = x + generator.normal(0, 3, n), generator.uniform(5, 30, n)
    axis = 90 + generator.normal(0, 6, n)
    score = generator.beta(*SCORE_FALSE, n)
    rows = np.stack([np.full(n, look), x, y, length, beam, axis, score, np.full(n, -1)], axis=1)
    sector = np.clip(x / spec.berth_m * SECTORS, 0, SECTORS - 1).astype(int)
    return np.asarray(rows[~hidden[sector]])


def _as_ships(table: NDArray[np.float64], seen: NDArray[np.float64], spec: SeriesSpec) -> ShipsSeen:
    """Boxes as a detector gives them, with probabilities from a calibration by all its series."""
    position = np.cumsum(seen > 0) - 1  # looks that saw nothing are no looks
    return ShipsSeen(
        look=position[table[:, 0].astype(np.int64)].astype(np.int64),
        xy=table[:, 1:3],
        length_m=table[:, 3],
        width_m=table[:, 4],
        axis_deg=table[:, 5],
        probability=_calibrated(table[:, 6], spec),
        sure_size=np.ones(len(table), np.bool_),
    )


def _calibrated(score: NDArray[np.float64], spec: SeriesSpec) -> NDArray[np.float64]:
    """Probability of being a ship at a score, by Bayes' rule from mean numbers a look."""
    ships = spec.arrivals_per_day * spec.stay_days * (1 - spec.miss)
    alarms = spec.false_per_look + 0.3 * spec.persistent_false
    real = beta.pdf(score, *SCORE_REAL) * ships
    false = beta.pdf(score, *SCORE_FALSE) * alarms
    return np.asarray(real / (real + false + 1e-300))
