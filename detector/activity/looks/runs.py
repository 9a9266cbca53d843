"""Reads what `detector predict` wrote: scenes, their detections and what they saw of each zone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
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
from detector.activity.looks.sightings import SeenObjects, no_sightings
from detector.activity.looks.sites import SEGMENTS, LocalFrame
from detector.classes import PORT
from detector.counting.counts import WHOLE_SCENE, Status
from detector.detections import CORNER_COLUMNS
from detector.geometry.boxes import as_corners

SCENES_FILE = "scenes.csv"
COUNTS_FILE = "counts.parquet"
DETECTIONS_FILE = "detections.parquet"


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
        acquired: UTC.
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
    """

    scene_id: str
    path: str
    acquired: datetime
    crs: str
    width: int
    height: int
    transform: Affine
    in_model_range: bool | None
    zones: Mapping[str, Observed]
    whole: Observed
    objects: SeenObjects
    weights_sha256: str = ""
    folder: str = ""

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
    """

    scenes: tuple[RunScene, ...]
    skipped: tuple[tuple[str, str], ...]


def read_runs(
    folders: Sequence[str | Path], embeddings: Mapping[str, NDArray[np.float64]] | None = None
) -> Runs:
    """Read the folders of runs.

    Scenes that failed, have no time or no CRS are skipped, and said so. A scene that several runs
    hold is taken from the first.

    Args:
        folders: each written by `detector predict`.
        embeddings: features `(rows, D)` of all rows of a scene in `detections.parquet`, by
            scene id; optional.

    Raises:
        ActivityError: a folder holds no run, a file of it is damaged, or no scene can be used.
    """
    scenes: dict[str, RunScene] = {}
    skipped: list[tuple[str, str]] = []
    for folder in map(Path, folders):
        for row, objects, counts in _read_run(folder):
            scene_id = row["scene_id"]
            reason = _unusable(row)
            if not reason and scene_id in scenes:
                reason = "the scene is in two runs; the first one is used"
            if reason:
                skipped.append((scene_id or row["path"], reason))
                continue
            features = (embeddings or {}).get(scene_id)
            scene = _scene(row, objects, counts, features)
            scenes[scene_id] = replace(scene, folder=str(folder))
    if not scenes:
        why = f" ({skipped[0][0]}: {skipped[0][1]})" if skipped else ""
        raise ActivityError(
            f"{', '.join(map(str, folders))}: no scene that can be used{why}; activity needs "
            "scenes with a time and a CRS"
        )
    ordered = sorted(scenes.values(), key=lambda scene: (scene.acquired, scene.scene_id))
    return Runs(tuple(ordered), tuple(skipped))


def _read_run(
    folder: Path,
) -> list[tuple[dict[str, str], gpd.GeoDataFrame | None, pd.DataFrame | None]]:
    """Rows of `scenes.csv` with the detections and counts of each scene."""
    try:
        rows = pd.read_csv(folder / SCENES_FILE, dtype=str, keep_default_na=False)
        found = gpd.read_parquet(folder / DETECTIONS_FILE)
        counts = pd.read_parquet(folder / COUNTS_FILE)
        objects = {str(key): part for key, part in found.groupby("scene_id", sort=False)}
        seen = {str(key): part for key, part in counts.groupby("scene_id", sort=False)}
        records = [{str(k): str(v) for k, v in row.items()} for row in rows.to_dict("records")]
    except (OSError, ValueError, KeyError, ArrowException) as error:
        reason = " ".join(str(error).split())[:200]
        raise ActivityError(
            f"{folder}: not a finished run of 'detector predict' ({reason}); name its folder out="
        ) from error
    return [(row, objects.get(row["scene_id"]), seen.get(row["scene_id"])) for row in records]


def _unusable(row: dict[str, str]) -> str:
    if row["status"] != "done":
        return f"failed: {row['reason']}"
    if not row["acquired"]:
        return "no time of acquisition; give it with scene.acquired= and predict again"
    if not row["crs"]:
        return "no CRS, so it cannot be laid beside other dates"
    return ""


def _scene(
    row: dict[str, str],
    found: gpd.GeoDataFrame | None,
    counts: pd.DataFrame | None,
    embeddings: NDArray[np.float64] | None,
) -> RunScene:
    seen = _observed(counts) if counts is not None else {}
    return RunScene(
        scene_id=row["scene_id"],
        path=row["path"],
        acquired=parse_time(row["acquired"]),
        crs=row["crs"],
        width=int(row["width"]),
        height=int(row["height"]),
        transform=Affine(*map(float, row["transform"].lstrip("'").split())),
        in_model_range={"True": True, "False": False}.get(row["in_model_range"]),
        zones={name: value for name, value in seen.items() if name != WHOLE_SCENE},
        whole=seen.get(WHOLE_SCENE, Observed(0.0, "cloud_unknown")),
        objects=_objects(row, found, embeddings),
        weights_sha256=row["weights_sha256"],
    )


def parse_time(text: str) -> datetime:
    """A time in UTC; one without an offset is UTC."""
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _observed(counts: pd.DataFrame) -> dict[str, Observed]:
    columns = (counts["zone"], counts["observed_fraction"], counts["status"])
    return {
        str(zone): Observed(float(fraction), status)
        for zone, fraction, status in zip(*columns, strict=True)
    }


def _objects(
    row: dict[str, str], found: gpd.GeoDataFrame | None, embeddings: NDArray[np.float64] | None
) -> SeenObjects:
    if found is None:
        return no_sightings()
    scene_id = row["scene_id"]
    if embeddings is not None and len(embeddings) != len(found):
        raise ActivityError(
            f"{scene_id}: {len(embeddings)} embeddings for {len(found)} detections; give one a row"
        )
    told = found["class"].isin(
        PORT.names
    )  # activity is of ships and stacks, whatever else there is
    rows = np.flatnonzero(~found["on_ship"].to_numpy(bool) & told.to_numpy(bool))
    kept = found.iloc[rows]

    def column(name: str, kind: Any = np.float64) -> NDArray[Any]:
        return np.asarray(kept[name].to_numpy(kind))

    return SeenObjects(
        ids=np.array([f"{scene_id}#{number}" for number in rows], np.str_),
        class_ids=np.array([PORT.id(name) for name in kept["class"]], np.int64),
        scores=column("score"),
        corners=as_corners(kept[list(CORNER_COLUMNS)].to_numpy(float).reshape(-1, 4, 2)),
        length_m=column("length_m"),
        width_m=column("width_m"),
        axis_deg=column("axis_deg"),
        at_scene_edge=column("at_scene_edge", bool),
        gsd_m=np.full(len(rows), float(row["gsd_m"] or "nan")),
        embeddings=None if embeddings is None else embeddings[rows],
    )
