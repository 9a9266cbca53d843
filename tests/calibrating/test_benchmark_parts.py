"""`make counting` goes on where it was cut: what was found is read, not found again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import counting_sites, stacks_zones
from benchmarks.stacks_zones import IMAGE_FILE, SIMULATED, Yard
from detector.calibrating.blocks import BlockImage
from detector.evaluation.table import MatchTable, match_images
from detector.models.card import ModelCard
from detector.rendering.spec import PortSpec
from tests.evaluation.make import boxes as boxes_of
from tests.evaluation.make import image as image_of
from tests.inference.blobs import CARD


def yard(seed: int) -> Yard:
    """Two boxes, one of two blocks, and a missed one; or nothing."""
    some = seed % 2
    image = BlockImage(
        f"yard{seed}",
        "place",
        np.array([0.9, 0.1 + 0.2])[: 2 * some],
        np.array([400.0, np.nan])[: 2 * some],
        np.array([2, 0])[: 2 * some],
        np.array([380.0, 0.0])[: 2 * some],
        np.array([0.95, 0.0])[: 2 * some],
        np.array([120.0])[:some],
        370.5,
        np.array([0, 1])[: 2 * some],
    )
    stacks = pd.DataFrame({"id": ["a#0", "a#1"], "teu": [12.0, np.nan], "flags": ["", "wagons"]})
    truth = pd.DataFrame({"zone": ["east"], "stacks": [3], "teu": [31.0]})
    return Yard([("east", "yard")], truth, stacks.head(2 * some), image)


def test_a_yard_is_examined_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def look(_: PortSpec, seed: int, detectors: list[None]) -> list[Yard]:
        made.append(seed)
        return [yard(seed) for _ in detectors]

    monkeypatch.setattr(stacks_zones, "_yards", look)
    specs = [(PortSpec(), 1), (PortSpec(), 2)]
    stacks_zones.examine(specs, None, tmp_path)
    next(tmp_path.glob(f"yard2-*/{IMAGE_FILE}")).write_text('{"zones": [')  # cut while writing
    again = stacks_zones.examine(specs, None, tmp_path)[SIMULATED]
    assert made == [1, 2, 2]
    third = stacks_zones.examine([*specs, (replace(PortSpec(), gsd_m=0.7), 1)], None, tmp_path)
    assert made == [1, 2, 2, 1]  # of another yard
    for seed, one, kept in zip((1, 2), again, third[SIMULATED], strict=False):
        for said in (one, kept):
            true = yard(seed)
            assert said.zones == true.zones
            pd.testing.assert_frame_equal(said.truth, true.truth)
            pd.testing.assert_frame_equal(said.stacks, true.stacks)
            for name in BlockImage.__slots__:
                np.testing.assert_array_equal(getattr(said.image, name), getattr(true.image, name))
            assert {said.image.held.dtype, said.image.row.dtype} == {np.dtype(np.int64)}


class Port:
    """A site whose picture is drawn at will."""

    def __init__(self, pictures: list[str]) -> None:
        self.spec, self.seed, self.pictures = PortSpec(), 5, pictures

    def render(self, folder: Path) -> tuple[object, Path]:
        self.pictures.append(self.spec.name)
        return image_of(), folder


def test_a_site_is_rendered_only_for_weights_that_never_saw_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cards = {"one": CARD, "two": replace(CARD, sha256="b" * 64)}
    found: list[str] = []

    def matched(_: object, __: Path, weights: counting_sites.Weights) -> MatchTable:
        found.append(weights.name)
        number = 1 + list(cards).index(weights.name)
        sides = [[50.0 * i, 50.0, 40.0, 10.0, 0.0] for i in range(1, number + 1)]
        boxes = boxes_of(sides, [0.9] * number)
        return match_images([image_of()], [boxes], with_prob_iou=False)

    monkeypatch.setattr(counting_sites, "_matched", matched)
    monkeypatch.setattr(counting_sites, "find_card", lambda name: name)
    monkeypatch.setattr(ModelCard, "read", lambda name: cards[name])
    pictures: list[str] = []
    port = Port(pictures)

    def numbers(*names: str) -> list[int]:
        weights = [counting_sites.Weights(name) for name in names]
        told = counting_sites.matches_of(weights, port, tmp_path)  # type: ignore[arg-type]
        return [len(table.score) for table in told]

    assert numbers("one") == [1]
    assert numbers("one", "two") == [1, 2]
    assert numbers("two", "one") == [2, 1]
    assert (found, len(pictures)) == (["one", "two"], 2)
