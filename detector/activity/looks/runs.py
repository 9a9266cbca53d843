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
from pyarrow import ArrowException
from shapely.geometry.base import BaseGeometry

from detector.activity.errors import ActivityError
from detector.activity.looks.edits import check_run
from detector.activity.looks.sightings import FileObjects, SeenObjects, no_sightings
from detector.activity.looks.sites import SEGMENTS, LocalFrame, Site
from detector.classes import PORT
from detector.counting.counts import WHOLE_SCENE, Status
from detector.detections import CORNER_COLUMNS, with_new_columns
from detector.errors import OutputError
from detector.export.records import SceneRecord
from detector.export.run_files import COUNTS_FILE, read_records
from detector.export.scene_files import PARQUET_FILE
from detector.geometry.boxes import as_corners
from detector.geometry.frames import FilePixels
from detector.lengths import CUT_TYPE
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
        folder: of the run.
        acquired_day: the day at the place where only that is known; else None.
        gsd_m: ground sample distance at its centre, or None where unknown.
        unseen: boxes on unseen pixels: drawn, but no observations.
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
    folder: str = ""
    acquired_day: date | None = None
    gsd_m: float | None = None
    unseen: FileObjects = field(default_factory=no_sightings)

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
    """

    scenes: tuple[RunScene, ...]
    skipped: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...] = ()


def read_runs(
    folders: Sequence[str | Path], embeddings: Mapping[str, NDArray[np.float64]] | None = None
) -> Runs:
    """Read the folders of runs.

    Scenes that failed, have no date or no CRS are skipped, and said so. A scene that several runs
    hold is taken from the first, and so is a picture that stands under several names or dates.

    Args:
        folders: each written by `detector predict`.
        embeddings: features `(rows, D)` of all rows of a scene in `detections.parquet`, by
            scene id; optional.

    Raises:
        ActivityError: a folder holds no run, a file of it that is read is damaged or was changed
            since, or no scene can be used.
    """
    scenes: dict[str, RunScene] = {}
    skipped: list[tuple[str, str]] = []
    pictures: dict[str, str] = {}
    warnings: list[str] = []
    for folder in map(Path, folders):
        for record, objects, counts in _read_run(folder):
            name = record.scene_id
            try:
                scene = _scene(record, objects, counts, (embeddings or {}).get(name))
            except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
                reason = " ".join(str(error).split())[:200]
                raise ActivityError(
                    f"{folder}: the tables of scene {name} are damaged ({type(error).__name__}: "
                    f"{reason}); run detector predict again with overwrite=true"
                ) from error
            if not isinstance(scene, str) and name in scenes:
                scene = "the scene is in two runs; the first one is used"
            if not isinstance(scene, str):
                first = pictures.setdefault(_picture(record), name)
                if first != name:
                    scene = f"the same picture as {first}, which is used; it counts once"
            if isinstance(scene, str):
                skipped.append((name or record.path, scene))
            else:
                scenes[name] = replace(scene, folder=str(folder))
        warnings += check_run(folder)
    if not scenes:
        why = f" ({skipped[0][0]}: {skipped[0][1]})" if skipped else ""
        raise ActivityError(
            f"{', '.join(map(str, folders))}: no scene that can be used{why}; activity needs "
            "scenes with a time and a CRS"
        )
    ordered = sorted(scenes.values(), key=lambda scene: (scene.when.middle, scene.scene_id))
    return Runs(tuple(ordered), tuple(skipped), tuple(warnings))


def _read_run(
    folder: Path,
) -> list[tuple[SceneRecord, gpd.GeoDataFrame | None, pd.DataFrame | None]]:
    """The record of every scene, failed ones too, with its detections and counts."""
    try:
        records = read_records(folder)
        found = gpd.read_parquet(folder / PARQUET_FILE)
        counts = pd.read_parquet(folder / COUNTS_FILE)
        objects = {str(key): part for key, part in found.groupby("scene_id", sort=False)}
        seen = {str(key): part for key, part in counts.groupby("scene_id", sort=False)}
    except (OSError, ValueError, KeyError, ArrowException, OutputError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ActivityError(
            f"{folder}: not a finished run of 'detector predict' ({reason}); name its folder out="
        ) from error
    return [(item, objects.get(item.scene_id), seen.get(item.scene_id)) for item in records]


def _picture(record: SceneRecord) -> str:
    """What tells a picture from another; runs of an earlier version have the content's hash."""
    return record.pixels_sha256 or record.content_hash or record.path


def _scene(
    record: SceneRecord,
    found: gpd.GeoDataFrame | None,
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
    seen = _observed(counts) if counts is not None else {}
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
    )


def _observed(counts: pd.DataFrame) -> dict[str, Observed]:
    columns = (counts["zone"], counts["observed_fraction"], counts["status"])
    return {
        str(zone): Observed(0.0 if pd.isna(fraction) else float(fraction), status)
        for zone, fraction, status in zip(*columns, strict=True)
    }


def _objects(
    record: SceneRecord,
    found: gpd.GeoDataFrame | None,
    embeddings: NDArray[np.float64] | None,
    *,
    unseen: bool = False,
) -> FileObjects:
    """What was observed; or the boxes on unseen pixels, which are no observations."""
    if found is None:
        return no_sightings()
    scene_id = record.scene_id
    if embeddings is not None and len(embeddings) != len(found):
        raise ActivityError(
            f"{scene_id}: {len(embeddings)} embeddings for {len(found)} detections; give one a row"
        )
    told = found["class"].isin(
        PORT.names
    )  # activity is of ships and stacks, whatever else there is
    found = with_new_columns(found)
    wanted = found["unseen"].to_numpy(bool) == unseen
    rows = np.flatnonzero(~found["on_ship"].to_numpy(bool) & wanted & told.to_numpy(bool))
    kept = found.iloc[rows]
    pixels = kept[list(CORNER_COLUMNS)].to_numpy(float).reshape(-1, 4, 2)

    def column(name: str, kind: Any = np.float64) -> NDArray[Any]:
        return np.asarray(kept[name].to_numpy(kind))

    return SeenObjects(
        ids=np.array([f"{scene_id}#{number}" for number in rows], np.str_),
        class_ids=np.array([PORT.id(name) for name in kept["class"]], np.int64),
        scores=column("score"),
        corners=FilePixels(as_corners(pixels)),
        length_m=column("length_m"),
        width_m=column("width_m"),
        axis_deg=column("axis_deg"),
        gsd_m=np.full(len(rows), record.gsd_m or np.nan),
        embeddings=None if embeddings is None else embeddings[rows],
        cut=column("cut", CUT_TYPE),
        length_low_m=column("length_low_m"),
        length_high_m=column("length_high_m"),
    )
