"""Pictures of a site's looks: every scene laid on one frame, north up, at a bounded size.

All pictures of a site have one frame in metres, so two looks can be laid on each other, and a box
has the same place in each.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import shapely
from numpy.typing import NDArray

from detector.activity.looks.frames import Frame, scene_pixels
from detector.activity.looks.runs import RunScene
from detector.activity.looks.sites import Site
from detector.errors import SceneError
from detector.geometry.windows import PixelWindow
from detector.scenes.scene import Scene, open_scene

MARGIN_M: Final = 40.0  # shown around the zones
UNSEEN: Final = (128, 128, 128)
QUALITY: Final = (82, 70, 55)  # of JPEG, from the best on; a PDF takes JPEG over as it is
SHRINK: Final = 0.8  # of the sides, where the worst quality is still too large
LEAST_SIDE_PX: Final = 64
READ_SIDE_PX: Final = 6000  # a scene is never read at more than this

logger = logging.getLogger(__name__)


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
        under = scene_pixels(frame, self.site.frame, item.scene, item.shift_m)
        if under is None:
            return None
        columns, rows = under
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
