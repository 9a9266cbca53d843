"""Whether ground under containers changed between two looks, told by pixels alone.

Boxes jitter, split, join and miss; containers that stay show the same pattern of colours on every
date. Both looks are laid on one grid, containers on containers, and compared by their structure:
the correlation of all colours in a window of `WINDOW_M`, which other light, haze, gain and stretch
leave as it is. Ground without containers is plainer than containers. Structural similarity: Wang
et al. 2004, IEEE Transactions on Image Processing 13(4):600, its third factor.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.features import rasterize
from shapely.geometry.base import BaseGeometry

from detector.activity.changes.veils import AROUND_M, BOX_MARGIN_M, Veils, find_veils
from detector.activity.changes.veils import CELL_M as VEIL_CELL_M
from detector.activity.looks.ground import box_grid
from detector.activity.looks.runs import RunScene
from detector.activity.looks.zone_looks import Look, Placement
from detector.errors import SceneError
from detector.geometry.boxes import Corners, polygons
from detector.scenes.grid import Grid, GridPixels, first_on_top, on_grid
from detector.scenes.scene import Scene

Floats = NDArray[np.float64]
Picture = NDArray[np.float32]
Mask = NDArray[np.bool_]

CELL_M: Final = 0.5
COARSEST_GSD_M: Final = 2.0  # a row of containers is 2.4 m wide: above it its colours blend
MOST_CELLS: Final = 2048  # a side of a place
MARGIN_M: Final = 4.0  # around a place: its border against the ground is part of its picture
WINDOW_M: Final = 2.0  # standard deviation of the window that is compared
SMOOTH_M: Final = 0.5  # what is left of a shift after alignment must not count
EVEN_M: Final = 3.0  # for alignment light and contrast are made even over it
NOISE: Final = 30.0  # variance of even ground, three colours together, grey levels squared
SAME: Final = 0.6  # correlation from which the same containers are seen in both looks
OTHER: Final = 0.5  # below it what is seen is something else
PLAINER: Final = 0.75  # of the contrast of containers: ground without them has less
FLAT: Final = 16.0  # contrast of even ground at most, three colours together, grey levels
GREY: Final = 2.0  # between the colours of a grey picture at most, grey levels
LEAST_PEAK: Final = 0.35  # correlation of a place with itself on another date
REGISTERED_M: Final = 3.0  # residual up to which a place is found without such a peak
SPREAD: Final = 2.0  # standard deviations that alignment may move a place by
LEAST_SEEN: Final = 0.5  # of a part, or nothing is said of it
VEILED_REASON: Final = "cloud or haze may lie over it on one of the dates"


@dataclass(frozen=True, slots=True)
class Shares:
    """What became of a part of the ground: shares of its area, the rest is undecided.

    Attributes:
        changed: containers in one look and plainer ground in the other; other containers where
            both looks have a box.
        same: the same picture in both looks.
        containers: of `same`, what is no even ground.
        reason: why the rest is undecided, or empty.
    """

    changed: float
    same: float
    containers: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Parts:
    """One place: ground that boxes of two looks cover, footprints in local metres.

    Attributes:
        before: rows of its blocks in the first look.
        after: rows of its blocks in the second look.
        kept: under boxes of both looks.
        gained: under boxes of the second alone.
        lost: under boxes of the first alone.
    """

    before: NDArray[np.int64]
    after: NDArray[np.int64]
    kept: BaseGeometry
    gained: BaseGeometry
    lost: BaseGeometry


@dataclass(frozen=True, slots=True)
class PlaceShares:
    """`Shares` of the parts of a place."""

    kept: Shares
    gained: Shares
    lost: Shares


Compare = Callable[[Parts], PlaceShares]


def by_boxes(_parts: Parts) -> PlaceShares:
    """All that boxes say has changed, for looks that have no pictures."""
    all_changed = Shares(1.0, 0.0, 0.0)
    return PlaceShares(Shares(0.0, 1.0, 1.0), all_changed, all_changed)


@dataclass(frozen=True, slots=True)
class TopsOf:
    """Where the tops of the blocks of a look show.

    Attributes:
        lean: `(N, 2)` metres east and north that a point one metre high is displaced by; 0 where
            the view is not told.
        height_m: `(N,)` of the blocks.
        error_m: `(N,)` standard deviation of where a lean of that height puts them.
    """

    lean: Floats
    height_m: Floats
    error_m: Floats

    @property
    def usual_lean(self) -> Floats:
        """`(2,)` the mean lean: of a look without blocks 0."""
        return self.lean.reshape(-1, 2).mean(axis=0) if self.lean.size else np.zeros(2)


class PixelJudge:
    """Compares the places of two looks of a zone.

    Args:
        looks: before and after.
        tops: of the blocks of both.
        shelf: gives the scenes.
        placements: of the scenes.
        crs: of the local metres.
        boxes: `(N, 4, 2)` of both looks, of any class.
    """

    def __init__(
        self,
        looks: tuple[Look, Look],
        tops: tuple[TopsOf, TopsOf],
        shelf: Shelf,
        placements: Mapping[str, Placement],
        crs: str,
        boxes: Corners,
    ) -> None:
        self._looks, self._tops, self._shelf = looks, tops, shelf
        self._placements, self._crs = placements, crs
        self._boxes = polygons(boxes)
        self._veils: Veils | None = None

    def __call__(self, parts: Parts) -> PlaceShares:
        """The shares of a place; all undecided, with the reason, where pixels cannot tell."""
        try:
            return self._judge(parts)
        except SceneError:
            return _undecided("a scene cannot be read again")

    def _judge(self, parts: Parts) -> PlaceShares:
        gsd = max(self._shelf.gsd_m(look.scene_ids) for look in self._looks)
        if not gsd <= COARSEST_GSD_M:
            return _undecided(f"pixels of {gsd:.1f} m are too coarse")
        rows = parts.before, parts.after
        pairs = list(zip(self._tops, rows, strict=True))
        height = float(np.concatenate([tops.height_m[mine] for tops, mine in pairs]).mean())
        errors = np.concatenate([tops.error_m[mine] for tops, mine in pairs])
        residual = math.hypot(*(look.residual_m for look in self._looks))
        reach_m = SPREAD * float(np.hypot(errors.max(), residual)) + CELL_M
        place = shapely.union_all([parts.kept, parts.gained, parts.lost])
        corners = shapely.get_coordinates(shapely.minimum_rotated_rectangle(place))[:4]
        longest = float(np.ptp(corners, axis=0).max())
        cell = max(CELL_M, gsd / 2.0, longest / MOST_CELLS)
        reach = int(np.ceil(reach_m / cell))
        grid = box_grid(corners, MARGIN_M + reach * cell, self._crs, cell)
        read = [
            self._read(look.scene_ids, grid, tops.usual_lean * height)
            for look, tops in zip(self._looks, self._tops, strict=True)
        ]
        pictures = _of_one_kind([picture for picture, _ in read])
        seen = [part for _, part in read]
        mask = cells_of(place.buffer(1.0), grid)
        shift, peak = _shift_between(pictures, mask & seen[0], reach)
        lost = peak < LEAST_PEAK and residual > REGISTERED_M
        if peak < LEAST_PEAK:
            shift = (0, 0)
        moved = np.roll(pictures[1], shift, (0, 1)), np.roll(seen[1], shift, (0, 1))
        likeness = compare_pictures(pictures[0], moved[0], cell)
        if lost:
            likeness = _wherever(likeness, reach)
        both = seen[0] & moved[1]
        inner = parts.kept.buffer(-WINDOW_M)  # its rim against the ground is always alike
        kept = parts.kept if inner.is_empty else inner
        hidden = self._veiled().hide(grid, [pictures[0], moved[0]])
        return PlaceShares(
            _shares(likeness, both, hidden, cells_of(kept, grid), None),
            _shares(likeness, both, hidden, cells_of(parts.gained, grid), 1),
            _shares(likeness, both, hidden, cells_of(parts.lost, grid), 0),
        )

    def _veiled(self) -> Veils:
        """What lies over the ground around the boxes of both looks."""
        if self._veils is None:
            west, south, east, north = shapely.total_bounds(self._boxes)
            bounds = west - AROUND_M, south - AROUND_M, east + AROUND_M, north + AROUND_M
            grid = Grid.around(bounds, MOST_CELLS, VEIL_CELL_M, self._crs)
            read = [self._read(look.scene_ids, grid, np.zeros(2)) for look in self._looks]
            pictures, seen = [part for part, _ in read], [part for _, part in read]
            covered = shapely.union_all(shapely.buffer(self._boxes, BOX_MARGIN_M))
            likeness = compare_pictures(pictures[0], pictures[1], grid.cell_m)
            alike = (likeness.same >= SAME) & (likeness.contrast >= FLAT).all(axis=0)
            self._veils = find_veils(pictures, seen, cells_of(covered, grid), alike, grid)
        return self._veils

    def _read(self, scene_ids: Sequence[str], grid: Grid, lean: Floats) -> tuple[Picture, Mask]:
        """What the scenes of a look show together, tops moved back by their lean."""
        by = float(lean[0]), float(lean[1])
        rgb, seen = lay_look(scene_ids, self._shelf, self._placements, grid, by)
        picture = cv2.GaussianBlur(rgb.astype(np.float32), (0, 0), SMOOTH_M / grid.cell_m)
        return np.asarray(picture, np.float32), seen


@dataclass(frozen=True, slots=True)
class Likeness:
    """Two pictures of one ground, compared cell by cell, each `(h, w)`.

    Attributes:
        same: correlation of the colours around a cell, -1 to 1.
        contrast: `(2, h, w)` standard deviation around a cell, three colours together.
        beside: `(2, h, w)` the largest contrast of where that ground may lie in the look.
        doubt: why cells are undecided.
    """

    same: Picture
    contrast: Picture
    beside: Picture
    doubt: str = "the pictures neither agree nor show plain ground"


def compare_pictures(before: Picture, after: Picture, cell_m: float) -> Likeness:
    """Correlation and contrast in windows around every cell.

    Args:
        before: `(h, w, 3)`.
        after: `(h, w, 3)`, of the same ground.
        cell_m: side of a cell.
    """
    sigma = WINDOW_M / cell_m

    def around(values: Picture) -> Picture:
        return np.asarray(cv2.GaussianBlur(values, (0, 0), sigma), np.float32)

    means = around(before), around(after)
    variances = [
        np.maximum((around(part * part) - mean * mean).sum(axis=2), 0.0)
        for part, mean in zip((before, after), means, strict=True)
    ]
    shared = (around(before * after) - means[0] * means[1]).sum(axis=2)
    same = shared / np.sqrt(variances[0] * variances[1] + 1.0)
    contrast = np.sqrt(np.stack(variances))
    return Likeness(same, contrast, contrast)


class Shelf:
    """The scenes of a site, opened when asked for; made by `open_shelf`."""

    def __init__(self, scenes: Mapping[str, RunScene]) -> None:
        self._scenes = scenes
        self._open: dict[str, Scene] = {}

    def scene(self, scene_id: str) -> Scene:
        """An open scene.

        Raises:
            SceneError: its file is gone or damaged.
        """
        if scene_id not in self._open:
            if scene_id not in self._scenes:
                raise SceneError(f"{scene_id}: the scene is not at hand")
            self._open[scene_id] = self._scenes[scene_id].open()
        return self._open[scene_id]

    def gsd_m(self, scene_ids: Sequence[str]) -> float:
        """Metres a pixel of the coarsest scene; NaN where one has no scale."""
        sizes = [self.scene(name).info.gsd_m for name in scene_ids]
        return float(np.max([np.nan if size is None else size for size in sizes]))

    def keep_only(self, scene_ids: Sequence[str]) -> None:
        """Close all but these, since a site may have thousands."""
        for name in [name for name in self._open if name not in scene_ids]:
            self._open.pop(name).close()


@contextmanager
def open_shelf(scenes: Mapping[str, RunScene]) -> Iterator[Shelf]:
    """A shelf whose scenes are closed at the end."""
    shelf = Shelf(scenes)
    try:
        yield shelf
    finally:
        shelf.keep_only(())


def lay_look(
    scene_ids: Sequence[str],
    shelf: Shelf,
    placements: Mapping[str, Placement],
    grid: Grid,
    lean_m: tuple[float, float] = (0.0, 0.0),
) -> tuple[NDArray[np.uint8], Mask]:
    """What the scenes of a look show together of a grid in local metres, and what they saw.

    Args:
        scene_ids: of the look, the one on top first.
        shelf: gives the scenes.
        placements: of the scenes.
        grid: in local metres.
        lean_m: east and north by which what is looked at shows beside where it stands.

    Raises:
        SceneError: a scene is gone or damaged.
    """

    def laid(scene_id: str) -> GridPixels:
        east, north = placements[scene_id].shift_m
        return on_grid(shelf.scene(scene_id), grid.moved(lean_m[0] - east, lean_m[1] - north))

    return first_on_top(map(laid, scene_ids), grid)


def _wherever(likeness: Likeness, reach: int) -> Likeness:
    """Of looks that are not registered: only ground that is plain all around tells anything."""
    size = 2 * reach + 1
    box = np.ones((size, size), np.uint8)
    beside = np.stack([np.asarray(cv2.dilate(part, box), np.float32) for part in likeness.contrast])
    nowhere = np.zeros_like(likeness.same)
    return Likeness(nowhere, likeness.contrast, beside, "the looks are not registered")


def _undecided(reason: str) -> PlaceShares:
    nothing = Shares(0.0, 0.0, 0.0, reason)
    return PlaceShares(nothing, nothing, nothing)


def cells_of(shape: BaseGeometry, grid: Grid) -> Mask:
    """Cells `(h, w)` of a grid with their centre in a shape of its coordinates."""
    size = (grid.height, grid.width)
    if shape.is_empty:
        return np.zeros(size, bool)
    return np.asarray(rasterize([(shape, 1)], size, transform=grid.transform), bool)


def _of_one_kind(pictures: list[Picture]) -> list[Picture]:
    """Both grey where one is, as of a panchromatic sensor."""
    if not any(float(np.ptp(picture, axis=2).max()) < GREY for picture in pictures):
        return pictures
    return [np.repeat(picture.mean(axis=2, keepdims=True), 3, axis=2) for picture in pictures]


def _shift_between(
    pictures: Sequence[Picture], mask: Mask, reach: int
) -> tuple[tuple[int, int], float]:
    """Rows and columns to roll the second picture by, and how well it then fits the first."""
    even = [_even(picture, mask.shape) for picture in pictures]
    height, width = mask.shape
    inner = slice(reach, height - reach), slice(reach, width - reach)
    weights = mask[inner].astype(np.float32)
    if not weights.any():
        return (0, 0), 0.0
    template = np.ascontiguousarray(even[0][inner] * weights[..., None])
    found = cv2.matchTemplate(even[1], template, cv2.TM_CCORR) / weights.sum()
    _, peak, _, (column, row) = cv2.minMaxLoc(found)
    return (reach - row, reach - column), float(peak)


def _even(picture: Picture, size: tuple[int, ...]) -> Picture:
    """The picture with mean 0 and the same contrast everywhere."""
    sigma = max(min(size) / 8.0, 1.0) if min(size) * CELL_M < 8 * EVEN_M else EVEN_M / CELL_M
    mean = cv2.GaussianBlur(picture, (0, 0), sigma)
    variance = cv2.GaussianBlur(picture * picture, (0, 0), sigma) - mean * mean
    spread = np.sqrt(np.maximum(variance.sum(axis=2, keepdims=True), 0.0) + NOISE)
    return np.asarray((picture - mean) / spread, np.float32)


def _shares(likeness: Likeness, seen: Mask, hidden: Mask, part: Mask, has: int | None) -> Shares:
    """Shares of a part.

    Args:
        likeness: of the place.
        seen: cells that both looks show.
        hidden: `(2, h, w)` cells over which something bright may lie in either look.
        part: its cells.
        has: which look has containers there, 0 or 1; None: both.
    """
    shown = part & seen
    if shown.sum() < LEAST_SEEN * part.sum() or not shown.any():
        return Shares(0.0, 0.0, 0.0, "not seen in both looks" if part.any() else "")
    alike, contrast = likeness.same[shown], likeness.contrast[:, shown]
    flat = (contrast < FLAT).all(axis=0)
    same = (alike >= SAME) | flat
    veiled = np.zeros_like(same)
    if has is None:
        seen_twice = likeness.beside is likeness.contrast
        changed = (alike <= OTHER) & (contrast >= FLAT).all(axis=0) & seen_twice
    else:
        plainer = likeness.beside[1 - has, shown] <= PLAINER * contrast[has]
        changed = (alike <= OTHER) & plainer & (contrast[has] >= FLAT)
        veiled = changed & hidden[1 - has, shown] & ~same
        changed &= ~veiled
    total = float(part.sum())
    changed_share, same_share, containers = (
        float(cells.sum()) / total for cells in (changed & ~same, same, same & ~flat)
    )
    doubt = VEILED_REASON if veiled.sum() >= shown.sum() / 2 else likeness.doubt
    return Shares(changed_share, same_share, containers, doubt)
