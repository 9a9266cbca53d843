"""Training where other processes cannot be given memory."""

from __future__ import annotations

import logging
from collections import namedtuple
from typing import Any

import pytest

from detector.training import trainer
from detector.training.trainer import usable_workers

Usage = namedtuple("Usage", "total used free")


@pytest.fixture(autouse=True)
def _heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger("detector"), "propagate", True)


def test_without_shared_memory_this_process_works_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def missing(**options: Any) -> None:
        raise FileNotFoundError(2, "No such file or directory", "/psm_1")

    monkeypatch.setattr(trainer, "SharedMemory", missing)
    assert usable_workers(4) == 0
    assert "no shared memory for other processes" in caplog.text
    assert usable_workers(0) == 0


def test_a_tiny_one_is_none(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(trainer.shutil, "disk_usage", lambda folder: Usage(1, 1, 63_999_999))
    monkeypatch.setattr(trainer, "SHARED_FOLDER", trainer.Path("/"))
    assert usable_workers(4) == 0
    assert "63,999,999 bytes in /" in caplog.text


def test_enough_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer.shutil, "disk_usage", lambda folder: Usage(1, 1, 64_000_000))
    assert usable_workers(4) == 4
