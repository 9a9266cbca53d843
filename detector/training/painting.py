"""An auxiliary task of training: paint where each class is, from the boxes; dropped at export.

Boxes say where a block of containers lies, and every anchor learns that for itself. A map of the
class says it pixel by pixel, most of all where one block ends and the lane to the next begins, so
the features that the boxes are read from must know it too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from detector.geometry.boxes import corners_from_xywhr

PAINT: Final = "paint"  # name of the module, and the prefix of its tensors
PAINTED_LOSS: Final = "paint_loss"
STRIDE_PX: Final = 4  # of a painted cell; lanes of 3 m are 10 px wide where yards are read
FINER: Final = 4  # cells are painted this much finer and averaged: coverage, not yes or no
EDGE_REACH: Final = 2  # cells to either side of an edge that weigh more
EDGE_WEIGHT: Final = 4.0  # on top of 1; with it the lane between two rows outweighs their insides
HIDDEN: Final = 32


class PaintHead(nn.Module):
    """Two convolutions from the finest features to one logit a class and cell.

    Args:
        channels: of the features, whose stride is 8 pixels.
        classes: number of maps.
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.hidden = nn.Conv2d(channels, HIDDEN, 3, padding=1)
        self.maps = nn.Conv2d(HIDDEN, classes * 4, 1)
        if self.maps.bias is not None:
            nn.init.constant_(self.maps.bias, -2.0)  # most of a tile is neither ship nor stack

    def forward(self, features: Tensor) -> Tensor:
        """Logits `(B, classes, 2 h, 2 w)` of features `(B, channels, h, w)`."""
        hidden = functional.silu(self.hidden(features))
        return functional.pixel_shuffle(self.maps(hidden), 2)


def painted_loss(logits: Tensor, targets: Tensor, taught: Tensor) -> Tensor:
    """Mean cross entropy over the cells that an image teaches; cells near edges weigh more.

    Args:
        logits: `(B, classes, h, w)`.
        targets: the same shape, covered share of each cell.
        taught: `(B, classes)`, 0 where a map is not known.
    """
    losses = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    side = 2 * EDGE_REACH + 1
    grown = functional.max_pool2d(targets, side, 1, EDGE_REACH)
    shrunk = -functional.max_pool2d(-targets, side, 1, EDGE_REACH)
    weights = (1.0 + EDGE_WEIGHT * (grown - shrunk)) * taught[:, :, None, None]
    return (losses * weights).sum() / weights.sum().clamp(min=1.0)


def paint_boxes(
    boxes: NDArray[np.float32],
    class_ids: NDArray[np.int64],
    images: NDArray[np.int64],
    shape: tuple[int, int, int, int],
) -> NDArray[np.float32]:
    """The covered share of every cell.

    Args:
        boxes: `(N, 5)` centre, length and width as shares of the tile's side, angle in radians, as
            batches hold them.
        class_ids: `(N,)`.
        images: `(N,)` which image of the batch a box is of.
        shape: batch, classes, rows and columns of the maps.
    """
    batch, classes, rows, columns = shape
    fine = np.zeros((batch, classes, rows * FINER, columns * FINER), np.uint8)
    scaled = boxes.astype(np.float64)
    scaled[:, :4] *= columns * FINER
    scaled[:, 2:4] -= 1.0  # OpenCV fills the border too, half a pixel to each side
    for polygon, class_id, image in zip(corners_from_xywhr(scaled), class_ids, images, strict=True):
        # OpenCV puts pixel centres at whole numbers, our frame puts corners there.
        cv2.fillConvexPoly(fine[image, class_id], np.round(polygon - 0.5).astype(np.int32), 1)
    cells = fine.reshape(batch, classes, rows, FINER, columns, FINER)
    return np.asarray(cells.mean(axis=(3, 5)), np.float32)


def maps_taught(taught: Tensor, complete_above: Tensor | None) -> Tensor:
    """Which maps of each image are known, `(B, classes)`.

    Args:
        taught: `(B, classes)`, 1 where everything without a box is background.
        complete_above: `(B, classes)` lengths in pixels from which it is; a map whose small
            objects have no boxes is not known.
    """
    known = taught.float()
    return known if complete_above is None else known * (complete_above <= STRIDE_PX * 4)


def without_paint(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a model without those of its paint head."""
    return {name: t for name, t in tensors.items() if not name.startswith(f"{PAINT}.")}


def targets_of(batch: dict[str, Tensor], like: Tensor) -> Tensor:
    """The maps of a batch as its boxes paint them, shaped like the logits."""
    boxes = batch["bboxes"].detach().cpu().numpy().astype(np.float32)
    class_ids = batch["cls"].detach().cpu().numpy().reshape(-1).astype(np.int64)
    images = batch["batch_idx"].detach().cpu().numpy().reshape(-1).astype(np.int64)
    shape = like.shape
    painted = paint_boxes(boxes, class_ids, images, (shape[0], shape[1], shape[2], shape[3]))
    return torch.from_numpy(painted).to(like.device)
