"""mypy refuses what mixes frames, and takes what does not."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAD = """
import numpy as np
from affine import Affine
from detector.activity.looks.sightings import FileObjects, PlacedObjects, concatenate
from detector.activity.looks.sites import LocalFrame
from detector.boxes.scored import Boxes, PlanBoxes
from detector.detections import Detections
from detector.geometry.frames import FilePixels, LocalMetres, PlanPixels, SceneMetres
from detector.inference.frame import PlanFrame
from detector.scenes.scene import Scene
from detector.stacks.block import BlockBox
from detector.stacks.frame import GroundFrame
from detector.tiling.merge import Merger
"""
RIGHT = """
def place(plan: PlanFrame, boxes: PlanBoxes, scene: Scene, ground: GroundFrame) -> None:
    corners = plan.to_file(PlanPixels(boxes.corners))
    scene.to_map(corners)
    BlockBox.of(ground.to_metres(corners))

def lay(local: LocalFrame, found: Detections, seen: FileObjects) -> PlacedObjects:
    local.from_pixels(found.corners, Affine.identity(), "EPSG:32652")
    return seen.placed(local.from_pixels(seen.corners, Affine.identity(), "EPSG:32652"))
"""
PLAN_FOR_FILE = """
def place(plan: PlanFrame, boxes: PlanBoxes, raw: Boxes, scene: Scene, merger: Merger) -> None:
    scene.to_map(PlanPixels(boxes.corners))  # of tiles
    plan.to_file(scene.to_pixel(np.zeros(2)))  # twice
    merger.add(0, raw)  # still in the pixels of a tile
"""
FILE_FOR_METRES = """
def measure(ground: GroundFrame, found: Detections, local: LocalMetres) -> None:
    BlockBox.of(found.corners)  # pixels
    ground.to_metres(ground.to_metres(found.corners))  # twice
    BlockBox.of(local)  # north up
"""
FILE_FOR_LOCAL = """
def link(seen: FileObjects, placed: PlacedObjects, scene: Scene) -> None:
    concatenate([placed, seen])  # not laid on the site
    scene.to_map(placed.corners)  # metres
    seen.placed(seen.corners)  # pixels
"""
SNIPPETS = {
    "right": RIGHT,
    "plan_for_file": PLAN_FOR_FILE,
    "file_for_metres": FILE_FOR_METRES,
    "file_for_local": FILE_FOR_LOCAL,
}


@pytest.mark.slow
def test_mixed_frames_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    refused: dict[str, set[int]] = {name: set() for name in SNIPPETS}
    for name, snippet in SNIPPETS.items():
        (tmp_path / f"{name}.py").write_text(HEAD + snippet)
    command = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml")]
    command += [str(tmp_path / f"{name}.py") for name in SNIPPETS]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.findall(r"(\w+)\.py:(\d+): error: .* \[(arg-type|list-item)\]", done.stdout)
    assert done.stdout.count("error:") == len(found), done.stdout + done.stderr
    for name, line, _ in found:
        refused[name].add(int(line))
    for name, snippet in SNIPPETS.items():
        lines = (HEAD + snippet).splitlines()
        wrong = {number for number, line in enumerate(lines, start=1) if "  # " in line}
        assert refused[name] == wrong, (name, done.stdout)
    assert not refused["right"]
    assert [len(refused[name]) for name in SNIPPETS] == [0, 3, 3, 3]
