"""Which ships called, and which have a wake: `python -m benchmarks.berth_calls`.

Renders ports of eight dates with much traffic, takes their true ships with errors as of a detector,
and judges every visit that is listed at a berth, and every wake that is told, by what the ship did.
"Before" calls every visit to the zone of a berth a call. Takes two minutes; the thresholds of wakes
were set on other seeds (`--set`), and the ten that are measured were not looked at before.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.stats import binomtest

from benchmarks.tables import markdown, put
from detector.activity.find import Activity, ActivitySettings, trace_activity
from detector.activity.looks.runs import Observed, Runs, RunScene
from detector.activity.looks.sightings import ID_SEPARATOR, SeenObjects
from detector.activity.looks.sites import make_site
from detector.activity.visits.bounds import VisitSettings
from detector.counting.zones import zones_of
from detector.geometry.boxes import corners_from_xywhr
from detector.rendering import RenderedScene, tell_chain
from detector.rendering.demo import DEMO_DAYS, DEMO_PORT

PORT = replace(
    DEMO_PORT,
    width=900,
    height=700,
    gsd_m=1.0,
    traffic=replace(DEMO_PORT.traffic, anchored_per_km2=8.0, under_way_per_km2=8.0),
)
SET_ON = range(301, 304)
SEEDS = range(401, 411)
LEAST_M = 30.0
PLACE_SD_M, AXIS_SD_DEG, LENGTH_SD, BEAM_SD = 1.5, 1.5, 0.045, 0.09
BERTHED = ("berthed", "rafted")
DOCS = Path(__file__).parents[1] / "docs" / "counting.md"
Numbers = Counter[str]


def main() -> None:
    """Render, trace, judge, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=len(SEEDS), help="the first ones only")
    parser.add_argument("--set", action="store_true", help="the seeds that thresholds are set on")
    parser.add_argument("--docs", action="store_true", help="write the tables into the docs")
    options = parser.parse_args()
    every = Numbers()
    for seed in (SET_ON if options.set else SEEDS)[: options.seeds]:
        found = judge(seed)
        print(seed, dict(found), flush=True)
        every += found
    tables = {"calls": calls_table(every), "wakes": wakes_table(every)}
    for name, table in tables.items():
        print(f"\n{table}")
        if options.docs:
            put(DOCS, name, table)


def judge(seed: int) -> Numbers:
    """Numbers of visits and wakes of one port, right and wrong."""
    with tempfile.TemporaryDirectory() as folder:
        activity, states = told(Path(folder), seed)
    numbers = Numbers()
    zones = activity.tables["periods"].set_index("zone")
    for visit in activity.tables["visits"].to_dict("records"):
        period = zones.loc[visit["zone"]]
        seen = [states[name] for name in visit["evidence"].split(ID_SEPARATOR)]
        if period["kind"] != "berth":
            continue
        true = sum(state in BERTHED for state in seen) >= len(seen) / 2
        numbers["before"] += 1
        numbers["before, true"] += true
        numbers["calls"] += bool(visit["counted"])
        numbers["calls, true"] += bool(visit["counted"]) and true
        if not true:
            numbers[f"no call: {seen[0]}"] += 1
    for move in activity.tables["moves"].to_dict("records"):
        if move["state"] == "left":
            continue
        moving = states[move["evidence"]] == "under_way"
        told_so = move["lies"] == "under_way"
        numbers["under way"] += moving
        numbers["lying"] += not moving
        numbers["wakes, true"] += moving and told_so
        numbers["wakes, false"] += told_so and not moving
    return numbers


def told(folder: Path, seed: int) -> tuple[Activity, dict[str, str]]:
    """The activity of a port, and the true state of every ship by its evidence id."""
    story = tell_chain([PORT], seed, DEMO_DAYS, (0.0,) * len(DEMO_DAYS))
    generator = np.random.default_rng(seed)
    scenes: list[RunScene] = []
    states: dict[str, str] = {}

    def keep(_: str, rendered: RenderedScene, path: Path) -> None:
        scenes.append(_seen(rendered, path, generator, states))

    story.write(folder, keep)
    site = make_site("port", zones_of(story.sites[0].zones))
    settings = ActivitySettings(VisitSettings(min_length_m=LEAST_M))
    return trace_activity([site], Runs(tuple(scenes), ()), settings), states


def _seen(
    rendered: RenderedScene, path: Path, generator: np.random.Generator, states: dict[str, str]
) -> RunScene:
    """The ships of a scene as a detector of some errors finds them."""
    truth = [
        t for t in rendered.truth if t.class_id == 0 and t.role == "object" and t.visible > 0.5
    ]
    n = len(truth)
    boxes = np.zeros((n, 5))
    for row, item in enumerate(truth):
        length = item.corners[1] - item.corners[0]
        boxes[row, :2] = item.corners.mean(axis=0) + generator.normal(0, PLACE_SD_M / PORT.gsd_m, 2)
        turn = np.radians(generator.normal(0, AXIS_SD_DEG))
        boxes[row, 4] = np.arctan2(length[1], length[0]) + turn
    sizes = np.array([(t.length_m, t.width_m) for t in truth]).reshape(-1, 2)
    sizes *= np.exp(generator.normal(0, 1, (n, 2)) * (LENGTH_SD, BEAM_SD))
    boxes[:, 2:4] = sizes / PORT.gsd_m
    ids = [f"{path.stem}#{row}" for row in range(n)]
    states |= dict(zip(ids, (t.state for t in truth), strict=True))
    objects = SeenObjects(
        ids=np.array(ids, np.str_),
        class_ids=np.zeros(n, np.int64),
        scores=np.full(n, 0.99),
        corners=corners_from_xywhr(boxes),
        length_m=sizes[:, 0],
        width_m=sizes[:, 1],
        axis_deg=np.degrees(boxes[:, 4] + np.pi / 2) % 180.0,
        gsd_m=np.full(n, PORT.gsd_m),
    )
    return RunScene(
        path.stem, str(path), rendered.acquired, rendered.crs, PORT.width, PORT.height,
        rendered.transform, True, {}, Observed(1.0, "observed"), objects,
    )  # fmt: skip


def calls_table(numbers: Numbers) -> str:
    """Calls claimed and true."""
    rows = []
    for name, claimed, true in (
        ("every visit to the zone of a berth (before)", "before", "before, true"),
        ("ships that lie at its quay", "calls", "calls, true"),
    ):
        share = _share(numbers[true], numbers[claimed])
        kept = _share(numbers[true], numbers["before, true"])
        rows.append([name, str(numbers[claimed]), str(numbers[true]), share, kept])
    return markdown(("calls", "claimed", "true", "share true", "of the true ones"), rows)


def wakes_table(numbers: Numbers) -> str:
    """Ships told to be under way, of those that are and those that are not."""
    pairs = (("under way", "wakes, true"), ("at anchor or moored", "wakes, false"))
    rows = []
    for name, told_so in pairs:
        ships = numbers["under way" if name == "under way" else "lying"]
        share = _share(numbers[told_so], ships)
        rows.append([name, str(ships), str(numbers[told_so]), share])
    return markdown(("ships", "seen", "told under way", "share"), rows)


def _share(number: int, total: int) -> str:
    """A share with its 95 % interval (Clopper and Pearson)."""
    if not total:
        return ""
    interval = binomtest(number, total).proportion_ci()
    return f"{100 * number / total:.1f} % [{100 * interval.low:.1f}, {100 * interval.high:.1f}]"


if __name__ == "__main__":
    main()
