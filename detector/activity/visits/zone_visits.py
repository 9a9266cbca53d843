"""Visits of ships to a zone: who stayed, arrived, left, and how many came at least and at most."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from detector.activity.looks.berthing import Lying, Segments, at_berth, lying, may_lie_at
from detector.activity.looks.lengths import ShipLength
from detector.activity.looks.quays import Quay, QuaySource
from detector.activity.looks.sightings import ID_SEPARATOR, PlacedObjects, concatenate
from detector.activity.looks.wakes import Wakes
from detector.activity.looks.zone_looks import Look
from detector.activity.visits.bounds import VisitCount, VisitSettings, count_visits
from detector.activity.visits.linking import LinkSettings, LookTimes, ShipsSeen
from detector.activity.visits.statements import CALLING_KINDS, Period, say_period
from detector.classes import PORT
from detector.counting.counts import unreadable
from detector.counting.zones import Zone
from detector.geometry.boxes import intersection_areas, polygons
from detector.times import longest_days

SHARED = 0.4  # of the smaller of two boxes of a look: ships do not lie in each other
ALIKE_PROBABILITY = 0.1  # between boxes of one ship: then the longer box is taken
NEAR_LENGTH = 0.85  # of the least length: shorter boxes may be cut ships of the wanted length
LISTED_PROBABILITY = 0.5  # a visit is listed from it on
SWING_LENGTHS = 1.0  # at anchor
SECONDS_A_DAY = 86400.0
COARSE_M = 2.5  # from this gsd on ships are a few pixels, and missed so often that it counts
ENDS_CERTAIN = 0.99  # there: a ship that is missed once is missed more often than others

Probability = Callable[
    [NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]
]


@dataclass(frozen=True, slots=True)
class ZoneVisits:
    """What the looks of a zone say of visits.

    Attributes:
        period: the count and what limits it, with its sentence.
        visits: one row a visit, see `docs/counting.md`.
        moves: one row a ship and look: `stayed`, `arrived`, `left`, `undecided`, `first_look`.
    """

    period: Period
    visits: list[dict[str, Any]] = field(default_factory=list)
    moves: list[dict[str, Any]] = field(default_factory=list)


def zone_visits(
    site: str,
    zone: Zone,
    looks: Sequence[Look],
    settings: VisitSettings,
    probability: Probability,
    lay: Lay | None = None,
) -> ZoneVisits:
    """The visits to a zone.

    At a berth whose quay is known those count that lie at it; elsewhere all that are not under way.

    Args:
        site: name.
        zone: of the looks.
        looks: in order of time, unseen ones too.
        settings: how to count.
        probability: class ids, scores and lengths to the probability of being real.
        lay: how the objects of each look lie; without it nothing is known of it.
    """
    lay = lay or Lay("unknown" if zone.kind in CALLING_KINDS else "", {})
    usable = [look for look in looks if look.usable]
    ships, found, unknown = gather_ships(usable, settings.min_length_m, probability)
    lies = np.array([lay.of(name) for name in found.ids.tolist()], dtype="<U15")
    period = replace(_period(site, zone, looks, settings, unknown), quay=lay.quay)
    if len(usable) < 2:
        long = ships.length_m >= settings.min_length_m
        there = int((long & _counts(lies, lay)).sum())
        period = replace(period, ships_on_only_look=there if usable else None)
        return ZoneVisits(replace(period, sentence=say_period(period)))
    links = settings.links
    if zone.kind == "anchorage":
        links = replace(links, swing_lengths=SWING_LENGTHS)
    settings = replace(settings, links=links)
    count = count_visits(ships, look_times(usable, zone), settings, _counts(lies, lay))
    seen = _Seen(site, zone, usable, ships, found, lies)
    tracks = [
        _Track(number, seen, count, settings) for number in range(len(count.track_probability))
    ]
    listed = [track for track in tracks if track.probability >= LISTED_PROBABILITY]
    mine = [track for track in listed if track.counted]
    period = replace(
        period,
        visits_min=count.visits_min,
        visits_likely=count.visits_likely,
        visits_seen_max=max(count.visits_seen_max, count.visits_min),
        visits_listed=len(mine),
        there_at_first_look=sum(track.starts_at_first_look for track in mine),
        there_at_last_look=sum(track.ends_at_last_look for track in mine),
        others_min=count.others_min,
        others_listed=len(listed) - len(mine),
        under_way_listed=sum(track.lies == "under_way" for track in listed),
    )
    return ZoneVisits(
        replace(period, sentence=say_period(period)),
        [track.visit(f"{site}/{zone.name}/{i}") for i, track in enumerate(listed, start=1)],
        [
            move
            for i, track in enumerate(listed, start=1)
            for move in track.moves(f"{site}/{zone.name}/{i}")
        ],
    )


@dataclass(frozen=True, slots=True)
class Lay:
    """How the ships of a zone lie.

    Attributes:
        quay: where its quay line is from, `quays.QuaySource`.
        by_id: evidence id to `berthing.Lying`.
    """

    quay: QuaySource
    by_id: Mapping[str, Lying]

    def of(self, name: str) -> Lying:
        """How one lies; in the zone where nothing more is known."""
        return self.by_id.get(name, "in_zone")


def how_they_lie(looks: Sequence[Look], quay: Quay, lines: Segments, wakes: Wakes) -> Lay:
    """How the ships of all looks of a zone lie.

    Nobody is said to lie off a quay whose line is not known, or guessed from pictures.

    Args:
        looks: of the zone.
        quay: of the zone.
        lines: `(S, 2, 2)` of all that may be quays at the site.
        wakes: of the site.
    """
    unsure = quay.source in ("pictures", "unknown")
    by_id: dict[str, Lying] = {}
    for look, moving in zip(looks, wakes.under_way(looks), strict=True):
        ships = PORT.mask(look.sightings.class_ids, "visits")
        seen = look.sightings.select(ships)
        lies = lying(seen.corners, quay.segments, look.residual_m, moving[ships])
        near = may_lie_at(seen.corners, lines, look.residual_m) | unsure
        lies[(lies == "in_zone") & near] = "near_quay"
        by_id |= dict(zip(seen.ids.tolist(), lies.tolist(), strict=True))
    return Lay(quay.source, by_id)


def _counts(lies: NDArray[np.str_], lay: Lay) -> NDArray[np.bool_]:
    """Which ships lie so that their visit counts."""
    knows_berth = lay.quay not in ("", "unknown")
    return at_berth(lies) if knows_berth else np.asarray(lies != "under_way")


def gather_ships(
    looks: Sequence[Look], min_length_m: float, probability: Probability
) -> tuple[ShipsSeen, PlacedObjects, int]:
    """The ships of all looks that may have the wanted length.

    Of boxes of a look that lie in each other, as of one ship told twice or of two told as one too,
    only the more probable one is taken.

    Args:
        looks: in order of time, usable.
        min_length_m: wanted length.
        probability: class ids, scores and lengths to probabilities.

    Returns:
        The ships, the same as objects with their evidence ids, and the number of ships of unknown
        length left out.
    """
    parts: list[PlacedObjects] = []
    numbers: list[NDArray[np.int64]] = []
    unknown = 0
    for i, look in enumerate(looks):
        ships = look.sightings.select(PORT.mask(look.sightings.class_ids, "visits"))
        unknown += int(np.isnan(ships.length_m).sum())
        ships = ships.select(ships.length_m >= NEAR_LENGTH * min_length_m)
        ships = ships.select(_apart(ships, probability))
        parts.append(ships)
        numbers.append(np.full(len(ships), i, np.int64))
    found = concatenate(parts)
    seen = ShipsSeen(
        look=np.concatenate([*numbers, np.zeros(0, np.int64)]),
        xy=found.centres,
        length_m=found.length_m,
        width_m=found.width_m,
        axis_deg=found.axis_deg,
        # what a person called real is as sure as anything
        probability=np.where(
            found.is_sure, 1.0, probability(found.class_ids, found.scores, found.length_m)
        ),
        sure_size=~found.is_cut,
        embeddings=found.embeddings,
    )
    return seen, found, unknown


def _apart(ships: PlacedObjects, probability: Probability) -> NDArray[np.int64]:
    """Rows of ships of which none lies in another, those more probable first chosen."""
    sure = probability(ships.class_ids, ships.scores, ships.length_m)
    order = np.lexsort((-ships.length_m, -np.round(sure / ALIKE_PROBABILITY)))
    boxes = polygons(ships.corners)
    kept: list[int] = []
    for row in order.tolist():
        shared = intersection_areas(boxes[kept], np.full(len(kept), boxes[row]))
        smaller = np.minimum(shapely.area(boxes[kept]), shapely.area(boxes[row]))
        if (shared < SHARED * smaller).all():
            kept.append(row)
    return np.array(sorted(kept), np.int64)


def look_times(looks: Sequence[Look], zone: Zone) -> LookTimes:
    """When a zone was seen, and how well."""
    return LookTimes(
        day=np.array([look.when.middle.timestamp() / SECONDS_A_DAY for look in looks]),
        seen=np.array([look.observed_fraction for look in looks]),
        residual_m=np.array([look.residual_m for look in looks]),
        area_m2=float(zone.shape.area),
    )


def share_occupied(looks: Sequence[Look], lay: Lay, min_length_m: float) -> float | None:
    """Of the looks that saw the whole zone, the share with a ship that counts as a visit.

    Args:
        looks: of the zone.
        lay: how their ships lie.
        min_length_m: of the ships.

    Returns:
        0 to 1; None without such a look.
    """
    taken = []
    for look in (look for look in looks if look.whole):
        ships = PORT.mask(look.sightings.class_ids, "visits")
        seen = look.sightings.select(ships & (look.sightings.length_m >= min_length_m))
        lies = np.array([lay.of(name) for name in seen.ids.tolist()], dtype=str)
        taken.append(bool(_counts(lies, lay).any()))
    return float(np.mean(taken)) if taken else None


def looks_away(
    day: NDArray[np.float64], seen: NDArray[np.float64], links: LinkSettings, certain: float
) -> int:
    """How many looks away from its first or last sight a ship was surely not yet, or no longer.

    At the next look it may have been there and missed. By Bayes' rule, with stays that end at
    random and ships that come at random: it came between two looks with the probability of a stay
    that lasts from there to its first sight, times that of being missed at every look between.

    Args:
        day: `(L,)` days from the sight to each look away from it, ascending from 0.
        seen: `(L,)` observed fraction of each look.
        links: typical stay and recall.
        certain: probability that the ends must hold.

    Returns:
        1 for the next look, and so on; L where it may have been there beyond all looks.
    """
    lasts = np.exp(-day / links.stay_days)
    missed = np.concatenate([[1.0], np.cumprod(1.0 - links.recall * seen[1:])])
    between = np.append(lasts[:-1] - lasts[1:], lasts[-1]) * missed
    reached = np.cumsum(between) / between.sum()
    return int(np.searchsorted(reached, certain)) + 1


def longest_gap_days(looks: Sequence[Look]) -> float | None:
    """The longest time between two looks that saw the whole zone, or an end of the series.

    Where times of day are unknown it is the longest that it can have been.

    Returns:
        Days; None with fewer than two looks.
    """
    if len(looks) < 2:
        return None
    ends = (looks[0], looks[-1])
    full = [look for look in looks if look.whole]
    return longest_days([look.when for look in (*ends, *full)])


def _period(
    site: str, zone: Zone, looks: Sequence[Look], settings: VisitSettings, unknown: int
) -> Period:
    full = [look for look in looks if look.whole]
    return Period(
        site=site,
        zone=zone.name,
        kind=zone.kind,
        first_day=looks[0].day if looks else None,
        last_day=looks[-1].day if looks else None,
        min_length_m=settings.min_length_m,
        looks=len(looks),
        looks_observed=len(full),
        looks_partial=sum(look.usable for look in looks) - len(full),
        looks_cloud_unknown=sum(look.status == "cloud_unknown" for look in looks),
        longest_gap_days=longest_gap_days(looks),
        ships_of_unknown_length=unknown,
        looks_unreadable=sum(unreadable(look.status) for look in looks),
    )


@dataclass(frozen=True, slots=True)
class _Seen:
    """The usable looks of a zone, and the ships in them, and how they lie."""

    site: str
    zone: Zone
    looks: Sequence[Look]
    ships: ShipsSeen
    found: PlacedObjects
    lies: NDArray[np.str_]


class _Track:
    """One probable stay: the ships seen that are one."""

    def __init__(
        self, number: int, seen: _Seen, count: VisitCount, settings: VisitSettings
    ) -> None:
        self.members = np.flatnonzero(count.track == number)
        self.probability = float(count.track_probability[number])
        self.counted = bool(count.counted[number])
        self._zone, self._site, self._looks = seen.zone, seen.site, seen.looks
        self._ships, self._found, self._lies = seen.ships, seen.found, seen.lies
        self._count, self._certain, self._links = count, settings.certain, settings.links
        self._first = int(self._ships.look[self.members[0]])
        self._last = int(self._ships.look[self.members[-1]])

    @property
    def lies(self) -> str:
        """How it mostly lay; the way that counts, or does not, as the visit does."""
        seen: list[str] = self._lies[self.members].tolist()
        berthed = at_berth(seen)
        fit = [way for way, there in zip(seen, berthed, strict=True) if there] or seen
        if not self.counted:
            fit = [way for way, there in zip(seen, berthed, strict=True) if not there] or seen
        return max(sorted(set(fit)), key=fit.count)

    @property
    def starts_at_first_look(self) -> bool:
        """It was there already: when it came is not known."""
        return self._first == 0

    @property
    def ends_at_last_look(self) -> bool:
        """It was there still: when it goes is not known."""
        return self._last == len(self._looks) - 1

    def visit(self, visit_id: str) -> dict[str, Any]:
        """The row of the visit."""
        ships, members = self._ships, self.members
        return {
            "visit_id": visit_id,
            "site": self._site,
            "zone": self._zone.name,
            "first_seen": self._looks[self._first].day,
            "last_seen": self._looks[self._last].day,
            "looks_seen": len(members),
            **ShipLength.of_looks(self._found.select(members)).columns,
            "width_m": float(np.median(ships.width_m[members])),
            "probability": self.probability,
            "lies": self.lies,
            "counted": self.counted,
            "one_ship": self._is_one,
            "arrival": "before the first look" if self.starts_at_first_look else self._start(),
            "departure": "after the last look" if self.ends_at_last_look else self._end(),
            "not_before": self._neighbour_day(self._first - self._looks_away(self._first, -1)),
            "not_after": self._neighbour_day(self._last + self._looks_away(self._last, 1)),
            "evidence": ID_SEPARATOR.join(self._found.ids[members].tolist()),
        }

    @property
    def _is_one(self) -> bool:
        """Whether no match of its looks is doubtful."""
        return bool((self._count.preceded[self.members[1:]] >= self._certain).all())

    def moves(self, visit_id: str) -> list[dict[str, Any]]:
        """What the ship did, look by look, and the look at which it was gone."""
        rows = []
        for at, member in enumerate(self.members):
            state = "stayed" if at else self._start()
            if at and self._count.preceded[member] < self._certain:
                state = "undecided"
            if self._ships.look[member] == 0:
                state = "first_look"
            rows.append(self._move(visit_id, int(self._ships.look[member]), state, int(member)))
        if not self.ends_at_last_look:
            rows.append(self._move(visit_id, self._last + 1, self._end(), int(self.members[-1])))
        return rows

    def _start(self) -> str:
        arrived = 1 - self._count.preceded[self.members[0]] >= self._certain
        return "arrived" if arrived and self._saw_all(self._first - 1) else "undecided"

    def _end(self) -> str:
        left = 1 - self._count.followed[self.members[-1]] >= self._certain
        return "left" if left and self._saw_all(self._last + 1) else "undecided"

    def _saw_all(self, look: int) -> bool:
        return self._looks[look].whole

    def _looks_away(self, end: int, step: int) -> int:
        """Looks from an end of the visit to the one at which the ship was surely not there."""
        gsd_m = self._looks[end].gsd_m
        if gsd_m is None or gsd_m < COARSE_M:
            return 1  # ships are found so surely that one look without it is enough
        beyond = self._looks[end::step]
        days = np.array([look.when.middle.timestamp() / SECONDS_A_DAY for look in beyond])
        seen = np.array([look.observed_fraction for look in beyond])
        return looks_away(np.abs(days - days[0]), seen, self._links, ENDS_CERTAIN)

    def _neighbour_day(self, look: int) -> date | None:
        return self._looks[look].day if 0 <= look < len(self._looks) else None

    def _move(self, visit_id: str, look: int, state: str, member: int) -> dict[str, Any]:
        return {
            "visit_id": visit_id,
            "site": self._site,
            "zone": self._zone.name,
            "day": self._looks[look].day,
            "state": state,
            "lies": str(self._lies[member]),
            "length_m": float(self._ships.length_m[member]),
            "length_cut": str(self._found.cut[member]),
            "same_as_before": float(self._count.preceded[member]),
            "evidence": str(self._found.ids[member]),
        }
