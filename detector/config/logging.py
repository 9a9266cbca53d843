"""Where messages go: to the terminal in words or JSON, and to `run.log` in full."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from detector.errors import OutputError

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
def log_to_file(path: Path) -> Iterator[None]:
    """Keep all messages, the libraries' warnings too, in a file while the block runs.

    An exception that leaves the block is written with its traceback and goes on.

    Args:
        path: appended to, since a run may be resumed.

    Raises:
        OutputError: the file cannot be written.
    """
    try:
        handler = logging.FileHandler(path, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error
    handler.setFormatter(_FileFormatter())
    loggers = [logging.getLogger(name) for name in (PACKAGE_LOGGER, WARNINGS_LOGGER)]
    logging.captureWarnings(True)
    for logger in loggers:
        logger.addHandler(handler)
    try:
        yield
    except BaseException:
        loggers[0].debug("the run stopped with an error", exc_info=True)
        raise
    finally:
        logging.captureWarnings(False)
        for logger in loggers:
            logger.removeHandler(handler)
        handler.close()


class _StderrHandler(logging.Handler):
    """Writes to what `sys.stderr` is now, so that a live progress bar can step aside."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=sys.stderr, flush=True)  # noqa: T201 - the terminal


class _TextFormatter(logging.Formatter):
    """The message alone, marked where it is a warning or worse."""

    def format(self, record: logging.LogRecord) -> str:
        text = record.getMessage()
        marked = record.levelno >= logging.WARNING
        return f"{record.levelname.lower()}: {text}" if marked else text


class _FileFormatter(logging.Formatter):
    """Time, level, module, message, traceback."""

    def format(self, record: logging.LogRecord) -> str:
        head = f"{_utc(record)} {record.levelname} {record.name}: {record.getMessage()}"
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


def _utc(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
