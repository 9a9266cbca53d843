"""Who comes and goes: stays at berths, shifts of berth, blocks that grow, shrink and travel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from detector.rendering.cargo import BAY_PITCH_M, ROW_PITCH_M, Bays, draw_bays
from detector.rendering.content import FENDER_M, PlacedShip, lie_along
from detector.rendering.ships import ShipDesign, draw_design
from detector.rendering.site import Berth, PortSite, YardBlock
from detector.rendering.streams import stream

STAY_DAYS = (3.0, 9.0)
BETWEEN_ARRIVALS_DAYS = 1.1
MEETING_M = 14.0  # free water between two ships at one berth
SHIFTING = 0.2  # share of ships that go on to another berth
PLACE_STEP_M = 6.0
LOT_BLOCKS = 6  # that travel from site to site
EDGE_M = 15.0  # from the edge of a picture, as far as pictures are displaced


@dataclass(frozen=True, slots=True)
class Stay:
    """A ship at a berth.

    Attributes:
        berth: where.
        first_day: when it came.
        last_day: when it went.
        ship: how it lies.
    """

    berth: Berth
    first_day: float
    last_day: float
    ship: PlacedShip


def schedule(site: PortSite, seed: int, last_day: float) -> list[Stay]:
    """All stays at the berths of a site from before day 0 to after the last day."""
    stays: list[Stay] = []
    for berth in site.berths:
        generator = stream(seed, "stays", berth.berth_id)
        day, number = -STAY_DAYS[1], 0
        while day < last_day:
            design = _fit(draw_design(generator, str(generator.choice(berth.kinds))), berth)
            gone = day + float(generator.uniform(*STAY_DAYS))
            at = _free_place(berth, design, (day, gone), stays)
            if at is not None:
                ship = lie_along(berth, design, at, 1, generator, number)[0]
                stays.append(Stay(berth, day, gone, ship))
                number += 1
            day += float(generator.exponential(BETWEEN_ARRIVALS_DAYS))
    return stays + _shifts(site, seed, stays)


def ships_on(stays: Sequence[Stay], day: float) -> list[PlacedShip]:
    """Ships that lie at a berth on a day."""
    return [stay.ship for stay in stays if stay.first_day <= day < stay.last_day]


def drifting_yards(site: PortSite, seed: int, dates: int, tiers_max: int) -> list[dict[str, Bays]]:
    """Containers on every date: each block has a level that moves with time; trains change."""
    yards: list[dict[str, Bays]] = [{} for _ in range(dates)]
    for block in site.blocks:
        generator = stream(seed, "yards", block.block_id)
        full = draw_bays(generator, block.shape, 0.97, 1 if block.wagons else tiers_max)
        order = _filling_order(generator, block.shape[0])
        level = float(generator.uniform(0.4, 0.85))
        trend = float(generator.normal(0.0, 0.06))
        for i in range(dates):
            if block.wagons and generator.random() < 0.4:
                level = float(generator.uniform(0, 1))  # another train
            share = float(np.clip(level + trend * i + generator.normal(0, 0.03), 0, 1))
            tiers = full.tiers * (order < share)[:, None]
            yards[i][block.block_id] = replace(full, tiers=tiers)
    return yards


def consignment(
    sites: Sequence[PortSite], seed: int, sizes_m: Sequence[tuple[float, float]]
) -> list[tuple[list[YardBlock], Bays]]:
    """Blocks of containers that stand in every site, one site after another: one lot of goods.

    The lot is of one zone of the first site, its largest blocks first. All its places are inside
    the pictures, or nobody could see it come and go.

    Args:
        sites: in the order of the journey.
        seed: of what stands in the blocks.
        sizes_m: width and height of the picture of each site, metres.

    Returns:
        At most `LOT_BLOCKS` blocks: its place in each site, cut to the shape of the first, and what
        stands there. Empty where no block fits everywhere.
    """
    free = [
        [block for block in site.blocks if not block.wagons and _is_inside(block, size)]
        for site, size in zip(sites, sizes_m, strict=True)
    ]
    lot: list[tuple[list[YardBlock], Bays]] = []
    first = [block for block in free[0] if min(block.shape) >= 2]
    for block in sorted(first, key=lambda block: -block.shape[0] * block.shape[1]):
        found = [_room_for(blocks, block) for blocks in free[1:]]
        places = [place for place in found if place is not None]
        if len(places) < len(found) or (lot and block.zone != lot[0][0][0].zone):
            continue
        bays = draw_bays(stream(seed, "consignment", block.block_id), block.shape, 1.0, 3)
        full = replace(bays, tiers=np.maximum(bays.tiers, 1))
        lot.append(([block, *(replace(place, shape=block.shape) for place in places)], full))
        for blocks, place in zip(free[1:], places, strict=True):
            blocks.remove(place)
        if len(lot) == LOT_BLOCKS:
            break
    return lot


def travel_dates(sites: int, dates: int) -> list[range]:
    """On which dates goods stand in each of the sites; they are on their way on one between.

    Examples:
        >>> travel_dates(2, 8)
        [range(0, 3), range(4, 8)]
    """
    bounds = [dates * i // sites for i in range(sites + 1)]
    return [range(low, high if high == dates else high - 1) for low, high in pairwise(bounds)]


def _is_inside(block: YardBlock, size_m: tuple[float, float]) -> bool:
    """Whether a block lies in the picture, however the picture is displaced."""
    along, across = block.shape[0] * BAY_PITCH_M / 2, block.shape[1] * ROW_PITCH_M / 2
    cos, sin = abs(np.cos(block.angle)), abs(np.sin(block.angle))
    reach = np.array([along * cos + across * sin, along * sin + across * cos]) + EDGE_M
    return bool((block.centre >= reach).all() and (block.centre <= np.array(size_m) - reach).all())


def _room_for(places: Sequence[YardBlock], block: YardBlock) -> YardBlock | None:
    """The smallest place that is at least as large as a block; of equal ones the first."""
    large = [
        place
        for place in places
        if place.shape[0] >= block.shape[0] and place.shape[1] >= block.shape[1]
    ]
    return min(large, key=lambda place: place.shape[0] * place.shape[1], default=None)


def _filling_order(generator: np.random.Generator, bays: int) -> np.ndarray:
    """`(bays,)` in [0, 1): blocks fill from one end, not bay by bay at random."""
    order = np.arange(bays) / bays
    if generator.random() < 0.5:
        order = order[::-1]
    return np.clip(order + generator.normal(0, 0.12, bays), 0, 0.999)


def _shifts(site: PortSite, seed: int, stays: list[Stay]) -> list[Stay]:
    """Ships that go on to another berth of the site and stay there for some days."""
    moved: list[Stay] = []
    generator = stream(seed, "shifts")
    for stay in stays:
        others = [berth for berth in site.berths if berth is not stay.berth]
        if generator.random() >= SHIFTING or not others:
            continue
        berth = others[int(generator.integers(len(others)))]
        gone = stay.last_day + float(generator.uniform(*STAY_DAYS))
        design = stay.ship.design
        at = _free_place(berth, design, (stay.last_day, gone), stays + moved)
        if at is not None:
            ship = lie_along(berth, design, at, 1, generator, 0)[0]
            moved.append(Stay(berth, stay.last_day, gone, replace(ship, ship_id=stay.ship.ship_id)))
    return moved


def _fit(design: ShipDesign, berth: Berth) -> ShipDesign:
    """The ship, made smaller where the berth is shorter."""
    room = berth.length_m - 10
    if design.length_m <= room:
        return design
    return replace(design, length_m=room, beam_m=design.beam_m * room / design.length_m)


def _free_place(
    berth: Berth, design: ShipDesign, days: tuple[float, float], stays: Sequence[Stay]
) -> float | None:
    """Middle of the first stretch of a berth that is free all the time, or None."""
    if design.beam_m + FENDER_M > berth.depth_m:
        return None
    along = (berth.end - berth.start) / berth.length_m
    half = design.length_m / 2
    taken = [
        (float((stay.ship.centre - berth.start) @ along), stay.ship.design.length_m / 2)
        for stay in stays
        if stay.berth is berth and stay.first_day < days[1] and days[0] < stay.last_day
    ]
    for at in np.arange(half + 4, berth.length_m - half - 3, PLACE_STEP_M):
        if all(abs(middle - at) > half + other + MEETING_M for middle, other in taken):
            return float(at)
    return None
