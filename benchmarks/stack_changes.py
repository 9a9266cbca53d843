"""How often what is said of changed stacks is true: `python -m benchmarks.stack_changes`.

python -m benchmarks.stack_changes                      ten stories, a simulated detector
python -m benchmarks.stack_changes --weights port-n     two stories, real weights
python -m benchmarks.stack_changes --stories 1 --small  one story at 1 m a pixel

Stories are rendered ports and railheads over eight dates (`benchmarks/stack_stories.py`). The
simulated detector jitters, misses, splits and joins blocks and finds some where none are. What
`detector activity` then says of each pair of dates is held against the ground that containers took.

A claim is true where at least half of the ground that it names changed that way; of a stack that is
new or gone besides no more than 30 % of its ground was taken on the other date. A true change is a
connected piece of ground of 200 m² or more; it is claimed where claims of its direction cover half
of it. Odd seeds have hard light, views and sensors, and a table of their
own. Seeds from 2000 on served nothing else: thresholds were set on 900 and 901.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import shapely
from scipy.stats import binomtest
from shapely.geometry.base import BaseGeometry

from benchmarks.stack_stories import BlockErrors, ToldSite, networked, simulated, tell_sites
from benchmarks.tables import markdown, put
from detector.activity.changes.stack_tables import StackBook, stack_rows
from detector.activity.looks.registration import placements
from detector.activity.looks.sightings import ID_SEPARATOR, stacks_of
from detector.activity.looks.zone_looks import Look, build_looks
from detector.counting.zones import Zone
from detector.geometry.boxes import polygons

FIRST_SEED = 2000
YARD_KINDS = ("yard", "railhead", "quay")
NEAR_M = 2.0  # boxes show the tops of containers, and lean
LEAST_TRUE_M2 = 200.0
STRIP_M = 1.0  # true ground that is narrower does not count
TRUE_SHARE, TAKEN_SHARE, COVERED_SHARE = 0.5, 0.3, 0.5
CAME, LEFT = ("appeared", "grown"), ("gone", "shrunk")
CLAIMS = ("appeared", "gone", "grown", "shrunk")
REMARKS = ("exchanged", "undecided")


@dataclass(slots=True)
class Measured:
    """What was said and what was true.

    Attributes:
        claims: by kind.
        true: of them.
        remarks: rows that claim nothing, by kind.
        reasons: why, of the undecided.
        changes: true ones of `LEAST_TRUE_M2` or more.
        claimed: of them.
        undecided: of those that are not claimed, those that a row says are undecided.
        wrong: one line a false claim.
        missed: one line a true change that was not claimed.
    """

    claims: Counter[str] = field(default_factory=Counter)
    true: Counter[str] = field(default_factory=Counter)
    remarks: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    changes: int = 0
    claimed: int = 0
    undecided: int = 0
    wrong: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)


def measure(sites: Iterator[ToldSite] | Sequence[ToldSite], measured: Measured) -> None:
    """Add what is said of some sites."""
    for told in sites:
        placed = placements(told.registered)
        looks = build_looks(told.site, told.scenes, placed)
        scenes, book = {scene.scene_id: scene for scene in told.scenes}, StackBook(told.scenes)
        for zone in told.site.zones:
            if zone.kind in YARD_KINDS:
                mine = looks[zone.name]
                rows = stack_rows(told.site, zone, mine, scenes, placed, book)["stack_changes"]
                boxes = _boxes(mine)
                for pair in pairwise(look for look in mine if look.whole):
                    between = [row for row in rows if row["to_day"] == pair[1].day]
                    _hold(told, zone, pair, between, boxes, measured)


def _hold(
    told: ToldSite,
    zone: Zone,
    pair: tuple[Look, Look],
    rows: Sequence[dict[str, Any]],
    boxes: Mapping[str, BaseGeometry],
    measured: Measured,
) -> None:
    before, after = (told.ground[look.day] for look in pair)
    where = f"{told.site.name} {zone.name} {pair[0].day}..{pair[1].day}"
    gained, lost = _changed(after, before), _changed(before, after)
    named: dict[str, list[BaseGeometry]] = {"came": [], "left": [], "undecided": []}
    for row in rows:
        old, new = (
            shapely.union_all([boxes[name] for name in row[key].split(ID_SEPARATOR) if name])
            for key in ("blocks_before", "blocks_after")
        )
        kind, area = row["kind"], abs(row["area_m2"])
        if kind not in CLAIMS:
            measured.remarks[kind] += 1
            measured.reasons[row["reason"]] += 1
            named["undecided"].append(old.union(new))
            continue
        came = kind in CAME
        ground = new.difference(old) if came else old.difference(new)
        named["came" if came else "left"].append(ground)
        truth = (gained if came else lost).intersection(ground.buffer(NEAR_M)).area
        taken = (before if came else after).intersection(ground).area / ground.area
        right = truth >= TRUE_SHARE * area
        right = right and (kind in ("grown", "shrunk") or taken <= TAKEN_SHARE)
        measured.claims[kind] += 1
        measured.true[kind] += right
        if not right:
            measured.wrong.append(
                f"{where}: {kind} {area:.0f} m2, truth {truth:.0f}, other date {taken:.0%} taken"
                f" ({row['blocks_before']} -> {row['blocks_after']})"
            )
    for changed, key in ((gained, "came"), (lost, "left")):
        covered = shapely.union_all(named[key]).buffer(NEAR_M)
        doubted = shapely.union_all(named["undecided"]).buffer(NEAR_M)
        for piece in shapely.get_parts(changed):
            if piece.area < LEAST_TRUE_M2 or not zone.shape.contains(piece.centroid):
                continue
            measured.changes += 1
            if covered.intersection(piece).area >= COVERED_SHARE * piece.area:
                measured.claimed += 1
                continue
            told_so = doubted.intersection(piece).area >= COVERED_SHARE * piece.area
            measured.undecided += told_so
            measured.missed.append(
                f"{where}: {key} {piece.area:.0f} m2{' (undecided)' if told_so else ''}"
                f" at {piece.centroid.x:.0f}, {piece.centroid.y:.0f}"
            )


def _changed(one: BaseGeometry, other: BaseGeometry) -> BaseGeometry:
    """Ground that one has and the other has not, without strips."""
    half = STRIP_M / 2
    return one.difference(other).buffer(-half).buffer(half)


def _boxes(looks: Sequence[Look]) -> dict[str, BaseGeometry]:
    """Boxes of all looks by their ids, local metres."""
    found: dict[str, BaseGeometry] = {}
    for look in looks:
        stacks = stacks_of(look.sightings)
        found |= dict(zip(stacks.ids.tolist(), polygons(stacks.corners), strict=True))
    return found


def table(measured: Measured) -> str:
    """The table of the docs, with 95 % intervals (Wilson)."""
    rows = [[kind, measured.claims[kind], measured.true[kind]] for kind in CLAIMS]
    rows.append(["all claims", sum(measured.claims.values()), sum(measured.true.values())])
    rows.append([f"true changes of {LEAST_TRUE_M2:.0f} m² or more: claimed", measured.changes,
                 measured.claimed])  # fmt: skip
    told = [[*row, _share(int(row[2]), int(row[1]))] for row in rows]
    told.append(["not claimed, but told as undecided", measured.changes - measured.claimed,
                 measured.undecided, ""])  # fmt: skip
    told += [[f"rows `{kind}`", measured.remarks[kind], "", ""] for kind in REMARKS]
    return markdown(["what", "n", "true", "share, 95 %"], told)


def _share(number: int, total: int) -> str:
    if not total:
        return ""
    ends = binomtest(number, total).proportion_ci(method="wilson")
    return f"{number / total:.0%} [{ends.low:.0%}, {ends.high:.0%}]"


def main() -> None:
    """Render, find, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stories", type=int)
    parser.add_argument("--first", type=int, default=FIRST_SEED, help="seed of the first story")
    parser.add_argument("--weights", help="a network instead of the simulated detector")
    parser.add_argument("--small", action="store_true", help="1 m a pixel instead of 0.5 m")
    parser.add_argument("--docs", type=Path, help="document whose table is replaced")
    given = parser.parse_args()
    find = networked(given.weights) if given.weights else simulated(BlockErrors())
    stories = given.stories or (2 if given.weights else 10)
    tables = {"simulated": Measured(), "hard": Measured()}
    for seed in range(given.first, given.first + stories):
        with tempfile.TemporaryDirectory() as folder:
            sites = tell_sites(seed, Path(folder), find, 1.0 if given.small else 0.5)
            measure(sites, tables["hard" if seed % 2 else "simulated"])
    for name, measured in tables.items():
        text = table(measured)
        print(name, text, *measured.wrong, *measured.missed, sep="\n")
        if given.docs:
            put(given.docs, f"stack changes {name}", text)


if __name__ == "__main__":
    main()
