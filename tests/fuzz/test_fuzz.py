"""Damaged inputs to every reader: our own errors alone, in bounded time and memory.

`QUAYWATCH_FUZZ` says how many there are in all; `make fuzz` reads 100,000. A find is printed whole:
it becomes a test of the reader.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from detector.errors import QuaywatchError
from tests.fuzz.damage import damaged
from tests.fuzz.targets import Target, make_targets

INPUTS = int(os.environ.get("QUAYWATCH_FUZZ", "200"))
MOST_S = 5.0  # of one input
MOST_MB = 1500  # that all inputs together may add to the process
NEVER_REFUSED = ("times", "sidecars", "lists")  # a remark or a row says what is wrong
NAMES = (
    *("headers", "sidecars", "zones", "labels", "cards", "sites", "runs", "activities"),
    *("overrides", "lists", "times"),
)


@pytest.fixture(scope="module")
def targets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Target]:
    return make_targets(tmp_path_factory.mktemp("fuzz"))


def _memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def test_the_shares_are_all(targets: dict[str, Target]) -> None:
    assert tuple(targets) == NAMES
    assert sum(target.share for target in targets.values()) == 100


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NAMES)
def test_only_our_own_errors(targets: dict[str, Target], name: str) -> None:
    target = targets[name]
    for seed in target.seeds:
        if name not in ("lists", "overrides"):
            target.read(seed)  # right to begin with, or nothing is fuzzed
    logging.disable(logging.WARNING)
    before, taken, refused = _memory_mb(), 0.0, 0
    phases = (Phase.explicit, Phase.generate, *((Phase.shrink,) if INPUTS > 1000 else ()))

    @settings(
        max_examples=max(INPUTS * target.share // 100, 10),
        deadline=None,
        database=None,
        phases=phases,
        suppress_health_check=list(HealthCheck),
        derandomize=INPUTS <= 1000,
    )
    @given(damaged(target.seeds))
    def one(content: bytes) -> None:
        nonlocal taken, refused
        told: list[str] = []
        target.used.append(1)
        start = time.monotonic()
        cpu = time.process_time()
        try:
            target.read(content)
        except QuaywatchError as error:
            refused += 1
            told.append(str(error))
        # a machine that does other work may take longer by the clock
        taken = max(taken, min(time.monotonic() - start, time.process_time() - cpu))
        assert taken <= MOST_S
        assert not any("\n" in text.strip() for text in told)

    try:
        one()
    finally:
        logging.disable(logging.NOTSET)
    assert refused > 0 or name in NEVER_REFUSED
    assert _memory_mb() - before <= MOST_MB
    _tell(name, len(target.used), refused, taken)


def _tell(name: str, inputs: int, refused: int, slowest_s: float) -> None:
    """Adds a line to the file that `QUAYWATCH_FUZZ_LOG` names."""
    path = os.environ.get("QUAYWATCH_FUZZ_LOG")
    if path:
        line = {"target": name, "inputs": inputs, "refused": refused, "slowest_s": slowest_s}
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
