"""One way to lay a scene on a regular grid, whatever the CRS of either.

Registration, differences, chips of ships and the report's pictures are all made of it, so that
what one of them shows another one shows at the same place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, Literal

import cv2
import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pyproj import Transformer
from pyproj.exceptions import CRSError, ProjError

from detector.errors import SceneError
from detector.geometry.geodesy import apply_transform
from detector.geometry.turns import turn_of
from detector.geometry.windows import PixelWindow
from detector.scenes.scene import Scene
from detector.scenes.types import SceneInfo

GridResampling = Literal["linear", "nearest"]

NODES: Final = 17  # a side of a block, at which the map projection is computed; linear between
BLOCK_CELLS: Final = 2048  # a side: what is in memory at once, beside the answer
READ_FINER: Final = 2.0
"""A scene is read at most so much finer than the grid, as averages: then the second resampling does
not blur, and memory follows the grid and not the scene."""

FLAGS: Final = {"linear": cv2.INTER_LINEAR, "nearest": cv2.INTER_NEAREST}


@dataclass(frozen=True, slots=True)
class Grid:
    """Regular cells on the ground, or in the pixels of a file.

    Attributes:
        transform: cells to coordinates; a cell's centre is at half numbers, as in rasters.
        width: cells.
        height: cells.
        crs: of the coordinates, as pyproj reads it; local metres have one too. None: the pixels of
            the file that is laid on the grid.
    """

    transform: Affine
    width: int
    height: int
    crs: str | None

    @classmethod
    def around(
        cls,
        bounds: tuple[float, float, float, float],
        side_px: int,
        least_cell_m: float,
        crs: str,
    ) -> Grid:
        """The north-up grid of `(west, south, east, north)` in metres.

        Args:
            bounds: in `crs`.
            side_px: most cells of the longer side.
            least_cell_m: no cell is smaller.
            crs: of metres.
        """
        west, south, east, north = bounds
        across, down = max(east - west, 1.0), max(north - south, 1.0)
        cell = max(max(across, down) / side_px, least_cell_m)
        width, height = max(round(across / cell), 1), max(round(down / cell), 1)
        return cls(Affine(cell, 0, west, 0, -cell, north), width, height, crs)

    @property
    def cell_m(self) -> float:
        """Length of a cell's side in the grid's unit, along a row."""
        return float(np.hypot(self.transform.a, self.transform.d))

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """`(x_min, y_min, x_max, y_max)` of all cells, in the grid's coordinates."""
        ends = np.array([(0, 0), (self.width, 0), (self.width, self.height), (0, self.height)])
        points = apply_transform(self.transform, ends.astype(np.float64))
        (x_min, y_min), (x_max, y_max) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
        return x_min, y_min, x_max, y_max

    def to_cells(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Columns and rows of points `(..., 2)` of the grid's coordinates."""
        return apply_transform(~self.transform, np.asarray(points, np.float64))

    def holds(self, corners: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which boxes `(N, 4, 2)` have their centre in the bounds; `(N,)`."""
        west, south, east, north = self.bounds
        x, y = corners.mean(axis=1).T
        return np.asarray((x >= west) & (x <= east) & (y >= south) & (y <= north))

    def moved(self, x: float, y: float) -> Grid:
        """The same cells, so much further in the grid's coordinates.

        A scene that is registered by a shift is laid on the grid that is moved by its opposite.
        """
        return replace(self, transform=_shifted(self.transform, x, y))


@dataclass(frozen=True, slots=True)
class GridPixels:
    """What a scene shows of a grid.

    Attributes:
        rgb: `(height, width, 3)` uint8, stretched; 0 where the scene is not.
        valid: `(height, width)` cells with their centre on a valid pixel.
        seen: those of them that lie under no known cloud.
    """

    rgb: NDArray[np.uint8]
    valid: NDArray[np.bool_]
    seen: NDArray[np.bool_]


def on_grid(scene: Scene, grid: Grid, resampling: GridResampling = "linear") -> GridPixels:
    """Lay a scene on a grid.

    Where cells are larger than two pixels the scene is read as averages, at twice the grid's
    resolution at most. Between the pixels that were read colours are linear; outside the scene they
    are black, so that the outermost half pixel of a scene fades. Large grids are made in blocks.

    Args:
        scene: open, with any CRS; without one its map coordinates are its pixels, and the grid's
            CRS is None.
        grid: where the cells are.
        resampling: of colours; the masks are always those of the nearest pixel.

    Raises:
        SceneError: the file is damaged, or its CRS is not defined somewhere on the grid, or the
            grid has a CRS and the scene has none.
    """
    shape = (grid.height, grid.width)
    rgb = np.zeros((*shape, 3), np.uint8)
    valid, seen = np.zeros(shape, np.bool_), np.zeros(shape, np.bool_)
    for block, rows, columns in _blocks(grid):
        part = _lay(scene, block, FLAGS[resampling])
        rgb[rows, columns], valid[rows, columns] = part.rgb, part.valid
        seen[rows, columns] = part.seen
    return GridPixels(rgb, valid, seen)


def first_on_top(
    laid: Iterable[GridPixels], grid: Grid
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """What several scenes show of a grid together, each where none before it saw.

    Args:
        laid: on that grid; no further one is asked for once every cell is seen.
        grid: where the cells are.

    Returns:
        RGB `(height, width, 3)`, 0 where none saw, and which cells `(height, width)` were seen.
    """
    rgb = np.zeros((grid.height, grid.width, 3), np.uint8)
    seen = np.zeros((grid.height, grid.width), np.bool_)
    for pixels in laid:
        fresh = pixels.seen & ~seen
        rgb[fresh] = pixels.rgb[fresh]
        seen |= pixels.seen
        if seen.all():
            break
    return rgb, seen


def _blocks(grid: Grid) -> Iterator[tuple[Grid, slice, slice]]:
    for top in range(0, grid.height, BLOCK_CELLS):
        for left in range(0, grid.width, BLOCK_CELLS):
            width = min(BLOCK_CELLS, grid.width - left)
            height = min(BLOCK_CELLS, grid.height - top)
            corner = np.array([[0, 0], [left, top]], np.float64)
            first, here = apply_transform(grid.transform, corner)
            transform = _shifted(grid.transform, *(here - first).tolist())
            block = Grid(transform, width, height, grid.crs)
            yield block, slice(top, top + height), slice(left, left + width)


def _shifted(transform: Affine, x: float, y: float) -> Affine:
    a, b, c, d, e, f = tuple(transform)[:6]
    return Affine(a, b, c + x, d, e, f + y)


def _lay(scene: Scene, grid: Grid, interpolation: int) -> GridPixels:
    nodes = _node_pixels(scene.info, grid)
    low, high = nodes.min(axis=(0, 1)), nodes.max(axis=(0, 1))
    if (high < 0).any() or (low > (scene.info.width, scene.info.height)).any():
        shape = (grid.height, grid.width)
        nothing = np.zeros(shape, np.bool_)
        return GridPixels(np.zeros((*shape, 3), np.uint8), nothing, nothing)
    # one pixel more on each side, so that the window's own border blends into no cell
    left, top = (np.floor(low).astype(int) - 1).tolist()
    right, bottom = (np.ceil(high).astype(int) + 1).tolist()
    window = PixelWindow(left, top, right - left, bottom - top)
    size = _read_size(window, nodes, grid)
    pixels = scene.read(window, size)
    seen = pixels.valid
    if scene.info.cloud_source is not None:
        seen = seen & scene.observation(window, size).seen
    scale = np.array(size) / np.array([window.width, window.height])
    x, y = _between_nodes((nodes - (left, top)) * scale - 0.5, grid)
    rgb = cv2.remap(pixels.rgb, x, y, interpolation)
    masks = [
        cv2.remap(mask.astype(np.uint8), x, y, cv2.INTER_NEAREST) > 0
        for mask in (pixels.valid, seen)
    ]
    return GridPixels(np.asarray(rgb, np.uint8), np.asarray(masks[0]), np.asarray(masks[1]))


def _node_pixels(info: SceneInfo, grid: Grid) -> NDArray[np.float64]:
    """Pixels `(NODES, NODES, 2)` of the scene under nodes spread evenly over the cells' centres."""
    u, v = np.meshgrid(
        np.linspace(0.5, grid.width - 0.5, NODES), np.linspace(0.5, grid.height - 0.5, NODES)
    )
    points = apply_transform(grid.transform, np.stack([u, v], axis=-1))
    if grid.crs is None:
        return points
    if info.crs is None:
        raise SceneError(
            f"{info.path}: has no CRS, so it cannot be laid on a map; georeference it first"
        )
    try:
        x, y = _transformer(grid.crs, info.crs).transform(points[..., 0], points[..., 1])
    except (CRSError, ProjError) as error:
        raise SceneError(
            f"{info.path}: cannot be laid on the map '{grid.crs[:80]}' ({error})"
        ) from error
    if not np.isfinite([x, y]).all():
        raise SceneError(f"{info.path}: its CRS is not defined at the place it is to be laid on")
    turn = turn_of(info.crs)
    if turn is not None:
        # a scene across 180 degrees counts on beyond it, PROJ starts again on the other side
        centre = np.array([info.width / 2, info.height / 2])
        middle = apply_transform(info.transform, centre)[0]
        x = np.asarray(x) - np.round((np.asarray(x) - middle) / turn) * turn
    return apply_transform(~info.transform, np.stack([x, y], axis=-1))


def _read_size(window: PixelWindow, nodes: NDArray[np.float64], grid: Grid) -> tuple[int, int]:
    """`(width, height)` to read a window at, at most `READ_FINER` than the grid."""
    right = np.abs(nodes[:, -1] - nodes[:, 0]).max(axis=0) / max(grid.width - 1, 1)
    down = np.abs(nodes[-1] - nodes[0]).max(axis=0) / max(grid.height - 1, 1)
    shrink = np.maximum(np.maximum(right, down) / READ_FINER, 1.0)
    size = np.rint(np.array([window.width, window.height]) / shrink).astype(int)
    width, height = np.maximum(size, 1).tolist()
    return width, height


def _between_nodes(
    nodes: NDArray[np.float64], grid: Grid
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Columns and rows `(height, width)` at every cell, linear between the nodes."""
    at_x, at_y = np.meshgrid(
        np.linspace(0, NODES - 1, grid.width, dtype=np.float32),
        np.linspace(0, NODES - 1, grid.height, dtype=np.float32),
    )
    x, y = (
        np.asarray(cv2.remap(values.astype(np.float32), at_x, at_y, cv2.INTER_LINEAR), np.float32)
        for values in (nodes[..., 0], nodes[..., 1])
    )
    return x, y


@lru_cache(maxsize=64)
def _transformer(source: str, target: str) -> Transformer:
    """Making one takes longer than using it."""
    return Transformer.from_crs(source, target, always_xy=True)
