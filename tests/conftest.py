"""Fixtures that several test modules share."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import hypothesis
import pytest

# no test asserts a time; with CI=true hypothesis loads a fixed-seed profile of its own
if "CI" not in os.environ:
    hypothesis.settings.register_profile("quaywatch", deadline=None)
    hypothesis.settings.load_profile("quaywatch")

SHARED = Path(os.environ.get("QUAYWATCH_SHARED", Path(__file__).parents[2] / "shared"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with the real imagery, or a skip that says what is missing."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip(f"real imagery not present: {folder}")
    return folder


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn skips of tests on real imagery into failures where the imagery must be there.

    CI sets `QUAYWATCH_REQUIRE_REAL=1` beside the imagery, so that these tests cannot fall silent.
    """
    report = yield
    required = os.environ.get("QUAYWATCH_REQUIRE_REAL") == "1"
    if required and report.skipped and item.get_closest_marker("real"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} needs real imagery, which must be here, but skipped"
    return report
