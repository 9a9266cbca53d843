"""Where messages go: to the terminal in words or JSON, and to `run.log` in full.

The lines of `run.log` are JSON, see `docs/run-log.schema.json`.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from detector.errors import OutputError, shown
from detector.files import write_fault

PACKAGE_LOGGER = "detector"
# what JSON lets stand, but moves a cursor, turns a line round or ends one for some readers
UNSAFE = re.compile(r"[\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
WARNINGS_LOGGER = "py.warnings"  # where Python's `logging.captureWarnings` sends them


def configure_logging(log: str, *, quiet: bool) -> None:
    """Send the package's messages to stderr.

    Args:
        log: `text`, or `json` for one object a line.
        quiet: warnings and errors only.
    """
    handler = _StderrHandler()
    handler.setFormatter(_JsonFormatter() if log == "json" else _TextFormatter())
    handler.setLevel(logging.WARNING if quiet else logging.INFO)
    logger = logging.getLogger(PACKAGE_LOGGER)
    logger.handlers = [handler]
    logger.setLevel(logging.DEBUG)
    logger.propagate = False


@contextmanager
def log_to_file(path: Path) -> Iterator[None]:
    """Keep all messages, the libraries' warnings too, in a file while the block runs.

    One JSON object a line: `time`, `level`, `logger`, `message`, and `traceback` where there is
    one. An exception that leaves the block is written with its traceback and goes on.

    Args:
        path: appended to, since a run may be resumed. While its folder does not exist, messages
            wait in memory: a run that comes to nothing makes no folder.

    Raises:
        OutputError: the file cannot be written.
    """
    handler = _LateFileHandler(path)
    handler.setFormatter(_JsonFileFormatter())
    loggers = [logging.getLogger(name) for name in (PACKAGE_LOGGER, WARNINGS_LOGGER)]
    logging.captureWarnings(True)
    for logger in loggers:
        logger.addHandler(handler)
    try:
        handler.write_waiting()
        yield
    except BaseException:
        loggers[0].debug("the run stopped with an error", exc_info=True)
        raise
    finally:
        logging.captureWarnings(False)
        for logger in loggers:
            logger.removeHandler(handler)
        handler.close()


class _LateFileHandler(logging.Handler):
    """Appends to a file as soon as its folder is there."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._waiting: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self._waiting.append(self.format(record) + "\n")
        self.write_waiting()

    def write_waiting(self) -> None:
        """Write what waits, if the folder is there."""
        if not self._path.parent.is_dir():
            return
        try:
            # opened each time: messages are few, and a crash loses none
            with self._path.open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.writelines(self._waiting)
        except OSError as error:
            raise OutputError(write_fault(self._path, error)) from error
        self._waiting.clear()


class _StderrHandler(logging.Handler):
    """Writes to what `sys.stderr` is now, so that a live progress bar can step aside.

    A warning is said once, however many scenes it holds for; `run.log` has every one.
    """

    def __init__(self) -> None:
        super().__init__()
        self._said: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)
        if record.levelno == logging.WARNING:
            if (warning := record.getMessage()) in self._said:
                return
            self._said.add(warning)
        print(text, file=sys.stderr, flush=True)  # noqa: T201 - the terminal


class _TextFormatter(logging.Formatter):
    """The message alone, marked where it is a warning or worse."""

    def format(self, record: logging.LogRecord) -> str:
        text = shown(record.getMessage())
        marked = record.levelno >= logging.WARNING
        return f"{record.levelname.lower()}: {text}" if marked else text


class _JsonFormatter(logging.Formatter):
    """One JSON object; what is passed as `extra={"fields": {…}}` stands in it."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": _utc(record),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        return json.dumps(entry | getattr(record, "fields", {}), ensure_ascii=False, default=str)


class _JsonFileFormatter(logging.Formatter):
    """What `docs/run-log.schema.json` says: with the module and the traceback."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": _utc(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        text = json.dumps(entry, ensure_ascii=False)
        return UNSAFE.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def _utc(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
