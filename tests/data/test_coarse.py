"""Fine pictures as a coarse sensor sees them: sizes, light, labels."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from detector.classes import ClassSet
from detector.cli.data_coarsen import CoarsenConfig, run
from detector.config.compose import load_config
from detector.data.coarse import CoarseSettings, coarse_pixels, coarsen
from detector.data.datasets import read_dataset
from detector.data.labelled import LabelledImage, Labelling
from detector.geometry.boxes import as_corners, edge_lengths
from tests.data.test_geojson import BOX, polygon, scene

SHIPS = ClassSet.named(("ship",))
LONG = [(20, 100), (180, 100), (180, 130), (20, 130)]  # 160 x 30 px
SHORT = [(20, 20), (60, 20), (60, 30), (20, 30)]  # 40 px


def fine(folder: Path, labelling: Labelling = Labelling.ORIENTED) -> LabelledImage:
    folder.mkdir(parents=True, exist_ok=True)
    pixels = np.full((200, 200, 3), 60, np.uint8)
    cv2.fillPoly(pixels, [np.array(LONG)], (220, 220, 220))
    assert cv2.imwrite(str(folder / "a.png"), pixels)
    boxes = as_corners([LONG, SHORT])
    ids = np.zeros(2, np.int64)
    return LabelledImage(
        folder / "a.png",
        200,
        200,
        "mine",
        "train",
        "bay",
        0.5,
        boxes,
        ids,
        labelling=(labelling,),
        classes=SHIPS,
    )


def test_boxes_go_with_the_pixels_and_short_ships_are_ignored(tmp_path: Path) -> None:
    settings = CoarseSettings((5.0, 2.0, 0.9), (0.5, 0.5), 30.0, 0)
    images = list(coarsen([fine(tmp_path)], settings, tmp_path / "out"))
    told = [(image.width, image.gsd_m, image.source) for image in images]
    assert told == [(20, 5.0, "mine 5 m"), (50, 2.0, "mine 2 m")]
    for image in images:  # 0.9 m is less than twice 0.5 m
        assert image.gsd_m is not None
        assert edge_lengths(image.corners)[0] * image.gsd_m == pytest.approx([80.0])
        assert edge_lengths(image.ignored)[0] * image.gsd_m == pytest.approx([20.0])
        pixels = cv2.imread(str(image.image))
        assert pixels is not None
        assert pixels.shape == (image.height, image.width, 3)
        x, y = image.corners[0].mean(axis=0).astype(int)
        assert pixels[y, x].mean() > 1.5 * pixels[-1, 0].mean()  # the ship is where its box is


def test_images_that_teach_not_every_ship_are_left_out(tmp_path: Path) -> None:
    unsure = fine(tmp_path, labelling=Labelling.UNLABELLED)
    assert (
        list(coarsen([unsure], CoarseSettings((5.0,), (0.5, 0.5), 30.0, 0), tmp_path / "out")) == []
    )


def test_the_mean_light_stays_but_for_contrast_and_haze() -> None:
    rng = np.random.default_rng(0)
    flat = np.full((80, 80, 3), 100, np.uint8)
    means = [coarse_pixels(flat, (8, 8), rng).mean() for _ in range(50)]
    assert 50 <= min(means) <= max(means) <= 132  # gain 0.5 to 1, the rest from 0 to 160
    assert np.std([coarse_pixels(flat, (8, 8), rng).std() for _ in range(20)]) > 0.1


def test_the_command_writes_one_folder_with_scenes_as_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "fine" / "images").mkdir(parents=True)
    (tmp_path / "fine" / "labels").mkdir()
    (tmp_path / "fine" / "data.yaml").write_text("names: {0: ship}\n")
    fine(tmp_path / "fine" / "images")
    line = " ".join(f"{value / 200:.6f}" for value in np.ravel(LONG))
    (tmp_path / "fine" / "labels" / "a.txt").write_text(f"0 {line}\n")
    scene(tmp_path / "scenes", "s2_2026-09-02", [polygon(BOX)])
    options = [
        *("kind=yolo-obb", f"root={tmp_path / 'fine'}", f"scenes=[{tmp_path / 'scenes'}]"),
        *("gsd_m=[5]", "assumed_min_m=0.5", "assumed_max_m=0.5", f"out={tmp_path / 'out'}"),
    ]
    assert run(load_config("data_coarsen", CoarsenConfig, options)) == 0
    assert "2 images in" in capsys.readouterr().out
    images, faults = read_dataset("yolo-obb", tmp_path / "out")
    assert faults == []
    told = {i.image.name: (i.width, round(i.gsd_m or 0), len(i.corners)) for i in images}
    assert told == {"a_5m.png": (20, 5, 1), "s2_2026-09-02.tif": (64, 10, 1)}
