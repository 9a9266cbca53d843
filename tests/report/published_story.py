"""A small story of two sites, published from a detector that knows the truth but errs in sizes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

from benchmarks.published_stories import Published, StoryPlan, render_once, report
from detector.classes import PORT
from detector.counting.zones import read_zones
from detector.detections import CORNER_COLUMNS, Detections
from detector.export.records import ModelUse
from detector.geometry.boxes import as_corners
from detector.geometry.geodesy import box_measures
from detector.lengths import CUT_TYPE, SCENE_EDGE, WHOLE
from detector.rendering.demo import DEMO_PORT, DEMO_RAILHEAD
from detector.scenes.scene import Scene, open_scene
from tests.activity.written_run import write_run

Points = NDArray[np.float64]
SEED_VARIABLE = "QUAYWATCH_STORY_SEED"
MODEL = ModelUse("truth", "ab" * 32, True, "0123456789abcdef")
PLAN = StoryPlan(
    "small",
    (
        replace(DEMO_PORT, width=640, height=520, gsd_m=1.25),
        replace(DEMO_RAILHEAD, width=480, height=360, gsd_m=1.25),
    ),
    (0.0, 4.0, 9.0, 13.0),
    (0.0, 0.3, 0.0, 0.0),
    "America/Los_Angeles",
)
ERROR = 0.02  # relative, of lengths and widths


def seed_of_today() -> int:
    """The story's seed: of the day, or of the environment. It is printed."""
    given = os.environ.get(SEED_VARIABLE)
    seed = int(given) if given else int(f"{datetime.now(UTC):%Y%m%d}")
    sys.stdout.write(f"{SEED_VARIABLE}={seed}\n")
    return seed


def publish_small(folder: Path, seed: int) -> Published:
    """The story of a seed as `activity` and `report` publish it."""
    story = PLAN.tell(seed)
    scenes = render_once(PLAN, seed, story, folder)
    for site, paths in scenes.items():
        zones = read_zones(paths[0].parents[1] / f"{site}.geojson")
        write_run(folder / "results" / site, zones, _seen(paths, seed), MODEL, {})
    report(folder, PLAN, scenes)
    return Published(PLAN, seed, story, {site: paths[0] for site, paths in scenes.items()}, folder)


def _seen(paths: list[Path], seed: int) -> Iterator[tuple[Scene, Detections]]:
    for at, path in enumerate(paths):
        with open_scene(path) as scene:
            yield scene, _found(path, scene, np.random.default_rng([seed, at]))


def _found(path: Path, scene: Scene, generator: np.random.Generator) -> Detections:
    """What is seen by half, as a good detector boxes it: cut at the edge, sizes off by a little."""
    table = gpd.read_file(path.with_name(f"{path.stem}_truth.geojson"))
    rows = table[(table["role"] == "object") & (table["visible"] >= 0.5)].to_dict("records")
    outlines = [np.array([row[name] for name in CORNER_COLUMNS]).reshape(4, 2) for row in rows]
    cut = [_cut(outline, scene.info.width, scene.info.height) for outline in outlines]
    corners = as_corners([_resized(box, generator) for box, _ in cut])
    map_corners = scene.to_map(corners)
    length_m, width_m, axis_deg = box_measures(map_corners, scene.info.crs)
    n = len(rows)
    return Detections(
        scene_id=scene.info.scene_id,
        acquired=scene.info.acquired,
        crs=scene.info.crs,
        class_ids=np.array([PORT.id(row["class"]) for row in rows], np.int64),
        scores=np.full(n, 0.99, np.float32),
        corners=corners,
        map_corners=map_corners,
        length_m=length_m,
        width_m=width_m,
        axis_deg=axis_deg,
        cut=np.where([is_cut for _, is_cut in cut], SCENE_EDGE, WHOLE).astype(CUT_TYPE),
        on_ship=np.array([row["on_ship"] for row in rows], np.bool_),
    )


def _cut(corners: Points, width: int, height: int) -> tuple[Points, bool]:
    """A box cut to what the scene shows of it, in its own axes, and whether it was cut."""
    part = shapely.Polygon(corners).intersection(shapely.box(0, 0, width, height))
    axes = np.stack([corners[1] - corners[0], corners[3] - corners[0]])
    axes = axes / np.linalg.norm(axes, axis=1, keepdims=True)
    local = (shapely.get_coordinates(part) - corners[0]) @ axes.T
    (x0, y0), (x1, y1) = local.min(axis=0), local.max(axis=0)
    box = corners[0] + np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]]) @ axes
    return box, bool(part.area < 0.99 * shapely.Polygon(corners).area)


def _resized(corners: Points, generator: np.random.Generator) -> Points:
    factors = 1 + np.clip(generator.normal(0, ERROR, 2), -2 * ERROR, 2 * ERROR)
    along, across = (corners[1] - corners[0]) / 2, (corners[3] - corners[0]) / 2
    signs = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * factors
    return np.asarray(corners.mean(axis=0) + signs @ np.stack([along, across]))
