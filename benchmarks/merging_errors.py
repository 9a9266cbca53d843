"""Wrong merges and splits of the simulated detector's boxes, and the counts of the named cases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from benchmarks.cases import CASES, case_plan, tile_corner
from benchmarks.peers import PEERS, SWEPT, MergeFunction
from benchmarks.scoring import score
from benchmarks.simulated import GROUPS, GSD_M, Noise, Truth, Views, detect, world
from benchmarks.tables import interval, markdown
from detector.geometry.boxes import polygons
from detector.tiling.plan import PlanSettings, TilePlan, plan_tiles

SCENE_PX = 4500
TILE_PX = 1024
THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
SWEEP_SEEDS = range(1000, 1020)
ANGLES = (0, 15, 30, 45)


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
    return plan_tiles(SCENE_PX, SCENE_PX, settings)


def errors_table(seeds: int) -> str:
    """Errors of every merge at one scale, and of ours at two."""
    rows = []
    for noise_name, noise in (("within", Noise()), ("sd", Noise(normal=True))):
        for name, function in PEERS.items():
            rows.append(_row(noise_name, name, run(one_scale(), function, range(seeds), noise)))
        tally = run(two_scales(), PEERS["Quaywatch"], range(seeds), noise)
        rows.append(_row(noise_name, "Quaywatch, two scales", tally))
    head = ["errors of", "merge", "objects", "merged", "split", "per 1,000 (95 %)", "mean IoU"]
    return markdown(head, rows)


def kinds_table(seeds: int) -> str:
    """Errors by kind of group, ours against the best of the others."""
    names = ["Quaywatch", "exact NMS, IoU 0.3", "supervision NMS, IOU 0.5 (default)"]
    names += ["SAHI GREEDYNMM, IOS 0.5 (default)"]
    tallies = {name: run(one_scale(), PEERS[name], range(seeds), Noise()) for name in names}
    rows = []
    for kind in GROUPS:
        objects = tallies["Quaywatch"].objects[kind]
        errors = [f"{tallies[n].merges[kind]} / {tallies[n].splits[kind]}" for n in names]
        rows.append([kind, f"{objects:,}", *errors])
    return markdown(["group", "objects", *(f"{name}: merged / split" for name in names)], rows)


def sweep_table() -> str:
    """The best threshold of each peer: no default is to blame."""
    rows = []
    for name, make in SWEPT.items():
        rates = [run(one_scale(), make(t), SWEEP_SEEDS, Noise()).rate for t in THRESHOLDS]
        best = int(np.argmin(rates))
        rows.append([name, *(f"{r:.0f}" for r in rates), f"{THRESHOLDS[best]}"])
    ours = run(one_scale(), PEERS["Quaywatch"], SWEEP_SEEDS, Noise())
    rows.append(["Quaywatch", *[""] * len(THRESHOLDS), f"{ours.rate:.1f} errors"])
    return markdown(["errors per 1,000 at", *(f"{t}" for t in THRESHOLDS), "best"], rows)


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


def run(plan: TilePlan, function: MergeFunction, seeds: Iterable[int], noise: Noise) -> Tally:
    """Errors of one merge over many seeds."""
    tally = Tally()
    for seed in seeds:
        rng = np.random.default_rng(seed)
        truth = world(plan, rng)
        views = detect(truth, plan, noise, rng)
        _add(tally, function, plan, truth, views)
    return tally


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
