"""What sensors, air and formats do to pixels, for whole batches on a GPU.

Albumentations, which `detector.training.augment` is made of, changes one image at a time on a CPU.
These are the same changes with the same meaning, but for hue, motion blur and JPEG (the packed
pictures are compressed already), which are left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

GREY = (0.299, 0.587, 0.114)
HAZE_LEVEL = 235.0


@dataclass(frozen=True, slots=True)
class Chances:
    """Chance of each change, 0 to 1; the meaning is that of `AugmentSettings`."""

    light: float = 0.6
    colour: float = 0.3
    grey: float = 0.08
    dark: float = 0.12
    haze: float = 0.05
    shadow: float = 0.05
    blur: float = 0.06
    noise: float = 0.1
    coarse: float = 0.06


class Changes:
    """Changes of pixels that leave boxes where they are; padding of 0 stays 0.

    Args:
        chances: of each.
        device: of the batches.
        seed: of the chance.
    """

    def __init__(self, chances: Chances, device: torch.device, seed: int) -> None:
        self._chances = chances
        self._device = device
        self._generator = torch.Generator(device).manual_seed(seed)

    def __call__(self, images: Tensor) -> Tensor:
        """Changed `(B, 3, side, side)` float32 pixels from 0 to 255."""
        padding = (images == 0).all(dim=1, keepdim=True)
        chances = self._chances
        for chance, change in (
            (chances.light, self._light),
            (chances.colour, self._colour),
            (chances.grey, _grey),
            (chances.dark, self._dark),
            (chances.haze, self._haze),
            (chances.shadow, self._shadow),
            (chances.blur, _blur),
            (chances.coarse, self._coarse),
            (chances.noise, self._noise),
        ):
            rows = torch.nonzero(self._uniform(len(images)) < chance).flatten()
            if len(rows):
                images = images.index_copy(0, rows, change(images[rows]).clamp(0.0, 255.0))
        return images.masked_fill(padding, 0.0)

    def _uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        drawn = torch.rand(*shape, generator=self._generator, device=self._device)
        return low + (high - low) * drawn

    def _light(self, images: Tensor) -> Tensor:
        """Gamma, contrast about the mean, and gain and offset, half of them for each band."""
        count = len(images)
        together = (self._uniform(count, 1, 1, 1) < 0.5).float()
        gamma = torch.exp(self._uniform(count, 1, 1, 1, low=math.log(0.6), high=math.log(1.6)))
        gamma = torch.where(self._uniform(count, 1, 1, 1) < 1 / 3, gamma, 1.0)
        bands = self._uniform(count, 3, 1, 1, low=0.75, high=1.3)
        gain = together * self._uniform(count, 1, 1, 1, low=0.7, high=1.3) + (1 - together) * bands
        offset = together * self._uniform(count, 1, 1, 1, low=-40.0, high=40.0) + (
            1 - together
        ) * self._uniform(count, 3, 1, 1, low=-15.0, high=15.0)
        return 255.0 * (images / 255.0).clamp(min=0.0) ** gamma * gain + offset

    def _colour(self, images: Tensor) -> Tensor:
        keep = self._uniform(len(images), 1, 1, 1, low=0.5, high=1.5)
        grey = _grey(images)
        return grey + keep * (images - grey)

    def _dark(self, images: Tensor) -> Tensor:
        """The values squeezed into a few low levels, then amplified again."""
        top = self._uniform(len(images), 1, 1, 1, low=35.0, high=110.0)
        gain = self._uniform(len(images), 1, 1, 1, low=1.0, high=3.0)
        return (images * top / 255.0).round() * gain

    def _haze(self, images: Tensor) -> Tensor:
        grid = self._uniform(len(images), 1, 4, 4)
        field = functional.interpolate(grid, images.shape[2:], mode="bicubic").clamp(0.0, 1.0)
        veil = field * self._uniform(len(images), 1, 1, 1, low=0.2, high=0.6)
        return images * (1 - veil) + HAZE_LEVEL * veil

    def _shadow(self, images: Tensor) -> Tensor:
        """A shadow over one side of a line."""
        count, side = len(images), images.shape[-1]
        angle = self._uniform(count, 1, 1, high=2 * math.pi)
        place = torch.arange(side, device=self._device)
        x = place[None, None, :] - self._uniform(count, 1, 1, low=0.2, high=0.8) * side
        y = place[None, :, None] - self._uniform(count, 1, 1, low=0.2, high=0.8) * side
        edge = ((x * angle.cos() + y * angle.sin()) / 6.0 + 0.5).clamp(0.0, 1.0)
        depth = self._uniform(count, 1, 1, low=0.35, high=0.7)
        return images * (1 - depth * edge)[:, None]

    def _coarse(self, images: Tensor) -> Tensor:
        """A sensor 1.3 to 3 times as coarse; one factor a batch."""
        side = images.shape[-1]
        small = max(int(side * float(self._uniform(1, low=0.35, high=0.75))), 1)
        shrunk = functional.interpolate(images, (small, small), mode="area")
        return functional.interpolate(shrunk, (side, side), mode="bilinear")

    def _noise(self, images: Tensor) -> Tensor:
        deviation = 255.0 * self._uniform(len(images), 1, 1, 1, low=0.01, high=0.04)
        noise = torch.randn(images.shape, generator=self._generator, device=self._device)
        return images + deviation * noise


def _grey(images: Tensor) -> Tensor:
    weights = images.new_tensor(GREY)[None, :, None, None]
    return (images * weights).sum(dim=1, keepdim=True).expand_as(images)


def _blur(images: Tensor) -> Tensor:
    """Gaussian of 3 pixels."""
    line = images.new_tensor([0.25, 0.5, 0.25])
    kernel = (line[:, None] * line[None]).expand(3, 1, 3, 3)
    padded = functional.pad(images, (1, 1, 1, 1), mode="replicate")
    return functional.conv2d(padded, kernel, groups=3)
