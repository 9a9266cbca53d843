"""Labelled images as a coarser sensor sees them.

Ships of aerial pictures teach a network of 10 m scenes little as they are. Averaged over the area
of the coarse pixels, with the blur, the noise and the steps of grey of such a sensor, they do.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from detector.data.labelled import LabelledImage, Labelling
from detector.errors import OutputError, QuaywatchError
from detector.files import atomic_path
from detector.geometry.boxes import as_corners, edge_lengths
from detector.geometry.windows import PixelWindow
from detector.scenes.scene import open_scene
from detector.scenes.types import SceneOptions

LOG = logging.getLogger(__name__)
LEAST_SIDE_PX = 16  # of a coarse image
LEAST_RATIO = 2.0  # coarse by fine gsd; below it the fine image shows no more than the coarse one
BLUR_PX = (0.3, 0.6)  # sigma: MTF at Nyquist of 0.17 to 0.64; Sentinel-2 MSI has 0.15 to 0.45
NOISE = (0.5, 3.0)  # of 255: a signal-to-noise ratio of 50 to 200, as of 10 m bands
CONTRAST = (0.5, 1.0)
STEPS = (96, 256)  # of grey: water uses few of a sensor's steps


@dataclass(frozen=True, slots=True)
class CoarseSettings:
    """How labelled images become coarse ones.

    Attributes:
        gsd_m: of the coarse images, one image each, metres.
        assumed_m: range from which the gsd of images is drawn that do not tell theirs, metres.
        least_m: ships below this length are neither right nor wrong, metres.
        seed: of everything random.
    """

    gsd_m: tuple[float, ...]
    assumed_m: tuple[float, float]
    least_m: float
    seed: int


def coarsen(
    images: Iterable[LabelledImage], settings: CoarseSettings, folder: Path
) -> Iterator[LabelledImage]:
    """Write the coarse images, and give them with their labels.

    Images whose ships are not all boxed with oriented boxes are left out, and those that would
    have less than `LEAST_SIDE_PX` pixels.

    Args:
        images: fine ones.
        settings: how.
        folder: gets the pictures, PNG.

    Raises:
        OutputError: the folder cannot be written.
    """
    for number, image in enumerate(images):
        if Labelling.ENVELOPE in image.labelling or Labelling.UNLABELLED in image.labelling:
            continue
        rng = np.random.default_rng([settings.seed, number])
        drawn = float(np.exp(rng.uniform(*np.log(settings.assumed_m))))
        for gsd_m in settings.gsd_m:
            ratio = gsd_m / (image.gsd_m or drawn)
            size = round(image.width / ratio), round(image.height / ratio)
            if ratio < LEAST_RATIO or min(size) < LEAST_SIDE_PX:
                continue
            path = folder / f"{image.image.stem}_{gsd_m:g}m.png"
            try:
                with open_scene(
                    image.image, SceneOptions(gsd_m=image.gsd_m, as_stored=True)
                ) as scene:
                    window = PixelWindow(0, 0, image.width, image.height)
                    pixels = scene.read(window, (image.width, image.height)).rgb
            except QuaywatchError as error:
                LOG.warning("left out: %s", error)
                continue
            _write(path, coarse_pixels(pixels, size, rng))
            yield _labels(image, path, size, gsd_m, settings.least_m)


def coarse_pixels(
    pixels: NDArray[np.uint8], size: tuple[int, int], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """What a sensor of fewer pixels sees: blur, area, contrast, noise and steps of grey.

    Args:
        pixels: `(height, width, 3)`.
        size: width and height of the coarse picture.
        rng: source of chance.
    """
    ratio = pixels.shape[1] / size[0]
    seen = cv2.GaussianBlur(pixels, (0, 0), ratio * rng.uniform(*BLUR_PX))
    seen = cv2.resize(seen, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    gain = rng.uniform(*CONTRAST)
    seen = seen * gain + (1.0 - gain) * rng.uniform(0.0, 160.0)
    seen = seen + rng.normal(0.0, rng.uniform(*NOISE), seen.shape)
    step = 256.0 / rng.uniform(*STEPS)
    return np.asarray(np.clip(np.round(seen / step) * step, 1.0, 255.0), np.uint8)


def _labels(
    image: LabelledImage, path: Path, size: tuple[int, int], gsd_m: float, least_m: float
) -> LabelledImage:
    factor = np.array(size) / (image.width, image.height)
    corners = image.corners * factor
    long = edge_lengths(corners)[0] * gsd_m >= least_m if len(corners) else np.zeros(0, np.bool_)
    ids = image.ignored_class_ids
    return replace(
        image,
        image=path,
        width=size[0],
        height=size[1],
        source=f"{image.source} {gsd_m:g} m",
        gsd_m=gsd_m,
        corners=corners[long],
        class_ids=image.class_ids[long],
        ignored=np.concatenate([as_corners(image.ignored * factor), corners[~long]]),
        ignored_class_ids=None if ids is None else np.concatenate([ids, image.class_ids[~long]]),
    )


def _write(path: Path, pixels: NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    done, encoded = cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    if not done:
        raise OutputError(f"{path}: the picture cannot be written as PNG")
    with atomic_path(path) as temporary:
        temporary.write_bytes(encoded.tobytes())
