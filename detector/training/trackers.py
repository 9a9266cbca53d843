"""Where a run's numbers go besides its own file: TensorBoard, MLflow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from detector.errors import ConfigError
from detector.training.settings import TrainerSettings

Tracker = Callable[[Mapping[str, float], int], None]


def open_trackers(settings: TrainerSettings, out: Path) -> list[Tracker]:
    """The trackers that the settings ask for; each takes numbers by name, and their epoch.

    Args:
        settings: of the trainer.
        out: folder of the run.

    Raises:
        ConfigError: a package is not installed.
    """
    found: list[Tracker] = []
    if settings.tensorboard:
        _require("tensorboard", "trainer.tensorboard", "tensorboard")
        found.append(_tensorboard(out))
    if settings.mlflow:
        _require("mlflow", "trainer.mlflow", "'quaywatch[mlflow]'")
        found.append(_mlflow(out))
    return found


def _tensorboard(out: Path) -> Tracker:
    writer: Any = import_module("torch.utils.tensorboard").SummaryWriter(str(out / "tensorboard"))

    def track(numbers: Mapping[str, float], epoch: int) -> None:
        for name, value in numbers.items():
            writer.add_scalar(name, value, epoch)
        writer.flush()

    return track


def _mlflow(out: Path) -> Tracker:
    mlflow: Any = import_module("mlflow")
    mlflow.set_experiment("quaywatch")
    mlflow.start_run(run_name=out.name)

    def track(numbers: Mapping[str, float], epoch: int) -> None:
        mlflow.log_metrics(dict(numbers), step=epoch)

    return track


def _require(module: str, key: str, package: str) -> None:
    if find_spec(module) is None:
        raise ConfigError(f"{key}=true needs a package: pip install {package}")
