"""Results of a small scene, made the way the pipeline makes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import shapely

from detector.counting.counts import count_scene
from detector.counting.zones import Zone
from detector.detections import Detections
from detector.export.records import ModelUse, SceneRecord, scene_record
from detector.scenes.scene import open_scene
from detector.scenes.types import SceneOptions
from tests.counting.make import ACQUIRED, SHIP, STACK, Row, make_detections
from tests.scenes.rasters import gradient, write_raster

MODEL = ModelUse("starter", "ab" * 32, True, "0123456789abcdef")
HOSTILE_NAMES = (
    "나진 3부두",
    '=HYPERLINK("http://x","y")',
    "'; DROP TABLE zones; --",
    "<script>alert('x')</script> & \"q\"",
    "-1+1",
    "Пирс, №1; |x|",
    "a" * 300,
)
ROWS: tuple[Row, ...] = (
    (SHIP, 50, 50, 40, 10, 0.2),
    (SHIP, 150, 60, 100, 20, 1.2),
    (STACK, 60, 20, 24, 10, 0.0),
    (STACK, 150, 60, 24, 10, 0.0),
)


@dataclass(frozen=True, slots=True)
class Made:
    """A scene's results."""

    path: Path
    detections: Detections
    counts: pd.DataFrame
    zones: tuple[Zone, ...]
    record: SceneRecord


def zones_named(names: Sequence[str]) -> tuple[Zone, ...]:
    """Squares side by side; the second is of two parts."""
    shapes = [shapely.box(40 * i, 0, 40 * i + 40, 100) for i in range(len(names))]
    if len(shapes) > 1:
        shapes[1] = shapely.MultiPolygon([shapes[1], shapely.box(0, 120, 10, 140)])
    return tuple(Zone(name, "berth", shape) for name, shape in zip(names, shapes, strict=True))


def make_result(
    folder: Path,
    rows: Sequence[Row] = ROWS,
    zones: Sequence[Zone] = (),
    *,
    name: str = "najin",
    **profile: Any,
) -> Made:
    """Write a scene of 200 x 150 pixels and count what is said to be found in it."""
    path = write_raster(folder / f"{name}.tif", gradient(200, 150), **profile)
    on_ship = [3] if len(rows) == len(ROWS) else []
    with open_scene(path, SceneOptions(acquired=ACQUIRED)) as scene:
        found = make_detections(
            rows,
            scene_id=scene.info.scene_id,
            crs=scene.info.crs,
            transform=scene.info.transform,
            on_ship=on_ship,
        )
        counts, areas = count_scene(scene, found, zones, in_model_range=True)
        record = scene_record(scene.info, found, areas, MODEL, tiles=1)
    return Made(path, found, counts, tuple(zones), record)
