"""Rasters of a network that fails now and then: asked for again, nothing lost."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from detector.errors import SceneError
from detector.scenes import side_files
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
    asked = [line for line in log.read_text().splitlines()[1:] if not line.startswith("beside")]
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


def test_side_files_are_asked_for_at_once_and_once(tmp_path: Path) -> None:
    values = np.random.default_rng(1).integers(0, 255, (3, 300, 400), np.uint8)
    file, log = write_raster(tmp_path / "a.tif", values), tmp_path / "log"
    with _served(file, 0, log) as address:
        for _ in range(2):
            with open_raster(f"{address}/alone.tif", ["127.0.0.1"]) as dataset:
                assert dataset.tags(2) == {}
                assert np.array_equal(dataset.read(), values)
        asked = [line for line in log.read_text().splitlines() if line.startswith("beside")]
        assert len(asked) == len(set(asked)) > 30  # GDAL asks for none again
        assert "beside /alone.tif.msk" in asked
        assert "beside /alone.IMD" in asked
        beside = "<PAMDataset><PAMRasterBand band='2'><Description>green</Description>"
        (tmp_path / "a.tif.aux.xml").write_text(f"{beside}</PAMRasterBand></PAMDataset>")
        with open_raster(f"{address}/told.tif", ["127.0.0.1"]) as dataset:
            assert dataset.descriptions[1] == "green"


def test_a_signed_address_has_nothing_beside_it(tmp_path: Path) -> None:
    """GDAL would ask for `a.tif?key=1.msk`, which is the raster itself to most servers."""
    values = np.random.default_rng(1).integers(0, 255, (3, 300, 400), np.uint8)
    file, log = write_raster(tmp_path / "a.tif", values), tmp_path / "log"
    with (
        _served(file, 0, log) as address,
        open_raster(f"{address}/signed.tif?key=1", ["127.0.0.1"]) as dataset,
    ):
        assert np.array_equal(dataset.read(), values)
        assert "beside" not in log.read_text()
        heads = [line for line in log.read_text().splitlines() if line.startswith("HEAD")]
        assert len(heads) == 1


def test_only_a_server_that_tells_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    codes = {"/a.tif.ovr": [503, 404]}

    class Connection:
        def __init__(self, host: str, timeout: float) -> None:
            if host == "host5.example":
                raise OSError("no such host")

        def request(self, method: str, name: str) -> None:
            asked.append(f"{method} {name}")
            self.codes = codes.get(name, [404])

        def getresponse(self) -> Any:
            code = self.codes.pop(0) if len(self.codes) > 1 else self.codes[0]
            return SimpleNamespace(read=lambda: b"", status=code)

        def close(self) -> None:
            pass

    monkeypatch.setattr(side_files, "HTTPSConnection", Connection)
    for name, codes["/a.tif.ovr"], alone in (
        ("1", [503, 404], True),
        ("2", [503], False),
        ("3", [401], False),
        ("4", [403], True),
        ("5", [404], False),
        ("6", [301], False),
    ):
        asked.clear()
        address = f"/vsicurl/https://host{name}.example/a.tif"
        assert side_files.is_alone(address) == alone, name
        assert alone <= ("HEAD /a.tif.msk" in asked)
    assert not side_files.is_alone("/vsis3/bucket/a.tif")
    assert not side_files.is_alone("a.tif")
