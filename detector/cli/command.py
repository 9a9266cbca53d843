"""What every command of `detector` declares: its options, its words and what it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

EXIT_DONE = 0
EXIT_SOME_FAILED = 1
EXIT_BAD_INPUT = 2
EXIT_INTERNAL_ERROR = 70  # EX_SOFTWARE of BSD's sysexits.h
EXIT_HUNG_UP = 129  # 128 + SIGHUP, as shells report it
EXIT_INTERRUPTED = 130  # 128 + SIGINT
EXIT_TERMINATED = 143  # 128 + SIGTERM

COMMON_EXIT_CODES = {
    EXIT_DONE: "all done",
    EXIT_SOME_FAILED: "done, but some inputs failed",
    EXIT_BAD_INPUT: "nothing done: bad input",
    EXIT_INTERNAL_ERROR: "an error of the program itself, with a traceback",
    EXIT_HUNG_UP: "stopped with SIGHUP: its terminal is gone",
    EXIT_INTERRUPTED: "stopped with Ctrl-C",
    EXIT_TERMINATED: "stopped with SIGTERM",
}


@dataclass(frozen=True, slots=True)
class Command:
    """One command. Each module `detector/cli/<name>.py` holds one, named `COMMAND`.

    A module's top level must import no heavy library (torch, rasterio, …), so that `--help` comes
    at once; `run` imports what it needs.

    Attributes:
        name: what the user types.
        summary: one line for `detector --help`, no full stop.
        description: a paragraph for `detector <name> --help`.
        config: name of the file in `conf/`, without `.yaml`.
        schema: the dataclass of its options (see `detector.options`).
        run: takes an instance of `schema`, returns one of the exit codes above. A `QuaywatchError`
            that leaves it is shown as one line, exit code 2.
        paths: what the positional arguments are called in the help (`SCENES…`); they land in the
            schema's field `paths: list[str]`. Empty: the command takes none.
        examples: command line and what it does.
        dry_run: takes the same instance, says what `run` would do and writes nothing; None where
            the command has no such rehearsal.
    """

    name: str
    summary: str
    description: str
    config: str
    schema: type[Any]
    run: Callable[[Any], int]
    paths: str = ""
    examples: tuple[tuple[str, str], ...] = ()
    dry_run: Callable[[Any], int] | None = None
