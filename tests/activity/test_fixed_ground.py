"""Ground that stays is no ship, whatever a network took it for on one date."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from detector.activity.changes.fixed_ground import fixed_ground, without
from detector.activity.changes.pixels import open_shelf
from detector.activity.looks.runs import Observed, RunScene
from detector.activity.looks.sightings import SeenObjects, no_sightings
from detector.activity.looks.sites import LocalFrame
from detector.activity.looks.zone_looks import Look, Placement
from detector.geometry.boxes import edge_lengths
from detector.rendering.scene import RenderedScene
from detector.rendering.write import write_scene
from tests.stacks.yards import BARE, sky, yard

PIER = {(60.0, 60.0): np.full((5, 6), 2)}  # containers stand for any structure
BOX_M = np.array([[[30.0, 50.0], [90.0, 50.0], [90.0, 70.0], [30.0, 70.0]]])
LATER = replace(BARE, sky=sky(50.0, 170.0))


def look(folder: Path, at: int, rendered: RenderedScene, ships: int) -> tuple[Look, RunScene]:
    """A look with so many boxes of ships on the structure, and its scene."""
    name, spec = f"s{at}", rendered.spec
    path = write_scene(rendered, folder / f"{name}.tif")
    frame = LocalFrame(spec.place.longitude_deg, spec.place.latitude_deg)
    boxes = np.repeat(BOX_M, ships, axis=0) / spec.gsd_m
    corners = frame.from_pixels(boxes, rendered.transform, rendered.crs)
    length_m, width_m = edge_lengths(corners)
    objects = SeenObjects(
        np.array([f"{name}#{i}" for i in range(ships)], np.str_), np.zeros(ships, np.int64),
        np.full(ships, 0.9), corners, length_m, width_m, np.full(ships, 90.0), np.full(ships, 0.9),
    )  # fmt: skip
    when = rendered.acquired + timedelta(days=4 * at)
    seen = Observed(1.0, "observed")
    scene = RunScene(
        name, str(path), when, rendered.crs, spec.width, spec.height, rendered.transform, True, {},
        seen, no_sightings(),
    )  # fmt: skip
    return Look("berth", when.date(), when, (name,), 1.0, "observed", 0.5, objects), scene


@pytest.mark.parametrize(
    ("dates", "fixed"),
    [
        ([(True, 1), (True, 0), (True, 0)], {"s0#0"}),
        ([(True, 0), (True, 1), (True, 0), (True, 0)], {"s1#0"}),
        ([(True, 1), (True, 0)], set()),  # one date more may have missed a ship
        ([(True, 1), (True, 0), (False, 0)], set()),  # it left
        ([(True, 1), (True, 1), (True, 0)], set()),  # it is found again
        ([(True, 0), (True, 0), (True, 0)], set()),
    ],
    ids=["stays", "in the middle", "one other date", "left", "found again", "no ship"],
)
def test_what_two_other_dates_show_without_a_ship_is_ground(
    tmp_path: Path, dates: list[tuple[bool, int]], fixed: set[str]
) -> None:
    there, gone = yard(PIER, BARE), yard({}, LATER)
    made = [look(tmp_path, at, there if t else gone, n) for at, (t, n) in enumerate(dates)]
    looks = [one for one, _ in made]
    still = {scene.scene_id: Placement((0.0, 0.0), 0.5) for _, scene in made}
    crs = LocalFrame(BARE.place.longitude_deg, BARE.place.latitude_deg).crs
    with open_shelf({scene.scene_id: scene for _, scene in made}) as shelf:
        assert fixed_ground(looks, shelf, still, crs) == fixed
        off = [replace(one, residual_m=8.0) for one in looks]
        assert fixed_ground(off, shelf, still, crs) == set()
    left = [name for one in without(looks, fixed) for name in one.sightings.ids.tolist()]
    assert left == [f"s{at}#0" for at, (_, n) in enumerate(dates) if n and f"s{at}#0" not in fixed]
