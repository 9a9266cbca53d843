"""The ground of a coast and what lies about on it: slabs, lanes, tracks, lots, stains."""

from __future__ import annotations

import numpy as np

from detector.rendering.site import Lot, SiteDraft
from detector.rendering.solids import Colour, Points, shade
from detector.rendering.structures import cars, light_mast, pick

CONCRETE: tuple[Colour, ...] = ((158, 155, 147), (146, 145, 140), (168, 162, 150), (138, 136, 132))
ASPHALT: tuple[Colour, ...] = ((104, 104, 104), (92, 92, 94), (118, 116, 113))
SOIL: tuple[Colour, ...] = ((150, 128, 100), (138, 116, 90), (160, 144, 118))
GREEN: tuple[Colour, ...] = ((84, 94, 62), (74, 88, 56), (98, 102, 70))
GRAVEL: Colour = (132, 126, 116)
MARKING: Colour = (188, 184, 168)
APRON_M = 42.0
PORT_DEPTH_M = 330.0
LANE_M = 14.0


def port_ground(
    draft: SiteDraft, u0: float, u1: float, colour: Colour, material: str = "paved"
) -> None:
    """Flat ground behind a quay wall, down to where the hinterland begins."""
    back = draft.extent[3] + 60
    draft.ground([(u0, 0), (u1, 0), (u1, back), (u0, back)], shade(colour, 0.93), material)
    depth = min(PORT_DEPTH_M, back)
    generator = draft.generator
    slabs = int((u1 - u0) * depth / 900)
    for _ in range(slabs):
        at = generator.uniform([u0 + 12, 8], [u1 - 12, depth - 6])
        size = generator.uniform(8, 46, 2)
        half = np.minimum(size / 2, [at[0] - u0, at[1]])
        half = np.minimum(half, [u1 - at[0], depth - at[1]])
        draft.strip(
            (at[0] - half[0], at[0] + half[0]),
            (at[1] - half[1], at[1] + half[1]),
            shade(colour, float(generator.uniform(0.86, 1.05))),
        )
    draft.strip((u0, u1), (0, 1.6), shade(colour, 1.16))


def apron(draft: SiteDraft, u0: float, u1: float) -> None:
    """Crane rails, lanes and marks behind the quay's edge."""
    colour = pick(draft.generator, ASPHALT, 0.05)
    draft.strip((u0, u1), (7, 31), shade(colour, 1.12))
    middle, run = (u0 + u1) / 2, u1 - u0
    for v in (4.0, 34.0):
        draft.lines(np.array([[middle, v]]), np.array([[run, 0.7]]), (98, 94, 90))
    for v in (11.0, 15.0, 19.0, 23.0, 27.0):
        u = np.arange(u0 + 4, u1 - 4, 9.0)
        draft.lines(
            np.stack([u, np.full(len(u), v)], 1), np.tile([4.0, 0.25], (len(u), 1)), MARKING
        )
    draft.strip((u0, u1), (APRON_M - 4, APRON_M + 8), shade(colour, 0.98))
    draft.zone("quay", "quay", (u0 + 4, u1 - 4), (0.0, APRON_M))


def track(draft: SiteDraft, u: tuple[float, float], v: float) -> None:
    """A railway track: ballast and two rails."""
    middle, run = (u[0] + u[1]) / 2, u[1] - u[0]
    draft.lines(np.array([[middle, v]]), np.array([[run, 2.7]]), (112, 104, 94))
    for side in (-0.72, 0.72):
        draft.lines(np.array([[middle, v + side]]), np.array([[run, 0.3]]), (150, 142, 132))


def lorry_lot(draft: SiteDraft, u: tuple[float, float], v: float) -> None:
    """A row of parking places for lorries."""
    if v > draft.extent[3] + 20 or u[1] - u[0] < 20:
        return
    places = np.arange(u[0], u[1], 4.2)
    draft.strip((u[0] - 4, u[1] + 4), (v - 9, v + 12), pick(draft.generator, ASPHALT, 0.05))
    draft.lines(
        np.stack([places + 2.1, np.full(len(places), v)], 1),
        np.tile([0.25, 15.0], (len(places), 1)),
        MARKING,
    )
    centres = np.stack([places, np.full(len(places), v)], axis=1)
    draft.lots.append(
        Lot(f"lot-{len(draft.lots) + 1}", draft.frame.local(centres), draft.frame.angle + np.pi / 2)
    )


def car_park(draft: SiteDraft, u: tuple[float, float], v: float) -> None:
    """Two rows of parked cars."""
    places = np.arange(u[0], u[1], 2.8)
    draft.strip((u[0] - 2, u[1] + 2), (v - 10, v + 10), pick(draft.generator, ASPHALT, 0.05))
    for side in (-5.5, 5.5):
        taken = places[draft.generator.random(len(places)) < 0.6]
        centres = np.stack([taken, np.full(len(taken), v + side)], axis=1)
        if len(centres):
            draft.place(cars(draft.generator, centres, np.pi / 2), 0, 0)


def shoreline(generator: np.random.Generator, u0: float, u1: float) -> Points:
    """A wandering line from u0 to u1 that ends on the quay line, `(N, 2)` coast metres."""
    u = np.linspace(u0, u1, max(12, int((u1 - u0) / 6)))
    share = (u - u0) / (u1 - u0)
    v = np.zeros(len(u))
    for i in range(1, 9):
        v += generator.normal(0, 26 / i) * np.sin(np.pi * i * share)
    return np.stack([u, v + generator.normal(0, 0.8, len(u)) * (share * (1 - share) * 4)], axis=1)


def yard_clutter(draft: SiteDraft, u: tuple[float, float], v: tuple[float, float]) -> None:
    """What makes a yard look used: oil stains, tyre marks, patched slabs, light masts."""
    generator = draft.generator
    area = (u[1] - u[0]) * (v[1] - v[0])
    for _ in range(int(area / 700)):
        at = generator.uniform([u[0], v[0]], [u[1], v[1]])
        radius = float(generator.gamma(2.0, 0.5)) + 0.4
        turns = np.linspace(0, 2 * np.pi, 13)[:-1]
        reach = radius * generator.uniform(0.7, 1.1, 12)
        blot = at + np.stack([1.8 * reach * np.cos(turns), reach * np.sin(turns)], axis=1)
        tone = float(generator.uniform(92, 132))
        draft.paint(blot, (tone, tone * 0.98, tone * 0.93))
    count = int(area / 420)
    centres = generator.uniform([u[0] + 12, v[0]], [u[1] - 12, v[1]], (count, 2))
    sizes = np.stack([generator.uniform(6, 24, count), generator.uniform(0.25, 0.6, count)], axis=1)
    for tone in (104.0, 128.0, 182.0):
        some = generator.random(count) < 0.33
        draft.lines(centres[some], sizes[some], (tone, tone * 0.98, tone * 0.94))
    for mast_u in np.arange(u[0] + 40, u[1] - 10, 110.0):
        for mast_v in np.arange(v[0] + 8, v[1], 120.0):
            draft.place(light_mast(), float(mast_u), float(mast_v))


def lane_lorries(draft: SiteDraft, u: tuple[float, float], v: float) -> None:
    """Places for lorries that drive or wait along a lane."""
    places = np.arange(u[0] + 10, u[1] - 10, 34.0)
    if not len(places):
        return
    places = places + draft.generator.uniform(-8, 8, len(places))
    centres = np.stack([places, np.full(len(places), v)], axis=1)
    turned = np.pi if draft.generator.random() < 0.5 else 0.0
    draft.lots.append(
        Lot(
            f"lane-{len(draft.lots) + 1}",
            draft.frame.local(centres),
            draft.frame.angle + turned,
            0.3,
        )
    )


def road(draft: SiteDraft, u: tuple[float, float], v: float) -> None:
    """A road with two lanes each way and cars on it."""
    generator = draft.generator
    draft.strip(u, (v - 8, v + 8), pick(generator, ASPHALT, 0.04), "paved")
    dashes = np.arange(u[0] + 4, u[1] - 4, 11.0)
    for offset, length in ((-7.2, 11.0), (0.0, 11.0), (7.2, 11.0), (-3.6, 3.5), (3.6, 3.5)):
        centres = np.stack([dashes, np.full(len(dashes), v + offset)], axis=1)
        draft.lines(centres, np.tile([length, 0.25], (len(dashes), 1)), MARKING)
    count = int((u[1] - u[0]) / 28)
    lanes = generator.choice([-5.4, -1.8, 1.8, 5.4], count)
    spots = np.stack([generator.uniform(u[0], u[1], count), v + lanes], axis=1)
    if count:
        draft.place(cars(generator, spots, 0.0), 0, 0)


def bollards(draft: SiteDraft, u: tuple[float, float]) -> None:
    """Bollards and fenders along a quay's edge."""
    places = np.arange(u[0] + 6, u[1] - 6, 18.0)
    edge = np.stack([places, np.full(len(places), 1.2)], axis=1)
    draft.lines(edge, np.tile([1.0, 1.0], (len(places), 1)), (70, 68, 66))
    for at in places:
        draft.paint(
            [(at - 0.8, 0.2), (at - 0.8, -1.0), (at + 0.8, -1.0), (at + 0.8, 0.2)], (48, 46, 46)
        )
