"""A run says what of its data it could not use, and learns from every dataset that is read."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from detector import resources
from detector.boxes.scored import Boxes
from detector.config.compose import load_config
from detector.data import port_pool
from detector.data.chips import ChipSettings, cut_chips
from detector.data.convert import convert
from detector.data.datasets import READERS
from detector.data.labelled import DataError, Fault, LabelledImage, Labelling
from detector.data.sources import complete_above_px
from detector.models.detector import find_weights
from detector.training import gather, session
from detector.training.options import TrainConfig
from detector.training.session import describe, images_of
from detector.training.teacher import orient_ships
from tests.data import fakes
from tests.data.test_geojson import BOX, polygon, scene


def geojson(root: Path) -> Path:
    """A scene with a ship and a region that is neither right nor wrong."""
    far = [(x + 5, y + 15) for x, y in BOX]
    scene(root, "port", [polygon(BOX), polygon(far, ignore=1)])
    return root


MAKERS = {
    "port": fakes.port_pool,
    "dota": fakes.dota,
    "hrsc": fakes.hrsc,
    "xview": fakes.xview,
    "yolo": lambda root: fakes.yolo(root, oriented=False),
    "yolo-obb": lambda root: fakes.yolo(root, oriented=True),
    "coco": fakes.coco,
    "geojson": geojson,
}
# Images, ships after orientation, stacks, regions that are painted over.
WANTED = {
    "port": (3, 3, 1, 1),
    "dota": (2, 1, 0, 1),
    "hrsc": (1, 1, 0, 1),
    "xview": (1, 1, 0, 0),
    "yolo": (2, 1, 0, 1),
    "yolo-obb": (2, 1, 1, 0),
    "coco": (1, 2, 1, 1),
    "geojson": (1, 1, 0, 1),
}
CHIPS = ChipSettings(side_px=64, overlap_px=16, scales=(1.0,), min_side_px=8)


def config_of(tmp_path: Path, kind: str, root: Path, *more: str) -> TrainConfig:
    options = [f"data.kind={kind}", f"data.root={root}", f"data.cache={tmp_path / 'cache'}"]
    return load_config("train", TrainConfig, [*options, *more])


@pytest.fixture
def teacher(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """A teacher that turns every envelope into a ship; images that cannot be read go its road."""

    def orient(images: Iterable[LabelledImage], detector: Any) -> Iterator[LabelledImage]:
        for image in images:
            (after,) = orient_ships([image], detector)
            if Labelling.ENVELOPE in after.labelling:
                yield after
                continue
            yield replace(
                image,
                corners=np.concatenate([image.corners, image.envelopes]),
                class_ids=np.concatenate([image.class_ids, np.zeros(len(image.envelopes), int)]),
                labelling=(Labelling.ORIENTED, image.labelling[1]),
            )

    blind = SimpleNamespace(
        card=SimpleNamespace(tile_px=64), detect=lambda tiles: [Boxes.empty()] * len(tiles)
    )
    weights = tmp_path / "teacher.safetensors"
    weights.write_bytes(b"any")
    monkeypatch.setattr(gather, "orient_ships", orient)
    monkeypatch.setattr(gather, "load_detector", lambda settings: blind)
    monkeypatch.setattr(gather, "find_weights", Path)
    return f"data.teacher={weights}"


def test_every_reader_has_a_fake_here() -> None:
    assert MAKERS.keys() == WANTED.keys() == READERS.keys()


@pytest.mark.parametrize("kind", sorted(MAKERS))
def test_every_dataset_can_be_learnt_from(kind: str, tmp_path: Path, teacher: str) -> None:
    config = config_of(tmp_path, kind, MAKERS[kind](tmp_path / "in"), teacher)
    images = images_of(config)
    ids = np.concatenate([image.class_ids for image in images])
    found = (
        len(images),
        int((ids == 0).sum()),
        int((ids == 1).sum()),
        sum(len(image.ignored) for image in images),
    )
    assert found == WANTED[kind]
    assert not any(len(image.envelopes) for image in images)
    chips, problems = cut_chips(images, CHIPS, tmp_path / "chips")
    assert problems == []
    assert describe(images, chips, [])["chips"] == len(images)


@pytest.mark.parametrize(("kind", "above_px"), [("dota", 10.0), ("hrsc", 130.0), ("xview", 10.0)])
def test_a_source_keeps_the_size_from_which_it_boxes_all(
    kind: str, above_px: float, tmp_path: Path, teacher: str
) -> None:
    images = images_of(config_of(tmp_path, kind, MAKERS[kind](tmp_path / "in"), teacher))
    assert {complete_above_px(image.source)[0] for image in images} == {above_px}
    assert images[0].taught == (True, False)  # its stacks are unlabelled


def test_a_converted_folder_can_be_learnt_from(tmp_path: Path) -> None:
    pool = list(port_pool.read(fakes.port_pool(tmp_path / "pool")))
    convert(pool, tmp_path / "yolo")
    (image,) = images_of(config_of(tmp_path, "yolo-obb", tmp_path / "yolo"))
    assert image.image.name == "o.png"  # d.png is of the dev split
    np.testing.assert_allclose(image.corners, pool[0].corners, atol=1e-3)
    assert image.class_ids.tolist() == [0, 1]
    assert (image.source, image.place, image.gsd_m) == ("HRSC2016", "p1", 0.5)
    assert complete_above_px(image.source)[0] == 130.0


def test_the_dev_split_of_a_converted_folder_is_refused(tmp_path: Path) -> None:
    convert(port_pool.read(fakes.port_pool(tmp_path / "pool"), "dev"), tmp_path / "yolo")
    with pytest.raises(DataError, match="no image of the split 'train' is left"):
        images_of(config_of(tmp_path, "yolo-obb", tmp_path / "yolo"))


def test_pool_and_port_are_one(tmp_path: Path, teacher: str) -> None:
    root = fakes.port_pool(tmp_path / "pool")
    one, other = (images_of(config_of(tmp_path, kind, root, teacher)) for kind in ("pool", "port"))
    assert gather.manifest_hash(one) == gather.manifest_hash(other)


def test_images_that_need_a_teacher_are_said_where_there_is_none(tmp_path: Path) -> None:
    faults: list[Fault] = []
    root = fakes.port_pool(tmp_path / "pool")
    images = images_of(config_of(tmp_path, "pool", root, "data.teacher="), faults)
    assert [image.image.name for image in images] == ["o.png", "u.png"]
    reason = "1 images with axis-aligned ships, and no teacher to orient them (data.teacher)"
    assert [fault.reason for fault in faults] == [reason]
    root = fakes.xview(tmp_path / "xview")
    with pytest.raises(DataError, match="no teacher to orient them"):
        images_of(config_of(tmp_path, "xview", root, "data.teacher="))


def test_the_teacher_of_the_recipes_is_shipped() -> None:
    config = load_config("train", TrainConfig, ["experiment=port-n"])
    assert find_weights(config.data.teacher).parent == resources.weights_dir()


def test_an_image_that_the_teacher_cannot_read_is_left_out(tmp_path: Path, teacher: str) -> None:
    root = fakes.port_pool(tmp_path / "pool")
    bad = root / "images" / "h.png"  # axis-aligned
    bad.write_bytes(b"\x89PNG nothing")
    config = config_of(tmp_path, "pool", root, teacher)
    for _ in range(2):  # it is not remembered as oriented
        faults: list[Fault] = []
        images = images_of(config, faults)
        assert [image.image.name for image in images] == ["o.png", "u.png"]
        (fault,) = faults
        assert str(fault).startswith(f"{bad}: not a raster that GDAL can read")
    fakes.image(bad)
    assert [image.image.name for image in images_of(config)] == ["o.png", "h.png", "u.png"]


def test_two_images_of_one_name_are_refused(tmp_path: Path) -> None:
    root = fakes.yolo(tmp_path / "in", oriented=True)
    fakes.image(root / "images" / "more" / "a.png")
    with pytest.raises(DataError, match=r"more/a\.png: a second image called 'a'"):
        images_of(config_of(tmp_path, "yolo-obb", root))


def test_faults_of_images_that_are_not_learnt_from_are_not_said(tmp_path: Path) -> None:
    root = fakes.port_pool(tmp_path / "pool")
    for name in ("o", "d"):  # of train and of dev
        with (root / "labels" / f"{name}.txt").open("a") as file:
            file.write("7 1\n")
    faults: list[Fault] = []
    images_of(config_of(tmp_path, "pool", root, "data.teacher=", "data.leave_out=[h.png]"), faults)
    assert [fault.path.name for fault in faults] == ["o.txt"]


class StopError(Exception):
    """Ends a run before its first step."""


def test_a_run_logs_faults_and_writes_them_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, teacher: str
) -> None:
    def stop(*_: Any) -> Any:
        raise StopError

    monkeypatch.setattr(session, "PortTrainer", stop)
    root = fakes.port_pool(tmp_path / "pool")
    with (root / "labels" / "o.txt").open("a") as file:
        file.write("7 0 0 1 0 1 1 0 1\n" + "0 broken\n" * 30)
    (root / "labels" / "lost.txt").write_text("")
    (root / "labels_hbb" / "h.txt").unlink()
    (root / "images" / "u.png").write_bytes(b"\x89PNG nothing")
    config = config_of(
        tmp_path, "pool", root, teacher, f"out={tmp_path / 'run'}", "network.start=random"
    )
    with caplog.at_level(logging.WARNING), pytest.raises(StopError):
        session.train(config)
    problems = json.loads((tmp_path / "run" / "data.json").read_text())["problems"]
    assert len(problems) == 34
    assert problems[0] == f"{root}/labels/lost.txt: no image of this name"
    assert problems[1] == f"{root}/labels/o.txt:3: class 7 is none of 0, 1"
    assert problems[32] == f"{root}/labels_hbb/h.txt: no label file of this image"
    assert problems[33].startswith(f"{root}/images/u.png: not a raster")
    warned = [record.message for record in caplog.records if "left out" in record.message]
    assert warned[:2] == [f"left out: {problem}" for problem in problems[:2]]
    assert warned[-1] == "left out: and 14 more"
