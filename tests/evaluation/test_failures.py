"""The kinds of errors, one situation each."""

from __future__ import annotations

import numpy as np
import pytest

from detector.boxes.scored import Boxes
from detector.evaluation.failures import Kind, explain
from detector.evaluation.truth import Measure
from tests.evaluation.make import boxes, image, random_set

SHIP = [200.0, 200, 100, 20, 0.4]


def moved(along: float, length: float) -> list[float]:
    """A box on the axis of SHIP."""
    return [200 + along * np.cos(0.4), 200 + along * np.sin(0.4), length, 20, 0.4]


def kinds(truth: list[list[float]], found: list[list[float]], **changes: object):
    scores = np.linspace(0.9, 0.5, len(found)).tolist()
    result = explain(image("a", truth, **changes), boxes(found, scores), 0)
    return result.predicted_kinds, result.true_kinds


def test_right_and_false_and_missed() -> None:
    other = [320.0, 60, 60, 12, 0]
    assert kinds([SHIP, other], [SHIP, [60, 320, 60, 12, 0]]) == (
        [Kind.RIGHT, Kind.FALSE],
        [Kind.RIGHT, Kind.MISSED],
    )


def test_duplicate() -> None:
    assert kinds([SHIP], [SHIP, moved(10, 90)]) == ([Kind.RIGHT, Kind.DUPLICATE], [Kind.RIGHT])


def test_split() -> None:
    assert kinds([SHIP], [moved(-26, 45), moved(26, 45)]) == ([Kind.SPLIT] * 2, [Kind.SPLIT])


def test_split_of_a_found_ship_is_an_error_of_the_prediction_only() -> None:
    assert kinds([SHIP], [moved(-20, 60), moved(30, 35)]) == (
        [Kind.RIGHT, Kind.SPLIT],
        [Kind.RIGHT],
    )


def test_merged() -> None:
    assert kinds([moved(-26, 45), moved(26, 45)], [SHIP]) == ([Kind.MERGED], [Kind.MERGED] * 2)


def test_localisation() -> None:
    assert kinds([SHIP], [moved(60, 100)]) == ([Kind.LOCALISATION], [Kind.LOCALISATION])


def test_wrong_class() -> None:
    truth = image("a", [SHIP])
    stack = boxes([SHIP], [0.9], 1)
    assert explain(truth, stack, 1).predicted_kinds == [Kind.WRONG_CLASS]
    assert explain(truth, stack, 0).true_kinds == [Kind.WRONG_CLASS]


def test_wrong_class_needs_a_class_that_is_scored() -> None:
    truth = image("a", measures=(Measure.NONE, Measure.POLYGON))
    assert explain(truth, boxes([SHIP], [0.9], 1), 1).predicted_kinds == [Kind.FALSE]


def test_neutral() -> None:
    small = [60.0, 60, 20, 8, 0]
    assert kinds([SHIP], [SHIP, small], complete_above_px=(30.0, 0.0))[0] == [
        Kind.RIGHT,
        Kind.NEUTRAL,
    ]


def test_envelopes_are_split_by_envelopes() -> None:
    upright = [200.0, 200, 100, 20, 0]
    halves = [[175.0, 200, 45, 20, 0], [225.0, 200, 45, 20, 0]]
    changes = {"measures": (Measure.ENVELOPE, Measure.NONE)}
    assert kinds([upright], halves, **changes) == ([Kind.SPLIT] * 2, [Kind.SPLIT])


def test_nothing_there() -> None:
    assert explain(image("a"), Boxes.empty(), 0).predicted_kinds == []


@pytest.mark.parametrize("seed", range(3))
def test_every_object_has_one_kind(seed: int) -> None:
    images, predictions = random_set(seed)
    for truth, found in zip(images, predictions, strict=True):
        for class_id in (0, 1):
            result = explain(truth, found, class_id)
            assert len(result.predicted_kinds) == (found.class_ids == class_id).sum()
            assert len(result.true_kinds) == (truth.class_ids == class_id).sum()
            right = result.predicted_kinds.count(Kind.RIGHT)
            assert right == result.true_kinds.count(Kind.RIGHT)
            assert Kind.MISSED not in result.predicted_kinds
            assert Kind.FALSE not in result.true_kinds
