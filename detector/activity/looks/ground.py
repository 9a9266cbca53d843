"""Pictures of the ground in local metres: for comparing two looks, and for the eye."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from detector.geometry.boxes import Corners
from detector.geometry.windows import PixelWindow
from detector.scenes.scene import Scene

Floats = NDArray[np.float64]
ToPixels = Callable[[Floats], Floats]
"""Local metres `(N, 2)` to pixels of a scene."""

CELL_M = 0.5
BLUR_PX = 1.0
LEAST_SIDE_PX = 6
SEEN_SHARE = 0.9
MOST_STEP_PX = 2.0  # between places: a picture is read no finer than this needs
APPEARED_RGB = (40, 220, 60)
GONE_RGB = (255, 60, 40)


def read_ground(scene: Scene, to_pixels: ToPixels, places: Floats) -> NDArray[np.uint8] | None:
    """Colours `(h, w, 3)` at places `(h, w, 2)` in local metres; None where not wholly seen.

    Args:
        scene: open.
        to_pixels: of the scene; it is taken as affine over the places, which span a zone at most.
        places: a regular grid.

    Raises:
        SceneError: the file is damaged.
    """
    rgb, seen = sample_ground(scene, to_pixels, places)
    return rgb if seen.mean() >= SEEN_SHARE else None


def sample_ground(
    scene: Scene, to_pixels: ToPixels, places: Floats
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Colours `(h, w, 3)` at places `(h, w, 2)`, and which of them `(h, w)` were seen.

    Where the places are further apart than two pixels a smaller picture is read, so that memory
    follows the places and not the scene. Arguments and errors as `read_ground`.
    """
    height, width = places.shape[:2]
    ends = np.array([places[0, 0], places[0, -1], places[-1, 0]])
    first, right, down = to_pixels(ends)
    u = np.linspace(0, 1, width)[None, :, None]
    v = np.linspace(0, 1, height)[:, None, None]
    pixels = first + u * (right - first) + v * (down - first)
    low = np.floor(pixels.min(axis=(0, 1))).astype(int) - 1
    high = np.ceil(pixels.max(axis=(0, 1))).astype(int) + 2
    window = PixelWindow(int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1]))
    step = float(np.hypot(*(right - first))) / max(width - 1, 1)
    shrink = max(1.0, step / MOST_STEP_PX)
    size = (max(1, round(window.width / shrink)), max(1, round(window.height / shrink)))
    scale = np.array(size) / np.array([window.width, window.height])
    at = ((pixels - low) * scale - 0.5).astype(np.float32)
    rgb = scene.read(window, size).rgb
    usable = scene.observation(window, size).seen.astype(np.uint8)
    colours = cv2.remap(rgb, at[..., 0], at[..., 1], cv2.INTER_LINEAR)
    seen = cv2.remap(usable, at[..., 0], at[..., 1], cv2.INTER_NEAREST)
    return np.asarray(colours, np.uint8), np.asarray(seen > 0)


def box_places(corners: Floats, margin_m: float, cell_m: float = CELL_M) -> Floats:
    """Places `(h, w, 2)` over an oriented box `(4, 2)` and a margin, along its sides."""
    length, width = corners[1] - corners[0], corners[3] - corners[0]
    along, across = length / np.hypot(*length), width / np.hypot(*width)
    u = np.arange(-margin_m, np.hypot(*length) + margin_m, cell_m)
    v = np.arange(-margin_m, np.hypot(*width) + margin_m, cell_m)
    return np.asarray(corners[0] + u[None, :, None] * along + v[:, None, None] * across)


def likeness(block: NDArray[np.uint8], surroundings: NDArray[np.uint8]) -> float | None:
    """Best correlation of a block's picture with the same ground of another look.

    Args:
        block: `(h, w, 3)`.
        surroundings: `(H, W, 3)`, larger: the block may be displaced in it by lean and residual.
    """
    if min(block.shape[:2]) < LEAST_SIDE_PX:
        return None
    smooth = [cv2.GaussianBlur(part, (0, 0), BLUR_PX) for part in (block, surroundings)]
    found = cv2.matchTemplate(smooth[1], smooth[0], cv2.TM_CCOEFF_NORMED)
    best = float(np.nanmax(found))
    return best if np.isfinite(best) else None


def levelled(
    picture: NDArray[np.uint8], like: NDArray[np.uint8], where: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """A picture with the brightness of another: other sun, haze and stretch are no change.

    Args:
        picture: `(h, w, 3)`.
        like: of the same ground.
        where: `(h, w)` the pixels that both show; their 10 % and 90 % are made equal.
    """
    if not where.any():
        return picture
    mine, other = (np.percentile(part[where], (10, 90)) for part in (picture, like))
    gain = np.clip((other[1] - other[0]) / max(mine[1] - mine[0], 1.0), 0.25, 4.0)
    return np.asarray(np.clip((picture - mine[0]) * gain + other[0], 0, 255).astype(np.uint8))


def difference_picture(
    before: NDArray[np.uint8],
    after: NDArray[np.uint8],
    appeared: Corners,
    gone: Corners,
) -> NDArray[np.uint8]:
    """Two registered pictures in one: what only the first has is red, only the second cyan.

    Args:
        before: `(h, w, 3)`.
        after: of the same shape and ground.
        appeared: `(N, 4, 2)` pixels of it, outlined in green.
        gone: `(M, 4, 2)`, outlined in red.

    Returns:
        `(h, w, 3)` uint8 RGB.
    """
    one, two = (cv2.cvtColor(part, cv2.COLOR_RGB2GRAY) for part in (before, after))
    picture = np.ascontiguousarray(np.stack([one, two, two], axis=-1))
    for corners, colour in ((appeared, APPEARED_RGB), (gone, GONE_RGB)):
        for box in corners:
            points = np.rint(box * 16).astype(np.int32)
            cv2.polylines(picture, [points], True, colour, 2, cv2.LINE_AA, 4)
    return np.asarray(picture, np.uint8)
