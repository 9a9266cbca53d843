"""Puts a site and its content together: solids to draw and objects of the truth."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from detector.rendering.canvas import GROUND_M
from detector.rendering.cargo import (
    BAY_PITCH_M,
    HEIGHT_M,
    LENGTH_40_M,
    WIDTH_M,
    Bays,
    CargoGroup,
    place_bays,
)
from detector.rendering.content import Content, PlacedShip
from detector.rendering.georef import SceneFrame
from detector.rendering.ship_kinds import build_ship
from detector.rendering.ships import hull_box
from detector.rendering.site import Lot, PortSite, YardBlock
from detector.rendering.solids import Points, Solids, SolidsBuilder, rectangles
from detector.rendering.streams import stream
from detector.rendering.structures import CHASSIS_M, lorries
from detector.rendering.truth import SHIP_ID, STACK_ID

WAGON_PITCH_M = 14.2
WAGON_DECK_M = 1.2
LORRY_LOADED = 0.6


@dataclass(frozen=True, slots=True)
class PlacedTruth:
    """An object of the truth in local metres, before it is seen from anywhere.

    Attributes:
        object_id: the same on every date.
        class_id: `SHIP_ID` or `STACK_ID`.
        kind: see `TruthObject`.
        role: `object` or `ignore`.
        box: `(4, 2)` corners at the height of their tops, first edge = length, local metres.
        tops: `(M, 4, 2)` or `(1, V, 2)` outlines of what the box encloses.
        top_m: `(M,)` heights of the tops above the water.
        cargo: the containers, or None for a ship.
        on_ship: deck cargo.
        state: of a ship.
        zone: name, or ``.
    """

    object_id: str
    class_id: int
    kind: str
    role: str
    box: Points
    tops: Points
    top_m: Points
    cargo: CargoGroup | None
    on_ship: bool
    state: str
    zone: str


@dataclass(frozen=True, slots=True)
class Assembly:
    """All that is drawn, and the truth about it.

    Attributes:
        items: groups of solids; every group is drawn in its own order.
        truth: objects.
    """

    items: tuple[Solids, ...]
    truth: tuple[PlacedTruth, ...]


def assemble_port(site: PortSite, content: Content, frame: SceneFrame) -> Assembly:
    """Build all solids and the truth of one moment."""
    items: list[Solids] = list(site.fixtures)
    truth: list[PlacedTruth] = []
    leaning = float(np.hypot(*frame.lean)) > 0.02
    for ship in content.ships:
        solids, objects = _ship(ship, frame.gsd_m)
        items.append(solids)
        truth += objects
    for block in site.blocks:
        if block.block_id in content.bays:
            solids, objects = _block(block, content.bays[block.block_id], leaning)
            items.append(solids)
            truth += objects
    for lot in site.lots:
        solids, objects = _lot(lot, content.lorries.get(lot.name, ()))
        items.append(solids)
        truth += objects
    return Assembly(tuple(item for item in items if len(item)), tuple(truth))


def _ship(ship: PlacedShip, gsd_m: float) -> tuple[Solids, list[PlacedTruth]]:
    built = build_ship(ship.design, gsd_m)
    hull = _posed(built.hull, ship)
    objects = [
        PlacedTruth(
            object_id=ship.ship_id,
            class_id=SHIP_ID,
            kind=ship.design.kind,
            role="object",
            box=_posed(hull_box(ship.design), ship),
            tops=hull[None],
            top_m=np.array([built.deck_m]),
            cargo=None,
            on_ship=False,
            state=ship.state,
            zone=ship.zone,
        )
    ]
    for i, group in enumerate(built.cargo):
        placed = _cargo_truth(f"{ship.ship_id}-cargo-{i + 1}", "deck_cargo", group, ship.zone)
        moved = replace(placed, box=_posed(group.box, ship), tops=_posed(group.tops, ship))
        objects.append(replace(moved, on_ship=True))
    return built.solids.placed(ship.centre, ship.heading), objects


def _block(block: YardBlock, bays: Bays, leaning: bool) -> tuple[Solids, list[PlacedTruth]]:
    builder = SolidsBuilder()
    ground = GROUND_M
    if block.wagons:
        ground += WAGON_DECK_M
        _wagons(builder, block)
    groups = place_bays(
        builder,
        bays,
        block.centre,
        block.angle,
        ground,
        every_tier=leaning,
        pitch_m=WAGON_PITCH_M if block.wagons else BAY_PITCH_M,
    )
    kind = "wagons" if block.wagons else "block"
    truth = [
        _cargo_truth(f"{block.block_id}-{i + 1}", kind, group, block.zone)
        for i, group in enumerate(groups)
    ]
    return builder.build(), truth


def _wagons(builder: SolidsBuilder, block: YardBlock) -> None:
    """Flat wagons under a train, whether loaded or not."""
    count = block.shape[0]
    along = np.array([np.cos(block.angle), np.sin(block.angle)])
    offsets = (np.arange(count) - (count - 1) / 2) * WAGON_PITCH_M
    centres = block.centre + offsets[:, None] * along
    outlines = rectangles(centres, np.tile([13.4, 2.7], (count, 1)), block.angle)
    heights = np.full(count, GROUND_M)
    builder.quads(
        outlines, heights, heights + WAGON_DECK_M, np.tile([78.0, 70.0, 64.0], (count, 1))
    )


def _lot(lot: Lot, taken: tuple[int, ...]) -> tuple[Solids, list[PlacedTruth]]:
    """Lorries; those with a container are neither right nor wrong to find as a stack."""
    if not taken:
        return SolidsBuilder().build(), []
    places = lot.places[list(taken)]
    generator = stream(0, "lorries", lot.name, *taken[:4])
    loaded = generator.random(len(places)) < LORRY_LOADED
    boxes = rectangles(places, np.tile([LENGTH_40_M, WIDTH_M], (len(places), 1)), lot.angle)
    truth = [
        PlacedTruth(
            object_id=f"{lot.name}-{taken[i]}",
            class_id=STACK_ID,
            kind="chassis",
            role="ignore",
            box=boxes[i],
            tops=boxes[i][None],
            top_m=np.array([GROUND_M + CHASSIS_M + HEIGHT_M]),
            cargo=None,
            on_ship=False,
            state="",
            zone="",
        )
        for i in np.flatnonzero(loaded).tolist()
    ]
    return lorries(generator, places, lot.angle, loaded), truth


def _cargo_truth(object_id: str, kind: str, group: CargoGroup, zone: str) -> PlacedTruth:
    lone_short = group.containers == 1 and group.teu == 1
    return PlacedTruth(
        object_id=object_id,
        class_id=STACK_ID,
        kind=kind,
        role="ignore" if lone_short else "object",
        box=group.box,
        tops=group.tops,
        top_m=group.top_m,
        cargo=group,
        on_ship=False,
        state="",
        zone=zone,
    )


def _posed(points: Points, ship: PlacedShip) -> Points:
    cos, sin = np.cos(ship.heading), np.sin(ship.heading)
    return np.asarray(points @ np.array([[cos, sin], [-sin, cos]]) + ship.centre)
