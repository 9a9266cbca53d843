"""The teacher's looks cover an image at every scale, in its pixels."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from detector.boxes.scored import Boxes
from detector.data import port_pool
from detector.scenes.scene import open_scene
from detector.training.teacher import TEACHER_SCALES, look, orient_ships
from tests.data import fakes


class Spotter:
    """Finds the one white square of a tile."""

    card = SimpleNamespace(tile_px=64)

    def detect(self, tiles: np.ndarray) -> list[Boxes]:
        return [self._one(tile) for tile in tiles]

    def _one(self, tile: np.ndarray) -> Boxes:
        rows, cols = np.nonzero(tile.min(axis=2) > 200)
        if not len(rows):
            return Boxes.empty()
        x0, x1, y0, y1 = cols.min(), cols.max() + 1, rows.min(), rows.max() + 1
        corners = np.array([[(x0, y0), (x1, y0), (x1, y1), (x0, y1)]], float)
        return Boxes(corners, np.ones(1, np.float32), np.zeros(1, np.int64))


def test_boxes_come_back_in_image_pixels(tmp_path: Path) -> None:
    import cv2

    pixels = np.full((150, 180, 3), 120, np.uint8)
    pixels[120:140, 140:170] = 255
    cv2.imwrite(str(tmp_path / "a.png"), pixels)
    spotter: Any = Spotter()
    with open_scene(tmp_path / "a.png") as scene:
        boxes = look(scene, spotter)
    whole = [b for b in boxes.corners if np.ptp(b[:, 0]) > 25 and np.ptp(b[:, 1]) > 15]
    assert len(whole) >= len(TEACHER_SCALES)
    for box in whole:
        np.testing.assert_allclose(box.min(axis=0), [140, 120], atol=4)
        np.testing.assert_allclose(box.max(axis=0), [170, 140], atol=4)


def test_only_axis_aligned_images_are_looked_at(tmp_path: Path) -> None:
    images = list(port_pool.read(fakes.port_pool(tmp_path), "train"))
    blind: Any = SimpleNamespace(
        card=SimpleNamespace(tile_px=64), detect=lambda tiles: [Boxes.empty()] * len(tiles)
    )
    done = list(orient_ships(images, blind))
    assert done[0] is images[0]
    assert done[2] is images[2]
    assert len(done[1].ignored) == 1  # no agreement: neither right nor wrong
    assert done[1].taught == (True, True)
