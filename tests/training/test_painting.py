"""Maps of the classes: painted from boxes, learnt in training, gone at export."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
import torch
from safetensors.torch import load_file

from detector.geometry.boxes import corners_from_xywhr
from detector.training.checkpoint import load_state
from detector.training.loss import TaughtOBBLoss
from detector.training.painting import (
    EDGE_WEIGHT,
    PAINTED_LOSS,
    maps_taught,
    paint_boxes,
    painted_loss,
    targets_of,
    without_paint,
)
from detector.training.settings import TrainingSettings
from detector.training.trainer import PortTrainer
from tests.training.chips import lines
from tests.training.test_loss import batch, model

__all__ = ["model"]  # a fixture


def test_cells_are_covered_as_far_as_the_box_reaches() -> None:
    boxes = np.array([[0.5, 0.4, 0.45, 0.2, 0.6], [0.25, 0.7, 0.1, 0.08, -1.1]], np.float32)
    cells = paint_boxes(boxes, np.array([1, 1]), np.array([0, 0]), (1, 2, 40, 40))
    scaled = boxes.astype(float)
    scaled[:, :4] *= 40
    shape = shapely.union_all(shapely.polygons(corners_from_xywhr(scaled)))
    exact = np.array(
        [[shape.intersection(shapely.box(x, y, x + 1, y + 1)).area for x in range(40)]
         for y in range(40)]
    )  # fmt: skip
    assert cells[0, 0].max() == 0.0
    assert np.abs(cells[0, 1] - exact).mean() < 0.01
    assert cells[0, 1].sum() == pytest.approx(shape.area, rel=0.1)
    assert cells[0, 1].max() == 1.0


def test_boxes_are_painted_into_their_own_image_and_class() -> None:
    boxes = np.tile(np.array([[0.5, 0.5, 0.5, 0.5, 0.0]], np.float32), (2, 1))
    cells = paint_boxes(boxes, np.array([0, 1]), np.array([1, 0]), (2, 2, 16, 16))
    assert cells.sum(axis=(2, 3)).tolist() == [[0.0, 64.0], [64.0, 0.0]]


def test_cells_near_an_edge_weigh_more_and_untaught_maps_nothing() -> None:
    targets = torch.zeros((1, 1, 20, 20))
    targets[:, :, :, :10] = 1.0
    logits = torch.zeros_like(targets)
    at_edge, far = logits.clone(), logits.clone()
    at_edge[..., 9], far[..., 2] = -4.0, -4.0  # wrong by as much, in a column each
    taught = torch.ones((1, 1))
    even = painted_loss(logits, targets, taught)
    assert even == pytest.approx(np.log(2.0))
    near_costs, far_costs = (float(painted_loss(x, targets, taught) - even) for x in (at_edge, far))
    assert near_costs == pytest.approx((1 + EDGE_WEIGHT) * far_costs, rel=1e-4)
    assert painted_loss(at_edge, targets, torch.zeros((1, 1))) == 0.0


def test_a_map_whose_small_objects_have_no_boxes_is_not_known() -> None:
    taught = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    limits = torch.tensor([[0.0, 0.0], [130.0, 0.0]])
    assert maps_taught(taught, limits).tolist() == [[1.0, 0.0], [0.0, 1.0]]
    assert maps_taught(taught, None).tolist() == taught.tolist()


def test_the_loss_falls_with_the_maps_and_reaches_the_features(model: Any) -> None:
    painting = copy.deepcopy(model)
    painting.criterion = None
    painting.add_paint(2.0)
    data = batch([[1, 1], [1, 1]])
    preds = painting(data["img"])
    losses, items = TaughtOBBLoss(painting)(preds, data)
    assert len(losses) == 5
    assert float(losses[4]) == pytest.approx(2 * float(items[PAINTED_LOSS]))  # two images
    gradient = torch.autograd.grad(losses[4], painting.model[2].cv2.conv.weight)[0]
    assert gradient.abs().max() > 0
    logits = painting.paint(preds["feats"][0])
    targets = targets_of(data, logits)
    assert targets.shape == (2, 2, 40, 40)
    right = painted_loss(8 * (targets - 0.5), targets, torch.ones((2, 2)))
    assert right < 0.1 < painted_loss(logits, targets, torch.ones((2, 2)))


def test_weights_of_a_painting_run_hold_no_paint(
    settings: TrainingSettings, chips: list[Any]
) -> None:
    painting = replace(settings, trainer=replace(settings.trainer, painted=1.0))
    PortTrainer(painting, chips).train()
    assert lines(painting)[0]["train/paint_loss"] > 0
    state = load_state(Path(settings.out) / "last.pt", "yolo11n-obb.yaml")
    assert state is not None
    assert any(name.startswith("paint.") for name in state.ema)
    exported = load_file(Path(settings.out) / "ema.safetensors")
    kept = {n for n in without_paint(state.ema) if not n.endswith("num_batches_tracked")}
    assert set(exported) == kept

    longer = replace(painting, trainer=replace(painting.trainer, epochs=2))
    PortTrainer(longer, chips).train()  # a checkpoint with paint is gone on from
    assert [line["epoch"] for line in lines(painting)] == [1, 2]
