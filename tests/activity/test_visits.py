"""Links, tracks and bounds of visits: small cases by hand, many simulated ones."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from itertools import combinations

import numpy as np
import pytest

from detector.activity.visits.bounds import VisitSettings, count_visits
from detector.activity.visits.linking import (
    LinkSettings,
    LookTimes,
    ShipsSeen,
    find_links,
    track_probability,
)
from detector.activity.visits.matching import best_tracks, fewest_stays
from detector.activity.visits.simulation import SeriesSpec, simulate_series
from detector.activity.visits.statements import days, gap
from detector.activity.visits.zone_visits import looks_away

NOTHING_MISSED = VisitSettings(links=LinkSettings(recall=0.9999))
ROW = tuple[int, float, float]  # look, place along the quay, length


def ships(rows: list[ROW], probability: float = 0.999) -> ShipsSeen:
    look, x, length = (np.array(column, float) for column in zip(*rows, strict=True))
    n = len(rows)
    return ShipsSeen(
        look.astype(np.int64),
        np.stack([x, np.zeros(n)], axis=1),
        length,
        length / 6.5,
        np.full(n, 90.0),
        np.full(n, probability),
        np.ones(n, np.bool_),
    )


def looks(*day: float, seen: float = 1.0) -> LookTimes:
    n = len(day)
    return LookTimes(np.array(day), np.full(n, seen), np.full(n, 0.5), 24_000.0)


def test_a_ship_that_stays_is_one_visit() -> None:
    count = count_visits(
        ships([(0, 100, 120), (1, 101, 121), (2, 99, 119)]), looks(0, 1, 2), VisitSettings()
    )
    assert (count.visits_min, count.visits_seen_max) == (1, 1)
    assert count.track.tolist() == [0, 0, 0]
    assert count.preceded[1] > 0.97


def test_ships_of_other_length_or_place_are_other_visits() -> None:
    count = count_visits(
        ships([(0, 100, 120), (1, 100, 200), (2, 480, 90)]), looks(0, 4, 8), NOTHING_MISSED
    )
    assert (count.visits_min, count.visits_seen_max) == (3, 3)


def test_a_ship_missed_once_stays_one_visit_where_misses_happen() -> None:
    rows = [(0, 100.0, 120.0), (1, 100.0, 121.0), (3, 101.0, 120.0)]
    often = LinkSettings(recall=0.6)
    links = find_links(ships(rows), looks(0, 1, 2, 3), often)
    never = find_links(ships(rows), looks(0, 1, 2, 3), LinkSettings(recall=0.9999))

    def across(found: object) -> float:
        pair = (found.earlier == 1) & (found.later == 2)  # type: ignore[attr-defined]
        return float(found.probability[pair].sum())  # type: ignore[attr-defined]

    assert across(links) > 0.8
    assert across(never) < 0.1


def test_unseen_looks_between_are_no_misses() -> None:
    rows = [(0, 100.0, 120.0), (2, 100.0, 120.0)]
    hidden = LookTimes(np.array([0.0, 1, 2]), np.array([1.0, 0.001, 1]), np.full(3, 0.5), 24_000.0)
    clear = LookTimes(np.array([0.0, 1, 2]), np.ones(3), np.full(3, 0.5), 24_000.0)
    settings = NOTHING_MISSED.links
    assert find_links(ships(rows), hidden, settings).probability[0] > 0.9
    assert find_links(ships(rows), clear, settings).probability[0] < 0.5


def test_appearance_tells_sisters_apart() -> None:
    """Two sisters take the place of one another, among ten ships; the next looks like the first."""
    base = [(0, 100.0, 120.0), (1, 102.0, 120.0), (2, 101.0, 120.0)]
    others = [(i % 3, 300.0 + 20 * i, 150.0 + i) for i in range(9)]
    rows = sorted(base + others)
    at = [rows.index(item) for item in base]
    plain = ships(rows)
    features = np.random.default_rng(0).normal(size=(len(rows), 64))
    features[at[2]] = features[at[0]] + 0.1
    features[at[1]] = -features[at[0]]
    marked = replace(plain, embeddings=features)
    blind = replace(plain, embeddings=np.where(np.arange(len(rows))[:, None] > 2, features, np.nan))

    def odds(seen: ShipsSeen, one: int, other: int) -> float:
        links = find_links(seen, looks(0, 2, 4), LinkSettings(recall=0.5))
        p = float(links.probability[(links.earlier == at[one]) & (links.later == at[other])].sum())
        return p / (1 - p)

    assert odds(marked, 0, 1) < 0.35 * odds(plain, 0, 1)
    assert odds(marked, 0, 2) > 2 * odds(plain, 0, 2)
    # of three ships nothing is known; of others, whose links bear on what is known of sizes, it is
    assert odds(blind, 0, 1) == pytest.approx(odds(plain, 0, 1), rel=0.05)


def test_fewest_stays_is_the_minimum_path_cover_by_brute_force() -> None:
    generator = np.random.default_rng(0)
    for _ in range(30):
        n = 7
        pairs = [p for p in combinations(range(n), 2) if generator.random() < 0.35]
        present = generator.random(n) < 0.8
        earlier, later = np.array(pairs, np.int64).reshape(-1, 2).T
        number, following = fewest_stays(n, present, earlier, later)
        usable = [p for p in pairs if present[p[0]] and present[p[1]]]
        best = 0
        for size in range(len(usable), -1, -1):
            if size <= best:
                break
            for chosen in combinations(usable, min(size, 6)):
                starts, ends = zip(*chosen, strict=True) if chosen else ((), ())
                if len(set(starts)) == len(starts) and len(set(ends)) == len(ends):
                    best = max(best, len(chosen))
                    break
        assert number == present.sum() - best
        assert (following >= 0).sum() == best


def test_best_tracks_prefer_the_better_of_two_rivals() -> None:
    rows = [(0, 100.0, 120.0), (1, 100.0, 120.0), (1, 112.0, 128.0)]
    seen = ships(rows)
    links = find_links(seen, looks(0, 1), LinkSettings())
    tracks, holds = best_tracks(3, links)
    assert tracks.tolist() == [0, 0, 1]
    assert holds.sum() == 1


def test_single_boxes_of_low_score_are_mostly_false_alarms() -> None:
    probability = np.array([0.95] * 12 + [0.3] * 4)
    tracks = np.array([0] * 4 + [1] * 4 + [2] * 4 + [3, 4, 5, 6])
    real = track_probability(probability, tracks)
    assert real[:3].min() > 0.97
    assert real[3:].max() < 0.3


def test_nothing_seen_is_no_visit() -> None:
    none = ShipsSeen(
        np.zeros(0, np.int64), np.zeros((0, 2)), *(np.zeros(0) for _ in range(4)), np.zeros(0, bool)
    )
    count = count_visits(none, looks(0, 1), VisitSettings())
    assert (count.visits_min, count.visits_seen_max) == (0, 0)


@pytest.mark.parametrize(
    "spec",
    [
        SeriesSpec(days=20),
        SeriesSpec(
            days=20, miss=0.1, false_per_look=0.2, persistent_false=0.7, shift_sd_m=4, cloudy=0.4
        ),
    ],
    ids=["clear", "faults"],
)
def test_bounds_hold_on_simulated_series(spec: SeriesSpec) -> None:
    settings = VisitSettings(draws=100, links=LinkSettings(recall=1 - spec.miss))
    low, high, slack = [], [], []
    for seed in range(20):
        made = simulate_series(spec, seed)
        count = count_visits(made.ships, made.looks, settings)
        low.append(count.visits_min <= made.visits)
        high.append(count.visits_seen_max >= made.visible)
        slack.append(made.visits - count.visits_min)
    assert np.mean(low) >= 0.85
    assert np.mean(high) >= 0.9
    assert np.mean(slack) <= 4


def test_how_many_looks_away_a_ship_was_surely_not_there() -> None:
    """By brute force: stays and misses drawn, those kept of which the first sight is on day 20."""
    rng = np.random.default_rng(1)
    day = np.arange(0.0, 21.0, 5.0)
    seen = np.array([1.0, 1.0, 0.5, 1.0, 1.0])
    for recall in (0.5, 0.75, 0.9, 0.98):
        links = LinkSettings(recall=recall)
        away = rng.uniform(0, 40, 400_000)  # days before its first sight that a ship came
        keep = rng.random(len(away)) < np.exp(-away / links.stay_days)
        for at, share in zip(day[1:], seen[1:], strict=True):
            keep &= (away < at) | (rng.random(len(away)) >= recall * share)
        told = np.searchsorted(day[1:], away[keep])  # looks at which it was there, and missed
        shares = np.cumsum(np.bincount(told, minlength=5)) / keep.sum()
        for certain in (0.8, 0.9, 0.95):
            if np.abs(shares - certain).min() > 0.01:
                expected = int(np.searchsorted(shares, certain)) + 1
                assert looks_away(day, seen, links, certain) == expected


def test_the_same_seed_gives_the_same_count() -> None:
    made = simulate_series(SeriesSpec(miss=0.2), 3)
    again = [count_visits(made.ships, made.looks, VisitSettings(draws=50)) for _ in range(2)]
    assert again[0].visits_min == again[1].visits_min
    assert np.array_equal(again[0].preceded, again[1].preceded)


def test_words_of_days_and_gaps() -> None:
    assert days(date(2026, 10, 1), date(2026, 10, 30)) == "1 and 30 October 2026"
    assert days(date(2026, 9, 2), date(2026, 10, 3)) == "2 September and 3 October 2026"
    assert days(date(2026, 12, 30), date(2027, 1, 2)) == "30 December 2026 and 2 January 2027"
    assert [gap(0.3), gap(1.02), gap(2.9), gap(3.4)] == ["8 hours", "1 day", "3 days", "4 days"]
