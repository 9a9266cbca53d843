"""Cards: round trip and refusals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from detector import resources
from detector.classes import SHIP
from detector.errors import WeightsError
from detector.models.card import ModelCard, sha256_of
from detector.models.detector import DetectorSettings, find_card, find_weights, load_detector
from tests.models.conftest import Files


def test_a_card_reads_back_equal(tiny: Files) -> None:
    assert ModelCard.read(tiny.weights.with_suffix(".yaml")) == tiny.card


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("{", "not a YAML card"),
        ("[1]", "mapping"),
        ("name: x\n", "incomplete"),
        ("colour: red\n", "unknown keys colour"),
    ],
)
def test_a_damaged_card_is_named(tmp_path: Path, text: str, word: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(WeightsError, match=word):
        ModelCard.read(path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("classes", ["boat", "container_stack"]),
        ("classes", ["ship", "ship"]),
        ("classes", []),
        ("class_entries", {"ship": {"ground": "water"}}),
        ("class_entries", {"boat": {"ground": "water"}}),
        ("class_entries", ["boat"]),
        ("conf", {"ship": 0.5}),
        ("gsd_max_m", 0.1),
        ("tile_px", 100),
        ("luck", -0.1),
        ("luck", 1.0),
    ],
)
def test_a_wrong_value_is_refused(tiny: Files, key: str, value: object) -> None:
    path = tiny.weights.with_suffix(".yaml")
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), key: value}))
    with pytest.raises(WeightsError, match="tiny"):
        ModelCard.read(path)


def test_a_card_may_name_other_classes_in_any_order(tiny: Files) -> None:
    assert "class_entries" not in tiny.card.to_yaml()
    names = ("storage_tank", "container_stack", "ship")
    own = {"storage_tank": {"ground": "land", "longest_m": 120.0, "length_limits_m": [20, 60]}}
    card = replace(tiny.card, classes=names, conf=dict.fromkeys(names, 0.3), class_entries=own)
    path = tiny.weights.with_suffix(".yaml")
    path.write_text(card.to_yaml())
    back = ModelCard.read(path)
    assert back == card
    assert back.class_set.names == names
    assert back.class_set[0].length_classes == ("<20 m", "20-60 m", ">=60 m")
    alone = replace(tiny.card, classes=("ship",), conf={"ship": 0.3})
    assert alone.class_set.entries == (SHIP,)


def test_the_gsd_range(tiny: Files) -> None:
    covered = [tiny.card.covers(gsd) for gsd in (None, 0.29, 0.3, 2.0, 2.1)]
    assert covered == [None, False, True, True, False]


def test_every_shipped_card_fits_its_weights() -> None:
    folder = resources.weights_dir()
    cards = sorted(folder.glob("*.yaml"))
    read = set()
    for path in cards:
        card = ModelCard.read(path)
        weights = card.weights_beside(path)
        assert card.name == path.stem
        assert card.sha256 == sha256_of(weights)
        read.add(weights)
    assert read == set(folder.glob("*.safetensors"))
    assert read


def test_two_cards_read_the_same_weights(tiny: Files) -> None:
    other = tiny.weights.with_name("other.yaml")
    card = replace(tiny.card, name="other", file="tiny.safetensors", mirrored=True)
    other.write_text(card.to_yaml())
    for name in (str(other), str(other.with_suffix(".safetensors"))):
        assert find_card(name) == other
        assert find_weights(name) == tiny.weights
    assert find_weights(str(tiny.weights)) == tiny.weights
    detector = load_detector(DetectorSettings(str(other), device="cpu", backend="torch"))
    assert detector.card == card
    other.write_text(replace(card, file="gone.safetensors").to_yaml())
    with pytest.raises(WeightsError, match=r"gone\.safetensors"):
        load_detector(DetectorSettings(str(other), device="cpu", backend="torch"))


@pytest.mark.parametrize("file", ["../tiny.safetensors", "/etc/x.safetensors", "best.pt"])
def test_a_card_reads_only_safetensors_beside_it(tiny: Files, file: str) -> None:
    with pytest.raises(WeightsError, match="without folders"):
        replace(tiny.card, file=file)
