"""Images and label files that belong together by name."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import rasterio
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from detector.data.labelled import DataError, Fault
from detector.scenes.scene import open_scene

IMAGE_SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".jp2", ".webp")


def find_images(folder: Path) -> list[Path]:
    """Images in a folder and below, in the order of their names.

    Raises:
        DataError: the folder is missing or holds no image.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; give the dataset's folder as documented")
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    if not found:
        raise DataError(f"{folder}: no images ({', '.join(IMAGE_SUFFIXES)})")
    return found


def orphans(images: list[Path], labels: Path, suffix: str) -> Iterator[Fault]:
    """A fault for every label file without an image."""
    stems = {path.stem for path in images}
    for path in sorted(labels.rglob(f"*{suffix}")) if labels.is_dir() else ():
        if path.stem not in stems:
            yield Fault(path, 0, "no image of this name")


def image_size(path: Path) -> tuple[int, int]:
    """`(width, height)` in pixels, from the file's header.

    Raises:
        SceneError: the file is missing or not an image.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        try:
            with rasterio.open(path) as dataset:
                return int(dataset.width), int(dataset.height)
        except RasterioError:
            with open_scene(path) as scene:  # says what is wrong with it
                return scene.info.width, scene.info.height
