"""Validates the estimate of containers on rendered yards: `python -m benchmarks.stacks`.

python -m benchmarks.stacks                     the tables of docs/stacks.md, frozen parameters
python -m benchmarks.stacks tune --scenes 12    the same on other seeds, to look at while tuning
python -m benchmarks.stacks pictures            the pictures of docs/stacks.md
python -m benchmarks.stacks cost                what the estimate adds to detector predict
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import cv2
import numpy as np
import pandas as pd
from scipy.stats import binomtest

import detector.prediction.work
from benchmarks.tables import markdown
from detector.cli import main as cli
from detector.config.compose import load_config
from detector.counting.zones import Zone, first_zones
from detector.detections import Detections
from detector.geometry.boxes import corners_from_xywhr, edge_lengths, order_corners
from detector.rendering import PortSpec, RenderedScene, TruthObject, render
from detector.rendering.options import RenderConfig
from detector.rendering.ranges import SpecRanges, draw_specs
from detector.rendering.truth import truth_corners
from detector.rendering.write import write_scene
from detector.scenes.scene import open_scene
from detector.stacks.estimate import estimate_stacks, examine_stacks, factors_of
from detector.stacks.settings import StackSettings
from detector.stacks.simulate import quantiles, simulate

CONFIG = "stacks_validation"
TUNING = ["name=stacks-tuning", "first_seed=660000"]
RAILHEAD_EVERY = 5
PICTURED = 3  # of the tuning set
SIDE_SD_M = 0.4  # a found box is not the true one: error of every side, as measured on detections
SETTINGS = StackSettings()
COST_SPEC = ["spec=container_terminal", "spec.width=3000", "spec.height=3000"]
COST_SEED = 5


def yard_specs(overrides: list[str]) -> list[tuple[PortSpec, int]]:
    """Specs and seeds of the yards: container terminals, every fifth a railhead."""
    specs = draw_specs(load_config(CONFIG, SpecRanges, overrides))
    placed = []
    for index, (spec, seed) in enumerate(specs):
        rail = index % RAILHEAD_EVERY == RAILHEAD_EVERY - 1
        sectors = ["railhead"] if rail else ["container"]
        placed.append((replace(spec, layout=replace(spec.layout, sectors=sectors)), seed))
    return placed


def found_boxes(
    scene: RenderedScene, truth: tuple[TruthObject, ...], generator: np.random.Generator
) -> Detections:
    """Detections at the true boxes, their sides moved by `SIDE_SD_M`; deck cargo left out."""
    stacks = [t for t in truth if t.class_id == 1]
    corners = truth_corners(tuple(stacks))
    gsd = scene.spec.gsd_m
    length, width = edge_lengths(corners)
    axis = (corners[:, 1] - corners[:, 0]) / np.maximum(length, 1e-9)[:, None]
    angle = np.arctan2(axis[:, 1], axis[:, 0])
    sd = SIDE_SD_M / gsd
    sides = generator.normal(0.0, sd, (len(corners), 4))
    middle = corners.mean(axis=1)
    middle += axis * (sides[:, :1] - sides[:, 1:2]) / 2
    middle += np.stack([-axis[:, 1], axis[:, 0]], 1) * (sides[:, 2:3] - sides[:, 3:]) / 2
    size = np.stack([length + sides[:, 0] + sides[:, 1], width + sides[:, 2] + sides[:, 3]], 1)
    size = np.maximum(size, 1.0)
    moved = corners_from_xywhr(np.column_stack([middle, size, angle]))
    moved = order_corners(moved)
    length, width = edge_lengths(moved)
    none = np.zeros(len(moved))
    low, high = moved.min(axis=(1)), moved.max(axis=(1))
    edge = (low < 1).any(axis=1) | (high > np.array([scene.spec.width, scene.spec.height]) - 1).any(
        axis=1
    )
    return Detections(
        scene_id="rendered",
        acquired=scene.acquired,
        crs=scene.crs,
        class_ids=np.ones(len(moved), np.int64),
        scores=np.ones(len(moved), np.float32),
        corners=moved,
        map_corners=moved,
        length_m=length * gsd,
        width_m=width * gsd,
        axis_deg=none,
        cut=np.where(edge, "scene_edge", ""),
        on_ship=np.array([t.on_ship for t in stacks], bool),
    )


def examine(specs: list[tuple[PortSpec, int]]) -> Iterator[pd.DataFrame]:
    """`examine_scene` of every yard."""
    for spec, seed in specs:
        yield from examine_scene(render(spec, seed), seed)


def examine_scene(scene: RenderedScene, seed: int) -> Iterator[pd.DataFrame]:
    """Truth beside the estimate of every block that a perfect counter counts and sees whole.

    Twice a scene: as it is, and without its angles, so that the prior holds (`told` False).
    """
    spec = scene.spec
    stacks = [t for t in scene.truth if t.class_id == 1]
    detections = found_boxes(scene, scene.truth, np.random.default_rng(seed))
    zones = [
        Zone(name, kind, _pixels(scene, shape))
        for name, kind, shape in zip(
            scene.zones["name"], scene.zones["kind"], scene.zones.geometry, strict=True
        )
    ]
    held_by = first_zones(detections.corners, tuple(zones))
    with tempfile.TemporaryDirectory() as folder:
        path = write_scene(scene, Path(folder) / "scene.tif")
        for told in (True, False):
            if not told:
                _forget_angles(path)
            with open_scene(path) as opened:
                table = estimate_stacks(opened, detections, held_by, SETTINGS)
            for name in ("slots", "tiers", "containers", "teu"):
                table[f"true_{name}"] = [getattr(t, name) for t in stacks]
            table["true_tiers"] = table["true_teu"] / table["true_slots"].clip(1)
            table["kind"] = [t.kind for t in stacks]
            table["whole"] = [t.counts and t.visible > 0.999 for t in stacks]
            table["scene"], table["told"] = seed, told
            table["off_nadir"], table["gsd"] = spec.sensor.off_nadir_deg, spec.gsd_m
            whole = table["whole"] & ~table["flags"].str.contains("cut_by_edge")
            yield table[whole.to_numpy()]


def _pixels(scene: RenderedScene, shape: object) -> object:
    import shapely

    from detector.geometry.geodesy import apply_transform

    return shapely.transform(shape, lambda points: apply_transform(~scene.transform, points))


def _forget_angles(path: Path) -> None:
    import json

    side = path.with_suffix(".json")
    item = json.loads(side.read_text())
    item["properties"] = {k: v for k, v in item["properties"].items() if not k.startswith("view:")}
    side.write_text(json.dumps(item))


def summarize(table: pd.DataFrame) -> str:
    """Median errors, coverage and width of groups of blocks and of zones."""
    shadow = table[table["method"] == "shadow"]
    prior = table[~table["told"] & (table["kind"] == "block")]
    oblique = table[table["flags"].str.contains("oblique_view") & table["told"]]
    trains = table[table["told"] & (table["kind"] == "wagons")]
    rows = []
    for name, part in (
        ("blocks, shadow", shadow),
        ("blocks, prior (angles not told)", prior),
        ("blocks, prior (over 15° off nadir)", oblique),
        ("trains", trains),
    ):
        for quantity in ("slots", "tiers", "containers", "teu"):
            rows.append([name, quantity, *_scores(part, quantity)])
    for name, told in (("zones, as told", True), ("zones, angles not told", False)):
        zones = zone_totals(table[table["told"] == told])
        for quantity in ("containers", "teu"):
            rows.append([name, quantity, *_scores(zones, quantity)])
    head = ["group", "quantity", "n", "median error", "bias", "coverage of 90 %", "95 % of it",
            "median width"]  # fmt: skip
    return markdown(head, rows)


def zone_totals(table: pd.DataFrame) -> pd.DataFrame:
    """One row a scene and zone: the sum of its blocks, drawn together."""
    rows = []
    for _, part in table.groupby(["scene", "zone"]):
        draws = simulate(factors_of(part, SETTINGS), SETTINGS)
        row = {}
        for name in ("containers", "teu"):
            low, mid, high = quantiles(getattr(draws, name).sum(axis=1))
            row |= {f"{name}_low": low, name: mid, f"{name}_high": high}
            row[f"true_{name}"] = part[f"true_{name}"].sum()
        rows.append(row)
    return pd.DataFrame(rows)


def draw_pictures(folder: Path) -> None:
    """A rendered yard with the shadows that were measured: docs/images/stacks_shadows.jpg."""
    spec, seed = yard_specs(TUNING)[PICTURED]
    scene = render(spec, seed)
    detections = found_boxes(scene, scene.truth, np.random.default_rng(seed))
    with (
        tempfile.TemporaryDirectory() as temporary,
        open_scene(write_scene(scene, Path(temporary) / "scene.tif")) as opened,
    ):
        blocks = examine_stacks(opened, detections, (), SETTINGS)
    picture = np.ascontiguousarray(scene.rgb)
    for block in blocks:
        corners = np.rint(detections.corners[block.row] * 16).astype(np.int32)
        colour = (90, 230, 90) if block.shadow is not None else (255, 210, 60)
        cv2.polylines(picture, [corners], True, colour, 1, cv2.LINE_AA, 4)
        if block.shadow is None:
            continue
        for start, end in np.rint(block.shadow.ends_m / spec.gsd_m).astype(int).tolist():
            cv2.line(picture, start, end, (255, 60, 200), 1, cv2.LINE_AA)
    folder.mkdir(parents=True, exist_ok=True)
    quality = [cv2.IMWRITE_JPEG_QUALITY, 88]
    cv2.imwrite(str(folder / "stacks_shadows.jpg"), picture[..., ::-1], quality)


def measure_cost() -> str:
    """Seconds that stacks take of `detector predict` on a large terminal, with the starter."""
    spent = {"wall": 0.0, "cpu": 0.0, "blocks": 0.0}

    def timed(*words: Any) -> pd.DataFrame:
        wall, cpu = time.perf_counter(), time.process_time()
        table = estimate_stacks(*words)
        spent["wall"] += time.perf_counter() - wall
        spent["cpu"] += time.process_time() - cpu
        spent["blocks"] += len(table)
        return table

    config = load_config("render", RenderConfig, COST_SPEC)
    with tempfile.TemporaryDirectory() as folder:
        path = write_scene(render(config.spec, COST_SEED), Path(folder) / "terminal.tif")
        words = ["predict", str(path), f"out={folder}/run", "quiet=true"]
        with mock.patch.object(detector.prediction.work, "estimate_stacks", timed):
            wall, cpu = time.perf_counter(), time.process_time()
            cli.main(words)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    head = ["pixels", "blocks", "clock", "predict, s", "stacks, s", "share", "ms a block"]
    size = f"{config.spec.width} x {config.spec.height}"
    rows = [
        [size, f"{spent['blocks']:.0f}", name, f"{total:.1f}", f"{spent[name]:.1f}",
         f"{100 * spent[name] / total:.0f} %", f"{1000 * spent[name] / spent['blocks']:.0f}"]
        for name, total in (("wall", wall), ("cpu", cpu))
    ]  # fmt: skip
    return markdown(head, rows)


def _scores(part: pd.DataFrame, name: str) -> list[str]:
    if part.empty:
        return ["0", "", "", "", "", ""]
    truth = part[f"true_{name}"].to_numpy(float)
    mid, low, high = (part[f"{name}{end}"].to_numpy(float) for end in ("", "_low", "_high"))
    slack = 1e-6
    inside = (truth >= low - slack) & (truth <= high + slack)
    test = binomtest(int(inside.sum()), len(truth)).proportion_ci(0.95, "exact")
    return [
        str(len(truth)),
        f"{100 * np.median(np.abs(mid - truth) / truth):.0f} %",
        f"{100 * (mid.sum() / truth.sum() - 1):+.0f} %",
        f"{inside.mean():.2f}",
        f"{test.low:.2f} to {test.high:.2f}",
        f"{100 * np.median((high - low) / truth):.0f} %",
    ]


def main() -> None:
    """Run what the first word says."""
    parser = argparse.ArgumentParser(description=__doc__)
    kinds = ("validate", "tune", "pictures", "cost")
    parser.add_argument("what", nargs="?", choices=kinds, default=kinds[0])
    parser.add_argument("--scenes", type=int, default=None, help="the first ones only")
    parser.add_argument("--out", type=Path, default=None, help="CSV of all blocks")
    words = parser.parse_args()
    if words.what == "pictures":
        draw_pictures(Path("docs/images"))
        return
    if words.what == "cost":
        print(measure_cost())
        return
    overrides = TUNING if words.what == "tune" else []
    specs = yard_specs(overrides)[: words.scenes]
    table = pd.concat(examine(specs), ignore_index=True)
    if words.out is not None:
        table.to_csv(words.out, index=False)
    print(summarize(table))


if __name__ == "__main__":
    main()
