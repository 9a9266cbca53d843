"""Logging and progress: words for people, JSON for machines, silence where nobody looks."""

from __future__ import annotations

import json
import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from detector.cli.console import make_progress
from detector.config.logging import configure_logging, log_to_file
from detector.errors import OutputError
from detector.progress import SilentProgress

Output = pytest.CaptureFixture[str]
ROOT = Path(__file__).resolve().parents[2]
logger = logging.getLogger("detector.some.module")


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    package = logging.getLogger("detector")
    before = (package.handlers, package.level, package.propagate)
    yield
    package.handlers, package.level, package.propagate = before


def speak() -> None:
    logger.debug("detail")
    logger.info("scene %s done", "나진.tif", extra={"fields": {"ships": 3}})
    logger.warning("no CRS")


def log_entries(file: Path) -> list[dict[str, Any]]:
    """The lines of a log, each checked against the schema that is published."""
    schema = json.loads((ROOT / "docs" / "run-log.schema.json").read_text(encoding="utf-8"))
    check = Draft202012Validator(schema)
    entries = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    for entry in entries:
        check.validate(entry)
    return entries


def test_names_of_any_bytes_are_lines_that_read_back(tmp_path: Path) -> None:
    file = tmp_path / "run.log"
    with log_to_file(file):
        logger.warning("%s: no such file", "a\udcff\n\x1b[2J\u2028.tif")
    (entry,) = log_entries(file)
    assert entry["message"] == "a\udcff\n\x1b[2J\u2028.tif: no such file"


def test_a_warning_is_said_once_and_logged_each_time(tmp_path: Path, capsys: Output) -> None:
    configure_logging("text", quiet=False)
    file = tmp_path / "run.log"
    with log_to_file(file):
        for name in ("a", "b", "a"):
            logger.warning("%s: no CRS", name)
            logger.info("done")
    assert capsys.readouterr().err.splitlines() == [
        *("warning: a: no CRS", "done", "warning: b: no CRS", "done", "done")
    ]
    assert [e["message"] for e in log_entries(file) if e["level"] == "warning"] == [
        *("a: no CRS", "b: no CRS", "a: no CRS")
    ]


def test_text_for_people(capsys: Output) -> None:
    configure_logging("text", quiet=False)
    speak()
    assert capsys.readouterr() == ("", "scene 나진.tif done\nwarning: no CRS\n")


def test_quiet_is_warnings_only(capsys: Output) -> None:
    configure_logging("text", quiet=True)
    speak()
    assert capsys.readouterr() == ("", "warning: no CRS\n")


def test_json_for_machines(capsys: Output) -> None:
    configure_logging("json", quiet=False)
    speak()
    entries = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(e["level"], e["message"], e.get("ships")) for e in entries] == [
        ("info", "scene 나진.tif done", 3),
        ("warning", "no CRS", None),
    ]
    assert all(entry["time"].endswith("Z") for entry in entries)


def test_configured_twice_it_speaks_once(capsys: Output) -> None:
    for _ in range(2):
        configure_logging("text", quiet=False)
    speak()
    assert capsys.readouterr().err.count("no CRS") == 1


def test_the_file_holds_everything(tmp_path: Path, capsys: Output) -> None:
    configure_logging("text", quiet=True)
    file = tmp_path / "run.log"
    with log_to_file(file):
        speak()
        warnings.warn("a library's warning", UserWarning, stacklevel=1)
    speak()
    entries = log_entries(file)
    assert [(e["level"], e["logger"], e["message"]) for e in entries[:3]] == [
        ("debug", "detector.some.module", "detail"),
        ("info", "detector.some.module", "scene 나진.tif done"),
        ("warning", "detector.some.module", "no CRS"),
    ]
    assert "a library's warning" in entries[3]["message"]
    assert entries[3]["logger"] == "py.warnings"
    assert len([e for e in entries if e["logger"] == "detector.some.module"]) == 3
    assert "a library's warning" not in capsys.readouterr().err


def test_the_file_is_appended_to_and_keeps_tracebacks(tmp_path: Path) -> None:
    configure_logging("text", quiet=True)
    file = tmp_path / "run.log"
    with log_to_file(file):
        logger.info("before")
    with pytest.raises(ZeroDivisionError), log_to_file(file):
        raise ZeroDivisionError("cause")
    before, after = log_entries(file)
    assert before["message"] == "before"
    assert "traceback" not in before
    assert after["traceback"].startswith("Traceback (most recent call last)")
    assert after["traceback"].endswith("ZeroDivisionError: cause")


def test_messages_wait_for_the_folder(tmp_path: Path) -> None:
    configure_logging("text", quiet=True)
    file = tmp_path / "out" / "run.log"
    with log_to_file(file):
        logger.info("before")
        assert not file.parent.exists()
        file.parent.mkdir()
        logger.info("after")
    assert [entry["message"] for entry in log_entries(file)] == ["before", "after"]
    with log_to_file(tmp_path / "never" / "run.log"):
        logger.info("nothing came of it")
    assert not (tmp_path / "never").exists()


def test_a_file_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"), log_to_file(tmp_path):
        pass


@pytest.mark.parametrize(("log", "quiet"), [("json", False), ("text", True)])
def test_progress_is_silent_for_machines(
    log: str, quiet: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert isinstance(make_progress(log, quiet=quiet), SilentProgress)


def test_progress_is_silent_where_stderr_is_no_terminal(capsys: Output) -> None:
    progress = make_progress("text", quiet=False)
    assert isinstance(progress, SilentProgress)
    with progress.task("scene", 3, "tiles") as task:
        task.advance(2, boxes=1)
    assert capsys.readouterr() == ("", "")


def test_bars_add_up_from_all_threads(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    progress = make_progress("text", quiet=False)
    configure_logging("text", quiet=False)

    with progress.task("scene [1].tif", 400, "tiles") as task:

        def work() -> None:
            for _ in range(100):
                task.advance(1, boxes=2, pixels=1000)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        logger.warning("above the bar")
        time_line = task._extra()  # type: ignore[attr-defined]
    assert time_line.startswith(", 800 boxes, ")
    assert time_line.endswith(" MP/s")
    err = capsys.readouterr().err
    assert "scene [1].tif" in err
    assert "400/400" in err
    assert "warning: above the bar" in err
