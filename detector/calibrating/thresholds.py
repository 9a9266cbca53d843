"""Score thresholds: at which totals come out, or at which most is right and found (F1)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detector.calibrating.held_out import FOLDS, SEED
from detector.calibrating.sample import Sample

LOG = logging.getLogger(__name__)
THRESHOLDS: Final = np.arange(5, 96) / 100  # what may be chosen
F1_SLACK: Final = 0.005  # thresholds whose F1 is so near to the best are as good
DIGITS: Final = 4
Rule = Callable[[Sample], float]
"""From a sample with objects to the threshold of its class."""


@dataclass(frozen=True, slots=True)
class Balance:
    """How the total of one class comes out, over what the counts claim (`sample_of`).

    Attributes:
        conf: threshold that is chosen.
        true: objects.
        counted: boxes at the threshold at which the sample was counted.
        held_out: boxes where every place is counted at the threshold of the places of other folds;
            folds without which there is nothing to choose from are left out.
        held_out_true: objects of the same places.
        folds: least and greatest of these thresholds.
        places: with objects.
    """

    conf: float
    true: int
    counted: int
    held_out: int
    held_out_true: int
    folds: tuple[float, float]
    places: int

    @property
    def error(self) -> float:
        """Relative error of the total where it was counted."""
        return self.counted / self.true - 1

    @property
    def error_held_out(self) -> float | None:
        """The same at the thresholds of other places; None where there are no others."""
        return self.held_out / self.held_out_true - 1 if self.held_out_true else None

    def to_card(self) -> dict[str, Any]:
        """As plain values for a model card."""
        held_out = self.error_held_out
        return {
            "objects": self.true,
            "counted": self.counted,
            "total_error": round(self.error, DIGITS),
            "total_error_held_out": None if held_out is None else round(held_out, DIGITS),
            "thresholds_of_folds": list(self.folds),
            "places_with_objects": self.places,
        }


def balance(sample: Sample, conf: float | None, rule: Rule | None = None) -> Balance | None:
    """The threshold of one class, and how well the total comes out at others' thresholds.

    Args:
        sample: of the class, with boxes of scores below the threshold too.
        conf: threshold at which the sample was counted; None: the one that is chosen.
        rule: by which a threshold is chosen; by default `balancing_threshold`.

    Returns:
        None where there are no true objects or no boxes: nothing can be chosen.
    """
    if not len(sample.true_found) or not len(sample.score):
        return None
    choose = balancing_threshold if rule is None else rule
    places = sample.places
    folds = np.random.default_rng(SEED).permutation(len(places)) % FOLDS
    chosen: list[float] = []
    held_out = held_out_true = 0
    for fold in np.unique(folds).tolist():
        rest = sample.of_places(places[folds != fold])
        if not len(rest.true_found):
            continue
        chosen.append(choose(rest))
        mine = sample.of_places(places[folds == fold])
        held_out += int(counted_from(mine.score, np.array([chosen[-1]]))[0])
        held_out_true += len(mine.true_found)
    threshold = choose(sample)
    at = threshold if conf is None else conf
    return Balance(
        conf=threshold,
        true=len(sample.true_found),
        counted=int(counted_from(sample.score, np.array([at]))[0]),
        held_out=held_out,
        held_out_true=held_out_true,
        folds=(min(chosen, default=threshold), max(chosen, default=threshold)),
        places=sample.n_places,
    )


def balancing_threshold(sample: Sample) -> float:
    """The threshold whose count is nearest to the number of true objects; of several the middle."""
    off = np.abs(counted_from(sample.score, THRESHOLDS) - len(sample.true_found))
    nearest = np.flatnonzero(off == off.min())
    return float(THRESHOLDS[nearest[len(nearest) // 2]])


def sharpest_threshold(sample: Sample) -> float:
    """The threshold of the best F1: the middle of those within `F1_SLACK` of it.

    The curve is flat at its top, and which of its thresholds is the very best is luck.
    """
    counted, hits = (
        counted_from(score, THRESHOLDS) for score in (sample.score, sample.score[sample.real])
    )
    f1 = 2 * hits / (counted + len(sample.true_found))
    near = np.flatnonzero(f1 >= f1.max() - F1_SLACK)
    return float(THRESHOLDS[near[len(near) // 2]])


def counted_from(score: NDArray[np.float64], thresholds: NDArray[np.float64]) -> NDArray[np.int64]:
    """Boxes `(K,)` from each threshold on, in single precision as the detector compares them."""
    ordered = np.sort(score.astype(np.float32))
    below = np.searchsorted(ordered, thresholds.astype(np.float32), side="left")
    return np.asarray(len(ordered) - below, np.int64)


def next_thresholds(
    conf: Mapping[str, float], balances: Mapping[str, Balance | None]
) -> dict[str, float]:
    """The thresholds of all classes; one of which nothing can be chosen keeps its own."""
    return {
        name: value if (found := balances[name]) is None else found.conf
        for name, value in conf.items()
    }
