"""The tables of `docs/counting.md`: `python -m benchmarks.counting`.

Simulates series and counts their visits (five minutes), writes down what the card of the weights
says of the intervals of counts, after `detector card`, and with `--sites 40` measures them on
so many rendered sites of fresh seeds (five minutes; what was found is kept in `--parts`, so a call
that was cut goes on). Beside them stands what the card of `--beside` says of the same places.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binomtest

from benchmarks.counting_sites import sites_rows
from benchmarks.tables import markdown, put
from detector.activity.visits.bounds import VisitSettings, count_visits
from detector.activity.visits.linking import LinkSettings
from detector.activity.visits.simulation import SeriesSpec, simulate_series
from detector.calibrating.held_out import coverage_table
from detector.classes import SHIP
from detector.counting.calibration import Calibration
from detector.models.card import ModelCard
from detector.models.detector import find_card

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
VISITS_HEAD = (
    "series of", "visits", "in view", "`visits_min`", "≤ truth", "`visits_seen_max`", "≥ in view",
    "slack of min to truth", "to in view",
)  # fmt: skip
Rows = Sequence[Mapping[str, Any]]
GROUNDS = ("all", "land", "water")
DOCUMENT = Path(__file__).parents[1] / "docs" / "counting.md"
QUICK_SERIES = 2
FIRST_SEED = 500_000  # far from those that were looked at while the links were set


@dataclass(frozen=True, slots=True)
class Counted:
    """Truth and bounds of the series of one case, `(n,)` each."""

    visits: np.ndarray
    visible: np.ndarray
    found: np.ndarray
    least: np.ndarray
    most: np.ndarray


def main() -> None:
    """Make all tables and put them where they belong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=200, help="series of each case")
    parser.add_argument("--weights", default="port-n4", help="whose card is read")
    parser.add_argument("--beside", default="port-n-blocks", help="earlier weights; '': none")
    parser.add_argument("--parts", type=Path, default=Path("runs/card/parts"))
    parser.add_argument("--skip-series", action="store_true", help="only what the card says")
    parser.add_argument("--sites", type=int, default=0, help="rendered sites of fresh seeds")
    parser.add_argument("--quick", action="store_true", help="few series, nothing is written")
    parser.add_argument("--docs", type=Path, nargs="?", const=DOCUMENT, default=DOCUMENT)
    options = parser.parse_args()
    card = ModelCard.read(find_card(options.weights))
    calibration = Calibration.from_card(card.calibration)
    names = [options.weights, *([options.beside] if options.beside else [])]
    series = QUICK_SERIES if options.quick else options.series
    tables = {
        "intervals": _beside(card.name, _coverages(names)),
        "rates": rates_table(calibration),
        "sites": "",
        "visits": "" if options.skip_series else visits_table(series),
    }
    if options.sites:
        tables["sites"] = _beside(card.name, sites_rows(names, options.sites, options.parts))
    for place, table in tables.items():
        if options.quick:
            print(f"\n## {place}\n{table}", flush=True)
        elif table:
            put(options.docs, place, table)


def _coverages(names: Sequence[str]) -> dict[str, Rows]:
    """What cards say of how often their intervals hold, by the name of the card."""
    cards = [ModelCard.read(find_card(name)) for name in names]
    return {card.name: Calibration.from_card(card.calibration).coverage for card in cards}


def _beside(name: str, rows: Mapping[str, Rows]) -> str:
    """The table of one set of weights, with those of the others beside it."""
    others = {other: told for other, told in rows.items() if other != name}
    return f"Weights `{name}`:\n\n{coverage_table(rows[name], others)}"


def visits_table(series: int) -> str:
    """Truth and bounds of simulated series, a line a case, as Markdown."""
    parts = {}
    for name, spec in CASES.items():
        parts[name] = run_case(spec, series)
        print(f"{name}: done", flush=True)
    columns = [
        np.concatenate([getattr(part, key) for part in parts.values()]) for key in Counted.__slots__
    ]
    whole = Counted(*columns)
    rows = [row(name, part) for name, part in {**parts, f"all {len(whole.visits)}": whole}.items()]
    return markdown(VISITS_HEAD, rows)


def rates_table(calibration: Calibration) -> str:
    """Recall by length class and false alarms by ground, a line a class and kind of data."""
    rows = []
    for name, fitted in calibration.classes.items():
        known = [(calibration.fitted_on, fitted.recall_by_length, fitted.false_per_km2)]
        if fitted.checked:
            other = fitted.checked
            known.append((other["data"], other["recall_by_length"], other["false_per_km2"]))
        for data, recall, false in known:
            cells = [f"{recall[key]:.2f}" if key in recall else "" for key in SHIP.length_classes]
            cells += [f"{false[key]:.1f}" if key in false else "" for key in GROUNDS]
            rows.append([name, data, *cells])
    head = ("class", "data", *(f"recall {key}" for key in SHIP.length_classes))
    return markdown((*head, *(f"false a km², {key}" for key in GROUNDS)), rows)


def run_case(spec: SeriesSpec, series: int) -> Counted:
    """Count the visits of many series; the detector's recall is known, as after calibration."""
    settings = VisitSettings(links=LinkSettings(recall=1 - spec.miss))
    rows = []
    for seed in range(series):
        made = simulate_series(spec, FIRST_SEED + seed)
        count = count_visits(made.ships, made.looks, settings)
        rows.append(
            (made.visits, made.visible, made.found, count.visits_min, count.visits_seen_max)
        )
    return Counted(*np.array(rows, float).T)


def row(name: str, part: Counted) -> list[str]:
    """A line of the table."""
    return [
        name,
        f"{part.visits.mean():.1f}",
        f"{part.visible.mean():.1f}",
        f"{part.least.mean():.1f}",
        share(part.least <= part.visits),
        f"{part.most.mean():.1f}",
        share(part.most >= part.visible),
        f"{100 * (1 - part.least.sum() / part.visits.sum()):.0f} %",
        f"{100 * (1 - part.least.sum() / part.visible.sum()):.0f} %",
    ]


def share(holds: np.ndarray) -> str:
    """A share with its binomial 95 % interval."""
    exact = binomtest(int(holds.sum()), len(holds)).proportion_ci(0.95)
    return f"{100 * holds.mean():.1f} % [{100 * exact.low:.1f}, {100 * exact.high:.1f}]"


if __name__ == "__main__":
    main()
