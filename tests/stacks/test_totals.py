"""Sums of zones: of all that stands there, or of the found blocks alone; parts and totals agree."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit

from detector.stacks import totals
from detector.stacks.block_model import BLOCK_DRAWS, BlockModel
from detector.stacks.estimate import COLUMNS, TEXT_COLUMNS
from detector.stacks.settings import StackSettings
from detector.stacks.simulate import nominal_factors, simulate
from detector.stacks.totals import (
    OF_FOUND,
    OF_NOTHING,
    OF_ZONE,
    FoundBlocks,
    ZoneDraws,
    draw_zone,
    interval_of,
)
from tests.stacks.test_block_model import CERTAIN

SETTINGS = StackSettings(yard_tiers=[2.0, 3.0, 4.0])
LOOSE = replace(
    CERTAIN, real=(1.0, 1.0, 0.0), real_sd=0.5, recall=(1.2, 0.0), recall_sd=0.8, ratio_sd=0.1
)


def found(count: int, score: float = 0.8) -> FoundBlocks:
    """Blocks of eight half bays and five rows, of which nothing else was measured."""
    row: dict[str, object] = dict.fromkeys(COLUMNS, np.nan) | dict.fromkeys(TEXT_COLUMNS, "")
    row |= {"along_m": 50.6, "across_m": 14.2, "size_sd_m": 0.0, "zone_kind": "yard"}
    row |= {"row_pitch_m": 2.838, "row_pitch_sd": 0.0, "half_bay_m": 6.32, "half_bay_sd": 0.0}
    table = pd.DataFrame([row] * count, columns=list(COLUMNS))
    return FoundBlocks(np.full(count, score), np.full(count, 50.6 * 14.2), table, "yard")


def test_without_a_model_the_sum_is_of_the_found_blocks() -> None:
    drawn = draw_zone(found(6), "yard 1", SETTINGS, None)
    assert drawn.interval_of == OF_FOUND
    assert (drawn.number, drawn.area_m2) == (None, None)
    assert drawn.teu is not None
    assert drawn.blocks is not None
    assert drawn.teu == pytest.approx(drawn.blocks.teu.sum(axis=1))
    few = replace(LOOSE, n_places=5, n_area_places=5)
    assert np.array_equal(draw_zone(found(6), "yard 1", SETTINGS, few).teu, drawn.teu)


def test_a_perfect_model_says_the_same_of_the_zone() -> None:
    bare = draw_zone(found(6), "yard 1", SETTINGS, None)
    whole = draw_zone(found(6), "yard 1", SETTINGS, CERTAIN)
    assert whole.interval_of == OF_ZONE
    assert whole.teu == pytest.approx(bare.teu)
    assert np.unique(whole.number).tolist() == [6.0]


def test_missed_blocks_hold_as_much_as_found_ones() -> None:
    """Recall of a half, blocks missed as large as the found: the TEU of the zone doubles."""
    half = replace(CERTAIN, recall=(0.0, 0.0), usual_m2=50.6 * 14.2)
    bare = draw_zone(found(40), "yard 1", SETTINGS, None)
    whole = draw_zone(found(40), "yard 1", SETTINGS, half)
    assert np.median(whole.teu) / np.median(bare.teu) == pytest.approx(2.0, rel=0.03)
    assert np.median(whole.containers) / np.median(bare.containers) == pytest.approx(2.0, rel=0.03)
    assert np.median(whole.area_m2) == pytest.approx(80 * 50.6 * 14.2, rel=0.03)


def test_an_empty_zone_may_hold_what_was_missed() -> None:
    """A usual block, three tiers high: TEU a square metre as of such a block."""
    half = replace(CERTAIN, recall=(0.0, 0.0), usual_m2=500.0)
    drawn = draw_zone(found(0), "yard 1", SETTINGS, half)
    assert drawn.interval_of == OF_ZONE
    some = drawn.number[: len(drawn.teu)] > 0
    assert some.mean() == pytest.approx(1 - 0.5**0.25, abs=0.02)
    assert (drawn.teu[some] > 0).all()
    assert (drawn.teu[~some] == 0).all()
    one = drawn.number == 1
    assert np.median(drawn.teu[one]) == pytest.approx(500 * 0.92 * 3 * 30 / (38.1 * 14.4), rel=0.1)


def test_unknown_sizes_leave_the_number_only() -> None:
    blocks = found(3)
    nameless = replace(blocks, area_m2=np.full(3, np.nan))
    drawn = draw_zone(nameless, "yard 1", SETTINGS, LOOSE)
    assert drawn.number is not None
    assert (drawn.area_m2, drawn.teu, drawn.interval_of) == (None, None, OF_NOTHING)
    unknown = draw_zone(replace(blocks, table=None), "yard 1", SETTINGS, LOOSE)
    assert unknown.area_m2 is not None
    assert unknown.teu is None


@pytest.mark.parametrize("sizes", [(1, 1), (3, 12), (0, 8), (0, 0, 0), (2, 5, 9)])
def test_totals_are_sums_of_the_same_draws(sizes: tuple[int, ...]) -> None:
    """The interval of a sum lies within the sum of the intervals of its parts."""
    parts = [draw_zone(found(n), f"yard {n} {i}", SETTINGS, LOOSE) for i, n in enumerate(sizes)]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    for name in ("number", "area_m2", "teu", "containers"):
        draws = [getattr(part, name) for part in parts]
        assert getattr(total, name) == pytest.approx(np.sum(draws, axis=0))
        ends = [interval_of(draw) for draw in draws]
        most = sum(low for low, _, _ in ends), sum(high for _, _, high in ends)
        low, middle, high = interval_of(getattr(total, name), most)
        assert most[0] <= low <= middle <= high <= most[1]
    assert total.interval_of == OF_ZONE


def test_what_one_part_does_not_know_the_total_does_not() -> None:
    known = draw_zone(found(2), "a", SETTINGS, LOOSE)
    total = known + ZoneDraws(number=np.ones(BLOCK_DRAWS))
    assert total.number is not None
    assert (total.teu, total.interval_of) == (None, OF_NOTHING)
    assert interval_of(None) == [None, None, None]


def test_more_or_fewer_draws_of_tiers_use_the_same_places() -> None:
    many = draw_zone(found(4), "a", replace(SETTINGS, draws=BLOCK_DRAWS + 10), LOOSE)
    assert (len(many.teu), len(many.number)) == (BLOCK_DRAWS + 10, BLOCK_DRAWS)
    model: BlockModel = replace(CERTAIN, real=(float(logit(0.5)), 0.0, 0.0))
    drawn = draw_zone(found(1), "a", SETTINGS, model)
    assert np.array_equal(drawn.teu > 0, drawn.number[: len(drawn.teu)] > 0)


def test_many_empty_zones_draw_a_usual_block_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What empty zones share is drawn once for all of a kind; what was missed in each is not."""
    calls: list[int] = []

    def counted(*given: object, **named: object) -> object:
        calls.append(1)
        return simulate(*given, **named)

    monkeypatch.setattr(totals, "simulate", counted)
    settings = replace(SETTINGS, yard_tiers=[1.3, 2.3, 3.3])
    empty = FoundBlocks(np.zeros(0), np.zeros(0), None, "yard")
    zones = [draw_zone(empty, f"zone {at}", settings, LOOSE) for at in range(50)]
    assert len(calls) == 1
    numbers = {zone.number.tobytes() for zone in zones if zone.number is not None}
    assert len(numbers) == 50
    nominal, area = nominal_factors([1.3, 2.3, 3.3])
    a_m2 = simulate(nominal, settings).teu[:, 0] / area
    for zone in zones:
        assert zone.area_m2 is not None
        assert np.array_equal(zone.teu, zone.area_m2 * a_m2)
    other = replace(settings, yard_tiers=[2.0, 2.3, 3.3])
    assert not np.array_equal(draw_zone(empty, "zone 0", other, LOOSE).teu, zones[0].teu)
