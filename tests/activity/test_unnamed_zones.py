"""Zones that a run did not know, of scenes that were seen in part: the scene tells what it saw."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
from shapely.geometry import box

from detector.activity.find import Activity, trace_activity
from detector.activity.looks.runs import read_runs
from detector.activity.looks.sites import read_site
from detector.activity.options import ActivityConfig
from detector.api.activities import activity_settings
from detector.config.compose import load_config
from detector.counting.zones import NO_ZONES
from detector.detections import Detections
from detector.export.records import ModelUse
from detector.scenes.scene import Scene, open_scene
from tests.activity.written_run import write_run
from tests.counting.make import SHIP, make_detections
from tests.scenes.rasters import UTM52, utm_transform, write_raster

DAYS = ("2026-09-02", "2026-09-07")
PLACES = {"Seen": (130, 20, 180, 80), "Unseen": (20, 20, 80, 80), "Half": (60, 100, 140, 180)}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """200 x 200 px of 10 m, the left half without data, and a run that was told no zones."""
    transform = utm_transform(10.0)
    shapes = []
    for left, top, right, bottom in PLACES.values():
        (west, north), (east, south) = transform @ (left, top), transform @ (right, bottom)
        shapes.append(box(west, south, east, north))
    zones = {"name": list(PLACES), "kind": ["anchorage"] * 3}
    gpd.GeoDataFrame(zones, geometry=shapes, crs=UTM52).to_file(tmp_path / "zones.geojson")

    def seen() -> Iterator[tuple[Scene, Detections]]:
        for number, day in enumerate(DAYS):
            values = np.full((3, 200, 200), 90 + number, np.uint8)
            values[:, :, :100] = 0
            path = write_raster(tmp_path / f"a_{day}.tif", values, transform=transform, nodata=0)
            with open_scene(path) as scene:
                ship = [(SHIP, 150.0, 50.0, 20.0, 4.0, 0.0)]
                told = {"scene_id": scene.info.scene_id, "acquired": None, "transform": transform}
                yield scene, make_detections(ship, **told)  # type: ignore[arg-type]

    model = ModelUse("truth", "ab" * 32, True, "0" * 16)
    write_run(tmp_path / "run", NO_ZONES, seen(), model, {})
    (tmp_path / "site.yaml").write_text("name: Port\nzones: zones.geojson\n")
    return tmp_path


def trace(home: Path) -> Activity:
    settings = activity_settings(load_config("activity", ActivityConfig, ["register=false"]), None)
    return trace_activity([read_site(home / "site.yaml")], read_runs([home / "run"]), settings)


def looks(activity: Activity) -> dict[str, list[tuple[Any, ...]]]:
    rows = activity.tables["looks"].to_dict("records")
    return {
        name: [(round(row["observed_fraction"], 2), row["status"]) for row in rows
               if row["zone"] == name]
        for name in PLACES
    }  # fmt: skip


def test_the_scene_tells_what_it_saw(home: Path) -> None:
    activity = trace(home)
    assert looks(activity) == {
        "Seen": [(1.0, "cloud_unknown")] * 2,
        "Unseen": [(0.0, "unobserved")] * 2,
        "Half": [(0.5, "partial")] * 2,
    }
    (visit,) = activity.tables["visits"].to_dict("records")
    assert (visit["zone"], visit["looks_seen"]) == ("Seen", 2)


def test_a_scene_that_is_gone_is_said(home: Path) -> None:
    """Nobody knows which part was seen: the least, and a warning with the way out."""
    (home / f"a_{DAYS[0]}.tif").unlink()
    activity = trace(home)
    assert looks(activity)["Seen"] == [(0.0, "unobserved"), (1.0, "cloud_unknown")]
    (said,) = [text for text in activity.warnings if "cannot be read again" in text]
    assert "1 scene was seen in part, by a run that did not know all of its zones" in said
    assert said.endswith("predict with the zones of the site")
