"""Lays the scenes of a site on each other by phase correlation on fixed land."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.features import rasterize

from detector.activity.looks.runs import RunScene
from detector.activity.looks.sites import Site
from detector.activity.looks.zone_looks import Placement
from detector.errors import SceneError
from detector.scenes.grid import Grid, on_grid
from detector.wording import counted

UNREGISTERED_SD_M = 8.0  # geolocation of commercial scenes without ground control, to 90 % 12-15 m
LEAST_RESIDUAL_M = 0.5  # phase correlation is not better than that on changing light
GRID_SIDE = 1024
LEAST_CELL_M = 0.5
MARGIN_M = 60.0  # around the zones: the quay and its sheds, which don't change
LARGEST_SHIFT_M = 40.0
BLOCKS = 3  # a side: each is correlated by itself, to see how well they agree
LEAST_BLOCK_SHARE = 0.2  # of a block that must be fixed land in both scenes
LEAST_BLOCKS = 3
AGREE_M = 3.0  # blocks within this of their median agree
BLUR_PX = 1.2

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Registered:
    """How one scene was laid on the reference.

    Attributes:
        scene_id: of the scene.
        placement: its shift and residual.
        method: `reference`, `phase correlation`, or `none`.
        note: why there is none, one sentence.
        blocks: blocks of fixed land that agree.
    """

    scene_id: str
    placement: Placement
    method: str
    note: str = ""
    blocks: int = 0


def register(site: Site, scenes: Sequence[RunScene]) -> list[Registered]:
    """The shift of every scene against the one that saw most of the site.

    Where a scene cannot be laid on the reference (its file is gone, it does not overlap on fixed
    land, too few blocks agree) its shift is 0 and the residual that of unregistered scenes.

    Args:
        site: with its zones; `fixed` land, or all land and water around the zones.
        scenes: that meet the site.
    """
    grid = _grid(site)
    pictures: dict[str, _Picture] = {}
    notes: dict[str, str] = {}
    for scene in scenes:
        try:
            pictures[scene.scene_id] = _picture(scene, site, grid)
        except SceneError as error:
            notes[scene.scene_id] = f"its file cannot be read again: {error}"
    if not pictures:
        return [_unregistered(s.scene_id, notes[s.scene_id]) for s in scenes]
    reference = max(pictures, key=lambda key: float(pictures[key].mask.sum()))
    result = []
    for scene in scenes:
        key = scene.scene_id
        if key == reference:
            own = Registered(key, Placement((0.0, 0.0), LEAST_RESIDUAL_M), "reference")
            result.append(own)
        elif key in notes:
            result.append(_unregistered(key, notes[key]))
        else:
            result.append(_correlate(key, pictures[reference], pictures[key], grid))
    return result


def unregistered(scenes: Sequence[RunScene], note: str) -> list[Registered]:
    """No scene is laid on another: shifts of 0, and the residual of unregistered scenes."""
    return [_unregistered(scene.scene_id, note) for scene in scenes]


def placements(registered: Sequence[Registered]) -> Mapping[str, Placement]:
    """Placements by scene id."""
    return {item.scene_id: item.placement for item in registered}


def measure_shift(
    reference: NDArray[np.float32], moved: NDArray[np.float32]
) -> tuple[float, float, float]:
    """How far `moved` lies to the right of and below `reference`, by phase correlation.

    Args:
        reference: `(h, w)`, mean 0, 0 where nothing is known.
        moved: of the same shape.

    Returns:
        Pixels right, pixels down, and the share of the energy in the peak.
    """
    height, width = reference.shape
    window = cv2.createHanningWindow((width, height), cv2.CV_32F)
    (right, down), response = cv2.phaseCorrelate(reference, moved, window)
    return float(right), float(down), float(response)


@dataclass(frozen=True, slots=True)
class _Picture:
    """Edges of fixed land on the grid, and where they are known."""

    edges: NDArray[np.float32]
    mask: NDArray[np.bool_]


def _grid(site: Site) -> Grid:
    west, south, east, north = site.extent
    bounds = west - MARGIN_M, south - MARGIN_M, east + MARGIN_M, north + MARGIN_M
    return Grid.around(bounds, GRID_SIDE, LEAST_CELL_M, site.frame.crs)


def _picture(scene: RunScene, site: Site, grid: Grid) -> _Picture:
    with scene.open() as opened:
        laid = on_grid(opened, grid)
    grey = cv2.cvtColor(laid.rgb, cv2.COLOR_RGB2GRAY)
    mask = laid.seen & _fixed_land(site, grid)
    return _Picture(_edges(np.asarray(grey, np.uint8), mask), mask)


def _fixed_land(site: Site, grid: Grid) -> NDArray[np.bool_]:
    """Cells of fixed land; without any named, all cells that are in no zone."""
    shape = (grid.height, grid.width)
    if site.fixed is not None:
        return np.asarray(rasterize([(site.fixed, 1)], shape, transform=grid.transform), bool)
    zones = shapely.union_all([zone.shape for zone in site.zones])
    inside = np.asarray(rasterize([(zones, 1)], shape, transform=grid.transform), bool)
    return ~inside


def _edges(grey: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Strength of edges, mean 0 and spread 1 on the mask, 0 elsewhere; light changes, edges less.

    Cells beside the mask's border are left out, or the border itself would be correlated.
    """
    smooth = cv2.GaussianBlur(grey.astype(np.float32), (0, 0), BLUR_PX)
    strength = np.hypot(cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1))
    inner = cv2.erode(mask.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
    edges = np.zeros(grey.shape, np.float32)
    if inner.any():
        strength = np.sqrt(strength)  # a few bright roofs must not decide alone
        values = strength[inner]
        edges[inner] = (values - values.mean()) / max(float(values.std()), 1e-6)
    return edges


def _correlate(scene_id: str, reference: _Picture, picture: _Picture, grid: Grid) -> Registered:
    both = reference.mask & picture.mask
    if both.mean() < LEAST_BLOCK_SHARE / BLOCKS**2:
        return _unregistered(scene_id, "it does not overlap the reference on fixed land")
    right, down, _ = measure_shift(reference.edges, picture.edges)
    whole = np.array([right, down]) * grid.cell_m
    if np.hypot(*whole) > LARGEST_SHIFT_M:
        return _unregistered(scene_id, f"the shift found, {np.hypot(*whole):.0f} m, is no shift")
    moved = cv2.warpAffine(
        picture.edges,
        np.array([[1, 0, right], [0, 1, down]], np.float32),
        (grid.width, grid.height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
    )
    left = _block_shifts(reference, np.asarray(moved, np.float32), both) * grid.cell_m
    if len(left) < LEAST_BLOCKS:
        few = counted(len(left), "block of fixed land is", "blocks of fixed land are")
        return _unregistered(scene_id, f"only {few} in both scenes")
    middle = np.median(left, axis=0)
    agree = np.linalg.norm(left - middle, axis=1) <= max(AGREE_M, 4 * grid.cell_m)
    if agree.sum() < max(LEAST_BLOCKS, len(left) / 2):
        return _unregistered(
            scene_id, f"{agree.sum()} of {counted(len(left), 'block')} agree on the shift"
        )
    total = whole + middle
    spread = np.sqrt(((left[agree] - middle) ** 2).sum(axis=1).mean() / 2.0)
    residual = max(float(spread), LEAST_RESIDUAL_M)
    # rows go south: a scene that lies further down is moved north
    placement = Placement((-float(total[0]), float(total[1])), residual)
    return Registered(scene_id, placement, "phase correlation", blocks=int(agree.sum()))


def _block_shifts(
    reference: _Picture, moved: NDArray[np.float32], both: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Shifts `(B, 2)` in pixels of the blocks with enough fixed land."""
    height, width = both.shape
    rows = np.linspace(0, height, BLOCKS + 1).astype(int)
    columns = np.linspace(0, width, BLOCKS + 1).astype(int)
    shifts = []
    for i in range(BLOCKS):
        for j in range(BLOCKS):
            block = slice(rows[i], rows[i + 1]), slice(columns[j], columns[j + 1])
            if both[block].mean() >= LEAST_BLOCK_SHARE:
                right, down, _ = measure_shift(
                    np.ascontiguousarray(reference.edges[block]), np.ascontiguousarray(moved[block])
                )
                shifts.append((right, down))
    return np.array(shifts, float).reshape(-1, 2)


def _unregistered(scene_id: str, note: str) -> Registered:
    return Registered(scene_id, Placement((0.0, 0.0), UNREGISTERED_SD_M), "none", note)
