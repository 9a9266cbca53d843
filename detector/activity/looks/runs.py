"""Reads what `detector predict` wrote: scenes, their detections and what they saw of each zone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from affine import Affine
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from detector.activity.errors import ActivityError
from detector.activity.looks.edits import check_run
from detector.activity.looks.reviews import RunReview, bound_review, run_review
from detector.activity.looks.sightings import (
    SAID_TYPE,
    FileObjects,
    SeenObjects,
    no_sightings,
)
from detector.activity.looks.sites import SEGMENTS, LocalFrame, Site
from detector.classes import PORT, ClassSet
from detector.columns import TableError, read_columns
from detector.counting.counts import WHOLE_SCENE, Status
from detector.detections import CORNER_COLUMNS, with_new_columns
from detector.errors import OutputError
from detector.export.columns import COUNT_SCHEMA
from detector.export.records import SceneRecord
from detector.export.run_files import COUNTS_FILE, read_records
from detector.export.scene_files import PARQUET_FILE
from detector.export.vector import read_detections
from detector.geometry.boxes import as_corners
from detector.geometry.frames import FilePixels
from detector.lengths import CUT_TYPE
from detector.reviewing.correct import BOX, SAID, Corrections, correct, count_corrections
from detector.reviewing.ledger import Review, of_scene, read_review
from detector.scenes.scene import Scene, open_scene
from detector.scenes.types import SceneOptions
from detector.times import Acquired


@dataclass(frozen=True, slots=True)
class Observed:
    """What a scene saw of an area: the fraction, and the status of its counts."""

    fraction: float
    status: Status


@dataclass(frozen=True, slots=True)
class RunScene:
    """A scene that `detector predict` has done.

    Attributes:
        scene_id: of the scene.
        path: of the raster, as it was given.
        acquired: UTC; None where the time of day is unknown.
        crs: of the scene.
        width: pixels.
        height: pixels.
        transform: pixel to map.
        in_model_range: whether the card covers its gsd.
        zones: what was seen of each zone of the run, by name.
        whole: what was seen of the scene itself.
        objects: found in it.
        weights_sha256: which network found them.
        unreadable: classes that it could not tell at the scene's gsd, by name.
        folder: of the run.
        acquired_day: the day at the place where only that is known; else None.
        gsd_m: ground sample distance at its centre, or None where unknown.
        unseen: boxes on unseen pixels: drawn, but no observations.
        found: what the network found, where people corrected it; None of a scene without a review.
        looked: parts that somebody looked at as a whole, file pixels.
        corrections: what people changed, in numbers.
        allow_remote: hosts, addresses or folders that its path may lead to.
    """

    scene_id: str
    path: str
    acquired: datetime | None
    crs: str
    width: int
    height: int
    transform: Affine
    in_model_range: bool | None
    zones: Mapping[str, Observed]
    whole: Observed
    objects: FileObjects
    weights_sha256: str = ""
    unreadable: frozenset[str] = frozenset()
    folder: str = ""
    acquired_day: date | None = None
    gsd_m: float | None = None
    unseen: FileObjects = field(default_factory=no_sightings)
    found: FileObjects | None = None
    looked: tuple[BaseGeometry, ...] = ()
    corrections: Corrections = field(default_factory=Corrections)
    allow_remote: tuple[str, ...] = ()

    @property
    def when(self) -> Acquired:
        """Time of acquisition, or the day alone."""
        return Acquired(self.acquired, self.acquired_day)

    def day_at(self, site: Site) -> date:
        """The day in the site's time zone; a bare day is the site's already.

        Raises:
            ValueError: nothing is known; no such scene comes out of `read_runs`.
        """
        day = self.when.day_in(site.time_zone)
        if day is None:
            raise ValueError(f"{self.scene_id}: its day is unknown")
        return day

    def open(self) -> Scene:
        """The raster, to be closed or used as a context manager.

        Raises:
            SceneError: it is gone or damaged, or leads to the network without leave.
        """
        return open_scene(self.path, SceneOptions(allow_remote=self.allow_remote))

    def footprint(self, frame: LocalFrame) -> BaseGeometry:
        """The outline of the raster in local metres; empty where the frame does not reach."""
        outline = shapely.box(0, 0, self.width, self.height)
        step = max(self.width, self.height) / SEGMENTS
        shape = shapely.transform(
            shapely.segmentize(outline, step),
            lambda points: frame.from_pixels(points, self.transform, self.crs),
        )
        finite = np.isfinite(shapely.get_coordinates(shape)).all()
        return shape if finite else shapely.Polygon()


@dataclass(frozen=True, slots=True)
class Runs:
    """The scenes of one or more runs.

    Attributes:
        scenes: in order of time; each scene once.
        skipped: scenes that cannot be used, and why: `scene, reason`.
        warnings: files of the runs that are not what they wrote, one sentence each.
        reviews: of the runs that people reviewed, where their corrections are used.
    """

    scenes: tuple[RunScene, ...]
    skipped: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...] = ()
    reviews: tuple[RunReview, ...] = ()


def read_runs(
    folders: Sequence[str | Path],
    embeddings: Mapping[str, NDArray[np.float64]] | None = None,
    *,
    reviewed: bool = True,
    allow_remote: Sequence[str] = (),
) -> Runs:
    """Read the folders of runs, with what people corrected in them.

    Scenes that failed, have no date or no CRS are skipped, and said so. A scene that several runs
    hold is taken from the first, and so is a picture that stands under several names or dates.

    Args:
        folders: each written by `detector predict`.
        embeddings: features `(rows, D)` of all rows of a scene in `detections.parquet`, by
            scene id; optional.
        reviewed: whether the corrections of `review.json` are used.
        allow_remote: hosts, addresses or folders that the paths of scenes may lead to.

    Raises:
        ActivityError: a folder holds no run, a file of it that is read is damaged or was changed
            since, or no scene can be used.
        ReviewError: its review is damaged, or of boxes that the run no longer has.
    """
    scenes: dict[str, RunScene] = {}
    skipped: list[tuple[str, str]] = []
    pictures: dict[str, str] = {}
    warnings: list[str] = []
    reviews: list[RunReview] = []
    for folder in map(Path, folders):
        review = read_review(folder)
        used = bound_review(review, folder) if review is not None and reviewed else Review()
        reviews += [run_review(folder, used)] if used.sha256 else []
        for record, objects, counts in _read_run(folder):
            name = record.scene_id
            known = (embeddings or {}).get(name)
            scene = _usable_scene(folder, record, objects, counts, known, used)
            if not isinstance(scene, str) and name in scenes:
                scene = "the scene is in two runs; the first one is used"
            if not isinstance(scene, str):
                first = pictures.setdefault(_picture(record), name)
                if first != name:
                    scene = f"the same picture as {first}, which is used; it counts once"
            if isinstance(scene, str):
                skipped.append((name or record.path, scene))
            else:
                leave = tuple(allow_remote)
                scenes[name] = replace(scene, folder=str(folder), allow_remote=leave)
        warnings += check_run(folder, review)
    if not scenes:
        raise _unusable(folders, skipped)
    ordered = sorted(scenes.values(), key=lambda scene: (scene.when.middle, scene.scene_id))
    return Runs(tuple(ordered), tuple(skipped), tuple(warnings), tuple(reviews))


def _usable_scene(
    folder: Path,
    record: SceneRecord,
    found: gpd.GeoDataFrame,
    counts: pd.DataFrame | None,
    embeddings: NDArray[np.float64] | None,
    review: Review,
) -> RunScene | str:
    """The scene as people left it, or why it cannot be used."""
    try:
        scene = _scene(record, found, counts, embeddings)
        if isinstance(scene, str) or record.scene_id not in review.scenes:
            return scene
        return _reviewed(scene, record, found, review, embeddings)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ActivityError(
            f"{folder}: the tables of scene {record.scene_id} are damaged "
            f"({type(error).__name__}: {reason}); run detector predict again with overwrite=true"
        ) from error


def _unusable(folders: Sequence[str | Path], skipped: Sequence[tuple[str, str]]) -> ActivityError:
    why = f" ({skipped[0][0]}: {skipped[0][1]})" if skipped else ""
    return ActivityError(
        f"{', '.join(map(str, folders))}: no scene that can be used{why}; activity needs scenes "
        "with a time and a CRS"
    )


def _read_run(
    folder: Path,
) -> list[tuple[SceneRecord, gpd.GeoDataFrame, pd.DataFrame | None]]:
    """The record of every scene, failed ones too, with its detections and counts."""
    try:
        records = read_records(folder)
        found = read_detections(folder / PARQUET_FILE)
        counts = read_columns(folder / COUNTS_FILE, COUNT_SCHEMA).to_pandas()
        objects = {str(key): part for key, part in found.groupby("scene_id", sort=False)}
        seen = {str(key): part for key, part in counts.groupby("scene_id", sort=False)}
    except (OutputError, TableError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ActivityError(
            f"{folder}: not a finished run of 'detector predict' ({reason}); name its folder out="
        ) from error
    none = found.iloc[:0]  # of a scene without a box, to which a person may add some
    return [(item, objects.get(item.scene_id, none), seen.get(item.scene_id)) for item in records]


def _reviewed(
    scene: RunScene,
    record: SceneRecord,
    found: gpd.GeoDataFrame,
    review: Review,
    embeddings: NDArray[np.float64] | None,
) -> RunScene:
    """A scene with its boxes as people left them."""
    statements, looked = of_scene(review, scene.scene_id)
    names = ClassSet.found([*found["class"], *(one.class_name for one in statements)])
    table = correct(with_new_columns(found), statements, record, names)
    return replace(
        scene,
        objects=_objects(record, table, embeddings),
        unseen=_objects(record, table, None, unseen=True),
        found=scene.objects,
        looked=tuple(one.shape for one in looked),
        corrections=count_corrections(statements),
    )


def _picture(record: SceneRecord) -> str:
    """What tells a picture from another; runs of an earlier version have the content's hash."""
    return record.pixels_sha256 or record.content_hash or record.path


def _scene(
    record: SceneRecord,
    found: gpd.GeoDataFrame,
    counts: pd.DataFrame | None,
    embeddings: NDArray[np.float64] | None,
) -> RunScene | str:
    """The scene, or why it cannot be used."""
    if record.status == "copy":
        return record.reason
    if record.status != "done":
        return f"failed: {record.reason}"
    if record.when == Acquired():
        return "no time of acquisition; give it with scene.acquired= and predict again"
    if not record.crs:
        return "no CRS, so it cannot be laid beside other dates"
    unreadable = (
        _unreadable(counts) if counts is not None and record.in_model_range else frozenset()
    )
    seen = _observed(counts, unreadable) if counts is not None else {}
    return RunScene(
        scene_id=record.scene_id,
        path=record.path,
        acquired=record.when.moment,
        acquired_day=record.when.day,
        gsd_m=record.gsd_m,
        crs=record.crs,
        width=record.width or 0,
        height=record.height or 0,
        transform=Affine(*record.transform),
        in_model_range=record.in_model_range,
        zones={name: value for name, value in seen.items() if name != WHOLE_SCENE},
        whole=seen.get(WHOLE_SCENE, Observed(0.0, "cloud_unknown")),
        objects=_objects(record, found, embeddings),
        unseen=_objects(record, found, None, unseen=True),
        weights_sha256=record.weights_sha256,
        unreadable=unreadable,
    )


def _unreadable(counts: pd.DataFrame) -> frozenset[str]:
    """Classes that the network could not tell in a scene whose gsd it covers otherwise."""
    told = counts["status"] == "outside_model_range"
    return frozenset(map(str, counts["class"][told]))


def _observed(counts: pd.DataFrame, unreadable: frozenset[str]) -> dict[str, Observed]:
    counts = counts[~counts["class"].isin(unreadable)]
    columns = (counts["zone"], counts["observed_fraction"], counts["status"])
    return {
        str(zone): Observed(0.0 if pd.isna(fraction) else float(fraction), status)
        for zone, fraction, status in zip(*columns, strict=True)
    }


def _objects(
    record: SceneRecord,
    found: pd.DataFrame,
    embeddings: NDArray[np.float64] | None,
    *,
    unseen: bool = False,
) -> FileObjects:
    """What was observed; or the boxes on unseen pixels, which are no observations."""
    scene_id = record.scene_id
    if BOX not in found.columns:
        if embeddings is not None and len(embeddings) != len(found):
            raise ActivityError(
                f"{scene_id}: {len(embeddings)} embeddings for {len(found)} detections; give one a "
                "row"
            )
        found = with_new_columns(found).assign(
            **{BOX: [f"{scene_id}#{row}" for row in range(len(found))], SAID: ""}
        )
    # activity is of ships and stacks, whatever else there is
    told = found["class"].isin(PORT.names).to_numpy(bool)
    wanted = found["unseen"].to_numpy(bool) == unseen
    kept = found.iloc[np.flatnonzero(~found["on_ship"].to_numpy(bool) & wanted & told)]
    pixels = kept[list(CORNER_COLUMNS)].to_numpy(float).reshape(-1, 4, 2)

    def column(name: str, kind: Any = np.float64) -> NDArray[Any]:
        return np.asarray(kept[name].to_numpy(kind))

    objects: FileObjects = SeenObjects(
        ids=np.array(kept[BOX].tolist(), np.str_),
        class_ids=np.array([PORT.id(name) for name in kept["class"]], np.int64),
        scores=column("score"),
        corners=FilePixels(as_corners(pixels)),
        length_m=column("length_m"),
        width_m=column("width_m"),
        axis_deg=column("axis_deg"),
        gsd_m=np.full(len(kept), record.gsd_m or np.nan),
        cut=column("cut", CUT_TYPE),
        length_low_m=column("length_low_m"),
        length_high_m=column("length_high_m"),
        said=column(SAID, SAID_TYPE),
    )
    if embeddings is None:
        return objects
    unknown = np.full((1, embeddings.shape[1]), np.nan)  # of what a person drew
    return replace(objects, embeddings=np.concatenate([embeddings, unknown])[objects.rows])
