"""One length a ship: what all looks at it say together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from detector.activity.looks.sightings import PlacedObjects
from detector.lengths import WHOLE, say_length, short_length

SHARED_VARIANCE: Final = 0.5
"""Share of the variance of an error that is the ship's own, and stays however often it is seen: a
bow that the network leaves out, a shadow that it takes in. See `docs/counting.md`."""


@dataclass(frozen=True, slots=True)
class ShipLength:
    """The length of a ship.

    Attributes:
        length_m: median of the looks that saw it whole; where none did, the longest piece.
        low_m: lower end of the 90 % interval; of a ship that no look saw whole what it is at least.
            NaN where nothing is claimed.
        high_m: upper end; NaN of a ship that no look saw whole.
        cut: why it is a lower bound (`detector.lengths`); empty where a look saw it whole.
    """

    length_m: float
    low_m: float
    high_m: float
    cut: str

    @classmethod
    def of_looks(cls, ships: PlacedObjects) -> Self:
        """The length of one ship, of its boxes at all looks, at least one."""
        whole = np.flatnonzero(~ships.is_cut)
        if not len(whole):
            longest = int(np.argmax(ships.length_m))
            low = ships.length_low_m
            sure = np.nan if np.isnan(low).all() else float(np.nanmax(low))
            return cls(float(ships.length_m[longest]), sure, np.nan, str(ships.cut[longest]))
        log_error = _log_error(ships.length_low_m[whole], ships.length_high_m[whole])
        length = float(np.median(ships.length_m[whole]))
        return cls(length, length * np.exp(-log_error), length * np.exp(log_error), WHOLE)

    @property
    def columns(self) -> dict[str, float | str | None]:
        """As columns of a table."""
        return {
            "length_m": self.length_m,
            "length_low_m": _known(self.low_m),
            "length_high_m": _known(self.high_m),
            "length_cut": self.cut,
        }


def length_of_event(row: Mapping[str, Any]) -> dict[str, Any]:
    """The first length of an event, as `ShipLength.columns`; the only one of a ship's event."""
    none: list[Any] = [None]
    return {
        "length_m": row["lengths_m"][0],
        "length_low_m": row.get("lengths_low_m", none)[0],
        "length_high_m": row.get("lengths_high_m", none)[0],
        "length_cut": row.get("lengths_cut", none)[0],
    }


def length_in_words(row: Mapping[Any, Any], unit: str = " m") -> str:
    """The length of a row with `ShipLength.columns`: `at least 147 m`, `180 ± 9 m`."""
    return say_length(row["length_m"], _number(row, "low"), _number(row, "high"), _cut(row), unit)


def length_in_short(row: Mapping[Any, Any]) -> str:
    """The same where there is little room: `≥147 m`, `180 m`."""
    return short_length(row["length_m"], _number(row, "low"), _cut(row))


def _log_error(low_m: NDArray[np.float64], high_m: NDArray[np.float64]) -> float:
    """Half width of the logarithm of a median of lengths, of their own half widths."""
    each = float(np.median(np.log(high_m / low_m))) / 2.0
    return each * float(np.sqrt(SHARED_VARIANCE + (1.0 - SHARED_VARIANCE) / len(low_m)))


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _number(row: Mapping[Any, Any], end: str) -> float:
    # an activity of an earlier version has no such columns
    value = row.get(f"length_{end}_m")
    return np.nan if value is None else float(value)


def _cut(row: Mapping[Any, Any]) -> str:
    reason = row.get("length_cut")
    return reason if isinstance(reason, str) else WHOLE  # an empty cell of a table is NaN
