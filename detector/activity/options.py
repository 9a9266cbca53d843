"""What `detector activity` can be told: types, ranges and one line of help for every option.

The defaults stand in `conf/activity.yaml`. Nothing heavy is imported here, so that the help comes
at once.
"""

from __future__ import annotations

from dataclasses import dataclass

from detector.options import option


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityConfig:
    """Everything `detector activity` can be told."""

    paths: list[str] = option("site files", path=True)
    runs: list[str] = option("folders that detector predict wrote", path=True)
    out: str = option("folder of the results", path=True)
    weights: str | None = option(
        "weights whose calibration is used; null: the shipped ones that read the runs"
    )
    min_length_m: float = option("ships from this length on make the headline series", low=0)
    first: str | None = option("first day, such as 2026-10-01; null: that of the first scene")
    last: str | None = option("last day; null: that of the last scene")
    register: bool = option("lay scenes on each other by their pictures; needs the scenes")
    appearance: bool = option("compare how ships look, by the weights' network; needs the scenes")
    stay_days: float = option("typical stay of a ship", above=0)
    recall: float | None = option("share of seen ships found; null: as calibrated", above=0, high=1)
    review: bool = option("use what people corrected, see detector review")
    draws: int = option("Monte-Carlo draws", low=20, high=100000)
    seed: int = option("of the draws", low=0)
    plots: bool = option("draw the series and the visits")
    chips: bool = option(
        "write pictures: each visit's first and last look, changes of stacks; needs the scenes"
    )
    report: bool = option("make the report in report/")
    allow_remote: list[str] = option(
        "hosts, addresses or folders that the paths of a run's scenes may lead to; none by default"
    )
    log: str = option("text for people, json for machines", choices=("text", "json"))
    quiet: bool = option("only warnings and the result")
