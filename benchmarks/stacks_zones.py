"""How often intervals of zones hold on rendered yards: `python -m benchmarks.stacks_zones`.

python -m benchmarks.stacks_zones --docs               the tables of docs/stacks.md, into it
python -m benchmarks.stacks_zones --scenes 12          the first yards only
python -m benchmarks.stacks_zones --weights port-n     of other weights; their card must hold blocks
python -m benchmarks.stacks_zones --weights ""         the simulated detector alone

What was found is kept in `--parts`, yard by yard, so that a call that was cut goes on.

Yards of seeds that nothing was tuned on. The network is read with the card's own model of blocks,
which real places alone decide. The simulated detector misses, joins and makes up blocks at known
rates; its model is fitted on the other half of the yards.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import shapely

from benchmarks.stacks import SETTINGS, _pixels, _scores, found_boxes, yard_specs
from benchmarks.tables import markdown, put
from detector.boxes.scored import Boxes
from detector.calibrating.blocks import BlockImage, block_image, fit_blocks
from detector.calibrating.kept import key_of
from detector.counting.counts import OBSERVED_SHARE
from detector.counting.zones import Zone, first_zones
from detector.detections import Detections
from detector.evaluation.dataset import rendered_image
from detector.files import atomic_path
from detector.geometry.boxes import edge_lengths, order_corners
from detector.inference.pipeline import predict_scene
from detector.models.detector import Detector, DetectorSettings, load_detector
from detector.rendering import PortSpec, RenderedScene, render
from detector.rendering.write import write_scene
from detector.rendering.zone_table import zone_truth
from detector.scenes.scene import Scene, open_scene
from detector.stacks.block_model import BlockModel
from detector.stacks.estimate import estimate_stacks
from detector.stacks.totals import FoundBlocks, draw_zone, interval_of

FRESH: Final = ["name=stacks-zones", "first_seed=881000"]
STACK_ID: Final = 1
KINDS: Final = ("yard", "quay", "railhead")
MISSED, FALSE, JOINED = 0.15, 0.12, 0.10  # of the simulated detector, of true blocks
PLACE_SD: Final = 0.5  # of its log odds of missing, between scenes
SIMULATED: Final = "simulated detector"
TRUTH_FILE, STACKS_FILE, IMAGE_FILE = "truth.parquet", "stacks.parquet", "image.json"


@dataclass(frozen=True, slots=True)
class Yard:
    """What one detector found in one yard.

    Attributes:
        zones: name and kind of each.
        truth: of `zone_truth`, in their order.
        stacks: rows of `stacks.csv` with `score`; deck cargo is left out, and what is neither right
            nor wrong, such as containers on chassis: no truth says whether it counts.
        image: boxes laid on true blocks.
    """

    zones: Sequence[tuple[str, str]]
    truth: pd.DataFrame
    stacks: pd.DataFrame
    image: BlockImage


def examine(
    specs: Sequence[tuple[PortSpec, int]], network: Detector | None, parts: Path
) -> dict[str, list[Yard]]:
    """The yards as each detector saw them: name to a list of `Yard`.

    Args:
        specs: of the yards, with their seeds.
        network: None for the simulated detector alone.
        parts: folder of what was found before.
    """
    seen: dict[str, list[Yard]] = {}
    detectors = [None] if network is None else [None, network]
    for number, (spec, seed) in enumerate(specs, start=1):
        paths = [_part_of(parts, spec, seed, one) for one in detectors]
        known = [read_yard(path) for path in paths]
        if not all(known):
            known = list(_yards(spec, seed, detectors))
            for path, yard in zip(paths, known, strict=True):
                write_yard(path, yard)
        for one, yard in zip(detectors, known, strict=True):
            seen.setdefault(SIMULATED if one is None else one.card.name, []).append(yard)
        print(f"yard {seed}: {number} of {len(specs)}", flush=True)
    return seen


def _yards(spec: PortSpec, seed: int, detectors: Sequence[Detector | None]) -> Iterator[Yard]:
    scene = render(spec, seed)
    with tempfile.TemporaryDirectory() as folder:
        path = write_scene(scene, Path(folder) / "scene.tif")
        with open_scene(path) as opened:
            for one in detectors:
                if one is None:
                    found = simulated(scene, np.random.default_rng(seed))
                else:
                    found = predict_scene(opened, one)
                yield _yard(scene, opened, found, seed)


def _part_of(parts: Path, spec: PortSpec, seed: int, network: Detector | None) -> Path:
    facts = asdict(spec), seed, asdict(SETTINGS)
    plain = json.dumps(facts, sort_keys=True, default=str).encode()
    key = hashlib.sha256(plain).hexdigest()[:16] if network is None else key_of(network.card, facts)
    return parts / f"yard{seed}-{key}"


def write_yard(folder: Path, yard: Yard) -> None:
    """Keep a yard as tables and one JSON file; the latter last, so a cut call leaves none."""
    folder.mkdir(parents=True, exist_ok=True)
    yard.truth.to_parquet(folder / TRUTH_FILE)
    yard.stacks.to_parquet(folder / STACKS_FILE)
    image = {
        name: value.tolist() if isinstance(value, np.ndarray) else value
        for name, value in asdict(yard.image).items()
    }
    with atomic_path(folder / IMAGE_FILE) as temporary:
        temporary.write_text(json.dumps({"zones": list(yard.zones), "image": image}))


def read_yard(folder: Path) -> Yard | None:
    """Read what `write_yard` wrote; None where it did not."""
    try:
        told = json.loads((folder / IMAGE_FILE).read_text())
        truth, stacks = (pd.read_parquet(folder / name) for name in (TRUTH_FILE, STACKS_FILE))
        image = {
            name: np.array(value, np.int64 if name in ("held", "row") else np.float64)
            if isinstance(value, list)
            else value
            for name, value in told["image"].items()
        }
        block = BlockImage(**image)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Yard([(name, kind) for name, kind in told["zones"]], truth, stacks, block)


def simulated(scene: RenderedScene, generator: np.random.Generator) -> Detections:
    """True blocks with sides that are off; some are missed, some joined, some boxes are false."""
    true = found_boxes(scene, scene.truth, generator)
    counted = np.array([t.counts for t in scene.truth if t.class_id == STACK_ID], bool)
    true = true.select(np.flatnonzero(counted & ~true.on_ship))
    odds = np.log(MISSED / (1 - MISSED)) + PLACE_SD * generator.standard_normal()
    kept = np.flatnonzero(generator.random(len(true)) > 1 / (1 + np.exp(-odds)))
    corners = [true.corners[i] for i in kept.tolist()]
    corners = _joined(corners, generator)
    scores = np.clip(generator.normal(0.8, 0.08, len(corners)), 0.3, 0.95).tolist()
    for _ in range(generator.poisson(FALSE * len(true))):
        box = true.corners[int(generator.integers(len(true)))]
        place = generator.uniform(0.1, 0.9, 2) * [scene.spec.width, scene.spec.height]
        corners.append(box - box.mean(axis=0) + place)
        scores.append(float(np.clip(generator.normal(0.5, 0.1), 0.3, 0.95)))
    boxes = order_corners(np.array(corners, float).reshape(-1, 4, 2))
    length, width = edge_lengths(boxes)
    rows = np.zeros(len(boxes), np.int64)
    flat = true.select(rows) if len(true) else true
    return replace(
        flat,
        corners=boxes,
        map_corners=boxes,
        scores=np.array(scores, np.float32),
        length_m=length * scene.spec.gsd_m,
        width_m=width * scene.spec.gsd_m,
    )


def _joined(corners: list[Any], generator: np.random.Generator) -> list[Any]:
    """Some blocks and their nearest neighbours become one box around both."""
    left = list(corners)
    for _ in range(generator.binomial(len(corners), JOINED)):
        if len(left) < 2:
            break
        one = left.pop(int(generator.integers(len(left))))
        middles = np.array([box.mean(axis=0) for box in left])
        two = left.pop(int(np.argmin(np.hypot(*(middles - one.mean(axis=0)).T))))
        hull = shapely.MultiPoint(np.concatenate([one, two])).minimum_rotated_rectangle
        left.append(np.asarray(hull.exterior.coords)[:4])
    return left


def _yard(scene: RenderedScene, opened: Scene, found: Detections, seed: int) -> Yard:
    zones = tuple(
        Zone(name, kind, _pixels(scene, shape))
        for name, kind, shape in zip(
            scene.zones["name"], scene.zones["kind"], scene.zones.geometry, strict=True
        )
    )
    table = estimate_stacks(opened, found, first_zones(found.corners, zones), SETTINGS)
    rows = [int(name.rpartition("#")[2]) for name in table["id"]]
    table["score"] = found.scores[rows].astype(float)
    boxes = Boxes(found.corners, found.scores, np.where(found.on_ship, -1, found.class_ids))
    image = block_image(rendered_image(scene, f"{seed}"), boxes, STACK_ID)
    if image is None:
        raise ValueError(f"yard {seed}: its truth does not say where stacks are")
    table = table[np.isin(rows, image.row) & ~table["flags"].str.contains("deck_cargo")]
    return Yard([(zone.name, zone.kind) for zone in zones], zone_truth(scene), table, image)


def judged(yard: Yard, model: BlockModel | None) -> list[dict[str, Any]]:
    """Truth and interval of every zone that was seen whole."""
    rows = []
    for (name, kind), true in zip(yard.zones, yard.truth.itertuples(), strict=True):
        if kind not in KINDS or true.observed_fraction < OBSERVED_SHARE:
            continue
        mine = yard.stacks[yard.stacks["zone"] == name]
        score, area = (mine[column].to_numpy(float) for column in ("score", "area_m2"))
        drawn = draw_zone(FoundBlocks(score, area, mine, kind), name, SETTINGS, model)
        row: dict[str, Any] = {
            "true_number": true.stacks,
            "true_area": true.stack_area_m2,
            "true_teu": true.teu,
        }
        for what, draws in (("number", drawn.number), ("area", drawn.area_m2), ("teu", drawn.teu)):
            row[f"{what}_low"], row[what], row[f"{what}_high"] = interval_of(draws)
        rows.append(row)
    return rows


def judge(yards: Sequence[Yard], card: BlockModel | None) -> dict[str, pd.DataFrame]:
    """Rows of all zones: with the model, and with none, as if every box was one block."""
    if card is None:  # fitted on the other half
        halves = [[yard.image for yard in yards[1 - at :: 2]] for at in (0, 1)]
        models = [fit_blocks(half, "the other half") for half in halves]
    else:
        models = [card, card]
    with_model = [row for i, yard in enumerate(yards) for row in judged(yard, models[i % 2])]
    without = [row for yard in yards for row in judged(yard, None)]
    return {"of the zone": pd.DataFrame(with_model), "of the found blocks": pd.DataFrame(without)}


def summarize(seen: dict[str, Any], card: BlockModel | None) -> str:
    """Coverage and width of zones that hold blocks, and of empty ones."""
    lines = []
    for name, yards in seen.items():
        told = judge(yards, None if name == SIMULATED else card)
        for of, table in told.items():
            holding = table[table["true_number"] > 0]
            for what in ("teu", "area", "number"):
                if table[what].notna().all():
                    lines.append([f"{name}, {of}", what, *_scores(holding, what)])
            empty = table[table["true_number"] == 0]
            held = int((empty["teu_low"] <= 0).sum())
            lines.append([f"{name}, {of}, empty zones", "teu", str(len(empty)), "", "",
                          f"{held} of {len(empty)}", "", ""])  # fmt: skip
    head = ["intervals", "quantity", "zones", "median error", "bias", "coverage of 90 %",
            "95 % of it", "median width"]  # fmt: skip
    return markdown(head, lines)


def at_real_places(card: BlockModel) -> str:
    """What the card says of real places, each judged by a fit of the others."""
    lines = []
    for row in card.coverage:
        line = [row["true"], f"{row['images']} ({row['places']})"]
        for what in ("number", "area"):
            share, low, high, count = row[f"{what}_held"]
            held = f"{share * count:.0f} of {count} [{low:.2f}, {high:.2f}]"
            line += [held, f"{100 * row[f'{what}_width_over_true']:.0f} %"]
        lines.append(line)
    head = ["true blocks", "images (places)", "number held", "width / truth", "area held",
            "width / truth"]  # fmt: skip
    return markdown(head, lines)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=30)
    parser.add_argument("--weights", default="port-n4", help="empty: no network")
    parser.add_argument("--parts", type=Path, default=Path("runs/card/parts"))
    parser.add_argument("--docs", action="store_true", help="put the tables into docs/stacks.md")
    words = parser.parse_args()
    network = card = None
    if words.weights:
        network = load_detector(DetectorSettings(weights=words.weights, device="cpu", threads=1))
        card = BlockModel.from_card(network.card.calibration)
        if card is None:
            parser.error(f"the card of {words.weights} holds no blocks; run detector card first")
    specs = yard_specs([*FRESH, f"scenes={words.scenes}"])
    tables = {"zones": summarize(examine(specs, network, words.parts), card)}
    if card is not None:
        tables["places"] = at_real_places(card)
    for name, text in tables.items():
        print(f"{text}\n")
        if words.docs:
            put(Path("docs/stacks.md"), name, text)


if __name__ == "__main__":
    main()
