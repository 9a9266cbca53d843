"""Ultralytics' oriented loss, silent about classes that an image does not label."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from detector.training.upstream import E2ELoss, OBBModel, v8OBBLoss

TAUGHT = "taught"


class TaughtBCE(nn.Module):
    """Binary cross entropy of every anchor and class, zero where the image does not teach."""

    def __init__(self) -> None:
        super().__init__()
        self.taught: Tensor | None = None

    def forward(self, scores: Tensor, targets: Tensor) -> Tensor:
        """Losses `(B, anchors, classes)` of logits against soft targets."""
        losses = functional.binary_cross_entropy_with_logits(scores, targets, reduction="none")
        return losses if self.taught is None else losses * self.taught


class TaughtOBBLoss(v8OBBLoss):  # type: ignore[misc]
    """`v8OBBLoss` in float32, with the class loss masked by `batch["taught"]`."""

    def __init__(self, model: nn.Module, tal_topk: int = 10, tal_topk2: int | None = None) -> None:
        super().__init__(model, tal_topk, tal_topk2)
        self.bce = TaughtBCE()

    def loss(
        self, preds: dict[str, Any], batch: dict[str, Any]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of a batch.

        Args:
            preds: raw outputs of the head.
            batch: Ultralytics' training batch; `taught` `(B, classes)` is 1 where everything
                without a box is background, 0 where the class is not labelled.

        Returns:
            The four losses times the batch size, and the four as they are, by name.
        """
        taught = batch.get(TAUGHT)
        self.bce.taught = None if taught is None else taught.to(self.device)[:, None, :].float()
        # bfloat16 holds three digits: too few for coordinates of 640 pixels.
        with torch.autocast(self.device.type, enabled=False):
            result: tuple[Tensor, dict[str, Tensor]] = super().loss(_float(preds), batch)
        return result


class TaughtOBBModel(OBBModel):  # type: ignore[misc]
    """An Ultralytics OBB model that learns with `TaughtOBBLoss`.

    Attributes:
        cpu_bfloat16: run training passes on a CPU in bfloat16 where that is precise enough;
            Ultralytics' own mixed precision is for GPUs only.
    """

    cpu_bfloat16 = False

    def predict(self, x: Tensor, *args: Any, **kwargs: Any) -> Any:
        """The forward pass."""
        mixed = self.cpu_bfloat16 and self.training and x.device.type == "cpu"
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            return super().predict(x, *args, **kwargs)

    def init_criterion(self) -> Any:
        """The loss; both heads of an end-to-end model are trained."""
        two_heads = getattr(self.model[-1], "one2one_cv2", None) is not None
        return E2ELoss(self, TaughtOBBLoss) if two_heads else TaughtOBBLoss(self)


def _float(preds: Any) -> Any:
    if isinstance(preds, Tensor):
        return preds.float()
    if isinstance(preds, dict):
        return {name: _float(value) for name, value in preds.items()}
    return [_float(value) for value in preds]
