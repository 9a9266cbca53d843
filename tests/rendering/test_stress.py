"""The stress scenes hold what they promise."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import shapely

from detector.classes import PORT
from detector.rendering import RenderedScene
from detector.rendering.stress import lanes_of_stacks, merge_harbour, moored_row, ships_on_seams


def axis_deg(corners: np.ndarray) -> float:
    along = corners[1] - corners[0]
    return float(np.rad2deg(np.arctan2(along[1], along[0])) % 180)


def boxes(scene: RenderedScene, class_id: int) -> list[np.ndarray]:
    return [item.corners for item in scene.truth if item.class_id == class_id and item.counts]


@pytest.mark.parametrize("angle", [0.0, 30.0, 45.0, 90.0])
def test_a_moored_row_is_whole_inside_the_scene_and_almost_touches(angle: float) -> None:
    scene = moored_row(angle, ships=10)
    ships = boxes(scene, PORT.id("ship"))
    assert len(ships) == 10
    assert min(item.visible for item in scene.truth) > 0.9999
    for corners in ships:
        assert min(abs(axis_deg(corners) - angle), 180 - abs(axis_deg(corners) - angle)) < 0.5
    shapes = shapely.polygons(np.array(ships))
    gaps = [a.distance(b) * 0.5 for a, b in pairwise(shapes)]
    assert max(gaps) < 2.0
    assert min(gaps) > 1.0


@pytest.mark.parametrize("angle", [0.0, 45.0])
def test_rows_of_stacks_are_parallel_and_separate(angle: float) -> None:
    scene = lanes_of_stacks(angle, rows=6, bays=4)
    stacks = boxes(scene, PORT.id("container_stack"))
    assert len(stacks) == 6
    shapes = shapely.polygons(np.array(stacks))
    for i in range(6):
        for j in range(i):
            assert shapes[i].distance(shapes[j]) * 0.5 > 5.0


def test_ships_lie_across_the_seams() -> None:
    scene = ships_on_seams(20.0, (300, 800), length_m=120.0, size_px=(1100, 1100))
    ships = boxes(scene, PORT.id("ship"))
    assert len(ships) == 4
    for corners in ships:
        assert any(
            corners[:, 0].min() + 50 < seam < corners[:, 0].max() - 50 for seam in (300, 800)
        )


def test_the_harbour_has_boats_rows_and_giants() -> None:
    scene = merge_harbour(2, gsd_m=1.0)
    lengths = [item.length_m for item in scene.truth if item.class_id == PORT.id("ship")]
    assert sum(length < 16 for length in lengths) > 50
    assert sum(length >= 299 for length in lengths) == 3
    assert sum(item.state == "rafted" for item in scene.truth) >= 6
