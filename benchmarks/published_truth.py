"""What a rendered story truly held, date by date, as `benchmarks.published` asks for it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from detector.rendering.story import Visit

LYING = ("berthed", "rafted", "moored")
AFLOAT = ("anchored", "under_way")
WHOLE, UNSURE = 0.98, 0.02  # share of a zone that is the whole; how far a share may be off
SEEN_SHARE = 0.5  # an object of which less is seen may be missed by a perfect counter


class Span(NamedTuple):
    """The least and the most that may be true; the same where the story is certain."""

    low: float
    high: float

    def holds(self, value: float, slack: float = 0.0) -> bool:
        """Whether a number may be true."""
        return self.low - slack <= value <= self.high + slack

    def meets(self, low: float, high: float) -> bool:
        """Whether an interval holds a number that may be true."""
        return low <= self.high and self.low <= high


@dataclass(frozen=True, slots=True)
class Thing:
    """A ship or a block on one date.

    Attributes:
        ident: one for a ship over all dates; of a block only on its date.
        is_ship: or a block of containers.
        outline: in the picture, pixels.
        place: where it truly lies, metres of the site's CRS.
        length_m: true length.
        width_m: true width.
        state: of a ship.
        visible: share that is seen.
        teu: containers of a block.
        containers: the same, of any length.
        wagons: a row of wagons.
        counts: it is neither deck cargo nor a lorry.
    """

    ident: str
    is_ship: bool
    outline: shapely.Polygon
    place: shapely.Polygon
    length_m: float
    width_m: float
    state: str = ""
    visible: float = 1.0
    teu: float = 0.0
    containers: float = 0.0
    wagons: bool = False
    counts: bool = True


@dataclass(frozen=True, slots=True)
class TrueLook:
    """One date of a site.

    Attributes:
        day: ISO date at the site.
        at: days after the start of the story.
        acquired: UTC.
        name: of the file.
        scene_id: of the run; empty where the run did not read it.
        gsd_m: of the scene.
        transform: pixel to map.
        shift_m: east and north, by which the picture is displaced.
        seen: share of each zone that is seen.
        things: in the picture.
        unseen: `(h, w)` nodata or cloud.
    """

    day: str
    at: float
    acquired: datetime
    name: str
    scene_id: str
    gsd_m: float
    transform: Affine
    shift_m: tuple[float, float]
    seen: dict[str, float]
    things: tuple[Thing, ...]
    unseen: NDArray[np.bool_]

    @property
    def ships(self) -> list[Thing]:
        """All ships."""
        return [thing for thing in self.things if thing.is_ship]


@dataclass(frozen=True)
class TrueSite:
    """A site.

    Attributes:
        name: of the site.
        kinds: of its zones by name.
        shapes: of its zones by name, metres.
        looks: in order of time.
        stays: at berths.
    """

    name: str
    kinds: dict[str, str]
    shapes: dict[str, BaseGeometry]
    looks: tuple[TrueLook, ...]
    stays: tuple[Visit, ...]

    def zone(self, said: str) -> str:
        """The name of a zone that a sentence may begin with.

        Raises:
            KeyError: there is none.
        """
        return {name.casefold(): name for name in self.kinds}[said.casefold()]

    def look(self, day: str) -> TrueLook:
        """Of a day."""
        return next(look for look in self.looks if look.day == day)

    def inside(self, thing: Thing, zone: str, look: TrueLook) -> tuple[bool, bool]:
        """Whether a thing lies in a zone for certain, and whether it may be said to.

        A picture is displaced, and all others are laid on one of them: nobody who has only the
        pictures knows on which side of a border a thing lies that is nearer to it than that.
        """
        shape, middle = self.shapes[zone], thing.place.centroid
        slack = max((float(np.hypot(*other.shift_m)) for other in self.looks), default=0.0) + 2.0
        certain = shape.buffer(-slack).contains(middle) and thing.visible >= SEEN_SHARE
        return certain, bool(shape.buffer(slack).intersects(thing.place))

    def number(
        self, look: TrueLook, zone: str, wanted: Callable[[Thing], float], *, shares: bool = False
    ) -> Span:
        """The sum of a value over the things of a zone on a date.

        Args:
            look: of the date.
            zone: name.
            wanted: value of each; 0: it is not asked for.
            shares: at the least, only the seen share of each counts.
        """
        low = high = 0.0
        for thing in look.things:
            value = wanted(thing) if thing.counts else 0.0
            certain, possible = self.inside(thing, zone, look)
            low += value * (1.0 if certain else 0.0) * (thing.visible if shares else 1.0)
            high += value * possible
        return Span(low, high)

    def ships(self, look: TrueLook, zone: str, least_m: float) -> Span:
        """Number of ships of a length and more."""
        return self.number(look, zone, lambda t: float(t.is_ship and t.length_m >= least_m))

    def blocks(self, look: TrueLook, zone: str) -> Span:
        """Number of blocks."""
        return self.number(look, zone, lambda t: float(not t.is_ship))

    def teu(self, look: TrueLook, zone: str, *, seen: bool = False) -> Span:
        """Containers in TEU; at the most those of whole blocks, or only what is seen of them."""
        return self.number(look, zone, lambda t: t.teu * (t.visible if seen else 1), shares=True)

    def containers(self, look: TrueLook, zone: str, *, seen: bool = False) -> Span:
        """The same, of any length."""
        return self.number(
            look, zone, lambda t: t.containers * (t.visible if seen else 1), shares=True
        )

    def area(self, look: TrueLook, zone: str) -> Span:
        """Square metres under blocks."""
        return self.number(
            look, zone, lambda t: 0.0 if t.is_ship else t.length_m * t.width_m, shares=True
        )

    def callers(self, zone: str, least_m: float, states: Collection[str]) -> Span:
        """Different ships that were in a zone from the first look to the last, seen or not.

        `low` are those that were there for certain.

        Args:
            zone: name.
            least_m: length from which on.
            states: that they were in.
        """
        seen, possible = set(), set()
        for look in self.looks:
            for ship in look.ships:
                if ship.state not in states or ship.length_m < least_m:
                    continue
                certain, may = self.inside(ship, zone, look)
                seen |= {ship.ident} if certain else set()
                possible |= {ship.ident} if may else set()
        first, last = self.looks[0].at, self.looks[-1].at
        for stay in self.stays:
            there = stay.first_day <= last and first < stay.last_day
            if stay.zone == zone and there and stay.length_m >= least_m and "berthed" in states:
                seen.add(stay.ship_id)
                possible.add(stay.ship_id)
        return Span(len(seen), len(possible))

    def times_of(self, ident: str) -> tuple[tuple[float, float], tuple[float, float]] | None:
        """When a ship came and when it went, each between two moments, in days of the story."""
        stays = [stay for stay in self.stays if stay.ship_id == ident]
        if stays:
            return (stays[0].first_day,) * 2, (stays[-1].last_day,) * 2
        here = [i for i, look in enumerate(self.looks) if any(s.ident == ident for s in look.ships)]
        if not here:
            return None
        before = self.looks[here[0] - 1].at if here[0] else -np.inf
        last = here[-1]
        after = self.looks[last + 1].at if last + 1 < len(self.looks) else np.inf
        return (float(before), self.looks[here[0]].at), (self.looks[last].at, float(after))
