"""The merge with the real network on a small mosaic of real port images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.merging_real import SAME_IOU, SURE, WEIGHTS
from benchmarks.mosaics import cell_plan, merged, mosaic, one_look, tile_boxes
from detector.geometry.boxes import iou_matrix
from detector.models.detector import DetectorSettings, load_detector


@pytest.mark.real
def test_what_one_look_is_sure_of_comes_out_once(shared_data: Path) -> None:
    detector = load_detector(DetectorSettings(WEIGHTS))
    scene = mosaic(shared_data, (3, 2), number=0)
    plan = cell_plan(scene.pixels, detector)
    found = merged(tile_boxes(scene.pixels, plan, detector), plan, detector)
    alone = one_look(scene, detector)
    sure = alone.select(alone.scores >= SURE)
    same = iou_matrix(sure.corners, found.corners) >= SAME_IOU
    same &= sure.class_ids[:, None] == found.class_ids[None]
    assert len(sure) > 20
    assert np.mean(same.sum(axis=1) == 1) >= 0.95
