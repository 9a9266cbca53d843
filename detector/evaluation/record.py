"""An evaluation as JSON and as Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import pandas as pd

from detector.evaluation.bootstrap import CONFIDENCE, MIN_PLACES, RESAMPLES, SEED, Estimate
from detector.evaluation.compare import Delta
from detector.evaluation.matching import IOU_THRESHOLDS
from detector.evaluation.near import COARSE_M, CentreRow
from detector.evaluation.slices import WHOLE
from detector.evaluation.summary import CountRow, DetectionRow, LengthRow, Summary

FORMAT: Final = 1
DIGITS: Final = 6
UNDEFINED: Final = "n/a"
CENTRES_HEADING: Final = (
    f"By overlap and by centres within half a length and a width, gsd from {COARSE_M:g} m"
)
PART_NAMES: Final = {
    WHOLE: "all",
    "source": "source",
    "gsd": "ground sample distance",
    "length_px": "length in pixels",
    "length_m": "length in metres",
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What an evaluation was of.

    Attributes:
        data: which images.
        weights: name of the card.
        sha256: of the weights.
        conf: score threshold of each class; empty where it is not known.
        floor: lowest score of the curves; NaN where it is not known.
        backend: what ran the network, and where.
        version: of the program.
        n_images: all, those that score no class too.
        n_places: of them.
        clipped: true objects clipped to their image.
        outside: true objects outside their image, left out.
        notes: what to know when reading the numbers.
        luck: of one look, that the card says; None where it is not known.
    """

    data: str
    weights: str
    sha256: str
    conf: Mapping[str, float]
    floor: float
    backend: str
    version: str
    n_images: int
    n_places: int
    clipped: int
    outside: int
    notes: tuple[str, ...] = ()
    luck: float | None = None


def to_json(facts: Facts, summary: Summary, deltas: Sequence[Delta]) -> dict[str, Any]:
    """All numbers as plain values; what is not defined is null."""
    content = {
        "format": FORMAT,
        "facts": asdict(facts),
        "method": {
            "iou": "exact polygons; envelopes where the truth is axis-aligned",
            "iou_thresholds": list(IOU_THRESHOLDS),
            "interval": f"{CONFIDENCE:.0%} percentile bootstrap over places",
            "resamples": RESAMPLES,
            "seed": SEED,
            "min_places": MIN_PLACES,
        },
        **asdict(summary),
        "compared": [{**asdict(delta), "significant": delta.significant} for delta in deltas],
    }
    plain: dict[str, Any] = _plain(content)
    return plain


def card_metrics(facts: Facts, summary: Summary) -> dict[str, Any]:
    """What a model card says under `metrics`: the whole of the data, with sizes and intervals."""
    rows: dict[str, Any] = {}
    for row in summary.detection:
        if row.by != WHOLE or row.n_truth == 0:
            continue
        values = {
            "AP50": row.ap50,
            "AP75": row.ap75,
            "AP50_95": row.ap50_95,
            "precision": row.counted.precision,
            "recall": row.counted.recall,
            "F1": row.counted.f1,
        }
        rows[f"{row.class_name}, {row.measure}"] = {
            "images": row.n_images,
            "places": row.n_places,
            "objects": row.n_truth,
            "places_with_objects": row.n_truth_places,
            **{name: number(value) for name, value in values.items()},
        }
    return {"data": facts.data, "interval": f"{CONFIDENCE:.0%}, over places", **rows}


def to_markdown(facts: Facts, summary: Summary, deltas: Sequence[Delta]) -> str:
    """The tables for people."""
    blocks = [facts_text(facts), "### Detection", detection_table(summary.detection)]
    blocks += ["### Counts", count_table(summary.counts)]
    if summary.lengths:
        blocks += ["### Lengths of found ships, known gsd", length_table(summary.lengths)]
    if summary.centres:
        blocks += [f"### {CENTRES_HEADING}", centre_table(summary.centres)]
    blocks += ["### Errors by kind", kind_table(summary)]
    if deltas:
        blocks += ["### Compared", delta_table(deltas)]
    return "\n\n".join(blocks) + "\n"


def facts_text(facts: Facts) -> str:
    """What the numbers are of, in sentences."""
    lines = [
        f"Weights `{facts.weights}` ({facts.sha256[:12]}) on {facts.data}: {facts.n_images} images "
        f"of {facts.n_places} places, {facts.backend}, quaywatch {facts.version}.",
        *_score_lines(facts),
        f"{facts.clipped} true objects were clipped to their image, {facts.outside} lay outside.",
        f"In brackets: {CONFIDENCE:.0%} interval, {RESAMPLES} resamples of places; none with "
        f"fewer than {MIN_PLACES} places that hold objects.",
        *facts.notes,
    ]
    return "\n".join(f"- {line}" for line in lines)


def _score_lines(facts: Facts) -> list[str]:
    if not facts.conf:
        return []
    conf = ", ".join(f"{name} {value:g}" for name, value in facts.conf.items())
    return [f"Objects are counted from these scores: {conf}. Curves reach down to {facts.floor:g}."]


def detection_table(rows: Iterable[DetectionRow]) -> str:
    """Average precision, precision, recall and F1, a line a part."""
    head = (
        "class, measure",
        "part",
        "images",
        "places",
        "objects (places)",
        "AP50",
        "AP75",
        "AP50:95",
        "AP50 VOC07",
        "AP50 ProbIoU",
        "precision",
        "recall",
        "F1",
        "best F1 (from)",
        "false an image",
    )
    return table(head, [_detection_cells(row) for row in rows])


def count_table(rows: Iterable[CountRow]) -> str:
    """Count errors, a line a class and kind of count."""
    head = (
        "class, measure",
        "what",
        "n",
        "places",
        "true",
        "counted",
        "bias",
        "MAE",
        "MAPE (truth ≥ 5; n)",
        "total error",
        "within 10 % (n)",
    )
    return table(head, [_count_cells(row) for row in rows])


def length_table(rows: Iterable[LengthRow]) -> str:
    """Length errors, a line a length class."""
    head = ("true length", "ships", "places", "bias, m", "MAE, m", "mean relative error")
    body = [
        (
            row.value,
            str(row.errors.n),
            str(row.errors.n_places),
            number(row.errors.bias_m, 1),
            number(row.errors.mae_m, 1),
            percent(row.errors.mape),
        )
        for row in rows
    ]
    return table(head, body)


def centre_table(rows: Iterable[CentreRow]) -> str:
    """What is found by overlap and by centres, a line a range of lengths."""
    head = (
        "class",
        "length",
        "objects (places)",
        "IoU 0.5: precision",
        "recall",
        "by centre: AP",
        "precision",
        "recall",
    )
    body = [
        (
            row.class_name,
            row.value,
            f"{row.n_truth} ({row.n_truth_places})",
            number(row.by_overlap.precision),
            number(row.by_overlap.recall),
            number(row.ap),
            number(row.by_centre.precision),
            number(row.by_centre.recall),
        )
        for row in rows
    ]
    return table(head, body)


def kind_table(summary: Summary) -> str:
    """Numbers of errors, a line a class and side."""
    names = list(summary.kinds[0].predicted) if summary.kinds else []
    names = [*names, "missed"]
    body = []
    for row in summary.kinds:
        for side, numbers in (("predictions", row.predicted), ("true objects", row.true)):
            cells = [str(numbers[name]) if name in numbers else "" for name in names]
            body.append((f"{row.class_name}, {row.measure}", side, *cells))
    return table(("class, measure", "side", *names), body)


def delta_table(deltas: Iterable[Delta]) -> str:
    """Differences, a line a number; those whose interval leaves out 0 are marked."""
    head = (
        "class, measure",
        "part",
        "number",
        "places",
        "objects",
        "old",
        "new",
        "difference",
        "p",
    )
    body = [
        (
            f"{delta.class_name}, {delta.measure}",
            _part_name(delta.by, delta.value),
            delta.number,
            str(delta.n_places),
            str(delta.n_truth),
            _digits(delta.old, 3),
            _digits(delta.new, 3),
            number(delta.difference, 3) + (" *" if delta.significant else ""),
            _digits(delta.p, 3),
        )
        for delta in deltas
    ]
    return table(head, body)


def table(head: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    """A Markdown table; cells are taken as they are."""
    frame = pd.DataFrame([*body], columns=[*head], dtype=str)
    return str(frame.to_markdown(index=False, disable_numparse=True, stralign=None))


def number(value: Estimate, digits: int = 3) -> str:
    """A value with its interval: `0.793 [0.733, 0.872]`; `n/a` where it is not defined."""
    if math.isnan(value.value):
        return UNDEFINED
    text = _digits(value.value, digits)
    if math.isnan(value.low):
        return text
    return f"{text} [{_digits(value.low, digits)}, {_digits(value.high, digits)}]"


def percent(value: Estimate) -> str:
    """The same in percent: `61 % [35, 83]`."""
    if math.isnan(value.value):
        return UNDEFINED
    text = f"{100 * value.value:.0f} %"
    if math.isnan(value.low):
        return text
    return f"{text} [{100 * value.low:.0f}, {100 * value.high:.0f}]"


def _detection_cells(row: DetectionRow) -> tuple[str, ...]:
    best = UNDEFINED if row.best is None else f"{number(row.best.f1)} ({row.best.threshold:.2f})"
    return (
        f"{row.class_name}, {row.measure}",
        _part_name(row.by, row.value),
        str(row.n_images),
        str(row.n_places),
        f"{row.n_truth} ({row.n_truth_places})",
        number(row.ap50),
        number(row.ap75),
        number(row.ap50_95),
        number(row.ap50_voc07),
        number(row.ap50_prob_iou) if row.measure == "polygon" else UNDEFINED,
        number(row.counted.precision),
        number(row.counted.recall),
        number(row.counted.f1),
        best,
        number(row.false_per_image, 2),
    )


def _count_cells(row: CountRow) -> tuple[str, ...]:
    errors = row.errors
    digits = 0 if row.what.startswith("area") else 2
    return (
        f"{row.class_name}, {row.measure}",
        row.what,
        str(errors.n),
        str(errors.n_places),
        f"{errors.true:,.0f}",
        f"{errors.counted:,.0f}",
        number(errors.bias, digits),
        number(errors.mae, digits),
        f"{percent(errors.mape)} ({errors.n_mape})",
        percent(errors.total_error),
        f"{percent(errors.within_10)} ({errors.n_within_10})",
    )


def _part_name(by: str, value: str) -> str:
    return "all" if by == WHOLE else f"{PART_NAMES[by]}: {value}"


def _digits(value: float, digits: int) -> str:
    return UNDEFINED if math.isnan(value) else f"{value:.{digits}f}"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, DIGITS)
    return value
