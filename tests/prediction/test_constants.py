"""Constants of the code decide results as options do: the fingerprint knows them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC
from enum import Enum
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from detector.boxes import duplicates
from detector.counting import counts
from detector.models import network
from detector.prediction import constants
from detector.prediction.constants import (
    NotPlainError,
    as_text,
    constants_in,
    constants_of,
    constants_sha256,
    decisive_names,
)
from detector.scenes import stretch
from detector.stacks import shadow
from detector.tiling import scores

ROOT = Path(__file__).parents[2]

HASH_IN_ANOTHER_PROCESS = (
    "from detector.prediction.constants import constants_sha256; print(constants_sha256())"
)


@pytest.mark.parametrize(
    ("module", "name", "value"),
    [
        (duplicates, "ROW_SHARE", 0.26),
        (scores, "TILE_SHARE", 0.4),
        (stretch, "MAX_GAIN_8BIT", 2.9),
        (counts, "OBSERVED_SHARE", 0.97),
        (shadow, "DARK_FROM_M", (0.5, 1.8)),
    ],
)
def test_a_changed_constant_changes_the_hash(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str, value: object
) -> None:
    before = constants_sha256()
    monkeypatch.setattr(module, name, value)
    assert constants_sha256() != before
    monkeypatch.undo()
    assert constants_sha256() == before


def test_a_changed_constant_of_a_module_that_loads_torch_changes_the_hash(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before, source_of = constants_sha256(), constants.source_of

    def changed(module: str) -> str:
        return source_of(module).replace('"num_batches_tracked"', '"others"')

    monkeypatch.setattr(constants, "source_of", changed)
    assert constants_sha256() != before


def test_the_source_tells_every_constant_that_the_loaded_module_has() -> None:
    said = constants_in(constants.source_of("detector.models.network"))
    own = constants_of(network).keys() - {"YOLO"}  # of the card's module, which is read too
    assert said.keys() == own
    assert said["OPTIONAL_TENSOR"] == "'num_batches_tracked'"


def test_the_hash_loads_no_torch() -> None:
    command = f"import sys; {HASH_IN_ANOTHER_PROCESS}; print('torch' in sys.modules)"
    said = subprocess.run(
        [sys.executable, "-c", command],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert said == [constants_sha256(), "False"]


def test_the_hash_is_the_same_in_another_process_of_another_seed() -> None:
    said = {
        subprocess.run(
            [sys.executable, "-c", HASH_IN_ANOTHER_PROCESS],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert said == {constants_sha256()}


def test_no_module_that_decides_is_forgotten() -> None:
    """Every file of the floors that a scene goes through, and of them the constants by name."""
    names = set(decisive_names())
    for folder in ("scenes", "boxes", "tiling", "models", "inference", "counting", "stacks"):
        files = {
            ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            for path in (ROOT / "detector" / folder).rglob("*.py")
        }
        assert files <= names, folder
    assert {"CROSSING_SHARE", "CROSSING_ANGLE_DEG", "ROW_SHARE"} <= constants_of(duplicates).keys()


class Colour(Enum):
    RED = 1


@dataclass(frozen=True)
class Pair:
    one: float
    other: tuple[int, ...]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1.0),
        (1, True),
        (1, "1"),
        (None, ""),
        ((1, 2), (2, 1)),
        ({"a": 1}, {"a": 2}),
        (frozenset({1}), frozenset({1, 2})),
        (np.array([1.0]), np.array([1.0], np.float32)),
        (np.array([1.0]), np.array([[1.0]])),
        (Pair(1.0, (1,)), Pair(1.0, (2,))),
        (re.compile("a"), re.compile("b")),
        (re.compile("a"), re.compile("a", re.IGNORECASE)),
        (Colour.RED, 1),
        (len, max),
    ],
)
def test_other_values_have_other_texts(one: object, other: object) -> None:
    assert as_text(one) != as_text(other)


def test_equal_values_have_one_text() -> None:
    assert as_text({"a": 1, "b": {3, 4}}) == as_text({"b": {4, 3}, "a": 1})
    assert as_text(0.1 + 0.2) == as_text(0.3)  # as other processors round
    assert as_text(UTC) == as_text(UTC)


def test_what_only_memory_tells_apart_is_refused() -> None:
    with pytest.raises(NotPlainError, match="another process"):
        as_text({"a": object()})
