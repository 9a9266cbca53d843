"""The loss: silent where an image does not teach, the same as Ultralytics' elsewhere."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from ultralytics.utils import DEFAULT_CFG
from ultralytics.utils.loss import v8OBBLoss

from detector.training.loss import COMPLETE_ABOVE, MIRRORED, TAUGHT, TaughtOBBLoss, TaughtOBBModel


@pytest.fixture(scope="module")
def model() -> Any:
    torch.manual_seed(0)
    model = TaughtOBBModel("yolo11n-obb.yaml", nc=2, verbose=False)
    model.args = DEFAULT_CFG
    return model.train()


def batch(taught: list[list[float]]) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(1)
    return {
        "img": torch.rand((2, 3, 160, 160), generator=generator),
        "cls": torch.tensor([[0.0], [0.0], [1.0]]),
        "bboxes": torch.tensor(
            [[0.3, 0.4, 0.4, 0.1, 0.5], [0.6, 0.6, 0.5, 0.2, 1.2], [0.5, 0.3, 0.3, 0.2, 0.1]]
        ),
        "batch_idx": torch.tensor([0.0, 1.0, 1.0]),
        TAUGHT: torch.tensor(taught),
    }


def test_all_taught_is_ultralytics_loss(model: Any) -> None:
    data = batch([[1, 1], [1, 1]])
    with torch.no_grad():
        preds = model(data["img"])
    ours, items = TaughtOBBLoss(model)(preds, data)
    theirs, _ = v8OBBLoss(model)(preds, data)
    torch.testing.assert_close(ours, theirs)
    assert list(items) == ["box_loss", "cls_loss", "dfl_loss", "angle_loss"]
    assert items["angle_loss"] > 0


def test_an_unlabelled_class_gives_no_class_gradient(model: Any) -> None:
    data = batch([[1, 0], [1, 1]])
    with torch.no_grad():
        preds = model(data["img"])
    preds["scores"] = preds["scores"].detach().requires_grad_()
    loss, _ = TaughtOBBLoss(model)(preds, data)
    loss.sum().backward()
    gradient = preds["scores"].grad
    assert gradient.shape[1] == 2
    assert gradient[0, 1].abs().max() == 0  # masked: image 0, stacks
    assert gradient[0, 0].abs().min() > 0  # background of ships is taught
    assert gradient[1].abs().min() > 0


def test_mirrored_scores_are_further_targets_label_or_not(model: Any) -> None:
    data = batch([[1, 0], [1, 1]])
    with torch.no_grad():
        preds = model(data["img"])
    anchors = preds["scores"].shape[-1]
    data[MIRRORED] = torch.full((2, anchors, 2), 0.3)

    def gradient(weight: float) -> torch.Tensor:
        preds["scores"] = preds["scores"].detach().requires_grad_()
        model.mirrored_weight = weight
        try:
            TaughtOBBLoss(model)(preds, data)[0].sum().backward()
        finally:
            model.mirrored_weight = 0.0
        assert preds["scores"].grad is not None
        return preds["scores"].grad

    without, once, twice = gradient(0.0), gradient(1.0), gradient(2.0)
    assert without[0, 1].abs().max() == 0
    pull = preds["scores"].detach().sigmoid() - 0.3
    ratio = (once - without) / pull
    torch.testing.assert_close(ratio, torch.full_like(ratio, float(ratio.mean())))
    assert ratio.mean() > 0
    torch.testing.assert_close(twice - without, 2 * (once - without))


def test_a_class_said_to_be_absent_is_a_negative(model: Any) -> None:
    data = batch([[1, 1], [1, 1]])
    with torch.no_grad():
        preds = model(data["img"])
    preds["scores"] = preds["scores"].detach().requires_grad_()
    TaughtOBBLoss(model)(preds, data)[0].sum().backward()
    assert (preds["scores"].grad[0, 1] > 0).all()  # pushed down everywhere


def test_a_proposal_shorter_than_its_source_boxes_is_neither_right_nor_wrong(model: Any) -> None:
    data = batch([[1, 1], [1, 1]])
    with torch.no_grad():
        preds = model(data["img"])
    preds["scores"] = preds["scores"].detach().requires_grad_()
    loss = TaughtOBBLoss(model)
    loss(preds, data)
    lengths = loss.bce.lengths[..., 0]
    limit = float(lengths[0].median())
    data[COMPLETE_ABOVE] = torch.tensor([[limit, 0.0], [0.0, 0.0]])
    loss(preds, data)[0].sum().backward()
    gradient = preds["scores"].grad
    untaught = gradient[0, 0] == 0
    assert (lengths[0][untaught] < limit).all()
    boxed = (gradient[0, 0] != 0) & (lengths[0] < limit)
    # What is short and still taught is assigned to the one box of ten candidates at most.
    assert untaught.sum() > 0
    assert boxed.sum() <= 10
    assert untaught.sum() + boxed.sum() == (lengths[0] < limit).sum()
    assert (gradient[0, 1] != 0).all()
    assert (gradient[1] != 0).all()


def test_bfloat16_predictions_are_scored_in_float32(model: Any) -> None:
    data = batch([[1, 1], [1, 1]])
    with torch.no_grad():
        preds = model(data["img"])
    halves = {k: v.bfloat16() if k != "feats" else v for k, v in preds.items()}
    loss, _ = TaughtOBBLoss(model)(halves, data)
    exact, _ = TaughtOBBLoss(model)(preds, data)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, exact, rtol=0.05, atol=0.05)


def test_mixed_precision_is_on_where_it_is_asked_for(model: Any) -> None:
    data = batch([[1, 1], [1, 1]])
    assert model(data["img"])["scores"].dtype == torch.float32
    model.cpu_bfloat16 = True
    try:
        assert model(data["img"])["scores"].dtype == torch.bfloat16
    finally:
        model.cpu_bfloat16 = False


def test_channels_last_gives_the_same_gradients(model: Any) -> None:
    # In float32 the orders of summation alone differ by a few 1e-4, through normalised features.
    model = copy.deepcopy(model).double()
    data = batch([[1, 0], [1, 1]])
    gradients = []
    for layout in (torch.contiguous_format, torch.channels_last):
        model.to(memory_format=layout).zero_grad()
        image = data["img"].double().contiguous(memory_format=layout)
        model.loss({**data, "img": image})[0].sum().backward()
        gradients.append([p.grad.clone() for p in model.parameters() if p.grad is not None])
    one, other = (torch.cat([g.flatten() for g in found]) for found in gradients)
    assert float((one - other).norm() / one.norm()) < 1e-4


def test_yolo26_trains_both_heads() -> None:
    torch.manual_seed(0)
    model = TaughtOBBModel("yolo26n-obb.yaml", nc=2, verbose=False)
    model.args = DEFAULT_CFG
    loss, _ = model.train().loss(batch([[1, 0], [1, 1]]))
    loss.sum().backward()
    head = model.model[-1]
    for part in (head.cv3, head.one2one_cv3):
        gradients = [p.grad for p in part.parameters() if p.grad is not None]
        assert gradients
        assert sum(float(g.abs().sum()) for g in gradients) > 0


def test_yolo26_keeps_the_weight_of_the_head_that_is_run() -> None:
    model = TaughtOBBModel("yolo26n-obb.yaml", nc=2, verbose=False)
    model.args = SimpleNamespace(**{**vars(DEFAULT_CFG), "epochs": 10})
    loss = model.init_criterion()
    weights = []
    for _ in range(10):
        weights.append((loss.o2m, loss.o2o))
        loss.update()  # as Ultralytics does after every epoch
    assert weights == [pytest.approx((0.8, 0.2))] * 10
