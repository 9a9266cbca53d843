"""Looks: several scenes of a day, objects once, fractions that are never too high."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import combinations, pairwise

import numpy as np
import pytest
import shapely
from affine import Affine

from detector.activity.looks.runs import Observed, RunScene
from detector.activity.looks.sightings import SeenObjects, no_sightings
from detector.activity.looks.zone_looks import ZoneView, merge_objects, union_fraction
from detector.activity.series import Points, change_points, trend
from detector.times import parse_time

ZONE = shapely.box(0, 0, 100, 50)


def view(west: float, east: float, fraction: float) -> ZoneView:
    scene = RunScene(
        "s", "s.tif", datetime(2026, 9, 2, tzinfo=UTC), "EPSG:32652", 1, 1, Affine.identity(),
        True, {}, Observed(1.0, "observed"), no_sightings(),
    )  # fmt: skip
    return ZoneView(scene, shapely.box(west, 0, east, 50), Observed(fraction, "observed"))


def sightings(boxes: list[tuple[float, float, float, float]], scores: list[float]) -> SeenObjects:
    n = len(boxes)
    corners = np.array([[[a, b], [c, b], [c, d], [a, d]] for a, b, c, d in boxes], float)
    return SeenObjects(
        ids=np.array([f"x#{i}" for i in range(n)], np.str_),
        class_ids=np.zeros(n, np.int64),
        scores=np.array(scores),
        corners=corners,
        length_m=np.full(n, 100.0),
        width_m=np.full(n, 20.0),
        axis_deg=np.full(n, 90.0),
        gsd_m=np.full(n, 0.5),
    )


@pytest.mark.parametrize(
    ("views", "expected"),
    [
        ([view(0, 100, 1.0)], 1.0),
        ([view(0, 60, 0.6), view(40, 100, 0.6)], 1.0),  # footprints add up
        ([view(0, 60, 0.6), view(0, 50, 0.5)], 0.6),
        ([view(0, 100, 0.7), view(0, 100, 0.6)], 0.7),  # clouds: which parts is not known
        ([view(0, 50, 0.5), view(50, 100, 0.3)], 0.8),  # cloud in a part of its own
    ],
)
def test_seen_part_of_several_scenes(views: list[ZoneView], expected: float) -> None:
    assert union_fraction(ZONE, views) == pytest.approx(expected, abs=1e-6)


def test_objects_of_two_scenes_are_one_by_geometry() -> None:
    first = sightings([(0, 0, 100, 20), (200, 0, 300, 20)], [0.7, 0.9])
    second = sightings([(3, 1, 103, 21), (400, 0, 500, 20)], [0.8, 0.6])
    merged = merge_objects([first, second])
    assert sorted(merged.scores.tolist()) == [0.6, 0.8, 0.9]


def test_ships_of_one_scene_are_never_merged() -> None:
    rafted = sightings([(0, 0, 100, 20), (5, 2, 105, 22)], [0.7, 0.9])
    assert len(merge_objects([rafted, sightings([(900, 0, 950, 9)], [0.5])])) == 3


def test_times_without_an_offset_are_utc() -> None:
    assert parse_time("2026-09-02T11:00:00+09:00") == parse_time("2026-09-02T02:00:00")


def test_trend_and_change_points() -> None:
    day = np.arange(20.0)
    slope = trend(Points(day, 3 + 0.5 * day))
    assert slope is not None
    assert slope["per_day"] == pytest.approx(0.5)
    level = np.array([2.0] * 10 + [12.0] * 10)
    assert change_points(Points(day, level)) == [10]
    assert change_points(Points(day, np.full(20, 4.0))) == []
    assert trend(Points(day[:4], level[:4])) is None


def test_change_points_are_the_best_of_all_segmentations() -> None:
    generator = np.random.default_rng(0)
    found = 0
    for _ in range(60):
        n = int(generator.integers(6, 13))
        values = generator.poisson(generator.choice([1.0, 6.0, 20.0], n).repeat(3)[:n]).astype(
            float
        )
        changes = change_points(Points(np.arange(float(n)), values))
        x = np.sqrt(values)
        spread = 1.4826 * np.median(np.abs(np.diff(x))) / np.sqrt(2)
        penalty = 3 * max(spread, 0.5) ** 2 * np.log(n)
        costs = {
            cut: sum(float(((part - part.mean()) ** 2).sum()) for part in np.split(x, cut))
            + penalty * len(cut)
            for number in range(4)
            for cut in combinations(range(3, n - 2), number)
            if all(later - earlier >= 3 for earlier, later in pairwise(cut))
        }
        assert costs[tuple(changes)] == pytest.approx(min(costs.values()))
        found += len(changes)
    assert found > 40
