"""The help texts, made from the commands' own declarations."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

from detector.cli.command import COMMON_EXIT_CODES, Command
from detector.config.compose import load_config
from detector.options import Option, list_groups, list_options, show

MAX_WIDTH = 100
INDENT = 2
KEY_COLUMN = 28
REPOSITORY_HINT = "Options of a command: detector COMMAND --help"


def main_help(summaries: Mapping[str, str]) -> str:
    """The text of `detector --help`."""
    names = max(map(len, summaries)) + 2
    return "\n".join(
        [
            "Usage: detector COMMAND [PATHS…] [key=value…]",
            "",
            "From dated overhead scenes of ports to counts that can be published: ships and",
            "container stacks, each once, per berth and yard.",
            "",
            "Commands:",
            *(f"  {name:<{names}}{summary}" for name, summary in summaries.items()),
            "",
            "Flags:",
            "  -h, --help     this text",
            "  -V, --version  the version",
            "",
            *_exit_codes(),
            "",
            REPOSITORY_HINT,
        ]
    )


def command_help(command: Command) -> str:
    """The text of `detector <command> --help`."""
    paths = f" {command.paths}" if command.paths else ""
    sections = [
        [f"Usage: detector {command.name}{paths} [key=value…]", "", *_fill(command.description, 0)],
        _examples(command),
        _options(command),
        _flags(command),
        list(_exit_codes()),
    ]
    return "\n\n".join("\n".join(lines) for lines in sections if lines)


def _examples(command: Command) -> list[str]:
    lines = ["Examples:"]
    for words, meaning in command.examples:
        lines += [f"  {words}", *_fill(meaning, 6)]
    return lines if command.examples else []


def _options(command: Command) -> list[str]:
    defaults = load_config(command.config, command.schema, [])
    groups = list_groups(command.schema)
    lines, group = ["Options (key=value, in any order; null unsets):"], ""
    for opt in list_options(command.schema).values():
        if opt.key == "paths":
            continue
        if opt.key.partition(".")[0] in groups and opt.key.partition(".")[0] != group:
            group = opt.key.partition(".")[0]
            lines += ["", *_fill(_first_line(groups[group]), INDENT)]
        lines += _option(opt, _value(defaults, opt.key))
    return lines


def _first_line(schema: type) -> str:
    return (schema.__doc__ or "").partition("\n")[0].rstrip(".") + ":"


def _option(opt: Option, default: Any) -> list[str]:
    kind = opt.kind_set if default is None else opt.kind
    text = f"{opt.help} [{kind}; default: {show(default) or 'empty'}]"
    body = _fill(text, KEY_COLUMN)
    if len(opt.key) + INDENT + 1 < KEY_COLUMN:
        return [f"  {opt.key:<{KEY_COLUMN - INDENT}}{body[0].lstrip()}", *body[1:]]
    return [f"  {opt.key}", *body]


def _flags(command: Command) -> list[str]:
    lines = [
        "Flags:",
        "  --config FILE.yaml        options from a file; those on the command line go before",
        "  --show-config             print all options as YAML, for --config, and stop",
        "  -h, --help                this text",
    ]
    if command.dry_run is not None:
        lines.insert(3, "  --dry-run                 say what would be done, and write nothing")
    if not command.paths:
        return lines
    return [
        *lines,
        "  --                        what follows are paths",
        "",
        *_fill(
            "A word is an option if the text before its first '=' is one of the keys above; else "
            "it is a path. For a file whose name looks like an option, write ./out=x.tif or put "
            "it after --.",
            0,
        ),
    ]


def _exit_codes() -> Iterable[str]:
    yield "Exit codes:"
    for code, meaning in COMMON_EXIT_CODES.items():
        yield f"  {code:<4}{meaning}"


def _fill(text: str, indent: int) -> list[str]:
    width = min(MAX_WIDTH, shutil.get_terminal_size().columns)
    space = " " * indent
    return textwrap.wrap(
        " ".join(text.split()),
        max(width, indent + 40),
        initial_indent=space,
        subsequent_indent=space,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _value(config: Any, key: str) -> Any:
    for part in key.split("."):
        config = getattr(config, part)
    return config
