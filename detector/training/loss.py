"""Ultralytics' oriented loss, silent about classes that an image does not label."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from detector.training.painting import (
    PAINTED_LOSS,
    PaintHead,
    maps_taught,
    painted_loss,
    targets_of,
)
from detector.training.upstream import E2ELoss, OBBModel, make_anchors, v8OBBLoss

TAUGHT = "taught"
COMPLETE_ABOVE = "complete_above"
MIRRORED = "mirrored"


class TaughtBCE(nn.Module):
    """Binary cross entropy of every anchor and class, zero where the image does not teach.

    Attributes:
        taught: `(B, 1, classes)`, 0 where a class is not labelled; None: all are.
        complete_above: `(B, 1, classes)` lengths in pixels below which an object may be without a
            box: a shorter proposal there is neither right nor wrong, as in evaluation.
        lengths: `(B, anchors, 1)` of the proposals, pixels.
        mirrored: `(B, anchors, classes)` scores of the mirrored images, further targets; they need
            no label, so they teach everywhere. None: there are none.
        mirrored_weight: of those, beside the labels' 1.
    """

    def __init__(self, mirrored_weight: float = 0.0) -> None:
        super().__init__()
        self.mirrored_weight = mirrored_weight
        self.mirrored: Tensor | None = None
        self.taught: Tensor | None = None
        self.complete_above: Tensor | None = None
        self.lengths: Tensor | None = None

    def forward(self, scores: Tensor, targets: Tensor) -> Tensor:
        """Losses `(B, anchors, classes)` of logits against soft targets."""
        losses = functional.binary_cross_entropy_with_logits(scores, targets, reduction="none")
        if self.taught is not None:
            losses = losses * self.taught
        if self.complete_above is not None and self.lengths is not None:
            losses = losses * ((self.lengths >= self.complete_above) | (targets > 0))
        if self.mirrored is not None:
            agreement = functional.binary_cross_entropy_with_logits(
                scores, self.mirrored, reduction="none"
            )
            losses = losses + self.mirrored_weight * agreement
        return losses


class TaughtOBBLoss(v8OBBLoss):  # type: ignore[misc]
    """`v8OBBLoss` in float32, its class loss masked by what the batch says is labelled."""

    def __init__(self, model: nn.Module, tal_topk: int = 10, tal_topk2: int | None = None) -> None:
        super().__init__(model, tal_topk, tal_topk2)
        self.bce = TaughtBCE(getattr(model, "mirrored_weight", 0.0))
        self._paint: PaintHead | None = getattr(model, "paint", None)
        self._painted_weight: float = getattr(model, "painted_weight", 0.0)

    def loss(
        self, preds: dict[str, Any], batch: dict[str, Any]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of a batch.

        Args:
            preds: raw outputs of the head.
            batch: Ultralytics' training batch; `taught` `(B, classes)` is 1 where everything
                without a box is background, 0 where the class is not labelled;
                `complete_above` `(B, classes)` is the length in pixels from which it is;
                `mirrored` `(B, anchors, classes)` are scores of the mirrored images.

        Returns:
            The four losses times the batch size, and the four as they are, by name; a fifth of
            the maps where the model paints.
        """
        self.bce.taught = self._of_anchors(batch.get(TAUGHT))
        self.bce.complete_above = self._of_anchors(batch.get(COMPLETE_ABOVE))
        self.bce.mirrored = batch.get(MIRRORED)
        self._anchor_px = make_anchors(preds["feats"], self.stride, 0.5)[1]
        # bfloat16 holds three digits: too few for coordinates of 640 pixels.
        with torch.autocast(self.device.type, enabled=False):
            floats = _float(preds)
            losses, items = super().loss(floats, batch)
            if self._paint is None:
                return losses, items
            logits = self._paint(floats["feats"][0])
            painted = self._painted_weight * self._painted(logits, batch)
        items[PAINTED_LOSS] = painted.detach()
        return torch.cat([losses, painted[None] * len(batch["img"])]), items

    def _painted(self, logits: Tensor, batch: dict[str, Any]) -> Tensor:
        taught, limits = batch.get(TAUGHT), batch.get(COMPLETE_ABOVE)
        if taught is None:
            taught = torch.ones(logits.shape[:2])
        known = maps_taught(taught, limits).to(self.device)
        return painted_loss(logits, targets_of(batch, logits), known)

    def bbox_decode(self, anchor_points: Tensor, pred_dist: Tensor, pred_angle: Tensor) -> Tensor:
        """Ultralytics' decoding, `(B, anchors, 5)` in strides; the lengths are kept in pixels."""
        boxes: Tensor = super().bbox_decode(anchor_points, pred_dist, pred_angle)
        sides = boxes[..., 2:4].detach().amax(dim=-1, keepdim=True)
        self.bce.lengths = sides * self._anchor_px
        return boxes

    def _of_anchors(self, of_images: Tensor | None) -> Tensor | None:
        return None if of_images is None else of_images.to(self.device)[:, None, :].float()


class TaughtOBBModel(OBBModel):  # type: ignore[misc]
    """An Ultralytics OBB model that learns with `TaughtOBBLoss`.

    Attributes:
        cpu_bfloat16: run on a CPU in bfloat16 where that is precise enough;
            Ultralytics' own mixed precision is for GPUs only.
        mirrored_weight: of the scores of the mirrored images, see `TaughtBCE`.
        painted_weight: of the loss of the maps, see `painting`.
    """

    cpu_bfloat16 = False
    mirrored_weight = 0.0
    painted_weight = 0.0

    def add_paint(self, weight: float) -> None:
        """Let the model paint maps of its classes while it learns.

        Args:
            weight: of their loss.
        """
        head = self.model[-1]
        self.painted_weight = weight
        self.paint = PaintHead(head.cv2[0][0].conv.in_channels, head.nc)

    @property
    def two_headed(self) -> bool:
        """Whether the model is an end-to-end one, with a one-to-one head beside the other."""
        return getattr(self.model[-1], "one2one_cv2", None) is not None

    def predict(self, x: Tensor, *args: Any, **kwargs: Any) -> Any:
        """The forward pass."""
        mixed = self.cpu_bfloat16 and x.device.type == "cpu"
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            return super().predict(x, *args, **kwargs)

    def init_criterion(self) -> Any:
        """The loss; both heads of an end-to-end model are trained, the one-to-many one most.

        Ultralytics lets the weight of the one-to-many head fall from 0.8 to 0.1 over the epochs,
        for users of the other head. Ours runs the one-to-many head, so its weight stays.
        """
        if not self.two_headed:
            return TaughtOBBLoss(self)
        loss = E2ELoss(self, TaughtOBBLoss)
        loss.final_o2m = loss.o2m
        return loss


def _float(preds: Any) -> Any:
    if isinstance(preds, Tensor):
        return preds.float()
    if isinstance(preds, dict):
        return {name: _float(value) for name, value in preds.items()}
    return [_float(value) for value in preds]
