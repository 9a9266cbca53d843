"""Links between sites: goods that travelled are found, chance is not taken for goods."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import product
from typing import Any

import numpy as np
import pytest

from benchmarks.lots import DETECTORS, is_right, links_of, tell
from detector.activity.changes.lots import (
    LONGEST_TRANSIT_DAYS,
    Sizes,
    chance_of_alike,
    consistent_links,
    count_alike,
)

FIRST = date(2026, 9, 1)
LOT: Sizes = np.array([[75.0, 8.0], [62.0, 11.0], [50.0, 14.0], [37.0, 22.0]])
YARD: Sizes = np.array([[100.0, 22.0], [113.0, 22.0], [25.0, 5.0], [126.0, 19.0], [88.0, 22.0]])


def event(kind: str, site: str, days: tuple[int, int], sizes: Sizes) -> dict[str, Any]:
    first, last = (FIRST + timedelta(days=day) for day in days)
    return {
        "event_id": f"{kind} {site} {days}",
        "site": site,
        "zone": "yard",
        "event": f"stacks {kind}",
        "first_day": first,
        "last_day": last,
        "number": len(sizes),
        "lengths_m": sizes[:, 0].tolist(),
        "lengths_cut": [""] * len(sizes),
        "widths_m": sizes[:, 1].tolist(),
    }


def links(
    gone: Sizes = LOT,
    came: Sizes = LOT,
    others: Sizes = YARD,
    left: tuple[int, int] = (4, 9),
    arrived: tuple[int, int] = (9, 14),
    sites: tuple[str, str] = ("port", "rail"),
) -> list[dict[str, Any]]:
    events = [event("gone", sites[0], left, gone), event("appeared", sites[1], arrived, came)]
    standing = [
        {"site": site, "day": FIRST + timedelta(days=day), "sizes_m": others}
        for site in ("port", "rail")
        for day in range(60)
    ]
    return consistent_links(events, standing)


def test_blocks_pair_up_once_each() -> None:
    assert count_alike(LOT, LOT[::-1]) == 4
    assert count_alike(LOT, LOT * [1.03, 1.0]) == 4
    assert count_alike(LOT, LOT * [1.2, 1.0]) == 0
    assert count_alike(LOT, LOT * [1.0, 1.5]) == 0
    # two that fit one block are one pair; the greedy choice would give one pair of these two
    assert count_alike(LOT[:1], np.repeat(LOT[:1], 5, axis=0)) == 1
    assert count_alike(np.array([[60.0, 10], [57.0, 10]]), np.array([[62.5, 10], [59.0, 10]])) == 2
    assert count_alike(LOT, np.zeros((0, 2))) == 0


def test_a_lot_that_travels_is_a_link_and_is_called_consistent() -> None:
    (link,) = links(came=LOT[:3] * [1.02, 0.98])
    assert (link["from_site"], link["to_site"], link["stacks_alike"]) == ("port", "rail", 3)
    assert 0 < link["by_chance"] < 0.05
    assert link["sentence"] == (
        "consistent with goods that went from port (yard) to rail (yard): 4 stacks gone by "
        "2026-09-10, 3 stacks appeared by 2026-09-15, 3 of like length and width; not proof that "
        "they are the same"
    )


def test_too_few_blocks_are_no_link() -> None:
    assert links(LOT[:1], LOT[:1]) == []
    assert links(LOT[:2], LOT[:2]) == []
    # three fit, but of eight on either side
    other = np.array([[140.0, 30.0], [28.0, 14.0], [44.0, 5.0], [160.0, 25.0], [70.0, 30.0]])
    assert count_alike(YARD, other) == 0
    assert links(np.concatenate([LOT[:3], YARD]), np.concatenate([LOT[:3], other])) == []


def test_blocks_of_the_size_that_stands_everywhere_are_no_link() -> None:
    assert len(links(others=YARD)) == 1
    usual = np.repeat(LOT, 3, axis=0)
    assert links(others=usual) == []
    alike = np.repeat(LOT[:1], 4, axis=0)
    assert links(alike, alike, others=np.repeat(LOT[:1], 12, axis=0)) == []


def test_the_order_of_time_and_the_site_decide() -> None:
    assert links(left=(9, 14), arrived=(4, 9)) == []  # there before they left
    assert len(links(left=(4, 9), arrived=(4, 9))) == 1  # by ship and rail within five days
    late = 9 + LONGEST_TRANSIT_DAYS
    assert len(links(arrived=(late, late + 2))) == 1
    assert links(arrived=(late + 1, late + 3)) == []
    assert links(sites=("port", "port")) == []


def test_the_more_is_compared_the_more_must_fit() -> None:
    gone = [event("gone", "port", (4 + i, 9 + i), LOT[:3]) for i in range(40)]
    came = [event("appeared", "rail", (20 + i, 21 + i), YARD[:3] + i) for i in range(30)]
    came.append(event("appeared", "rail", (30, 31), LOT[:3]))
    assert consistent_links(gone, []) == []
    assert len(consistent_links([gone[0], came[-1]], [])) == 1
    assert consistent_links([*gone, *came], []) == []


@pytest.mark.parametrize("alike", [1, 2, 3])
def test_chance_is_that_of_all_draws(alike: int) -> None:
    """Against every draw of three out of five."""
    others = np.array([[25.0, 8.0], [38.0, 8.0], [50.0, 8.0], [63.0, 8.0], [75.0, 8.0]])
    blocks = np.array([[25.0, 8.0], [50.0, 8.0], [50.0, 8.0], [90.0, 8.0]])
    every = [count_alike(blocks, others[list(taken)]) for taken in product(range(5), repeat=3)]
    exact = float(np.mean(np.array(every) >= alike))
    found = chance_of_alike(blocks, others, drawn=3, alike=alike)
    assert found == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 4000) + 1e-3)
    assert found == chance_of_alike(blocks, others, drawn=3, alike=alike)


def test_chance_without_others_by_hand() -> None:
    """Two blocks of two places fit with 0.03; nothing is ever impossible."""
    none = LOT[:0]
    assert chance_of_alike(LOT[:1], none, drawn=1, alike=1) == pytest.approx(0.03)
    assert chance_of_alike(LOT[:2], none, drawn=2, alike=2) == pytest.approx(2 * 0.03**2)
    assert chance_of_alike(LOT, none, drawn=5, alike=3) == pytest.approx(4 * 60 * 0.03**3)
    assert chance_of_alike(LOT, YARD, drawn=4, alike=4) == pytest.approx(1 / 4001)


def test_told_stories_are_found_and_mixed_ones_are_not() -> None:
    """The rates over more stories are in docs/counting.md."""
    seeds = range(300, 304)
    told = [tell(seed, DETECTORS["good"]) for seed in seeds]
    found = [links_of(*sites) for sites in told]
    assert sum(any(map(is_right, rows)) for rows in found) >= 3
    assert all(is_right(link) for rows in found for link in rows)
    mixed = [links_of(told[i][0], told[i - 1][1]) for i in range(len(told))]
    without = [links_of(*tell(seed, DETECTORS["good"], lot=False)) for seed in seeds]
    assert sum(map(bool, mixed + without)) <= 1
