"""How much wider the model's intervals must be, measured on places left out of the fit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detector.counting.intervals import LEVEL, CountEstimate

LARGE_COUNT: Final = 10  # from so many boxes on counts are widened apart, truths are reported apart
LEAST_HALF_WIDTH: Final = 0.5  # a side of the model's interval is taken to be this wide at least


@dataclass(frozen=True, slots=True)
class Widening:
    """Factors by which the sides of the model's interval are stretched away from the estimate.

    Split-conformal with the model's interval as scale (Papadopoulos et al., ECML 2002; folds as in
    the cross-conformal method, Vovk, Annals of Mathematics and AI 2015): the factor is the quantile
    of the misfits of places left out of the fit. Where `m` places are exchangeable with a new one,
    it holds the truth with 90 %, and with m / (m + 1) where m is less than nine.

    Attributes:
        few: below `LARGE_COUNT` boxes.
        many: from it on.
        many_places: images left out of the fit on which `many` rests.
        largest: most boxes among them; beyond it intervals grow by the root of the ratio more.
    """

    few: float = 1.0
    many: float = 1.0
    many_places: int = 0
    largest: int = LARGE_COUNT

    def apply(self, said: CountEstimate, boxes: int) -> CountEstimate:
        """The wider interval of a count.

        Args:
            said: by the model.
            boxes: it is of so many.
        """
        factor = self.few
        if boxes >= LARGE_COUNT:
            factor = self.many * math.sqrt(max(1.0, boxes / self.largest))
        low = math.floor(said.estimate - factor * (said.estimate - said.low))
        high = math.ceil(said.estimate + factor * (said.high - said.estimate))
        return CountEstimate(said.estimate, max(0, low), high)


def misfit(said: CountEstimate, true: int) -> float:
    """The factor by which an interval must be stretched to hold the truth."""
    if true > said.estimate:
        return (true - said.estimate) / max(said.high - said.estimate, LEAST_HALF_WIDTH)
    return (said.estimate - true) / max(said.estimate - said.low, LEAST_HALF_WIDTH)


def fit_widening(misfits: NDArray[np.float64], boxes: NDArray[np.int64]) -> Widening:
    """The factors of some images; never less than one, and large counts' never less than others'.

    Args:
        misfits: `(N,)` of images left out of the fit.
        boxes: `(N,)` found in each.
    """
    large = boxes >= LARGE_COUNT
    few = _quantile(misfits[~large])
    return Widening(
        few=round(few, 4),
        many=round(max(few, _quantile(misfits[large])), 4),
        many_places=int(large.sum()),
        largest=int(boxes.max(initial=LARGE_COUNT)),
    )


def _quantile(values: NDArray[np.float64]) -> float:
    """The `ceil((m + 1) 0.9)`-th smallest, the greatest where m is too few; at least 1."""
    if not len(values):
        return 1.0
    share = min(1.0, (len(values) + 1) * LEVEL / len(values))
    return max(1.0, float(np.quantile(values, share, method="inverted_cdf")))
