"""`detector evaluate`: say how wrong the detector is, with intervals."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, cast

from detector.cli.command import EXIT_DONE, Command
from detector.cli.console import make_progress
from detector.config.logging import configure_logging
from detector.errors import ConfigError
from detector.evaluation.options import EvaluateConfig

if TYPE_CHECKING:
    from detector.classes import ClassSet
    from detector.evaluation.dataset import Dataset
    from detector.evaluation.evaluator import EvaluationSettings

DESCRIPTION = """
Runs weights over labelled images through the pipeline of 'detector predict' and says how wrong
they are: average precision by exact polygon IoU, precision, recall and F1 where objects are
counted, count errors, errors by kind, by source, size and gsd. Every number comes with its images,
places, objects and a 95 % interval from resampled places. Writes metrics.json, metrics.md and
evaluation.html (which shows imagery: mind its licence).
"""
LOG = logging.getLogger(__name__)


def run(config: EvaluateConfig) -> int:
    """Evaluate and print the tables.

    Raises:
        QuaywatchError: data, weights or the other run cannot be used; one sentence says why.
    """
    configure_logging(config.log, quiet=config.quiet)
    from detector.evaluation.evaluator import METRICS_FILE, PAGE_FILE, run_evaluation
    from detector.evaluation.record import to_markdown

    dataset, name = open_data(config)
    progress = make_progress(config.log, quiet=config.quiet)
    result = run_evaluation(dataset, name, to_settings(config, dataset), progress)
    if config.log == "json":
        print((Path(config.out) / METRICS_FILE).read_text(encoding="utf-8"), end="")
        return EXIT_DONE
    print(to_markdown(result.facts, result.evaluation.summary, result.deltas))
    LOG.info(
        "%d tiles in %.0f s, %.1f %% of it outside the network; see %s",
        result.cost.tiles,
        result.cost.seconds,
        100 * result.cost.share_outside_model,
        Path(config.out) / PAGE_FILE,
    )
    return EXIT_DONE


def open_data(config: EvaluateConfig) -> tuple[Dataset, str]:
    """The images to evaluate, and what to call them.

    Raises:
        ConfigError: `root` and `dataset` don't go together.
        DataError: the dataset cannot be read.
    """
    from detector.data import port_pool
    from detector.data.datasets import read_dataset
    from detector.data.labelled import DataError
    from detector.evaluation.dataset import labelled_dataset, rendered_dataset
    from detector.rendering.validation import VALIDATED_ON

    classes = measured_classes(config)
    if (config.dataset is None) != (config.root is None):
        raise ConfigError("dataset= and root= go together: the format and the folder")
    if config.dataset is not None and config.root is not None:
        images, faults = read_dataset(config.dataset, Path(config.root), classes)
        lost = [fault for fault in faults if not fault.note]
        if lost:
            raise DataError(f"{lost[0]}; mend the labels before measuring with them")
        for note in faults:
            LOG.warning("%s", note)
        return labelled_dataset(images), config.dataset
    data = config.data
    if data.kind == "rendered":
        dataset = rendered_dataset(Path(data.cache) / "validation", data.ports, classes)
        number = len(dataset.images)
        return dataset, f"{number} scenes of the rendered validation set ({VALIDATED_ON})"
    pool = [
        image.in_classes(classes)
        for image in port_pool.read(Path(data.root), config.split or None)
        if (not data.sources or image.source in data.sources)
        and image.image.name not in data.leave_out
    ]
    return labelled_dataset(pool), f"the port pool, split {config.split or 'all'}"


def measured_classes(config: EvaluateConfig) -> ClassSet:
    """The classes of the network, or of the run whose predictions are scored.

    Raises:
        WeightsError: the weights have no card that can be read.
    """
    from detector.models.card import ModelCard
    from detector.models.detector import find_card
    from detector.prediction.finished import run_classes

    if config.predictions is not None:
        return run_classes(Path(config.predictions))
    return ModelCard.read(find_card(config.weights)).class_set


def to_settings(config: EvaluateConfig, dataset: Dataset) -> EvaluationSettings:
    """The options as the evaluation's own settings.

    Raises:
        EvaluationError: a finished run does not fit the dataset.
    """
    from detector.evaluation.evaluator import EvaluationSettings
    from detector.models.backends import BackendName
    from detector.models.detector import DetectorSettings
    from detector.prediction.finished import read_finished

    finished = config.predictions
    return EvaluationSettings(
        out=Path(config.out),
        detector=DetectorSettings(
            weights=config.weights,
            device=config.device,
            backend=cast(BackendName, config.backend),  # one of its choices
            batch=config.batch,
            threads=config.threads,
            conf=config.conf,
        ),
        floor=config.floor,
        compare=Path(config.compare) if config.compare is not None else None,
        finished=read_finished(Path(finished), dataset) if finished is not None else None,
        gallery=config.gallery,
    )


COMMAND = Command(
    name="evaluate",
    summary="measure weights on labelled images, with intervals",
    description=DESCRIPTION,
    config="evaluate",
    schema=EvaluateConfig,
    run=run,
    examples=(
        (
            "detector evaluate data=port split=dev weights=port-n out=runs/port-n",
            "the yardstick: one table for the dev split",
        ),
        (
            "detector evaluate weights=runs/new/weights/new.safetensors compare=runs/port-n",
            "new weights, with the differences from the run before",
        ),
        (
            "detector evaluate data=rendered data.ports=24 weights=port-n out=runs/rendered",
            "the rendered validation set, counted by zone too",
        ),
        (
            "detector evaluate dataset=dota root=/data/DOTA/val weights=port-n",
            "another labelled dataset",
        ),
    ),
)
