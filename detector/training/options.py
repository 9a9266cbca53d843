"""What `detector train` can be told: types, ranges and one line of help for every option.

The defaults stand in `conf/train.yaml` and its groups. Nothing heavy is imported here, so that the
help comes at once.
"""

from __future__ import annotations

from dataclasses import dataclass

from detector.data.kinds import DATASETS, POOL_OR_RENDERED
from detector.options import option

REVIEWED = "review"  # kind of data: the port pool and what people reviewed


@dataclass(frozen=True, slots=True, kw_only=True)
class DataConfig:
    """Which images are learnt from."""

    kind: str = option(
        "pool (or port): the port pool; rendered: ports made by code; review: the pool and "
        "data.reviews; others: that layout",
        choices=lambda: (*POOL_OR_RENDERED, REVIEWED, *DATASETS.names()),
    )
    root: str = option("folder of the pool or the dataset; empty: QUAYWATCH_POOL", path=True)
    cache: str = option("folder for chips, rendered ports and what the teacher said", path=True)
    split: str = option("split, where images have one; dev is refused")
    sources: list[str] = option("datasets by name, as in the pool's index; empty: all")
    reviews: list[str] = option(
        "folders of labels that detector review import wrote; they are added", path=True
    )
    leave_out: list[str] = option("images whose labels are wrong, by file name")
    classes: str | None = option(
        "YAML list of classes: names, and entries of new ones; null: ship and container_stack",
        path=True,
    )
    teacher: str = option("weights that orient axis-aligned ships; empty: leave those images out")
    ports: int = option("number of rendered ports", low=0, high=100_000)
    depots: int = option("number of rendered container depots", low=0, high=100_000)
    port_px: int = option("side of a rendered port, pixels", low=64, high=4096)


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkConfig:
    """The network and what it starts from."""

    architecture: str = option("an Ultralytics …-obb.yaml")
    start: str | None = option(
        "safetensors file, Ultralytics name ending in .pt, or random; null: must be said", path=True
    )
    freeze: int = option("first layers that keep their weights", low=0, high=24)
    freeze_norms: bool = option("normalise by the start's averages, not by each batch's")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipsConfig:
    """How images are cut."""

    side_px: int = option("longest side of a chip, read pixels", low=64, high=4096)
    overlap_px: int = option("of neighbouring chips, read pixels", low=0, high=2048)
    scales: list[float] = option("read size by full resolution", above=0, high=1)
    min_side_px: int = option("shortest chip at a scale below 1", low=1, high=4096)


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewsConfig:
    """What tiles are taken out of chips."""

    tile_px: int = option("side of a tile, a multiple of 32", low=32, high=2048)
    scale_min: float = option("smallest read scale of a chip", above=0, high=4)
    scale_max: float = option("largest read scale of a chip", above=0, high=4)
    stack_scale_min: float = option("smallest read scale of a chip with stacks", above=0, high=4)
    stack_gsd_min: float = option("finest gsd of views with stacks, m", low=0, high=10)
    stack_gsd_max: float = option("coarsest one; 0: by the scales", low=0, high=10)
    gsd_min: float = option("finest gsd of other views of known gsd, m", low=0, high=100)
    gsd_max: float = option("coarsest one; 0: by the scales", low=0, high=100)
    whole: float = option("share of views that show the whole chip", low=0, high=1)
    any_angle: float = option("share turned by any angle, not by quarters", low=0, high=1)
    on_object: float = option("share that hold a chosen object", low=0, high=1)
    collage: float = option("share that are four small views in one", low=0, high=1)
    collage_scale_min: float = option("smallest read scale in a collage", above=0, high=4)
    collage_scale_max: float = option("largest read scale in a collage", above=0, high=4)
    paste: float = option("share of views with stacks pasted on land", low=0, high=1)
    paste_ships: float = option("share of views with ships pasted on open water", low=0, high=1)
    reclad: float = option("share of yards shown with blocks of another yard", low=0, high=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentConfig:
    """Chance of each change of pixels."""

    light: float = option("gain, offset and gamma, together and per band", low=0, high=1)
    colour: float = option("hue and saturation", low=0, high=1)
    grey: float = option("panchromatic", low=0, high=1)
    dark: float = option("a dark look, as of 11-bit scenes", low=0, high=1)
    haze: float = option("haze and thin cloud", low=0, high=1)
    shadow: float = option("a shadow over one side", low=0, high=1)
    blur: float = option("blur, even or along a line", low=0, high=1)
    noise: float = option("noise of the sensor", low=0, high=1)
    jpeg: float = option("compression", low=0, high=1)
    coarse: float = option("sharpness of a coarser sensor", low=0, high=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class MixConfig:
    """What is shown how often."""

    epoch_views: int = option("views an epoch", low=1, high=10_000_000)
    stacks: float = option("share of views of chips with stacks", low=0, high=1)
    empty: float = option("share of views of chips without objects", low=0, high=1)
    sources: list[str] = option("weights of datasets, as name:weight; 1 where not named")


@dataclass(frozen=True, slots=True, kw_only=True)
class StepsConfig:
    """How long, and how the weights move."""

    hours: float = option("time budget, continuations included; 0: epochs", low=0, high=10_000)
    epochs: int = option("number of epochs without a time budget", low=1, high=100_000)
    batch: int = option("views a step", low=1, high=4096)
    optimizer: str = option("of the steps", choices=("AdamW", "SGD", "MuSGD"))
    lr: float = option("learning rate after the warm-up", above=0, high=10)
    lr_end: float = option("its last value, as a share", low=0, high=1)
    warmup_steps: int = option("steps over which the rate rises", low=0, high=100_000)
    weight_decay: float = option("of weights, not of biases and norms", low=0, high=1)
    momentum: float = option("of the optimizer", low=0, high=1)
    precision: str = option("of the forward pass", choices=("fp32", "bf16"))
    ema_decay: float = option("of the averaged weights", low=0, high=1)
    box: float = option("gain of the box loss", low=0)
    cls: float = option("gain of the class loss", low=0)
    dfl: float = option("gain of the loss of the edges' distribution", low=0)
    angle: float = option("gain of the angle loss", low=0)
    mirrored: float = option("weight of a view's mirror image, beside its labels", low=0)
    painted: float = option("gain of the loss of painted maps of the classes", low=0)
    workers: int = option("processes that make views", low=0, high=256)
    threads: int = option("of the network on a CPU; 0: all cores", low=0, high=1024)
    seed: int = option("of everything random", low=0)
    device: str = option("cpu, 0, or 0,1,… for several GPUs")
    tensorboard: bool = option("write a TensorBoard log")
    mlflow: bool = option("write to MLflow's tracking server")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """Everything `detector train` can be told."""

    experiment: str = option(
        "a recipe of conf/experiment: none, smoke, port-n-base, port-n-yards, port-n,"
        " port-n-blocks, port-n2, port-n3, port-n4, port-s2"
    )
    out: str = option("folder of the run; the same folder continues it", path=True)
    data: DataConfig
    network: NetworkConfig
    chips: ChipsConfig
    views: ViewsConfig
    augment: AugmentConfig
    mix: MixConfig
    trainer: StepsConfig
