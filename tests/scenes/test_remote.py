"""Rasters of a network that fails now and then: asked for again, nothing lost."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from detector.errors import SceneError
from detector.scenes.guard import open_raster
from tests.scenes.rasters import write_raster


@contextmanager
def _served(file: Path, fails: int, log: Path) -> Iterator[str]:
    words = [sys.executable, str(Path(__file__).with_name("failing_server.py")), file, str(fails)]
    with log.open("w") as output, subprocess.Popen(words, stdout=output) as server:
        while not log.read_text().endswith("\n"):
            assert server.poll() is None
        yield f"/vsicurl/http://127.0.0.1:{log.read_text().strip()}"
        server.terminate()


def _first(log: Path) -> int:
    """How often the first range was asked for before anything else was."""
    asked = log.read_text().splitlines()[1:]
    return next((at for at, key in enumerate(asked) if key != asked[0]), len(asked))


def test_a_request_that_fails_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GDAL_HTTP_RETRY_DELAY", "0.02")
    values = np.random.default_rng(1).integers(0, 255, (3, 300, 400), np.uint8)
    file, log = write_raster(tmp_path / "a.tif", values), tmp_path / "log"
    with (
        _served(file, 1, log) as address,
        open_raster(f"{address}/again.tif", ["127.0.0.1"]) as dataset,
    ):
        assert np.array_equal(dataset.read(), values)
    assert _first(log) == 2


def test_a_server_that_never_answers_well_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GDAL_HTTP_RETRY_DELAY", "0.01")
    monkeypatch.setenv("GDAL_HTTP_MAX_RETRY", "2")
    file, log = tmp_path / "a.tif", tmp_path / "log"
    file.write_bytes(b"")
    with (
        _served(file, 1000, log) as address,
        pytest.raises(SceneError, match=r"never\.tif: not a raster that GDAL can read"),
    ):
        open_raster(f"{address}/never.tif", ["127.0.0.1"])
    assert _first(log) == 3
