"""What scores and counts of a set of weights mean, as their card says; `fitting` finds it out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detector.classes import PORT, SHIP, ClassEntry, ClassSet
from detector.counting.crowding import find_crowding
from detector.counting.draws import (
    BoxFacts,
    CountModel,
    LoneObjects,
    draw_lone,
    draw_numbers,
)
from detector.errors import QuaywatchError
from detector.geometry.boxes import Corners, edge_lengths

MIN_PLACES: Final = 20  # with objects, to say how places differ
LEAST_PROBABILITY: Final = 0.01
DEFAULT_READ_GSD_M: Final = 0.5
PX_A_MPX: Final = 1e6
COARSE_GSD_M: Final = 2.5  # of scenes that only cards of coarse networks read, enlarged
COARSE_READ_M: Final = 2.0  # and the finest gsd at which such a card reads
COARSE_READABLE_M: Final = 60.0  # least length in the claim there: shorter ships are mostly missed


class CalibrationError(QuaywatchError):
    """Matches from which nothing can be calibrated, or a card with another calibration."""


@dataclass(frozen=True, slots=True)
class ClassCalibration:
    """The calibration of one class.

    Attributes:
        score: `K` ascending scores.
        probability: `K` probabilities of being real; linear between.
        log_odds_by_length: added to the log odds of ships of a length class, where enough boxes of
            known gsd say so.
        recall: mean of a place.
        counts: how counts come about; None in a card of an earlier version, whose counts have no
            intervals.
        count_places: with objects, on which `counts` rests.
        counts_from: what that is, for the reader: data, images, places, objects, boxes.
        method: `isotonic` or `platt`.
        recall_by_length: recall of ships of a length class, where enough are known.
        false_per_km2: false alarms by ground: `all`, `water`, `land`; a ground of which too little
            is known is missing.
        checked: what other data than the fit's say, such as rendered sites: `data`,
            `recall_by_length`, `false_per_km2`; for the reader, nothing is computed from it.
        n_places: with true objects.
        n_objects: true objects.
        n_boxes: boxes.
    """

    score: Sequence[float]
    probability: Sequence[float]
    recall: float
    method: str
    recall_by_length: Mapping[str, float]
    n_places: int
    n_objects: int
    n_boxes: int
    counts: CountModel | None = None
    count_places: int = 0
    counts_from: Mapping[str, Any] = field(default_factory=dict)
    false_per_km2: Mapping[str, float] = field(default_factory=dict)
    log_odds_by_length: Mapping[str, float] = field(default_factory=dict)
    checked: Mapping[str, Any] = field(default_factory=dict)

    def probability_of(
        self, entry: ClassEntry, scores: NDArray[np.float64], length_m: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Probability `(N,)` that boxes of this class are real; `length_m` NaN where unknown."""
        from scipy.special import expit, logit  # noqa: PLC0415 - slow to load

        p = np.interp(scores, self.score, self.probability)
        if not self.log_odds_by_length:
            return np.asarray(p)
        names = ClassSet((entry,)).length_classes(np.zeros(len(p), np.int64), length_m)
        shift = np.array([self.log_odds_by_length.get(name, 0.0) for name in names])
        return np.asarray(
            expit(logit(np.clip(p, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)) + shift)
        )

    @property
    def claims(self) -> bool:
        """Whether there are enough places for intervals that may be published."""
        return not self.lack

    @property
    def lack(self) -> str:
        """Why counts have no intervals, in words; empty where they have."""
        if self.counts is None:
            return "its calibration is of an earlier version: run detector card again"
        if self.count_places < MIN_PLACES:
            return f"{self.count_places} places with objects are known, {MIN_PLACES} are needed"
        return ""


@dataclass(frozen=True, slots=True)
class CountedBoxes:
    """Boxes of one class whose number is estimated.

    Attributes:
        score: `(n,)`.
        length_px: `(n,)` in pixels of the file.
        gsd_m: `(n,)` of the scene of each, NaN where unknown.
        corners: `(n, 4, 2)` in one frame, file pixels or metres.
        names: of each, unique: `<scene_id>#<row>`.
    """

    score: NDArray[np.float64]
    length_px: NDArray[np.float64]
    gsd_m: NDArray[np.float64]
    corners: Corners
    names: Sequence[str]


@dataclass(frozen=True, slots=True)
class Calibration:
    """What scores and counts of a set of weights mean.

    Attributes:
        classes: by class name; a class that could not be calibrated is missing.
        fitted_on: the images, in words.
        read_gsd_m: of the card: finer scenes are reduced to it, see `readable_length_px`.
        coverage: measured coverage of the intervals, plain values, see `coverage.held_out_rows`.
        class_set: that class ids are of; `replace` it by that of the objects.
    """

    classes: Mapping[str, ClassCalibration] = field(default_factory=dict)
    fitted_on: str = ""
    read_gsd_m: float = DEFAULT_READ_GSD_M
    coverage: Sequence[Mapping[str, Any]] = ()
    class_set: ClassSet = PORT

    def probability(
        self,
        class_ids: NDArray[np.int64],
        scores: NDArray[np.float64],
        length_m: NDArray[np.float64] | None = None,
    ) -> NDArray[np.float64]:
        """Probability `(N,)` that each box is real; the score itself where not calibrated.

        Args:
            class_ids: `(N,)`.
            scores: `(N,)`.
            length_m: `(N,)`, NaN where unknown; None where no length is known.
        """
        result = np.asarray(scores, np.float64).copy()
        lengths = np.full(len(result), np.nan) if length_m is None else length_m
        for class_id, entry in enumerate(self.class_set):
            known = self.classes.get(entry.name)
            if known is not None:
                mine = class_ids == class_id
                result[mine] = known.probability_of(entry, result[mine], lengths[mine])
        return result

    def recall(self, class_id: int, length_class: str = "") -> float | None:
        """Mean recall of a class, of a length class where known; None where not calibrated."""
        known = self.classes.get(self.class_set.names[class_id])
        if known is None:
            return None
        return known.recall_by_length.get(length_class, known.recall)

    def counts_of(self, class_id: int) -> CountModel | None:
        """The model of a class's counts; None where there were too few places to say."""
        known = self.classes.get(self.class_set.names[class_id])
        return known.counts if known is not None and known.claims else None

    def draw(self, class_id: int, boxes: CountedBoxes) -> NDArray[np.int16] | None:
        """How many objects each box stands for in every draw, see `draws.draw_numbers`.

        Args:
            class_id: position in `class_set`.
            boxes: all that are counted of the class and long enough for the claim.

        Returns:
            `(n, DRAWS)`; None where there were too few places to say.
        """
        model = self.counts_of(class_id)
        if model is None:
            return None
        facts = BoxFacts(
            boxes.score,
            boxes.length_px / read_scale(boxes.gsd_m, self.read_gsd_m),
            find_crowding(boxes.corners),
            boxes.gsd_m,
        )
        return draw_numbers(model, facts, boxes.names)

    def draw_lone(
        self, class_id: int, area_px: float, gsd_m: float, name: str
    ) -> LoneObjects | None:
        """Objects that were missed far from all boxes, see `draws.draw_lone`.

        Args:
            class_id: position in `class_set`.
            area_px: of the ground that was seen, in pixels of the file.
            gsd_m: of the scene, NaN where unknown.
            name: of the ground.

        Returns:
            None where there were too few places to say.
        """
        model = self.counts_of(class_id)
        if model is None:
            return None
        scale = float(read_scale(np.array(gsd_m), self.read_gsd_m))
        return draw_lone(model.lone, area_px / scale**2 / PX_A_MPX, name)

    def readable(
        self,
        class_ids: NDArray[np.int64],
        length_m: NDArray[np.float64],
        corners: Corners,
        gsd_m: float | None,
    ) -> NDArray[np.bool_]:
        """Which boxes `(N,)` of a scene are long enough for the claim of the counts.

        Args:
            class_ids: `(N,)`.
            length_m: `(N,)`, NaN where the gsd is unknown.
            corners: `(N, 4, 2)` file pixels, measured where the gsd is unknown.
            gsd_m: of the scene; None where unknown.
        """
        gsd = np.array(np.nan if gsd_m is None else gsd_m, np.float64)
        limits = [float(readable_length_px(gsd, self.read_gsd_m, e)) for e in self.class_set]
        least = np.array(limits)[class_ids]
        length_px = np.maximum(*edge_lengths(corners)) if len(corners) else np.zeros(0)
        if gsd_m is not None:  # in metres, for pixels of a scene in degrees are not square
            length_px = length_m / gsd_m
        return np.asarray((least == 0) | (length_px >= least))

    def to_card(self) -> dict[str, Any]:
        """As plain values for a model card."""
        return {
            "fitted_on": self.fitted_on,
            "read_gsd_m": self.read_gsd_m,
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
                read_gsd_m=float(values.get("read_gsd_m", DEFAULT_READ_GSD_M)),
                coverage=tuple(values.get("coverage", ())),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise CalibrationError(
                f"the card's calibration cannot be read ({error}); run 'detector card' again"
            ) from error


def readable_length_px(
    gsd_m: NDArray[np.float64], read_gsd_m: float, entry: ClassEntry = SHIP
) -> NDArray[np.float64]:
    """Least length of an object in the claim of the counts, in the file's pixels.

    `ClassEntry.readable_px` at the scale that is read: finer scenes are reduced to `read_gsd_m`,
    coarser ones and those of unknown gsd are taken as they are. Stacks have no limit: the shortest
    that counts, a container of 12 m, is longer. Of scenes that a coarse network reads enlarged it
    is `COARSE_READABLE_M`.

    Args:
        gsd_m: of scenes, of any shape, NaN where unknown.
        read_gsd_m: of the card.
        entry: of the class.
    """
    least_px = entry.readable_px * read_scale(gsd_m, read_gsd_m)
    if not entry.readable_px:
        return np.asarray(least_px)
    enlarged = is_enlarged(gsd_m, read_gsd_m)
    return np.where(enlarged, COARSE_READABLE_M / np.where(enlarged, gsd_m, 1.0), least_px)


def is_enlarged(gsd_m: NDArray[np.float64], read_gsd_m: float) -> NDArray[np.bool_]:
    """Whether scenes are read enlarged by a coarse network, of any shape; not where unknown."""
    return np.asarray((gsd_m >= COARSE_GSD_M) & (read_gsd_m >= COARSE_READ_M))


def read_scale(gsd_m: NDArray[np.float64], read_gsd_m: float) -> NDArray[np.float64]:
    """Pixels of the file in one pixel as read: finer scenes are reduced, coarse ones enlarged.

    At least 1 but where a coarse network enlarges, see `is_enlarged`.

    Args:
        gsd_m: of scenes, of any shape, NaN where unknown.
        read_gsd_m: of the card.
    """
    scale = read_gsd_m / np.where(np.isnan(gsd_m), read_gsd_m, gsd_m)
    return np.where(is_enlarged(gsd_m, read_gsd_m), scale, np.maximum(1.0, scale))


def _class_to_card(value: ClassCalibration) -> dict[str, Any]:
    return {
        "method": value.method,
        "score": list(value.score),
        "probability": list(value.probability),
        "recall": value.recall,
        "counts": None if value.counts is None else value.counts.to_card(),
        "count_places": value.count_places,
        "counts_from": {name: dict(row) for name, row in value.counts_from.items()},
        "recall_by_length": dict(value.recall_by_length),
        "log_odds_by_length": dict(value.log_odds_by_length),
        "false_per_km2": dict(value.false_per_km2),
        "checked": dict(value.checked),
        "n_places": value.n_places,
        "n_objects": value.n_objects,
        "n_boxes": value.n_boxes,
    }


def _class_from_card(value: Mapping[str, Any]) -> ClassCalibration:
    return ClassCalibration(
        score=[float(x) for x in value["score"]],
        probability=[float(x) for x in value["probability"]],
        recall=_recall_of(value),
        counts=CountModel.from_card(value["counts"]) if value.get("counts") else None,
        count_places=int(value.get("count_places", 0)),
        counts_from=dict(value.get("counts_from", {})),
        method=str(value["method"]),
        recall_by_length={str(k): float(v) for k, v in value["recall_by_length"].items()},
        log_odds_by_length={
            str(k): float(v) for k, v in value.get("log_odds_by_length", {}).items()
        },
        checked=dict(value.get("checked", {})),
        false_per_km2={str(k): float(v) for k, v in (value["false_per_km2"] or {}).items()},
        n_places=int(value["n_places"]),
        n_objects=int(value["n_objects"]),
        n_boxes=int(value["n_boxes"]),
    )


def _recall_of(value: Mapping[str, Any]) -> float:
    """Cards of earlier versions say the law of recall between places instead."""
    if "recall" in value:
        return float(value["recall"])
    hits, misses = float(value["recall_a"]), float(value["recall_b"])
    return hits / (hits + misses)
