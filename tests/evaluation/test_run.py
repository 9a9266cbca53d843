"""The whole evaluation on a pool made by code: numbers known in advance."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from detector.cli.main import main
from detector.data import port_pool
from detector.evaluation import evaluator as evaluation_run
from detector.evaluation.compare import compare
from detector.evaluation.dataset import Dataset, labelled_dataset
from detector.evaluation.evaluator import EvaluationSettings, Result, load_side, run_evaluation
from detector.evaluation.truth import EvaluationError
from detector.models.detector import Detector, DetectorSettings
from tests.evaluation.pool import Blob, PoolImage, blob_detector, standard_pool, write_pool

Evaluate = Callable[..., Result]
Done = tuple[Result, Path]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    pool = standard_pool(tmp_path_factory.mktemp("pool"))
    return labelled_dataset(port_pool.read(pool, "dev"))


@pytest.fixture(scope="module")
def standard(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Done:
    """The standard pool, evaluated once for all tests that only look, with its folder."""
    out = tmp_path_factory.mktemp("standard") / "out"
    with pytest.MonkeyPatch.context() as monkeypatch:
        use(monkeypatch, blob_detector())
        return run_evaluation(dataset, "the standard pool", settings_for(out, gallery=2)), out


@pytest.fixture
def evaluate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, dataset: Dataset) -> Evaluate:
    """Evaluate the standard pool, or another dataset, at a threshold into `tmp_path / out`."""

    def call(data: Dataset = dataset, conf: float = 0.5, **changes: object) -> Result:
        use(monkeypatch, blob_detector(conf))
        changes = {"gallery": 0} | changes
        return run_evaluation(data, "the standard pool", settings_for(tmp_path / "out", **changes))

    return call


def settings_for(out: Path, **changes: object) -> EvaluationSettings:
    detector = DetectorSettings("blobs")
    return EvaluationSettings(out=out, detector=detector, floor=0.05, **changes)  # type: ignore[arg-type]


def use(monkeypatch: pytest.MonkeyPatch, detector: Detector) -> None:
    monkeypatch.setattr(evaluation_run, "load_detector", lambda settings: detector)


def row_of(metrics: dict, **wanted: str) -> dict:
    rows = [r for r in metrics["detection"] if all(r[k] == v for k, v in wanted.items())]
    assert len(rows) == 1
    return rows[0]


def test_numbers_known_in_advance(standard: Done) -> None:
    metrics = json.loads((standard[1] / "metrics.json").read_text())
    ships = row_of(metrics, class_name="ship", measure="polygon", by="all")
    # 4 x 2 found, weak: 1 found + 1 below the threshold, missed: 1 + 1 unseen, false: 1 + 1 too
    # much, ignored: 1, and a negative
    assert ships["n_truth"] == 14
    assert (ships["n_images"], ships["n_places"], ships["n_truth_places"]) == (9, 8, 7)
    counted = ships["counted"]
    assert (counted["true"], counted["false"], counted["missed"]) == (12, 1, 2)
    assert counted["precision"]["value"] == pytest.approx(12 / 13, abs=1e-6)
    assert counted["recall"]["value"] == pytest.approx(12 / 14, abs=1e-6)
    assert ships["best"]["threshold"] == pytest.approx(0.3, abs=0.01)
    assert ships["false_per_image"]["value"] == pytest.approx(1 / 9, abs=1e-6)
    assert 0.85 < ships["ap50"]["value"] < 13 / 14
    assert ships["ap50"]["low"] < ships["ap50"]["value"] < ships["ap50"]["high"]
    stacks = row_of(metrics, class_name="container_stack", measure="polygon", by="all")
    assert (stacks["n_truth"], stacks["n_truth_places"], stacks["ap50"]["value"]) == (4, 4, 1.0)
    assert stacks["ap50"]["low"] is None  # four places
    upright = row_of(metrics, class_name="ship", measure="envelope", by="all")
    assert (upright["n_images"], upright["n_truth"], upright["ap50"]["value"]) == (1, 1, 1.0)
    assert row_of(metrics, measure="envelope", by="source", value="xView")["n_truth"] == 1


def test_counts_and_kinds(standard: Done) -> None:
    metrics = json.loads((standard[1] / "metrics.json").read_text())
    counts = {(r["class_name"], r["measure"], r["what"]): r["errors"] for r in metrics["counts"]}
    ships = counts["ship", "polygon", "objects by image"]
    assert (ships["true"], ships["counted"], ships["n"]) == (14, 13, 9)
    assert ships["bias"]["value"] == pytest.approx(-1 / 9, abs=1e-6)
    assert ships["mae"]["value"] == pytest.approx(3 / 9, abs=1e-6)
    area = counts["container_stack", "polygon", "area by image, m2"]
    assert area["true"] == pytest.approx(4 * 70 * 24 * 0.25, rel=0.01)
    assert abs(area["total_error"]["value"]) < 0.1  # a quarter of a pixel around each
    kinds = {(r["class_name"], r["measure"]): r for r in metrics["kinds"]}
    assert kinds["ship", "polygon"]["predicted"]["false"] == 1
    assert kinds["ship", "polygon"]["predicted"]["neutral"] == 1
    assert kinds["ship", "polygon"]["true"]["missed"] == 2
    [everything] = [r["errors"] for r in metrics["lengths"] if r["value"] == "all"]
    assert everything["n"] == 12
    assert everything["mae_m"]["value"] < 1.0


def test_what_is_written(standard: Done) -> None:
    result, out = standard
    assert sorted(file.name for file in out.iterdir()) == [
        ".quaywatch",
        "card_metrics.yaml",
        "cost.json",
        "evaluation.html",
        "matches_complete.npz",
        "matches_counted.npz",
        "metrics.json",
        "metrics.md",
        "predictions.parquet",
    ]
    table = pd.read_parquet(out / "predictions.parquet")
    counted = sum(map(len, result.run.predictions.counted))
    assert (table.counted.sum(), len(table)) == (counted, 2 * counted + 1)
    card = yaml.safe_load((out / "card_metrics.yaml").read_text())
    assert card["ship, polygon"]["objects"] == 14
    assert card["ship, polygon"]["recall"].startswith("0.857 [")
    assert card["container_stack, polygon"]["AP50"] == "1.000"
    text = (out / "metrics.md").read_text()
    assert "| ship, polygon | all | 9 | 8 | 14 (7) |" in text
    assert re.search(r"0\.923 \[0\.\d{3}, 1\.000\]", text)


def test_the_page_needs_nothing_else_and_shows_the_worst(standard: Done) -> None:
    page = (standard[1] / "evaluation.html").read_text()
    links = set(re.findall(r"(?:href|src)=\"([^#\"][^\"]{3})", page))  # but for places in itself
    assert links == {"data"}
    assert set(re.findall(r"https?://[^\"]+", page)) == {"http://www.w3.org/2000/svg"}
    captions = re.findall(r"<figcaption>(\S+) \(", page)
    assert captions == ["false.png", "missed.png"]
    assert 'class="missed"' in page
    assert 'class="wrong"' in page
    assert page.count("<svg") == 3 * 3 + 2  # curve, counts and kinds of three; two pictures
    tables = re.findall(r"<table>.*?</table>", page)
    widths = [{len(re.findall("<t[dh]>", row)) for row in t.split("</tr>")[:-1]} for t in tables]
    assert widths == [{15}, {11}, {6}, {11}]  # cells of every row, empty ones too
    assert page.count('<tr class="whole">') == 3 + 1  # of each class and measure; lengths


def test_names_are_escaped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ship = (100.0, 100.0, 80.0, 20.0, 0.5)
    images = [PoolImage("a&<b>", (Blob(ship), Blob((200, 250, 60, 16, 2), labelled=False)), "p")]
    use(monkeypatch, blob_detector())
    run_evaluation(
        labelled_dataset(port_pool.read(write_pool(tmp_path / "pool", images))),
        "<script>alert(1)</script>",
        EvaluationSettings(out=tmp_path / "out", detector=DetectorSettings("blobs")),
    )
    page = (tmp_path / "out" / "evaluation.html").read_text()
    assert "<script" not in page
    assert "a&amp;&lt;b&gt;.png" in page


def test_the_same_again_is_the_same_bytes(
    evaluate: Evaluate, standard: Done, tmp_path: Path
) -> None:
    evaluate(gallery=2)
    for name in ("metrics.json", "metrics.md", "evaluation.html", "predictions.parquet"):
        assert (tmp_path / "out" / name).read_bytes() == (standard[1] / name).read_bytes()


def test_compared_with_itself_nothing_differs(standard: Done) -> None:
    side = load_side(standard[1])
    deltas = compare(side, side)
    assert len(deltas) > 10
    for delta in deltas:
        assert delta.difference.value == 0 or np.isnan(delta.old)
        assert not delta.significant
        assert delta.p == 1.0 or np.isnan(delta.p)


def test_a_blind_detector_is_significantly_worse(
    evaluate: Evaluate, standard: Done, tmp_path: Path
) -> None:
    result = evaluate(conf=0.95, compare=standard[1])
    deltas = {(d.class_name, d.measure, d.number): d for d in result.deltas if d.by == "all"}
    recall = deltas["ship", "polygon", "recall"]
    assert recall.old == pytest.approx(12 / 14)
    assert recall.new == 0.0
    assert recall.difference.value == pytest.approx(-12 / 14)
    assert recall.significant
    assert recall.p < 0.01
    assert deltas["ship", "polygon", "count MAE"].difference.value > 0
    # the curve reaches below the threshold, so average precision hardly changes
    assert abs(deltas["ship", "polygon", "AP50"].difference.value) < 0.05
    stacks = deltas["container_stack", "polygon", "recall"]
    assert not stacks.significant  # four places have no interval
    assert np.isnan(stacks.p)
    assert " * |" in (tmp_path / "out" / "metrics.md").read_text()


def test_only_the_same_truth_is_compared(
    evaluate: Evaluate, standard: Done, dataset: Dataset, tmp_path: Path
) -> None:
    fewer = replace(dataset, images=dataset.images[:-1], paths=dataset.paths[:-1])
    with pytest.raises(EvaluationError, match=f"'{dataset.images[-1].name}' is in one of them"):
        evaluate(fewer, compare=standard[1])
    larger = replace(dataset.images[0], corners=dataset.images[0].corners * 1.5)
    changed = replace(dataset, images=[larger, *dataset.images[1:]])
    with pytest.raises(EvaluationError, match="truth has changed"):
        evaluate(changed, compare=standard[1])
    with pytest.raises(EvaluationError, match="give the folder of a run of 'detector evaluate'"):
        evaluate(compare=tmp_path / "nowhere")


def test_the_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    use(monkeypatch, blob_detector())
    pool, out = standard_pool(tmp_path / "pool"), tmp_path / "out"
    words = ["evaluate", "data=port", f"data.root={pool}", "split=dev", f"out={out}", "gallery=0"]
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert "Weights `blobs`" in shown
    assert "| ship, polygon | all | 9 | 8 | 14 (7) |" in shown
    assert main([*words, "log=json"]) == 0
    assert json.loads(capsys.readouterr().out)["facts"]["n_images"] == 10


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["data.root=nowhere"], "give the folder of the port pool"),
        (["data.split=dev"], "unknown option 'data.split'; did you mean 'split'?"),
        (["data.teacher=starter"], "unknown option 'data.teacher'"),
        (["split=devv"], "no images to evaluate"),
        (["dataset=dota"], "dataset= and root= go together"),
        (["dataset=dotta", "root=x"], "needs one of port|dota"),
        (["floor=0"], "floor=0"),
        (["weights=nope"], "weights 'nope' are not shipped"),
    ],
)
def test_bad_input_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    pool = standard_pool(tmp_path / "pool")
    given = ["evaluate", f"data.root={pool}", f"out={tmp_path / 'out'}", *words]
    assert main(given) == 2
    shown = capsys.readouterr()
    assert sentence in shown.err
    assert len(shown.err.strip().splitlines()) == 1
    assert shown.out == ""


@pytest.mark.real
def test_the_starting_weights_on_real_images(shared_data: Path, tmp_path: Path) -> None:
    """Large ships in three harbours: most are found, so the road from file to number is whole."""
    pool = port_pool.read(shared_data / "port", "dev")
    harbours = [i for i in pool if i.source == "HRSC2016" and (i.class_ids == 0).sum() >= 2][:3]
    settings = EvaluationSettings(
        out=tmp_path, detector=DetectorSettings("port-n", backend="torch"), gallery=1
    )
    result = run_evaluation(labelled_dataset(harbours), "three harbours", settings)
    [ships] = [r for r in result.evaluation.summary.detection if r.by == "all"][:1]
    assert ships.class_name == "ship"
    assert ships.n_truth >= 6
    assert ships.ap50.value > 0.6
    assert ships.counted.recall.value > 0.7
    assert ships.ap50.value > ships.ap75.value > 0.2
