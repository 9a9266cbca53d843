"""Weights out: averaged weights as safetensors, with the card that tells what they are."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from detector.classes import TABLE, ClassEntry
from detector.errors import WeightsError
from detector.files import atomic_path, prepare_folder
from detector.models.card import UPSAMPLING, ModelCard, sha256_of
from detector.training.checkpoint import TrainingError, load_state
from detector.training.settings import TrainingSettings
from detector.training.start import save_weights
from detector.training.views import ViewSettings

DEFAULT_CONF = 0.25  # until `detector card` has chosen thresholds
UNMEASURED = "the defaults of detector train"
DUPLICATE_IOU = 0.5
# The pool's gsd where it is known (0.3 to 1.9 m), times the jitter of the views that holds.
GSD_MIN_M, GSD_MAX_M, GSD_READ_M = 0.25, 2.0, 0.5
LICENCE = "research use, see weights/LICENSE"


def export_weights(
    settings: TrainingSettings,
    folder: Path,
    manifest: Mapping[str, Any],
    epochs: Sequence[Mapping[str, Any]],
    name: str = "",
) -> Path:
    """Write the averaged weights of a run's last checkpoint, with their card.

    A card that stands there already for the same weights is kept: calibration may have written
    thresholds into it.

    Args:
        settings: of the run.
        folder: gets `<name>.safetensors` and `<name>.yaml`.
        manifest: of the data, as `detector.training.session.describe` makes it.
        epochs: lines of the run's metrics.
        name: of the weights; the run's folder by default.

    Returns:
        Path of the safetensors file.

    Raises:
        TrainingError: the run has no checkpoint.
        OutputError: the disk is full or the folder cannot be written.
    """
    out = Path(settings.out)
    state = load_state(out / "last.pt", settings.model.architecture)
    if state is None:
        raise TrainingError(f"{out}: no checkpoint to export; train first")
    prepare_folder(folder)
    name = name or out.name
    gsd = _gsd_range(settings.views, manifest)
    path = folder / f"{name}.safetensors"
    if _is_exported(path, state.ema):
        return path
    save_weights(path, state.ema, settings.model.architecture, settings.classes.names)
    card = ModelCard(
        name=name,
        architecture=settings.model.architecture,
        classes=settings.classes.names,
        sha256=sha256_of(path),
        tile_px=settings.views.tile_px,
        gsd_min_m=gsd.low_m,
        gsd_max_m=gsd.high_m,
        gsd_read_m=gsd.read_m,
        upsampling=gsd.upsampling,
        conf=dict.fromkeys(settings.classes.names, DEFAULT_CONF),
        class_entries={e.name: _own_entry(e) for e in settings.classes if e.name not in TABLE},
        iou=DUPLICATE_IOU,
        licence=LICENCE,
        sources={"thresholds": {"from": UNMEASURED}, "luck": {"from": UNMEASURED}},
        description=f"Trained for {state.elapsed_s / 3600:.2f} h, {state.epoch} epochs.",
        training={
            "starting_weights": Path(settings.model.start).name or "random",
            "hours": round(state.elapsed_s / 3600, 3),
            "epochs": state.epoch,
            "views_an_epoch": settings.mix.epoch_views,
            "data": {key: value for key, value in manifest.items() if key != "places"},
            "places": list(manifest.get("places", ())),
            "losses": {
                key.removeprefix("train/"): value
                for key, value in (epochs[-1] if epochs else {}).items()
                if key.startswith("train/")
            },
        },
    )
    with atomic_path(path.with_suffix(".yaml")) as temporary:
        temporary.write_text(card.to_yaml(), encoding="utf-8")
    return path


def _own_entry(entry: ClassEntry) -> dict[str, Any]:
    """What a card says of a class of its own, whose name is the key."""
    return {key: value for key, value in entry.to_plain().items() if key != "name"}


def _is_exported(path: Path, tensors: Mapping[str, Tensor]) -> bool:
    """Whether the file holds these weights, with a card of its own beside it.

    Tensors are compared, not bytes: safetensors orders its metadata by chance.
    """
    try:
        if ModelCard.read(path.with_suffix(".yaml")).sha256 != sha256_of(path):
            return False
        there = load_file(path)
    except (OSError, SafetensorError, WeightsError):
        return False
    return all(
        name in tensors and torch.equal(half, tensors[name].to(half.dtype))
        for name, half in there.items()
    )


@dataclass(frozen=True, slots=True)
class _Gsd:
    """What the card says of the gsd, metres."""

    low_m: float
    high_m: float
    read_m: float
    upsampling: float = UPSAMPLING


def _gsd_range(views: ViewSettings, manifest: Mapping[str, Any]) -> _Gsd:
    """The range of the pool's own images, or of images that all tell theirs.

    The latter are shown at one gsd, and coarse ones enlarged for it, as the pipeline then does.
    """
    if not views.gsd_max or not manifest.get("gsd_m"):
        return _Gsd(GSD_MIN_M, GSD_MAX_M, _read_gsd(views))
    low, high = (round(float(value), 2) for value in manifest["gsd_m"])
    read = round(math.sqrt(views.gsd_min * views.gsd_max), 2)
    return _Gsd(low, max(high, read), read, max(UPSAMPLING, round(high / read, 2)))


def _read_gsd(views: ViewSettings) -> float:
    """The gsd at which yards were shown, in the middle of its range."""
    if not views.stack_gsd_max:
        return GSD_READ_M
    return round(math.sqrt(views.stack_gsd_min * views.stack_gsd_max), 2)
