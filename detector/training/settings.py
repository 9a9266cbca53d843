"""What a training run is made of."""

from __future__ import annotations

from dataclasses import dataclass, field

from detector.classes import PORT, ClassSet
from detector.data.chips import ChipSettings
from detector.training.augment import AugmentSettings
from detector.training.mix import MixSettings
from detector.training.views import ViewSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSettings:
    """The network and what it starts from.

    Attributes:
        architecture: Ultralytics yaml, `yolo11n-obb.yaml` for example.
        start: a safetensors file, an Ultralytics name that ends in `.pt` (fetched when online), or
            empty for random weights.
        freeze: number of first layers that keep their weights.
        freeze_norms: normalise by the averages that the start came with, not by those of each
            batch: with few views a batch, half of them padded, the two differ too much.
    """

    architecture: str = "yolo11n-obb.yaml"
    start: str
    freeze: int = 0
    freeze_norms: bool = False


@dataclass(frozen=True, slots=True)
class TrainerSettings:
    """How long and how the weights move.

    Attributes:
        hours: time budget of the whole run, all its continuations together; 0 means `epochs`.
        epochs: number of epochs where there is no time budget.
        batch: views a step.
        optimizer: a name that Ultralytics knows.
        lr: learning rate after the warm-up.
        lr_end: its last value, as a share of `lr`; the way between is a cosine.
        warmup_steps: steps over which the rate rises.
        weight_decay: of weights, not of biases and norms.
        momentum: of the optimizer.
        precision: `fp32`, or `bf16` for mixed precision.
        ema_decay: of the averaged weights, which are what is exported.
        box: gain of the box loss.
        cls: gain of the class loss.
        dfl: gain of the loss of the edges' distribution.
        angle: gain of the angle loss.
        mirrored: weight, beside the labels, of what the averaged weights say of each view's mirror
            image, as targets of the scores: the two shall score alike.
        painted: gain of the loss of maps of the classes, which only training paints.
        workers: processes that make views.
        threads: of the network on a CPU; 0 takes all cores.
        seed: of everything random.
        device: `cpu`, `0`, `0,1`, …
        tensorboard: write a TensorBoard log.
        mlflow: write to MLflow's tracking server.
    """

    hours: float = 0.0
    epochs: int = 30
    batch: int = 8
    optimizer: str = "AdamW"
    lr: float = 1e-3
    lr_end: float = 0.01
    warmup_steps: int = 100
    weight_decay: float = 5e-4
    momentum: float = 0.9
    precision: str = "bf16"
    ema_decay: float = 0.998
    box: float = 7.5
    cls: float = 0.5
    dfl: float = 1.5
    angle: float = 1.0
    mirrored: float = 0.0
    painted: float = 0.0
    workers: int = 1
    threads: int = 0
    seed: int = 0
    device: str = "cpu"
    tensorboard: bool = False
    mlflow: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSettings:
    """One training run.

    Attributes:
        out: folder of the run; the same folder continues the run.
        views: how tiles are taken out of chips.
        augment: how pixels are changed.
        mix: what is shown how often.
        chips: how chips are cut.
        model: the network.
        trainer: the steps.
        classes: in the order of the network's outputs.
    """

    out: str
    views: ViewSettings = field(default_factory=ViewSettings)
    augment: AugmentSettings = field(default_factory=AugmentSettings)
    mix: MixSettings = field(default_factory=MixSettings)
    chips: ChipSettings = field(default_factory=ChipSettings)
    model: ModelSettings
    trainer: TrainerSettings = field(default_factory=TrainerSettings)
    classes: ClassSet = PORT
