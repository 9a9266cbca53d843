"""Count, area and length errors by hand."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from detector.boxes.scored import Boxes
from detector.evaluation.counts import (
    CountRows,
    count_errors,
    image_areas,
    image_counts,
    length_errors,
    zone_counts,
)
from detector.evaluation.select import select
from detector.evaluation.table import match_images
from detector.evaluation.truth import Measure
from tests.evaluation.make import boxes, image, random_set


def test_errors_by_hand() -> None:
    rows = CountRows(
        true=np.array([10.0, 20, 0, 5]),
        counted=np.array([11.0, 15, 2, 5]),
        place=np.array([0, 1, 1, 2]),
        n_places=3,
    )
    errors = count_errors(rows)
    assert errors.bias.value == pytest.approx((1 - 5 + 2 + 0) / 4)
    assert errors.mae.value == pytest.approx((1 + 5 + 2 + 0) / 4)
    assert errors.mape.value == pytest.approx((0.1 + 0.25 + 0) / 3)
    assert errors.n_mape == 3
    assert errors.total_error.value == pytest.approx(-2 / 35)
    assert errors.within_10.value == pytest.approx(2 / 3)
    assert (errors.n, errors.n_places, errors.n_within_10) == (4, 3, 3)
    assert np.isnan(errors.bias.low)  # three places say nothing of how places differ


def test_interval_of_the_bias_is_that_of_theory() -> None:
    rng = np.random.default_rng(0)
    true = np.full(300, 10.0)
    error = rng.normal(0.5, 2.0, 300)
    errors = count_errors(CountRows(true, true + error, np.arange(300), 300))
    half = 1.96 * error.std() / np.sqrt(300)
    assert errors.bias.low == pytest.approx(error.mean() - half, abs=0.03)
    assert errors.bias.high == pytest.approx(error.mean() + half, abs=0.03)


def test_images_of_one_place_widen_the_interval() -> None:
    rng = np.random.default_rng(0)
    error = np.repeat(rng.normal(0, 2.0, 20), 10)
    true = np.full(200, 10.0)
    apart = count_errors(CountRows(true, true + error, np.arange(200), 200)).bias
    together = count_errors(CountRows(true, true + error, np.repeat(np.arange(20), 10), 20)).bias
    assert together.high - together.low > 2 * (apart.high - apart.low)


def test_counts_of_images_are_right_plus_false() -> None:
    region = boxes([[300, 300, 60, 60, 0]], [1]).corners
    truth = [
        image("a", [[100, 100, 40, 10, 0], [200, 100, 40, 10, 0]]),
        image("b", ignored=region, ignored_class_ids=np.array([0])),
    ]
    found = [
        boxes([[100, 100, 40, 10, 0], [50, 300, 40, 10, 0], [90, 300, 30, 10, 0]], [0.9, 0.8, 0.7]),
        boxes([[300, 300, 40, 10, 0]], [0.9]),
    ]
    table = match_images(truth, found)
    rows = image_counts(select(table, 0, Measure.POLYGON), table)
    assert rows.true.tolist() == [2, 0]
    assert rows.counted.tolist() == [3, 0]  # the one in the ignored region is not counted
    assert rows.place.tolist() == [0, 1]


def test_counts_add_up_in_a_random_set() -> None:
    images, predictions = random_set(4)
    table = match_images(images, predictions)
    rows = image_counts(select(table, 1, Measure.POLYGON), table)
    assert rows.true.tolist() == [(i.class_ids == 1).sum() for i in images]
    assert rows.counted.tolist() == [(p.class_ids == 1).sum() for p in predictions]


def test_areas_in_square_metres() -> None:
    truth = image("a", [[100, 100, 40, 10, 0.3]], gsd_m=0.5)
    table = match_images([truth], [boxes([[100, 100, 50, 10, 0.3]], [0.9])])
    part = select(table, 0, Measure.POLYGON)
    metres = image_areas(part, table, metres=True)
    assert metres.true[0] == pytest.approx(40 * 10 * 0.25)
    assert metres.counted[0] == pytest.approx(50 * 10 * 0.25)
    assert image_areas(part, table, metres=False).true[0] == pytest.approx(400)
    without = match_images([image("a", [[100, 100, 40, 10, 0.3]])], [Boxes.empty()])
    unknown = image_areas(select(without, 0, Measure.POLYGON), without, metres=True)
    assert len(unknown.true) == 0


def test_lengths_in_metres_where_the_gsd_is_known() -> None:
    truth = [
        image("a", [[100, 100, 40, 10, 0]], gsd_m=0.5),
        image("b", [[100, 100, 80, 20, 0]], gsd_m=2.0),
        image("c", [[100, 100, 80, 20, 0]]),
    ]
    found = [
        boxes([[100, 100, 44, 10, 0], [300, 300, 70, 10, 0]], [0.9, 0.8]),
        boxes([[100, 100, 70, 20, 0]], [0.9]),
        boxes([[100, 100, 60, 20, 0]], [0.9]),
    ]
    table = match_images(truth, found)
    errors = length_errors(select(table, 0, Measure.POLYGON), table)
    assert (errors.n, errors.n_places) == (2, 2)
    assert errors.bias_m.value == pytest.approx((2 - 20) / 2)
    assert errors.mae_m.value == pytest.approx((2 + 20) / 2)
    assert errors.mape.value == pytest.approx((2 / 20 + 20 / 160) / 2)


def test_zones_count_centres() -> None:
    zones = (shapely.box(0, 0, 200, 400), shapely.box(200, 0, 400, 400))
    truth = image("a", [[100, 100, 40, 10, 0], [100, 200, 40, 10, 0], [300, 9, 40, 10, 0]])
    truth = type(truth)(**{f: getattr(truth, f) for f in truth.__slots__} | {"zones": zones})
    found = boxes([[100, 100, 40, 10, 0], [205, 200, 40, 10, 0], [300, 9, 40, 10, 0]], [1, 1, 1])
    rows = zone_counts([truth], [found], 0)
    assert rows.true.tolist() == [2, 1]
    assert rows.counted.tolist() == [1, 2]
    assert zone_counts([truth], [found], 1).true.tolist() == [0, 0]
    assert zone_counts([image("b")], [found], 0).n_places == 0


def test_no_rows() -> None:
    errors = count_errors(CountRows(np.zeros(0), np.zeros(0), np.zeros(0, np.int64), 0))
    assert errors.n == 0
    assert np.isnan(errors.bias.value)
