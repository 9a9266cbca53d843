"""Scenes that are hard on a tiled detector: moored rows, rows of stacks, ships across seams.

All ground is open water or one flat yard, so that nothing but the objects decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from detector.rendering.cargo import BAY_PITCH_M, ROW_PITCH_M, draw_bays
from detector.rendering.content import Content, PlacedShip, populate
from detector.rendering.layout import lay_out
from detector.rendering.scene import RenderedScene, render_content
from detector.rendering.ships import draw_design
from detector.rendering.site import CoastFrame, PortSite, SiteDraft
from detector.rendering.spec import LayoutSpec, PortSpec, TrafficSpec
from detector.rendering.streams import stream

WATER_GAP_M = 1.5  # between the hulls of a moored row
LANE_M = 6.0  # between two rows of stacks
QUIET = TrafficSpec(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 5, False)


def moored_row(
    angle_deg: float, seed: int = 1, ships: int = 10, length_m: float = 60.0, gsd_m: float = 0.5
) -> RenderedScene:
    """Ships of one kind side by side, almost touching, in the middle of the scene.

    Args:
        angle_deg: direction of the ships' length, from x to y.
        seed: of ships and water.
        ships: how many.
        length_m: of each, within 3 %.
        gsd_m: metres a pixel.
    """
    generator = stream(seed, "moored row")
    kind = "naval" if length_m >= 60 else "fishing"
    designs = [
        draw_design(generator, kind, length_m * float(generator.uniform(0.97, 1.0)))
        for _ in range(ships)
    ]
    breadth = sum(design.beam_m + WATER_GAP_M for design in designs)
    size = int(np.ceil(np.hypot(breadth, length_m) / gsd_m * 1.15)) + 64
    spec = _spec("moored_row", (size, size), gsd_m)
    middle = np.array(spec.size_m) / 2
    angle = float(np.deg2rad(angle_deg))
    across = np.array([-np.sin(angle), np.cos(angle)])
    placed, at = [], -breadth / 2
    for i, design in enumerate(designs):
        at += (design.beam_m + WATER_GAP_M) / 2
        turned = np.pi if generator.random() < 0.5 else 0.0
        placed.append(
            PlacedShip(f"row-{i + 1}", design, middle + across * at, angle + turned, "moored")
        )
        at += (design.beam_m + WATER_GAP_M) / 2
    return render_content(spec, open_water(spec, seed), Content(tuple(placed)), seed)


def lanes_of_stacks(
    angle_deg: float, seed: int = 1, rows: int = 12, bays: int = 8, gsd_m: float = 0.5
) -> RenderedScene:
    """Parallel blocks, two containers wide, with lanes of 6 m between them.

    Args:
        angle_deg: direction of the blocks' length, from x to y.
        seed: of containers and ground.
        rows: how many blocks.
        bays: length of each in 40 ft bays.
        gsd_m: metres a pixel.
    """
    pitch = 2 * ROW_PITCH_M + LANE_M
    reach = np.hypot(rows * pitch, bays * BAY_PITCH_M)
    size = int(np.ceil(reach / gsd_m * 1.15)) + 64
    spec = _spec("stack_rows", (size, size), gsd_m)
    draft = _draft(spec, seed, angle_deg)
    half = reach
    ground = [(-half, -half), (half, -half), (half, half), (-half, half)]
    draft.ground(ground, (150, 147, 140))
    for i in range(rows):
        draft.block((0.0, (i - (rows - 1) / 2) * pitch), (bays, 2), "yard")
    site = draft.finish()
    containers = {
        block.block_id: draw_bays(stream(seed, "rows", block.block_id), block.shape, 1.0, 3)
        for block in site.blocks
    }
    return render_content(spec, site, Content((), containers), seed)


def ships_on_seams(
    angle_deg: float,
    seams_px: Sequence[float],
    seed: int = 1,
    length_m: float = 200.0,
    gsd_m: float = 0.5,
    size_px: tuple[int, int] = (2048, 2048),
) -> RenderedScene:
    """One ship across each vertical seam, and one in each corner where seams cross.

    Args:
        angle_deg: direction of the ships' length, from x to y.
        seams_px: columns (and rows) where tiles meet.
        seed: of ships and water.
        length_m: of each ship.
        gsd_m: metres a pixel.
        size_px: width and height of the scene.
    """
    generator = stream(seed, "seams")
    spec = _spec("ships_on_seams", size_px, gsd_m)
    angle = float(np.deg2rad(angle_deg))
    spots = [(x, y) for y in seams_px for x in seams_px if x < size_px[0] and y < size_px[1]]
    kinds = [kind for kind in ("container", "bulk", "tanker") if length_m >= 95] or ["fishing"]
    ships: list[PlacedShip] = []
    for i, spot in enumerate(spots):
        design = draw_design(generator, str(generator.choice(kinds)), length_m)
        ship = PlacedShip(f"seam-{i + 1}", design, np.array(spot) * gsd_m, angle, "anchored")
        if not any(ship.polygon.buffer(6).intersects(other.polygon) for other in ships):
            ships.append(ship)
    return render_content(spec, open_water(spec, seed), Content(tuple(ships)), seed)


def merge_harbour(seed: int = 1, gsd_m: float = 0.5) -> RenderedScene:
    """A harbour with all that a merge must keep apart: boats, moored rows, ships of 300 to 400 m.

    Args:
        seed: of everything.
        gsd_m: metres a pixel.
    """
    spec = PortSpec(
        name="merge_harbour",
        width=int(1500 / gsd_m),
        height=int(1000 / gsd_m),
        gsd_m=gsd_m,
        layout=LayoutSpec(["container", "piers", "marina"], 500.0, -9.0, 0.42),
        traffic=TrafficSpec(0.95, 0.2, 0.0, 0.0, 12.0, 0.8, 5, True),
    )
    site = lay_out(spec, seed)
    content = populate(site, spec, seed)
    giants = _giants(
        spec, site, [ship for ship in content.ships if ship.design.length_m > 20], seed
    )
    keep = tuple(
        ship
        for ship in content.ships
        if not any(ship.polygon.intersects(giant.polygon.buffer(4)) for giant in giants)
    )
    return render_content(spec, site, replace(content, ships=(*keep, *giants)), seed)


def _giants(spec: PortSpec, site: PortSite, there: list[PlacedShip], seed: int) -> list[PlacedShip]:
    """Ships of 400, 350 and 300 m at anchor where there is room."""
    generator = stream(seed, "giants")
    giants: list[PlacedShip] = []
    for i, length in enumerate((400.0, 350.0, 300.0)):
        design = draw_design(generator, "container", length)
        for _ in range(200):
            centre = generator.uniform([220, 60], np.array(spec.size_m) - [220, 60])
            heading = float(site.frame.angle + generator.normal(0, 0.3))
            ship = PlacedShip(f"giant-{i + 1}", design, centre, heading, "anchored")
            clear = ship.polygon.buffer(15)
            others = [other.polygon for other in (*there, *giants)]
            if not clear.intersects(site.land) and not any(clear.intersects(o) for o in others):
                giants.append(ship)
                break
    return giants


def _spec(name: str, size: tuple[int, int], gsd_m: float) -> PortSpec:
    return PortSpec(
        name=name,
        width=size[0],
        height=size[1],
        gsd_m=gsd_m,
        layout=LayoutSpec(["empty"], 520.0, 0.0, 0.0),
        traffic=QUIET,
    )


def _draft(spec: PortSpec, seed: int, angle_deg: float) -> SiteDraft:
    width, height = spec.size_m
    frame = CoastFrame(np.array([width, height]) / 2, float(np.deg2rad(angle_deg)))
    return SiteDraft(
        frame, (-width, width, -height, height), stream(seed, "site"), spec.gsd_m, seed
    )


def open_water(spec: PortSpec, seed: int) -> PortSite:
    """A site without land."""
    return _draft(spec, seed, 0.0).finish()
