"""From boxes to draws of how many objects there are: what is real, and what was missed beside it.

A detector thins the objects of a place and adds clutter. Read backwards, from the boxes:

- box i is real with log odds `a · x_i + sd_u[water] u`: `x_i` are its covariates (`COVARIATES`)
  and u ~ N(0, 1) is how lucky this place is;
- beside every real box M_i objects were missed, M_i ~ Geometric(r_i), with recall r_i of log odds
  `b · x_i + sd_v[water] v`. Summed over R real boxes of one recall that is the negative binomial
  NB(R, r): the number that was missed under a prior of 1 / N for the number of objects (Raftery,
  Biometrika 1988, whose recall is beta instead of logistic-normal);
- far from all real boxes B objects were missed, B ~ NB(shape a million pixels as read, recall).

The count of any set of boxes is the sum of what its boxes drew, so zones, length classes, classes
and dates add up draw by draw. The k-th draw has the same u, v and parameters in every scene: looks
of one place vary together, as they do, and sums over other places are too wide rather than too
narrow. The noise of a box follows from its name (scene and row), so it is the same in every set.
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detector.counting.crowding import FAR_WIDTHS, WATERS, Crowding

DRAWS: Final = 500
SEED: Final = 21
COVARIATES: Final = ("one", "score", "length", "crowding", "berth", "marina", "gsd")
LENGTH_UNIT_PX: Final = 64.0  # of the logarithm of lengths as read
GSD_UNIT_M: Final = 0.5  # of the logarithm of the gsd
SCORE_LIMIT: Final = 1e-3  # scores are kept so far from 0 and 1
LEAST_RECALL: Final = 0.02  # of a draw: 49 missed beside every box
ROWS_AT_ONCE: Final = 4096  # boxes; bounds the memory


@dataclass(frozen=True, slots=True)
class BoxFacts:
    """What the model asks of `N` boxes of one class.

    Attributes:
        score: `(N,)`.
        length_px: `(N,)` at the scale that is read, see `read_length_px`.
        crowding: among all boxes of the class that are counted in their scene.
        gsd_m: `(N,)` of the scene, NaN where unknown.
    """

    score: NDArray[np.float64]
    length_px: NDArray[np.float64]
    crowding: Crowding
    gsd_m: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.score)

    def covariates(self, conf: float) -> NDArray[np.float64]:
        """What the rates depend on, `(N, len(COVARIATES))`.

        Log odds of the score above those of the threshold, logarithms of length and gsd (0 where
        unknown), nearness of the neighbour in [0, 1], kind of water.
        """
        from scipy.special import logit  # noqa: PLC0415 - slow to load

        odds = logit(np.clip(self.score, SCORE_LIMIT, 1 - SCORE_LIMIT))
        water = self.crowding.water
        gsd = np.where(np.isnan(self.gsd_m), GSD_UNIT_M, self.gsd_m)
        return np.stack(
            [
                np.ones(len(self)),
                odds - logit(np.clip(conf, SCORE_LIMIT, 1 - SCORE_LIMIT)),
                np.log(np.maximum(self.length_px, 1.0) / LENGTH_UNIT_PX),
                1 - self.crowding.gap_widths / FAR_WIDTHS,
                water == WATERS.index("berth"),
                water == WATERS.index("marina"),
                np.log(gsd / GSD_UNIT_M),
            ],
            axis=1,
        ).astype(np.float64)

    def take(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> BoxFacts:
        """Some of the boxes."""
        crowding = Crowding(self.crowding.gap_widths[chosen], self.crowding.raft[chosen])
        return BoxFacts(self.score[chosen], self.length_px[chosen], crowding, self.gsd_m[chosen])


@dataclass(frozen=True, slots=True)
class RateModel:
    """Log odds by covariates, with a spread between places of each kind of water.

    Attributes:
        coefficients: in the order of `COVARIATES`.
        log_sd: logarithm of the spread, in the order of `WATERS`.
        covariance: of all these numbers together, row by row: how well they are known.
    """

    coefficients: Sequence[float]
    log_sd: Sequence[float]
    covariance: Sequence[Sequence[float]]

    def shifted(self, log_odds: float) -> RateModel:
        """The same with all log odds higher by so much."""
        first, *others = self.coefficients
        return replace(self, coefficients=[first + log_odds, *others])

    def draw(
        self, covariates: NDArray[np.float64], water: NDArray[np.int64], stream: int
    ) -> NDArray[np.float64]:
        """Probabilities `(N, DRAWS)`: parameters vary as they are known, places as they differ.

        Args:
            covariates: `(N, len(COVARIATES))`.
            water: `(N,)` positions in `WATERS`.
            stream: which fixed sequence of places and parameters.
        """
        from scipy.special import expit  # noqa: PLC0415 - slow to load

        generator = np.random.default_rng([SEED, stream])
        place = generator.standard_normal(DRAWS)
        root = np.linalg.cholesky(np.array(self.covariance))
        values = np.array([*self.coefficients, *self.log_sd])
        drawn = values + generator.standard_normal((DRAWS, len(values))) @ root.T
        spread = np.exp(drawn[:, len(COVARIATES) :]) * place[:, None]
        return np.asarray(expit(covariates @ drawn[:, : len(COVARIATES)].T + spread.T[water]))


@dataclass(frozen=True, slots=True)
class LoneModel:
    """Objects that were missed far from all real boxes.

    Attributes:
        shape_a_mpx: of the negative binomial, for a million pixels as read.
        recall: its probability: the mean is `shape (1 - recall) / recall`.
        length_px: lengths as read of objects that were missed, ascending; each as likely.
    """

    shape_a_mpx: float
    recall: float
    length_px: Sequence[float]


@dataclass(frozen=True, slots=True)
class CountModel:
    """How counts of a class come about.

    Attributes:
        conf: score from which boxes were counted.
        real: of boxes.
        found: of the objects beside real boxes.
        lone: objects far from them.
    """

    conf: float
    real: RateModel
    found: RateModel
    lone: LoneModel

    def to_card(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)

    @classmethod
    def from_card(cls, values: Mapping[str, Any]) -> CountModel:
        """Read what `to_card` wrote.

        Raises:
            KeyError: values are missing.
            TypeError: they are of another kind.
            ValueError: they are no numbers, not as many as the model has, or no covariance.
        """
        lone = values["lone"]
        return cls(
            float(values["conf"]),
            _rate_of(values["real"]),
            _rate_of(values["found"]),
            LoneModel(
                float(lone["shape_a_mpx"]),
                float(lone["recall"]),
                [float(value) for value in lone["length_px"]],
            ),
        )


def draw_numbers(model: CountModel, facts: BoxFacts, names: Sequence[str]) -> NDArray[np.int16]:
    """How many objects every box stands for in every draw: `(N, DRAWS)`, 0 where it is not real.

    Args:
        model: of the class.
        facts: of N boxes of it.
        names: `(N,)` unique of each box, such as `<scene_id>#<row>`: its noise follows from it.
    """
    covariates, water = facts.covariates(model.conf), facts.crowding.water
    keys = np.array([_key(name) for name in names], np.uint64)
    numbers = np.zeros((len(facts), DRAWS), np.int16)
    for start in range(0, len(facts), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        real = model.real.draw(covariates[rows], water[rows], 0)
        recall = np.maximum(model.found.draw(covariates[rows], water[rows], 1), LEAST_RECALL)
        # the inverse of the geometric distribution; 1 - recall may round to 0
        miss = np.log(np.maximum(1 - recall, np.finfo(float).tiny))
        missed = np.floor(np.log(_uniform(keys[rows], 1)) / miss)
        numbers[rows] = np.where(_uniform(keys[rows], 0) < real, 1 + missed, 0)
    return numbers


@dataclass(frozen=True, slots=True)
class LoneObjects:
    """Objects missed far from all boxes: `P` of them, over all draws.

    Attributes:
        draw: `(P,)` in which draw.
        place: `(P, 2)` in [0, 1): where in the ground, of its width and height.
        length_px: `(P,)` as read.
    """

    draw: NDArray[np.int64]
    place: NDArray[np.float64]
    length_px: NDArray[np.float64]

    def count(self, chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
        """`(DRAWS,)` how many of the chosen there are in each draw."""
        return np.bincount(self.draw[chosen], minlength=DRAWS)


def draw_lone(lone: LoneModel, mpx: float, name: str) -> LoneObjects:
    """Objects that were missed far from all boxes.

    Args:
        lone: of the class.
        mpx: ground that was seen, in millions of pixels as read.
        name: of the ground, from which the noise follows.
    """
    generator = np.random.default_rng([SEED, _key(name)])
    number = np.zeros(DRAWS, np.int64)
    if mpx > 0 and lone.length_px:
        number = generator.negative_binomial(lone.shape_a_mpx * mpx, lone.recall, DRAWS)
    total = int(number.sum())
    place = generator.random((total, 2))
    length = np.asarray(generator.choice(np.array(lone.length_px or [0.0]), total))
    return LoneObjects(np.repeat(np.arange(DRAWS), number), place, length)


def pack_draws(numbers: NDArray[np.int64]) -> str:
    """Draws as text: base64 of zlib of little-endian int32."""
    plain = np.asarray(numbers, "<i4").tobytes()
    return base64.b64encode(zlib.compress(plain, 9)).decode("ascii")


def unpack_draws(text: str) -> NDArray[np.int64]:
    """Read what `pack_draws` wrote: `(DRAWS,)`.

    Raises:
        ValueError: the text holds no draws.
    """
    size = DRAWS * np.dtype("<i4").itemsize
    try:
        # no more than draws can be: a few bytes may stand for gigabytes
        plain = zlib.decompressobj().decompress(base64.b64decode(text, validate=True), size + 1)
    except (zlib.error, TypeError) as error:
        raise ValueError(f"these are no draws ({error})") from error
    if len(plain) != size:
        raise ValueError(f"these are no {DRAWS} draws")
    return np.frombuffer(plain, "<i4").astype(np.int64)


def _rate_of(values: Mapping[str, Any]) -> RateModel:
    found = RateModel(
        [float(value) for value in values["coefficients"]],
        [float(value) for value in values["log_sd"]],
        [[float(value) for value in row] for row in values["covariance"]],
    )
    many = len(COVARIATES) + len(WATERS)
    shapes = len(found.coefficients), len(found.log_sd), np.shape(found.covariance)
    if shapes != (len(COVARIATES), len(WATERS), (many, many)):
        raise ValueError(f"a rate has {len(COVARIATES)} coefficients and {len(WATERS)} spreads")
    np.linalg.cholesky(np.array(found.covariance))  # raises where it is none
    return found


def _key(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode("utf-8", "replace"), digest_size=8).digest())


def _uniform(keys: NDArray[np.uint64], stream: int) -> NDArray[np.float64]:
    """Numbers in (0, 1) `(N, DRAWS)` that follow from the keys.

    Splitmix64 (Steele et al., OOPSLA 2014) needs no state, so a box has its noise in any company.
    """
    step = np.uint64(0x9E3779B97F4A7C15)
    turn = np.arange(1 + stream * DRAWS, 1 + (stream + 1) * DRAWS, dtype=np.uint64) * step
    z = keys[:, None] + turn
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return np.asarray(((z >> np.uint64(11)).astype(np.float64) + 0.5) / 2.0**53)
