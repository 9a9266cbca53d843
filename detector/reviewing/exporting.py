"""`detector review export`: pictures with boxes drawn, in the format of the tool of a person."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Final

import cv2
import geopandas as gpd
import numpy as np

from detector.classes import ClassSet
from detector.counting.zones import Zone, read_zones, zones_in_pixels
from detector.detections import Detections
from detector.errors import OutputError, QuaywatchError
from detector.export.geopackage import write_geopackage
from detector.export.records import SceneRecord
from detector.export.run_files import run_content
from detector.files import atomic_path, prepare_folder
from detector.progress import Progress, SilentProgress
from detector.reviewing.chips import Chip, plan_chips, with_pixels
from detector.reviewing.correct import box_ids, corners_of
from detector.reviewing.errors import ReviewError
from detector.reviewing.folders import FOLDERS, write_folder
from detector.reviewing.formats import FORMATS, cvat_labels, labelling_config, write_sheets
from detector.reviewing.geopackage import add_sample_layer
from detector.reviewing.manifest import MANIFEST_FILE, Manifest, Picture, write_manifest
from detector.reviewing.runs import ReviewedRun
from detector.reviewing.sampling import Candidate, Chosen, at_random, most_worth, of_zone
from detector.reviewing.sheet import Sheet, SheetRow, sheet_of
from detector.scenes.scene import Scene, open_scene
from detector.scenes.types import SceneOptions

QGIS: Final = "qgis"
KINDS: Final = (QGIS, *FORMATS, *FOLDERS)
IMAGES_FOLDER: Final = "images"
TOOL_FILES: Final[Mapping[str, str]] = {
    "label-studio": "tasks.json",
    "cvat": "annotations.xml",
    "coco": "annotations.json",
}


@dataclass(frozen=True, slots=True)
class ExportSettings:
    """What is exported, and how.

    Attributes:
        run: folder of `detector predict`.
        out: folder of the export; must not hold another one.
        kind: format.
        sample: `random`, `uncertain`, `changed` or `zone:NAME`.
        number: of chips; 0: all that the sample has.
        side_px: longest side of a chip; 0: whole scenes.
        seed: of chance.
    """

    run: Path
    out: Path
    kind: str = QGIS
    sample: str = "random"
    number: int = 60
    side_px: int = 768
    seed: int = 0


@dataclass
class Frame:
    """The chips of a run and its boxes, to choose from.

    Attributes:
        run: the run.
        candidates: all chips that show anything.
        found: all boxes of each scene, by its id.
    """

    run: ReviewedRun
    candidates: list[Candidate] = field(default_factory=list)
    found: dict[str, gpd.GeoDataFrame] = field(default_factory=dict)


def export_review(
    settings: ExportSettings,
    worth: Callable[[Frame], Mapping[str, float]] | None = None,
    progress: Progress | None = None,
) -> Manifest:
    """Write pictures and boxes for a person to look at.

    Args:
        settings: what and how.
        worth: of boxes by id, of a run; needed for the samples `uncertain` and `changed`.
        progress: where the work is shown; by default nowhere.

    Raises:
        ReviewError: an unknown format or sample, or the run cannot be used.
        SceneError: a scene is gone, damaged, or another one than the run saw.
        OutputError: the folder holds another export, or cannot be written.
    """
    if settings.kind not in KINDS:
        raise ReviewError(f"'{settings.kind}' is none of the formats {', '.join(KINDS)}")
    if (settings.out / MANIFEST_FILE).exists():
        raise OutputError(f"{settings.out}: already holds an export; name another folder with out=")
    run = ReviewedRun.read(settings.run)
    frame = _frame(run, settings.side_px)
    chosen = _choose(frame, settings, worth)
    out = prepare_folder(settings.out, mark=True)
    if settings.kind == QGIS:
        _write_geopackages(out, frame, chosen)
    else:
        _write_pictures(out, frame, chosen, settings.kind, progress or SilentProgress())
    manifest = Manifest(
        settings.kind,
        settings.sample,
        settings.seed,
        {name: run.seal(name) for name in dict.fromkeys(one.chip.scene_id for one in chosen)},
        tuple(_picture(one) for one in chosen),
    )
    write_manifest(out, manifest)
    return manifest


def open_again(record: SceneRecord) -> Scene:
    """A scene of a run, the same as it was; to be closed.

    Raises:
        SceneError: its file is gone or damaged.
        ReviewError: it is another one now.
    """
    scene = open_scene(record.path, SceneOptions(bands=record.bands or None))
    if scene.info.content_hash != record.content_hash:
        scene.close()
        raise ReviewError(
            f"{record.path}: not the file that the run read; it has changed: predict it again, "
            "then export"
        )
    return scene


def _frame(run: ReviewedRun, side_px: int) -> Frame:
    frame = Frame(run)
    for scene_id, record in run.records.items():
        table = run.found(scene_id)
        frame.found[scene_id] = table
        corners = corners_of(table)
        names = np.array(box_ids(scene_id, len(table)), dtype=object)
        counted = ~table["on_ship"].to_numpy(bool) & ~table["unseen"].to_numpy(bool)
        with open_again(record) as scene:
            chips = with_pixels(scene, plan_chips(record, side_px))
        for chip in chips:
            mine = names[chip.holds(corners) & counted]
            frame.candidates.append(Candidate(chip, tuple(mine.tolist())))
    return frame


def _choose(
    frame: Frame,
    settings: ExportSettings,
    worth: Callable[[Frame], Mapping[str, float]] | None,
) -> list[Chosen]:
    kind, _, name = settings.sample.partition(":")
    if kind == "random":
        chosen = at_random(frame.candidates, settings.number, settings.seed)
    elif kind == "zone" and name:
        shapes = {
            scene_id: zone.shape
            for scene_id, mine in zones_of_run(frame.run).items()
            for zone in mine
            if zone.name == name
        }
        chosen = of_zone(frame.candidates, shapes, name)
    elif kind in ("uncertain", "changed") and worth is not None:
        chosen = most_worth(frame.candidates, worth(frame), settings.number)
    else:
        raise ReviewError(
            f"sample={settings.sample}: choose random, uncertain, changed or zone:NAME"
        )
    if not chosen:
        raise ReviewError(f"sample={settings.sample}: nothing of the run is chosen by it")
    return chosen


def zones_of_run(run: ReviewedRun) -> dict[str, tuple[Zone, ...]]:
    """The zones of a run in the file pixels of each scene, by its id.

    Raises:
        ReviewError: the run had none, or their file is gone.
    """
    source = run_content(run.folder).get("zones")
    if not source:
        raise ReviewError(f"{run.folder}: was counted without zones; predict with zones=")
    try:
        zones = read_zones(str(source))
    except QuaywatchError as error:
        raise ReviewError(
            f"{run.folder}: its zones cannot be read again ({error}); put the file back"
        ) from error
    placed = {}
    for scene_id, record in run.records.items():
        with open_again(record) as scene:
            placed[scene_id] = zones_in_pixels(zones, scene)
    return placed


def _picture(one: Chosen) -> Picture:
    chip, window = one.chip, one.chip.window
    return Picture(
        chip.image,
        chip.scene_id,
        chip.bounds,
        (window.col, window.row, window.width, window.height),
        chip.scale,
        one.asked,
        one.stratum,
        one.weight,
    )


def _write_pictures(
    out: Path, frame: Frame, chosen: Sequence[Chosen], kind: str, progress: Progress
) -> None:
    folder = prepare_folder(out / IMAGES_FOLDER, mark=True)
    sheets = []
    by_scene = groupby(chosen, key=lambda one: one.chip.scene_id)
    with progress.task("pictures", len(chosen), "pictures") as task:
        for scene_id, mine in by_scene:
            with open_again(frame.run.records[scene_id]) as scene:
                for one in mine:
                    rgb = scene.read(one.chip.window, one.chip.size).rgb
                    _, data = cv2.imencode(".png", np.ascontiguousarray(rgb[..., ::-1]))
                    _write(folder / one.chip.image, data.tobytes())
                    sheets.append(chip_sheet(one.chip, frame.found[scene_id], frame.run.classes))
                    task.advance(1)
    for name, text in _tool_files(kind, sheets, frame.run.classes).items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        _write(out / name, text.encode("utf-8"))


def _tool_files(kind: str, sheets: Sequence[Sheet], classes: ClassSet) -> dict[str, str]:
    if kind in FOLDERS:
        return write_folder(kind, sheets)
    files = {TOOL_FILES[kind]: write_sheets(kind, sheets)}
    if kind == "label-studio":
        files["labelling.xml"] = labelling_config(classes)
    if kind == "cvat":
        files["labels.json"] = cvat_labels(classes)
    return files


def chip_sheet(chip: Chip, found: gpd.GeoDataFrame, classes: ClassSet) -> Sheet:
    """The boxes of a chip's picture.

    Args:
        chip: of a scene.
        found: all boxes of the scene, in their order.
        classes: of the run.
    """
    corners = corners_of(found)
    names = box_ids(chip.scene_id, len(found))
    rows = [
        SheetRow(str(found["class"].iloc[i]), chip.to_picture(corners[i]), names[i])
        for i in np.flatnonzero(chip.shows(corners)).tolist()
    ]
    return sheet_of(chip.image, chip.size, rows, classes)


def _write_geopackages(out: Path, frame: Frame, chosen: Sequence[Chosen]) -> None:
    """One GeoPackage a scene, as the run has it, with the chosen chips as a layer of its own."""
    has_zones = bool(run_content(frame.run.folder).get("zones"))
    zones = zones_of_run(frame.run) if has_zones else {}
    for scene_id in dict.fromkeys(one.chip.scene_id for one in chosen):
        record = frame.run.records[scene_id]
        found = Detections.from_geodataframe(
            frame.found[scene_id], scene_id=scene_id, classes=frame.run.classes
        )
        found = replace(found, crs=record.crs)
        path = out / f"{scene_id}.gpkg"
        write_geopackage(path, found, zones.get(scene_id, ()), record)
        mine = [one for one in chosen if one.chip.scene_id == scene_id]
        add_sample_layer(path, record, [(one.chip.image, one.chip.bounds) for one in mine])


def _write(path: Path, content: bytes) -> None:
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)
