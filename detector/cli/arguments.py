"""Tell paths from options on the command line."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from detector.config.compose import HYDRA_PREFIX, nearest, split_override, unknown_key
from detector.errors import ConfigError
from detector.options import list_groups, list_options, short_names

FLAGS = ("--help", "--version", "--show-config", "--config", "--dry-run")
KEY_LIKE = re.compile(r"^[A-Za-z_][\w.-]*$")


@dataclass(slots=True)
class Arguments:
    """What a command line says.

    Attributes:
        paths: the positional arguments, literal.
        overrides: `key=value` words, literal.
        help: show the help and stop.
        show_config: print the resolved options as YAML and stop.
        config: a YAML file of options.
        dry_run: say what would be done, and write nothing.
    """

    paths: list[str] = field(default_factory=list)
    overrides: list[str] = field(default_factory=list)
    help: bool = False
    show_config: bool = False
    config: Path | None = None
    dry_run: bool = False


def split_arguments(words: Sequence[str], schema: type) -> Arguments:
    """Sort the words after the command into paths, options and flags.

    A word is an option if the text before its first `=` is an option's key, or the last part of one
    where that is nobody else's (`weights` for `model.weights`). Otherwise it is a path
    if such a file exists or if the text before `=` cannot be a key. `--` ends the options.

    Args:
        words: as the shell passed them.
        schema: the command's options.

    Raises:
        ConfigError: an unknown flag or an unknown key.
    """
    found = Arguments()
    queue = list(words)
    while queue:
        word = queue.pop(0)
        if word == "--":
            found.paths += queue
            break
        if word.startswith("-") and word != "-":
            _take_flag(word, queue, found, schema)
        elif _is_option(word, schema):
            found.overrides.append(word)
        else:
            found.paths.append(word)
    return found


def _take_flag(word: str, queue: list[str], found: Arguments, schema: type) -> None:
    flag, has_value, value = word.partition("=")
    if word in ("-h", "--help"):
        found.help = True
    elif word == "--show-config":
        found.show_config = True
    elif word == "--dry-run":
        found.dry_run = True
    elif flag == "--config":
        if not has_value and not queue:
            raise ConfigError("--config needs a YAML file")
        found.config = Path(value if has_value else queue.pop(0))
    else:
        raise _unknown_flag(word, schema)


def _unknown_flag(word: str, schema: type) -> ConfigError:
    key = word.lstrip("-").partition("=")[0].replace("-", "_")
    if key in list_options(schema):
        return ConfigError(f"unknown flag '{word}'; options have no dashes here: write {key}=value")
    if _exists(word):
        return ConfigError(f"unknown flag '{word}'; for the file of that name write ./{word}")
    return ConfigError(f"unknown flag '{word}'{nearest(word, FLAGS)}")


def _is_option(word: str, schema: type) -> bool:
    if "=" not in word:
        return False
    key, _ = split_override(word)
    bare = HYDRA_PREFIX.sub("", key)
    options, groups = list_options(schema), list_groups(schema)
    short = short_names(options, groups)
    if bare in options or bare in groups or bare in short:
        return True  # with a prefix of Hydra it is refused later, with its own sentence
    if _exists(word) or not KEY_LIKE.match(key):
        return False
    raise unknown_key(key, options, short)


def _exists(name: str) -> bool:
    return os.path.exists(name)  # noqa: PTH110 - Path.exists raises on overlong names
