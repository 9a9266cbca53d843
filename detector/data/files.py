"""Images and label files that belong together by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from detector.data.labelled import DataError, Fault
from detector.documents import decode_text
from detector.errors import SceneError
from detector.scenes.guard import open_raster

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


def with_sizes(
    images: list[Path], faults: list[Fault] | None
) -> Iterator[tuple[Path, tuple[int, int]]]:
    """The images that can be opened, each with its `(width, height)` in pixels.

    Args:
        images: files.
        faults: gets those that cannot be opened; None: they are errors.

    Raises:
        SceneError: an image cannot be opened, and `faults` is None.
    """
    for image in images:
        try:
            size = image_size(image)
        except SceneError as error:
            if faults is None:
                raise
            faults.append(unreadable(image, error))
        else:
            yield image, size


def label_text(label: Path, faults: list[Fault], missing: str = "") -> str | None:
    """The text of a label file, in whatever encoding; None, with a fault, where there is none.

    Args:
        label: file.
        faults: gets what is wrong.
        missing: what is wrong where the file is not there; empty: nothing is.
    """
    if not label.is_file():
        if missing:
            faults.append(Fault(label, 0, missing))
        return None
    try:
        return decode_text(label.read_bytes())
    except OSError as error:
        faults.append(Fault(label, 0, f"cannot be read ({error.strerror})"))
        return None


def unreadable(image: Path, error: Exception) -> Fault:
    """The fault of an image that cannot be read."""
    return Fault(image, 0, str(error).removeprefix(f"{image}: "))


def unused_classes(path: Path, unused: Mapping[str, int]) -> Iterator[Fault]:
    """One note on a dataset's classes that are no objects here; none where all are used.

    Args:
        path: the file or folder of the labels.
        unused: names of such classes, with the number of their boxes.
    """
    if unused:
        names = ", ".join(f"{name} ({count})" for name, count in sorted(unused.items()))
        yield Fault(path, 0, f"classes not used: {names}", note=True)


def image_size(path: Path) -> tuple[int, int]:
    """`(width, height)` in pixels, from the file's header.

    Raises:
        SceneError: the file is missing, not an image, or shown turned by its EXIF.
    """
    with open_raster(str(path)) as dataset:
        turned = dataset.tags().get("EXIF_Orientation", "1")
        if turned not in ("", "1"):
            raise SceneError(
                f"{path}: its EXIF says that it is shown turned (orientation {turned}), so its "
                "labels may be of the turned picture; turn its pixels and remove the tag"
            )
        return int(dataset.width), int(dataset.height)
