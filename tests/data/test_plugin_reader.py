"""A dataset reader from outside the package works wherever a kind of dataset can be named."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from detector.cli.main import main
from detector.geometry.boxes import corners_from_xywhr
from tests.inference.blobs import blob_scene
from tests.plugins import MARKER, SHOWS_IMPORT, install, write_distribution
from tests.scenes.rasters import UTM52, utm_transform

ROOT = Path(__file__).parents[2]
NAME = "quaywatch-myports"
READER = """
import numpy as np
from detector.classes import PORT
from detector.data.labelled import Fault, LabelledImage, Labelling
from detector.geometry.boxes import corners_from_xywhr


def read(root, faults):
    for image in sorted(root.glob("*.tif")):
        rows = []
        for line, text in enumerate(image.with_suffix(".csv").read_text().splitlines(), 1):
            try:
                rows.append([float(value) for value in text.split(",")])
            except ValueError:
                faults.append(Fault(image.with_suffix(".csv"), line, "not five numbers"))
        yield LabelledImage(
            image=image,
            width=256,
            height=192,
            source="MyPorts",
            split="",
            place=image.stem,
            gsd_m=0.5,
            corners=corners_from_xywhr(np.array(rows)),
            class_ids=np.full(len(rows), PORT.id("ship")),
            labelling=(Labelling.ORIENTED, Labelling.UNLABELLED),
        )
"""
ENTRIES = {"detector.datasets": {"myports": "myports_reader:read"}}


@pytest.fixture
def myports(tmp_path: Path) -> Path:
    """Two images of three ships, and one line that is broken."""
    root = tmp_path / "MyPorts"
    root.mkdir()
    rows = {"a": [(60, 60, 60, 14, 0.3), (160, 120, 50, 12, 1.2)], "b": [(100, 90, 70, 16, 2.0)]}
    for name, boxes in rows.items():
        (root / f"{name}.csv").write_text("\n".join(",".join(map(str, box)) for box in boxes))
        ships = corners_from_xywhr(np.array(boxes, float))
        blob_scene(root / f"{name}.tif", (256, 192), ships, transform=utm_transform(), crs=UTM52)
    return root


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "site"
    install(monkeypatch, folder, NAME, ENTRIES, {"myports_reader": SHOWS_IMPORT + READER})
    return folder


def test_another_process_lists_the_name_unloaded_and_reads_with_it(
    tmp_path: Path, myports: Path
) -> None:
    site = write_distribution(
        tmp_path / "site", NAME, ENTRIES, {"myports_reader": SHOWS_IMPORT + READER}
    )
    environment = os.environ | {"PYTHONPATH": f"{site}{os.pathsep}{ROOT}", "COLUMNS": "100"}

    def detector(*words: str) -> str:
        command = [sys.executable, "-m", "detector", *words]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, cwd=tmp_path, check=True
        )
        return done.stdout

    for command in (("data", "summary"), ("data", "convert"), ("train",), ("evaluate",)):
        assert "geojson|myports" in "".join(detector(*command, "--help").split())
    assert not (site / MARKER).exists()
    text = detector("data", "summary", "kind=myports", f"root={myports}")
    assert (site / MARKER).exists()
    assert "2 images" in text


def test_summary_convert_and_faults(
    installed: Path, myports: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = myports / "b.csv"
    labels.write_text(labels.read_text() + "\none,two")
    out = tmp_path / "yolo"
    words = ["kind=myports", f"root={myports}"]
    assert main(["data", "summary", *words]) == 0
    assert f"{labels}:2: not five numbers" in capsys.readouterr().out
    assert main(["data", "convert", *words, f"out={out}"]) == 1
    assert f"2 images in {out}; 0 images left out, 1 fault\n" in capsys.readouterr().out
    lines = {path.stem: path.read_text().splitlines() for path in out.rglob("labels/*.txt")}
    assert {name: len(rows) for name, rows in lines.items()} == {"a": 2, "b": 1}


def test_preview_and_training_data(installed: Path, myports: Path, tmp_path: Path) -> None:
    from detector.config.compose import load_config
    from detector.training.options import TrainConfig
    from detector.training.session import images_of

    words = ["data.kind=myports", f"data.root={myports}", f"data.cache={tmp_path / 'cache'}"]
    words += ["data.teacher=", "data.ports=0", "data.depots=0"]
    images = images_of(load_config("train", TrainConfig, words))
    assert [len(image.corners) for image in images] == [2, 1]
    assert {image.source for image in images} == {"MyPorts"}
    sheet = tmp_path / "sheet.jpg"
    more = [f"sheet={sheet}", "count=2", "columns=2", "views.stack_gsd_max=0"]
    assert main(["data", "preview", *words, *more]) == 0
    assert sheet.stat().st_size > 1000


def test_evaluation_opens_it(installed: Path, myports: Path) -> None:
    from detector.api.learning import evaluation_data
    from detector.config.compose import load_config
    from detector.evaluation.options import EvaluateConfig

    words = ["dataset=myports", f"root={myports}"]
    dataset, name = evaluation_data(load_config("evaluate", EvaluateConfig, words))
    assert name == "myports"
    assert [path.name for path in dataset.paths] == ["a.tif", "b.tif"]


@pytest.mark.parametrize(
    ("code", "gives"),
    [
        ("def read(root, faults):\n    yield root\n", "gives a PosixPath"),
        ("def read(root, faults):\n    return None\n", "gives a NoneType"),
        ("def read(root):\n    yield root\n", "has another signature"),
        ("def read(root, faults):\n    yield {}['x']\n", "failed (KeyError: 'x')"),
    ],
)
def test_a_broken_reader_is_a_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    code: str,
    gives: str,
) -> None:
    install(monkeypatch, tmp_path / "site", NAME, ENTRIES, {"myports_reader": code})
    assert main(["data", "summary", "kind=myports", f"root={tmp_path}"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(
        f"detector: the dataset kind 'myports' of the distribution '{NAME} 1.2' {gives}"
    )


def test_a_kind_that_nobody_knows_gets_the_nearest(
    installed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "summary", "kind=myport", "root=x"]) == 2
    error = capsys.readouterr().err
    assert "this option needs one of port|dota" in error
    assert "; did you mean 'myports'?" in error


def test_the_pool_is_not_taken_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = {"detector.datasets": {"pool": "myports_reader:read"}}
    install(monkeypatch, tmp_path / "site", NAME, entries, {"myports_reader": READER})
    sheet = tmp_path / "s.jpg"
    assert (
        main(["data", "preview", "data.kind=pool", f"data.root={tmp_path}", f"sheet={sheet}"]) == 2
    )
    assert "registers the dataset kind 'pool', which is built in" in capsys.readouterr().err
    assert not sheet.exists()
