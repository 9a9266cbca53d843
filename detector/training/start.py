"""Weights that a run starts from, and weights that it leaves."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from detector.classes import PORT
from detector.errors import WeightsError
from detector.models.network import OPTIONAL_TENSOR
from detector.training.checkpoint import TrainingError, run_file
from detector.training.painting import without_paint
from detector.training.upstream import load_checkpoint

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StartReport:
    """What became of starting weights.

    Attributes:
        loaded: names of tensors that fit.
        fresh: names of the model's tensors that keep their random start.
        unused: names of the file's tensors that fit nowhere.
    """

    loaded: tuple[str, ...]
    fresh: tuple[str, ...]
    unused: tuple[str, ...]

    def __str__(self) -> str:
        layers = sorted({".".join(name.split(".")[:3]) for name in self.fresh})
        kept = f"; fresh: {', '.join(layers)}" if layers else ""
        return f"{len(self.loaded)} tensors loaded, {len(self.unused)} not used{kept}"


def load_start(model: nn.Module, start: str) -> StartReport:
    """Fill a model with the tensors that fit by name and shape; the rest is reported.

    Args:
        model: to fill, in place.
        start: a safetensors file, an Ultralytics name ending in `.pt`, or empty.

    Raises:
        WeightsError: the file is missing or damaged, the name is unknown or cannot be fetched, or
            nothing in it fits.
    """
    wanted = {n: t for n, t in model.state_dict().items() if not n.endswith(OPTIONAL_TENSOR)}
    if not start:
        return StartReport((), tuple(wanted), ())
    tensors = _read(start)
    fits = {n: t for n, t in tensors.items() if n in wanted and wanted[n].shape == t.shape}
    if not fits:
        raise WeightsError(
            f"{start}: none of its {len(tensors)} tensors fits the model; the weights belong to "
            "another architecture"
        )
    model.load_state_dict({n: t.to(wanted[n].dtype) for n, t in fits.items()}, strict=False)
    return StartReport(
        tuple(fits),
        tuple(n for n in wanted if n not in fits),
        tuple(n for n in tensors if n not in fits),
    )


def save_weights(
    path: Path,
    tensors: Mapping[str, Tensor],
    architecture: str,
    classes: Sequence[str] = PORT.names,
) -> None:
    """Write averaged weights as fp16 safetensors.

    Args:
        path: the file.
        tensors: of the model, by name.
        architecture: Ultralytics yaml, kept in the file's metadata.
        classes: names, kept there too.

    Raises:
        TrainingError: a tensor is not finite, or leaves the range of fp16.
        OutputError: the disk is full or the folder cannot be written.
    """
    halves = {}
    for name, tensor in without_paint(tensors).items():
        if name.endswith(OPTIONAL_TENSOR):
            continue
        half = tensor.detach().to(torch.float16).contiguous()
        if not torch.isfinite(half).all():
            raise TrainingError(f"tensor '{name}' has no finite fp16 values; nothing was exported")
        halves[name] = half
    metadata = {"architecture": architecture, "classes": ",".join(classes)}
    intact = "the checkpoint of the run"
    with run_file(path, "the weights", intact, SafetensorError) as temporary:
        save_file(halves, temporary, metadata=metadata)


def _read(start: str) -> dict[str, Tensor]:
    if start.endswith(".pt"):
        return _read_pickle(start)
    try:
        return load_file(start)
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{start}: cannot read starting weights ({error})") from error


def _read_pickle(start: str) -> dict[str, Tensor]:
    """Tensors of an Ultralytics checkpoint, which is read only where the user names one."""
    LOG.warning(
        "network.start=%s: a pickle, which can run code of whoever made it; safetensors cannot",
        start,
    )
    try:
        model, _ = load_checkpoint(start)
        return {name: tensor.float() for name, tensor in model.state_dict().items()}
    except Exception as error:  # a pickle can raise anything
        reason = " ".join(str(error).split()) or type(error).__name__
        raise WeightsError(
            f"network.start={start}: cannot read these starting weights ({reason}); name a "
            "safetensors file, an Ultralytics .pt file that is there, or a name that Ultralytics "
            "publishes (yolo11n-obb.pt for example), for which this machine must be online"
        ) from error
