"""How far lengths are off: `python -m benchmarks.lengths --weights port-n --sites 16`.

Measures lengths on rendered sites in pieces (`lengths_sites`) and on the dev places with oriented
truth (`--data port`, where the pool is), fits the intervals into the card, and writes the table of
`docs/counting.md`: how often intervals hold on sites and places that their fit did not see.
Measurements are kept in `--out`; a run that was stopped goes on there.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray
from scipy.stats import binomtest

from benchmarks.lengths_sites import measure_site
from benchmarks.pool import find_pool, skip
from benchmarks.tables import markdown, put
from detector.calibrating.lengths import fit_lengths, folds_of, held_out
from detector.classes import PORT
from detector.counting.counts import ALL_LENGTHS
from detector.data import port_pool
from detector.evaluation.dataset import Dataset, labelled_dataset
from detector.evaluation.evaluator import MATCHES_FILES, EvaluationSettings, run_evaluation
from detector.evaluation.table import MEASURES, MatchTable
from detector.evaluation.truth import Measure
from detector.lengths import CUT_WORDS, WHOLE, LengthErrors, Measured
from detector.models.card import ModelCard
from detector.models.detector import Detector, DetectorSettings, find_card, load_detector

DOCUMENT = Path(__file__).parents[1] / "docs" / "counting.md"
RENDERED, REAL = "rendered sites", "dev places"
QUICK_SITES = 1
HEAD = (
    "class", "data", "length", "cut by", "boxes (places)", "holds in", "± median, m", "± median, %",
)  # fmt: skip


def rendered_rows(detector: Detector, sites: int, out: Path) -> pd.DataFrame:
    """Measurements on rendered sites, as `fit_lengths` takes them; kept site by site."""
    parts = []
    for index in range(sites):
        kept = out / f"{detector.card.name}-site{index:03d}.parquet"
        if not kept.exists():
            measure_site(detector, index).to_parquet(kept)
            print(f"site {index + 1} of {sites}", flush=True)
        parts.append(pd.read_parquet(kept))
    rows = pd.concat(parts, ignore_index=True)
    rows = rows[~rows["unseen"]]
    read_m = np.maximum(rows["gsd_m"], detector.card.gsd_read_m)
    return pd.DataFrame(
        {
            "class": rows["class"],
            "length_px": rows["length_m"] / read_m,
            "log_error": np.log(rows["length_m"] / rows["true_m"]),
            "log_over": np.log(rows["shown_m"] / rows["true_m"]),
            "cut": rows["cut"],
            "place": rows["site"],
            "data": RENDERED,
            "length_m": rows["length_m"],
            "shown": rows["shown_m"] / rows["length_m"],
            "true_m": rows["true_m"],
            "read_m": read_m,
        }
    )


def real_rows(detector: Detector, pool: Path, out: Path) -> pd.DataFrame:
    """The same on the dev places with oriented truth; lengths in metres only where gsd is known."""
    folder = out / f"{detector.card.name}-dev"
    if not (folder / MATCHES_FILES[0]).exists():
        dataset = _oriented(labelled_dataset(port_pool.read(pool, "dev")))
        own = DetectorSettings(detector.card.name, threads=1)
        settings = EvaluationSettings(folder, own, gallery=0)
        run_evaluation(dataset, "the port pool, split dev, oriented truth", settings)
    table = MatchTable.load(folder / MATCHES_FILES[0])
    matched = np.flatnonzero(table.found[0] >= 0)
    oriented = MEASURES.index(Measure.POLYGON)
    image, kind = table.image[matched], table.class_id[matched]
    keep = table.measures[image, kind] == oriented
    matched, image, kind = matched[keep], image[keep], kind[keep]
    true_px = table.true_length_px[table.found[0, matched]]
    gsd_m = table.gsd_m[image]
    read_gsd_m = detector.card.gsd_read_m
    to_read = np.where(np.isnan(gsd_m), 1.0, gsd_m / np.maximum(gsd_m, read_gsd_m))
    length_px = table.length_px[matched]
    return pd.DataFrame(
        {
            "class": [PORT.names[i] for i in kind],
            "length_px": length_px * to_read,
            "log_error": np.log(length_px / true_px),
            "log_over": np.log(length_px / true_px),
            "cut": WHOLE,
            "place": table.places[image],
            "data": REAL,
            "length_m": length_px * gsd_m,
            "shown": 1.0,
            "true_m": true_px * gsd_m,
            "read_m": np.maximum(np.where(np.isnan(gsd_m), read_gsd_m, gsd_m), read_gsd_m),
        }
    )


def _oriented(dataset: Dataset) -> Dataset:
    """The images whose truth of ships or stacks is oriented, and holds some."""
    keep = [
        number
        for number, image in enumerate(dataset.images)
        if any(image.measures[i] is Measure.POLYGON for i in set(image.class_ids.tolist()))
    ]
    return replace(
        dataset,
        images=[dataset.images[i] for i in keep],
        paths=[dataset.paths[i] for i in keep],
    )


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


def write_card(weights: str, lengths: dict[str, Any]) -> None:
    """Put the fit at the end of the card; the rest of its text stays as it is."""
    path = find_card(weights)
    text = path.read_text(encoding="utf-8").split("\nlengths:\n")[0].rstrip("\n")
    plain = yaml.safe_dump({"lengths": lengths}, sort_keys=False, allow_unicode=True, width=100)
    path.write_text(f"{text}\n{plain}", encoding="utf-8")
    ModelCard.read(path)


def main() -> None:
    """Measure, fit, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", default="port-n")
    parser.add_argument("--sites", type=int, default=QUICK_SITES, help="rendered sites")
    parser.add_argument("--out", type=Path, default=Path("lengths"), help="kept measurements")
    parser.add_argument("--write", action="store_true", help="into the card and the document")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    detector = load_detector(DetectorSettings(options.weights, threads=1))
    detector.card = replace(detector.card, lengths={})
    parts = [rendered_rows(detector, options.sites, options.out)]
    fitted_on = f"{options.sites} rendered sites in pieces"
    pool = find_pool()
    if pool is None:
        skip("lengths on dev places")
    else:
        parts.append(real_rows(detector, pool, options.out))
        fitted_on += f" and {parts[-1]['place'].nunique()} dev places with oriented truth"
    rows = pd.concat(parts, ignore_index=True)
    lengths = fit_lengths(rows, fitted_on)
    text = table_of(check(rows, detector.card.gsd_read_m))
    print(yaml.safe_dump(lengths, sort_keys=False), text, sep="\n")
    if options.write:
        write_card(options.weights, lengths)
        put(DOCUMENT, "lengths", text)


if __name__ == "__main__":
    main()
