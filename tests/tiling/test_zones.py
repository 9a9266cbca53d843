"""A plan of a part of a scene: what it sees whole is right, and what it cuts is known."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from detector.boxes.scored import Boxes
from detector.classes import PORT
from detector.geometry.boxes import iou_matrix
from detector.simulating.views import GSD_M, NO_NOISE, Truth, detect
from detector.tiling.merge import merge
from detector.tiling.plan import PlanSettings, plan_tiles, reach_beyond

SETTINGS = PlanSettings.for_scene(GSD_M, tile_px=640, read_gsd_m=GSD_M)
ZONE = shapely.box(1500, 1500, 2100, 2100)
ALL = plan_tiles(4000, 4000, SETTINGS)
PART = plan_tiles(4000, 4000, SETTINGS, wanted=ZONE)


def in_the_zone(boxes: Boxes) -> Boxes:
    centres = shapely.points(boxes.corners.mean(axis=1))
    return boxes.select(np.asarray(shapely.intersects(ZONE, centres)))


@pytest.mark.parametrize("length_m", [30, 60, 120, 300])
@pytest.mark.parametrize("of", range(len(PORT)))
def test_what_the_plan_of_a_zone_does_not_flag_is_what_the_whole_plan_finds(
    length_m: int, of: int
) -> None:
    rng = np.random.default_rng(length_m)
    flagged = same = 0
    for _ in range(40):
        size = (length_m / GSD_M, 12.2 / GSD_M)
        one = np.array([[*rng.uniform(1300, 2300, 2), *size, rng.uniform(0, np.pi)]])
        truth = Truth(one, np.array([int(of)]), np.array(["one"]))
        whole, part = (
            merge(detect(truth, plan, NO_NOISE, np.random.default_rng(0)).tile_boxes, plan)
            for plan in (ALL, PART)
        )
        assert len(whole) == 1
        beyond = reach_beyond(part, PART)
        flagged += int(beyond.sum())
        sound = part.select(~beyond)
        same += len(sound)
        assert (iou_matrix(sound.corners, whole.corners) > 0.99).all()
        if not beyond.any():  # nothing was cut, so nothing is counted wrongly
            assert len(in_the_zone(part)) == len(in_the_zone(whole))
    if (length_m, of) == (300, PORT.id("container_stack")):
        assert flagged > 15
    else:
        assert same > 3


def test_nothing_goes_on_beyond_the_border_of_the_scene() -> None:
    at_border = Boxes(
        np.array([[[0.0, 0], [90, 0], [90, 30], [0, 30]]]), np.ones(1, np.float32), np.ones(1, int)
    )
    assert not reach_beyond(at_border, ALL).any()
    assert reach_beyond(at_border, PART).all()
