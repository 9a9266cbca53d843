"""How far lengths are off: `python -m benchmarks.lengths --weights port-n --card runs/card`.

`detector card` measures lengths on rendered sites in pieces and on the places of its evaluation,
and keeps them beside the card. This says how often intervals hold on sites and places that their
fit did not see.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import binomtest

from benchmarks.tables import markdown, put
from detector.calibrating.lengths import ROWS_FILE, folds_of, held_out
from detector.classes import PORT
from detector.counting.counts import ALL_LENGTHS
from detector.lengths import CUT_WORDS, WHOLE, LengthErrors, Measured
from detector.models.card import ModelCard
from detector.models.detector import find_card

DOCUMENT = Path(__file__).parents[1] / "docs" / "counting.md"
RENDERED, REAL = "rendered sites", "dev places"
QUICK_SITES = 1
HEAD = (
    "class", "data", "length", "cut by", "boxes (places)", "holds in", "± median, m", "± median, %",
)  # fmt: skip


def check(rows: pd.DataFrame, read_gsd_m: float) -> pd.DataFrame:
    """The rows of which something is claimed, with what fits that left them out say of each."""
    folds = folds_of(rows["place"].tolist())
    low, high = np.full(len(rows), np.nan), np.full(len(rows), np.nan)
    for fold, fitted in enumerate(held_out(rows, folds)):
        errors = LengthErrors.from_card(fitted, read_gsd_m)
        for name in PORT.names:
            mine = np.flatnonzero((folds == fold) & (rows["class"] == name).to_numpy())
            part = rows.iloc[mine]
            # as of one metre a read pixel: the bands are of pixels
            seen = Measured(
                part["length_px"].to_numpy(float) * read_gsd_m,
                (part["cut"] != WHOLE).to_numpy(),
                part["shown"].to_numpy(float),
                read_gsd_m,
            )
            bounds = errors.bounds(name, seen)
            low[mine] = np.log(bounds.low_m / seen.length_m)
            high[mine] = np.log(bounds.high_m / seen.length_m)
    true = -rows["log_error"].to_numpy(float)
    holds = (true >= low) & ((true <= high) | np.isnan(high))
    claimed = (rows["cut"] != WHOLE).to_numpy() | np.isfinite(high)
    return rows.assign(log_half=high, holds=holds)[claimed]


def table_of(checked: pd.DataFrame) -> str:
    """How often intervals and bounds hold: by class, data, length class, and what cuts."""
    lines = []
    for (name, data), part in checked.groupby(["class", "data"], sort=False):
        lengths = _length_classes(str(name), part)
        whole = (part["cut"] == WHOLE).to_numpy()
        lines.append(_line(str(name), str(data), ALL_LENGTHS, "-", part[whole]))
        for length in [n for n in PORT[PORT.id(str(name))].length_classes if data == RENDERED]:
            mine = whole & (lengths == length)
            if mine.any():
                lines.append(_line(str(name), str(data), length, "-", part[mine]))
        for reason in [r for r in CUT_WORDS if (part["cut"] == r).any()]:
            mine = (part["cut"] == reason).to_numpy()
            lines.append(_line(str(name), str(data), ALL_LENGTHS, reason, part[mine]))
    return markdown(HEAD, lines)


def _length_classes(name: str, part: pd.DataFrame) -> NDArray[np.object_]:
    ids = np.full(len(part), PORT.id(name), np.int64)
    return np.array(PORT.length_classes(ids, part["length_m"].to_numpy(float)), object)


def _line(name: str, data: str, length: str, cut: str, part: pd.DataFrame) -> list[str]:
    hits, n = int(part["holds"].sum()), len(part)
    low, high = binomtest(hits, n).proportion_ci(0.95) if n else (0.0, 1.0)
    half = np.expm1(part["log_half"].to_numpy(float))
    metres = half * part["length_m"].to_numpy(float)
    bound = cut != "-"
    return [
        name,
        data,
        length,
        cut,
        f"{n} ({part['place'].nunique()})",
        f"{hits / max(n, 1):.3f} [{low:.3f}, {high:.3f}]",
        "at least" if bound else _median(metres, 1),
        "at least" if bound else _median(100 * half, 0),
    ]


def _median(values: NDArray[np.float64], digits: int) -> str:
    known = values[np.isfinite(values)]
    return f"{np.median(known):.{digits}f}" if len(known) else ""


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", default="port-n4", help="whose card says how they are read")
    parser.add_argument("--card", type=Path, default=Path("runs/card"), help="out= of the command")
    parser.add_argument("--docs", type=Path, nargs="?", const=DOCUMENT, default=None)
    options = parser.parse_args()
    path = options.card / ROWS_FILE
    if not path.is_file():
        print(f"{path}: no measurements; run 'detector card' with length_sites=16 first")
        return
    card = ModelCard.read(find_card(options.weights))
    text = table_of(check(pd.read_parquet(path), card.gsd_read_m))
    print(text)
    if options.docs is not None:
        put(options.docs, "lengths", text)


if __name__ == "__main__":
    main()
