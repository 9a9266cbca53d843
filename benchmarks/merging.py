"""All tables and pictures of `docs/research/merging.md`: `python -m benchmarks.merging`.

`--quick` takes few seeds and sizes and writes nothing, to see that everything runs.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.merging_cost import SIZES, cost_table
from benchmarks.merging_errors import cases_table, errors_tables, sweep_table
from benchmarks.merging_pictures import draw_cases
from benchmarks.merging_real import WEIGHTS, offsets_tables
from benchmarks.merging_scales import rendered_table, simulated_table
from benchmarks.pool import NOT_HERE, skip
from benchmarks.tables import put

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "research" / "merging.md"
SEEDS, QUICK_SEEDS = 200, 3


def main() -> None:
    """Measure, and write the tables into the document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few seeds, nothing is written")
    parser.add_argument("--weights", default=WEIGHTS, help="of the parts with a real network")
    parser.add_argument("--only", nargs="*", help="names of tables, or pictures")
    options = parser.parse_args()
    seeds = QUICK_SEEDS if options.quick else SEEDS
    sizes = SIZES[:1] if options.quick else SIZES
    steps: dict[str, Callable[[], tuple[str, ...]]] = {
        "cases": lambda: (cases_table(),),
        "errors": lambda: errors_tables(seeds),
        "sweep": lambda: (sweep_table(),),
        "cost": lambda: (cost_table(sizes),),
        "scales_simulated": lambda: (simulated_table(seeds // 10 + 1),),
        "scales_rendered": lambda: (rendered_table(options.quick, options.weights),),
        "offsets": lambda: offsets_tables(options.quick, options.weights),
    }
    places = {name: (name,) for name in steps} | {
        "errors": ("errors", "kinds"),
        "offsets": ("offsets", "readings"),
    }
    for name, make in steps.items():
        if options.only and name not in options.only:
            continue
        start = time.perf_counter()
        tables = make()
        for place, table in zip(places[name], tables, strict=True):
            if table == NOT_HERE:
                skip(place)
                continue
            print(f"\n## {place} ({time.perf_counter() - start:.0f} s)\n{table}", flush=True)
            if not options.quick:
                put(DOCUMENT, place, table)
    if not options.quick and (not options.only or "pictures" in options.only):
        draw_cases(ROOT / "docs" / "images")


if __name__ == "__main__":
    main()
