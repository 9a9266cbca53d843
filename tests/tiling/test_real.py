"""The merge with the real network on a small mosaic of real port images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.merging_real import SAME_IOU, SURE, WEIGHTS, is_found
from benchmarks.mosaics import (
    MOSAICS,
    QUICK_GRID,
    cell_plan,
    mosaic,
    moved,
    one_look,
    predict_plan,
)
from detector.calibrating.luck import merged, tile_boxes
from detector.geometry.boxes import iou_matrix
from detector.models.detector import DetectorSettings, load_detector

OFFSETS_PX = ((0, 0), (3, 5), (101, 230))


@pytest.mark.real
def test_what_one_look_is_sure_of_comes_out_once(shared_data: Path) -> None:
    detector = load_detector(DetectorSettings(WEIGHTS))
    scene = mosaic(shared_data / "port", (3, 2), number=0)
    plan = cell_plan(scene.pixels, detector)
    found = merged(tile_boxes(scene.pixels, plan, detector), plan, detector)
    alone = one_look(scene, detector)
    sure = alone.select(alone.scores >= SURE)
    same = iou_matrix(sure.corners, found.corners) >= SAME_IOU
    same &= sure.class_ids[:, None] == found.class_ids[None]
    assert len(sure) > 20
    assert np.mean(same.sum(axis=1) == 1) >= 0.95


@pytest.mark.real
def test_the_labelled_ships_that_are_found_do_not_depend_on_where_the_tiles_lie(
    shared_data: Path,
) -> None:
    """36 images, tiles as `predict` reads; 144 images and more: `docs/research/merging.md`."""
    detector = load_detector(DetectorSettings(WEIGHTS))
    scenes = [mosaic(shared_data / "port", QUICK_GRID, number) for number in range(MOSAICS)]
    counts = np.zeros(len(OFFSETS_PX), np.int64)
    for scene in scenes:
        for k, offset in enumerate(OFFSETS_PX):
            pixels = moved(scene, np.array(offset))
            plan = predict_plan(pixels, detector)
            found = merged(tile_boxes(pixels, plan, detector), plan, detector)
            counts[k] += is_found(scene.ships + offset, found).sum()
    there = sum(len(scene.ships) for scene in scenes)
    assert there == 693
    assert counts.mean() > 0.9 * there
    assert np.abs(counts / counts.mean() - 1).max() <= 0.01
