"""What a measured length says: of what was seen whole an interval, of what was cut "at least".

A box measures what shows of an object. Where the scene, nodata, a cloud, the part that was read or
the tiles end, the object may go on behind it, and its length is a lower bound. How far a length is
off is told by the card of the weights (`LengthErrors`), fitted by
`detector.calibrating.lengths` for `detector card`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from detector.errors import WeightsError

WHOLE: Final = ""
SCENE_EDGE: Final = "scene_edge"
NODATA: Final = "nodata"
CLOUD: Final = "cloud"
NOT_READ: Final = "not_read"
SCALE_LIMIT: Final = "scale_limit"
CUT_WORDS: Final[Mapping[str, str]] = {
    SCENE_EDGE: "the scene's edge",
    NODATA: "pixels without data",
    CLOUD: "a cloud",
    NOT_READ: "the border of what was read",
    SCALE_LIMIT: "a tile's border: no tile saw all of it",
}
"""Why an object may go on where its box ends, from the surest to the least, in words."""
CUT_TYPE: Final = "<U16"
UNSEEN_SHARE: Final = 0.5  # of a box on unseen pixels, from which it is no observation
LEVEL: Final = 0.9  # of the intervals
LEAST_ERROR_M: Final = 1.0  # no interval is printed narrower


@dataclass(frozen=True, slots=True)
class ErrorBand:
    """How far lengths are off, of objects of like size in pixels.

    Attributes:
        from_px: least length, read pixels.
        log_error: half width of the 90 % interval of the logarithm of the length; None where it is
            known too badly for a claim.
        n_objects: that it was fitted on.
    """

    from_px: float
    log_error: float | None
    n_objects: int


@dataclass(frozen=True, slots=True)
class Measured:
    """Lengths of objects of one class of one scene.

    Attributes:
        length_m: `(N,)`, NaN where the gsd is unknown.
        is_cut: `(N,)` the object may go on where its box ends.
        seen_share: `(N,)` of the length from the first to the last seen pixel.
        gsd_m: of the scene, None where unknown.
        gsd_range_m: 90 % interval of an estimated gsd; None for another.
    """

    length_m: NDArray[np.float64]
    is_cut: NDArray[np.bool_]
    seen_share: NDArray[np.float64]
    gsd_m: float | None
    gsd_range_m: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class LengthErrors:
    """How far the lengths of a set of weights are off, as its card says.

    Attributes:
        bands: by class name, by ascending size in read pixels.
        log_cut: by class name: a cut object is at least `exp(-log_cut)` of what shows of it.
        read_gsd_m: finer scenes are reduced to it.
    """

    bands: Mapping[str, Sequence[ErrorBand]]
    log_cut: Mapping[str, float]
    read_gsd_m: float

    @classmethod
    def from_card(cls, values: Mapping[str, Any], read_gsd_m: float) -> Self:
        """The `lengths` of a card; nothing is claimed where it is empty.

        Args:
            values: of the card.
            read_gsd_m: of the card.

        Raises:
            WeightsError: the card holds something else.
        """
        try:
            classes = values.get("classes", {}).items()
            return cls(
                bands={
                    name: [ErrorBand(**band) for band in known["bands"]] for name, known in classes
                },
                log_cut={name: float(known["log_cut"]) for name, known in classes},
                read_gsd_m=read_gsd_m,
            )
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            raise WeightsError(
                f"the card's lengths are incomplete or mistyped ({error}); run "
                "'detector card' again, or remove them"
            ) from error

    def bounds(self, class_name: str, seen: Measured) -> Bounds:
        """The ends of the 90 % intervals, and what cut objects are at least.

        A card that says nothing of the class gives no interval; then a cut object is at least as
        long as what shows of it, as measured.
        """
        shown = seen.length_m * seen.seen_share
        scale = _log_scale_error(seen.gsd_m, seen.gsd_range_m)
        error = np.hypot(self.log_errors(class_name, seen.length_m, seen.gsd_m), scale)
        below = np.hypot(self.log_cut.get(class_name, 0.0), scale)
        return Bounds(
            low_m=np.where(seen.is_cut, shown * np.exp(-below), seen.length_m * np.exp(-error)),
            high_m=np.where(seen.is_cut, np.nan, seen.length_m * np.exp(error)),
        )

    def log_errors(
        self, class_name: str, length_m: NDArray[np.float64], gsd_m: float | None
    ) -> NDArray[np.float64]:
        """Half widths `(N,)` of the logarithms of lengths seen whole; NaN where nothing is known.

        Args:
            class_name: of all of them.
            length_m: `(N,)`.
            gsd_m: of the scene, None where unknown.
        """
        bands = self.bands.get(class_name, ())
        if not bands or gsd_m is None:
            return np.full(len(length_m), np.nan)
        length_px = length_m / max(gsd_m, self.read_gsd_m)
        at = np.searchsorted([band.from_px for band in bands], length_px, side="right") - 1
        half = [np.nan if band.log_error is None else band.log_error for band in bands]
        return np.array(half)[np.maximum(at, 0)]


@dataclass(frozen=True, slots=True)
class Bounds:
    """Ends of the intervals of lengths.

    Attributes:
        low_m: `(N,)`; of a cut object what it is at least. NaN where nothing is claimed.
        high_m: `(N,)`; NaN of cut objects too.
    """

    low_m: NDArray[np.float64]
    high_m: NDArray[np.float64]


def _log_scale_error(gsd_m: float | None, range_m: tuple[float, float] | None) -> float:
    """What an estimated scale adds to the logarithm of a length, as a 90 % half width."""
    if gsd_m is None or range_m is None:
        return 0.0
    return max(math.log(range_m[1] / gsd_m), math.log(gsd_m / range_m[0]))


def cut_words(cut: str) -> str:
    """Why a length is a lower bound; a reason that a plug-in or a later version made stays."""
    return CUT_WORDS.get(cut, cut)


def say_length(length_m: float, low_m: float, high_m: float, cut: str, unit: str = " m") -> str:
    """A length in words: `at least 147 m`, `180 ± 9 m`, or `180 m` where no error is known.

    Args:
        length_m: as measured; not NaN.
        low_m: end of the interval, NaN where nothing is claimed.
        high_m: the other end; NaN also where it is cut.
        cut: reason, `WHOLE` for none.
        unit: behind the number; empty in a column that says it.
    """
    if cut:
        return f"at least {at_least_m(length_m, low_m):,}{unit}"
    error = half_width_m(length_m, low_m, high_m)
    return f"{length_m:,.0f}" + ("" if error is None else f" ± {error:,}") + unit


def short_length(length_m: float, low_m: float, cut: str) -> str:
    """The same where there is little room: `≥147 m` or `180 m`."""
    return f"≥{at_least_m(length_m, low_m):,} m" if cut else f"{length_m:,.0f} m"


def at_least_m(length_m: float, low_m: float) -> int:
    """Whole metres that a cut object has at least: never rounded up."""
    return math.floor(length_m if math.isnan(low_m) else low_m)


def half_width_m(length_m: float, low_m: float, high_m: float) -> int | None:
    """Whole metres behind the ±: both ends lie inside; None where nothing is claimed."""
    if math.isnan(low_m) or math.isnan(high_m):
        return None
    error = max(round(length_m) - low_m, high_m - round(length_m), LEAST_ERROR_M)
    return math.ceil(error - 1e-9)
