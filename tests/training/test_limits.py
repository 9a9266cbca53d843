"""What ends a run: a budget that is used up, a full disk, memory that runs out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError

from detector.errors import OutputError
from detector.training import start, trainer
from detector.training.checkpoint import RunState, TrainingError, load_state
from detector.training.settings import TrainerSettings, TrainingSettings
from detector.training.trainer import PortTrainer, is_finished, write_metrics
from tests.training.chips import lines

FILES = ("last.pt", "metrics.jsonl", "ema.safetensors")


def contents(settings: TrainingSettings) -> list[bytes]:
    return [(Path(settings.out) / name).read_bytes() for name in FILES]


@pytest.mark.parametrize("budget", [{"epochs": 1}, {"hours": 1e-6}])
def test_a_finished_run_is_not_trained_on(
    settings: TrainingSettings,
    chips: list[Any],
    budget: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    limited = replace(settings, trainer=replace(settings.trainer, **budget))
    PortTrainer(limited, chips).train()
    before = contents(limited)
    steps: list[int] = []
    again = PortTrainer(limited, chips)
    again.add_callback("on_train_batch_start", lambda _: steps.append(1))
    with caplog.at_level("INFO", trainer.__name__):
        again.train()
    assert steps == []
    assert contents(limited) == before
    assert "the run is finished after 1 epochs" in caplog.text
    assert "raise trainer.epochs or trainer.hours" in caplog.text


def test_a_budget_of_hours_counts_before_epochs() -> None:
    state = RunState("x-obb.yaml", 5, 3600.0, {}, {}, 3, {})
    assert is_finished(state, TrainerSettings(epochs=5))
    assert not is_finished(state, TrainerSettings(epochs=6))
    assert is_finished(state, TrainerSettings(epochs=6, hours=1.0))
    assert not is_finished(state, TrainerSettings(epochs=5, hours=1.01))


@pytest.mark.parametrize(
    "error",
    [SafetensorError("I/O error: No space left on device"), OSError(28, "No space left on device")],
)
def test_a_full_disk_ends_the_weights_but_not_the_checkpoint(
    settings: TrainingSettings, chips: list[Any], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def full(tensors: Any, target: Path, metadata: Any) -> None:
        Path(target).write_bytes(b"half")
        raise error

    monkeypatch.setattr(start, "save_file", full)
    with pytest.raises(OutputError, match=r"ema\.safetensors: the weights .*No space left") as told:
        PortTrainer(settings, chips).train()
    assert str(told.value).count("make room") == 1
    out = Path(settings.out)
    state = load_state(out / "last.pt", "yolo11n-obb.yaml")
    assert state is not None
    assert state.epoch == 1
    assert not list(out.glob("*.safetensors"))
    assert not list(out.glob(".unfinished-*"))


def test_a_full_disk_ends_the_metrics_but_not_the_checkpoint(
    settings: TrainingSettings, chips: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    PortTrainer(settings, chips).train()
    before = contents(settings)
    longer = replace(settings, trainer=replace(settings.trainer, epochs=2))
    whole = Path.write_text

    def full(path: Path, text: str, **options: Any) -> int:
        if path.name.endswith(trainer.METRICS_FILE):
            whole(path, text[:9], **options)
            raise OSError(28, "No space left on device")
        return whole(path, text, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        with pytest.raises(
            OutputError, match=r"metrics\.jsonl: the metrics .*No space left"
        ) as told:
            PortTrainer(longer, chips).train()
    assert str(told.value).count("make room") == 1
    assert contents(settings) == before
    PortTrainer(longer, chips).train()  # the same command, with room
    assert [line["epoch"] for line in lines(settings)] == [1, 2]


def test_an_epoch_that_is_trained_again_has_one_line(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    for epoch, loss in ((1, 9.0), (2, 8.0), (3, 7.0), (2, 6.0)):
        write_metrics(path, {"epoch": epoch, "train/a": loss})
    found = [json.loads(line) for line in path.read_text().splitlines()]
    assert found == [{"epoch": 1, "train/a": 9.0}, {"epoch": 2, "train/a": 6.0}]


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    ],
)
def test_memory_that_runs_out_later_names_the_batch_and_the_run_goes_on(
    settings: TrainingSettings, chips: list[Any], error: RuntimeError
) -> None:
    longer = replace(settings, trainer=replace(settings.trainer, epochs=2))
    run = PortTrainer(longer, chips)
    whole = run.preprocess_batch

    def scarce(batch: dict[str, Any]) -> dict[str, Any]:
        if run.epoch == 1:
            raise error
        return whole(batch)  # type: ignore[no-any-return]

    run.preprocess_batch = scarce
    with pytest.raises(
        TrainingError,
        match=r"ran out in epoch 2 with trainer\.batch=2; .* with trainer\.batch=1: it goes on",
    ):
        run.train()
    smaller = replace(longer, trainer=replace(longer.trainer, batch=1))
    PortTrainer(smaller, chips).train()
    assert [line["epoch"] for line in lines(settings)] == [1, 2]
    state = load_state(Path(settings.out) / "last.pt", "yolo11n-obb.yaml")
    assert state is not None
    assert state.ema_updates == 2 + 4  # two steps of two views, four of one


def test_a_batch_of_one_that_is_too_large_asks_for_smaller_tiles(
    settings: TrainingSettings, chips: list[Any]
) -> None:
    run = PortTrainer(settings, chips)

    def scarce(batch: dict[str, Any]) -> dict[str, Any]:
        raise RuntimeError("CUDA out of memory")

    run.preprocess_batch = scarce
    with pytest.raises(
        TrainingError,
        match=r"epoch 1 with trainer\.batch=1; .* smaller views\.tile_px: there is no checkpoint",
    ):
        run.train()


def test_other_errors_of_pytorch_stay_what_they_are(
    settings: TrainingSettings, chips: list[Any]
) -> None:
    run = PortTrainer(settings, chips)

    def broken(batch: dict[str, Any]) -> dict[str, Any]:
        raise RuntimeError("shapes do not fit")

    run.preprocess_batch = broken
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        run.train()
