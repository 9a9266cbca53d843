"""Rendered tiles as examples of what a network reads: on them its int8 form is made.

Models lie below what renders, so whoever loads a detector for users does it here.
"""

from __future__ import annotations

from itertools import count, cycle
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detector.models import detector as models
from detector.models.detector import Detector, DetectorSettings

GROUND: Final[tuple[tuple[tuple[str, ...], float], ...]] = (
    (("container", "general"), 0.3),
    (("piers",), 0.3),
    ((), 0.5),
    (("railhead",), 0.5),
    (("container",), 0.8),
    ((), 1.0),
)
"""Sectors of a port and ground sample distance, in turn: all kinds of ground at all sizes."""


def load_detector(settings: DetectorSettings) -> Detector:
    """As `detector.models.detector.load_detector`, with tiles for an int8 network at hand."""
    return models.load_detector(settings, example_tiles)


def example_tiles(side: int, number: int) -> NDArray[np.uint8]:
    """So many tiles `(number, side, side, 3)`, always the same: four of a rendered port.

    Args:
        side: pixels.
        number: of tiles.
    """
    # Rendering is loaded where something is rendered: every run comes by here.
    from detector.rendering.scene import render  # noqa: PLC0415
    from detector.rendering.spec import LayoutSpec, PortSpec  # noqa: PLC0415

    tiles: list[NDArray[np.uint8]] = []
    for (sectors, gsd_m), seed in zip(cycle(GROUND), count(), strict=False):
        if len(tiles) >= number:
            break
        layout = LayoutSpec(sectors=list(sectors))
        spec = PortSpec(width=2 * side, height=2 * side, gsd_m=gsd_m, layout=layout)
        rgb = render(spec, seed=seed).rgb
        tiles += [rgb[row : row + side, col : col + side] for row in (0, side) for col in (0, side)]
    return np.ascontiguousarray(np.stack(tiles[:number]))
