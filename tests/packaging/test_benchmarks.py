"""Every benchmark starts: its arguments are read and its smallest part runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BENCHMARKS = {
    path.stem
    for path in (ROOT / "benchmarks").glob("*.py")
    if "__main__" in path.read_text(encoding="utf-8")
}
SMALLEST = {
    "accuracy": ["--out", "{tmp}/accuracy", "--parts"],
    "appearance": ["--seeds", "0"],
    "augmentation": ["--list"],
    "false_alarms": ["--scenes", "1", "--kinds", "calm"],
    "coarse_visits": ["--sites", "0"],
    "counting": ["--quick", "--skip-series"],
    "berth_calls": ["--seeds", "0"],
    "larger_tiles": ["--ports", "0", "--images", "0"],
    "lengths": ["--card", "{tmp}/no_card"],
    "lots": ["--stories", "1"],
    "merging": ["--quick", "--only", "cases"],
    "merging_cost": ["Quaywatch, tile by tile", "500"],
    "published": ["--stories", "1", "--from", "9", "--cache", "{tmp}/published"],
    "rendering": ["domain", "port-n", "1"],
    "overhead": ["--scenes", "2"],
    "remote": ["--side", "256", "--repeat", "1", "--weights", "none", "--latency-ms", "1"],
    "review_pictures": ["{tmp}/pictures"],
    "series": ["--zones"],
    "skipping": ["--every", "900"],
    "throughput": [
        *("--mp", "1", "--rounds", "1", "--content", "sea", "--out", "{tmp}/throughput"),
        *("--arms", "forward-openvino-f32", "ours-openvino", "--parts", "scenes"),
    ],
    "soak": ["--scenes", "4", "--gigapixels", "0.02"],
    "stack_changes": ["--stories", "1", "--small"],
    "stacks": ["--scenes", "1"],
    "stacks_real": [],
    "stacks_zones": ["--scenes", "1", "--weights", ""],
}
WITH_POOL = ("accuracy", "augmentation", "stacks_real")


def start(name: str, *words: str, **variables: str) -> str:
    """What a benchmark prints."""
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", *words],
        cwd=ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_benchmark_has_its_smallest_part() -> None:
    assert SMALLEST.keys() == BENCHMARKS


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SMALLEST))
def test_its_smallest_part_runs(name: str, tmp_path: Path) -> None:
    words = [word.replace("{tmp}", str(tmp_path)) for word in SMALLEST[name]]
    assert start(name, *words).strip()


@pytest.mark.slow
@pytest.mark.parametrize("name", WITH_POOL)
def test_what_needs_the_pool_says_so(name: str, tmp_path: Path) -> None:
    words = ["--out", str(tmp_path / "out"), "--parts", "dev"] if name == "accuracy" else []
    said = start(name, *words, QUAYWATCH_POOL=str(tmp_path), QUAYWATCH_SHARED=str(tmp_path))
    assert "the port pool is not here; name its folder with QUAYWATCH_POOL" in said
