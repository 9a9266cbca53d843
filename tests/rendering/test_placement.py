"""Everything stands where it may: ships on water, stacks on land, nothing in anything."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
import shapely
from scipy.ndimage import label

from detector.classes import PORT
from detector.rendering import LayoutSpec, PortSpec, TrafficSpec
from detector.rendering.cargo import draw_bays
from detector.rendering.content import populate
from detector.rendering.layout import lay_out
from detector.rendering.prepared import PreparedRendering, prepare
from detector.rendering.spec import SECTOR_KINDS

BUSY = TrafficSpec(0.95, 0.3, 12.0, 6.0, 20.0, 0.8, 6, True)
CASES = [(kind, seed) for kind in SECTOR_KINDS if kind != "empty" for seed in (1, 2)]


@lru_cache
def busy(kind: str, seed: int) -> PreparedRendering:
    land = 1.0 if kind == "railhead" else 0.5
    layout = LayoutSpec([kind], 480.0, None, land, breakwater=True)
    spec = PortSpec(width=1700, height=1700, gsd_m=0.6, layout=layout, traffic=BUSY)
    site = lay_out(spec, seed)
    return prepare(spec, site, populate(site, spec, seed), seed)


@pytest.mark.parametrize(("kind", "seed"), CASES)
def test_ships_are_on_water_and_stacks_on_land(kind: str, seed: int) -> None:
    scene = busy(kind, seed)
    land = scene.site.land
    drawn = shapely.box(0, 0, *scene.spec.size_m).buffer(30)
    for item in scene.assembly.truth:
        box = shapely.Polygon(item.box).intersection(drawn)
        if item.class_id == PORT.id("ship"):
            assert box.intersection(land).area <= 0.001 * box.area, item.object_id
        elif not item.on_ship:
            assert box.difference(land).area <= 0.001 * box.area, item.object_id


@pytest.mark.parametrize(("kind", "seed"), CASES)
def test_no_object_stands_in_another(kind: str, seed: int) -> None:
    scene = busy(kind, seed)
    items = [item for item in scene.assembly.truth if not item.on_ship]
    boxes = shapely.polygons(np.array([item.box for item in items]).reshape(-1, 4, 2))
    left, right = shapely.STRtree(boxes).query(boxes, predicate="intersects")
    for i, j in zip(left, right, strict=True):
        if i < j:
            shared = boxes[i].intersection(boxes[j]).area
            names = items[i].object_id, items[j].object_id
            assert shared < 0.02 * min(boxes[i].area, boxes[j].area), names


@pytest.mark.parametrize(("kind", "seed"), CASES)
def test_no_building_stands_on_a_stack(kind: str, seed: int) -> None:
    scene = busy(kind, seed)
    stacks = [item for item in scene.assembly.truth if item.cargo and not item.on_ship]
    if not stacks:
        return
    tree = shapely.STRtree(shapely.polygons(np.array([item.box for item in stacks])))
    for group in scene.site.fixtures:
        for i in np.flatnonzero(~group.floating & (group.top_m > 6.0)):
            outline = shapely.Polygon(group.points[group.starts[i] : group.starts[i + 1]]).buffer(0)
            for hit in tree.query(outline, predicate="intersects"):
                shared = outline.intersection(tree.geometries[hit]).area
                assert shared < 1.0, stacks[hit].object_id


@pytest.mark.parametrize(
    ("kind", "seed"), [("container", 1), ("container", 2), ("depot", 1), ("depot", 2)]
)
def test_blocks_keep_the_gaps_that_make_them_separate(kind: str, seed: int) -> None:
    scene = busy(kind, seed)
    stacks = [item for item in scene.assembly.truth if item.kind == "block"]
    boxes = shapely.polygons(np.array([item.box for item in stacks]))
    left, right = shapely.STRtree(boxes).query(boxes, predicate="dwithin", distance=3.0)
    close = [
        (stacks[i].object_id, stacks[j].object_id)
        for i, j in zip(left, right, strict=True)
        if i < j
    ]
    assert close == []
    assert len(stacks) > 20


def test_a_depot_is_crowded_with_blocks_of_both_directions_and_narrow_lanes() -> None:
    scene = busy("depot", 1)
    stacks = [item for item in scene.assembly.truth if item.kind == "block"]
    boxes = np.array([item.box for item in stacks])
    along = boxes[:, 1] - boxes[:, 0]
    lengths, widths = np.hypot(*along.T), np.hypot(*(boxes[:, 2] - boxes[:, 1]).T)
    across = (np.arctan2(along[:, 1], along[:, 0]) - scene.site.frame.angle) % np.pi
    turned = np.abs(across - np.pi / 2) < 0.1
    straight = np.minimum(across, np.pi - across) < 0.1
    assert (turned | straight).all()
    assert turned.sum() > 20
    assert straight.sum() > 60
    shapes = shapely.polygons(boxes)
    left, right = shapely.STRtree(shapes).query(shapes, predicate="dwithin", distance=6.0)
    near = {int(i) for i, j in zip(left, right, strict=True) if i != j}
    assert len(near) > 0.5 * len(stacks)  # in a terminal no block has another so close
    assert widths.min() < 2.5
    assert widths.max() > 20
    assert lengths.max() > 60


def test_truth_counts_add_up() -> None:
    scene = busy("container", 4)
    for item in scene.assembly.truth:
        if item.cargo is None:
            continue
        cargo = item.cargo
        assert cargo.slots <= cargo.teu <= cargo.slots * cargo.tiers
        assert cargo.teu / 2 <= cargo.containers <= cargo.teu
        assert len(cargo.tops) >= cargo.slots / 2


def test_blocks_have_holes_and_ragged_ends_but_each_run_is_one_piece() -> None:
    generator = np.random.default_rng(0)
    holes = 0
    for _ in range(60):
        tiers = draw_bays(generator, (12, 6), 0.8, 5).tiers
        assert tiers.max() <= 5
        _, pieces = label(tiers > 0)
        _, runs = label((tiers > 0).any(axis=1))
        assert pieces == runs
        holes += int(((tiers[1:-1, 1:-1] == 0) & (tiers[1:-1, 2:] > 0)).sum())
    assert holes > 40
