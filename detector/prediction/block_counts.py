"""Container stacks in `counts.csv`: intervals of number, area and TEU, from draws of the blocks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.counting.counts import DRAWS_COLUMN, QUANTILE_COLUMNS, CountedArea
from detector.counting.draws import DRAWS, pack_draws
from detector.counting.intervals import quantiles_of
from detector.detections import Detections
from detector.later import pandas as pd
from detector.stacks.block_model import BlockModel
from detector.stacks.settings import StackSettings
from detector.stacks.totals import FoundBlocks, ZoneDraws, draw_zone, interval_of

CLAIMED = ("observed", "cloud_unknown")  # counts of other states carry no estimate


@dataclass(frozen=True, slots=True)
class SceneBlocks:
    """The blocks of a scene.

    Attributes:
        detections: of the scene.
        stacks: their rows of `stacks.csv`.
        held_by: name and kind of the first zone of every detection; empty without zones.
        model: what boxes are worth.
        settings: priors and number of draws.
    """

    detections: Detections
    stacks: pd.DataFrame
    held_by: Sequence[tuple[str, str]]
    model: BlockModel
    settings: StackSettings


def with_block_intervals(
    counts: pd.DataFrame, areas: Sequence[CountedArea], blocks: SceneBlocks
) -> pd.DataFrame:
    """The counts with the intervals of container stacks filled in.

    The scene is the sum of its zones and of what lies in none, draw by draw, and its interval is no
    wider than theirs together. Zones that were not seen whole, and scenes of which the model reads
    nothing, get none, as in all counts.

    Args:
        counts: of the scene, as `count_scene` makes them.
        areas: that were counted, the scene first.
        blocks: of the scene.
    """
    table = counts.copy()
    blocks = replace(blocks, stacks=blocks.stacks.set_index("id"))  # once, and not for each zone
    names = blocks.detections.classes.names
    rows_of: dict[tuple[str, str], list[int]] = defaultdict(list)
    for row, key in enumerate(zip(table["class"], table["zone"], strict=True)):
        rows_of[key].append(row)
    told: dict[str, dict[int, Any]] = {}  # by column and row: a table is slow to fill cell by cell
    for class_id in blocks.detections.classes.with_role("containers"):
        for area in areas:
            if area.status not in CLAIMED:
                continue
            for column, value in _numbers(area, class_id, blocks).items():
                for row in rows_of.get((names[class_id], area.name), ()):
                    told.setdefault(column, {})[row] = value
    filled = {}
    for column, values in told.items():
        cells = {**dict(enumerate(table[column].tolist())), **values}
        filled[column] = pd.Series(list(cells.values()), table.index, table[column].dtype)
    return table.assign(**filled)


def _numbers(area: CountedArea, class_id: int, blocks: SceneBlocks) -> dict[str, Any]:
    """The columns of one area."""
    found = blocks.detections
    mine = found.counted & (found.class_ids == class_id)  # what was not seen is in no table
    rows = area.members[mine[area.members]]
    parts = [(area.name, area.kind, rows)]
    if not area.name and blocks.held_by:
        held = [blocks.held_by[row] for row in rows.tolist()]
        parts = [
            (*zone, rows[[one == zone for one in held]]) for zone in dict.fromkeys(held)
        ] or parts
    drawn = [_draw(name, kind, chosen, blocks) for name, kind, chosen in parts]
    total = drawn[0]
    for part in drawn[1:]:
        total = total + part
    numbers: dict[str, Any] = {}
    for what, column in (("number", "count"), ("area_m2", "area"), ("teu", "teu")):
        draws = getattr(total, what)
        if draws is None:
            continue
        ends = [interval_of(getattr(part, what)) for part in drawn]
        most = sum(low for low, _, _ in ends), sum(high for _, _, high in ends)
        low, middle, high = interval_of(draws, most)
        if column == "count":
            low, middle, high = round(low), float(draws.mean()), round(high)
            kept = np.rint(draws[:DRAWS]).astype(np.int64)
            numbers |= dict(zip(QUANTILE_COLUMNS, quantiles_of(kept), strict=True))
            numbers[DRAWS_COLUMN] = pack_draws(kept)
        numbers |= {f"{column}_low": low, f"{column}_est": middle, f"{column}_high": high}
    return numbers


def _draw(name: str, kind: str, rows: NDArray[np.int64], blocks: SceneBlocks) -> ZoneDraws:
    found = blocks.detections
    ids = [f"{found.scene_id}#{row}" for row in rows.tolist()]
    table = blocks.stacks.loc[ids].reset_index()
    boxes = FoundBlocks(found.scores[rows].astype(np.float64), found.area_m2[rows], table, kind)
    return draw_zone(boxes, name, blocks.settings, blocks.model)
