"""Tiers by shadow, at several suns and views, and when the prior holds."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely

from detector.counting.zones import Zone, first_zones
from detector.detections import Detections
from detector.errors import ConfigError
from detector.rendering.scene import RenderedScene
from detector.scenes.scene import open_scene
from detector.scenes.types import SceneOptions
from detector.stacks.estimate import estimate_stacks
from detector.stacks.settings import StackSettings
from detector.stacks.shadow import HIGH_CUBE_M, STANDARD_M, tiers_of_heights
from tests.stacks.yards import BARE, found, sky, view, write, yard


def estimate(
    scene: RenderedScene,
    folder: Path,
    kind: str = "",
    changed: dict[str, object] | None = None,
    detections: Detections | None = None,
) -> pd.DataFrame:
    """Estimate a scene; `changed` overrides or drops (None) what its sidecar says."""
    path = write(scene, folder)
    if changed is not None:
        side = path.with_suffix(".json")
        item = json.loads(side.read_text())
        item["properties"] |= changed
        item["properties"] = {k: v for k, v in item["properties"].items() if v is not None}
        side.write_text(json.dumps(item))
    zones = (Zone("z", kind, shapely.box(0, 0, 4000, 4000)),) if kind else ()
    with open_scene(path) as opened:
        boxes = detections or found(scene)
        held_by = first_zones(boxes.corners, zones)
        return estimate_stacks(opened, boxes, held_by, StackSettings())


@pytest.mark.parametrize(
    ("sun", "look"),
    [
        ((45.0, 150.0), (0.0, 0.0)),
        ((60.0, 200.0), (12.0, 40.0)),
        ((30.0, 110.0), (10.0, 270.0)),
        ((40.0, 250.0), (8.0, 250.0)),
    ],
)
@pytest.mark.parametrize("tiers", [1, 2, 4])
def test_tiers_of_level_blocks(
    tmp_path: Path, tiers: int, sun: tuple[float, float], look: tuple[float, float]
) -> None:
    spec = replace(BARE, sky=sky(*sun), sensor=view(*look))
    scene = yard({(100.0, 80.0): np.full((5, 6), tiers)}, spec)
    row = estimate(scene, tmp_path).iloc[0]
    assert row["method"] == "shadow"
    assert row["tiers"] == pytest.approx(tiers, abs=0.45)
    assert row["tiers_low"] <= tiers <= row["tiers_high"]
    assert row["teu_low"] <= 60 * tiers <= row["teu_high"]


def test_heights_become_whole_tiers() -> None:
    """Of standard containers and of high cubes alike, up to four tiers."""
    n = np.arange(1, 5)
    for unit in (STANDARD_M, HIGH_CUBE_M):
        assert tiers_of_heights(n * unit) == pytest.approx(n, abs=0.12)


def test_unknown_view_widens(tmp_path: Path) -> None:
    scene = yard({(100.0, 80.0): np.full((5, 6), 3)})
    known = estimate(scene, tmp_path).iloc[0]
    unknown = estimate(
        scene, tmp_path, changed={"view:off_nadir": None, "view:azimuth": None}
    ).iloc[0]
    assert unknown["flags"] == "view_unknown"
    widths = [row["tiers_high"] - row["tiers_low"] for row in (known, unknown)]
    assert widths[1] > 1.3 * widths[0]


@pytest.mark.parametrize(
    ("changed", "flag"),
    [
        ({"view:sun_elevation": None}, "no_sun"),
        ({"view:sun_elevation": -4.0}, "no_sun"),
        ({"view:off_nadir": 21.0}, "oblique_view"),
        ({"view:sun_elevation": 87.0}, "shadow_too_short"),
    ],
)
@pytest.mark.parametrize(("kind", "median"), [("yard", 2.1), ("quay", 1.5), ("railhead", 1.0)])
def test_the_prior_where_shadows_do_not_serve(
    tmp_path: Path, changed: dict[str, object], flag: str, kind: str, median: float
) -> None:
    scene = yard({(100.0, 80.0): np.full((5, 6), 3)})
    row = estimate(scene, tmp_path, kind, changed).iloc[0]
    assert (row["method"], row["flags"], row["zone_kind"]) == ("prior", flag, kind)
    assert row["tiers"] == pytest.approx(median, abs=0.15)


def test_shadow_on_a_neighbour_is_not_measured(tmp_path: Path) -> None:
    """Two blocks 5 m apart: the northern edge of the southern one throws on the other."""
    tall = np.full((5, 6), 5)
    spec = replace(BARE, sky=sky(35.0, 180.0))
    scene = yard({(100.0, 100.0): tall, (100.0, 78.0): tall}, spec)
    table = estimate(scene, tmp_path)
    south = int(np.argmax(found(scene).corners.mean(axis=1)[:, 1]))
    assert table.loc[south, "method"] == "prior"
    assert table.loc[south, "flags"] == "shadow_on_neighbour"
    assert table.loc[1 - south, "method"] == "shadow"


def test_a_shadow_on_water_is_not_measured(tmp_path: Path) -> None:
    """The block stands on a quay: 2 m from its northern edge all is dark water, shadow or not."""
    scene = yard({(100.0, 80.0): np.full((5, 6), 4)}, replace(BARE, sky=sky(35.0, 180.0)))
    values = scene.values.copy()
    quay = int(found(scene).corners[0, :, 1].min() - 2.0 / 0.5)
    generator = np.random.default_rng(3)
    values[:quay] = generator.normal((24, 32, 38), 2.0, values[:quay].shape).clip(0, 255)
    row = estimate(replace(scene, values=values), tmp_path, "quay").iloc[0]
    assert (row["method"], row["flags"]) == ("prior", "shadow_on_neighbour")
    assert row["tiers"] == pytest.approx(1.5, abs=0.15)


def test_wagons_carry_one_tier(tmp_path: Path) -> None:
    scene = yard({(100.0, 80.0): np.ones((9, 1), int)}, wagons=True)
    row = estimate(scene, tmp_path, "railhead").iloc[0]
    assert row["flags"] == "wagons"
    assert (row["tiers_low"], row["tiers_high"]) == (1.0, 1.0)
    assert row["teu_low"] <= 18 <= row["teu_high"]


def test_bad_input(tmp_path: Path) -> None:
    scene = yard({(100.0, 80.0): np.full((5, 6), 2), (100.0, 120.0): np.full((3, 4), 2)})
    boxes = found(scene)
    flat = boxes.corners.copy()
    flat[1, 2:] = flat[1, 1::-1]
    flat_boxes = replace(
        boxes,
        corners=flat,
        cut=np.array(["scene_edge", ""]),
        width_m=np.where([True, False], boxes.width_m, 0.0),
    )
    table = estimate(scene, tmp_path, detections=flat_boxes)
    assert table["flags"].tolist() == ["cut_by_edge", "no_area"]
    assert table["method"].tolist() == ["shadow", "area_only"]
    assert np.isnan(table.loc[1, "teu"])
    with pytest.raises(ConfigError, match=r"stacks\.yard_tiers=\[3.0, 2.0, 4.0\]: needs three"):
        StackSettings(yard_tiers=[3.0, 2.0, 4.0])


def test_a_block_under_a_cloud_is_a_lower_bound(tmp_path: Path) -> None:
    """The eastern 40 % of one block are clouded: what is seen is counted, and said."""
    scene = yard({(60.0, 80.0): np.full((5, 6), 2), (145.0, 80.0): np.full((5, 6), 2)})
    boxes = found(scene)
    order = np.argsort(boxes.corners[:, :, 0].mean(axis=1))
    clear = estimate(scene, tmp_path).iloc[order].reset_index(drop=True)
    cloud = np.zeros(scene.cloud.shape, np.uint8)
    left, right = (boxes.corners[order[1], :, 0].min(), boxes.corners[order[1], :, 0].max())
    cloud[:, int(right - 0.4 * (right - left)) :] = 1
    profile = {"crs": scene.crs, "transform": scene.transform, "dtype": "uint8", "count": 1}
    height, width = cloud.shape
    path = write(scene, tmp_path)
    with rasterio.open(tmp_path / "yard_cloud.tif", "w", "GTiff", width, height, **profile) as mask:
        mask.write(cloud, 1)
    with open_scene(path) as opened:
        table = estimate_stacks(opened, boxes, [], StackSettings())
    row = table.iloc[order].reset_index(drop=True)
    assert row["flags"].tolist() == ["", "under_cloud"]
    assert row.loc[0, "slots"] == clear.loc[0, "slots"] == pytest.approx(60, abs=3)
    for name in ("slots", "teu"):
        assert row.loc[1, name] == pytest.approx(0.6 * clear.loc[1, name], rel=0.1)
    assert row.loc[1, "teu_high"] < 120  # the truth is no part of it: a bound, not an estimate


def test_on_slopes_shadows_are_not_used(tmp_path: Path) -> None:
    scene = yard({(100.0, 80.0): np.full((5, 6), 4)})
    with open_scene(write(scene, tmp_path)) as opened:
        settings = StackSettings(level_ground=False)
        row = estimate_stacks(opened, found(scene), [], settings).iloc[0]
    assert (row["method"], row["flags"]) == ("prior", "slope")


def test_without_gsd_only_the_area_is_said(tmp_path: Path) -> None:
    import cv2

    scene = yard({(100.0, 80.0): np.full((5, 6), 2)})
    path = tmp_path / "plain.png"
    cv2.imwrite(str(path), scene.rgb[..., ::-1])
    none = np.full(1, np.nan)
    boxes = replace(found(scene), crs=None, length_m=none, width_m=none)
    with open_scene(path, SceneOptions()) as opened:
        row = estimate_stacks(opened, boxes, [], StackSettings()).iloc[0]
    assert (row["method"], row["flags"]) == ("area_only", "no_gsd")
    assert np.isnan(row["teu"])
    assert row["area_px"] == pytest.approx(62.8 * 16.6 / 0.25, rel=0.02)


def test_deck_cargo_has_no_tiers(tmp_path: Path) -> None:
    scene = yard({(100.0, 80.0): np.full((5, 6), 2)})
    boxes = replace(found(scene), on_ship=np.array([True]))
    row = estimate(scene, tmp_path, detections=boxes).iloc[0]
    assert (row["method"], row["flags"]) == ("area_only", "deck_cargo")
    assert row["slots"] > 50
    assert np.isnan(row["containers"])
