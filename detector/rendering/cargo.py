"""Shipping containers: in yard blocks, on wagons, on chassis and on decks.

Sizes are ISO 668: 1CC (20 ft) 6.058 m, 1AA (40 ft) 12.192 m, both 2.438 m wide and 2.591 m high.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.rendering.solids import Points, SolidsBuilder, rectangles

LENGTH_20_M = 6.058
LENGTH_40_M = 12.192
WIDTH_M = 2.438
HEIGHT_M = 2.591
ROW_GAP_M = 0.40
BAY_GAP_M = 0.45
PAIR_GAP_M = LENGTH_40_M - 2 * LENGTH_20_M
ROW_PITCH_M = WIDTH_M + ROW_GAP_M
BAY_PITCH_M = LENGTH_40_M + BAY_GAP_M
DECK_ROW_PITCH_M = 2.52
DECK_BAY_GAP_M = 1.4
HOLES = 0.05  # share of empty places inside a block

# Faded by sun and dust, as they look from above; the weights are about the world's fleet.
LINER_COLOURS = np.array(
    [
        (150, 76, 58),
        (128, 60, 50),
        (164, 52, 46),
        (52, 78, 122),
        (40, 58, 96),
        (112, 132, 152),
        (200, 202, 200),
        (226, 227, 222),
        (178, 150, 104),
        (198, 104, 52),
        (44, 104, 84),
        (70, 128, 112),
        (176, 62, 102),
        (96, 100, 104),
        (84, 62, 54),
    ],
    np.float64,
)
LINER_WEIGHTS = np.array([10, 8, 8, 9, 8, 10, 7, 7, 6, 6, 5, 4, 2, 5, 3], np.float64)


@dataclass(frozen=True, slots=True)
class CargoGroup:
    """Containers that make one object of the truth.

    Attributes:
        box: `(4, 2)` corners around all tops, metres, clockwise, first edge = length; without
            lean.
        tops: `(M, 4, 2)` outlines of the tops, metres.
        top_m: `(M,)` heights of the tops above the water.
        tiers: most containers on top of each other.
        slots: ground slots of a TEU (6.1 m by 2.4 m) that are taken.
        containers: containers, of 20 or 40 ft.
        teu: containers in TEU.
    """

    box: Points
    tops: Points
    top_m: NDArray[np.float64]
    tiers: int
    slots: int
    containers: int
    teu: int


@dataclass(frozen=True, slots=True)
class Bays:
    """What stands in a block: one row of the arrays a bay, one column a row of containers.

    Attributes:
        tiers: `(bays, rows)` int, containers on top of each other; 0 empty.
        paired: `(bays,)` bool, two 20 ft containers to the slot instead of one of 40 ft.
        seed: of the colours.
    """

    tiers: NDArray[np.int64]
    paired: NDArray[np.bool_]
    seed: int


def draw_bays(
    generator: np.random.Generator, shape: tuple[int, int], fill: float, tiers_max: int
) -> Bays:
    """Fill a block: runs of taken bays, heights that go together, ragged ends."""
    bays, rows = shape
    base = generator.integers(1, tiers_max + 1)
    taken = _runs(generator, bays, fill)
    tiers = np.clip(
        base + generator.integers(-1, 2, bays)[:, None] + generator.integers(-1, 2, shape),
        1,
        tiers_max,
    )
    tiers *= taken[:, None]
    ragged = generator.random(bays) < 0.25
    for bay in np.flatnonzero(ragged & taken):
        keep = int(generator.integers(max(1, rows // 2), rows + 1))
        tiers[bay, keep:] = 0
    paired, seed = generator.random(bays) < 0.25, int(generator.integers(2**31))
    tiers[_holes(generator, taken, rows)] = 0
    return Bays(tiers.astype(np.int64), paired, seed)


def _holes(
    generator: np.random.Generator, taken: NDArray[np.bool_], rows: int
) -> NDArray[np.bool_]:
    """Empty places inside a run, each with containers all around: the block stays one."""
    holes = generator.random((len(taken), rows)) < HOLES
    holes[:, [0, -1]] = False
    inner = np.zeros(len(taken), bool)
    inner[1:-1] = taken[:-2] & taken[1:-1] & taken[2:]
    holes[~inner] = False
    holes[1:] &= ~holes[:-1]
    holes[:, 1:] &= ~holes[:, :-1]
    return holes


def _runs(generator: np.random.Generator, bays: int, fill: float) -> NDArray[np.bool_]:
    """Taken bays, in runs of about four."""
    taken = np.zeros(bays, bool)
    state = bool(generator.random() < fill)
    leave_taken = min(0.25, 0.25 * (1 - fill) / max(fill, 0.05))
    for bay in range(bays):
        taken[bay] = state
        change = leave_taken if state else 0.25 * min(1.0, fill / max(1 - fill, 0.05))
        if generator.random() < change:
            state = not state
    return taken


def place_bays(
    builder: SolidsBuilder,
    bays: Bays,
    centre: Points,
    angle: float,
    ground_m: float,
    *,
    every_tier: bool,
    pitch_m: float = BAY_PITCH_M,
) -> list[CargoGroup]:
    """Draw a yard block and return its groups, one for every run of taken bays.

    Args:
        builder: the drawing.
        bays: what stands there.
        centre: `(2,)` of the block, metres.
        angle: direction of the bays, radians.
        ground_m: height of the ground above the water.
        every_tier: draw hidden tiers too (they show where the view leans).
        pitch_m: from bay to bay.
    """
    count, rows = bays.tiers.shape
    x = (np.arange(count) - (count - 1) / 2) * pitch_m
    y = (np.arange(rows) - (rows - 1) / 2) * ROW_PITCH_M
    groups = []
    taken = np.asarray(bays.tiers.any(axis=1))
    generator = np.random.Generator(np.random.Philox(bays.seed))
    palette = _palette(generator, count, rows)
    for run in _split(taken):
        part = Bays(bays.tiers[run], bays.paired[run], bays.seed)
        groups.append(
            place_grid(
                builder, part, (x[run], y), palette[run], (centre, angle, ground_m), every_tier
            )
        )
    return groups


def place_grid(
    builder: SolidsBuilder,
    bays: Bays,
    grid: tuple[NDArray[np.float64], NDArray[np.float64]],
    colours: NDArray[np.float64],
    pose: tuple[Points, float, float],
    every_tier: bool,
) -> CargoGroup:
    """Draw containers on a grid of bay centres x and row centres y; one group.

    Args:
        builder: the drawing.
        bays: tiers `(B, R)` and pairs.
        grid: `(B,)` x and `(R,)` y in the block's frame, metres.
        colours: `(B, R, 3)`.
        pose: centre `(2,)`, angle, height of the ground.
        every_tier: draw hidden tiers too.
    """
    bay, row = np.nonzero(bays.tiers)
    tiers = bays.tiers[bay, row]
    long = ~bays.paired[bay]
    x, y, colour = grid[0][bay], grid[1][row], colours[bay, row]
    half = (LENGTH_20_M + PAIR_GAP_M) / 2
    pairs = ~long
    centres = np.concatenate(
        [
            np.stack([x[long], y[long]], 1),
            np.stack([x[pairs] - half, y[pairs]], 1),
            np.stack([x[pairs] + half, y[pairs]], 1),
        ]
    )
    lengths = np.concatenate(
        [np.full(long.sum(), LENGTH_40_M), np.full(2 * pairs.sum(), LENGTH_20_M)]
    )
    heights = np.concatenate([tiers[long], tiers[pairs], tiers[pairs]])
    tones = np.concatenate([colour[long], colour[pairs], np.roll(colour[pairs], 1, axis=0)])
    sizes = np.stack([lengths, np.full(len(lengths), WIDTH_M)], axis=1)
    local = rectangles(centres, sizes, 0.0)
    centre, angle, ground = pose
    outlines = _posed(local, centre, angle)
    _draw_columns(builder, outlines, heights, tones, ground, every_tier)
    low, high = local.reshape(-1, 2).min(axis=0), local.reshape(-1, 2).max(axis=0)
    box = np.array([[low[0], low[1]], [high[0], low[1]], [high[0], high[1]], [low[0], high[1]]])
    if high[1] - low[1] > high[0] - low[0]:
        box = np.roll(box, -1, axis=0)
    return CargoGroup(
        box=_posed(box[None], centre, angle)[0],
        tops=outlines,
        top_m=ground + heights * HEIGHT_M,
        tiers=int(heights.max()),
        slots=int(2 * long.sum() + 2 * pairs.sum()),
        containers=int(heights.sum()),
        teu=int(2 * tiers.sum()),
    )


def deck_cargo(
    builder: SolidsBuilder,
    generator: np.random.Generator,
    *,
    stretch: tuple[float, float],
    beam: float,
    deck_m: float,
    houses: list[float],
    fore_taper: float,
) -> tuple[CargoGroup, ...]:
    """Containers on a deck, in the ship's frame; one group between two deckhouses.

    Args:
        builder: the drawing.
        generator: of the ship.
        stretch: first and last metre of the cargo deck.
        beam: of the ship, metres.
        deck_m: height of the deck above the water.
        houses: centres of the deckhouses, which stay free.
        fore_taper: from where on rows go missing, metres.
    """
    pitch = LENGTH_40_M + DECK_BAY_GAP_M
    x = np.arange(stretch[0] + pitch / 2, stretch[1] - pitch / 2, pitch, dtype=np.float64)
    x = x[[all(abs(value - house) > 14 for house in houses) for value in x]]
    rows = max(2, int((beam - 1.6) / DECK_ROW_PITCH_M))
    y = np.asarray((np.arange(rows) - (rows - 1) / 2) * DECK_ROW_PITCH_M, np.float64)
    if len(x) == 0:
        return ()
    most = int(np.clip(beam / 6, 2, 8))
    level = generator.integers(1, most + 1)
    tiers = np.clip(
        level
        + generator.integers(-1, 2, len(x))[:, None]
        + (generator.random((len(x), rows)) < 0.12) * -1,
        0,
        most,
    )
    tiers[generator.random(len(x)) < 0.07] = 0
    run = np.clip((x + LENGTH_40_M / 2 - fore_taper) / max(stretch[1] - fore_taper + 8, 1.0), 0, 1)
    half_width = (beam / 2 - 0.6) * (1 - 0.45 * run**1.6)
    tiers[np.abs(y)[None, :] + WIDTH_M / 2 > half_width[:, None]] = 0
    tiers = np.minimum(tiers, (2 + 8 * (1 - run))[:, None].astype(int))
    paired = generator.random(len(x)) < 0.2
    palette = _palette(generator, len(x), rows)
    cuts = np.searchsorted(x, sorted(houses))
    groups = []
    for run_of_bays in np.split(np.arange(len(x)), cuts):
        if len(run_of_bays) and tiers[run_of_bays].any():
            part = Bays(tiers[run_of_bays], paired[run_of_bays], 0)
            pose = (np.zeros(2), 0.0, deck_m + 1.0)
            groups.append(
                place_grid(builder, part, (x[run_of_bays], y), palette[run_of_bays], pose, True)
            )
    return tuple(groups)


def _palette(generator: np.random.Generator, bays: int, rows: int) -> NDArray[np.float64]:
    """Colours `(bays, rows, 3)`: bays have a liner of their own, with strangers between."""
    weights = LINER_WEIGHTS / LINER_WEIGHTS.sum()
    own = generator.choice(len(weights), size=bays, p=weights)
    index = np.repeat(own[:, None], rows, axis=1)
    strangers = generator.random((bays, rows)) < 0.65
    index[strangers] = generator.choice(len(weights), size=int(strangers.sum()), p=weights)
    return np.asarray(LINER_COLOURS[index] * generator.uniform(0.8, 1.18, (bays, rows, 1)))


def _draw_columns(
    builder: SolidsBuilder,
    outlines: Points,
    tiers: NDArray[np.int64],
    colours: NDArray[np.float64],
    ground_m: float,
    every_tier: bool,
) -> None:
    if not every_tier:
        builder.quads(
            outlines,
            np.full(len(outlines), ground_m),
            np.asarray(ground_m + tiers * HEIGHT_M, np.float64),
            colours,
        )
        return
    for level in range(1, int(tiers.max(initial=0)) + 1):
        here = np.flatnonzero(tiers >= level)
        hidden = tiers[here] > level
        tones = np.where(hidden[:, None], np.roll(colours, 7 * level, axis=0)[here], colours[here])
        top = np.full(len(here), ground_m + level * HEIGHT_M)
        builder.quads(outlines[here], top - HEIGHT_M, top, tones)


def _posed(outlines: Points, centre: Points, angle: float) -> Points:
    cos, sin = np.cos(angle), np.sin(angle)
    return np.asarray(outlines @ np.array([[cos, sin], [-sin, cos]]) + centre)


def _split(taken: NDArray[np.bool_]) -> list[NDArray[np.int64]]:
    """Indices of every run of taken bays."""
    index = np.flatnonzero(taken)
    return [run for run in np.split(index, np.flatnonzero(np.diff(index) > 1) + 1) if len(run)]
