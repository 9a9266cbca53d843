"""Fixtures that several test modules share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("QUAYWATCH_SHARED", Path(__file__).parents[2] / "shared"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with the real imagery, or a skip that says what is missing."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip(f"real imagery not present: {folder}")
    return folder
