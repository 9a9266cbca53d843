"""One run that all tests of reviews copy."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.reviewing.made_run import make_run


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("reviewed")
    make_run(home)
    return home


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    """A copy of the run, free to be edited."""
    return Path(shutil.copytree(made / "run", tmp_path / "run"))
