"""One network, trained for some seconds on views that are made where it runs.

bfloat16, channels last, batches as large as memory holds, AdamW with a warm-up and a cosine that
follow the clock, averaged weights, and the project's own loss with painted maps.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from ultralytics.cfg import get_cfg

from detector.classes import PORT
from detector.training.loss import COMPLETE_ABOVE, TAUGHT, TaughtOBBLoss, TaughtOBBModel
from detector.training.mix import MixSettings
from detector.training.painting import maps_taught, painted_loss
from detector.training.start import load_start
from detector.training.upstream import E2ELoss, ModelEMA
from detector.training.views import ViewSettings
from tools.gpu_pixels import Chances, Changes
from tools.gpu_store import PackedChip
from tools.gpu_views import ChipStore, ViewBatch, ViewBatches, draw_batch

PAINTED = "painted"
EMA_TAU = 100
WARMUP = 0.06  # of the time
LEAST_RATE = 0.01  # of the peak, at the end
LARGEST_GRADIENT = 10.0
MOST_BAD_STEPS = 20  # in a row whose loss is not finite
REPORT_S = 10.0

Report = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class LearnSettings:
    """How a network learns.

    Attributes:
        architecture: Ultralytics yaml.
        start: safetensors file, or empty.
        batch: views a step; halved where memory runs out.
        rate: peak of the learning rate.
        weight_decay: of weights, not of biases and norms.
        ema_decay: of the averaged weights.
        painted: gain of the loss of maps.
        workers: processes that draw views; 0: none.
        seed: of everything random.
        steps: after which it ends before its time; 0: the clock alone decides.
    """

    architecture: str
    start: str
    batch: int = 128
    rate: float = 1e-3
    weight_decay: float = 5e-4
    ema_decay: float = 0.998
    painted: float = 2.0
    workers: int = 0
    seed: int = 0
    steps: int = 0


@dataclass(frozen=True, slots=True)
class Lesson:
    """What views are drawn from.

    Attributes:
        chips: labels of the training set.
        store: its pixels, in the same order.
        views: how views are drawn.
        mix: how often what is shown.
        chances: of changes of pixels.
    """

    chips: Sequence[PackedChip]
    store: ChipStore
    views: ViewSettings
    mix: MixSettings
    chances: Chances


class PaintedLoss(TaughtOBBLoss):
    """The project's loss; its maps are painted on the device, not by OpenCV."""

    def _painted(self, logits: Tensor, batch: dict[str, Any]) -> Tensor:
        known = maps_taught(batch[TAUGHT], batch[COMPLETE_ABOVE]).to(self.device)
        return painted_loss(logits, batch[PAINTED], known)


class GpuModel(TaughtOBBModel):
    """The project's model with `PaintedLoss`."""

    def init_criterion(self) -> Any:
        """See `TaughtOBBModel.init_criterion`."""
        if not self.two_headed:
            return PaintedLoss(self)
        loss = E2ELoss(self, PaintedLoss)
        loss.final_o2m = loss.o2m
        return loss


def learn(lesson: Lesson, settings: LearnSettings, seconds: float, report: Report) -> nn.Module:
    """Train until the time is over; the averaged weights.

    Args:
        lesson: what is shown.
        settings: how.
        seconds: from now, halved batches included.
        report: gets a line every ten seconds, with `loss` the mean since the last one.

    Raises:
        RuntimeError: the loss is not finite for `MOST_BAD_STEPS` steps, or memory runs out at a
            batch of 8.
    """
    end = time.monotonic() + seconds
    while True:
        try:
            return _learn(lesson, settings, end, report)
        except torch.OutOfMemoryError:
            if settings.batch <= 8:
                raise
            settings = replace(settings, batch=settings.batch // 2)
            report({"event": "memory ran out", "batch": settings.batch})
        torch.cuda.empty_cache()


def build(settings: LearnSettings, device: torch.device) -> tuple[GpuModel, str]:
    """The network with its starting weights, and what became of them."""
    model = GpuModel(settings.architecture, nc=len(PORT), verbose=False)
    model.add_paint(settings.painted)
    model.names = dict(enumerate(PORT.names))
    model.args = get_cfg(overrides={"box": 7.5, "cls": 0.5, "dfl": 1.5, "angle": 1.0})
    told = str(load_start(model, settings.start))
    for parameter in model.parameters():
        parameter.requires_grad_(True)
    dfl = getattr(model.model[-1], "dfl", None)
    if isinstance(dfl, nn.Module):  # its weights count bins
        dfl.requires_grad_(False)
    return model.to(device).to(memory_format=torch.channels_last), told


def _learn(lesson: Lesson, settings: LearnSettings, end: float, report: Report) -> nn.Module:
    device = lesson.store.device
    torch.manual_seed(settings.seed)
    model, told = build(settings, device)
    report({"event": "start", "batch": settings.batch, "weights": told})
    average = ModelEMA(model, decay=settings.ema_decay, tau=EMA_TAU)
    optimizer = _optimizer(model, settings, device)
    change = Changes(lesson.chances, device, settings.seed)
    batches = ViewBatches(lesson.chips, lesson.views, lesson.mix, settings.batch, settings.seed)
    loader: DataLoader[ViewBatch] = DataLoader(
        batches,
        batch_size=None,
        num_workers=settings.workers,
        prefetch_factor=4 if settings.workers else None,
    )
    tally = _Tally(report, settings.batch)
    model.train()
    begun = time.monotonic()
    for batch in loader:
        progress = (time.monotonic() - begun) / max(end - begun, 1e-9)
        if progress >= 1.0:
            break
        for group in optimizer.param_groups:
            group["lr"] = settings.rate * rate_at(progress)
        with torch.no_grad():
            images, maps = draw_batch(batch, lesson.store)
            inputs = as_inputs(batch, change(images), maps)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            losses, items = model.loss(inputs)
        loss = losses.sum() / settings.batch
        optimizer.zero_grad(set_to_none=True)
        if tally.is_bad(loss):
            continue
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), LARGEST_GRADIENT)
        optimizer.step()
        average.update(model)
        tally.add(loss, items, progress)
        if tally.steps == settings.steps:
            break
    tally.tell(1.0)
    found: nn.Module = average.ema
    return found


def rate_at(progress: float) -> float:
    """Share of the peak rate: a line up, then half a cosine down to `LEAST_RATE`."""
    if progress < WARMUP:
        return max(progress / WARMUP, LEAST_RATE)
    turned = math.cos(math.pi * min((progress - WARMUP) / (1 - WARMUP), 1.0))
    return LEAST_RATE + (1 - LEAST_RATE) * 0.5 * (1 + turned)


def as_inputs(batch: ViewBatch, images: Tensor, maps: Tensor) -> dict[str, Tensor]:
    """A batch in the keys of Ultralytics' datasets, on the device of its pixels.

    Args:
        batch: its labels.
        images: `(B, 3, side, side)` from 0 to 255.
        maps: of the classes, as `draw_batch` gives them.
    """
    device, side = images.device, images.shape[-1]
    boxes = torch.from_numpy(batch.boxes).float()
    boxes[:, :4] /= side
    labels = {
        "cls": torch.from_numpy(batch.class_ids).float()[:, None],
        "bboxes": boxes,
        "batch_idx": torch.from_numpy(batch.images).float(),
        TAUGHT: torch.from_numpy(batch.taught),
        COMPLETE_ABOVE: torch.from_numpy(batch.complete_above),
    }
    pixels = (images / 255.0).contiguous(memory_format=torch.channels_last)
    return {"img": pixels, PAINTED: maps, **{k: v.to(device) for k, v in labels.items()}}


class _Tally:
    """Losses since the last line of the log."""

    def __init__(self, report: Report, batch: int) -> None:
        self._report = report
        self._batch = batch
        self._since = time.monotonic()
        self._sums: dict[str, Tensor] = {}
        self._steps = 0
        self.steps = 0
        self._bad = 0
        self._all_bad = 0

    def is_bad(self, loss: Tensor) -> bool:
        """Whether a loss is not finite; its step is left out."""
        if bool(torch.isfinite(loss)):
            self._bad = 0
            return False
        self._bad += 1
        self._all_bad += 1
        if self._bad >= MOST_BAD_STEPS:
            raise RuntimeError(f"the loss was not finite for {self._bad} steps in a row")
        return True

    def add(self, loss: Tensor, items: dict[str, Tensor], progress: float) -> None:
        """Take a step's losses."""
        for name, value in {"loss": loss.detach(), **items}.items():
            self._sums[name] = self._sums.get(name, torch.zeros_like(value)) + value
        self._steps += 1
        self.steps += 1
        if time.monotonic() - self._since >= REPORT_S or self.steps == 1:
            self.tell(progress)

    def tell(self, progress: float) -> None:
        """A line of the means since the last one."""
        if not self._steps:
            return
        now = time.monotonic()
        means = {name: round(float(value) / self._steps, 4) for name, value in self._sums.items()}
        speed = self._steps * self._batch / max(now - self._since, 1e-9)
        line = {"step": self.steps, "progress": round(progress, 3), "views_s": round(speed, 1)}
        self._report({**line, "left_out": self._all_bad, **means})
        self._since, self._sums, self._steps = now, {}, 0


def _optimizer(
    model: nn.Module, settings: LearnSettings, device: torch.device
) -> torch.optim.Optimizer:
    decayed, others = [], []
    for parameter in model.parameters():
        if parameter.requires_grad:
            (decayed if parameter.ndim > 1 else others).append(parameter)
    groups = [
        {"params": decayed, "weight_decay": settings.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=settings.rate, fused=device.type == "cuda")
