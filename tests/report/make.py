"""Two tiny sites over four dates, with runs and activity, made by code.

The port: a ship of 120 m lies at the berth on the first two dates, one of 90 m on the last; three
stacks stand in the yard on the first two dates. On the third date the west of the berth has no
data. The railhead: three stacks of like length stand there on the last date.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
import geopandas as gpd
import numpy as np
import yaml
from affine import Affine
from numpy.typing import NDArray
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
from detector.report.publish import Report, ReportSettings, make_report
from detector.report.sources import record_inputs
from detector.scenes.scene import Scene, open_scene
from detector.scenes.types import SceneOptions
from tests.activity.written_run import write_run
from tests.counting.make import SHIP, STACK, Row, make_detections
from tests.scenes.rasters import UTM52, write_raster

WIDTH, HEIGHT, GSD_M = 400, 300, 1.0
WEST, NORTH = 500_000.0, 4_677_000.0
FIRST = datetime(2026, 9, 28, 2, 15, tzinfo=UTC)
DAYS = (0, 5, 10, 16)
BERTH, YARD, RAILHEAD = "berth", "yard", "railhead"
ZONE_BOXES = {BERTH: (10, 20, 390, 100), YARD: (10, 120, 390, 280), RAILHEAD: (10, 20, 390, 280)}
SHIP_A: Row = (SHIP, 120.0, 60.0, 120.0, 20.0, 0.0)
SHIP_B: Row = (SHIP, 260.0, 60.0, 90.0, 16.0, 0.0)
STACKS: list[Row] = [
    (STACK, 80.0, 160.0, 48.0, 8.0, 0.0),
    (STACK, 80.0, 200.0, 36.0, 8.0, 0.0),
    (STACK, 200.0, 200.0, 30.0, 8.0, 0.3),
]
STORY: dict[str, list[list[Row]]] = {
    "port": [[SHIP_A, *STACKS], [SHIP_A, *STACKS], [], [SHIP_B]],
    "rail": [[], [], [], STACKS],
}
MODEL = ModelUse("truth", "ab" * 32, True, "0123456789abcdef")


@dataclass(frozen=True)
class Names:
    """What the sites and zones are called."""

    port: str = "Port of 나진"
    rail: str = "Railhead"
    berth: str = "Pier 1"
    yard: str = "East yard"
    railhead: str = "Track 3"
    scene: str = "scene"


@dataclass(frozen=True)
class Made:
    """The folders that were written."""

    names: Names
    folder: Path
    activity: Path
    sites: tuple[Path, ...]
    runs: tuple[Path, ...]

    def report(self, out: str = "report", **changes: object) -> Report:
        """Make a report of it."""
        settings = ReportSettings(activity=self.activity, out=self.folder / out)
        return make_report(replace(settings, **changes))  # type: ignore[arg-type]


def make_activity(folder: Path, names: Names | None = None) -> Made:
    """Write scenes, runs, sites and the activity."""
    names = names or Names()
    zones = {
        "port": {names.berth: BERTH, names.yard: YARD},
        "rail": {names.railhead: RAILHEAD},
    }
    sites, runs = [], []
    for number, key in enumerate(STORY):
        home = folder / key
        home.mkdir(parents=True)
        west = WEST + 20_000 * number
        _write_zones(home / "zones.geojson", zones[key], west)
        site = {"name": getattr(names, key), "zones": "zones.geojson"}
        sites.append(home / "site.yaml")
        sites[-1].write_text(yaml.safe_dump(site, allow_unicode=True), encoding="utf-8")
        runs.append(_write_run(home, names.scene, STORY[key], west, home / "zones.geojson"))
    activity = folder / "activity"
    config = load_config("activity", ActivityConfig, ["register=false"])
    settings = activity_settings(config, find_card("port-n"))
    found = trace_activity([read_site(path) for path in sites], read_runs(runs), settings)
    found.write(activity)
    record_inputs(activity, sites, runs)
    return Made(names, folder, activity, tuple(sites), tuple(runs))


def _write_zones(path: Path, zones: dict[str, str], west: float) -> None:
    shapes = []
    for kind in zones.values():
        x0, y0, x1, y1 = ZONE_BOXES[kind]
        shapes.append(box(west + x0, NORTH - y1, west + x1, NORTH - y0))
    table = {"name": list(zones), "kind": list(zones.values())}
    frame = gpd.GeoDataFrame(table, geometry=shapes, crs=UTM52).to_crs("EPSG:4326")
    frame.to_file(path, driver="GeoJSON")


def _write_run(
    home: Path, stem: str, story: Sequence[Sequence[Row]], west: float, zones_path: Path
) -> Path:
    transform = Affine(GSD_M, 0.0, west, 0.0, -GSD_M, NORTH)

    def seen() -> Iterator[tuple[Scene, Detections]]:
        for i, rows in enumerate(story):
            path = home / f"{stem}_{i}.tif"
            hole = home.name == "port" and i == 2
            write_raster(path, _picture(rows, i, hole), transform=transform, nodata=0)
            when = FIRST + timedelta(days=DAYS[i])
            with open_scene(path, SceneOptions(acquired=when, clouds="clear")) as scene:
                scene_id = scene.info.scene_id
                yield (
                    scene,
                    make_detections(rows, scene_id=scene_id, acquired=when, transform=transform),
                )

    facts = {"version": "test", "weights": "truth"}
    return write_run(home / "run", read_zones(zones_path), seen(), MODEL, facts)


def _picture(rows: Sequence[Row], date: int, hole: bool) -> NDArray[np.uint8]:
    """`(3, height, width)`: water above, land below, the objects drawn; 0 in the hole."""
    image = np.full((HEIGHT, WIDTH, 3), (96, 92, 84), np.uint8)
    image[:110] = (24, 52, 78)
    noise = np.random.default_rng(date).integers(0, 12, image.shape, np.uint8)
    image += noise
    for kind, x, y, length, width, angle in rows:
        corners = cv2.boxPoints(((x, y), (length, width), np.degrees(angle))).astype(np.int32)
        cv2.fillPoly(image, [corners], (150, 60, 50) if kind == SHIP else (70, 110, 170))
    if hole:
        image[:110, :150] = 0
    return np.ascontiguousarray(np.moveaxis(image, -1, 0))
