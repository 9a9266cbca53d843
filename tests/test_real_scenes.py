"""The main job on real imagery: georeferenced scenes and images of ports."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest

from detector.cli.main import main
from detector.data.yolo_lines import oriented_lines
from detector.geometry.boxes import iou_matrix

pytestmark = [pytest.mark.real, pytest.mark.slow]

GEOREFERENCED = ("rotterdam_pan2.tif", "s2_honolulu.tif")
# Naval piers with rows of moored ships, of a place that the weights have not seen.
MOORED = ("hrsc_100001158", "hrsc_100001320")


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> Path:
    folder = tmp_path_factory.mktemp("real") / "out"
    scenes = [shared_data / "scenes" / name for name in GEOREFERENCED]
    images = [shared_data / "port" / "images" / f"{name}.jpg" for name in MOORED]
    assert main(["predict", *map(str, [*scenes, *images]), f"out={folder}", "quiet=true"]) == 0
    return folder


@pytest.fixture(scope="module")
def scenes(out: Path) -> pd.DataFrame:
    return pd.read_csv(out / "scenes.csv").set_index("name")


def test_what_is_known_of_the_scenes(scenes: pd.DataFrame) -> None:
    pan, sentinel = scenes.loc["rotterdam_pan2"], scenes.loc["s2_honolulu"]
    assert pan["gsd_m"] == pytest.approx(0.5, abs=0.001)
    # Web Mercator stretches by 1 / cos(latitude): 10 map units are 9.3 m at Honolulu.
    assert sentinel["gsd_m"] == pytest.approx(9.28, abs=0.05)
    assert (pan["in_model_range"], sentinel["in_model_range"]) == (True, True)
    assert (pan["weights"], sentinel["weights"]) == ("port-n4", "port-s2")
    assert (pan["stretch_source"], sentinel["stretch_source"]) == ("percentiles", "percentiles")
    assert scenes.loc[list(MOORED), "gsd_source"].tolist() == ["unknown", "unknown"]


def test_stacks_at_10_m_have_no_number_and_ships_have(out: Path, scenes: pd.DataFrame) -> None:
    counts = pd.read_csv(out / "counts.csv").set_index("scene_id")
    sentinel = counts.loc[scenes.loc["s2_honolulu", "scene_id"]]
    stacks, ships = (sentinel[sentinel["class"] == n] for n in ("container_stack", "ship"))
    assert set(stacks["status"]) == {"outside_model_range"}
    assert stacks["count"].isna().all()
    assert set(ships["status"]) == {"cloud_unknown"}
    assert 5 <= ships.loc[ships["length_class"] == "all", "count"].iloc[0] <= 25  # true are 12


def test_a_third_of_the_pan_scene_was_not_seen(out: Path, scenes: pd.DataFrame) -> None:
    counts = pd.read_csv(out / "counts.csv").set_index("scene_id")
    pan = counts.loc[scenes.loc["rotterdam_pan2", "scene_id"]]
    assert set(pan["status"]) == {"partial"}
    assert pan["observed_fraction"].to_numpy() == pytest.approx(0.677, abs=0.001)


@pytest.mark.parametrize("name", MOORED)
def test_a_picture_without_a_scale_gives_no_number(
    out: Path, scenes: pd.DataFrame, name: str
) -> None:
    counts = pd.read_csv(out / "counts.csv").set_index("scene_id")
    mine = counts.loc[scenes.loc[name, "scene_id"]]
    assert set(mine["status"]) == {"scale_unknown"}
    assert mine[["count", "count_est", "area_m2", "observed_fraction"]].isna().all(axis=None)
    assert "say how many metres a pixel is with scene.gsd=" in scenes.loc[name, "warnings"]


@pytest.mark.parametrize("name", MOORED)
def test_rows_of_moored_ships_are_found(
    out: Path, scenes: pd.DataFrame, shared_data: Path, name: str
) -> None:
    labels = shared_data / "port" / "labels" / f"{name}.txt"
    width, height = scenes.loc[name, ["width", "height"]]
    truth, _, _ = oriented_lines(labels, (int(width), int(height)))
    found = gpd.read_parquet(out / scenes.loc[name, "scene_id"] / "detections.parquet")
    columns = [f"p{axis}{corner}" for corner in range(4) for axis in "xy"]
    corners = found[columns].to_numpy().reshape(-1, 4, 2)
    best = iou_matrix(truth, corners).max(axis=1)
    assert len(truth) >= 8
    assert (best > 0.5).mean() >= 0.7


def test_gdal_reads_every_layer(out: Path, scenes: pd.DataFrame) -> None:
    for scene_id in scenes["scene_id"]:
        package = out / scene_id / "detections.gpkg"
        layers = {name for name, _ in pyogrio.list_layers(package)}
        assert {"detections", "zones", "scenes", "layer_styles"} <= layers
        boxes = pyogrio.read_dataframe(package, layer="detections")
        table = gpd.read_parquet(out / scene_id / "detections.parquet")
        assert len(boxes) == len(table)
        assert np.allclose(boxes["score"], table["score"])
