"""Blocks that get the look of another yard: what changes, what stays, at which size."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from detector.classes import PORT
from detector.config.compose import load_config
from detector.data.chips import Chip
from detector.geometry.boxes import Corners, corners_from_xywhr
from detector.training.dataset import ChipViews
from detector.training.options import TrainConfig
from detector.training.reclad import GAIN, Cladding
from detector.training.views import ChipView, ViewSettings
from tests.training.chips import make_chip

DONOR_M = 0.5
PERIOD_PX = 8  # of the donors' stripes across their length: 4 m
GROUND = 120


def yard(folder: Path, name: str = "yard", *, width: int = 12, count: int = 4) -> Chip:
    """A chip of 0.5 m with blocks of 80 px by `width`, striped red and blue every 8 px."""
    pixels = np.full((200, 200, 3), GROUND, np.uint8)
    x = np.arange(80)
    stripe = np.where((x // (PERIOD_PX // 2) % 2 == 0)[:, None], (200, 20, 20), (20, 20, 200))
    boxes = []
    for number in range(count):
        top = 10 + 40 * number
        pixels[top : top + width, 40:120] = stripe
        boxes.append((80.0, top + width / 2, 80.0, float(width), 0.0))
    chip = replace(
        make_chip(folder, name, stacks=count),
        gsd_m=DONOR_M,
        corners=corners_from_xywhr(np.array(boxes)),
    )
    np.save(chip.pixels, pixels)
    return chip


def grey_blocks(count: int, length: float, width: float, angle: float = 0.0) -> ChipView:
    """A view of grey blocks on darker ground."""
    pixels = np.full((640, 640, 3), 60, np.uint8)
    boxes = corners_from_xywhr(
        np.array([(320.0, 60.0 + 60 * i, length, width, angle) for i in range(count)])
    )
    for box in boxes:
        cv2.fillConvexPoly(pixels, np.rint(box - 0.5).astype(np.int32), (90, 90, 90))
    return ChipView(pixels, boxes, np.full(count, PORT.id("container_stack"), np.int64))


def inside(boxes: Corners, grow_px: int) -> np.ndarray:
    """Pixels in boxes that are grown, or shrunk, by whole pixels."""
    mask = np.zeros((640, 640), np.uint8)
    for box in boxes:
        cv2.fillConvexPoly(mask, np.rint(box - 0.5).astype(np.int32), 1)
    square = np.ones((2 * abs(grow_px) + 1,) * 2, np.uint8)
    return (cv2.dilate(mask, square) if grow_px > 0 else cv2.erode(mask, square)) > 0


@pytest.mark.parametrize("angle", [0.0, 0.4])
def test_only_blocks_change_and_boxes_stay(tmp_path: Path, angle: float) -> None:
    view = grey_blocks(8, 160.0, 24.0, angle)
    before = view.pixels.copy()
    clad = Cladding([yard(tmp_path)], "rendered").put_on(view, 0.25, np.random.default_rng(1))
    np.testing.assert_array_equal(view.pixels, before)
    np.testing.assert_array_equal(clad.corners, view.corners)
    outside = ~inside(view.corners, 2)
    np.testing.assert_array_equal(clad.pixels[outside], before[outside])
    changed = (clad.pixels != before).any(axis=2)
    blocks = [changed[inside(box[None], -2)].mean() for box in view.corners]
    assert 5 <= sum(share > 0.95 for share in blocks) <= 8
    assert all(share > 0.95 or share == 0 for share in blocks)


def test_containers_are_as_large_as_on_the_ground(tmp_path: Path) -> None:
    """Stripes of 4 m at 0.25 m a pixel: 16 px, though the donor is shorter than the block."""
    view = grey_blocks(1, 400.0, 24.0)
    cladding = Cladding([yard(tmp_path)], "rendered")
    views = [cladding.put_on(view, 0.25, np.random.default_rng(seed)) for seed in range(8)]
    clad = [v.pixels for v in views if (v.pixels != view.pixels).any()]
    assert len(clad) >= 5
    for pixels in clad:
        line = pixels[60, 130:510].astype(int)
        red = line[:, 0] > line[:, 2]
        runs = np.diff(np.flatnonzero(np.diff(red.astype(int))))
        assert np.median(runs) == pytest.approx(PERIOD_PX, abs=1)  # half a period is 8 px here
        assert red.mean() == pytest.approx(0.5, abs=0.1)


def test_a_block_stays_about_as_bright(tmp_path: Path) -> None:
    view = grey_blocks(8, 160.0, 24.0)
    clad = Cladding([yard(tmp_path)], "rendered").put_on(view, 0.25, np.random.default_rng(1))
    for box in view.corners:
        mean = clad.pixels[inside(box[None], -2)].mean()
        assert GAIN[0] * 80 < mean < 90 * np.exp(3 * 0.15)


def test_blocks_of_other_widths_and_ships_keep_their_look(tmp_path: Path) -> None:
    cladding = Cladding([yard(tmp_path)], "rendered")
    wide = grey_blocks(6, 160.0, 40.0)  # 10 m, the donors have 6 m
    ships = replace(grey_blocks(6, 160.0, 24.0), class_ids=np.zeros(6, np.int64))
    for view in (wide, ships):
        clad = cladding.put_on(view, 0.25, np.random.default_rng(1))
        np.testing.assert_array_equal(clad.pixels, view.pixels)


def test_who_gives_a_look(tmp_path: Path) -> None:
    chip = yard(tmp_path)
    assert len(Cladding([chip], "rendered")) == 1
    for other in (
        replace(chip, gsd_m=None),
        replace(chip, gsd_m=0.9),
        replace(chip, source="rendered"),
        yard(tmp_path, "few", count=3),
    ):
        assert len(Cladding([other], "rendered")) == 0


def test_a_series_is_fixed_by_its_seed_and_only_changed_where_asked(tmp_path: Path) -> None:
    chips = [yard(tmp_path), replace(yard(tmp_path, "nogsd"), gsd_m=None)]
    settings = ViewSettings(tile_px=320, stack_gsd_min=0.25, stack_gsd_max=0.25)
    plain, twin, clad = (
        ChipViews(chips, replace(settings, reclad=share), None, 7) for share in (0.0, 1.0, 1.0)
    )
    first, again = twin[0], clad[0]
    np.testing.assert_array_equal(first["img"], again["img"])
    np.testing.assert_array_equal(first["bboxes"], again["bboxes"])
    assert not np.array_equal(first["img"], plain[0]["img"])
    # Without a gsd nothing says how large the containers of another yard would be.
    unknown = ChipViews(chips[1:], replace(settings, reclad=1.0), None, 7)
    same = ChipViews(chips[1:], settings, None, 7)
    np.testing.assert_array_equal(unknown[0]["img"], same[0]["img"])


def test_yards_keep_their_look_unless_asked_for() -> None:
    assert ViewSettings().reclad == 0.0
    assert load_config("train", TrainConfig, []).views.reclad == 0.0
