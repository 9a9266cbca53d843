"""A simulated detector: known objects, tiles, and the boxes that a network might give for them.

No images: what is measured is the merge alone. Frame: scene pixels; lengths in pixels of a scene
of `GSD_M` metres a pixel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from detector.boxes.scored import Boxes, PlanBoxes, TileBoxes
from detector.classes import PORT
from detector.geometry.boxes import Corners, corners_from_xywhr, polygons
from detector.tiling.plan import BAND_LOW, TilePlan

GSD_M = 0.3
SHIP, STACK = PORT.id("ship"), PORT.id("container_stack")


@dataclass(frozen=True, slots=True)
class Truth:
    """Objects that are there.

    Attributes:
        xywhr: `(N, 5)` centre, length, width in pixels, angle of the length in radians.
        class_ids: `(N,)` int64.
        kinds: `(N,)` name of the group that each belongs to.
    """

    xywhr: NDArray[np.float64]
    class_ids: NDArray[np.int64]
    kinds: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.xywhr)

    @property
    def corners(self) -> Corners:
        """`(N, 4, 2)` pixels."""
        return corners_from_xywhr(self.xywhr)


@dataclass(frozen=True, slots=True)
class Noise:
    """How the simulated detector errs; read pixels, degrees, shares.

    Attributes:
        shift_px: of the centre, along x and y.
        turn_deg: of the angle.
        stretch: of the length and of the width.
        normal: the three are standard deviations; else bounds of a uniform error.
        miss: share of the views that are missed.
        duplicate: share of the views that are found twice, with a third of the errors.
        extrapolate: share of the cut views whose box reaches beyond the window.
    """

    shift_px: float = 2.0
    turn_deg: float = 2.0
    stretch: float = 0.03
    normal: bool = False
    miss: float = 0.03
    duplicate: float = 0.05
    extrapolate: float = 0.5


NO_NOISE = Noise(0.0, 0.0, 0.0, miss=0.0, duplicate=0.0, extrapolate=0.0)
LEAST_VISIBLE_SIDE_PX = 3.0
LEAST_VISIBLE_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Views:
    """What the detector gives.

    Attributes:
        tile_boxes: boxes of all tiles.
        source: `(N,)` index of the true object behind each box.
        answerable: `(N,)` the scale of the tile answers for boxes of this length.
    """

    tile_boxes: TileBoxes
    source: NDArray[np.int64]
    answerable: NDArray[np.bool_]


def detect(truth: Truth, plan: TilePlan, noise: Noise, rng: np.random.Generator) -> Views:
    """Boxes of every tile for what it sees of the true objects."""
    shapes = polygons(truth.corners)
    tree = shapely.STRtree(shapes)
    boxes, tiles, sources = [], [], []
    for tile in plan.tiles:
        window = shapely.box(*tile.window.bounds)
        index = np.sort(tree.query(window, predicate="intersects"))
        if len(index) == 0:
            continue
        seen, share, kept = _visible(truth.xywhr[index], shapes[index], window, tile.scale)
        index, seen, share = index[kept], seen[kept], share[kept]
        found = rng.random(len(index)) >= noise.miss
        if tile.level == 1:
            found &= truth.class_ids[index] == SHIP
        index, seen, share = index[found], seen[found], share[found]
        guessed = _guess(truth.xywhr[index], seen, share, noise, rng)
        drawn = _jitter(guessed, noise, tile.scale, 1.0, rng)
        scores = (0.5 + 0.45 * rng.random(len(index))) * (0.4 + 0.6 * share)
        twice = rng.random(len(index)) < noise.duplicate
        again = _jitter(drawn[twice], noise, tile.scale, 1 / 3, rng)
        boxes.append(np.concatenate([drawn, again]))
        sources.append(np.concatenate([index, index[twice]]))
        tiles.append(np.full(len(boxes[-1]), tile.index))
        boxes[-1] = np.column_stack([boxes[-1], np.concatenate([scores, 0.9 * scores[twice]])])
    if not boxes:
        none = np.zeros(0, np.int64)
        return Views(TileBoxes(PlanBoxes(Boxes.empty()), none), none, np.zeros(0, bool))
    table, source = np.concatenate(boxes), np.concatenate(sources)
    found_boxes = Boxes(
        corners_from_xywhr(table[:, :5]), table[:, 5].astype(np.float32), truth.class_ids[source]
    )
    seen_by = np.concatenate(tiles)
    fine = np.array([plan.tiles[i].level == 0 for i in seen_by])
    long = table[:, 2] >= BAND_LOW * plan.settings.limit * plan.settings.unit_px
    return Views(TileBoxes(PlanBoxes(found_boxes), seen_by), source, fine | long)


def _visible(
    xywhr: NDArray[np.float64],
    shapes: NDArray[np.object_],
    window: shapely.Polygon,
    scale: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Boxes around what the window shows, in the axes of the objects; share; large enough."""
    parts = shapely.intersection(shapes, window)
    share = shapely.area(parts) / shapely.area(shapes)
    seen = xywhr.copy()
    for k in np.flatnonzero(share < 1 - 1e-9):
        x, y, _, _, angle = xywhr[k]
        axes = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        local = (shapely.get_coordinates(parts[k]) - [x, y]) @ axes.T
        if len(local) == 0:
            continue
        low, high = local.min(axis=0), local.max(axis=0)
        seen[k, :2] = [x, y] + (low + high) / 2 @ axes
        seen[k, 2:4] = high - low
    small = seen[:, 2:4].min(axis=1) * scale < LEAST_VISIBLE_SIDE_PX
    return seen, share, ~small & (share >= LEAST_VISIBLE_SHARE)


def _guess(
    whole: NDArray[np.float64],
    seen: NDArray[np.float64],
    share: NDArray[np.float64],
    noise: Noise,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Some cut boxes are drawn on towards the whole object."""
    draws = rng.random((2, len(whole)))
    weight = np.where((share < 1 - 1e-9) & (draws[0] < noise.extrapolate), draws[1] / 2, 0.0)
    return np.concatenate(
        [seen[:, :4] + weight[:, None] * (whole[:, :4] - seen[:, :4]), seen[:, 4:]], axis=1
    )


def _jitter(
    xywhr: NDArray[np.float64],
    noise: Noise,
    scale: float,
    share: float,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    shape = (len(xywhr), 5)
    draw = rng.standard_normal(shape) if noise.normal else rng.uniform(-1.0, 1.0, shape)
    size = np.array(
        [noise.shift_px / scale] * 2 + [noise.stretch] * 2 + [np.deg2rad(noise.turn_deg)]
    )
    error = draw * size * share
    result = xywhr.copy()
    result[:, :2] += error[:, :2]
    result[:, 2:4] *= 1 + error[:, 2:4]
    result[:, 4] += error[:, 4]
    return result


# Groups: local frame, centre 0, the ships' length along y; `(N, 5)`, class, one row an object.


def ships_abreast(rng: np.random.Generator) -> NDArray[np.float64]:
    """Parallel ships with 1-6 px between them."""
    length, count = rng.uniform(100, 400), int(rng.integers(5, 12))
    width = length / rng.uniform(5, 7)
    return parallel(count, length, width, width + rng.uniform(1, 6))


def tight_row(rng: np.random.Generator) -> NDArray[np.float64]:
    """Loosely boxed narrow ships: 60 x 12 px at 8-9 px, true IoU up to 0.2."""
    return parallel(int(rng.integers(10, 21)), 60, 12, rng.uniform(8, 9))


def marina(rng: np.random.Generator) -> NDArray[np.float64]:
    """Boats of 5-12 m on both sides of a pontoon."""
    length = rng.uniform(5, 12) / GSD_M
    width = length / rng.uniform(2.6, 3.2)
    row = parallel(int(rng.integers(8, 25)), length, width, width * rng.uniform(1.15, 1.5))
    other = row.copy()
    row[:, 1] -= length / 2 + 5
    other[:, 1] += length / 2 + 5
    return np.concatenate([row, other])


def raft(rng: np.random.Generator) -> NDArray[np.float64]:
    """Barges that touch side by side, two deep."""
    row = parallel(int(rng.integers(3, 7)), 250, 38, 38 + rng.uniform(0, 1))
    other = row.copy()
    other[:, 1] += 250 + rng.uniform(4, 12)
    return np.concatenate([row, other])


def bow_to_stern(rng: np.random.Generator) -> NDArray[np.float64]:
    """Ships of 90-200 m, 5-10 m apart along the quay."""
    lengths = rng.uniform(90, 200, int(rng.integers(2, 4))) / GSD_M
    return in_line(lengths, rng.uniform(5, 10) / GSD_M)


def giant(rng: np.random.Generator) -> NDArray[np.float64]:
    """A ship of 300-400 m with two tugs alongside."""
    length = rng.uniform(300, 400) / GSD_M
    width = length / 6.7
    tug = 30 / GSD_M
    beside = (width + tug / 3) / 2 + 4
    return np.array(
        [
            [0, 0, length, width, np.pi / 2],
            [beside, length / 4, tug, tug / 3, np.pi / 2],
            [-beside, -length / 3, tug, tug / 3, np.pi / 2],
        ]
    )


def yard(rng: np.random.Generator) -> NDArray[np.float64]:
    """Rows of stacks, lanes of 3-6 m."""
    length, width = rng.uniform(40, 160) / GSD_M, rng.uniform(6.1, 24.4) / GSD_M
    return parallel(int(rng.integers(4, 9)), length, width, width + rng.uniform(3, 6) / GSD_M)


def long_row(rng: np.random.Generator) -> NDArray[np.float64]:
    """One stack row of 200-500 m."""
    return np.array([[0, 0, rng.uniform(200, 500) / GSD_M, 12.2 / GSD_M, np.pi / 2]])


def l_yard(rng: np.random.Generator) -> NDArray[np.float64]:
    """An L of two blocks."""
    long, short, width = rng.uniform(80, 200, 3) / GSD_M * [1, 0.6, 0.12]
    return np.array(
        [
            [0, 0, long, width, np.pi / 2],
            [(width + short) / 2 + 1, (long - width) / 2, short, width, 0],
        ]
    )


GROUPS: dict[str, tuple[int, Callable[[np.random.Generator], NDArray[np.float64]]]] = {
    "moored row": (SHIP, ships_abreast),
    "tight row": (SHIP, tight_row),
    "marina": (SHIP, marina),
    "raft": (SHIP, raft),
    "bow to stern": (SHIP, bow_to_stern),
    "giant": (SHIP, giant),
    "yard": (STACK, yard),
    "long row": (STACK, long_row),
    "L-shaped yard": (STACK, l_yard),
}


def parallel(count: int, length: float, width: float, pitch: float) -> NDArray[np.float64]:
    """A row of `count` objects side by side, `(count, 5)`."""
    x = (np.arange(count) - (count - 1) / 2) * pitch
    return np.column_stack(
        [x, np.zeros(count), *(np.full(count, v) for v in (length, width, np.pi / 2))]
    )


def in_line(lengths: NDArray[np.float64], gap: float) -> NDArray[np.float64]:
    """Objects one behind the other, width a sixth of their length, `(N, 5)`."""
    ends = np.cumsum(lengths + gap)
    y = ends - lengths / 2 - gap - (ends[-1] - gap) / 2
    return np.column_stack([np.zeros(len(y)), y, lengths, lengths / 6, np.full(len(y), np.pi / 2)])


def turned(xywhr: NDArray[np.float64], angle: float, x: float, y: float) -> NDArray[np.float64]:
    """The group turned about its origin by `angle` radians and moved to `x, y`."""
    cos, sin = np.cos(angle), np.sin(angle)
    result = xywhr.astype(float).copy()
    result[:, 0] = x + cos * xywhr[:, 0] - sin * xywhr[:, 1]
    result[:, 1] = y + sin * xywhr[:, 0] + cos * xywhr[:, 1]
    result[:, 4] += angle
    return result


def world(plan: TilePlan, rng: np.random.Generator, groups: int = 30) -> Truth:
    """A port that no one would plan: groups at all angles, a third of them on tile corners."""
    names = list(GROUPS)
    corners = np.array([tile.window.bounds[:2] for tile in plan.tiles if tile.level == 0])
    placed: list[tuple[str, NDArray[np.float64]]] = []
    taken: list[tuple[float, float, float]] = []
    for k in range(groups):
        name = names[k % len(names)]
        local = GROUPS[name][1](rng)
        radius = float(np.hypot(*np.abs(local[:, :2]).T).max() + local[:, 2].max() / 2)
        for _ in range(60):
            at = rng.uniform(0, [plan.width, plan.height])
            if rng.random() < 1 / 3:
                at = corners[rng.integers(len(corners))] + rng.uniform(-40, 40, 2)
            inside = radius < at[0] < plan.width - radius and radius < at[1] < plan.height - radius
            if inside and all(np.hypot(at[0] - x, at[1] - y) > radius + r + 5 for x, y, r in taken):
                taken.append((*at.tolist(), radius))
                placed.append((name, turned(local, rng.uniform(0, np.pi / 2), *at.tolist())))
                break
    kinds = np.concatenate([np.full(len(group), name) for name, group in placed])
    classes = np.concatenate([np.full(len(group), GROUPS[name][0]) for name, group in placed])
    return Truth(np.concatenate([group for _, group in placed]), classes.astype(np.int64), kinds)
