"""Wrong merges and splits of the simulated detector's boxes, and the counts of the named cases."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from benchmarks.peers import PEERS, SWEPT, MergeFunction
from benchmarks.tables import interval, markdown
from detector.geometry.boxes import polygons
from detector.simulating.cases import CASES, case_plan, tile_corner
from detector.simulating.scoring import score
from detector.simulating.views import GROUPS, GSD_M, Noise, Truth, Views, detect, world
from detector.tiling.plan import PlanSettings, TilePlan, plan_tiles

SCENE_PX = 4500
TILE_PX = 1024
THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
SWEEP_SEEDS = range(1000, 1020)
ANGLES = (0, 15, 30, 45)
OURS, OURS_AT_TWO = "Quaywatch", "Quaywatch, two scales"
RIVALS = (
    "exact NMS, IoU 0.3",
    "supervision NMS, IOS 0.5",
    "SAHI GREEDYNMM, IOS 0.5 (default)",
)
WORKERS = int(os.environ.get("QUAYWATCH_WORKERS", os.cpu_count() or 1))
NOISES = {"up to 2 px, 2°, 3 %": Noise(), "normal, sd 2 px, 2°, 3 %": Noise(normal=True)}


@dataclass(slots=True)
class Tally:
    """Sums over seeds.

    Attributes:
        objects: by kind.
        merges: wrong merges by kind.
        splits: wrong splits by kind.
        ious: of the boxes with their objects.
    """

    objects: Counter[str] = field(default_factory=Counter)
    merges: Counter[str] = field(default_factory=Counter)
    splits: Counter[str] = field(default_factory=Counter)
    ious: list[np.ndarray] = field(default_factory=list)

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.objects + other.objects,
            self.merges + other.merges,
            self.splits + other.splits,
            self.ious + other.ious,
        )

    @property
    def rate(self) -> float:
        """Errors by 1,000 objects."""
        errors = self.merges.total() + self.splits.total()
        return 1000 * errors / self.objects.total()


def one_scale() -> TilePlan:
    """Tiles of 1024 px at 0.3 m; ships up to 100 m are whole in a tile, longer ones are cut."""
    return plan_tiles(SCENE_PX, SCENE_PX, PlanSettings(TILE_PX, 1.0, None, GSD_M, 100.0, 400.0))


def two_scales() -> TilePlan:
    """The plan that the product makes for this scene."""
    settings = PlanSettings.for_scene(GSD_M, tile_px=TILE_PX, read_gsd_m=GSD_M)
    return plan_tiles(SCENE_PX, SCENE_PX, settings.snug(SCENE_PX, SCENE_PX))


def errors_tables(seeds: int) -> tuple[str, str]:
    """Errors of every merge, and by kind of group for the best of them.

    Args:
        seeds: simulated ports of about 260 objects, the same for all.
    """
    rows: list[list[str]] = []
    ours: dict[str, Tally] = {}
    for name, noise in NOISES.items():
        ours[name] = run(one_scale(), {OURS: PEERS[OURS]}, range(seeds), noise)[OURS]
        two = run(two_scales(), {OURS_AT_TWO: PEERS[OURS]}, range(seeds), noise)
        peers = {peer: PEERS[peer] for peer in (PEERS if not noise.normal else RIVALS)}
        peers.pop(OURS, None)
        others = run(one_scale(), peers, range(seeds), noise)
        tallies = {OURS: ours[name]} | two | others
        rows += [_row(name, merge_name, tally) for merge_name, tally in tallies.items()]
        if not noise.normal:
            rivals = {peer: others[peer] for peer in RIVALS}
    head = ["errors", "merge", "objects", "merged", "split", "per 1,000 (95 %)", "mean IoU"]
    return markdown(head, rows), _kinds_table(ours, rivals)


def _kinds_table(ours: dict[str, Tally], rivals: dict[str, Tally]) -> str:
    columns = {f"{OURS}, {noise}": tally for noise, tally in ours.items()} | rivals
    rows = [
        [
            kind,
            *(
                f"{tally.merges[kind]} / {tally.splits[kind]} of {tally.objects[kind]:,}"
                for tally in columns.values()
            ),
        ]
        for kind in GROUPS
    ]
    return markdown(["merged / split", *columns], rows)


def sweep_table() -> str:
    """Errors of each peer at many thresholds, so that no default is to blame."""
    functions = {(name, t): make(t) for name, make in SWEPT.items() for t in THRESHOLDS}
    named = {f"{name} {t}": function for (name, t), function in functions.items()}
    tallies = run(one_scale(), {OURS: PEERS[OURS], **named}, SWEEP_SEEDS, Noise())
    rows = [[name, *(f"{tallies[f'{name} {t}'].rate:.0f}" for t in THRESHOLDS)] for name in SWEPT]
    rows.append([f"{OURS} (one setting)", *[f"{tallies[OURS].rate:.1f}"] * len(THRESHOLDS)])
    return markdown(["errors per 1,000 at a threshold of", *(f"{t}" for t in THRESHOLDS)], rows)


def cases_table() -> str:
    """Counts of the named cases at four angles: the true count, then each merge."""
    plan = case_plan()
    corner = tile_corner(plan)
    rows = []
    for case in CASES:
        counts = {name: [] for name in PEERS}
        for angle in ANGLES:
            truth = case.truth(angle, corner)
            views = detect(truth, plan, Noise(miss=0.0), np.random.default_rng(angle))
            for name, function in PEERS.items():
                counts[name].append(str(len(function(views.tile_boxes, plan))))
        cells = [" ".join(counts[name]) for name in PEERS]
        rows.append([case.title, str(len(case.layout)), *cells])
    return markdown(["case, at 0 15 30 45°", "truth", *PEERS], rows)


def run(
    plan: TilePlan,
    functions: Mapping[str, MergeFunction],
    seeds: range,
    noise: Noise,
    layout: TilePlan | None = None,
) -> dict[str, Tally]:
    """Errors of several merges over the same simulated boxes.

    Args:
        plan: the tiles.
        functions: by name.
        seeds: one port each.
        noise: of the detector.
        layout: plan on whose tile corners a third of the groups lies; `plan` by default.
    """
    parts = np.array_split(np.array(seeds), max(1, len(seeds) // 5))
    work = partial(_run_part, plan, dict(functions), noise, layout or plan)
    with ProcessPoolExecutor(WORKERS) as pool:
        done = list(pool.map(work, [part.tolist() for part in parts]))
    return {name: sum((part[name] for part in done), Tally()) for name in functions}


def _run_part(
    plan: TilePlan,
    functions: dict[str, MergeFunction],
    noise: Noise,
    layout: TilePlan,
    seeds: list[int],
) -> dict[str, Tally]:
    tallies = {name: Tally() for name in functions}
    for seed in seeds:
        rng = np.random.default_rng(seed)
        truth = world(layout, rng)
        views = detect(truth, plan, noise, rng)
        for name, function in functions.items():
            _add(tallies[name], function, plan, truth, views)
    return tallies


def _add(tally: Tally, function: MergeFunction, plan: TilePlan, truth: Truth, views: Views) -> None:
    found = function(views.tile_boxes, plan)
    result = score(found, truth, views)
    seen = np.unique(views.source[views.answerable])
    tally.objects.update(truth.kinds[seen].tolist())
    tally.merges.update(truth.kinds[result.missing].tolist())
    tally.ious.append(result.iou)
    centres_of = truth.xywhr[:, :2]
    for box in polygons(found.corners[result.extra]):
        nearest = np.hypot(*(centres_of - [box.centroid.x, box.centroid.y]).T).argmin()
        tally.splits[str(truth.kinds[nearest])] += 1


def _row(noise: str, name: str, tally: Tally) -> list[str]:
    errors = tally.merges.total() + tally.splits.total()
    low, high = interval(errors, tally.objects.total())
    ious = np.concatenate(tally.ious)
    return [
        noise,
        name,
        f"{tally.objects.total():,}",
        f"{tally.merges.total():,}",
        f"{tally.splits.total():,}",
        f"{tally.rate:.2f} ({low:.2f}-{high:.2f})",
        f"{ious.mean():.2f}",
    ]
