"""What `detector predict` can be told: types, ranges and one line of help for every option.

The defaults stand in `conf/predict.yaml` and its groups. Nothing heavy is imported here, so that
the help comes at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from detector.errors import ConfigError
from detector.export.formats import FORMATS
from detector.models.kinds import BACKENDS
from detector.models.precision import PRECISIONS
from detector.options import option
from detector.prediction.shard import Shard
from detector.scenes.limits import CLOUD_WORDS, LARGEST_GSD_M
from detector.stacks.settings import StackSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """Which network, and from which score on it is believed."""

    weights: str = option(
        "shipped weights by name, or a .safetensors file with its .yaml card; auto: by the gsd of"
        " each scene"
    )
    conf: float | None = option("least score of an object; null: the card's", low=0, high=1)
    iou: float | None = option(
        "IoU from which two boxes of one tile are one object; null: the card's", above=0, high=1
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneConfig:
    """What you know of the scenes better than their files."""

    bands: list[int] | None = option("red, green, blue, or one band; null: as the file says", low=1)
    gsd: float | None = option(
        "metres a pixel, for scenes without a CRS", above=0, high=LARGEST_GSD_M
    )
    acquired: str | None = option(
        "time of acquisition (ISO 8601, UTC unless it says otherwise), or the date"
    )
    clouds: str = option(
        "auto: masks that come with the scene; clear: somebody looked; unknown: ignore masks",
        choices=CLOUD_WORDS,
    )
    nodata: float | None = option("value of missing pixels; null: as the file says")
    allow_remote: list[str] = option(
        "hosts, addresses or folders that lists and VRTs may lead to; none by default"
    )
    nir: int | None = option("band of near infrared; null: as the file says", low=1)
    brighten_dark: bool = option("8-bit scenes with a mean below 60: stretch them, at most twice")
    estimate_gsd: bool = option(
        "gsd unknown: measure it on the rows of containers, where they tell it surely"
    )

    def __post_init__(self) -> None:
        if self.bands is not None and len(self.bands) not in (1, 3):
            raise ConfigError(
                f"scene.bands={self.bands}: name three bands (red, green, blue) or one, for "
                "example scene.bands=[3,2,1]"
            )
        if self.acquired is not None:
            _check_time("scene.acquired", self.acquired)


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeConfig:
    """When boxes of overlapping tiles are one object."""

    match_iou: float = option(
        "IoU, inside what both tiles see, from which two boxes are one object", above=0, high=1
    )
    longest_ship_m: float = option("cut ships are not joined beyond this length", above=0)
    longest_stack_m: float = option("cut stacks are not joined beyond this length", above=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class RayConfig:
    """Where the workers of `execution=ray` are, and what each takes of its machine."""

    address: str | None = option("cluster, as auto or host:port; null: this machine alone")
    workers: int | None = option("null: as many as the cluster has room for", low=1, high=100_000)
    cpus: float = option("CPUs of a worker, and its threads", above=0, high=1024)
    gpus: float | None = option(
        "GPUs of a worker; null: one, unless device=cpu or the cluster has none", low=0, high=64
    )
    tries: int = option("workers that a scene may cost", low=1, high=100)
    wait_s: float = option("seconds without any worker before the run ends", above=0, high=86_400)
    strip_tiles: int | None = option(
        "scenes of twice as many tiles are read in strips of at least so many; null: none is",
        low=1,
        high=1_000_000,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictConfig:
    """Everything `detector predict` can be told."""

    paths: list[str] = option("scenes, folders, lists of scenes", path=True)
    zones: str | None = option("vector file of the zones, with columns name and kind", path=True)
    zones_only: bool = option("read only tiles that touch a zone")
    land: str | None = option("vector file of land, on which no box is taken for a ship", path=True)
    water_index: str = option(
        "auto: scenes of 2.5 m and more with near infrared tell land by it; off: they don't",
        choices=("auto", "off"),
    )
    out: str = option("folder of the results", path=True)
    overwrite: bool = option("replace the results of an earlier run in out")
    execution: str = option(
        "local: this process; ray: workers of a cluster", choices=("local", "ray")
    )
    shard: str | None = option(
        "part of the scenes, as in 3/16, in a folder of its own; see detector collect"
    )
    formats: list[str] = option(
        "files of each scene, beside its record (parquet, scene.json)", choices=FORMATS.names
    )
    device: str = option("auto, cpu, cuda or cuda:0; several: cuda:0,cuda:1")
    backend: str = option("what runs the network", choices=BACKENDS.names)
    precision: str = option(
        "arithmetic of the network; auto: what the card says, on a GPU f16", choices=PRECISIONS
    )
    batch: int | None = option("tiles a batch; null: by device", low=1, high=1024)
    threads: int | None = option("CPU threads of the network; null: all", low=1, high=1024)
    queue: int = option("batches read ahead; bounds the memory", low=1, high=1024)
    readers: int = option("threads that read tiles", low=1, high=256)
    skip: str = option(
        "auto: the network is not asked of tiles of flat water or ground; off: of all",
        choices=("auto", "off"),
    )
    larger_tiles: bool = option(
        "tiles of twice the side in scenes so large that this saves 15 % of the pixels read"
    )
    enlarge: float = option(
        "scenes smaller than a tile, gsd unknown: enlarged so many times",
        low=1,
        high=3,
    )
    profile: bool = option("tell where the time went: a table, and profile.json in out")
    log: str = option("text for people, json for machines", choices=("text", "json"))
    quiet: bool = option("no progress, only warnings and the result")
    model: ModelConfig
    scene: SceneConfig
    merge: MergeConfig
    stacks: StackSettings
    ray: RayConfig

    def __post_init__(self) -> None:
        if self.zones_only and self.zones is None:
            raise ConfigError("zones_only=true needs zones to look in: add zones=FILE")
        if self.shard is not None:
            Shard.parse(self.shard)


def _check_time(key: str, value: str) -> None:
    try:
        datetime.fromisoformat(value)
    except ValueError as error:
        raise ConfigError(
            f"{key}={value}: this option needs a time such as 2023-10-13 or 2023-10-13T02:15:00Z"
        ) from error
