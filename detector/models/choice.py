"""Which weights read a scene, where the user leaves it to the gsd: `weights=auto`."""

from __future__ import annotations

from typing import Final

from detector.models.card import ModelCard
from detector.models.detector import AUTO_WEIGHTS, find_card
from detector.models.precision import AUTO

TAKEN_FIRST: Final = AUTO_WEIGHTS[0]


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
    fit = (name for name in AUTO_WEIGHTS if ModelCard.read(find_card(name)).covers(gsd_m))
    return next(fit, TAKEN_FIRST)
