"""How many metres a pixel has, from the containers in sight: the best ruler of a port.

A 40 ft container is 12.19 m long and 2.44 m wide wherever it stands. So the picture of a block
repeats along and across with a few known lengths: bays of 12.8 m, their halves, thirds and
quarters, rows of 2.5 to 3.1 m. On a logarithmic axis of pitches the scale only shifts that
pattern. What the spectra of all blocks say of each pitch is summed, compared with the pattern at
every shift, and taken for an answer only where one shift has nearly all of the likelihood.

The pattern (`ALONG`, `ACROSS`) was measured on labelled yards of known scale; single yards leave
other gaps, which is why it is broad, and why the interval is never narrower than `LEAST_SD`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from detector.geometry.boxes import edge_lengths
from detector.geometry.frames import FilePixels
from detector.geometry.windows import PixelWindow
from detector.scenes.scene import Scene

Vector = NDArray[np.float64]

LEAST_SCORE: Final = 0.1  # of a block that is measured: rows show before the network is sure
MOST_BLOCKS: Final = 80  # the surest; more say nothing new
LONGEST_PX: Final = 4096  # a box beyond is no block at any scale that shows rows
STEP_PX: Final = 0.5  # between samples
RIM_PX: Final = 0.5  # of a box is left out: its ends are edges
FREQUENCIES: Final = 4096  # of the spectrum
LOG_STEP: Final = 0.01  # of pitches and of scales: 1 %
PITCHES_PX: Final = np.exp(np.arange(math.log(2.6), math.log(160.0), LOG_STEP))
GSDS_M: Final = np.exp(np.arange(math.log(0.1), math.log(1.2), LOG_STEP))
LEAST_PERIODS: Final = 3.0  # of a pitch in a block: fewer make no period
LEAST_PITCHES: Final = 20  # that a block must be able to show
BACKGROUND_STEPS: Final = 161  # pitches over which the level of a spectrum is its median
DARKEST: Final = 8.0  # grey level: below it noise rules
MOST_EXCESS: Final = 4.0  # log: one sharp line must not outweigh a yard
USUAL_EXCESS: Final = 0.397  # mean over blocks and pitches; the pattern is what is more or less
CORRELATION: Final = 8.0  # pitches near by say the same: so many are one observation
USUAL_GSD_M: Final = 0.42  # median of pictures that show yards
GSD_SPREAD: Final = 0.5  # log
SHORT_BLOCK_M: Final = 14.0  # tenth percentile of the lengths of a scene's blocks: one container
BLOCK_WIDTH_M: Final = 10.5  # geometric mean of their widths
BLOCK_SPREAD: Final = 0.5  # log, of either, from scene to scene
NEAR: Final = 0.1  # log: this near to the best scale is the same answer
LEAST_SUPPORT: Final = 0.95  # of the likelihood near the best scale
LEAST_BLOCKS: Final = 8  # no labelled yard was told by fewer than 9
LEAST_GAIN: Final = ((0.5, 0.95), (0.6, 1.25))  # metres by pixel, scores enlarged by scores as is
FINE_GSD_M: Final = 0.22  # below it enlarging shows a network no more
MOST_GAIN_FINE: Final = 1.0
LEAST_SD: Final = 0.07  # log: gaps differ from yard to yard; holds 23 of 25 labelled scenes
Z_90: Final = 1.645

# Pitch in metres, and how far the log power of the profile along the longer (`ALONG`) and the
# shorter side of a block rises there over its usual level.
ALONG: Final = (
    (1.0, 0.0),
    (2.0, -0.02),
    (2.15, 0.04),
    (2.35, 0.0),
    (2.55, 0.02),
    (2.85, -0.04),
    (3.17, 0.10),
    (3.6, -0.06),
    (4.2, 0.10),
    (5.0, -0.15),
    (5.75, 0.0),
    (6.36, 0.45),
    (7.0, 0.0),
    (7.6, -0.12),
    (9.3, -0.18),
    (10.8, 0.0),
    (12.75, 0.40),
    (15.7, 0.0),
    (23.0, -0.20),
    (30.0, -0.10),
)
ACROSS: Final = (
    (1.0, -0.07),
    (1.5, -0.09),
    (2.0, -0.05),
    (2.5, 0.14),
    (3.1, 0.11),
    (3.4, -0.02),
    (3.9, -0.01),
    (4.2, 0.05),
    (4.7, -0.06),
    (5.5, -0.08),
    (6.35, 0.10),
    (7.0, -0.10),
    (9.2, -0.20),
    (11.0, 0.0),
    (12.75, 0.50),
    (15.3, 0.0),
    (20.0, -0.25),
    (25.0, 0.0),
)


@dataclass(frozen=True, slots=True)
class ScaleEstimate:
    """What the blocks of a scene say of its scale.

    Attributes:
        gsd_m: metres by pixel.
        low_m: lower end of the 90 % interval.
        high_m: its upper end.
        support: share of the likelihood within 10 % of `gsd_m`.
        blocks: that were measured.
    """

    gsd_m: float
    low_m: float
    high_m: float
    support: float
    blocks: int

    @property
    def is_sure(self) -> bool:
        """Whether a scene may be read at it."""
        return self.support >= LEAST_SUPPORT and self.blocks >= LEAST_BLOCKS

    @property
    def is_usual(self) -> bool:
        """Whether it is one at which enlarging says nothing, see `fits`."""
        return FINE_GSD_M <= self.gsd_m < LEAST_GAIN[0][0]

    def fits(self, gain: float) -> bool:
        """Whether the network sees as much more of the blocks, enlarged, as it would at this scale.

        Half bays look like bays of twice the scale. But a network is trained on yards of 0.2 to
        0.45 m a pixel: coarser ones it sees better enlarged, finer ones worse.

        Args:
            gain: sum of the blocks' scores, enlarged 1.5 times, over that as the scene is.
        """
        if self.gsd_m < FINE_GSD_M:
            return gain <= MOST_GAIN_FINE
        gsds, gains = np.array(LEAST_GAIN).T
        return self.is_usual or gain >= float(np.interp(self.gsd_m, gsds, gains))


def measure_scale(
    scene: Scene, corners: FilePixels, scores: NDArray[np.float32]
) -> ScaleEstimate | None:
    """The scale of a scene from its blocks of containers.

    Args:
        scene: open; the pixels of the blocks are read at full resolution.
        corners: `(N, 4, 2)` oriented boxes of container stacks, file pixels, first edge = length.
        scores: `(N,)` of them; the surest are measured.

    Returns:
        The most likely scale with its support, which may be weak (`is_sure`); None where no block
        is large enough to show a pitch.

    Raises:
        SceneError: the file is damaged.
    """
    seen = []
    for row in np.argsort(-scores, kind="stable")[:MOST_BLOCKS]:
        light = _light(scene, corners[row])
        if light is not None:
            seen.append(_Spectra.of(light))
    if not any(block.tells for block in seen):
        return None
    return _most_likely(seen)


@dataclass(frozen=True, slots=True)
class _Spectra:
    """What one block says of `PITCHES_PX`, along its longer and across to its shorter side.

    Attributes:
        sides_px: length and width.
        excess: `(2, pitches)` log power over the level of the spectrum; 0 where not shown.
        shown: `(2, pitches)` pitches that the block has room for.
    """

    sides_px: tuple[float, float]
    excess: Vector
    shown: NDArray[np.bool_]

    @classmethod
    def of(cls, light: Vector) -> _Spectra:
        """Of log grey levels `(along, across)`."""
        along, across = light.shape[0] * STEP_PX, light.shape[1] * STEP_PX
        told = [_excess(light), _excess(light.T)]
        return cls((along, across), np.stack(told), np.stack([_shown(along), _shown(across)]))

    @property
    def tells(self) -> bool:
        """Whether it shows any pitch."""
        return bool(self.shown.any())


def _light(scene: Scene, box: FilePixels) -> Vector | None:
    """Log grey levels of a box on a grid `(along, across)`; None where it is no use."""
    (length,), (width,) = edge_lengths(box[None])
    if length > LONGEST_PX:
        return None
    u = np.arange(RIM_PX, length - RIM_PX, STEP_PX)
    v = np.arange(RIM_PX, width - RIM_PX, STEP_PX)
    if len(u) < 8 or len(v) < 4:
        return None
    low, high = np.floor(box.min(axis=0)).astype(int), np.ceil(box.max(axis=0)).astype(int)
    window = PixelWindow(int(low[0]), int(low[1]), *(int(n) for n in np.maximum(high - low, 1)))
    pixels = scene.read(window)
    along, across = (box[1] - box[0]) / length, (box[3] - box[0]) / width
    places = box[0] - low - 0.5 + u[:, None, None] * along + v[None, :, None] * across
    x, y = (places[..., axis].astype(np.float32) for axis in (0, 1))
    if cv2.remap(pixels.valid.astype(np.uint8), x, y, cv2.INTER_NEAREST).mean() < 0.98:
        return None
    grey = cv2.cvtColor(pixels.rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return np.log(np.maximum(cv2.remap(grey, x, y, cv2.INTER_LINEAR).astype(np.float64), DARKEST))


def _shown(extent_px: float) -> NDArray[np.bool_]:
    shown = extent_px / LEAST_PERIODS >= PITCHES_PX
    return shown if shown.sum() >= LEAST_PITCHES else np.zeros_like(shown)


def _excess(light: Vector) -> Vector:
    """How far the log power of every pitch along the first axis rises over that around it.

    Gaps are dark lines and their sides are edges, so both profiles repeat with the pitch. Their
    spectra fall with the frequency; the median over neighbouring pitches is that fall.
    """
    from scipy.ndimage import median_filter  # noqa: PLC0415 - slow to load

    extent_px = len(light) * STEP_PX
    shown = _shown(extent_px)
    if not shown.any():
        return np.zeros(len(PITCHES_PX))
    half = extent_px / (LEAST_PERIODS / 2.0) >= PITCHES_PX
    edges = np.abs(np.gradient(light, axis=0)).mean(axis=1)
    told = np.zeros(len(PITCHES_PX))
    for profile in (light.mean(axis=1), edges):
        power = _log_power(profile)
        around = median_filter(
            np.where(half, power, power[half][-1]), BACKGROUND_STEPS, mode="nearest"
        )
        told += np.clip(power - around, 0.0, MOST_EXCESS) / 2.0
    return np.where(shown, told, 0.0)


def _log_power(profile: Vector) -> Vector:
    """Of every pitch, without the trend; tapered, so that the ends are no edges."""
    at = np.linspace(-1.0, 1.0, len(profile))
    level = profile - np.polyval(np.polyfit(at, profile, 1), at)
    spectrum = np.abs(np.fft.rfft(level * np.hanning(len(level) + 2)[1:-1], FREQUENCIES)) ** 2
    frequencies = FREQUENCIES * STEP_PX / PITCHES_PX
    return np.asarray(np.log(np.interp(frequencies, np.arange(len(spectrum)), spectrum) + 1e-12))


def _most_likely(blocks: Sequence[_Spectra]) -> ScaleEstimate:
    shown = np.sum([block.shown for block in blocks], axis=0)
    above = np.sum([block.excess for block in blocks], axis=0) - USUAL_EXCESS * shown
    logs = np.log(GSDS_M)
    likelihood = _prior(blocks, logs)
    for axis, knots in enumerate((ALONG, ACROSS)):
        likelihood = likelihood + _match(knots, above[axis], shown[axis])
    weight = np.exp(likelihood - likelihood.max())
    near = np.abs(logs - logs[np.argmax(weight)]) <= NEAR
    mode = weight * near / (weight * near).sum()
    centre = float((mode * logs).sum())
    sd = max(float(np.sqrt((mode * (logs - centre) ** 2).sum())), LEAST_SD)
    low, gsd, high = np.exp([centre - Z_90 * sd, centre, centre + Z_90 * sd])
    support = float((weight * near).sum() / weight.sum())
    return ScaleEstimate(float(gsd), float(low), float(high), support, len(blocks))


def _match(knots: Sequence[tuple[float, float]], above: Vector, shown: Vector) -> Vector:
    """Log likelihood of every scale: how well a pattern, shifted to it, fits the spectra.

    Of noise of equal spread around the pattern, against noise around none.
    """
    metres, rise = np.log([m for m, _ in knots]), [value for _, value in knots]
    pitches = np.log(PITCHES_PX)[None] + np.log(GSDS_M)[:, None]
    pattern = np.interp(pitches, metres, rise, left=0.0, right=0.0)
    return np.asarray((pattern @ above - pattern**2 @ shown / 2.0) / CORRELATION)


def _prior(blocks: Sequence[_Spectra], logs: Vector) -> Vector:
    """Log prior of the scales: usual pictures, and blocks of usual size."""
    length, width = np.log([[side + 2 * RIM_PX for side in block.sides_px] for block in blocks]).T
    usual = ((logs - math.log(USUAL_GSD_M)) / GSD_SPREAD) ** 2
    short = ((logs + np.percentile(length, 10) - math.log(SHORT_BLOCK_M)) / BLOCK_SPREAD) ** 2
    wide = ((logs + width.mean() - math.log(BLOCK_WIDTH_M)) / BLOCK_SPREAD) ** 2
    return np.asarray(-0.5 * usual - 0.5 * short - 0.25 * wide)
