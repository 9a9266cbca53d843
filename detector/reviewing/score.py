"""How good the network was, by the chips that chance chose and a person looked at.

A chip stands for those of its stratum that were not drawn (Horvitz and Thompson, JASA 1952).
Precision and recall are ratios of such sums; their variance is that of the linearised ratio over
the chips of each stratum, without what was looked at in whole (Särndal, Swensson and Wretman 1992,
section 5.6 and 7.3). The interval is Clopper and Pearson's at the effective number of objects
(Korn and Graubard, Survey Methodology 1998): it does not shrink to a point where all was right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import beta, t
from shapely import union_all
from shapely.geometry import box

from detector.reviewing.correct import BOX, DRAWN, SAID, corners_of, correct, settle
from detector.reviewing.ledger import Review, SampledChip, Statement, of_scene
from detector.reviewing.runs import ReviewedRun
from detector.wording import counted

LEVEL: Final = 0.95
LOOKED_SHARE: Final = 0.999  # of a chip that was looked at


@dataclass(frozen=True, slots=True)
class Ratio:
    """A share with its 95 % interval.

    Attributes:
        value: NaN without objects.
        low: lower end; NaN where chips are too few to tell.
        high: upper end.
        objects: that it is of.
        chips: that it is of.
    """

    value: float
    low: float
    high: float
    objects: int
    chips: int


@dataclass(frozen=True, slots=True)
class Scored:
    """How good the network was for one class.

    Attributes:
        class_name: of the class.
        precision: share of its boxes that are real.
        recall: share of the objects that it found.
        places: scenes that the chips are of.
        missing: chips that chance chose and nobody looked at.
    """

    class_name: str
    precision: Ratio
    recall: Ratio
    places: int
    missing: int


def score_sample(review: Review, run: ReviewedRun) -> list[Scored]:
    """Precision and recall of each counted class; empty without a random sample.

    Only chips that somebody looked at as a whole are taken. A doubtful box is neither right nor
    wrong. A box of another class is a false one of its own and a missed one of the other.

    Args:
        review: of the run.
        run: that it is of.

    Raises:
        ReviewError: a table of the run is damaged.
    """
    looked = [chip for chip in review.sample if _is_looked_at(chip, review)]
    if not looked:
        return []
    counts = [_chip_counts(chip, review, run) for chip in looked]
    missing = len(review.sample) - len(looked)
    scenes = len({chip.scene_id for chip in looked})
    return [
        Scored(
            name,
            _ratio(looked, counts, review.sample, (name, "hits"), (name, "boxes")),
            _ratio(looked, counts, review.sample, (name, "hits"), (name, "objects")),
            scenes,
            missing,
        )
        for name in run.classes.names
        if run.classes[run.classes.id(name)].counted
    ]


def say_scored(one: Scored) -> str:
    """One class in a sentence without a full stop."""
    told = [
        f"{name} {_say(ratio)} of {counted(ratio.objects, *what)}"
        for name, ratio, what in (
            ("precision", one.precision, ("box", "boxes")),
            ("recall", one.recall, ("object", "objects")),
        )
    ]
    left = f", {one.missing} more not looked at" if one.missing else ""
    return (
        f"{one.class_name}: {', '.join(told)} (95 % intervals), by "
        f"{counted(one.recall.chips, 'chip')} that chance chose in "
        f"{counted(one.places, 'scene')}{left}"
    )


def _say(ratio: Ratio) -> str:
    if np.isnan(ratio.value):
        return "unknown"
    between = "" if np.isnan(ratio.low) else f" ({ratio.low:.2f} to {ratio.high:.2f})"
    return f"{ratio.value:.2f}{between}"


def _is_looked_at(chip: SampledChip, review: Review) -> bool:
    parts = [one.shape for one in of_scene(review, chip.scene_id)[1]]
    part = box(*chip.bounds)
    shared = union_all(parts).intersection(part).area if parts else 0.0
    return bool(shared >= LOOKED_SHARE * part.area)


def _chip_counts(
    chip: SampledChip, review: Review, run: ReviewedRun
) -> Mapping[tuple[str, str], int]:
    """Right boxes, boxes and objects of each class in the part of a chip."""
    statements = of_scene(review, chip.scene_id)[0]
    settled = settle(statements)
    found = pd.DataFrame(run.found(chip.scene_id))
    now = correct(found, statements, run.records[chip.scene_id], run.classes)
    inside = _holds(chip, now)
    here = now[inside & ~now["on_ship"].to_numpy(bool) & ~now["unseen"].to_numpy(bool)]
    doubtful = here[SAID] == "doubtful"
    counts: dict[tuple[str, str], int] = {}
    drawn = here[BOX].str.contains(DRAWN, regex=False)
    for name in run.classes.names:
        mine = here[(here["class"] == name) & ~doubtful]
        told = [settled.get(one) for one in mine[BOX]]
        as_found = [one is None or not one.reclassified for one in told]
        hits = sum(
            right and not new for right, new in zip(as_found, drawn[mine.index], strict=True)
        )
        counts[name, "hits"] = hits
        counts[name, "objects"] = len(mine)
        counts[name, "boxes"] = hits + _wrong(chip, name, found, settled)
    return counts


def _wrong(
    chip: SampledChip,
    name: str,
    found: pd.DataFrame,
    settled: Mapping[str, Statement],
) -> int:
    """Boxes of a class in a chip that are none, or of another class."""
    mine = _holds(chip, found) & (found["class"] == name).to_numpy(bool)
    mine &= ~found["on_ship"].to_numpy(bool) & ~found["unseen"].to_numpy(bool)
    told = [settled.get(f"{chip.scene_id}#{row}") for row in np.flatnonzero(mine)]
    return sum(
        one is not None
        and (one.verdict == "false" or (one.reclassified and one.verdict != "doubtful"))
        for one in told
    )


def _holds(chip: SampledChip, table: pd.DataFrame) -> NDArray[np.bool_]:
    corners = corners_of(table)
    x, y = corners.mean(axis=1).T if len(corners) else np.zeros((2, 0))
    x_min, y_min, x_max, y_max = chip.bounds
    return np.asarray((x >= x_min) & (x < x_max) & (y >= y_min) & (y < y_max))


def _ratio(
    looked: Sequence[SampledChip],
    counts: Sequence[Mapping[tuple[str, str], int]],
    sample: Sequence[SampledChip],
    above: tuple[str, str],
    below: tuple[str, str],
) -> Ratio:
    return share_of(
        np.array([one[above] for one in counts], float),
        np.array([one[below] for one in counts], float),
        [chip.stratum for chip in looked],
        strata_sizes(sample),
    )


def strata_sizes(sample: Sequence[SampledChip]) -> dict[str, float]:
    """Chips of each stratum, drawn or not."""
    sizes: dict[str, float] = {}
    for chip in sample:
        sizes[chip.stratum] = sizes.get(chip.stratum, 0.0) + chip.weight
    return sizes


def share_of(
    above: NDArray[np.float64],
    below: NDArray[np.float64],
    strata: Sequence[str],
    sizes: Mapping[str, float],
) -> Ratio:
    """A ratio of two sums over a stratified sample, with its interval.

    Args:
        above: `(n,)` of each chip.
        below: `(n,)` of each chip, at least `above`.
        strata: `n` names.
        sizes: chips of each stratum in all.
    """
    names = np.array(strata)
    drawn = {name: int((names == name).sum()) for name in sizes}
    weight = np.array([sizes[name] / drawn[name] for name in strata])
    total = float((weight * below).sum())
    number = int(below.sum())
    if total == 0:
        return Ratio(float("nan"), float("nan"), float("nan"), 0, len(names))
    value = float((weight * above).sum() / total)
    residual = above - value * below
    variance, freedom = 0.0, 0
    for name, size in sizes.items():
        mine = residual[names == name]
        if len(mine) > 1:
            left = max(1.0 - len(mine) / size, 0.0)  # nothing is open where all was looked at
            variance += size**2 * left * float(mine.var(ddof=1)) / len(mine) / total**2
            freedom += len(mine) - 1
    if all(drawn[name] >= size for name, size in sizes.items()):
        return Ratio(value, value, value, number, len(names))
    if not all(drawn.values()):  # nobody looked at a part of what it is of
        return Ratio(value, float("nan"), float("nan"), number, len(names))
    low, high = _interval(value, variance, number, freedom)
    return Ratio(value, low, high, number, len(names))


def _interval(value: float, variance: float, number: int, freedom: int) -> tuple[float, float]:
    """Clopper and Pearson's interval at the effective number of objects."""
    if freedom < 1 or number < 1:
        return float("nan"), float("nan")
    effective = min(value * (1 - value) / variance, number) if variance > 0 else float(number)
    tail = 1 - (1 - LEVEL) / 2
    if number > 1:
        effective *= float((t.ppf(tail, number - 1) / t.ppf(tail, freedom)) ** 2)
    right = value * effective
    low = float(beta.ppf(1 - tail, right, effective - right + 1)) if right > 0 else 0.0
    high = float(beta.ppf(tail, right + 1, effective - right)) if right < effective else 1.0
    return low, high
