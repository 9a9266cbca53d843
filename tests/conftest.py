"""Fixtures that several test modules share."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import hypothesis
import pytest

from detector.errors import shown

# no test asserts a time; with CI=true hypothesis loads a fixed-seed profile of its own
if "CI" not in os.environ:
    hypothesis.settings.register_profile("quaywatch", deadline=None)
    hypothesis.settings.load_profile("quaywatch")

# What tests say of networks is said of float32, whatever the processor has; also in processes that
# they start.
os.environ.setdefault("QUAYWATCH_PRECISION", "f32")

SHARED = Path(os.environ.get("QUAYWATCH_SHARED", Path(__file__).parents[2] / "shared"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with the real imagery, or a skip that says what is missing."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip(f"real imagery not present: {folder}")
    return folder


# what a marked test needs -> the variable that says that it must be there
REQUIRED = {"real": "QUAYWATCH_REQUIRE_REAL", "browser": "QUAYWATCH_REQUIRE_BROWSER"}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn skips of tests into failures where what they need must be there.

    CI sets `QUAYWATCH_REQUIRE_REAL=1` beside the imagery, and `QUAYWATCH_REQUIRE_BROWSER=1`, so
    that these tests cannot fall silent.
    """
    report = yield
    for marker, variable in REQUIRED.items():
        if report.skipped and item.get_closest_marker(marker) and os.environ.get(variable) == "1":
            report.outcome = "failed"
            report.longrepr = f"{item.nodeid} skipped, but {variable}=1: {report.longrepr}"
    # what a test of odd file names has logged must travel between the processes of a run
    report.sections = [(title, shown(text)) for title, text in report.sections]
    return report
