"""Which chips a person looks at: those that chance chooses, that matter most, or all of a zone.

Only what chance chose says how good the network is: a chip stands for those of its stratum that
were not drawn (`SampledChip.weight`). Chips with boxes and chips without are drawn apart, since
ports are mostly water and land on which nothing is found, and what is missed may lie there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

from detector.reviewing.chips import Chip
from detector.reviewing.errors import ReviewError

WITH_BOXES, WITHOUT = "with boxes", "without boxes"
SHARE_WITH_BOXES: Final = 2 / 3  # of what chance draws


@dataclass(frozen=True, slots=True)
class Candidate:
    """A chip that may be looked at.

    Attributes:
        chip: itself.
        boxes: ids of the boxes in its part.
    """

    chip: Chip
    boxes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Chosen:
    """A chip that is looked at.

    Attributes:
        chip: itself.
        asked: ids of boxes for whose sake it was chosen; empty where for none.
        stratum: that it was drawn from; empty where chance did not choose it.
        weight: chips that it stands for; 0 where chance did not choose it.
    """

    chip: Chip
    asked: tuple[str, ...] = ()
    stratum: str = ""
    weight: float = 0.0


def at_random(candidates: Sequence[Candidate], number: int, seed: int) -> list[Chosen]:
    """Chips that chance chooses, of each stratum without replacement.

    Args:
        candidates: all chips of the run that show anything.
        number: of chips; 0: all.
        seed: the same gives the same chips.
    """
    strata = {
        WITH_BOXES: [one for one in candidates if one.boxes],
        WITHOUT: [one for one in candidates if not one.boxes],
    }
    wanted = _shares(len(strata[WITH_BOXES]), len(strata[WITHOUT]), number)
    generator = np.random.default_rng(seed)
    chosen = []
    for (name, members), take in zip(strata.items(), wanted, strict=True):
        drawn = sorted(generator.permutation(len(members))[:take].tolist())
        chosen += [Chosen(members[i].chip, stratum=name, weight=len(members) / take) for i in drawn]
    return chosen


def most_worth(
    candidates: Sequence[Candidate], worth: Mapping[str, float], number: int
) -> list[Chosen]:
    """The chips whose boxes are worth most together, the best first.

    Args:
        candidates: of the run.
        worth: of boxes, by id; others are worth nothing.
        number: of chips; 0: all that are worth anything.
    """
    sums = {
        at: sum(worth.get(name, 0.0) for name in one.boxes) for at, one in enumerate(candidates)
    }
    best = sorted((at for at in sums if sums[at] > 0), key=lambda at: (-sums[at], at))
    return [
        Chosen(
            candidates[at].chip,
            tuple(name for name in candidates[at].boxes if worth.get(name, 0.0) > 0),
        )
        for at in best[: number or None]
    ]


def of_zone(
    candidates: Sequence[Candidate], zones: Mapping[str, BaseGeometry], name: str
) -> list[Chosen]:
    """The chips that meet a zone.

    Args:
        candidates: of the run.
        zones: the zone's shape in the file pixels of each scene, by scene id.
        name: of the zone, for the error.

    Raises:
        ReviewError: no chip meets it.
    """
    chosen = [
        Chosen(one.chip)
        for one in candidates
        if one.chip.scene_id in zones and box(*one.chip.bounds).intersects(zones[one.chip.scene_id])
    ]
    if not chosen:
        raise ReviewError(f"no scene of the run shows the zone '{name}'; check its name")
    return chosen


def _shares(with_boxes: int, without: int, number: int) -> tuple[int, int]:
    """How many of each stratum: two thirds with boxes, and at least one of each."""
    if not number or number >= with_boxes + without:
        return with_boxes, without
    first = min(max(round(number * SHARE_WITH_BOXES), 1), with_boxes)
    second = min(max(number - first, 1 if without else 0), without)
    return min(with_boxes, max(number - second, first)), second
