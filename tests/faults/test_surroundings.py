"""A machine as containers and old servers are: what a run gives does not depend on it."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from detector.cli import main
from detector.cli.command import EXIT_BAD_INPUT
from tests.inference.blobs import blob_scene
from tests.prediction.test_batch import _ships
from tests.scenes.rasters import UTM52, utm_transform

NOWHERE = "/proc/nowhere"  # where not even root may make a folder
HOSTILE = {
    **dict.fromkeys(("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "TMPDIR"), NOWHERE),
    **dict.fromkeys(("MPLCONFIGDIR", "YOLO_CONFIG_DIR", "QUAYWATCH_CACHE"), NOWHERE),
    "LC_ALL": "C",
    "TZ": "Asia/Pyongyang",
    "PYTHONHASHSEED": "4711",
}
# the command, with a clock that goes backwards; a night runs the real network too
DRIVER = """
import sys, time
words = sys.argv[1:]
if "hostile" in words:
    calls = [0]
    def back():
        calls[0] += 1
        return 1.7e9 - 3600 * calls[0]
    time.time = back
if "blobs" in words:
    from detector.prediction import batch
    from tests.inference.blobs import BlobDetector
    batch.load_detector = lambda settings: BlobDetector()
from detector.cli.main import entry_point
sys.argv = ["detector", *[word for word in words if word not in ("hostile", "blobs")]]
entry_point()
"""
NETWORK = () if os.environ.get("QUAYWATCH_FAULTS") == "all" else ("blobs",)


def _run(folder: Path, out: str, *words: str, **environment: str) -> dict[str, str]:
    """The hashes of what a run writes."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            DRIVER,
            "predict",
            "나진 a.tif",
            f"out={out}",
            "quiet=true",
            *NETWORK,
            *words,
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **environment},
        capture_output=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert b"Traceback" not in done.stderr
    return {
        path.relative_to(folder / out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted((folder / out).rglob("*"))
        if path.is_file() and path.name != "run.log"
    }


@pytest.mark.skipif(not Path("/proc/version").exists(), reason="needs a folder nobody can write to")
def test_a_run_is_the_same_where_nothing_is_as_usual(tmp_path: Path) -> None:
    """No home, cache or TMPDIR, locale C, another time zone and hash seed, a clock gone wrong."""
    ships = _ships((150, 100), (400, 300))
    blob_scene(tmp_path / "나진 a.tif", (512, 400), ships, transform=utm_transform(), crs=UTM52)
    usual = _run(tmp_path, "usual")
    hostile = _run(tmp_path, "hostile", "hostile", **HOSTILE)
    assert len(usual) >= 12
    kept = json.loads((tmp_path / "usual" / "run.json").read_text(encoding="utf-8"))
    assert kept["scenes"][0]["path"] == "나진 a.tif"
    assert hostile == usual


def test_no_folder_for_temporary_files_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def nowhere(words: Sequence[str]) -> int:
        raise FileNotFoundError(2, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr(main, "_dispatch", nowhere)
    assert main.main([]) == EXIT_BAD_INPUT
    assert capsys.readouterr().err == (
        "detector: No usable temporary directory found in ['/tmp']; name a folder with TMPDIR=\n"
    )


@pytest.mark.parametrize("number", [errno.EACCES, errno.ENOSPC, errno.EROFS, errno.EMFILE])
def test_a_disk_fault_that_nobody_thought_of_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    def fails(words: Sequence[str]) -> int:
        raise OSError(number, os.strerror(number), "some/file")

    monkeypatch.setattr(main, "_dispatch", fails)
    assert main.main([]) == EXIT_BAD_INPUT
    said = capsys.readouterr().err
    assert said.startswith(f"detector: some/file: cannot be written ({os.strerror(number)}); ")
    assert said.count("\n") == 1
    assert ("make room" in said) is (number == errno.ENOSPC)
