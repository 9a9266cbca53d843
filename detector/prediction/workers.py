"""What does the scenes of a run on the machines of a cluster."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeAlias

from detector.counting.zones import (
    Zones,
)
from detector.errors import OutputError, SceneError
from detector.inference.pipeline import PreparedScene
from detector.models.detector import Detector, DetectorSettings
from detector.prediction.cluster import ClusterError, do_on_cluster
from detector.prediction.copies import identify
from detector.prediction.settings import BatchSettings, ClusterSettings
from detector.prediction.tasks import About, Answer, Outcome
from detector.prediction.work import SceneWork, failed_record
from detector.progress import Progress
from detector.scenes.discover import SceneSource
from detector.scenes.scene import Scene, open_scene

Doing: TypeAlias = Callable[[Sequence[SceneSource], bool], Outcome]
"""Does scenes; the second argument says that there is one alone, whose fault is raised."""


def on_cluster(
    settings: BatchSettings,
    cluster: ClusterSettings,
    zones: Zones,
    progress: Progress,
    load: Callable[[DetectorSettings], Detector],
) -> Doing:
    """What does scenes on the workers of a cluster; only they load the network.

    Args:
        settings: of the run.
        cluster: which, and what a worker takes of it.
        zones: of the run.
        progress: where the work is shown.
        load: gives the detector; goes to the workers by pickle.
    """
    threads = settings.detector.threads or max(1, int(cluster.cpus))
    settings = replace(settings, detector=replace(settings.detector, threads=threads))
    make = partial(ClusterWorker, settings, zones, load, Path.cwd())
    gpus = 0.0 if settings.detector.device == "cpu" else 1.0

    def do(scenes: Sequence[SceneSource], alone: bool) -> Outcome:
        outcome = do_on_cluster(cluster, make, scenes, progress, gpus=gpus)
        if alone and len(scenes) == 1 and outcome.records[0].status == "failed":
            raise SceneError(outcome.records[0].reason)
        return outcome

    return do


@dataclass(frozen=True, slots=True)
class _Begun:
    """A scene whose strips are read.

    Attributes:
        picture: which it is.
        work: with the weights that read it.
        prepared: its plan.
        key: its fingerprint.
    """

    picture: tuple[str, str]
    work: SceneWork
    prepared: PreparedScene
    key: str


class ClusterWorker:
    """What does scenes on a machine of a cluster.

    Args:
        settings: of the run.
        zones: of the run.
        load: gives the detector.
        place: folder that paths are relative to.

    Raises:
        ClusterError: this machine does not see the folders of the run.
        QuaywatchError: weights or device cannot be used.
    """

    def __init__(
        self,
        settings: BatchSettings,
        zones: Zones,
        load: Callable[[DetectorSettings], Detector],
        place: Path,
    ) -> None:
        if place.is_dir():
            os.chdir(place)
        if not settings.folder.is_dir():
            raise ClusterError(
                f"{settings.folder}: not seen on {socket.gethostname()}; workers write the results "
                "themselves, so name a folder of a disk that all machines have, with out="
            )
        self._work = SceneWork(settings, load(settings.detector), zones, load)
        self._strip_tiles = settings.cluster.strip_tiles if settings.cluster is not None else None
        self._begun: _Begun | None = None

    def about(self) -> About:
        """What it is."""
        return self._work.about()

    def identify(self, source: SceneSource) -> Answer:
        """Which scene this is."""
        return self._answer(source, lambda scene: Answer(identity=identify(scene)))

    def do(self, source: SceneSource, scene_id: str, *, whole: bool) -> Answer:
        """Find, count and write; or say of which strips a large one is, unless it is `whole`."""

        def done(scene: Scene) -> Answer:
            scene.info = replace(scene.info, scene_id=scene_id)
            work = self._work.fit(scene)
            if self._strip_tiles is not None and not whole:
                strips = work.strips(scene, self._strip_tiles)
                if len(strips) > 1:
                    return Answer(strips=tuple(strips))
            record, counts, was_there = work.do(scene)
            other = None if work is self._work else work.provenance()
            return Answer(record=record, counts=counts, was_there=was_there, other=other)

        return self._answer(source, done)

    def strip(self, source: SceneSource, scene_id: str, tiles: range) -> Answer:
        """Read a strip, and keep what it gave for who does the scene then."""

        def read(scene: Scene) -> Answer:
            scene.info = replace(scene.info, scene_id=scene_id)
            begun = self._begin(scene)
            begun.work.read_strip(scene, begun.prepared, begun.key, tiles)
            return Answer()

        return self._answer(source, read)

    def _begin(self, scene: Scene) -> _Begun:
        """What all strips of a scene have in common; settled once a worker and scene."""
        picture = (scene.info.scene_id, scene.info.content_hash)
        if self._begun is None or self._begun.picture != picture:
            work = self._work.fit(scene)
            self._begun = _Begun(picture, work, work.prepare(scene), work.fingerprint(scene))
        return self._begun

    def _answer(self, source: SceneSource, use: Callable[[Scene], Answer]) -> Answer:
        if source.problem:
            return Answer(record=failed_record(source.path, SceneError(source.problem)))
        try:
            options = source.options(self._work.settings.scene)
            with open_scene(source.path, options) as scene:
                return use(scene)
        except OutputError as error:
            return Answer(stop=str(error))
        except Exception as error:
            return Answer(record=failed_record(source.path, error))
