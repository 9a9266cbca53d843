"""Pixels around one block, sampled at places in metres."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from detector.geometry.frames import SceneMetres
from detector.geometry.windows import PixelWindow
from detector.scenes.scene import Scene
from detector.stacks.frame import GroundFrame, Vector

GREY = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True, slots=True)
class Patch:
    """A window of a scene with what is known of it.

    Attributes:
        rgb: `(h, w, 3)` float32.
        seen: `(h, w)` valid and under no known cloud.
        other: `(h, w)` under another object's box.
        origin: `(2,)` pixel of its top left corner.
        scale: `(2,)` metres a pixel.
        usable: `(h, w)` 1 where it is seen and under no other box.
    """

    rgb: NDArray[np.float32]
    seen: NDArray[np.bool_]
    other: NDArray[np.bool_]
    origin: Vector
    scale: Vector
    usable: NDArray[np.uint8] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # once: every question about a block asks it
        object.__setattr__(self, "usable", (self.seen & ~self.other).astype(np.uint8))

    def colour(self, points_m: Vector) -> NDArray[np.float32]:
        """Colours `(a, b, 3)` at places `(a, b, 2)` in metres, linear between pixels."""
        x, y = self._at(points_m)
        return np.asarray(cv2.remap(self.rgb, x, y, cv2.INTER_LINEAR), np.float32)

    def grey(self, points_m: Vector) -> NDArray[np.float32]:
        """Luminance `(a, b)` at places."""
        return np.asarray(self.colour(points_m) @ GREY, np.float32)

    def free(self, points_m: Vector) -> NDArray[np.bool_]:
        """Places `(a, b)` that are seen and under no other box."""
        x, y = self._at(points_m)
        return np.asarray(
            cv2.remap(self.usable, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT) > 0
        )

    def _at(self, points_m: Vector) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        pixels = points_m / self.scale - self.origin - 0.5
        return pixels[..., 0].astype(np.float32), pixels[..., 1].astype(np.float32)


def read_patch(
    scene: Scene,
    frame: GroundFrame,
    box_m: SceneMetres,
    others_m: SceneMetres,
    margin_m: float,
) -> Patch:
    """Read the surroundings of a box.

    Args:
        scene: open.
        frame: of the scene.
        box_m: `(4, 2)` corners, metres.
        others_m: `(K, 4, 2)` boxes of other objects, metres.
        margin_m: how far around.

    Raises:
        SceneError: the file is damaged.
    """
    low = np.floor(frame.to_pixels(SceneMetres(box_m.min(axis=0) - margin_m))).astype(int)
    high = np.ceil(frame.to_pixels(SceneMetres(box_m.max(axis=0) + margin_m))).astype(int)
    window = PixelWindow(int(low[0]), int(low[1]), *(int(n) for n in np.maximum(high - low, 1)))
    pixels = scene.read(window)
    seen = scene.observation(window, (window.width, window.height)).seen & pixels.valid
    other = np.zeros(seen.shape, np.uint8)
    for corners in frame.to_pixels(others_m):
        points = np.rint((corners - low - 0.5) * 16).astype(np.int32)
        cv2.fillConvexPoly(other, points, 1, cv2.LINE_8, 4)
    return Patch(
        pixels.rgb.astype(np.float32), seen, other.astype(bool), low.astype(float), frame.scale
    )
