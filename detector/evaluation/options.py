"""What `detector evaluate` can be told: types, ranges and one line of help for every option.

The defaults stand in `conf/evaluate.yaml`. Nothing heavy is imported here, so that the help comes
at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from detector.data.kinds import DATASETS
from detector.models.kinds import BACKENDS
from detector.models.precision import PRECISIONS
from detector.options import option


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredDataConfig:
    """Which images are measured on."""

    elsewhere: ClassVar = ("split", "reviews", "classes", "teacher", "port_px")  # for training

    kind: str = option(
        "pool: the port pool; rendered: ports made by code", choices=("pool", "rendered")
    )
    root: str = option("folder of the port pool; empty: QUAYWATCH_POOL", path=True)
    cache: str = option("folder for rendered ports", path=True)
    sources: list[str] = option("datasets of the pool; empty: all")
    leave_out: list[str] = option("images whose labels are wrong, by file name")
    ports: int = option("number of rendered ports", low=0, high=100_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateConfig:
    """Everything `detector evaluate` can be told."""

    split: str = option("split of the pool to measure on; empty: all")
    dataset: str | None = option(
        "format of another dataset, read from root; null: what data says", choices=DATASETS.names
    )
    root: str | None = option("folder of that other dataset", path=True)
    weights: str = option("shipped weights by name, or a .safetensors file with its .yaml card")
    conf: float | None = option("score from which objects count; null: the card's", low=0, high=1)
    floor: float = option("lowest score of the curves", low=0.001, high=1)
    out: str = option("folder of the results", path=True)
    compare: str | None = option("folder of another evaluation of the same images", path=True)
    predictions: str | None = option(
        "folder of a finished 'detector predict' to score instead of predicting", path=True
    )
    gallery: int = option("worst images shown in the page", low=0, high=200)
    device: str = option("auto, cpu, cuda or cuda:0; several: cuda:0,cuda:1")
    backend: str = option("what runs the network", choices=BACKENDS.names)
    precision: str = option(
        "arithmetic of the network; auto: what the card says, on a GPU f16", choices=PRECISIONS
    )
    batch: int | None = option("tiles a batch; null: by device", low=1, high=1024)
    threads: int | None = option("CPU threads of the network; null: all", low=1, high=1024)
    log: str = option("text for people, json for machines", choices=("text", "json"))
    quiet: bool = option("no progress, only warnings and the result")
    data: MeasuredDataConfig
