"""Ultralytics' OBB trainer, taught to use a CPU well, to resume, and to keep a time budget."""

from __future__ import annotations

import json
import logging
import math
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn, optim
from torch.utils.data import DataLoader

from detector.data.chips import Chip
from detector.models.devices import is_no_memory
from detector.models.mirrors import MIRRORS, twins
from detector.models.network import architecture_layers
from detector.training.checkpoint import RunState, TrainingError, load_state, run_file, save_state
from detector.training.dataset import ChipViews, MixSampler, collate
from detector.training.loss import MIRRORED, TaughtOBBModel
from detector.training.settings import TrainerSettings, TrainingSettings
from detector.training.start import load_start, save_weights
from detector.training.trackers import open_trackers
from detector.training.upstream import BaseTrainer, ModelEMA, OBBTrainer, unwrap_model

LOG = logging.getLogger(__name__)
STATE_FILE = "last.pt"
WEIGHTS_FILE = "ema.safetensors"
METRICS_FILE = "metrics.jsonl"
SHARED_FOLDER = Path("/dev/shm")  # noqa: S108 - of Linux; others have none
SHARED_BYTES = 64_000_000  # a few batches on their way
EMA_TAU = 100  # updates over which the average's memory grows; runs here are short


@dataclass
class Clock:
    """Seconds trained, all continuations of a run together."""

    before_s: float = 0.0
    started: float = 0.0

    def elapsed_s(self) -> float:
        """Seconds so far."""
        return self.before_s + (time.monotonic() - self.started if self.started else 0.0)


class PortTrainer(OBBTrainer):  # type: ignore[misc]
    """Trains on views of chips.

    Args:
        settings: of the run.
        chips: to draw from.

    When memory runs out in the first epoch after a start on one GPU, Ultralytics halves the batch,
    three times at most. Later, and on several GPUs, the run ends with an error that says which
    batch was too large; the same command with a smaller `trainer.batch` goes on from the last
    epoch.

    Raises:
        TrainingError: an existing checkpoint is of another architecture, the loss becomes NaN,
            memory runs out, or `mirrored` is asked of a network with two heads.
        OutputError: the checkpoint, the weights or the metrics cannot be written.
    """

    def __init__(self, settings: TrainingSettings, chips: Sequence[Chip]) -> None:
        self.settings = settings
        self.chips = chips
        self.clock = Clock()
        self.out = Path(settings.out)
        self._last_files: list[str] = []
        self._found: RunState | None = None
        super().__init__(overrides=ultralytics_arguments(settings))
        self._trackers = open_trackers(settings.trainer, self.out)
        self.add_callback("on_train_start", lambda _: self._start_clock())
        self.add_callback("on_train_epoch_start", lambda _: self._set_epoch())
        self.add_callback("on_train_batch_end", lambda _: self._after_batch())

    def train(self) -> None:
        """Train until the budget is used up; a run whose budget is used up stays as it is."""
        self._found = load_state(self.out / STATE_FILE, self.settings.model.architecture)
        if self._found is not None and is_finished(self._found, self.settings.trainer):
            LOG.warning(
                "%s: the run is finished after %d epochs, %.2f h, and is not trained on; for more, "
                "raise trainer.epochs or trainer.hours",
                self.out,
                self._found.epoch,
                self._found.elapsed_s / 3600,
            )
            return
        try:
            super().train()
        except RuntimeError as error:
            if not is_no_memory(error):
                raise
            raise TrainingError(self._out_of_memory()) from error

    # Ultralytics' hooks, in the order in which it calls them.

    def get_dataset(self) -> dict[str, Any]:
        """Names and sizes; the chips are the data."""
        names = dict(enumerate(self.settings.classes.names))
        return {"train": "train", "val": "val", "nc": len(names), "names": names, "channels": 3}

    def get_model(self, cfg: Any = None, weights: Any = None, verbose: bool = True) -> nn.Module:
        """The model with its starting weights; layers that don't fit are reported."""
        del cfg, weights
        layers = architecture_layers(self.settings.model.architecture)
        model = TaughtOBBModel(layers, nc=self.data["nc"], verbose=False)
        weight = self.settings.trainer.mirrored
        if weight and model.two_headed:
            raise TrainingError(
                f"trainer.mirrored={weight}: not for {self.settings.model.architecture}, whose "
                "second head must not learn the scores of the first; say trainer.mirrored=0"
            )
        model.mirrored_weight = weight
        if self.settings.trainer.painted:
            model.add_paint(self.settings.trainer.painted)
        LOG.info("start: %s", load_start(model, self.settings.model.start))
        return model

    def get_dataloader(
        self, dataset_path: str, batch_size: int = 8, rank: int = -1, mode: str = "train"
    ) -> DataLoader[dict[str, Any]]:
        """Batches of views; the loader of `val` is never read."""
        del dataset_path
        settings = self.settings
        dataset = ChipViews(
            self.chips, settings.views, settings.augment, settings.trainer.seed + max(rank, 0)
        )
        views = settings.mix.epoch_views // max(self.world_size, 1)
        sampler = MixSampler(
            self.chips, replace(settings.mix, epoch_views=views), settings.trainer.seed + rank + 1
        )
        workers = usable_workers(settings.trainer.workers) if mode == "train" else 0
        return DataLoader(
            dataset,
            batch_size=batch_size,
            sampler=sampler,
            num_workers=workers,
            collate_fn=collate,
            persistent_workers=workers > 0,
            drop_last=True,
            generator=torch.Generator().manual_seed(settings.trainer.seed),
        )

    def _build_train_pipeline(self) -> None:
        if getattr(self, "_oom_retries", 0):  # Ultralytics has halved the batch, and is silenced
            LOG.warning("memory ran out; the batch is halved to %d and goes on", self.batch_size)
        # Past DetectionTrainer's, which looks into the labels of a YOLO dataset.
        BaseTrainer._build_train_pipeline(self)

    def get_validator(self) -> Any:
        """Nothing: whole scenes are evaluated, by `detector evaluate`."""
        return _NoValidator()

    def _setup_train(self) -> None:
        super()._setup_train()
        decay = self.settings.trainer.ema_decay
        self.ema = ModelEMA(self.model, decay=decay, tau=EMA_TAU)
        if self.device.type == "cpu":
            # Ultralytics leaves one core and contiguous tensors on a CPU.
            torch.set_num_threads(self.settings.trainer.threads or os.cpu_count() or 1)
            for model in (self.model, self.ema.ema):
                model.to(memory_format=torch.channels_last)
                model.cpu_bfloat16 = self.settings.trainer.precision == "bf16"
        self._resume()

    def _model_train(self) -> None:
        super()._model_train()
        if self.settings.model.freeze_norms:
            for module in self.model.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()

    def preprocess_batch(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Float pixels on the device, channels last on a CPU."""
        self._last_files = batch["im_file"]
        batch = super().preprocess_batch(batch)
        if self.device.type == "cpu":
            batch["img"] = batch["img"].contiguous(memory_format=torch.channels_last)
        if self.settings.trainer.mirrored:
            batch[MIRRORED] = self._mirrored_scores(batch["img"])
        return batch

    def _setup_scheduler(self) -> None:
        end = self.settings.trainer.lr_end
        self.lf = lambda epoch: cosine(self._progress(epoch), end)
        self.scheduler = optim.lr_scheduler.LambdaLR(self.optimizer, lr_lambda=self.lf)

    def validate(self) -> tuple[dict[str, float], None]:
        """No validation inside the loop."""
        return {}, None

    def save_metrics(self, metrics: dict[str, Any]) -> None:
        """One line an epoch: losses, rates, seconds."""
        trained = {name: value for name, value in metrics.items() if not name.startswith("val/")}
        line = {"epoch": self.epoch + 1, "elapsed_s": round(self.clock.elapsed_s(), 1), **trained}
        write_metrics(self.out / METRICS_FILE, line)
        for track in self._trackers:
            track(trained, self.epoch + 1)

    def save_model(self) -> bool:
        """Write the state and the averaged weights."""
        save_state(
            self.out / STATE_FILE,
            RunState(
                architecture=self.settings.model.architecture,
                epoch=self.epoch + 1,
                elapsed_s=self.clock.elapsed_s(),
                model=_contiguous(unwrap_model(self.model)),
                ema=_contiguous(self.ema.ema),
                ema_updates=self.ema.updates,
                optimizer=self.optimizer.state_dict(),
            ),
        )
        save_weights(
            self.out / WEIGHTS_FILE,
            _contiguous(self.ema.ema),
            self.settings.model.architecture,
            self.settings.classes.names,
        )
        return True

    def final_eval(self) -> None:
        """Nothing: whole scenes are evaluated, by `detector evaluate`."""

    def _handle_nan_recovery(self, epoch: int) -> bool:
        # Our own check stops at the batch, before the averaged weights are saved.
        del epoch
        return False

    # Our own.

    @torch.no_grad()
    def _mirrored_scores(self, images: torch.Tensor) -> torch.Tensor:
        """Scores `(B, anchors, classes)` of the averaged weights, one mirror image a batch.

        Cross entropy is linear in its target: one mirror image at a time, drawn anew, teaches the
        mean over all of them.
        """
        mirror = MIRRORS[self._draws.integers(len(MIRRORS))]
        axes = [axis for axis, turned in ((2, mirror.down), (3, mirror.across)) if turned]
        decoded: torch.Tensor = self.ema.ema(images.flip(axes))[0].float()
        strides = tuple(int(stride) for stride in self.ema.ema.stride)
        back = torch.from_numpy(twins(mirror, images.shape[-1], strides)).to(images.device)
        return decoded[:, 4:-1, back].transpose(1, 2)

    def _resume(self) -> None:
        state, self._found = self._found, None
        if state is None:
            return
        unwrap_model(self.model).load_state_dict(state.model)
        self.ema.ema.load_state_dict(state.ema)
        self.ema.updates = state.ema_updates
        self.optimizer.load_state_dict(state.optimizer)
        self.start_epoch = state.epoch
        self.scheduler.last_epoch = state.epoch - 1
        self.clock.before_s = state.elapsed_s
        LOG.info("resumed after epoch %d, %.0f s", state.epoch, state.elapsed_s)

    def _out_of_memory(self) -> str:
        batch = self.batch_size
        way_out = (
            f"with trainer.batch={batch // 2}" if batch > 1 else "with a smaller views.tile_px"
        )
        kept = (
            "it goes on from the checkpoint, which is intact"
            if (self.out / STATE_FILE).is_file()
            else "there is no checkpoint yet"
        )
        return (
            f"memory ran out in epoch {self.epoch + 1} with trainer.batch={batch}; give the same "
            f"command {way_out}: {kept}"
        )

    def _start_clock(self) -> None:
        self.clock.started = time.monotonic()

    def _set_epoch(self) -> None:
        self.train_loader.sampler.set_epoch(self.epoch)
        self._draws = np.random.default_rng((self.settings.trainer.seed, self.epoch))

    def _progress(self, epoch: float) -> float:
        budget_s = self.settings.trainer.hours * 3600.0
        return self.clock.elapsed_s() / budget_s if budget_s else epoch / max(self.epochs, 1)

    def _after_batch(self) -> None:
        if not math.isfinite(float(self.loss.detach())):
            names = ", ".join(Path(name).name for name in self._last_files)
            raise TrainingError(
                f"the loss is not finite in epoch {self.epoch + 1}, on the chips {names}; the "
                f"checkpoint '{self.out / STATE_FILE}' of the epoch before is intact"
            )
        if self.settings.trainer.hours and self._progress(self.epoch) >= 1.0:
            self.stop = True


class _NoValidator:
    class _Metrics:
        keys: ClassVar[list[str]] = []

    metrics = _Metrics()
    dataloader: Any = None


def usable_workers(wanted: int) -> int:
    """Processes that prepare views: none where the system has no shared memory for what they give.

    Containers without `/dev/shm`, or with a tiny one, are common.
    """
    if not wanted:
        return 0
    try:
        shared = SharedMemory(create=True, size=1)
        shared.close()
        shared.unlink()
        room = shutil.disk_usage(SHARED_FOLDER).free if SHARED_FOLDER.is_dir() else SHARED_BYTES
        reason = "" if room >= SHARED_BYTES else f"{room:,} bytes in {SHARED_FOLDER}"
    except (OSError, ImportError) as error:
        reason = str(error)
    if not reason:
        return wanted
    LOG.warning(
        "no shared memory for other processes (%s), so this one prepares the views itself; give "
        "/dev/shm room to have trainer.workers",
        reason,
    )
    return 0


def is_finished(state: RunState, trainer: TrainerSettings) -> bool:
    """Whether a run has used up its budget: of hours where it has one, else of epochs."""
    if trainer.hours:
        return state.elapsed_s >= trainer.hours * 3600.0
    return state.epoch >= trainer.epochs


def write_metrics(path: Path, line: Mapping[str, Any]) -> None:
    """Add the line of an epoch; lines of this epoch and later ones, of a killed run, go.

    Raises:
        OutputError: the disk is full or the folder cannot be written.
    """
    with run_file(path, "the metrics", "the checkpoint of the epoch before") as temporary:
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        kept = [old for old in text.splitlines() if json.loads(old)["epoch"] < line["epoch"]]
        temporary.write_text("\n".join([*kept, json.dumps(line), ""]), encoding="utf-8")


def ultralytics_arguments(settings: TrainingSettings) -> dict[str, Any]:
    """Our settings in Ultralytics' names."""
    trainer = settings.trainer
    steps = max(settings.mix.epoch_views // trainer.batch, 1)
    out = Path(settings.out)
    return {
        "model": settings.model.architecture,
        "data": "chips",
        "project": str(out.parent.absolute()),
        "name": out.name,
        "exist_ok": True,
        "epochs": trainer.epochs if not trainer.hours else 100_000,
        "batch": trainer.batch,
        "nbs": trainer.batch,
        "imgsz": settings.views.tile_px,
        "optimizer": trainer.optimizer,
        "lr0": trainer.lr,
        "momentum": trainer.momentum,
        "weight_decay": trainer.weight_decay,
        "warmup_epochs": trainer.warmup_steps / steps,
        "warmup_momentum": trainer.momentum,
        "warmup_bias_lr": 0.0,
        "box": trainer.box,
        "cls": trainer.cls,
        "dfl": trainer.dfl,
        "angle": trainer.angle,
        "freeze": settings.model.freeze or None,
        "amp": "bf16" if trainer.precision == "bf16" and trainer.device != "cpu" else False,
        "seed": trainer.seed,
        "device": trainer.device,
        "workers": trainer.workers,
        "close_mosaic": 0,
        "patience": 0,
        "plots": False,
        "val": False,
        "deterministic": True,
    }


def cosine(progress: float, end: float) -> float:
    """Half a cosine from 1 at progress 0 to `end` at 1."""
    return end + (1.0 - end) * 0.5 * (1.0 + math.cos(math.pi * min(max(progress, 0.0), 1.0)))


def _contiguous(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().contiguous() for name, tensor in model.state_dict().items()}
