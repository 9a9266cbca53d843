"""The dev split for `docs/accuracy.md`: the evaluation, its plots, its cost, and what it says.

Nothing of the imagery gets into the docs. An evaluation that is already in the folder, of the same
weights by the same code, is taken as it is.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.tables import put
from detector.boxes.scored import Boxes
from detector.classes import PORT
from detector.data import port_pool
from detector.detections import CORNER_COLUMNS
from detector.evaluation.dataset import Dataset, labelled_dataset
from detector.evaluation.evaluator import (
    COST_FILE,
    METRICS_FILE,
    PREDICTIONS_FILE,
    EvaluationSettings,
    run_evaluation,
)
from detector.evaluation.page import plots
from detector.evaluation.record import Facts, number, percent, to_markdown
from detector.evaluation.slices import WHOLE
from detector.evaluation.summary import DetectionRow, Evaluation, Predictions, evaluate
from detector.evaluation.truth import EvalImage
from detector.models.detector import DetectorSettings

COST_IMAGES = 500
PLOT_KINDS = ("curve", "counts", "errors")
PLOTTED = ("ship", "ship_envelope", "container_stack")
LEAST_OBJECTS = 20  # a size is named in words only if this many objects stand behind it


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The dev split with what the product finds.

    Attributes:
        images: the truth.
        facts: of the evaluation.
        predictions: in the order of the images.
        evaluation: the numbers.
    """

    images: list[EvalImage]
    facts: Facts
    predictions: Predictions
    evaluation: Evaluation


def evaluated(pool: Path, detector: DetectorSettings, reading: str, out: Path) -> Evaluated:
    """Evaluate the dev split, as `detector evaluate data=port split=dev` does.

    Args:
        pool: the port pool.
        detector: which weights run where.
        reading: what makes these weights and this card another: results are kept by it.
        out: folder of all results.
    """
    dataset = labelled_dataset(port_pool.read(pool, "dev"))
    folder = out / f"dev-{_key(reading)}"
    if not (folder / COST_FILE).is_file():  # it is written last
        settings = EvaluationSettings(folder, detector)
        run_evaluation(dataset, "the port pool, split dev", settings)
    content = json.loads((folder / METRICS_FILE).read_text(encoding="utf-8"))
    facts = {**content["facts"], "notes": tuple(content["facts"]["notes"])}
    predictions = read_predictions(folder, dataset.images)
    evaluation = evaluate(dataset.images, predictions)
    return Evaluated(dataset.images, Facts(**facts), predictions, evaluation)


def cost(pool: Path, detector: DetectorSettings, reading: str, out: Path) -> str:
    """One sentence on the time of an evaluation of 500 images.

    The dev split has fewer, so images of the train split are added. Nothing else is taken from it.
    """
    dev, train = (labelled_dataset(port_pool.read(pool, split)) for split in ("dev", "train"))
    rest = COST_IMAGES - len(dev.images)
    order = np.random.default_rng(0).permutation(len(train.images))[:rest].tolist()
    dataset = Dataset(
        dev.images + [train.images[i] for i in order],
        dev.paths + [train.paths[i] for i in order],
        0,
        0,
    )
    folder = out / f"cost-{_key(reading)}"
    if not (folder / COST_FILE).is_file():
        run_evaluation(dataset, "500 images for the cost", EvaluationSettings(folder, detector))
    spent = json.loads((folder / COST_FILE).read_text(encoding="utf-8"))
    return (
        f"Cost: {spent['images']} images (the dev split and {rest} of the train split, for this "
        f"line only), {spent['tiles']} tiles, {spent['seconds']:.0f} s, "
        f"{100 * spent['share_outside_model']:.1f} % of it outside the network: reading, merging, "
        "scoring, 1,000 resamples, plots, files."
    )


def write(result: Evaluated, docs: Path) -> None:
    """Put the table and what it says into the docs, and draw the plots."""
    text = to_markdown(result.facts, result.evaluation.summary, ())
    put(docs, "dev split", f"\n{text}")
    put(docs, "dev split says", f"\n{says(result.evaluation)}\n")
    drawn = plots(result.evaluation)
    names = [f"accuracy_{part}_{kind}.svg" for part in PLOTTED for kind in PLOT_KINDS]
    for name, svg in zip(names, drawn, strict=True):
        (docs.parent / "images" / name).write_text(svg + "\n", encoding="utf-8")


def says(evaluation: Evaluation) -> str:
    """The table in words, a line a class and measure."""
    summary = evaluation.summary
    kinds = {(row.class_name, row.measure): row for row in summary.kinds}
    counts = {
        (row.class_name, row.measure): row.errors
        for row in summary.counts
        if row.what == "objects by image"
    }
    lines = []
    for row in summary.detection:
        key = row.class_name, row.measure
        if row.by != WHOLE or not row.n_truth:
            continue
        wrong = {k: v for k, v in kinds[key].predicted.items() if k not in ("right", "neutral")}
        worst = sorted((-n, kind) for kind, n in wrong.items() if n)[:3]
        named = ", ".join(f"{kind} {-n}" for n, kind in worst)
        lines.append(
            f"- **{row.class_name}, {row.measure}**: {_share(row.counted.recall.value)} of the "
            f"objects are found and {_share(row.counted.precision.value)} of the boxes are right; "
            f"the sum of the counts is off by {percent(counts[key].total_error)}. "
            f"{_by_size(summary.detection, row)}Wrong boxes, {sum(wrong.values())} in all: "
            f"{named or 'none'}. Lost objects inside a box that holds several: "
            f"{kinds[key].true['merged']}."
        )
    return "\n".join(lines)


def _by_size(rows: list[DetectionRow], whole: DetectionRow) -> str:
    """Where most and fewest are found, among the sizes with enough objects."""
    sizes = [
        row
        for row in rows
        if (row.class_name, row.measure, row.by) == (whole.class_name, whole.measure, "length_px")
        and row.n_truth >= LEAST_OBJECTS
    ]
    if len(sizes) < 2:
        return ""
    best = max(sizes, key=lambda row: row.counted.recall.value)
    least = min(sizes, key=lambda row: row.counted.recall.value)
    return (
        f"Most are found at {best.value} (recall {number(best.counted.recall)}), fewest at "
        f"{least.value} ({number(least.counted.recall)}). "
    )


def _share(value: float) -> str:
    return f"{100 * value:.0f} %"


def read_predictions(folder: Path, images: list[EvalImage]) -> Predictions:
    """The predictions of an evaluation, in the order of the images."""
    table = pd.read_parquet(folder / PREDICTIONS_FILE)
    groups: dict[Any, pd.DataFrame] = dict(iter(table.groupby(["image", "counted"])))
    sets = [
        [_boxes(groups.get((image.name, counted), table[:0])) for image in images]
        for counted in (False, True)
    ]
    return Predictions(*sets)


def _boxes(rows: pd.DataFrame) -> Boxes:
    return Boxes(
        rows[list(CORNER_COLUMNS)].to_numpy(np.float64).reshape(-1, 4, 2),
        rows["score"].to_numpy(np.float32),
        np.array([PORT.names.index(name) for name in rows["class"]], np.int64),
    )


def _key(reading: str) -> str:
    """Of the weights, how they are read, and the code that looks, merges and scores."""
    digest = hashlib.sha256(reading.encode())
    package = Path(__file__).parents[1] / "detector"
    for part in ("scenes", "tiling", "models", "inference", "evaluation", "geometry"):
        for path in sorted((package / part).glob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
