"""Calibration of scores and counts on places that the network never saw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.special import betaln, gammaln
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from detector.classes import CLASS_NAMES, SHIP_LENGTH_CLASSES, ObjectClass, length_classes
from detector.counting.intervals import LEVEL, CountEstimate, CountModel, estimate_count
from detector.errors import QuaywatchError

MIN_PLACES: Final = 20  # with objects, to say how places differ
MIN_BOXES_ISOTONIC: Final = 300  # below it Platt's two numbers are safer than steps
MIN_OBJECTS_LENGTH: Final = 30  # of a length class, to state its recall
CONCENTRATION_LIMITS: Final = (0.5, 1000.0)  # of the beta distributions: from "anything" to "alike"
KNOTS: Final = 41  # scores at which the curve is stored
LEAST_PROBABILITY: Final = 0.01
LARGE_COUNT: Final = 10  # coverage is measured apart below and from it on


class CalibrationError(QuaywatchError):
    """Matches from which nothing can be calibrated, or a card with another calibration."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Matched boxes and true objects of one class on places with truth.

    Attributes:
        score: `(D,)` of the boxes that are counted; neither-right-nor-wrong ones left out.
        real: `(D,)` whether each is a true object.
        image: `(D,)` position of its image.
        true_image: `(T,)` image of each true object.
        true_found: `(T,)` whether it was found.
        true_length_m: `(T,)` NaN where the gsd is unknown.
        place: `(I,)` position of the place of each image, those without objects too.
        area_km2: `(I,)` NaN where the gsd is unknown.
    """

    score: NDArray[np.float64]
    real: NDArray[np.bool_]
    image: NDArray[np.int64]
    true_image: NDArray[np.int64]
    true_found: NDArray[np.bool_]
    true_length_m: NDArray[np.float64]
    place: NDArray[np.int64]
    area_km2: NDArray[np.float64]

    @property
    def n_places(self) -> int:
        """Places that hold true objects."""
        return len(np.unique(self.place[self.true_image]))

    def of_places(self, chosen: NDArray[np.int64]) -> Sample:
        """The same of some places only; positions of images and places stay."""
        inside = np.isin(self.place, chosen)
        box, true = inside[self.image], inside[self.true_image]
        return Sample(
            self.score[box],
            self.real[box],
            self.image[box],
            self.true_image[true],
            self.true_found[true],
            self.true_length_m[true],
            self.place,
            np.where(inside, self.area_km2, np.nan),
        )


@dataclass(frozen=True, slots=True)
class ClassCalibration:
    """The calibration of one class.

    Attributes:
        score: `K` ascending scores.
        probability: `K` probabilities of being real; linear between.
        model: of counts.
        method: `isotonic` or `platt`.
        recall_by_length: recall of ships of a length class, where enough are known.
        false_per_km2: false alarms on ground of known gsd, water and land together; None: unknown.
        n_places: with true objects.
        n_objects: true objects.
        n_boxes: boxes.
    """

    score: Sequence[float]
    probability: Sequence[float]
    model: CountModel
    method: str
    recall_by_length: Mapping[str, float]
    false_per_km2: float | None
    n_places: int
    n_objects: int
    n_boxes: int

    @property
    def claims(self) -> bool:
        """Whether there are enough places for intervals that may be published."""
        return self.n_places >= MIN_PLACES


@dataclass(frozen=True, slots=True)
class Calibration:
    """What scores and counts of a set of weights mean.

    Attributes:
        classes: by class name; a class that could not be calibrated is missing.
        fitted_on: the images, in words.
        coverage: measured coverage of the intervals, plain values, see `coverage.held_out_rows`.
    """

    classes: Mapping[str, ClassCalibration] = field(default_factory=dict)
    fitted_on: str = ""
    coverage: Sequence[Mapping[str, Any]] = ()

    def probability(
        self, class_ids: NDArray[np.int64], scores: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Probability `(N,)` that each box is real; the score itself where not calibrated."""
        result = np.asarray(scores, np.float64).copy()
        for class_id, name in enumerate(CLASS_NAMES):
            known = self.classes.get(name)
            if known is not None:
                mine = class_ids == class_id
                result[mine] = np.interp(result[mine], known.score, known.probability)
        return result

    def recall(self, class_id: int, length_class: str = "") -> float | None:
        """Mean recall of a class, of a length class where known; None where not calibrated."""
        known = self.classes.get(CLASS_NAMES[class_id])
        if known is None:
            return None
        return known.recall_by_length.get(length_class, known.model.recall)

    def estimate(self, class_id: int, probability: NDArray[np.float64]) -> CountEstimate | None:
        """The count with its 90 % interval.

        None where there were too few places to say, and for counts from `LARGE_COUNT` on where the
        intervals of such counts were measured and did not hold the truth as often as they should.
        """
        known = self.classes.get(CLASS_NAMES[class_id])
        if known is None or not known.claims:
            return None
        if len(probability) >= LARGE_COUNT and self._large_counts_fail(CLASS_NAMES[class_id]):
            return None
        return estimate_count(probability, known.model)

    def _large_counts_fail(self, class_name: str) -> bool:
        """Whether even the upper end of the measured coverage of large counts is too low."""
        return any(
            row["coverage_interval"][1] < LEVEL
            for row in self.coverage
            if row["class"] == class_name and row["truth"].startswith(">") and row["held_out"]
            if row["claim"]
        )

    def to_card(self) -> dict[str, Any]:
        """As plain values for a model card."""
        return {
            "fitted_on": self.fitted_on,
            "classes": {name: _class_to_card(value) for name, value in self.classes.items()},
            "coverage": [dict(row) for row in self.coverage],
        }

    @classmethod
    def from_card(cls, values: Mapping[str, Any]) -> Calibration:
        """Read what `to_card` wrote; an empty mapping is a card without calibration.

        Raises:
            CalibrationError: keys are missing or values are of another kind.
        """
        try:
            return cls(
                classes={
                    str(name): _class_from_card(value)
                    for name, value in values.get("classes", {}).items()
                },
                fitted_on=str(values.get("fitted_on", "")),
                coverage=tuple(values.get("coverage", ())),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise CalibrationError(
                f"the card's calibration cannot be read ({error}); run 'detector calibrate' again"
            ) from error


def fit_class(sample: Sample, class_id: int) -> ClassCalibration:
    """Fit one class.

    Every place counts once in the beta distributions, however many images show it.

    Args:
        sample: of places that the network did not train on.
        class_id: value of `ObjectClass`.

    Raises:
        CalibrationError: no true object or no box, or no box is real.
    """
    name = CLASS_NAMES[class_id]
    if not len(sample.true_found) or not sample.real.any():
        raise CalibrationError(
            f"{name}: {len(sample.true_found)} true objects and {int(sample.real.sum())} real "
            "boxes; calibration needs some of both"
        )
    score, probability, method = _score_curve(sample)
    expected = np.interp(sample.score, score, probability)
    recall_a, recall_b = _fit_recall(sample)
    model = CountModel(_fit_precision(sample, expected), recall_a, recall_b)
    known = ~np.isnan(sample.area_km2)
    false = int((~sample.real & known[sample.image]).sum())
    area = float(sample.area_km2[known].sum())
    return ClassCalibration(
        score=[round(float(value), 4) for value in score],
        probability=[round(float(value), 4) for value in probability],
        model=model,
        method=method,
        recall_by_length=_recall_by_length(sample) if class_id == ObjectClass.SHIP else {},
        false_per_km2=round(false / area, 3) if area > 0 else None,
        n_places=sample.n_places,
        n_objects=len(sample.true_found),
        n_boxes=len(sample.score),
    )


def _score_curve(sample: Sample) -> tuple[NDArray[np.float64], NDArray[np.float64], str]:
    """Scores and probabilities: isotonic where boxes are many, else Platt's sigmoid."""
    score, real = sample.score, sample.real
    grid = np.linspace(float(score.min()), float(score.max()), KNOTS)
    if real.all():
        return grid, np.full(KNOTS, (real.sum() + 1) / (real.sum() + 2)), "platt"
    if len(score) >= MIN_BOXES_ISOTONIC:
        curve = IsotonicRegression(
            y_min=LEAST_PROBABILITY, y_max=1 - LEAST_PROBABILITY, out_of_bounds="clip"
        ).fit(score, real)
        return grid, np.asarray(curve.predict(grid), np.float64), "isotonic"
    sigmoid = LogisticRegression(C=10.0).fit(_logit(score), real)
    return grid, np.asarray(sigmoid.predict_proba(_logit(grid))[:, 1], np.float64), "platt"


def _logit(score: NDArray[np.float64]) -> NDArray[np.float64]:
    p = np.clip(score, 1e-4, 1 - 1e-4)
    return np.asarray(np.log(p / (1 - p)))[:, None]


def _fit_recall(sample: Sample) -> tuple[float, float]:
    """The beta distribution of recall between places, by maximum likelihood (beta-binomial)."""
    hits, objects = _by_place(sample.true_found, sample.place[sample.true_image])

    def loss(values: NDArray[np.float64]) -> float:
        mean, weight = 1 / (1 + np.exp(-values[0])), np.exp(values[1])
        return -_beta_binomial(hits, objects, np.full(len(hits), mean), weight)

    mean = (hits.sum() + 0.5) / (objects.sum() + 1)
    bounds = [(-6, 6), tuple(np.log(CONCENTRATION_LIMITS))]
    found = minimize(loss, [np.log(mean / (1 - mean)), np.log(5)], bounds=bounds)
    mean, weight = 1 / (1 + np.exp(-found.x[0])), float(np.exp(found.x[1]))
    return round(float(mean * weight), 4), round(float((1 - mean) * weight), 4)


def _fit_precision(sample: Sample, expected: NDArray[np.float64]) -> float:
    """Concentration of precision around the mean of the boxes' probabilities, between places."""
    place = sample.place[sample.image]
    real, boxes = _by_place(sample.real, place)
    sums, _ = _by_place(expected, place)
    mean = np.clip(sums / boxes, 1e-3, 1 - 1e-3)
    found = minimize_scalar(
        lambda value: -_beta_binomial(real, boxes, mean, np.exp(value)),
        bounds=tuple(np.log(CONCENTRATION_LIMITS)),
        method="bounded",
    )
    return round(float(np.exp(found.x)), 4)


def _by_place(
    values: NDArray[Any], place: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sums and numbers of the values of each place."""
    _, position = np.unique(place, return_inverse=True)
    sums = np.bincount(position, weights=values.astype(float)).astype(np.float64)
    return sums, np.bincount(position).astype(np.float64)


def _beta_binomial(
    hits: NDArray[np.float64], trials: NDArray[np.float64], mean: NDArray[np.float64], weight: float
) -> float:
    """Log likelihood of hits in trials whose rate is Beta(mean, concentration) in every place."""
    a, b = mean * weight, (1 - mean) * weight
    choose = gammaln(trials + 1) - gammaln(hits + 1) - gammaln(trials - hits + 1)
    return float((choose + betaln(hits + a, trials - hits + b) - betaln(a, b)).sum())


def _recall_by_length(sample: Sample) -> dict[str, float]:
    ships = np.full(len(sample.true_found), int(ObjectClass.SHIP))
    names = np.array(length_classes(ships, sample.true_length_m))
    recalls = {}
    for name in SHIP_LENGTH_CLASSES:
        mine = names == name
        if mine.sum() >= MIN_OBJECTS_LENGTH:
            recalls[name] = round(float(sample.true_found[mine].mean()), 4)
    return recalls


def _class_to_card(value: ClassCalibration) -> dict[str, Any]:
    return {
        "method": value.method,
        "score": list(value.score),
        "probability": list(value.probability),
        "precision_concentration": value.model.precision_concentration,
        "recall_a": value.model.recall_a,
        "recall_b": value.model.recall_b,
        "recall_by_length": dict(value.recall_by_length),
        "false_per_km2": value.false_per_km2,
        "n_places": value.n_places,
        "n_objects": value.n_objects,
        "n_boxes": value.n_boxes,
    }


def _class_from_card(value: Mapping[str, Any]) -> ClassCalibration:
    return ClassCalibration(
        score=[float(x) for x in value["score"]],
        probability=[float(x) for x in value["probability"]],
        model=CountModel(
            float(value["precision_concentration"]),
            float(value["recall_a"]),
            float(value["recall_b"]),
        ),
        method=str(value["method"]),
        recall_by_length={str(k): float(v) for k, v in value["recall_by_length"].items()},
        false_per_km2=value["false_per_km2"],
        n_places=int(value["n_places"]),
        n_objects=int(value["n_objects"]),
        n_boxes=int(value["n_boxes"]),
    )
