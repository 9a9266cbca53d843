"""What is assumed where a scene does not tell: tiers by zone kind, filling, share of 40 ft."""

from __future__ import annotations

from dataclasses import dataclass

from detector.errors import ConfigError
from detector.options import option


@dataclass(frozen=True, slots=True)
class StackSettings:
    """Priors, each `[5 %, median, 95 %]` of the mean of one block, and where shadows are used.

    They are judgement, not measurement: what terminals plan with, widened. `docs/stacks.md` says
    from where, and how far they are off on rendered yards.
    """

    yard_tiers: list[float] = option(
        "mean tiers of a block in a yard: 5 %, median, 95 %",
        above=0,
        default_factory=lambda: [1.0, 2.1, 5.3],
    )
    quay_tiers: list[float] = option(
        "the same on a quay", above=0, default_factory=lambda: [1.0, 1.5, 3.2]
    )
    railhead_tiers: list[float] = option(
        "the same at a railhead, beside wagons, which carry one tier",
        above=0,
        default_factory=lambda: [1.0, 1.0, 1.6],
    )
    other_tiers: list[float] = option(
        "the same in no zone of these kinds", above=0, default_factory=lambda: [1.0, 2.0, 4.4]
    )
    share_40ft: list[float] = option(
        "share of TEU places under 40 ft containers",
        above=0,
        default_factory=lambda: [0.6, 0.78, 0.92],
    )
    fill: list[float] = option(
        "share of a block's places that are taken",
        above=0,
        default_factory=lambda: [0.72, 0.92, 1.0],
    )
    max_off_nadir_deg: float = option(
        "shadows are not used where the view leans more", low=0, high=45, default=15.0
    )
    level_ground: bool = option(
        "yards are level; false: they slope, and shadows are not used", default=True
    )
    draws: int = option("Monte Carlo draws", low=100, default=2000)

    def __post_init__(self) -> None:
        for name in ("yard_tiers", "quay_tiers", "railhead_tiers", "other_tiers"):
            _check(name, getattr(self, name), least=1.0, most=12.0)
        for name in ("share_40ft", "fill"):
            _check(name, getattr(self, name), least=0.0, most=1.0)

    def tiers_of(self, zone_kind: str) -> list[float]:
        """The prior of a zone kind."""
        known = {
            "yard": self.yard_tiers,
            "quay": self.quay_tiers,
            "berth": self.quay_tiers,
            "railhead": self.railhead_tiers,
        }
        return known.get(zone_kind, self.other_tiers)


def _check(name: str, prior: list[float], least: float, most: float) -> None:
    ordered = len(prior) == 3 and least <= prior[0] <= prior[1] <= prior[2] <= most
    if not (ordered and prior[0] > 0):
        raise ConfigError(
            f"stacks.{name}={prior}: needs three numbers in order, 5 %, median and 95 %, from "
            f"{least:g} to {most:g}"
        )
