"""Validates the counting of visits on simulated series: `python -m benchmarks.counting`.

Prints the table of `docs/counting.md`.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

from detector.activity.counting_visits import VisitSettings, count_visits
from detector.activity.linking import LinkSettings
from detector.activity.simulation import SeriesSpec, simulate_series

FAULTS = {
    "miss": 0.1,
    "false_per_look": 0.2,
    "persistent_false": 0.7,
    "shift_sd_m": 4.0,
    "moved": 0.15,
    "cloudy": 0.4,
}
CASES = {
    "clear, daily": SeriesSpec(),
    "clear, every 3 days": SeriesSpec(days=45, cadence_days=3),
    "15 % missed": SeriesSpec(miss=0.15),
    "0.3 false alarms a look, some fixed": SeriesSpec(false_per_look=0.3, persistent_false=1),
    "looks off by 5 m, ships moved": SeriesSpec(shift_sd_m=5, moved=0.2),
    "clouds on half the looks": SeriesSpec(cloudy=0.5),
    "all faults, daily": SeriesSpec(**FAULTS),
    "all faults, about every 3 days": SeriesSpec(days=60, cadence_days=3, irregular=True, **FAULTS),
    "all faults, every 5 days": SeriesSpec(days=90, cadence_days=5, **FAULTS),
}
DRAWS = 200
FIRST_SEED = 100_000  # far from those that were looked at while the links were set


@dataclass(frozen=True, slots=True)
class Counted:
    """Truth and bounds of the series of one case, `(n,)` each."""

    visits: np.ndarray
    visible: np.ndarray
    found: np.ndarray
    least: np.ndarray
    most: np.ndarray


def main() -> None:
    """Simulate, count, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=100, help="series of each case")
    series = parser.parse_args().series
    print(
        "| series of | visits | in view | `visits_min` | ≤ truth | `visits_seen_max` | ≥ in view "
        "| slack of min to truth | to in view |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    parts = []
    for name, spec in CASES.items():
        parts.append(run_case(spec, series))
        print(row(name, parts[-1]), flush=True)
    whole = Counted(
        *(np.concatenate([getattr(part, key) for part in parts]) for key in Counted.__slots__)
    )
    print(row(f"all {len(whole.visits)}", whole))


def run_case(spec: SeriesSpec, series: int) -> Counted:
    """Count the visits of many series; the detector's recall is known, as after calibration."""
    settings = VisitSettings(draws=DRAWS, links=LinkSettings(recall=1 - spec.miss))
    rows = []
    for seed in range(series):
        made = simulate_series(spec, FIRST_SEED + seed)
        count = count_visits(made.ships, made.looks, settings)
        rows.append(
            (made.visits, made.visible, made.found, count.visits_min, count.visits_seen_max)
        )
    return Counted(*np.array(rows, float).T)


def row(name: str, part: Counted) -> str:
    """A line of the table."""
    return (
        f"| {name} | {part.visits.mean():.1f} | {part.visible.mean():.1f} | "
        f"{part.least.mean():.1f} | {share(part.least <= part.visits)} | {part.most.mean():.1f} | "
        f"{share(part.most >= part.visible)} | "
        f"{100 * (1 - part.least.sum() / part.visits.sum()):.0f} % | "
        f"{100 * (1 - part.least.sum() / part.visible.sum()):.0f} % |"
    )


def share(holds: np.ndarray) -> str:
    """A share with its binomial 95 % interval."""
    exact = binomtest(int(holds.sum()), len(holds)).proportion_ci(0.95)
    return f"{100 * holds.mean():.1f} % [{100 * exact.low:.1f}, {100 * exact.high:.1f}]"


if __name__ == "__main__":
    main()
