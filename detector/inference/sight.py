"""What of each box was seen: pixels without data, clouds and the scene's edge cut ships."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from detector.geometry.boxes import edge_lengths, envelopes
from detector.geometry.frames import FilePixels
from detector.geometry.windows import PixelWindow
from detector.inference.coverage import EDGE_PX, MAX_SIDE_PX, Coverage
from detector.lengths import CLOUD, CUT_TYPE, NODATA, SCENE_EDGE, WHOLE
from detector.scenes.scene import Scene

MOST_POINTS_ALONG = 512  # of a box: a ship of 400 m in pixels of 0.8 m
MOST_POINTS_ACROSS = 64
LEAST_POINTS = 4
WINDOW_SIDE_PX = 1024  # larger boxes are looked up on a coarser grid
CLOUD_SOURCE_USER = "user"  # somebody said that there are none


@dataclass(frozen=True, slots=True)
class Sight:
    """What was seen of boxes.

    Attributes:
        unseen_fraction: `(N,)` of their area: nodata, masks, clouds, beyond the scene.
        cut: `(N,)` why the object may go on where the box ends, see `detector.lengths`.
        seen_length: `(N,)` share of the length from the first to the last seen pixel.
    """

    unseen_fraction: NDArray[np.float64]
    cut: NDArray[np.str_]
    seen_length: NDArray[np.float64]


def look_at_boxes(scene: Scene, coverage: Coverage, corners: FilePixels) -> Sight:
    """What of boxes was seen.

    Exact to a pixel: only boxes near the border of the scene, or near pixels that a reduced grid
    shows as unseen, are looked up at full resolution.

    Args:
        scene: open.
        coverage: its valid part.
        corners: `(N, 4, 2)` file pixels.

    Raises:
        SceneError: the file or its cloud mask is damaged.
    """
    n = len(corners)
    sight = Sight(np.zeros(n), np.full(n, WHOLE, CUT_TYPE), np.ones(n))
    for i in np.flatnonzero(_doubtful(scene, coverage, corners)).tolist():
        points = _points(corners[i])
        seen, valid = _look_up(scene, points)
        inside = _inside(points, coverage.width, coverage.height)
        body = slice(1, -1), slice(1, -1)
        sight.unseen_fraction[i] = 1.0 - seen[body].mean()
        if not seen.all():
            sight.cut[i] = SCENE_EDGE if not inside.all() else CLOUD if valid.all() else NODATA
        along = np.flatnonzero(seen[body].any(axis=1))
        sight.seen_length[i] = (np.ptp(along) + 1) / len(seen[body]) if len(along) else 0.0
    return sight


def _doubtful(scene: Scene, coverage: Coverage, corners: FilePixels) -> NDArray[np.bool_]:
    """Boxes `(N,)` near anything unseen: only they are looked up pixel by pixel."""
    info = scene.info
    if not len(corners):
        return np.zeros(0, np.bool_)
    low, high = np.split(envelopes(corners), 2, axis=1)
    beyond = (low < EDGE_PX) | (high > np.array([info.width, info.height]) - EDGE_PX)
    seen = coverage.valid
    if info.cloud_source not in (None, CLOUD_SOURCE_USER):
        window = PixelWindow(0, 0, info.width, info.height)
        seen = seen & scene.observation(window, window.size_within(MAX_SIDE_PX)).seen
    rows, columns = seen.shape
    scale = np.array([columns / info.width, rows / info.height])
    # two cells of margin: the nearest pixel stands for all pixels of a cell
    first = np.clip(np.floor(low * scale).astype(int) - 2, 0, (columns, rows))
    last = np.clip(np.ceil(high * scale).astype(int) + 2, 0, (columns, rows))
    sums = cv2.integral((~seen).astype(np.uint8))
    (x0, y0), (x1, y1) = first.T, last.T
    hidden = sums[y1, x1] - sums[y0, x1] - sums[y1, x0] + sums[y0, x0] > 0
    return np.asarray(beyond.any(axis=1) | hidden)


def _points(box: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points `(U, V, 2)` of a box: its own pixels, and a ring `EDGE_PX` around them."""
    length, width = (float(side[0]) for side in edge_lengths(box[None]))
    along, across = (box[1] - box[0]) / max(length, 1e-9), (box[3] - box[0]) / max(width, 1e-9)
    u = _steps(length, MOST_POINTS_ALONG)
    v = _steps(width, MOST_POINTS_ACROSS)
    return np.asarray(box[0] + u[:, None, None] * along + v[None, :, None] * across)


def _steps(side: float, most: int) -> NDArray[np.float64]:
    """Middles of equal steps along a side, and a place `EDGE_PX` beyond either end."""
    number = int(np.clip(round(side), LEAST_POINTS, most))
    return np.array(
        [-EDGE_PX, *((np.arange(number) + 0.5) * side / number), side + EDGE_PX], np.float64
    )


def _inside(points: NDArray[np.float64], width: int, height: int) -> NDArray[np.bool_]:
    x, y = points[..., 0], points[..., 1]
    return np.asarray((x >= 0) & (y >= 0) & (x < width) & (y < height))


def _look_up(
    scene: Scene, points: NDArray[np.float64]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which points `(U, V)` were seen, and which are valid."""
    low = np.floor(points.min(axis=(0, 1))).astype(int)
    high = np.floor(points.max(axis=(0, 1))).astype(int) + 1
    window = PixelWindow(int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1]))
    width, height = window.size_within(WINDOW_SIDE_PX)
    step = np.array([width / window.width, height / window.height])
    cells = np.floor((points - low) * step).astype(int)
    x, y = np.clip(cells[..., 0], 0, width - 1), np.clip(cells[..., 1], 0, height - 1)
    seen = scene.observation(window, (width, height)).seen
    valid = scene.valid_mask(window, (width, height))
    return seen[y, x], valid[y, x]
