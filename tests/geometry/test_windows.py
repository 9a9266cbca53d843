"""Windows as sets of pixels: against masks on a grid."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.errors import GeometryError
from detector.geometry.windows import PixelWindow

SIDE = 24
start, size = st.integers(-6, 16), st.integers(1, 14)
windows = st.builds(PixelWindow, start, start, size, size)


def pixels(window: PixelWindow | None) -> set[tuple[int, int]]:
    if window is None:
        return set()
    grid = np.argwhere(np.ones((window.height, window.width), bool))
    return {(int(x) + window.col, int(y) + window.row) for y, x in grid}


@given(windows, windows)
def test_what_two_windows_share_are_the_pixels_of_both(a: PixelWindow, b: PixelWindow) -> None:
    assert pixels(a.intersection(b)) == pixels(a) & pixels(b)
    assert a.intersection(b) == b.intersection(a)
    assert a.intersection(a) == a


@given(windows, windows, windows)
def test_it_does_not_matter_which_two_are_cut_first(
    a: PixelWindow, b: PixelWindow, c: PixelWindow
) -> None:
    ab, bc = a.intersection(b), b.intersection(c)
    left = ab.intersection(c) if ab else None
    right = a.intersection(bc) if bc else None
    assert left == right


@given(windows, st.integers(-50, 50), st.integers(-50, 50))
def test_ends_are_the_first_pixels_behind(window: PixelWindow, dx: int, dy: int) -> None:
    xs, ys = zip(*pixels(window), strict=True)
    assert window.bounds == (min(xs), min(ys), max(xs) + 1, max(ys) + 1)
    assert (window.col_end, window.row_end) == (max(xs) + 1, max(ys) + 1)
    moved = PixelWindow(window.col + dx, window.row + dy, window.width, window.height)
    assert np.array(moved.bounds).tolist() == (np.array(window.bounds) + [dx, dy] * 2).tolist()


def test_windows_that_touch_share_nothing() -> None:
    window = PixelWindow(0, 0, 10, 10)
    assert window.intersection(PixelWindow(10, 0, 5, 5)) is None
    assert window.intersection(PixelWindow(0, 10, 5, 5)) is None
    assert window.intersection(PixelWindow(10, 10, 5, 5)) is None
    assert window.intersection(PixelWindow(9, 9, 5, 5)) == PixelWindow(9, 9, 1, 1)


@pytest.mark.parametrize(("width", "height"), [(0, 5), (5, 0), (-1, 5), (5, -3), (0, 0)])
def test_a_window_of_nothing_is_refused(width: int, height: int) -> None:
    with pytest.raises(GeometryError, match=f"{width} x {height} pixels holds nothing"):
        PixelWindow(0, 0, width, height)
    assert PixelWindow(-4, -9, 1, 1).bounds == (-4, -9, -3, -8)


@pytest.mark.parametrize(
    ("width", "height", "side", "expected"),
    [
        (1024, 1024, 1024, (1024, 1024)),
        (1025, 1024, 1024, (1024, 1023)),
        (10, 20, 1024, (10, 20)),  # never enlarged
        (4000, 3, 1024, (1024, 1)),
        (100_000, 1, 64, (64, 1)),  # 0.0006 rows are one
        (1, 9000, 512, (1, 512)),
        (3000, 2000, 1500, (1500, 1000)),
    ],
)
def test_sizes_are_reduced_in_proportion(
    width: int, height: int, side: int, expected: tuple[int, int]
) -> None:
    assert PixelWindow(3, 4, width, height).size_within(side) == expected


@given(st.integers(1, 100_000), st.integers(1, 100_000), st.integers(1, 4096))
def test_a_reduced_size_fits_and_keeps_its_proportion(width: int, height: int, side: int) -> None:
    w, h = PixelWindow(0, 0, width, height).size_within(side)
    assert 1 <= w <= min(width, side)
    assert 1 <= h <= min(height, side)
    assert abs(w * height - h * width) <= max(width, height)  # off by less than a pixel
    assert max(w, h) == min(side, max(width, height))
