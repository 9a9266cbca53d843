"""The named cases: rows, rafts, giants, yards, at every angle and place of the seams."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from detector.boxes.scored import Boxes
from detector.geometry.boxes import edge_lengths, iou_matrix, polygons
from detector.simulating.cases import CASES, Case, case_plan, tile_corner
from detector.simulating.views import NO_NOISE, Noise, detect
from detector.tiling.merge import merge
from detector.tiling.plan import TilePlan

ANGLES = (0.0, 15.0, 30.0, 45.0, 82.5)
OFFSETS = ((-220, -180), (-97, 0), (0, 113), (131, -180), (0, 0), (131, 113))
NOISY = Noise(miss=0.0)
GUESSING = Noise(0.0, 0.0, 0.0, miss=0.0, duplicate=0.0, extrapolate=1.0)


@pytest.fixture(scope="module")
def plan() -> TilePlan:
    return case_plan()


def found_in(
    case: Case,
    plan: TilePlan,
    angle: float,
    offset: tuple[float, float],
    noise: Noise,
    seed: int = 0,
) -> tuple[Boxes, np.ndarray]:
    corner = tile_corner(plan)
    truth = case.truth(angle, (corner[0] + offset[0], corner[1] + offset[1]))
    views = detect(truth, plan, noise, np.random.default_rng(seed))
    return merge(views.tile_boxes, plan), truth.corners


@pytest.mark.parametrize("angle", ANGLES)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_exact_boxes_give_the_exact_count(case: Case, plan: TilePlan, angle: float) -> None:
    for offset in OFFSETS:
        for noise in (NO_NOISE, GUESSING):
            found, truth = found_in(case, plan, angle, offset, noise)
            assert len(found) == len(truth), (offset, noise)
            assert iou_matrix(truth, found.corners).max(axis=1).min() > 0.9, (offset, noise)


@pytest.mark.parametrize("angle", ANGLES)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_noisy_boxes_give_the_exact_count(case: Case, plan: TilePlan, angle: float) -> None:
    for seed, offset in enumerate(OFFSETS):
        found, truth = found_in(case, plan, angle, offset, NOISY, seed)
        assert len(found) == len(truth), offset


@pytest.mark.parametrize("angle", ANGLES)
def test_a_stack_row_over_four_tiles_has_the_right_area(plan: TilePlan, angle: float) -> None:
    [case] = [case for case in CASES if case.name == "stack_row"]
    errors = []
    for seed in range(20):
        for offset in OFFSETS:
            found, truth = found_in(case, plan, angle, offset, NOISY, seed)
            area = shapely.area(polygons(found.corners))[0]
            errors.append(area / shapely.area(polygons(truth))[0] - 1)
    # The boxes themselves err by up to 3 % in width; exact boxes are tested with IoU above.
    assert abs(np.mean(errors)) < 0.003
    assert np.quantile(np.abs(errors), 0.9) < 0.03
    for offset in OFFSETS:
        found, truth = found_in(case, plan, angle, offset, NO_NOISE)
        area = shapely.area(polygons(found.corners))[0]
        assert area == pytest.approx(shapely.area(polygons(truth))[0], rel=0.03)


@pytest.mark.parametrize("angle", ANGLES)
def test_a_giant_is_as_long_as_it_is(plan: TilePlan, angle: float) -> None:
    [case] = [case for case in CASES if case.name == "giant"]
    for seed, offset in enumerate(OFFSETS):
        found, _ = found_in(case, plan, angle, offset, NOISY, seed)
        assert edge_lengths(found.corners)[0][0] == pytest.approx(800, rel=0.03)
