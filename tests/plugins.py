"""A tiny distribution made on the spot: modules, and metadata with entry points."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

MARKER = "imported.txt"
# A module whose import can be seen from outside.
SHOWS_IMPORT = f"from pathlib import Path\nPath(__file__).with_name({MARKER!r}).touch()\n"


def write_distribution(
    folder: Path,
    name: str,
    entries: Mapping[str, Mapping[str, str]],
    modules: Mapping[str, str],
    version: str = "1.2",
) -> Path:
    """Write what pip would install of it, and give the folder for `sys.path`.

    Args:
        folder: of the installed modules.
        name: of the distribution.
        entries: group -> name -> `module:function`.
        modules: name of a module -> its code.
        version: of the distribution.
    """
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = [
        line
        for group, names in entries.items()
        for line in (f"[{group}]", *(f"{key} = {value}" for key, value in names.items()))
    ]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    for module, code in modules.items():
        (folder / f"{module}.py").write_text(code)
    return folder


def install(
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    name: str,
    entries: Mapping[str, Mapping[str, str]],
    modules: Mapping[str, str],
) -> None:
    """Write a distribution and put it on `sys.path` for one test."""
    write_distribution(folder, name, entries, modules)
    monkeypatch.syspath_prepend(str(folder))
    for module in modules:
        monkeypatch.delitem(sys.modules, module, raising=False)
        # registered so that what the test imports is taken out again
        monkeypatch.setitem(sys.modules, module, None)  # type: ignore[arg-type]
        del sys.modules[module]
