"""The folder of a scene and the files of a run, put together from such folders."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest

from detector.counting.draws import DRAWS, pack_draws
from detector.errors import OutputError
from detector.export.records import SceneRecord
from detector.export.run_files import RunResult, write_run_files
from detector.export.scene_files import SceneResult, read_scene_files, write_scene_files
from detector.scenes.scene import open_scene
from tests.export.make import HOSTILE_NAMES, Made, make_result, zones_named

SCENE_FILES = [
    ".quaywatch",
    "counts.csv",
    "detections.geojson",
    "detections.gpkg",
    "detections.parquet",
    "overlay.png",
    "scene.json",
    "stacks.csv",
    "stacks.parquet",
]
RUN_FILES = [
    "counts.csv",
    "counts.parquet",
    "detections.parquet",
    "run.json",
    "scenes.csv",
    "stacks.csv",
    "stacks.parquet",
]


def write_scene(out: Path, made: Made) -> Path:
    folder = out / made.record.scene_id
    result = SceneResult(made.detections, made.counts, made.zones, made.record)
    with open_scene(made.path) as scene:
        write_scene_files(folder, scene, result)
    return folder


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_scene_gives_its_files(tmp_path: Path) -> None:
    folder = write_scene(tmp_path / "out", make_result(tmp_path, zones=zones_named(["A"])))
    assert names_in(folder) == SCENE_FILES
    assert names_in(tmp_path / "out") == [folder.name]


def test_a_scene_without_crs_has_no_geojson(tmp_path: Path) -> None:
    folder = write_scene(tmp_path / "out", make_result(tmp_path, crs=None))
    assert names_in(folder) == [name for name in SCENE_FILES if name != "detections.geojson"]


@pytest.mark.parametrize("names", [(), HOSTILE_NAMES])
def test_a_scene_comes_back_to_the_last_digit(tmp_path: Path, names: tuple[str, ...]) -> None:
    """A resumed run must write the same bytes as one that was not killed."""
    made = make_result(tmp_path, zones=zones_named(names))
    fractions = made.counts["observed_fraction"] / 3 + 1e-13
    made = replace(made, counts=made.counts.assign(observed_fraction=fractions))
    read = read_scene_files(write_scene(tmp_path / "out", made))
    assert read is not None
    assert read[0] == made.record
    pd.testing.assert_frame_equal(read[1], made.counts, check_exact=True)


@pytest.mark.parametrize("content", [None, "", "{}", "[]", '{"path": 1, "counts": [{}]}', "\x00"])
def test_a_folder_of_something_else_is_none(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "scene.json").write_text(content)
    assert read_scene_files(tmp_path) is None


def test_an_older_result_is_replaced_whole(tmp_path: Path) -> None:
    made = make_result(tmp_path)
    folder = write_scene(tmp_path / "out", made)
    (folder / "of_an_older_version.txt").write_text("x")
    write_scene(tmp_path / "out", made)
    assert names_in(folder) == SCENE_FILES


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    made = make_result(tmp_path)
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError, match="is a file where a folder should be"):
        write_scene(tmp_path / "out", made)


def make_run(folder: Path, out: Path) -> tuple[list[Made], RunResult]:
    zones = zones_named(HOSTILE_NAMES)
    made = [
        make_result(folder, name="a", zones=zones),
        make_result(folder, name="b", rows=(), zones=zones),
        make_result(folder, name="c", crs=None, zones=zones),
    ]
    for one in made:
        write_scene(out, one)
    failed = SceneRecord(path="d.tif", status="failed", reason="d.tif: not a raster")
    records = [made[0].record, failed, made[1].record, made[2].record]
    result = RunResult(records, [one.counts for one in made], {"program": "quaywatch"})
    return made, result


def test_a_run_gathers_its_scenes(tmp_path: Path) -> None:
    out = tmp_path / "out"
    made, result = make_run(tmp_path, out)
    write_run_files(out, result)
    ids = [one.record.scene_id for one in made]
    assert names_in(out) == sorted([*RUN_FILES, *ids])
    frame = gpd.read_parquet(out / "detections.parquet")
    assert frame.crs == "EPSG:4326"
    assert frame["scene_id"].tolist() == [ids[0]] * 4 + [ids[2]] * 4
    assert frame.geometry.isna().tolist() == [False] * 4 + [True] * 4
    assert frame["on_ship"].tolist() == [False, False, False, True] * 2
    counts = pd.read_parquet(out / "counts.parquet")
    pd.testing.assert_frame_equal(
        counts, pd.concat([one.counts for one in made], ignore_index=True), check_exact=True
    )
    assert counts["draws"].isna().all()  # these weights are not calibrated
    lines = (out / "counts.csv").read_text().splitlines()
    of_scenes = [(out / name / "counts.csv").read_text().splitlines() for name in ids]
    assert lines == of_scenes[0] + of_scenes[1][1:] + of_scenes[2][1:]
    scenes = pd.read_csv(out / "scenes.csv", keep_default_na=False)
    assert scenes["status"].tolist() == ["done", "failed", "done", "done"]
    assert scenes["reason"].tolist() == ["", "d.tif: not a raster", "", ""]
    run = json.loads((out / "run.json").read_text())
    assert [scene["scene_id"] for scene in run["scenes"]] == [ids[0], "", ids[1], ids[2]]


def test_draws_are_lists_that_add_up(tmp_path: Path) -> None:
    made = make_result(tmp_path)
    drawn = [np.random.default_rng(i).poisson(40, DRAWS) for i in range(2)]
    packed = [pack_draws(part) for part in drawn] + [None] * (len(made.counts) - 2)
    counts = made.counts.assign(draws=pd.Series(packed, dtype=object))
    folder = write_scene(tmp_path / "out", replace(made, counts=counts))
    read = read_scene_files(folder)
    assert read is not None  # a resumed run knows them
    write_run_files(tmp_path / "out", RunResult([read[0]], [read[1]], {}))
    table = pd.read_parquet(tmp_path / "out" / "counts.parquet")
    assert (np.sum(table["draws"].dropna().tolist(), axis=0) == drawn[0] + drawn[1]).all()
    assert table["draws"].notna().tolist() == [True, True, *[False] * (len(counts) - 2)]
    assert "draws" not in (tmp_path / "out" / "counts.csv").read_text().splitlines()[0]
    assert "draws" not in (folder / "counts.csv").read_text().splitlines()[0]


def test_the_examples_of_the_docs_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, result = make_run(tmp_path, tmp_path / "out")
    write_run_files(tmp_path / "out", result)
    text = (Path(__file__).parents[2] / "docs" / "outputs.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(example.replace("najin-0123abcd", made[0].record.scene_id), names)  # noqa: S102
    zones = {"", *HOSTILE_NAMES[:5]}  # the others lie beyond the scenes
    assert set(names["usable"]["zone"]) == zones
    assert len(names["found"]) == 8
    assert len(names["one"]) == 4


def test_a_run_of_nothing_has_its_files(tmp_path: Path) -> None:
    failed = SceneRecord(path="d.tif", status="failed", reason="d.tif: not a raster")
    write_run_files(tmp_path, RunResult([failed], [], {}))
    assert names_in(tmp_path) == RUN_FILES
    assert len(gpd.read_parquet(tmp_path / "detections.parquet")) == 0
    assert len(pd.read_parquet(tmp_path / "counts.parquet")) == 0
    assert (tmp_path / "counts.csv").read_text().startswith("scene_id,acquired,zone,kind,class,")


def test_the_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    outs = [tmp_path / "out0", tmp_path / "out1"]
    for out in outs:
        _, result = make_run(tmp_path, out)
        write_run_files(out, result)
    files = sorted(path.relative_to(outs[0]) for path in outs[0].rglob("*") if path.is_file())
    assert len(files) == len(RUN_FILES) + 3 * len(SCENE_FILES) - 1
    for name in files:
        assert (outs[0] / name).read_bytes() == (outs[1] / name).read_bytes(), name
