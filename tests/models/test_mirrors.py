"""Mirrored readings: brought back exactly, and the mean of equal ones is the one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from detector.geometry.boxes import corners_from_xywhr, iou_matrix
from detector.models.detector import DetectorSettings, load_detector
from detector.models.mirrors import (
    AS_IT_IS,
    DOUBT,
    MIRRORS,
    Mirror,
    MirroredRunner,
    mean_prediction,
    mirror_tiles,
    twins,
    unmirror,
)
from tests.models.conftest import Files
from tests.models.raw import raw_predictions

SIDE, STRIDES = 64, (8, 16, 32)
ANCHORS = sum((SIDE // stride) ** 2 for stride in STRIDES)


def anchor_centres() -> NDArray[np.float64]:
    """`(anchors, 2)`, as Ultralytics orders them: level by level, row by row."""
    parts = []
    for stride in STRIDES:
        line = (np.arange(SIDE // stride) + 0.5) * stride
        parts.append(np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2))
    return np.concatenate(parts)


def random_raw(seed: int) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    raw = rng.uniform(0, 1, (2, 7, ANCHORS))
    raw[:, :2] = anchor_centres().T + rng.normal(0, 3, (2, 2, ANCHORS))
    raw[:, 2:4] = rng.uniform(4, 40, (2, 2, ANCHORS))
    raw[:, -1] = rng.uniform(-math.pi / 4, 3 * math.pi / 4, (2, ANCHORS))
    return raw.astype(np.float32)


def corners(raw: NDArray[np.float32]) -> NDArray[np.float64]:
    """`(anchors, 4, 2)` of one tile."""
    return np.asarray(corners_from_xywhr(np.concatenate([raw[:4], raw[-1:]]).T), np.float64)


@pytest.mark.parametrize("mirror", [AS_IT_IS, *MIRRORS])
def test_every_anchor_meets_its_mirror_image(mirror: Mirror) -> None:
    twin = twins(mirror, SIDE, STRIDES)
    places = anchor_centres()
    reflected = places.copy()
    if mirror.across:
        reflected[:, 0] = SIDE - reflected[:, 0]
    if mirror.down:
        reflected[:, 1] = SIDE - reflected[:, 1]
    np.testing.assert_array_equal(places[twin], reflected)
    np.testing.assert_array_equal(twin[twin], np.arange(ANCHORS))


@pytest.mark.parametrize("mirror", MIRRORS)
def test_boxes_come_back_where_they_are(mirror: Mirror) -> None:
    raw = random_raw(1)
    back = unmirror(raw, mirror, SIDE, STRIDES)
    twin = twins(mirror, SIDE, STRIDES)
    expected = corners(raw[1])[twin]
    for axis, turned in enumerate((mirror.across, mirror.down)):
        if turned:
            expected[..., axis] = SIDE - expected[..., axis]
    # The same four points; mirroring turns the order around.
    gaps = np.linalg.norm(corners(back[1])[:, :, None] - expected[:, None], axis=-1).min(axis=2)
    assert gaps.max() < 1e-3
    np.testing.assert_array_equal(back[:, 4:-1], raw[:, 4:-1][:, :, twin])
    np.testing.assert_allclose(unmirror(back, mirror, SIDE, STRIDES), raw, atol=1e-4)


def test_the_mean_of_equal_readings_is_the_reading() -> None:
    raw = random_raw(2)
    swapped = raw.copy()
    swapped[:, 2], swapped[:, 3] = raw[:, 3], raw[:, 2]
    swapped[:, -1] += math.pi / 2
    turned = raw.copy()
    turned[:, -1] -= math.pi
    mean = mean_prediction(np.stack([raw, swapped, turned]))
    np.testing.assert_allclose(mean[:, 4:-1], raw[:, 4:-1], atol=1e-6)
    gaps = np.linalg.norm(corners(mean[0])[:, :, None] - corners(raw[0])[:, None], axis=-1)
    assert gaps.min(axis=2).max() < 0.01
    assert (mean[:, 2] >= mean[:, 3]).all()


@given(
    angle=st.floats(-math.pi, math.pi),
    turn=st.floats(0, 0.3),
    length=st.floats(20, 60),
    share=st.floats(0.1, 0.6),
)
def test_boxes_that_differ_by_a_turn_meet_halfway(
    angle: float, turn: float, length: float, share: float
) -> None:
    raw = np.zeros((1, 7, 2), np.float32)
    raw[0, :, 0] = (32, 32, length, share * length, 0.6, 0.1, angle)
    left, right = raw.copy(), raw.copy()
    left[0, -1, 0] -= turn
    right[0, -1, 0] += turn
    mean = mean_prediction(np.stack([left, right]))
    overlap = iou_matrix(corners(mean[0])[:1], corners(raw[0])[:1])[0, 0]
    # cos(2 turn) of the difference of the sides is left, half a side each.
    lost = (1 - math.cos(2 * turn)) * (1 - share) / 2
    wide = share + lost
    inside = (1 - lost) * share / ((1 - lost) * wide + share - (1 - lost) * share)
    assert overlap == pytest.approx(inside, abs=0.02)


def test_the_surer_reading_says_more_about_the_box_and_all_about_the_score() -> None:
    raw = np.zeros((2, 1, 7, 1), np.float32)
    raw[:, 0, 2], raw[:, 0, 3] = 20, 10
    raw[:, 0, 0, 0] = (10, 20)
    raw[:, 0, 4, 0] = (0.9, 0.3)
    mean = mean_prediction(raw)
    assert mean[0, 4, 0] == pytest.approx(0.6)
    assert mean[0, 0, 0] == pytest.approx((0.9 * 10 + 0.3 * 20) / 1.2)


def test_a_mirrored_reading_is_the_same_from_every_side(tiny: Files) -> None:
    tiny.rewrite(mirrored=True)
    settings = DetectorSettings(str(tiny.weights), device="cpu", backend="torch", batch=2)
    detector = load_detector(settings)
    tiles = np.random.default_rng(0).integers(0, 255, (3, 128, 128, 3), np.uint8)
    straight = raw_predictions(detector, tiles)
    assert (straight[:, 4:-1].max(axis=(1, 2)) >= DOUBT).all()
    tiny.rewrite(mirrored=False)
    once = raw_predictions(load_detector(settings), tiles)
    assert np.abs(once - straight).max() > 0.01  # or nothing would be tested
    for mirror in MIRRORS:
        turned = raw_predictions(detector, np.ascontiguousarray(mirror_tiles(tiles, mirror)))
        back = mean_prediction(unmirror(turned, mirror, 128, STRIDES)[None])
        ours = mean_prediction(straight[None])
        np.testing.assert_allclose(back[:, 4:-1], ours[:, 4:-1], atol=1e-5)
        np.testing.assert_allclose(back[:, :4], ours[:, :4], atol=0.01)


class _Counting:
    """A runner that sees a ship in every tile that is not black, and counts what it reads."""

    name, device = "counting", "cpu"

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.read = 0

    def forward(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.batches.append(len(tiles))
        shows = tiles.reshape(len(tiles), -1).max(axis=1) > 0
        self.read += int(shows.sum())
        raw = np.zeros((len(tiles), 7, ANCHORS), np.float32)
        raw[:, 2:4] = 8
        raw[shows, 4] = 0.5
        return raw


def test_only_tiles_that_show_something_are_read_again() -> None:
    counting = _Counting()
    runner = MirroredRunner(counting, SIDE, STRIDES)
    tiles = np.zeros((4, SIDE, SIDE, 3), np.uint8)
    assert runner.forward(tiles).max() == 8
    assert counting.batches == [4]
    tiles[1] = 200
    runner.forward(tiles)
    assert counting.batches == [4, 4, 4]  # three mirrored tiles and a black one
    assert counting.read == 4
    assert (runner.name, runner.device) == ("counting", "cpu")
