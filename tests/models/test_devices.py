"""Devices are found without torch where there is nothing for it to find."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from detector.errors import DeviceError
from detector.models import devices
from detector.models.network import build_model
from detector.models.yolo import STRIDES

Patch = pytest.MonkeyPatch


@pytest.fixture
def two_gpus(monkeypatch: Patch) -> None:
    monkeypatch.setattr(devices, "_loads", lambda name: name == devices.DRIVERS[0])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


@pytest.mark.usefixtures("two_gpus")
def test_devices_that_are_there() -> None:
    names = ("auto", "cpu", "cuda", "cuda:0", "cuda:1")
    assert [devices.resolve_device(name) for name in names] == [
        "cuda:0",
        "cpu",
        "cuda",
        "cuda:0",
        "cuda:1",
    ]
    with pytest.raises(DeviceError, match=r"'cuda:2' is not there: 2 CUDA devices"):
        devices.resolve_device("cuda:2")


@pytest.mark.usefixtures("two_gpus")
def test_several_devices_have_commas_between_them() -> None:
    assert devices.resolve_device("cuda:0, cuda:1") == "cuda:0,cuda:1"
    with pytest.raises(DeviceError, match=r"'cuda:3' is not there: 2 CUDA devices"):
        devices.resolve_device("cuda:1,cuda:3")
    for wrong in ("cuda:0,cuda:0", "cuda:0,cpu", "cuda,cuda:1", "cuda:0,"):
        with pytest.raises(DeviceError, match="several devices are different GPUs, such"):
            devices.resolve_device(wrong)


@pytest.mark.parametrize("name", ["gpu", "mps", "cuda:", "cuda:-1", "cuda:0000", "", "CPU"])
def test_devices_that_nobody_knows(name: str) -> None:
    with pytest.raises(DeviceError, match="is unknown; use auto, cpu, cuda or cuda:0"):
        devices.resolve_device(name)


def test_without_a_driver_there_is_no_gpu(monkeypatch: Patch) -> None:
    monkeypatch.setattr(devices, "_loads", lambda name: False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: pytest.fail("torch was asked"))
    assert devices.resolve_device("auto") == "cpu"
    with pytest.raises(DeviceError, match=r"'cuda' is not there: 0 CUDA devices"):
        devices.resolve_device("cuda")


def test_a_driver_that_torch_cannot_use_is_told(
    monkeypatch: Patch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(logging.getLogger("detector"), "propagate", True)
    monkeypatch.setattr(devices, "_loads", lambda name: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert devices.resolve_device("auto") == "cpu"
    assert "torch finds no GPU that it can use; the CPU is used" in caplog.text


def test_threads_are_the_cores_or_what_openmp_is_told(monkeypatch: Patch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(devices.os, "sched_getaffinity", lambda _: {0, 3, 5}, raising=False)
    assert devices.default_threads() == 3
    for told, threads in (("1", 1), ("8", 8), ("0", 3), ("many", 3), ("-1", 3)):
        monkeypatch.setenv("OMP_NUM_THREADS", told)
        assert devices.default_threads() == threads


@pytest.mark.parametrize("name", ["yolov8n", "yolo11n", "yolo12n", "yolo26n"])
def test_every_architecture_has_the_strides_of_the_mirrors(name: str) -> None:
    head = build_model(f"{name}-obb.yaml", 2).model[-1]
    assert tuple(int(stride) for stride in head.stride) == STRIDES


def test_an_export_reads_alike_and_needs_no_torch_once_cached(
    tmp_path: Path,
) -> None:
    script = (
        "import sys, numpy as np, detector\n"
        "found = detector.load_detector('port-n', threads=1)\n"
        "tiles = np.random.default_rng(1).integers(0, 255, (1, found.card.tile_px, "
        "found.card.tile_px, 3)).astype(np.uint8)\n"
        "raw = found.backend.runner.forward(tiles)\n"
        "print('torch' in sys.modules, float(raw.astype(np.float64).sum()))\n"
    )
    (tmp_path / "file").touch()
    caches = [tmp_path, tmp_path, tmp_path / "file" / "no"]
    said = [
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "QUAYWATCH_CACHE": str(cache)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        for cache in caches
    ]
    assert [one[0] for one in said] == ["True", "False", "True"]
    assert said[0][1] == said[1][1] == said[2][1]
