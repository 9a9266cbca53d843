"""One block as an oriented box in metres."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detector.geometry.frames import SceneMetres
from detector.stacks.frame import Vector


@dataclass(frozen=True, slots=True)
class BlockBox:
    """An oriented box on the ground of a scene, metres, x right, y down.

    Attributes:
        corners: `(4, 2)` clockwise, first edge = length.
        along: `(2,)` unit vector of the length.
        across: `(2,)` unit vector of the width, to the right of `along` on the screen.
        length_m: along.
        width_m: across.
    """

    corners: SceneMetres
    along: Vector
    across: Vector
    length_m: float
    width_m: float

    @classmethod
    def of(cls, corners: SceneMetres) -> BlockBox | None:
        """The box of four corners in metres; None where it has no area."""
        first, last = corners[1] - corners[0], corners[3] - corners[0]
        length, width = float(np.hypot(*first)), float(np.hypot(*last))
        if not min(length, width) > 1e-6:
            return None
        return cls(corners, first / length, last / width, length, width)

    def places(self, u: Vector, v: Vector) -> SceneMetres:
        """Places `(len(v), len(u), 2)` at metres `u` along and `v` across from the first corner."""
        return SceneMetres(
            self.corners[0] + u[None, :, None] * self.along + v[:, None, None] * self.across
        )
