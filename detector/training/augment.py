"""What sensors, air and formats do to pixels, as Albumentations transforms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import albumentations as A
import cv2
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class AugmentSettings:
    """Chance of each change of pixels, 0 to 1.

    Attributes:
        light: gain, offset and gamma, together and per band.
        colour: hue and saturation.
        grey: panchromatic.
        dark: a dark look, as of unstretched 11-bit scenes, after an imperfect stretch.
        haze: a bright veil, even or in soft patches (thin cloud).
        shadow: a dark half-plane.
        blur: Gaussian or along a line.
        noise: of the sensor.
        jpeg: compression.
        coarse: sharpness of a sensor 1.3 to 3 times as coarse.
    """

    light: float = 0.7
    colour: float = 0.3
    grey: float = 0.1
    dark: float = 0.08
    haze: float = 0.08
    shadow: float = 0.05
    blur: float = 0.08
    noise: float = 0.15
    jpeg: float = 0.15
    coarse: float = 0.1


class PixelAugment:
    """Changes of pixels that leave boxes where they are."""

    def __init__(self, settings: AugmentSettings, seed: int) -> None:
        self._compose = A.Compose(_transforms(settings), seed=seed)

    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A changed copy of `(height, width, 3)` uint8 RGB pixels; padding of 0 stays 0."""
        padding = (pixels == 0).all(axis=2)
        changed = np.array(self._compose(image=pixels)["image"], np.uint8)
        changed[padding] = 0
        return changed


def _transforms(chance: AugmentSettings) -> list[Any]:
    return [
        A.OneOf(
            [
                A.RandomBrightnessContrast(brightness_limit=0.25, contrast_limit=0.3, p=1),
                A.RandomGamma(gamma_limit=(60, 160), p=1),
                BandGain(p=1),
            ],
            p=chance.light,
        ),
        A.HueSaturationValue(
            hue_shift_limit=8, sat_shift_limit=40, val_shift_limit=12, p=chance.colour
        ),
        A.ToGray(p=chance.grey),
        Dark(p=chance.dark),
        Haze(p=chance.haze),
        HalfShadow(p=chance.shadow),
        A.OneOf(
            [A.GaussianBlur(blur_limit=(3, 5), p=1), A.MotionBlur(blur_limit=(3, 5), p=1)],
            p=chance.blur,
        ),
        A.Downscale(
            scale_range=(0.35, 0.75),
            interpolation_pair={"downscale": cv2.INTER_AREA, "upscale": cv2.INTER_LINEAR},
            p=chance.coarse,
        ),
        A.GaussNoise(std_range=(0.01, 0.04), p=chance.noise),
        A.ImageCompression(quality_range=(40, 90), p=chance.jpeg),
    ]


class BandGain(A.ImageOnlyTransform):  # type: ignore[misc]
    """Gain and offset of every band on its own, as sensors and atmospheres differ."""

    def get_params(self) -> dict[str, Any]:
        """Draw gains and offsets of three bands."""
        gains = self.random_generator.uniform(0.75, 1.3, 3)
        return {"gains": gains, "offsets": self.random_generator.uniform(-15, 15, 3)}

    def apply(self, img: NDArray[np.uint8], **params: Any) -> NDArray[np.uint8]:
        """Change the pixels."""
        values = np.arange(256)[:, None] * params["gains"] + params["offsets"]
        table = np.clip(np.rint(values), 0, 255).astype(np.uint8)
        return np.asarray(cv2.LUT(img, table.reshape(1, 256, 3)), np.uint8)


class Dark(A.ImageOnlyTransform):  # type: ignore[misc]
    """The values squeezed into a few low levels, then amplified again, at most three times."""

    def get_params(self) -> dict[str, Any]:
        """Draw the level that white becomes and the gain afterwards."""
        top = self.random_generator.uniform(35, 110)
        return {"top": top, "gain": self.random_generator.uniform(1.0, 3.0)}

    def apply(self, img: NDArray[np.uint8], **params: Any) -> NDArray[np.uint8]:
        """Change the pixels."""
        levels = np.rint(np.arange(256) * params["top"] / 255.0) * params["gain"]
        return np.asarray(cv2.LUT(img, np.clip(levels, 0, 255).astype(np.uint8)), np.uint8)


class Haze(A.ImageOnlyTransform):  # type: ignore[misc]
    """A white veil of soft, uneven thickness."""

    def get_params_dependent_on_data(
        self, params: Mapping[str, Any], data: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Draw a smooth field of thickness from 0 to 0.6."""
        height, width = params["shape"][:2]
        grid = self.random_generator.uniform(0.0, 1.0, (4, 4)).astype(np.float32)
        field = cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
        return {"veil": np.clip(field, 0, 1) * self.random_generator.uniform(0.2, 0.6)}

    def apply(self, img: NDArray[np.uint8], **params: Any) -> NDArray[np.uint8]:
        """Change the pixels."""
        veil = params["veil"][..., None]
        return np.asarray(np.rint(img * (1 - veil) + 235.0 * veil), np.uint8)


class HalfShadow(A.ImageOnlyTransform):  # type: ignore[misc]
    """A shadow over one side of a line, as a cloud or a high building throws it."""

    def get_params_dependent_on_data(
        self, params: Mapping[str, Any], data: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Draw a line and the depth of the shadow."""
        height, width = params["shape"][:2]
        angle = self.random_generator.uniform(0, 2 * np.pi)
        x = np.arange(width)[None, :] - self.random_generator.uniform(0.2, 0.8) * width
        y = np.arange(height)[:, None] - self.random_generator.uniform(0.2, 0.8) * height
        side = x * np.cos(angle) + y * np.sin(angle)
        edge = np.clip(side / 6.0 + 0.5, 0, 1)
        depth = self.random_generator.uniform(0.35, 0.7)
        return {"light": (1 - depth * edge).astype(np.float32)}

    def apply(self, img: NDArray[np.uint8], **params: Any) -> NDArray[np.uint8]:
        """Change the pixels."""
        return np.asarray(np.rint(img * params["light"][..., None]), np.uint8)
