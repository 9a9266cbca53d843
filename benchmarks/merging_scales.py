"""Two scales against one scale whose overlap holds every ship: what is found, and what it reads."""

from __future__ import annotations

import shutil
import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from benchmarks.merging_errors import OURS, SCENE_PX, Tally, run
from benchmarks.peers import PEERS
from benchmarks.tables import markdown
from detector.boxes.scored import Boxes
from detector.calibrating.luck import merged, tile_boxes
from detector.classes import PORT
from detector.geometry.boxes import iou_matrix
from detector.models.detector import (
    Detector,
    DetectorSettings,
    find_card,
    find_weights,
    load_detector,
)
from detector.rendering import (
    LayoutSpec,
    PortSpec,
    RenderedScene,
    render,
    truth_classes,
    truth_corners,
)
from detector.simulating.views import GSD_M, Noise
from detector.tiling.plan import PlanSettings, TilePlan, plan_tiles

OVERLAP_450_M = 420.0
"""Length that a plan must hold whole to overlap by 450 m: 420 m, the turned envelope, a margin."""

RENDER_GSD_M = 0.5
RENDER_SIZE_PX = (3200, 2600)
RENDER_SEEDS = (7, 8, 13)
WEIGHTS = "port-n"
LENGTHS_M = (0.0, 25.0, 60.0, 150.0, 300.0, 1000.0)
FOUND_IOU = 0.3


def simulated_table(seeds: int) -> str:
    """The simulated detector on both plans at 0.3 m."""
    one = PlanSettings(2048, 1.0, None, GSD_M, OVERLAP_450_M, 400.0)
    two = PlanSettings.for_scene(GSD_M, tile_px=1024, read_gsd_m=GSD_M).snug(SCENE_PX, SCENE_PX)
    plans = {
        "one scale, 450 m overlap, tiles of 2048 px": plan_tiles(SCENE_PX, SCENE_PX, one),
        "two scales, tiles of 1024 px": plan_tiles(SCENE_PX, SCENE_PX, two),
    }
    layout = plan_tiles(SCENE_PX, SCENE_PX, two)
    tallies = {
        name: run(plan, {OURS: PEERS[OURS]}, range(seeds), Noise(), layout=layout)[OURS]
        for name, plan in plans.items()
    }
    most = max(plan.read_pixels for plan in plans.values())
    rows = [_simulated_row(name, plan, tallies[name], most) for name, plan in plans.items()]
    head = ["plan", "tiles", "Mpx read", "share", "objects seen", "merged", "split", "giants"]
    return markdown(head, rows)


def rendered_table(quick: bool, weights: str = WEIGHTS) -> str:
    """The network on rendered harbours with boats, moored rows and ships up to 347 m.

    They are never enlarged: at 0.3 m a tile of twice the side would not hold an overlap of 450 m.
    """
    detector = load_detector(DetectorSettings(weights))
    read_gsd, tile_px = max(detector.card.gsd_read_m, RENDER_GSD_M), detector.card.tile_px
    large_tile = 2 * tile_px
    rows = []
    totals: dict[str, list[NDArray[np.int64]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        larger = _with_tile(Path(folder), large_tile, weights)
        kinds = {
            f"one scale, 450 m overlap, tiles of {large_tile} px": (
                larger,
                PlanSettings(
                    large_tile,
                    RENDER_GSD_M / read_gsd,
                    None,
                    RENDER_GSD_M,
                    OVERLAP_450_M,
                    400.0,
                ),
            ),
            f"two scales, tiles of {tile_px} px": (
                detector,
                PlanSettings.for_scene(RENDER_GSD_M, tile_px=tile_px, read_gsd_m=read_gsd).snug(
                    *RENDER_SIZE_PX
                ),
            ),
        }
        pixels = dict.fromkeys(kinds, 0)
        for seed in RENDER_SEEDS[: 1 if quick else None]:
            scene = _harbour(seed)
            for name, (network, settings) in kinds.items():
                plan = plan_tiles(scene.spec.width, scene.spec.height, settings)
                found = merged(tile_boxes(scene.rgb, plan, network), plan, network)
                totals.setdefault(name, []).append(_found(scene, found))
                pixels[name] += plan.read_pixels
    truth = [np.zeros(0, np.int64)]
    for name, counts in totals.items():
        total = np.sum(counts, axis=0)
        truth = [total[1]]
        rows.append(
            [
                name,
                f"{pixels[name] / 1e6:,.0f}",
                f"{100 * pixels[name] / max(pixels.values()):.0f} %",
                *(str(value) for value in total[0]),
                str(total[0].sum()),
                str(total[2].sum()),
            ]
        )
    rows.insert(0, ["there are", "", "", *(str(v) for v in truth[0]), str(truth[0].sum()), ""])
    bands = [f"{low:.0f}-{high:.0f} m" for low, high in pairwise(LENGTHS_M)]
    bands[-1] = f"{LENGTHS_M[-2]:.0f} m and more"
    return markdown(["plan", "Mpx read", "share", *bands, "ships found", "false"], rows)


def _simulated_row(name: str, plan: TilePlan, tally: Tally, most: int) -> list[str]:
    giants = tally.objects["giant"] - tally.merges["giant"]
    return [
        name,
        str(len(plan)),
        f"{plan.read_pixels / 1e6:,.0f}",
        f"{100 * plan.read_pixels / most:.0f} %",
        f"{tally.objects.total():,}",
        str(tally.merges.total()),
        str(tally.splits.total()),
        f"{giants} of {tally.objects['giant']}",
    ]


def _harbour(seed: int) -> RenderedScene:
    layout = LayoutSpec(
        sectors=["container", "marina", "piers", "container"], coast_deg=20.0, sector_m=600.0
    )
    return render(
        PortSpec(
            width=RENDER_SIZE_PX[0], height=RENDER_SIZE_PX[1], gsd_m=RENDER_GSD_M, layout=layout
        ),
        seed,
    )


def _with_tile(folder: Path, tile_px: int, name: str) -> Detector:
    """The same network with larger tiles."""
    shutil.copy(find_weights(name), folder / "larger.safetensors")
    card = yaml.safe_load(find_card(name).read_text(encoding="utf-8"))
    card |= {"name": "larger", "tile_px": tile_px, "file": ""}
    (folder / "larger.yaml").write_text(yaml.safe_dump(card), encoding="utf-8")
    return load_detector(DetectorSettings(str(folder / "larger.safetensors")))


def _found(scene: RenderedScene, boxes: Boxes) -> NDArray[np.int64]:
    """Ships by length: found, there, and false boxes (all in the first column), `(3, bands)`."""
    counted = np.array([t.counts for t in scene.truth]) & (truth_classes(scene.truth) == SHIP)
    corners = truth_corners(scene.truth)
    lengths = np.array([t.length_m for t in scene.truth])
    ships = boxes.select(boxes.class_ids == SHIP)
    overlap = iou_matrix(corners, ships.corners)
    false = int((overlap.max(axis=0, initial=0) < FOUND_IOU).sum())
    hit = np.zeros(len(corners), bool)
    while overlap.size and overlap.max() >= FOUND_IOU:
        i, j = np.unravel_index(overlap.argmax(), overlap.shape)
        hit[i] = True
        overlap[i], overlap[:, j] = 0, 0
    result = np.zeros((3, len(LENGTHS_M) - 1), np.int64)
    result[0] = np.histogram(lengths[counted & hit], LENGTHS_M)[0]
    result[1] = np.histogram(lengths[counted], LENGTHS_M)[0]
    result[2, 0] = false
    return result


SHIP = PORT.id("ship")
