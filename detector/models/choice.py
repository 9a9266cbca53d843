"""Which weights read a scene, where the user leaves it to the gsd: `weights=auto`."""

from __future__ import annotations

from functools import lru_cache

from detector.models.card import ModelCard
from detector.models.detector import AUTO_WEIGHTS, find_card
from detector.models.precision import AUTO


def choose_weights(weights: str, gsd_m: float | None) -> str:
    """The weights that read a scene.

    Args:
        weights: as the user says them.
        gsd_m: of the scene; None where unknown.

    Returns:
        The same; for `auto` the first shipped ones whose card covers the gsd, and the first of all
        where none does, or where the gsd is unknown.

    Raises:
        WeightsError: the card of shipped weights cannot be read.
    """
    if weights != AUTO:
        return weights
    fit = (name for name in AUTO_WEIGHTS if card_named(name).covers(gsd_m))
    return next(fit, AUTO_WEIGHTS[0])


@lru_cache(maxsize=32)
def card_named(name: str) -> ModelCard:
    """The card of weights by name or path; every scene asks for it, and it is read once.

    Raises:
        WeightsError: there is none, or it cannot be read.
    """
    return ModelCard.read(find_card(name))
