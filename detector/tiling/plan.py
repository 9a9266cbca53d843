"""The tile plan: which windows of a scene are read, at which scale, and which part each owns.

Windows of one level have one size and overlap by the longest object that the level keeps, so that
every such object lies whole in at least one of them. Cores split each overlap in the middle, so
they partition the scene, and an object whose centre lies in a core lies whole in its window.

A network sees a small object otherwise where it lies otherwise in the grid of the network's
anchors. So neighbouring windows are put where an object lies in different places of that grid, and
the mean of what they say depends less on where the windows lie (`docs/research/merging.md`).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from detector.boxes.scored import Boxes
from detector.classes import SHIP
from detector.errors import ConfigError
from detector.geometry.windows import PixelWindow
from detector.tiling.tile import Tile

Wanted: TypeAlias = BaseGeometry | Iterable[BaseGeometry] | Callable[[PixelWindow], bool]
"""Where to look, pixel frame: geometry, or a predicate that is asked for the core of each tile."""

BAND_LOW, BAND_HIGH = 0.7, 1.3
"""The length bands of both scales overlap between these shares of the limit (DESIGN, rule 2)."""

ENVELOPE = 1.06
"""What an object of length 1 needs to be seen whole: the longest side of its envelope, sqrt(1 +
(1/5)^2) for a ship of 5 widths, and 2 % at both ends, by which networks miss them."""

BORDER_PX = 4.0
"""Read pixels by which an object must stay clear of both borders to be seen whole."""

MAX_OVERLAP_SHARE = 0.95
"""A larger overlap leaves so little stride that a settings error is far more likely."""

LONGEST_SHIP_M = SHIP.longest_m

SINGLE_SCALE_SHARE, FINE_OVERLAP_SHARE = 0.35, 0.25
"""Overlap by window: up to the first, one scale does; else the fine scale gets the second."""

COARSE_OVERLAP_SHARE = 0.5
"""Largest overlap by window of the coarse scale."""

COARSE_RATIO = 3.0
"""Fine scale by coarse scale, unless the longest ship demands more."""

LONGEST_BY_LIMIT = 4.0
"""Longest length by the limit, where no gsd tells how many pixels the longest ship has."""

LEAST_COARSE_RATIO = 1.5
"""Fine scale by coarse scale, at least, where a scene leaves room for a finer coarse scale."""

SMALL_LIMIT_SHARE = 0.4
"""Limit by window where one window holds the scene. No overlap bounds it, but networks see ships
that fill a window better in a coarse look (`docs/research/merging.md`)."""

MAX_UPSAMPLING = 1.5
"""Most read pixels by scene pixel where a gsd or a tile's size asks for them, unless the network
was taught more."""

MOST_UPSAMPLING = 8.0
"""The same of any network: bilinear sampling adds no detail, and work grows with the square."""

CLOSEST_LOOK = 3.0
"""The same of a small scene of unknown gsd, whose boats of 8 to 16 pixels the network finds only
so enlarged (`docs/research/merging.md`)."""

GRID_PX, GRID_STEP_PX = 8, 3
"""Read pixels between the network's finest anchors, and by how much of it an object moves in that
grid from one window to the next. 3 of 8: two, three and four windows in a row spread well."""


@dataclass(frozen=True, slots=True)
class PlanSettings:
    """How a scene is cut into tiles.

    Lengths are metres where `gsd_m` is given, else scene pixels.

    Attributes:
        tile_px: side of what the network reads, pixels.
        scale: read pixels by scene pixel of the fine level (1.0 = full resolution).
        coarse_scale: the same of the coarse level; None for one level.
        gsd_m: metres by scene pixel, or None where unknown.
        limit: longest length that the fine level answers for. With a coarse level the bands
            overlap: fine up to `1.3 * limit`, coarse from `0.7 * limit`.
        longest: longest length that the coarse level answers for.

    Raises:
        ConfigError: a value is out of range, or an overlap leaves no stride.
    """

    tile_px: int = 1024
    scale: float = 1.0
    coarse_scale: float | None = None
    gsd_m: float | None = None
    limit: float = 100.0
    longest: float = LONGEST_SHIP_M

    def __post_init__(self) -> None:
        if self.tile_px < 32:
            raise ConfigError(f"tile_px is {self.tile_px}; a tile has at least 32 pixels a side")
        if not 0 < self.scale <= MOST_UPSAMPLING:
            raise ConfigError(f"scale is {self.scale}; it lies above 0 and up to {MOST_UPSAMPLING}")
        if self.coarse_scale is not None and not 0 < self.coarse_scale < self.scale:
            raise ConfigError(
                f"coarse_scale is {self.coarse_scale}; it lies above 0 and below {self.scale}"
            )
        if self.gsd_m is not None and not 0 < self.gsd_m < math.inf:
            raise ConfigError(f"gsd_m is {self.gsd_m}; give metres above 0, or null if unknown")
        if not 0 < self.limit < math.inf or not 0 < self.longest < math.inf:
            raise ConfigError(f"limit is {self.limit} and longest {self.longest}; both are above 0")
        for level in range(self.levels):
            if self.overlap_px(level) > MAX_OVERLAP_SHARE * self.window_px(level):
                raise ConfigError(
                    f"the overlap of level {level}, {self.overlap_px(level)} px, leaves no stride "
                    f"in windows of {self.window_px(level)} px; lower limit or raise tile_px"
                )

    @classmethod
    def for_scene(
        cls,
        gsd_m: float | None,
        *,
        tile_px: int,
        read_gsd_m: float,
        longest_m: float | None = LONGEST_SHIP_M,
        coarse_ratio: float = COARSE_RATIO,
        upsampling: float = MAX_UPSAMPLING,
    ) -> PlanSettings:
        """Scales and overlaps for a scene, from its gsd and that of the model.

        One level where the longest ship fits into an overlap of 35 % of the window, else two. A
        scene without gsd is read at full resolution and once more `coarse_ratio` times smaller.

        Args:
            gsd_m: metres by scene pixel, or None.
            tile_px: side of what the network reads, pixels.
            read_gsd_m: metres by pixel that the model likes best.
            longest_m: longest object that the coarse scale may read, metres; None for one scale
                that overlaps as the fine one of two does.
            coarse_ratio: fine scale by coarse scale; more where the longest ship demands it.
            upsampling: most read pixels by scene pixel that the network was taught.
        """
        if longest_m is None:
            return cls._fine_alone(gsd_m, tile_px, read_gsd_m, upsampling)
        if gsd_m is None:
            limit_px = FINE_OVERLAP_SHARE * tile_px / BAND_HIGH / ENVELOPE
            return cls(
                tile_px, 1.0, 1.0 / coarse_ratio, None, limit_px, LONGEST_BY_LIMIT * limit_px
            )
        scale = min(gsd_m / read_gsd_m, upsampling)
        window_m = tile_px / scale * gsd_m
        if longest_m * ENVELOPE <= SINGLE_SCALE_SHARE * window_m:
            return cls(tile_px, scale, None, gsd_m, longest_m, longest_m)
        limit_m = FINE_OVERLAP_SHARE * window_m / BAND_HIGH / ENVELOPE
        ratio = max(coarse_ratio, longest_m * ENVELOPE / (COARSE_OVERLAP_SHARE * window_m))
        return cls(tile_px, scale, scale / ratio, gsd_m, limit_m, longest_m)

    @classmethod
    def _fine_alone(
        cls, gsd_m: float | None, tile_px: int, read_gsd_m: float, upsampling: float
    ) -> PlanSettings:
        """One scale; its overlap is that of the fine one of two, longer objects are joined."""
        scale = 1.0 if gsd_m is None else min(gsd_m / read_gsd_m, upsampling)
        limit = FINE_OVERLAP_SHARE * tile_px / scale / ENVELOPE * (gsd_m or 1.0)
        return cls(tile_px, scale, None, gsd_m, limit, limit)

    @classmethod
    def for_small_scene(
        cls, side_px: int, *, tile_px: int, enlarge: float = CLOSEST_LOOK
    ) -> PlanSettings:
        """Scales for a scene of unknown gsd that fits into one tile: a fine and a coarse look.

        Nothing says how large its objects are, but a network finds more small ones where they are
        enlarged (`docs/research/merging.md`). The fine look has one window or
        several, the coarse one one.

        Args:
            side_px: longer side of the scene, pixels, below `tile_px`.
            tile_px: side of what the network reads, pixels.
            enlarge: read pixels by scene pixel, 1 to 3.
        """
        window_px = math.ceil(tile_px / enlarge)
        limit_px = FINE_OVERLAP_SHARE * window_px / BAND_HIGH / ENVELOPE
        if window_px >= side_px:
            limit_px = SMALL_LIMIT_SHARE * window_px
        scale, longest_px = tile_px / window_px, LONGEST_BY_LIMIT * limit_px
        return cls(tile_px, scale, scale / COARSE_RATIO, None, limit_px, longest_px)

    def snug(self, width: int, height: int) -> PlanSettings:
        """The same with the finest coarse scale that needs no more tiles to cover a scene.

        A window that is larger than the scene, or overlaps its neighbour by more than the longest
        object, reads nothing new; closer ones show ships larger for the same work.

        Args:
            width: of the scene, pixels.
            height: of the scene, pixels.
        """
        if self.coarse_scale is None:
            return self
        needed = max(self._snug_side(length) for length in (width, height))
        least = self.overlap_px(1) / MAX_OVERLAP_SHARE + 1
        needed = max(needed, least, LEAST_COARSE_RATIO * self.window_px(0))
        return replace(self, coarse_scale=max(self.coarse_scale, self.tile_px / math.ceil(needed)))

    def _snug_side(self, length: int) -> float:
        """Least side of coarse windows that cover an axis with no more of them than now."""
        side, overlap, scale = self.window_px(1), self.overlap_px(1), self.level_scale(1)
        if length <= side:
            return length
        count = len(_spans(length, side, overlap, scale))
        overlap += math.ceil(GRID_PX / scale) + 1  # they may lie closer, for their places
        return (length - overlap) / count + overlap

    @property
    def levels(self) -> int:
        """Number of scales, 1 or 2."""
        return 1 if self.coarse_scale is None else 2

    @property
    def unit_px(self) -> float:
        """Scene pixels by unit of length."""
        return 1.0 if self.gsd_m is None else 1.0 / self.gsd_m

    def level_scale(self, level: int) -> float:
        """Read pixels by scene pixel of `level`, exact: tile by window."""
        return self.tile_px / self.window_px(level)

    def window_px(self, level: int) -> int:
        """Side of the windows of `level`, scene pixels."""
        scale = self.scale if level == 0 or self.coarse_scale is None else self.coarse_scale
        return max(1, round(self.tile_px / scale))

    def overlap_px(self, level: int) -> int:
        """Least overlap of neighbouring windows of `level`, scene pixels."""
        if level == 1:
            length = self.longest
        else:
            length = self.limit * (BAND_HIGH if self.levels == 2 else 1.0)
        border = 2 * BORDER_PX * self.window_px(level) / self.tile_px
        return math.ceil(length * self.unit_px * ENVELOPE + border)


@dataclass(frozen=True, slots=True)
class TilePlan:
    """The tiles of one scene.

    Attributes:
        width: of the scene, pixels.
        height: of the scene, pixels.
        settings: what the plan was made from.
        tiles: in reading order: by first row, level, first column; `tiles[i].index == i`.
    """

    width: int
    height: int
    settings: PlanSettings
    tiles: tuple[Tile, ...] = field(repr=False)

    def __len__(self) -> int:
        return len(self.tiles)

    @property
    def levels(self) -> int:
        """Number of scales, 1 or 2."""
        return self.settings.levels

    @property
    def read_pixels(self) -> int:
        """Pixels that the network reads in all."""
        return len(self.tiles) * self.settings.tile_px**2


def plan_tiles(
    width: int, height: int, settings: PlanSettings, *, wanted: Wanted | None = None
) -> TilePlan:
    """The tiles that cover a scene, or the wanted part of it.

    Args:
        width: of the scene, pixels.
        height: of the scene, pixels.
        settings: tile size, scales, lengths.
        wanted: keep only the tiles whose core meets this geometry (pixel frame), or for whose
            core this predicate is true. Every object whose centre is wanted, and that is no longer
            than its scale keeps, is whole in a kept tile; a longer container stack may be cut, see
            `reach_beyond`. None keeps all.

    Raises:
        ConfigError: the scene has no pixels.
    """
    if width < 1 or height < 1:
        raise ConfigError(f"a scene of {width} x {height} pixels cannot be tiled")
    keep = _predicate(wanted)
    found = [
        tile
        for level in range(settings.levels)
        for tile in _level_tiles(width, height, settings, level)
        if keep(tile.core)
    ]
    found.sort(key=lambda tile: (tile.window.row, tile.level, tile.window.col))
    tiles = tuple(
        Tile(index, tile.strip, tile.level, tile.window, tile.core, tile.scale)
        for index, tile in enumerate(found)
    )
    return TilePlan(width, height, settings, tiles)


def reach_beyond(boxes: Boxes, plan: TilePlan) -> NDArray[np.bool_]:
    """Mask `(N,)` of the objects that may go on where no tile of the plan looks.

    Args:
        boxes: merged, scene pixels. Some classes are seen by the tiles of the fine scale only.
        plan: of a part of a scene. Beyond the border of the scene nothing goes on.
    """
    frame = shapely.box(0, 0, plan.width, plan.height)
    beyond = np.zeros(len(boxes), np.bool_)
    shapes = shapely.polygons(boxes.corners)
    margin = BORDER_PX / plan.settings.level_scale(0)
    coarse = boxes.classes.mask(boxes.class_ids, "read_coarse")
    for levels, mine in (((0, 1), coarse), ((0,), ~coarse)):
        tiles = [tile for tile in plan.tiles if tile.level in levels]
        seen = shapely.union_all([shapely.box(*tile.window.bounds) for tile in tiles])
        unseen = shapely.buffer(shapely.difference(frame, seen), margin, join_style="mitre")
        shapely.prepare(unseen)
        beyond[mine] = shapely.intersects(unseen, shapes[mine])
    return beyond


def _predicate(wanted: Wanted | None) -> Callable[[PixelWindow], bool]:
    if wanted is None:
        return lambda core: True
    if callable(wanted):
        return wanted
    shapes = [wanted] if isinstance(wanted, BaseGeometry) else list(wanted)
    area = shapely.union_all(shapes)
    shapely.prepare(area)
    return lambda core: bool(shapely.intersects(area, shapely.box(*core.bounds)))


def _level_tiles(width: int, height: int, settings: PlanSettings, level: int) -> list[Tile]:
    """All tiles of one level; the index is that within the level."""
    side, overlap = settings.window_px(level), settings.overlap_px(level)
    scale = settings.level_scale(level)
    columns, rows = (_spans(length, side, overlap, scale) for length in (width, height))
    return [
        Tile(
            index=strip * len(columns) + position,
            strip=strip,
            level=level,
            window=PixelWindow(col, row, side, side),
            core=PixelWindow(core_col, core_row, core_col_end - core_col, core_row_end - core_row),
            scale=scale,
        )
        for strip, (row, core_row, core_row_end) in enumerate(rows)
        for position, (col, core_col, core_col_end) in enumerate(columns)
    ]


def _spans(length: int, side: int, overlap: int, scale: float) -> list[tuple[int, int, int]]:
    """Start, core start and core end of the windows along one axis."""
    if length <= side:
        return [(0, 0, length)]
    starts = _starts(length - side, side - overlap, scale)
    cuts = [0, *((a + side + b) // 2 for a, b in itertools.pairwise(starts)), length]
    return list(zip(starts, cuts, cuts[1:], strict=False))


def _starts(reach: int, most: int, scale: float) -> list[int]:
    """Starts of windows from 0 to `reach` or just beyond, nearly even, at most `most` apart.

    From one to the next an object moves by a number of whole cells of the network's grid and
    `GRID_STEP_PX`. The last window may end a cell behind the scene. Windows too close for that are
    even.
    """
    cells = math.floor((most * scale - GRID_STEP_PX - (scale if scale != 1 else 0)) / GRID_PX)
    if cells < 1:
        count = math.ceil(reach / most)
        return [round(i * reach / count) for i in range(count + 1)]
    count = math.ceil(reach * scale / (GRID_PX * cells + GRID_STEP_PX))
    total = max(0, math.ceil((reach * scale - GRID_STEP_PX * count) / GRID_PX))
    steps = ((i * GRID_STEP_PX, round(i * total / count)) for i in range(count + 1))
    return [round((moved + GRID_PX * whole) / scale) for moved, whole in steps]
