"""`detector`: the table of commands, and what is the same for all of them."""

from __future__ import annotations

import errno
import importlib
import io
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from detector._version import __version__
from detector.cli.arguments import Arguments, split_arguments
from detector.cli.command import (
    EXIT_BAD_INPUT,
    EXIT_DONE,
    EXIT_INTERNAL_ERROR,
    EXIT_INTERRUPTED,
    EXIT_SOME_FAILED,
    Command,
)
from detector.cli.help import command_help, main_help
from detector.config.compose import load_config, nearest, to_yaml
from detector.errors import ConfigError, QuaywatchError, shown
from detector.files import write_fault

# name -> (module with a `COMMAND`, summary); imported only when the command is called for
COMMANDS: dict[str, tuple[str, str]] = {
    "predict": ("detector.cli.predict", "find and count ships and container stacks in scenes"),
    "collect": ("detector.cli.collect", "put the shards of a run together"),
    "store": ("detector.cli.store", "add runs to a store that a database asks questions"),
    "demo": ("detector.cli.demo", "the main job on rendered port scenes, with the truth beside it"),
    "train": ("detector.cli.train", "train the network on labelled images"),
    "evaluate": ("detector.cli.evaluate", "measure weights on labelled images, with intervals"),
    "data coarsen": (
        "detector.cli.data_coarsen",
        "write a labelled dataset as a coarser sensor sees it",
    ),
    "data convert": ("detector.cli.data_convert", "write a labelled dataset as YOLO-OBB"),
    "data summary": ("detector.cli.data_summary", "count what a labelled dataset holds"),
    "data preview": ("detector.cli.data_preview", "draw what the network sees after augmentation"),
    "card": (
        "detector.cli.card",
        "measure weights and write their card: thresholds, metrics, calibration",
    ),
    "activity": (
        "detector.cli.activity",
        "what looks of sites show over time: series, visits, events",
    ),
    "report": ("detector.cli.report", "what an activity found, as one page that can be published"),
    "review export": (
        "detector.cli.review_export",
        "pictures with boxes drawn, for a person to look at",
    ),
    "review import": (
        "detector.cli.review_import",
        "read what people said of the boxes of a run; activity and report then use it",
    ),
    "info": (
        "detector.cli.info",
        "what is understood of scenes, from where, and what will not be possible",
    ),
    "doctor": ("detector.cli.doctor", "what this installation can do, and what is wrong with it"),
    "completion": ("detector.cli.completion", "the completion of this command line for a shell"),
    "data render": ("detector.cli.data_render", "render port scenes with exact truth"),
}
REPLACED = {
    "calibrate": "'detector card EVALUATION weights=NAME out=FOLDER' writes the calibration, with "
    "thresholds and metrics, into a card of that folder; nothing beside the weights changes"
}

DISK_ERRORS = (
    *(errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EACCES, errno.EPERM),
    errno.EMFILE,
)  # of a file that nobody thought of
NO_TEMPORARY = "No usable temporary directory"
STREAM_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EBADF)  # of writing to stdout


def entry_point() -> None:
    """The script `detector`."""
    _settle_streams()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    sys.exit(main(sys.argv[1:]))


class Stopped(KeyboardInterrupt):
    """A signal that asks for the end, which then comes as orderly as that by Ctrl-C."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def _stop(number: int, frame: object) -> NoReturn:
    del frame
    signal.signal(number, signal.SIG_IGN)  # one is enough, and must not break the clearing up
    raise Stopped(number)


def _settle_streams() -> None:
    """Print whatever the streams cannot encode as escapes, and nothing where they are closed."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass  # a closed standard stream would give its number to a file that we write
    os.close(number)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            nowhere = open(os.devnull, "w", errors="backslashreplace")  # noqa: SIM115, PTH123
            setattr(sys, name, nowhere)
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def main(words: Sequence[str]) -> int:  # noqa: PLR0911 - one for each way to end
    """Run one command line.

    Args:
        words: the command line without the program's name.

    Returns:
        The exit code, see `detector.cli.command`.
    """
    try:
        return _run_flushed(words)
    except QuaywatchError as error:
        print(f"detector: {shown(str(error))}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except KeyboardInterrupt as error:
        print("detector: stopped", file=sys.stderr)
        return 128 + error.number if isinstance(error, Stopped) else EXIT_INTERRUPTED
    except BrokenPipeError:
        # the reader of our output has left (`| head`); keep Python from complaining at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_DONE
    except OSError as error:
        if NO_TEMPORARY in str(error):  # as `tempfile` says it, for libraries too
            print(f"detector: {error.strerror}; name a folder with TMPDIR=", file=sys.stderr)
            return EXIT_BAD_INPUT
        if error.filename is not None and error.errno in DISK_ERRORS:
            print(f"detector: {shown(write_fault(Path(error.filename), error))}", file=sys.stderr)
            return EXIT_BAD_INPUT
        if error.filename is not None or error.errno not in STREAM_ERRORS:
            return _internal_error()
        print(f"detector: stdout cannot be written ({error.strerror})", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_SOME_FAILED
    except Exception:
        return _internal_error()


def _internal_error() -> int:
    """The last resort of the whole program; run.log has the traceback already."""
    traceback.print_exc()
    print("detector: this is an error of the program; please report it", file=sys.stderr)
    return EXIT_INTERNAL_ERROR


def load_command(name: str) -> Command:
    """The command of that name.

    Raises:
        ConfigError: there is none; names the nearest.
    """
    if name in REPLACED:
        raise ConfigError(f"'detector {name}' is no more: {REPLACED[name]}")
    if name not in COMMANDS:
        longer = [f"'{command}'" for command in COMMANDS if command.startswith(f"{name} ")]
        hint = f"; there are {', '.join(longer)}" if longer else nearest(name, COMMANDS)
        raise ConfigError(f"unknown command '{name}'{hint} (see detector --help)")
    command = importlib.import_module(COMMANDS[name][0]).COMMAND
    if not isinstance(command, Command):
        raise TypeError(f"{COMMANDS[name][0]}.COMMAND is not a Command")
    return command


def _run_flushed(words: Sequence[str]) -> int:
    code = _dispatch(words)
    sys.stdout.flush()  # so that a broken pipe or a full disk shows here and not at exit
    return code


def _dispatch(words: Sequence[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        print(main_help({name: summary for name, (_, summary) in COMMANDS.items()}))
        return EXIT_DONE if words else EXIT_BAD_INPUT
    if words[0] in ("-V", "--version"):
        print(f"quaywatch {__version__}")
        return EXIT_DONE
    in_two_words = any(name.startswith(f"{words[0]} ") for name in COMMANDS)
    length = 2 if in_two_words and words[1:2] != ["--help"] else 1
    return _run(load_command(" ".join(words[:length])), words[length:])


def _run(command: Command, words: Sequence[str]) -> int:
    try:
        arguments = split_arguments(words, command.schema)
        if arguments.help:
            print(command_help(command))
            return EXIT_DONE
        config = _load(command, arguments)
    except ConfigError as error:
        raise ConfigError(f"{error} (see detector {command.name} --help)") from error
    if arguments.show_config:
        print(to_yaml(config), end="")
        return EXIT_DONE
    if not arguments.dry_run:
        return command.run(config)
    if command.dry_run is None:
        raise ConfigError(f"'detector {command.name}' has no --dry-run: nothing was done")
    return command.dry_run(config)


def _load(command: Command, arguments: Arguments) -> object:
    if arguments.paths and not command.paths:
        raise ConfigError(
            f"'{arguments.paths[0]}': 'detector {command.name}' takes no files, only key=value"
        )
    return load_config(
        command.config,
        command.schema,
        arguments.overrides,
        paths=arguments.paths,
        file=arguments.config,
    )
