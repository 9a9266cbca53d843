"""A rendered scene as its users see it: shape, truth, files."""

from __future__ import annotations

import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio

from detector.classes import PORT
from detector.geometry.boxes import order_corners
from detector.rendering import (
    LayoutSpec,
    PortSpec,
    RenderedScene,
    count_truth,
    render,
)
from detector.rendering.write import write_scene

SPEC = PortSpec(width=640, height=512, layout=LayoutSpec(("container",), 520.0, -20.0, 0.6))


@pytest.fixture(scope="module")
def scene() -> RenderedScene:
    return render(SPEC, 3)


def test_values_are_an_image_of_the_size_asked_for(scene: RenderedScene) -> None:
    assert scene.values.shape == (512, 640, 3)
    assert scene.values.dtype == np.uint8
    assert scene.values.std() > 20


def test_there_are_ships_and_stacks_and_both_are_counted(scene: RenderedScene) -> None:
    assert count_truth(scene.truth, PORT.id("ship")) >= 1
    assert count_truth(scene.truth, PORT.id("container_stack")) >= 5


def test_corners_are_ordered(scene: RenderedScene) -> None:
    for item in scene.truth:
        assert np.allclose(order_corners(item.corners[None])[0], item.corners)


def test_files_hold_the_scene(scene: RenderedScene, tmp_path: Path) -> None:
    path = write_scene(scene, tmp_path)
    with rasterio.open(path) as raster:
        assert raster.crs.to_epsg() == 32652
        assert raster.nodata == 0
        assert np.array_equal(raster.read(), scene.values.transpose(2, 0, 1))
    item = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert item["properties"]["view:sun_elevation"] == SPEC.sky.sun_elevation_deg
    truth = gpd.read_file(path.with_name(path.stem + "_truth.geojson"))
    assert len(truth) == len(scene.truth)
    zones = gpd.read_file(path.with_name(path.stem + "_zones.geojson"))
    assert {"berth", "quay", "yard"} <= set(zones["kind"])
