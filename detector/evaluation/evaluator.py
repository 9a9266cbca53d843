"""`detector evaluate` as a function: data in, a folder of numbers out."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import yaml

from detector._version import __version__
from detector.boxes.scored import Boxes
from detector.detections import CORNER_COLUMNS
from detector.evaluation.compare import Delta, Side, compare
from detector.evaluation.dataset import Dataset, check_scored
from detector.evaluation.gallery import IMAGES, worst_images
from detector.evaluation.page import evaluation_page
from detector.evaluation.predicting import FLOOR, FinishedRun, Run, predict_images
from detector.evaluation.record import Facts, card_metrics, to_json, to_markdown
from detector.evaluation.summary import Evaluation, Predictions, evaluate
from detector.evaluation.table import MatchTable
from detector.evaluation.truth import EvalImage
from detector.files import atomic_path, held_folder
from detector.inference.pipeline import PipelineSettings
from detector.models.detector import Detector, DetectorSettings
from detector.models.precision import F32
from detector.progress import Progress, SilentProgress
from detector.rendering.examples import load_detector

METRICS_FILE: Final = "metrics.json"
MARKDOWN_FILE: Final = "metrics.md"
PAGE_FILE: Final = "evaluation.html"
CARD_FILE: Final = "card_metrics.yaml"  # to go under `metrics` of the model card
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
        finished: predictions to score instead of predicting, or None.
        gallery: number of worst images in the page.
    """

    out: Path
    detector: DetectorSettings
    pipeline: PipelineSettings = field(default_factory=lambda: PipelineSettings(readers=1))
    floor: float = FLOOR
    compare: Path | None = None
    finished: FinishedRun | None = None
    gallery: int = IMAGES


@dataclass(frozen=True, slots=True)
class Cost:
    """What an evaluation cost.

    Attributes:
        images: that were predicted.
        tiles: that the network saw.
        seconds: from the first image to the last file.
        model_seconds: of them inside the network.
        predict_seconds: of them until the last prediction.
    """

    images: int
    tiles: int
    seconds: float
    model_seconds: float
    predict_seconds: float

    @property
    def share_outside_model(self) -> float:
        """Share of the time that the network did not run."""
        return 1.0 - self.model_seconds / self.seconds if self.seconds else 0.0


@dataclass(frozen=True, slots=True)
class Result:
    """What an evaluation gave.

    Attributes:
        facts: what it was of.
        evaluation: numbers and matches.
        deltas: differences from the other run; empty without.
        run: predictions.
        cost: time and tiles.
    """

    facts: Facts
    evaluation: Evaluation
    deltas: list[Delta]
    run: Run
    cost: Cost


def run_evaluation(
    dataset: Dataset,
    name: str,
    settings: EvaluationSettings,
    progress: Progress | None = None,
    *,
    detector: Detector | None = None,
    found: Predictions | None = None,
) -> Result:
    """Predict, score and write everything.

    Args:
        dataset: images with their truth.
        name: of the data, for the texts.
        settings: what runs where, and where the files go.
        progress: where to show how far it is.
        detector: that is loaded already; by default what the settings name is.
        found: what this detector found on these images, where that is known already.

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
    with held_folder(settings.out) as out:
        if settings.finished is not None:
            run, facts = _finished(dataset, name, settings.finished, notes)
        else:
            detector = detector or load_detector(settings.detector)
            run, facts = _predicted(
                dataset, name, settings, notes, progress or SilentProgress(), detector, found
            )
        start = time.perf_counter()
        evaluation = evaluate(dataset.images, run.predictions)
        side = Side(evaluation.complete, evaluation.counted)
        deltas = compare(side, other) if other is not None else []
        _write(out, dataset, settings.gallery, facts, evaluation, deltas, run)
        cost = Cost(
            images=len(dataset.images),
            tiles=run.tiles,
            seconds=round(run.seconds + time.perf_counter() - start, 2),
            model_seconds=round(run.model_seconds, 2),
            predict_seconds=round(run.seconds, 2),
        )
        share = round(cost.share_outside_model, 4)
        _write_json(out / COST_FILE, {**asdict(cost), "share_outside_model": share})
    return Result(facts, evaluation, deltas, run, cost)


def load_side(folder: Path) -> Side:
    """The matches of an earlier evaluation.

    Raises:
        EvaluationError: they are missing or damaged.
    """
    return Side(*(MatchTable.load(folder / name) for name in MATCHES_FILES))


def _predicted(
    dataset: Dataset,
    name: str,
    settings: EvaluationSettings,
    notes: list[str],
    progress: Progress,
    detector: Detector,
    found: Predictions | None,
) -> tuple[Run, Facts]:
    if found is not None:
        run = Run(found, 0, 0.0, 0.0)
    else:
        run = predict_images(
            dataset.images,
            dataset.paths,
            detector,
            settings.pipeline,
            floor=settings.floor,
            progress=progress,
        )
    conf = dict(
        zip(detector.card.classes, detector.conf.astype(float).round(4).tolist(), strict=True)
    )
    precise = "" if detector.precision == F32 else f" in {detector.precision}"
    backend = f"{detector.backend.name} on {detector.backend.device}{precise}"
    card = detector.card
    facts = _facts(dataset, name, card.name, card.sha256, notes)
    return run, replace(facts, conf=conf, floor=settings.floor, backend=backend, luck=card.luck)


def _finished(
    dataset: Dataset, name: str, done: FinishedRun, notes: list[str]
) -> tuple[Run, Facts]:
    note = "Curves end at the score from which that run counted, so AP is a lower bound."
    facts = _facts(dataset, name, done.weights, done.sha256, [*notes, note])
    return Run(done.predictions, done.tiles, 0.0, 0.0), replace(facts, backend="a finished run")


def _facts(dataset: Dataset, name: str, weights: str, sha256: str, notes: list[str]) -> Facts:
    return Facts(
        data=name,
        weights=weights,
        sha256=sha256,
        conf={},
        floor=float("nan"),
        backend="",
        version=__version__,
        n_images=len(dataset.images),
        n_places=len({image.place for image in dataset.images}),
        clipped=dataset.clipped,
        outside=dataset.outside,
        notes=tuple(notes),
    )


def _write(
    out: Path,
    dataset: Dataset,
    gallery: int,
    facts: Facts,
    evaluation: Evaluation,
    deltas: list[Delta],
    run: Run,
) -> None:
    summary = evaluation.summary
    _write_json(out / METRICS_FILE, to_json(facts, summary, deltas))
    _write_text(out / MARKDOWN_FILE, to_markdown(facts, summary, deltas))
    card = yaml.safe_dump(card_metrics(facts, summary), sort_keys=False, allow_unicode=True)
    _write_text(out / CARD_FILE, card)
    tables = (evaluation.complete, evaluation.counted)
    for name, table in zip(MATCHES_FILES, tables, strict=True):
        table.save(out / name)
    with atomic_path(out / PREDICTIONS_FILE) as temporary:
        _predictions_table(dataset.images, run).to_parquet(temporary, index=False)
    pictures = worst_images(
        dataset.images, dataset.paths, run.predictions.counted, evaluation.explained, gallery
    )
    _write_text(out / PAGE_FILE, evaluation_page(facts, evaluation, deltas, pictures))


def _predictions_table(images: list[EvalImage], run: Run) -> pd.DataFrame:
    complete, counted = run.predictions.complete, run.predictions.counted
    boxes = Boxes.concatenate([*complete, *counted])
    sizes = [len(part) for part in (*complete, *counted)]
    names = np.array([image.name for image in images] * 2, object)
    corners = boxes.corners.reshape(-1, 8)
    columns: dict[str, Any] = {
        "image": np.repeat(names, sizes),
        "counted": np.arange(len(boxes)) >= sum(sizes[: len(complete)]),
        "class": np.array(boxes.classes.names, object)[boxes.class_ids],
        "score": boxes.scores,
    }
    columns |= {column: corners[:, i] for i, column in enumerate(CORNER_COLUMNS)}
    return pd.DataFrame(columns)


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    _write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def _write_text(path: Path, text: str) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
