"""What of a box was seen: exact shares and reasons, at the edge, on nodata and under clouds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from detector.geometry.boxes import as_corners, corners_from_xywhr
from detector.inference.coverage import Coverage
from detector.inference.pipeline import find_objects, prepare_scene
from detector.inference.sight import Sight, look_at_boxes
from detector.lengths import UNSEEN_SHARE
from detector.rendering.scene import render
from detector.rendering.spec import PortSpec, SkySpec
from detector.rendering.write import write_scene
from detector.scenes.scene import open_scene
from detector.scenes.types import SceneOptions
from tests.inference.blobs import BlobDetector, blob_scene
from tests.scenes.rasters import gradient, utm_transform, write_raster

UTM52 = "EPSG:32652"
SIDE = 400


def look(
    folder: Path,
    boxes: list[tuple[float, float, float, float, float]],
    *,
    nodata_from: int = SIDE,
    cloud: NDArray[np.bool_] | None = None,
) -> Sight:
    """Boxes (x, y, length, width, angle) of a scene with nodata from a column on, and a cloud."""
    values = np.maximum(gradient(SIDE, SIDE), 1)
    values[:, :, nodata_from:] = 0
    path = write_raster(folder / "a.tif", values, nodata=0)
    if cloud is not None:
        write_raster(folder / "a_cloud.tif", cloud[None].astype(np.uint8))
    with open_scene(path) as scene:
        return look_at_boxes(scene, Coverage.of(scene), corners_from_xywhr(np.array(boxes, float)))


def clouded(columns: slice) -> NDArray[np.bool_]:
    cloud = np.zeros((SIDE, SIDE), bool)
    cloud[:, columns] = True
    return cloud


def test_ships_cut_by_the_scene_by_nodata_or_by_a_cloud_say_so(tmp_path: Path) -> None:
    boxes = [
        (30.0, 200.0, 60.0, 10.0, 0.0),  # ends at the border of the scene
        (100.0, 200.0, 60.0, 10.0, 0.0),
        (290.0, 200.0, 40.0, 10.0, 0.0),  # 10 of 40 px on nodata
        (200.0, 100.0, 80.0, 20.0, 0.0),  # 30 of 80 px under the cloud
        (235.0, 300.0, 30.0, 10.0, 0.0),  # under the cloud by two thirds
    ]
    found = look(tmp_path, boxes, nodata_from=300, cloud=clouded(slice(210, 240)))
    assert found.cut.tolist() == ["scene_edge", "", "nodata", "cloud", "cloud"]
    assert found.unseen_fraction == pytest.approx([0, 0, 0.25, 0.375, 2 / 3])
    assert (found.unseen_fraction >= UNSEEN_SHARE).tolist() == [False] * 4 + [True]
    # the cloud lies over the last 30 px; of the last box the last 10 px show
    assert found.seen_length == pytest.approx([1, 1, 0.75, 0.625, 1 / 3])


def test_a_cloud_across_the_middle_leaves_both_ends(tmp_path: Path) -> None:
    found = look(tmp_path, [(200.0, 200, 100, 10, 0)], cloud=clouded(slice(190, 210)))
    assert found.cut.tolist() == ["cloud"]
    assert found.unseen_fraction == pytest.approx([0.2])
    assert found.seen_length == pytest.approx([1.0])


@settings(max_examples=25, deadline=None)
@given(
    x=st.floats(230, 330), y=st.floats(80, 320), length=st.floats(10, 120), angle=st.floats(0, 3.14)
)
def test_the_unseen_part_is_that_of_the_polygon(
    tmp_path_factory: pytest.TempPathFactory, x: float, y: float, length: float, angle: float
) -> None:
    """Against the exact area of the box right of the column where nodata starts."""
    box = (x, y, length, length / 4, angle)
    found = look(tmp_path_factory.mktemp("s"), [box], nodata_from=280)
    shape = shapely.Polygon(corners_from_xywhr(np.array([box]))[0])
    beyond = shape.intersection(shapely.box(280, -1000, 1000, 1000)).area / shape.area
    # a grid of one point a pixel is off by at most half a pixel of length
    assert abs(found.unseen_fraction[0] - beyond) < 0.5 / min(length, length / 4) + 0.02
    if beyond > 0.02:
        assert found.cut[0] == "nodata"
    if shape.distance(shapely.box(280, -1000, 1000, 1000)) > 4:
        assert found.cut[0] == ""


@pytest.mark.parametrize(("clouds", "expected"), [("auto", True), ("clear", False)])
def test_a_ship_under_a_cloud_is_kept_but_is_no_observation(
    tmp_path: Path, clouds: str, expected: bool
) -> None:
    """Three ships: seen, cut by the cloud, under it; `clear` says that there is no cloud."""
    ships = corners_from_xywhr(
        np.array([(60.0, 60, 80, 16, 0.0), (110, 200, 80, 16, 0.0), (200, 300, 80, 16, 0.0)])
    )
    path = blob_scene(tmp_path / "a.tif", (400, 400), ships, transform=utm_transform(), crs=UTM52)
    cloud = clouded(slice(130, 300))
    write_raster(
        tmp_path / "a_cloud.tif", cloud[None].astype(np.uint8), crs=UTM52, transform=utm_transform()
    )
    detector = BlobDetector()
    with open_scene(path, SceneOptions(clouds=clouds)) as scene:  # type: ignore[arg-type]
        prepared = prepare_scene(scene, detector)  # type: ignore[arg-type]
        found = find_objects(scene, detector, prepared=prepared).detections  # type: ignore[arg-type]
    found = found.select(np.argsort(found.corners[:, 0, 1]))
    assert found.unseen.tolist() == [False, False, expected]
    assert found.counted.tolist() == [True, True, not expected]
    assert found.cut.tolist() == (["", "cloud", "cloud"] if expected else ["", "", ""])
    if expected:
        # 60 of 80 px show, 0.5 m each; the card claims nothing, so nothing is taken off
        assert found.length_low_m[1] == pytest.approx(30, abs=1)
        assert np.isnan(found.length_high_m[1])


def test_what_was_seen_is_what_the_renderer_shows(tmp_path: Path) -> None:
    """Clouds over a rendered port: the truth of every object says how much of it is visible."""
    spec = replace(PortSpec(width=512, height=512), sky=SkySpec(cloud_fraction=0.35))
    rendered = render(spec, seed=6)
    truth = [item for item in rendered.truth if item.role == "object"]
    corners = as_corners([item.corners for item in truth])
    with open_scene(write_scene(rendered, tmp_path / "port.tif")) as scene:
        sight = look_at_boxes(scene, Coverage.of(scene), corners)
    visible = np.array([item.visible for item in truth])
    area_px = shapely.area(shapely.polygons(corners))
    large = area_px > 60  # of smaller boxes a pixel is too large a share
    assert np.abs(1 - sight.unseen_fraction - visible)[large].max() < 0.01
    doubt = np.abs(visible - 0.5) < 0.01
    hidden = sight.unseen_fraction >= UNSEEN_SHARE
    assert (hidden == (visible <= 0.5))[large & ~doubt].all()
    # whatever lies partly beyond the border, or under a cloud, is cut by it
    low, high = corners.min(axis=1), corners.max(axis=1)
    beyond = ((low < 0) | (high > 512)).any(axis=1)
    inside = ((low > 3) & (high < 509)).all(axis=1)
    assert set(sight.cut[beyond]) == {"scene_edge"}
    assert set(sight.cut[inside & large & (visible < 0.9)]) == {"cloud"}
    assert (int(beyond.sum()), int(hidden.sum()), int((sight.cut == "").sum())) == (8, 6, 1)
