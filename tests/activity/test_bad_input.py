"""Scenes that make trouble: no or equal times, time zones, other CRS, nothing that overlaps."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
import shapely
from affine import Affine
from numpy.typing import NDArray
from pyproj import Transformer

from detector.activity.errors import ActivityError
from detector.activity.find import Activity, ActivitySettings, read_activity, trace_activity
from detector.activity.looks.registration import UNREGISTERED_SD_M, register
from detector.activity.looks.runs import Observed, Runs, RunScene
from detector.activity.looks.sightings import SeenObjects
from detector.activity.looks.sites import Site, make_site
from detector.activity.schema import ROWS
from detector.activity.visits.bounds import VisitSettings
from detector.counting.zones import Zone, Zones
from detector.geometry.boxes import corners_from_xywhr
from detector.geometry.geodesy import apply_transform
from detector.times import parse_time
from tests.scenes.rasters import UTM52, gradient, utm_transform, write_raster

BERTH = shapely.box(500_050, 4_676_800, 500_450, 4_676_950)
SHIP = (500_250.0, 4_676_900.0, 120.0, 20.0, 0.0)  # centre, length and width, UTM metres
SETTINGS = ActivitySettings(VisitSettings(draws=40), registered=False)
NOON = datetime(2026, 9, 2, 3, tzinfo=UTC)


def port(*zones: Zone, time_zone: str = "UTC") -> Site:
    named = zones or (Zone("berth", "berth", BERTH),)
    return make_site("port", Zones(named, UTM52, "port.geojson"), ZoneInfo(time_zone))


def scene(
    name: str, acquired: datetime = NOON, crs: str = UTM52, transform: Affine | None = None
) -> RunScene:
    """1000 x 800 pixels of 0.5 m with one ship of 120 m, drawn in the CRS of the scene."""
    transform = transform or utm_transform()
    corners = corners_from_xywhr(np.array([SHIP]))
    moved = np.stack(
        Transformer.from_crs(UTM52, crs, always_xy=True).transform(
            corners[..., 0], corners[..., 1]
        ),
        axis=-1,
    )
    return RunScene(
        name, f"{name}.tif", acquired, crs, 1000, 800, transform, True, {},
        Observed(1.0, "observed"), one_ship(name, apply_transform(~transform, moved)),
    )  # fmt: skip


def one_ship(name: str, corners: NDArray[np.float64]) -> SeenObjects:
    return SeenObjects(
        np.array([f"{name}#0"]), np.zeros(1, np.int64), np.full(1, 0.995), corners,
        np.full(1, 120.0), np.full(1, 20.0), np.full(1, 90.0), np.zeros(1, np.bool_),
        np.full(1, 0.5),
    )  # fmt: skip


def found_in(site: Site, *scenes: RunScene) -> Activity:
    ordered = sorted(scenes, key=lambda item: (item.acquired, item.scene_id))
    return trace_activity([site], Runs(tuple(ordered), ()), SETTINGS)


def test_equal_times_are_one_look_and_the_ship_is_counted_once() -> None:
    later = datetime(2026, 9, 5, 3, tzinfo=UTC)
    result = found_in(port(), scene("a"), scene("b"), scene("c", later))
    looks = result.tables["looks"]
    assert looks["scene_ids"].tolist() == ["a; b", "c"]
    series = result.tables["series"]
    ships = series[(series["class"] == "ship") & (series["length_class"] == "all")]
    assert ships["count"].tolist() == [1, 1]


@pytest.mark.parametrize("offset", ["2026-09-02T23:30:00Z", "2026-09-03T08:30:00+09:00"])
def test_time_zones_are_one_clock_and_the_site_says_what_a_day_is(offset: str) -> None:
    evening = parse_time(offset)
    assert evening == datetime(2026, 9, 2, 23, 30, tzinfo=UTC)
    assert parse_time("2026-09-02T23:30:00") == evening  # no offset: UTC
    scenes = scene("a", NOON), scene("b", evening)
    assert len(found_in(port(), *scenes).tables["looks"]) == 1
    looks = found_in(port(time_zone="Asia/Vladivostok"), *scenes).tables["looks"]
    assert [day.isoformat() for day in looks["day"]] == ["2026-09-02", "2026-09-03"]


def test_a_zone_that_no_scene_meets_is_said() -> None:
    far = Zone("far", "berth", _moved(20_000))
    result = found_in(port(Zone("berth", "berth", BERTH), far), scene("a"))
    assert "site 'port', zone 'far': no scene meets it" in result.warnings
    assert "far: no scene shows it." in result.sentences
    assert set(result.tables["series"]["zone"]) == {"berth"}


def _moved(metres: float) -> shapely.Polygon:
    return shapely.transform(BERTH, lambda points: points + metres)


def test_looks_of_other_crs_show_the_ship_at_its_place() -> None:
    to_degrees = Transformer.from_crs(UTM52, "EPSG:4326", always_xy=True)
    west, north = to_degrees.transform(500_000.0, 4_677_000.0)
    degrees = Affine(6.1e-6, 0, west, 0, -4.5e-6, north)
    to_other = Transformer.from_crs(UTM52, "EPSG:32651", always_xy=True)
    x, y = to_other.transform(500_000.0, 4_677_000.0)
    other = Affine(0.5, 0, x - 50, 0, -0.5, y + 50)
    days = [datetime(2026, 9, day, 3, tzinfo=UTC) for day in (2, 3, 4)]
    result = found_in(
        port(),
        scene("a", days[0]),
        scene("b", days[1], "EPSG:4326", degrees),
        scene("c", days[2], "EPSG:32651", other),
    )
    period = result.tables["periods"].iloc[0]
    assert (period["visits_min"], period["visits_listed"]) == (1, 1)
    visit = result.tables["visits"].iloc[0]
    assert visit["evidence"] == "a#0; b#0; c#0"
    # the ship's box is columns 380 to 620, rows 180 to 220; a fifth of its length is margin
    assert visit["first_window"] == "a: 332, 132, 336, 136"
    assert visit["last_window"].startswith("c: ")


def test_no_overlap_is_said_and_the_tolerance_widened(tmp_path: Path) -> None:
    """One scene shows the west half of the site, the other the east half."""
    scenes = []
    for name, left in (("west", 0), ("east", 600)):
        path = tmp_path / f"{name}.tif"
        transform = utm_transform() @ Affine.translation(left, 0)
        write_raster(path, gradient(550, 800), transform=transform)
        whole = scene(name, NOON)
        scenes.append(replace(whole, path=str(path), transform=transform, width=550))
    registered = {item.scene_id: item for item in register(port(), scenes)}
    methods = sorted(item.method for item in registered.values())
    assert methods == ["none", "reference"]
    alone = next(item for item in registered.values() if item.method == "none")
    assert alone.note == "it does not overlap the reference on fixed land"
    assert alone.placement.residual_m == UNREGISTERED_SD_M
    result = trace_activity([port()], Runs(tuple(scenes), ()), ActivitySettings())
    assert result.tables["looks"]["residual_m"].tolist() == [UNREGISTERED_SD_M]
    assert any("1 of 2 scenes are not registered" in text for text in result.warnings)


@pytest.mark.parametrize("damage", ["no table", "a number", "no rows", "no column", "[", "a date"])
def test_a_damaged_activity_is_one_sentence(tmp_path: Path, damage: str) -> None:
    content: dict[str, Any] = {"format": 1, "version": "1", "calibrated": False, "warnings": []}
    content |= {"min_length_m": 25.0, **{name: [] for name in ROWS}}
    path = tmp_path / "activity.json"
    path.write_text(json.dumps(content))
    assert read_activity(path) == content
    place = {"site": "a", "scene_id": "b", "method": "none", "residual_m": 1.0, "blocks": 1}
    place |= {"shift_east_m": 0.0, "shift_north_m": 0.0, "note": ""}
    if damage == "no table":
        del content["visits"]
    elif damage == "a number":
        content["registration"] = [place | {"shift_east_m": "far"}]
    elif damage == "no rows":
        content["looks"] = 7
    elif damage == "no column":
        del place["scene_id"]
        content["registration"] = [place]
    elif damage == "a date":
        content["skipped"] = ["2024-13-45"]
    path.write_text("[" if damage == "[" else json.dumps(content))
    with pytest.raises(ActivityError, match=r"activity\.json"):
        read_activity(path)
