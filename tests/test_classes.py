"""The table of classes and sets of them."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from detector.boxes.duplicates import suppress_duplicates
from detector.boxes.scored import Boxes
from detector.classes import (
    CONTAINER_STACK,
    PORT,
    SHIP,
    TABLE,
    ClassEntry,
    ClassSet,
    read_classes,
)
from detector.data.labelled import LabelledImage, Labelling
from detector.errors import ConfigError, GeometryError
from detector.geometry.boxes import corners_from_xywhr

TANK = ClassEntry("storage_tank", longest_m=120.0, colour=(0, 114, 178), length_limits_m=(20.0,))
THREE = ClassSet((TANK, CONTAINER_STACK, SHIP))


def test_the_shipped_classes_and_what_is_asked_of_them() -> None:
    assert PORT.names == tuple(TABLE) == ("ship", "container_stack")
    assert [entry.many for entry in PORT] == ["ships", "stacks"]
    assert SHIP.length_classes == ("<25 m", "25-60 m", "60-150 m", ">=150 m")
    roles = ("read_coarse", "crossing", "voted", "counted", "containers", "visits", "by_area")
    assert {role: PORT.with_role(role) for role in roles} == {  # type: ignore[arg-type]
        "read_coarse": [0],
        "crossing": [0],
        "voted": [1],
        "counted": [0, 1],
        "containers": [1],
        "visits": [0],
        "by_area": [1],
    }
    assert PORT.cargoes == ((0, 1),)
    assert PORT.boxable == 0


def test_a_set_in_another_order_says_the_same_of_each_class() -> None:
    ids = np.array([0, 1, 2, 1])
    assert THREE.in_order == (2, 1, 0)
    assert THREE.ranks(ids).tolist() == [2, 1, 0, 1]
    assert THREE.ids_in(PORT).tolist() == [-1, 1, 0]
    assert THREE.cargoes == ((2, 1),)
    assert THREE.mask(ids, "voted").tolist() == [False, True, False, True]
    assert THREE.values(ids, "longest_m").tolist() == [120.0, 1000.0, 400.0, 1000.0]
    lengths = np.array([30.0, 30.0, 30.0, np.nan])
    assert THREE.length_classes(ids, lengths) == [">=20 m", "", "25-60 m", ""]
    assert ClassSet((TANK,)).cargoes == ()
    assert ClassSet((TANK,)).boxable is None


def test_entries_go_through_plain_values_unchanged(tmp_path: Path) -> None:
    assert PORT.to_plain() == ["ship", "container_stack"]
    assert ClassSet.from_plain(THREE.to_plain(), "here") == THREE
    every = ClassEntry(
        "x", "a", "b", "water", 5.0, 9.0, "both", (1, 2, 3), (4.0,), (5.0, 6.0), False, True, True,
        "ship", (7, 8, 9), True, True, True, 3.0, 0.1, True,
    )  # fmt: skip
    usual = ClassEntry("x")
    same = [f.name for f in fields(usual) if getattr(every, f.name) == getattr(usual, f.name)]
    assert same == ["name"]
    assert ClassEntry.from_plain(every.to_plain(), "here") == every
    path = tmp_path / "classes.yaml"
    path.write_text("- ship\n- name: storage_tank\n  longest_m: 120\n  colour: [0, 114, 178]\n")
    assert read_classes(path).names == ("ship", "storage_tank")
    assert read_classes(path)[1].longest_m == 120.0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ship", "a list of names"),
        ("[]", "names of their own"),
        ("[ship, ship]", "names of their own"),
        ("[boat]", "'boat' is none of ship, container_stack"),
        ("[{ground: land}]", "a mapping with a name"),
        ("[{name: a, hue: 3}]", "has no hue"),
        ("[{name: a, ground: air}]", "ground is water or land"),
        ("[{name: a, longest_m: 0}]", "longest_m"),
        ("[{name: a, counted: 3}]", "mistyped"),
        ("[{name: a, colour: [1, 2]}]", "red, green, blue"),
        ("[{name: a, length_limits_m: [5, 5]}]", "rise"),
        ("[", "not a YAML list"),
    ],
)
def test_what_is_wrong_in_a_file_of_classes_is_said(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "classes.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=words) as caught:
        read_classes(path)
    assert str(path) in str(caught.value)


def test_boxes_cross_only_within_a_class_that_says_so() -> None:
    corners = corners_from_xywhr(np.array([[50, 50, 80, 10, 0.0], [50, 50, 80, 10, 1.2]]))
    scores = np.array([0.9, 0.8], np.float32)

    def kept(first: int, second: int) -> int:
        boxes = Boxes(corners, scores, np.array([first, second]), THREE)
        return len(suppress_duplicates(boxes, crossing=True))

    assert [kept(2, 2), kept(1, 1), kept(0, 0), kept(2, 1)] == [1, 2, 2, 2]


def test_boxes_go_into_another_set_by_name() -> None:
    corners = corners_from_xywhr(np.array([[x, 5, 8, 2, 0.0] for x in (10, 20, 30)]))
    boxes = Boxes(corners, np.array([0.1, 0.2, 0.3], np.float32), np.array([0, 1, 2]), THREE)
    moved = boxes.in_classes(PORT)
    assert moved.class_ids.tolist() == [1, 0]
    assert moved.scores.tolist() == boxes.scores[1:].tolist()
    assert len(Boxes.concatenate([moved, Boxes.empty(THREE)])) == 2
    with pytest.raises(GeometryError, match="different sets"):
        Boxes.concatenate([boxes, moved])


def test_labels_say_nothing_of_a_class_that_only_the_network_has() -> None:
    corners = corners_from_xywhr(np.array([[10, 5, 8, 2, 0.0], [20, 5, 8, 2, 0.0]]))
    image = LabelledImage(
        image=Path("a.tif"), width=64, height=64, source="x", split="", place="a", gsd_m=None,
        corners=corners, class_ids=np.array([0, 1]), ignored=corners,
        ignored_class_ids=np.array([1, 0]),
        labelling=(Labelling.ORIENTED, Labelling.UNLABELLED),
    )  # fmt: skip
    three = image.in_classes(THREE)
    assert three.class_ids.tolist() == [2, 1]
    assert three.ignored_class_ids is not None
    assert three.ignored_class_ids.tolist() == [1, 2]
    assert three.labelling == (
        Labelling.UNLABELLED, Labelling.UNLABELLED, Labelling.ORIENTED,
    )  # fmt: skip
    assert three.taught == (False, False, True)
    ship = image.in_classes(ClassSet((SHIP,)))
    assert ship.corners.tolist() == corners[:1].tolist()
    assert ship.labelling == (Labelling.ORIENTED,)
