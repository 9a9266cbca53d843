"""What is said of container stacks that came, went, grew or shrank, held against the truth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import shapely

from benchmarks.published_registry import Answer, Asked, Held
from benchmarks.published_truth import Span, TrueSite
from benchmarks.published_world import Loaded

LESS = ("gone", "shrunk")
CLOSE = 0.25  # an area without an interval is good to a quarter, or to a container's row
CLOSE_M2 = 30.0
NOTHING_LEFT = 0.2  # share of a block that may remain where it is gone
SOME_LEFT = 0.1  # share that must remain where it is smaller; between them both words are true
SAME = 0.05  # a share of a block that may differ where it is the same
SAME_M2 = 8.0  # less than a container
SEEN_ENOUGH = 0.97
LEAST_CHANGE_M2 = 200.0  # a true change of less may go unsaid

Row = Mapping[str, Any]


def judge_changes(
    asked: Asked, said: Mapping[str, tuple[float, float]], rows: Sequence[Row]
) -> Iterator[Answer]:
    """Kinds of change with numbers and square metres, against the blocks that they tell of.

    Args:
        asked: the sentence.
        said: kind to number and square metres.
        rows: of `stack_changes` that the sentence sums up.
    """
    listed = {kind: [row for row in rows if row["kind"] == kind] for kind in said}
    table = {kind: [len(mine)] for kind, mine in listed.items()}
    if any(number != len(listed[kind]) for kind, (number, _) in said.items()):
        yield asked.rule(False, f"in the table {table}")
        return
    wrong = []
    for kind, (_, area) in said.items():
        truth = 0.0
        for row in listed[kind]:
            before, after = change_of(asked, row)
            truth += abs(after.area_m2 - before.area_m2)
            if not is_true(kind, before, after):
                wrong.append(f"{kind}: {before.area_m2:.0f} to {after.area_m2:.0f} m²")
        yield area_held(asked, kind, area, truth)
    yield asked.rule(not wrong, "; ".join(wrong))


def change_of(asked: Asked, row: Row) -> tuple[Loaded, Loaded]:
    """What truly stood before and after, where a change is told."""
    site = asked.world.sites[row["site"]]
    columns = ("blocks_before", "blocks_after")
    ids = [[name for name in row[key].split("; ") if name] for key in columns]
    return asked.world.change(site, (row["from_day"], row["to_day"]), *ids)


def is_true(kind: str, before: Loaded, after: Loaded) -> bool:
    """Whether a block came, went, grew or shrank as it is said."""
    first, second = before.area_m2, after.area_m2
    if kind in LESS:
        first, second = second, first
    more = second - first > max(SAME * second, SAME_M2)
    if kind in ("gone", "appeared"):
        return more and first <= NOTHING_LEFT * second
    return more and first > SOME_LEFT * second


def area_held(asked: Asked, kind: str, said: float, truth: float) -> Held:
    """Whether square metres without an interval are close to the truth."""
    close = abs(abs(said) - abs(truth)) <= max(CLOSE * abs(truth), CLOSE_M2)
    return Held(f"area {kind}, within a quarter", asked.text, close, f"{truth:.0f} m²")


def judge_change_row(asked: Asked) -> Iterator[Answer]:
    """A row of `stack_changes`: its kind, its area, its containers and TEU."""
    row = asked.row
    before, after = change_of(asked, row)
    ok = is_true(row["kind"], before, after)
    yield asked.rule(ok, f"{before.area_m2:.0f} to {after.area_m2:.0f} m²", row["kind"])
    yield area_held(asked, row["kind"], row["area_m2"], after.area_m2 - before.area_m2)
    for name in ("teu", "containers"):
        low, high = row[f"{name}_low"], row[f"{name}_high"]
        if low is None or high is None:
            continue
        truth = getattr(after, name) - getattr(before, name)
        held = Span(truth, truth).meets(round(low), round(high))
        yield Held(f"{name} of a change", asked.text, held, f"{truth:.0f}")


def true_changes(site: TrueSite) -> Iterator[tuple[float, str]]:
    """Square metres and words of each block that came or went between dates that show a zone.

    Between two dates that each show the whole zone and have no other such date between them.
    """
    for zone in site.kinds:
        full = [look for look in site.looks if look.seen[zone] >= SEEN_ENOUGH]
        for one, two in pairwise(full):
            for kind, here, there in (("gone", one, two), ("appeared", two, one)):
                others = [t.place for t in there.things if not t.is_ship and t.counts]
                ground = shapely.union_all(others)
                for thing in here.things:
                    inside = site.inside(thing, zone, here)[0]
                    if thing.is_ship or not thing.counts or not inside:
                        continue
                    left = thing.place.intersection(ground).area
                    if left <= NOTHING_LEFT * thing.place.area:
                        words = f"{kind} in {zone}, {one.day} to {two.day}"
                        yield thing.place.area, words
