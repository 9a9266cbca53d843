"""From edges to clusters: one object each, with at most one sighting of a tile."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detector.tiling.matching import Edges


def cluster(tiles: NDArray[np.int64], edges: Edges) -> NDArray[np.int64]:
    """Cluster labels `(N,)`, from 0, in the order of the first member.

    Between two tiles the boxes are paired one to one, so that the sum of the qualities is largest:
    in a row of moored ships each has its partner, even where neighbours overlap too. The pairs of
    all tiles are then joined, best first, while no cluster holds two boxes of one tile.

    Args:
        tiles: `(N,)` tile of each sighting.
        edges: between sightings of different tiles.
    """
    pairs = assign(tiles, edges)
    labels = components(len(tiles), pairs.first, pairs.second)
    crowded = _with_two_of_a_tile(labels, tiles)
    if crowded.any():
        inside = crowded[labels[pairs.first]]
        chosen = _join_best_first(
            tiles, Edges(pairs.first[inside], pairs.second[inside], pairs.quality[inside])
        )
        first = np.concatenate([pairs.first[~inside], chosen.first])
        second = np.concatenate([pairs.second[~inside], chosen.second])
        labels = components(len(tiles), first, second)
    return labels


def components(
    count: int, first: NDArray[np.int64], second: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Labels `(count,)` of the connected components, in the order of their first members."""
    from scipy.sparse import coo_array  # noqa: PLC0415 - slow to load
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415 - slow to load

    graph = coo_array((np.ones(len(first), np.int8), (first, second)), shape=(count, count))
    _, labels = connected_components(graph, directed=False)
    _, start, inverse = np.unique(labels, return_index=True, return_inverse=True)
    place = np.empty(len(start), np.int64)
    place[np.argsort(start)] = np.arange(len(start))
    return np.asarray(place[inverse])


def assign(tiles: NDArray[np.int64], edges: Edges) -> Edges:
    """The edges that pair the boxes of every two tiles one to one with the largest sum.

    Args:
        tiles: `(N,)` tile of each sighting.
        edges: between sightings of different tiles.
    """
    if len(edges) == 0:
        return edges
    # One node a box and partner tile: the assignments of two tile pairs do not touch each other.
    many = int(tiles.max()) + 1
    keys = np.concatenate(
        [edges.first * many + tiles[edges.second], edges.second * many + tiles[edges.first]]
    )
    _, nodes = np.unique(keys, return_inverse=True)
    degree = np.bincount(nodes)
    node_first, node_second = nodes[: len(edges)], nodes[len(edges) :]
    clear = (degree[node_first] == 1) & (degree[node_second] == 1)
    chosen = clear.copy()
    unclear = np.flatnonzero(~clear)
    if len(unclear):
        labels = components(len(degree), node_first[unclear], node_second[unclear])
        groups = labels[node_first[unclear]]
        order = np.argsort(groups, kind="stable")
        starts = np.flatnonzero(np.diff(groups[order], prepend=-1))
        lower = tiles[edges.first] < tiles[edges.second]
        for part in np.split(unclear[order], starts[1:]):
            one = np.where(lower[part], edges.first[part], edges.second[part])
            other = np.where(lower[part], edges.second[part], edges.first[part])
            chosen[part[_best_pairs(one, other, edges.quality[part])]] = True
    return Edges(edges.first[chosen], edges.second[chosen], edges.quality[chosen])


def _best_pairs(
    one: NDArray[np.int64], other: NDArray[np.int64], quality: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Positions of the edges of the best one-to-one assignment."""
    rows, row = np.unique(one, return_inverse=True)
    cols, col = np.unique(other, return_inverse=True)
    table = np.zeros((len(rows), len(cols)))
    place = np.full(table.shape, -1, np.int64)
    table[row, col], place[row, col] = quality, np.arange(len(quality))
    # half a second to load, and few scenes need it
    from scipy.optimize import linear_sum_assignment  # noqa: PLC0415

    found = place[linear_sum_assignment(table, maximize=True)]
    return np.asarray(found[found >= 0])


def _with_two_of_a_tile(labels: NDArray[np.int64], tiles: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Mask over the labels."""
    order = np.lexsort((tiles, labels))
    same = (np.diff(labels[order]) == 0) & (np.diff(tiles[order]) == 0)
    mask = np.zeros(int(labels.max(initial=-1)) + 1, bool)
    mask[labels[order][1:][same]] = True
    return mask


def _join_best_first(tiles: NDArray[np.int64], edges: Edges) -> Edges:
    """The edges that join clusters, best first, without two sightings of one tile."""
    members: dict[int, tuple[set[int], set[int]]] = {}
    chosen = np.zeros(len(edges), bool)
    order = np.lexsort((edges.second, edges.first, -edges.quality))
    pairs = zip(edges.first[order].tolist(), edges.second[order].tolist(), strict=True)
    for position, (i, j) in zip(order.tolist(), pairs, strict=True):
        one = members.setdefault(i, ({i}, {int(tiles[i])}))
        other = members.setdefault(j, ({j}, {int(tiles[j])}))
        if one is other or one[1] & other[1]:
            continue
        joined = (one[0] | other[0], one[1] | other[1])
        members.update(dict.fromkeys(joined[0], joined))
        chosen[position] = True
    return Edges(edges.first[chosen], edges.second[chosen], edges.quality[chosen])
