"""How often count intervals hold the truth, on places that were left out of the fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from detector.calibrating.fitting import fit_class
from detector.calibrating.sample import Sample
from detector.classes import ClassEntry
from detector.counting.calibration import MIN_PLACES, CalibrationError, ClassCalibration
from detector.counting.intervals import (
    LEVEL,
    CountEstimate,
    estimate_count,
    interval_score,
    poisson_interval,
)
from detector.counting.widening import LARGE_COUNT, Widening, fit_widening, misfit
from detector.evaluation.record import table

FOLDS: Final = 10
SEED: Final = 0
CONFIDENCE: Final = 0.95
DIGITS: Final = 4
HEADLINE_M: Final = 60.0  # ships of the headline series, checked apart where the gsd is known


@dataclass(frozen=True, slots=True)
class Judged:
    """One image: what is true, and what was said.

    Attributes:
        image: position.
        place: position.
        fold: of the place.
        boxes: found.
        true: objects.
        own: the model's count, not widened.
        poisson: the baseline.
    """

    image: int
    place: int
    fold: int
    boxes: int
    true: int
    own: CountEstimate
    poisson: CountEstimate


def calibrate_class(
    sample: Sample, entry: ClassEntry, data: str
) -> tuple[ClassCalibration, list[dict[str, Any]]]:
    """Fit one class, widen its intervals, and measure how often they hold.

    Every place is judged by a fit without it (`FOLDS` folds of places). From the misfits of all
    places comes the widening; the coverage of a place is measured with the widening of the other
    folds' places, for large counts of all other places, since they are few.

    Args:
        sample: of the class.
        entry: of the class.
        data: what the sample is of, for the table.

    Returns:
        The calibration, and rows of coverage.

    Raises:
        CalibrationError: there is nothing to fit.
    """
    fitted = fit_class(sample, entry)
    judged = _judge_folds(sample, entry)
    calibrated = replace(fitted, widening=_widening(judged))
    wide = [(item, _widening_without(judged, item).apply(item.own, item.boxes)) for item in judged]
    return calibrated, _rows(wide, sample.n_places, entry, data, held_out=True)


def check_rows(
    sample: Sample, fitted: ClassCalibration, entry: ClassEntry, data: str
) -> list[dict[str, Any]]:
    """Coverage on other data than the fit was made on, such as rendered sites.

    Ships from `HEADLINE_M` on are counted apart too.
    """
    rows = []
    chosen = {data: sample}
    if entry.length_limits_m:
        chosen[f"{data}, {entry.many} ≥ {HEADLINE_M:g} m"] = sample.longer_than(HEADLINE_M)
    for name, part in chosen.items():
        judged = _judge(part, fitted, entry, part.places, 0)
        wide = [(item, fitted.widening.apply(item.own, item.boxes)) for item in judged]
        rows += _rows(wide, fitted.n_places, entry, name, held_out=False)
    return rows


def coverage_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as a Markdown table."""
    head = (
        "class",
        "data",
        "count",
        "images (places)",
        "coverage of 90 %",
        "width",
        "score",
        "Poisson: coverage",
        "width",
        "score",
    )
    lines: list[tuple[str, ...]] = []
    for row in rows:
        size = f"{row['images']} ({row['places']})"
        if not row["claim"]:
            if row["count"] != "all":
                continue
            note = f"no claim: {row['object_places']} places with objects, {MIN_PLACES} needed"
            lines.append((row["class"], row["data"], row["count"], size, note, *("",) * 5))
            continue
        low, high = row["coverage_interval"]
        lines.append(
            (
                row["class"],
                row["data"],
                row["count"],
                size,
                f"{row['coverage']:.3f} [{low:.3f}, {high:.3f}]",
                f"{row['width']:.2f}",
                f"{row['score']:.2f}",
                f"{row['poisson_coverage']:.3f}",
                f"{row['poisson_width']:.2f}",
                f"{row['poisson_score']:.2f}",
            )
        )
    return table(head, lines)


def _judge_folds(sample: Sample, entry: ClassEntry) -> list[Judged]:
    places = sample.places
    folds = np.random.default_rng(SEED).permutation(len(places)) % FOLDS
    judged: list[Judged] = []
    for fold in range(FOLDS):
        try:
            fitted = fit_class(sample.of_places(places[folds != fold]), entry)
        except CalibrationError:
            continue
        judged += _judge(sample, fitted, entry, places[folds == fold], fold)
    return judged


def _judge(
    sample: Sample,
    fitted: ClassCalibration,
    entry: ClassEntry,
    places: NDArray[np.int64],
    fold: int,
) -> list[Judged]:
    """Place, truth, interval and baseline of every image of the places."""
    true = np.bincount(sample.true_image, minlength=len(sample.place))
    judged = []
    for image in np.flatnonzero(np.isin(sample.place, places)):
        mine = sample.image == image
        p = fitted.probability_of(entry, sample.score[mine], sample.length_m[mine])
        own, baseline = estimate_count(p, fitted.model), poisson_interval(p, fitted.model)
        place = int(sample.place[image])
        judged.append(Judged(int(image), place, fold, len(p), int(true[image]), own, baseline))
    return judged


def _widening(judged: Sequence[Judged]) -> Widening:
    return fit_widening(
        np.array([misfit(item.own, item.true) for item in judged]),
        np.array([item.boxes for item in judged], np.int64),
    )


def _widening_without(judged: Sequence[Judged], item: Judged) -> Widening:
    """Of the other folds; of all other places where the image holds many boxes."""
    if item.boxes >= LARGE_COUNT:
        return _widening([other for other in judged if other.place != item.place])
    return _widening([other for other in judged if other.fold != item.fold])


def _rows(
    judged: Sequence[tuple[Judged, CountEstimate]],
    object_places: int,
    entry: ClassEntry,
    data: str,
    *,
    held_out: bool,
) -> list[dict[str, Any]]:
    place = np.array([item.place for item, _ in judged], int)
    true = np.array([item.true for item, _ in judged], float)
    boxes = np.array([item.boxes for item, _ in judged], int)
    groups = (
        ("all", np.ones(len(true), bool)),
        (f"true < {LARGE_COUNT}", true < LARGE_COUNT),
        (f"true >= {LARGE_COUNT}", true >= LARGE_COUNT),
        (f"found < {LARGE_COUNT}", boxes < LARGE_COUNT),
        (f"found >= {LARGE_COUNT}", boxes >= LARGE_COUNT),
    )
    rows = []
    for name, mine in groups:
        row: dict[str, Any] = {
            "class": entry.name,
            "data": data,
            "count": name,
            "held_out": held_out,
            "images": int(mine.sum()),
            "places": len(np.unique(place[mine])),
            "object_places": object_places,
            "claim": bool(object_places >= MIN_PLACES and mine.any()),
        }
        if row["claim"]:
            row |= _numbers(true[mine], [judged[int(i)] for i in np.flatnonzero(mine)])
        rows.append(row)
    return rows


def _numbers(
    true: NDArray[np.float64], judged: Sequence[tuple[Judged, CountEstimate]]
) -> dict[str, Any]:
    numbers: dict[str, Any] = {}
    for prefix, said in (
        ("", [own for _, own in judged]),
        ("poisson_", [item.poisson for item, _ in judged]),
    ):
        low = np.array([interval.low for interval in said], float)
        high = np.array([interval.high for interval in said], float)
        inside = (low <= true) & (true <= high)
        numbers[f"{prefix}coverage"] = round(float(inside.mean()), DIGITS)
        numbers[f"{prefix}width"] = round(float((high - low).mean()), DIGITS)
        score = interval_score(true, low, high, LEVEL).mean()
        numbers[f"{prefix}score"] = round(float(score), DIGITS)
        if not prefix:
            exact = binomtest(int(inside.sum()), len(inside)).proportion_ci(CONFIDENCE)
            numbers["coverage_interval"] = [round(exact.low, DIGITS), round(exact.high, DIGITS)]
    return numbers
