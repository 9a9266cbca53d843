"""What others meet who join: citation, workflow, image and templates agree with the project."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from detector import __version__
from detector.cli.main import COMMANDS

ROOT = Path(__file__).parents[2]
TEMPLATES = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))


def test_the_citation_names_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == __version__
    assert {"cff-version", "message", "title", "authors"} <= set(citation)


def test_the_workflow_runs_what_ci_runs_here() -> None:
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"]
    steps = [step.get("run", "") for job in jobs.values() for step in job["steps"]]
    assert ".ci/run" in steps
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    assert lines[-2:] == ["make lint", "make test"]


def copied(dockerfile: str) -> list[str]:
    lines = re.findall(r"^COPY (.+)$", dockerfile, re.MULTILINE)
    return [name for line in lines for name in line.split()[:-1]]


def test_the_image_is_made_of_what_setup_needs() -> None:
    names = copied((ROOT / "Dockerfile").read_text())
    assert {"Makefile", "pyproject.toml", "requirements.lock", "detector", "conf"} <= set(names)
    let_in = [
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    ]
    for name in names:
        assert (ROOT / name).exists()
        assert any(fnmatch(name, pattern) for pattern in let_in)
    licences = re.search(r"license-files = \[(.+)\]", (ROOT / "pyproject.toml").read_text())
    assert licences is not None
    for file in re.findall(r'"([^"]+)"', licences[1]):
        assert file.partition("/")[0] in names


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_templates_ask_for_commands_that_there_are(path: Path) -> None:
    content: Any = yaml.safe_load(path.read_text())
    for word in re.findall(r"`?detector (\w+)", path.read_text()):
        assert word in COMMANDS
    if path.stem != "config":
        assert all(field["attributes"]["label"] for field in content["body"])
        ids = [field["id"] for field in content["body"]]
        assert len(ids) == len(set(ids))
