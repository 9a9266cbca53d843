"""Scoring what a run of `detector predict` has left."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from detector.data import port_pool
from detector.evaluation.dataset import Dataset, labelled_dataset
from detector.evaluation.evaluator import EvaluationSettings, run_evaluation
from detector.evaluation.truth import EvaluationError
from detector.models.detector import DetectorSettings
from detector.prediction import batch as inference
from detector.prediction.batch import BatchSettings, predict_paths
from detector.prediction.finished import read_finished
from tests.evaluation.pool import blob_detector, standard_pool


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    pool = standard_pool(tmp_path_factory.mktemp("pool"))
    whole = labelled_dataset(port_pool.read(pool, "dev"))
    chosen = [0, 4, 5, 6]  # plain, weak, missed, false
    return replace(
        whole,
        images=[whole.images[i] for i in chosen],
        paths=[whole.paths[i] for i in chosen],
    )


@pytest.fixture(scope="module")
def finished(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The images, predicted as `detector predict` does."""
    out = tmp_path_factory.mktemp("predicted")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(inference, "load_detector", lambda settings: blob_detector())
        predict_paths(
            BatchSettings(
                paths=tuple(str(path) for path in reversed(dataset.paths)),
                out=out,
                detector=DetectorSettings("blobs"),
            )
        )
    return out


def test_a_finished_run_is_scored(dataset: Dataset, finished: Path, tmp_path: Path) -> None:
    settings = EvaluationSettings(
        out=tmp_path,
        detector=DetectorSettings("nope"),
        finished=read_finished(finished, dataset),
        gallery=0,
    )
    result = run_evaluation(dataset, "four images", settings)
    [ships] = [r for r in result.evaluation.summary.detection if r.by == "all"][:1]
    assert (ships.counted.true, ships.counted.false, ships.counted.missed) == (5, 1, 2)
    assert result.facts.weights == "blobs"
    text = (tmp_path / "metrics.md").read_text()
    assert "AP is a lower bound" in text
    assert json.loads((tmp_path / "metrics.json").read_text())["facts"]["floor"] is None


def test_only_predictions_of_these_images(dataset: Dataset, finished: Path) -> None:
    fewer = replace(dataset, images=dataset.images[:3], paths=dataset.paths[:3])
    with pytest.raises(EvaluationError, match=r"'false\.png' is none of the images"):
        read_finished(finished, fewer)
    more = replace(
        dataset,
        images=[*dataset.images, replace(dataset.images[0], name="new.png")],
        paths=[*dataset.paths, Path("new.png")],
    )
    with pytest.raises(EvaluationError, match=r"no predictions of 'new\.png'"):
        read_finished(finished, more)
    larger = [replace(dataset.images[0], width=500), *dataset.images[1:]]
    with pytest.raises(EvaluationError, match=r"400 x 400.*500 x 400; these are predictions of"):
        read_finished(finished, replace(dataset, images=larger))


def test_a_damaged_run_is_named(dataset: Dataset, finished: Path, tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="give the folder of 'detector predict'"):
        read_finished(tmp_path, dataset)
    content = json.loads((finished / "run.json").read_text())
    twice = {"scenes": [*content["scenes"], content["scenes"][0]]}
    (tmp_path / "run.json").write_text(json.dumps(twice))
    with pytest.raises(EvaluationError, match="two scenes are called"):
        read_finished(tmp_path, dataset)
    failed = {"scenes": [content["scenes"][0] | {"status": "failed", "reason": "no pixels"}]}
    (tmp_path / "run.json").write_text(json.dumps(failed))
    with pytest.raises(EvaluationError, match=r"no predictions \(no pixels\)"):
        read_finished(tmp_path, dataset)
    (tmp_path / "run.json").write_text(json.dumps(content))
    with pytest.raises(EvaluationError, match="missing or damaged"):
        read_finished(tmp_path, dataset)
