"""`--dry-run` of `detector predict`: what a run would do with every scene, without doing it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from detector.counting.zones import NO_ZONES, read_zones
from detector.errors import OutputError, QuaywatchError, SceneError
from detector.export.formats import check_formats
from detector.inference.checkpoint import checkpoint_folder
from detector.models.detector import load_detector
from detector.prediction.copies import Copies, identify
from detector.prediction.describe import tile_seconds
from detector.prediction.settings import BatchSettings
from detector.prediction.work import SceneWork, earlier_results
from detector.scenes.discover import SceneSource, discover, said_of_all
from detector.scenes.scene import Scene, open_scene

logger = logging.getLogger(__name__)

Fate = Literal["to do", "to be continued", "done already", "a copy", "cannot be done"]
WORK: tuple[Fate, ...] = ("to do", "to be continued")


@dataclass(frozen=True, slots=True)
class PlannedScene:
    """What would become of a scene.

    Attributes:
        path: as given.
        fate: in a word or two.
        folder: of its results; empty where there would be none.
        tiles: that the network would read; 0 where it would read none.
        seconds: that the network takes for them, as measured on one tile.
        reason: why it is a copy or cannot be done; empty elsewhere.
    """

    path: str
    fate: Fate
    folder: str = ""
    tiles: int = 0
    seconds: float = 0.0
    reason: str = ""

    def line(self) -> str:
        """The scene as a line of text."""
        told = f"{self.path}: {self.fate}"
        if self.fate in WORK:
            told += f", {self.tiles} tiles, about {self.seconds:.0f} s, into {self.folder}"
        elif self.folder:
            told += f", in {self.folder}"
        return f"{told} ({self.reason})" if self.reason else told


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What a run would do.

    Attributes:
        out: folder of the results.
        scenes: in the order given.
        weights: name and hash of the network.
        place: backend and device.
        zones: how many, and of which file; None without.
        formats: that would be written of each scene.
    """

    out: str
    scenes: tuple[PlannedScene, ...]
    weights: tuple[str, str]
    place: str
    zones: tuple[int, str] | None
    formats: tuple[str, ...]

    @property
    def failing(self) -> int:
        """Scenes that cannot be done."""
        return sum(scene.fate == "cannot be done" for scene in self.scenes)

    def lines(self) -> list[str]:
        """Text for people."""
        work = [scene for scene in self.scenes if scene.fate in WORK]
        tiles, seconds = sum(s.tiles for s in work), sum(s.seconds for s in work)
        fates = list(dict.fromkeys(scene.fate for scene in self.scenes))
        told = [f"{sum(s.fate == fate for s in self.scenes)} {fate}" for fate in fates]
        name, sha256 = self.weights
        zones = f"{self.zones[0]} of {self.zones[1]}" if self.zones else "none"
        return [
            *(scene.line() for scene in self.scenes),
            f"scenes:  {', '.join(told)}",
            f"network: {name} ({sha256[:12]}) on {self.place}, {tiles} tiles, about "
            f"{seconds:.0f} s for the network alone",
            f"zones:   {zones}",
            f"writes:  {self.out}, of each scene {', '.join(self.formats) or 'its record only'}",
            "Nothing was written.",
        ]

    def to_dict(self) -> dict[str, Any]:
        """The same for machines."""
        return asdict(self)


def rehearse(settings: BatchSettings) -> Rehearsal:
    """Go through a run without finding or writing anything.

    Every scene is opened and read once, as the run does to know copies; the network reads two
    tiles, to be timed.

    Raises:
        QuaywatchError: no scenes, or weights, device, zones or formats cannot be used, or the only
            scene cannot be done: what the run itself would raise.
    """
    check_formats(settings.formats)
    sources = discover(settings.paths)
    if len(sources) == 1 and sources[0].problem:
        raise SceneError(sources[0].problem)
    zones = read_zones(settings.zones) if settings.zones else NO_ZONES
    for warning in (*said_of_all(settings.scene, sources), *zones.warnings):
        logger.warning(warning)
    if settings.out.exists() and not settings.out.is_dir():
        raise OutputError(f"{settings.out}: is a file; name a folder with out=")
    detector = load_detector(settings.detector)
    work = SceneWork(settings, detector, zones, load_detector)
    mine = settings.shard.own(sources) if settings.shard else sources
    planned = _plan_all(work, mine, tile_seconds(detector))
    return Rehearsal(
        out=str(settings.folder),
        scenes=planned,
        weights=(detector.card.name, detector.card.sha256),
        place=f"{detector.backend.name} on {detector.backend.device}",
        zones=(len(zones), str(settings.zones)) if settings.zones else None,
        formats=settings.formats,
    )


def _plan_all(
    work: SceneWork, sources: Sequence[SceneSource], tile_s: float
) -> tuple[PlannedScene, ...]:
    copies, planned = Copies(), []
    for source in sources:
        if source.problem:
            planned.append(PlannedScene(source.path, "cannot be done", reason=source.problem))
            continue
        try:
            with open_scene(source.path, source.options(work.settings.scene)) as scene:
                planned.append(_plan(work.fit(scene), scene, copies, tile_s))
        except QuaywatchError as error:
            if len(sources) == 1 or isinstance(error, OutputError):
                raise
            planned.append(PlannedScene(source.path, "cannot be done", reason=str(error)))
    return tuple(planned)


def _plan(work: SceneWork, scene: Scene, copies: Copies, tile_s: float) -> PlannedScene:
    settings, path = work.settings, scene.info.path
    settled = copies.check(identify(scene))
    if settled.status == "copy":
        return PlannedScene(path, "a copy", reason=settled.reason)
    scene.info = replace(scene.info, scene_id=settled.scene_id)
    folder = settings.folder / scene.info.scene_id
    if folder.exists():
        earlier = earlier_results(folder, work.fingerprint(scene), overwrite=settings.overwrite)
        if earlier is not None:
            return PlannedScene(path, "done already", str(folder))
    begun = checkpoint_folder(settings.folder, scene.info.scene_id).exists()
    plan = work.prepare(scene).plan
    seconds = tile_s * plan.read_pixels / work.detector.card.tile_px**2
    fate: Fate = "to be continued" if begun else "to do"
    return PlannedScene(path, fate, str(folder), len(plan), seconds)
