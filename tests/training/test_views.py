"""Views: pixels and boxes move together, at any scale, angle and place."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from detector.classes import PORT
from detector.data.labelled import DataError
from detector.data.rendered import rendered_depots, rendered_ports
from detector.geometry.boxes import corners_from_xywhr, edge_lengths
from detector.training.augment import AugmentSettings, PixelAugment
from detector.training.dataset import (
    ChipViews,
    MixSampler,
    MixSettings,
    collate,
    mix_weights,
    worth_showing,
)
from detector.training.loss import COMPLETE_ABOVE, TAUGHT
from detector.training.paste import StackLibrary
from detector.training.views import ChipView, ViewSettings, draw_view, join_views, take_view
from tests.training.chips import make_chip

PLAIN = ViewSettings(tile_px=128, collage=0.0, stack_gsd_min=0.0, stack_gsd_max=0.0)


def bright_extent(pixels: np.ndarray) -> np.ndarray:
    rows, cols = np.nonzero(pixels.min(axis=2) > 200)
    return np.array([cols.min(), rows.min(), cols.max() + 1, rows.max() + 1], float)


@given(st.integers(0, 2**32 - 1))
def test_boxes_stay_on_their_objects(seed: int) -> None:
    pixels = np.full((200, 240, 3), 60, np.uint8)
    pixels[80:110, 60:160] = 250
    truth = corners_from_xywhr(np.array([[110.0, 95.0, 100.0, 30.0, 0.0]]))
    view = draw_view(pixels, truth, np.array([0]), PLAIN, np.random.default_rng(seed))
    assert view.pixels.shape == (128, 128, 3)
    for box in view.corners:
        middle = box.mean(axis=0)
        shrunk = middle + (box - middle) * 0.8
        inside = np.clip(shrunk.astype(int), 0, 127)
        assert (view.pixels[inside[:, 1], inside[:, 0]] > 200).all()
        assert (view.pixels[int(middle[1]), int(middle[0])] > 200).all()


@pytest.mark.parametrize("scale", [0.3, 0.5, 1.0, 1.6])
def test_scaled_edges_agree_with_pixels(scale: float) -> None:
    pixels = np.full((200, 200, 3), 60, np.uint8)
    pixels[40:80, 60:160] = 250
    truth = corners_from_xywhr(np.array([[110.0, 60.0, 100.0, 40.0, 0.0]]))
    matrix = np.array([[scale, 0, -20.0 * scale], [0, scale, -10.0 * scale]])
    view = take_view(pixels, truth, np.array([0]), matrix, 256)
    box = view.corners[0]
    wanted = [*box.min(axis=0), *box.max(axis=0)]
    np.testing.assert_allclose(bright_extent(view.pixels), wanted, atol=1.0)


def test_quarter_turns_and_mirrors_keep_sizes(tmp_path: Path) -> None:
    chip = make_chip(tmp_path, "a", ships=1)
    settings = replace(PLAIN, scale_min=1.0, scale_max=1.0, whole=0.0, any_angle=0.0)
    rng = np.random.default_rng(1)
    seen = set()
    for _ in range(20):
        view = draw_view(chip.read(), chip.corners, chip.class_ids, settings, rng)
        for box in view.corners:
            length, width = edge_lengths(box[None])
            if length[0] > 39.9:
                assert (length[0], width[0]) == pytest.approx((40, 14), abs=1e-6)
                seen.add(bool(abs(box[1, 0] - box[0, 0]) > 1))
    assert seen == {True, False}


def test_stacks_of_known_gsd_are_shown_at_the_gsd_of_the_pipeline(tmp_path: Path) -> None:
    chip = make_chip(tmp_path, "a", stacks=1)
    settings = replace(PLAIN, stack_gsd_min=0.25, stack_gsd_max=0.4)
    rng = np.random.default_rng(1)

    def read_gsd(class_ids: np.ndarray, chip_gsd_m: float | None) -> np.ndarray:
        drawn = [
            draw_view(chip.read(), chip.corners, class_ids, settings, rng, chip_gsd_m).scale
            for _ in range(200)
        ]
        return 0.5 / np.array(drawn)

    shown = read_gsd(chip.class_ids, 0.5)
    assert 0.25 <= shown.min() < 0.26
    assert 0.39 < shown.max() <= 0.4
    # Ships, and stacks of unknown gsd, go by the scales.
    for other in (read_gsd(np.array([PORT.id("ship")]), 0.5), read_gsd(chip.class_ids, None)):
        assert other.min() < 0.35
        assert other.max() > 0.6


def test_chips_whose_stacks_would_be_a_blur_are_left_out(tmp_path: Path) -> None:
    stacks = make_chip(tmp_path, "a", stacks=1)
    ships = make_chip(tmp_path, "b", ships=1)
    fine, coarse = replace(stacks, gsd_m=0.59), replace(stacks, gsd_m=0.61)
    far = replace(ships, gsd_m=2.0)
    chips = [stacks, fine, coarse, far]
    by_gsd = replace(PLAIN, stack_gsd_min=0.2, stack_gsd_max=0.4)
    assert worth_showing(chips, by_gsd) == [stacks, fine, far]
    assert worth_showing(chips, PLAIN) == chips


def test_a_cut_ship_is_painted_over() -> None:
    pixels = np.full((100, 100, 3), 90, np.uint8)
    pixels[40:60, 0:100] = 250
    truth = corners_from_xywhr(np.array([[50.0, 50.0, 100.0, 20.0, 0.0]]))
    matrix = np.array([[1.0, 0, -50.0], [0, 1.0, -18.0]])
    view = take_view(pixels, truth, np.array([0]), matrix, 64)
    assert len(view.corners) == 0
    assert view.pixels[24:40, :48].max() == 90


def test_a_collage_holds_four_views_in_order() -> None:
    cells = [
        ChipView(np.full((32, 32, 3), 50 * i, np.uint8), np.full((1, 4, 2), i), np.array([i % 2]))
        for i in range(4)
    ]
    joined = join_views(cells)
    assert joined.pixels.shape == (64, 64, 3)
    assert [int(joined.pixels[y, x, 0]) for y, x in ((1, 1), (1, 40), (40, 1), (40, 40))] == [
        0,
        50,
        100,
        150,
    ]
    np.testing.assert_allclose(joined.corners[:, 0], [[0, 0], [33, 1], [2, 34], [35, 35]])
    assert joined.class_ids.tolist() == [0, 1, 0, 1]


def test_items_are_in_ultralytics_units(tmp_path: Path) -> None:
    chips = [make_chip(tmp_path, "a", ships=2), make_chip(tmp_path, "b", taught=(False, True))]
    views = ChipViews(chips, replace(PLAIN, any_angle=0.0), None, 0)
    items = [views[0], views[1]]
    batch = collate(items)
    assert batch["img"].shape == (2, 3, 128, 128)
    assert batch["img"].dtype == torch.uint8
    assert batch["bboxes"].shape[1] == 5
    assert batch["bboxes"][:, :4].max() <= 1.3
    assert (batch["bboxes"][:, 2] >= batch["bboxes"][:, 3]).all()
    assert ((batch["bboxes"][:, 4] >= -np.pi / 4) & (batch["bboxes"][:, 4] < 3 * np.pi / 4)).all()
    assert batch[TAUGHT].tolist() == [[1, 1], [0, 1]]
    assert batch["batch_idx"].tolist() == [0.0] * len(items[0]["cls"])


def test_a_collage_teaches_only_what_all_its_chips_teach(tmp_path: Path) -> None:
    chips = [make_chip(tmp_path, f"c{i}", ships=1, taught=(True, i > 0)) for i in range(2)]
    views = ChipViews(chips, replace(PLAIN, collage=1.0), None, 3)
    taught = [views[0][TAUGHT].tolist() for _ in range(5)]
    assert taught == [[1, 0]] * 5


def test_items_say_from_which_length_their_source_boxes_everything(tmp_path: Path) -> None:
    chips = [
        replace(make_chip(tmp_path, "h", ships=1), scale=0.5),
        make_chip(tmp_path, "d", ships=1, source="DOTA-v1"),
    ]
    settings = replace(PLAIN, scale_min=1.2, scale_max=1.2, whole=0.0)
    views = ChipViews(chips, settings, None, 0)
    # HRSC2016 boxes ships from 130 px of its images on, DOTA from 10 px on.
    limits = collate([views[0], views[1]])[COMPLETE_ABOVE]
    np.testing.assert_allclose(limits, [[130 * 0.5 * 1.2, 0], [10 * 1.2, 0]], rtol=1e-6)
    collages = replace(settings, collage=1.0, collage_scale_min=0.4, collage_scale_max=0.4)
    limit = ChipViews(chips, collages, None, 1)[0][COMPLETE_ABOVE]
    np.testing.assert_allclose(limit, [130 * 0.5 * 0.4, 0], rtol=1e-6)  # the largest of four


def test_the_mix_has_the_shares_asked_for(tmp_path: Path) -> None:
    chips = [
        make_chip(tmp_path, "s", stacks=2),
        make_chip(tmp_path, "e"),
        make_chip(tmp_path, "h", ships=1),
        make_chip(tmp_path, "x", ships=1, source="xView"),
    ]
    weights = mix_weights(chips, MixSettings(100, 0.4, 0.1, {"xView": 4.0}))
    np.testing.assert_allclose(weights, [0.4, 0.1, 0.1, 0.4])
    sampler = MixSampler(chips, MixSettings(4000, 0.4, 0.1), 5)
    drawn = np.bincount(list(sampler), minlength=4) / 4000
    np.testing.assert_allclose(drawn, [0.4, 0.1, 0.25, 0.25], atol=0.03)
    assert list(sampler) == list(sampler)
    before = list(sampler)
    sampler.set_epoch(1)
    assert list(sampler) != before
    # Without stacks their share goes to the others.
    np.testing.assert_allclose(mix_weights(chips[1:3], MixSettings(9, 0.4, 0.1)), [1 / 6, 5 / 6])
    with pytest.raises(DataError, match="weight 0"):
        mix_weights(chips[2:3], MixSettings(9, 0.4, 0.1, {"HRSC2016": 0.0}))


def test_pasted_stacks_are_boxed_where_they_show(tmp_path: Path) -> None:
    library = StackLibrary([make_chip(tmp_path, "s", stacks=4)])
    assert len(library) == 4
    blank = ChipView(
        np.full((256, 256, 3), 120, np.uint8), np.zeros((0, 4, 2)), np.zeros(0, np.int64)
    )
    rng = np.random.default_rng(0)
    total = 0
    for _ in range(10):
        view = library.paste(blank, rng)
        total += len(view.corners)
        assert (view.class_ids == PORT.id("container_stack")).all()
        for box in view.corners:
            x, y = box.mean(axis=0).astype(int)
            assert view.pixels[y, x].max() < 40
        free = view.pixels.reshape(-1, 3).max(axis=1) == 120
        assert free.mean() > 0.6
    assert total > 10
    assert (blank.pixels == 120).all()


def test_pasted_stacks_are_as_large_as_on_the_ground(tmp_path: Path) -> None:
    chip = replace(make_chip(tmp_path, "s", stacks=4), gsd_m=0.5)  # blocks of 20 m by 7 m
    blank = ChipView(
        np.full((640, 640, 3), 120, np.uint8), np.zeros((0, 4, 2)), np.zeros(0, np.int64)
    )
    rng = np.random.default_rng(0)
    for gsd_m in (0.25, 0.4):
        boxes = np.concatenate(
            [StackLibrary([chip]).paste(blank, rng, gsd_m).corners for _ in range(4)]
        )
        assert len(boxes) > 4
        lengths, widths = edge_lengths(boxes)
        np.testing.assert_allclose(lengths, 20.0 / gsd_m)
        np.testing.assert_allclose(widths, 7.0 / gsd_m)


def test_nothing_is_pasted_over_objects_or_padding(tmp_path: Path) -> None:
    library = StackLibrary([make_chip(tmp_path, "s", stacks=4)])
    rng = np.random.default_rng(0)
    ship = corners_from_xywhr(np.array([[64.0, 64.0, 126.0, 126.0, 0.0]]))
    full = ChipView(np.full((128, 128, 3), 99, np.uint8), ship, np.zeros(1, np.int64))
    padding = ChipView(np.zeros((128, 128, 3), np.uint8), ship[:0], np.zeros(0, np.int64))
    for view in (full, padding):
        for _ in range(5):
            np.testing.assert_array_equal(library.paste(view, rng).pixels, view.pixels)


@pytest.mark.parametrize(
    "name",
    ["light", "colour", "grey", "dark", "haze", "shadow", "blur", "noise", "jpeg", "coarse"],
)
def test_each_augmentation_changes_pixels_and_only_them(name: str) -> None:
    off = dict.fromkeys(AugmentSettings.__slots__, 0.0)
    rng = np.random.default_rng(3)
    pixels = rng.integers(30, 220, (64, 64, 3), np.uint8)
    pixels[:, 48:] = 0
    before = pixels.copy()
    augment = PixelAugment(AugmentSettings(**(off | {name: 1.0})), seed=1)
    changed = augment(pixels)
    assert changed.shape == pixels.shape
    assert changed.dtype == np.uint8
    np.testing.assert_array_equal(pixels, before)
    assert (changed[:, 48:] == 0).all()
    assert np.abs(changed[:, :48].astype(int) - pixels[:, :48]).mean() > 0.5
    if name == "grey":
        assert np.ptp(changed, axis=2).max() == 0
    same = PixelAugment(AugmentSettings(**off), seed=1)(pixels)
    np.testing.assert_array_equal(same, pixels)


def test_one_seed_gives_one_series(tmp_path: Path) -> None:
    chips = [make_chip(tmp_path, "a", ships=2, stacks=2)]
    one, other = (ChipViews(chips, PLAIN, AugmentSettings(), 9) for _ in range(2))
    for _ in range(3):
        first, second = one[0], other[0]
        assert torch.equal(first["img"], second["img"])
        assert torch.equal(first["bboxes"], second["bboxes"])


def test_ports_rendered_once_are_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = next(rendered_ports(tmp_path, 1, 320, 3))
    assert len(first.corners) == len(first.class_ids) > 0
    written = first.image.read_bytes()

    def refuse(*_: object) -> None:
        raise AssertionError("rendered again")

    monkeypatch.setattr("detector.data.rendered.render", refuse)
    again = next(rendered_ports(tmp_path, 1, 320, 3))
    assert again.image.read_bytes() == written
    np.testing.assert_array_equal(again.corners, first.corners)
    np.testing.assert_array_equal(again.class_ids, first.class_ids)
    np.testing.assert_array_equal(again.ignored, first.ignored)
    assert again.gsd_m == first.gsd_m
    with pytest.raises(AssertionError, match="rendered again"):
        next(rendered_ports(tmp_path, 1, 320, 4))


def test_depots_are_crowded_and_fine_enough_for_yards(tmp_path: Path) -> None:
    depots = list(rendered_depots(tmp_path, 3, 512, 0))
    ports = list(rendered_ports(tmp_path, 3, 512, 0))
    assert {image.place for image in depots} == {f"rendered-depot-{i}" for i in range(3)}
    assert all(image.gsd_m is not None and 0.25 <= image.gsd_m <= 0.6 for image in depots)
    blocks, others = (
        [int((image.class_ids == PORT.id("container_stack")).sum()) for image in images]
        for images in (depots, ports)
    )
    assert sum(blocks) >= 40
    assert sum(blocks) > sum(others)
    assert not {image.image for image in depots} & {image.image for image in ports}
