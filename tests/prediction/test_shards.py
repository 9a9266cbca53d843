"""Shards without an engine: put together they are the run that one process makes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
import rasterio

from detector.cli.command import EXIT_DONE, EXIT_SOME_FAILED
from detector.cli.main import main
from detector.errors import ConfigError, OutputError
from detector.export.seals import altered_files
from detector.models.detector import DetectorSettings
from detector.prediction import batch as run_module
from detector.prediction import work
from detector.prediction.batch import BatchSettings, RunSummary, predict_paths
from detector.prediction.collect import CollectSettings, collect_shards
from detector.prediction.options import PredictConfig
from detector.prediction.shard import SHARDS, Shard
from tests.inference.blobs import BlobDetector, blob_scene
from tests.prediction.test_batch import SIZE, _ships
from tests.scenes.rasters import UTM52, utm_transform

OF = 3


@pytest.fixture(autouse=True)
def _detector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "load_detector", lambda settings: BlobDetector())


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    """Seven names: four scenes, a copy of the second in another shard, text, another copy."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number, name in enumerate("abce"):
        place = (150.0 + 60 * number, 100.0)
        blob_scene(
            folder / f"{name}.tif", SIZE, _ships(place), transform=utm_transform(), crs=UTM52
        )
    (folder / "d.tif").write_text("no raster")
    for copy in ("f.tif", "g.tif"):
        with rasterio.open(folder / "b.tif") as first:
            profile = first.profile | {"compress": "lzw"}
            with rasterio.open(folder / copy, "w", **profile) as second:
                second.write(first.read())
    return folder


@pytest.fixture
def few(tmp_path: Path) -> Path:
    """Two scenes."""
    folder = tmp_path / "few"
    folder.mkdir()
    for name, place in (("a", (150.0, 100.0)), ("b", (250.0, 100.0))):
        path = folder / f"{name}.tif"
        blob_scene(path, SIZE, _ships(place), transform=utm_transform(), crs=UTM52)
    return folder


def _predict(scenes: Path, out: Path, shard: str | None = None, **changes: object) -> RunSummary:
    values = {"paths": (str(scenes),), "out": out, "detector": DetectorSettings("blobs")}
    part = {"shard": Shard.parse(shard)} if shard else {}
    formats = {"formats": ("csv",)}
    return predict_paths(BatchSettings(**{**values, **part, **formats, **changes}))  # type: ignore[arg-type]


def _bytes(out: Path) -> dict[str, bytes]:
    files = [path for path in out.rglob("*") if path.is_file()]
    inside = {str(path.relative_to(out)): path.read_bytes() for path in files}
    return {name: content for name, content in inside.items() if not name.startswith(SHARDS)}


def _reasons(out: Path) -> list[str]:
    table = pd.read_csv(out / "scenes.csv", keep_default_na=False)
    return table["reason"].tolist()


def test_shards_give_the_bytes_of_one_process(scenes: Path, tmp_path: Path) -> None:
    whole, out = tmp_path / "whole", tmp_path / "out"
    _predict(scenes, whole)
    for number in (3, 1, 2):  # in any order
        _predict(scenes, out, f"{number}/{OF}")
    collected = collect_shards(CollectSettings(out))
    assert _bytes(out) == _bytes(whole)
    assert altered_files(out) == []
    status = [(Path(record.path).name, record.status) for record in collected.records]
    assert status == [
        *(("a.tif", "done"), ("b.tif", "done"), ("c.tif", "done"), ("d.tif", "failed")),
        *(("e.tif", "done"), ("f.tif", "copy"), ("g.tif", "copy")),
    ]
    # the copy's own shard had counted it: links cost no room, and what is no scene is not linked
    named = {folder.name for folder in out.iterdir() if folder.is_dir()} - {SHARDS}
    assert len(named) == 4
    (record,) = (out / collected.records[0].scene_id).glob("scene.json")
    assert record.stat().st_nlink == 2
    assert collect_shards(CollectSettings(out)).resumed == 4
    assert _predict(scenes, out).resumed == 4  # an ordinary run goes on from there
    assert _bytes(out) == _bytes(whole)


def test_missing_shards_are_rows_and_come_later(scenes: Path, tmp_path: Path) -> None:
    whole, out = tmp_path / "whole", tmp_path / "out"
    _predict(scenes, whole)
    _predict(scenes, out, "1/3")
    summary = collect_shards(CollectSettings(out))
    assert [Path(record.path).name for record in summary.failed] == [
        *("b.tif", "c.tif", "d.tif", "e.tif", "f.tif")
    ]
    assert _reasons(out)[1].startswith("shard 2/3 is missing or not finished; run it again with")
    assert "shard=3/3" in _reasons(out)[2]
    for number in (2, 3):
        _predict(scenes, out, f"{number}/3")
    assert collect_shards(CollectSettings(out)).resumed >= 1
    assert {k: v for k, v in _bytes(out).items() if "/" not in k} == {
        k: v for k, v in _bytes(whole).items() if "/" not in k
    }


def test_a_killed_shard_is_missing_and_goes_on(
    scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    real, done = work.find_objects, []

    def killed_at_the_second(scene: object, *rest: object, **others: object) -> object:
        if done:
            raise KeyboardInterrupt
        done.append(scene)
        return real(scene, *rest, **others)  # type: ignore[arg-type]

    monkeypatch.setattr(work, "find_objects", killed_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        _predict(scenes, out, "1/2")
    with pytest.raises(OutputError, match=r"none of its 1 shard is finished"):
        collect_shards(CollectSettings(out))
    monkeypatch.setattr(work, "find_objects", real)
    assert _predict(scenes, out, "1/2").resumed == 1
    assert len(collect_shards(CollectSettings(out)).failed) == 3


def test_more_shards_than_scenes(scenes: Path, tmp_path: Path) -> None:
    one, out = scenes / "a.tif", tmp_path / "out"
    for number in (1, 2):
        _predict(one, out, f"{number}/2")
    _predict(one, tmp_path / "whole")
    assert [record.status for record in collect_shards(CollectSettings(out)).records] == ["done"]
    assert _bytes(out) == _bytes(tmp_path / "whole")


def test_scenes_of_one_id_in_two_shards_are_told_and_done_later(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    for name, place in (("x", (300.0, 40.0)), ("y", (300.0, 460.0))):
        (folder / name).mkdir(parents=True)
        blob_scene(
            folder / name / "visual.tif", SIZE, _ships(place), transform=utm_transform(), crs=UTM52
        )
    out, whole = tmp_path / "out", tmp_path / "whole"
    _predict(folder, whole)
    for number in (1, 2):
        _predict(folder, out, f"{number}/2")
    summary = collect_shards(CollectSettings(out))
    assert [record.status for record in summary.records] == ["done", "failed"]
    assert "in another shard; run detector predict once more without shard=" in _reasons(out)[1]
    assert _predict(folder, out).resumed == 1
    assert _bytes(out) == _bytes(whole)


def test_shards_that_do_not_belong_together_are_refused(few: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(OutputError, match="holds no shards; run detector predict with shard=1/4"):
        collect_shards(CollectSettings(out))
    _predict(few, out, "1/2")
    _predict(few, out, "2/2", zones_only=True)
    with pytest.raises(OutputError, match=r"2-of-2: made with zones_only=True, .*1-of-2 with"):
        collect_shards(CollectSettings(out))
    (few / "0.tif").write_text("came meanwhile")
    _predict(few, out, "2/2", overwrite=True)
    with pytest.raises(OutputError, match=r"2-of-2: was given other scenes than .*1-of-2"):
        collect_shards(CollectSettings(out))
    _predict(few, out, "1/3")
    with pytest.raises(OutputError, match="holds shards of 2 and of 3; remove the folders of one"):
        collect_shards(CollectSettings(out))


def test_a_damaged_scene_of_a_shard_is_a_row(scenes: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for number in (1, 2):
        summary = _predict(scenes, out, f"{number}/2")
    victim = out / SHARDS / "2-of-2" / summary.records[0].scene_id / "detections.parquet"
    content = victim.read_bytes()
    victim.write_bytes(content[:100] + bytes([content[100] ^ 1]) + content[101:])
    (failed, *_) = collect_shards(CollectSettings(out)).failed
    assert "damaged, or changed since; run its shard again" in failed.reason
    _predict(scenes, out, "2/2")
    assert [Path(r.path).name for r in collect_shards(CollectSettings(out)).failed] == ["d.tif"]


def test_results_of_other_settings_are_not_replaced_unasked(few: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    _predict(few, out)
    for number in (1, 2):
        _predict(few, out, f"{number}/2", zones_only=True)
    with pytest.raises(OutputError, match="holds results of other settings, weights or content"):
        collect_shards(CollectSettings(out))
    assert len(collect_shards(CollectSettings(out, overwrite=True)).records) == 2


@pytest.mark.parametrize("text", ["0/4", "5/4", "3", "3/", "a/b", "-1/4", "1/0", "1/9999999"])
def test_what_is_no_shard_is_told(text: str) -> None:
    with pytest.raises(ConfigError, match=f"shard={text}: say which of how many"):
        Shard.parse(text)


def test_the_commands(scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    words = ["predict", str(scenes), f"out={out}", "formats=[csv]", "shard=2/2", "quiet=true"]
    assert main(words) == EXIT_SOME_FAILED  # d.tif
    assert (out / SHARDS / "2-of-2" / "run.log").is_file()
    assert not (out / "run.log").exists()
    capsys.readouterr()
    assert main(["collect", f"out={out}", "quiet=true"]) == EXIT_SOME_FAILED
    told = capsys.readouterr().out
    assert "failed: 4 scenes, " in told
    assert "a.tif the first: shard 1/2 is missing or not finished; run it again" in told
    (scenes / "d.tif").unlink()
    shutil.rmtree(out)
    for number in (1, 2):
        assert main([*words[:4], f"shard={number}/2", "quiet=true"]) == EXIT_DONE
    assert main(["collect", f"out={out}", "log=json", "quiet=true"]) == EXIT_DONE
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["done"] == 4


def test_the_option_is_checked_before_any_work() -> None:
    assert PredictConfig.__dataclass_fields__["shard"].type == "str | None"
    assert main(["predict", "a.tif", "shard=7/3"]) == 2
