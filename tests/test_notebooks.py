"""Every notebook runs from top to bottom."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path) -> None:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    space: dict[str, Any] = {"__name__": "__main__"}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert not cell["outputs"], "notebooks are committed without outputs"
            exec(compile("".join(cell["source"]), str(path), "exec"), space)  # noqa: S102
    picture = space["picture"]
    if isinstance(picture, Figure):
        picture.canvas.draw()
        picture = picture.canvas.buffer_rgba()
    assert np.asarray(picture)[..., :3].std() > 1  # something is drawn
    if path.stem == "01_first_scene":
        assert len(space["detections"]) > 0
        assert np.asarray(space["picture"]).ndim == 3
        assert (space["folder"] / "counts.csv").is_file()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_goes_through_the_front_door_only(path: Path) -> None:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    code = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    lines = [line.strip() for line in "\n".join(code).splitlines()]
    ours = [line for line in lines if re.match(r"(from|import) detector", line)]
    assert ours == ["import detector"]
