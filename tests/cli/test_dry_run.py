"""`--dry-run`: what would be done is what is done then, and nothing is written before."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from detector.cli.main import main
from detector.export.run_files import read_records
from detector.prediction import batch, rehearsal
from tests.cli.test_predict import FakeDetector, write_scene, write_zone

Output = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for module in (batch, rehearsal):
        monkeypatch.setattr(module, "load_detector", lambda settings: FakeDetector())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def planned(capsys: Output, *words: str, code: int = 0) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["predict", "--dry-run", *words, "log=json", "quiet=true"]) == code
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


def fates(told: dict[str, Any]) -> dict[str, str]:
    return {scene["path"]: scene["fate"] for scene in told["scenes"]}


def everything_in(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_is_foretold_is_what_is_done(folder: Path, capsys: Output) -> None:
    write_scene("a.tif", 2)
    write_scene("b.tif", 1)
    shutil.copy("a.tif", "c.tif")
    Path("d.tif").write_bytes(b"no raster")
    write_zone("zones.geojson", "berth")
    words = ["a.tif", "b.tif", "c.tif", "d.tif", "zones=zones.geojson", "out=x", "formats=[]"]
    before = everything_in(folder)
    told = planned(capsys, *words, code=1)
    assert everything_in(folder) == before
    assert not Path("x").exists()
    assert list(fates(told).values()) == ["to do", "to do", "a copy", "cannot be done"]
    assert told["scenes"][3]["reason"].startswith("d.tif: ")
    assert told["zones"] == [1, "zones.geojson"]
    assert main(["predict", *words, "quiet=true"]) == 1
    records = {record.path: record for record in read_records(Path("x"))}
    assert [records[name].status for name in sorted(records)] == ["done", "done", "copy", "failed"]
    for scene in told["scenes"][:2]:
        record = records[scene["path"]]
        assert scene["tiles"] == record.tiles > 0
        assert Path(scene["folder"]) == Path("x") / str(record.scene_id)


def test_a_second_run_is_told_from_the_first(folder: Path, capsys: Output) -> None:
    write_scene("a.tif", 2)
    write_scene("b.tif", 1)
    assert main(["predict", "a.tif", "out=x", "formats=[]", "quiet=true"]) == 0
    before = everything_in(folder)
    assert fates(planned(capsys, "a.tif", "b.tif", "out=x")) == {
        "a.tif": "done already",
        "b.tif": "to do",
    }
    assert everything_in(folder) == before
    assert main(["predict", "--dry-run", "a.tif", "out=x", "merge.match_iou=0.4"]) == 2
    assert "holds results of other settings" in capsys.readouterr().err
    again = planned(capsys, "a.tif", "out=x", "merge.match_iou=0.4", "overwrite=true")
    assert fates(again) == {"a.tif": "to do"}


def test_only_tiles_of_zones_are_told(capsys: Output) -> None:
    write_scene("a.tif", 2)
    write_zone("zones.geojson", "berth")
    zones = json.loads(Path("zones.geojson").read_text())
    ring = zones["features"][0]["geometry"]["coordinates"][0]
    zones["features"][0]["geometry"]["coordinates"][0] = [[x + 5, y] for x, y in ring]
    Path("away.geojson").write_text(json.dumps(zones))
    here = planned(capsys, "a.tif", "zones=zones.geojson", "zones_only=true", "out=x")
    away = planned(capsys, "a.tif", "zones=away.geojson", "zones_only=true", "out=x")
    assert here["scenes"][0]["tiles"] > 0
    assert away["scenes"][0]["tiles"] == 0


def test_the_text_sums_up(capsys: Output) -> None:
    write_scene("a.tif", 2)
    assert main(["predict", "--dry-run", "a.tif", "out=x", "quiet=true"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("a.tif: to do, ")
    assert lines[0].split(", into ")[1].startswith("x/a-")
    assert lines[1] == "scenes:  1 to do"
    assert lines[-2].startswith("writes:  x, of each scene gpkg, geojson, parquet, csv, png")
    assert lines[-1] == "Nothing was written."


def test_the_only_scene_being_bad_is_exit_2(capsys: Output) -> None:
    assert main(["predict", "--dry-run", "missing.tif", "out=x"]) == 2
    assert capsys.readouterr().err == "detector: missing.tif: no such file\n"


def test_a_command_without_a_rehearsal_says_so(capsys: Output) -> None:
    assert main(["doctor", "--dry-run"]) == 2
    assert "'detector doctor' has no --dry-run: nothing was done" in capsys.readouterr().err
