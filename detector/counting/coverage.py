"""How often count intervals hold the truth, on places that were left out of the fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from detector.classes import CLASS_NAMES
from detector.counting.calibration import (
    LARGE_COUNT,
    MIN_PLACES,
    CalibrationError,
    ClassCalibration,
    Sample,
    fit_class,
)
from detector.counting.intervals import (
    LEVEL,
    CountEstimate,
    estimate_count,
    interval_score,
    poisson_interval,
)
from detector.evaluation.table import MEASURES, MatchTable
from detector.evaluation.truth import Measure

FOLDS: Final = 10
SEED: Final = 0
CONFIDENCE: Final = 0.95
DIGITS: Final = 4
SQUARE_M_A_KM2: Final = 1e6


@dataclass(frozen=True, slots=True)
class Judged:
    """One image: what is true, and what was said."""

    place: int
    true: int
    own: CountEstimate
    poisson: CountEstimate


def sample_of(
    table: MatchTable, class_id: int, area_px: NDArray[np.float64] | None = None
) -> Sample:
    """One class of an evaluation's matches at the thresholds of the card.

    Images that don't score the class are left out, boxes that are neither right nor wrong too.

    Args:
        table: `matches_counted.npz` of an evaluation.
        class_id: value of `ObjectClass`.
        area_px: `(I,)` pixels of the images, where known.
    """
    scored = table.measures[:, class_id] != MEASURES.index(Measure.NONE)
    boxes = (table.class_id == class_id) & scored[table.image]
    boxes &= ~(table.neutral & (table.found[0] < 0))
    true = np.flatnonzero((table.true_class_id == class_id) & scored[table.true_image])
    found = np.isin(true, table.found[0][boxes & (table.found[0] >= 0)])
    _, place = np.unique(table.places, return_inverse=True)
    gsd = table.gsd_m[table.true_image[true]]
    area = np.full(len(table.names), np.nan)
    if area_px is not None:
        area = np.where(scored, area_px * table.gsd_m**2 / SQUARE_M_A_KM2, np.nan)
    return Sample(
        score=table.score[boxes],
        real=table.found[0][boxes] >= 0,
        image=table.image[boxes],
        true_image=table.true_image[true],
        true_found=found,
        true_length_m=table.true_length_px[true] * gsd,
        place=np.where(scored, place, -1).astype(np.int64),
        area_km2=area,
    )


def held_out_rows(sample: Sample, class_id: int, data: str) -> list[dict[str, Any]]:
    """Coverage where every place is judged by a fit without it (`FOLDS` folds of places).

    Args:
        sample: of the class.
        class_id: value of `ObjectClass`.
        data: what the sample is of, for the table.
    """
    places = np.unique(sample.place[sample.place >= 0])
    folds = np.random.default_rng(SEED).permutation(len(places)) % FOLDS
    pairs: list[Judged] = []
    for fold in range(FOLDS):
        inside = places[folds != fold]
        try:
            fitted = fit_class(sample.of_places(inside), class_id)
        except CalibrationError:
            continue
        pairs += _judge(sample, fitted, places[folds == fold])
    return _rows(pairs, sample.n_places, class_id, data, held_out=True)


def check_rows(
    sample: Sample, fitted: ClassCalibration, class_id: int, data: str
) -> list[dict[str, Any]]:
    """Coverage on other data than the fit was made on, such as rendered sites."""
    places = np.unique(sample.place[sample.place >= 0])
    judged = _judge(sample, fitted, places)
    return _rows(judged, min(sample.n_places, fitted.n_places), class_id, data, held_out=False)


def coverage_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as a Markdown table."""
    head = (
        "class",
        "data",
        "truth",
        "images (places)",
        "coverage of 90 %",
        "width",
        "score",
        "Poisson: coverage",
        "width",
        "score",
    )
    lines = [head, ("---",) * len(head)]
    for row in rows:
        size = f"{row['images']} ({row['places']})"
        if not row["claim"]:
            note = f"no claim: {row['object_places']} places with objects, {MIN_PLACES} needed"
            lines.append((row["class"], row["data"], row["truth"], size, note, *("",) * 5))
            continue
        low, high = row["coverage_interval"]
        lines.append(
            (
                row["class"],
                row["data"],
                row["truth"],
                size,
                f"{row['coverage']:.3f} [{low:.3f}, {high:.3f}]",
                f"{row['width']:.2f}",
                f"{row['score']:.2f}",
                f"{row['poisson_coverage']:.3f}",
                f"{row['poisson_width']:.2f}",
                f"{row['poisson_score']:.2f}",
            )
        )
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _judge(sample: Sample, fitted: ClassCalibration, places: NDArray[np.int64]) -> list[Judged]:
    """Place, truth, interval and baseline of every image of the places."""
    true = np.bincount(sample.true_image, minlength=len(sample.place))
    probability = np.interp(sample.score, fitted.score, fitted.probability)
    judged = []
    for image in np.flatnonzero(np.isin(sample.place, places)):
        p = probability[sample.image == image]
        own, baseline = estimate_count(p, fitted.model), poisson_interval(p, fitted.model)
        judged.append(Judged(int(sample.place[image]), int(true[image]), own, baseline))
    return judged


def _rows(
    judged: Sequence[Judged],
    object_places: int,
    class_id: int,
    data: str,
    *,
    held_out: bool,
) -> list[dict[str, Any]]:
    place = np.array([item.place for item in judged], int)
    true = np.array([item.true for item in judged], float)
    groups = (
        ("all", np.ones(len(true), bool)),
        (f"< {LARGE_COUNT}", true < LARGE_COUNT),
        (f">= {LARGE_COUNT}", true >= LARGE_COUNT),
    )
    rows = []
    for name, mine in groups:
        row: dict[str, Any] = {
            "class": CLASS_NAMES[class_id],
            "data": data,
            "truth": name,
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


def _numbers(true: NDArray[np.float64], judged: Sequence[Judged]) -> dict[str, Any]:
    numbers: dict[str, Any] = {}
    for prefix, said in (
        ("", [item.own for item in judged]),
        ("poisson_", [item.poisson for item in judged]),
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
