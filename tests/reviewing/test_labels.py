"""What somebody looked at becomes labels: exact boxes, honest background, places on their side."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from detector.classes import PORT
from detector.cli import main as cli
from detector.config.compose import load_config
from detector.data.labelled import DataError
from detector.data.yolo import read_oriented
from detector.errors import ConfigError
from detector.reviewing.errors import ReviewError
from detector.reviewing.importing import ImportSettings, import_reviews
from detector.reviewing.labels import PLACES_FILE, write_labels
from detector.reviewing.runs import ReviewedRun
from detector.training.gather import gather_reviews
from detector.training.options import TrainConfig
from detector.training.session import data_settings, images_of
from tests.reviewing.made_run import SHIPS, draw, edit, geopackages, outline


def review(run: Path) -> ReviewedRun:
    """The zone of the first scene looked at: its second ship false, one drawn, one doubtful."""
    first = geopackages(run)[0]
    edit(first, "UPDATE detections SET verdict = 'false' WHERE fid = 2")
    draw(first, outline(200, 100, 60, 20), **{"class": "container_stack", "verdict": "real"})
    draw(first, outline(60, 200, 60, 20), **{"class": "ship", "verdict": "doubtful"})
    edit(first, "UPDATE zones SET reviewed = 1")
    import_reviews(ImportSettings(run, who="Ann"))
    return ReviewedRun.read(run)


def test_labels_are_what_the_person_left(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "labels"
    reviewed = review(run)
    done = import_reviews(ImportSettings(run, who="Ann")).review
    told = write_labels(done, reviewed, out, "train")
    assert told.images == {"train": 1, "dev": 0}
    (image,) = gather_reviews([str(out)], "train", PORT)
    names = [PORT.names[i] for i in image.class_ids]
    assert sorted(names) == ["container_stack", "ship"]
    # the zone begins at 5, 80 in the scene
    middles = {name: image.corners[i].mean(axis=0) for i, name in enumerate(names)}
    np.testing.assert_allclose(middles["ship"], np.add(SHIPS[2], 0.5) - (5, 80), atol=0.1)
    np.testing.assert_allclose(middles["container_stack"], (195, 20), atol=0.1)
    np.testing.assert_allclose(image.ignored.mean(axis=1), [(55, 120)], atol=0.1)
    assert image.taught == (True, True)
    assert image.gsd_m == pytest.approx(0.5, rel=1e-3)
    pixels = cv2.imread(str(image.image))
    assert pixels.shape == (140, 410, 3)
    assert image.source == "review"


def test_places_stay_on_their_side(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "labels"
    reviewed = review(run)
    done = import_reviews(ImportSettings(run, who="Ann")).review
    write_labels(done, reviewed, out, "dev")
    (place,) = json.loads((out / PLACES_FILE).read_text())["places"]
    assert place["split"] == "dev"
    told = write_labels(done, reviewed, out, "train")  # the place is known, and stays
    assert told.images == {"train": 0, "dev": 1}
    assert [image.split for image in read_oriented(told.folder)] == ["dev"]
    with pytest.raises(DataError, match="every place of it is held out for measuring"):
        gather_reviews([str(out)], "train", PORT)
    with pytest.raises(DataError, match="is never trained on"):
        gather_reviews([str(out)], "dev", PORT)
    with pytest.raises(DataError, match="no labels of a review"):
        gather_reviews([str(tmp_path)], "train", PORT)
    (out / PLACES_FILE).write_text("{}")
    with pytest.raises(ReviewError, match=r"places\.json: not a document of detector review"):
        write_labels(done, reviewed, out)


def test_nobody_looked_at_a_whole_part(run: Path, tmp_path: Path) -> None:
    edit(geopackages(run)[0], "UPDATE detections SET verdict = 'real' WHERE fid = 1")
    done = import_reviews(ImportSettings(run)).review
    with pytest.raises(ReviewError, match="nobody looked at a part of a scene as a whole"):
        write_labels(done, ReviewedRun.read(run), tmp_path / "labels")
    assert not list((tmp_path / "labels").glob("*/data.yaml"))


def test_the_command_writes_them_and_training_adds_them(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    review(run)
    out = tmp_path / "labels"
    words = [f"run={run}", "who=Ann", f"labels={out}", "side=train"]
    assert cli.main(["review", "import", *words]) == 0
    assert "labels: 1 image to learn from and 0 held out" in capsys.readouterr().out
    overrides = ["data=rendered", "ports=1", "port_px=64", f"data.reviews=[{out}]",
                 f"data.cache={tmp_path / 'cache'}"]  # fmt: skip
    config = load_config("train", TrainConfig, overrides)
    assert [image.source for image in images_of(config)] == ["rendered", "review"]
    added = load_config("train", TrainConfig, ["data=review", "data.root=pool"])
    assert data_settings(added).kind == "port"
    with pytest.raises(ConfigError, match=r"Say data\.reviews=\[FOLDER\]"):
        images_of(added)
