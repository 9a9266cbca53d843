"""Rendered stories of ports with the ground that containers really took: for `stack_changes`.

A story is the demo's, with another seed: a port and a railhead over eight dates, with clouds on
three. In every second story light, view, haze and sensor differ from date to date far more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

import detector
from detector.activity.looks.registration import Registered, register
from detector.activity.looks.runs import Observed, RunScene
from detector.activity.looks.sightings import SeenObjects
from detector.activity.looks.sites import Site, make_site
from detector.boxes.scored import Boxes
from detector.classes import PORT
from detector.counting.counts import OBSERVED_SHARE
from detector.counting.zones import Zone, Zones
from detector.detections import Detections
from detector.export.stacks import STACKS_FILE, write_stacks
from detector.geometry.boxes import as_corners, corners_from_xywhr, order_corners, polygons
from detector.geometry.geodesy import box_measures
from detector.rendering import RenderedScene
from detector.rendering.cargo import place_bays
from detector.rendering.demo import (
    DEMO_CLOUDS,
    DEMO_DAYS,
    DEMO_PORT,
    DEMO_RAILHEAD,
    tell_chain,
)
from detector.rendering.georef import scene_frame
from detector.rendering.solids import SolidsBuilder
from detector.rendering.spec import PortSpec
from detector.rendering.story import StoryLook, StorySite
from detector.rendering.write import rendered_stem, write_scene
from detector.rendering.zone_table import zone_truth
from detector.scenes.scene import Scene, open_scene
from detector.simulating.views import Noise, Truth, detect
from detector.stacks.estimate import estimate_stacks
from detector.stacks.settings import StackSettings
from detector.tiling.plan import PlanSettings, plan_tiles

STACK = PORT.id("container_stack")
TIME_ZONE = ZoneInfo("Asia/Vladivostok")
CLOSED_M = 0.35  # half of the gap between two containers that belong together
NOISE = Noise(shift_px=1.2, turn_deg=0.8, stretch=0.02, normal=True, miss=0.08, duplicate=0.0)
Floats = NDArray[np.float64]
Finder = Callable[[RenderedScene, Scene, np.random.Generator], Detections]


@dataclass(frozen=True, slots=True)
class BlockErrors:
    """How the simulated detector errs, besides `Noise`; shares of blocks.

    Attributes:
        noise: of each box.
        split: told as two, with up to 3 m between.
        join: told as one with a neighbour that is less than 8 m away.
        false_boxes: a scene, on average, where no stack is.
    """

    noise: Noise = NOISE
    split: float = 0.08
    join: float = 0.08
    false_boxes: float = 1.0


@dataclass(frozen=True, slots=True)
class ToldSite:
    """One site of a story as `detector activity` meets it, with the truth.

    Attributes:
        site: zones and frame.
        scenes: with what was found, in order of time.
        registered: how each lies on the others.
        ground: what containers stood on, by date, local metres of the registered scenes.
    """

    site: Site
    scenes: list[RunScene]
    registered: list[Registered]
    ground: dict[date, BaseGeometry]


def tell_sites(seed: int, folder: Path, find: Finder, gsd_m: float = 0.5) -> Iterator[ToldSite]:
    """Render a story and find its stacks; sites come one by one.

    Args:
        seed: of the story; odd ones have hard light, views and sensors.
        folder: for scenes and `stacks.csv`.
        find: the detector.
        gsd_m: of the scenes.
    """
    specs = [_at_gsd(spec, gsd_m) for spec in (DEMO_PORT, DEMO_RAILHEAD)]
    for number, told in enumerate(tell_chain(specs, seed, DEMO_DAYS, DEMO_CLOUDS).sites):
        generator = np.random.default_rng([seed, number])
        looks = [_harder(look, generator) if seed % 2 else look for look in told.looks]
        yield _tell(replace(told, looks=tuple(looks)), folder / told.name, find, generator)


def simulated(errors: BlockErrors) -> Finder:
    """A detector that knows the truth and errs."""

    def find(rendered: RenderedScene, scene: Scene, generator: np.random.Generator) -> Detections:
        seen = [t for t in rendered.truth if t.class_id == STACK and t.role == "object"]
        seen = [t for t in seen if t.visible >= 0.5 and not t.on_ship]
        corners = as_corners([t.corners for t in seen])
        xywhr = _xywhr(_merged(_split(corners, errors, generator), errors, generator, scene))
        size = max(scene.info.width, scene.info.height) + 64
        gsd = rendered.spec.gsd_m
        settings = PlanSettings(size, 1.0, None, gsd, 100.0, 400.0)
        plan = plan_tiles(scene.info.width, scene.info.height, settings)
        truth = Truth(xywhr, np.full(len(xywhr), STACK), np.full(len(xywhr), "block"))
        boxes: Boxes = detect(truth, plan, errors.noise, generator).tile_boxes.boxes
        false = _false_boxes(rendered, errors, generator)
        return as_detections(scene, np.concatenate([boxes.corners, false]))

    return find


def networked(weights: str) -> Finder:
    """A real network's stacks, loaded once."""
    network = detector.load_detector(weights=weights)

    def find(rendered: RenderedScene, scene: Scene, generator: np.random.Generator) -> Detections:
        found = detector.predict(scene.info.path, detector=network)[0].boxes
        kept = (found.class_ids == STACK) & ~found.on_ship & ~found.unseen
        return found.select(kept)

    return find


def as_detections(scene: Scene, corners: Floats) -> Detections:
    """Boxes `(N, 4, 2)` of stacks, file pixels, as detections of a scene."""
    corners = order_corners(as_corners(corners))
    map_corners = scene.to_map(corners)
    length_m, width_m, axis_deg = box_measures(map_corners, str(scene.info.crs))
    n = len(corners)
    return Detections(
        scene_id=scene.info.scene_id,
        acquired=scene.info.acquired,
        crs=scene.info.crs,
        class_ids=np.full(n, STACK, np.int64),
        scores=np.full(n, 0.9, np.float32),
        corners=corners,
        map_corners=map_corners,
        length_m=length_m,
        width_m=width_m,
        axis_deg=axis_deg,
        on_ship=np.zeros(n, np.bool_),
    )


def container_ground(look: StoryLook) -> BaseGeometry:
    """What containers stand on at a look, local metres of the story; its scene's shift left out."""
    tops = [np.zeros((0, 4, 2))]
    for block in look.site.blocks:
        bays = look.content.bays.get(block.block_id)
        if bays is not None and bays.tiers.any():
            groups = place_bays(
                SolidsBuilder(), bays, block.centre, block.angle, 0.0, every_tier=False
            )
            tops += [group.tops for group in groups]
    outlines = shapely.union_all(polygons(np.concatenate(tops)))
    closed = outlines.buffer(CLOSED_M, join_style="mitre").buffer(-CLOSED_M, join_style="mitre")
    return shapely.make_valid(closed)


def _at_gsd(spec: PortSpec, gsd_m: float) -> PortSpec:
    width, height = (round(side * spec.gsd_m / gsd_m) for side in (spec.width, spec.height))
    return replace(spec, width=width, height=height, gsd_m=gsd_m)


def _harder(look: StoryLook, generator: np.random.Generator) -> StoryLook:
    """The look under another sun, seen from another side by another sensor, in more haze."""
    sky = replace(
        look.spec.sky,
        sun_elevation_deg=float(generator.uniform(28, 62)),
        sun_azimuth_deg=float(generator.uniform(115, 240)),
        haze=float(generator.uniform(0.02, 0.25)),
    )
    sensor = replace(
        look.spec.sensor,
        bits=int(generator.choice([8, 11, 16])),
        bands=str(generator.choice(["rgb", "rgb", "rgb", "pan"])),
        off_nadir_deg=float(generator.uniform(0, 14)),
        view_azimuth_deg=float(generator.uniform(0, 360)),
        blur_px=float(generator.uniform(0.4, 0.9)),
        noise=float(generator.uniform(1, 4)),
    )
    return replace(look, spec=replace(look.spec, sky=sky, sensor=sensor))


def _tell(told: StorySite, folder: Path, find: Finder, generator: np.random.Generator) -> ToldSite:
    folder.mkdir(parents=True, exist_ok=True)
    table = told.zones
    zones = tuple(
        Zone(name, kind, shape)
        for name, kind, shape in zip(table["name"], table["kind"], table.geometry, strict=True)
    )
    site = make_site(told.name, Zones(zones, str(table.crs), f"{told.name} (story)"), TIME_ZONE)
    scenes = []
    for look in told.looks:
        run = folder / rendered_stem(look.spec)
        run.mkdir(exist_ok=True)
        rendered = look.render()
        path = write_scene(rendered, run / "scene.tif")
        with open_scene(path) as scene:
            found = find(rendered, scene, generator)
            write_stacks(run / STACKS_FILE, estimate_stacks(scene, found, [], StackSettings()))
            seen = zone_truth(rendered, table).set_index("zone")["observed_fraction"]
            scenes.append(_run_scene(scene, path, found, run, seen.to_dict()))
    registered = register(site, scenes)
    methods = [item.method for item in registered]
    shift_m = told.looks[methods.index("reference")].spec.sensor.shift_m
    ground = {}
    for look, scene_row in zip(told.looks, scenes, strict=True):
        day = scene_row.acquired.astimezone(TIME_ZONE).date()
        ground[day] = _placed(container_ground(look), look.spec, shift_m, site)
    return ToldSite(site, scenes, registered, ground)


def _placed(ground: BaseGeometry, spec: PortSpec, shift_m: Floats, site: Site) -> BaseGeometry:
    """In the site's local metres, where the reference scene shows it."""
    frame = scene_frame(spec)
    return shapely.transform(
        ground,
        lambda points: site.frame.from_crs(
            frame.to_map((points + shift_m) / spec.gsd_m), spec.place.crs
        ),
    )


def _run_scene(
    scene: Scene, path: Path, found: Detections, run: Path, fractions: dict[str, float]
) -> RunScene:
    info = scene.info
    n = len(found)
    objects = SeenObjects(
        ids=np.array([f"{info.scene_id}#{row}" for row in range(n)], np.str_),
        class_ids=found.class_ids,
        scores=found.scores.astype(float),
        corners=found.corners,
        length_m=found.length_m,
        width_m=found.width_m,
        axis_deg=found.axis_deg,
        gsd_m=np.full(n, info.gsd_m),
    )
    seen = {
        name: Observed(value, "observed" if value >= OBSERVED_SHARE else "partial")
        for name, value in fractions.items()
    }
    whole = Observed(1.0, "observed")
    acquired = info.acquired
    if acquired is None:
        raise ValueError(f"{path}: a rendered scene without a time")
    return RunScene(
        info.scene_id, str(path), acquired, str(info.crs), info.width, info.height,
        info.transform, True, seen, whole, objects, "", str(run),
    )  # fmt: skip


def _xywhr(corners: Floats) -> Floats:
    along, across = corners[:, 1] - corners[:, 0], corners[:, 3] - corners[:, 0]
    return np.column_stack(
        [
            corners.mean(axis=1),
            np.hypot(*along.T),
            np.hypot(*across.T),
            np.arctan2(along[:, 1], along[:, 0]),
        ]
    )


def _split(corners: Floats, errors: BlockErrors, generator: np.random.Generator) -> Floats:
    """Some boxes as two, one behind the other along the length."""
    parts = [np.zeros((0, 4, 2))]
    for box in corners:
        if generator.random() >= errors.split or np.hypot(*(box[1] - box[0])) < 50:
            parts.append(box[None])
            continue
        at = generator.uniform(0.3, 0.7)
        gap = generator.uniform(0.0, 0.02)
        along = np.array([box[1] - box[0], box[2] - box[3]])
        left, right = box.copy(), box.copy()
        left[[1, 2]] = box[[0, 3]] + (at - gap) * along
        right[[0, 3]] = box[[0, 3]] + (at + gap) * along
        parts.append(np.stack([left, right]))
    return np.concatenate(parts)


def _merged(
    corners: Floats, errors: BlockErrors, generator: np.random.Generator, scene: Scene
) -> Floats:
    """Some boxes as one with their nearest neighbour."""
    near_px = 8.0 / float(scene.info.gsd_m or 0.5)
    shapes, taken, result = list(polygons(corners)), set[int](), []
    for i, shape in enumerate(shapes):
        if i in taken or generator.random() >= errors.join:
            continue
        away = [
            (shape.distance(other), j)
            for j, other in enumerate(shapes)
            if j != i and j not in taken
        ]
        distance, j = min(away, default=(np.inf, -1))
        if distance > near_px:
            continue
        taken |= {i, j}
        around = shapely.minimum_rotated_rectangle(shapely.union(shape, shapes[j]))
        result.append(shapely.get_coordinates(around)[:4])
    left = [corners[i] for i in range(len(corners)) if i not in taken]
    return order_corners(as_corners([*left, *result]))


def _false_boxes(
    rendered: RenderedScene, errors: BlockErrors, generator: np.random.Generator
) -> Floats:
    """Boxes on land of the yards where no stack stands."""
    stacks = [t for t in rendered.truth if t.class_id == STACK]
    there = shapely.union_all(polygons(as_corners([t.corners for t in stacks])))
    found = [np.zeros((0, 4, 2))]
    gsd = rendered.spec.gsd_m
    for _ in range(int(generator.poisson(errors.false_boxes))):
        for _ in range(50):
            x, y = generator.uniform(0, [rendered.spec.width, rendered.spec.height])
            size = generator.uniform(12, 50) / gsd, generator.uniform(3, 14) / gsd
            box = corners_from_xywhr(np.array([[x, y, *size, generator.uniform(0, np.pi)]]))
            dry = not rendered.water[int(y), int(x)]
            if dry and not polygons(box)[0].intersects(there):
                found.append(box)
                break
    return np.concatenate(found)
