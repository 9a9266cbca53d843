"""Several GPUs: one process each, started by torchrun with the same options."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

from detector.training.checkpoint import TrainingError


def gpu_count(device: str) -> int:
    """Number of GPUs that a device names; 0 for a CPU.

    Examples:
        >>> gpu_count("0,1"), gpu_count("0"), gpu_count("cpu")
        (2, 1, 0)
    """
    return len([part for part in device.split(",") if part.strip().isdigit()])


def is_first_process() -> bool:
    """Whether this process writes the run's files: the only one, or rank 0."""
    return os.environ.get("RANK", "0") == "0"


def needs_launch(device: str) -> bool:
    """Whether the run wants several processes and this one is not one of them."""
    return gpu_count(device) > 1 and not is_launched()


def is_launched() -> bool:
    """Whether this process is one of several that `launch` started."""
    return "LOCAL_RANK" in os.environ


def launch(device: str, words: Sequence[str]) -> None:
    """Run `detector` with the same words in one process for each GPU, and wait.

    Args:
        device: `0,1,…`.
        words: the command line without the program's name.

    Raises:
        TrainingError: a process failed; its message stands above.
    """
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
        *("--nproc-per-node", str(gpu_count(device)), "-m", "detector", *words),
    ]
    done = subprocess.run(command, check=False)  # noqa: S603 - our own command line
    if done.returncode:
        raise TrainingError(f"training on the GPUs {device} failed; the message stands above")
