"""Pictures of a site's looks: every scene laid on one grid, north up, at a bounded size.

All pictures of a site have one grid in metres, so two looks can be laid on each other, and a box
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

from detector.activity.looks.runs import RunScene
from detector.activity.looks.sites import Site
from detector.errors import SceneError
from detector.geometry.windows import PixelWindow
from detector.scenes.grid import Grid, GridPixels, on_grid
from detector.scenes.scene import Scene
from detector.scenes.stretch import brightened, eye_gain

MARGIN_M: Final = 40.0  # shown around the zones
UNSEEN: Final = (128, 128, 128)
QUALITY: Final = (82, 70, 55)  # of JPEG, from the best on; a PDF takes JPEG over as it is
SHRINK: Final = 0.8  # of the sides, where the worst quality is still too large
LEAST_SIDE_PX: Final = 64
GAIN_SIDE_PX: Final = 512  # of the whole scene, to know how dark it is

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
        self._gains: dict[str, float] = {}

    def close(self) -> None:
        """Close all scenes."""
        for scene in self._open.values():
            scene.close()

    def read(self, placed: Sequence[Placed], grid: Grid) -> NDArray[np.uint8] | None:
        """What scenes show of a grid, the first on top.

        Returns:
            `(height, width, 3)` RGB, grey where no scene shows anything; None where none does.
        """
        image = np.full((grid.height, grid.width, 3), UNSEEN, np.uint8)
        anything = False
        for item in reversed(placed):
            part = self._lay(item, grid)
            if part is not None:
                shown = brightened(part.rgb, self._gain(item.scene.scene_id))
                np.copyto(image, shown, where=part.valid[..., None])
                anything = anything or bool(part.valid.any())
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
            opened = scene.open()
        except SceneError as error:
            self.remarks[key] = str(error)
            return None
        if opened.info.scene_id != key:
            opened.close()
            self.remarks[key] = f"{scene.path}: not the file that the run read; it has changed"
            return None
        self._open[key] = opened
        return opened

    def _gain(self, scene_id: str) -> float:
        """How much brighter a scene is shown; one number for all pictures of it."""
        if scene_id not in self._gains:
            scene = self._open[scene_id]
            width, height = scene.info.width, scene.info.height
            shrink = min(1.0, GAIN_SIDE_PX / max(width, height))
            size = max(1, round(width * shrink)), max(1, round(height * shrink))
            try:
                whole = scene.read(PixelWindow(0, 0, width, height), size)
            except SceneError:  # damaged elsewhere; what was asked for could be read
                self._gains[scene_id] = 1.0
            else:
                self._gains[scene_id] = eye_gain(whole.rgb, whole.valid)
        return self._gains[scene_id]

    def _lay(self, item: Placed, grid: Grid) -> GridPixels | None:
        opened = self._scene(item.scene)
        if opened is None:
            return None
        east, north = item.shift_m
        try:
            return on_grid(opened, grid.moved(-east, -north))
        except SceneError as error:
            self.remarks[item.scene.scene_id] = str(error)
            return None


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


def site_grid(site: Site, side_px: int, least_cell_m: float) -> Grid:
    """The grid of all zones of a site."""
    west, south, east, north = shapely.total_bounds(
        np.array([zone.shape for zone in site.zones], object)
    ).tolist()
    bounds = west - MARGIN_M, south - MARGIN_M, east + MARGIN_M, north + MARGIN_M
    return Grid.around(bounds, side_px, least_cell_m, site.frame.crs)
