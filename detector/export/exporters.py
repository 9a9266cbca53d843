"""The table of exporters: each writes a scene's result into a folder in one format.

Other distributions add exporters of their own (docs/extending/exporters.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray

from detector.counting.counts import DRAWS_COLUMN, OBSERVED_SHARE, unreadable_words
from detector.errors import OutputError
from detector.export.formats import ALWAYS_WRITTEN, FORMATS
from detector.export.geopackage import write_geopackage
from detector.export.kml import write_kml, write_kmz
from detector.export.overlay import ZoneOutline, draw_overlay, write_overlay
from detector.export.records import SceneRecord
from detector.export.result import SceneResult
from detector.export.stac import write_item
from detector.export.tables import write_csv
from detector.export.vector import write_geojson
from detector.files import make_folder, scratch_folder
from detector.scenes.scene import Scene

Exporter = Callable[[SceneResult, Path], None]


def export_formats(
    folder: Path,
    scene: Scene,
    result: SceneResult,
    formats: Iterable[str],
    written: Mapping[str, Sequence[str]],
) -> dict[str, list[str]]:
    """Write a result in several formats.

    Args:
        folder: of the scene; there already.
        scene: open.
        result: of it.
        formats: names; those that are always written are left to others.
        written: files of the folder, by the name of what wrote them.

    Returns:
        `written` with the files of these formats, paths in the folder, by format.

    Raises:
        OutputError: the folder cannot be written, or two formats write the same file.
        PluginError: the exporter of another distribution cannot be used, or failed.
        SceneError: the scene is damaged.
    """
    ours = _ours(scene)
    done = {name: list(files) for name, files in written.items()}
    for name in dict.fromkeys(formats):
        if name not in ALWAYS_WRITTEN:
            others = {file: other for other in done if other != name for file in done[other]}
            done[name] = _export(name, FORMATS.get(name, ours), result, folder, others)
    return done


def _export(
    name: str, exporter: Exporter, result: SceneResult, folder: Path, others: Mapping[str, str]
) -> list[str]:
    """The files that an exporter wrote: first into a folder of its own, to know them by."""
    with scratch_folder(folder) as scratch:
        with FORMATS.blaming(name):
            exporter(result, scratch)
        files = sorted(path for path in scratch.rglob("*") if path.is_file())
        inside = [path.relative_to(scratch).as_posix() for path in files]
        taken = next((file for file in inside if file in others), None)
        if taken is not None:
            raise OutputError(
                f"the formats '{others[taken]}' and '{name}' both write {taken}; leave one of them "
                "out of formats="
            )
        for path, file in zip(files, inside, strict=True):
            make_folder((folder / file).parent)
            path.replace(folder / file)
    return inside


def _ours(scene: Scene) -> dict[str, Exporter]:
    return {
        "gpkg": _gpkg,
        "geojson": _geojson,
        "csv": _csv,
        "png": partial(_png, scene),
        "kml": _kml,
        "kmz": _kmz,
        "stac": partial(_stac, scene),
    }


def _gpkg(result: SceneResult, folder: Path) -> None:
    write_geopackage(folder / "detections.gpkg", result.detections, result.zones, result.record)


def _geojson(result: SceneResult, folder: Path) -> None:
    if result.detections.crs is not None:
        write_geojson(folder / "detections.geojson", result.detections)


def _csv(result: SceneResult, folder: Path) -> None:
    write_csv(folder / "counts.csv", result.counts.drop(columns=DRAWS_COLUMN))


def _kml(result: SceneResult, folder: Path) -> None:
    if result.detections.crs is not None:
        write_kml(folder / "detections.kml", result)


def _kmz(result: SceneResult, folder: Path) -> None:
    if result.detections.crs is not None:
        write_kmz(folder / "detections.kmz", result)


def _stac(scene: Scene, result: SceneResult, folder: Path) -> None:
    write_item(folder, scene, result.record)


def _png(scene: Scene, result: SceneResult, folder: Path) -> None:
    outlines, notes = _outlines(result), _notes(result.record)
    write_overlay(folder / "overlay.png", scene, result.detections, outlines, notes)


def draw_result(scene: Scene, result: SceneResult, *, max_side_px: int = 4000) -> NDArray[np.uint8]:
    """The picture of a result, `(height, width, 3)` RGB; what `overlay.png` shows.

    Raises:
        ConfigError: `max_side_px` is too small.
        SceneError: the scene is damaged.
    """
    outlines, notes = _outlines(result), _notes(result.record)
    return draw_overlay(scene, result.detections, outlines, notes, max_side_px=max_side_px)


def _outlines(result: SceneResult) -> list[ZoneOutline]:
    areas = result.record.areas[1:]  # the first is the whole scene
    return [
        ZoneOutline(zone.name, zone.kind, area.status, tuple(shapely.get_parts(zone.shape)))
        for zone, area in zip(result.zones, areas, strict=True)
    ]


def _notes(record: SceneRecord) -> list[str]:
    """What a reader of the picture must know."""
    notes = []
    if not record.in_model_range:
        notes.append(f"{unreadable_words(record.gsd_m)}: nothing is counted")
    if record.cloud_source is None:
        notes.append("clouds unknown")
    seen = record.observed_fraction
    if seen is not None and seen < OBSERVED_SHARE:
        notes.append(f"{100 * (1 - seen):.0f} % not seen")
    return notes
