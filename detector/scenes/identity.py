"""A name for a scene that holds in any folder: its stem and a hash of its content."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.windows import Window

from detector.scenes.parts import split_part
from detector.scenes.safe import METADATA

SAMPLE_PX = 64
SAMPLE_PLACES = ((0.5, 0.5), (0.2, 0.2), (0.8, 0.2), (0.2, 0.8), (0.8, 0.8))
HASH_DIGITS = 8
WHOLE_PX = 2**26  # scenes up to this size are hashed pixel by pixel
STRIP_ROWS = 256
HASHED_PX = 64
HASHED_BLOCKS = 12  # a side, of larger ones
MAX_STEM_BYTES = 120


def content_hash(dataset: rasterio.DatasetReader) -> str:
    """Hexadecimal SHA-256 of size, bands, type, geotransform and five sampled blocks."""
    digest = hashlib.sha256()
    header = (dataset.width, dataset.height, dataset.count, dataset.dtypes[0])
    digest.update(repr(header).encode())
    digest.update(np.asarray(dataset.transform[:6], "<f8").tobytes())
    for x, y in SAMPLE_PLACES:
        width, height = min(SAMPLE_PX, dataset.width), min(SAMPLE_PX, dataset.height)
        column = int(x * (dataset.width - width))
        row = int(y * (dataset.height - height))
        block = dataset.read(1, window=Window(column, row, width, height))
        digest.update(np.ascontiguousarray(block).tobytes())
    return digest.hexdigest()


def files_sha256(files: Iterable[Path], part: str = "") -> str:
    """Hash of names and whole contents of files; one that goes meanwhile is told apart too.

    A hash of every byte is a tenth of the time that reading the same pixels takes, and no date or
    size of a file is believed.

    Args:
        files: the scene first, whose own name is left out: it is another scene in no other way.
        part: of the first file that is the scene.
    """
    digest = hashlib.sha256(part.encode())
    first, *others = files
    for file in (first, *sorted(set(others) - {first})):
        digest.update(repr("" if file == first else file.name).encode())
        with file.open("rb") as opened:
            digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()


def files_beside(file: Path) -> list[Path]:
    """The files of the same stem, which GDAL may read with it."""
    stem = f"{file.stem}."
    return [path for path in file.parent.iterdir() if path.name.startswith(stem) and path.is_file()]


def hashed_windows(width: int, height: int) -> list[Window]:
    """Strips that cover a scene of up to `WHOLE_PX` pixels; of a larger one blocks all over it."""
    if width * height <= WHOLE_PX:
        rows = range(0, height, STRIP_ROWS)
        return [Window(0, row, width, min(STRIP_ROWS, height - row)) for row in rows]
    across, down = (
        sorted({int(at) for at in np.linspace(0, max(size - HASHED_PX, 0), HASHED_BLOCKS)})
        for size in (width, height)
    )
    return [
        Window(column, row, min(HASHED_PX, width), min(HASHED_PX, height))
        for row in down
        for column in across
    ]


def hash_blocks(size: tuple[int, int], blocks: Iterable[NDArray[Any]]) -> str:
    """Hexadecimal SHA-256 of a scene's size and blocks, or nothing where they are of one value."""
    digest = hashlib.sha256(repr(size).encode())
    ends = set()
    for block in blocks:
        ends |= {block.min(), block.max()}
        digest.update(np.ascontiguousarray(block).tobytes())
    return digest.hexdigest() if len(ends) > 1 else ""


def scene_stem(path: str) -> str:
    """The stem of a file's or GDAL name, as text."""
    asked = split_part(path)
    file = PurePosixPath(asked.file.replace("\\", "/"))
    last = file.parent.name if METADATA.match(file.name) else file.name
    stem = PurePosixPath(last.split("?", 1)[0]).stem or "scene"
    return f"{stem}_{asked.part}" if asked.part and asked.part != path else stem


def make_scene_id(stem: str, digest: str) -> str:
    """A name that is safe as a folder everywhere: letters and digits of any script, `-`, `_`, `.`.

    Examples:
        >>> make_scene_id("../나진 (1)", "0123456789abcdef")
        '나진_1-01234567'
    """
    text = unicodedata.normalize("NFC", stem)
    safe = "".join(c if c.isalnum() or c in "-_." else "_" for c in text)
    while "__" in safe:
        safe = safe.replace("__", "_")
    safe = safe.strip("._-") or "scene"
    short = safe.encode()[:MAX_STEM_BYTES].decode(errors="ignore")
    return f"{short}-{digest[:HASH_DIGITS]}"
