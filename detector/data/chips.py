"""Chips: windows of labelled images, cut through `Scene` once and kept in a checked cache.

A chip is larger than the tile that the network reads, so that training has pixels to turn and
scale it in; `detector.training.views` takes tiles out of it. Both steps settle objects at a border
by the same rules, `detector.data.borders`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from detector.classes import PORT, ClassSet
from detector.data.borders import paint_over, settle
from detector.data.labelled import DataError, LabelledImage
from detector.errors import QuaywatchError
from detector.files import atomic_path, file_sha256, make_folder
from detector.geometry.boxes import Corners, as_corners, polygons
from detector.geometry.windows import PixelWindow
from detector.scenes.scene import Scene, open_scene
from detector.scenes.types import SceneOptions

CACHE_VERSION = 4  # raise when chips of the same settings change


@dataclass(frozen=True, slots=True)
class ChipSettings:
    """How chips are cut.

    Attributes:
        side_px: longest side of a chip, read pixels.
        overlap_px: of neighbouring chips of one image, read pixels.
        scales: read size divided by full resolution; a scale below 1 is left out where a coarser
            chip would be smaller than `min_side_px`.
        min_side_px: shortest longer side of a chip at a scale below 1.
    """

    side_px: int = 1024
    overlap_px: int = 256
    scales: tuple[float, ...] = (1.0, 0.5)
    min_side_px: int = 640


@dataclass(frozen=True, slots=True)
class Chip:
    """A piece of a labelled image.

    Attributes:
        pixels: NumPy file `(height, width, 3)` uint8, RGB, cut and painted. Not compressed: on
            two cores, decoding PNGs cost as much as a sixth of the network's step.
        source: name of the dataset.
        place: of the image.
        image: name of the image.
        scale: read size divided by full resolution.
        gsd_m: metres a chip pixel; None where unknown.
        corners: `(N, 4, 2)` chip pixels.
        class_ids: `(N,)`.
        taught: of each class, whether everything without a box is background.
        classes: that the ids are of.
    """

    pixels: Path
    source: str
    place: str
    image: str
    scale: float
    gsd_m: float | None
    corners: Corners
    class_ids: NDArray[np.int64]
    taught: tuple[bool, ...]
    classes: ClassSet = PORT

    def read(self) -> NDArray[np.uint8]:
        """The pixels `(height, width, 3)`, RGB.

        Raises:
            DataError: the file is missing or damaged.
        """
        try:
            return np.asarray(np.load(self.pixels, mmap_mode="r", allow_pickle=False))
        except (OSError, ValueError) as error:
            raise DataError(
                f"{self.pixels}: cannot read the chip ({error}); remove the cache's folder"
            ) from error


def cut_chips(
    images: Iterable[LabelledImage], settings: ChipSettings, cache: Path
) -> tuple[list[Chip], list[str]]:
    """Cut all images, or read what an earlier call with the same input left.

    Args:
        images: what to cut.
        settings: how.
        cache: folder for all caches; this one's is named by the hash of its input.

    Returns:
        The chips, and one sentence for every image that could not be read.

    Raises:
        DataError: there is no image at all, or none could be read.
    """
    images = list(images)
    if not images:
        raise DataError("no images to cut chips from; the data's filters leave nothing")
    folder = cache / _input_hash(images, settings)[:16]
    classes = images[0].classes
    if any(image.classes != classes for image in images):
        raise DataError("the images to cut chips from are labelled with different sets of classes")
    chips = _read_cache(folder, classes)
    if chips is not None:
        return chips
    make_folder(folder)
    records: list[dict[str, Any]] = []
    problems: list[str] = []
    for image in images:
        try:
            records.extend(_cut_image(image, settings, folder))
        except QuaywatchError as error:
            problems.append(str(error))
    if not records:
        raise DataError(f"none of {len(images)} images could be read; first: {problems[0]}")
    content = json.dumps({"chips": records, "problems": problems})
    with atomic_path(folder / "chips.json") as temporary:
        temporary.write_text(content, encoding="utf-8")
    return [_chip(folder, record, classes) for record in records], problems


def _cut_image(
    image: LabelledImage, settings: ChipSettings, folder: Path
) -> Iterator[dict[str, Any]]:
    with open_scene(image.image, SceneOptions(gsd_m=image.gsd_m, as_stored=True)) as scene:
        for scale in settings.scales:
            if scale < 1 and max(image.width, image.height) * scale < settings.min_side_px:
                continue
            for window in _windows((image.width, image.height), scale, settings):
                record = _cut_window(image, scene, window, scale, folder)
                if record is not None:
                    yield record


def _cut_window(
    image: LabelledImage, scene: Scene, window: PixelWindow, scale: float, folder: Path
) -> dict[str, Any] | None:
    """Write the pixels of a window, and give what is to be known of it; None where nothing is."""
    size = (max(round(window.width * scale), 1), max(round(window.height * scale), 1))
    read = scene.read(window, size)
    if not read.valid.any():
        return None
    pixels = read.rgb.copy()
    factor = np.array(size) / (window.width, window.height)
    origin = (window.col, window.row)
    settled = settle(
        (image.corners - origin) * factor, image.class_ids, (0, 0, *size), image.classes
    )
    ignored = (image.ignored - origin) * factor
    visible = shapely.intersects(polygons(ignored), shapely.box(0, 0, *size))
    paint_over(pixels, np.concatenate([settled.painted, ignored[visible]]), settled.corners)
    name = f"{image.image.stem}__{window.col}_{window.row}_{size[0]}x{size[1]}_{scale:g}.npy"
    with atomic_path(folder / name) as temporary:
        with temporary.open("wb") as file:
            np.save(file, pixels, allow_pickle=False)
        digest = file_sha256(temporary)
    return {
        "pixels": name,
        "sha256": digest,
        "source": image.source,
        "place": image.place,
        "image": image.image.name,
        "scale": scale,
        "gsd_m": None if image.gsd_m is None else image.gsd_m / scale,
        "corners": np.round(settled.corners, 3).tolist(),
        "class_ids": settled.class_ids.tolist(),
        "taught": list(image.taught),
    }


def _windows(size: tuple[int, int], scale: float, settings: ChipSettings) -> Iterator[PixelWindow]:
    side = min(round(settings.side_px / scale), max(size))
    step = max(round((settings.side_px - settings.overlap_px) / scale), 1)
    for row in _starts(size[1], side, step):
        for col in _starts(size[0], side, step):
            yield PixelWindow(col, row, min(side, size[0]), min(side, size[1]))


def _starts(length: int, side: int, step: int) -> Sequence[int]:
    """Even positions that cover `length`, steps of at most `step`."""
    if length <= side:
        return [0]
    count = -(-(length - side) // step) + 1
    return [round(i * (length - side) / (count - 1)) for i in range(count)]


def _input_hash(images: Sequence[LabelledImage], settings: ChipSettings) -> str:
    digest = hashlib.sha256(json.dumps([CACHE_VERSION, asdict(settings)]).encode())
    for image in images:
        stat = image.image.stat()
        digest.update(f"{image.image.name}|{stat.st_size}|{image.place}|{image.taught}".encode())
        if image.classes != PORT:
            digest.update(json.dumps(image.classes.to_plain()).encode())
        for array in (image.corners, image.class_ids, image.ignored):
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _read_cache(folder: Path, classes: ClassSet) -> tuple[list[Chip], list[str]] | None:
    """The chips of a finished cache; None where there is none or a file has changed."""
    try:
        content = json.loads((folder / "chips.json").read_text(encoding="utf-8"))
        for record in content["chips"]:
            if file_sha256(folder / record["pixels"]) != record["sha256"]:
                return None
    except (OSError, ValueError, KeyError):
        return None
    return [_chip(folder, record, classes) for record in content["chips"]], content["problems"]


def _chip(folder: Path, record: dict[str, Any], classes: ClassSet) -> Chip:
    return Chip(
        pixels=folder / record["pixels"],
        source=record["source"],
        place=record["place"],
        image=record["image"],
        scale=record["scale"],
        gsd_m=record["gsd_m"],
        corners=as_corners(record["corners"]),
        class_ids=np.array(record["class_ids"], np.int64),
        taught=tuple(record["taught"]),
        classes=classes,
    )
