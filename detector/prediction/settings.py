"""What a run over scenes is told, and what it did."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from detector.classes import PORT, ClassSet
from detector.export.formats import DEFAULT_FORMATS
from detector.export.records import SceneRecord
from detector.inference.pipeline import PipelineSettings
from detector.later import pandas as pd
from detector.models.detector import DetectorSettings
from detector.prediction.shard import Shard
from detector.scenes.types import SceneOptions
from detector.stacks.settings import StackSettings


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """Where the workers of a run are, and what each takes of its machine.

    Attributes:
        address: of a Ray cluster, `auto` or `host:port`; None is this machine alone.
        workers: how many; None: as many as the cluster has room for.
        cpus: of a worker; also its threads, where the run does not say them.
        gpus: of a worker; None: one where the device may be a GPU and the cluster has some.
        tries: how many workers a scene may cost before it counts as failed.
        wait_s: how long no worker may be there.
        strip_tiles: a scene of twice as many tiles is read in strips, each by another worker; None:
            every scene is read by one.
    """

    address: str | None = None
    workers: int | None = None
    cpus: float = 1.0
    gpus: float | None = None
    tries: int = 3
    wait_s: float = 300.0
    strip_tiles: int | None = 64


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """A run over scenes.

    Attributes:
        paths: files, folders and lists, as `discover` takes them.
        out: folder of the results.
        detector: which weights run where.
        zones: path of a vector file, or None.
        zones_only: read only tiles that meet a zone.
        land: path of a vector file of land, on which no ship is taken for one, or None.
        water_index: whether coarse scenes tell land by their near infrared.
        overwrite: replace results that other settings made; without it such a folder is refused.
        scene: what the user says of the scenes.
        pipeline: threads and queues.
        stacks: what is assumed of container stacks.
        formats: in which the results of a scene are written, beside its record.
        shard: the part of the scenes that is done; None does all.
        cluster: what does the scenes; None: this process.
    """

    paths: tuple[str, ...]
    out: Path
    detector: DetectorSettings
    zones: str | None = None
    zones_only: bool = False
    land: str | None = None
    water_index: bool = True
    overwrite: bool = False
    scene: SceneOptions = field(default_factory=SceneOptions)
    pipeline: PipelineSettings = field(default_factory=PipelineSettings)
    stacks: StackSettings = field(default_factory=StackSettings)
    formats: tuple[str, ...] = DEFAULT_FORMATS
    shard: Shard | None = None
    cluster: ClusterSettings | None = None

    @property
    def folder(self) -> Path:
        """Where this process writes: `out`, or the folder of its shard in it."""
        return self.shard.folder(self.out) if self.shard is not None else self.out


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What a run did.

    Attributes:
        out: folder of the results.
        records: one a scene, in the order given.
        counts: of all scenes that are done, in their order; a table holds one or more scenes.
        resumed: scenes whose results were there already.
        classes: that were looked for.
    """

    out: Path
    records: tuple[SceneRecord, ...]
    counts: tuple[pd.DataFrame, ...]
    resumed: int
    classes: ClassSet = PORT

    @property
    def failed(self) -> tuple[SceneRecord, ...]:
        """The scenes that could not be done."""
        return tuple(record for record in self.records if record.status == "failed")

    @property
    def copies(self) -> tuple[SceneRecord, ...]:
        """The scenes that show the picture of another one, and were not counted again."""
        return tuple(record for record in self.records if record.status == "copy")
