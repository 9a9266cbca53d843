"""Which boxes of ships lie on land: by a file of it, or by the scene's own near infrared.

At 10 m a bright roof, a row of lorries and a ship are the same few pixels; what lies around them is
not. A ship at a quay has water at one side or at its ends, a roof has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from detector.detections import Detections
from detector.geometry.boxes import centres, edge_lengths, envelopes
from detector.geometry.windows import PixelWindow
from detector.scenes.scene import Scene

ON_LAND_SHARE: Final = 0.75  # of a box; coasts and quays are drawn some 10 m off
COARSEST_LOOKED_UP_M: Final = 60.0  # a larger pixel holds quay and water at once
FINEST_LOOKED_UP_M: Final = 2.5  # in finer scenes the network tells land itself
AROUND_M: Final = 30.0  # of a box: where a ship has water
AROUND_PX: Final = 2.5  # at least
LEAST_WATER_SHARE: Final = 0.05  # of what lies around: a ship in a narrow dock has more
LEAST_WATER_M2: Final = 10_000.0  # smaller patches are pools, shadows and blue roofs
MARGIN_M: Final = 300.0  # of a box: so far water is followed
LEAST_KNOWN_SHARE: Final = 0.5  # of what lies around
LARGEST_WINDOW_PX: Final = 1024
SAMPLES: Final = (12, 5)  # points of a box, along and across


@dataclass(frozen=True, slots=True)
class Land:
    """What is known of land in a scene.

    Attributes:
        parts: polygons of land, file pixels; none where no file tells.
        by_water: whether the water index of scenes with near infrared is asked too.
    """

    parts: Sequence[BaseGeometry] = ()
    by_water: bool = True


def find_on_land(scene: Scene, rows: Detections, land: Land) -> NDArray[np.bool_]:
    """Which detections `(N,)` of what floats lie on land.

    By the polygons: at least `ON_LAND_SHARE` of the box. By the water index, of scenes of
    `FINEST_LOOKED_UP_M` and coarser whose near infrared is known: hardly any of what was seen
    around the box is water that goes on.

    Raises:
        SceneError: the scene is damaged.
    """
    floats = [entry.ground == "water" for entry in rows.classes]
    afloat = np.array(floats, np.bool_)[rows.class_ids] & ~rows.unseen
    found = np.zeros(len(rows), np.bool_)
    mine = np.flatnonzero(afloat)
    found[mine] = _in_parts(rows.corners[mine], land.parts)
    if land.by_water and can_tell_water(scene):
        for i in np.flatnonzero(afloat & ~found).tolist():
            found[i] = not _has_water(scene, rows.corners[i])
    return found


def can_tell_water(scene: Scene) -> bool:
    """Whether a scene is coarse and shows near infrared beside its colours."""
    info = scene.info
    if info.near_infrared is None or len(info.bands) != 3 or info.gsd_m is None:
        return False
    return FINEST_LOOKED_UP_M <= info.gsd_m <= COARSEST_LOOKED_UP_M


def _in_parts(corners: NDArray[np.float64], parts: Sequence[BaseGeometry]) -> NDArray[np.bool_]:
    """Which boxes `(N, 4, 2)` lie by `ON_LAND_SHARE` or more in polygons."""
    if not len(corners) or not len(parts):
        return np.zeros(len(corners), np.bool_)
    u, v = (((np.arange(n) + 0.5) / n)[:, None] for n in SAMPLES)
    first, along, across = corners[:, 0], corners[:, 1], corners[:, 3]
    steps = u[None, :, None] * (along - first)[:, None, None] + first[:, None, None]
    points = steps + v[None, None, :, :] * (across - first)[:, None, None]
    samples = shapely.points(points.reshape(-1, 2))
    shapes = np.array(parts, object)
    shapely.prepare(shapes)
    inside = np.zeros(len(samples), np.bool_)
    inside[shapely.STRtree(samples).query(shapes, predicate="contains")[1]] = True
    return np.asarray(inside.reshape(len(corners), -1).mean(axis=1) >= ON_LAND_SHARE)


def _has_water(scene: Scene, box: NDArray[np.float64]) -> bool:
    """Whether water lies around a box `(4, 2)`, or too little is known of what does."""
    gsd_m = scene.info.gsd_m or 1.0
    margin = MARGIN_M / gsd_m
    low, high = np.floor(
        envelopes(box[None])[0].reshape(2, 2) + np.array([[-margin], [margin]])
    ).astype(int)
    window = PixelWindow(int(low[0]), int(low[1]), *map(int, high - low + 1))
    width, height = window.size_within(LARGEST_WINDOW_PX)
    water, known = scene.water(window, (width, height))
    step = np.array([window.width / width, window.height / height])
    cell_m2 = float(step.prod()) * gsd_m**2
    _, labels, stats, _ = cv2.connectedComponentsWithStats(water.astype(np.uint8), connectivity=4)
    wide = stats[:, cv2.CC_STAT_AREA] * cell_m2 >= LEAST_WATER_M2
    wide[0] = False  # what is no water
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    beside = _beside(box, np.stack([x, y], axis=-1) * step + low, max(AROUND_M / gsd_m, AROUND_PX))
    if not beside.any() or known[beside].mean() < LEAST_KNOWN_SHARE:
        return True
    return bool(wide[labels][beside & known].mean() >= LEAST_WATER_SHARE)


def _beside(
    box: NDArray[np.float64], points: NDArray[np.float64], reach_px: float
) -> NDArray[np.bool_]:
    """Which points `(h, w, 2)` lie outside a box, and not farther than `reach_px` off."""
    length, width = (max(float(side[0]), 1e-9) for side in edge_lengths(box[None]))
    along, across = (box[1] - box[0]) / length, (box[3] - box[0]) / width
    away = points - centres(box[None])[0]
    beyond = np.maximum(np.abs(away @ along) - length / 2.0, np.abs(away @ across) - width / 2.0)
    return np.asarray((beyond > 0.5) & (beyond <= reach_px))
