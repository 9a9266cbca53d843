"""Visits every five days at 10 m, against the schedule of rendered ports: bounds hold."""

from __future__ import annotations

from benchmarks.coarse_visits import ARMS, DAYS, FIRST_SEED, Faults, judge

NONE = Faults(
    miss=0.0, hard=0.0, false_per_look=0.0, persistent=0.0, place_sd_m=0.5, length_sd=0.005,
    width_sd=0.01, axis_sd_deg=0.2, off=0.0, cloudy=0.0,
)  # fmt: skip


def test_without_faults_all_that_is_told_is_so() -> None:
    found = judge(FIRST_SEED - 1, NONE, DAYS[:7])
    assert found["zones"] >= 4
    assert found["visits"] >= 20
    assert found["real"] == found["visits"]
    assert found["at least holds"] == found["at most holds"] == found["zones"]
    assert found["ends hold"] >= 0.98 * found["ends"]
    assert found["is one ship"] == found["told as one ship"]
    assert found["at least"] >= 0.8 * found["in view"]


def test_with_the_faults_of_real_scenes_bounds_hold() -> None:
    found = judge(FIRST_SEED - 2, ARMS["as at quays"], DAYS[:7])
    assert found["visits"] >= 10
    assert found["at least holds"] == found["zones"]
    assert found["ends"] >= 8
    assert found["ends hold"] >= 0.9 * found["ends"]
    assert found["is one ship"] >= 0.9 * found["told as one ship"]
