"""Weights by the gsd of the scene, and classes that a card cannot tell at it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from detector.errors import WeightsError
from detector.models import choice
from detector.models.card import ModelCard
from detector.models.choice import choose_weights
from detector.models.detector import DetectorSettings
from detector.prediction import batch as run_module
from detector.prediction.batch import predict_paths
from detector.prediction.settings import BatchSettings
from tests.inference.blobs import CARD, BlobDetector, blob_scene
from tests.prediction.test_batch import SIZE, _ships
from tests.scenes.rasters import UTM52, utm_transform

COARSE = replace(
    CARD,
    name="coarse",
    sha256="1" * 64,
    gsd_min_m=2.5,
    gsd_max_m=12.0,
    gsd_read_m=2.5,
    upsampling=4.0,
    class_gsd_max_m={"container_stack": 0.0},
)
FINE = replace(CARD, name="fine", gsd_max_m=2.0)
CARDS = {"fine": FINE, "coarse": COARSE}


@pytest.fixture
def shipped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two cards of blobs: fine and coarse."""
    monkeypatch.setattr(choice, "AUTO_WEIGHTS", ("fine", "coarse"))
    monkeypatch.setattr(choice, "find_card", Path)
    monkeypatch.setattr(ModelCard, "read", lambda path: CARDS[str(path)])

    def load(settings: DetectorSettings) -> BlobDetector:
        name = "fine" if settings.weights == "auto" else settings.weights
        return BlobDetector(card=CARDS[name])

    monkeypatch.setattr(run_module, "load_detector", load)


@pytest.mark.usefixtures("shipped")
def test_the_first_card_that_covers_the_gsd() -> None:
    gsds = (None, 0.5, 2.0, 2.2, 2.5, 10.0, 12.0, 30.0)
    told = [choose_weights("auto", gsd) for gsd in gsds]
    assert told == ["fine", "fine", "fine", "fine", "coarse", "coarse", "coarse", "fine"]
    assert choose_weights("mine", 10.0) == "mine"


@pytest.mark.usefixtures("shipped")
def test_each_scene_is_read_by_its_own_and_stacks_are_not_readable(tmp_path: Path) -> None:
    paths = [
        blob_scene(
            tmp_path / f"{name}.tif",
            SIZE,
            _ships((150, 100), (400, 300)),
            transform=utm_transform(gsd),
            crs=UTM52,
            mark=(mark, 0),
        )
        for mark, (name, gsd) in enumerate({"fine": 0.5, "coarse": 3.0}.items())
    ]
    out = tmp_path / "out"
    settings = BatchSettings(tuple(map(str, paths)), out, DetectorSettings("auto"))
    summary = predict_paths(settings)
    assert {r.name: (r.weights, r.ships) for r in summary.records} == {
        "fine": ("fine", 2),
        "coarse": ("coarse", 2),
    }
    counts = pd.read_parquet(out / "counts.parquet")
    every = counts[counts["length_class"] == "all"]
    told = {
        (row["scene_id"].split("_")[0].split("-")[0], row["class"]): (row["count"], row["status"])
        for row in every.to_dict("records")
    }
    assert told["fine", "ship"] == (2, "cloud_unknown")
    assert told["fine", "container_stack"] == (0, "cloud_unknown")
    assert told["coarse", "ship"] == (2, "cloud_unknown")
    assert pd.isna(told["coarse", "container_stack"][0])
    assert told["coarse", "container_stack"][1] == "outside_model_range"
    (coarse,) = (record for record in summary.records if record.name == "coarse")
    assert any("not readable at 3" in warning for warning in coarse.warnings)


def test_what_a_card_may_say() -> None:
    assert COARSE.unreadable(10.0) == ("container_stack",)
    assert COARSE.unreadable(None) == CARD.unreadable(10.0) == ()
    with pytest.raises(WeightsError, match="gsd_min_m / upsampling <= gsd_read_m"):
        replace(COARSE, upsampling=1.0, gsd_read_m=2.4, gsd_min_m=2.5)
    with pytest.raises(WeightsError, match="class_gsd_max_m of 'lorry'"):
        replace(COARSE, class_gsd_max_m={"lorry": 1.0})
    assert "upsampling" not in CARD.to_yaml()
    assert "upsampling: 4.0" in COARSE.to_yaml()
