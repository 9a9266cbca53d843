"""What is counted by level is what sorting every value would give, to the last bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from detector.scenes.stretch import apply_stretch, brightened, eye_gain, fit_stretch
from detector.scenes.types import Stretch

SIZES = st.integers(1, 400)


@given(arrays(np.uint16, SIZES, elements=st.integers(0, 9000)))
def test_the_stretch_of_counted_levels_is_that_of_sorted_values(values: NDArray[np.uint16]) -> None:
    low, high = np.percentile(values.astype(float), [0.5, 99.0])
    smallest = 256 * float(np.spacing(np.float32(high)))
    assert fit_stretch(values, "uint16") == Stretch(
        low, low + max(high - low, 0.5 * low, smallest, 1e-20), "percentiles"
    )


@given(arrays(np.uint8, SIZES, elements=st.integers(0, 255)))
def test_dark_8_bit_scenes_are_stretched_as_sorting_says(values: NDArray[np.uint8]) -> None:
    low, bright, high = np.percentile(values.astype(float), [0.5, 99.8, 99.0])
    if high < 110:
        expected = Stretch(low, low + max(high - low, 85.0), "percentiles")
    elif values.mean() < 60:
        expected = Stretch(low, low + max(bright - low, 127.5), "percentiles")
    else:
        expected = Stretch(0.0, 255.0, "as_is")
    assert fit_stretch(values, "uint8", brighten_dark=True) == expected


@given(arrays(np.uint8, (7, 5, 3), elements=st.integers(0, 130)), arrays(np.bool_, (7, 5)))
def test_the_gain_for_the_eye_is_that_of_the_valid_pixels(
    rgb: NDArray[np.uint8], valid: NDArray[np.bool_]
) -> None:
    seen, expected = rgb[valid], 1.0
    if seen.size:
        bright = max(float(np.percentile(seen, 99.8)), 1.0)
        expected = float(np.clip(min(255 / bright, 60 / max(seen.mean(), 1.0)), 1.0, 3.0))
    assert eye_gain(rgb, valid) == expected
    assert brightened(rgb, expected).max() == min(round(rgb.max() * expected), 255)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_a_table_of_levels_shows_what_each_value_alone_shows(dtype: str) -> None:
    rng, stretch = np.random.default_rng(3), Stretch(17.25, 201.5, "percentiles")
    values: NDArray[Any] = rng.integers(
        0, np.iinfo(dtype).max, (3, 180, 130), endpoint=True
    ).astype(dtype)
    alone = [apply_stretch(row, stretch) for plane in values for row in plane]  # no table
    assert (apply_stretch(values, stretch).reshape(-1, 130) == np.array(alone)).all()
