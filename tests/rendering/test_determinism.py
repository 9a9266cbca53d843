"""The same spec and seed give the same scene: in any order, by any number of threads, anywhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from detector.geometry.windows import PixelWindow
from detector.rendering import LayoutSpec, PlaceSpec, PortSpec, SensorSpec, SkySpec, render
from detector.rendering.content import populate
from detector.rendering.layout import lay_out
from detector.rendering.prepared import prepare

GOLDEN = Path(__file__).with_name("golden.png")
LEANING = PortSpec(
    width=420,
    height=360,
    layout=LayoutSpec(["container", "natural"], 300.0, 30.0, 0.55),
    sky=SkySpec(sun_elevation_deg=35.0, cloud_fraction=0.15),
    sensor=SensorSpec(off_nadir_deg=15.0, strip_seam=True),
)


def golden_cases() -> list[np.ndarray]:
    """Small scenes of several kinds, 128 x 128 each."""
    plain = PortSpec(width=128, height=128, gsd_m=1.0)
    kinds = ("container", "piers", "tanks", "natural", "railhead", "general")
    return [
        render(replace(plain, layout=LayoutSpec([kind], 200.0, 15.0, 0.5)), 3).values
        for kind in kinds
    ]


def test_a_second_rendering_is_the_same() -> None:
    first, second = render(LEANING, 7), render(LEANING, 7)
    assert np.array_equal(first.values, second.values)
    assert np.array_equal(first.cloud, second.cloud)
    for a, b in zip(first.truth, second.truth, strict=True):
        assert np.array_equal(a.corners, b.corners)


def test_another_seed_is_another_scene() -> None:
    first, second = render(LEANING, 7), render(LEANING, 8)
    assert (first.values != second.values).mean() > 0.5


def test_windows_may_be_rendered_in_any_order_and_size() -> None:
    site = lay_out(LEANING, 7)
    prepared = prepare(LEANING, site, populate(site, LEANING, 7), 7)
    whole = render(replace(LEANING, sensor=replace(LEANING.sensor, blur_px=0.0)), 7).values
    sharp = replace(prepared, spec=replace(LEANING, sensor=replace(LEANING.sensor, blur_px=0.0)))
    for window in (PixelWindow(200, 150, 190, 140), PixelWindow(0, 0, 150, 200)):
        part = sharp.window(window)[0].values.astype(int)
        same = whole[window.row : window.row_end, window.col : window.col_end].astype(int)
        assert (abs(part - same) <= 1).mean() > 0.999


def test_the_pictures_are_those_that_were_looked_at() -> None:
    """Other machines round differently: by one grey level, and at few edges by a subpixel."""
    golden = cv2.imread(str(GOLDEN), cv2.IMREAD_COLOR)
    assert golden is not None
    now = np.hstack(golden_cases()).astype(int)
    difference = abs(now - golden[..., ::-1].astype(int)).max(axis=2)
    assert (difference <= 1).mean() > 0.999


@pytest.mark.parametrize("rotation_deg", [0.0, 90.0])
def test_the_ground_moves_with_a_geolocation_error(rotation_deg: float) -> None:
    place = PlaceSpec(rotation_deg=rotation_deg)
    base = replace(LEANING, place=place, sky=SkySpec(), sensor=SensorSpec(noise=0.0))
    moved = replace(base, sensor=replace(base.sensor, shift_x_m=10.0, shift_y_m=-6.0))
    here, there = render(base, 5), render(moved, 5)
    grey = [scene.values.mean(axis=2).astype(np.float32) for scene in (here, there)]
    window = cv2.createHanningWindow((420, 360), cv2.CV_32F)
    shift, _ = cv2.phaseCorrelate(grey[0], grey[1], window)
    assert shift == pytest.approx((20.0, -12.0), abs=0.3)
    assert here.transform == there.transform
    assert here.zones.geometry.geom_equals(there.zones.geometry).all()


if __name__ == "__main__":  # python -m tests.rendering.test_determinism, after a wanted change
    cv2.imwrite(str(GOLDEN), np.hstack(golden_cases())[..., ::-1])
