"""What stands on land beside the objects of the truth: cranes, halls, tanks, lorries, trees."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detector.rendering.canvas import GROUND_M
from detector.rendering.cargo import HEIGHT_M, LENGTH_20_M, LENGTH_40_M, LINER_COLOURS, WIDTH_M
from detector.rendering.solids import (
    Colour,
    Points,
    Solids,
    SolidsBuilder,
    circle,
    rectangles,
    shade,
)

CRANE_COLOURS: tuple[Colour, ...] = (
    (172, 74, 48),
    (58, 98, 150),
    (188, 120, 52),
    (170, 172, 172),
    (150, 52, 44),
)
ROOF_COLOURS: tuple[Colour, ...] = (
    (176, 176, 172),
    (146, 150, 152),
    (204, 204, 198),
    (112, 128, 142),
    (126, 88, 74),
    (104, 124, 112),
    (88, 90, 92),
)
TREE_COLOURS: tuple[Colour, ...] = ((46, 62, 38), (58, 74, 44), (40, 54, 36), (68, 80, 50))
CAB_COLOURS: tuple[Colour, ...] = (
    (200, 204, 204),
    (60, 90, 150),
    (170, 60, 50),
    (220, 220, 214),
)
CHASSIS_M = 1.3
RAIL_GAUGE_M = 30.0
BOOM_TOP_M = 44.0


def pick(
    generator: np.random.Generator, colours: tuple[Colour, ...], spread: float = 0.12
) -> Colour:
    """One of some colours, a little lighter or darker."""
    factor = generator.uniform(1 - spread, 1 + spread)
    return shade(colours[int(generator.integers(len(colours)))], float(factor))


def gantry_crane(
    generator: np.random.Generator, colour: Colour, outreach_m: float, raised: bool
) -> Solids:
    """A ship-to-shore crane; origin at its seaward rail, x along the quay, y inland."""
    builder = SolidsBuilder()
    half, back = 9.0, RAIL_GAUGE_M + 14.0
    for x in (-half, half):
        for y in (0.0, RAIL_GAUGE_M):
            builder.rectangle((x, y), (3.2, 2.6), (GROUND_M, GROUND_M + 3), shade(colour, 0.7))
    for y in (0.0, RAIL_GAUGE_M):
        builder.beam((-half, y), (half, y), 1.5, 18.0, shade(colour, 0.85))
    for x in (-half, half):
        builder.beam((x, 0), (x, RAIL_GAUGE_M), 1.2, 22.0, shade(colour, 0.85))
    reach = -10.0 if raised else -outreach_m
    for x in (-2.9, 2.9):
        builder.beam((x, reach), (x, back), 1.2, BOOM_TOP_M, colour)
    for y in np.arange(reach + 3, back, 6.5):
        builder.beam((-2.9, y), (2.9, y), 0.8, BOOM_TOP_M, shade(colour, 0.92))
    for x in (-half, half):
        builder.beam((x, 0), (np.sign(x) * 2.9, 2), 1.0, 38.0, shade(colour, 0.95))
        builder.beam(
            (x, RAIL_GAUGE_M), (np.sign(x) * 2.9, RAIL_GAUGE_M), 1.0, 38.0, shade(colour, 0.95)
        )
    builder.rectangle(
        (0, RAIL_GAUGE_M * 0.62),
        (9, 14),
        (40, BOOM_TOP_M + 2),
        shade((206, 206, 202), 1.0),
        floating=True,
    )
    trolley = float(generator.uniform(reach + 4, RAIL_GAUGE_M))
    builder.rectangle((0, trolley), (6, 5), (40, BOOM_TOP_M - 1), (214, 210, 200), floating=True)
    if raised:
        for x in (-2.2, 2.2):
            builder.beam((x, -6), (x, 8), 1.0, BOOM_TOP_M + 30, colour)
    return builder.build()


def yard_crane(colour: Colour, span_m: float) -> Solids:
    """A rubber-tyred gantry over a block; origin at its centre, x along the block."""
    builder = SolidsBuilder()
    for x in (-3.6, 3.6):
        builder.beam((x, -span_m / 2), (x, span_m / 2), 1.1, 24.0, colour)
    for y in (-span_m / 2, span_m / 2):
        builder.beam((-5.5, y), (5.5, y), 1.3, 12.0, shade(colour, 0.8))
    builder.rectangle((0, span_m * 0.18), (6.0, 3.2), (22, 25), (212, 208, 196), floating=True)
    return builder.build()


def light_mast() -> Solids:
    """A mast of floodlights: thin, but its shadow shows."""
    builder = SolidsBuilder()
    builder.rectangle((0, 0), (1.6, 1.6), (GROUND_M, GROUND_M + 0.6), (150, 148, 142))
    builder.rectangle((0, 0), (0.7, 0.7), (GROUND_M, GROUND_M + 30), (196, 194, 188))
    builder.beam((-1.4, 0), (1.4, 0), 0.7, 33.0, (206, 204, 198))
    return builder.build()


def hall(generator: np.random.Generator, length: float, width: float, height: float) -> Solids:
    """A hall with a ridge along x; one slope is a shade lighter, skylights and vents on top."""
    builder = SolidsBuilder()
    roof = pick(generator, ROOF_COLOURS)
    top = GROUND_M + height
    builder.rectangle((0, -width / 4), (length, width / 2), (GROUND_M, top), shade(roof, 1.05))
    builder.rectangle((0, width / 4), (length, width / 2), (GROUND_M, top), shade(roof, 0.93))
    step = float(generator.uniform(7, 14))
    lights = generator.random() < 0.6
    for x in np.arange(-length / 2 + step / 2, length / 2, step):
        if lights:
            for y in (-width / 4, width / 4):
                builder.rectangle((float(x), y), (1.4, width * 0.36), (top, top), shade(roof, 1.17))
        else:
            builder.rectangle((float(x), 0), (0.5, width), (top, top), shade(roof, 0.9))
    for _ in range(int(length * width / 500)):
        at = generator.uniform(-0.45, 0.45, 2) * [length, width]
        builder.rectangle(
            (float(at[0]), float(at[1])),
            (2.2, 2.2),
            (top, top + 1.6),
            pick(generator, ROOF_COLOURS),
        )
    return builder.build()


def tank(generator: np.random.Generator, radius: float) -> Solids:
    """A storage tank with a fixed or a floating roof."""
    builder = SolidsBuilder()
    height = float(np.clip(radius * 0.9, 8, 18))
    white = shade((206, 206, 200), float(generator.uniform(0.8, 1.08)))
    builder.polygon(circle((0, 0), radius, 28), GROUND_M, GROUND_M + height, white)
    if generator.random() < 0.5:
        roof = GROUND_M + height * float(generator.uniform(0.5, 0.9))
        builder.polygon(circle((0, 0), radius * 0.93, 28), GROUND_M, roof, shade(white, 0.82))
        return builder.build()
    stairs = (GROUND_M, GROUND_M + height + 0.3)
    builder.rectangle((radius * 0.5, 0), (radius, 0.7), stairs, shade(white, 0.7))
    vent = circle((0, 0), radius * 0.08, 8)
    builder.polygon(vent, GROUND_M, GROUND_M + height + 0.8, shade(white, 0.9))
    return builder.build()


def lorries(
    generator: np.random.Generator, centres: Points, angle: float, loaded: NDArray[np.bool_]
) -> Solids:
    """Lorries: cab and chassis, some with a container on top (not a stack).

    Args:
        generator: of the lot.
        centres: `(N, 2)` middles of the chassis, metres.
        angle: direction they face, radians.
        loaded: `(N,)` which carry a container.
    """
    builder = SolidsBuilder()
    deck = GROUND_M + CHASSIS_M
    for centre, full in zip(centres, loaded, strict=True):
        x, y = float(centre[0]), float(centre[1])
        cab = (x + 8.0 * float(np.cos(angle)), y + 8.0 * float(np.sin(angle)))
        tone = pick(generator, CAB_COLOURS)
        builder.rectangle(cab, (2.4, 2.4), (GROUND_M, GROUND_M + 3.2), tone, angle=angle)
        builder.rectangle((x, y), (12.3, 2.3), (GROUND_M, deck), (74, 72, 70), angle=angle)
        if full:
            red, green, blue = LINER_COLOURS[generator.integers(len(LINER_COLOURS))].tolist()
            length = LENGTH_40_M if generator.random() < 0.7 else LENGTH_20_M
            heights = (deck, deck + HEIGHT_M)
            builder.rectangle((x, y), (length, WIDTH_M), heights, (red, green, blue), angle=angle)
    return builder.build()


def cars(generator: np.random.Generator, centres: Points, angle: float) -> Solids:
    """Parked cars."""
    builder = SolidsBuilder()
    tones = np.array(
        [
            (206, 208, 208),
            (40, 42, 46),
            (120, 124, 128),
            (150, 50, 44),
            (52, 76, 120),
            (232, 232, 230),
        ],
        np.float64,
    )
    builder.quads(
        rectangles(centres, np.tile([4.4, 1.8], (len(centres), 1)), angle),
        np.full(len(centres), GROUND_M),
        np.full(len(centres), GROUND_M + 1.5),
        tones[generator.integers(len(tones), size=len(centres))],
    )
    return builder.build()


def trees(generator: np.random.Generator, centres: Points) -> Solids:
    """Crowns of trees, `(N, 2)` metres."""
    builder = SolidsBuilder()
    for centre in centres:
        radius = float(generator.uniform(1.8, 4.5))
        colour = pick(generator, TREE_COLOURS, 0.2)
        height = GROUND_M + 2.2 * radius
        crown = circle(centre, radius, 9)
        crown += generator.normal(0, radius * 0.12, crown.shape)
        builder.polygon(crown, GROUND_M, height, colour)
        lit = circle(centre + generator.normal(0, radius * 0.2, 2), radius * 0.5, 7)
        builder.polygon(lit, GROUND_M, height + 1, shade(colour, 1.22))
    return builder.build()


def houses(generator: np.random.Generator, centres: Points, angle: float) -> Solids:
    """Small buildings with two slopes."""
    builder = SolidsBuilder()
    axis = np.array([-np.sin(angle), np.cos(angle)])
    for centre in centres:
        length, width = float(generator.uniform(9, 22)), float(generator.uniform(7, 12))
        roof = pick(
            generator,
            ((148, 96, 76), (126, 120, 114), (96, 104, 116), (170, 160, 148), (72, 92, 130)),
        )
        top = GROUND_M + float(generator.uniform(4, 9))
        for side, light in ((-0.25, 1.08), (0.25, 0.9)):
            at = centre + axis * side * width
            builder.rectangle(
                (float(at[0]), float(at[1])),
                (length, width / 2),
                (GROUND_M, top),
                shade(roof, light),
                angle=angle,
            )
    return builder.build()


def heap(generator: np.random.Generator, length: float, width: float, colour: Colour) -> Solids:
    """A stockpile of coal, ore or sand: cones in a row that run into each other."""
    builder = SolidsBuilder()
    # kept low: terraces stand for slopes that the sun still reaches
    height, steps = 4.5, 10
    count = max(1, round(length / width * float(generator.uniform(0.8, 1.8))))
    x = np.linspace(-0.5, 0.5, count + 2)[1:-1] * length + generator.normal(0, width * 0.1, count)
    radius = width / 2 * generator.uniform(0.75, 1.05, count)
    turns = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    edge = 1 + generator.normal(0, 0.05, (count, 24))
    ridge = _stadium(length, width * 0.72)
    for i in range(steps):
        share = 1 - i / steps
        top = GROUND_M + height * (i + 1) / steps
        tone = shade(colour, 0.88 + 0.024 * i + float(generator.uniform(-0.03, 0.03)))
        if i < steps // 2:
            builder.polygon(ridge * [1 - 0.04 * i, 1 - i / steps * 1.4], GROUND_M, top, tone)
        for at, reach, rough in zip(x, radius, edge, strict=True):
            outline = np.stack([np.cos(turns), np.sin(turns)], 1) * (reach * share * rough)[:, None]
            builder.polygon(outline + np.array([at, 0.0]), GROUND_M, top, tone)
    return builder.build()


def _stadium(length: float, width: float) -> NDArray[np.float64]:
    """A rectangle with round ends, clockwise on the screen."""
    radius = width / 2
    straight = max(length / 2 - radius, 0.1)
    turns = np.linspace(-np.pi / 2, np.pi / 2, 7)
    right = np.stack([straight + radius * np.cos(turns), radius * np.sin(turns)], axis=1)
    return np.concatenate([right, -right])
