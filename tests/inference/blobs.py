"""A detector without a network: bright blobs on black are ships, so truth is exact."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
from affine import Affine
from numpy.typing import NDArray

from detector.boxes.scored import Boxes
from detector.geometry.boxes import Corners, as_corners, order_corners
from detector.models.card import ModelCard
from tests.scenes.rasters import write_raster

CARD = ModelCard(
    name="blobs",
    architecture="none-obb.yaml",
    classes=("ship", "container_stack"),
    sha256="0" * 64,
    tile_px=256,
    gsd_min_m=0.2,
    gsd_max_m=4.0,
    gsd_read_m=0.5,
    conf={"ship": 0.5, "container_stack": 0.5},
    iou=0.5,
    licence="none",
)


@dataclass
class BlobDetector:
    """Stands in for `Detector`."""

    card: ModelCard = CARD
    batch: int = 3
    iou: float = 0.5
    threads: int = 1
    precision: str = "f32"
    larger_px: int | None = None
    conf: NDArray[np.float32] = field(default_factory=lambda: np.full(2, 0.5, np.float32))
    backend: SimpleNamespace = field(
        default_factory=lambda: SimpleNamespace(name="blobs", device="cpu")
    )
    batches: list[int] = field(default_factory=list)

    def forward(self, tiles: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The tiles themselves."""
        assert tiles.shape[1:] == (self.card.tile_px, self.card.tile_px, 3)
        self.batches.append(len(tiles))
        return tiles

    def decode(
        self, raw: NDArray[np.uint8], conf: NDArray[np.float32] | None = None
    ) -> list[Boxes]:
        """One ship for every bright blob."""
        found = [self._blobs(tile) for tile in raw]
        if conf is None:
            return found
        return [boxes.select(boxes.scores >= conf[boxes.class_ids]) for boxes in found]

    def _blobs(self, tile: NDArray[np.uint8]) -> Boxes:
        bright = (tile[..., 1] > 127).astype(np.uint8)
        contours, _ = cv2.findContours(bright, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        # Contours run through pixel centres; fillPoly has drawn a quarter of a pixel too much.
        rects = [cv2.minAreaRect(contour) for contour in contours]
        corners = [
            cv2.boxPoints(((x + 0.5, y + 0.5), (w + 0.5, h + 0.5), angle))
            for (x, y), (w, h), angle in rects
            if min(w, h) > 1
        ]
        boxes = order_corners(as_corners(corners))
        count = len(boxes)
        return Boxes(boxes, np.full(count, 0.9, np.float32), np.zeros(count, np.int64))


def blob_scene(
    path: Path,
    size: tuple[int, int],
    ships: Corners,
    *,
    transform: Affine,
    crs: str | None,
    mark: tuple[int, int] = (0, 0),
) -> Path:
    """A black scene `(width, height)` with white ships, `(N, 4, 2)` pixel corners.

    The pixel `mark` (column, row) is nearly black: scenes with other marks are other pictures.
    """
    width, height = size
    band = np.zeros((height, width), np.uint8)
    for ship in ships:
        # OpenCV counts from the centre of the first pixel, the frame from its corner.
        cv2.fillPoly(band, [np.rint((ship - 0.5) * 16).astype(np.int32)], 255, shift=4)
    band[mark[1], mark[0]] = 1
    values = np.repeat(band[None], 3, axis=0)
    return write_raster(path, values, crs=crs, transform=transform, tiled=True, compress="deflate")
