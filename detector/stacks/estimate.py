"""Every stack of a scene: slots, tiers, containers, TEU. One row a block, every factor kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
import shapely
from numpy.typing import NDArray

from detector.detections import Detections
from detector.geometry.frames import FilePixels, SceneMetres
from detector.later import pandas as pd
from detector.scenes.scene import Scene
from detector.stacks.block import BlockBox
from detector.stacks.frame import GroundFrame, ground_frame
from detector.stacks.patch import Patch, read_patch
from detector.stacks.pitch import COARSEST_PITCH_M, Periods
from detector.stacks.settings import StackSettings
from detector.stacks.shadow import TALLEST_M, ShadowTiers, measure_tiers
from detector.stacks.simulate import Z_90, Factors, quantiles, simulate
from detector.stacks.slots import (
    Fill,
    Share,
    SlotGrid,
    lay_grid,
    measure_fill,
    measure_share,
    way_of,
)

NUMBERS: Final = ("slots", "tiers", "containers", "teu")
COLUMNS: Final = (
    "scene_id",
    "id",
    "zone",
    "zone_kind",
    "area_m2",
    "length_m",
    "width_m",
    *(f"{name}{end}" for name in NUMBERS for end in ("_low", "", "_high")),
    "share_40ft",
    "fill",
    "method",
    "flags",
    "along_m",
    "across_m",
    "size_sd_m",
    "places",
    "rows",
    "fill_sd",
    "share_sd",
    "row_pitch_m",
    "row_pitch_sd",
    "half_bay_m",
    "half_bay_sd",
    "shadow_tiers",
    "shadow_sd",
    "shadow_pieces",
    "shadow_hidden",
    "lean_east",
    "lean_north",
    "area_px",
)
TEXT_COLUMNS: Final = ("scene_id", "id", "zone", "zone_kind", "method", "flags")
BOX_SD_M: Final = 0.5  # of a side of a found box, besides a pixel
LEAN_SPREAD_M: Final = 4.0  # tops of a block differ by a tier or two: the lean widens its box
SEEN_SHARE: Final = 0.98  # of a box; below it what is under cloud or nodata is unknown
NO_ZONE: Final = ("", "")
MOST_MARGIN_M: Final = 60.0  # of pixels around a block: longer shadows are not followed
RING_MARGIN_M: Final = 15.0
TRAIN_WIDTH_M: Final = 4.4  # a box of one row of wagons, with its errors
COARSEST_GSD_M: Final = 1.2  # nothing of a container can be seen above it
MOST_ASKED: Final = 40  # largest blocks of a scene that are asked for the pitches of their yard
ASKED_MARGIN_M: Final = 2.0
FLAG_SEPARATOR: Final = ";"


@dataclass(frozen=True, slots=True)
class BlockEstimate:
    """What was found about one block.

    Attributes:
        row: of the detections.
        box: in metres; None without gsd or area.
        grid: of its places; None as the box.
        fill: measured, or None.
        shadow: measured tiers, or None.
        share: of 40 ft containers, measured, or None.
        size: along and across the containers, metres, without lean.
        wagons: it is a train.
        flags: words, see `docs/stacks.md`.
    """

    row: int
    box: BlockBox | None
    grid: SlotGrid | None
    fill: Fill | None
    shadow: ShadowTiers | None
    share: Share | None
    size: tuple[float, float]
    wagons: bool
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BlockSurroundings:
    """What is around a block.

    Attributes:
        boxes: `(K, 4, 2)` of other objects, metres.
        zone_kind: of its zone; empty in none.
        periods: what other blocks tell of the pitches.
    """

    boxes: SceneMetres
    zone_kind: str
    periods: Sequence[Periods]


def estimate_stacks(
    scene: Scene,
    detections: Detections,
    zones: Sequence[tuple[str, str]],
    settings: StackSettings,
    *,
    readable: bool = True,
) -> pd.DataFrame:
    """Containers of every stack of a scene.

    Args:
        scene: open; its pixels around the stacks are read.
        detections: of the scene.
        zones: name and kind of the zone of every detection, empty where it lies in none, as
            `counting.zones.first_zones` says; none at all: no zones.
        settings: priors.
        readable: whether the network can read the scene's gsd; else nothing but areas is told.

    Returns:
        `COLUMNS`, one row a block in the order of the detections. Numbers are null without gsd
        (`method` is `area_only`); deck cargo has slots, no tiers.

    Raises:
        SceneError: the file is damaged.
    """
    if not _estimated(detections).any():
        return _no_blocks().copy()
    if readable:
        blocks = examine_stacks(scene, detections, zones, settings)
    else:
        rows = np.flatnonzero(_estimated(detections)).tolist()
        blocks = [_without_numbers(detections, row, "outside_model_range") for row in rows]
    kinds = [zones[block.row] if zones else NO_ZONE for block in blocks]
    return tabulate(detections, blocks, kinds, ground_frame(scene), settings)


def examine_stacks(
    scene: Scene,
    detections: Detections,
    zones: Sequence[tuple[str, str]],
    settings: StackSettings,
) -> list[BlockEstimate]:
    """Look at every stack of a scene; see `estimate_stacks`."""
    rows = np.flatnonzero(_estimated(detections)).tolist()
    frame = ground_frame(scene)
    if frame is None:
        return [_without_numbers(detections, row, "no_gsd") for row in rows]
    all_m = frame.to_metres(detections.corners)
    periods = _periods_of_largest(scene, frame, detections, rows)
    low, high = all_m.min(axis=1), all_m.max(axis=1)
    tree = shapely.STRtree(shapely.box(low[:, 0], low[:, 1], high[:, 0], high[:, 1]))
    blocks = []
    for row in rows:
        _, kind = zones[row] if zones else NO_ZONE
        reach = _margin(frame)
        around = shapely.box(*(low[row] - reach), *(high[row] + reach))
        near = np.setdiff1d(tree.query(around), [row])
        others = [told for number, told in periods.items() if number != row]
        surroundings = BlockSurroundings(SceneMetres(all_m[near]), kind, others)
        blocks.append(_examine(scene, frame, detections, row, surroundings, settings))
    return blocks


def _periods_of_largest(
    scene: Scene, frame: GroundFrame, detections: Detections, rows: Sequence[int]
) -> dict[int, Periods]:
    """What the largest blocks tell of the pitches in their yard, by row of the detections."""
    if frame.gsd_m > COARSEST_PITCH_M:
        return {}
    found, nothing = {}, SceneMetres(np.zeros((0, 4, 2)))
    for row in sorted(rows, key=lambda row: -float(detections.area_m2[row]))[:MOST_ASKED]:
        box = _block_box(detections, row, frame)
        if box is None:
            continue
        patch = read_patch(scene, frame, box.corners, nothing, ASKED_MARGIN_M)
        told = way_of(_without_lean(box, frame), patch, box, frame.gsd_m)[2]
        if told is not None:
            found[row] = told
    return found


def _examine(
    scene: Scene,
    frame: GroundFrame,
    detections: Detections,
    row: int,
    around: BlockSurroundings,
    settings: StackSettings,
) -> BlockEstimate:
    flags = _edge_flags(detections, row)
    box = _block_box(detections, row, frame)
    if box is None:
        return BlockEstimate(
            row, None, None, None, None, None, (0.0, 0.0), False, (*flags, "no_area")
        )
    size = _without_lean(box, frame)
    patch, seen = None, 1.0
    if frame.gsd_m <= COARSEST_GSD_M:
        patch = read_patch(scene, frame, box.corners, around.boxes, _margin(frame))
        seen = _seen_share(patch, box)
        flags += ("under_cloud",) if seen < SEEN_SHARE else ()
    else:
        flags += ("too_coarse",)
    grid = lay_grid(size, patch, box, frame.gsd_m, around.periods)
    wagons = around.zone_kind == "railhead" and size[1] < TRAIN_WIDTH_M
    fill = measure_fill(grid, patch, box, frame.gsd_m) if patch is not None else None
    if seen < SEEN_SHARE:
        fill = _of_seen(fill, seen, settings)
    share = None
    if patch is not None and not wagons:  # their gaps lie elsewhere than the grid's
        share = measure_share(grid, patch, box, frame.gsd_m, settings.share_40ft[1])
    shadow, why = None, ""
    if patch is not None and not wagons and not detections.on_ship[row]:
        shadow, why = _shadow(box, grid, patch, frame, settings)
    ordered = size if grid.lengthwise else size[::-1]
    words = (*flags, *(("wagons",) if wagons else ()), *((why,) if why else ()))
    return BlockEstimate(row, box, grid, fill, shadow, share, ordered, wagons, words)


def _shadow(
    box: BlockBox, grid: SlotGrid, patch: Patch, frame: GroundFrame, settings: StackSettings
) -> tuple[ShadowTiers | None, str]:
    if not settings.level_ground:
        return None, "slope"
    tilt = frame.off_nadir_deg
    if tilt is not None and abs(tilt) > settings.max_off_nadir_deg:
        return None, "oblique_view"
    shadow, why = measure_tiers(box, grid, patch, frame)
    if shadow is not None and not frame.lean_known:
        return shadow, "view_unknown"
    return shadow, why


def tabulate(
    detections: Detections,
    blocks: Sequence[BlockEstimate],
    zones: Sequence[tuple[str, str]],
    frame: GroundFrame | None,
    settings: StackSettings,
) -> pd.DataFrame:
    """The table of blocks; see `estimate_stacks`."""
    rows = [_row(detections, block, zone, frame) for block, zone in zip(blocks, zones, strict=True)]
    return add_numbers(_typed(rows), settings)


@cache
def _no_blocks() -> pd.DataFrame:
    return _typed([])


def _typed(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    table = pd.DataFrame(list(rows), columns=list(COLUMNS))
    return table.astype({n: "str" if n in TEXT_COLUMNS else "float64" for n in COLUMNS})


def add_numbers(table: pd.DataFrame, settings: StackSettings) -> pd.DataFrame:
    """The table with its numbers and intervals filled in from its factors, block by block."""
    table = table.copy()
    known = table["along_m"].notna().to_numpy()
    if not known.any():
        return table
    draws = simulate(factors_of(table[known], settings), settings)
    for name in NUMBERS:
        low, mid, high = quantiles(getattr(draws, name))
        for end, values in (("_low", low), ("", mid), ("_high", high)):
            table.loc[known, f"{name}{end}"] = values
    table.loc[known, "share_40ft"] = table["share_40ft"][known].fillna(settings.share_40ft[1])
    deck = table["flags"].str.split(FLAG_SEPARATOR).map(lambda words: "deck_cargo" in words)
    hidden = [f"{n}{end}" for n in NUMBERS[1:] for end in ("_low", "", "_high")]
    table.loc[deck.to_numpy(), hidden] = np.nan
    return table


def factors_of(table: pd.DataFrame, settings: StackSettings) -> Factors:
    """The factors of rows that have sizes.

    Args:
        table: rows of `COLUMNS`, `zone_kind` of each decides its prior.
        settings: priors.
    """
    prior = [settings.tiers_of(kind) for kind in table["zone_kind"]]
    wagons = table["flags"].str.split(FLAG_SEPARATOR).map(lambda words: "wagons" in words)
    return Factors(
        along_m=table["along_m"].to_numpy(float),
        across_m=table["across_m"].to_numpy(float),
        size_sd_m=table["size_sd_m"].to_numpy(float),
        fill=table["fill"].to_numpy(float),
        fill_sd=table["fill_sd"].to_numpy(float),
        share=table["share_40ft"].to_numpy(float),
        share_sd=table["share_sd"].to_numpy(float),
        row_pitch_m=table["row_pitch_m"].to_numpy(float),
        row_pitch_sd=table["row_pitch_sd"].to_numpy(float),
        half_bay_m=table["half_bay_m"].to_numpy(float),
        half_bay_sd=table["half_bay_sd"].to_numpy(float),
        tiers=table["shadow_tiers"].to_numpy(float),
        tiers_sd=table["shadow_sd"].to_numpy(float),
        prior=np.array(prior, float).reshape(-1, 3),
        wagons=wagons.to_numpy(bool),
    )


def _row(
    detections: Detections, block: BlockEstimate, zone: tuple[str, str], frame: GroundFrame | None
) -> dict[str, Any]:
    i = block.row
    x, y = detections.corners[i].T
    area_px = 0.5 * abs(float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum()))
    row: dict[str, Any] = {
        "scene_id": detections.scene_id,
        "id": f"{detections.scene_id}#{i}",
        "zone": zone[0],
        "zone_kind": zone[1],
        "area_m2": float(detections.area_m2[i]),
        "length_m": float(detections.length_m[i]),
        "width_m": float(detections.width_m[i]),
        "method": "area_only",
        "flags": FLAG_SEPARATOR.join(block.flags),
        "area_px": area_px,
    }
    if block.grid is None or frame is None:
        return row
    row |= {
        "method": "shadow" if block.shadow is not None else "prior",
        "along_m": block.size[0],
        "across_m": block.size[1],
        "size_sd_m": BOX_SD_M + frame.gsd_m,
        "lean_east": frame.lean_east_north[0],
        "lean_north": frame.lean_east_north[1],
        "places": block.grid.capacity,
        "rows": block.grid.rows,
        "row_pitch_m": block.grid.row_pitch.metres,
        "row_pitch_sd": block.grid.row_pitch.sd,
        "half_bay_m": block.grid.half_bay_pitch.metres,
        "half_bay_sd": block.grid.half_bay_pitch.sd,
        "fill": block.fill.share if block.fill else np.nan,
        "fill_sd": block.fill.sd if block.fill else np.nan,
        "share_40ft": block.share.share if block.share else np.nan,
        "share_sd": block.share.sd if block.share else np.nan,
    }
    if "deck_cargo" in block.flags:
        row["method"] = "area_only"
    if block.shadow is not None:
        row |= {
            "shadow_tiers": block.shadow.tiers,
            "shadow_sd": block.shadow.sd,
            "shadow_pieces": block.shadow.bins,
            "shadow_hidden": block.shadow.hidden,
        }
    return row


def _block_box(detections: Detections, row: int, frame: GroundFrame) -> BlockBox | None:
    return BlockBox.of(frame.to_metres(FilePixels(detections.corners[row])))


def _estimated(detections: Detections) -> NDArray[np.bool_]:
    return detections.classes.mask(detections.class_ids, "containers") & ~detections.unseen


def _without_numbers(detections: Detections, row: int, why: str) -> BlockEstimate:
    flags = (*_edge_flags(detections, row), why)
    return BlockEstimate(row, None, None, None, None, None, (0.0, 0.0), False, flags)


def _edge_flags(detections: Detections, row: int) -> tuple[str, ...]:
    flags = ("cut_by_edge",) if detections.is_cut[row] else ()
    return (*flags, "deck_cargo") if detections.on_ship[row] else flags


def _seen_share(patch: Patch, box: BlockBox) -> float:
    u, v = (np.linspace(0.02, 0.98, 24) * side for side in (box.length_m, box.width_m))
    whole = Patch(patch.rgb, patch.seen, np.zeros_like(patch.seen), patch.origin, patch.scale)
    return float(whole.free(box.places(u, v)).mean())


def _of_seen(fill: Fill | None, seen: float, settings: StackSettings) -> Fill:
    """A block partly under cloud counts its seen part only: hidden places are not made up."""
    low, mid, high = settings.fill
    known = fill or Fill(mid, (high - low) / 2 / Z_90, measured=False)
    return Fill(known.share * seen, known.sd * seen, known.measured)


def _without_lean(box: BlockBox, frame: GroundFrame) -> tuple[float, float]:
    """Length and width less what the lean of tops of different height adds."""
    lean = np.abs(np.array([box.along @ frame.lean, box.across @ frame.lean])) * LEAN_SPREAD_M
    return (max(box.length_m - float(lean[0]), box.length_m / 2),
            max(box.width_m - float(lean[1]), box.width_m / 2))  # fmt: skip


def _margin(frame: GroundFrame) -> float:
    reach = float(np.hypot(*frame.throw)) * TALLEST_M if frame.throw is not None else 0.0
    return float(np.clip(reach, RING_MARGIN_M, MOST_MARGIN_M))
