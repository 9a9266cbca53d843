"""Wakes at 10 m: a long streak is one, a slick behind a ship at anchor and its blur are not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
from shapely.geometry import box

from detector.activity.find import trace_activity
from detector.activity.looks.runs import read_runs
from detector.activity.looks.sites import read_site
from detector.activity.options import ActivityConfig
from detector.api.activities import activity_settings
from detector.config.compose import load_config
from detector.counting.zones import read_zones
from detector.detections import Detections
from detector.export.records import ModelUse
from detector.scenes.scene import Scene, open_scene
from tests.activity.written_run import write_run
from tests.counting.make import SHIP, make_detections
from tests.scenes.rasters import UTM52, utm_transform, write_raster

TAILS_PX = {30: 0, 60: 5, 90: 25}  # row of a ship to the length of what is bright behind it
LENGTH_PX, BEAM_PX = 20, 4


def water(*, ships: bool) -> np.ndarray:
    """Rippled water of grey 60; ships of grey 200 with a row of blur, and streaks of grey 90."""
    rng = np.random.default_rng(3)
    values = rng.normal(60.0, 1.0, (120, 140))
    for row, tail in TAILS_PX.items() if ships else ():
        values[row - 2 : row + 2, 30 : 30 + LENGTH_PX] = 200
        values[row - 2 : row + 2, 30 + LENGTH_PX] = 120
        values[row - 1 : row + 1, 31 + LENGTH_PX : 31 + LENGTH_PX + tail] = 90
    return np.repeat(np.clip(values, 1, 255)[None], 3, axis=0).astype(np.uint8)


def test_only_a_long_streak_is_a_wake(tmp_path: Path) -> None:
    transform = utm_transform(10.0)
    (west, north), (east, south) = transform @ (0, 0), transform @ (140, 120)
    zones = tmp_path / "zones.geojson"
    gpd.GeoDataFrame(
        {"name": ["Roads"], "kind": ["anchorage"]}, geometry=[box(west, south, east, north)],
        crs=UTM52,
    ).to_file(zones)  # fmt: skip

    def seen() -> Iterator[tuple[Scene, Detections]]:
        for day, ships in (("2026-09-02", True), ("2026-09-07", False)):
            path = tmp_path / f"a_{day}.tif"
            with open_scene(write_raster(path, water(ships=ships), transform=transform)) as scene:
                rows = [
                    (SHIP, 30 + LENGTH_PX / 2, float(row), float(LENGTH_PX), float(BEAM_PX), 0.0)
                    for row in (TAILS_PX if ships else ())
                ]
                told = {"scene_id": scene.info.scene_id, "acquired": None, "transform": transform}
                found = make_detections(rows, **told)  # type: ignore[arg-type]
                yield scene, replace(found, scores=np.full(len(found), 0.99, np.float32))

    model = ModelUse("truth", "ab" * 32, True, "0" * 16)
    write_run(tmp_path / "run", read_zones(zones), seen(), model, {})
    (tmp_path / "site.yaml").write_text("name: Port\nzones: zones.geojson\n")
    settings = activity_settings(load_config("activity", ActivityConfig, ["register=false"]), None)
    runs = read_runs([tmp_path / "run"])
    visits = trace_activity([read_site(tmp_path / "site.yaml")], runs, settings).tables["visits"]
    assert len(visits) == len(TAILS_PX)
    lies = dict(zip(visits["evidence"], visits["lies"], strict=True))
    told = [lies[name] for name in sorted(lies)]  # in the order of the rows of the scene's table
    assert told == ["in_zone", "in_zone", "under_way"]
