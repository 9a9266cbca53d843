"""Where messages go: to the terminal in words or JSON, and to `run.log` in full."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from detector.errors import OutputError, shown

PACKAGE_LOGGER = "detector"
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
def log_to_file(path: Path, *, as_json: bool = False) -> Iterator[None]:
    """Keep all messages, the libraries' warnings too, in a file while the block runs.

    An exception that leaves the block is written with its traceback and goes on.

    Args:
        path: appended to, since a run may be resumed. While its folder does not exist, messages
            wait in memory: a run that comes to nothing makes no folder.
        as_json: one object a line: `time`, `level`, `logger`, `message`, and `traceback` where
            there is one.

    Raises:
        OutputError: the file cannot be written.
    """
    handler = _LateFileHandler(path)
    handler.setFormatter(_JsonFileFormatter() if as_json else _FileFormatter())
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
            raise OutputError(f"{self._path}: cannot be written ({error.strerror})") from error
        self._waiting.clear()


class _StderrHandler(logging.Handler):
    """Writes to what `sys.stderr` is now, so that a live progress bar can step aside."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=sys.stderr, flush=True)  # noqa: T201 - the terminal


class _TextFormatter(logging.Formatter):
    """The message alone, marked where it is a warning or worse."""

    def format(self, record: logging.LogRecord) -> str:
        text = shown(record.getMessage())
        marked = record.levelno >= logging.WARNING
        return f"{record.levelname.lower()}: {text}" if marked else text


class _FileFormatter(logging.Formatter):
    """Time, level, module, message, traceback."""

    def format(self, record: logging.LogRecord) -> str:
        head = f"{_utc(record)} {record.levelname} {record.name}: {shown(record.getMessage())}"
        return f"{head}\n{self.formatException(record.exc_info)}" if record.exc_info else head


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
    """As `_JsonFormatter`, with the module and the traceback."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": _utc(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry | getattr(record, "fields", {}), ensure_ascii=False, default=str)


def _utc(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
