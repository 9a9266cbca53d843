"""Periodic textures for water and ground, and the slow fields of a whole scene."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import scipy.fft
from numpy.typing import NDArray

from detector.geometry.windows import PixelWindow
from detector.rendering.georef import SceneFrame
from detector.rendering.spec import PortSpec, SkySpec
from detector.rendering.streams import stream

Field = NDArray[np.float32]

TEXTURE_PX = 1024
# Fetch-limited harbours: the peak of the spectrum is shorter than that of the open sea.
PEAK_WAVE_M_PER_MS = 2.2
SHORTEST_WAVE_PX = 2.0


@lru_cache(maxsize=16)
def rough(name: str, slope: float, shortest_px: float = 1.0) -> Field:
    """A periodic random field of `TEXTURE_PX` squared, mean 0, standard deviation 1.

    It is the same for all scenes, so that it is made once; scenes look at it from places of their
    own (`tiled`).

    Args:
        name: of the texture.
        slope: amplitude falls as wavelength to this power; 0 white, 1 soft, 1.8 cloudy.
        shortest_px: waves shorter than this are left out.
    """
    radius = _radius()
    amplitude = np.where(radius > 0, np.maximum(radius, 1.0) ** -slope, 0.0)
    amplitude[radius > TEXTURE_PX / (2 * shortest_px)] = 0.0
    return _synthesise(stream(0, "texture", name), amplitude)


def offset(seed: int, name: str) -> tuple[float, float]:
    """Where a scene starts in a texture, whole texels."""
    x, y = stream(seed, "offset", name).integers(TEXTURE_PX, size=2).tolist()
    return float(x), float(y)


@lru_cache(maxsize=8)
def waves(gsd_m: float, wind_ms: float, towards: tuple[float, float]) -> Field:
    """Slopes of wind waves seen from above, periodic, mean 0, standard deviation 1.

    A spectrum with its peak at a few metres, waves running within about 40 degrees of the wind.

    Args:
        gsd_m: metres a pixel.
        wind_ms: wind speed.
        towards: unit vector that the wind blows to, pixel frame.
    """
    frequency = np.fft.fftfreq(TEXTURE_PX, gsd_m)
    kx, ky = np.meshgrid(frequency[: TEXTURE_PX // 2 + 1], frequency)
    k = np.hypot(kx, ky)
    peak = 1.0 / max(PEAK_WAVE_M_PER_MS * wind_ms, 2.0)
    k = np.where(k > 0, k, 1e9)
    aligned = np.abs(kx * towards[0] + ky * towards[1]) / k
    spectrum = np.exp(-1.1 * (peak / k) ** 2) * (k / peak) ** -1.25 * (0.12 + aligned**4)
    spectrum[k > 1.0 / (SHORTEST_WAVE_PX * gsd_m)] = 0.0
    return _synthesise(stream(0, "waves"), spectrum)


def tiled(
    texture: Field,
    window: PixelWindow,
    stretch: float = 1.0,
    shift_px: tuple[float, float] = (0.0, 0.0),
) -> Field:
    """A window of a periodic texture, `(h, w)`, enlarged `stretch` times and moved by `shift_px`.

    Without stretch the shift is to whole pixels, so that white noise stays white.
    """
    dx, dy = shift_px
    if stretch == 1.0:
        rows = np.arange(window.row, window.row_end) - round(dy)
        cols = np.arange(window.col, window.col_end) - round(dx)
        return texture[np.ix_(rows % len(texture), cols % len(texture))]
    first_row = int(np.floor((window.row - dy) / stretch)) - 2
    first_col = int(np.floor((window.col - dx) / stretch)) - 2
    rows = np.arange(first_row, first_row + int(window.height / stretch) + 6) % len(texture)
    cols = np.arange(first_col, first_col + int(window.width / stretch) + 6) % len(texture)
    coarse = texture[np.ix_(rows, cols)]
    origin = (first_col * stretch + dx, first_row * stretch + dy)
    return zoomed(coarse, window, origin, stretch)


def zoomed(
    coarse: Field, window: PixelWindow, origin: tuple[float, float], stretch: float
) -> Field:
    """A window of a coarse grid whose cell (0, 0) starts at scene pixel `origin`, bilinear."""
    offset_x = (window.col + 0.5 - origin[0]) / stretch - 0.5
    offset_y = (window.row + 0.5 - origin[1]) / stretch - 0.5
    matrix = np.array([[1 / stretch, 0, offset_x], [0, 1 / stretch, offset_y]])
    return np.asarray(
        cv2.warpAffine(
            coarse,
            matrix,
            (window.width, window.height),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
    )


@dataclass(frozen=True, slots=True)
class CoarseField:
    """A slow field over a whole scene on a coarse grid.

    Attributes:
        values: `(rows, cols)` float32.
        cell_px: scene pixels along a cell.
    """

    values: Field
    cell_px: float

    def window(self, window: PixelWindow) -> Field:
        """The field in a window of the scene, `(h, w)`."""
        return zoomed(self.values, window, (0.0, 0.0), self.cell_px)


def coarse_grid(spec: PortSpec, cells: int = 512) -> tuple[int, int, float]:
    """Rows, columns and cell size in pixels of a coarse grid over the scene."""
    cell_px = max(1.0, max(spec.width, spec.height) / cells)
    return int(np.ceil(spec.height / cell_px)) + 1, int(np.ceil(spec.width / cell_px)) + 1, cell_px


def wind_towards(sky: SkySpec, frame: SceneFrame) -> tuple[float, float]:
    """Unit vector that the wind blows to, pixel frame."""
    angle = np.deg2rad(sky.wind_from_deg + 180.0)
    cos, sin = np.cos(angle), np.sin(angle)
    north = frame.north
    return float(cos * north[0] - sin * north[1]), float(sin * north[0] + cos * north[1])


def _radius() -> NDArray[np.float64]:
    frequency = np.fft.fftfreq(TEXTURE_PX, 1.0 / TEXTURE_PX)
    return np.asarray(np.hypot(*np.meshgrid(frequency[: TEXTURE_PX // 2 + 1], frequency)))


def _synthesise(generator: np.random.Generator, amplitude: NDArray[np.float64]) -> Field:
    white = generator.standard_normal((TEXTURE_PX, TEXTURE_PX), np.float32)
    spectrum = scipy.fft.rfft2(white) * amplitude.astype(np.float32)
    field = scipy.fft.irfft2(spectrum, s=(TEXTURE_PX, TEXTURE_PX))
    return np.asarray((field - field.mean()) / max(float(field.std()), 1e-12), np.float32)
