"""Lots of goods: blocks gone from one site that are like blocks that appeared at another.

Blocks of containers look alike the world over, so one block that fits is no evidence. A link has to
pass a bar: several blocks fit, each in length and in width, and so many would hardly fit by chance.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from detector.activity.changes.events import STACK_EVENTS
from detector.activity.looks.sightings import stacks_of
from detector.activity.looks.zone_looks import Look

ALIKE_LENGTH, ALIKE_LENGTH_M = (
    0.05,
    1.5,
)  # two lengths of one block differ by less: share and metres
ALIKE_WIDTH, ALIKE_WIDTH_M = 0.08, 1.0
LEAST_BLOCK_M = 20.0  # shorter blocks are like too many others
LEAST_ALIKE = 3  # blocks that fit, for a link
LEAST_SHARE = 0.5  # of the lesser of the two numbers of blocks
MOST_CHANCE = 0.05  # links that chance alone would make, among all that was compared
LONGEST_TRANSIT_DAYS = 30
# Of two blocks of different places fit so many: 0.029 of those of rendered stories, by
# `python -m benchmarks.lots` (docs/counting.md); knowing it is worth so many blocks
FITTING_SHARE, FITTING_WORTH = 0.03, 10.0
LEAST_DRAWS, MOST_DRAWS, DRAWS_A_PAIR = 4_000, 200_000, 200  # so that 0.05 of many can be told
SEED = 0  # the same input gives the same bytes

Sizes = NDArray[np.float64]
Standing = Mapping[tuple[str, date], Sizes]


def standing_blocks(site: str, looks: Sequence[Look]) -> list[dict[str, Any]]:
    """Sizes of the blocks of a zone on every date that saw it whole.

    Args:
        site: name.
        looks: of one zone.
    """
    full = [look for look in looks if look.whole]
    return [{"site": site, "day": look.day, "sizes_m": _sizes_of_look(look)} for look in full]


def consistent_links(
    events: Sequence[Mapping[str, Any]], standing: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Blocks that are gone from one site and like ones that appeared at another, later.

    A pair of events is compared where the goods can still have stood at the first site before they
    were seen at the second, within `LONGEST_TRANSIT_DAYS`, and both events have `LEAST_ALIKE`
    blocks. It is a link where at least `LEAST_ALIKE` blocks fit, at least `LEAST_SHARE` of the
    lesser event, and chance would make at most `MOST_CHANCE` such links among all pairs compared.
    A link says "consistent with", and why; it never says that they are the same containers.

    Args:
        events: as `events.sort_events` gives them.
        standing: as `standing_blocks` gives them, of all zones of all sites.

    Returns:
        One row a link: both event ids, how many blocks fit, how many such links chance would make,
        and the sentence.
    """
    others = _by_site_and_day(standing)
    gone = [event for event in events if event["event"] == STACK_EVENTS["gone"]]
    came = [event for event in events if event["event"] == STACK_EVENTS["appeared"]]
    compared = [pair for pair in product(gone, came) if _can_follow(*pair)]
    links = []
    for first, second in compared:
        alike = count_alike(sizes_of(first), sizes_of(second))
        lesser = min(len(sizes_of(first)), len(sizes_of(second)))
        if alike < LEAST_ALIKE or alike < LEAST_SHARE * lesser:
            continue
        draws = min(max(LEAST_DRAWS, DRAWS_A_PAIR * len(compared)), MOST_DRAWS)
        chance = len(compared) * _chance(first, second, alike, others, draws)
        if chance <= MOST_CHANCE:
            links.append(_link(first, second, alike, chance))
    return links


def sizes_of(event: Mapping[str, Any]) -> Sizes:
    """Length and width `(N, 2)` of the blocks of an event that are long enough to tell apart.

    Blocks that were cut are left out: nobody knows how long they are.
    """
    sizes = np.array([event["lengths_m"], event["widths_m"]], np.float64).T
    whole = np.array([not cut for cut in event["lengths_cut"]], np.bool_)
    return np.asarray(sizes[whole & (sizes[:, 0] >= LEAST_BLOCK_M)])


def count_alike(one: Sizes, other: Sizes) -> int:
    """How many blocks of two lists `(N, 2)`, `(M, 2)` pair up, each used once."""
    return _pairs(_fits(one, other)) if len(one) and len(other) else 0


def chance_of_alike(
    blocks: Sizes, others: Sizes, drawn: int, alike: int, draws: int = LEAST_DRAWS
) -> float:
    """How probable it is that so many blocks pair up with blocks that have nothing to do with them.

    The larger of two numbers: the share of `draws` in which `alike` of the blocks pair up with
    `drawn` blocks that are taken from `others` at random (one draw more is taken to do so, so that
    the share is never 0); and what is to be expected of sizes that `others` don't show, the number
    of ways in which so many can pair times the share that fits for each pair (the union bound).
    That share is `FITTING_SHARE` where there are no others, and less the more there are.

    Args:
        blocks: `(N, 2)` the blocks.
        others: `(M, 2)` blocks that have nothing to do with them.
        drawn: how many are taken.
        alike: how many pair up.
        draws: how often it is tried.
    """
    ways = math.comb(len(blocks), alike) * math.perm(drawn, alike)
    share = FITTING_SHARE * FITTING_WORTH / (len(others) + FITTING_WORTH)
    expected = min(ways * share**alike, 1.0)
    if not len(others):
        return expected
    fits = _fits(blocks, others)
    generator = np.random.default_rng(SEED)
    taken = generator.integers(0, len(others), (draws, drawn))
    fits_any: NDArray[np.bool_] = np.asarray(fits.any(axis=0))
    enough = fits_any[taken].sum(axis=1) >= alike
    hits = sum(_pairs(fits[:, row]) >= alike for row in taken[enough])
    return max(expected, (hits + 1) / (draws + 1))


def _pairs(fits: NDArray[np.bool_]) -> int:
    """How many rows and columns of `(N, M)` pair up where they fit, each used once."""
    graph = csr_array(fits.astype(np.int8))
    return int((maximum_bipartite_matching(graph, perm_type="column") >= 0).sum())


def _fits(one: Sizes, other: Sizes) -> NDArray[np.bool_]:
    """Which blocks `(N, M)` have one length and one width, as well as they are measured."""
    apart = np.abs(one[:, None] - other[None])
    larger = np.maximum(one[:, None], other[None])
    within = np.array([ALIKE_LENGTH_M, ALIKE_WIDTH_M]) + larger * [ALIKE_LENGTH, ALIKE_WIDTH]
    return np.asarray((apart <= within).all(axis=2))


def _chance(
    first: Mapping[str, Any],
    second: Mapping[str, Any],
    alike: int,
    others: Standing,
    draws: int,
) -> float:
    """Chance as the blocks of either event are compared with those that stand where they are not.

    That is at the second site before they came, at the first after they left; the larger counts.
    """
    none = np.zeros((0, 2))
    left, arrived = sizes_of(first), sizes_of(second)
    before = others.get((second["site"], second["first_day"]), none)
    after = others.get((first["site"], first["last_day"]), none)
    return max(
        chance_of_alike(left, before, len(arrived), alike, draws),
        chance_of_alike(arrived, after, len(left), alike, draws),
    )


def _can_follow(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    """Gone within (first_day, last_day], appeared within the same kind of span, at another site."""
    if first["site"] == second["site"]:
        return False
    if min(len(sizes_of(first)), len(sizes_of(second))) < LEAST_ALIKE:
        return False
    longest = (second["last_day"] - first["first_day"]).days
    shortest = (second["first_day"] - first["last_day"]).days
    return bool(longest > 0 and shortest <= LONGEST_TRANSIT_DAYS)


def _by_site_and_day(standing: Sequence[Mapping[str, Any]]) -> Standing:
    found: dict[tuple[str, date], list[Sizes]] = {}
    for row in standing:
        found.setdefault((row["site"], row["day"]), []).append(row["sizes_m"])
    return {key: np.concatenate(parts) for key, parts in found.items()}


def _sizes_of_look(look: Look) -> Sizes:
    stacks = stacks_of(look.sightings)
    stacks = stacks.select(~stacks.is_cut)
    sizes = np.stack([stacks.length_m, stacks.width_m], axis=1)
    return np.asarray(sizes[sizes[:, 0] >= LEAST_BLOCK_M])


def _link(
    first: Mapping[str, Any], second: Mapping[str, Any], alike: int, chance: float
) -> dict[str, Any]:
    return {
        "from_event": first["event_id"],
        "to_event": second["event_id"],
        "from_site": first["site"],
        "to_site": second["site"],
        "gone_by": first["last_day"],
        "appeared_by": second["last_day"],
        "stacks_alike": alike,
        "by_chance": chance,
        "sentence": (
            f"consistent with goods that went from {first['site']} ({first['zone']}) to "
            f"{second['site']} ({second['zone']}): {first['number']} stacks gone by "
            f"{first['last_day']}, {second['number']} stacks appeared by {second['last_day']}, "
            f"{alike} of like length and width; not proof that they are the same"
        ),
    }
