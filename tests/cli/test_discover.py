"""From names to scenes."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from detector.scenes.discover import SceneSource, discover


@pytest.fixture
def scenes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in (
        "b.tif",
        "A.JPG",
        "b_udm2.tif",
        "b_SCL.tif",
        "b_clouds.tif",
        ".hidden.tif",
        "b.tif.aux.xml",
        "zones.geojson",
        "deep/er/c d=e,[1].jp2",
        ".cache/x.tif",
        "runs/x/run.json",
        "runs/x/scenes.csv",
        "runs/x/b-1234/overlay.png",
    ):
        file = tmp_path / "in" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path / "in"


def test_a_folder_gives_its_scenes_without_masks_hidden_files_and_results(scenes: Path) -> None:
    assert discover(["in"]) == [
        SceneSource("in/A.JPG"),
        SceneSource("in/b.tif"),
        SceneSource("in/deep/er/c d=e,[1].jp2"),
    ]


def test_a_file_named_by_itself_is_taken_whatever_it_is(scenes: Path) -> None:
    names = ["in/b_udm2.tif", "in/.hidden.tif", "in/zones.geojson"]
    assert discover(names) == [SceneSource(name) for name in names]


def test_every_file_comes_once_in_the_order_of_the_words(scenes: Path) -> None:
    found = discover(["in/deep", "in/b.tif", scenes, "./in/../in/b.tif"])
    assert [Path(source.path).name for source in found] == ["c d=e,[1].jp2", "b.tif", "A.JPG"]


def test_a_list_is_relative_to_itself(scenes: Path) -> None:
    lines = ["# scenes of the week", "", "b.tif", "  deep  ", "/vsicurl/https://x.org/a.tif"]
    (scenes / "list.txt").write_text("\n".join(lines), encoding="utf-8-sig")
    assert discover([scenes / "list.txt"]) == [
        SceneSource(str(scenes / "b.tif"), named=False),
        SceneSource(str(scenes / "deep/er/c d=e,[1].jp2"), named=False),
        SceneSource("/vsicurl/https://x.org/a.tif", named=False),
    ]


@pytest.mark.parametrize(
    "name", ["/vsicurl/https://x.org/a b.tif", "/vsizip/a.zip/b.tif", "s3://bucket/a.tif"]
)
def test_names_of_gdal_are_taken_as_they_are(name: str) -> None:
    assert discover([name, name]) == [SceneSource(name)]


def problem_of(name: str | Path) -> str:
    found = discover(["in/b.tif", name, "in/A.JPG"])
    assert [source.problem is None for source in found] == [True, False, True]
    assert found[1].problem is not None
    assert "\n" not in found[1].problem
    return found[1].problem


def test_what_is_missing_is_a_row_with_its_reason(scenes: Path) -> None:
    assert problem_of("in/none.tif") == "in/none.tif: no such file"
    assert problem_of("in/*.jp3").startswith("in/*.jp3: no such file; the shell found nothing")
    assert problem_of("x" * 5000).endswith("x: no such file")


def test_empty_folders_and_lists_are_rows_with_their_reason(scenes: Path) -> None:
    (scenes / "empty").mkdir()
    assert problem_of("in/empty").startswith("in/empty: holds no scenes (.bil, .bip")
    assert problem_of("in/runs").startswith("in/runs: holds no scenes")
    (scenes / "list.txt").write_text("# nothing\n\n")
    assert problem_of("in/list.txt") == "in/list.txt: names no scene; it needs one path a line"


def test_odd_lists_are_rows_with_their_reason(scenes: Path) -> None:
    (scenes / "binary.txt").write_bytes(b"\xff\xfe\x00a")
    assert problem_of("in/binary.txt").startswith("in/binary.txt: is no list of paths in UTF-8")
    (scenes / "outer.txt").write_text("list.txt\n")
    (scenes / "list.txt").write_text("b.tif\n")
    assert problem_of("in/outer.txt").startswith("in/list.txt: is a list inside a list")
    (scenes / "dangling.txt").write_text("gone.tif\n")
    assert problem_of("in/dangling.txt") == "in/gone.tif: no such file"


def test_an_unreadable_folder_is_a_row_with_its_reason(
    scenes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.scandir

    def scandir(path: str) -> Any:
        if path.endswith("er"):  # root may read everything, so permissions alone don't test this
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert discover(["in"])[2] == SceneSource("in/deep/er", "in/deep/er: Permission denied")
