"""Stretches of a coast: container terminal, piers, tank farm, marina, open shore, railhead."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import shapely

from detector.rendering.cargo import BAY_PITCH_M, ROW_PITCH_M
from detector.rendering.depot import lay_depot
from detector.rendering.ground import (
    APRON_M,
    ASPHALT,
    CONCRETE,
    GRAVEL,
    GREEN,
    LANE_M,
    PORT_DEPTH_M,
    SOIL,
    apron,
    bollards,
    car_park,
    lane_lorries,
    lorry_lot,
    port_ground,
    shoreline,
    track,
    yard_clutter,
)
from detector.rendering.site import Moorings, SiteDraft
from detector.rendering.solids import Colour
from detector.rendering.structures import (
    CRANE_COLOURS,
    cars,
    gantry_crane,
    hall,
    heap,
    pick,
    tank,
    trees,
    yard_crane,
)


def lay_sector(draft: SiteDraft, kind: str, u: tuple[float, float]) -> None:
    """Lay out one stretch of coast between two values of u."""
    _SECTORS[kind](draft, u[0], u[1])


def _container(draft: SiteDraft, u0: float, u1: float) -> None:
    generator = draft.generator
    port_ground(draft, u0, u1, pick(generator, CONCRETE, 0.05))
    draft.berth((u0 + 4, 0.0), (u1 - 4, 0.0), ("container", "container", "container", "general"))
    apron(draft, u0, u1)
    colour = pick(generator, CRANE_COLOURS)
    spacing = float(generator.uniform(70, 120))
    for u in np.arange(u0 + spacing / 2, u1 - 20, spacing):
        crane = gantry_crane(
            generator, colour, float(generator.uniform(38, 56)), bool(generator.random() < 0.35)
        )
        draft.place(crane, float(u + generator.uniform(-14, 14)), 4.0)
    bollards(draft, (u0, u1))
    low = APRON_M + 14.0
    high = max(low + 60, min(PORT_DEPTH_M - 40, draft.extent[3] - 10))
    yard_clutter(draft, (u0, u1), (6.0, min(PORT_DEPTH_M, draft.extent[3] + 20)))
    zone = draft.zone("yard", "yard", (u0 + 4, u1 - 4), (low - 6, high))
    _yard(draft, (u0, u1), (low, high), zone)
    lane_lorries(draft, (u0, u1), APRON_M + 1.0)
    lane_lorries(draft, (u0, u1), 21.0)
    lorry_lot(draft, (u0 + 20, u1 - 20), PORT_DEPTH_M - 28)


def _yard(draft: SiteDraft, u: tuple[float, float], v: tuple[float, float], zone: str) -> None:
    """Rows of blocks with lanes between them, a gantry over some, lorries in the lanes."""
    generator = draft.generator
    rows, bays = int(generator.integers(5, 9)), int(generator.integers(9, 16))
    lane = float(generator.uniform(9.0, LANE_M))
    width, run = rows * ROW_PITCH_M, bays * BAY_PITCH_M + float(generator.uniform(16, 26))
    columns = max(1, int((u[1] - u[0] - 12) / run))
    margin = (u[1] - u[0] - columns * run) / 2
    gantry = pick(generator, ((190, 150, 60), (180, 180, 176), (60, 100, 150)))
    across = np.arange(v[0] + (width + lane) / 2, v[1] - width / 2, width + lane)
    for j, middle_v in enumerate(across):
        for i in range(columns):
            middle_u = u[0] + margin + (i + 0.5) * run
            draft.block((middle_u, float(middle_v)), (bays, rows), zone)
            for side in (-1, 1):
                rail = np.array([[middle_u, middle_v + side * (width / 2 + 2.2)]])
                draft.lines(rail, np.array([[run - 14, 1.1]]), (176, 172, 160))
            if (i + j) % 2 == 0 and generator.random() < 0.6:
                offset = float(generator.uniform(-0.4, 0.4) * bays * BAY_PITCH_M)
                draft.place(yard_crane(gantry, width + 5.6), middle_u + offset, float(middle_v))
        if j % 2 == 1:
            lane_lorries(draft, u, float(middle_v + (width + lane) / 2))


def _general(draft: SiteDraft, u0: float, u1: float) -> None:
    generator = draft.generator
    port_ground(draft, u0, u1, pick(generator, CONCRETE, 0.06))
    draft.berth(
        (u0 + 4, 0.0), (u1 - 4, 0.0), ("general", "general", "bulk", "ferry", "fishing"), raft=2
    )
    apron(draft, u0, u1)
    bollards(draft, (u0, u1))
    yard_clutter(draft, (u0, u1), (6.0, 230.0))
    lane_lorries(draft, (u0, u1), APRON_M + 2.0)
    zone = draft.zone("yard", "yard", (u0 + 4, u1 - 4), (APRON_M + 60, 210.0))
    v = APRON_M + 32
    u = u0 + 20.0
    while u < u1 - 50:
        length = float(min(generator.uniform(50, 130), u1 - 20 - u))
        if generator.random() < 0.75:
            draft.place(
                hall(
                    generator,
                    length,
                    float(generator.uniform(26, 40)),
                    float(generator.uniform(8, 14)),
                ),
                u + length / 2,
                v,
            )
        u += length + float(generator.uniform(12, 30))
    u = u0 + 30.0
    while u < u1 - 90:
        bays, rows = int(generator.integers(3, 8)), int(generator.integers(2, 6))
        draft.block((u + bays * BAY_PITCH_M / 2, v + 52 + rows), (bays, rows), zone)
        draft.block(
            (u + bays * BAY_PITCH_M / 2, v + 96 + rows), (bays, int(generator.integers(2, 5))), zone
        )
        u += bays * BAY_PITCH_M + float(generator.uniform(18, 50))
    for at in np.arange(u0 + 50, u1 - 45, 90.0):
        if generator.random() < 0.7:
            length, width = float(generator.uniform(24, 66)), float(generator.uniform(14, 30))
            shift = float(generator.uniform(-8, 8))
            draft.place(hall(generator, length, width, 8.0), float(at) + shift, 262.0)
    lorry_lot(draft, (u0 + 20, u1 - 20), 212.0)


def _bulk(draft: SiteDraft, u0: float, u1: float) -> None:
    generator = draft.generator
    port_ground(draft, u0, u1, pick(generator, SOIL, 0.08), "soil")
    draft.strip((u0, u1), (0, APRON_M - 8), pick(generator, CONCRETE), "paved")
    draft.berth((u0 + 4, 0.0), (u1 - 4, 0.0), ("bulk", "bulk", "general", "barge"))
    colour = pick(generator, CRANE_COLOURS)
    for u in np.arange(u0 + 60, u1 - 40, 150):
        draft.place(
            gantry_crane(generator, colour, 34.0, bool(generator.random() < 0.3)), float(u), 3.0
        )
    material = pick(generator, ((54, 52, 50), (122, 76, 56), (176, 156, 118), (66, 60, 58)))
    for v in np.arange(APRON_M + 30, min(PORT_DEPTH_M - 40, draft.extent[3]), 58):
        u = u0 + 16
        while u < u1 - 60:
            length = float(min(generator.uniform(60, 180), u1 - 12 - u))
            if generator.random() < 0.8 and length > 40:
                draft.place(
                    heap(generator, length, float(generator.uniform(26, 38)), material),
                    u + length / 2,
                    float(v),
                )
            u += length + 16
        belt = np.array([[(u0 + u1) / 2, v + 29]])
        draft.lines(belt, np.array([[u1 - u0 - 20, 3.0]]), (120, 118, 112))


def _tanks(draft: SiteDraft, u0: float, u1: float) -> None:
    generator = draft.generator
    port_ground(draft, u0, u1, pick(generator, GREEN, 0.08), "green")
    middle = (u0 + u1) / 2
    head = min((u1 - u0) * 0.3, 90.0)
    out = -float(generator.uniform(90, 140))
    jetty = pick(generator, CONCRETE)
    draft.ground([(middle - 3, 4), (middle - 3, out), (middle + 3, out), (middle + 3, 4)], jetty)
    draft.ground(
        [
            (middle - head, out),
            (middle - head, out - 9),
            (middle + head, out - 9),
            (middle + head, out),
        ],
        jetty,
    )
    draft.berth((middle - 150, out - 9), (middle + 150, out - 9), ("tanker",))
    draft.lines(np.array([[middle, (out + 4) / 2]]), np.array([[2.0, 4 - out]]), (176, 172, 160))
    pitch = float(generator.uniform(48, 66))
    for v in np.arange(40 + pitch / 2, PORT_DEPTH_M - pitch / 2, pitch):
        row = float(generator.uniform(0.28, 0.42)) * pitch
        draft.strip(
            (u0 + 10, u1 - 10),
            (v - pitch / 2 + 2, v + pitch / 2 - 2),
            pick(generator, SOIL, 0.06),
            "soil",
        )
        for u in np.arange(u0 + 10 + pitch / 2, u1 - pitch / 2, pitch):
            if generator.random() < 0.85:
                draft.place(tank(generator, row), float(u), float(v))
    draft.strip((u0, u1), (4, 14), pick(generator, ASPHALT))


def _piers(draft: SiteDraft, u0: float, u1: float) -> None:
    generator = draft.generator
    port_ground(draft, u0, u1, pick(generator, CONCRETE, 0.05))
    reach = float(
        min(generator.uniform(170, 300), draft.reach_m, max(120.0, -draft.extent[2] - 60))
    )
    spacing = float(generator.uniform(105, 150))
    naval = generator.random() < 0.6
    kinds = (
        ("naval", "naval", "naval", "tug")
        if naval
        else ("fishing", "general", "fishing", "ferry", "tug")
    )
    for u in np.arange(u0 + spacing / 2, u1 - spacing / 3, spacing):
        half = float(generator.uniform(7, 12))
        draft.ground(
            [(u - half, 3), (u - half, -reach), (u + half, -reach), (u + half, 3)],
            pick(generator, CONCRETE, 0.06),
        )
        draft.lines(np.array([[u, -reach / 2]]), np.array([[1.0, reach - 8]]), (110, 108, 104))
        room = spacing / 2 - half - 3.0
        draft.berth((u - half, -8.0), (u - half, -reach), kinds, raft=3, depth_m=room)
        draft.berth((u + half, -reach), (u + half, -8.0), kinds, raft=3, depth_m=room)
        for _ in range(int(reach / 14)):
            at = (
                float(u + generator.uniform(-0.7, 0.7) * half),
                float(-generator.uniform(4, reach - 3)),
            )
            draft.place(cars(generator, np.zeros((1, 2)), 0.0), *at, float(np.pi / 2))
    for v in (34.0, 92.0, 150.0):
        u = u0 + 14.0
        while u < u1 - 40:
            length = float(min(generator.uniform(30, 90), u1 - 14 - u))
            draft.place(
                hall(
                    generator,
                    length,
                    float(generator.uniform(18, 34)),
                    float(generator.uniform(7, 15)),
                ),
                u + length / 2,
                v,
            )
            u += length + float(generator.uniform(14, 30))
    car_park(draft, (u0 + 10, u1 - 10), 190.0)


def _marina(draft: SiteDraft, u0: float, u1: float) -> None:
    generator = draft.generator
    port_ground(draft, u0, u1, pick(generator, ASPHALT, 0.06))
    draft.strip((u0, u1), (30, 60), pick(generator, GREEN), "green")
    wood: Colour = (158, 146, 126)
    reach = float(min(130.0, max(60.0, -draft.extent[2] - 30)))
    for number, u in enumerate(np.arange(u0 + 34, u1 - 24, 58.0)):
        draft.ground([(u - 1.3, 2), (u - 1.3, -reach), (u + 1.3, -reach), (u + 1.3, 2)], wood)
        longest = float(generator.choice([9.0, 12.0, 15.0]))
        pitch = longest * 0.36 + 0.9
        slips = np.arange(-14.0, -reach + 4, -pitch)
        for side in (-1, 1):
            centres = np.stack([np.full(len(slips), u + side * (2.2 + longest / 2)), slips], axis=1)
            draft.moorings.append(
                Moorings(
                    f"pontoon-{len(draft.moorings) + number}",
                    draft.frame.local(centres),
                    draft.frame.angle + (0.0 if side > 0 else np.pi),
                    longest,
                    ("yacht", "yacht", "boat"),
                )
            )
    car_park(draft, (u0 + 10, u1 - 10), 14.0)
    crowns = generator.uniform([u0, 32], [u1, 60], (int((u1 - u0) / 7), 2))
    draft.place(trees(generator, crowns), 0, 0)
    draft.place(hall(generator, 60, 24, 8), (u0 + u1) / 2, 90)


def _natural(draft: SiteDraft, u0: float, u1: float) -> None:
    generator = draft.generator
    shore = shoreline(generator, u0, u1)
    back = draft.extent[3] + 60
    sand = pick(generator, ((178, 164, 134), (150, 144, 134), (134, 128, 120)))
    inner = (
        shore
        + [0, float(generator.uniform(7, 18))]
        + generator.normal(0, 1.5, shore.shape) * [0, 1]
    )
    far = np.array([[u1, back], [u0, back]])
    draft.ground(np.concatenate([shore, far]), sand, "soil")
    draft.paint(np.concatenate([inner, far]), pick(generator, GREEN), "green")
    count = int(min((u1 - u0) * min(back, 400) / 260, 2500))
    crowns = generator.uniform([u0, 26], [u1, min(back, 400)], (count, 2))
    dense = np.sin(crowns[:, 0] / 47) + np.sin(crowns[:, 1] / 39 + crowns[:, 0] / 71) > -0.2
    woods = shapely.Polygon(np.concatenate([inner, far])).buffer(-5.0)
    crowns = crowns[dense & shapely.contains_xy(woods, crowns[:, 0], crowns[:, 1])]
    draft.place(trees(generator, crowns), 0, 0)


def _railhead(draft: SiteDraft, u0: float, u1: float) -> None:
    """Tracks, trains and blocks, all on land; v runs over the whole scene."""
    generator = draft.generator
    low, high = draft.extent[2] - 40, draft.extent[3] + 40
    draft.ground(
        [(u0, low), (u1, low), (u1, high), (u0, high)], pick(generator, SOIL, 0.06), "soil"
    )
    middle = (low + high) / 2
    draft.strip((u0, u1), (middle - 120, middle + 130), pick(generator, CONCRETE, 0.05), "paved")
    zone = draft.zone("railhead", "railhead", (u0 + 4, u1 - 4), (middle - 42, middle + 34))
    yard = draft.zone("yard", "yard", (u0 + 4, u1 - 4), (middle + 36, middle + 128))
    draft.strip((u0, u1), (middle - 40, middle + 32), GRAVEL, "soil")
    tracks = np.arange(middle - 34, middle + 28, 6.4)
    for v in tracks:
        track(draft, (u0, u1), float(v))
    for v in tracks[1::2]:
        wagons = int(generator.integers(8, 22))
        run = wagons * 14.2
        if u1 - u0 > run + 40:
            u = float(generator.uniform(u0 + 20 + run / 2, u1 - 20 - run / 2))
            draft.block((u, float(v)), (wagons, 1), zone, wagons=True)
    rows = 5
    for v in np.arange(middle + 48, middle + 122, rows * ROW_PITCH_M + LANE_M):
        u = u0 + 24.0
        while u < u1 - 100:
            bays = int(generator.integers(5, 11))
            draft.block((u + bays * BAY_PITCH_M / 2, float(v)), (bays, rows), yard)
            u += bays * BAY_PITCH_M + 20
    lorry_lot(draft, (u0 + 20, u1 - 20), middle - 62)
    for u in np.arange(u0 + 60, u1 - 60, 120):
        draft.place(
            hall(generator, float(generator.uniform(60, 100)), 28, 9), float(u), middle - 98
        )


def _empty(draft: SiteDraft, u0: float, u1: float) -> None:
    """Open water."""


_SECTORS: dict[str, Callable[[SiteDraft, float, float], None]] = {
    "container": _container,
    "general": _general,
    "bulk": _bulk,
    "tanks": _tanks,
    "piers": _piers,
    "marina": _marina,
    "natural": _natural,
    "railhead": _railhead,
    "depot": lay_depot,
    "empty": _empty,
}
