"""Lengths that a network measured beside the true ones, as `lengths.fit_lengths` takes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np
import pandas as pd

from detector.calibrating.kept import Kept, key_of
from detector.calibrating.length_sites import measure_site, site_facts
from detector.evaluation.table import MEASURES, MatchTable
from detector.evaluation.truth import Measure
from detector.lengths import WHOLE
from detector.models.card import ModelCard
from detector.models.detector import Detector
from detector.progress import Progress

RENDERED: Final = "rendered sites"
REAL: Final = "places with oriented truth"


def rendered_rows(
    card: ModelCard,
    detector: Callable[[], Detector],
    sites: int,
    kept: Kept,
    progress: Progress,
) -> pd.DataFrame:
    """Measurements on rendered sites in pieces, kept site by site.

    Args:
        card: of the weights.
        detector: reads as the card says; loaded only where a site is not known.
        sites: how many.
        kept: where they are kept.
        progress: where to show how far it is.
    """
    card = replace(card, lengths={})  # what is measured is not what an earlier fit made of it
    parts = []
    with progress.task("lengths", sites, "sites") as task:
        for index in range(sites):

            def measure(index: int = index) -> pd.DataFrame:
                one = detector()
                how = (one.conf, one.iou, one.threads, one.precision, one.open_tiles)
                return measure_site(Detector(card, one.backend, one.batch, *how), index)

            parts.append(kept.frame(f"site{index:03d}", key_of(card, *site_facts(index)), measure))
            task.advance()
    rows = pd.concat(parts, ignore_index=True)
    rows = rows[~rows["unseen"].astype(bool)]
    read_m = np.maximum(rows["gsd_m"], card.gsd_read_m)
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


def real_rows(table: MatchTable, read_gsd_m: float) -> pd.DataFrame:
    """The same of an evaluation's places with oriented truth; metres only where gsd is known.

    Args:
        table: all its matches.
        read_gsd_m: of the card.
    """
    matched = np.flatnonzero(table.found[0] >= 0)
    oriented = MEASURES.index(Measure.POLYGON)
    image, kind = table.image[matched], table.class_id[matched]
    keep = table.measures[image, kind] == oriented
    matched, image, kind = matched[keep], image[keep], kind[keep]
    true_px = table.true_length_px[table.found[0, matched]]
    gsd_m = table.gsd_m[image]
    to_read = np.where(np.isnan(gsd_m), 1.0, gsd_m / np.maximum(gsd_m, read_gsd_m))
    length_px = table.length_px[matched]
    return pd.DataFrame(
        {
            "class": [table.classes.names[i] for i in kind],
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
