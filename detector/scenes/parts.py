"""Parts of files: pages of a TIFF, subdatasets of NetCDF and HDF, resolutions of Sentinel-2.

A part is named `FILE::PART`, or as GDAL names it (`NETCDF:"FILE":PART`). GDAL's own list of the
file's parts says what there is, and an entry that leads to another file is none.
"""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import rasterio

from detector.errors import SceneError
from detector.scenes.safe import FINEST, find_product, is_archive

SEPARATOR: Final = "::"
PREFIXES: Final = ("NETCDF", "HDF5", "GTIFF_DIR", "BAG", "SENTINEL2_L1C", "SENTINEL2_L2A")
GDAL_PART: Final = re.compile(rf"^(?:{'|'.join(PREFIXES)}):(?P<rest>.+)$", re.IGNORECASE)
ZONE: Final = re.compile(r":EPSG_\d+$")  # behind the resolutions of Sentinel-2, one a product
PAGE: Final = re.compile(r"^(?:\d+:)?\"?$")  # what may stand before the file
NAMED: Final = 12  # parts that a message lists
PACKED_ELSE: Final = (".gz", ".tgz", ".tar", ".bz2", ".xz", ".7z", ".rar", ".zst")
PACKED: Final = (".tif", ".tiff", ".jp2", ".png", ".jpg", ".jpeg", ".img", ".ntf", ".nitf")


@dataclass(frozen=True, slots=True)
class PartName:
    """What a name leads to.

    Attributes:
        file: that GDAL opens; the name itself where it names a whole file.
        part: of it; empty for the whole.
        is_product: the file is the metadata of a Sentinel-2 product.
    """

    file: str
    part: str = ""
    is_product: bool = False


def split_part(name: str) -> PartName:
    """The file that there is and the part of it that is named; a file of that very name is whole.

    Examples:
        >>> split_part("nothing.nc::red")
        PartName(file='nothing.nc::red', part='', is_product=False)
    """
    if os.path.lexists(name) or name.startswith("/vsi"):
        return PartName(name)
    at = name.rfind(SEPARATOR)
    while at > 0:
        if os.path.lexists(name[:at]) and name[at + 2 :]:
            return PartName(name[:at], name[at + 2 :])
        at = name.rfind(SEPARATOR, 0, at)
    gdal = GDAL_PART.match(name)
    for file in _files_in(gdal["rest"]) if gdal else ():
        if os.path.lexists(file):
            return PartName(file, name)
    return PartName(name)


def container_of(name: str) -> PartName:
    """What GDAL is to open, and the part to take from it.

    A folder, zip or metadata file of Sentinel-2 is its product at 10 m; a zip of one raster is that
    raster.

    Raises:
        SceneError: an archive that holds no raster, or several and none is named.
    """
    asked = split_part(name)
    product = find_product(asked.file)
    if product is not None:
        return PartName(product.metadata, asked.part or FINEST, is_product=True)
    if is_archive(asked.file):
        return PartName(_packed(asked, name))
    if asked.file.lower().endswith(PACKED_ELSE) and os.path.isfile(asked.file):  # noqa: PTH113
        raise SceneError(
            f"{name}: a packed file; unpack it and name the raster in it (of archives only a zip "
            "is read as it is)"
        )
    return asked


def choose_part(dataset: rasterio.DatasetReader, container: PartName, name: str) -> str:
    """GDAL's name of a part.

    Args:
        dataset: the container, open.
        container: with the part that is wanted.
        name: as the user gave it, for messages.

    Raises:
        SceneError: the file has no such part.
    """
    wanted = container.part.replace('"', "").strip().casefold()
    found = list(_parts(dataset, container.file))
    for same in (
        [gdal for _, gdal in found if gdal.replace('"', "").casefold() == wanted],
        [gdal for label, gdal in found if label.casefold() == wanted],
        [gdal for label, gdal in found if wanted in re.split("[:/]", label.casefold())],
    ):
        if len(same) == 1:
            return same[0]
    labels = [label for label, _ in found]
    if not labels:
        raise SceneError(f"{name}: {Path(container.file).name} has no parts; name the file alone")
    raise SceneError(f"{name}: no such part; there are {listed(labels)}")


def part_names(dataset: rasterio.DatasetReader, file: str) -> list[str]:
    """How the parts of a file are called behind `FILE::`; empty where it has none."""
    return [label for label, _ in _parts(dataset, file)]


def listed(labels: Sequence[str]) -> str:
    """The names of parts in a sentence, the first `NAMED` of them."""
    more = f" and {len(labels) - NAMED} more" if len(labels) > NAMED else ""
    return ", ".join(labels[:NAMED]) + more


def _parts(dataset: rasterio.DatasetReader, file: str) -> Iterator[tuple[str, str]]:
    """Label and GDAL name of every part that lies in the file itself."""
    tags = dataset.tags(ns="SUBDATASETS")
    for number in range(1, len(tags) + 1):
        gdal = tags.get(f"SUBDATASET_{number}_NAME", "")
        match = GDAL_PART.match(gdal)
        before, found, after = match["rest"].partition(file) if match else ("", "", "")
        if not found or not PAGE.match(before) or "/vsi" in after:
            continue
        label = ZONE.sub("", f"{before}{after}".replace('"', "").strip(":/ "))
        if label:
            yield label, gdal


def _files_in(rest: str) -> Iterator[str]:
    """What may be the file in GDAL's name of a part, without its prefix."""
    if rest.startswith('"'):
        yield rest[1:].partition('"')[0]
        return
    rest = re.sub(r"^\d+:", "", rest)  # the page of a TIFF
    yield rest
    at = rest.rfind(":")
    while at > 0:
        yield rest[:at]
        at = rest.rfind(":", 0, at)


def _packed(asked: PartName, name: str) -> str:
    """GDAL's name of the raster in an archive."""
    try:
        with zipfile.ZipFile(asked.file) as archive:
            names = [one for one in archive.namelist() if one.lower().endswith(PACKED)]
    except (OSError, zipfile.BadZipFile, ValueError) as error:
        raise SceneError(f"{name}: a damaged archive ({error}); fetch it again") from error
    chosen = [one for one in names if asked.part in ("", one, Path(one).name)]
    if len(chosen) == 1:
        return f"/vsizip/{{{asked.file}}}/{chosen[0]}"
    if not names:
        raise SceneError(f"{name}: an archive without a raster ({', '.join(PACKED)}); unpack it")
    what = "no such file in it" if asked.part else f"an archive of {len(names)} rasters"
    raise SceneError(
        f"{name}: {what}; name one, for example {asked.file}{SEPARATOR}{names[0]} ({listed(names)})"
    )
