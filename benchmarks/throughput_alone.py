"""What a run costs before its first tile, and beside processes that never rest."""

from __future__ import annotations

import multiprocessing
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from detector.models.devices import usable_cores

FIRST_TILE = """
import os, sys, time
from detector.models.detector import Detector

def first(detector, tiles):
    print("first", time.process_time(), time.time(), flush=True)
    os._exit(0)

Detector.forward = first
from detector.cli.main import main

main(sys.argv[1:])
"""
"""A program that says what it has cost when the network is asked of its first tile, and ends."""


def first_tile(scene: Path, said: list[str], times: int) -> dict[str, Any]:
    """Processor and wall seconds from the start of `detector predict` to its first tile.

    Args:
        scene: that is read.
        said: options of the command line.
        times: how often; the files are in the system's memory from the second time on.
    """
    command = [sys.executable, "-c", FIRST_TILE, "predict", str(scene), "overwrite=true", *said]
    cpu, wall = [], []
    for _ in range(times):
        began = time.time()
        told = subprocess.run(command, capture_output=True, text=True, check=False)
        line = next((one for one in told.stdout.splitlines() if one.startswith("first ")), None)
        if line is None:
            raise RuntimeError(f"no tile was read: {told.stderr[-500:]}")
        _, cpu_s, at = line.split()
        cpu.append(float(cpu_s))
        wall.append(float(at) - began)
    return {"cpu_s": cpu, "wall_s": wall}


def whole_run(scene: Path, said: list[str]) -> dict[str, Any]:
    """Peak memory, MB, and processor seconds of `detector predict` in a process of its own.

    Args:
        scene: that is read.
        said: options of the command line.
    """
    command = [sys.executable, "-m", "detector", "predict", str(scene), "overwrite=true", *said]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(running.pid, 0)
    if status:
        raise RuntimeError(f"{' '.join(command)} ended with status {status}")
    return {
        "scene": scene.stem,
        "peak_mb": used.ru_maxrss * 1024 / 1e6,
        "cpu_s": used.ru_utime + used.ru_stime,
    }


def beside_busy(work: Callable[[], object], rounds: int) -> dict[str, Any]:
    """Wall and processor seconds of some work alone and beside one busy process a core, in turn."""
    said: dict[str, Any] = {"cores": usable_cores(), "alone": [], "beside": []}
    for _ in range(rounds):
        said["alone"].append(_timed(work))
        with _busy(usable_cores()):
            said["beside"].append(_timed(work))
    return said


def slowdown(said: dict[str, Any]) -> float:
    """How many times as long the work takes beside busy processes, of the medians."""
    alone, beside = (
        statistics.median(wall for wall, _ in said[key]) for key in ("alone", "beside")
    )
    return float(beside / alone)


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


@contextmanager
def _busy(count: int) -> Iterator[None]:
    """Processes that use all the time they get."""
    spawned = multiprocessing.get_context("spawn")
    busy = [spawned.Process(target=_spin, daemon=True) for _ in range(count)]
    for one in busy:
        one.start()
    try:
        yield
    finally:
        for one in busy:
            one.terminate()
            one.join()


def _spin() -> None:
    while True:
        pass
