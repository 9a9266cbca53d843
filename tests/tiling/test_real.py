"""The merge with the real network on a small mosaic of real port images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.merging_real import (
    CELL_PX,
    LONGEST_PX,
    SAME_IOU,
    SURE,
    WEIGHTS,
    merged,
    mosaic,
    tile_boxes,
    untiled,
)
from detector.geometry.boxes import iou_matrix
from detector.models.detector import DetectorSettings, load_detector
from detector.tiling.plan import PlanSettings, plan_tiles


@pytest.mark.real
def test_what_one_look_is_sure_of_comes_out_once(shared_data: Path) -> None:
    detector = load_detector(DetectorSettings(WEIGHTS))
    side = detector.card.tile_px
    scene = mosaic(shared_data, (3, 2), seed=0)
    plan = plan_tiles(
        scene.pixels.shape[1],
        scene.pixels.shape[0],
        PlanSettings(side, side / CELL_PX, None, None, LONGEST_PX, LONGEST_PX),
    )
    found = merged(tile_boxes(scene.pixels, plan, detector), plan, detector)
    alone = untiled(scene, detector)
    sure = alone.select(alone.scores >= SURE)
    same = iou_matrix(sure.corners, found.corners) >= SAME_IOU
    same &= sure.class_ids[:, None] == found.class_ids[None]
    assert len(sure) > 20
    assert np.mean(same.sum(axis=1) == 1) >= 0.95
