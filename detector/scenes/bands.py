"""Which bands of a raster are red, green and blue."""

from __future__ import annotations

import re
from typing import Final

import numpy as np
import rasterio
from rasterio.enums import ColorInterp

from detector.errors import SceneError

COLOUR_NAMES = (("red", "b04", "b4"), ("green", "b03", "b3"), ("blue", "b02", "b2"))
# Sentinel-2's band 8, of 10 m, as products, GDAL and people call it; not its narrow 8A, of 20 m
NEAR_INFRARED: Final = re.compile(r"(b0?8|nir|near[ _-]?infra[ _-]?red)\b")


def choose_bands(
    dataset: rasterio.DatasetReader, wanted: tuple[int, ...] | None, path: str
) -> tuple[int, ...]:
    """Band numbers to read: three (red, green, blue), or one that is grey or has a palette.

    In order: what the user says, the colour interpretation, the bands' names, one grey band.

    Args:
        dataset: an open raster with at least one band.
        wanted: one or three band numbers from the user.
        path: of the scene, for messages.

    Raises:
        SceneError: a wanted band does not exist, or the file does not tell its colours.
    """
    if wanted:
        return _checked(dataset, wanted, path)
    colours = list(dataset.colorinterp)
    rgb = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
    if all(colour in colours for colour in rgb):
        return tuple(colours.index(colour) + 1 for colour in rgb)
    names = [(name or "").strip().lower() for name in dataset.descriptions]
    named = tuple(_named(names, aliases) for aliases in COLOUR_NAMES)
    if all(named):
        return named
    opaque = [i + 1 for i, colour in enumerate(colours) if colour != ColorInterp.alpha]
    if len(opaque) <= 2:
        return (opaque[0],) if opaque else (1,)
    if len(opaque) == 3:
        return tuple(opaque)
    raise SceneError(
        f"{path}: {dataset.count} bands and none is named red, green or blue; say which "
        "they are, for example scene.bands=[3,2,1]"
    )


def find_near_infrared(
    dataset: rasterio.DatasetReader, wanted: int | None, path: str
) -> int | None:
    """The number of the near infrared band; None where nothing tells.

    In order: what the user says, the colour interpretation, the bands' names. Of 8 bits only what
    the user says: such values were stretched band by band, and no longer compare.

    Args:
        dataset: an open raster.
        wanted: band number from the user.
        path: of the scene, for messages.

    Raises:
        SceneError: the wanted band does not exist.
    """
    if wanted is not None:
        if not 1 <= wanted <= dataset.count:
            raise SceneError(
                f"{path}: scene.nir={wanted} does not fit a file of {dataset.count} bands; name "
                f"one between 1 and {dataset.count}"
            )
        return wanted
    if ColorInterp.nir in dataset.colorinterp:
        number = list(dataset.colorinterp).index(ColorInterp.nir) + 1
    else:
        names = [(name or "").strip().lower() for name in dataset.descriptions]
        number = next((i for i, n in enumerate(names, 1) if NEAR_INFRARED.match(n)), 0)
    return number if number and np.dtype(dataset.dtypes[number - 1]).itemsize > 1 else None


def _checked(
    dataset: rasterio.DatasetReader, wanted: tuple[int, ...], path: str
) -> tuple[int, ...]:
    if len(wanted) not in (1, 3) or not all(1 <= band <= dataset.count for band in wanted):
        raise SceneError(
            f"{path}: scene.bands={list(wanted)} does not fit a file of {dataset.count} "
            f"bands; name one or three between 1 and {dataset.count}"
        )
    return wanted


def _named(names: list[str], aliases: tuple[str, ...]) -> int:
    return next((names.index(alias) + 1 for alias in aliases if alias in names), 0)
