"""Axis-aligned ships made oriented by a teacher's boxes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from detector.boxes.scored import Boxes
from detector.data.labelled import LabelledImage, Labelling
from detector.data.orient import OrientSettings, orient_envelopes, orient_image
from detector.geometry.boxes import Corners, corners_from_xywhr, envelopes, iou_matrix

SETTINGS = OrientSettings()


def ships(*xywhr: tuple[float, float, float, float, float]) -> Corners:
    return corners_from_xywhr(np.array([(*v[:4], np.deg2rad(v[4])) for v in xywhr]))


def envelope_boxes(corners: Corners) -> Corners:
    bounds = envelopes(corners)
    size = bounds[:, 2:] - bounds[:, :2]
    centre = (bounds[:, 2:] + bounds[:, :2]) / 2
    return corners_from_xywhr(np.concatenate([centre, size, np.zeros((len(size), 1))], axis=1))


def boxes(corners: Corners) -> Boxes:
    n = len(corners)
    return Boxes(corners, np.full(n, 0.3, np.float32), np.zeros(n, np.int64))


@given(st.floats(0, 180), st.floats(0.9, 1.1), st.floats(-0.02, 0.02), st.floats(-0.02, 0.02))
def test_a_teacher_that_is_a_little_off_is_corrected(
    degrees: float, size: float, dx: float, dy: float
) -> None:
    truth = ships((100, 80, 60, 14, degrees))
    guess = (truth - truth.mean(axis=1)) * size + truth.mean(axis=1) + (60 * dx, 60 * dy)
    found, believed = orient_envelopes(envelope_boxes(truth), boxes(guess), SETTINGS)
    assert believed.all()
    assert iou_matrix(found, truth)[0, 0] > 0.98


def test_each_teacher_box_serves_once_and_best_agreement_first() -> None:
    truth = ships((50, 50, 40, 10, 45), (58, 50, 40, 10, 45))
    found, believed = orient_envelopes(envelope_boxes(truth), boxes(truth[1:]), SETTINGS)
    assert believed.tolist() == [False, True]
    assert iou_matrix(found[1:], truth[1:])[0, 0] > 0.99


def test_long_envelopes_need_no_teacher() -> None:
    found, believed = orient_envelopes(
        ships((50, 50, 90, 15, 0), (50, 90, 40, 20, 0)), Boxes.empty(), SETTINGS
    )
    assert believed.tolist() == [True, False]
    np.testing.assert_allclose(found[0], ships((50, 50, 90, 15, 0))[0])


def test_no_envelopes_no_result() -> None:
    teacher = boxes(ships((5, 5, 4, 2, 0)))
    found, believed = orient_envelopes(np.zeros((0, 4, 2)), teacher, SETTINGS)
    assert found.shape == (0, 4, 2)
    assert believed.shape == (0,)


def test_ships_without_agreement_are_ignored() -> None:
    truth = ships((50, 50, 40, 10, 30), (150, 50, 40, 12, 60))
    image = LabelledImage(
        image=Path("x.png"),
        width=200,
        height=100,
        source="xView",
        split="train",
        place="p",
        gsd_m=0.3,
        corners=np.zeros((0, 4, 2)),
        class_ids=np.zeros(0, np.int64),
        envelopes=envelope_boxes(truth),
        labelling=(Labelling.ENVELOPE, Labelling.NONE),
    )
    stack = Boxes(truth[1:], np.ones(1, np.float32), np.ones(1, np.int64))
    done = orient_image(image, Boxes.concatenate([boxes(truth[:1]), stack]))
    assert done.labelling == (Labelling.ORIENTED, Labelling.NONE)
    assert done.taught == (True, True)
    assert iou_matrix(done.corners, truth[:1])[0, 0] > 0.99
    np.testing.assert_allclose(done.ignored, image.envelopes[1:])
    assert len(done.envelopes) == 0
