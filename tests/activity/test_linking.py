"""What links rest on: marginals of all pairings, sizes over many looks, offsets of looks."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from detector.activity.visits.linking import LinkSettings, LookTimes, ShipsSeen, find_links
from detector.activity.visits.matching import pair_probability
from detector.activity.visits.offsets import find_offsets, no_offsets
from detector.activity.visits.sizes import compare_sizes, learn_population, measure_sizes

SD = (0.045, 0.09)


def all_pairings(pairs: list[tuple[int, int]], odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probability of each pair, by listing every set of pairs in which no end is used twice."""
    total, hits = 0.0, np.zeros(len(pairs))
    for size in range(len(pairs) + 1):
        for chosen in combinations(range(len(pairs)), size):
            starts = {pairs[i][0] for i in chosen}
            ends = {pairs[i][1] for i in chosen}
            if len(starts) == len(ends) == size:
                weight = float(np.prod(odds[list(chosen)]))
                total += weight
                hits[list(chosen)] += weight
    return hits / total


def test_probabilities_of_pairs_are_those_of_all_pairings() -> None:
    # a tree: exact
    pairs = [(0, 2), (0, 3), (1, 3), (1, 4), (2, 4)]
    odds = np.array([3.0, 0.5, 20.0, 1.0, 0.2])
    earlier, later = np.array(pairs).T
    found = pair_probability(5, earlier, later, odds)
    assert found == pytest.approx(all_pairings(pairs, odds), abs=1e-4)
    # circles: close
    generator = np.random.default_rng(1)
    worst = []
    for _ in range(20):
        pairs = [p for p in combinations(range(6), 2) if generator.random() < 0.6][:10]
        odds = np.exp(generator.normal(0, 2, len(pairs)))
        earlier, later = np.array(pairs).T
        found = pair_probability(6, earlier, later, odds)
        worst.append(np.abs(found - all_pairings(pairs, odds)).max())
    assert np.mean(worst) < 0.03
    assert max(worst) < 0.12


def test_a_rival_that_is_better_off_hardly_lowers_a_pair() -> None:
    earlier, later = np.array([0, 0, 1]), np.array([2, 3, 3])
    odds = np.array([10.0, 5.0, 1000.0])
    assert pair_probability(4, earlier, later, odds)[0] > 0.9
    assert odds[0] / (1 + odds[0] + odds[1]) < 0.65


def test_sizes_of_a_pair_are_compared_by_their_likelihoods() -> None:
    length, width = np.array([100.0, 104.0, 150.0]), np.array([15.0, 16.0, 22.0])
    sizes = measure_sizes(length, width, *SD)
    earlier, later = np.array([0, 0]), np.array([1, 2])
    ratio, known = compare_sizes(sizes, earlier, later, np.zeros(2), np.ones(2, np.bool_))
    alone = sizes.likelihood @ sizes.population
    for at, (i, j) in enumerate(zip(earlier, later, strict=True)):
        both = (sizes.population * sizes.likelihood[i] * sizes.likelihood[j]).sum()
        assert ratio[at] == pytest.approx(np.log(both / (alone[i] * alone[j])), abs=1e-6)
    assert ratio[0] > 1.5
    assert ratio[1] < -3.0
    assert known.sum(axis=1) == pytest.approx(np.ones(3))


def test_a_box_that_is_cut_once_between_two_whole_ones_is_the_same_ship() -> None:
    width = np.full(3, 18.0)
    earlier, later, odds = np.array([0, 1]), np.array([1, 2]), np.full(2, 30.0)

    def ratios(*length: float) -> NDArray[np.float64]:
        sizes = measure_sizes(np.array(length), width, *SD)
        return compare_sizes(sizes, earlier, later, odds, np.ones(2, np.bool_))[0]

    again = ratios(120.0, 96.0, 121.0)
    other = ratios(120.0, 96.0, 150.0)
    assert again[0] > other[0] + 1.0
    assert again[1] > other[1] + 1.0


def test_a_length_that_many_ships_have_says_less() -> None:
    length = np.array([100.0, 101.0, *np.linspace(70, 220, 6)])
    crowd = np.array([100.0, 101.0, *np.linspace(99, 102, 6)])

    def weight(lengths: NDArray[np.float64]) -> float:
        sizes = measure_sizes(lengths, lengths / 6.5, *SD)
        none = np.zeros(1), np.ones(1, np.bool_)
        pair = np.array([0]), np.array([1])
        _, known = compare_sizes(sizes, *pair, *none)
        learnt = learn_population(sizes, known, np.ones(len(lengths)))
        assert learnt.population.sum() == pytest.approx(1.0)
        return float(compare_sizes(learnt, *pair, *none)[0][0])

    assert weight(crowd) < weight(length) - 0.5


def test_ships_that_stayed_say_by_how_much_a_look_is_off() -> None:
    generator = np.random.default_rng(0)
    shift = np.array([[0.0, 0.0], [6.0, -4.0], [-3.0, 5.0]])
    pairs = np.array([(i, j) for i in range(3) for j in range(i + 1, 3) for _ in range(8)]).T
    difference = shift[pairs[1]] - shift[pairs[0]] + generator.normal(0, 1.5, (24, 2))
    difference[0] = (120.0, 3.0)  # one was moved along the quay
    residual = np.full(3, 8.0)
    found = find_offsets(
        (pairs[0], pairs[1]), difference, np.full(24, 2 * 2.5**2), np.full(24, 0.9), residual,
        no_offsets(residual),
    )  # fmt: skip
    for i, j in ((0, 1), (0, 2), (1, 2)):
        left = found.shift_m[j] - found.shift_m[i] - (shift[j] - shift[i])
        assert np.abs(left).max() < 1.5
        assert found.variance_m2[i, j] < 2.0
    none = find_offsets(
        (np.zeros(0, np.int64), np.zeros(0, np.int64)), np.zeros((0, 2)), np.zeros(0), np.zeros(0),
        residual, no_offsets(residual),
    )  # fmt: skip
    assert none.variance_m2[0, 1] == pytest.approx(2 * 8.0**2)
    assert np.abs(none.shift_m).max() == 0.0


def test_a_look_that_is_off_as_a_whole_hides_no_stay() -> None:
    """Five ships of like size; the second look is off by 12 m, or each ship moved alone."""
    place = np.array([60.0, 190.0, 320.0, 450.0, 580.0])
    length = np.tile([118.0, 120.0, 122.0, 119.0, 121.0], 2)
    times = LookTimes(np.arange(2.0), np.ones(2), np.full(2, 8.0), 24_000.0)

    def least(sides: NDArray[np.float64]) -> float:
        x = np.concatenate([place, place + 12.0 * sides])
        seen = ShipsSeen(
            np.repeat(np.arange(2), 5), np.stack([x, np.zeros(10)], axis=1), length, length / 6.5,
            np.full(10, 90.0), np.full(10, 0.99), np.ones(10, np.bool_),
        )  # fmt: skip
        links = find_links(seen, times, LinkSettings(recall=0.99))
        together = (links.later - links.earlier) == 5
        return float(links.probability[together].min(initial=1.0)) if together.sum() == 5 else 0.0

    assert least(np.ones(5)) > 0.95
    assert least(np.array([1.0, -1.0, 1.0, -1.0, 1.0])) < 0.8
