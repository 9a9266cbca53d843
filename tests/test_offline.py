"""`predict` with every socket blocked: nothing calls home, nothing is fetched."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from detector.rendering import PortSpec, render, write_scene

# Runs in a process of its own, so that imports happen with sockets blocked too.
REFUSED = """
import socket, sys

class Blocked(OSError):
    pass

def refuse(*args, **kwargs):
    print("SOCKET", args[:2], file=sys.stderr)
    raise Blocked("sockets are blocked")

socket.socket.connect = refuse
socket.socket.connect_ex = refuse
socket.socket.sendto = refuse
socket.create_connection = refuse
socket.getaddrinfo = refuse
socket.gethostbyname = refuse
"""
COMMAND = """
from detector.cli.main import main
code = main(sys.argv[1:])
loaded = sorted(n for n in ("openvino_telemetry", "sentry_sdk") if sys.modules.get(n))
print("LOADED", loaded, file=sys.stderr)
sys.exit(code)
"""
PYTHON = """
import detector
scene = detector.render(seed=3, width=256, height=256)
boxes = detector.predict(scene.values, gsd=0.5)[0].boxes
print(len(boxes), len(detector.load_detector("port-n").conf))
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["openvino", "torch"])
def test_predict_needs_no_socket(tmp_path: Path, backend: str) -> None:
    raster = write_scene(render(PortSpec(width=640, height=640), seed=3), tmp_path / "port.tif")
    words = [str(raster), f"out={tmp_path / 'out'}", f"backend={backend}", "device=cpu"]
    done = subprocess.run(
        [sys.executable, "-c", REFUSED + COMMAND, "predict", *words],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "SOCKET" not in done.stderr
    assert "LOADED []" in done.stderr
    assert pd.read_csv(tmp_path / "out" / "scenes.csv")["status"].tolist() == ["done"]


@pytest.mark.slow
def test_predict_in_python_needs_no_socket(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", REFUSED + PYTHON],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "SOCKET" not in done.stderr
    boxes, classes = map(int, done.stdout.split())
    assert boxes > 0
    assert classes == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("said", "spins"), [(None, False), ("ACTIVE", True)])
def test_waiting_threads_of_torch_sleep_unless_the_user_says_otherwise(
    said: str | None, spins: bool
) -> None:
    """OpenMP itself tells, when torch loads it, how often a waiting thread spins."""
    unsaid = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    environment = {k: v for k, v in os.environ.items() if k not in unsaid}
    environment |= {"OMP_DISPLAY_ENV": "VERBOSE"} | ({"OMP_WAIT_POLICY": said} if said else {})
    told = subprocess.run(
        [sys.executable, "-c", "import detector, torch"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stderr
    counts = re.findall(r"GOMP_SPINCOUNT\s*=\s*'(\d+)'", told)
    assert counts
    assert all((int(count) > 0) is spins for count in counts)
