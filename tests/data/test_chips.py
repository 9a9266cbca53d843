"""Chips: coverage, borders, paint, cache."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from detector.classes import PORT
from detector.data import port_pool
from detector.data.borders import paint_over, settle
from detector.data.chips import ChipSettings, cut_chips
from detector.data.labelled import DataError, LabelledImage
from detector.geometry.boxes import corners_from_xywhr, edge_lengths, iou_matrix
from detector.geometry.rectangles import clip_to_window, min_rectangles
from tests.data import fakes

SHIP, STACK = PORT.id("ship"), PORT.id("container_stack")
SMALL = ChipSettings(side_px=64, overlap_px=16, scales=(1.0,), min_side_px=8)


def box(x: float, y: float, length: float, width: float, degrees: float = 0.0) -> np.ndarray:
    return corners_from_xywhr(np.array([[x, y, length, width, np.deg2rad(degrees)]]))


@pytest.mark.parametrize(
    ("class_id", "inside", "kept"),
    [(SHIP, 0.75, True), (SHIP, 0.65, False), (STACK, 0.2, True), (STACK, 0.1, False)],
)
def test_what_the_border_keeps(class_id: int, inside: float, kept: bool) -> None:
    ship = box(100 - 20 * (2 * inside - 1), 50, 40, 10)  # a share `inside` lies left of x = 100
    settled = settle(ship, np.array([class_id]), (0, 0, 100, 100))
    assert len(settled.corners) == int(kept)
    assert len(settled.painted) == int(not kept)
    if kept:
        length, width = edge_lengths(settled.corners)
        assert sorted([length[0], width[0]]) == pytest.approx(sorted([40 * inside, 10]))
        assert settled.corners.max() <= 100 + 1e-9


def test_objects_outside_leave_no_trace_and_thin_ones_are_painted() -> None:
    boxes = np.concatenate([box(150, 50, 20, 8), box(50, 50, 20, 2)])
    settled = settle(boxes, np.array([SHIP, SHIP]), (0, 0, 100, 100))
    assert len(settled.corners) == 0
    np.testing.assert_allclose(settled.painted, boxes[1:])


@given(
    st.floats(-20, 120), st.floats(-20, 120), st.floats(5, 60), st.floats(3, 30), st.floats(0, 180)
)
@example(x=0.0, y=2.0, length=44.0, width=3.0, degrees=126.0)
def test_cut_boxes_hold_exactly_the_part_inside(
    x: float, y: float, length: float, width: float, degrees: float
) -> None:
    whole = box(x, y, length, width, degrees)
    cut, share = clip_to_window(whole, (0, 0, 100, 100))
    # Brute force: points of a fine grid in the box's own axes.
    steps = (np.arange(600) + 0.5) / 600  # fine enough for the tip of a sliver
    u, v = np.meshgrid(steps, steps)
    first, along, across = whole[0, 0], whole[0, 1] - whole[0, 0], whole[0, 3] - whole[0, 0]
    points = first + u[..., None] * along + v[..., None] * across
    inside = ((points >= 0) & (points <= 100)).all(axis=-1)
    assert share[0] == pytest.approx(inside.mean(), abs=0.02)
    if share[0] > 0.05:
        extent = [(w[inside].max() - w[inside].min()) for w in (u, v)]
        one, other = edge_lengths(cut)
        long_side, short_side = edge_lengths(whole)
        assert one[0] == pytest.approx(extent[0] * long_side[0], abs=0.02 * long_side[0])
        assert other[0] == pytest.approx(extent[1] * short_side[0], abs=0.02 * short_side[0])


@given(st.floats(20, 80), st.floats(10, 19), st.floats(0, 180), st.floats(0, 1e6))
def test_smallest_rectangle_gives_a_rectangle_back(
    length: float, width: float, degrees: float, far: float
) -> None:
    wanted = box(far, far, length, width, degrees)
    (found,) = min_rectangles([wanted[0]])
    assert iou_matrix(found[None] - far, wanted - far)[0, 0] > 0.999


def test_paint_takes_the_colour_around_and_spares_what_stays() -> None:
    pixels = np.full((60, 60, 3), (10, 60, 90), np.uint8)
    pixels[20:30, 10:50] = 250
    paint_over(pixels, box(30, 25, 42, 12), box(15, 25, 8, 8))
    assert (pixels[20:30, 25:50] == (10, 60, 90)).all()
    assert (pixels[22:28, 13:17] == 250).all()


def pool(tmp_path: Path) -> list[LabelledImage]:
    return [i for i in port_pool.read(fakes.port_pool(tmp_path)) if i.split == "train"]


def test_chips_carry_boxes_states_and_paint(tmp_path: Path) -> None:
    chips, problems = cut_chips(pool(tmp_path), SMALL, tmp_path / "cache")
    assert problems == []
    by_image = {chip.image: chip for chip in chips}
    assert by_image["o.png"].taught == (True, True)
    assert by_image["u.png"].taught == (True, False)
    assert by_image["h.png"].taught == (False, True)
    assert by_image["o.png"].class_ids.tolist() == [SHIP, STACK]
    pixels = by_image["o.png"].read()
    assert pixels.shape == (64, 64, 3)
    assert np.ptp(pixels[3:7, 52:58].reshape(-1, 3), axis=0).max() == 0  # the ignored region
    assert np.ptp(pixels[30:50, 50:60]) > 100  # the noise elsewhere


def test_large_images_are_covered_and_scaled(tmp_path: Path) -> None:
    fakes.port_pool(tmp_path)
    fakes.image(tmp_path / "images" / "o.png", side=200)
    text = (tmp_path / "index.csv").read_text().replace("64,64", "200,200", 1)
    (tmp_path / "index.csv").write_text(text)
    first = next(iter(port_pool.read(tmp_path)))
    settings = ChipSettings(side_px=96, overlap_px=32, scales=(1.0, 0.5), min_side_px=64)
    chips, _ = cut_chips([first], settings, tmp_path / "cache")
    names = sorted(chip.pixels.stem.split("__")[1] for chip in chips)
    starts = (0, 52, 104)
    wanted = [f"{x}_{y}_96x96_1" for x in starts for y in starts]
    halves = [f"{x}_{y}_96x96_0.5" for x in (0, 8) for y in (0, 8)]
    assert names == sorted(wanted + halves)
    assert {(chip.scale, chip.gsd_m) for chip in chips} == {(1.0, 0.5), (0.5, 1.0)}
    unknown, _ = cut_chips([replace(first, gsd_m=None)], settings, tmp_path / "unknown")
    assert {chip.gsd_m for chip in unknown} == {None}


def test_cache_is_used_and_checked(tmp_path: Path) -> None:
    images = pool(tmp_path)
    chips, _ = cut_chips(images, SMALL, tmp_path / "cache")
    stamp = chips[0].pixels.stat().st_mtime_ns
    again, _ = cut_chips(images, SMALL, tmp_path / "cache")
    assert again[0].pixels.stat().st_mtime_ns == stamp
    before = chips[0].pixels.read_bytes()
    chips[0].pixels.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
    mended, _ = cut_chips(images, SMALL, tmp_path / "cache")
    assert mended[0].pixels.read_bytes() == before
    for chip, other in zip(chips, mended, strict=True):
        np.testing.assert_allclose(chip.corners, other.corners, atol=1e-3)


def test_another_setting_or_label_is_another_cache(tmp_path: Path) -> None:
    images = pool(tmp_path)
    folders = {
        cut_chips(some, settings, tmp_path / "cache")[0][0].pixels.parent
        for some, settings in (
            (images, SMALL),
            (images, ChipSettings(32, 8, (1.0,), 8)),
            (images[:1], SMALL),
        )
    }
    assert len(folders) == 3


def test_unreadable_images_are_said_and_an_empty_set_is_refused(tmp_path: Path) -> None:
    images = pool(tmp_path)
    images[1].image.write_bytes(b"nothing")
    chips, problems = cut_chips(images, SMALL, tmp_path / "cache")
    assert len(chips) == 2
    assert len(problems) == 1
    assert "h.png" in problems[0]
    with pytest.raises(DataError, match="no images to cut"):
        cut_chips([], SMALL, tmp_path / "cache")
    with pytest.raises(DataError, match="none of 1 images could be read"):
        cut_chips(images[1:2], SMALL, tmp_path / "cache")
