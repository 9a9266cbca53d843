"""One training run: data, chips, steps, and the files that tell how the weights came about."""

from __future__ import annotations

import json
import logging
import subprocess
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from detector._version import __version__
from detector.classes import PORT, ClassSet, read_classes
from detector.data.chips import Chip, ChipSettings, cut_chips
from detector.data.datasets import find_root
from detector.data.kinds import DATASETS
from detector.data.labelled import Fault, LabelledImage
from detector.data.rendered import rendered_depots, rendered_ports
from detector.data.summary import listed
from detector.errors import ConfigError
from detector.files import atomic_path, held_folder
from detector.training.augment import AugmentSettings
from detector.training.dataset import worth_showing
from detector.training.export import export_weights
from detector.training.gather import (
    DataSettings,
    check_apart,
    gather,
    gather_reviews,
    manifest_hash,
)
from detector.training.launch import is_first_process, is_launched, launch, needs_launch
from detector.training.mix import MixSettings
from detector.training.options import REVIEWED, TrainConfig
from detector.training.settings import ModelSettings, TrainerSettings, TrainingSettings
from detector.training.trainer import METRICS_FILE, PortTrainer
from detector.training.views import ViewSettings

LOG = logging.getLogger(__name__)
RANDOM = "random"  # the word for a network that starts from no weights
CONFIG_FILE = "config.yaml"


@dataclass(frozen=True, slots=True)
class TrainResult:
    """What a run left.

    Attributes:
        weights: the averaged weights, with their card beside them.
        epochs: finished, all continuations together.
        first_loss: sum of the losses of the first epoch.
        last_loss: of the last one.
    """

    weights: Path
    epochs: int
    first_loss: float
    last_loss: float


def train(config: TrainConfig) -> TrainResult:
    """Run or continue a training run.

    Raises:
        DataError: no usable image, or the dev split is asked for.
        ConfigError: a value that Hydra cannot check, or no weights to start from.
        TrainingError: the checkpoint is of another architecture, or the loss is not finite.
        OutputError: the folder cannot be written.
    """
    settings = settings_from(config)
    if config.network.start is None:
        raise ConfigError(
            "which weights does the network start from? Say network.start=file.safetensors, or "
            f"network.start={RANDOM} for none"
        )
    # of several processes the one that started the others holds the folder
    with nullcontext() if is_launched() else held_folder(Path(config.out)):
        return _train(config, settings)


def _train(config: TrainConfig, settings: TrainingSettings) -> TrainResult:
    out = Path(config.out)
    faults: list[Fault] = []
    images = images_of(config, faults)
    chips, unread = cut_chips(images, settings.chips, Path(config.data.cache) / "chips")
    chips = worth_showing(chips, settings.views)
    problems = [*map(str, faults), *unread]
    for problem in listed(problems):  # data.json has them all
        LOG.warning("left out: %s", problem)
    manifest = describe(images, chips, problems)
    if is_first_process():
        _write(out / CONFIG_FILE, yaml.safe_dump(asdict(config), sort_keys=False))
        _write(out / "data.json", json.dumps(manifest, indent=2) + "\n")
    LOG.info("%d images, %d chips, data %s", len(images), len(chips), manifest["hash"][:12])
    if needs_launch(settings.trainer.device):
        # the chips are cut, the processes find them
        launch(settings.trainer.device, ["train", "--config", str(out / CONFIG_FILE)])
    else:
        PortTrainer(settings, chips).train()
    lines = (out / METRICS_FILE).read_text(encoding="utf-8").splitlines()
    epochs = [json.loads(line) for line in lines]
    weights = export_weights(settings, out / "weights", manifest, epochs)
    return TrainResult(weights, len(epochs), loss_of(epochs[0]), loss_of(epochs[-1]))


def images_of(config: TrainConfig, faults: list[Fault] | None = None) -> list[LabelledImage]:
    """The labelled images that a config names.

    Args:
        config: of the run.
        faults: gets what could not be used of them.

    Raises:
        DataError: no usable image, or the dev split is asked for.
        WeightsError: the teacher cannot be loaded.
        PluginError: the plug-in of that kind cannot be used.
    """
    data, classes = config.data, classes_of(config)
    DATASETS.check_taken(data.kind)
    folder, seed = Path(data.cache) / "ports", config.trainer.seed
    rendered = [
        image.in_classes(classes)
        for image in (
            *rendered_ports(folder, data.ports, data.port_px, seed),
            *rendered_depots(folder, data.depots, data.port_px, seed),
        )
    ]
    if data.kind == REVIEWED and not data.reviews:
        raise ConfigError(
            "which reviews are learnt from? Say data.reviews=[FOLDER], the folder that detector "
            "review import labels= wrote"
        )
    reviewed = gather_reviews(data.reviews, data.split, classes, faults)
    if data.kind == "rendered":
        return [*rendered, *reviewed]
    images = gather(data_settings(config), faults)
    check_apart(images, reviewed)
    return [*images, *rendered, *reviewed]


def data_settings(config: TrainConfig) -> DataSettings:
    """Which labelled images a checked config stands for, besides rendered ones."""
    data = config.data
    kind = "pool" if data.kind == REVIEWED else data.kind
    return DataSettings(
        root=str(find_root(kind, data.root, "data.root")),
        cache=data.cache,
        kind="port" if kind == "pool" else kind,
        split=data.split,
        sources=tuple(data.sources),
        leave_out=tuple(data.leave_out),
        teacher=data.teacher,
        classes=classes_of(config),
    )


def settings_from(config: TrainConfig) -> TrainingSettings:
    """The settings that a checked config stands for.

    Raises:
        ConfigError: a weight of a source is not `name:number`, or the gsd of views with stacks is
            no range.
    """
    chips, mix, views = config.chips, config.mix, config.views
    if views.stack_gsd_max and not 0 < views.stack_gsd_min <= views.stack_gsd_max:
        raise ConfigError(
            f"views.stack_gsd_min={views.stack_gsd_min:g} must lie above 0 and not above "
            f"views.stack_gsd_max={views.stack_gsd_max:g}"
        )
    if views.gsd_max and not 0 < views.gsd_min <= views.gsd_max:
        raise ConfigError(
            f"views.gsd_min={views.gsd_min:g} must lie above 0 and not above "
            f"views.gsd_max={views.gsd_max:g}"
        )
    return TrainingSettings(
        out=config.out,
        views=ViewSettings(**asdict(views)),
        augment=AugmentSettings(**asdict(config.augment)),
        mix=MixSettings(mix.epoch_views, mix.stacks, mix.empty, _source_weights(mix.sources)),
        chips=ChipSettings(chips.side_px, chips.overlap_px, tuple(chips.scales), chips.min_side_px),
        model=ModelSettings(**{**asdict(config.network), "start": _start(config.network.start)}),
        trainer=TrainerSettings(**asdict(config.trainer)),
        classes=classes_of(config),
    )


def classes_of(config: TrainConfig) -> ClassSet:
    """The classes that a run learns.

    Raises:
        ConfigError: their file cannot be read.
    """
    return read_classes(Path(config.data.classes)) if config.data.classes else PORT


def describe(
    images: Sequence[LabelledImage], chips: Sequence[Chip], problems: Sequence[str]
) -> dict[str, Any]:
    """What a run learns from: hash, counts, places, code."""
    objects: Counter[str] = Counter()
    known = [image.gsd_m for image in images if image.gsd_m is not None]
    for image in images:
        objects.update(f"{image.source}/{image.classes.names[c]}" for c in image.class_ids)
    return {
        "hash": manifest_hash(images),
        "images": dict(Counter(image.source for image in images)),
        "objects": dict(objects),
        "ignored": int(sum(len(image.ignored) for image in images)),
        "chips": len(chips),
        "gsd_m": [min(known), max(known)] if known else [],
        "problems": list(problems),
        "places": sorted({image.place for image in images}),
        "version": __version__,
        "commit": code_commit(),
    }


def code_commit() -> str:
    """The commit of the code, with `+` where files differ from it; empty outside a checkout."""
    folder = Path(__file__).parent
    try:
        head = _git(folder, "rev-parse", "--short=12", "HEAD")
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no", ".")
    except (OSError, subprocess.CalledProcessError):
        return ""
    return head + ("+" if changed else "")


def loss_of(epoch: dict[str, Any]) -> float:
    """Sum of an epoch's losses."""
    return float(sum(value for name, value in epoch.items() if name.startswith("train/")))


def _git(folder: Path, *words: str) -> str:
    command = ["git", "-C", str(folder), *words]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    return done.stdout.strip()


def _start(told: str | None) -> str:
    """What the network starts from, empty for random weights."""
    return "" if told in (None, RANDOM) else str(told)


def _source_weights(words: Sequence[str]) -> dict[str, float]:
    weights = {}
    for word in words:
        name, colon, number = word.rpartition(":")
        try:
            weights[name] = float(number)
        except ValueError:
            colon = ""
        if not colon or weights[name] < 0:
            raise ConfigError(f"mix.sources: '{word}' is not name:weight, for example xView:3")
    return weights


def _write(path: Path, text: str) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
