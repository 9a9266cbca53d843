"""What people see while a command runs."""

from __future__ import annotations

import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from detector.progress import Progress, SilentProgress, Task

if TYPE_CHECKING:
    from rich.progress import Progress as RichBars
    from rich.progress import TaskID


def make_progress(log: str, *, quiet: bool) -> Progress:
    """Bars on stderr where a person looks at it, else silence.

    Args:
        log: `json` is silent.
        quiet: is silent.
    """
    if quiet or log == "json" or not sys.stderr.isatty():
        return SilentProgress()
    return _BarProgress()


class _BarProgress:
    """Bars by rich; messages logged meanwhile appear above them."""

    @contextmanager
    def task(self, description: str, total: float | None, unit: str) -> Iterator[Task]:
        from rich import progress as bars
        from rich.console import Console
        from rich.markup import escape

        columns = (
            bars.TextColumn("{task.description}"),
            bars.BarColumn(),
            bars.MofNCompleteColumn(),
            bars.TextColumn("{task.fields[unit]}{task.fields[extra]}"),
            bars.TimeRemainingColumn(),
        )
        with bars.Progress(*columns, console=Console(stderr=True), transient=True) as display:
            handle = display.add_task(escape(description), total=total, unit=unit, extra="")
            yield _BarTask(display, handle)


class _BarTask:
    """One bar."""

    def __init__(self, display: RichBars, handle: TaskID) -> None:
        self._display = display
        self._handle = handle
        self._sums: defaultdict[str, float] = defaultdict(float)
        self._started = time.monotonic()
        self._lock = threading.Lock()

    def advance(self, n: float = 1, **fields: float) -> None:
        """Move the bar."""
        with self._lock:
            for name, value in fields.items():
                self._sums[name] += value
            self._display.update(self._handle, advance=n, extra=self._extra())

    def _extra(self) -> str:
        elapsed = max(time.monotonic() - self._started, 1e-3)
        words = []
        for name, total in self._sums.items():
            if name == "pixels":
                words.append(f"{total / 1e6 / elapsed:.1f} MP/s")
            else:
                words.append(f"{total:g} {name.replace('_', ' ')}")
        return "".join(f", {word}" for word in words)
