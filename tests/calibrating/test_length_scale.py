"""Sites on which lengths are measured have the gsd that the card reads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detector.calibrating import length_sites
from detector.calibrating.counts import COARSE_LONE_MPX, fit_lone
from detector.calibrating.length_sites import measure_site
from detector.models.detector import Detector
from tests.evaluation.pool import blob_detector


@pytest.mark.parametrize(
    ("gsd_min_m", "gsd_max_m", "range_m"),
    [(0.2, 2.0, (0.35, 0.9)), (2.5, 8.0, (2.5, 8.0)), (2.5, 20.0, (2.5, 12.0))],
)
def test_sites_have_the_scale_of_the_card(
    gsd_min_m: float,
    gsd_max_m: float,
    range_m: tuple[float, float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn = []

    def draw(ranges, index):
        drawn.append(ranges)
        raise StopIteration

    monkeypatch.setattr(length_sites, "draw_spec", draw)
    blobs = blob_detector()
    card = replace(blobs.card, gsd_min_m=gsd_min_m, gsd_max_m=gsd_max_m, upsampling=8.0)
    detector = Detector(card, blobs.backend, 1, np.array([0.5, 0.5], np.float32), 0.5, 1)
    with pytest.raises(StopIteration):
        measure_site(detector, 3)
    assert tuple(drawn[0].gsd_m) == range_m
    assert drawn[0].size_px == (1536 if gsd_min_m < 1 else 512)


def test_crops_around_ships_say_nothing_of_empty_ground() -> None:
    """Ships missed in small pictures would be one a million pixels; large ones know of none."""
    lone, mpx = np.array([1] * 20 + [0] * 3), np.array([0.1] * 20 + [80.0] * 3)
    shape, recall = fit_lone(lone, mpx)
    assert shape * (1 - recall) / recall > 0.04
    large = mpx >= COARSE_LONE_MPX
    shape, recall = fit_lone(lone[large], mpx[large])
    assert shape * (1 - recall) / recall < 0.01
