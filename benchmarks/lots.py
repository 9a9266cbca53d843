"""How often goods that travel are found, and goods that don't: `python -m benchmarks.lots`.

Stories as the demo's, told without pictures: the blocks of every date, as a detector of given
errors would give them, go through the events and links of `detector activity`. Told are a story,
the same without the lot, and the port of one story with the railhead of another (their lots
differ). Prints the share of stories with a link from port to railhead on the right dates, and with
any other link, and the share of blocks of two places that fit. Takes three minutes.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.stats import binomtest

from benchmarks.tables import markdown, put
from detector.activity.changes.events import sort_events, stack_events
from detector.activity.changes.lots import consistent_links, count_alike, standing_blocks
from detector.activity.changes.stack_tables import StackBook, stack_rows
from detector.activity.looks.sightings import SeenObjects
from detector.activity.looks.sites import LocalFrame, Site
from detector.activity.looks.zone_looks import Look
from detector.classes import PORT as PORT_CLASSES
from detector.counting.zones import Zone
from detector.geometry.boxes import corners_from_xywhr, edge_lengths
from detector.rendering.cargo import place_bays
from detector.rendering.demo import DEMO_CLOUDS, DEMO_DAYS, DEMO_PORT, DEMO_RAILHEAD
from detector.rendering.demo import START as STORY_START
from detector.rendering.layout import lay_out
from detector.rendering.schedule import consignment, drifting_yards, travel_dates
from detector.rendering.site import PortSite, YardBlock
from detector.rendering.solids import SolidsBuilder

SPECS = (DEMO_PORT, DEMO_RAILHEAD)
PORT, RAILHEAD = (spec.name for spec in SPECS)
FRAME = LocalFrame(130.3, 42.2)
FALSE_LENGTH_M, FALSE_WIDTH_M = (12.0, 90.0), (5.0, 25.0)
BOX = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Errors:
    """How the blocks of a look are found.

    Attributes:
        recall: share that is found.
        length_sd: of a measured length, relative.
        width_sd: of a measured width, relative.
        place_sd_m: of a centre.
        false_blocks: in a zone on a date, on average.
    """

    recall: float = 1.0
    length_sd: float = 0.0
    width_sd: float = 0.0
    place_sd_m: float = 0.5
    false_blocks: float = 0.0


DETECTORS = {
    "perfect": Errors(),
    "good": Errors(0.95, 0.02, 0.04, 1.0, 0.2),
    "fair": Errors(0.85, 0.04, 0.08, 1.0, 1.0),
    "poor": Errors(0.65, 0.06, 0.12, 1.5, 3.0),
}


@dataclass(frozen=True, slots=True)
class Told:
    """What a site shows.

    Attributes:
        events: of its blocks.
        standing: sizes of its blocks on every date.
    """

    events: list[dict[str, Any]]
    standing: list[dict[str, Any]]


def tell(seed: int, errors: Errors, lot: bool = True) -> list[Told]:
    """The port and the railhead of a story.

    Args:
        seed: of the story, and of the errors.
        errors: of the detector.
        lot: whether the lot travels.
    """
    sites = _sites(seed)
    sizes = [(spec.width * spec.gsd_m, spec.height * spec.gsd_m) for spec in SPECS]
    goods = consignment(sites, seed, sizes) if lot else []
    told = []
    for at, (spec, site) in enumerate(zip(SPECS, sites, strict=True)):
        generator = np.random.default_rng([seed, at])
        there = travel_dates(len(SPECS), len(DEMO_DAYS))[at]
        taken = {blocks[at].block_id for blocks, _ in goods}
        dates = []
        for date, yard in enumerate(drifting_yards(site, seed, len(DEMO_DAYS), 4)):
            placed = [(b, yard[b.block_id]) for b in site.blocks if b.block_id not in taken]
            placed += [(blocks[at], bays) for blocks, bays in goods if date in there]
            boxes: dict[str, list[BOX]] = {block.zone: [] for block in site.blocks}
            for block, bays in placed:
                boxes[block.zone] += _boxes(block, bays, sizes[at])
            dates.append(boxes)
        told.append(_told(spec.name, dates, errors, generator, sizes[at]))
    return told


def links_of(port: Told, railhead: Told) -> list[dict[str, Any]]:
    """The links between two sites, whichever stories they are of."""
    events = sort_events([*port.events, *railhead.events])
    return consistent_links(events, [*port.standing, *railhead.standing])


def is_right(link: dict[str, Any]) -> bool:
    """From the port to the railhead, gone after the third date and there on the fifth."""
    gone, came = (STORY_START.date() + timedelta(days=DEMO_DAYS[at]) for at in (3, 4))
    return bool(
        (link["from_site"], link["to_site"]) == (PORT, RAILHEAD)
        and link["gone_by"] == gone
        and link["appeared_by"] == came
    )


@lru_cache(maxsize=256)
def _sites(seed: int) -> list[PortSite]:
    return [lay_out(spec, seed) for spec in SPECS]


def _boxes(block: YardBlock, bays: Any, size_m: tuple[float, float]) -> list[BOX]:
    """Corners of the stacks of a block whose middles lie in the picture."""
    groups = place_bays(SolidsBuilder(), bays, block.centre, block.angle, 0.0, every_tier=False)
    return [
        g.box for g in groups if ((g.box.mean(axis=0) > 0) & (g.box.mean(axis=0) < size_m)).all()
    ]


def _told(
    site: str,
    dates: Sequence[dict[str, list[BOX]]],
    errors: Errors,
    generator: np.random.Generator,
    size_m: tuple[float, float],
) -> Told:
    events: list[dict[str, Any]] = []
    standing: list[dict[str, Any]] = []
    for zone in dates[0]:
        looks = []
        for at, boxes in enumerate(dates):
            seen = 1.0 if DEMO_CLOUDS[at] < 0.1 else 0.6
            found = _found(boxes[zone], errors, generator, size_m)
            looks.append(_look(zone, STORY_START + timedelta(days=DEMO_DAYS[at]), seen, found))
        kind = "railhead" if zone.startswith("railhead") else "yard"
        place = Zone(zone, kind, shapely.box(0, 0, *size_m))
        # no scenes: boxes alone tell what changed, as where pixels cannot be compared
        ground = Site(site, FRAME, (place,), ZoneInfo("UTC"))
        rows = stack_rows(ground, place, looks, {}, {}, StackBook([]), pixels=False)
        events += stack_events(rows["stack_changes"], looks)
        standing += standing_blocks(site, looks)
    return Told(events, standing)


def _found(
    boxes: list[BOX], errors: Errors, generator: np.random.Generator, size_m: tuple[float, float]
) -> BOX:
    """`(N, 4, 2)` corners as the detector gives them."""
    corners = np.array([b for b in boxes if generator.random() < errors.recall]).reshape(-1, 4, 2)
    length, width = edge_lengths(corners)
    along = corners[:, 1] - corners[:, 0]
    number = generator.poisson(errors.false_blocks)
    false = [
        generator.uniform(0, size_m[0], number),
        generator.uniform(0, size_m[1], number),
        generator.uniform(*FALSE_LENGTH_M, number),
        generator.uniform(*FALSE_WIDTH_M, number),
        generator.uniform(0, np.pi, number),
    ]
    centre = corners.mean(axis=1) + generator.normal(0, errors.place_sd_m, (len(corners), 2))
    length = length * np.exp(generator.normal(0, errors.length_sd, len(corners)))
    width = width * np.exp(generator.normal(0, errors.width_sd, len(corners)))
    true = np.column_stack([centre, length, width, np.arctan2(along[:, 1], along[:, 0])])
    return corners_from_xywhr(np.concatenate([true, np.column_stack(false)]))


def _look(zone: str, when: datetime, seen: float, corners: BOX) -> Look:
    length, width = edge_lengths(corners)
    length, width = np.maximum(length, width), np.minimum(length, width)
    n = len(corners)
    sightings = SeenObjects(
        ids=np.array([f"{zone}-{when:%Y%m%d}#{i}" for i in range(n)], np.str_),
        class_ids=np.full(n, PORT_CLASSES.id("container_stack")),
        scores=np.full(n, 0.9),
        corners=corners,
        length_m=length,
        width_m=width,
        axis_deg=np.zeros(n),
        gsd_m=np.full(n, 0.5),
    )
    status = "observed" if seen >= 1 else "partial"
    return Look(zone, when.date(), when.astimezone(UTC), (zone,), seen, status, 1.0, sightings)


def measure(seeds: Sequence[int], errors: Errors) -> list[str]:
    """One row: shares of stories, with 95 % intervals (Wilson)."""
    told = [tell(seed, errors) for seed in seeds]
    bare = [tell(seed, errors, lot=False) for seed in seeds]
    shuffled = [(one[0], other[1]) for one, other in zip(told, [*told[1:], told[0]], strict=True)]
    linked = [links_of(*sites) for sites in told]
    right = sum(any(map(is_right, links)) for links in linked)
    wrong = sum(any(not is_right(link) for link in links) for links in linked)
    none = sum(bool(links_of(*sites)) for sites in bare)
    mixed = sum(bool(links_of(*sites)) for sites in shuffled)
    return [_share(number, len(seeds)) for number in (right, wrong, none, mixed)]


def fitting_share(seeds: Sequence[int]) -> float:
    """The share of pairs of blocks, of a port and of the railhead of the next story, that fit."""
    told = [tell(seed, Errors(), lot=False) for seed in seeds]
    fits = total = 0
    for one, other in zip(told, [*told[1:], told[0]], strict=True):
        a, b = (
            [row for row in site.standing if len(row["sizes_m"])] for site in (one[0], other[1])
        )
        left = np.concatenate([row["sizes_m"] for row in a])[::7]
        right = np.concatenate([row["sizes_m"] for row in b])[::7]
        fits += sum(count_alike(x[None], y[None]) for x, y in product(left, right))
        total += len(left) * len(right)
    return fits / total


def _share(number: int, total: int) -> str:
    ends = binomtest(number, total).proportion_ci(method="wilson")
    return f"{number} of {total} [{ends.low:.2f}, {ends.high:.2f}]"


def main() -> None:
    """Tell, link, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stories", type=int, default=60)
    parser.add_argument("--docs", type=Path, help="document whose table is replaced")
    given = parser.parse_args()
    seeds = range(100, 100 + given.stories)
    rows = [[name, *measure(seeds, errors)] for name, errors in DETECTORS.items()]
    head = ["detector", "right link", "another link", "no lot: a link", "shuffled: a link"]
    text = markdown(head, rows)
    print(text)
    print(f"of two blocks of two places fit: {fitting_share(seeds[:20]):.3f}")
    if given.docs:
        put(given.docs, "lots", text)


if __name__ == "__main__":
    main()
