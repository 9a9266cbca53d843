"""How much of a yard's ground changed between two looks whose pixels are too coarse for blocks.

At 10 m a container is a quarter of a pixel: nobody can count them, but their ground turns brighter,
darker or rougher when they come and go. What counts as a change is set by the ground around the
yard: brightness is matched there, and the threshold is what `FALSE_ALARM` of it exceeds. So the
share of false alarms is known, as far as that ground itself stayed what it was.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Final

import cv2
import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.stats import beta

from detector.activity.changes.pixels import Shelf, cells_of, lay_look, open_shelf
from detector.activity.looks.runs import RunScene
from detector.activity.looks.sites import Site
from detector.activity.looks.zone_looks import Look, Placement
from detector.classes import CONTAINER_STACK
from detector.counting.zones import Zone
from detector.errors import SceneError
from detector.scenes.grid import Grid

Picture = NDArray[np.float32]
Mask = NDArray[np.bool_]

AROUND_M: Final = 400.0  # of a yard: ground that the threshold is set by
FALSE_ALARM: Final = 0.05  # of that ground changes by the threshold
INTERVAL: Final = 0.90
CELLS_ALIKE: Final = 9.0  # neighbours in a window of 3 x 3 share pixels, so that many count as one
LEAST_CELLS: Final = 40  # of a yard, and twice as many around it, or nothing is said
MOST_CELLS: Final = 2048
COARSEST_M: Final = 12.0  # a larger pixel holds quay, water and stacks at once


def ground_rows(
    site: Site,
    zone: Zone,
    looks: Sequence[Look],
    scenes: Mapping[str, RunScene],
    placements: Mapping[str, Placement],
) -> list[dict[str, Any]]:
    """Rows `schema.GroundChangeRow` of one yard: each look beside the one before it.

    Args:
        site: with its frame.
        zone: the yard.
        looks: of the zone, in order of time.
        scenes: by id.
        placements: of the scenes.
    """
    full = [look for look in looks if look.whole and look.gsd_m and look.gsd_m <= COARSEST_M]
    rows = []
    with open_shelf(scenes) as shelf:
        for before, after in itertools.pairwise(full):
            if CONTAINER_STACK.name not in before.unreadable | after.unreadable:
                continue
            shelf.keep_only([*before.scene_ids, *after.scene_ids])
            try:
                told = _compare(zone, (before, after), shelf, placements, site.frame.crs)
            except SceneError as error:
                told = _nothing(f"a scene cannot be read again ({error})")
            key = {"site": site.name, "zone": zone.name, "kind": zone.kind}
            rows.append(key | {"from_day": before.day, "to_day": after.day} | told)
    return rows


def changed_share(
    before: Picture, after: Picture, inside: Mask, around: Mask
) -> tuple[float, float, float] | None:
    """The share of a yard's cells that changed, less what chance alone would give, and its range.

    Args:
        before: `(h, w)` brightness.
        after: the same ground on another date.
        inside: `(h, w)` cells of the yard that both dates show.
        around: cells of the ground around it that both dates show.

    Returns:
        Estimate, low and high of the 90 % interval (Clopper and Pearson 1934, of independent
        cells), in [0, 1]; None where there is too little of either.
    """
    if inside.sum() < LEAST_CELLS or around.sum() < 2 * LEAST_CELLS:
        return None
    after = _matched(after, before, around)
    size = (3, 3)
    means = [cv2.blur(part, size) for part in (before, after)]
    rough = [
        np.sqrt(np.maximum(cv2.blur(part * part, size) - mean * mean, 0.0))
        for part, mean in zip((before, after), means, strict=True)
    ]
    signs = [np.abs(means[1] - means[0]), np.abs(rough[1] - rough[0])]
    scaled = np.max([sign / max(float(sign[around].mean()), 1e-6) for sign in signs], axis=0)
    changed = scaled > np.quantile(scaled[around], 1.0 - FALSE_ALARM)
    cells = inside.sum() / CELLS_ALIKE
    hits = changed[inside].mean() * cells
    tail = (1.0 - INTERVAL) / 2.0
    low = float(beta.ppf(tail, hits, cells - hits + 1)) if hits > 0 else 0.0
    high = float(beta.ppf(1.0 - tail, hits + 1, cells - hits)) if hits < cells else 1.0
    share, low, high = (_less_chance(value) for value in (hits / cells, low, high))
    return share, low, high


def _less_chance(share: float) -> float:
    """What is left of a share when `FALSE_ALARM` of the rest is taken for changed by chance."""
    return float(np.clip((share - FALSE_ALARM) / (1.0 - FALSE_ALARM), 0.0, 1.0))


def _matched(picture: Picture, like: Picture, where: Mask) -> Picture:
    """The brightness of one date as another's, by median and spread of the ground around."""

    def spread(part: Picture) -> tuple[float, float]:
        low, middle, high = np.percentile(part[where], (25, 50, 75))
        return float(middle), max(float(high - low), 1.0)

    (mine, my_spread), (other, other_spread) = spread(picture), spread(like)
    return np.asarray((picture - mine) * (other_spread / my_spread) + other, np.float32)


def _compare(
    zone: Zone,
    looks: tuple[Look, Look],
    shelf: Shelf,
    placements: Mapping[str, Placement],
    crs: str,
) -> dict[str, Any]:
    cell_m = max(look.gsd_m or 0.0 for look in looks)
    bounds = shapely.bounds(shapely.buffer(zone.shape, AROUND_M)).tolist()
    grid = Grid.around(tuple(bounds), MOST_CELLS, cell_m, crs)
    read = [_read(look, shelf, placements, grid) for look in looks]
    seen = read[0][1] & read[1][1]
    yard = cells_of(zone.shape, grid)
    near = cells_of(shapely.buffer(zone.shape, 2 * cell_m), grid)
    told = changed_share(read[0][0], read[1][0], yard & seen, ~near & seen)
    if told is None:
        return _nothing("too few pixels of the yard or of the ground around it")
    share, low, high = told
    return {
        "changed_share": share,
        "changed_low": low,
        "changed_high": high,
        "false_alarm": FALSE_ALARM,
        "area_m2": float(zone.shape.area),
        "gsd_m": cell_m,
        "reason": "",
    }


def _nothing(reason: str) -> dict[str, Any]:
    names = ("changed_share", "changed_low", "changed_high", "false_alarm", "area_m2", "gsd_m")
    return dict.fromkeys(names) | {"reason": reason}


def _read(
    look: Look, shelf: Shelf, placements: Mapping[str, Placement], grid: Grid
) -> tuple[Picture, Mask]:
    """Brightness of what the scenes of a look show together, and what they saw."""
    rgb, seen = lay_look(look.scene_ids, shelf, placements, grid)
    return np.asarray(rgb.astype(np.float32).mean(axis=2), np.float32), seen
