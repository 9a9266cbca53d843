"""Whether the look of ships helps to link them: `python -m benchmarks.appearance`.

Prints, for rendered ports of eight dates, the log loss of the links of ships at neighbouring dates
and how many pairs are ambiguous, without and with features. Takes two minutes.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.tables import markdown
from detector.activity.looks.runs import Observed, Runs, RunScene
from detector.activity.looks.sightings import SeenObjects, concatenate
from detector.activity.visits.appearance import with_appearance
from detector.activity.visits.linking import LinkSettings, LookTimes, ShipsSeen, find_links
from detector.geometry.boxes import as_corners, edge_lengths
from detector.rendering import RenderedScene, tell_chain
from detector.rendering.demo import DEMO_DAYS, DEMO_PORT

PORT = replace(DEMO_PORT, width=900, height=700, gsd_m=1.0)
SEEDS = range(11, 17)  # the densities in `linking` were measured on the first three
LEAST_M = 60.0
LENGTH_SD, BEAM_SD, PLACE_SD_M = 0.04, 0.08, 2.0  # errors of boxes
AMBIGUOUS = (0.05, 0.95)
LEAST_P = 1e-3


def main() -> None:
    """Render, link, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", default="port-n")
    parser.add_argument("--seeds", type=int, default=len(SEEDS), help="the first ones only")
    options = parser.parse_args()
    weights = options.weights
    rows = []
    for seed in SEEDS[: options.seeds]:
        with tempfile.TemporaryDirectory() as folder:
            scenes = told(Path(folder), seed)
            seen = with_appearance(Runs(tuple(scenes), ()), weights).scenes
        results = [judge(scenes, seed), judge(seen, seed)]
        cells = [f"{loss:.2f} ({pairs})" for loss, pairs in results]
        rows.append([str(seed), str(sum(len(s.objects) for s in scenes)), *cells])
        print(rows[-1], flush=True)
    print(markdown(("seed", "ships seen", "log loss (ambiguous), without", "with looks"), rows))


def told(folder: Path, seed: int) -> list[RunScene]:
    """The scenes of a story, written, with the boxes of its long ships; `ids` name the ship."""
    scenes: list[RunScene] = []

    def keep(_: str, rendered: RenderedScene, path: Path) -> None:
        ships = [
            item
            for item in rendered.truth
            if item.class_id == 0 and item.role == "object" and item.visible > 0.9
        ]
        corners = as_corners([item.corners for item in ships])
        length, width = (edges * PORT.gsd_m for edges in edge_lengths(corners))
        first = corners[:, 1] - corners[:, 0]
        n = len(ships)
        objects = SeenObjects(
            ids=np.array([f"{x.object_id} {m:.0f}" for x, m in zip(ships, length, strict=True)]),
            class_ids=np.zeros(n, np.int64),
            scores=np.ones(n),
            corners=corners,
            length_m=length,
            width_m=width,
            axis_deg=np.degrees(np.arctan2(first[:, 0], -first[:, 1])) % 180.0,
            gsd_m=np.full(n, PORT.gsd_m),
        ).select(length >= LEAST_M)
        scenes.append(
            RunScene(
                path.stem, str(path), rendered.acquired, rendered.crs, PORT.width, PORT.height,
                rendered.transform, True, {}, Observed(1.0, "observed"), objects,
            )
        )  # fmt: skip

    tell_chain([PORT], seed, DEMO_DAYS, (0.0,) * len(DEMO_DAYS)).write(folder, keep)
    return scenes


def judge(scenes: Sequence[RunScene], seed: int) -> tuple[float, int]:
    """Log loss of the links between neighbouring dates, and ambiguous pairs."""
    generator = np.random.default_rng(seed)
    all_ships = concatenate([scene.objects for scene in scenes])
    look = np.repeat(np.arange(len(scenes)), [len(scene.objects) for scene in scenes])
    n = len(look)
    ships = ShipsSeen(
        look=look,
        xy=all_ships.centres * PORT.gsd_m + generator.normal(0, PLACE_SD_M, (n, 2)),
        length_m=all_ships.length_m * np.exp(generator.normal(0, LENGTH_SD, n)),
        width_m=all_ships.width_m * np.exp(generator.normal(0, BEAM_SD, n)),
        axis_deg=all_ships.axis_deg,
        probability=np.full(n, 0.99),
        sure_size=np.ones(n, np.bool_),
        embeddings=all_ships.embeddings,
    )
    day = np.array(DEMO_DAYS, float)
    area_m2 = PORT.width * PORT.height * PORT.gsd_m**2 * 0.3  # water at the quays
    times = LookTimes(day, np.ones(len(day)), np.ones(len(day)), area_m2)
    links = find_links(ships, times, LinkSettings(recall=0.97))
    p = np.zeros((n, n))
    p[links.earlier, links.later] = links.probability
    next_to = look[:, None] + 1 == look
    same = (all_ships.ids[:, None] == all_ships.ids)[next_to]
    said = np.clip(p[next_to], LEAST_P, 1 - LEAST_P)
    loss = -np.log(np.where(same, said, 1 - said)).sum()
    return float(loss), int(((said > AMBIGUOUS[0]) & (said < AMBIGUOUS[1])).sum())


if __name__ == "__main__":
    main()
