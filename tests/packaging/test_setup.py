"""What a fresh machine meets: the Makefile, the checks before the download, the lock."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]


def locked() -> dict[str, Version]:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    pins = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): Version(version) for name, version in pins}


@pytest.fixture
def preflight() -> ModuleType:
    spec = importlib.util.spec_from_file_location("preflight", ROOT / "tools" / "preflight.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_an_old_python_is_named_with_the_way_out(
    preflight: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert preflight.python_problem() is None
    monkeypatch.setattr(sys, "version_info", (3, 10, 4))
    monkeypatch.setattr(shutil, "which", lambda name: None)
    message = preflight.python_problem()
    assert message.startswith(f"Python 3.11 or newer is needed, {sys.executable} is ")
    assert "apt-get install python3.11 python3.11-venv" in message
    monkeypatch.setattr(shutil, "which", lambda name: name == "python3.12")
    assert preflight.python_problem().endswith("python3.12 is here: make ... PYTHON=python3.12")


def test_missing_libraries_are_named_with_the_line_that_mends_them(
    preflight: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight.platform, "system", lambda: "Linux")
    monkeypatch.setattr(preflight, "loads", lambda name: name in ("libxcb.so.1", "libGL.so.1"))
    message = preflight.opencv_problem()
    assert "libglib-2.0.so.0, libgthread-2.0.so.0: apt-get install -y libglib2.0-0" in message
    monkeypatch.setattr(preflight, "loads", lambda name: True)
    assert preflight.opencv_problem() is None


def test_the_loader_is_asked_and_not_a_list(preflight: ModuleType) -> None:
    assert not preflight.loads("libquaywatch-has-no-such-library.so.9")


def test_a_full_disk_is_named(preflight: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("Usage", (), {"free": 1e9})
    monkeypatch.setattr(preflight.shutil, "disk_usage", lambda folder: usage)
    assert "has 1.0 GB free" in preflight.disk_problem(ROOT / "no" / "such" / "venv")
    assert preflight.disk_problem(ROOT) is None  # renewing one that is there needs no new room


def test_all_problems_are_told_at_once_before_anything_is_downloaded(
    preflight: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(preflight, "python_problem", lambda: "first")
    monkeypatch.setattr(preflight, "opencv_problem", lambda: "second")
    monkeypatch.setattr(preflight, "disk_problem", lambda venv: None)
    with pytest.raises(SystemExit) as caught:
        preflight.main(".venv")
    assert caught.value.code == "make: first\nmake: second"
    monkeypatch.setattr(preflight, "python_problem", lambda: None)
    monkeypatch.setattr(preflight, "opencv_problem", lambda: None)
    preflight.main(".venv")
    assert "downloads" in capsys.readouterr().out


def make(*words: str) -> str:
    done = subprocess.run(
        ["make", "-C", str(ROOT), *words], check=True, capture_output=True, text=True
    )
    return done.stdout


def test_make_alone_lists_its_targets() -> None:
    listed = make()
    for target in ("demo", "test", "lint", "bench", "clean", "help"):
        assert f"make {target}" in listed


def test_make_sets_up_before_it_runs(tmp_path: Path) -> None:
    plan = make("-n", "demo", f"QUAYWATCH_VENV={tmp_path}/v")
    order = ["preflight.py", "-m venv", "-r requirements.lock", "--no-deps", "-m detector demo"]
    positions = [plan.index(word) for word in order]
    assert positions == sorted(positions)


def test_ci_runs_what_the_readme_tells_people_to_run() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    subprocess.run(["bash", "-n", ROOT / ".ci" / "run"], check=True)
    assert script.rstrip().endswith("make test")
    assert re.search(r"^make test\b", (ROOT / "README.md").read_text(), re.MULTILINE)


def test_the_lock_satisfies_every_floor() -> None:
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [Requirement(line) for line in [*project["dependencies"], *extras["bench"]]]
    for requirement in map(Requirement, extras["dev"]):
        if requirement.name == project["name"]:  # extras of our own that the tests need
            wanted += [Requirement(line) for name in requirement.extras for line in extras[name]]
        else:
            wanted.append(requirement)
    pins = locked()
    for requirement in wanted:
        pin = pins[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(pin), f"{requirement} but locked {pin}"


def test_the_lock_is_what_runs_here() -> None:
    for name, pin in locked().items():
        installed = Version(importlib.metadata.version(name))
        assert installed.public == pin.public, name  # torch may carry +cpu


def test_the_lock_holds_no_platform() -> None:
    names = set(locked())
    assert not [n for n in names if n.startswith(("cuda-", "triton"))]
    assert [n for n in names if n.startswith("nvidia-")] == ["nvidia-ml-py"]


def test_both_packages_of_opencv_are_one_version() -> None:
    pins = locked()
    assert pins["opencv-python"] == pins["opencv-python-headless"]
