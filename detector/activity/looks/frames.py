"""North-up grids over a site, on which scenes are laid to be compared or shown."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pyproj import Transformer

from detector.activity.looks.runs import RunScene
from detector.activity.looks.sites import LocalFrame
from detector.geometry.geodesy import apply_transform

NODES = 17  # a side, at which the map projection is computed; linear between


@dataclass(frozen=True, slots=True)
class Frame:
    """A picture's place in the local metres of a site, north up.

    Attributes:
        west: of the left edge.
        north: of the upper edge.
        cell_m: metres a pixel.
        width: pixels.
        height: pixels.
    """

    west: float
    north: float
    cell_m: float
    width: int
    height: int

    @classmethod
    def around(
        cls, bounds: tuple[float, float, float, float], side_px: int, least_cell_m: float
    ) -> Frame:
        """The frame of `(west, south, east, north)` whose longer side is at most `side_px`."""
        west, south, east, north = bounds
        across, down = max(east - west, 1.0), max(north - south, 1.0)
        cell = max(max(across, down) / side_px, least_cell_m)
        return cls(west, north, cell, max(round(across / cell), 1), max(round(down / cell), 1))

    @property
    def transform(self) -> Affine:
        """Pixels to local metres."""
        return Affine(self.cell_m, 0, self.west, 0, -self.cell_m, self.north)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """`(west, south, east, north)`, local metres."""
        south = self.north - self.height * self.cell_m
        return self.west, south, self.west + self.width * self.cell_m, self.north

    def to_pixels(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pixels of local metres `(..., 2)`."""
        return apply_transform(~self.transform, np.asarray(points, np.float64))

    def holds(self, corners: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which boxes `(N, 4, 2)` have their centre in the picture; `(N,)`."""
        west, south, east, north = self.bounds
        x, y = corners.mean(axis=1).T
        return np.asarray((x >= west) & (x <= east) & (y >= south) & (y <= north))


def scene_pixels(
    frame: Frame, local: LocalFrame, scene: RunScene, shift_m: tuple[float, float] = (0.0, 0.0)
) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
    """Columns and rows `(height, width)` of a scene under every pixel of a frame.

    Args:
        frame: in local metres.
        local: of the site.
        scene: with its CRS.
        shift_m: east and north, by which the scene is moved.

    Returns:
        Pixels of the scene; None where its CRS is not defined at the site.
    """
    across = np.linspace(0.5, frame.width - 0.5, NODES)
    down = np.linspace(0.5, frame.height - 0.5, NODES)
    u, v = np.meshgrid(across, down)
    metres = apply_transform(frame.transform, np.stack([u, v], axis=-1)) - np.asarray(shift_m)
    transformer = _transformer(local.crs, scene.crs)
    map_x, map_y = transformer.transform(metres[..., 0], metres[..., 1])
    pixels = apply_transform(~scene.transform, np.stack([map_x, map_y], axis=-1))
    if not np.isfinite(pixels).all():
        return None
    # node i lies at a pixel's centre: sample linearly between the nodes
    at_x, at_y = np.meshgrid(
        np.linspace(0, NODES - 1, frame.width, dtype=np.float32),
        np.linspace(0, NODES - 1, frame.height, dtype=np.float32),
    )
    columns, rows = (
        np.asarray(cv2.remap(values.astype(np.float32), at_x, at_y, cv2.INTER_LINEAR), np.float32)
        for values in (pixels[..., 0], pixels[..., 1])
    )
    return columns, rows


@lru_cache(maxsize=64)
def _transformer(source: str, target: str) -> Transformer:
    """Making one takes longer than using it."""
    return Transformer.from_crs(source, target, always_xy=True)
