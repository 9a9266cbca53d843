"""Losses of training runs: `python tools/training_curves.py --out FILE.svg NAME=FOLDER ...`.

The folders are those that `detector train` writes. Losses are divided by their gains, so that runs
with other gains compare.
"""

from __future__ import annotations

import argparse
import json
from itertools import cycle
from pathlib import Path
from typing import Any, Final

import matplotlib
import yaml

matplotlib.use("svg")
from matplotlib import pyplot as plt

from detector.files import atomic_path

PARTS: Final = {"box": "box", "cls": "class", "dfl": "distribution", "angle": "angle"}
DASHES: Final = ("-", "--", "-.", ":")


def draw(runs: dict[str, Path], out: Path) -> None:
    """One panel a loss, over the hours of each run.

    Args:
        runs: folders by name.
        out: SVG file.
    """
    plt.rcParams["svg.hashsalt"] = "quaywatch"  # the same file every time
    figure, axes = plt.subplots(2, 2, figsize=(9, 6), layout="constrained")
    for (part, title), axis in zip(PARTS.items(), axes.flat, strict=True):
        for (name, folder), dash in zip(runs.items(), cycle(DASHES), strict=False):
            lines = _lines(folder / "metrics.jsonl")
            gain = _gains(folder)[part]
            hours = [line["elapsed_s"] / 3600 for line in lines]
            values = [line[f"train/{part}_loss"] / gain for line in lines]
            axis.plot(hours, values, dash, label=name)
        axis.set_title(f"{title} loss", loc="left")
        axis.set_xlabel("hours")
    axes.flat[0].legend(frameon=False)
    with atomic_path(out) as temporary:
        figure.savefig(temporary, format="svg", metadata={"Date": None})


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _gains(folder: Path) -> dict[str, float]:
    trainer = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))["trainer"]
    return {part: float(trainer.get(part, 1.0)) for part in PARTS}


def main() -> None:
    """Draw the runs that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("runs", nargs="+", help="name=folder")
    options = parser.parse_args()
    pairs = [run.partition("=") for run in options.runs]
    draw({name: Path(folder) for name, _, folder in pairs}, options.out)


if __name__ == "__main__":
    main()
