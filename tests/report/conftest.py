"""The tiny activity and its report, made once; and a browser."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from detector.report.publish import Report
from tests.report.make import Made, Names, make_activity

if TYPE_CHECKING:
    from playwright.sync_api import Browser

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
LONG = "ж" * 10_000
HOSTILE = Names(
    port='<script>window.pwned=1</script>"><img src=x onerror=window.pwned=1>',
    rail="=HYPERLINK(\"http://evil.invalid\",'x')",
    berth="../../../etc/passwd</script><script>window.pwned=1</script>{{ 7*7 }}",
    yard=f"مرسى الحاويات \u202e1 $x^2$ {LONG}",
    railhead="@SUM(A1)%0a`'--><svg/onload=window.pwned=1>",
    scene="=x\"'<img src=x onerror=window.pwned=1>",
)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make_activity(tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="session")
def report(made: Made) -> Report:
    return made.report(note="These scenes are drawn by a test.")


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make_activity(tmp_path_factory.mktemp("hostile"), HOSTILE)


@pytest.fixture(scope="session")
def hostile_report(hostile: Made) -> Report:
    return hostile.report(note="</script><script>window.pwned=1</script>")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless Chromium, or a skip that says what is missing."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = os.environ.get("QUAYWATCH_BROWSER") or next(
        filter(None, map(shutil.which, BROWSERS)), ""
    )
    if not found or not Path(found).exists():
        pytest.skip("no Chromium: install the package chromium, or name one: QUAYWATCH_BROWSER=…")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield started
        started.close()
