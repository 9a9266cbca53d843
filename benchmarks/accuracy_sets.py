"""What peers are compared on: the dev split, mosaics of its images, rendered stress scenes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rasterio.io import MemoryFile

from detector.classes import PORT
from detector.data import port_pool
from detector.evaluation.dataset import labelled_dataset, rendered_image
from detector.evaluation.truth import EvalImage, Measure
from detector.geometry.windows import PixelWindow
from detector.rendering.stress import lanes_of_stacks, moored_row, ships_on_seams
from detector.rendering.write import write_scene
from detector.scenes.scene import open_scene
from detector.scenes.types import SceneOptions

MOSAIC_CELL_PX, MOSAIC_COLUMNS, MOSAIC_ROWS, MOSAICS = 1024, 3, 2, 8
ANGLES_DEG = (0.0, 15.0, 30.0, 45.0, 60.0, 75.0, 90.0)
SEAM_SIDE_PX = 1280
SEAMS_PX = (480.0, 640.0, 960.0)
NEUTRAL_GREY = 96


@dataclass(frozen=True, slots=True)
class Set:
    """Images with truth and files, to be predicted by all.

    Attributes:
        name: for the tables.
        images: the truth.
        paths: of the files, in the same order.
    """

    name: str
    images: list[EvalImage]
    paths: list[Path]


def dev_set(pool: Path, every: int) -> Set:
    """The dev split of the pool, or every n-th image of it."""
    dataset = labelled_dataset(port_pool.read(pool, "dev"))
    return Set("dev split", dataset.images[::every], dataset.paths[::every])


def mosaic_set(pool: Path, stack: ExitStack) -> Set:
    """Harbours of the dev split side by side, so that tiles see more than one image."""
    dataset = labelled_dataset(port_pool.read(pool, "dev"))
    usable = [
        index
        for index, image in enumerate(dataset.images)
        if image.source == "HRSC2016"
        and image.measures == (Measure.POLYGON,) * len(PORT.names)
        and max(image.width, image.height) <= MOSAIC_CELL_PX
        and len(image.corners)
    ]
    order = np.random.default_rng(0).permutation(usable)
    count = MOSAIC_COLUMNS * MOSAIC_ROWS
    images, paths = [], []
    for k in range(min(MOSAICS, len(order) // count)):
        chosen = order[k * count : (k + 1) * count]
        parts = [(dataset.images[i], dataset.paths[i]) for i in chosen]
        image, pixels = _mosaic(f"mosaic {k}", parts)
        images.append(image)
        paths.append(_in_memory(pixels, stack))
    return Set("mosaics", images, paths)


def rendered_sets(folder: Path, seeds: int) -> Iterator[Set]:
    """Stress scenes at seven angles, each with several seeds."""
    folder.mkdir(parents=True, exist_ok=True)
    makers = {
        # Smaller than a tile: the peers enlarge them to the tile's size, we never more than 1.5.
        "moored rows, 10 of 60 m": moored_row,
        "moored rows, 20 of 120 m": partial(moored_row, ships=20, length_m=120.0),
        "stack rows, 30 of 12 bays": partial(lanes_of_stacks, rows=30, bays=12),
        "ships on seams": partial(
            ships_on_seams, seams_px=SEAMS_PX, length_m=120.0, size_px=(SEAM_SIDE_PX,) * 2
        ),
    }
    for name, make in makers.items():
        images, paths = [], []
        for seed in range(1, seeds + 1):
            for angle in ANGLES_DEG:
                scene = make(angle, seed=seed)
                title = f"{name} {angle:g} {seed}"
                path = folder / f"{slug(title)}.tif"
                write_scene(scene, path)
                images.append(rendered_image(scene, title))
                paths.append(path)
        yield Set(name, images, paths)


def _mosaic(
    name: str, parts: Sequence[tuple[EvalImage, Path]]
) -> tuple[EvalImage, NDArray[np.uint8]]:
    size = (MOSAIC_ROWS * MOSAIC_CELL_PX, MOSAIC_COLUMNS * MOSAIC_CELL_PX)
    pixels = np.full((*size, 3), NEUTRAL_GREY, np.uint8)
    corners, ignored = [], []
    for k, (image, path) in enumerate(parts):
        offset = np.array([k % MOSAIC_COLUMNS, k // MOSAIC_COLUMNS]) * MOSAIC_CELL_PX
        x, y = offset.tolist()
        pixels[y : y + image.height, x : x + image.width] = pixels_of(image, path)
        corners.append(image.corners + offset)
        ignored.append(image.ignored + offset)
    first = parts[0][0]
    truth = replace(
        first,
        name=name,
        place=name,
        width=size[1],
        height=size[0],
        gsd_m=None,
        corners=np.concatenate(corners),
        class_ids=np.concatenate([image.class_ids for image, _ in parts]),
        ignored=np.concatenate(ignored),
        ignored_class_ids=np.concatenate([image.ignored_class_ids for image, _ in parts]),
    )
    return truth, pixels


def _in_memory(pixels: NDArray[np.uint8], stack: ExitStack) -> Path:
    """A GeoTIFF that lives in memory as long as the stack; nothing reaches a disk."""
    memory = stack.enter_context(MemoryFile(ext=".tif"))
    height, width = pixels.shape[:2]
    profile = {"driver": "GTiff", "width": width, "height": height, "count": 3, "dtype": "uint8"}
    with memory.open(**profile, tiled=True, photometric="RGB") as dataset:
        dataset.write(np.moveaxis(pixels, 2, 0))
    return Path(memory.name)


def pixels_of(image: EvalImage, path: Path) -> NDArray[np.uint8]:
    """The pixels `(h, w, 3)` of an image, as every peer gets them."""
    with open_scene(path, SceneOptions(gsd_m=image.gsd_m)) as scene:
        return scene.read(PixelWindow(0, 0, image.width, image.height)).rgb


def slug(name: str) -> str:
    """The name with letters and digits only."""
    return "".join(c if c.isalnum() else "_" for c in name)
