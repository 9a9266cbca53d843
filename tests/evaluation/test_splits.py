"""A dataset that names splits is measured by them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detector.api.learning import evaluation_data
from detector.cli.card import CardConfig, to_data
from detector.config.compose import load_config
from detector.errors import ConfigError
from detector.evaluation.options import EvaluateConfig


def dataset(root: Path, splits: dict[str, str]) -> Path:
    """A YOLO-OBB folder of black images, each of its split."""
    for folder in ("images", "labels"):
        (root / folder).mkdir(parents=True)
    (root / "data.yaml").write_text("names: {0: ship}\n")
    rows = ["image,source,split,place,gsd_m"]
    for name, split in splits.items():
        Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(root / "images" / f"{name}.png")
        (root / "labels" / f"{name}.txt").write_text("0 0.2 0.2 0.8 0.2 0.8 0.4 0.2 0.4\n")
        rows.append(f"{name}.png,here,{split},{name},10")
    (root / "quaywatch.csv").write_text("\n".join(rows) + "\n")
    return root


@pytest.mark.parametrize(
    ("split", "names", "called"),
    [
        ("dev", ["c.png", "d.png"], "yolo-obb, split dev"),
        ("train", ["a.png", "b.png", "d.png"], "yolo-obb, split train"),
        ("val", ["a.png", "b.png", "c.png", "d.png"], "yolo-obb"),
        ("", ["a.png", "b.png", "c.png", "d.png"], "yolo-obb"),
    ],
)
def test_a_named_split_is_taken_with_what_has_none(
    tmp_path: Path, split: str, names: list[str], called: str
) -> None:
    root = dataset(tmp_path / "data", {"a": "train", "b": "train", "c": "dev", "d": ""})
    words = ["dataset=yolo-obb", f"root={root}", f"split={split}"]
    found, name = evaluation_data(load_config("evaluate", EvaluateConfig, words))
    assert [image.name for image in found.images] == names
    assert name == called


def test_thresholds_of_a_dataset_come_from_its_training_split(tmp_path: Path) -> None:
    root = dataset(tmp_path / "data", {"a": "train", "c": "dev"})
    words = ["dataset=yolo-obb", f"root={root}", "thresholds_from=train"]
    data = to_data(load_config("card", CardConfig, words))
    assert [image.name for image in data.trained()[0].images] == ["a.png"]
    assert [image.name for image in data.evaluated()[0].images] == ["c.png"]
    none = dataset(tmp_path / "none", {"c": "dev"})
    words = ["dataset=yolo-obb", f"root={none}", "thresholds_from=train"]
    with pytest.raises(ConfigError, match=r"no image of .*none is of the split 'train'"):
        to_data(load_config("card", CardConfig, words)).trained()
