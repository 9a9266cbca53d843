"""What is assumed of blocks is what `docs/stacks.md` prints, and refused outside its limits."""

from __future__ import annotations

import pytest

from detector.errors import ConfigError
from detector.stacks.settings import StackSettings

OTHER = [1.0, 2.0, 4.4]


@pytest.mark.parametrize(
    ("kind", "prior"),
    [
        ("yard", [1.0, 2.1, 5.3]),
        ("quay", [1.0, 1.5, 3.2]),
        ("berth", [1.0, 1.5, 3.2]),
        ("railhead", [1.0, 1.0, 1.6]),
        ("anchorage", OTHER),
        ("zone", OTHER),
        ("", OTHER),
    ],
)
def test_tiers_of_each_kind_of_zone(kind: str, prior: list[float]) -> None:
    assert StackSettings().tiers_of(kind) == prior


def test_the_other_defaults() -> None:
    settings = StackSettings()
    assert settings.share_40ft == [0.6, 0.78, 0.92]
    assert settings.fill == [0.72, 0.92, 1.0]
    assert (settings.max_off_nadir_deg, settings.level_ground, settings.draws) == (15.0, True, 2000)


@pytest.mark.parametrize("name", ["yard_tiers", "quay_tiers", "railhead_tiers", "other_tiers"])
def test_tiers_lie_from_one_to_twelve(name: str) -> None:
    for good in ([1.0, 1.0, 1.0], [12.0, 12.0, 12.0], [1.0, 5.0, 12.0]):
        assert getattr(StackSettings(**{name: good}), name) == good  # type: ignore[arg-type]
    for bad in ([0.9, 2.0, 3.0], [1.0, 2.0, 12.1], [2.0, 1.0, 3.0], [1.0, 3.0, 2.0], [1.0, 2.0]):
        with pytest.raises(ConfigError, match=rf"stacks\.{name}=.*from 1 to 12"):
            StackSettings(**{name: bad})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["share_40ft", "fill"])
def test_shares_lie_above_nothing_up_to_one(name: str) -> None:
    assert getattr(StackSettings(**{name: [0.01, 0.5, 1.0]}), name)[2] == 1.0  # type: ignore[arg-type]
    for bad in ([0.0, 0.5, 1.0], [0.2, 0.5, 1.01], [0.5, 0.2, 0.9], [0.5, 0.9, 0.6], [0.5]):
        with pytest.raises(ConfigError, match=rf"stacks\.{name}=.*"):
            StackSettings(**{name: bad})  # type: ignore[arg-type]
