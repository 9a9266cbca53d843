"""Pairs and clusters, against all one-to-one assignments."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.tiling.clusters import assign, cluster, components
from detector.tiling.matching import Edges


def edges_of(*rows: tuple[int, int, float]) -> Edges:
    first, second, quality = zip(*rows, strict=True)
    return Edges(np.array(first), np.array(second), np.array(quality))


def pairs(edges: Edges) -> set[tuple[int, int]]:
    return set(zip(edges.first.tolist(), edges.second.tolist(), strict=True))


def test_of_two_boxes_of_a_tile_one_has_the_partner() -> None:
    tiles = np.array([0, 0, 1, 1])
    assert pairs(assign(tiles, edges_of((0, 2, 0.9), (1, 2, 0.5)))) == {(0, 2)}
    assert pairs(assign(tiles, edges_of((0, 2, 0.9), (0, 3, 0.5)))) == {(0, 2)}
    # The sum decides, not the best: 0.8 + 0.7 against 0.9 alone.
    assert pairs(assign(tiles, edges_of((0, 2, 0.9), (0, 3, 0.8), (1, 2, 0.7)))) == {(0, 3), (1, 2)}


def test_partners_in_other_tiles_do_not_compete() -> None:
    tiles = np.array([0, 1, 2])
    found = assign(tiles, edges_of((0, 1, 0.3), (0, 2, 0.9), (1, 2, 0.5)))
    assert pairs(found) == {(0, 1), (0, 2), (1, 2)}
    none = Edges(np.zeros(0, int), np.zeros(0, int), np.zeros(0))
    assert len(assign(tiles, none)) == 0


@given(st.integers(0, 10**6))
def test_no_other_assignment_is_better(seed: int) -> None:
    """Three boxes in each of two tiles, some of the nine edges; tile 7 comes first or second."""
    rng = np.random.default_rng(seed)
    tiles = np.array([7, 7, 7, 2, 2, 2]) if seed % 2 else np.array([2, 2, 2, 7, 7, 7])
    quality = np.where(rng.random((3, 3)) < 0.6, rng.uniform(0.3, 1, (3, 3)), 0.0)
    rows = [(i, 3 + j, quality[i, j]) for i, j in zip(*np.nonzero(quality), strict=True)]
    if not rows:
        return
    found = assign(tiles, edges_of(*rows))
    best = max(sum(quality[i, j] for i, j in enumerate(p)) for p in permutations(range(3)))
    assert found.quality.sum() == pytest.approx(best)
    assert len(set(found.first.tolist())) == len(set(found.second.tolist())) == len(found)


def test_labels_are_in_the_order_of_first_members() -> None:
    assert components(6, np.array([4, 1]), np.array([2, 5])).tolist() == [0, 1, 2, 3, 2, 1]
    assert components(3, np.zeros(0, int), np.zeros(0, int)).tolist() == [0, 1, 2]


def test_a_cluster_has_one_box_of_a_tile_and_the_best_edges() -> None:
    """Boxes 0 and 3 of tile 0 hang together by 1 and 2; the weakest edge goes."""
    tiles = np.array([0, 1, 2, 0])
    chain = edges_of((0, 1, 0.9), (1, 2, 0.4), (2, 3, 0.8))
    assert cluster(tiles, chain).tolist() == [0, 0, 1, 1]
    strong = edges_of((0, 1, 0.5), (1, 2, 0.9), (2, 3, 0.8))
    assert cluster(tiles, strong).tolist() == [0, 1, 1, 1]
    apart = np.array([0, 1, 2, 3])
    assert cluster(apart, chain).tolist() == [0, 0, 0, 0]
