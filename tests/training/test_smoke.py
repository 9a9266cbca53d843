"""The recipe `smoke`, as a user starts it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from detector.config.compose import load_config
from detector.errors import OutputError
from detector.models.card import ModelCard
from detector.training.options import TrainConfig
from detector.training.preview import contact_sheet, write_sheet
from detector.training.session import images_of, loss_of, settings_from
from tests.training.chips import make_chip

LIMIT_S = 180
LOSS_FALLS_TO = 0.8  # of the first epoch's


@pytest.mark.slow
def test_the_smoke_recipe_ends_in_three_minutes_and_its_loss_falls(tmp_path: Path) -> None:
    out = tmp_path / "run"
    words = ["experiment=smoke", f"out={out}", f"data.cache={tmp_path / 'cache'}"]
    done = subprocess.run(
        [sys.executable, "-m", "detector", "train", *words],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    config = load_config("train", TrainConfig, words)
    text = (out / "metrics.jsonl").read_text()
    epochs = [json.loads(line) for line in text.splitlines()]
    assert [line["epoch"] for line in epochs] == list(range(1, config.trainer.epochs + 1))
    assert loss_of(epochs[-1]) < LOSS_FALLS_TO * loss_of(epochs[0])
    manifest = json.loads((out / "data.json").read_text())
    assert manifest["images"] == {"rendered": config.data.ports}
    assert len(manifest["hash"]) == 64
    assert manifest["objects"]["rendered/ship"] > 0
    assert ModelCard.read(out / "weights" / "run.yaml").name == "run"
    assert str(out / "weights" / "run.safetensors") in done.stdout
    assert [i.source for i in images_of(config)] == ["rendered"] * config.data.ports


def test_a_sheet_shows_the_views_of_a_recipe(tmp_path: Path) -> None:
    settings = settings_from(load_config("train", TrainConfig, ["experiment=smoke"]))
    sheet = contact_sheet(
        [make_chip(tmp_path, "a", ships=1)], settings, count=3, columns=2, cell_px=32
    )
    assert sheet.shape == (64, 64, 3)
    assert sheet[:32, :32].max() > 0
    assert sheet[32:, 32:].max() == 0
    write_sheet(sheet, tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").stat().st_size > 100
    with pytest.raises(OutputError, match="is no picture"):
        write_sheet(sheet, tmp_path / "sheet.docx")


def test_the_loss_is_the_sum_of_its_parts() -> None:
    assert loss_of({"train/a": 1.0, "train/b": 2.0, "lr/c": 9.0}) == 3.0
