"""Large scenes in larger tiles: less work, the same scales, the same objects."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from detector.errors import ConfigError
from detector.geometry.boxes import corners_from_xywhr, iou_matrix
from detector.inference.frame import PlanFrame
from detector.inference.pipeline import (
    LARGER_SHARE,
    PipelineSettings,
    find_objects,
    plan_scene,
    prepare_scene,
)
from detector.models.backends import Backend
from detector.models.detector import Detector, larger_tile_px
from detector.scenes.scene import open_scene
from detector.tiling.plan import TilePlan
from tests.inference.blobs import CARD, BlobDetector, blob_scene
from tests.scenes.rasters import UTM52, utm_transform


class Everywhere:
    """A scene that holds data everywhere."""

    def any_valid(self, bounds: tuple[float, float, float, float]) -> bool:
        """Always."""
        del bounds
        return True


@dataclass
class SizedBlobs(BlobDetector):
    """Reads tiles of two sides."""

    larger_px: int | None = 512
    opened: list[int] = field(default_factory=list)

    def of_tiles(self, side_px: int) -> SizedBlobs:
        """The same on other tiles."""
        self.opened.append(side_px)
        return replace(self, card=replace(CARD, tile_px=side_px))


def _plan(side: int, larger_px: int | None, gsd_m: float | None = 0.5) -> TilePlan:
    frame = PlanFrame(side, side, 1.0, 1.0, gsd_m)
    return plan_scene(frame, Everywhere(), CARD, larger_px=larger_px)  # type: ignore[arg-type]


@pytest.mark.parametrize("gsd_m", [0.5, 0.8, None])
@pytest.mark.parametrize("side", [200, 512, 700, 900, 1500, 2600, 7000])
def test_larger_tiles_are_taken_only_where_they_save_work(side: int, gsd_m: float | None) -> None:
    usual, larger = _plan(side, None, gsd_m), _plan(side, 512, gsd_m)
    if larger.settings.tile_px == CARD.tile_px:
        assert larger == usual
    else:
        assert larger.settings.tile_px == 512
        assert larger.read_pixels <= LARGER_SHARE * usual.read_pixels


def test_scale_and_overlap_stay_and_a_large_scene_costs_three_quarters() -> None:
    usual, larger = _plan(7000, None), _plan(7000, 512)
    assert larger.settings.tile_px == 512
    assert larger.settings.level_scale(0) == usual.settings.level_scale(0)
    assert larger.settings.overlap_px(0) == usual.settings.overlap_px(0)
    assert larger.settings.limit == usual.settings.limit
    assert larger.read_pixels < 0.77 * usual.read_pixels
    seen = np.zeros((7000, 7000), np.bool_)
    for tile in larger.tiles:
        if tile.level == 0:
            rows, cols = tile.window.row, tile.window.col
            seen[rows : rows + tile.window.height, cols : cols + tile.window.width] = True
    assert seen.all()


def test_the_same_ships_are_found_in_larger_tiles(tmp_path: Path) -> None:
    draw = np.random.default_rng(3)
    at = np.stack(np.meshgrid(np.arange(100, 2400, 190), np.arange(100, 2400, 190)), -1)
    x, y = at.reshape(-1, 2).T + draw.uniform(-40, 40, (2, at.size // 2))
    count = len(x)
    size = draw.uniform(18, 30, count), draw.uniform(8, 14, count), draw.uniform(0, 3.1, count)
    ships = corners_from_xywhr(np.stack([x, y, *size], axis=1))
    path = blob_scene(tmp_path / "a.tif", (2500, 2500), ships, transform=utm_transform(), crs=UTM52)
    found, tiles = {}, {}
    for larger in (False, True):
        detector, settings = SizedBlobs(), PipelineSettings(larger_tiles=larger)
        with open_scene(path) as scene:
            prepared = prepare_scene(scene, detector, settings)  # type: ignore[arg-type]
            found[larger] = find_objects(scene, detector, settings, prepared=prepared)  # type: ignore[arg-type]
        tiles[larger] = prepared.plan
        assert detector.opened == ([512] if larger else [])
    assert tiles[True].read_pixels < 0.9 * tiles[False].read_pixels
    assert len(found[True].detections) == len(found[False].detections) == count
    usual, large = (found[larger].detections.corners for larger in (False, True))
    same = iou_matrix(large, usual).max(axis=0)
    assert np.median(same) > 0.9999  # all but those that the coarse scale says better
    assert same.min() > 0.5
    assert iou_matrix(large, ships).max(axis=0).min() > 0.5  # drawn in whole pixels, 8 wide


def test_a_network_is_opened_once_for_tiles_of_another_side() -> None:
    asked: list[tuple[int, int]] = []

    def opened(side_px: int, batch: int) -> Backend:
        asked.append((side_px, batch))
        return BlobDetector().backend  # type: ignore[return-value]

    conf = np.full(2, 0.5, np.float32)
    one = Detector(CARD, BlobDetector().backend, 8, conf, 0.5, 1, open_tiles=opened)  # type: ignore[arg-type]
    assert one.of_tiles(CARD.tile_px) is one
    assert one.larger_px == larger_tile_px(CARD) == 512
    larger = one.of_tiles(512)
    assert (larger.card.tile_px, larger.batch, asked) == (512, 2, [(512, 2)])
    assert one.of_tiles(512) is larger
    assert len(asked) == 1
    alone = Detector(CARD, BlobDetector().backend, 8, conf, 0.5, 1)  # type: ignore[arg-type]
    assert alone.larger_px is None
    without = replace(CARD, larger_tiles=False)
    assert larger_tile_px(without) is None
    assert "larger_tiles: false" in without.to_yaml()
    assert "larger_tiles" not in CARD.to_yaml()
    with pytest.raises(ConfigError, match="tiles of 256 px alone"):
        alone.of_tiles(512)
