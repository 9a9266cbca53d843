"""The built wheel, installed into an empty environment and used from another folder."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from detector import __version__
from detector.models.detector import AUTO, AUTO_WEIGHTS
from tests.scenes.rasters import gradient, write_raster

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


EPOCH_S = 1_700_000_000  # SOURCE_DATE_EPOCH of the builds


def build(source: Path, folder: Path, kind: str) -> Path:
    """The wheel or the sdist of a checkout, `kind`, as a release is built, in a folder."""
    words = ["build", f"--{kind}", "--no-isolation", "--outdir", str(folder), str(source)]
    lent = os.environ | {"SOURCE_DATE_EPOCH": str(EPOCH_S)}
    subprocess.run([sys.executable, "-m", *words], check=True, env=lent, stdout=subprocess.DEVNULL)
    (built,) = folder.glob("quaywatch-*.whl" if kind == "wheel" else "quaywatch-*.tar.gz")
    return built


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, tmp_path_factory.mktemp("wheel"), "wheel")


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, tmp_path_factory.mktemp("sdist"), "sdist")


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty environment with the wheel in it.

    The libraries (gigabytes) are lent by this environment through a .pth file: its folder is added
    behind the new one's own, and .pth files in it, which would find the checkout, are not read.
    """
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install"]
    subprocess.run([*pip, "--no-deps", "--no-index", str(wheel)], check=True)
    paths = {"base": str(folder), "platbase": str(folder)}
    own = Path(sysconfig.get_path("purelib", "venv", paths))
    (own / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder


def run(environment: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A program of the environment, run in a folder outside the checkout."""
    lent = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [environment / "bin" / words[0], *words[1:]],
        check=False,
        capture_output=True,
        text=True,
        cwd=folder,
        env=lent,
    )


def test_the_wheel_carries_conf_weights_and_licences(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        for folder in ("conf", "weights"):
            files = [path for path in (ROOT / folder).rglob("*") if path.is_file()]
            assert files
            for file in files:  # tests/config/test_conf_files.py looks at what conf/ says
                name = f"detector/_resources/{file.relative_to(ROOT).as_posix()}"
                assert archive.read(name) == file.read_bytes()
    licences = f"quaywatch-{__version__}.dist-info/licenses"
    assert {f"{licences}/{n}" for n in ("LICENSE", "NOTICE", "weights/LICENSE")} <= names
    assert "detector/py.typed" in names
    report = ROOT / "detector" / "report"
    page = [*report.glob("page.*"), *report.glob("text.*"), *(report / "vendor").iterdir()]
    assert {file.relative_to(ROOT).as_posix() for file in page} <= names
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/", "tools/"))]


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_wheel_and_sdist_build_again_with_the_same_bytes(
    wheel: Path, sdist: Path, tmp_path: Path
) -> None:
    """From what the sdist holds, in another folder, with other times of the files."""
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    (source / "PKG-INFO").unlink()  # which a checkout has not
    for path in source.rglob("*"):
        os.utime(path, (0, 1_000_000_000))
    again = {kind: build(source, tmp_path / kind, kind) for kind in ("wheel", "sdist")}
    assert (again["wheel"].name, sha256(again["wheel"])) == (wheel.name, sha256(wheel))
    assert (again["sdist"].name, sha256(again["sdist"])) == (sdist.name, sha256(sdist))
    with zipfile.ZipFile(wheel) as archive_of_wheel:
        times = {entry.date_time for entry in archive_of_wheel.infolist()}
    assert times == {(2023, 11, 14, 22, 13, 20)}  # of the epoch, UTC


def test_the_package_comes_from_the_wheel(environment: Path, tmp_path: Path) -> None:
    code = "import detector, detector.resources as r; print(detector.__file__, r.weights_dir())"
    done = run(environment, tmp_path, "python", "-c", code)
    assert done.stderr == ""
    for path in done.stdout.split():
        assert Path(path).is_relative_to(environment)


def test_predict_runs_from_another_folder(environment: Path, tmp_path: Path) -> None:
    write_raster(tmp_path / "port 1.tif", gradient(300, 200))
    done = run(environment, tmp_path, "detector", "predict", "port 1.tif", "out=my run")
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(tmp_path / "my run" / "scenes.csv")
    assert table["status"].tolist() == ["done"]
    assert table["weights_sha256"].tolist() == [card_of(environment)["sha256"]]
    (overlay,) = (tmp_path / "my run").glob("port_1-*/overlay.png")
    assert overlay.stat().st_size > 1000
    assert {path.name for path in tmp_path.iterdir()} == {"port 1.tif", "my run"}


def card_of(environment: Path) -> dict[str, Any]:
    """The card of the weights that the wheel's `predict` uses by default."""
    (resources,) = environment.rglob("_resources")
    name = yaml.safe_load((resources / "conf/model/default.yaml").read_text())["weights"]
    name = AUTO_WEIGHTS[0] if name == AUTO else name  # of a scene that tells no gsd
    card: dict[str, Any] = yaml.safe_load((resources / f"weights/{name}.yaml").read_text())
    return card


def test_help_and_version_work_from_another_folder(environment: Path, tmp_path: Path) -> None:
    assert run(environment, tmp_path, "detector", "--version").stdout.endswith(f"{__version__}\n")
    done = run(environment, tmp_path, "detector", "predict", "--help")
    assert done.returncode == 0
    assert "model.weights" in done.stdout
