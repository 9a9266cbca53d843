"""`detector.evaluate` and `detector.train`: how good weights are, and how they come about."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Protocol, Unpack

from detector.api.options import EVALUATE, TRAIN, compose
from detector.api.typed import EvaluateOptions, TrainOptions
from detector.classes import ClassSet
from detector.data import port_pool
from detector.data.datasets import find_root, read_dataset
from detector.data.labelled import DataError
from detector.errors import ConfigError
from detector.evaluation.dataset import Dataset, labelled_dataset, rendered_dataset
from detector.evaluation.evaluator import EvaluationSettings, Result, run_evaluation
from detector.evaluation.options import EvaluateConfig, MeasuredDataConfig
from detector.models.card import ModelCard
from detector.models.detector import DetectorSettings, find_card
from detector.prediction.finished import read_finished, run_classes
from detector.progress import Progress
from detector.rendering.validation import VALIDATED_ON
from detector.training.session import TrainResult
from detector.training.session import train as run_training
from detector.wording import counted

LOG = logging.getLogger(__name__)


def evaluate(**options: Unpack[EvaluateOptions]) -> Result:
    """Measure weights on labelled images, with intervals, as `detector evaluate` does.

    Args:
        **options: those of `detector evaluate`; by default as there. `out` is the folder that
            metrics.json, metrics.md and evaluation.html go to.

    Returns:
        `evaluation.summary` holds the metrics with their intervals, `facts` what they are of.

    Raises:
        ConfigError: an option is none, or has a value that it cannot have.
        QuaywatchError: data, weights or folder cannot be used.

    Examples:
        >>> import tempfile
        >>> import detector
        >>> folder = tempfile.mkdtemp()
        >>> measured = detector.evaluate(data="rendered", ports=1, cache=folder, out=folder)
        >>> measured.cost.images
        1
    """
    return evaluate_as(compose(EVALUATE, options))


def train(**options: Unpack[TrainOptions]) -> TrainResult:
    """Train weights, or continue a run, as `detector train` does.

    Args:
        **options: those of `detector train`; by default as there. `out` is the folder of the run;
            the same folder continues it.

    Returns:
        Where the weights are, how many epochs were done and what the loss was.

    Raises:
        ConfigError: an option is none, or has a value that it cannot have.
        QuaywatchError: data, starting weights or folder cannot be used.

    Examples:
        >>> import tempfile
        >>> import detector
        >>> folder = tempfile.mkdtemp()
        >>> small = {"experiment": "smoke", "ports": 1, "epochs": 1, "epoch_views": 8}
        >>> result = detector.train(out=f"{folder}/first", cache=folder, **small)
        >>> result.epochs, result.weights.name
        (1, 'first.safetensors')
    """
    return run_training(compose(TRAIN, options))


def evaluate_as(config: EvaluateConfig, progress: Progress | None = None) -> Result:
    """The evaluation that the command's options ask for.

    Raises:
        QuaywatchError: as `evaluate`.
    """
    dataset, name = evaluation_data(config)
    return run_evaluation(dataset, name, evaluation_settings(config, dataset), progress)


class DataOptions(Protocol):
    """The options that say which labelled images are meant; several commands have them."""

    @property
    def weights(self) -> str:
        """Whose classes are looked for, where no finished run says its own."""

    @property
    def dataset(self) -> str | None:
        """Layout of the dataset, or None for what `data` says."""

    @property
    def root(self) -> str | None:
        """Its folder."""

    @property
    def split(self) -> str:
        """Of the pool, or of a dataset that has it; empty: all of it."""

    @property
    def data(self) -> MeasuredDataConfig:
        """The pool, or rendered scenes."""


def evaluation_data(config: DataOptions) -> tuple[Dataset, str]:
    """The images to evaluate, and what to call them.

    Of a dataset that names the split, its images and those without a split; else all.

    Raises:
        ConfigError: `root` and `dataset` don't go together.
        DataError: the dataset cannot be read.
    """
    classes = _classes_of(config)
    if (config.dataset is None) != (config.root is None):
        raise ConfigError("dataset= and root= go together: the format and the folder")
    if config.dataset is not None and config.root is not None:
        images, faults = read_dataset(config.dataset, Path(config.root), classes)
        lost = [fault for fault in faults if not fault.note]
        if lost:
            raise DataError(f"{lost[0]}; mend the labels before measuring with them")
        for note in faults:
            LOG.warning("%s", note)
        of_split = [image for image in images if image.split in ("", config.split)]
        if any(image.split and image.split == config.split for image in of_split):
            return labelled_dataset(of_split), f"{config.dataset}, split {config.split}"
        return labelled_dataset(images), config.dataset
    data = config.data
    if data.kind == "rendered":
        dataset = rendered_dataset(Path(data.cache) / "validation", data.ports, classes)
        number = len(dataset.images)
        return (
            dataset,
            f"{counted(number, 'scene')} of the rendered validation set ({VALIDATED_ON})",
        )
    root = find_root(data.kind, data.root, "data.root")
    pool = [
        image.in_classes(classes)
        for image in port_pool.read(root, config.split or None)
        if (not data.sources or image.source in data.sources)
        and image.image.name not in data.leave_out
    ]
    return labelled_dataset(pool), f"the port pool, split {config.split or 'all'}"


def _classes_of(config: DataOptions) -> ClassSet:
    """The classes of the network, or of the run whose predictions are scored.

    Raises:
        WeightsError: the weights have no card that can be read.
        EvaluationError: no such run.
    """
    finished = getattr(config, "predictions", None)
    if finished is not None:
        return run_classes(Path(finished))
    return ModelCard.read(find_card(config.weights)).class_set


def evaluation_settings(config: EvaluateConfig, dataset: Dataset) -> EvaluationSettings:
    """The options as the evaluation's own settings.

    Raises:
        EvaluationError: a finished run does not fit the dataset.
    """
    finished = config.predictions
    return EvaluationSettings(
        out=Path(config.out),
        detector=DetectorSettings(
            weights=config.weights,
            device=config.device,
            backend=config.backend,
            batch=config.batch,
            threads=config.threads,
            precision=config.precision,
            conf=config.conf,
        ),
        floor=config.floor,
        compare=Path(config.compare) if config.compare is not None else None,
        finished=read_finished(Path(finished), dataset) if finished is not None else None,
        gallery=config.gallery,
    )
