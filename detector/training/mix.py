"""How often what is shown: shares of groups, weights of sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from detector.classes import ClassSet
from detector.data.labelled import DataError


class Shown(Protocol):
    """What is drawn: a chip, or whatever says as much of itself."""

    @property
    def source(self) -> str:
        """Name of the dataset."""

    @property
    def class_ids(self) -> NDArray[np.int64]:
        """`(N,)` of its objects."""

    @property
    def classes(self) -> ClassSet:
        """That the ids are of."""


@dataclass(frozen=True, slots=True)
class MixSettings:
    """How often what is shown.

    Attributes:
        epoch_views: views an epoch.
        stacks: share of views of chips with container stacks.
        empty: share of views of chips without any object.
        sources: weight of the chips of a source within their group; 1 where not named.
    """

    epoch_views: int = 960
    stacks: float = 0.35
    empty: float = 0.12
    sources: Mapping[str, float] = field(default_factory=dict)


def mix_weights(chips: Sequence[Shown], mix: MixSettings) -> NDArray[np.float64]:
    """Chance `(N,)` of every chip, summing to 1."""
    groups = np.array([group_of(chip) for chip in chips])
    shares = {"stacks": mix.stacks, "empty": mix.empty, "ships": 1.0 - mix.stacks - mix.empty}
    weights = np.array([mix.sources.get(chip.source, 1.0) for chip in chips], np.float64)
    for name, share in shares.items():
        member = groups == name
        total = weights[member].sum()
        if total > 0:
            weights[member] *= share / total
    if weights.sum() <= 0:
        raise DataError("every chip has the weight 0; check the mix of sources")
    return np.asarray(weights / weights.sum())


def group_of(chip: Shown) -> str:
    """`stacks`, `ships` (and whatever else) or `empty`, by what a chip holds."""
    if chip.classes.mask(chip.class_ids, "containers").any():
        return "stacks"
    return "ships" if len(chip.class_ids) else "empty"
