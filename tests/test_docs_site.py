"""The documentation builds as a site without a warning, and its commands can be typed."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from detector.cli.arguments import split_arguments
from detector.cli.main import COMMANDS, load_command
from detector.config.compose import load_config
from detector.options import list_options

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
FETCHED = re.compile(
    r"<(?:script|img|iframe)[^>]+src=\"https?:"
    r"|<link[^>]+rel=\"(?:stylesheet|preconnect|icon)\"[^>]+href=\"https?:"
)
VARIABLE = re.compile(r"\$\{?\w+\}?")
PROGRAM = re.compile(r"^(?:\$ )?(?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?detector (?=[a-z])")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    told = [line for line in done.stderr.splitlines() if not line.startswith("INFO")]
    assert (done.returncode, told) == (0, [])
    return folder


@pytest.mark.slow
def test_every_page_is_a_page_of_the_site(site: Path) -> None:
    names = {"README.md": "index.html"}  # as mkdocs calls them
    pages = [path.relative_to(ROOT / "docs") for path in PAGES[1:]]
    wanted = {path.with_name(names.get(path.name, f"{path.stem}.html")) for path in pages}
    built = {path.relative_to(site) for path in site.rglob("*.html")}
    assert wanted <= built


@pytest.mark.slow
def test_the_page_of_options_has_every_option_of_every_command(site: Path) -> None:
    text = (site / "options.html").read_text(encoding="utf-8")
    sections = re.split(r"<h2 id=\"detector-", text)[1:]
    assert len(sections) == len(COMMANDS)
    for name, section in zip(sorted(COMMANDS), sections, strict=True):
        keys = [key for key in list_options(load_command(name).schema) if key != "paths"]
        assert re.findall(r"<tr>\s*<td><code>([^<]+)</code>", section) == keys


@pytest.mark.slow
def test_the_front_door_is_told_from_its_docstrings(site: Path) -> None:
    text = (site / "api" / "front.html").read_text(encoding="utf-8")
    for name in ("predict", "find_activity", "open_scene", "load_detector", "evaluate", "train"):
        assert f'id="detector.{name}"' in text
    assert text.count("Raises:") >= 6


@pytest.mark.slow
def test_the_site_asks_nobody_for_anything(site: Path) -> None:
    for page in site.rglob("*.html"):
        assert FETCHED.findall(page.read_text(encoding="utf-8")) == [], page.name


def told_commands() -> Iterator[tuple[str, str]]:
    """Page and command line of every `detector …` in a block of the documents."""
    for page in PAGES:
        for language, block in FENCE.findall(page.read_text(encoding="utf-8")):
            if language in ("", "bash", "sh", "console"):
                joined = re.sub(r"\\\n\s*", " ", block)
                for line in joined.splitlines():
                    if PROGRAM.match(line):
                        yield page.name, PROGRAM.sub("", line)


def test_commands_are_found() -> None:
    assert len(list(told_commands())) > 30


@pytest.mark.parametrize(("page", "line"), sorted(set(told_commands())))
def test_a_command_that_is_told_can_be_typed(page: str, line: str, tmp_path: Path) -> None:
    """It is a command, its options are options of it, and their values can be values."""
    words = shlex.split(VARIABLE.sub("1", line), comments=True)
    length = 2 if " ".join(words[:2]) in COMMANDS else 1
    command = load_command(" ".join(words[:length]))
    rest = [word for word in words[length:] if word not in ("…", "[…]")]
    cut = next((i for i, word in enumerate(rest) if word in ("|", ">", "&&")), len(rest))
    arguments = split_arguments(rest[:cut], command.schema)
    if arguments.help:
        return
    assert not arguments.dry_run or command.dry_run is not None
    load_config(command.config, command.schema, arguments.overrides, paths=arguments.paths)
