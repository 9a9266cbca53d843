"""From the boxes of blocks to what stands there: some are false, some join blocks, some are missed.

A box is real or not, by its score and size; a real one holds one true block or several, and has
more or less area than they; beside what was found there are blocks that were not. How often, and
how differently in different places, is fitted on places that the network never saw
(`calibrating.blocks`) and stands in the card. All numbers of a zone, blocks, area, containers and
TEU, come from the same draws.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from detector.errors import QuaywatchError

CARD_KEY: Final = "blocks"  # under `calibration` of a card
MIN_PLACES: Final = 9  # so many are needed to promise 90 %: m places promise m / (m + 1) at most
BLOCK_DRAWS: Final = 2000
CENTRE_SCORE: Final = 0.6
CENTRE_M2: Final = 500.0
MOST_LOG_AREA: Final = 2.5  # sizes beyond are taken as these
LEAST_SCORE: Final = 1e-3
PRIOR_BLOCKS: Final = 0.25  # found besides; where nothing is found, something may yet be missed
MOST_EFFECT_SD: Final = 4.0  # a place is never odder than this
LEAST_RECALL: Final = 0.05
MOST_JOINED: Final = 1.0  # log odds: a box seldom holds more than three or four blocks
MOST_SUMMED: Final = 200  # missed blocks of a draw whose sizes are drawn; beyond, their sum is
USUAL_WEIGHT: Final = 2.0  # blocks that the usual size counts as, beside those of the place
PLACE_SEED: Final = 20_260_921

Floats = NDArray[np.float64]


class BlockModelError(QuaywatchError):
    """A card with another model of blocks."""


@dataclass(frozen=True, slots=True)
class BlockModel:
    """What is known of the boxes of blocks of one set of weights.

    Attributes:
        real: log odds that a box is real at `CENTRE_SCORE` and `CENTRE_M2`; more of them by log
            odds of score, and by log area.
        real_sd: of the log odds between places.
        joined: log odds that a box that holds some true blocks holds one more, at `CENTRE_M2`; more
            of them by log area.
        log_ratio: evenly spaced quantiles of log (true area / area of the box), real boxes.
        ratio_sd: of its mean between places.
        recall: log odds that a true block is in some box, where boxes score `CENTRE_SCORE`; more of
            them by the mean log odds of the scores there: what is sharp is missed less.
        recall_sd: of them between places.
        clean: share of places at which nothing is joined and nothing missed.
        log_missed: evenly spaced quantiles of log (area of a missed block / mean area of the found
            ones of its place).
        usual_m2: mean area of found blocks, all places.
        n_places: with true blocks.
        n_area_places: of them with a known gsd.
        n_blocks: true ones.
        n_boxes: boxes.
        rates: precision and recall of number and of area, for the reader, see
            `calibrating.blocks.rates`; nothing is computed from it.
        coverage: how often intervals held at places left out of the fit, for the reader.
        fitted_on: the images, in words.
    """

    real: tuple[float, float, float]
    real_sd: float
    joined: tuple[float, float]
    log_ratio: Sequence[float]
    ratio_sd: float
    recall: tuple[float, float]
    recall_sd: float
    clean: float
    log_missed: Sequence[float]
    usual_m2: float
    n_places: int
    n_area_places: int
    n_blocks: int
    n_boxes: int
    rates: Mapping[str, Any] = field(default_factory=dict)
    coverage: Sequence[Mapping[str, Any]] = ()
    fitted_on: str = ""

    @property
    def claims_number(self) -> bool:
        """Whether there are places enough for an interval of the number of blocks."""
        return self.n_places >= MIN_PLACES

    @property
    def claims_area(self) -> bool:
        """Whether there are places of known gsd enough for intervals of area and TEU."""
        return self.n_area_places >= MIN_PLACES

    def to_card(self) -> dict[str, Any]:
        """As plain values for a model card."""
        plain = {name: getattr(self, name) for name in self.__slots__}
        for name in ("real", "joined", "recall", "log_ratio", "log_missed"):
            plain[name] = [float(value) for value in plain[name]]
        plain["rates"] = dict(self.rates)
        plain["coverage"] = [dict(row) for row in self.coverage]
        return plain

    @classmethod
    def from_card(cls, calibration: Mapping[str, Any]) -> BlockModel | None:
        """Read from `calibration` of a card; None where it holds no model of blocks.

        Raises:
            BlockModelError: keys are missing or values are of another kind.
        """
        values = calibration.get(CARD_KEY)
        if not values:
            return None
        try:
            centre, by_score, by_area = (float(value) for value in values["real"])
            joined, more = (float(value) for value in values["joined"])
            recall, sharp = (float(value) for value in values["recall"])
            return cls(
                real=(centre, by_score, by_area),
                joined=(joined, more),
                recall=(recall, sharp),
                log_ratio=[float(value) for value in values["log_ratio"]],
                log_missed=[float(value) for value in values["log_missed"]],
                real_sd=float(values["real_sd"]),
                ratio_sd=float(values["ratio_sd"]),
                recall_sd=float(values["recall_sd"]),
                clean=float(values["clean"]),
                usual_m2=float(values["usual_m2"]),
                n_places=int(values["n_places"]),
                n_area_places=int(values["n_area_places"]),
                n_blocks=int(values["n_blocks"]),
                n_boxes=int(values["n_boxes"]),
                rates=dict(values.get("rates", {})),
                coverage=tuple(values.get("coverage", ())),
                fitted_on=str(values.get("fitted_on", "")),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BlockModelError(
                f"the card's calibration of container stacks cannot be read ({error}); run "
                "'detector card' again"
            ) from error


@dataclass(frozen=True, slots=True)
class BlockDraws:
    """What stands where boxes of one zone were found, `D` draws.

    Attributes:
        held: `(D, N)` true blocks in each box; 0 is a false one.
        worth: `(D, N)` true area over the area of each box; 0 where it is false.
        missed: `(D,)` true blocks in no box.
        missed_m2: `(D,)` their area.
    """

    held: Floats
    worth: Floats
    missed: Floats
    missed_m2: Floats

    @property
    def number(self) -> Floats:
        """True blocks `(D,)` of the zone."""
        return np.asarray(self.held.sum(axis=1) + self.missed)

    def area_m2(self, area_m2: Floats) -> Floats:
        """Their area `(D,)`, given that of the boxes, `(N,)`."""
        return np.asarray(self.worth @ area_m2 + self.missed_m2)


def seed_of(*names: str) -> int:
    """The seed of a zone's draws: from its name, so that every table draws the same."""
    return crc32("/".join(names).encode())


def draw_blocks(
    model: BlockModel, score: Floats, area_m2: Floats, seed: int, draws: int = BLOCK_DRAWS
) -> BlockDraws:
    """Draw what stands in a zone.

    How odd the place is, is drawn from one sequence for all zones, scenes and dates: the zones of a
    place vary together. A place's effect has a t distribution, `sqrt(1 + 1 / places)` wide, as
    befits a new place whose kind is known from few. Given G true blocks in boxes and the recall r
    of the place, those missed are `NB(G + PRIOR_BLOCKS, r)`: of numbers of blocks all orders of
    magnitude are as likely beforehand.

    Args:
        model: of the weights.
        score: `(N,)` of the boxes.
        area_m2: `(N,)`, NaN where the gsd is unknown.
        seed: of the zone.
        draws: how many.
    """
    from scipy.special import expit  # noqa: PLC0415 - slow to load

    odd, clean = _place_effects(model.n_places, model.n_area_places, model.clean, draws)
    generator = np.random.Generator(np.random.Philox(seed))
    log_area = log_area_of(area_m2)
    shape = (draws, len(score))
    odds = real_odds(model.real, score, log_area) + model.real_sd * odd[0][:, None]
    real = generator.random(shape) < expit(odds)
    more = np.minimum(model.joined[0] + model.joined[1] * log_area, MOST_JOINED)
    together = generator.geometric(np.broadcast_to(expit(-more), shape))
    held = real * np.where(clean[:, None], 1, together)
    ratio = _at_quantiles(model.log_ratio, generator.random(shape))
    worth = real * np.exp(ratio + model.ratio_sd * odd[1][:, None])
    usual = model.recall[0] + model.recall[1] * sharpness(score)
    recall = np.maximum(expit(usual + model.recall_sd * odd[2]), LEAST_RECALL)
    missed = generator.negative_binomial(held.sum(axis=1) + PRIOR_BLOCKS, recall)
    missed = np.where(clean, 0, missed)
    size = _reference_m2(model, area_m2)
    missed_m2 = size * _summed_sizes(model, missed, generator)
    return BlockDraws(
        held.astype(np.float64), np.asarray(worth), missed.astype(np.float64), missed_m2
    )


def real_odds(real: Sequence[float], score: Floats, log_area: Floats) -> Floats:
    """Log odds `(N,)` that boxes are real, at a usual place."""
    return np.asarray(real[0] + real[1] * _score_odds(score) + real[2] * log_area)


def sharpness(score: Floats) -> float:
    """Mean log odds of the scores of a place over `CENTRE_SCORE`, drawn to 0 where few are there.

    Args:
        score: `(N,)` of its boxes.
    """
    return float(_score_odds(score).sum() / (len(score) + USUAL_WEIGHT))


def _score_odds(score: Floats) -> Floats:
    from scipy.special import logit  # noqa: PLC0415 - slow to load

    told = logit(np.clip(score, LEAST_SCORE, 1 - LEAST_SCORE)) - logit(CENTRE_SCORE)
    return np.asarray(told)


def log_area_of(area_m2: Floats) -> Floats:
    """Log of areas over `CENTRE_M2`, limited; 0 where unknown."""
    known = np.where(np.isfinite(area_m2) & (area_m2 > 0), area_m2, CENTRE_M2)
    return np.asarray(np.clip(np.log(known / CENTRE_M2), -MOST_LOG_AREA, MOST_LOG_AREA))


@lru_cache(maxsize=8)  # the same for all zones of a run, and of thousands it would be most work
def _place_effects(
    n_places: int, n_area_places: int, clean: float, draws: int
) -> tuple[Floats, NDArray[np.bool_]]:
    """How odd the place is, `(3, draws)`, standard deviations of real, ratio and recall.

    And whether it is a clean one, `(draws,)`. Neither may be changed.
    """
    generator = np.random.Generator(np.random.Philox(PLACE_SEED))
    places = np.array([n_places, n_area_places, n_places], float)
    freedom = np.maximum(places - 1.0, 2.0)[:, None]
    drawn = generator.standard_t(np.broadcast_to(freedom, (3, draws)))
    drawn = drawn * np.sqrt(1.0 + 1.0 / np.maximum(places, 1.0))[:, None]
    limited = np.asarray(np.clip(drawn, -MOST_EFFECT_SD, MOST_EFFECT_SD))
    is_clean = np.asarray(generator.random(draws) < clean)
    limited.flags.writeable = is_clean.flags.writeable = False
    return limited, is_clean


def _at_quantiles(values: Sequence[float], u: Floats) -> Floats:
    return np.asarray(np.interp(u, np.linspace(0.0, 1.0, len(values)), values))


def _reference_m2(model: BlockModel, area_m2: Floats) -> float:
    """Mean size of a found block here, drawn to the usual one where few are found."""
    known = area_m2[np.isfinite(area_m2) & (area_m2 > 0)]
    if not len(known):
        return model.usual_m2
    weight = len(known) / (len(known) + USUAL_WEIGHT)
    own = weight * np.log(known.mean()) + (1.0 - weight) * np.log(model.usual_m2)
    return float(np.exp(own))


def _summed_sizes(
    model: BlockModel, missed: NDArray[np.int64], generator: np.random.Generator
) -> Floats:
    """Sums of so many sizes `(draws,)`, over the reference."""
    few = int(min(missed.max(initial=0), MOST_SUMMED))
    u = generator.random((len(missed), few))
    wanted = np.arange(few) < missed[:, None]  # mostly few of them: the rest is never summed
    sizes = np.zeros(u.shape)
    sizes[wanted] = np.exp(_at_quantiles(model.log_missed, u[wanted]))
    summed = np.cumsum(np.column_stack([np.zeros(len(missed)), sizes]), axis=1)
    total = summed[np.arange(len(missed)), np.minimum(missed, few)]
    return np.asarray(total * missed / np.maximum(np.minimum(missed, few), 1))
