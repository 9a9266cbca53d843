"""A run of two steps on three chips."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from detector.training.mix import MixSettings
from detector.training.settings import ModelSettings, TrainerSettings, TrainingSettings
from detector.training.views import ViewSettings
from tests.training.chips import make_chip


@pytest.fixture
def settings(tmp_path: Path) -> TrainingSettings:
    return TrainingSettings(
        out=str(tmp_path / "run"),
        views=ViewSettings(tile_px=64, collage=0.0, stack_gsd_min=0.0, stack_gsd_max=0.0),
        mix=MixSettings(epoch_views=4),
        model=ModelSettings(start=""),
        trainer=TrainerSettings(
            epochs=1, batch=2, workers=0, warmup_steps=1, threads=1, precision="fp32"
        ),
    )


@pytest.fixture
def chips(tmp_path: Path) -> list[Any]:
    folder = tmp_path / "chips"
    return [
        make_chip(folder, "ships", ships=2),
        make_chip(folder, "stacks", stacks=2, taught=(True, False)),
        make_chip(folder, "empty"),
    ]
