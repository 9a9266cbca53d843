"""The ground of yards at 10 m: shares that are known, chance, light, and what the page says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detector.activity.changes.yard_ground import FALSE_ALARM, changed_share
from detector.activity.find import trace_activity
from detector.activity.looks.runs import read_runs
from detector.activity.looks.sites import read_site
from detector.activity.options import ActivityConfig
from detector.api.activities import activity_settings
from detector.config.compose import load_config
from detector.counting.zones import read_zones
from detector.export.records import ModelUse
from detector.report.content import build_document
from detector.report.sources import read_sources, record_inputs
from detector.report.words import Words
from detector.scenes.scene import open_scene
from tests.activity.written_run import write_run
from tests.counting.make import make_detections
from tests.scenes.rasters import utm_transform, write_raster

SIDE = 120
YARD = (slice(40, 80), slice(40, 80))


def pictures(share: float, seed: int = 0, gain: float = 1.0, offset: float = 0.0) -> Any:
    """Two dates of ground of which a share of the yard, in whole rows, turned brighter by 60."""
    rng = np.random.default_rng(seed)
    ground = rng.uniform(80, 140, (SIDE, SIDE))
    before = ground + rng.normal(0, 2, ground.shape)
    after = ground + rng.normal(0, 2, ground.shape)
    rows = round(40 * share)
    after[40 : 40 + rows, 40:80] += 60
    inside = np.zeros(ground.shape, bool)
    inside[YARD] = True
    around = np.ones_like(inside)
    around[36:84, 36:84] = False
    after = after * gain + offset
    return before.astype(np.float32), after.astype(np.float32), inside, around


@pytest.mark.parametrize("share", [0.0, 0.1, 0.25, 0.5, 1.0])
@pytest.mark.parametrize(("gain", "offset"), [(1.0, 0.0), (0.6, 40.0)])
def test_the_share_that_changed(share: float, gain: float, offset: float) -> None:
    """A window of roughness reaches one cell beyond what turned: one row of 40 on each side."""
    told = changed_share(*pictures(share, gain=gain, offset=offset))
    assert told is not None
    middle, low, high = told
    assert low <= middle <= high
    assert middle == pytest.approx(share, abs=0.04)
    assert (low > 0) == (share > 0)


def test_chance_alone_is_told_as_nothing() -> None:
    """Of 60 yards without a change not more than one in ten claims one."""
    told = [changed_share(*pictures(0.0, seed=seed)) for seed in range(60)]
    claims = sum(one is not None and one[1] > 0 for one in told)
    assert claims <= 6
    middles = [one[0] for one in told if one is not None]
    assert np.mean(middles) < FALSE_ALARM


def test_too_little_ground_says_nothing() -> None:
    before, after, inside, around = pictures(0.5)
    few = np.zeros_like(inside)
    few[0, :39] = True
    assert changed_share(before, after, few, around) is None
    assert changed_share(before, after, inside, few) is None


def test_a_yard_at_10_m_gets_its_ground_and_no_number_of_stacks(tmp_path: Path) -> None:
    before, after, *_ = pictures(0.5)
    transform = utm_transform(10.0)
    box = [transform @ corner for corner in ((40, 40), (80, 40), (80, 80), (40, 80), (40, 40))]
    ring = ", ".join(f"[{x}, {y}]" for x, y in box)
    (tmp_path / "zones.geojson").write_text(
        '{"type": "FeatureCollection", "crs": {"type": "name", "properties": {"name": '
        '"urn:ogc:def:crs:EPSG::32652"}}, "features": [{"type": "Feature", "properties": {"name": '
        f'"East yard", "kind": "yard"}}, "geometry": {{"type": "Polygon", "coordinates": [[{ring}]]'
        "}}]}"
    )

    def seen() -> Any:
        for day, picture in (("2026-09-02", before), ("2026-09-07", after)):
            values = np.repeat(np.clip(picture, 1, 255)[None], 3, axis=0).astype(np.uint8)
            path = write_raster(tmp_path / f"port_{day}.tif", values, transform=transform)
            with open_scene(path) as scene:
                found = make_detections(
                    [], scene_id=scene.info.scene_id, acquired=None, transform=transform
                )
                yield scene, found

    model = ModelUse("truth", "ab" * 32, True, "0" * 16)
    zones = read_zones(tmp_path / "zones.geojson")
    run = write_run(tmp_path / "run", zones, seen(), model, {}, unreadable=("container_stack",))
    site = tmp_path / "site.yaml"
    site.write_text("name: Port\nzones: zones.geojson\n")
    config = load_config("activity", ActivityConfig, ["register=false"])
    activity = trace_activity([read_site(site)], read_runs([run]), activity_settings(config, None))
    (row,) = activity.tables["ground_changes"].to_dict("records")
    assert row["changed_share"] == pytest.approx(0.5, abs=0.05)
    assert row["changed_low"] < 0.5 < row["changed_high"]
    assert row["gsd_m"] == pytest.approx(10.0, rel=1e-2)
    series = activity.tables["series"]
    stacks = series[series["class"] == "container_stack"]
    assert set(stacks["status"]) == {"outside_model_range"}
    assert stacks["count"].isna().all()
    assert set(series[series["class"] == "ship"]["status"]) == {"cloud_unknown"}
    assert not len(activity.tables["stack_changes"])
    activity.write(tmp_path / "activity")
    record_inputs(tmp_path / "activity", [site], [run])
    found = build_document(read_sources(tmp_path / "activity"), Words.read())["sites"][0]["found"]
    assert (
        "Container stacks are not readable at 10 m a pixel: nothing is said of their number."
        in found
    )
    (told,) = (sentence for sentence in found if "turned brighter" in sentence)
    assert "of the ground of East yard" in told
    assert "between 2 and 7 September 2026" in told
