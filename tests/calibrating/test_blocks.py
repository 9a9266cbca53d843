"""Boxes of stacks laid on true blocks by hand; the fit finds the numbers that made the places."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from detector.boxes.scored import Boxes
from detector.calibrating import blocks as blocks_module
from detector.calibrating.blocks import (
    BlockImage,
    block_image,
    coverage_words,
    fit_blocks,
    held_out,
    rates,
)
from detector.evaluation.truth import EvalImage, Measure
from detector.geometry.boxes import as_corners
from detector.stacks.block_model import draw_blocks
from tests.stacks.test_block_model import CERTAIN

STACK = 1
GSD_M = 0.5


def square(x: float, y: float, w: float, h: float) -> list[list[float]]:
    return [[x, y], [x + w, y], [x + w, y + h], [x, y + h]]


def seen(
    true: list[list[list[float]]],
    found: list[list[list[float]]],
    ignored: list[list[list[float]]] = [],  # noqa: B006 - never changed
    gsd_m: float | None = GSD_M,
) -> BlockImage:
    image = EvalImage(
        name="a",
        source="s",
        place="p",
        width=1000,
        height=1000,
        gsd_m=gsd_m,
        corners=as_corners(true),
        class_ids=np.full(len(true), STACK),
        ignored=as_corners(ignored),
        ignored_class_ids=np.full(len(ignored), STACK),
    )
    boxes = Boxes(
        as_corners(found),
        np.linspace(0.5, 0.9, len(found)).astype(np.float32),
        np.full(len(found), STACK),
    )
    laid = block_image(image, boxes, STACK)
    assert laid is not None
    return laid


def test_false_joined_missed_and_ignored_boxes() -> None:
    """Two true blocks in one box, one missed, a false box, and one on an ignored block."""
    true = [square(0, 0, 100, 20), square(0, 30, 100, 20), square(0, 200, 60, 20)]
    found = [square(0, 0, 100, 50), square(500, 500, 40, 20), square(800, 0, 40, 20)]
    laid = seen(true, found, [square(790, 0, 100, 30)])
    assert laid.held.tolist() == [2, 0]
    assert laid.area_m2.tolist() == [1250.0, 200.0]
    assert laid.held_m2.tolist() == [1000.0, 0.0]
    assert laid.missed_m2.tolist() == [300.0]
    assert laid.inside == pytest.approx([0.8, 0.0])
    assert (laid.true, laid.true_m2, laid.true_inside_m2) == (3, 1300.0, 1000.0)
    assert laid.score == pytest.approx([0.5, 0.7])
    told = rates([laid])
    assert told["precision"][0] == 0.5
    assert told["recall"][0] == pytest.approx(2 / 3, abs=1e-4)
    assert told["joined"][:1] == [1.0]
    assert told["area_precision"] == pytest.approx(1000 / 1450, abs=1e-4)
    assert told["area_recall"] == pytest.approx(1000 / 1300, abs=1e-4)


def test_a_block_in_two_boxes_is_counted_once() -> None:
    """The larger part holds it, with all of its area; the other holds nothing."""
    laid = seen([square(0, 0, 100, 20)], [square(0, 0, 40, 20), square(40, 0, 60, 20)])
    assert laid.held.tolist() == [0, 1]
    assert laid.held_m2.tolist() == [0.0, 500.0]
    assert laid.inside == pytest.approx([1.0, 1.0])
    assert laid.true_inside_m2 == pytest.approx(500.0)


@pytest.mark.parametrize(("share", "held"), [(0.49, 0), (0.51, 1)])
def test_half_of_a_block_must_lie_in_boxes(share: float, held: int) -> None:
    laid = seen([square(0, 0, 100, 20)], [square(0, 0, 100 * share, 20)])
    assert laid.held.tolist() == [held]
    assert len(laid.missed_m2) == 1 - held


def test_images_without_boxes_truth_scale_or_a_say() -> None:
    assert seen([], []).true == 0
    assert seen([], [square(0, 0, 50, 20)]).held.tolist() == [0]
    assert seen([square(0, 0, 50, 20)], []).missed_m2.tolist() == [250.0]
    assert np.isnan(seen([square(0, 0, 50, 20)], [square(0, 0, 50, 20)], gsd_m=None).true_m2)
    image = EvalImage(
        "a", "s", "p", 9, 9, 1.0, as_corners([]), np.zeros(0, np.int64),
        (Measure.POLYGON, Measure.NONE),
    )  # fmt: skip
    assert block_image(image, Boxes.empty(), STACK) is None


MADE = replace(
    CERTAIN,
    real=(1.0, 1.2, 0.5),
    real_sd=0.4,
    joined=(-2.0, 0.5),
    log_ratio=[-0.4, -0.1, 0.0, 0.1, 0.4],
    ratio_sd=0.1,
    recall=(1.0, 1.0),
    recall_sd=0.6,
    log_missed=[-2.0, -1.0, 0.0],
)


def made_places(number: int, boxes: int, seed: int) -> list[BlockImage]:
    """Places drawn from `MADE` by the product's own draws, one draw each."""
    generator = np.random.default_rng(seed)
    images = []
    for at in range(number):
        score = np.clip(generator.normal(generator.uniform(0.4, 0.85), 0.1, boxes), 0.3, 0.95)
        area = np.exp(generator.normal(np.log(500), 0.7, boxes))
        odd = generator.standard_normal(3)
        place = replace(
            MADE,
            real=(MADE.real[0] + MADE.real_sd * odd[0], *MADE.real[1:]),
            recall=(MADE.recall[0] + MADE.recall_sd * odd[2], MADE.recall[1]),
            log_ratio=[value + MADE.ratio_sd * odd[1] for value in MADE.log_ratio],
            real_sd=0.0,
            recall_sd=0.0,
            ratio_sd=0.0,
        )
        drawn = draw_blocks(place, score, area, seed * 1000 + at, draws=1)
        missed = int(drawn.missed[0])
        sizes = np.exp(generator.uniform(-2.0, 0.0, missed)) * area.mean()
        held_m2 = drawn.worth[0] * area
        images.append(
            BlockImage(
                name=f"image {at}",
                place=f"place {at}",
                score=score,
                area_m2=area,
                held=drawn.held[0].astype(np.int64),
                held_m2=held_m2,
                inside=(drawn.worth[0] > 0).astype(float),
                missed_m2=sizes,
                true_inside_m2=float(held_m2.sum()),
                row=np.arange(boxes),
            )
        )
    return images


def test_the_fit_finds_the_numbers_that_made_the_places() -> None:
    model = blocks_module._fit(made_places(120, 30, 2))
    assert model is not None
    assert model.real == pytest.approx(MADE.real, abs=0.2)
    assert model.real_sd == pytest.approx(0.4, abs=0.12)
    assert model.joined == pytest.approx(MADE.joined, abs=0.15)
    assert model.recall == pytest.approx(MADE.recall, abs=0.35)
    assert model.recall_sd == pytest.approx(0.6, abs=0.12)
    assert model.ratio_sd == pytest.approx(0.1, abs=0.03)
    assert np.quantile(model.log_ratio, [0.05, 0.5, 0.95]) == pytest.approx(
        [-0.34, 0.0, 0.34], abs=0.06
    )
    assert model.n_places == 120


def test_the_share_of_clean_places_by_laplaces_rule() -> None:
    """Three of five have neither a joined nor a missed block; one more of each is added to both."""
    clean = [square(0, 0, 50, 20)]
    missed = [*clean, square(200, 0, 50, 20)]
    images = [replace(seen(clean, clean), place=f"{i}") for i in range(3)]
    images += [replace(seen(missed, clean), place=f"{i}") for i in (3, 4)]
    assert blocks_module._clean_share(images) == pytest.approx(4 / 7, abs=1e-4)
    assert blocks_module._clean_share(images[:1]) == pytest.approx(2 / 3, abs=1e-4)


def test_intervals_hold_at_places_left_out() -> None:
    model = fit_blocks(made_places(30, 12, 5), "made places")
    assert model is not None
    assert model.fitted_on == "made places"
    rows = {row["true"]: row for row in model.coverage}
    assert rows["all"]["images"] == 30
    for what in ("number_held", "area_held"):
        assert 24 <= round(30 * rows["all"][what][0]) <= 30
        assert rows["all"][what][3] == 30


def test_a_place_is_judged_by_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every fit that judges a place is made without any image of it."""
    images = made_places(6, 12, 3)
    images[1] = replace(images[1], place="place 0")
    fitted = []
    real = blocks_module._fit

    def spy(chosen: list[BlockImage]) -> object:
        fitted.append({image.place for image in chosen})
        return real(chosen)

    monkeypatch.setattr(blocks_module, "_fit", spy)
    (row,) = [row for row in held_out(images) if row["true"] == "all"]
    places = {image.place for image in images if image.true}
    assert sorted(map(sorted, fitted)) == sorted(sorted(places - {place}) for place in places)
    assert (row["images"], row["places"]) == (6, 5)


def test_too_few_places_are_told() -> None:
    model = fit_blocks(made_places(5, 12, 3), "made places")
    assert model is not None
    assert (model.claims_number, model.claims_area) == (False, False)
    words = coverage_words(model)
    assert "5 places with blocks, 9 are needed" in words[1]
    assert words[2].startswith("container stacks: no interval of area and TEU")
    assert fit_blocks([seen([square(0, 0, 50, 20)], [])], "nothing found") is None


def test_an_interval_of_80_percent_would_be_noticed() -> None:
    """5 and 95 % of the number where only recall is unsure: by its own law."""
    number = draw_blocks(
        replace(CERTAIN, recall=(1.0, 0.0), recall_sd=1.0),
        np.full(400, 0.6),
        np.full(400, 500.0),
        1,
    ).number
    low, high = np.quantile(number, (0.05, 0.95))
    z = 1.699 * np.sqrt(1 + 1 / 30)  # of t with 29 degrees of freedom
    assert low == pytest.approx(400 / expit(1.0 + z), rel=0.03)
    assert high == pytest.approx(400 / expit(1.0 - z), rel=0.06)
