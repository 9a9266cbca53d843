"""The work on one scene: find, count and write, or take over what is there already."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import shapely
from shapely.geometry.base import BaseGeometry

from detector.counting.calibration import Calibration
from detector.counting.counts import count_scene
from detector.counting.zones import (
    NO_ZONES,
    Zone,
    Zones,
    first_zones,
    placeable,
    read_land,
    zones_in_pixels,
)
from detector.errors import OutputError, QuaywatchError, ZonesError
from detector.export.records import ModelUse, SceneRecord, scene_record, take_over_scale
from detector.export.result import SceneResult
from detector.export.scene_files import (
    add_formats,
    is_damaged,
    missing_formats,
    read_scene_files,
    write_scene_files,
)
from detector.export.stac import model_item
from detector.inference.checkpoint import (
    Checkpoint,
    checkpoint_folder,
    remove_checkpoint,
)
from detector.inference.land import Land
from detector.inference.pipeline import (
    Advance,
    Found,
    PreparedScene,
    find_objects,
    prepare_scene,
    read_strip,
    settle_scale,
)
from detector.later import pandas as pd
from detector.models.choice import choose_weights
from detector.models.detector import Detector, DetectorSettings, find_weights
from detector.prediction.block_counts import SceneBlocks, with_block_intervals
from detector.prediction.fingerprint import (
    HALF,
    result_fingerprint,
    run_provenance,
    settings_fingerprint,
)
from detector.prediction.remarks import (
    land_remarks,
    left_out_remarks,
    scene_remarks,
    unreadable_remarks,
)
from detector.prediction.settings import BatchSettings
from detector.prediction.tasks import About
from detector.profiling import span
from detector.progress import Progress, SilentProgress
from detector.scenes.scene import Scene
from detector.stacks.block_model import BlockModel
from detector.stacks.estimate import estimate_stacks
from detector.tiling.strips import cut_strips

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SceneWork:
    """What a run does with every one of its scenes, without a file being written.

    Attributes:
        settings: of the run.
        detector: loaded.
        zones: of the run.
        load: gives the detector of other weights, where scenes ask for them.
        land: of the settings' file, read once.
        how: fingerprint of these but for `load`; the constants of the code are hashed once a run.
        others: the same with other weights, by their name, as scenes have asked for them.
    """

    settings: BatchSettings
    detector: Detector
    zones: Zones
    load: Callable[[DetectorSettings], Detector]
    land: Zones = NO_ZONES
    how: str = field(init=False)
    others: dict[str, SceneWork] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.settings.land and not len(self.land):
            object.__setattr__(self, "land", read_land(self.settings.land))
            for warning in self.land.warnings:
                logger.warning(warning)
        how = settings_fingerprint(self.settings, self.detector, self.zones, self.land)
        object.__setattr__(self, "how", how)
        Calibration.from_card(self.detector.card.calibration)  # refused now, not after the work

    def fit(self, scene: Scene) -> SceneWork:
        """The work with the weights that read a scene, where the user leaves them to its gsd.

        Raises:
            WeightsError: they are missing or damaged.
            DeviceError: the device is gone.
        """
        asked = self.settings.detector
        name = choose_weights(asked.weights, scene.info.gsd_m)
        if name in (asked.weights, self.detector.card.name):
            return self
        if name not in self.others:
            detector = self.load(replace(asked, weights=name))
            self.others[name] = replace(self, detector=detector, others={})
        return self.others[name]

    def result(
        self,
        scene: Scene,
        label: str = "",
        progress: Progress | None = None,
        kept: Path | None = None,
    ) -> SceneResult:
        """Everything that is found in a scene, counted.

        Args:
            scene: open.
            label: stands before the scene's name where the work is shown.
            progress: where that is; by default nowhere.
            kept: folder of the tiles that are done, for a run that goes on; None keeps nothing.

        Raises:
            SceneError: the scene is damaged.
            ZonesError: the zones cannot be used in the scene.
        """
        zones = zones_in_pixels(self.zones, scene)
        telling = _Telling(f"{label} {scene.info.name}".strip(), progress or SilentProgress())
        prepared, found = self._find(scene, zones, telling, kept)
        return self._result(scene, prepared, found, zones)

    def about(self) -> About:
        """What works here."""
        return About(self.provenance(), self.detector.card.class_set, self.model())

    def model(self) -> dict[str, Any] | None:
        """The weights as a STAC item, where the run writes items."""
        if "stac" not in self.settings.formats:
            return None
        return model_item(
            self.detector.card, find_weights(self.settings.detector.weights), self.provenance()
        )

    def do(
        self, scene: Scene, label: str = "", progress: Progress | None = None
    ) -> tuple[SceneRecord, pd.DataFrame, bool]:
        """Find, count and write a scene into the folder of the run, or go on with it.

        Args:
            scene: open, with the id that it has in the run.
            label: as `result`.
            progress: as `result`.

        Returns:
            As `write`.

        Raises:
            QuaywatchError: as `result` and `write`.
        """
        out = self.settings.folder
        kept = checkpoint_folder(out, scene.info.scene_id)
        return self.write(
            out,
            scene,
            lambda: self.result(scene, label, progress, kept),
            overwrite=self.settings.overwrite,
        )

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
        earlier = earlier_results(folder, self.fingerprint(scene), overwrite=overwrite)
        formats = self.settings.formats
        if earlier is not None:
            lacking = missing_formats(folder, formats)
            if lacking:
                take_over_scale(scene, earlier[0])
                add_formats(folder, scene, zones_in_pixels(self.zones, scene), lacking)
            return *earlier, True
        result = find()
        with span("write"):
            write_scene_files(folder, scene, result, formats)
        remove_checkpoint(checkpoint_folder(out, scene.info.scene_id))
        return result.record, result.counts, False

    def fingerprint(self, scene: Scene) -> str:
        """Hash of everything that decides a scene's result."""
        with span("hash"):
            return result_fingerprint(self.how, self.settings, scene)

    def provenance(self) -> dict[str, Any]:
        """What `run.json` says of the run, besides its scenes."""
        told = run_provenance(self.settings, self.detector, self.zones, self.land)
        beside = [work.provenance() for _, work in sorted(self.others.items())]
        return told | {"other_networks": beside} if beside else told

    def _find(
        self, scene: Scene, zones: Sequence[Zone], telling: _Telling, kept: Path | None
    ) -> tuple[PreparedScene, Found]:
        area = self._area(scene, zones)
        prepared, found = self._read(scene, area, telling, kept)
        if settle_scale(scene, self.detector, found, self.settings.pipeline):
            again = replace(telling, title=f"{telling.title} at {scene.info.gsd_m:.2f} m")
            return self._read(scene, area, again, kept)
        return prepared, found

    def strips(self, scene: Scene, least: int) -> list[range]:
        """The rows of tiles of a scene that several processes may read apart.

        Args:
            scene: open, with the id that it has in the run.
            least: tiles of a strip, at least.

        Returns:
            As `cut_strips`; none where the scene is done already, or where its scale is to be
            measured, since another plan follows from that.

        Raises:
            OutputError: its folder holds results of other settings.
            QuaywatchError: as `prepare`.
        """
        if scene.info.gsd_m is None and self.settings.pipeline.estimate_gsd:
            return []
        folder, key = self.settings.folder / scene.info.scene_id, self.fingerprint(scene)
        if earlier_results(folder, key, overwrite=self.settings.overwrite) is not None:
            return []
        return cut_strips(self.prepare(scene).plan, least)

    def read_strip(self, scene: Scene, prepared: PreparedScene, key: str, tiles: range) -> None:
        """Read a strip of a scene, and keep what it gave where `do` finds it.

        Args:
            scene: open, with the id that it has in the run.
            prepared: of it, as `prepare` gives it.
            key: its `fingerprint`.
            tiles: by their index in the plan.

        Raises:
            SceneError: the scene is damaged.
            OutputError: the folder of the run cannot be written.
        """
        kept = checkpoint_folder(self.settings.folder, scene.info.scene_id)
        classes = self.detector.card.class_set
        checkpoint = Checkpoint(kept, key, prepared.plan, classes, needed=True)
        read_strip(scene, self.detector, self.settings.pipeline, prepared, tiles, checkpoint)

    def prepare(self, scene: Scene) -> PreparedScene:
        """The tiles of a scene that this run would read.

        Raises:
            SceneError: the scene is damaged.
            ZonesError: the zones cannot be used in the scene.
        """
        area = self._area(scene, zones_in_pixels(self.zones, scene))
        return prepare_scene(scene, self.detector, self.settings.pipeline, area)

    def _area(self, scene: Scene, zones: Sequence[Zone]) -> BaseGeometry | None:
        """Where alone to look, file pixels; None is everywhere."""
        if not (self.settings.zones_only and zones):
            return None
        if not placeable(self.zones, scene):
            raise ZonesError(
                f"{scene.info.path}: no CRS, so nobody knows where the zones lie in it; say "
                "zones_only=false to count it as a whole"
            )
        return shapely.union_all([zone.shape for zone in zones])

    def _read(
        self, scene: Scene, area: BaseGeometry | None, telling: _Telling, kept: Path | None
    ) -> tuple[PreparedScene, Found]:
        with span("plan"):
            prepared = prepare_scene(scene, self.detector, self.settings.pipeline, area)
        checkpoint = None
        if kept is not None:
            key, classes = self.fingerprint(scene), self.detector.card.class_set
            checkpoint = Checkpoint(kept, key, prepared.plan, classes)
        with telling.progress.task(telling.title, len(prepared.plan), "tiles") as task:

            def tell(advance: Advance) -> None:
                task.advance(advance.tiles, pixels=advance.pixels, boxes=advance.boxes)

            found = find_objects(
                scene,
                self.detector,
                self.settings.pipeline,
                prepared=prepared,
                on_advance=tell,
                checkpoint=checkpoint,
                land=self._land(scene),
            )
        return prepared, found

    def _land(self, scene: Scene) -> Land:
        """What is known of land in a scene; nothing by a file where nobody knows how it lies."""
        parts = zones_in_pixels(self.land, scene)
        shapes = [part.shape for part in parts if not part.shape.is_empty]
        return Land(shapes, by_water=self.settings.water_index)

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
        unreadable = card.unreadable(scene.info.gsd_m)
        model = ModelUse(card.name, card.sha256, in_range, self.fingerprint(scene))
        calibration = Calibration.from_card(card.calibration)
        with span("count"):
            counts, areas = count_scene(scene, detections, zones, in_range, calibration, unreadable)
        fractions = [area.seen.fraction for area in areas[1:]]
        warnings = scene_remarks(scene, model, fractions, placeable(self.zones, scene))
        warnings += unreadable_remarks(scene, card.class_set, unreadable)
        warnings += land_remarks(scene, self.land)
        warnings += left_out_remarks(found)
        for warning in warnings:  # the summary shows each kind once, the log every one
            logger.debug("%s: %s", scene.info.path, warning)
        record = scene_record(
            scene.info,
            detections,
            areas,
            model,
            len(prepared.plan),
            tuple(warnings),
            tiles_skipped=found.flat,
            pixels_sha256=_pixels_sha256(scene),
        )
        held_by = first_zones(detections.corners, tuple(zones))
        with span("stacks"):
            stacks = estimate_stacks(
                scene, detections, held_by, self.settings.stacks, readable=in_range is not False
            )
        model_of_blocks = BlockModel.from_card(card.calibration)
        if model_of_blocks is not None:
            blocks = SceneBlocks(detections, stacks, held_by, model_of_blocks, self.settings.stacks)
            counts = with_block_intervals(counts, areas, blocks)
        return SceneResult(detections, counts, zones, record, stacks)


def earlier_results(
    folder: Path, fingerprint: str, *, overwrite: bool
) -> tuple[SceneRecord, pd.DataFrame] | None:
    """The results of a scene that are there already, if the same settings made them of it.

    Raises:
        OutputError: other settings made them, and they may not be overwritten.
    """
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


def failed_record(path: str, error: BaseException) -> SceneRecord:
    """The row of a scene that could not be done; what nobody foresaw goes into the log in full."""
    reason = str(error)
    if not isinstance(error, QuaywatchError):
        logger.debug("%s", path, exc_info=error)
        told = " ".join(reason.split())[:200]
        reason = f"{path}: an error of the program ({type(error).__name__}: {told}); see run.log"
    logger.warning("failed: %s", reason)
    return SceneRecord(path=path, status="failed", reason=reason)


@dataclass(frozen=True, slots=True)
class _Telling:
    """Where the work on a scene is shown, and under which title."""

    title: str
    progress: Progress


def _pixels_sha256(scene: Scene) -> str:
    with span("hash"):
        return scene.pixels_sha256()
