"""Disks that fail: at the opening of a file, while it is written, when it is renamed."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal
from unittest.mock import patch

import pytest

from detector import files

Fault = Literal["open", "write", "rename"]
FAULTS: tuple[Fault, ...] = ("open", "write", "rename")
FULL_DEVICE = Path("/dev/full")  # of Linux: nothing can be written to it


@contextmanager
def failing(at: int, fault: Fault, away: Path) -> Iterator[list[Path]]:
    """Let the file that is written as the `at`th, from 0, fail; what fails is real.

    Args:
        at: number of the file; none fails below 0.
        fault: to open it, where a folder lies; to write it, to a full device; to rename it.
        away: any folder.

    Yields:
        The files that were begun, in order, by the names that they were to get.
    """
    begun: list[Path] = []
    doomed: list[Path] = []
    real, rename = files._temporary, Path.replace

    def temporary(final: Path) -> Path:
        made = real(final)
        if sys._getframe(1).f_code.co_name != "atomic_path":
            return made
        if len(begun) == at:
            doomed.append(made)
            if fault != "rename":
                made.symlink_to(FULL_DEVICE if fault == "write" else away)
        begun.append(final)
        return made

    def replace(path: Path, target: Path) -> Path:
        if path in doomed:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return rename(path, target)

    with patch.object(files, "_temporary", temporary), patch.object(Path, "replace", replace):
        yield begun


@contextmanager
def full_disk(folder: Path) -> Iterator[Path]:
    """A file system in memory without a byte left; skips where none may be mounted."""
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(folder)]
    if os.name != "posix" or subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("this process may not mount a file system")
    try:
        (folder / "old").mkdir()
        with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
            (folder / "filler").write_bytes(bytes(1_000_000))
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
