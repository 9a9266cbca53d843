"""The tile: what one pass of the network sees."""

from __future__ import annotations

from dataclasses import dataclass

from detector.geometry.windows import PixelWindow


@dataclass(frozen=True, slots=True)
class Tile:
    """A window of a scene at one scale.

    Attributes:
        index: position in its plan, in reading order.
        strip: row of tiles that it belongs to, per scale level, counted from the top.
        level: 0 for the fine scale, 1 for the coarse one.
        window: pixel columns and rows to read, scene frame; the part beyond the scene is padding.
        core: part of `window` that is its own in ties; the cores of one level partition the scene.
        scale: read size divided by window size (1.0 = full resolution).
    """

    index: int
    strip: int
    level: int
    window: PixelWindow
    core: PixelWindow
    scale: float
