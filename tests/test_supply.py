"""What the program is made of: the list of its parts, and what is known of their weaknesses."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tools import audit, sbom

ROOT = Path(__file__).parents[1]


def test_the_list_of_parts_names_the_vendored_scripts_with_their_hashes() -> None:
    record = json.loads(sbom.VENDORED.read_text(encoding="utf-8"))
    content = {
        "metadata": {"component": {"bom-ref": "root"}},
        "components": [{"name": "numpy"}],
        "dependencies": [{"ref": "root", "dependsOn": ["numpy"]}, {"ref": "numpy"}],
    }
    made = sbom.with_vendored(content, record)
    names = [component["name"] for component in made["components"]]
    assert names == ["numpy", *(entry["package"] for entry in record)]
    assert {"leaflet", "d3", "@observablehq/plot"} <= set(names)
    (plot,) = (part for part in made["components"] if part["name"] == "@observablehq/plot")
    (recorded,) = (entry for entry in record if entry["package"] == "@observablehq/plot")
    assert plot["purl"] == "pkg:npm/%40observablehq/plot@0.6.17"
    assert plot["licenses"] == [{"license": {"id": "ISC"}}]
    hashed = {file["name"]: file["hashes"][0]["content"] for file in plot["components"]}
    assert hashed == {
        f"detector/report/vendor/{file}": digest for file, digest in recorded["sha256"].items()
    }
    root = made["dependencies"][0]
    assert root["dependsOn"] == sorted(["numpy", *(c["bom-ref"] for c in made["components"][1:])])
    for entry in record:
        licences = [file for file in entry["sha256"] if file.endswith("LICENSE")]
        assert [(sbom.VENDORED.parent / file).is_file() for file in licences] == [True]


def _says(monkeypatch: pytest.MonkeyPatch, answers: dict[str, tuple[str, str]]) -> list[list[str]]:
    """Let pip-audit give what it gives, by service."""
    asked: list[list[str]] = []

    def run(words: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        asked.append(words)
        out, err = answers[words[-1]]
        return subprocess.CompletedProcess(words, 1, out, err)

    monkeypatch.setattr(subprocess, "run", run)
    return asked


def test_an_audit_that_reaches_nobody_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = _says(monkeypatch, {"pypi": ("", "x\nNo route to host\n"), "osv": ("", "refused")})
    assert audit.main(ROOT / "requirements.lock") == audit.NOT_CHECKED
    assert [words[-1] for words in asked] == ["pypi", "osv"]
    assert capsys.readouterr().out.splitlines() == [
        "pypi: not reached (No route to host)",
        "osv: not reached (refused)",
        "NOT CHECKED: no service could be reached, so nothing is known of requirements.lock",
    ]


def test_an_audit_lists_what_is_known(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    weak = {
        "name": "pillow",
        "version": "9.0",
        "vulns": [{"id": "PYSEC-1", "fix_versions": ["9.1"]}],
    }
    answer = {"dependencies": [weak, {"name": "torch", "skip_reason": "not on PyPI"}]}
    _says(monkeypatch, {"pypi": (json.dumps(answer), "Found 1 known vulnerability")})
    assert audit.main(ROOT / "requirements.lock") == audit.WEAK
    assert capsys.readouterr().out.splitlines() == [
        "pillow 9.0: PYSEC-1, mended in 9.1",
        "torch: not checked (not on PyPI)",
        "1 known weaknesses in 1 of 2 packages of requirements.lock, by pypi",
    ]
    none = json.dumps({"dependencies": [{"name": "torch", "skip_reason": "not on PyPI"}]})
    _says(monkeypatch, {"pypi": (none, ""), "osv": ("", "refused")})
    assert audit.main(ROOT / "requirements.lock") == audit.NOT_CHECKED
    assert "pypi: not reached (not on PyPI)" in capsys.readouterr().out
    clean = {"dependencies": [{"name": "pillow", "version": "9.1", "vulns": []}]}
    _says(monkeypatch, {"pypi": (json.dumps(clean), "")})
    assert audit.main(ROOT / "requirements.lock") == audit.CLEAN
