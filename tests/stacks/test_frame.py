"""Directions on the ground of a scene, and its pixels at places in metres."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from affine import Affine

from detector.scenes.scene import open_scene
from detector.scenes.types import SceneOptions
from detector.stacks.frame import GroundFrame, ground_frame
from detector.stacks.patch import Patch, read_patch
from tests.scenes.rasters import gradient, utm_transform, write_raster
from tests.stacks.made import box_of, frame_of, patch_of


def frame_from(folder: Path, turn_deg: float = 0.0, **angles: float) -> GroundFrame:
    transform = utm_transform(0.5) @ Affine.rotation(turn_deg)
    path = write_raster(folder / "a.tif", gradient(60, 40), transform=transform)
    names = {
        "elevation": "view:sun_elevation",
        "azimuth": "view:sun_azimuth",
        "off_nadir": "view:off_nadir",
        "view": "view:azimuth",
    }
    properties = {names[key]: value for key, value in angles.items()}
    path.with_suffix(".json").write_text(json.dumps({"properties": properties}))
    with open_scene(path) as scene:
        frame = ground_frame(scene)
    assert frame is not None
    return frame


@pytest.mark.parametrize(
    ("elevation", "azimuth", "shadow"),
    [
        (45.0, 180.0, (0.0, -1.0)),  # sun in the south: the shadow goes north, up
        (45.0, 90.0, (-1.0, 0.0)),  # sun in the east: west, left
        (30.0, 0.0, (0.0, math.sqrt(3))),
        (60.0, 225.0, (math.sqrt(1 / 6), -math.sqrt(1 / 6))),
    ],
)
def test_a_shadow_lies_away_from_the_sun(
    tmp_path: Path, elevation: float, azimuth: float, shadow: tuple[float, float]
) -> None:
    frame = frame_from(tmp_path, elevation=elevation, azimuth=azimuth)
    assert frame.shadow == pytest.approx(shadow, abs=2e-3)
    assert frame.throw == pytest.approx(shadow, abs=2e-3)
    assert not frame.lean_known


@pytest.mark.parametrize(
    ("off_nadir", "view", "lean", "east_north"),
    [
        (45.0, 180.0, (0.0, -1.0), (0.0, 1.0)),  # a sensor in the south: tops lean north
        (45.0, 90.0, (-1.0, 0.0), (-1.0, 0.0)),
        (-20.0, 0.0, (0.0, math.tan(math.radians(20))), (0.0, -math.tan(math.radians(20)))),
    ],
)
def test_tops_lean_away_from_the_sensor(
    tmp_path: Path,
    off_nadir: float,
    view: float,
    lean: tuple[float, float],
    east_north: tuple[float, float],
) -> None:
    frame = frame_from(tmp_path, off_nadir=off_nadir, view=view, elevation=45.0, azimuth=180.0)
    assert frame.lean_known
    assert frame.lean == pytest.approx(lean, abs=3e-3)
    assert frame.lean_east_north == pytest.approx(east_north, abs=1e-9)
    assert frame.throw == pytest.approx(np.array([0.0, -1.0]) - frame.lean, abs=3e-3)


def test_a_view_almost_straight_down_is_taken_from_the_north(tmp_path: Path) -> None:
    frame = frame_from(tmp_path, off_nadir=0.9)
    tilt = math.tan(math.radians(0.9))
    assert frame.lean == pytest.approx((0.0, tilt), abs=1e-5)
    assert frame.lean_east_north == pytest.approx((0.0, -tilt), abs=1e-12)


def test_a_turned_grid_turns_the_shadow(tmp_path: Path) -> None:
    """The grid's columns turned by 90 degrees: north lies to the side."""
    upright = frame_from(tmp_path, elevation=45.0, azimuth=180.0)
    turned = frame_from(tmp_path, 90.0, elevation=45.0, azimuth=180.0)
    assert upright.shadow == pytest.approx((0.0, -1.0), abs=2e-3)
    assert turned.shadow is not None
    assert np.abs(turned.shadow) == pytest.approx((1.0, 0.0), abs=2e-3)
    assert (turned.scale[0], turned.gsd_m) == pytest.approx((0.5 / 0.9996, 0.5 / 0.9996), rel=1e-5)


@pytest.mark.parametrize(
    ("angles", "shadow", "known"),
    [
        ({"elevation": 45.0}, False, False),
        ({"azimuth": 45.0}, False, False),
        ({"elevation": 0.0, "azimuth": 10.0}, False, False),
        ({"elevation": 0.5, "azimuth": 10.0}, True, False),
        ({"off_nadir": 0.9}, False, True),  # almost straight down: where from does not matter
        ({"off_nadir": 1.0}, False, False),
        ({"off_nadir": 1.0, "view": 0.0}, False, True),
        ({"view": 30.0}, False, False),
    ],
)
def test_what_is_not_told_is_not_known(
    tmp_path: Path, angles: dict[str, float], shadow: bool, known: bool
) -> None:
    frame = frame_from(tmp_path, **angles)
    assert (frame.shadow is not None, frame.lean_known) == (shadow, known)
    assert (frame.throw is None) == (not shadow)
    if not known:
        assert frame.lean.tolist() == [0.0, 0.0]
        assert np.isnan(frame.lean_east_north).all()


def test_without_a_crs_there_is_no_north_and_without_gsd_no_frame(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.png", gradient(40, 30), driver="PNG", crs=None)
    path.with_suffix(".json").write_text(
        json.dumps({"properties": {"view:sun_elevation": 45, "view:sun_azimuth": 90}})
    )
    with open_scene(path) as scene:
        assert ground_frame(scene) is None
    with open_scene(path, SceneOptions(gsd_m=0.25)) as scene:
        frame = ground_frame(scene)
    assert frame is not None
    assert frame.shadow is None
    assert frame.gsd_m == 0.25


# Pixels -----------------------------------------------------------------------------------------


def test_places_between_pixels_are_linear() -> None:
    patch = patch_of(lambda x, y: 2 * x + 3 * y, 20.0, 10.0)
    places = np.array([[[5.0, 5.0], [7.3, 2.9]], [[11.75, 8.25], [0.25, 0.25]]])
    expected = 2 * places[..., 0] + 3 * places[..., 1]
    assert patch.grey(places) == pytest.approx(expected, abs=0.05)
    assert patch.colour(places) == pytest.approx(np.repeat(expected[..., None], 3, -1), abs=0.05)


def test_grey_is_luminance() -> None:
    def paint(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.stack([0 * x + 100, 0 * x + 50, 0 * y + 200], axis=-1)

    grey = patch_of(paint, 10.0, 10.0).grey(np.full((1, 1, 2), 5.0))
    assert grey[0, 0] == pytest.approx(0.299 * 100 + 0.587 * 50 + 0.114 * 200, abs=0.01)


def test_free_is_seen_and_under_no_other_and_inside() -> None:
    patch = patch_of(lambda x, y: 0 * x, 10.0, 10.0)
    seen, other = patch.seen.copy(), patch.other.copy()
    seen[:, :4] = False  # 2 m
    other[:, 16:] = True  # from 8 m
    patch = replace(patch, seen=seen, other=other)
    places = np.array([[[1.8, 5.0], [2.2, 5.0], [7.8, 5.0], [8.2, 5.0], [5.0, -1.0], [5.0, 11.0]]])
    assert patch.free(places).tolist() == [[False, True, True, False, False, False]]


def test_a_patch_is_the_window_around_its_box(tmp_path: Path) -> None:
    values = gradient(200, 160)
    values[:, 100:, :] = 0
    path = write_raster(tmp_path / "a.tif", values, nodata=0)
    frame = frame_of()
    box = box_of(20.0, 30.0, 12.0, 6.0)
    other = box_of(30.0, 30.0, 10.0, 6.0).corners[None]
    with open_scene(path) as scene:
        patch = read_patch(scene, frame, box.corners, other, 5.0)
    # 15 to 37 m and 25 to 41 m are pixels 30 to 74 and 50 to 82.
    assert (patch.origin.tolist(), patch.rgb.shape) == ([30.0, 50.0], (32, 44, 3))
    assert np.array_equal(patch.rgb, np.moveaxis(values, 0, -1)[50:82, 30:74].astype(np.float32))
    assert patch.seen.all()
    rows, columns = np.nonzero(patch.other)
    # the other box covers pixels 60 to 74 (of 80) and 60 to 72
    assert (columns.min() + 30, columns.max() + 30) == (60, 73)
    assert (rows.min() + 50, rows.max() + 50) == pytest.approx((60, 72), abs=1)
    with open_scene(path) as scene:
        lower = read_patch(scene, frame, box_of(20.0, 46.0, 12.0, 2.0).corners, other[:0], 4.0)
    assert lower.seen[:, 0].tolist() == [True] * 16 + [False] * 4  # nodata from row 100 on
    assert isinstance(lower, Patch)
