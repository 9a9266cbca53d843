"""`detector card`: thresholds that balance totals, the same bytes again, nothing else touched."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml
from numpy.typing import NDArray

from detector import resources
from detector.activity import find
from detector.calibrating import card as card_module
from detector.calibrating import kept
from detector.calibrating.card import CardData, CardSettings, make_card
from detector.calibrating.choosing import training_sample
from detector.calibrating.held_out import FOLDS, SEED
from detector.calibrating.luck import LOOKS, MeasuredLuck, measure_luck
from detector.calibrating.sample import Sample
from detector.calibrating.thresholds import (
    Rule,
    balance,
    balancing_threshold,
    counted_from,
    sharpest_threshold,
)
from detector.cli.main import main
from detector.counting.calibration import Calibration, CalibrationError
from detector.data import port_pool
from detector.evaluation import evaluator
from detector.evaluation.dataset import Dataset, labelled_dataset
from detector.models.card import ModelCard, sha256_of
from detector.models.detector import Detector, DetectorSettings
from detector.models.yolo import YoloBackend
from tests.calibrating.test_calibration import made
from tests.evaluation.make import image as image_of
from tests.evaluation.pool import Blob, BlobRunner, PoolImage, blob_detector, write_pool
from tests.inference.blobs import CARD

SURE, DOUBTFUL = (100.0, 100.0, 80.0, 20.0, 0.5), (280.0, 250.0, 60.0, 16.0, 2.0)
FALSE = (120.0, 300.0, 70.0, 18.0, 1.0)
Run = Callable[..., int]


def weak_pool(root: Path) -> Path:
    """Two true ships a place, sure and doubtful, and a false one that is surer than the doubtful.

    Six places of the dev split, three of the training split with doubtful ships of 0.25 to 0.27.
    """
    images = []
    for i in range(6):
        blobs = (Blob(SURE), Blob(DOUBTFUL, 0.40 + 0.02 * i))
        false = (Blob(FALSE, 0.6, labelled=False),) if i < 3 else ()
        images.append(PoolImage(f"dev{i}", (*blobs, *false), f"place {i}"))
    for i in range(3):
        blobs = (Blob(SURE), Blob(DOUBTFUL, 0.25 + 0.01 * i))
        images.append(PoolImage(f"train{i}", blobs, f"other {i}", split="train"))
    return write_pool(root, images)


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of shipped weights that nobody may write to."""
    folder = tmp_path / "shipped"
    folder.mkdir()
    (folder / "blobs.safetensors").write_bytes(b"weights")
    sha256 = sha256_of(folder / "blobs.safetensors")
    card = replace(CARD, sha256=sha256, luck=0.0, description="Blobs.")
    (folder / "blobs.yaml").write_text(card.to_yaml())
    (folder / "twice.yaml").write_text(
        replace(card, name="twice", file="blobs.safetensors").to_yaml()
    )
    for file in folder.iterdir():
        file.chmod(0o444)
    folder.chmod(0o555)
    monkeypatch.setattr(resources, "weights_dir", lambda: folder)
    return folder


@pytest.fixture
def run(tmp_path: Path, shipped: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`detector card` on the pool, with a network that sees its blobs."""
    pool = weak_pool(tmp_path / "pool")

    def load(settings: DetectorSettings) -> Detector:
        card = ModelCard.read(card_module.find_card(settings.weights))
        conf = np.array([card.conf[name] for name in card.classes], np.float32)
        return Detector(card, YoloBackend(BlobRunner()), 3, conf, 0.5, 1)

    monkeypatch.setattr(card_module, "load_detector", load)
    monkeypatch.setattr(evaluator, "load_detector", load)

    def call(*words: str, command: str = "card", weights: str = "blobs") -> int:
        given = [f"data.root={pool}", f"weights={weights}", "quiet=true"]
        if command == "card":
            given += ["length_sites=0", "thresholds_from=split"]
        return main([command, *given, *words])

    return call


def state(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Bytes and time of every file."""
    return {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.iterdir()}


def test_totals_come_out_and_nothing_else_is_touched(
    run: Run, tmp_path: Path, shipped: Path
) -> None:
    """Twelve true ships: six of 0.9, three false of 0.6, and three doubtful from 0.46 on."""
    before = state(shipped)
    assert run(f"out={tmp_path / 'out'}") == 0
    assert state(shipped) == before
    card = ModelCard.read(tmp_path / "out" / "blobs.yaml")
    assert 0.44 < card.conf["ship"] <= 0.46
    assert card.conf["container_stack"] == 0.5  # the pool has none: it stays
    told = card.sources["thresholds"]
    assert told["from"] == "the port pool, split dev"
    assert (told["ship"]["objects"], told["ship"]["counted"], told["ship"]["total_error"]) == (
        *(12, 12),
        0.0,
    )
    assert told["ship"]["places_with_objects"] == 6
    low, high = told["ship"]["thresholds_of_folds"]
    assert 0.3 < low <= high < 0.6
    assert told["container_stack"].startswith("kept")
    assert card.sources["luck"] == {"from": "the card of blobs"}
    assert card.metrics["ship, polygon"]["objects"] == 12
    assert card.metrics["ship, polygon"]["precision"].startswith("0.75")  # 9 of 12
    assert card.calibration["fitted_on"] == "the port pool, split dev"
    assert card.calibration["classes"]["ship"]["n_boxes"] == 12
    assert card.description == "Blobs."
    facts = json.loads((tmp_path / "out" / "evaluation" / "metrics.json").read_text())["facts"]
    assert facts["conf"] == dict(card.conf)
    assert card.sha256 == sha256_of(tmp_path / "out" / "blobs.safetensors")


def test_equal_inputs_give_equal_bytes(run: Run, tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert run(f"out={tmp_path / name}", "luck=measure") == 0
    for file in ("blobs.yaml", "blobs.safetensors"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    first = (tmp_path / "one" / "blobs.yaml").read_bytes()
    assert run(f"out={tmp_path / 'one'}", "luck=measure") == 0  # over what is there
    assert (tmp_path / "one" / "blobs.yaml").read_bytes() == first


@pytest.mark.parametrize("source", ["train", "null"])
def test_thresholds_of_the_training_split(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], source: str
) -> None:
    """By F1: all six true ships from 0.25 on and no false one. On dev three false ones join."""
    assert run(f"out={tmp_path / 'out'}", f"thresholds_from={source}") == 0
    card = ModelCard.read(tmp_path / "out" / "blobs.yaml")
    told = card.sources["thresholds"]
    assert told["from"] == "3 images of the port pool, split train"
    assert told["how"].startswith("best F1 of what the counts claim; the network trained on them")
    assert (told["ship"]["objects"], told["ship"]["counted"]) == (6, 6)
    assert 0.05 < card.conf["ship"] < 0.25
    assert card.conf["container_stack"] == 0.5
    assert told["container_stack"].startswith("kept")
    assert told["ship"]["elsewhere"] == {
        "data": "the port pool, split dev",
        "objects": 12,
        "counted": 15,
        "total_error": 0.25,
    }
    assert "ship: 15 counted of 12 in the port pool, split dev, +25.0 %" in capsys.readouterr().out
    assert card.metrics["data"] == card.sources["metrics"] == "the port pool, split dev"
    assert card.metrics["ship, polygon"]["precision"].startswith("0.8")  # all 12 and the 3 false


def test_a_sample_of_training_images() -> None:
    """Of what is measured on, one a place, of every class; the same in every call."""
    images = [
        replace(
            image_of(f"{i}", [[50.0, 50.0, 40.0, 10.0, 0.0]] * (i % 3 > 0)),
            source=("port", "sea", "marina")[i % 7 % 3],
            place=f"{i // 2}",
        )
        for i in range(300)
    ]
    images = [
        replace(image, class_ids=np.ones(len(image.corners), np.int64)) if i % 50 == 0 else image
        for i, image in enumerate(images, start=2)
    ]
    whole = Dataset(images, [Path(image.name) for image in images], 0, 0)
    part = training_sample(whole, {"port", "sea"}, 60)
    assert [path.name for path in part.paths] == [image.name for image in part.images]
    assert len({image.place for image in part.images}) == len(part.images) == 60
    assert {image.source for image in part.images} == {"port", "sea"}
    assert sum((image.class_ids == 0).any() for image in part.images) >= 20
    rare = [i for i in whole.images if (i.class_ids == 1).any() and i.source != "marina"]
    assert len(rare) >= 3
    held = {image.place for image in part.images if (image.class_ids == 1).any()}
    assert len(held) >= len(rare) - 2  # not those at whose place another image was drawn
    again = training_sample(whole, {"port", "sea"}, 60)
    assert [image.name for image in again.images] == [image.name for image in part.images]
    assert len(training_sample(whole, {"port", "sea"}, 1000).images) < 151
    with pytest.raises(CalibrationError, match="no training image is of a source"):
        training_sample(whole, {"elsewhere"}, 60)


def test_an_evaluation_is_taken_where_it_fits(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluated = tmp_path / "evaluated"
    assert run(f"out={evaluated}", "gallery=0", command="evaluate") == 0
    monkeypatch.setattr(card_module, "load_detector", None)  # no network is needed
    assert run(str(evaluated), f"out={tmp_path / 'out'}", "thresholds_from=card") == 0
    card = ModelCard.read(tmp_path / "out" / "blobs.yaml")
    assert card.conf == CARD.conf
    assert card.sources["thresholds"] == {"from": "the card of blobs"}
    assert card.metrics == yaml.safe_load((evaluated / "card_metrics.yaml").read_text())
    assert not (tmp_path / "out" / "evaluation").exists()


def test_an_evaluation_is_made_anew_at_other_thresholds(run: Run, tmp_path: Path) -> None:
    evaluated = tmp_path / "evaluated"
    assert run(f"out={evaluated}", "gallery=0", command="evaluate") == 0
    assert run(str(evaluated), f"out={tmp_path / 'given'}") == 0
    assert run(f"out={tmp_path / 'fresh'}") == 0
    given, fresh = (tmp_path / name / "blobs.yaml" for name in ("given", "fresh"))
    assert given.read_bytes() == fresh.read_bytes()
    assert (tmp_path / "given" / "evaluation").is_dir()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"sha256": "b" * 64}, "an evaluation of other weights (bbbbbbbbbbbb"),
        ({"weights": "twice"}, "read as the card 'twice' says, not 'blobs'"),
        ({"conf": {}}, "does not say from which scores"),
        ({"data": "elsewhere"}, "an evaluation of elsewhere, not of the port pool, split dev"),
    ],
)
def test_an_evaluation_of_something_else_is_refused(
    run: Run,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    change: dict[str, object],
    sentence: str,
) -> None:
    evaluated = tmp_path / "evaluated"
    assert run(f"out={evaluated}", "gallery=0", command="evaluate") == 0
    path = evaluated / "metrics.json"
    content = json.loads(path.read_text())
    content["facts"] |= change
    path.write_text(json.dumps(content))
    capsys.readouterr()
    assert run(str(evaluated), f"out={tmp_path / 'out'}") == 2
    shown = capsys.readouterr()
    assert sentence in shown.err
    assert len(shown.err.strip().splitlines()) == 1
    assert not list((tmp_path / "out").glob("*.yaml"))


def test_the_program_and_the_weights_that_are_read_are_not_written_to(
    run: Run, tmp_path: Path, shipped: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = state(shipped)
    for out in (shipped, shipped / "new", resources.PACKAGE / "new"):
        assert run(f"out={out}") == 2
        assert "belongs to the program" in capsys.readouterr().err
    own = tmp_path / "own"
    assert run(f"out={own}") == 0
    capsys.readouterr()
    assert run(f"out={own}", weights=str(own / "blobs.safetensors")) == 2
    assert "the weights that are read lie there" in capsys.readouterr().err
    assert state(shipped) == before


def test_the_card_can_be_named_and_renamed(run: Run, tmp_path: Path) -> None:
    assert run(f"out={tmp_path / 'a'}", "name=new") == 0
    made = tmp_path / "a" / "new.safetensors"
    again = tmp_path / "b"
    assert run(f"out={again}", "thresholds_from=card", weights=str(made)) == 0
    one, two = ModelCard.read(made.with_suffix(".yaml")), ModelCard.read(again / "new.yaml")
    assert two.conf == one.conf
    assert two.sources == one.sources  # taken over with the numbers
    assert run(f"out={tmp_path / 'c'}", weights="twice") == 0
    assert (tmp_path / "c" / "blobs.safetensors").read_bytes() == b"weights"
    assert ModelCard.read(tmp_path / "c" / "twice.yaml").file == "blobs.safetensors"


def test_other_places_check_the_intervals(run: Run, tmp_path: Path) -> None:
    """The training split of the pool stands for other data; `run` sets up the network."""

    def part(split: str) -> tuple[Dataset, str]:
        return labelled_dataset(port_pool.read(tmp_path / "pool", split)), split

    blobs = DetectorSettings("blobs")
    settings = CardSettings(tmp_path / "out", blobs, thresholds="card", length_sites=0)
    data = CardData(lambda: part("dev"), lambda: part("train"), lambda: part("train"))
    made_card = make_card(settings, data).card
    ship = made_card.calibration["classes"]["ship"]
    assert ship["checked"]["data"] == "train"
    checked = [row for row in made_card.calibration["coverage"] if row["data"] == "train"]
    assert (checked[0]["count"], checked[0]["images"], checked[0]["held_out"]) == ("all", 3, False)
    facts = json.loads((tmp_path / "out" / "check" / "metrics.json").read_text())["facts"]
    assert facts["conf"] == dict(made_card.conf)


def test_what_a_sister_never_saw_joins_the_fit(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The sister trained on two of three training places; the third is new to it."""
    sister = tmp_path / "sister"
    sister.mkdir()
    (sister / "young.safetensors").write_bytes(b"weights")
    trained = ModelCard.read(card_module.find_card("blobs"))

    def trained_on(*places: str) -> None:
        card = replace(trained, name="young", training={"places": list(places)})
        (sister / "young.yaml").write_text(card.to_yaml())

    words = (f"out={tmp_path / 'out'}", f"sister={sister / 'young.safetensors'}", "also=train")
    trained_on("other 0", "other 2")
    assert run(*words, "thresholds_from=card") == 0
    ship = ModelCard.read(tmp_path / "out" / "blobs.yaml").calibration["classes"]["ship"]
    told = ship["counts_from"]
    assert list(told) == [
        "the port pool, split dev",
        "the port pool, split train",
        "training places that young never saw, by it",
    ]
    assert [part["images"] for part in told.values()] == [6, 3, 1]
    new = told["training places that young never saw, by it"]
    assert new["log_odds_recall_beyond_ours"] == pytest.approx(0, abs=0.5)  # it sees the same
    assert ship["count_places"] == 9
    for places, sentence in (
        ((), "does not name the places"),
        (("other 0", "other 1", "other 2"), "none of 3"),
    ):
        trained_on(*places)
        assert run(*words) == 2
        assert sentence in capsys.readouterr().err


def test_bad_words(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = f"out={tmp_path / 'out'}"
    for words, sentence in (
        (["a", "b"], "name one folder of detector evaluate, or none"),
        (["data.kind=rendered", "thresholds_from=train"], "only the port pool tells"),
        (["luck=0.1"], "card|measure"),
        (["data.kind=rendered", "sister=blobs"], "also= and sister=: only the port pool"),
        (["nowhere"], "not an evaluation"),
    ):
        assert run(out, *words) == 2
        assert sentence in capsys.readouterr().err
    assert run(out, command="calibrate") == 2
    assert "'detector card EVALUATION weights=NAME out=FOLDER'" in capsys.readouterr().err


def scored(score: list[float], real: list[bool], place: list[int], true: int) -> Sample:
    """One image a place; `true` objects, the found ones first, all in the boxes' places."""
    base, n = made(max(place) + 1), len(score)
    return replace(
        base,
        score=np.array(score),
        real=np.array(real),
        length_m=np.full(n, np.nan),
        image=np.array(place),
        on_water=np.full(n, np.nan),
        true_image=np.array(place[:true]),
        true_found=np.array(real[:true]),
        true_length_m=np.full(true, np.nan),
    )


def test_thresholds_by_hand() -> None:
    sample = scored([0.9, 0.8, 0.5, 0.3, 0.2], [True] * 2 + [False] * 3, [0, 1, 2, 3, 4], true=3)
    assert counted_from(sample.score, np.array([0.95, 0.9, 0.5, 0.1])).tolist() == [0, 1, 3, 5]
    assert balancing_threshold(sample) == pytest.approx(0.41)  # the middle of 0.31 to 0.50
    found = balance(sample, 0.25)
    assert found is not None
    assert (found.true, found.counted, found.error) == (3, 4, pytest.approx(1 / 3))
    assert balance(replace(sample, score=np.zeros(0)), 0.25) is None


def test_the_best_f1_by_hand() -> None:
    """Two of three found and nothing false from 0.61 to 0.80; all with two false are worse."""
    score, real = [0.9, 0.8, 0.4, 0.6, 0.5], [True] * 3 + [False] * 2
    sample = scored(score, real, [0, 1, 2, 3, 4], true=3)
    assert sharpest_threshold(sample) == pytest.approx(0.71)
    found = balance(sample, None, sharpest_threshold)
    assert found is not None
    assert (found.conf, found.counted, found.true) == (pytest.approx(0.71), 2, 3)
    # 0.9983 from 0.71 to 0.90 and to 0.50, 0.9967 between: as good, so all of 0.05 to 0.90
    flat = scored([0.9] * 300 + [0.5, 0.7], [True] * 301 + [False], list(range(302)), true=301)
    assert sharpest_threshold(flat) == pytest.approx(0.48)


@pytest.mark.parametrize("rule", [balancing_threshold, sharpest_threshold])
def test_no_fold_leaks_into_its_threshold(rule: Rule) -> None:
    """Every place at a threshold that was chosen without it: against an own account."""
    sample = made(30)
    fold = np.random.default_rng(SEED).permutation(30) % FOLDS
    counted = 0
    for place in range(30):
        others = np.flatnonzero(fold != fold[place])
        conf = rule(sample.of_places(others))
        counted += int(counted_from(sample.score[sample.image == place], np.array([conf]))[0])
    found = balance(sample, None, rule)
    assert found is not None
    assert found.held_out == counted != found.counted
    assert found.held_out_true == found.true


def test_held_out_totals_are_of_other_places() -> None:
    """The beta laws of `made`: thresholds of other places give totals within ten per cent."""
    sample = made(200)
    found = balance(sample, 0.5)
    assert found is not None
    assert found.folds[0] <= found.conf <= found.folds[1]
    assert found.folds[1] - found.folds[0] < 0.1
    assert found.held_out == pytest.approx(found.true, rel=0.1)
    assert (found.held_out_true, found.error_held_out) == (
        found.true,
        found.held_out / found.true - 1,
    )
    alone = balance(sample.of_places(sample.places[:1]), 0.5)
    assert alone is not None
    assert alone.error_held_out is None  # there are no other places
    assert alone.to_card()["total_error_held_out"] is None


class MoodyRunner(BlobRunner):
    """Scores err by the place in the tile, as those of a network do; grey ground shows nothing."""

    def __init__(self, sd: float) -> None:
        self._sd = sd

    def forward(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        raw = super().forward(np.where(tiles[..., 2:] > 250, tiles, 0))
        for sheet in raw:
            known = sheet[4:6] > 0
            seed = round(1000 * float(sheet[:2, 0].sum()))
            noise = np.random.default_rng(seed).normal(0, self._sd, sheet[4:6].shape)
            sheet[4:6] = np.where(known, np.clip(sheet[4:6] + noise, 0.01, 0.99), 0.0)
        return raw


def test_luck_is_what_theory_says(tmp_path: Path) -> None:
    """Scores fall as exp(-10 s) and err by 0.1: half the variance by the slope is 0.05."""
    shares = (np.arange(192) + 0.5) / 192
    scores = np.minimum(0.3 - 0.1 * np.log(1 - shares), 0.9)
    rows = np.random.default_rng(0).permutation(scores).reshape(4, 48)
    cells = [(40.0 + 64 * k, 25.0 + 44 * j) for k in range(6) for j in range(8)]
    images = [
        PoolImage(
            f"i{i}",
            tuple(
                Blob((*cell, 48.0, 20.0, 0.2), float(score))
                for cell, score in zip(cells, row, strict=True)
            ),
            f"place {i}",
        )
        for i, row in enumerate(rows)
    ]
    dataset = labelled_dataset(port_pool.read(write_pool(tmp_path, images), "dev"))
    one = blob_detector()
    parts = one.batch, one.conf, one.iou, one.threads
    calm = measure_luck(dataset, Detector(one.card, YoloBackend(MoodyRunner(0.0)), *parts))
    everything = LOOKS * int((scores >= 0.5).sum())
    assert calm == MeasuredLuck(0.0, 4, everything, everything)
    moody = measure_luck(dataset, Detector(one.card, YoloBackend(MoodyRunner(0.1)), *parts))
    assert moody.luck == pytest.approx(0.05, abs=0.01)
    assert moody.one_look == pytest.approx(moody.several_looks, rel=0.02)


def test_a_second_call_asks_no_network(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was found is kept; other images, other thresholds or damage are measured anew."""
    asked: list[int] = []
    predict = kept.predict_images

    def counting(images: list[object], *given: object, **named: object) -> object:
        asked.append(len(images))
        return predict(images, *given, **named)

    monkeypatch.setattr(kept, "predict_images", counting)
    out = tmp_path / "out"
    assert run(f"out={out}", "also=train", "thresholds_from=card") == 0
    assert asked == [6, 3]
    first = (out / "blobs.yaml").read_bytes()
    assert run(f"out={out}", "also=train", "thresholds_from=card") == 0
    assert asked == [6, 3]
    assert (out / "blobs.yaml").read_bytes() == first
    for path in (out / "parts").iterdir():
        path.write_bytes(path.read_bytes()[:50])
    assert run(f"out={out}", "also=train", "thresholds_from=card") == 0
    assert asked == [6, 3, 6, 3]
    assert (out / "blobs.yaml").read_bytes() == first
    assert run(f"out={out}", "also=train", "thresholds_from=train") == 0
    assert len(asked) > 4  # at other thresholds


def test_a_card_of_too_few_places_says_so(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the command, in the card, and to those who count by it; so does a card without any."""
    assert run(f"out={tmp_path / 'out'}", "thresholds_from=card") == 0
    words = "6 places with objects are known, 20 are needed"
    assert f"ship: counts rest on 6 places with objects; no intervals: {words}" in (
        capsys.readouterr().out
    )
    card = ModelCard.read(tmp_path / "out" / "blobs.yaml")
    assert card.calibration["classes"]["ship"]["count_places"] == 6
    known = Calibration.from_card(card.calibration)
    assert known.counts_of(0) is None
    runs = SimpleNamespace(scenes=[])
    told = [
        find._settings_warnings(runs, SimpleNamespace(calibration=one))  # type: ignore[arg-type]
        for one in (known, Calibration())
    ]
    assert told[0] == [f"counts of ship have no intervals: {words}"]
    assert len(told[1]) == 1
    assert told[1][0].startswith("the weights are not calibrated")


def test_a_marina_is_named_on_the_page() -> None:
    """As a warning, with the site and the zone: of its ships only the least is told."""
    zones = [SimpleNamespace(name=kind, kind=kind) for kind in ("berth", "marina")]
    site = SimpleNamespace(name="Port", zones=zones)
    (words,) = find._marina_warnings(site)  # type: ignore[arg-type]
    assert words.startswith("Port, marina: a marina, whose boats are missed too often")


def test_parts_hold_where_a_new_fact_of_cards_is_as_ever() -> None:
    """What finds other boxes makes another key, what a card tells besides makes none."""
    key = kept.key_of(CARD)
    assert kept.key_of(replace(CARD, description="New.", metrics={"a": 1})) == key
    assert kept.key_of(replace(CARD, conf={**CARD.conf, "ship": 0.11})) != key
    assert kept.key_of(replace(CARD, upsampling=2.0)) != key
    assert kept.key_of(replace(CARD, class_gsd_max_m={"ship": 1.0})) != key
    assert kept.key_of(replace(CARD, cpu_precision="bf16")) != key
    assert kept.key_of(replace(CARD, larger_tiles=False)) != key
    later = [item.name for item in fields(CARD) if item.name in kept.LATER]
    assert {name: getattr(CARD, name) for name in later} == kept.LATER


def test_a_site_is_measured_once(tmp_path: Path) -> None:
    shelf, calls = kept.Kept(tmp_path), []

    def measure() -> pd.DataFrame:
        calls.append(1)
        return pd.DataFrame({"length_m": [12.5, 80.0]})

    key = kept.key_of(CARD, 0, 930_000)
    tables = [shelf.frame("site000", key, measure) for _ in range(2)]
    assert len(calls) == 1
    assert tables[0].equals(tables[1])
    moved = replace(CARD, conf={**CARD.conf, "ship": 0.123})
    assert kept.key_of(moved, 0, 930_000) != key
    assert kept.key_of(CARD, 1, 930_000) != key
    assert kept.key_of(replace(CARD, description="other words"), 0, 930_000) == key
