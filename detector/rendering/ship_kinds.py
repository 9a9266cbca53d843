"""How ships of each kind look from above."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from detector.rendering.cargo import CargoGroup, deck_cargo
from detector.rendering.ships import (
    CREAM,
    DECK_COLOURS,
    HULL_COLOURS,
    NAVAL_GREY,
    WHITE,
    BuiltShip,
    ShipDesign,
    ShipDraft,
)
from detector.rendering.solids import Colour, circle, shade


def build_ship(design: ShipDesign, gsd_m: float) -> BuiltShip:
    """Draw up a ship; what is smaller than a third of a pixel is left out."""
    generator = np.random.Generator(np.random.Philox(design.seed))
    draft = ShipDraft(design, gsd_m, generator)
    cargo = _BUILDERS[design.kind](draft)
    return BuiltShip(draft.solids.build(), draft.hull, draft.deck_m, cargo)


def _container(draft: ShipDraft) -> tuple[CargoGroup, ...]:
    generator, length, beam = draft.generator, draft.length, draft.beam
    hull = draft.pick(HULL_COLOURS)
    deck = draft.pick(DECK_COLOURS)
    draft.lay_hull((0.17, 1.9, 0.82), 6.0 + length / 60, hull, deck, 0.8)
    twin = length > 290
    aft = -length / 2 + (0.28 if twin else 0.17) * length
    houses = [aft] + ([length / 2 - 0.33 * length] if twin else [])
    storeys = int(np.clip(length / 40 + 2, 4, 9))
    draft.clutter(14, (length * 0.40, length * 0.47), beam * 0.18, (WHITE, (120, 124, 122)))
    draft.clutter(8, (-length * 0.49, -length * 0.46), beam * 0.3, (WHITE, (140, 120, 110)))
    cargo = deck_cargo(
        draft.solids,
        generator,
        stretch=(-length * 0.465, length * 0.375),
        beam=beam,
        deck_m=draft.deck_m,
        houses=houses,
        fore_taper=length * 0.30,
    )
    for x in houses:
        draft.house(x, min(14.0, length * 0.06), beam * 0.96, storeys, draft.pick((WHITE, CREAM)))
    return cargo


def _bulk(draft: ShipDraft) -> tuple[CargoGroup, ...]:
    generator, length, beam = draft.generator, draft.length, draft.beam
    hull = draft.pick(((52, 56, 62), (122, 54, 44), (40, 60, 92), (46, 46, 50)))
    deck = draft.pick(((128, 70, 56), (112, 76, 66), (94, 104, 98)))
    draft.lay_hull((0.13, 2.6, 0.8), 5.0 + length / 60, hull, deck, 0.7)
    holds = int(np.clip(length / 30, 4, 9))
    start, end = -length / 2 + 0.17 * length, length / 2 - 0.1 * length
    pitch = (end - start) / holds
    hatch = draft.pick(((150, 146, 136), (124, 84, 70), (104, 118, 112), (160, 152, 140)))
    cranes = length < 200 and generator.random() < 0.75
    gear = draft.pick(((196, 176, 120), (206, 206, 200), (170, 110, 70)))
    for i in range(holds):
        x = start + (i + 0.5) * pitch
        half = 0.62 * pitch
        opened = generator.random() < 0.15
        top = draft.deck_m + 2.2
        draft.box(x, 0, (half, beam * 0.56), top, hatch)
        if opened:
            cargo = draft.pick(((62, 56, 52), (150, 120, 80), (40, 40, 42)))
            draft.box(x, 0, (half * 0.86, beam * 0.48), top, cargo)
        else:
            for side in (-1, 1):
                draft.box(
                    x, side * beam * 0.14, (half * 0.96, beam * 0.26), top + 0.3, shade(hatch, 1.07)
                )
        if cranes and i < holds - 1:
            _deck_crane(draft, x + pitch / 2, gear, 0.85 * pitch)
        else:
            draft.clutter(2, (x + half * 0.55, x + pitch * 0.5), beam * 0.3, (WHITE, hatch))
    draft.clutter(8, (length * 0.42, length * 0.47), beam * 0.16, (WHITE, (120, 124, 122)))
    draft.house(
        -length / 2 + 0.09 * length, 0.075 * length, beam * 0.9, 5, draft.pick((WHITE, CREAM))
    )
    return ()


def _deck_crane(draft: ShipDraft, x: float, colour: Colour, reach: float) -> None:
    """A post with a jib stowed along the ship or swung out."""
    draft.box(x, 0, (3.4, 3.4), draft.deck_m + 14, colour)
    swing = float(
        draft.generator.choice([0.0, np.pi, draft.generator.uniform(-1.4, 1.4)], p=[0.5, 0.3, 0.2])
    )
    tip = (x + reach * np.cos(swing), reach * np.sin(swing))
    draft.solids.beam((x, 0.0), tip, 1.3, draft.deck_m + 13, shade(colour, 0.95))


def _tanker(draft: ShipDraft) -> tuple[CargoGroup, ...]:
    length, beam = draft.length, draft.beam
    hull = draft.pick(((50, 52, 58), (122, 52, 44), (42, 44, 48), (40, 62, 92)))
    deck = draft.pick(((136, 70, 56), (92, 116, 102), (150, 84, 66), (120, 118, 110)))
    draft.lay_hull((0.12, 2.8, 0.78), 4.5 + length / 70, hull, deck, 0.7)
    pipe = draft.pick(((186, 180, 168), (150, 136, 122), (178, 120, 96)))
    start, end = -length / 2 + 0.19 * length, length / 2 - 0.09 * length
    top = draft.deck_m + 1.6
    for y in (-0.05, 0.0, 0.05):
        draft.box((start + end) / 2, y * beam, (end - start, 0.9), top, shade(pipe, 1 - abs(y)))
    draft.box(0, 0, (4.0, beam * 0.78), top + 0.8, pipe)
    for x in (-2.4, 2.4):
        draft.box(x, 0, (1.0, beam * 0.86), top + 1.2, shade(pipe, 0.8))
    frames = int(np.clip(length / 14, 6, 20))
    for i in range(frames):
        x = start + (i + 0.5) * (end - start) / frames
        draft.box(x, 0, (0.8, beam * 0.84), draft.deck_m + 0.9, shade(deck, 0.84))
    _deck_crane(draft, length * 0.02, (206, 200, 190), 9.0)
    draft.clutter(16, (start, end), beam * 0.36, (WHITE, pipe, shade(deck, 0.7)))
    draft.clutter(10, (length * 0.40, length * 0.47), beam * 0.2, (WHITE, (120, 124, 122)))
    draft.house(
        -length / 2 + 0.1 * length, 0.08 * length, beam * 0.88, 5, draft.pick((WHITE, CREAM))
    )
    return ()


def _general(draft: ShipDraft) -> tuple[CargoGroup, ...]:
    length, beam = draft.length, draft.beam
    draft.lay_hull(
        (0.15, 2.1, 0.8), 3.5 + length / 50, draft.pick(HULL_COLOURS), draft.pick(DECK_COLOURS)
    )
    hatch = draft.pick(((146, 140, 128), (92, 112, 106), (130, 82, 64), (108, 128, 150)))
    start, end = -length / 2 + 0.22 * length, length / 2 - 0.13 * length
    holds = 2 if length < 90 else 3
    pitch = (end - start) / holds
    for i in range(holds):
        x = start + (i + 0.5) * pitch
        panels = 5
        for j in range(panels):
            step = 0.84 * pitch / panels
            draft.box(
                x + (j - (panels - 1) / 2) * step,
                0,
                (step * 0.9, beam * 0.66),
                draft.deck_m + 1.8,
                shade(hatch, 1.0 + 0.06 * (-1) ** j),
            )
    if draft.generator.random() < 0.7:
        for x in (start + pitch, end - 0.02 * length):
            _deck_crane(draft, x, (206, 186, 120), 0.8 * pitch)
    draft.clutter(8, (length * 0.38, length * 0.46), beam * 0.2, (WHITE, (110, 112, 110)))
    draft.house(
        -length / 2 + 0.12 * length, 0.13 * length, beam * 0.86, 4, draft.pick((WHITE, CREAM))
    )
    return ()


def _naval(draft: ShipDraft) -> tuple[CargoGroup, ...]:
    generator, length, beam = draft.generator, draft.length, draft.beam
    grey = shade(NAVAL_GREY, generator.uniform(0.82, 1.12))
    draft.lay_hull((0.42, 1.55, 0.72), 4.0 + length / 50, shade(grey, 0.86), shade(grey, 0.94), 0.4)
    deck = draft.deck_m
    pad = -length * 0.40
    draft.box(pad, 0, (length * 0.16, beam * 0.74), deck, shade(grey, 0.78))
    for x in (-0.5, 0.5):
        draft.box(pad + x * length * 0.14, 0, (0.5, beam * 0.62), deck + 0.05, shade(grey, 1.3))
    draft.solids.polygon(circle((pad, 0), beam * 0.2), deck, deck + 0.05, shade(grey, 1.15))
    draft.solids.polygon(circle((pad, 0), beam * 0.16), deck, deck + 0.05, shade(grey, 0.78))
    for x, size, rise in (
        (-0.24, (0.13, 0.66), 6.5),
        (-0.08, (0.14, 0.5), 5.0),
        (0.09, (0.17, 0.74), 9.0),
        (0.10, (0.09, 0.52), 13.0),
        (0.02, (0.03, 0.18), 20.0),
        (-0.12, (0.05, 0.3), 11.0),
        (0.24, (0.06, 0.4), 4.0),
    ):
        tone = shade(grey, generator.uniform(0.96, 1.2))
        draft.box(x * length, 0, (size[0] * length, size[1] * beam), deck + rise, tone)
    draft.solids.polygon(
        circle((length * 0.32, 0), beam * 0.17, 8), deck, deck + 3, shade(grey, 1.12)
    )
    draft.solids.beam((length * 0.32, 0), (length * 0.32 + 6, 0), 0.5, deck + 2.5, shade(grey, 0.8))
    draft.clutter(
        18, (-length * 0.3, length * 0.3), beam * 0.4, (shade(grey, 1.3), shade(grey, 0.7), WHITE)
    )
    return ()


def _ferry(draft: ShipDraft) -> tuple[CargoGroup, ...]:
    generator, length, beam = draft.generator, draft.length, draft.beam
    white = shade(WHITE, generator.uniform(0.94, 1.06))
    draft.lay_hull(
        (0.2, 2.0, 0.88),
        3.0 + length / 25,
        draft.pick((WHITE, (44, 76, 128), (60, 70, 84))),
        shade(white, 0.9),
    )
    deck = draft.deck_m
    green = draft.pick(((96, 128, 112), (120, 130, 140), (150, 112, 90)))
    draft.box(-0.04 * length, 0, (0.78 * length, beam * 0.9), deck + 5, white)
    draft.box(-0.1 * length, 0, (0.6 * length, beam * 0.78), deck + 8, shade(green, 1.0))
    draft.box(0.24 * length, 0, (0.08 * length, beam * 0.96), deck + 11, white)
    draft.box(0.17 * length, 0, (0.14 * length, beam * 0.7), deck + 10, shade(white, 0.94))
    funnel = draft.pick(((190, 60, 44), (40, 76, 140), (210, 160, 60)))
    for side in (-1, 1):
        draft.box(
            -0.24 * length, side * beam * 0.16, (0.07 * length, beam * 0.14), deck + 15, funnel
        )
        for i in range(max(1, int(length / 28))):
            x = -0.26 * length + i * 0.09 * length
            draft.box(x, side * beam * 0.41, (6.5, 2.3), deck + 7.5, (214, 104, 44))
    draft.clutter(14, (-0.38 * length, 0.1 * length), beam * 0.3, (white, (150, 154, 156)))
    return ()


def _barge(draft: ShipDraft) -> tuple[CargoGroup, ...]:
    generator, length, beam = draft.generator, draft.length, draft.beam
    rust = draft.pick(((112, 66, 50), (84, 78, 74), (70, 74, 80)))
    draft.lay_hull((0.05, 3.0, 0.9), 2.2, shade(rust, 0.8), rust, 0.6)
    load = draft.pick(((176, 152, 112), (64, 60, 58), (140, 134, 126), (120, 84, 62)))
    if generator.random() < 0.7:
        for i in range(4):
            x = (-0.3 + 0.2 * i) * length
            draft.solids.polygon(
                circle((x, 0), beam * 0.34, 10), 2.2, 4.4, shade(load, generator.uniform(0.9, 1.1))
            )
            draft.solids.polygon(circle((x, 0), beam * 0.16, 8), 4.4, 5.6, shade(load, 1.12))
    else:
        draft.clutter(
            12, (-length * 0.4, length * 0.4), beam * 0.38, (load, WHITE, shade(rust, 0.6))
        )
    return ()


def _tug(draft: ShipDraft) -> tuple[CargoGroup, ...]:
    length, beam = draft.length, draft.beam
    deck = draft.pick(((118, 66, 50), (72, 96, 86), (120, 120, 116)))
    draft.lay_hull((0.34, 2.2, 0.86), 2.4, (34, 34, 36), deck, 0.7)
    white = draft.pick((WHITE, CREAM))
    draft.box(0.1 * length, 0, (0.34 * length, beam * 0.66), 5.4, white)
    draft.box(0.15 * length, 0, (0.16 * length, beam * 0.48), 8.4, shade(white, 1.05))
    funnel = draft.pick(((190, 70, 40), (40, 70, 130), (210, 170, 60)))
    for side in (-1, 1):
        draft.box(-0.06 * length, side * beam * 0.2, (2.0, 1.4), 8.0, funnel)
    draft.box(-0.24 * length, 0, (0.1 * length, beam * 0.3), 3.6, (88, 84, 80))
    return ()


def _fishing(draft: ShipDraft) -> tuple[CargoGroup, ...]:
    generator, length, beam = draft.generator, draft.length, draft.beam
    hull = draft.pick(((46, 84, 120), (60, 110, 104), (112, 52, 42), WHITE, (44, 48, 54)))
    deck = draft.pick(((140, 116, 88), (116, 96, 82), (88, 112, 106), (150, 148, 140)))
    draft.lay_hull((0.36, 2.0, 0.78), 1.6 + length / 20, hull, deck, 0.45)
    fore = generator.random() < 0.4
    x = (0.16 if fore else -0.22) * length
    house = draft.pick((WHITE, CREAM, (190, 206, 214)))
    top = draft.deck_m + 2.6 + length / 22
    draft.box(x, 0, (0.24 * length, beam * 0.62), top, house)
    draft.box(x + 0.05 * length, 0, (0.1 * length, beam * 0.5), top + 2, shade(house, 0.95))
    draft.solids.beam((0.02 * length, 0), (0.30 * length, 0), 0.35, top + 3, (200, 190, 160))
    draft.clutter(
        6,
        (-0.4 * length, 0.36 * length),
        beam * 0.3,
        ((200, 120, 50), (60, 100, 130), WHITE, (70, 64, 58)),
    )
    return ()


def _yacht(draft: ShipDraft) -> tuple[CargoGroup, ...]:
    generator, length, beam = draft.generator, draft.length, draft.beam
    white = shade(WHITE, generator.uniform(0.94, 1.08))
    sailing = generator.random() < 0.4
    draft.lay_hull(
        (0.62 if sailing else 0.5, 1.9, 0.66 if sailing else 0.86),
        1.4 + length / 22,
        white,
        shade(white, 0.95),
        0.25,
    )
    deck = draft.deck_m
    if sailing:
        teak: Colour = (172, 140, 104)
        draft.box(-0.26 * length, 0, (0.24 * length, beam * 0.5), deck, teak)
        draft.box(0.06 * length, 0, (0.3 * length, beam * 0.5), deck + 0.6, shade(white, 0.98))
        boom = draft.pick(((48, 64, 110), (200, 200, 196), (150, 50, 44)))
        draft.solids.beam((0.08 * length, 0), (-0.26 * length, 0), 0.4, deck + 1.8, boom)
        draft.solids.beam(
            (0.08 * length, 0), (0.09 * length, 0), 0.3, deck + length, (210, 210, 206)
        )
    else:
        glass: Colour = (58, 66, 78)
        draft.box(-0.06 * length, 0, (0.5 * length, beam * 0.7), deck + 1.6, shade(white, 0.98))
        draft.box(0.1 * length, 0, (0.14 * length, beam * 0.6), deck + 1.9, glass)
        draft.box(-0.08 * length, 0, (0.26 * length, beam * 0.5), deck + 3.0, white)
        draft.box(-0.4 * length, 0, (0.14 * length, beam * 0.6), deck, (176, 150, 118))
    return ()


def _boat(draft: ShipDraft) -> tuple[CargoGroup, ...]:
    hull = draft.pick((WHITE, (200, 204, 206), (90, 120, 150), (150, 110, 80)))
    draft.lay_hull((0.5, 1.9, 0.8), 1.0, hull, shade(hull, 0.72), 0.3)
    draft.box(
        -0.05 * draft.length,
        0,
        (0.26 * draft.length, draft.beam * 0.5),
        2.2,
        draft.pick((WHITE, (60, 70, 84))),
    )
    return ()


_BUILDERS: dict[str, Callable[[ShipDraft], tuple[CargoGroup, ...]]] = {
    "container": _container,
    "bulk": _bulk,
    "tanker": _tanker,
    "general": _general,
    "naval": _naval,
    "ferry": _ferry,
    "barge": _barge,
    "tug": _tug,
    "fishing": _fishing,
    "yacht": _yacht,
    "boat": _boat,
}
