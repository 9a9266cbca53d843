"""`detector review import`: what people left in files becomes the review of a run.

Everything is read and compared before anything is written: a file that cannot be used leaves the
run as it was.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import geopandas as gpd
import numpy as np
import shapely
from pyogrio.errors import DataLayerError, DataSourceError

from detector.detections import CORNER_COLUMNS
from detector.export.seals import GEOPACKAGE, altered_record, file_seals, seal_of
from detector.files import file_sha256, held_folder
from detector.reviewing.browser import read_browser, read_saved
from detector.reviewing.compare import Shown, compare
from detector.reviewing.correct import box_ids, corners_of
from detector.reviewing.errors import ReviewError
from detector.reviewing.geopackage import read_geopackage, scene_of_geopackage, to_file
from detector.reviewing.ledger import (
    Looked,
    Review,
    SampledChip,
    Source,
    read_review,
    write_review,
)
from detector.reviewing.manifest import MANIFEST_FILE, read_manifest
from detector.reviewing.merge import Conflicts, merge
from detector.reviewing.pictures import read_pictures, sampled
from detector.reviewing.runs import ReviewedRun
from detector.times import TIME_FORMAT

RUN_GEOPACKAGE: Final = "detections.gpkg"
QGIS: Final = "qgis"
SAME_PX: Final = 1e-6  # of the network's own corners, which nobody edits


@dataclass(frozen=True, slots=True)
class ImportSettings:
    """What is read, and how.

    Attributes:
        run: folder of `detector predict`.
        files: what people left; none: the GeoPackages of the run that were changed.
        who: looked, where a file does not say.
        conflicts: see `merge`.
        export: folder of the export that the files are of; None: that of each file, or one above.
        whole: every picture of the files was looked at as a whole.
    """

    run: Path
    files: tuple[Path, ...] = ()
    who: str = ""
    conflicts: Conflicts = "refuse"
    export: Path | None = None
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Imported:
    """What was read.

    Attributes:
        review: of the run, written.
        new: what the files say, without what was said before.
    """

    review: Review
    new: Review


def import_reviews(settings: ImportSettings) -> Imported:
    """Read what people left and make it the review of the run.

    Raises:
        ReviewError: a file cannot be read, is of another run or of boxes that have changed since,
            or two people contradict; nothing is written then.
        OutputError: the run's folder cannot be written.
    """
    run = ReviewedRun.read(settings.run)
    before = read_review(settings.run) or Review()
    _check_bound(before, run)
    files = settings.files or changed_geopackages(run)
    if not files:
        raise ReviewError(
            f"{settings.run}: no {RUN_GEOPACKAGE} of it was changed since the run wrote it, so "
            "there is nothing to read; edit and save one, or name the files of your tool"
        )
    parts = [_read(path, run, settings) for path in files]
    new = _joined(parts)
    review = merge(before, new, settings.conflicts)
    with held_folder(settings.run):
        return Imported(write_review(settings.run, review), new)


def changed_geopackages(run: ReviewedRun) -> tuple[Path, ...]:
    """The GeoPackages of a run that are not as it wrote them, in the order of the scenes."""
    found = []
    for scene_id in run.records:
        folder = run.folder / scene_id
        there = (folder / RUN_GEOPACKAGE).is_file()
        if there and altered_record(folder, [RUN_GEOPACKAGE]) == RUN_GEOPACKAGE:
            found.append(folder / RUN_GEOPACKAGE)
    return tuple(found)


def _check_bound(review: Review, run: ReviewedRun) -> None:
    """Refuse a review of boxes that the run no longer has."""
    for scene_id, seal in review.scenes.items():
        if scene_id in run.records and run.seal(scene_id) != seal:
            raise ReviewError(
                f"{run.folder}: the scene {scene_id} was predicted anew since it was reviewed, so "
                "its review is of other boxes; keep a copy of review.json, delete it, and review "
                "the scene again"
            )


def _read(path: Path, run: ReviewedRun, settings: ImportSettings) -> Review:
    if not os.path.exists(path):  # noqa: PTH110 - Path.exists raises on overlong names
        raise ReviewError(f"{path}: no such file; name what your tool saved")
    if path.suffix.lower() == GEOPACKAGE:
        return _read_geopackage(path, run, settings)
    stamp = settings.who, time_of(path), _sha256(path)
    content = read_saved(path)
    if content is not None:
        return read_browser(path, content, run, stamp)
    return read_pictures(path, run, stamp=stamp, export=settings.export, whole=settings.whole)


def _read_geopackage(path: Path, run: ReviewedRun, settings: ImportSettings) -> Review:
    scene_id = scene_of_geopackage(path)
    record = run.record(scene_id, str(path))
    read = read_geopackage(path, record, run.classes)
    found = run.found(scene_id)
    _check_same_boxes(path, scene_id, found)
    shown = Shown(
        scene_id, box_ids(scene_id, len(found)), corners_of(found), found["class"].tolist()
    )
    who = read.sheet.who or settings.who
    key = f"{QGIS}:{path.name}:{scene_id}:{who}"
    source = Source(key, QGIS, path.name, seal_of_file(path), scene_id, who, time_of(path))
    statements = compare(read.sheet, shown, key, to_file)
    looked = [
        Looked(key, scene_id, one.name if one.of == "zones" else "", shapely.to_wkt(one.shape, 3))
        for one in read.marked
    ]
    if settings.whole:
        frame = shapely.box(0, 0, record.width or 0, record.height or 0)
        looked.append(Looked(key, scene_id, "", shapely.to_wkt(frame, 3)))
    return Review(
        {scene_id: run.seal(scene_id)},
        (source,),
        tuple(statements),
        tuple(looked),
        _sample_beside(path, scene_id),
    )


def _sample_beside(path: Path, scene_id: str) -> tuple[SampledChip, ...]:
    """The chips that chance chose, of the export that a GeoPackage lies in."""
    if not (path.parent / MANIFEST_FILE).is_file():
        return ()
    pictures = read_manifest(path.parent / MANIFEST_FILE).pictures
    mine = [one for one in pictures if one.weight and one.scene_id == scene_id]
    return tuple(map(sampled, mine))


def _check_same_boxes(path: Path, scene_id: str, found: gpd.GeoDataFrame) -> None:
    """Refuse a GeoPackage whose network's boxes are not those of the run."""
    columns = ["box", "score", *CORNER_COLUMNS]
    try:
        frame = gpd.read_file(
            path, layer="detections", columns=columns, ignore_geometry=True, where="1 = 1"
        )
        frame = frame[frame["box"].notna()]
        numbers = frame[columns[1:]].to_numpy(float)
    except (KeyError, ValueError, TypeError, DataSourceError, DataLayerError) as error:
        raise ReviewError(f"{path}: the columns of its boxes were changed ({error})") from error
    known = dict(
        zip(box_ids(scene_id, len(found)), found[columns[1:]].to_numpy(float), strict=True)
    )
    for name, row in zip(frame["box"], numbers, strict=True):
        mine = known.get(str(name))
        if mine is None or not np.allclose(mine, row, rtol=0, atol=SAME_PX):
            raise ReviewError(
                f"{path}: the box {name} is not in the run as the file has it: the scene was "
                "predicted anew since, or the file is of another run; take the GeoPackage that "
                "the run has now, and review that one"
            )


def seal_of_file(path: Path) -> str:
    """SHA-256 of a file, of a GeoPackage that of its rows; as `scene.json` has it."""
    return next(iter(file_seals(path.parent, [path.name]).values()))


def time_of(path: Path) -> str:
    """When a file was saved, UTC, ISO 8601."""
    return datetime.fromtimestamp(path.stat().st_mtime, UTC).strftime(TIME_FORMAT)


def _sha256(path: Path) -> str:
    """SHA-256 of a file, or of all files of a folder by their names."""
    if path.is_file():
        return seal_of_file(path)
    seals = {file.name: file_sha256(file) for file in sorted(path.rglob("*.txt"))}
    return seal_of(seals)


def _joined(parts: Sequence[Review]) -> Review:
    """All of several files; the same source twice is one file named twice."""
    joined = Review()
    for part in parts:
        twice = {source.key for source in joined.sources} & {source.key for source in part.sources}
        if twice:
            first = next(source for source in part.sources if source.key in twice)
            raise ReviewError(
                f"{first.file}: a second file of {first.picture} by "
                f"{first.who or 'the same person'}; import one of them, or say who looked with who="
            )
        joined = replace(
            joined,
            scenes={**joined.scenes, **part.scenes},
            sources=(*joined.sources, *part.sources),
            statements=(*joined.statements, *part.statements),
            looked=(*joined.looked, *part.looked),
            sample=(*joined.sample, *part.sample),
        )
    return joined
