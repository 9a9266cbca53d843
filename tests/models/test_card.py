"""Cards: round trip and refusals."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

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


# A card is data: it runs nothing, and every value has a type and a range --------------------------


def test_a_card_runs_no_code(tiny: Files, tmp_path: Path) -> None:
    """Ultralytics evaluates `activation:` of the file that a card names."""
    mark = tmp_path / "ran"
    evil = tmp_path / "yolo11n-obb.yaml"
    evil.write_text(
        f"activation: __import__('pathlib').Path({str(mark)!r}).touch()\nnc: 2\nbackbone: []\n"
        "head: []\nscales: {n: [0.5, 0.25, 1024]}\n"
    )
    for architecture in (str(evil), "../yolo11n-obb.yaml", "./yolo11n-obb.yaml", "evil-obb.yaml"):
        tiny.rewrite(architecture=architecture)
        with pytest.raises(WeightsError, match="is none of yolov8, yolo11"):
            load_detector(DetectorSettings(str(tiny.weights), device="cpu", backend="torch"))
    assert not mark.exists()


def test_a_file_of_that_name_in_the_current_folder_is_not_taken(
    tiny: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = tmp_path / "ran"
    text = f"activation: __import__('pathlib').Path({str(mark)!r}).touch()\n"
    for name in ("yolo11n-obb.yaml", "yolo11-obb.yaml"):
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    detector = load_detector(DetectorSettings(str(tiny.weights), device="cpu", backend="torch"))
    assert detector.card == tiny.card
    assert not mark.exists()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("conf", {"ship": -1.0, "container_stack": 0.2}),
        ("conf", {"ship": 1.5, "container_stack": 0.2}),
        ("conf", {"ship": "0.5", "container_stack": 0.2}),
        ("conf", {"ship": math.nan, "container_stack": 0.2}),
        ("conf", {"ship": None, "container_stack": 0.2}),
        ("conf", 3),
        ("iou", 0.0),
        ("iou", "0.5"),
        ("iou", math.inf),
        ("iou", [0.5]),
        ("tile_px", 10**9),
        ("tile_px", 128.0),
        ("tile_px", "128"),
        ("gsd_min_m", "fine"),
        ("gsd_min_m", -1.0),
        ("gsd_max_m", math.inf),
        ("gsd_read_m", None),
        ("name", 7),
        ("name", "a\x1b[31mb"),
        ("architecture", ["yolo11n-obb.yaml"]),
        ("classes", "ship"),
        ("classes", [1, 2]),
        ("classes", None),
        ("sha256", "zz"),
        ("sha256", 12),
        ("licence", ["none"]),
        ("training", "long"),
        ("metrics", [1]),
        ("calibration", 7),
        ("file", 7),
        ("mirrored", "yes"),
        ("mirrored", 1),
        ("luck", "much"),
        ("luck", math.nan),
        ("family", 3),
        ("sources", 3),
        ("class_entries", 3),
    ],
)
def test_every_value_is_checked(tiny: Files, key: str, value: object) -> None:
    path = tiny.weights.with_suffix(".yaml")
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), key: value}))
    with pytest.raises(WeightsError, match=rf"tiny\.yaml.*{key}"):
        ModelCard.read(path)


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.system ['true']\n",
        "gsd_min_m: 2024-13-45\n",
        f"iou: {'9' * 5000}\n",
        "a: &a [*a]\n",
        "name: \udcff\n",
        "[" * 5000,
        "a: !!binary =\n",
    ],
)
def test_yaml_that_is_no_card_is_one_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(WeightsError, match=r"x\.yaml"):
        ModelCard.read(path)


def test_a_bomb_of_aliases_is_refused_at_once(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    path = tmp_path / "x.yaml"
    path.write_text("\n".join(lines))
    with pytest.raises(WeightsError, match="aliases"):
        ModelCard.read(path)


@pytest.mark.parametrize("kind", [torch.float8_e4m3fn, torch.int8, torch.bool])
def test_tensors_of_other_kinds_are_refused(tiny: Files, kind: torch.dtype) -> None:
    tensors = load_file(tiny.weights)
    first = next(iter(tensors))
    tensors[first] = tensors[first].to(kind)
    save_file(tensors, tiny.weights)
    tiny.rewrite(sha256=sha256_of(tiny.weights))
    with pytest.raises(WeightsError, match="it needs one of float16"):
        load_detector(DetectorSettings(str(tiny.weights), device="cpu", backend="torch"))
