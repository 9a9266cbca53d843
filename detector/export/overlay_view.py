"""How a scene is fitted into a picture: scales, sizes, where north is, how long a scale bar is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detector.geometry.geodesy import GEOD, apply_transform, lonlat, to_lonlat_transformer
from detector.scenes.types import SceneInfo

READABLE_SIDE_PX = 1600  # a scene with less on its long side is enlarged
MAX_ENLARGEMENT = 3
MIN_SIDE_PX = 16  # of a drawn scene; a strip a thousand times longer than wide still shows
SQUARE_WITHIN = 0.02  # pixels this close to square are drawn square, so that nothing is resampled
FONT_SHARE = 90  # long side of the picture over the size of its font
FONT_RANGE_PX = (14, 40)
NORTH_STEP_PX = 100.0  # a longer step than one pixel keeps digits
NICE_STEPS: Final = (5.0, 2.0, 1.0)


@dataclass(frozen=True, slots=True)
class OverlayView:
    """A scene drawn at a scale.

    Attributes:
        scale_x: drawn pixels a file pixel along a row.
        scale_y: the same along a column; another where the file's pixels are not square on the
            ground, so that the drawing keeps the ground's proportions.
        width: drawn pixels.
        height: drawn pixels.
        metres_a_pixel: of a drawn pixel, or None where the gsd is unknown.
    """

    scale_x: float
    scale_y: float
    width: int
    height: int
    metres_a_pixel: float | None

    def to_view(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Drawn coordinates of `(..., 2)` file pixels; 0, 0 is the outer corner of the first."""
        return np.asarray(points, np.float64) * (self.scale_x, self.scale_y)


def fit_view(info: SceneInfo, max_width: int, max_height: int) -> OverlayView:
    """The largest view of a scene inside a frame: reduced freely, enlarged by whole numbers."""
    stretch_x, stretch_y = _proportions(info)
    width, height = info.width * stretch_x, info.height * stretch_y
    wanted = round(READABLE_SIDE_PX / max(width, height))
    scale = float(min(max(wanted, 1), MAX_ENLARGEMENT))
    room = min(max_width / width, max_height / height)
    if scale > room:
        scale = room if room < 1.0 else float(math.floor(room))
    size_x = min(max(round(width * scale), MIN_SIDE_PX), max_width)
    size_y = min(max(round(height * scale), MIN_SIDE_PX), max_height)
    metres = info.gsd_m / scale if info.gsd_m is not None else None
    return OverlayView(size_x / info.width, size_y / info.height, size_x, size_y, metres)


def font_size_px(long_side_px: int) -> int:
    """Size of the font that suits a picture."""
    low, high = FONT_RANGE_PX
    return min(max(round(long_side_px / FONT_SHARE), low), high)


def north_direction(info: SceneInfo, view: OverlayView) -> tuple[float, float] | None:
    """Unit vector towards north at the scene's centre, x right and y down; None without a CRS."""
    if info.crs is None or info.gsd_m is None:
        return None
    centre = np.array([info.width / 2.0, info.height / 2.0])
    lon, lat = lonlat(apply_transform(info.transform, centre), info.crs)
    if not (math.isfinite(lon) and math.isfinite(lat)):
        return None
    north_lon, north_lat, _ = GEOD.fwd(lon, lat, 0.0, NORTH_STEP_PX * info.gsd_m)
    back = to_lonlat_transformer(info.crs).transform(north_lon, north_lat, direction="INVERSE")
    north = apply_transform(~info.transform, np.array(back, np.float64))
    step = view.to_view(north - centre)
    length = float(np.hypot(*step))
    if not math.isfinite(length) or length == 0.0:
        return None
    return float(step[0] / length), float(step[1] / length)


@dataclass(frozen=True, slots=True)
class ScaleBar:
    """A round length and how long it is drawn.

    Attributes:
        metres: 1, 2 or 5 times a power of ten.
        length_px: in drawn pixels.
    """

    metres: float
    length_px: int

    @property
    def label(self) -> str:
        """The length in words: `500 m`, `2 km`."""
        if self.metres >= 1000.0:
            return f"{self.metres / 1000.0:g} km"
        return f"{self.metres:g} m"


def scale_bar(metres_a_pixel: float, max_length_px: int) -> ScaleBar:
    """The longest round bar of at most `max_length_px` drawn pixels.

    Examples:
        >>> scale_bar(0.5, 450)
        ScaleBar(metres=200.0, length_px=400)
    """
    limit = metres_a_pixel * max_length_px
    power = 10.0 ** math.floor(math.log10(limit))
    metres = next(step * power for step in NICE_STEPS if step * power <= limit * (1.0 + 1e-9))
    return ScaleBar(metres, round(metres / metres_a_pixel))


def _proportions(info: SceneInfo) -> tuple[float, float]:
    """How a pixel's sides are stretched to be as on the ground, their product one."""
    if info.pixel_size is None:
        return 1.0, 1.0
    ratio = math.sqrt(info.pixel_size.x_m / info.pixel_size.y_m)
    return (1.0, 1.0) if abs(ratio * ratio - 1.0) <= SQUARE_WITHIN else (ratio, 1.0 / ratio)
