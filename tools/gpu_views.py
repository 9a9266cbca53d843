"""Views for a GPU: which are shown is drawn on the CPU, their pixels are made on the GPU.

The maps and the labels come from the project's own functions (`training.views.draw_matrix`,
`data.borders.settle`); a worker sends a few numbers a view, never a pixel. All chips lie in the
GPU's memory as bytes, with halved and quartered copies, and one bilinear gather reads the views of
a batch from chips of any size; `grid_sample` could only do so with all chips padded to one size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.utils.data import IterableDataset, get_worker_info

from detector.classes import PORT
from detector.data.borders import settle
from detector.training.mix import MixSettings, group_of, mix_weights
from detector.training.painting import STRIDE_PX
from detector.training.upstream import xyxyxyxy2xywhr
from detector.training.views import ViewSettings, draw_matrix, scale_of
from tools.gpu_store import PackedChip

LEVELS = 3  # of averaged copies of a chip: whole, half, quarter
CELLS_AT_ONCE = 16  # of 640 px: bounds the memory of the gather
BOXES_AT_ONCE = 512
UNKNOWN_COLOUR = 110.0
BLUR_CELLS = 17  # of the colour that hides what a border cuts


@dataclass(frozen=True, slots=True)
class Cells:
    """Square pieces of views, each of one chip.

    Attributes:
        chips: `(C,)` which chip.
        matrices: `(C, 2, 3)` chip pixels to cell pixels, corners of pixels at whole numbers.
        side_px: of every cell.
    """

    chips: NDArray[np.int64]
    matrices: NDArray[np.float64]
    side_px: int


@dataclass(frozen=True, slots=True)
class ViewBatch:
    """A batch before it has pixels: first the views of one cell, then those of four.

    Attributes:
        whole: a cell a view.
        collage: four cells a view, row by row, of half the side.
        boxes: `(N, 5)` centre, length, width in pixels of the view and angle in radians.
        class_ids: `(N,)`.
        images: `(N,)` which view.
        taught: `(B, classes)`.
        complete_above: `(B, classes)` view pixels.
        hidden: `(M, 5)` what a border cuts off, as `boxes`.
        hidden_images: `(M,)`.
    """

    whole: Cells
    collage: Cells
    boxes: NDArray[np.float64]
    class_ids: NDArray[np.int64]
    images: NDArray[np.int64]
    taught: NDArray[np.float32]
    complete_above: NDArray[np.float32]
    hidden: NDArray[np.float64]
    hidden_images: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _View:
    cells: list[tuple[int, NDArray[np.float64]]]
    corners: NDArray[np.float64]
    class_ids: NDArray[np.int64]
    hidden: NDArray[np.float64]
    taught: NDArray[np.bool_]
    complete_above: NDArray[np.float32]


class ViewBatches(IterableDataset[ViewBatch]):
    """Batches without end, drawn with the shares of a mix; every worker has chance of its own.

    Args:
        chips: to draw from.
        views: how views are drawn.
        mix: how often what is shown.
        batch: views a batch.
        seed: of the chance.
    """

    def __init__(
        self,
        chips: Sequence[PackedChip],
        views: ViewSettings,
        mix: MixSettings,
        batch: int,
        seed: int,
    ) -> None:
        self._chips = chips
        self._views = views
        self._weights = mix_weights(chips, mix)
        self._stackless = [i for i, chip in enumerate(chips) if group_of(chip) != "stacks"]
        self._batch = batch
        self._seed = seed

    def __iter__(self) -> Iterator[ViewBatch]:
        worker = get_worker_info()
        cv2.setNumThreads(0)
        rng = np.random.default_rng((self._seed, worker.id if worker else 0))
        while True:
            drawn = rng.choice(len(self._weights), self._batch, p=self._weights)
            yield join([self._view(int(index), rng) for index in drawn], self._views.tile_px)

    def _view(self, index: int, rng: np.random.Generator) -> _View:
        stacks = group_of(self._chips[index]) == "stacks"
        if stacks or not self._stackless or rng.random() >= self._views.collage:
            return self._of([index], self._views, rng)
        others = rng.choice(self._stackless, 3).tolist()
        return self._of([index, *others], self._views.cell(), rng)

    def _of(self, indices: list[int], settings: ViewSettings, rng: np.random.Generator) -> _View:
        side = settings.tile_px
        cells, corners, class_ids, hidden, limits = [], [], [], [], []
        for place, index in enumerate(indices):
            chip = self._chips[index]
            matrix = draw_matrix(
                (chip.height, chip.width),
                chip.corners,
                settings,
                rng,
                chip.gsd_m,
                has_stacks=group_of(chip) == "stacks",
            )
            moved = chip.corners @ matrix[:, :2].T + matrix[:, 2]
            settled = settle(moved, chip.class_ids, (0, 0, side, side), chip.classes)
            shift = (side * (place % 2), side * (place // 2))
            cells.append((index, matrix))
            corners.append(settled.corners + shift)
            class_ids.append(settled.class_ids)
            hidden.append(settled.painted + shift)
            limits.append(np.float32(scale_of(matrix)) * np.float32(chip.complete_above))
        return _View(
            cells,
            np.concatenate(corners),
            np.concatenate(class_ids),
            np.concatenate(hidden),
            np.all([self._chips[index].taught for index in indices], axis=0),
            np.max(limits, axis=0),
        )


def join(views: Sequence[_View], side_px: int) -> ViewBatch:
    """Views as one batch, those of one cell first."""
    ordered = sorted(views, key=lambda view: len(view.cells))
    whole = [view.cells[0] for view in ordered if len(view.cells) == 1]
    quarters = [cell for view in ordered if len(view.cells) > 1 for cell in view.cells]
    counts = [len(view.corners) for view in ordered]
    hidden = [len(view.hidden) for view in ordered]
    return ViewBatch(
        _cells(whole, side_px),
        _cells(quarters, side_px // 2),
        as_xywhr(np.concatenate([view.corners for view in ordered])),
        np.concatenate([view.class_ids for view in ordered]),
        np.repeat(np.arange(len(ordered)), counts),
        np.array([view.taught for view in ordered], np.float32),
        np.array([view.complete_above for view in ordered], np.float32),
        as_xywhr(np.concatenate([view.hidden for view in ordered])),
        np.repeat(np.arange(len(ordered)), hidden),
    )


def as_xywhr(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Corners `(N, 4, 2)` as Ultralytics trains on them, `(N, 5)`."""
    if not len(corners):
        return np.zeros((0, 5))
    return np.asarray(xyxyxyxy2xywhr(corners))


def _cells(cells: Sequence[tuple[int, NDArray[np.float64]]], side_px: int) -> Cells:
    matrices = np.array([matrix for _, matrix in cells]).reshape(-1, 2, 3)
    return Cells(np.array([index for index, _ in cells], np.int64), matrices, side_px)


class ChipStore:
    """All chips in one buffer of a device, four bytes a pixel, each at `LEVELS` sizes.

    Args:
        chips: to decode.
        device: that holds them.
        threads: that decode.
    """

    def __init__(self, chips: Sequence[PackedChip], device: torch.device, threads: int) -> None:
        with ThreadPoolExecutor(threads) as pool:
            images = list(pool.map(_levels, chips))
        flat = [level for levels in images for level in levels]
        sizes = np.array([level.shape[:2] for level in flat], np.int64)
        starts = np.concatenate([[0], np.cumsum(sizes.prod(axis=1))])
        buffer = np.zeros((int(starts[-1]), 4), np.uint8)
        for level, start in zip(flat, starts, strict=False):
            buffer[start : start + level.shape[0] * level.shape[1], :3] = level.reshape(-1, 3)
        self.device = device
        self._sizes = sizes.reshape(-1, LEVELS, 2)
        self._starts = starts[:-1].reshape(-1, LEVELS)
        self._pixels = torch.from_numpy(buffer.view(np.int32).reshape(-1)).to(device)

    @property
    def size_bytes(self) -> int:
        """Of the buffer."""
        return self._pixels.numel() * 4

    def draw(self, cells: Cells) -> Tensor:
        """The pixels of cells, `(C, 3, side, side)` float32 from 0 to 255; 0 outside the chips."""
        parts = [
            self._draw(cells, slice(start, start + CELLS_AT_ONCE))
            for start in range(0, len(cells.chips), CELLS_AT_ONCE)
        ]
        empty = torch.zeros(0, 3, cells.side_px, cells.side_px, device=self.device)
        return torch.cat([empty, *parts])

    def _draw(self, cells: Cells, part: slice) -> Tensor:
        chips, matrices = cells.chips[part], cells.matrices[part]
        whole = np.concatenate([matrices, np.tile([[[0.0, 0.0, 1.0]]], (len(chips), 1, 1))], axis=1)
        scale = np.sqrt(np.abs(np.linalg.det(matrices[:, :, :2])))
        level = np.clip(np.rint(np.log2(1.0 / scale)), 0, LEVELS - 1).astype(int)
        size = self._sizes[chips, level]
        shrunk = size / self._sizes[chips, 0]
        back = np.linalg.inv(whole)[:, :2] * shrunk[:, ::-1, None]
        ones = np.concatenate([size, self._starts[chips, level][:, None]], axis=1)
        height, width, start = torch.from_numpy(ones).to(self.device).T[..., None, None]
        return self._gather(
            torch.from_numpy(back.astype(np.float32)).to(self.device),
            (height, width, start),
            cells.side_px,
        )

    def _gather(self, back: Tensor, where: tuple[Tensor, Tensor, Tensor], side: int) -> Tensor:
        height, width, start = where
        centre = torch.arange(side, device=self.device, dtype=torch.float32) + 0.5
        # Corners of pixels lie at whole numbers, so the middle of pixel 0 lies at 0.5.
        x, y = (
            back[:, k, 0, None, None] * centre[None, None, :]
            + back[:, k, 1, None, None] * centre[None, :, None]
            + back[:, k, 2, None, None]
            - 0.5
            for k in (0, 1)
        )
        left, top = x.floor(), y.floor()
        found = torch.zeros(*x.shape, 4, device=self.device)
        for right, below in ((0, 0), (1, 0), (0, 1), (1, 1)):
            column, row = left.long() + right, top.long() + below
            inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
            share = (1 - (x - column).abs()) * (1 - (y - row).abs()) * inside
            index = torch.where(inside, start + row * width + column, 0)
            pixels = self._pixels[index].view(torch.uint8).view(*x.shape, 4)
            found += share[..., None] * pixels
        return found[..., :3].permute(0, 3, 1, 2)


def draw_batch(batch: ViewBatch, store: ChipStore) -> tuple[Tensor, Tensor]:
    """The pixels of a batch and the maps of its classes.

    What a border cuts off is hidden under the colour around it, as `borders.paint_over` hides it,
    but in steps of four pixels and with a mean instead of a median.

    Returns:
        `(B, 3, side, side)` float32 from 0 to 255, and `(B, classes, side / 4, side / 4)` the
        covered share of each cell.
    """
    device = store.device
    images = torch.cat([store.draw(batch.whole), _quartered(store.draw(batch.collage))])
    side = images.shape[-1] // STRIDE_PX
    count, classes = len(images), len(PORT)
    slots = torch.from_numpy(batch.images * classes + batch.class_ids).to(device)
    maps = paint(torch.from_numpy(batch.boxes).to(device), slots, count * classes, side)
    maps = maps.view(count, classes, side, side)
    if len(batch.hidden):
        places = torch.from_numpy(batch.hidden_images).to(device)
        cut = paint(torch.from_numpy(batch.hidden).to(device), places, count, side)
        images = _hide(images, cut[:, None], maps.amax(dim=1, keepdim=True))
    return images, maps


def paint(boxes: Tensor, slots: Tensor, count: int, side: int) -> Tensor:
    """The share of every cell that boxes cover, `(count, side, side)`.

    Args:
        boxes: `(N, 5)` centre, length, width in pixels and angle in radians.
        slots: `(N,)` the map that each is painted on.
        count: number of maps.
        side: of a map, cells of `STRIDE_PX` pixels.
    """
    maps = torch.zeros(count, side * side, device=boxes.device)
    middle = torch.arange(side, device=boxes.device, dtype=torch.float32) + 0.5
    boxes = boxes.float()
    for part in range(0, len(boxes), BOXES_AT_ONCE):
        x, y, length, width = (boxes[part : part + BOXES_AT_ONCE, :4] / STRIDE_PX).T[
            ..., None, None
        ]
        angle = boxes[part : part + BOXES_AT_ONCE, 4, None, None]
        across, down = middle[None, None, :] - x, middle[None, :, None] - y
        cos, sin = angle.cos(), angle.sin()
        cover = _covered(across * cos + down * sin, length) * _covered(
            down * cos - across * sin, width
        )
        index = slots[part : part + BOXES_AT_ONCE, None].expand(-1, side * side)
        maps.scatter_reduce_(0, index, cover.flatten(1), "amax")
    return maps.view(count, side, side)


def _covered(distance: Tensor, length: Tensor) -> Tensor:
    """How much of a cell of length 1, at a distance from the middle of a span, the span covers."""
    half = length / 2
    near, far = distance - 0.5, distance + 0.5
    return (torch.minimum(half, far) - torch.maximum(-half, near)).clamp(0.0, 1.0)


def _hide(images: Tensor, cut: Tensor, kept: Tensor) -> Tensor:
    """Images with what `cut` covers, and `kept` does not, in the colour around it."""
    hidden = (cut > 0) & (kept <= 0.5)
    coarse = functional.avg_pool2d(images, STRIDE_PX)
    # Neither what is hidden nor the padding gives colour.
    seen = ((~hidden) & (kept <= 0) & (coarse.amax(dim=1, keepdim=True) > 0)).float()
    share = functional.avg_pool2d(seen, BLUR_CELLS, 1, BLUR_CELLS // 2)
    around = functional.avg_pool2d(coarse * seen, BLUR_CELLS, 1, BLUR_CELLS // 2)
    colour = torch.where(share > 0, around / share.clamp(min=1e-6), UNKNOWN_COLOUR)
    colour, mask = (
        functional.interpolate(part.float(), scale_factor=STRIDE_PX) for part in (colour, hidden)
    )
    return torch.where((mask > 0) & (images.amax(dim=1, keepdim=True) > 0), colour, images)


def _quartered(cells: Tensor) -> Tensor:
    """Cells `(4 V, 3, s, s)` as views `(V, 3, 2 s, 2 s)`, row by row."""
    four, side = cells.unflatten(0, (-1, 2, 2)) if len(cells) else cells, cells.shape[-1]
    if not len(cells):
        return cells.new_zeros(0, 3, 2 * side, 2 * side)
    return four.permute(0, 3, 1, 4, 2, 5).reshape(-1, 3, 2 * side, 2 * side)


def _levels(chip: PackedChip) -> list[NDArray[np.uint8]]:
    levels = [chip.read()]
    for _ in range(LEVELS - 1):
        height, width = levels[-1].shape[:2]
        size = max(width // 2, 1), max(height // 2, 1)
        levels.append(np.asarray(cv2.resize(levels[-1], size, interpolation=cv2.INTER_AREA)))
    return levels
