"""How often count intervals hold the truth, on places that were left out of the fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from detector.calibrating.counts import fit_counts
from detector.calibrating.places import CountPlaces, join_places
from detector.classes import ClassEntry
from detector.counting.calibration import MIN_PLACES, CalibrationError
from detector.counting.draws import CountModel, draw_lone, draw_numbers
from detector.counting.intervals import (
    LEVEL,
    CountEstimate,
    estimate_of,
    interval_score,
    poisson_interval,
)
from detector.evaluation.record import table

FOLDS: Final = 10
SEED: Final = 0
CONFIDENCE: Final = 0.95
DIGITS: Final = 4
HEADLINE_M: Final = 60.0  # ships of the headline series, checked apart where the gsd is known
BANDS: Final = ((1, 4), (5, 9), (10, 29), (30, None))  # sizes of the truth


@dataclass(frozen=True, slots=True)
class Evidence:
    """Places that one network looked at, for the fit of another's counts or its own.

    Attributes:
        data: what the places are, in words.
        places: with the network's boxes, see `CountPlaces.shifted`.
        conf: score from which it counts.
    """

    data: str
    places: CountPlaces
    conf: float


@dataclass(frozen=True, slots=True)
class Judged:
    """Images: what is true, and what was said; `(n,)` each.

    Attributes:
        place: of each.
        true: objects.
        said: the count.
        poisson: the baseline of the same mean.
    """

    place: NDArray[np.str_]
    true: NDArray[np.int64]
    said: Sequence[CountEstimate]
    poisson: Sequence[CountEstimate]


def held_out_rows(
    evidence: Sequence[Evidence], conf: float, entry: ClassEntry, least_lone_mpx: float = 0.0
) -> list[dict[str, Any]]:
    """Coverage of every place by a fit without it (`FOLDS` folds of places, over all evidence).

    Args:
        evidence: all that the fit is made of, the weights' own first.
        conf: score from which the weights count.
        entry: of the class.
        least_lone_mpx: see `counts.fit_counts`.
    """
    every = join_places([item.places for item in evidence])
    fold = folds_of(every.place)
    parts: list[list[Judged]] = [[] for _ in evidence]
    for number in range(FOLDS):
        rest = np.array([fold[name] != number for name in every.place])
        try:
            model = fit_counts(every.images(rest), conf, least_lone_mpx)
        except CalibrationError:
            continue
        for found, item in zip(parts, evidence, strict=True):
            mine = np.array([fold[name] == number for name in item.places.place], np.bool_)
            if mine.any():
                found.append(judge(item.places.images(mine), as_sister(model, item)))
    rows = []
    for found, item in zip(parts, evidence, strict=True):
        rows += _rows(_join(found), every.object_places, entry, item.data, held_out=True)
    return rows


def check_rows(
    places: Mapping[str, CountPlaces], model: CountModel, object_places: int, entry: ClassEntry
) -> list[dict[str, Any]]:
    """Coverage on other data than the fit was made on, such as rendered sites.

    Args:
        places: what to judge, by what it is.
        model: of the counts.
        object_places: with objects, on which the model rests.
        entry: of the class.
    """
    rows = []
    for name, part in places.items():
        rows += _rows(judge(part, model), object_places, entry, name, held_out=False)
    return rows


def folds_of(places: NDArray[np.str_]) -> dict[str, int]:
    """The fold of every place; images of one place are never in two."""
    names = np.unique(places)
    order = np.random.default_rng(SEED).permutation(len(names))
    return {str(names[at]): int(rank % FOLDS) for rank, at in enumerate(order)}


def as_sister(model: CountModel, evidence: Evidence) -> CountModel:
    """The model as it holds for the network that saw the evidence."""
    real, found = evidence.places.real_offset, evidence.places.found_offset
    return replace(
        model,
        conf=evidence.conf,
        real=model.real.shifted(float(real[0])),
        found=model.found.shifted(float(found[0])),
    )


def judge(places: CountPlaces, model: CountModel) -> Judged:
    """What the model says of every image, beside the truth.

    Args:
        places: of one network, whose threshold is the model's.
        model: fitted without these places.
    """
    drawn = list(_draws(places, model))
    return Judged(
        places.place,
        places.true,
        [estimate_of(draws) for draws in drawn],
        [poisson_interval(float(draws.mean())) for draws in drawn],
    )


def _draws(places: CountPlaces, model: CountModel) -> Iterator[NDArray[np.int64]]:
    for image, mpx in enumerate(places.mpx):
        mine = places.image == image
        name = f"{places.place[image]}#{image}"
        numbers = draw_numbers(model, places.facts.take(mine), places.name[mine].tolist())
        lone = draw_lone(model.lone, float(mpx), name)
        yield numbers.sum(axis=0, dtype=np.int64) + lone.count(
            lone.length_px >= places.least_px[image]
        )


def _join(parts: Sequence[Judged]) -> Judged:
    return Judged(
        np.concatenate([np.zeros(0, np.str_), *(part.place for part in parts)]),
        np.concatenate([np.zeros(0, np.int64), *(part.true for part in parts)]),
        [said for part in parts for said in part.said],
        [said for part in parts for said in part.poisson],
    )


def coverage_table(
    rows: Sequence[Mapping[str, Any]],
    beside: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
) -> str:
    """The rows as a Markdown table.

    Args:
        rows: of one set of weights.
        beside: rows of other weights by their name; what they say of the same places stands in
            columns of their own.
    """
    others = {
        name: {(row["class"], row["data"], row["count"]): row for row in told if row["claim"]}
        for name, told in (beside or {}).items()
    }
    head = (
        "class",
        "data",
        "true",
        "images (places)",
        "coverage of 90 %",
        "width",
        "width / truth",
        "score",
        "Poisson: coverage",
        "width",
        "score",
        *(word for name in others for word in (f"{name}: coverage", "width", "score")),
    )
    lines: list[tuple[str, ...]] = []
    for row in rows:
        start = (row["class"], row["data"], row["count"], f"{row['images']} ({row['places']})")
        if not row["claim"]:
            if row["count"] == "all":
                known = f"{row['object_places']} places with objects, {MIN_PLACES} needed"
                lines.append((*start, f"no claim: {known}", *("",) * (len(head) - 5)))
            continue
        key = (row["class"], row["data"], row["count"])
        low, high = row["coverage_interval"]
        share = row.get("relative_width")  # cards of earlier versions don't say
        lines.append(
            (
                *start,
                f"{row['coverage']:.3f} [{low:.3f}, {high:.3f}]",
                f"{row['width']:.2f}",
                "" if share is None else f"{share:.2f}",
                f"{row['score']:.2f}",
                f"{row['poisson_coverage']:.3f}",
                f"{row['poisson_width']:.2f}",
                f"{row['poisson_score']:.2f}",
                *(cell for told in others.values() for cell in _short(told.get(key))),
            )
        )
    return table(head, lines)


def _short(row: Mapping[str, Any] | None) -> tuple[str, str, str]:
    """Coverage, width and score; empty where other weights say nothing of these places."""
    if row is None:
        return ("", "", "")
    return (f"{row['coverage']:.3f}", f"{row['width']:.2f}", f"{row['score']:.2f}")


def _rows(
    judged: Judged, object_places: int, entry: ClassEntry, data: str, *, held_out: bool
) -> list[dict[str, Any]]:
    groups = {"all": np.ones(len(judged.true), np.bool_), "0": judged.true == 0}
    for least, most in BANDS:
        name = f"{least} and more" if most is None else f"{least} to {most}"
        groups[name] = (judged.true >= least) & (judged.true <= (np.inf if most is None else most))
    rows = []
    for name, mine in groups.items():
        row: dict[str, Any] = {
            "class": entry.name,
            "data": data,
            "count": name,
            "held_out": held_out,
            "images": int(mine.sum()),
            "places": len(np.unique(judged.place[mine])),
            "object_places": object_places,
            "claim": object_places >= MIN_PLACES,
        }
        if row["claim"] and mine.any():
            row |= _numbers(judged, np.flatnonzero(mine))
        if mine.any():
            rows.append(row)
    return rows


def _numbers(judged: Judged, chosen: NDArray[np.int64]) -> dict[str, Any]:
    true = judged.true[chosen].astype(np.float64)
    numbers: dict[str, Any] = {}
    for prefix, intervals in (("", judged.said), ("poisson_", judged.poisson)):
        low = np.array([intervals[i].low for i in chosen], float)
        high = np.array([intervals[i].high for i in chosen], float)
        inside = (low <= true) & (true <= high)
        numbers[f"{prefix}coverage"] = round(float(inside.mean()), DIGITS)
        numbers[f"{prefix}width"] = round(float((high - low).mean()), DIGITS)
        score = interval_score(true, low, high, LEVEL).mean()
        numbers[f"{prefix}score"] = round(float(score), DIGITS)
        if not prefix:
            exact = binomtest(int(inside.sum()), len(inside)).proportion_ci(CONFIDENCE)
            numbers["coverage_interval"] = [round(exact.low, DIGITS), round(exact.high, DIGITS)]
            some = true > 0
            share = ((high - low)[some] / true[some]) if some.any() else None
            numbers["relative_width"] = (
                None if share is None else round(float(np.median(share)), DIGITS)
            )
    return numbers
