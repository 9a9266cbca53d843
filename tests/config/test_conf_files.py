"""The files that travel in the wheel name no folder outside it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import pytest
import yaml

from detector.data.datasets import POOL_VARIABLE, find_root
from detector.data.labelled import DataError
from detector.resources import conf_dir

FILES = sorted(conf_dir().rglob("*.yaml"))
PARENT = re.compile(r"(?<!\.)\.\.(?:[/\\]|$)", re.MULTILINE)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(conf_dir())))
def test_no_file_names_a_folder_outside(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert not PARENT.search(text)
    assert "oc.env" not in text
    for value in leaves(yaml.safe_load(text)):
        assert not PurePosixPath(value).is_absolute(), value
        assert not PureWindowsPath(value).drive, value
        assert not value.startswith("~"), value


def test_what_the_search_finds() -> None:
    assert PARENT.search("root: ../data")
    assert PARENT.search("root: a/../b")
    assert PARENT.search("root: ..")
    assert not PARENT.search("# and so on... here")


def leaves(value: Any) -> Iterator[str]:
    """All texts of a file."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from leaves(item)
    elif isinstance(value, str):
        yield value


def test_where_the_pool_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(POOL_VARIABLE, raising=False)
    with pytest.raises(DataError, match=r"Say data\.root=folder of the port pool, or set QUAYW"):
        find_root("pool", "", "data.root")
    with pytest.raises(DataError, match="Say root=folder of the dota dataset"):
        find_root("dota", "", "root")
    monkeypatch.setenv(POOL_VARIABLE, str(tmp_path))
    assert find_root("port", "", "root") == tmp_path
    assert find_root("port", "here", "root") == Path("here")
    with pytest.raises(DataError, match="dota"):
        find_root("dota", "", "root")
