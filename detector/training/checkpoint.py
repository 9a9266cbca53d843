"""The state of a run: tensors and plain numbers, read back without unpickling code."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from detector.errors import OutputError, QuaywatchError
from detector.files import atomic_path, is_full


class TrainingError(QuaywatchError):
    """A run that cannot start or go on."""


@dataclass(frozen=True, slots=True)
class RunState:
    """Everything that a run needs to go on.

    Attributes:
        architecture: of the model.
        epoch: finished epochs.
        elapsed_s: seconds trained, all continuations together.
        model: tensors of the model, by name.
        ema: tensors of the averaged model.
        ema_updates: number of averaging steps.
        optimizer: state of the optimizer.
        best_fitness: best fitness so far, or None.
    """

    architecture: str
    epoch: int
    elapsed_s: float
    model: dict[str, Tensor]
    ema: dict[str, Tensor]
    ema_updates: int
    optimizer: dict[str, Any]
    best_fitness: float | None = None


def save_state(path: Path, state: RunState) -> None:
    """Write the state; the one that was there stays whole until the new one is complete.

    Raises:
        OutputError: the disk is full or the folder cannot be written.
    """
    content = {name: getattr(state, name) for name in RunState.__slots__}
    with run_file(path, "the checkpoint", "the previous one", RuntimeError) as temporary:
        torch.save(content, temporary)


@contextmanager
def run_file(path: Path, what: str, intact: str, *errors: type[Exception]) -> Iterator[Path]:
    """A temporary path that becomes a file of a run when the block ends well.

    Args:
        path: of the file.
        what: it holds, for the message.
        intact: what a failure leaves whole, for the message.
        errors: that mean a failed write, besides those of the system.

    Raises:
        OutputError: the disk is full or the folder cannot be written.
    """
    try:
        with atomic_path(path, *errors) as temporary:
            yield temporary
    except (OSError, OutputError) as error:
        reason = error.__cause__ or error
        way_out = "make room and start" if is_full(reason) else "mend that and start"
        raise OutputError(
            f"{path}: {what} could not be written ({reason}); {intact} is intact, {way_out} the "
            "same command again"
        ) from error


def load_state(path: Path, architecture: str) -> RunState | None:
    """Read the state; None where there is none.

    Raises:
        TrainingError: the file is damaged, or of another architecture.
    """
    if not path.is_file():
        return None
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        state = RunState(**content)
    except (OSError, RuntimeError, EOFError, TypeError, pickle.UnpicklingError) as error:
        raise TrainingError(
            f"{path}: not a checkpoint of this program ({type(error).__name__}); name another "
            "run's folder with out="
        ) from error
    if state.architecture != architecture:
        raise TrainingError(
            f"{path}: a checkpoint of {state.architecture}, not of {architecture}; name another "
            "run's folder with out="
        )
    return state
