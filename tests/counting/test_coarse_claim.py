"""What counts claim where a coarse network reads scenes enlarged: ships of 60 m and more."""

from __future__ import annotations

import numpy as np
import pytest

from detector.classes import CONTAINER_STACK, SHIP
from detector.counting.calibration import (
    Calibration,
    is_enlarged,
    read_scale,
    readable_length_px,
)
from detector.counting.counts import DRAWS_COLUMN, agree, interval_columns
from detector.counting.draws import DRAWS
from detector.geometry.boxes import corners_from_xywhr

NAMES = ("all", *SHIP.length_classes)


@pytest.mark.parametrize(
    ("gsd_m", "read_m", "least_px", "scale"),
    [
        (10.0, 2.53, 6.0, 0.253),
        (3.0, 2.53, 20.0, 2.53 / 3),
        (2.5, 2.53, 24.0, 1.012),
        (10.0, 0.5, 32.0, 1.0),  # a fine network does not enlarge
        (0.25, 0.5, 64.0, 2.0),
        (1.0, 2.53, 80.96, 2.53),
        (np.nan, 2.53, 32.0, 1.0),
    ],
)
def test_least_lengths_and_scales(
    gsd_m: float, read_m: float, least_px: float, scale: float
) -> None:
    gsd = np.array(gsd_m)
    assert float(readable_length_px(gsd, read_m, SHIP)) == pytest.approx(least_px)
    assert float(read_scale(gsd, read_m)) == pytest.approx(scale)
    assert float(readable_length_px(gsd, read_m, CONTAINER_STACK)) == 0.0
    assert bool(is_enlarged(gsd, read_m)) == (gsd_m >= 2.5 and read_m > 2)


def test_ships_of_60_m_are_in_the_claim_at_10_m() -> None:
    corners = corners_from_xywhr(np.array([[50, 50, 5.9, 2, 0], [90, 50, 6.1, 2, 0]]))
    readable = Calibration(read_gsd_m=2.53).readable(
        np.zeros(2, np.int64), np.array([59.0, 61.0]), corners, 10.0
    )
    assert readable.tolist() == [False, True]


@pytest.mark.parametrize(("least_m", "without"), [(0.0, 1), (60.0, 2), (59.0, 1), (150.0, 3)])
def test_classes_below_the_claim_have_no_interval(least_m: float, without: int) -> None:
    draws = np.arange(DRAWS) % 3
    rows = [{"length_class": name, **interval_columns(draws)} for name in NAMES]
    agree(rows, SHIP, least_m)
    lost = [row["length_class"] for row in rows if row["count_high"] is None]
    assert lost == list(SHIP.length_classes[:without])
    assert all((row[DRAWS_COLUMN] is None) == (row["length_class"] in lost) for row in rows)
