"""`detector predict` from the command line to the files, with a detector whose truth is exact."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from detector.api.settings import predict_settings
from detector.cli import main as cli
from detector.config.compose import load_config
from detector.detections import Detections
from detector.errors import OutputError
from detector.geometry.boxes import corners_from_xywhr
from detector.inference.pipeline import PipelineSettings
from detector.models.detector import DetectorSettings
from detector.prediction import batch as inference
from detector.prediction import work
from detector.prediction.options import PredictConfig
from detector.scenes.types import SceneOptions
from tests.cli.test_messages import log_entries
from tests.inference.blobs import BlobDetector, blob_scene
from tests.scenes.rasters import UTM52, utm_transform

Output = pytest.CaptureFixture[str]
SHIPS = np.array([(60.0, 60.0, 60.0, 14.0, 0.3), (160.0, 120.0, 50.0, 12.0, 1.2)])
# name of a scene -> how many ships lie in it
ODD_NAMES = {
    "with space.tif": 1,
    "[brackets],{braces}.tif": 2,
    "date=2023-10-13.tif": 2,
    "~tilde#hash$dollar%25.tif": 1,
    'quote\'s "both".tif': 2,
    "나진항.tif": 1,
    "порт.tif": 2,
}


@dataclass
class FakeDetector(BlobDetector):
    """With what a run says of a detector in its record."""

    conf: NDArray[np.float32] = field(default_factory=lambda: np.array([0.5, 0.5], np.float32))
    iou: float = 0.5
    threads: int = 1
    backend: SimpleNamespace = field(
        default_factory=lambda: SimpleNamespace(name="blobs", device="cpu")
    )


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(inference, "load_detector", lambda settings: FakeDetector())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_scene(name: str, ships: int) -> str:
    """A scene of its own: one dim pixel, placed by the name, makes it another picture."""
    corners = corners_from_xywhr(SHIPS[:ships])
    mark = (zlib.crc32(name.encode()) % 250, 0)
    blob_scene(Path(name), (256, 192), corners, transform=utm_transform(), crs=UTM52, mark=mark)
    return name


def write_zone(path: str, name: str) -> None:
    """A berth around the whole scene."""
    west, south, east, north = 128.9999, 42.2442, 129.0017, 42.2453
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    feature = {
        "type": "Feature",
        "properties": {"name": name, "kind": "berth"},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }
    collection = {"type": "FeatureCollection", "features": [feature]}
    Path(path).write_text(json.dumps(collection, ensure_ascii=False), encoding="utf-8")


def predict(*words: str) -> int:
    return cli.main(["predict", *words])


def ships_of(out: str) -> dict[str, int]:
    """Ships by path as `scenes.csv` tells."""
    table = pd.read_csv(Path(out) / "scenes.csv")
    done = table[table["status"] == "done"]
    return dict(zip(done["path"], done["ships"].astype(int), strict=True))


def test_odd_names_go_all_the_way(capsys: Output) -> None:
    names = [write_scene(name, ships) for name, ships in ODD_NAMES.items()]
    zones = "zones a,[b]='c' 구역.geojson"
    write_zone(zones, "부두")
    out = "out [x], y=z"
    assert predict(*names, f"zones={zones}", f"out={out}", "quiet=true") == 0
    assert ships_of(out) == ODD_NAMES
    counts = pd.read_csv(Path(out) / "counts.csv", keep_default_na=False)
    zone = counts[(counts["zone"] == "부두") & (counts["length_class"] == "all")]
    assert zone[zone["class"] == "ship"]["count"].astype(int).tolist() == list(ODD_NAMES.values())


def test_a_bad_scene_among_good_ones_is_a_row_and_exit_1(capsys: Output) -> None:
    write_scene("good.tif", 2)
    Path("bad.tif").write_bytes(b"no raster")
    assert predict("missing.tif", "good.tif", "bad.tif", "out=x") == 1
    table = pd.read_csv("x/scenes.csv").set_index("path")
    assert table["status"].to_dict() == {
        "missing.tif": "failed",
        "good.tif": "done",
        "bad.tif": "failed",
    }
    assert table.loc["missing.tif", "reason"] == "missing.tif: no such file"
    assert ships_of("x") == {"good.tif": 2}
    out, err = capsys.readouterr()
    assert "1 of 3 scenes done" in out
    assert "missing.tif: no such file" in err
    assert any("missing.tif: no such file" in e["message"] for e in log_entries(Path("x/run.log")))


@pytest.mark.parametrize("names", [["missing.tif"], ["bad.tif"]])
def test_the_only_scene_being_bad_is_exit_2_and_leaves_nothing(
    names: list[str], capsys: Output
) -> None:
    Path("bad.tif").write_bytes(b"no raster")
    assert predict(*names, "out=x") == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"detector: {names[0]}: ")
    assert err.count("\n") == 1
    assert not Path("x").exists()


def test_all_scenes_being_bad_is_exit_2() -> None:
    assert predict("a.tif", "b.tif", "out=x", "quiet=true") == 2


def test_no_scenes_is_exit_2(capsys: Output) -> None:
    assert predict("out=x") == 2
    assert "detector: no scenes: name files, folders or a list" in capsys.readouterr().err


def test_an_earlier_run_keeps_its_folder_and_log_when_the_next_one_fails(capsys: Output) -> None:
    write_scene("a.tif", 1)
    assert predict("a.tif", "out=x", "quiet=true") == 0
    before = sorted(path.name for path in Path("x").iterdir())
    Path("bad.tif").write_bytes(b"no raster")
    assert predict("bad.tif", "out=x") == 2
    assert sorted(path.name for path in Path("x").iterdir()) == before
    assert "SceneError: bad.tif: " in log_entries(Path("x/run.log"))[-1]["traceback"]


def test_an_earlier_run_goes_on_and_other_settings_are_refused(capsys: Output) -> None:
    write_scene("a.tif", 1)
    write_scene("b.tif", 2)
    assert predict("a.tif", "out=x", "quiet=true") == 0
    assert predict("a.tif", "b.tif", "out=x", "quiet=true") == 0
    assert "1 of them from an earlier run" in capsys.readouterr().out
    assert ships_of("x") == {"a.tif": 1, "b.tif": 2}
    assert predict("a.tif", "out=x", "scene.clouds=clear", "quiet=true") == 2
    assert "holds results of other settings" in capsys.readouterr().err
    assert predict("a.tif", "out=x", "scene.clouds=clear", "overwrite=true", "quiet=true") == 0


def test_machines_get_one_object_on_stdout_and_lines_of_json_on_stderr(capsys: Output) -> None:
    write_scene("a.tif", 2)
    assert predict("a.tif", "b.tif", "out=x", "log=json") == 1
    out, err = capsys.readouterr()
    result = json.loads(out)
    assert [scene["ships"] for scene in result["scenes"]] == [2]
    assert [scene["path"] for scene in result["failed"]] == ["b.tif"]
    assert "b.tif: no such file" in [json.loads(line)["message"] for line in err.splitlines()][-1]


def test_folders_and_lists_are_expanded() -> None:
    Path("in/deep").mkdir(parents=True)
    write_scene("in/a.tif", 1)
    write_scene("in/deep/b.tif", 2)
    write_scene("c.tif", 1)
    Path("list.txt").write_text("# today\nc.tif\nin/a.tif\n")
    assert predict("in", "list.txt", "out=x", "quiet=true") == 0
    assert ships_of("x") == {"in/a.tif": 1, "in/deep/b.tif": 2, "c.tif": 1}


def test_ctrl_c_is_exit_130_and_one_line(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    def interrupt(*_: object, **__: object) -> Detections:
        raise KeyboardInterrupt

    monkeypatch.setattr(work, "find_objects", interrupt)
    write_scene("a.tif", 1)
    assert predict("a.tif", "out=x", "quiet=true") == 130
    assert capsys.readouterr().err == "detector: stopped\n"


def test_an_error_of_the_program_is_exit_70_and_in_the_log(
    monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    def fail(*_: object, **__: object) -> Detections:
        raise ZeroDivisionError("what we did not think of")

    monkeypatch.setattr(work, "find_objects", fail)
    write_scene("a.tif", 1)
    assert predict("a.tif", "out=x", "quiet=true") == 70
    assert "ZeroDivisionError: what we did not think of" in capsys.readouterr().err
    log = log_entries(Path("x/run.log"))[-1]["traceback"]
    assert log.startswith("Traceback")
    assert log.endswith("ZeroDivisionError: what we did not think of")


def test_a_folder_that_cannot_be_written_is_exit_2(
    monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    write_scene("a.tif", 1)
    Path("file").touch()
    assert predict("a.tif", "out=file/x") == 2
    assert capsys.readouterr().err.startswith("detector: file/x: ")

    def refuse(folder: Path) -> Path:
        raise OutputError(f"{folder}: cannot be written")

    monkeypatch.setattr(inference, "held_folder", refuse)
    assert predict("a.tif", "out=x") == 2
    assert not Path("x").exists()


def test_options_reach_the_pipeline() -> None:
    words = [
        *("model.weights=w.safetensors", "model.conf=0.3", "model.iou=0.4", "device=cuda:1"),
        *("backend=torch", "batch=5", "threads=2", "zones=z", "zones_only=true", "overwrite=true"),
        *("scene.bands=3,2,1", "scene.gsd=0.7", "scene.acquired=2023-10-13T09:00:00+09:00"),
        *("scene.clouds=clear", "scene.nodata=-1", "readers=3", "queue=6", "enlarge=1.2"),
        *("scene.brighten_dark=true", "scene.estimate_gsd=true"),
        *("merge.match_iou=0.2", "merge.longest_ship_m=300", "merge.longest_stack_m=500"),
    ]
    found = predict_settings(load_config("predict", PredictConfig, words, paths=["a", "b"]))
    assert found.paths == ("a", "b")
    assert (found.zones, found.zones_only, found.overwrite) == ("z", True, True)
    assert found.detector == DetectorSettings(
        weights="w.safetensors",
        device="cuda:1",
        backend="torch",
        batch=5,
        threads=2,
        conf=0.3,
        iou=0.4,
    )
    assert found.scene == SceneOptions(
        bands=(3, 2, 1),
        gsd_m=0.7,
        acquired=pd.Timestamp("2023-10-13T00:00:00Z").to_pydatetime(),
        clouds="clear",
        nodata=-1.0,
        brighten_dark=True,
    )
    assert found.pipeline.estimate_gsd
    assert (found.pipeline.readers, found.pipeline.queue) == (3, 6)
    assert found.pipeline.enlarge == 1.2
    merge = found.pipeline.merge
    assert (merge.match_iou, merge.longest_ship_m, merge.longest_stack_m) == (0.2, 300.0, 500.0)


def test_the_defaults_are_those_of_the_library() -> None:
    found = predict_settings(load_config("predict", PredictConfig, []))
    assert found.pipeline == PipelineSettings()
    assert found.scene == SceneOptions()
    assert found.detector == DetectorSettings(weights=found.detector.weights)


def test_the_log_is_there_after_a_clean_run() -> None:
    write_scene("a.tif", 1)
    for log in ("text", "json"):
        assert predict("a.tif", f"out={log}", "quiet=true", f"log={log}") == 0
        entries = log_entries(Path(log) / "run.log")
        assert f"begins: results in {log}" in entries[0]["message"]
        last = "quaywatch ends: 1 scenes done, 0 of them earlier, 0 failed"
        assert entries[-1]["message"] == last


def test_a_profile_is_printed_and_written(capsys: Output) -> None:
    write_scene("a.tif", 1)
    assert predict("a.tif", "out=x", "profile=true", "quiet=true") == 0
    events = json.loads(Path("x/profile.json").read_text())["traceEvents"]
    stages = {event["name"] for event in events if event["ph"] == "X"}
    assert stages >= {"load", "plan", "hash", "read", "decode", "merge", "measure", "count"}
    assert stages >= {"stacks", "write"}
    said = capsys.readouterr().out.splitlines()
    table = said[said.index(next(line for line in said if line.startswith("stage "))) :]
    assert {line.split()[0] for line in table[1:-1]} == stages | {"rest"}
    shares = [float(line.split()[-1].rstrip("%")) for line in table[1:-1]]
    assert sum(shares) == pytest.approx(100, abs=1)
    assert table[-1].startswith("x/profile.json: for chrome://tracing")
    assert predict("a.tif", "out=y", "profile=true", "log=json") == 0
    json.loads(capsys.readouterr().out)  # one object, and no table
    assert not Path("z").exists()
    assert predict("a.tif", "out=z", "quiet=true") == 0
    assert not Path("z/profile.json").exists()


def test_only_a_bad_scene_leaves_no_folder() -> None:
    Path("a.tif").write_text("no raster")
    assert predict("a.tif", "out=x") == 2
    assert not Path("x").exists()
