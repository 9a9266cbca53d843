"""The pages on plug-ins: their code runs as it stands, their entry points are those of the code."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from detector.data.datasets import read_dataset
from detector.data.kinds import DATASETS
from detector.export.formats import FORMATS, check_formats
from detector.export.result import SceneResult
from detector.export.scene_files import write_scene_files
from detector.models.kinds import BACKENDS
from detector.plugins import PluginGroup
from detector.scenes.scene import open_scene
from tests.export.make import make_result
from tests.plugins import install

PAGES = Path(__file__).parents[1] / "docs" / "extending"
GROUPS = {"datasets": DATASETS, "backends": BACKENDS, "exporters": FORMATS}


def blocks(page: str, language: str) -> list[str]:
    text = (PAGES / f"{page}.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def install_page(monkeypatch: pytest.MonkeyPatch, folder: Path, page: str) -> None:
    """The distribution that a page describes."""
    (code,), (toml,) = blocks(page, "python"), blocks(page, "toml")
    entries = tomllib.loads(toml)["project"]["entry-points"]
    (name,) = re.findall(r"^# (\w+)\.py$", code, re.MULTILINE)
    install(monkeypatch, folder, "from-the-page", entries, {name: code})


@pytest.mark.parametrize(("page", "group"), GROUPS.items(), ids=GROUPS)
def test_a_page_registers_where_the_code_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str, group: PluginGroup
) -> None:
    install_page(monkeypatch, tmp_path, page)
    (added,) = set(group.names()) - set(group.built_in)
    assert callable(group.get(added, {}))


def test_the_reader_of_the_page_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_page(monkeypatch, tmp_path / "site", "datasets")
    (tmp_path / "a.tif").touch()
    (tmp_path / "a.csv").write_text("10,20,8,4,0\nsomething else\n30,40,8,4,0.5\n")
    images, faults = read_dataset("myports", tmp_path)
    assert [image.corners.mean(axis=1).round(3).tolist() for image in images] == [
        [[10, 20], [30, 40]]
    ]
    assert [str(fault) for fault in faults] == [f"{tmp_path / 'a.csv'}:2: not five numbers"]


def test_the_exporter_of_the_page_exports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_page(monkeypatch, tmp_path / "site", "exporters")
    made = make_result(tmp_path)
    check_formats(["mine"])
    result = SceneResult(made.detections, made.counts, made.zones, made.record)
    with open_scene(made.path) as scene:
        write_scene_files(tmp_path / "out", scene, result, ["mine"])
    lines = (tmp_path / "out" / "ships.txt").read_text().splitlines()
    found = made.detections
    assert lines == [
        f"{found.scores[i]:.2f} {found.length_m[i]:.0f} m" for i in range(len(found)) if i < 2
    ]
