"""Many scenes to a folder of results: resumable, one row a scene, failures said."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from detector.counting.counts import GatheredCounts
from detector.counting.zones import (
    NO_ZONES,
    Zones,
    read_zones,
)
from detector.errors import DeviceError, OutputError, SceneError
from detector.export.formats import ALWAYS_WRITTEN, check_formats
from detector.export.records import SceneRecord
from detector.export.run_files import RunResult, write_run_files
from detector.files import held_folder
from detector.inference.checkpoint import (
    remove_checkpoints,
)
from detector.prediction.copies import Copies, identify
from detector.prediction.settings import BatchSettings, RunSummary
from detector.prediction.shards import write_list, write_shard
from detector.prediction.tasks import Outcome
from detector.prediction.work import SceneWork, failed_record
from detector.prediction.workers import Doing, on_cluster
from detector.profiling import span
from detector.progress import Progress, SilentProgress
from detector.rendering.examples import load_detector
from detector.scenes.discover import SceneSource, discover, said_of_all
from detector.scenes.scene import open_scene

logger = logging.getLogger(__name__)


def predict_paths(settings: BatchSettings, progress: Progress | None = None) -> RunSummary:
    """Find, count and write every scene.

    A scene that fails among several becomes a row with its reason; the only scene of a run, and
    anything that concerns the whole run, is raised, and nothing is written for it. Scenes whose
    results are there already, made by the same settings, weights and content, are not done again.

    Args:
        settings: of the run.
        progress: where the work is shown; by default nowhere.

    Raises:
        QuaywatchError: no scenes, or weights, device, zones or folder cannot be used.
    """
    progress = progress or SilentProgress()
    check_formats(settings.formats)
    for name, file in ALWAYS_WRITTEN.items():
        if name not in settings.formats:
            logger.info(
                "%s, stacks.csv, stacks.parquet and scene.json are the run's own record: "
                "written too",
                file,
            )
    scenes = discover(settings.paths)
    zones = read_zones(settings.zones) if settings.zones else NO_ZONES
    for warning in (*said_of_all(settings.scene, scenes), *zones.warnings):
        logger.warning(warning)
    if settings.cluster is None:
        do = _here(settings, zones, progress)
    else:
        do = on_cluster(settings, settings.cluster, zones, progress, load_detector)
    shard, out = settings.shard, settings.folder
    with held_folder(out):
        names = write_list(settings.out, shard, scenes) if shard else ""
        outcome = do(shard.own(scenes) if shard else scenes, len(scenes) == 1)
        provenance = outcome.about.provenance
        model = outcome.about.model
        with span("write"):
            write_run_files(out, RunResult(outcome.records, outcome.counts, provenance, model))
        failed = any(record.status == "failed" for record in outcome.records)
        if settings.cluster is None or not failed:  # else a scene that cost its workers goes on
            remove_checkpoints(out)
        if shard:
            write_shard(out, shard, names, outcome.records)
    records, counts, classes = outcome.records, outcome.counts, outcome.about.classes
    return RunSummary(out, tuple(records), tuple(counts), outcome.resumed, classes)


def _here(settings: BatchSettings, zones: Zones, progress: Progress) -> Doing:
    """Does scenes in this process, with the network loaded."""
    with span("load"):
        detector = load_detector(settings.detector)
    work = SceneWork(settings, detector, zones, load_detector)

    def do(scenes: Sequence[SceneSource], alone: bool) -> Outcome:
        run = _Run(work, progress)
        _do_scenes(run, scenes, alone=alone)
        return Outcome(run.records, run.counts.tables, run.resumed, work.about())

    return do


def _do_scenes(run: _Run, scenes: Sequence[SceneSource], *, alone: bool) -> None:
    """Every scene of a run; what cannot be done becomes a row, or is raised if it stands alone.

    Raises:
        OutputError: the folder of the run cannot be written.
        DeviceError: the device is gone: no later scene could be done, and the run can go on later.
        QuaywatchError: the only scene cannot be done.
    """
    for number, found in enumerate(scenes, start=1):
        try:
            run.do_scene(found, f"{number}/{len(scenes)}")
        except (OutputError, DeviceError):
            raise
        except (Exception, SystemExit) as error:  # a thread that ends must not end the run
            if alone:
                raise
            run.records.append(failed_record(found.path, error))


class _Run:
    """The state of a run: its results so far."""

    def __init__(self, work: SceneWork, progress: Progress) -> None:
        self.work = work
        self._progress = progress
        self._copies = Copies()
        self.records: list[SceneRecord] = []
        self.counts = GatheredCounts()
        self.resumed = 0

    def do_scene(self, source: SceneSource, label: str) -> None:
        if source.problem:
            raise SceneError(source.problem)
        options = source.options(self.work.settings.scene)
        with open_scene(source.path, options) as scene:
            settled = self._copies.check(identify(scene))
            if settled.status == "copy":
                logger.warning("not counted again: %s", settled.reason)
                self.records.append(settled)
                return
            scene.info = replace(scene.info, scene_id=settled.scene_id)
            work = self.work.fit(scene)
            record, counts, was_there = work.do(scene, label, self._progress)
            self.records.append(record)
            self.counts.add(counts)
            self.resumed += was_there
