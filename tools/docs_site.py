"""Hooks of mkdocs: the page of all options, made of the commands' own declarations.

`mkdocs build` calls them; nothing is written into `docs/`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from detector.cli.command import Command
from detector.cli.main import COMMANDS, load_command
from detector.config.compose import load_config
from detector.options import list_options, show

OPTIONS_PAGE = "options.md"
INTRODUCTION = """# Options of every command

Made from the declarations that the commands themselves read: type, range and default of every
option. On the command line they are written `key=value`, in Python as keywords; the last part of a
key is enough where no other ends like it ([the command line](command-line.md)).
"""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the page of options."""
    files.append(File.generated(config, OPTIONS_PAGE, content=options_page()))
    return files


def options_page() -> str:
    """Markdown: a section a command, a row an option."""
    return "\n".join([INTRODUCTION, *(_section(load_command(name)) for name in sorted(COMMANDS))])


def _section(command: Command) -> str:
    defaults = load_config(command.config, command.schema, [])
    lines = [f"## detector {command.name}", "", _escaped(command.summary) + ".", ""]
    options = [item for item in list_options(command.schema).values() if item.key != "paths"]
    if not options:
        return "\n".join(lines)
    lines += ["| option | what it says | type | default |", "|---|---|---|---|"]
    for item in options:
        default = _value(defaults, item.key)
        kind = item.kind_set if default is None else item.kind
        told = show(default) or "empty"
        cells = (f"`{item.key}`", _escaped(item.help), _escaped(kind), f"`{told}`")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, ""])


def _escaped(text: str) -> str:
    """Text of a table's cell that Markdown takes literally."""
    for character in "\\|<>*_":
        text = text.replace(character, "\\" + character)
    return text


def _value(config: Any, key: str) -> Any:
    for part in key.split("."):
        config = getattr(config, part)
    return config
