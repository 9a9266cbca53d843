"""The table of the dev split and its plots for `docs/accuracy.md`.

Run it with `python -m benchmarks.accuracy_docs --evaluation RUN --docs docs/accuracy.md`, where RUN
is the folder of `detector evaluate data=port split=dev`. Nothing of the imagery gets into the docs.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.tables import put
from detector.boxes import Boxes
from detector.classes import CLASS_NAMES
from detector.data import port_pool
from detector.detections import CORNER_COLUMNS
from detector.evaluation.dataset import labelled_dataset
from detector.evaluation.page import plots
from detector.evaluation.record import Facts, to_markdown
from detector.evaluation.run import COST_FILE, METRICS_FILE, PREDICTIONS_FILE
from detector.evaluation.summary import Predictions, evaluate
from detector.evaluation.truth import EvalImage

PLOT_KINDS = ("curve", "counts", "errors")
PLOTTED = ("ship", "ship_envelope", "container_stack")


def main() -> None:
    """Put the tables of an evaluation into the docs and draw its plots."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--evaluation", type=Path, required=True)
    parser.add_argument("--pool", type=Path, default=Path("../shared/data/port"))
    parser.add_argument("--docs", type=Path, required=True)
    arguments = parser.parse_args()
    content = json.loads((arguments.evaluation / METRICS_FILE).read_text(encoding="utf-8"))
    facts = Facts(**content["facts"])
    images = labelled_dataset(port_pool.read(arguments.pool, "dev")).images
    evaluation = evaluate(images, read_predictions(arguments.evaluation, images))
    text = to_markdown(facts, evaluation.summary, ())
    put(arguments.docs, "dev split", f"\n{text}{_cost(arguments.evaluation, facts)}\n")
    drawn = plots(evaluation)
    names = [f"accuracy_{part}_{kind}.svg" for part in PLOTTED for kind in PLOT_KINDS]
    for name, svg in zip(names, drawn, strict=True):
        (arguments.docs.parent / "images" / name).write_text(svg + "\n", encoding="utf-8")


def read_predictions(folder: Path, images: list[EvalImage]) -> Predictions:
    """The predictions of an evaluation, in the order of the images."""
    table = pd.read_parquet(folder / PREDICTIONS_FILE)
    groups = dict(iter(table.groupby(["image", "counted"])))
    sets = [
        [_boxes(groups.get((image.name, counted), table[:0])) for image in images]
        for counted in (False, True)
    ]
    return Predictions(*sets)


def _boxes(rows: pd.DataFrame) -> Boxes:
    return Boxes(
        rows[list(CORNER_COLUMNS)].to_numpy(np.float64).reshape(-1, 4, 2),
        rows["score"].to_numpy(np.float32),
        np.array([CLASS_NAMES.index(name) for name in rows["class"]], np.int64),
    )


def _cost(folder: Path, facts: Facts) -> str:
    cost = json.loads((folder / COST_FILE).read_text(encoding="utf-8"))
    return (
        f"\nCost: {cost['images']} images, {cost['tiles']} tiles, {cost['seconds']:.0f} s "
        f"({facts.backend}), {100 * cost['share_outside_model']:.1f} % of it outside the "
        "network.\n"
    )


if __name__ == "__main__":
    main()
