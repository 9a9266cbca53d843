"""Pictures of a site's looks: every scene laid on one frame, north up, at a bounded size.

All pictures of a site have one frame in metres, so two looks can be laid on each other, and a box
has the same place in each.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import cv2
import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from pyproj import Transformer

from detector.activity.runs import RunScene
from detector.activity.sites import LocalFrame, Site
from detector.errors import SceneError
from detector.geometry.geodesy import apply_transform
from detector.geometry.windows import PixelWindow
from detector.scenes.scene import Scene, open_scene

NODES: Final = 17  # a side, at which the map projection is computed; linear between
MARGIN_M: Final = 40.0  # shown around the zones
UNSEEN: Final = (128, 128, 128)
QUALITY: Final = (82, 70, 55)  # of JPEG, from the best on; a PDF takes JPEG over as it is
SHRINK: Final = 0.8  # of the sides, where the worst quality is still too large
LEAST_SIDE_PX: Final = 64
READ_SIDE_PX: Final = 6000  # a scene is never read at more than this

logger = logging.getLogger(__name__)


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


@dataclass(frozen=True, slots=True)
class Placed:
    """A scene of a site, and how it is moved to lie on the others.

    Attributes:
        scene: of a run.
        shift_m: east and north.
    """

    scene: RunScene
    shift_m: tuple[float, float]


class Pictures:
    """Reads the scenes of a site; each is opened once.

    A scene that is gone, damaged, or another one than the run saw gives no picture; `remarks` says
    why.
    """

    def __init__(self, site: Site) -> None:
        self.site = site
        self.remarks: dict[str, str] = {}
        self._open: dict[str, Scene] = {}

    def close(self) -> None:
        """Close all scenes."""
        for scene in self._open.values():
            scene.close()

    def read(self, placed: Sequence[Placed], frame: Frame) -> NDArray[np.uint8] | None:
        """What scenes show of a frame, the first on top.

        Returns:
            `(height, width, 3)` RGB, grey where no scene shows anything; None where none does.
        """
        image = np.full((frame.height, frame.width, 3), UNSEEN, np.uint8)
        anything = False
        for item in reversed(placed):
            part = self._warp(item, frame)
            if part is not None:
                rgb, valid = part
                np.copyto(image, rgb, where=valid[..., None])
                anything = anything or bool(valid.any())
        return image if anything else None

    def finest_m(self, placed: Sequence[Placed]) -> float:
        """The smallest ground sample distance of scenes, metres; 1 where none can be read."""
        opened = [self._scene(item.scene) for item in placed]
        sizes = [scene.info.gsd_m for scene in opened if scene is not None]
        return min((size for size in sizes if size is not None), default=1.0)

    def _scene(self, scene: RunScene) -> Scene | None:
        key = scene.scene_id
        if key in self._open or key in self.remarks:
            return self._open.get(key)
        try:
            opened = open_scene(scene.path)
        except SceneError as error:
            self.remarks[key] = str(error)
            return None
        if opened.info.scene_id != key:
            opened.close()
            self.remarks[key] = f"{scene.path}: not the file that the run read; it has changed"
            return None
        self._open[key] = opened
        return opened

    def _warp(
        self, item: Placed, frame: Frame
    ) -> tuple[NDArray[np.uint8], NDArray[np.bool_]] | None:
        opened = self._scene(item.scene)
        if opened is None:
            return None
        columns, rows = _pixels_of(item, self.site.frame, frame)
        if columns is None or rows is None:
            return None
        left, top = int(np.floor(columns.min())), int(np.floor(rows.min()))
        right, bottom = int(np.ceil(columns.max())) + 1, int(np.ceil(rows.max())) + 1
        window = PixelWindow(left, top, max(right - left, 1), max(bottom - top, 1))
        # twice the picture's own resolution, so that the second resampling does not blur
        wanted = min(2 * max(frame.width, frame.height), READ_SIDE_PX)
        size = window.size_within(wanted)
        try:
            pixels = opened.read(window, size)
        except SceneError as error:
            self.remarks[item.scene.scene_id] = str(error)
            return None
        x = ((columns - left) * size[0] / window.width - 0.5).astype(np.float32)
        y = ((rows - top) * size[1] / window.height - 0.5).astype(np.float32)
        rgb = cv2.remap(pixels.rgb, x, y, cv2.INTER_AREA)
        valid = cv2.remap(pixels.valid.astype(np.uint8), x, y, cv2.INTER_NEAREST)
        return np.asarray(rgb, np.uint8), np.asarray(valid, np.bool_)


def encode(image: NDArray[np.uint8], budget_bytes: int) -> str:
    """RGB as a `data:` URI of a JPEG of at most `budget_bytes`, coarser and smaller as needed.

    Returns:
        The URI; empty where the budget holds no picture.
    """
    while min(image.shape[:2]) >= LEAST_SIDE_PX:
        for quality in QUALITY:
            options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_OPTIMIZE, 1]
            _, data = cv2.imencode(".jpg", np.ascontiguousarray(image[..., ::-1]), options)
            if len(data) <= budget_bytes:
                return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode("ascii")
        size = (int(image.shape[1] * SHRINK), int(image.shape[0] * SHRINK))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    return ""


def site_frame(site: Site, side_px: int, least_cell_m: float) -> Frame:
    """The frame of all zones of a site."""
    west, south, east, north = shapely.total_bounds(
        np.array([zone.shape for zone in site.zones], object)
    ).tolist()
    bounds = west - MARGIN_M, south - MARGIN_M, east + MARGIN_M, north + MARGIN_M
    return Frame.around(bounds, side_px, least_cell_m)


def _pixels_of(
    item: Placed, local: LocalFrame, frame: Frame
) -> tuple[NDArray[np.float32] | None, NDArray[np.float32] | None]:
    """Columns and rows `(height, width)` of the scene under every pixel; None where undefined."""
    across = np.linspace(0.5, frame.width - 0.5, NODES)
    down = np.linspace(0.5, frame.height - 0.5, NODES)
    u, v = np.meshgrid(across, down)
    metres = apply_transform(frame.transform, np.stack([u, v], axis=-1)) - np.asarray(item.shift_m)
    transformer = _transformer(local.crs, item.scene.crs)
    map_x, map_y = transformer.transform(metres[..., 0], metres[..., 1])
    pixels = apply_transform(~item.scene.transform, np.stack([map_x, map_y], axis=-1))
    if not np.isfinite(pixels).all():
        return None, None
    at_x, at_y = np.meshgrid(
        np.linspace(0, NODES - 1, frame.width, dtype=np.float32),
        np.linspace(0, NODES - 1, frame.height, dtype=np.float32),
    )
    fine = [
        np.asarray(cv2.remap(values.astype(np.float32), at_x, at_y, cv2.INTER_LINEAR), np.float32)
        for values in (pixels[..., 0], pixels[..., 1])
    ]
    return fine[0], fine[1]


@lru_cache(maxsize=64)
def _transformer(source: str, target: str) -> Transformer:
    """Making one takes longer than using it."""
    return Transformer.from_crs(source, target, always_xy=True)
