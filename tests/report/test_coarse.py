"""The page of scenes at 10 m: ships are counted, stacks are not readable, yards their ground."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import geopandas as gpd
import numpy as np
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
from detector.report.captions import picture_caption
from detector.report.content import build_document
from detector.report.page import SitePictures, render_page
from detector.report.sources import read_sources, record_inputs
from detector.report.words import Words
from detector.scenes.scene import Scene, open_scene
from tests.activity.test_yard_ground import pictures
from tests.activity.written_run import write_run
from tests.counting.make import SHIP, make_detections
from tests.report.agreement import Page
from tests.scenes.rasters import UTM52, utm_transform, write_raster

NOT_READABLE = "not readable at 10 m a pixel"
WORDS = Words.read()
DASH = "\N{EN DASH}"


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Two dates; half of the yard turned brighter, a ship of 200 m stayed in the roads."""
    home = tmp_path_factory.mktemp("coarse")
    transform = utm_transform(10.0)

    def part(x0: float, y0: float, x1: float, y1: float) -> Any:
        (west, north), (east, south) = transform @ (x0, y0), transform @ (x1, y1)
        return box(west, south, east, north)

    shapes = [part(40, 40, 80, 80), part(0, 0, 30, 30), part(90, 0, 120, 30), part(0, 90, 5, 95)]
    names = ["East yard", "Roads", "North quay", "Small yard"]
    zones = {"name": names, "kind": ["yard", "anchorage", "quay", "yard"]}
    gpd.GeoDataFrame(zones, geometry=shapes, crs=UTM52).to_file(home / "zones.geojson")

    def seen() -> Iterator[tuple[Scene, Detections]]:
        for day, picture in zip(("2026-09-02", "2026-09-07"), pictures(0.5)[:2], strict=True):
            values = np.repeat(np.clip(picture, 1, 255)[None], 3, axis=0).astype(np.uint8)
            path = write_raster(home / f"port_{day}.tif", values, transform=transform)
            with open_scene(path) as scene:
                ship = [(SHIP, 15.0, 15.0, 20.0, 4.0, 0.0)]
                name = scene.info.scene_id
                yield (
                    scene,
                    make_detections(ship, scene_id=name, acquired=None, transform=transform),
                )

    model = ModelUse("truth", "ab" * 32, True, "0" * 16)
    zones_read = read_zones(home / "zones.geojson")
    run = write_run(home / "run", zones_read, seen(), model, {}, unreadable=("container_stack",))
    site = home / "site.yaml"
    site.write_text("name: Port\nzones: zones.geojson\n")
    settings = activity_settings(load_config("activity", ActivityConfig, ["register=false"]), None)
    trace_activity([read_site(site)], read_runs([run]), settings).write(home / "activity")
    record_inputs(home / "activity", [site], [run])
    return build_document(read_sources(home / "activity"), WORDS)


def test_nobody_says_that_no_stack_was_there(document: dict[str, Any]) -> None:
    (site,) = document["sites"]
    assert site["empty"] == [
        f"Container stacks in East yard, North quay and Small yard are {NOT_READABLE}: their "
        "number is not known.",
        "No ship of 60 m or more was found in North quay on any of the 2 dates that show it.",
    ]
    assert site["stacks_unread"] == NOT_READABLE
    assert [chart["class"] for chart in site["charts"]] == ["ship"]
    said = " ".join([site["lead"], *site["found"], *site["empty"]])
    assert "No container stack" not in said
    caption = picture_caption(1, 0, site["days"][0], WORDS)
    assert caption.startswith(f"1 ship and no stacks ({NOT_READABLE}) marked in the picture")


def test_the_page_has_a_table_of_the_ground(document: dict[str, Any]) -> None:
    """Every number of it is the table's; a yard of too few pixels says why it has none."""
    (site,) = document["sites"]
    page = Page(render_page(document, [SitePictures()], WORDS))
    rows = page.rows["ground_changes", 0]
    first, second = site["ground_changes"]
    low, mid, high, chance = (
        round(100 * first[key])
        for key in ("changed_low", "changed_share", "changed_high", "false_alarm")
    )
    assert abs(mid - 50) <= 5
    assert low < 50 < high
    assert [[cell.strip() for cell in row] for row in rows[1:]] == [
        [
            "2 to 7 September 2026",
            "East yard",
            f"{mid}",
            f"{low}{DASH}{high}",
            f"{chance}",
            "10.0",
            "",
        ],
        ["2 to 7 September 2026", "Small yard", DASH, DASH, DASH, DASH, second["reason"]],
    ]
    assert chance == 5
    assert "too few pixels" in second["reason"]
    assert f"Container stacks are {NOT_READABLE}: no block, no container and no TEU" in page.text
    assert not page.rows.get(("stacks", 0))
