"""`detector completion`: what a shell must know to complete commands and their options."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from detector.cli.command import EXIT_DONE, Command
from detector.errors import ConfigError
from detector.options import list_options, option

DESCRIPTION = """
Prints a script that completes commands, option keys and, where an option has a fixed choice, its
values; everything else completes as files. It is made from the commands' own declarations, so print
it again after an update or with another set of plug-ins.
"""
SHELLS: Final = ("bash", "zsh", "fish")
BASH: Final = """_detector() {{
  local cur="${{COMP_WORDS[COMP_CWORD]}}" line="${{COMP_LINE:0:$COMP_POINT}}" words=""
  local last="${{line##*[[:space:]]}}"
  case "${{COMP_WORDS[1]}} ${{COMP_WORDS[2]}}" in
{cases}
  esac
  if [[ "$COMP_CWORD" == 1 ]]; then words="{commands}"; fi
  if [[ "$last" == *=* ]]; then
    local given="${{last#*=}}" key="${{last%%=*}}" pair
    for pair in $words; do
      [[ "$pair" == "$key="?* ]] && COMPREPLY+=($(compgen -W "${{pair#*=}}" -- "$given"))
    done
    return
  fi
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}}
complete -o nospace -o bashdefault -o default -F _detector detector
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionConfig:
    """Everything `detector completion` can be told."""

    paths: list[str] = option("the shell: bash, zsh or fish")


def run(config: CompletionConfig) -> int:
    """Print the script.

    Raises:
        ConfigError: not one shell that is known.
    """
    if len(config.paths) != 1 or config.paths[0] not in SHELLS:
        given = " ".join(config.paths) or "nothing"
        raise ConfigError(f"a shell is needed, one of {', '.join(SHELLS)}; given: {given}")
    print(completion(config.paths[0]), end="")
    return EXIT_DONE


def completion(shell: str) -> str:
    """The script for a shell of `SHELLS`."""
    words = _words()
    if shell == "fish":
        return _fish(words)
    script = _bash(words)
    return f"autoload -U +X bashcompinit && bashcompinit\n{script}" if shell == "zsh" else script


def _words() -> dict[str, list[str]]:
    """What may follow each command: `key=`, and `key=value` where values are a fixed choice."""
    from detector.cli.main import COMMANDS  # it names this module

    words = {}
    for name, (module, _) in COMMANDS.items():
        command = importlib.import_module(module).COMMAND
        options = [item for item in list_options(command.schema).values() if item.key != "paths"]
        told = ["--help", "--show-config", "--config"]
        told += ["--dry-run"] if command.dry_run is not None else []
        told += [f"{item.key}=" for item in options]
        for item in options:
            told += [f"{item.key}={choice}" for choice in item.choices if " " not in choice]
        words[name] = list(SHELLS) if name == "completion" else told
    return words


def _bash(words: Mapping[str, Sequence[str]]) -> str:
    firsts = dict.fromkeys(name.split()[0] for name in words)
    cases = []
    for first in firsts:
        seconds = [name.split()[1] for name in words if name.startswith(f"{first} ")]
        for second in seconds:
            cases.append(_case(f'"{first} {second}"', words[f"{first} {second}"]))
        cases.append(_case(f'"{first} "*', seconds or words[first]))
    return BASH.format(cases="\n".join(cases), commands=" ".join(firsts))


def _case(pattern: str, words: Sequence[str]) -> str:
    return f'    {pattern}) words="{" ".join(words)}" ;;'


def _fish(words: Mapping[str, Sequence[str]]) -> str:
    firsts = " ".join(dict.fromkeys(name.split()[0] for name in words))
    lines = [f"complete -c detector -n __fish_use_subcommand -a '{firsts}'"]
    for name, told in words.items():
        first, _, second = name.partition(" ")
        seen = f"__fish_seen_subcommand_from {first}"
        if second:
            lines.append(f"complete -c detector -n '{seen}' -a '{second}'")
            seen += f"; and __fish_seen_subcommand_from {second}"
        lines.append(f"complete -c detector -n '{seen}' -a '{' '.join(told)}'")
    return "\n".join(lines) + "\n"


COMMAND = Command(
    name="completion",
    summary="the completion of this command line for a shell",
    description=DESCRIPTION,
    config="completion",
    schema=CompletionConfig,
    run=run,
    paths="SHELL",
    examples=(
        ('eval "$(detector completion bash)"', "in ~/.bashrc; zsh the same way in ~/.zshrc"),
        ("detector completion fish | source", "in config.fish"),
    ),
)
