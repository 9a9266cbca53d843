"""Shells complete commands, options and choices."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from detector.cli.completion import SHELLS, completion
from detector.cli.main import COMMANDS, main


def completed(tmp_path: Path, line: str) -> list[str]:
    """What bash offers at the end of a line."""
    script = tmp_path / "completion.bash"
    script.write_text(completion("bash"), encoding="utf-8")
    words = line.split(" ")
    call = (
        f"source {script}; COMP_WORDS=({shlex.join(words)}); COMP_CWORD={len(words) - 1}; "
        f"COMP_LINE={shlex.quote(line)}; COMP_POINT={len(line)}; COMPREPLY=(); _detector; "
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    bash = shutil.which("bash") or pytest.skip("no bash")
    done = subprocess.run([bash, "-c", call], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.split()


def test_bash_completes_commands_options_and_choices(tmp_path: Path) -> None:
    assert completed(tmp_path, "detector pred") == ["predict"]
    assert completed(tmp_path, "detector data s") == ["summary"]
    assert completed(tmp_path, "detector predict zones_o") == ["zones_only="]
    assert completed(tmp_path, "detector doctor log=j") == ["json"]
    assert completed(tmp_path, "detector completion f") == ["fish"]


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_is_told_every_command(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    text = capsys.readouterr().out
    assert all(name.split()[-1] in text for name in COMMANDS)
    assert "zones=" in text


def test_an_unknown_shell_is_named_with_those_that_are_known(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["completion", "tcsh"]) == 2
    assert "bash, zsh, fish; given: tcsh" in capsys.readouterr().err
