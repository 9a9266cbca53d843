"""One box from the fragments of an object that no tile saw whole."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from detector.geometry.boxes import Corners, edge_lengths, order_corners, polygons
from detector.tiling.sightings import TOUCH_LENGTH_SHARE, TOUCH_READ_PX, Sightings

SLENDER = 2.5
"""From this ratio of its sides the long axis of a joined box is fitted through all fragments."""


@dataclass(frozen=True, slots=True)
class Joined:
    """A box joined from fragments.

    Attributes:
        corners: `(4, 2)` scene pixels.
        whole: every side was seen by a tile that does not cut it.
    """

    corners: Corners
    whole: bool


def join(seen: Sightings) -> Joined:
    """The box of one object, from at least two fragments.

    Its axis is that of the fragments, fitted through all of them where the object is slender. Each
    of its four sides is the mean of the fragments that saw this side uncut; where all are cut, the
    outermost that a tile saw.

    Args:
        seen: the fragments.
    """
    length, _ = edge_lengths(seen.boxes.corners)
    axis = _mean_axis(seen.boxes.corners, length)
    visible = _visible(seen)
    run, breadth = (np.ptp(np.concatenate(visible) @ side) for side in (axis, _normal(axis)))
    if breadth > run:
        axis, run, breadth = _normal(axis), breadth, run
    if run > SLENDER * breadth:
        axis = _fitted_axis(seen, axis)
    slack = float(np.max(TOUCH_READ_PX / seen.scales)) + TOUCH_LENGTH_SHARE * float(length.max())
    sides = (axis, _normal(axis), -axis, -_normal(axis))
    # At 45 degrees the end of a cut box lies up to half a width inside the border it is cut by.
    reach = (slack + float(breadth) / 2, slack, slack + float(breadth) / 2, slack)
    places = [_place(seen, visible, *pair) for pair in zip(sides, reach, strict=True)]
    (east, south, west, north), uncut = zip(*places, strict=True)
    frame = np.array([[-west, -north], [east, -north], [east, south], [-west, south]])
    corners = frame @ np.stack([axis, _normal(axis)])
    return Joined(order_corners(corners[None])[0], all(uncut))


def _mean_axis(corners: Corners, weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unit vector of the mean axis, modulo a quarter turn."""
    along = corners[:, 1] - corners[:, 0]
    angle = 4 * np.arctan2(along[:, 1], along[:, 0])
    mean = np.arctan2(weight @ np.sin(angle), weight @ np.cos(angle)) / 4
    return np.array([np.cos(mean), np.sin(mean)])


def _normal(axis: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array([-axis[1], axis[0]])


def _visible(seen: Sightings) -> list[NDArray[np.float64]]:
    """Corners of every fragment, cut off at its own window: the rest is a guess of the network."""
    windows = shapely.box(*seen.windows.T)
    parts = shapely.intersection(polygons(seen.boxes.corners), windows)
    return [
        shapely.get_coordinates(part) if not part.is_empty else corners
        for part, corners in zip(parts, seen.boxes.corners, strict=True)
    ]


def _fitted_axis(seen: Sightings, axis: NDArray[np.float64]) -> NDArray[np.float64]:
    """Axis of the line through the middles of the fragments' ends."""
    corners = seen.boxes.corners
    middles = (corners + np.roll(corners, -1, axis=1)) / 2
    along = corners[:, 1] - corners[:, 0]
    turned = np.abs(along @ _normal(axis)) > np.abs(along @ axis)
    ends = np.where(turned[:, None, None], middles[:, [0, 2]], middles[:, [1, 3]])
    beside = np.where(turned[:, None], seen.cut[:, [1, 3]], seen.cut[:, [0, 2]]).any(axis=1)
    if (~beside).sum() > 0:
        ends = ends[~beside]
    points = ends.reshape(-1, 2)
    along_axis, across = points @ axis, points @ _normal(axis)
    spread = along_axis - along_axis.mean()
    slope = float(spread @ across / max(float(spread @ spread), 1e-9))
    fitted = axis + slope * _normal(axis)
    return np.asarray(fitted / np.linalg.norm(fitted))


def _place(
    seen: Sightings,
    visible: list[NDArray[np.float64]],
    outward: NDArray[np.float64],
    slack: float,
) -> tuple[float, bool]:
    """How far the object reaches `outward`, and whether a tile saw that side uncut."""
    corners = seen.boxes.corners
    edges = np.roll(corners, -1, axis=1) - corners
    lengths = np.maximum(np.linalg.norm(edges, axis=2), 1e-9)
    # Clockwise on the screen, y down: the outward normal of an edge (dx, dy) is (dy, -dx).
    facing = (edges[..., 1] * outward[0] - edges[..., 0] * outward[1]) / lengths
    edge = facing.argmax(axis=1)
    index = np.arange(len(corners))
    middles = (corners + np.roll(corners, -1, axis=1))[index, edge] / 2
    reach = middles @ outward
    seen_to = np.minimum(reach, [float((part @ outward).max()) for part in visible])
    far = float(seen_to.max())
    uncut = ~seen.cut[index, edge] & (reach >= far - slack)
    if not uncut.any():
        return far, False
    return float(np.average(reach[uncut], weights=lengths[index, edge][uncut])), True
