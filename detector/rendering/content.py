"""What comes and goes: ships where they lie, containers in the blocks, lorries in the lots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import shapely

from detector.rendering.cargo import Bays, draw_bays
from detector.rendering.ships import SHIP_KINDS, ShipDesign, draw_design
from detector.rendering.site import Berth, PortSite
from detector.rendering.solids import Points, rectangles
from detector.rendering.spec import PortSpec, TrafficSpec
from detector.rendering.streams import stream

FENDER_M = 1.6
BETWEEN_SHIPS_M = 12.0
CLEAR_WATER_M = 25.0
CLEAR_OF_BOATS_M = 8.0
SEARCH_TRIES = 40
SPEED_MS = (3.0, 9.0)
ANCHOR_KINDS = ("bulk", "tanker", "container", "general", "general", "fishing")
SAILING_KINDS = ("container", "general", "tanker", "ferry", "tug", "fishing", "bulk")
BOAT_KINDS = ("boat", "boat", "yacht", "fishing")


@dataclass(frozen=True, slots=True)
class PlacedShip:
    """A ship where it lies.

    Attributes:
        ship_id: the same on every date.
        design: of the ship.
        centre: `(2,)` local metres.
        heading: direction of the bow, radians from x to y.
        state: `berthed`, `rafted`, `anchored`, `under_way`, `moored`.
        zone: name of its zone, or ``.
        speed_ms: metres a second; it draws a wake.
    """

    ship_id: str
    design: ShipDesign
    centre: Points
    heading: float
    state: str
    zone: str = ""
    speed_ms: float = 0.0

    @property
    def polygon(self) -> shapely.Polygon:
        """Its box, local metres."""
        size = np.array([[self.design.length_m, self.design.beam_m]])
        return shapely.Polygon(rectangles(self.centre[None], size, self.heading)[0])


@dataclass(frozen=True, slots=True)
class Content:
    """All that moves.

    Attributes:
        ships: where they lie.
        bays: what stands in a block, by block id.
        lorries: places taken in a lot, by its name; indices.
    """

    ships: tuple[PlacedShip, ...] = ()
    bays: Mapping[str, Bays] = field(default_factory=dict)
    lorries: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def moved(self, shift: Points) -> Content:
        """All ships moved by `(2,)` metres."""
        ships = tuple(replace(ship, centre=ship.centre + shift) for ship in self.ships)
        return replace(self, ships=ships)


def populate(
    site: PortSite, spec: PortSpec, seed: int, there: Sequence[PlacedShip] = ()
) -> Content:
    """Draw what is there at one moment.

    Args:
        site: fixed ground.
        spec: how much there is.
        seed: of all draws.
        there: ships that others on open water keep clear of; they are not in the result.
    """
    traffic = spec.traffic
    ships: list[PlacedShip] = []
    for berth in site.berths:
        ships += fill_berth(berth, traffic, seed)
    ships += _moored_boats(site, traffic, seed)
    ships += _on_open_water(site, spec, [*ships, *there], seed)
    bays = {
        block.block_id: draw_bays(
            stream(seed, "fill", block.block_id),
            block.shape,
            traffic.yard_fill,
            1 if block.wagons else traffic.tiers_max,
        )
        for block in site.blocks
    }
    lorries = {}
    for lot in site.lots if traffic.trucks else ():
        taken = stream(seed, "lot", lot.name).random(len(lot.places)) < lot.taken
        lorries[lot.name] = tuple(np.flatnonzero(taken).tolist())
    return Content(tuple(ships), bays, lorries)


def fill_berth(berth: Berth, traffic: TrafficSpec, seed: int) -> list[PlacedShip]:
    """Ships along a berth, bow to stern, some with another outside."""
    generator = stream(seed, "berth", berth.berth_id)
    ships: list[PlacedShip] = []
    at = float(generator.uniform(2, 14))
    while at < berth.length_m - 12:
        kind = str(generator.choice(berth.kinds))
        design = _fitting(generator, kind, berth.length_m - at - 4)
        if design is None:
            break
        if generator.random() < traffic.berth_occupancy:
            abreast = 1
            while abreast < berth.raft and generator.random() < (
                0.5 if berth.raft > 2 else traffic.rafted
            ):
                abreast += 1
            ships += lie_along(
                berth, design, at + design.length_m / 2, abreast, generator, len(ships)
            )
        at += design.length_m + BETWEEN_SHIPS_M + float(generator.exponential(12))
    return ships


def lie_along(
    berth: Berth,
    design: ShipDesign,
    at_m: float,
    abreast: int,
    generator: np.random.Generator,
    number: int,
) -> list[PlacedShip]:
    """A ship at a berth and `abreast - 1` of its kind outside it.

    Args:
        berth: where.
        design: of the first ship.
        at_m: place of its middle along the berth.
        abreast: ships side by side.
        generator: for the others and the headings.
        number: of the first, for its id.
    """
    along = (berth.end - berth.start) / berth.length_m
    ships: list[PlacedShip] = []
    out = FENDER_M
    for i in range(abreast):
        if i:
            length = design.length_m * float(generator.uniform(0.86, 1.0))
            design = ShipDesign(
                design.kind,
                length,
                design.beam_m * length / design.length_m,
                int(generator.integers(2**31)),
            )
        if out + design.beam_m > berth.depth_m:
            break
        out += design.beam_m / 2
        centre = berth.start + along * at_m + berth.outward * out
        out += design.beam_m / 2 + 1.0
        turned = np.pi if generator.random() < 0.5 else 0.0
        ships.append(
            PlacedShip(
                f"{berth.berth_id}-{number + i + 1}",
                design,
                centre,
                berth.angle + turned,
                "rafted" if abreast > 1 else "berthed",
                berth.zone,
            )
        )
    return ships


def _fitting(generator: np.random.Generator, kind: str, room_m: float) -> ShipDesign | None:
    """A ship of a kind that fits, or None."""
    (shortest, longest), _ = SHIP_KINDS[kind]
    if room_m < shortest:
        return draw_design(generator, "tug") if room_m > 40 else None
    length = float(np.exp(generator.uniform(np.log(shortest), np.log(min(longest, room_m)))))
    return draw_design(generator, kind, length)


def _moored_boats(site: PortSite, traffic: TrafficSpec, seed: int) -> list[PlacedShip]:
    ships = []
    for row in site.moorings:
        generator = stream(seed, "moorings", row.name)
        for i, slip in enumerate(row.slips):
            if generator.random() > traffic.berth_occupancy:
                continue
            kind = str(generator.choice(row.kinds))
            shortest = SHIP_KINDS[kind][0][0]
            length = float(generator.uniform(min(shortest, row.longest_m * 0.8), row.longest_m))
            design = draw_design(generator, kind, length)
            turned = np.pi if generator.random() < 0.5 else 0.0
            ships.append(PlacedShip(f"{row.name}-{i}", design, slip, row.angle + turned, "moored"))
    return ships


def _on_open_water(
    site: PortSite, spec: PortSpec, there: list[PlacedShip], seed: int
) -> list[PlacedShip]:
    """Ships at anchor (heads to the wind), under way, and boats."""
    width, height = spec.size_m
    water_km2 = shapely.box(0, 0, width, height).difference(site.land).area / 1e6
    traffic = spec.traffic
    taken = _TakenWater(site, there)
    ships: list[PlacedShip] = []
    wanted = (
        ("anchored", traffic.anchored_per_km2, ANCHOR_KINDS),
        ("under_way", traffic.under_way_per_km2, SAILING_KINDS),
        ("boat", traffic.boats_per_km2, BOAT_KINDS),
    )
    anchor_heading = float(stream(seed, "anchor").uniform(0, 2 * np.pi))
    for state, density, kinds in wanted:
        generator = stream(seed, "water", state)
        for i in range(int(generator.poisson(density * water_km2))):
            ship_id = f"{state}-{i + 1}"
            ship = _float_ship(taken, spec.size_m, generator, kinds, ship_id, anchor_heading)
            if ship is not None:
                ships.append(ship)
                taken.add(ship)
    return ships


class _TakenWater:
    """Where no ship can go: land and ships that are there."""

    def __init__(self, site: PortSite, ships: Sequence[PlacedShip]) -> None:
        shapely.prepare(site.land)
        self.site = site
        self._polygons: list[shapely.Polygon] = []
        self._circles: list[tuple[float, float, float]] = []
        for ship in ships:
            self.add(ship)

    def add(self, ship: PlacedShip) -> None:
        """A ship that takes its place."""
        self._polygons.append(ship.polygon)
        self._circles.append((*ship.centre.tolist(), _reach_m(ship)))

    def is_free(self, ship: PlacedShip, clear_m: float) -> bool:
        """Whether a ship with clear water around it touches nothing."""
        clear = ship.polygon.buffer(clear_m)
        if clear.intersects(self.site.land):
            return False
        circles = np.array(self._circles).reshape(-1, 3)
        away = np.hypot(circles[:, 0] - ship.centre[0], circles[:, 1] - ship.centre[1])
        near = np.flatnonzero(away <= circles[:, 2] + _reach_m(ship) + clear_m)
        return not any(clear.intersects(self._polygons[i]) for i in near)


def _reach_m(ship: PlacedShip) -> float:
    """Radius of the circle around a ship's box."""
    return float(np.hypot(ship.design.length_m, ship.design.beam_m)) / 2


def _float_ship(
    taken: _TakenWater,
    size: tuple[float, float],
    generator: np.random.Generator,
    kinds: tuple[str, ...],
    ship_id: str,
    anchor_heading: float,
) -> PlacedShip | None:
    """A ship on free water, or None where none is found."""
    state = ship_id.split("-", maxsplit=1)[0]
    kind = str(generator.choice(kinds))
    length = float(generator.uniform(6, 16)) if state == "boat" else None
    design = draw_design(generator, kind, length)
    heading = (
        anchor_heading + float(generator.normal(0, 0.12))
        if state == "anchored"
        else float(generator.uniform(0, 2 * np.pi))
    )
    moving = state == "under_way" or (state == "boat" and generator.random() < 0.5)
    for _ in range(SEARCH_TRIES):
        centre = generator.uniform([0, 0], size)
        ship = PlacedShip(
            ship_id,
            design,
            centre,
            heading,
            "under_way" if moving else "anchored",
            _zone_at(taken.site, centre),
            float(generator.uniform(*SPEED_MS)) if moving else 0.0,
        )
        if taken.is_free(ship, CLEAR_WATER_M if length is None else CLEAR_OF_BOATS_M):
            return ship
    return None


def _zone_at(site: PortSite, point: Points) -> str:
    for zone in site.zones:
        if zone.polygon.contains(shapely.Point(point)):
            return zone.name
    return ""
