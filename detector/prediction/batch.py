"""Many scenes to a folder of results: resumable, one row a scene, failures said."""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import pandas as pd
import shapely
from shapely.geometry.base import BaseGeometry

from detector._version import __version__
from detector.classes import PORT, ClassSet
from detector.counting.calibration import Calibration
from detector.counting.counts import count_scene, unreadable_words
from detector.counting.zones import (
    NO_ZONES,
    Zone,
    Zones,
    first_zones,
    placeable,
    read_zones,
    zones_in_pixels,
)
from detector.errors import OutputError, QuaywatchError, SceneError, ZonesError
from detector.export.exporters import check_formats
from detector.export.formats import ALWAYS_WRITTEN, DEFAULT_FORMATS
from detector.export.records import ModelUse, SceneRecord, scene_record, take_over_scale
from detector.export.result import SceneResult
from detector.export.run_files import RunResult, write_run_files
from detector.export.scene_files import (
    add_formats,
    is_damaged,
    missing_formats,
    read_scene_files,
    write_scene_files,
)
from detector.files import held_folder
from detector.inference.pipeline import (
    Advance,
    Found,
    PipelineSettings,
    PreparedScene,
    find_objects,
    prepare_scene,
    settle_scale,
)
from detector.models.detector import Detector, DetectorSettings, load_detector
from detector.prediction.block_counts import SceneBlocks, with_block_intervals
from detector.prediction.constants import constants_sha256
from detector.prediction.copies import Copies
from detector.progress import Progress, SilentProgress
from detector.scenes.discover import SceneSource, discover
from detector.scenes.scene import Scene, open_scene
from detector.scenes.types import SceneOptions, naming
from detector.stacks.block_model import BlockModel
from detector.stacks.estimate import estimate_stacks
from detector.stacks.settings import StackSettings
from detector.wording import counted

HALF: Final = 16  # digits of a fingerprint that tell how a scene was read; the others tell what
DECISIVE_OF_CARD: Final = (
    *("architecture", "family", "tile_px", "gsd_min_m", "gsd_max_m", "gsd_read_m", "calibration"),
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """A run over scenes.

    Attributes:
        paths: files, folders and lists, as `discover` takes them.
        out: folder of the results.
        detector: which weights run where.
        zones: path of a vector file, or None.
        zones_only: read only tiles that meet a zone.
        overwrite: replace results that other settings made; without it such a folder is refused.
        scene: what the user says of the scenes.
        pipeline: threads and queues.
        stacks: what is assumed of container stacks.
        formats: in which the results of a scene are written, beside its record.
    """

    paths: tuple[str, ...]
    out: Path
    detector: DetectorSettings
    zones: str | None = None
    zones_only: bool = False
    overwrite: bool = False
    scene: SceneOptions = field(default_factory=SceneOptions)
    pipeline: PipelineSettings = field(default_factory=PipelineSettings)
    stacks: StackSettings = field(default_factory=StackSettings)
    formats: tuple[str, ...] = DEFAULT_FORMATS


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What a run did.

    Attributes:
        out: folder of the results.
        records: one a scene, in the order given.
        counts: of all scenes that are done.
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
    for warning in zones.warnings:
        logger.warning(warning)
    detector = load_detector(settings.detector)
    run = _Run(SceneWork(settings, detector, zones), progress)
    with held_folder(settings.out):
        _do_scenes(run, scenes)
        result = RunResult(run.records, run.counts, _provenance(settings, detector, zones))
        write_run_files(settings.out, result)
    classes = detector.card.class_set
    return RunSummary(settings.out, tuple(run.records), tuple(run.counts), run.resumed, classes)


def _do_scenes(run: _Run, scenes: Sequence[SceneSource]) -> None:
    """Every scene of a run; what cannot be done becomes a row, or is raised if it is the only one.

    Raises:
        OutputError: the folder of the run cannot be written.
        QuaywatchError: the only scene cannot be done.
    """
    for number, found in enumerate(scenes, start=1):
        try:
            run.do_scene(found, f"{number}/{len(scenes)}")
        except OutputError:
            raise
        except Exception as error:
            if len(scenes) == 1:
                raise
            run.records.append(failed_record(found.path, error))


@dataclass(frozen=True, slots=True)
class SceneWork:
    """What a run does with every one of its scenes, without a file being written.

    Attributes:
        settings: of the run.
        detector: loaded.
        zones: of the run.
    """

    settings: BatchSettings
    detector: Detector
    zones: Zones

    def __post_init__(self) -> None:
        Calibration.from_card(self.detector.card.calibration)  # refused now, not after the work

    def result(
        self, scene: Scene, label: str = "", progress: Progress | None = None
    ) -> SceneResult:
        """Everything that is found in a scene, counted.

        Args:
            scene: open.
            label: stands before the scene's name where the work is shown.
            progress: where that is; by default nowhere.

        Raises:
            SceneError: the scene is damaged.
            ZonesError: the zones cannot be used in the scene.
        """
        zones = zones_in_pixels(self.zones, scene)
        title = f"{label} {scene.info.name}".strip()
        prepared, found = self._find(scene, zones, title, progress or SilentProgress())
        return self._result(scene, prepared, found, zones)

    def write(
        self, out: Path, scene: Scene, find: Callable[[], SceneResult], *, overwrite: bool
    ) -> tuple[SceneRecord, pd.DataFrame, bool]:
        """Write a scene's folder, unless it holds results of the same settings already.

        Args:
            out: folder of the run.
            scene: open.
            find: gives what is written; called only where something is.
            overwrite: replace results that other settings made.

        Returns:
            Record and counts of the scene, and whether they were there already.

        Raises:
            OutputError: the folder cannot be written, or holds results of other settings.
            QuaywatchError: whatever `find` raises.
        """
        folder = out / scene.info.scene_id
        earlier = _earlier_results(folder, self.fingerprint(scene), overwrite=overwrite)
        formats = self.settings.formats
        if earlier is not None:
            lacking = missing_formats(folder, formats)
            if lacking:
                take_over_scale(scene, earlier[0])
                add_formats(folder, scene, zones_in_pixels(self.zones, scene), lacking)
            return *earlier, True
        result = find()
        write_scene_files(folder, scene, result, formats)
        return result.record, result.counts, False

    def fingerprint(self, scene: Scene) -> str:
        """Hash of everything that decides a scene's result."""
        return _fingerprint(self.settings, self.detector, self.zones, scene)

    def provenance(self) -> dict[str, Any]:
        """What `run.json` says of the run, besides its scenes."""
        return _provenance(self.settings, self.detector, self.zones)

    def _find(
        self, scene: Scene, zones: Sequence[Zone], title: str, progress: Progress
    ) -> tuple[PreparedScene, Found]:
        area = None
        if self.settings.zones_only and zones:
            if not placeable(self.zones, scene):
                raise ZonesError(
                    f"{scene.info.path}: no CRS, so nobody knows where the zones lie in it; say "
                    "zones_only=false to count it as a whole"
                )
            area = shapely.union_all([zone.shape for zone in zones])
        prepared, found = self._read(scene, area, title, progress)
        if settle_scale(scene, self.detector, found, self.settings.pipeline):
            return self._read(scene, area, f"{title} at {scene.info.gsd_m:.2f} m", progress)
        return prepared, found

    def _read(
        self, scene: Scene, area: BaseGeometry | None, title: str, progress: Progress
    ) -> tuple[PreparedScene, Found]:
        prepared = prepare_scene(scene, self.detector, self.settings.pipeline, area)
        with progress.task(title, len(prepared.plan), "tiles") as task:

            def tell(advance: Advance) -> None:
                task.advance(advance.tiles, pixels=advance.pixels, boxes=advance.boxes)

            found = find_objects(
                scene,
                self.detector,
                self.settings.pipeline,
                prepared=prepared,
                on_advance=tell,
            )
        return prepared, found

    def _result(
        self,
        scene: Scene,
        prepared: PreparedScene,
        found: Found,
        zones: Sequence[Zone],
    ) -> SceneResult:
        detections = found.detections
        card = self.detector.card
        in_range = card.covers(scene.info.gsd_m)
        model = ModelUse(card.name, card.sha256, in_range, self.fingerprint(scene))
        calibration = Calibration.from_card(card.calibration)
        counts, areas = count_scene(scene, detections, zones, model.in_range, calibration)
        fractions = [area.seen.fraction for area in areas[1:]]
        warnings = _warnings(scene, model, fractions, placeable(self.zones, scene))
        warnings += _left_out(found)
        for warning in warnings:  # the summary shows each kind once, the log every one
            logger.debug("%s: %s", scene.info.path, warning)
        record = scene_record(
            scene.info,
            detections,
            areas,
            model,
            len(prepared.plan),
            tuple(warnings),
            pixels_sha256=scene.pixels_sha256(),
        )
        held_by = first_zones(detections.corners, tuple(zones))
        stacks = estimate_stacks(
            scene, detections, held_by, self.settings.stacks, readable=in_range is not False
        )
        model_of_blocks = BlockModel.from_card(card.calibration)
        if model_of_blocks is not None:
            blocks = SceneBlocks(detections, stacks, held_by, model_of_blocks, self.settings.stacks)
            counts = with_block_intervals(counts, areas, blocks)
        return SceneResult(detections, counts, zones, record, stacks)


def _earlier_results(
    folder: Path, fingerprint: str, *, overwrite: bool
) -> tuple[SceneRecord, pd.DataFrame] | None:
    """The results of a scene that are there already, if the same settings made them of it."""
    if not folder.exists():
        return None
    if is_damaged(folder):
        logger.warning(
            "%s: results of an earlier run are damaged or were changed since, and made anew", folder
        )
        return None
    earlier = read_scene_files(folder)
    if earlier is not None and earlier[0].fingerprint == fingerprint:
        return earlier
    if earlier is not None and earlier[0].fingerprint[:HALF] == fingerprint[:HALF]:
        logger.info("%s: the scene has changed since an earlier run, and is done anew", folder)
        return None
    if overwrite:
        return None
    raise OutputError(
        f"{folder}: holds results of other settings, weights or code; name another folder with "
        "out= or say overwrite=true"
    )


def failed_record(path: str, error: Exception) -> SceneRecord:
    """The row of a scene that could not be done; what nobody foresaw goes into the log in full."""
    reason = str(error)
    if not isinstance(error, QuaywatchError):
        logger.debug("%s", path, exc_info=error)
        told = " ".join(reason.split())[:200]
        reason = f"{path}: an error of the program ({type(error).__name__}: {told}); see run.log"
    logger.warning("failed: %s", reason)
    return SceneRecord(path=path, status="failed", reason=reason)


class _Run:
    """The state of a run: its results so far."""

    def __init__(self, work: SceneWork, progress: Progress) -> None:
        self._work = work
        self._progress = progress
        self._copies = Copies()
        self.records: list[SceneRecord] = []
        self.counts: list[pd.DataFrame] = []
        self.resumed = 0

    def do_scene(self, source: SceneSource, label: str) -> None:
        if source.problem:
            raise SceneError(source.problem)
        path, settings = source.path, self._work.settings
        options = naming(settings.scene, path) if source.named else settings.scene
        with open_scene(path, options) as scene:
            copy = self._copies.check(scene)
            if copy is not None:
                logger.warning("not counted again: %s", copy.reason)
                self.records.append(copy)
                return
            record, counts, was_there = self._work.write(
                settings.out,
                scene,
                lambda: self._work.result(scene, label, self._progress),
                overwrite=settings.overwrite,
            )
            self.records.append(record)
            self.counts.append(counts)
            self.resumed += was_there


def _warnings(
    scene: Scene, model: ModelUse, zone_fractions: Sequence[float], zones_placed: bool
) -> list[str]:
    info = scene.info
    found = []
    if info.gsd_m is None:
        found.append(
            "scale unknown, so nothing is counted, and boxes have no lengths; say how many metres "
            "a pixel is with scene.gsd="
        )
    elif info.gsd_range_m is not None:
        found.append(
            f"about {info.gsd_m:.2f} m a pixel ({info.gsd_range_m[0]:.2f} to "
            f"{info.gsd_range_m[1]:.2f}, 90 %), estimated from container rows; lengths and areas "
            "carry this error; if you know it better, say it with scene.gsd= in metres"
        )
    if model.in_range is False:
        found.append(
            f"{unreadable_words(info.gsd_m)}, so nothing is counted: it is outside the range of "
            f"the weights '{model.name}'"
        )
    found += info.acquired_remarks
    if info.when.precision == "time_unknown":
        found.append(
            f"time of day unknown, only the date {info.acquired_day} is ({info.acquired_source}); "
            "if you know it, say it with scene.acquired="
        )
    elif info.acquired is None:
        found.append("time of acquisition unknown; say it with scene.acquired=")
    if not zones_placed:
        found.append(
            "no CRS, so the zones were not used and the scene is counted as a whole; georeference "
            "it, or draw zones in its pixels and save them without CRS"
        )
    elif zone_fractions and not any(zone_fractions):
        found.append("none of the zones was seen in this scene")
    return found


def _left_out(result: Found) -> list[str]:
    """What had to be left out, so that nothing is dropped in silence."""
    found = []
    stats = result.stats
    if result.implausible:
        found.append(
            f"{counted(result.implausible, 'box was', 'boxes were')} left out: longer than any "
            + " or ".join(
                f"{entry.words} ({entry.impossible_m:.0f} m)"
                for entry in result.detections.classes
                if math.isfinite(entry.impossible_m)
            )
        )
    if result.yards:
        found.append(
            f"{counted(result.yards, 'box of a ship was', 'boxes of ships were')} left out: "
            "container stacks with better scores fill them"
        )
    unseen = int(result.detections.unseen.sum())
    if unseen:
        found.append(
            f"{unseen} {'box lies' if unseen == 1 else 'boxes lie'} by half or more on pixels that "
            "were not seen (clouds, no data; `unseen`): no observation, so not counted"
        )
    if result.beyond:
        found.append(
            f"{counted(result.beyond, 'object reaches', 'objects reach')} beyond what was read "
            "for the zones (`cut`): they are cut there, and a part of one may be counted; say "
            "zones_only=false to see them whole"
        )
    if stats.crowded:
        found.append(
            f"{counted(len(stats.crowded), 'tile holds', 'tiles hold')} more boxes than can be "
            "told apart; only their best were used, so objects are missing from the count"
        )
    if stats.unusable:
        told = counted(
            stats.unusable,
            "box without area or with crossing sides was",
            "boxes without area or with crossing sides were",
        )
        found.append(f"{told} left out")
    return found


def _fingerprint(settings: BatchSettings, detector: Detector, zones: Zones, scene: Scene) -> str:
    """Hash of everything that decides a scene's result: half of how, half of what is read.

    The number of threads is left out: it changes the last digits, which nobody promises.
    """
    how = _decisive(settings, detector, zones) | {
        "options": _asked(settings.scene),
        "card": [getattr(detector.card, name) for name in DECISIVE_OF_CARD],
    }
    del how["threads"]
    clouds = scene.info.cloud_source
    what = {
        "content": scene.content_sha256(),
        "acquired": scene.info.when.iso,
        "clouds": Path(clouds).name if clouds else None,
        "angles": asdict(scene.info.angles),
    }
    return _half(how) + _half(what)


def _half(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:HALF]


def _asked(options: SceneOptions) -> dict[str, Any]:
    """What the user says of the scenes; where they may lie changes nothing of them."""
    return {key: value for key, value in asdict(options).items() if key != "allow_remote"}


def _decisive(settings: BatchSettings, detector: Detector, zones: Zones) -> dict[str, Any]:
    digest = hashlib.sha256(repr(zones.crs).encode())  # mending a wrong CRS moves every zone
    for zone in zones.zones:
        digest.update(repr((zone.name, zone.kind)).encode())
        digest.update(shapely.to_wkb(zone.shape))
    classes = detector.card.class_set
    return {
        "version": __version__,
        "constants_sha256": constants_sha256(),
        **({} if classes == PORT else {"classes": classes.to_plain()}),
        "weights": detector.card.name,
        "weights_sha256": detector.card.sha256,
        "conf": [round(float(value), 6) for value in detector.conf],
        "iou": detector.iou,
        "mirrored": detector.card.mirrored,
        "luck": detector.card.luck,
        "backend": detector.backend.name,
        "device": detector.backend.device,
        "threads": detector.threads,
        "batch": detector.batch,
        "merge": asdict(settings.pipeline.merge),
        "enlarge": settings.pipeline.enlarge,
        "estimate_gsd": settings.pipeline.estimate_gsd,
        "calibration_sha256": _sha256_of(detector.card.calibration),
        "lengths_sha256": _sha256_of(detector.card.lengths),
        "stacks": asdict(settings.stacks),
        "zones_sha256": digest.hexdigest() if len(zones) else None,
        "zones_only": settings.zones_only,
    }


def _sha256_of(content: Mapping[str, Any]) -> str:
    """Of the calibration: with another one the same weights give other counts."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _provenance(settings: BatchSettings, detector: Detector, zones: Zones) -> dict[str, Any]:
    """What `run.json` says; nothing in it depends on the clock."""
    return {
        "program": "quaywatch",
        **_decisive(settings, detector, zones),
        "zones": zones.source or None,
        "scene_options": json.loads(json.dumps(asdict(settings.scene), default=str)),
    }
