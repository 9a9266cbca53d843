"""The quay line of a berth: of the site file, or the long edges of its zone that face land."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Final, Literal

import cv2
import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from detector.activity.looks.ground import BLUR_PX, read_ground
from detector.activity.looks.runs import RunScene
from detector.activity.looks.sites import Site
from detector.activity.looks.zone_looks import Look, Placement
from detector.counting.zones import Zone
from detector.errors import SceneError
from detector.scenes.grid import Grid

BERTH_KINDS: Final = ("berth", "quay")
LAND_KINDS: Final = ("yard", "railhead")
LONG_SHARE: Final = 0.5  # of the longest edge: shorter ones are the ends of the berth
STRAIGHT_M: Final = 3.0  # corners of a zone within this of a straight line are on it
LAND_REACH_M: Final = 150.0  # behind the edge: yards lie behind the apron and the cranes
LAND_SHARE: Final = 0.05  # of that strip
STRIP_M: Final = (3.0, 43.0)  # behind the edge, of which pictures are compared
CELL_M: Final = 1.0
MOST_LOOKS: Final = 4  # of the pictures of an edge
ALIKE: Final = 0.35  # correlation of edges over dates: land has more, water less
SHARE_OF_BEST: Final = 0.7

QuaySource = Literal["", "site_file", "land", "pictures", "unknown"]
Segments = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Quay:
    """Where ships lie at a berth.

    Attributes:
        segments: `(S, 2, 2)` ends of its straight parts, local metres; none where it is unknown.
        source: `site_file`; `land`, the edges that `fixed` land, yards or railheads lie behind;
            `pictures`, the edges behind which the ground looks alike from date to date; `unknown`;
            empty for a zone that is no berth.
    """

    segments: Segments
    source: QuaySource


def find_quay(
    site: Site,
    zone: Zone,
    looks: Sequence[Look],
    scenes: Mapping[str, RunScene],
    placements: Mapping[str, Placement],
) -> Quay:
    """The quay line of a zone.

    Args:
        site: of the zone.
        zone: any.
        looks: of the zone.
        scenes: by id.
        placements: by scene id.
    """
    if zone.kind not in BERTH_KINDS:
        return Quay(np.zeros((0, 2, 2)), "")
    if zone.name in site.quays:
        return Quay(_segments(site.quays[zone.name]), "site_file")
    edges = long_edges(zone.shape)
    land = facing_land(edges, _land(site))
    if land.any():
        return Quay(edges[land], "land")
    alike = np.array([_likeness(edge, site, looks, scenes, placements) for edge in edges])
    shown = (alike >= ALIKE) & (alike >= SHARE_OF_BEST * alike.max(initial=0.0))
    if shown.any():
        return Quay(edges[shown], "pictures")
    return Quay(np.zeros((0, 2, 2)), "unknown")


def may_be_quays(site: Site, quays: Mapping[str, Quay]) -> Segments:
    """All lines `(S, 2, 2)` of a site that ships may lie along.

    The quay lines of its zones; of zones whose line no file tells all their long edges too.

    Args:
        site: with its zones.
        quays: by name of the zone.
    """
    lines = [quay.segments for quay in quays.values()]
    lines += [
        long_edges(zone.shape)
        for zone in site.zones
        if zone.name in quays and quays[zone.name].source not in ("", "site_file")
    ]
    return np.concatenate([*lines, np.zeros((0, 2, 2))])


def long_edges(shape: BaseGeometry) -> Segments:
    """The long edges `(E, 2, 2)` of a polygon, the outside on the left of first to second end.

    Args:
        shape: polygon or multipolygon, metres east and north.
    """
    edges = []
    for part in shapely.get_parts(shape.simplify(STRAIGHT_M)):
        ring = shapely.get_coordinates(shapely.geometry.polygon.orient(part, -1.0).exterior)
        edges += [np.stack(pair) for pair in pairwise(ring)]
    lengths = np.array([np.hypot(*(edge[1] - edge[0])) for edge in edges])
    return np.asarray(np.array(edges)[lengths >= LONG_SHARE * lengths.max()], np.float64)


def facing_land(edges: Segments, land: BaseGeometry) -> NDArray[np.bool_]:
    """Which edges `(E, 2, 2)` have land behind them; of two sides of a berth the one with more."""
    shares = np.array([_strip(edge, 0.0, LAND_REACH_M).intersection(land).area for edge in edges])
    shares /= [LAND_REACH_M * np.hypot(*(edge[1] - edge[0])) for edge in edges]
    return np.asarray((shares >= LAND_SHARE) & (shares >= SHARE_OF_BEST * shares.max(initial=0.0)))


def _land(site: Site) -> BaseGeometry:
    """What is known to be land."""
    shapes = [zone.shape for zone in site.zones if zone.kind in LAND_KINDS]
    return shapely.union_all([*shapes, *([site.fixed] if site.fixed is not None else [])])


def _segments(line: BaseGeometry) -> Segments:
    straight = shapely.get_parts(line.simplify(STRAIGHT_M))
    parts = [shapely.get_coordinates(part) for part in straight]
    return np.concatenate([np.stack([part[:-1], part[1:]], axis=1) for part in parts])


def _outward(edge: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Unit vectors along an edge and out of the zone, and its length."""
    run = float(np.hypot(*(edge[1] - edge[0])))
    along = (edge[1] - edge[0]) / run
    return along, np.array([-along[1], along[0]]), run


def _strip(edge: NDArray[np.float64], near_m: float, far_m: float) -> shapely.Polygon:
    _, out, _ = _outward(edge)
    a, b = edge
    return shapely.Polygon([a + near_m * out, b + near_m * out, b + far_m * out, a + far_m * out])


def _likeness(
    edge: NDArray[np.float64],
    site: Site,
    looks: Sequence[Look],
    scenes: Mapping[str, RunScene],
    placements: Mapping[str, Placement],
) -> float:
    """Median correlation of the ground behind an edge between dates; 0 where it is not known."""
    along, out, run = _outward(edge)
    near, far = STRIP_M
    (a, d), (b, e) = CELL_M * along, CELL_M * out
    c, f = edge[0] + near * out
    size = round(run / CELL_M), round((far - near) / CELL_M)
    grid = Grid(Affine(*map(float, (a, b, c, d, e, f))), *size, site.frame.crs)
    whole = [look.scene_ids[0] for look in looks if look.whole]
    pictures: list[NDArray[np.float32]] = []
    for scene_id in dict.fromkeys(whole):
        if len(pictures) == MOST_LOOKS:
            break
        picture = _edges(scenes[scene_id], grid, placements[scene_id])
        if picture is not None:
            pictures.append(picture)
    found = [float(np.corrcoef(a.ravel(), b.ravel())[0, 1]) for a, b in combinations(pictures, 2)]
    return float(np.median(found)) if found else 0.0


def _edges(scene: RunScene, grid: Grid, placement: Placement) -> NDArray[np.float32] | None:
    """Strength of edges on a grid; None where the scene does not show it, or is gone."""
    east, north = placement.shift_m
    try:
        with scene.open() as opened:
            rgb = read_ground(opened, grid.moved(-east, -north))
    except SceneError:
        return None
    if rgb is None:
        return None
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    smooth = cv2.GaussianBlur(grey, (0, 0), BLUR_PX)
    strength = np.hypot(cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1))
    return np.asarray(np.sqrt(strength), np.float32) if strength.any() else None
