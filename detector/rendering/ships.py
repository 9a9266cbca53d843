"""Ships as solids, bow towards +x, centre at the origin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.rendering.cargo import CargoGroup
from detector.rendering.solids import Colour, Points, Solids, SolidsBuilder, shade

# kind: (shortest, longest) metres, (narrowest, widest) length / beam
SHIP_KINDS: dict[str, tuple[tuple[float, float], tuple[float, float]]] = {
    "container": ((95.0, 400.0), (6.0, 7.0)),
    "bulk": ((90.0, 300.0), (5.8, 6.8)),
    "tanker": ((80.0, 330.0), (5.6, 6.6)),
    "general": ((55.0, 140.0), (5.6, 6.8)),
    "naval": ((60.0, 180.0), (7.8, 9.6)),
    "ferry": ((40.0, 190.0), (4.6, 6.2)),
    "barge": ((35.0, 80.0), (3.4, 5.0)),
    "tug": ((22.0, 34.0), (2.6, 3.2)),
    "fishing": ((12.0, 48.0), (3.3, 4.4)),
    "yacht": ((8.0, 28.0), (3.0, 4.2)),
    "boat": ((5.0, 9.0), (2.4, 3.2)),
}
HULL_COLOURS: tuple[Colour, ...] = (
    (52, 58, 70),
    (38, 42, 48),
    (112, 48, 40),
    (38, 62, 102),
    (62, 66, 66),
    (134, 62, 48),
    (44, 84, 76),
)
DECK_COLOURS: tuple[Colour, ...] = (
    (126, 72, 58),
    (98, 104, 100),
    (86, 112, 96),
    (142, 92, 74),
    (110, 84, 74),
    (120, 122, 118),
)
WHITE: Colour = (222, 223, 218)
CREAM: Colour = (208, 200, 180)
NAVAL_GREY: Colour = (122, 128, 132)


@dataclass(frozen=True, slots=True)
class ShipDesign:
    """One ship, before it is placed.

    Attributes:
        kind: of `SHIP_KINDS`.
        length_m: overall.
        beam_m: greatest width.
        seed: of its colours and outfit.
    """

    kind: str
    length_m: float
    beam_m: float
    seed: int


@dataclass(frozen=True, slots=True)
class BuiltShip:
    """A ship's solids and truth, in its own frame.

    Attributes:
        solids: in drawing order.
        hull: `(V, 2)` outline of the deck, metres.
        deck_m: height of the deck above the water.
        cargo: groups of deck containers.
    """

    solids: Solids
    hull: Points
    deck_m: float
    cargo: tuple[CargoGroup, ...]


def draw_design(
    generator: np.random.Generator, kind: str, length_m: float | None = None
) -> ShipDesign:
    """A ship of a kind, its size drawn unless given."""
    (shortest, longest), slenderness = SHIP_KINDS[kind]
    if length_m is None:
        # small ones are more frequent: uniform in the logarithm
        length_m = float(np.exp(generator.uniform(np.log(shortest), np.log(longest))))
    beam_m = length_m / generator.uniform(*slenderness)
    return ShipDesign(kind, length_m, float(min(beam_m, 61.5)), int(generator.integers(2**31)))


def hull_outline(length: float, beam: float, bow: float, power: float, stern: float) -> Points:
    """Outline of a hull, clockwise on the screen, bow at +x.

    Args:
        length: metres.
        beam: metres.
        bow: length of the tapering bow, share of the length.
        power: 1 is a straight taper, 2 a full round bow.
        stern: width of the transom, share of the beam.
    """
    start = length / 2 - bow * length
    run = np.linspace(0, 1, 9)
    fore = np.stack([start + run * bow * length, beam / 2 * (1 - run**power)], axis=1)
    quarter = np.array([[-length / 2, beam / 2 * stern], [-length / 2 + 0.12 * length, beam / 2]])
    port = np.concatenate([quarter, fore])  # +y side, stern to bow
    return np.concatenate([port[::-1], port[:-1] * [1, -1]])


class ShipDraft:
    """The ship on the drawing board."""

    def __init__(self, design: ShipDesign, gsd_m: float, generator: np.random.Generator) -> None:
        self.design, self.generator = design, generator
        self.length, self.beam = design.length_m, design.beam_m
        self.smallest = gsd_m / 3
        self.solids = SolidsBuilder()
        self.hull: Points = np.zeros((0, 2))
        self.deck_m = 0.0

    def lay_hull(
        self,
        shape: tuple[float, float, float],
        deck_m: float,
        hull: Colour,
        deck: Colour,
        rim_m: float = 0.5,
    ) -> None:
        """Hull with a rim of its own colour and a deck inside: shape is bow, power, stern."""
        self.deck_m = deck_m
        self.hull = hull_outline(self.length, self.beam, *shape)
        self.solids.polygon(self.hull, 0.0, deck_m, hull)
        rim = min(rim_m, self.beam * 0.12)
        inner = hull_outline(self.length - 2.2 * rim, self.beam - 2 * rim, *shape)
        self.solids.polygon(inner, deck_m, deck_m, deck)

    def box(
        self,
        x: float,
        y: float,
        size: tuple[float, float],
        top_m: float,
        colour: Colour,
        base_m: float | None = None,
    ) -> None:
        """A box on deck, unless it is too small to see."""
        if min(size) < self.smallest:
            return
        base = self.deck_m if base_m is None else base_m
        self.solids.rectangle((x, y), size, (base, top_m), colour)

    def pick(self, colours: tuple[Colour, ...]) -> Colour:
        """One of some colours, a little lighter or darker."""
        return shade(
            colours[int(self.generator.integers(len(colours)))], self.generator.uniform(0.85, 1.15)
        )

    def clutter(
        self, count: int, x: tuple[float, float], half_width: float, colours: tuple[Colour, ...]
    ) -> None:
        """Winches, lockers, vents: small boxes scattered over a stretch of deck."""
        for _ in range(count):
            size = self.generator.uniform(0.7, 2.6, 2)
            self.box(
                float(self.generator.uniform(*x)),
                float(self.generator.uniform(-half_width, half_width)),
                (float(size[0]), float(size[1])),
                self.deck_m + float(self.generator.uniform(0.5, 2.0)),
                self.pick(colours),
            )

    def house(self, x: float, length: float, width: float, storeys: int, colour: Colour) -> None:
        """A deckhouse with bridge wings, funnel and mast; the bridge is at its fore end."""
        top = self.deck_m + 2.8 * storeys
        self.box(x, 0, (length, width * 0.94), top - 2.8, shade(colour, 0.92))
        self.box(x + length * 0.1, 0, (length * 0.7, width * 0.8), top, colour)
        self.box(
            x + length * 0.28, 0, (max(2.2, length * 0.22), width), top + 0.6, shade(colour, 1.04)
        )
        self.box(x + length * 0.12, 0, (length * 0.2, width * 0.3), top + 2.2, shade(colour, 0.8))
        funnel = self.pick(((40, 44, 52), (160, 52, 40), (36, 76, 130), (196, 150, 50)))
        self.box(x - length * 0.42, 0, (length * 0.3, width * 0.26), top + 3.5, funnel)
        self.box(x - length * 0.42, 0, (length * 0.18, width * 0.14), top + 4.2, (30, 30, 32))
        for side in (-1, 1):
            self.box(x - length * 0.15, side * width * 0.44, (7.0, 2.4), top - 5.5, (205, 92, 40))


def hull_box(design: ShipDesign) -> NDArray[np.float64]:
    """Corners `(4, 2)` of the ship's box in its own frame, clockwise, first edge = length."""
    x, y = design.length_m / 2, design.beam_m / 2
    return np.array([[-x, -y], [x, -y], [x, y], [-x, y]])
