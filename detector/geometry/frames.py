"""Frames as types: coordinates of one frame are not taken for those of another.

All are float64 arrays `(..., 2)`, and cost nothing at run time. mypy refuses one where another is
asked for, and a plain array where any of them is. Arithmetic and indexing give plain arrays again:
who computes in a frame names it anew, beside the reason. They stand where coordinates change hands
between parts; inside a part plain arrays are plainer.
"""

from __future__ import annotations

from typing import NewType, TypeVar

import numpy as np
from numpy.typing import NDArray

FilePixels = NewType("FilePixels", NDArray[np.float64])
"""Pixels of a scene's file at full resolution, x right, y down; not always square on the ground."""

PlanPixels = NewType("PlanPixels", NDArray[np.float64])
"""Pixels that are square on the ground, x right, y down: tiles are planned and merged in them."""

SceneMetres = NewType("SceneMetres", NDArray[np.float64])
"""Metres in the image of one scene, x right, y down, from its first corner."""

LocalMetres = NewType("LocalMetres", NDArray[np.float64])
"""Metres east and north of a site's middle, where scenes of all dates lie on each other."""

Place = TypeVar("Place", bound=NDArray[np.float64])
"""The frame of what holds coordinates of one of them."""
