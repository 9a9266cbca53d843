"""The doctor: a sound installation is sound; what is broken is said with its remedy."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from detector.cli import main as cli
from detector.models.card import ModelCard
from detector.prediction import health
from detector.prediction.health import Finding, examine
from detector.resources import weights_dir

Patch = pytest.MonkeyPatch


def found(topic: str, name: str = "") -> Finding:
    [finding] = [
        one
        for one in examine(trial=topic == "trial", weights="port-n")
        if one.topic == topic and one.name.startswith(name)
    ]
    return finding


def test_a_sound_installation_finds_the_ships_of_a_rendered_port() -> None:
    trial = found("trial")
    assert trial.state == "good"
    assert trial.detail.startswith("5 ships found of 5, 10 tiles")


def test_a_network_that_sees_nothing_is_broken(monkeypatch: Patch) -> None:
    monkeypatch.setattr(health, "TRIAL_ERROR", -1.0)
    trial = found("trial")
    assert trial.state == "broken"
    assert "backend=" in trial.remedy


def test_a_library_that_is_missing_is_named(monkeypatch: Patch) -> None:
    monkeypatch.setattr(health, "LIBRARIES", ("torch", "quaywatch-no-such-thing"))
    assert found("libraries", "torch").state == "good"
    missing = found("libraries", "quaywatch-no")
    assert (missing.state, missing.detail) == ("broken", "not installed")
    assert "pip install quaywatch-no-such-thing" in missing.remedy


def test_a_format_that_gdal_lacks_is_named(monkeypatch: Patch) -> None:
    monkeypatch.setattr(health, "RASTERS", {"GTiff": "GeoTIFF", "NOPE": "the NOPE format"})
    lacking = found("formats", "GDAL")
    assert (lacking.state, lacking.detail) == ("limited", "cannot read the NOPE format")


def test_weights_that_are_not_those_of_their_card(tmp_path: Path, monkeypatch: Patch) -> None:
    for name in ("port-n.yaml", "port-n.safetensors"):
        shutil.copy(weights_dir() / name, tmp_path / name)
    monkeypatch.setattr(health, "weights_dir", lambda: tmp_path)
    assert found("weights", "port-n").state == "good"
    card = ModelCard.read(tmp_path / "port-n.yaml")
    with card.weights_beside(tmp_path / "port-n.yaml").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read(1)
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last[0] ^ 1]))
    assert found("weights", "port-n").state == "broken"
    (tmp_path / "port-n.safetensors").unlink()
    assert found("weights", "port-n").state == "broken"


def test_folders_that_cannot_be_written(monkeypatch: Patch) -> None:
    monkeypatch.setattr(health.os, "access", lambda *_: False)
    assert found("room", "cache").state == "limited"
    assert "QUAYWATCH_CACHE" in found("room", "cache").remedy
    assert "out=FOLDER" in found("room", "here").remedy


def test_what_goes_wrong_in_a_part_is_a_finding(monkeypatch: Patch) -> None:
    def fails() -> None:
        raise OSError("the\nlibrary is torn")

    monkeypatch.setattr(health, "_devices", fails)
    broken = found("devices")
    assert (broken.state, broken.detail) == ("broken", "the library is torn")
    assert found("weights", "port-n-blocks").state == "good"


def test_the_command_says_it_in_words_and_for_machines(
    capsys: pytest.CaptureFixture[str], monkeypatch: Patch
) -> None:
    assert cli.main(["doctor", "trial=false"]) == 0
    text = capsys.readouterr().out.splitlines()
    assert text[0].startswith("ok      program: quaywatch: ")
    assert text[-1].endswith(" looked at: 0 broken, 0 limited")
    monkeypatch.setattr(health, "LIBRARIES", ("quaywatch-no-such-thing",))
    assert cli.main(["doctor", "trial=false", "log=json"]) == 1
    findings = json.loads(capsys.readouterr().out)
    assert [one["state"] for one in findings if one["topic"] == "libraries"] == ["broken"]
