"""What stands in a zone: blocks, their area, containers and TEU, all from the same draws."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detector.later import pandas as pd
from detector.stacks.block_model import (
    BLOCK_DRAWS,
    BlockDraws,
    BlockModel,
    draw_blocks,
    seed_of,
)
from detector.stacks.estimate import factors_of
from detector.stacks.settings import StackSettings
from detector.stacks.simulate import Draws, Floats, nominal_factors, quantiles, simulate

OF_ZONE: Final = "zone"
OF_SEEN_PART: Final = "seen_part"
OF_FOUND: Final = "found_blocks"
OF_NOTHING: Final = ""


@dataclass(frozen=True, slots=True)
class ZoneDraws:
    """Draws of one zone, each `(D,)`; None where nothing can be said.

    Attributes:
        number: true blocks.
        area_m2: their area.
        containers: in them.
        teu: in them.
        blocks: containers and TEU of the true blocks in each box, `(D, N)`.
        interval_of: what containers and TEU are of: `zone`, all that stands in it; `found_blocks`,
            of the boxes as if each was one block, where the card cannot say more; empty: of none.
    """

    number: Floats | None = None
    area_m2: Floats | None = None
    containers: Floats | None = None
    teu: Floats | None = None
    blocks: Draws | None = None
    interval_of: str = OF_NOTHING

    def __add__(self, other: ZoneDraws) -> ZoneDraws:
        """Both zones together, draw by draw; what is not known of one is not known of both."""
        same = self.interval_of == other.interval_of
        return ZoneDraws(
            number=_added(self.number, other.number),
            area_m2=_added(self.area_m2, other.area_m2),
            containers=_added(self.containers, other.containers),
            teu=_added(self.teu, other.teu),
            interval_of=self.interval_of if same else OF_NOTHING,
        )


@dataclass(frozen=True, slots=True)
class FoundBlocks:
    """The boxes of a zone.

    Attributes:
        score: `(N,)`.
        area_m2: `(N,)`, NaN where the gsd is unknown.
        table: their rows of `stacks.csv`, or None where they are not known.
        zone_kind: whose priors hold for missed blocks.
    """

    score: NDArray[np.float64]
    area_m2: NDArray[np.float64]
    table: pd.DataFrame | None
    zone_kind: str


def draw_zone(
    found: FoundBlocks, zone: str, settings: StackSettings, model: BlockModel | None
) -> ZoneDraws:
    """Draw what stands in a zone where boxes were found.

    TEU of a box is drawn as if it was one block, times the true area over that of the box; missed
    blocks hold as much a square metre as the found ones, or as usual where none is found.

    Args:
        found: boxes of the zone, deck cargo left out.
        zone: name of the zone, the seed of its draws.
        settings: priors and number of draws.
        model: of the weights; None or one that claims nothing: only of the found blocks.
    """
    blocks = draw_number(found, zone, model)
    number = None if blocks is None else blocks.number
    if not np.isfinite(found.area_m2).all():
        return ZoneDraws(number=number)
    whole = blocks if model is not None and model.claims_area else None
    area = None if whole is None else whole.area_m2(found.area_m2)
    draws = _draws(found, zone, settings)
    if draws is None:
        return ZoneDraws(number=number, area_m2=area)
    at = np.arange(settings.draws) % BLOCK_DRAWS
    held, missed = {}, {}
    for name in ("containers", "teu"):
        each = getattr(draws, name)
        held[name] = each if whole is None else each * whole.worth[at]
        a_m2 = _a_m2(each, found, settings, name)
        missed[name] = 0.0 if whole is None else whole.missed_m2[at] * a_m2
    return ZoneDraws(
        number=number,
        area_m2=area,
        containers=held["containers"].sum(axis=1) + missed["containers"],
        teu=held["teu"].sum(axis=1) + missed["teu"],
        blocks=replace(draws, containers=held["containers"], teu=held["teu"]),
        interval_of=OF_FOUND if whole is None else OF_ZONE,
    )


def draw_number(found: FoundBlocks, zone: str, model: BlockModel | None) -> BlockDraws | None:
    """Draw the blocks of a zone alone; None where the card claims no number of them."""
    if model is None or not model.claims_number:
        return None
    return draw_blocks(model, found.score, found.area_m2, seed_of(zone))


def interval_of(draws: Floats | None, most: tuple[float, float] | None = None) -> list[Any]:
    """5 %, 50 % and 95 % of draws; three None without.

    Args:
        draws: `(D,)`, or None.
        most: sums of the parts' ends: a sum's interval is no wider than they are together.
    """
    if draws is None:
        return [None, None, None]
    low, middle, high = quantiles(draws).tolist()
    if most is not None:
        low, high = max(low, most[0]), min(high, most[1])
    return [low, float(np.clip(middle, low, high)), high]


def _draws(found: FoundBlocks, zone: str, settings: StackSettings) -> Draws | None:
    """Of every box as if it was one block; None where its factors are not known."""
    if not len(found.score):
        none = np.zeros((settings.draws, 0))
        return Draws(none, none, none, none)
    if found.table is None or found.table["along_m"].isna().any():
        return None
    return simulate(factors_of(found.table, settings), settings, seed_of(zone))


def _a_m2(each: Floats, found: FoundBlocks, settings: StackSettings, name: str) -> Floats:
    """Containers or TEU a square metre, `(D,)`, by the found blocks or as usual."""
    area = float(found.area_m2.sum())
    if area > 0:
        return np.asarray(each.sum(axis=1) / area)
    usual, area = _usual(tuple(settings.tiers_of(found.zone_kind)), _Frozen(settings))
    return np.asarray(getattr(usual, name)[:, 0] / area)


class _Frozen:
    """Settings as a key: equal where they are, though they hold lists."""

    def __init__(self, settings: StackSettings) -> None:
        self.settings = settings
        self.words = repr(settings)

    def __hash__(self) -> int:
        return hash(self.words)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Frozen) and self.words == other.words


@lru_cache(maxsize=32)  # kinds of zones; a run may hold thousands of zones without a block
def _usual(tiers: tuple[float, ...], frozen: _Frozen) -> tuple[Draws, float]:
    """Draws of a block of which nothing was measured, and its area in square metres."""
    nominal, area = nominal_factors(list(tiers))
    return simulate(nominal, frozen.settings), area


def _added(one: Floats | None, two: Floats | None) -> Floats | None:
    return None if one is None or two is None else one + two
