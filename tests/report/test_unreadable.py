"""Scenes whose scale cannot be read give no number anywhere, and say why."""

from __future__ import annotations

import json
from collections.abc import Iterator
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
from detector.export.records import ModelUse, SceneRecord
from detector.export.run_files import read_records
from detector.models.detector import find_card
from detector.prediction.headline import headline_counts
from detector.report.captions import percent, picture_caption
from detector.report.content import build_document
from detector.report.sources import read_sources, record_inputs
from detector.report.words import Words
from detector.scenes.scene import Scene, open_scene
from tests.activity.written_run import write_run
from tests.counting.make import SHIP, make_detections
from tests.scenes.rasters import UTM52, gradient, utm_transform, write_raster

GSD_M = 10.0
NAMES = ("port_2026-09-02T03-00-00Z", "port_2026-09-05T03-00-00Z")
NOT_READABLE = "not readable at 10 m a pixel"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two scenes at 10 m, with boxes that a network found all the same, and their activity."""
    home = tmp_path_factory.mktemp("coarse")
    transform = utm_transform(GSD_M)
    x, y = transform @ (0, 0)
    shapes = [box(x, y - 1000, x + 1000, y), box(x + 1500, y - 1000, x + 3000, y)]
    zones = {"name": ["Pier", "Yard"], "kind": ["berth", "yard"]}
    gpd.GeoDataFrame(zones, geometry=shapes, crs=UTM52).to_file(home / "zones.geojson")

    def seen() -> Iterator[tuple[Scene, Detections]]:
        for number, name in enumerate(NAMES):
            values = gradient(400, 300) + np.uint8(number)
            with open_scene(
                write_raster(home / f"{name}.tif", values, transform=transform)
            ) as scene:
                info, ships = scene.info, [(SHIP, 50.0, 50.0, 20.0, 4.0, 0.0)]
                yield (
                    scene,
                    make_detections(
                        ships, scene_id=info.scene_id, acquired=info.acquired, transform=transform
                    ),
                )

    model = ModelUse("truth", "ab" * 32, False, "0" * 16)
    run = write_run(home / "run", read_zones(home / "zones.geojson"), seen(), model, {})
    site = home / "site.yaml"
    site.write_text("name: Port\nzones: zones.geojson\n")
    config = load_config("activity", ActivityConfig, ["register=false"])
    settings = activity_settings(config, find_card("port-n"))
    activity = trace_activity([read_site(site)], read_runs([run]), settings)
    activity.write(home / "activity")
    record_inputs(home / "activity", [site], [run])
    return home


@pytest.fixture(scope="module")
def document(folder: Path) -> dict[str, Any]:
    return build_document(read_sources(folder / "activity"), Words.read())


def test_the_run_counts_nothing_and_says_why(folder: Path) -> None:
    records = read_records(folder / "run")
    assert [(r.ships, r.container_stacks, r.deck_cargo) for r in records] == [(None,) * 3] * 2
    counts = pd.read_parquet(folder / "run" / "counts.parquet")
    assert counts["count"].isna().all()
    shown = headline_counts(counts, records=records)
    assert set(shown["status"]) == {NOT_READABLE}
    assert {*shown["ships"], *shown["stacks"], *shown["observed"]} == {"-"}
    found = gpd.read_parquet(folder / "run" / "detections.parquet")
    assert len(found) == 2  # the boxes stay


def test_an_unknown_scale_asks_for_it() -> None:
    counts = pd.DataFrame(
        {
            "scene_id": ["a", "a"], "zone": ["", ""], "class": ["ship", "container_stack"],
            "length_class": ["all", "all"], "count": [None, None], "observed_fraction": [None] * 2,
            "status": ["scale_unknown"] * 2, "acquired": [pd.NaT] * 2, "acquired_day": [None] * 2,
        }
    )  # fmt: skip
    shown = headline_counts(counts, records=[SceneRecord("a.jpg", "done", scene_id="a")])
    assert shown.iloc[0].to_dict() == {
        "scene": "a", "date": "unknown", "zone": "whole scene", "ships": "-", "stacks": "-",
        "observed": "-", "status": "scale unknown, say it with scene.gsd=",
    }  # fmt: skip


def test_the_activity_counts_nothing_and_says_why(folder: Path) -> None:
    told = json.loads((folder / "activity" / "activity.json").read_text())
    assert {row["status"] for row in told["looks"]} == {"outside_model_range"}
    assert [row["gsd_m"] for row in told["looks"]] == pytest.approx([GSD_M] * 4, rel=1e-3)
    assert {row["count"] for row in told["series"]} == {None}
    (period,) = told["periods"]
    assert (period["visits_min"], period["looks_unreadable"]) == (None, 2)
    assert period["sentence"] == (
        "Pier: none of 2 days can be used; not readable at their resolution: 2 days."
    )
    assert told["visits"] == told["events"] == []


def test_the_page_gives_the_reason_and_no_zero(document: dict[str, Any]) -> None:
    (site,) = document["sites"]
    assert {day["reason"] for day in site["days"]} == {NOT_READABLE}
    assert site["charts"] == []
    assert site["empty"] == ["No date can be counted in Pier or Yard."]
    assert f"No date can be used for Pier: {NOT_READABLE}." in site["found"]
    assert site["lead"] == f"No date can be used for Pier: {NOT_READABLE}."
    assert (
        "Nothing is counted on 2 dates (2 September 2026 and 5 September 2026): "
        f"{NOT_READABLE}." in site["unseen"]
    )
    words = Words.read()
    caption = picture_caption(1, 0, site["days"][0], words)
    assert caption == f"Nothing is counted on this date: {NOT_READABLE}"


def test_captions_speak_of_what_is_in_the_picture() -> None:
    words = Words.read()
    day = {"reason": "", "fraction": 0.004, "clouds_unknown": False}
    assert picture_caption(3, 1, day, words) == (
        "3 ships and 1 stack marked in the picture, of any size, in the zones and beside them; 1 % "
        "of the zones seen"
    )
    untold = picture_caption(3, 1, {**day, "clouds_unknown": True}, words)
    assert "of the zones seen" not in untold
    assert "3 ships and 1 stack marked in the picture" in untold
    assert [percent(share) for share in (0.0, 0.001, 0.5, 0.999, 1.0)] == [
        "0", "1", "50", "99", "100",
    ]  # fmt: skip
