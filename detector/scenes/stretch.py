"""One radiometric stretch for a whole scene."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from detector.errors import SceneError
from detector.scenes.types import Stretch

LOW_PERCENTILE = 0.5
HIGH_PERCENTILE = 99.0
FILLED_8BIT_LEVEL = 110  # 8-bit scenes whose bright end reaches this are left as they are
MAX_GAIN_8BIT = 3.0
DARK_8BIT_MEAN = 60.0  # below it an 8-bit scene is dark, though its bright end may be filled
DARK_HIGH_PERCENTILE = 99.8  # of a dark scene: white decks and roofs keep their shades
MAX_GAIN_DARK = 2.0
MAX_GAIN_EYE = 3.0  # of a dark picture, shown to people
FLOAT32_STEPS = 256  # a range of fewer steps than grey levels is no range
SMALLEST_RANGE = 1e-20  # keeps the gain finite in float32
MIN_RELATIVE_RANGE = 0.5  # of the low value: flat water stays dark and flat, not noise


def fit_stretch(values: NDArray[np.generic], dtype: str, *, brighten_dark: bool = False) -> Stretch:
    """The stretch of a scene from a sample of its valid pixels, joint over bands.

    Between the percentiles 0.5 and 99 the map is linear. Its gain is capped in two ways: an
    8-bit scene is amplified at most 3 times, and the range is at least half of the low value, so
    that a scene of water alone does not become amplified noise.

    Args:
        values: valid samples of all bands, any shape.
        dtype: of the file, as numpy names it.
        brighten_dark: stretch an 8-bit scene whose mean is below 60 between the percentiles 0.5 and
            99.8, at most twice, though a few of its values are bright.

    Raises:
        SceneError: there are no finite values.
    """
    sample = _Sample.of(values)
    if not len(sample):
        raise SceneError("no finite values to fit a stretch to")
    low, high = sample.percentile(LOW_PERCENTILE), sample.percentile(HIGH_PERCENTILE)
    if dtype == "uint8":
        if high >= FILLED_8BIT_LEVEL:
            if brighten_dark and sample.mean < DARK_8BIT_MEAN:
                bright = sample.percentile(DARK_HIGH_PERCENTILE)
                span = max(bright - low, 255.0 / MAX_GAIN_DARK)
                return Stretch(float(low), float(low + span), "percentiles")
            return Stretch(0.0, 255.0, "as_is")
        span = max(high - low, 255.0 / MAX_GAIN_8BIT)
    else:
        smallest = FLOAT32_STEPS * float(np.spacing(np.float32(max(abs(low), abs(high)))))
        span = max(high - low, MIN_RELATIVE_RANGE * abs(low), smallest, SMALLEST_RANGE)
    return Stretch(float(low), float(low + span), "percentiles")


def eye_gain(rgb: NDArray[np.uint8], valid: NDArray[np.bool_]) -> float:
    """How much brighter a dark picture should be shown: for the eye, never for the network.

    Args:
        rgb: `(h, w, 3)` of a whole scene as it is read, at any scale.
        valid: `(h, w)` pixels that hold data.

    Returns:
        The gain that takes the mean of its valid pixels to 60, but their percentile 99.8 not beyond
        white, 1 to 3. So it begins at 1: of two dates that are about as dark none jumps.
    """
    seen = rgb if valid.all() else rgb[valid]
    if not seen.size:
        return 1.0
    sample = _Sample.of(seen)
    bright = max(sample.percentile(DARK_HIGH_PERCENTILE), 1.0)
    wanted = DARK_8BIT_MEAN / max(sample.mean, 1.0)
    return float(np.clip(min(255.0 / bright, wanted), 1.0, MAX_GAIN_EYE))


def brightened(rgb: NDArray[np.uint8], gain: float) -> NDArray[np.uint8]:
    """A picture whose values are multiplied; what passes white is white."""
    if gain == 1.0:
        return rgb
    steps = np.clip(np.rint(np.arange(256) * gain), 0, 255).astype(np.uint8)
    return np.asarray(steps[rgb], np.uint8)


def apply_stretch(values: NDArray[np.generic], stretch: Stretch) -> NDArray[np.uint8]:
    """`values` of any shape as uint8; values that are not finite become 0."""
    if stretch.source == "as_is" and values.dtype == np.uint8:
        return np.asarray(values, np.uint8)
    levels = 256**values.dtype.itemsize
    if _has_few_levels(values) and values.size >= levels:  # each value once, not each pixel
        table = _stretched(np.arange(levels).astype(values.dtype), stretch)
        return np.asarray(table[values], np.uint8)
    return _stretched(values, stretch)


def _stretched(values: NDArray[np.generic], stretch: Stretch) -> NDArray[np.uint8]:
    gain = np.float32(255.0 / (stretch.high - stretch.low))
    scaled = (values.astype(np.float32) - np.float32(stretch.low)) * gain
    np.nan_to_num(scaled, copy=False, nan=0.0, posinf=255.0, neginf=0.0)
    return np.asarray(np.clip(np.rint(scaled), 0, 255), np.uint8)


@dataclass(frozen=True, slots=True)
class _Sample:
    """The finite values of a sample, and how many there are of each.

    Whole numbers of few levels are counted, in a tenth of the time that sorting them takes; the
    answers are those of `np.percentile` and `np.mean`, to the last bit.

    Attributes:
        levels: `(N,)` float64, each value once where there are counts.
        counts: `(N,)` of each; None where there is one each.
    """

    levels: NDArray[np.float64]
    counts: NDArray[np.int64] | None = None

    @classmethod
    def of(cls, values: NDArray[np.generic]) -> Self:
        if _has_few_levels(values):
            counts = np.bincount(values.ravel())
            return cls(np.arange(len(counts), dtype=np.float64), counts)
        floats = np.asarray(values, dtype=np.float64).ravel()
        return cls(floats[np.isfinite(floats)])

    def __len__(self) -> int:
        return int(self.counts.sum()) if self.counts is not None else self.levels.size

    @property
    def mean(self) -> float:
        if self.counts is None:
            return float(self.levels.mean())
        return float(self.counts @ self.levels) / len(self)

    def percentile(self, percent: float) -> float:
        """Linear between the two values that it lies between."""
        if self.counts is None:
            return float(np.percentile(self.levels, percent))
        position = percent / 100.0 * (len(self) - 1)
        places = [math.floor(position), math.ceil(position)]
        low, high = self.levels[np.searchsorted(self.counts.cumsum(), places, side="right")]
        part = position - places[0]  # counted from the nearer end, as numpy does
        return float(high - (high - low) * (1 - part) if part >= 0.5 else low + (high - low) * part)


def _has_few_levels(values: NDArray[np.generic]) -> bool:
    return values.dtype.kind == "u" and values.dtype.itemsize <= 2
