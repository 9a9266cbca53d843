"""Ground slots of real blocks against counts by eye: `python -m benchmarks.stacks_real`.

The counts are in `stack_counts.csv`: image, centre of the block in pixels, and one or two counts of
its ground slots (TEU). The imagery is no part of the project, see `docs/datasets.md`.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from benchmarks.pool import find_pool, skip
from benchmarks.tables import markdown
from detector.detections import Detections
from detector.geometry.boxes import edge_lengths, order_corners
from detector.scenes.scene import open_scene
from detector.scenes.types import SceneOptions
from detector.stacks.estimate import estimate_stacks
from detector.stacks.settings import StackSettings

COUNTS: Final = Path(__file__).with_name("stack_counts.csv")
STACK: Final = "1"  # class of labels/*.txt
SLACK: Final = 0.01
EDGE_PX: Final = 2.0


def compare(port: Path) -> pd.DataFrame:
    """The counts beside the estimates.

    Args:
        port: folder of the labelled pool: `index.csv`, `images/`, `labels/`.

    Returns:
        Rows of `stack_counts.csv` with `length_m, width_m, slots_low, slots, slots_high`, the mean
        of the counts as `counted`, and `error`, relative to it.
    """
    counts = pd.read_csv(COUNTS)
    index = pd.read_csv(port / "index.csv").set_index("image")
    found = []
    for image, part in counts.groupby("image", sort=False):
        row = index.loc[f"{image}.jpg"]
        boxes = labelled_stacks(port, str(image), row)
        with open_scene(port / "images" / f"{image}.jpg", SceneOptions(gsd_m=row.gsd_m)) as scene:
            table = estimate_stacks(scene, boxes, [], StackSettings())
        middle = boxes.corners.mean(axis=1)
        nearest = [
            int(np.argmin(np.hypot(*(middle - place).T))) for place in part[["x", "y"]].to_numpy()
        ]
        chosen = table.iloc[nearest].set_index(part.index)
        names = ["length_m", "width_m", "slots_low", "slots", "slots_high"]
        found.append(part.join(chosen[names]))
    joined = pd.concat(found)
    joined["counted"] = joined[["first", "second"]].mean(axis=1)
    joined["error"] = joined["slots"] / joined["counted"] - 1.0
    return joined


def labelled_stacks(port: Path, image: str, row: pd.Series) -> Detections:
    """The labelled blocks of an image as detections."""
    lines = (port / "labels" / f"{image}.txt").read_text().splitlines()
    numbers = [line.split()[1:] for line in lines if line.split()[:1] == [STACK]]
    size = np.array([row.width, row.height], float)
    corners = order_corners(np.array(numbers, float).reshape(-1, 4, 2) * size)
    length, width = edge_lengths(corners)
    count = len(corners)
    edge = ((corners < EDGE_PX) | (corners > size - EDGE_PX)).any(axis=(1, 2))
    return Detections(
        scene_id=image,
        acquired=None,
        crs=None,
        class_ids=np.ones(count, np.int64),
        scores=np.ones(count, np.float32),
        corners=corners,
        map_corners=corners,
        length_m=length * row.gsd_m,
        width_m=width * row.gsd_m,
        axis_deg=np.full(count, np.nan),
        cut=np.where(edge, "scene_edge", ""),
        on_ship=np.zeros(count, bool),
    )


def held(table: pd.DataFrame) -> int:
    """Blocks whose interval holds the count."""
    above = table["counted"] >= table["slots_low"] - SLACK
    return int((above & (table["counted"] <= table["slots_high"] + SLACK)).sum())


def describe(table: pd.DataFrame) -> str:
    """The table of one set and its errors in a line."""
    twice = bool(table["second"].notna().all())
    head = ["#", "image", "centre, px", "box, m", *(["first", "second"] if twice else ["counted"]),
            "estimate", "90 % interval", "error"]  # fmt: skip
    rows = [
        [
            str(number),
            row.image,
            f"{row.x}, {row.y}",
            f"{row.length_m:.0f} x {row.width_m:.0f}",
            f"{row.first:.0f}",
            *([f"{row.second:.0f}"] if twice else []),
            f"{row.slots:.0f}",
            f"{row.slots_low:.0f} to {row.slots_high:.0f}",
            f"{100 * row.error:+.0f} %",
        ]
        for number, row in enumerate(table.itertuples(), start=1)
    ]
    test = binomtest(held(table), len(table)).proportion_ci(0.95, "exact")
    errors = table["error"].abs().to_numpy()
    draws = np.random.default_rng(0).choice(errors, (4000, len(errors)))
    low, high = np.quantile(np.median(draws, axis=1), (0.025, 0.975))
    said = (
        f"median error {100 * np.median(errors):.1f} % ({100 * low:.0f} to {100 * high:.0f}), held "
        f"{held(table)} of {len(table)} ({test.low:.2f} to {test.high:.2f}), all together "
        f"{table['slots'].sum():.0f} against {table['counted'].sum():.0f}"
    )
    return f"{markdown(head, rows)}\n\n{said}"


def main() -> None:
    """Print both sets."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    pool = find_pool()
    if pool is None:
        skip("slots of real blocks")
        return
    for name, part in compare(pool).groupby("set", sort=False):
        print(f"{name}\n\n{describe(part)}\n")


if __name__ == "__main__":
    main()
