"""Every notebook runs from top to bottom, in a kernel of Jupyter, and ends with a picture."""

from __future__ import annotations

import base64
import io
import os
import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode
from PIL import Image

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
ROOT = Path(__file__).parents[1]
SAID = {  # what a reader must have seen before the picture
    "04_map": ["lonboard._map.Map"],
    "08_sentinel2": ["port-s2", "stacks: not readable at 10 m a pixel", "found, m"],
}
CELL_S = 120  # a cell that takes longer has failed
FORGET = "%reset -f"


@pytest.fixture(scope="module")
def jupyter() -> Iterator[NotebookClient]:
    """One kernel for all: libraries are loaded once, what a notebook named is forgotten."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    client = NotebookClient(nbformat.v4.new_notebook(), timeout=CELL_S, kernel_name="python3")
    with client.setup_kernel(env=os.environ | {"PYTHONPATH": path}):
        yield client


def executed(path: Path, jupyter: NotebookClient) -> NotebookNode:
    """A notebook with the outputs of all its cells."""
    notebook = nbformat.read(path, as_version=4)
    jupyter.nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(FORGET)])
    jupyter.execute_cell(jupyter.nb.cells[0], 0)
    jupyter.nb = notebook
    for index, cell in enumerate(notebook.cells):
        jupyter.execute_cell(cell, index)
    return notebook


def code_of(path: Path) -> list[str]:
    """The text of each cell of code."""
    cells = nbformat.read(path, as_version=4).cells
    return [cell.source for cell in cells if cell.cell_type == "code"]


def test_all_that_are_promised_are_there() -> None:
    assert [path.stem for path in NOTEBOOKS] == [
        "01_first_scene",
        "02_data",
        "03_train",
        "04_map",
        "05_month",
        "06_errors",
        "07_your_own",
        "08_sentinel2",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_ends_with_a_picture(path: Path, jupyter: NotebookClient) -> None:
    code = [cell for cell in executed(path, jupyter).cells if cell.cell_type == "code"]
    outputs = [item for cell in code for item in cell.outputs]
    said = "\n".join(item.get("text", "") or item.data["text/plain"] for item in outputs)
    assert [words for words in SAID.get(path.stem, []) if words not in said] == []
    pictures = [
        item.data["image/png"] for item in code[-1].outputs if "image/png" in item.get("data", {})
    ]
    assert len(pictures) == 1
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(pictures[0]))).convert("RGB"))
    assert picture.std() > 1  # something is drawn
    assert min(picture.shape[:2]) > 150


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs(path: Path) -> None:
    cells = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    assert [cell.outputs for cell in cells] == [[] for _ in cells]
    assert {cell.execution_count for cell in cells} == {None}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_goes_through_the_front_door_only(path: Path) -> None:
    lines = [line.strip() for line in "\n".join(code_of(path)).splitlines()]
    ours = [line for line in lines if re.match(r"(from|import) detector", line)]
    assert ours == ["import detector"]
