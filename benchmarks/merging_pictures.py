"""A picture for each named case: truth and tiles, raw boxes, what NMS keeps, what the merge keeps.

Drawn from the simulated boxes; no imagery is involved.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

from benchmarks.merging_errors import OURS
from benchmarks.peers import PEERS
from detector.geometry.boxes import Corners, envelopes
from detector.simulating.cases import CASES, Case, case_plan, tile_corner
from detector.simulating.views import Noise, detect
from detector.tiling.plan import TilePlan

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection

ANGLE_DEG = 30.0
RIVALS = ("supervision NMS, IOU 0.5 (default)", "SAHI GREEDYNMM, IOS 0.5 (default)")
MARGIN_PX = 45.0


def draw_cases(folder: Path) -> list[Path]:
    """Write `merging_<case>.png` for every named case."""
    plan = case_plan()
    return [_draw(case, plan, folder / f"merging_{case.name}.png") for case in CASES]


def _draw(case: Case, plan: TilePlan, path: Path) -> Path:
    truth = case.truth(ANGLE_DEG, tile_corner(plan))
    views = detect(truth, plan, Noise(miss=0.0), np.random.default_rng(30))
    raw = views.tile_boxes
    panels = [
        (f"truth: {len(truth)}", truth.corners, None),
        (f"what the tiles see: {len(raw)} boxes", raw.boxes.corners, raw.tiles),
    ]
    for name in (*RIVALS, OURS):
        found = PEERS[name](raw, plan)
        panels.append((f"{name}: {len(found)}", found.corners, None))
    figure, axes = plt.subplots(1, len(panels), figsize=(3.6 * len(panels), 3.9), dpi=80)
    bounds = envelopes(truth.corners)
    low, high = bounds[:, :2].min(axis=0), bounds[:, 2:].max(axis=0)
    half = (high - low).max() / 2 + MARGIN_PX
    middle = (low + high) / 2
    for axis, (title, corners, tiles) in zip(axes, panels, strict=True):
        _draw_tiles(axis, plan)
        _draw_boxes(axis, corners, tiles)
        axis.set(
            xlim=(middle[0] - half, middle[0] + half),
            ylim=(middle[1] + half, middle[1] - half),
            xticks=[],
            yticks=[],
            aspect="equal",
        )
        axis.set_title(title, fontsize=9)
    figure.suptitle(f"{case.title}, at {ANGLE_DEG:.0f}°", fontsize=11)
    figure.tight_layout()
    figure.savefig(path, metadata={"Software": None})
    plt.close(figure)
    return path


def _draw_tiles(axis: Axes, plan: TilePlan) -> None:
    for tile in plan.tiles:
        x_min, y_min, x_max, y_max = tile.window.bounds
        xs, ys = [x_min, x_max, x_max, x_min, x_min], [y_min, y_min, y_max, y_max, y_min]
        axis.plot(xs, ys, color="0.75", linewidth=0.8)


def _draw_boxes(axis: Axes, corners: Corners, tiles: NDArray[np.int64] | None) -> None:
    palette = plt.get_cmap("tab10").colors
    kinds = (
        np.arange(len(corners)) * 0 if tiles is None else np.unique(tiles, return_inverse=True)[1]
    )
    colours = [palette[int(kind) % 10] for kind in kinds]
    faces = [(*colour, 0.18) for colour in colours]
    axis.add_collection(
        PolyCollection(corners, facecolors=faces, edgecolors=colours, linewidths=1.1)
    )
