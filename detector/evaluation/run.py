"""`detector evaluate` as a function: data in, a folder of numbers out."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from detector._version import __version__
from detector.boxes import Boxes
from detector.classes import CLASS_NAMES
from detector.detections import CORNER_COLUMNS
from detector.evaluation.compare import Delta, Side, compare
from detector.evaluation.dataset import Dataset, check_scored
from detector.evaluation.gallery import IMAGES, worst_images
from detector.evaluation.page import render_page
from detector.evaluation.predicting import FLOOR, Run, predict_images
from detector.evaluation.record import Facts, to_json, to_markdown
from detector.evaluation.summary import Evaluation, evaluate
from detector.evaluation.table import MatchTable
from detector.evaluation.truth import EvalImage
from detector.export.atomic import atomic_path, prepare_folder
from detector.inference.pipeline import PipelineSettings
from detector.models.detector import DetectorSettings, load_detector
from detector.progress import Progress, SilentProgress

METRICS_FILE: Final = "metrics.json"
MARKDOWN_FILE: Final = "metrics.md"
PAGE_FILE: Final = "evaluation.html"
COST_FILE: Final = "cost.json"
PREDICTIONS_FILE: Final = "predictions.parquet"
MATCHES_FILES: Final = ("matches_complete.npz", "matches_counted.npz")

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EvaluationSettings:
    """How an evaluation runs.

    Attributes:
        out: folder of the results; files of an earlier evaluation in it are replaced.
        detector: which weights run where, and from which score objects are counted.
        pipeline: threads and merge of each scene.
        floor: lowest score of the curves.
        compare: folder of another evaluation of the same images, or None.
        gallery: number of worst images in the page.
    """

    out: Path
    detector: DetectorSettings
    pipeline: PipelineSettings = field(default_factory=lambda: PipelineSettings(readers=1))
    floor: float = FLOOR
    compare: Path | None = None
    gallery: int = IMAGES


@dataclass(frozen=True, slots=True)
class Result:
    """What an evaluation gave.

    Attributes:
        facts: what it was of.
        evaluation: numbers and matches.
        deltas: differences from the other run; empty without.
        run: predictions and cost.
    """

    facts: Facts
    evaluation: Evaluation
    deltas: list[Delta]
    run: Run


def run_evaluation(
    dataset: Dataset, name: str, settings: EvaluationSettings, progress: Progress | None = None
) -> Result:
    """Predict, score and write everything.

    Args:
        dataset: images with their truth.
        name: of the data, for the texts.
        settings: what runs where, and where the files go.
        progress: where to show how far it is.

    Raises:
        EvaluationError: nothing to score, or a run to compare with that does not fit.
        SceneError: an image cannot be read.
        WeightsError: the weights cannot be loaded.
        OutputError: the folder cannot be written to.
    """
    notes = check_scored(dataset.images)
    for note in notes:
        LOG.warning("%s", note)
    other = load_side(settings.compare) if settings.compare is not None else None
    out = prepare_folder(settings.out)
    detector = load_detector(settings.detector)
    run = predict_images(
        dataset.images,
        dataset.paths,
        detector,
        settings.pipeline,
        floor=settings.floor,
        progress=progress or SilentProgress(),
    )
    evaluation = evaluate(dataset.images, run.predictions)
    side = Side(evaluation.complete, evaluation.counted)
    deltas = compare(side, other) if other is not None else []
    facts = Facts(
        data=name,
        weights=detector.card.name,
        sha256=detector.card.sha256,
        conf=dict(zip(CLASS_NAMES, detector.conf.astype(float).round(4).tolist(), strict=True)),
        floor=settings.floor,
        backend=f"{detector.backend.name} on {detector.backend.device}",
        version=__version__,
        n_images=len(dataset.images),
        n_places=len({image.place for image in dataset.images}),
        clipped=dataset.clipped,
        outside=dataset.outside,
        notes=tuple(notes),
    )
    result = Result(facts, evaluation, deltas, run)
    _write(out, dataset, result, settings)
    return result


def load_side(folder: Path) -> Side:
    """The matches of an earlier evaluation.

    Raises:
        EvaluationError: they are missing or damaged.
    """
    return Side(*(MatchTable.load(folder / name) for name in MATCHES_FILES))


def cost_of(run: Run) -> dict[str, float | int]:
    """What the predictions cost, and the share of the time outside the network."""
    outside = 1 - run.model_seconds / run.seconds if run.seconds else 0.0
    return {
        "tiles": run.tiles,
        "seconds": round(run.seconds, 2),
        "model_seconds": round(run.model_seconds, 2),
        "share_outside_model": round(outside, 4),
    }


def _write(out: Path, dataset: Dataset, result: Result, settings: EvaluationSettings) -> None:
    facts, summary, deltas = result.facts, result.evaluation.summary, result.deltas
    _write_json(out / METRICS_FILE, to_json(facts, summary, deltas))
    _write_json(out / COST_FILE, cost_of(result.run))
    _write_text(out / MARKDOWN_FILE, to_markdown(facts, summary, deltas))
    tables = (result.evaluation.complete, result.evaluation.counted)
    for name, table in zip(MATCHES_FILES, tables, strict=True):
        table.save(out / name)
    with atomic_path(out / PREDICTIONS_FILE) as temporary:
        _predictions_table(dataset.images, result.run).to_parquet(temporary, index=False)
    counted = result.run.predictions.counted
    pictures = worst_images(dataset.images, dataset.paths, counted, settings.gallery)
    _write_text(out / PAGE_FILE, render_page(facts, result.evaluation, deltas, pictures))


def _predictions_table(images: list[EvalImage], run: Run) -> pd.DataFrame:
    parts = [
        _rows(image.name, boxes, counted=counted)
        for counted, sets in ((False, run.predictions.complete), (True, run.predictions.counted))
        for image, boxes in zip(images, sets, strict=True)
    ]
    return pd.concat(parts, ignore_index=True)


def _rows(name: str, boxes: Boxes, *, counted: bool) -> pd.DataFrame:
    corners = boxes.corners.reshape(-1, 8)
    columns: dict[str, Any] = {
        "image": [name] * len(boxes),
        "counted": np.full(len(boxes), counted),
        "class": [CLASS_NAMES[class_id] for class_id in boxes.class_ids],
        "score": boxes.scores,
    }
    columns |= {column: corners[:, i] for i, column in enumerate(CORNER_COLUMNS)}
    return pd.DataFrame(columns)


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    _write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def _write_text(path: Path, text: str) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
