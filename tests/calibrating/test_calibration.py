"""Calibration on made-up places whose laws are known."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from detector.calibrating.calibrate import read_evaluation
from detector.calibrating.fitting import false_per_km2, fit_class, recall_by_length
from detector.calibrating.sample import Sample, sample_of
from detector.classes import CONTAINER_STACK, PORT, SHIP
from detector.counting.calibration import (
    Calibration,
    CalibrationError,
    CountedBoxes,
    readable_length_px,
)
from detector.counting.draws import DRAWS, LoneModel
from detector.counting.intervals import interval_score
from detector.evaluation.table import match_images
from detector.geometry.boxes import as_corners
from detector.models.card import ModelCard
from tests.counting.models import count_model
from tests.evaluation.make import boxes as boxes_of
from tests.evaluation.make import image as image_of

SQUARE = as_corners([[(0, 0), (64, 0), (64, 10), (0, 10)]])
LONELY = count_model(0.9, 0.9, lone=LoneModel(40.0, 0.5, [40.0]))


def made(places: int, seed: int = 0, recall: tuple[float, float] = (16.0, 4.0)) -> Sample:
    """Places with 1 to 12 objects, beta recall, scores whose probability is the score itself."""
    generator = np.random.default_rng(seed)
    score, real, image, true_image, found = [], [], [], [], []
    for place in range(places):
        objects = int(generator.integers(1, 13))
        hits = generator.random(objects) < generator.beta(*recall)
        true_image += [place] * objects
        found += hits.tolist()
        for _ in range(int(hits.sum())):
            score.append(generator.beta(5, 2))
            real.append(True)
        for _ in range(generator.poisson(1.0)):
            score.append(generator.beta(2, 4))
            real.append(False)
        image += [place] * (len(score) - len(image))
    n = len(score)
    return Sample(
        score=np.array(score),
        real=np.array(real),
        length_m=np.full(n, np.nan),
        image=np.array(image),
        true_image=np.array(true_image),
        true_found=np.array(found),
        true_length_m=np.full(len(found), np.nan),
        place=np.arange(places),
        gsd_m=np.full(places, np.nan),
        on_water=(np.arange(n) % 4 == 0).astype(float),
        area_km2=np.tile([0.4, 0.1], (places, 1)),
        whole_km2=np.full(places, 0.5),
    )


def test_recall_and_probability_are_found_again() -> None:
    fitted = fit_class(made(200), SHIP)
    assert fitted.recall == pytest.approx(0.8, abs=0.03)
    assert fitted.method == "isotonic"
    assert np.all(np.diff(fitted.probability) >= 0)
    sample = made(200)
    expected = np.interp(sample.score, fitted.score, fitted.probability)
    assert expected.sum() == pytest.approx(sample.real.sum(), rel=0.05)


def test_no_claim_with_few_places() -> None:
    counts = count_model(0.9, 0.9)
    boxes = CountedBoxes(np.full(1, 0.9), np.full(1, 64.0), np.full(1, 0.5), SQUARE, ["a#0"])
    enough, few, older = (
        Calibration({"ship": replace(fit_class(made(40), SHIP), counts=model, count_places=places)})
        for model, places in ((counts, 20), (counts, 19), (None, 20))
    )
    assert enough.classes["ship"].claims
    drawn = enough.draw(PORT.id("ship"), boxes)
    assert drawn is not None
    assert drawn.shape == (1, DRAWS)
    for without in (few, older, Calibration()):
        assert without.draw(PORT.id("ship"), boxes) is None
        assert without.draw_lone(PORT.id("ship"), 1e6, 0.5, "a") is None


def test_lone_objects_are_by_pixels_as_read() -> None:
    """A quarter of a million pixels of 0.25 m, read at 0.5 m: 62,500; unknown gsd: as they are."""
    known = Calibration(
        {"ship": replace(fit_class(made(40), SHIP), counts=LONELY, count_places=20)}, "", 0.5
    )
    for gsd_m, mpx in ((0.25, 0.0625), (0.5, 0.25), (2.0, 0.25), (np.nan, 0.25)):
        total = 0
        for i in range(30):
            lone = known.draw_lone(PORT.id("ship"), 250_000, gsd_m, f"s{i}")
            assert lone is not None
            total += len(lone.draw)
        assert total / 30 / DRAWS == pytest.approx(40 * mpx, rel=0.05)


def test_card_round_trip() -> None:
    fitted = replace(
        fit_class(made(60), SHIP),
        counts=count_model(0.9, 0.8, 0.5),
        count_places=33,
        counts_from={"dev": {"places": 33}},
        log_odds_by_length={"60-150 m": 0.5},
        checked={"data": "others", "false_per_km2": {"water": 2.0}, "recall_by_length": {}},
    )
    calibration = Calibration({"ship": fitted}, "made up", 0.4)
    again = Calibration.from_card(calibration.to_card())
    assert again.to_card() == calibration.to_card()
    p = again.probability(np.array([0, 1]), np.array([0.5, 0.5]))
    assert p[1] == 0.5  # stacks are not calibrated: the score stays
    assert p[0] == pytest.approx(calibration.probability(np.array([0]), np.array([0.5]))[0])
    assert again.classes["ship"].counts == fitted.counts
    assert again.classes["ship"].claims
    with pytest.raises(CalibrationError, match="cannot be read"):
        Calibration.from_card({"classes": {"ship": {"score": []}}})


def test_nothing_to_calibrate_is_refused() -> None:
    sample = made(30).of_places(np.array([-5]))
    with pytest.raises(CalibrationError, match="needs some of both"):
        fit_class(sample, SHIP)


def test_a_card_of_an_earlier_version_has_no_intervals_but_its_recall() -> None:
    card = Calibration({"ship": fit_class(made(60), SHIP)}).to_card()
    ship = card["classes"]["ship"]
    for new in ("recall", "counts", "count_places", "counts_from"):
        del ship[new]
    again = Calibration.from_card(
        card | {"classes": {"ship": ship | {"recall_a": 6, "recall_b": 2}}}
    )
    assert again.recall(PORT.id("ship")) == 0.75
    assert not again.classes["ship"].claims


def test_scores_of_long_ships_mean_more_where_the_boxes_say_so() -> None:
    """Scores of all lengths alike, but long boxes are real with 0.9 and short ones with 0.3."""
    generator = np.random.default_rng(5)
    base, n = made(200, 3), 800
    long = generator.random(n) < 0.5
    sample = replace(
        base,
        score=generator.uniform(0.3, 0.9, n),
        real=generator.random(n) < np.where(long, 0.9, 0.3),
        length_m=np.where(long, 100.0, 30.0),
        image=generator.integers(0, 200, n),
        on_water=np.full(n, np.nan),
    )
    calibration = Calibration({"ship": fit_class(sample, SHIP)})
    ids, scores = np.zeros(3, int), np.full(3, 0.6)
    p = calibration.probability(ids, scores, np.array([100.0, 30.0, np.nan]))
    assert p[0] == pytest.approx(0.9, abs=0.06)
    assert p[1] == pytest.approx(0.3, abs=0.09)
    assert p[2] == calibration.probability(ids, scores)[0]


def test_false_alarms_by_ground_and_recall_by_length_by_hand() -> None:
    base = made(20, 4)
    lengths = np.where(np.arange(len(base.true_found)) % 2 == 0, 100.0, 30.0)
    sample = replace(base, true_length_m=lengths)
    false, wet = ~base.real, base.on_water == 1
    rates = false_per_km2(sample)
    assert rates["all"] == pytest.approx(false.sum() / 10, abs=1e-3)
    assert rates["water"] == pytest.approx((false & wet).sum() / 2, abs=1e-3)
    assert rates["land"] == pytest.approx((false & ~wet).sum() / 8, abs=1e-3)
    assert false_per_km2(replace(sample, area_km2=np.full((20, 2), np.nan))).keys() == {"all"}
    recall = recall_by_length(sample, SHIP)
    assert recall["60-150 m"] == pytest.approx(base.true_found[::2].mean(), abs=1e-4)
    assert recall.keys() == {"25-60 m", "60-150 m"}


def test_what_is_too_short_to_be_read_takes_no_part() -> None:
    """Unknown gsd: 32 px. One ship of 40 px found, one of 24 px found by a box of 36 px."""
    ships = [[50, 50, 40, 10, 0], [150, 150, 24, 18, 0]]
    found = boxes_of([[50, 50, 40, 10, 0], [150, 150, 36, 18, 0], [250, 250, 12, 4, 0]], [0.9] * 3)
    water = np.zeros((400, 400), bool)
    water[:100] = True
    table = match_images([image_of("a", ships, water=water)], [found])
    sample = sample_of(table, PORT.id("ship"), 0.5)
    assert sample.true_found.tolist() == [True]
    assert sorted(sample.real.tolist()) == [False, True]  # the box on the short ship is not real
    assert sample.on_water[sample.real].tolist() == [1.0]
    assert sample.on_water[~sample.real].tolist() == [0.0]
    assert (table.image_px.tolist(), table.water_px.tolist()) == ([160_000], [40_000])
    least = readable_length_px(np.array([np.nan, 0.25, 0.5, 1.0]), 0.5)
    assert least.tolist() == [32.0, 64.0, 32.0, 32.0]
    assert readable_length_px(np.array([0.25]), 0.5, CONTAINER_STACK) == 0


def test_interval_score_by_hand() -> None:
    score = interval_score(np.array([5.0, 1, 12]), np.array([3.0] * 3), np.array([10.0] * 3))
    assert score == pytest.approx([7.0, 7 + 20 * 2, 7 + 20 * 2])


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"sha256": "b" * 64, "weights": "n", "data": "dev"}, "of other weights .bbbbbbbbbbbb"),
        ({"sha256": "a" * 64, "weights": "m", "data": "dev"}, "read as the card 'm' says, not 'n'"),
        ({"sha256": "a" * 64}, "not an evaluation"),
    ],
)
def test_an_evaluation_of_other_weights_or_of_another_reading_is_refused(
    tmp_path: Path, facts: dict[str, str], message: str
) -> None:
    conf = {"ship": 0.1, "container_stack": 0.2}
    (tmp_path / "metrics.json").write_text(json.dumps({"facts": {"conf": conf, **facts}}))
    card = ModelCard(
        name="n",
        architecture="yolo11n-obb.yaml",
        classes=("ship", "container_stack"),
        sha256="a" * 64,
        tile_px=640,
        gsd_min_m=0.3,
        gsd_max_m=2.0,
        gsd_read_m=0.5,
        conf={"ship": 0.1, "container_stack": 0.2},
        iou=0.5,
        licence="none",
    )
    with pytest.raises(CalibrationError, match=message):
        read_evaluation(tmp_path, card)
