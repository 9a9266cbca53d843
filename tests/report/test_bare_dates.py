"""Scenes of which only the date is known, from their names to the page."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
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
from detector.models.detector import find_card
from detector.report.publish import ReportSettings, make_report
from detector.report.sources import record_inputs
from detector.scenes.scene import Scene, open_scene
from tests.activity.written_run import write_run
from tests.counting.make import SHIP, make_detections
from tests.scenes.rasters import UTM52, gradient, utm_transform, write_raster

NAMES = ("port_2026-09-02", "port_2026-09-02T20-15-00Z", "port_2026-09-05", "port_2026-09-09")
ZONES_KIND = "berth"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, its activity and its report."""
    home = tmp_path_factory.mktemp("bare")
    x, y = utm_transform() @ (0, 0)
    zones = gpd.GeoDataFrame(
        {"name": ["Pier"], "kind": [ZONES_KIND]}, geometry=[box(x, y - 100, x + 150, y)], crs=UTM52
    )
    zones.to_file(home / "zones.geojson", driver="GeoJSON")

    def seen() -> Iterator[tuple[Scene, Detections]]:
        for number, name in enumerate(NAMES):
            path = write_raster(
                home / f"{name}.tif",
                gradient(400, 300) + np.uint8(number),
                transform=utm_transform(),
            )
            with open_scene(path) as scene:
                info = scene.info
                ships = [(SHIP, 150.0, 60.0, 160.0, 24.0, 0.0)]
                found = make_detections(
                    ships, scene_id=info.scene_id, acquired=info.acquired, transform=utm_transform()
                )
                yield scene, replace(found, acquired_day=info.acquired_day)

    model = ModelUse("truth", "ab" * 32, True, "0" * 16)
    run = write_run(home / "run", read_zones(home / "zones.geojson"), seen(), model, {})
    site = home / "site.yaml"
    site.write_text("name: Port\nzones: zones.geojson\ntime_zone: America/Los_Angeles\n")
    config = load_config("activity", ActivityConfig, ["register=false"])
    settings = activity_settings(config, find_card("port-n"))
    activity = trace_activity([read_site(site)], read_runs([run]), settings)
    activity.write(home / "activity")
    record_inputs(home / "activity", [site], [run])
    make_report(ReportSettings(activity=home / "activity", out=home / "report"))
    return home


def told(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "activity" / "activity.json").read_text())
    return content


def test_a_bare_date_stays_that_day_in_the_time_zone_of_the_site(folder: Path) -> None:
    looks = told(folder)["looks"]
    assert [row["day"] for row in looks] == ["2026-09-02", "2026-09-05", "2026-09-09"]
    assert [row["acquired_precision"] for row in looks[1:]] == ["time_unknown"] * 2
    assert [row["acquired"] for row in looks[1:]] == [None, None]


def test_the_run_says_the_day_and_no_time(folder: Path) -> None:
    for name in ("scenes.csv", "counts.csv"):
        rows = pd.read_csv(folder / "run" / name, dtype=str, keep_default_na=False)
        bare = rows[rows["acquired_precision"] == "time_unknown"]
        assert set(bare["acquired_day"]) == {"2026-09-02", "2026-09-05", "2026-09-09"}
        assert set(bare["acquired"]) == {""}
        timed = rows[rows["acquired_precision"] == "time"]
        assert set(timed["acquired"]) == {"2026-09-02T20:15:00Z"}
        assert set(timed["acquired_day"]) == {""}


def test_the_order_of_scenes_of_a_bare_day_is_said_to_be_unknown(folder: Path) -> None:
    said = [text for text in told(folder)["warnings"] if "unknown order" in text]
    assert len(said) == 1
    assert said[0].startswith("site 'Port', 2 September 2026: 2 scenes in an unknown order, since")
    page = (folder / "report" / "report.html").read_text(encoding="utf-8")
    assert "2 scenes in an unknown order" in page


def test_gaps_between_bare_dates_are_the_longest_that_they_can_be(folder: Path) -> None:
    content = told(folder)
    # from the first minute of 5 September to the last of 9 September
    assert content["periods"][0]["longest_gap_days"] == 5.0
    page = (folder / "report" / "report.html").read_text(encoding="utf-8")
    missed = "within 5 days, or under clouds of which nothing tells, can have been missed."
    assert f"Whatever came and went {missed}" in page


def test_nowhere_is_a_midnight_that_nobody_measured(folder: Path) -> None:
    files = [path for path in folder.rglob("*") if path.suffix in (".json", ".csv", ".html")]
    assert len(files) > 15
    for path in files:
        # not of this year: the libraries of the page know other midnights
        assert not re.search("2026-09-..[T ]00:00", path.read_text(encoding="utf-8")), path
    page = (folder / "report" / "report.html").read_text(encoding="utf-8")
    assert page.count("2026-09-05, time unknown") >= 2  # the picture and the table of scenes
    assert "2026-09-02 20:15:00 UTC" in page
