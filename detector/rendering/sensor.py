"""Haze, clouds, point spread, noise, seams and numbers: from light to the raster's values."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from detector.geometry.windows import PixelWindow
from detector.rendering.georef import SceneFrame
from detector.rendering.spec import PortSpec
from detector.rendering.streams import stream
from detector.rendering.textures import CoarseField, coarse_grid, offset, rough, tiled

HAZE_COLOUR = np.array([150, 162, 176], np.float32)
CLOUD_COLOUR = np.array([236, 238, 242], np.float32)
CLOUD_HEIGHT_M = 420.0  # low cumulus: its shadow falls near it
CLOUD_CELL_M = 3.0
THICK_CLOUD = 0.35  # opacity above which nothing is seen
PAN_WEIGHTS = np.array([0.32, 0.42, 0.26], np.float32)
DISPLAY_GAMMA = 1.6  # display values are not linear in light
LINEAR_TOP = {11: 1600.0, 16: 6500.0}  # number that display white stands for
LINEAR_DARK = {11: 60.0, 16: 350.0}
SEAM_GAIN = 1.07
PIVOT = 42.0  # display level that a change of contrast leaves alone
DARKEST = 1.0  # 0 is kept for nodata


@dataclass(frozen=True, slots=True)
class Atmosphere:
    """Clouds and the edge of the data, for a whole scene.

    Attributes:
        cloud: opacity of the clouds.
        shade: opacity of their shadows on the ground.
        wedge: `(3,)` a, b, c: pixels with `a x + b y < c` are nodata; None where all is valid.
        seam: `(3,)` the same for the second strip; None where there is one strip.
        gain: `(3,)` of the bands: sensors and processing differ in colour and contrast.
        offset: display units.
    """

    cloud: CoarseField | None
    shade: CoarseField | None
    wedge: NDArray[np.float64] | None
    seam: NDArray[np.float64] | None
    gain: NDArray[np.float32]
    offset: float


@dataclass(frozen=True, slots=True)
class Measured:
    """A measured window.

    Attributes:
        values: `(h, w, bands)` uint8 or uint16; 0 where there is no data.
        valid: `(h, w)`.
        cloud: `(h, w)` nothing is seen for cloud.
    """

    values: NDArray[np.uint8] | NDArray[np.uint16]
    valid: NDArray[np.bool_]
    cloud: NDArray[np.bool_]


def atmosphere(spec: PortSpec, seed: int, frame: SceneFrame) -> Atmosphere:
    """Draw the clouds, the wedge and the seam of a scene."""
    cloud = shade = None
    if spec.sky.cloud_fraction > 0:
        cloud, shade = _clouds(spec, seed, frame)
    generator = stream(seed, "strip")
    wedge = _half_plane(spec, generator, spec.sensor.nodata_fraction)
    seam = _half_plane(spec, generator, 0.5) if spec.sensor.strip_seam else None
    contrast = float(generator.uniform(1.02, 1.34))
    gain = contrast * generator.uniform(0.95, 1.05, 3)
    offset_dn = float(generator.uniform(-8, 4)) + PIVOT * (1.0 - contrast)
    return Atmosphere(cloud, shade, wedge, seam, gain.astype(np.float32), offset_dn)


def measure(
    rgb: NDArray[np.float32], window: PixelWindow, spec: PortSpec, air: Atmosphere, seed: int
) -> Measured:
    """What the sensor writes down of a window.

    Args:
        rgb: `(h, w, 3)` display units; changed in place.
        window: its window.
        spec: of the scene.
        air: of the scene.
        seed: of the noise.
    """
    rgb *= air.gain
    rgb += air.offset
    cloud = np.zeros(rgb.shape[:2], bool)
    if air.cloud is not None and air.shade is not None:
        opacity = air.cloud.window(window)
        rgb *= (1.0 - 0.55 * air.shade.window(window))[..., None]
        billows = 0.9 + 0.1 * opacity - 0.12 * air.shade.window(window)
        rgb += opacity[..., None] * (CLOUD_COLOUR * billows[..., None] - rgb)
        cloud = opacity > THICK_CLOUD
    rgb *= 1.0 - spec.sky.haze
    rgb += spec.sky.haze * HAZE_COLOUR
    if air.seam is not None:
        rgb[_inside(air.seam, window)] *= SEAM_GAIN
    if spec.sensor.blur_px > 0:
        rgb = np.asarray(cv2.GaussianBlur(rgb, (0, 0), spec.sensor.blur_px), np.float32)
    bands = (rgb @ PAN_WEIGHTS)[..., None] if spec.sensor.bands == "pan" else rgb
    bands = bands + _noise(bands, window, spec.sensor.noise, seed)
    valid = np.ones(rgb.shape[:2], bool)
    if air.wedge is not None:
        valid = ~_inside(air.wedge, window)
    values = _numbers(bands, spec.sensor.bits)
    values[~valid] = 0
    return Measured(values, valid, cloud & valid)


def _noise(
    bands: NDArray[np.float32], window: PixelWindow, sigma: float, seed: int
) -> NDArray[np.float32]:
    """Noise that grows with the root of the light, the same wherever the window starts.

    One white texture, looked at from another place for every band.
    """
    white = rough("noise", 0.0)
    noise = np.sqrt(np.maximum(bands, 8.0) * (sigma * sigma / 128.0))
    for band in range(bands.shape[2]):
        noise[..., band] *= tiled(white, window, 1.0, offset(seed, f"noise {band}"))
    return noise


def _numbers(bands: NDArray[np.float32], bits: int) -> NDArray[np.uint8] | NDArray[np.uint16]:
    if bits == 8:
        values = cv2.convertScaleAbs(np.maximum(bands, DARKEST))
        return np.asarray(values, np.uint8).reshape(bands.shape)  # OpenCV drops a single band
    light = (np.clip(bands, 0, 255) / 255.0) ** DISPLAY_GAMMA
    top = 2**bits - 1
    numbers = LINEAR_DARK[bits] + light * (LINEAR_TOP[bits] - LINEAR_DARK[bits])
    return np.asarray(np.clip(np.rint(numbers), 1, top), np.uint16)


def _inside(plane: NDArray[np.float64], window: PixelWindow) -> NDArray[np.bool_]:
    x = np.arange(window.col, window.col_end) + 0.5
    y = np.arange(window.row, window.row_end) + 0.5
    return np.asarray(plane[0] * x[None, :] + plane[1] * y[:, None] < plane[2])


def _half_plane(
    spec: PortSpec, generator: np.random.Generator, share: float
) -> NDArray[np.float64] | None:
    """A half-plane that covers a share of the scene; None for no share."""
    angle = generator.uniform(0, 2 * np.pi)
    if share <= 0:
        return None
    a, b = np.cos(angle), np.sin(angle)
    x = (np.arange(128) + 0.5) / 128 * spec.width
    y = (np.arange(128) + 0.5) / 128 * spec.height
    c = float(np.quantile(a * x[None, :] + b * y[:, None], share))
    return np.array([a, b, c])


def _clouds(spec: PortSpec, seed: int, frame: SceneFrame) -> tuple[CoarseField, CoarseField]:
    """Opacity of cumulus and of their shadows, on a coarse grid with a margin for the shift."""
    rows, cols, cell_px = coarse_grid(spec)
    shift_px = frame.shadow * CLOUD_HEIGHT_M / spec.gsd_m
    texture = rough("clouds", 1.6, 2.0)
    stretch = max(1.001, CLOUD_CELL_M / (spec.gsd_m * cell_px))
    here = PixelWindow(0, 0, cols, rows)
    start = np.array(offset(seed, "clouds")) * stretch
    density = tiled(texture, here, stretch, (start[0], start[1]))
    threshold = float(np.quantile(density, 1 - spec.sky.cloud_fraction))
    moved = start + shift_px / cell_px
    thrown = tiled(texture, here, stretch, (moved[0], moved[1]))
    return (
        CoarseField(_opacity(density, threshold), cell_px),
        CoarseField(_opacity(thrown, threshold), cell_px),
    )


def _opacity(density: NDArray[np.float32], threshold: float) -> NDArray[np.float32]:
    return np.asarray(np.clip((density - threshold) * 4.5 + THICK_CLOUD, 0, 1), np.float32)
