"""The merge with the real network: counts must not depend on where the tiles lie.

Mosaics of real port images are moved against the grid of tiles and counted again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from benchmarks.mosaics import (
    GRID,
    MOSAICS,
    QUICK_GRID,
    QUICK_MOSAICS,
    cell_plan,
    mosaic,
    moved,
    one_look,
    predict_plan,
)
from benchmarks.peers import PEERS
from benchmarks.pool import NOT_HERE, find_pool
from benchmarks.tables import markdown
from detector.boxes.duplicates import suppress_tile_duplicates
from detector.boxes.scored import Boxes, TileBoxes
from detector.calibrating.luck import CELL_PX, merged, tile_boxes
from detector.classes import PORT
from detector.geometry.boxes import Corners, iou_matrix
from detector.models.detector import Detector, DetectorSettings, load_detector
from detector.tiling.plan import TilePlan

OFFSETS, QUICK_OFFSETS = 8, 2
SURE, SAME_IOU = 0.5, 0.5
PARTNER_IOU = 0.3
PEERS_DUPLICATE_IOU = 0.5
WEIGHTS = "port-n"
MIRRORED = "-mirrored"  # a card of the same weights
OURS = "Quaywatch"
COMPARED = (
    OURS,
    "exact NMS, IoU 0.3",
    "core only + exact NMS 0.5",
    "SAHI GREEDYNMM, IOS 0.5 (default)",
    "supervision NMS, IOU 0.5 (default)",
    "supervision NMS, IOS 0.5",
)
CELLS, PREDICT = f"of {CELL_PX} px, so that an image fits", "as `predict` reads"

PlanFunction: TypeAlias = Callable[[NDArray[np.uint8], Detector], TilePlan]


@dataclass(frozen=True, slots=True)
class Look:
    """A mosaic at one offset of the grid, mosaic frame.

    Attributes:
        found: objects.
        shown: boxes that any tile gave from the threshold on.
    """

    found: Boxes
    shown: Boxes


@dataclass(frozen=True, slots=True)
class Seen:
    """All mosaics at all offsets.

    Attributes:
        looks: by merge, then by mosaic, then by offset.
        alone: boxes of each image alone, by mosaic, then by offset; the image lies at another
            place of its tile each time.
        ships: `(K, 4, 2)` labelled ones, by mosaic.
        dev: those of them on the dev split.
    """

    looks: dict[str, list[list[Look]]]
    alone: list[list[Boxes]] = field(default_factory=list)
    ships: list[Corners] = field(default_factory=list)
    dev: list[Corners] = field(default_factory=list)


def offsets_tables(quick: bool, weights: str = WEIGHTS) -> tuple[str, str]:
    """Counts at several offsets of the grid: of every merge, and of ours by how it reads."""
    pool = find_pool()
    if pool is None:
        return NOT_HERE, NOT_HERE
    one = load_detector(DetectorSettings(weights))
    four = load_detector(DetectorSettings(weights + MIRRORED))
    cells = _see(pool, one, cell_plan, quick, COMPARED)
    rows = [_merge_row(name, cells) for name in COMPARED]
    rows.append(_alone_row(cells))
    head = ["merge", "ships, mean (least-most)", "spread", "against one look"]
    head += ["stacks, mean (least-most)", "no partner: not shown", "no partner: lost"]
    merges = markdown([*head, "sure boxes once", "more than once"], rows)
    rows = [
        *_reading_rows("1", CELLS, cells),
        *_reading_rows("4", CELLS, _see(pool, four, cell_plan, quick)),
        *_reading_rows("1", PREDICT, _see(pool, one, predict_plan, quick)),
        *_reading_rows("4", PREDICT, _see(pool, four, predict_plan, quick)),
    ]
    head = ["readings of a tile", "tiles", "ships", "mean (least-most)", "spread"]
    head += ["farthest from the mean", "spread of one mosaic", "against one look"]
    return merges, markdown(head, rows)


def _see(
    pool: Path,
    detector: Detector,
    planned: PlanFunction,
    quick: bool,
    merges: tuple[str, ...] = (OURS,),
) -> Seen:
    """Look at every mosaic at its own offsets, and at its images alone where they fit a tile."""
    seen = Seen({name: [] for name in merges})
    grid, offsets = (QUICK_GRID, QUICK_OFFSETS) if quick else (GRID, OFFSETS)
    for number in range(QUICK_MOSAICS if quick else MOSAICS):
        scene = mosaic(pool, grid, number)
        rng = np.random.default_rng(number)
        for looks in seen.looks.values():
            looks.append([])
        seen.alone.append([])
        seen.ships.append(scene.ships)
        seen.dev.append(scene.ships[scene.dev])
        for _ in range(offsets):
            offset = rng.integers(0, CELL_PX // 2, 2)
            pixels = moved(scene, offset)
            plan = planned(pixels, detector)
            ours = tile_boxes(pixels, plan, detector)
            theirs = for_peers(ours, detector)
            shown = _back(theirs.boxes, offset)
            for name, looks in seen.looks.items():
                mine = name == OURS
                found = merged(ours, plan, detector) if mine else PEERS[name](theirs, plan)
                looks[-1].append(Look(_back(found, offset), shown))
            if planned is cell_plan:
                seen.alone[-1].append(one_look(scene, detector, rng))
    return seen


def for_peers(seen: TileBoxes, detector: Detector) -> TileBoxes:
    """What a merge that takes boxes as they are gets: from the threshold on, no duplicates."""
    counts = seen.boxes.scores >= detector.conf[seen.boxes.class_ids]
    boxes, tiles = seen.boxes.select(counts), seen.tiles[counts]
    kept = np.sort(suppress_tile_duplicates(boxes, tiles, PEERS_DUPLICATE_IOU))
    return TileBoxes(boxes.select(kept), tiles[kept])


def _back(boxes: Boxes, offset: NDArray[np.int64]) -> Boxes:
    return Boxes(boxes.corners - offset, boxes.scores, boxes.class_ids)


def _counts(looks: list[list[Boxes]], of: int) -> NDArray[np.int64]:
    """`(mosaics, offsets)` objects of a class."""
    return np.array([[int((boxes.class_ids == of).sum()) for boxes in row] for row in looks])


def _found(seen: Seen, merge: str) -> list[list[Boxes]]:
    """Objects by mosaic, then by offset."""
    return [[look.found for look in row] for row in seen.looks[merge]]


def _range(totals: NDArray[np.int64]) -> str:
    return f"{totals.mean():,.0f} ({totals.min():,}-{totals.max():,})"


def _spread(totals: NDArray[np.int64]) -> float:
    """Standard deviation by mean, per cent."""
    return float(100 * totals.std(ddof=1) / totals.mean())


def _against(ships: NDArray[np.int64], alone: NDArray[np.int64]) -> str:
    return f"{100 * (ships.sum() / alone.sum() - 1):+.1f} %" if alone.size else ""


def _merge_row(name: str, seen: Seen) -> list[str]:
    found = _found(seen, name)
    ships = _counts(found, PORT.id("ship"))
    stacks = _counts(found, PORT.id("container_stack")).sum(axis=0)
    totals = ships.sum(axis=0)
    unseen, lost = _lone(seen.looks[name])
    once, twice = _once(seen, name)
    return [
        name,
        _range(totals),
        f"{_spread(totals):.1f} %",
        _against(ships, _counts(seen.alone, PORT.id("ship"))),
        _range(stacks),
        f"{100 * unseen:.1f} %",
        f"{100 * lost:.1f} %",
        f"{100 * once:.1f} %",
        f"{100 * twice:.1f} %",
    ]


def _alone_row(seen: Seen) -> list[str]:
    ships, stacks = (
        _counts(seen.alone, of).sum(axis=0) for of in (PORT.id("ship"), PORT.id("container_stack"))
    )
    spread = f"{_spread(ships):.1f} %"
    return ["each image in one tile", _range(ships), spread, "", _range(stacks), "", "", "", ""]


def _reading_rows(readings: str, tiles: str, seen: Seen) -> list[list[str]]:
    """Of all ships that are counted, and of the labelled ones that are among them."""
    looks = _found(seen, OURS)
    counted = _counts(looks, PORT.id("ship")), _counts(seen.alone, PORT.id("ship"))
    rows = [_reading_row([readings, tiles, "counted"], *counted)]
    for ships, where in ((seen.ships, ""), (seen.dev, ", dev split")):
        name = f"found of {sum(map(len, ships)):,} labelled{where}"
        found = _labelled(looks, ships), _labelled(seen.alone, ships)
        rows.append(_reading_row([readings, tiles, name], *found))
    return rows


def _reading_row(names: list[str], ships: NDArray[np.int64], alone: NDArray[np.int64]) -> list[str]:
    totals = ships.sum(axis=0)
    each = ships.std(axis=1, ddof=1) / ships.mean(axis=1)
    return [
        *names,
        _range(totals),
        f"{_spread(totals):.2f} %",
        f"{100 * np.abs(totals / totals.mean() - 1).max():.2f} %",
        f"{100 * np.sqrt((each**2).mean()):.1f} %",
        _against(ships, alone),
    ]


def _labelled(looks: list[list[Boxes]], ships: list[Corners]) -> NDArray[np.int64]:
    """`(mosaics, offsets)` labelled ships that were found."""
    return np.array(
        [
            [int(is_found(there, boxes).sum()) for boxes in row]
            for row, there in zip(looks, ships, strict=True)
        ]
    )


def is_found(ships: Corners, boxes: Boxes) -> NDArray[np.bool_]:
    """Mask `(K,)` of labelled ships that share `SAME_IOU` with a ship that was found."""
    found = boxes.select(boxes.class_ids == PORT.id("ship"))
    return np.asarray((iou_matrix(ships, found.corners) >= SAME_IOU).any(axis=1))


def _once(seen: Seen, merge: str) -> tuple[float, float]:
    """Shares of the sure boxes of images alone that come out exactly once, and more than once."""
    hits = []
    for looks, alone in zip(seen.looks[merge], seen.alone, strict=True):
        for look, boxes in zip(looks, alone, strict=True):
            sure = boxes.select(boxes.scores >= SURE)
            hits.append((_overlap(sure, look.found) >= SAME_IOU).sum(axis=1))
    counts = np.concatenate(hits)
    return float((counts == 1).mean()), float((counts > 1).mean())


def _lone(looks: list[list[Look]]) -> tuple[float, float]:
    """Shares of the objects at one offset that have no partner at another.

    First those of which no tile shows a box there: the network's doing. Then those of which one
    does, from the threshold on: the merge's.
    """
    objects = unseen = lost = 0
    for offsets in looks:
        for i, one in enumerate(offsets):
            for other in offsets[:i] + offsets[i + 1 :]:
                alone = _overlap(one.found, other.found).max(axis=1, initial=0) < PARTNER_IOU
                rest = one.found.select(alone)
                shown = _overlap(rest, other.shown).max(axis=1, initial=0) >= PARTNER_IOU
                objects += len(one.found)
                lost += int(shown.sum())
                unseen += int((~shown).sum())
    return unseen / max(objects, 1), lost / max(objects, 1)


def _overlap(one: Boxes, other: Boxes) -> NDArray[np.float64]:
    """Exact IoU `(N, M)`, 0 between classes."""
    same = one.class_ids[:, None] == other.class_ids[None]
    return np.asarray(iou_matrix(one.corners, other.corners) * same)
