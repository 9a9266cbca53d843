"""Fits what boxes of container stacks are worth: false, joined and missed blocks, and their area.

Every true block of which half lies in boxes is held by the box that shares most of it; so every
true block and all of its area is either in one box or missed, and nothing is counted twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_expit, logsumexp
from scipy.stats import binomtest

from detector.boxes.scored import Boxes
from detector.columns import Column, TableError, read_columns
from detector.counting.calibration import CalibrationError
from detector.detections import CORNER_COLUMNS
from detector.evaluation.dataset import Dataset
from detector.evaluation.evaluator import PREDICTIONS_FILE
from detector.evaluation.truth import ANY_CLASS, EvalImage, Measure
from detector.geometry.boxes import polygons, signed_areas
from detector.stacks.block_model import (
    MIN_PLACES,
    BlockModel,
    draw_blocks,
    log_area_of,
    real_odds,
    seed_of,
    sharpness,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

HELD_SHARE: Final = 0.5  # of a true block in boxes, from which it is held
IGNORED_SHARE: Final = 0.5  # of a box in ignored regions, from which it is neither right nor wrong
QUANTILES: Final = 21
NODES: Final = 25  # of the quadrature over what differs between places
DIGITS: Final = 4
SLOPE_SD: Final = 1.0  # prior of slopes; of scores around 1, as if they were right

WEAK: Final = 1e-3  # prior of a mean that one kind of outcome alone would send to infinity
LEVEL: Final = 0.90
CONFIDENCE: Final = 0.95
BANDS: Final = ((1, 4), (5, 9), (10, 29), (30, None))  # of true blocks


@dataclass(frozen=True, slots=True)
class BlockImage:
    """Boxes and true blocks of one image.

    Attributes:
        name: of the image.
        place: its place.
        score: `(N,)` of the boxes, those in ignored regions left out.
        area_m2: `(N,)` NaN where the gsd is unknown.
        held: `(N,)` true blocks in each.
        held_m2: `(N,)` their area.
        inside: `(N,)` share of each box's area that lies on true blocks.
        missed_m2: `(M,)` areas of the true blocks in no box.
        true_inside_m2: area of true blocks that lies in boxes, held or not.
        row: `(N,)` positions of the boxes among those that were given.
    """

    name: str
    place: str
    score: Floats
    area_m2: Floats
    held: Ints
    held_m2: Floats
    inside: Floats
    missed_m2: Floats
    true_inside_m2: float
    row: Ints

    @property
    def true(self) -> int:
        """True blocks."""
        return int(self.held.sum()) + len(self.missed_m2)

    @property
    def true_m2(self) -> float:
        """Their area; NaN where the gsd is unknown."""
        return float(self.held_m2.sum() + self.missed_m2.sum())


def block_image(image: EvalImage, boxes: Boxes, class_id: int) -> BlockImage | None:
    """Lay the boxes of an image on its true blocks; None where the image says nothing of them.

    Args:
        image: with its truth.
        boxes: that are counted, pixels of the image.
        class_id: of container stacks.
    """
    if image.measures[class_id] is not Measure.POLYGON:
        return None
    mine = boxes.class_ids == class_id
    found, true = (
        polygons(boxes.corners[mine]),
        polygons(image.corners[image.class_ids == class_id]),
    )
    square = float("nan") if image.gsd_m is None else image.gsd_m**2
    shared = shapely.area(shapely.intersection(found[:, None], true[None, :]))
    shared = np.asarray(shared, np.float64).reshape(len(found), len(true))
    size, true_size = shapely.area(found), shapely.area(true)
    covered = shapely.area(shapely.intersection(true, shapely.union_all(found)))
    kept = covered >= HELD_SHARE * true_size
    owner = shared.argmax(axis=0) if len(found) else np.zeros(len(true), np.int64)
    held = np.bincount(owner[kept], minlength=len(found))
    held_m2 = np.bincount(owner[kept], true_size[kept] * square, minlength=len(found))
    inside = shapely.area(shapely.intersection(found, shapely.union_all(true))) / size
    unsure = np.isin(image.ignored_class_ids, (class_id, ANY_CLASS))
    regions = shapely.union_all(polygons(image.ignored[unsure]))
    ignored = shapely.area(shapely.intersection(found, regions)) >= IGNORED_SHARE * size
    judged = (held > 0) | ~ignored
    return BlockImage(
        name=image.name,
        place=image.place,
        score=boxes.scores[mine][judged].astype(np.float64),
        area_m2=np.abs(signed_areas(boxes.corners[mine]))[judged] * square,
        held=held[judged].astype(np.int64),
        held_m2=held_m2[judged],
        inside=inside[judged],
        missed_m2=true_size[~kept] * square,
        true_inside_m2=float(covered.sum() * square),
        row=np.flatnonzero(mine)[judged],
    )


PREDICTION_COLUMNS: Final = (
    Column("image", "text"),
    Column("counted", "yes or no"),
    Column("class", "text"),
    Column("score", "number", low=0, high=1),
    *(Column(name, "number") for name in CORNER_COLUMNS),
)
"""Of an evaluation's `predictions.parquet`."""


def read_block_images(dataset: Dataset, folder: Path, class_id: int) -> list[BlockImage]:
    """The images of an evaluation, by what was counted of them.

    Args:
        dataset: that was evaluated.
        folder: that `run_evaluation` wrote.
        class_id: of container stacks, in the dataset's classes.

    Raises:
        CalibrationError: the folder holds no predictions.
    """
    path = folder / PREDICTIONS_FILE
    try:
        table = read_columns(path, PREDICTION_COLUMNS).to_pandas()
    except TableError as error:
        raise CalibrationError(f"{error}; run detector evaluate again") from error
    name = dataset.images[0].classes.names[class_id]
    mine = table[table["counted"] & (table["class"] == name)]
    of = dict(iter(mine.groupby("image")))
    seen = []
    for image in dataset.images:
        rows = of.get(image.name, mine.iloc[:0])
        corners = rows[list(CORNER_COLUMNS)].to_numpy(np.float64).reshape(-1, 4, 2)
        scores = rows["score"].to_numpy(np.float32)
        boxes = Boxes(corners, scores, np.full(len(rows), class_id), image.classes)
        seen.append(block_image(image, boxes, class_id))
    return [image for image in seen if image is not None]


def fit_blocks(images: Sequence[BlockImage], fitted_on: str) -> BlockModel | None:
    """Fit the model, and measure it on every place with a fit of the others.

    Args:
        images: of places that the network never saw.
        fitted_on: the images, in words.

    Returns:
        None where there are no true blocks, or none of them is found where the gsd is known.
    """
    model = _fit(images)
    if model is None:
        return None
    return replace(
        model, fitted_on=fitted_on, rates=rates(images), coverage=tuple(held_out(images))
    )


def held_out(images: Sequence[BlockImage]) -> list[dict[str, Any]]:
    """Coverage of number and of area at places that were left out of the fit, by true number."""
    judged = []
    for place in sorted({image.place for image in images if image.true}):
        model = _fit([image for image in images if image.place != place])
        if model is None:
            continue
        for image in images:
            if image.place == place and image.true:
                judged.append((image, *_intervals(model, image)))
    rows = [_coverage_row("all", judged)]
    for low, high in BANDS:
        inside = [item for item in judged if low <= item[0].true <= (high or np.inf)]
        rows.append(_coverage_row(f"{low} to {high}" if high else f"{low} and more", inside))
    return [row for row in rows if row["images"]]


def rates(images: Sequence[BlockImage]) -> dict[str, Any]:
    """Precision and recall of the blocks and of their area, all images together.

    A box is right where it holds a true block; area is right where it lies on one.
    """
    boxes = np.concatenate([image.held for image in images])
    true = sum(image.true for image in images)
    known = [image for image in images if np.isfinite(image.area_m2).all() and image.true]
    area = sum(float(image.area_m2.sum()) for image in known)
    true_area = sum(image.true_m2 for image in known)
    on_true = sum(float((image.area_m2 * image.inside).sum()) for image in known)
    in_boxes = sum(image.true_inside_m2 for image in known)
    return {
        "precision": _share(int((boxes > 0).sum()), len(boxes)),
        "recall": _share(int(boxes.sum()), true),
        "joined": _share(int((boxes > 1).sum()), int((boxes > 0).sum())),
        "area_precision": round(on_true / area, DIGITS) if area else None,
        "area_recall": round(in_boxes / true_area, DIGITS) if true_area else None,
        "area_found_over_true": round(area / true_area, DIGITS) if true_area else None,
    }


def coverage_words(model: BlockModel) -> list[str]:
    """What the model claims and how it held, a line each, for people."""
    told = model.rates
    lines = [
        f"container stacks: {model.n_blocks} true blocks of {model.n_places} places; precision "
        f"{told['precision'][0]:.2f}, recall {told['recall'][0]:.2f}; of area: precision "
        f"{told['area_precision']:.2f}, recall {told['area_recall']:.2f}"
    ]
    for claimed, places, what in (
        (model.claims_number, model.n_places, "number"),
        (model.claims_area, model.n_area_places, "area and TEU"),
    ):
        if not claimed:
            lines.append(
                f"container stacks: no interval of {what}: {places} places with blocks, "
                f"{MIN_PLACES} are needed"
            )
    return lines


def _share(part: int, whole: int) -> list[float]:
    """A share with its binomial interval: `[share, low, high, whole]`."""
    if not whole:
        return [float("nan"), 0.0, 1.0, 0]
    exact = binomtest(part, whole).proportion_ci(CONFIDENCE)
    return [*(round(float(x), DIGITS) for x in (part / whole, exact.low, exact.high)), whole]


def _fit(images: Sequence[BlockImage]) -> BlockModel | None:
    if not images:
        return None
    boxes = _columns(images)
    with_area = boxes.known & (boxes.held > 0)
    if not with_area.any():
        return None
    ratio = np.log(boxes.held_m2[with_area] / boxes.area_m2[with_area])
    residual, ratio_sd = _between_places(ratio, boxes.place[with_area])
    real, real_sd = _fit_real(boxes)
    recall, recall_sd = _fit_recall(images)
    missed, usual = _missed_sizes(images)
    with_true = [image for image in images if image.true]
    known = [image for image in with_true if np.isfinite(image.true_m2)]
    return BlockModel(
        real=real,
        real_sd=real_sd,
        joined=_fit_joined(boxes),
        log_ratio=_quantiles(residual),
        ratio_sd=ratio_sd,
        recall=recall,
        recall_sd=recall_sd,
        clean=_clean_share(images),
        log_missed=missed,
        usual_m2=usual,
        n_places=len({image.place for image in with_true}),
        n_area_places=len({image.place for image in known}),
        n_blocks=sum(image.true for image in images),
        n_boxes=len(boxes.held),
    )


@dataclass(frozen=True, slots=True)
class _Columns:
    """The boxes of all images."""

    place: Ints
    score: Floats
    area_m2: Floats
    held: Ints
    held_m2: Floats

    @property
    def known(self) -> NDArray[np.bool_]:
        return np.isfinite(self.area_m2)


def _columns(images: Sequence[BlockImage]) -> _Columns:
    names = sorted({image.place for image in images})
    return _Columns(
        place=np.repeat(
            [names.index(image.place) for image in images], [len(image.held) for image in images]
        ).astype(np.int64),
        score=np.concatenate([image.score for image in images]),
        area_m2=np.concatenate([image.area_m2 for image in images]),
        held=np.concatenate([image.held for image in images]),
        held_m2=np.concatenate([image.held_m2 for image in images]),
    )


def _fit_real(boxes: _Columns) -> tuple[tuple[float, float, float], float]:
    """Log odds of being real by score and area, normal between places."""
    log_area = log_area_of(boxes.area_m2)
    hits, ones = (boxes.held > 0).astype(float), np.ones(len(boxes.held))

    def odds(values: Floats) -> Floats:
        return real_odds(values[:3].tolist(), boxes.score, log_area)

    def prior(values: Floats) -> float:
        return float((values[1] - 1.0) ** 2 + values[2] ** 2) / (2 * SLOPE_SD**2)

    found = _maximize(np.array([1.0, 1.0, 0.0]), odds, prior, (hits, ones), boxes.place)
    return (found[0], found[1], found[2]), round(float(np.exp(found[3])), DIGITS)


def _fit_recall(images: Sequence[BlockImage]) -> tuple[tuple[float, float], float]:
    """Log odds that a true block is held, by the scores of its place, normal between places."""
    names = sorted({image.place for image in images if image.true})
    held, true, sharp = (np.zeros(len(names)) for _ in range(3))
    for at, name in enumerate(names):
        mine = [image for image in images if image.place == name]
        held[at] = sum(image.held.sum() for image in mine)
        true[at] = sum(image.true for image in mine)
        sharp[at] = sharpness(np.concatenate([image.score for image in mine]))

    def odds(values: Floats) -> Floats:
        return np.asarray(values[0] + values[1] * sharp)

    def prior(values: Floats) -> float:
        return float((values[1] - 1.0) ** 2) / (2 * SLOPE_SD**2)

    places = np.arange(len(names))
    found = _maximize(np.array([1.0, 1.0]), odds, prior, (held, true), places)
    return (found[0], found[1]), round(float(np.exp(found[2])), DIGITS)


def _clean_share(images: Sequence[BlockImage]) -> float:
    """Share of places with true blocks where none is joined and none missed, by Laplace's rule."""
    flawed: dict[str, bool] = {}
    for image in images:
        if image.true:
            flaw = bool(len(image.missed_m2) or (image.held > 1).any())
            flawed[image.place] = flawed.get(image.place, False) or flaw
    clean = sum(not flaw for flaw in flawed.values())
    return round((clean + 1) / (len(flawed) + 2), DIGITS)


def _maximize(
    start: Floats,
    odds: Any,
    prior: Any,
    counts: tuple[Floats, Floats],
    place: Ints,
) -> list[float]:
    """Parameters and log of the spread between places, by marginal likelihood.

    The integral over a place's effect is Gauss and Hermite's. The spread has the prior of Chung et
    al. (Psychometrika 2013), its own size: few places never say that they are all alike.
    """
    hits, trials = counts
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    log_weights = np.log(weights / weights.sum())
    number = int(place.max(initial=-1)) + 1

    def loss(values: Floats) -> float:
        spread = float(np.exp(values[-1]))
        eta = odds(values)[:, None] + spread * nodes[None, :]
        each = hits[:, None] * log_expit(eta) + (trials - hits)[:, None] * log_expit(-eta)
        summed = np.zeros((number, NODES))
        np.add.at(summed, place, each)
        total = logsumexp(summed + log_weights, axis=1).sum()
        return float(-total - values[-1] + prior(values) + WEAK * values[0] ** 2)

    limits = [(-8.0, 8.0)] * len(start) + [(np.log(0.02), np.log(3.0))]
    found = minimize(loss, np.append(start, np.log(0.5)), bounds=limits, method="L-BFGS-B")
    return [round(float(value), DIGITS) for value in found.x]


def _fit_joined(boxes: _Columns) -> tuple[float, float]:
    """Log odds that a box that holds blocks holds one more: geometric, by log area."""
    real = boxes.held > 0
    log_area, more = log_area_of(boxes.area_m2[real]), boxes.held[real] - 1.0

    def loss(values: Floats) -> float:
        eta = values[0] + values[1] * log_area
        fit = (more * log_expit(eta) + log_expit(-eta)).sum()
        return float(-fit + values[1] ** 2 / (2 * SLOPE_SD**2) + WEAK * values[0] ** 2)

    found = minimize(loss, [-2.0, 0.0], bounds=[(-8, 3), (-3, 3)], method="L-BFGS-B")
    return round(float(found.x[0]), DIGITS), round(float(found.x[1]), DIGITS)


def _between_places(values: Floats, place: Ints) -> tuple[Floats, float]:
    """What is left of values without their place's own mean, and how such means differ.

    One-way analysis of variance; a place of few values is drawn to the mean of all.
    """
    _, at = np.unique(place, return_inverse=True)
    number = np.bincount(at).astype(float)
    means = np.bincount(at, values) / number
    inner = float(((values - means[at]) ** 2).sum() / max(len(values) - len(number), 1))
    if len(number) < 2:
        return values, float(np.sqrt(inner))
    grand = float(values.mean())
    outer = float((number * (means - grand) ** 2).sum() / (len(number) - 1))
    each = (len(values) - float((number**2).sum()) / len(values)) / (len(number) - 1)
    between = max((outer - inner) / each, inner / len(values))
    shrunk = between / (between + inner / number)
    return values - (shrunk * (means - grand))[at], round(float(np.sqrt(between)), DIGITS)


def _missed_sizes(images: Sequence[BlockImage]) -> tuple[list[float], float]:
    """Log sizes of missed blocks over the mean of the boxes of their image, and that of all."""
    known = [image for image in images if len(image.area_m2) and np.isfinite(image.area_m2).all()]
    usual = float(np.concatenate([image.area_m2 for image in known]).mean())
    sizes = [np.log(image.missed_m2 / image.area_m2.mean()) for image in known]
    joined = np.concatenate(sizes) if sizes else np.zeros(0)
    return _quantiles(joined if len(joined) else np.zeros(1)), round(usual, 1)


def _quantiles(values: Floats) -> list[float]:
    found = np.quantile(values, np.linspace(0.0, 1.0, QUANTILES))
    return [round(float(value), DIGITS) for value in found]


def _intervals(model: BlockModel, image: BlockImage) -> tuple[Floats, Floats | None]:
    """5, 50 and 95 % of number and of area; None of area where the gsd is unknown."""
    draws = draw_blocks(model, image.score, image.area_m2, seed_of(image.name))
    tails = ((1 - LEVEL) / 2, 0.5, (1 + LEVEL) / 2)
    number = np.quantile(draws.number, tails, method="inverted_cdf")
    if not np.isfinite(image.true_m2) or not np.isfinite(image.area_m2).all():
        return number, None
    return number, np.quantile(draws.area_m2(image.area_m2), tails)


def _coverage_row(
    name: str, judged: Sequence[tuple[BlockImage, Floats, Floats | None]]
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "true": name,
        "images": len(judged),
        "places": len({image.place for image, _, _ in judged}),
    }
    number = [(image.true, said) for image, said, _ in judged]
    area = [(image.true_m2, said) for image, _, said in judged if said is not None]
    for what, pairs in (("number", number), ("area", area)):
        if not pairs:
            continue
        inside = sum(said[0] <= true <= said[2] for true, said in pairs)
        width = np.median([(said[2] - said[0]) / true for true, said in pairs])
        row[f"{what}_held"] = _share(int(inside), len(pairs))
        row[f"{what}_width_over_true"] = round(float(width), DIGITS)
    return row
