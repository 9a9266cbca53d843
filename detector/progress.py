"""How the long jobs tell how far they are, without knowing who looks."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol


class Task(Protocol):
    """One job of known or unknown length. `advance` may be called from any thread."""

    def advance(self, n: float = 1, **fields: float) -> None:
        """Say that `n` more units are done.

        Args:
            n: in the task's unit.
            **fields: what else was done since the last call, shown added up: `boxes=12`. `pixels`
                is shown as megapixels a second.
        """


class Progress(Protocol):
    """Where tasks are shown."""

    def task(
        self, description: str, total: float | None, unit: str
    ) -> AbstractContextManager[Task]:
        """Begin a task; leaving the block ends it.

        Args:
            description: a few words, such as the scene's name.
            total: in `unit`, or None where unknown.
            unit: plural, such as `tiles`.
        """


class SilentTask:
    """A task that nobody looks at."""

    def advance(self, n: float = 1, **fields: float) -> None:
        """Say nothing."""


class SilentProgress:
    """For pipes, quiet runs, tests and library use."""

    def task(
        self,
        description: str,
        total: float | None,
        unit: str,
    ) -> AbstractContextManager[Task]:
        """A task that nobody looks at."""
        return nullcontext(SilentTask())
