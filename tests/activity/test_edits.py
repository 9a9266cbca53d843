"""A file of a run that was changed since the run wrote it is noticed, and said."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from detector.activity.errors import ActivityError
from detector.activity.find import ActivitySettings, trace_activity
from detector.activity.looks.edits import check_run
from detector.activity.looks.runs import read_runs
from detector.activity.looks.sites import read_site
from detector.export.run_files import RUN_FILE
from detector.export.scene_files import RECORD_FILE
from detector.export.seals import SEAL, Altered, altered_files, write_sealed
from detector.geometry.boxes import corners_from_xywhr
from detector.models.detector import DetectorSettings
from detector.prediction import batch
from detector.prediction.batch import BatchSettings, predict_paths
from detector.report.sources import read_sources, record_inputs
from tests.inference.blobs import BlobDetector, blob_scene
from tests.scenes.rasters import UTM52, utm_transform

FORMATS = ("gpkg", "geojson", "parquet", "csv", "png", "kmz")
NAMES = ("port_2026-09-02T02-10-00Z.tif", "port_2026-09-04T02-10-00Z.tif")


@pytest.fixture(scope="module")
def wrote(tmp_path_factory: pytest.TempPathFactory) -> BatchSettings:
    """A run over two scenes of two ships each, in all formats."""
    home = tmp_path_factory.mktemp("edits")
    for at, name in enumerate(NAMES):  # two pictures, or the second would be a copy
        places = np.array([(x + 4 * at, 150.0, 140, 24, 0.0) for x in (120, 300)])
        boxes = corners_from_xywhr(places)
        blob_scene(home / name, (420, 300), boxes, transform=utm_transform(), crs=UTM52)
    corners = [utm_transform() @ xy for xy in ((5, 80), (415, 80), (415, 220), (5, 220))]
    zone = gpd.GeoDataFrame(
        {"name": ["pier"], "kind": ["berth"]}, geometry=[shapely.Polygon(corners)], crs=UTM52
    )
    zone.to_file(home / "zones.geojson")
    (home / "site.yaml").write_text("name: port\nzones: zones.geojson\n", encoding="utf-8")
    settings = BatchSettings(
        paths=tuple(str(home / name) for name in NAMES),
        out=home / "run",
        detector=DetectorSettings(weights="blobs"),
        zones=str(home / "zones.geojson"),
        formats=FORMATS,
    )
    _predict(settings)
    return settings


def _predict(settings: BatchSettings) -> int:
    """Bright blobs are ships; returns the number of scenes that were there already."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch, "load_detector", lambda settings: BlobDetector())
        return predict_paths(settings).resumed


@pytest.fixture
def run(wrote: BatchSettings, tmp_path: Path) -> Path:
    """A copy of the run, free to be edited."""
    return Path(shutil.copytree(wrote.out, tmp_path / "run"))


def _scene(run: Path, at: int = 0) -> str:
    return str(json.loads((run / RUN_FILE).read_text())["scenes"][at]["scene_id"])


def _delete_from_geopackage(path: Path) -> None:
    table = gpd.read_file(path, layer="detections")
    table.iloc[1:].to_file(path, layer="detections", driver="GPKG")


def _delete_from_geojson(path: Path) -> None:
    content = json.loads(path.read_text())
    content["features"].pop()
    path.write_text(json.dumps(content))


def _delete_from_parquet(path: Path) -> None:
    gpd.read_parquet(path).iloc[1:].to_parquet(path)


def _edit_csv(path: Path) -> None:
    table = pd.read_csv(path)
    table.loc[0, "count"] = 99
    table.to_csv(path, index=False)


def _append(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b" ")


EDITS: dict[str, Callable[[Path], None]] = {
    "detections.gpkg": _delete_from_geopackage,
    "detections.geojson": _delete_from_geojson,
    "detections.parquet": _delete_from_parquet,
    "counts.csv": _edit_csv,
    "detections.kmz": _append,
    "stacks.csv": _append,
}


def test_a_run_is_what_it_wrote(run: Path) -> None:
    assert altered_files(run) == []
    assert read_runs([run]).warnings == ()


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_of_a_scene_is_said_and_not_used(run: Path, name: str) -> None:
    before = read_runs([run])
    file = f"{_scene(run)}/{name}"
    EDITS[name](run / file)
    assert altered_files(run) == [Altered(file, "changed")]
    after = read_runs([run])
    how = {
        "edited": f"run 'run': 1 file was edited since the run wrote it ({file}), and no review "
        "holds the edits, so they are not used: make them one with detector review import "
        "run=FOLDER; to have the run's own files back, delete the changed ones and run detector "
        "predict again with the same out=",
        "changed": f"run 'run': 1 file was changed since the run wrote it ({file}). The changes "
        "are not used: activity and report read detections.parquet, counts.parquet and "
        "stacks.parquet of the run's folder and each scene.json. Correct the boxes in the "
        "GeoPackages or with detector review; to have the run's own files back, delete the "
        "changed ones and run detector predict again with the same out=",
    }
    assert after.warnings == (how["edited" if name.endswith(".gpkg") else "changed"],)
    assert [len(scene.objects) for scene in after.scenes] == [2, 2]
    assert [scene.objects.ids.tolist() for scene in after.scenes] == [
        scene.objects.ids.tolist() for scene in before.scenes
    ]


def test_tables_of_the_run_that_nobody_reads_are_told_too(run: Path) -> None:
    _edit_csv(run / "counts.csv")
    _append(run / "scenes.csv")
    assert altered_files(run) == [
        Altered("counts.csv", "changed"),
        Altered("scenes.csv", "changed"),
    ]
    (told,) = check_run(run)
    said = "run 'run': 2 files were changed since the run wrote them (counts.csv, scenes.csv)."
    assert told.startswith(said)


@pytest.mark.parametrize(
    "name", ["detections.parquet", "counts.parquet", "stacks.parquet", "run.json"]
)
def test_a_table_that_is_read_is_refused_once_it_was_changed(run: Path, name: str) -> None:
    _drop_a_scene(run) if name == RUN_FILE else _note_in_parquet(run / name)
    with pytest.raises(ActivityError) as told:
        read_runs([run])
    assert str(told.value) == (
        f"{run / name}: was changed since the run wrote it, or is another run's, and activity "
        "reads it; changes by hand are not taken, since nothing tells who made them and why: run "
        "detector predict again with the same scenes and out=, which puts it together anew"
    )


def _note_in_parquet(path: Path) -> None:
    read = gpd.read_parquet if path.name == "detections.parquet" else pd.read_parquet
    read(path).assign(note="seen by me").to_parquet(path)


def _drop_a_scene(run: Path) -> None:
    content = json.loads((run / RUN_FILE).read_text())
    content["scenes"].pop()
    (run / RUN_FILE).write_text(json.dumps(content))


def test_the_way_out_of_a_changed_table_holds(wrote: BatchSettings) -> None:
    """Predict again: no scene is done anew, and the tables are the run's own again."""
    seals = json.loads((wrote.out / RUN_FILE).read_text())["files"]
    _delete_from_parquet(wrote.out / "detections.parquet")
    gpkg = wrote.out / _scene(wrote.out) / "detections.gpkg"
    rows = len(gpd.read_file(gpkg, layer="detections"))
    _delete_from_geopackage(gpkg)
    gpkg.unlink()
    assert _predict(wrote) == 2
    assert altered_files(wrote.out) == []
    assert json.loads((wrote.out / RUN_FILE).read_text())["files"] == seals
    assert len(gpd.read_file(gpkg, layer="detections")) == rows == 2


def test_an_edit_is_not_forgotten_when_a_run_goes_on(wrote: BatchSettings, run: Path) -> None:
    """Resuming must not take an edited file for the run's own."""
    settings = BatchSettings(wrote.paths, run, wrote.detector, wrote.zones, formats=FORMATS)
    file = f"{_scene(run)}/detections.gpkg"
    _delete_from_geopackage(run / file)
    (run / _scene(run) / "detections.kmz").unlink()  # so that the record is written again
    assert _predict(settings) == 2
    assert altered_files(run) == [Altered(file, "changed")]
    _delete_from_parquet(run / _scene(run) / "detections.parquet")
    assert _predict(settings) == 1  # the edited scene is done anew
    assert altered_files(run) == []


def test_a_look_at_a_geopackage_is_no_edit(run: Path) -> None:
    """QGIS switches the journal on and off, and vacuums: the bytes differ, the rows don't."""
    path = run / _scene(run) / "detections.gpkg"
    before = path.read_bytes()
    with sqlite3.connect(path) as opened:
        opened.execute("PRAGMA user_version = 7")
    opened.execute("VACUUM")
    opened.close()
    assert path.read_bytes() != before
    assert altered_files(run) == []


def test_files_that_are_gone_are_said(run: Path) -> None:
    file = f"{_scene(run, 1)}/detections.geojson"
    (run / file).unlink()
    assert check_run(run) == [
        f"run 'run': 1 file was removed since the run wrote it ({file}). Nothing is missing in "
        "the numbers: activity and report read detections.parquet, counts.parquet and "
        "stacks.parquet of the run's folder and each scene.json. detector predict with the same "
        "out= writes them again"
    ]
    (run / "stacks.parquet").unlink()
    with pytest.raises(ActivityError, match=r"stacks\.parquet: is gone, and activity reads it"):
        check_run(run)


def test_a_folder_of_another_run_is_told(run: Path) -> None:
    """The folder of a scene that another run wrote, whole in itself, is not this run's."""
    path = run / _scene(run) / RECORD_FILE
    other = json.loads(path.read_text())
    other["acquired"] = "2026-09-03T02:10:00Z"
    path.write_text(json.dumps(other))
    with pytest.raises(ActivityError, match=r"scene\.json: was changed since the run wrote it, or"):
        check_run(run)
    write_sealed(path, other)
    assert altered_files(run) == [Altered(f"{_scene(run)}/{RECORD_FILE}", "foreign")]
    with pytest.raises(ActivityError, match=r"scene\.json: is another run's, and activity"):
        check_run(run)


def test_a_run_without_seals_is_said(run: Path) -> None:
    content = json.loads((run / RUN_FILE).read_text())
    bare = {key: value for key, value in content.items() if key not in (SEAL, "files")}
    (run / RUN_FILE).write_text(json.dumps(bare))
    assert altered_files(run) is None
    assert read_runs([run]).warnings[0].startswith("run 'run': an earlier version wrote it")


def test_activity_and_report_say_it(wrote: BatchSettings, run: Path, tmp_path: Path) -> None:
    site = Path(wrote.out).parent / "site.yaml"
    activity = trace_activity([read_site(site)], read_runs([run]), ActivitySettings())
    activity.write(tmp_path / "activity")
    record_inputs(tmp_path / "activity", [site], [run])
    assert read_sources(tmp_path / "activity").remarks == ()
    _delete_from_geopackage(run / _scene(run) / "detections.gpkg")
    (remark,) = read_sources(tmp_path / "activity").remarks  # edited after the activity was made
    assert "detections.gpkg), and no review holds the edits" in remark
    again = trace_activity([read_site(site)], read_runs([run]), ActivitySettings())
    assert again.warnings[0] == remark
    again.write(tmp_path / "activity")
    assert read_sources(tmp_path / "activity").remarks == ()  # activity has said it
    for name, table in activity.tables.items():
        assert again.tables[name].equals(table), name
    _delete_from_parquet(run / "detections.parquet")
    (remark,) = read_sources(tmp_path / "activity").remarks
    assert "detections.parquet: was changed since the run wrote it" in remark
