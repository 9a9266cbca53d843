"""Truth from labelled and rendered images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely

from detector.classes import PORT
from detector.data import port_pool
from detector.evaluation.dataset import (
    check_scored,
    labelled_dataset,
    rendered_dataset,
    rendered_image,
)
from detector.evaluation.truth import EvaluationError, Measure
from detector.geometry.boxes import corners_from_xywhr, iou_pairs, polygons
from detector.rendering import count_truth, render
from detector.rendering.stress import moored_row
from detector.rendering.validation import validation_specs
from tests.evaluation.pool import SIDE_PX, Blob, PoolImage, standard_pool, write_pool

SHIP = (100.0, 100.0, 80.0, 20.0, 0.5)


def test_the_pool_becomes_truth(tmp_path: Path) -> None:
    dataset = labelled_dataset(port_pool.read(standard_pool(tmp_path), "dev"))
    assert len(dataset.images) == 10
    by_name = {image.name: image for image in dataset.images}
    plain, upright, none = by_name["plain0.png"], by_name["upright.png"], by_name["none.png"]
    assert plain.measures == (Measure.POLYGON, Measure.POLYGON)
    assert plain.class_ids.tolist() == [0, 0, 1]
    assert plain.gsd_m == 0.5
    expected = polygons(corners_from_xywhr(np.array([SHIP])))
    assert iou_pairs(polygons(plain.corners[:1]), expected)[0] > 0.999
    assert upright.measures == (Measure.ENVELOPE, Measure.POLYGON)
    assert len(upright.corners) == 1
    assert len(none.corners) == 0
    assert none.measures == (Measure.POLYGON, Measure.POLYGON)
    assert by_name["ignored.png"].ignored_class_ids.tolist() == [0]
    assert dataset.paths[0].name == "plain0.png"
    assert (dataset.clipped, dataset.outside) == (0, 0)


def test_sources_that_leave_small_ships_out(tmp_path: Path) -> None:
    pool = write_pool(
        tmp_path,
        [
            PoolImage("a", (Blob(SHIP),), "a", source="HRSC2016"),
            PoolImage("b", (Blob(SHIP),), "b", source="SIMD", ship_labels="hbb"),
            PoolImage("c", (), "c", source="SIMD", ship_labels="none_labelled"),
            PoolImage("d", (), "d", stack_labels="unlabelled"),
        ],
    )
    a, b, c, d = labelled_dataset(port_pool.read(pool)).images
    assert a.complete_above_px == (130.0, 0.0)
    assert b.measures == (Measure.NONE, Measure.POLYGON)  # marinas with ten boxes
    assert len(b.corners) == 0
    assert c.measures[0] is Measure.POLYGON
    assert d.measures == (Measure.POLYGON, Measure.NONE)


def test_truth_outside_the_image_is_clipped_and_counted(tmp_path: Path) -> None:
    beyond = (float(SIDE_PX), 200.0, 80.0, 20.0, 0.0)
    outside = (SIDE_PX + 100.0, 200.0, 80.0, 20.0, 0.0)
    pool = write_pool(tmp_path, [PoolImage("a", (Blob(SHIP),), "a", unseen=(beyond, outside))])
    dataset = labelled_dataset(port_pool.read(pool))
    assert (dataset.clipped, dataset.outside) == (1, 1)
    cut = dataset.images[0].corners[1]
    assert cut[:, 0].max() == pytest.approx(SIDE_PX)
    assert cut[:, 0].min() == pytest.approx(SIDE_PX - 40, abs=0.01)
    assert len(dataset.images[0].corners) == 2


@pytest.mark.parametrize(
    "line", ["0 0.1 0.1 0.2 0.1 0.2 0.2 0.1", "ship 0 0 1 0 1 1 0 1", "0 9 9 9 9 9 9 9 9"]
)
def test_a_malformed_line_is_named(tmp_path: Path, line: str) -> None:
    pool = standard_pool(tmp_path)
    label = pool / "labels" / "plain2.txt"
    label.write_text(label.read_text() + "\n" + line)
    with pytest.raises(EvaluationError, match=r"plain2\.txt:4: .*mend the label file"):
        labelled_dataset(port_pool.read(pool, "dev"))


def test_no_images_and_no_objects(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="no images to evaluate"):
        labelled_dataset(port_pool.read(standard_pool(tmp_path), "nowhere"))
    images = labelled_dataset(port_pool.read(tmp_path, "dev")).images
    assert check_scored(images) == []
    ships = [replace(i, corners=i.corners[:0], class_ids=i.class_ids[:0]) for i in images]
    with pytest.raises(EvaluationError, match="none of the 10 images holds a true object"):
        check_scored(ships)
    no_stacks = [image for image in images if not (image.class_ids == 1).any()]
    assert check_scored(no_stacks) == [
        "no image holds a true container_stack: it has false alarms only"
    ]


def test_a_rendered_port_has_zones_and_no_excuse_for_deck_cargo(tmp_path: Path) -> None:
    dataset = rendered_dataset(tmp_path, 1)
    [image] = dataset.images
    [(spec, seed)] = validation_specs()[:1]
    scene = render(spec, seed)
    assert dataset.paths[0].is_file()
    assert len(image.zones) == len(scene.zones) > 0
    for class_id in range(len(PORT)):
        assert (image.class_ids == class_id).sum() == count_truth(scene.truth, class_id)
    # zones lie where the truth says that its objects are
    placed = [item for item in scene.truth if item.counts and item.zone]
    [name, *_] = {item.zone for item in placed}
    zone = image.zones[scene.zones.name.tolist().index(name)]
    members = [item for item in placed if item.zone == name]
    inside = [zone.buffer(2).contains(shapely.Point(i.corners.mean(axis=0))) for i in members]
    assert all(inside)
    cargo = [item.corners for item in scene.truth if item.on_ship and item.visible > 0]
    for corners in cargo:
        assert not any(np.allclose(corners, ignored) for ignored in image.ignored)


def test_rendered_scenes() -> None:
    scene = moored_row(30.0, ships=4)
    image = rendered_image(scene, "row")
    assert image.class_ids.tolist() == [0] * 4
    assert image.gsd_m == 0.5
    assert (image.height, image.width) == scene.valid.shape
    lengths = np.linalg.norm(image.corners[:, 1] - image.corners[:, 0], axis=1) * 0.5
    assert ((lengths > 50) & (lengths < 66)).all()
