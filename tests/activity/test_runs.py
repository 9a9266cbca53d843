"""Runs are read back from their typed records: names come through as they were."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import shapely

from detector.activity.errors import ActivityError
from detector.activity.looks.runs import read_runs
from detector.activity.schema import ROWS
from detector.counting.zones import Zone, Zones
from detector.detections import Detections
from detector.errors import OutputError
from detector.export.records import ModelUse, SceneRecord
from detector.export.run_files import read_records
from detector.export.stacks import join_stacks, no_stacks, read_stacks, write_stacks
from detector.report.sources import read_sources
from detector.scenes.scene import Scene, open_scene
from detector.scenes.types import SceneOptions
from detector.stacks.estimate import COLUMNS
from tests.activity.written_run import write_run
from tests.counting.make import SHIP, make_detections
from tests.scenes.rasters import UTM52, gradient, utm_transform, write_raster

FIRST = datetime(2026, 9, 2, 3, 30, tzinfo=UTC)
PATHS = (
    "@new/a.tif",
    "@b.tif",
    "=c.tif",
    "+d.tif",
    "-e.tif",
    "'f'.tif",
    "'=g.tif",
    'h "two" quotes.tif',
    "i, comma.tif",
)
FAILED = SceneRecord("=broken.tif", "failed", '=broken.tif: "no raster"')
ZONES = Zones(
    (Zone("=1+1", "berth", shapely.box(500_000, 4_676_850, 500_200, 4_677_000)),), UTM52, "z"
)


def write_named(out: Path) -> Path:
    """A run over `PATHS`, the i-th with i ships, and a scene that failed; names are relative."""

    def seen() -> Iterator[tuple[Scene, Detections]]:
        for i, name in enumerate(PATHS):
            Path(name).parent.mkdir(exist_ok=True)
            write_raster(Path(name), gradient(400, 300) + np.uint8(i), transform=utm_transform())
            when = FIRST + timedelta(days=i)
            with open_scene(name, SceneOptions(acquired=when, clouds="clear")) as scene:
                ships = [(SHIP, 40.0 + 30 * j, 60.0, 40.0, 8.0, 0.0) for j in range(i)]
                yield (
                    scene,
                    make_detections(
                        ships,
                        scene_id=scene.info.scene_id,
                        acquired=when,
                        transform=utm_transform(),
                    ),
                )

    model = ModelUse("truth", "ab" * 32, True, "0" * 16)
    return write_run(out, ZONES, seen(), model, {}, [FAILED])


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write_named(tmp_path / "out")


def test_paths_and_ids_come_back_as_they_were(run: Path) -> None:
    runs = read_runs([run])
    assert [scene.path for scene in runs.scenes] == list(PATHS)
    assert [len(scene.objects) for scene in runs.scenes] == list(range(len(PATHS)))
    assert [scene.acquired for scene in runs.scenes] == [
        FIRST + timedelta(days=i) for i in range(len(PATHS))
    ]
    for scene in runs.scenes:
        assert scene.zones["=1+1"].fraction == 1.0
        assert scene.transform == utm_transform()
        assert scene.in_model_range is True
        assert {item.rpartition("#")[0] for item in scene.objects.ids} <= {scene.scene_id}
    # the table is for spreadsheets, and keeps its apostrophes
    table = pd.read_csv(run / "scenes.csv", keep_default_na=False)
    assert table["path"].tolist()[:5] == [f"'{path}" for path in PATHS[:5]]


def test_failed_scenes_stay_known(run: Path, tmp_path: Path) -> None:
    assert read_runs([run]).skipped == (("=broken.tif", f"failed: {FAILED.reason}"),)
    records = read_records(run)
    assert [record.path for record in records] == [*PATHS, FAILED.path]
    assert records[-1] == FAILED
    told_of_it = {"version": "1", "calibrated": False, "min_length_m": 25.0, "warnings": []}
    activity = {"format": 1, **told_of_it, **{name: [] for name in ROWS}}
    (tmp_path / "activity.json").write_text(json.dumps(activity), encoding="utf-8")
    told = read_sources(tmp_path, runs=[run]).records
    assert [row["path"] for row in told] == [*PATHS, FAILED.path]
    assert told[-1]["reason"] == FAILED.reason


def test_one_picture_in_two_runs_is_one_look(tmp_path: Path) -> None:
    """The second run has it under another name and date; the activity names the copy."""
    model = ModelUse("truth", "ab" * 32, True, "0" * 16)
    folders = []
    for name in ("one_2026-09-02", "two_2026-09-05"):
        path = tmp_path / f"{name}.tif"
        values = gradient(400, 300)
        write_raster(path, values, compress="deflate" if name.startswith("two") else "none")

        def seen(path: Path = path) -> Iterator[tuple[Scene, Detections]]:
            with open_scene(path) as scene:
                found = make_detections(scene_id=scene.info.scene_id, acquired=None)
                yield scene, replace(found, acquired_day=scene.info.acquired_day)

        folders.append(write_run(tmp_path / name, ZONES, seen(), model, {}))
    runs = read_runs(folders)
    assert [scene.acquired_day for scene in runs.scenes] == [date(2026, 9, 2)]
    ((copy, reason),) = runs.skipped
    assert copy.startswith("two_2026-09-05-")
    assert reason == f"the same picture as {runs.scenes[0].scene_id}, which is used; it counts once"


def test_a_scene_whose_record_is_gone_is_named(run: Path) -> None:
    scene_id = read_runs([run]).scenes[2].scene_id
    (run / scene_id / "scene.json").unlink()
    with pytest.raises(OutputError, match=r"scene\.json: the scene's record is missing or damaged"):
        read_records(run)
    with pytest.raises(ActivityError, match=rf"not a finished run.*{scene_id}/scene\.json"):
        read_runs([run])


def test_names_of_stacks_come_back_as_they_were(tmp_path: Path) -> None:
    names = ["=1+1", "@x", "+y", "-z", "'=q", 'a "b"']
    parts = []
    for i, name in enumerate(names):
        row = dict.fromkeys(COLUMNS, 0.25 * i) | {
            "scene_id": name, "id": f"{name}#0", "zone": name, "zone_kind": "yard",
            "method": "prior", "flags": "",
        }  # fmt: skip
        parts.append(tmp_path / f"{i}.csv")
        write_stacks(parts[-1], pd.DataFrame([row]))
    join_stacks(tmp_path / "run.csv", [*parts, tmp_path / "absent.csv"])
    back = read_stacks(tmp_path / "run.csv")
    for column in ("scene_id", "zone"):
        assert back[column].tolist() == names
    assert back["id"].tolist() == [f"{name}#0" for name in names]
    assert back["teu"].tolist() == [0.25 * i for i in range(len(names))]
    assert back.dtypes.equals(no_stacks().dtypes)
