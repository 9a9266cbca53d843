"""Sentinel-2 products as ESA delivers them: a `.SAFE` folder, its zip, or its metadata file.

GDAL's driver reads their bands. What it leaves in the metadata is read here: time, angles, the
offset of the values, and where the scene classification is.
"""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree as ET

from detector.documents import DocumentError, parse_xml
from detector.errors import SceneError

FINEST: Final = "10m"  # the part with red, green and blue at their full resolution
DRIVER: Final = "SENTINEL2"
METADATA: Final = re.compile(r"^(?:MTD_MSI|S2._.*_MTD_SAF)L(?:1C|2A).*\.xml$")
PRODUCT_NAME: Final = re.compile(r"^S2[A-D]_.*\.(?:SAFE|zip)$|\.SAFE\.zip$", re.IGNORECASE)
ZIP_HEAD: Final = b"PK\x03\x04"
JPEG2000_HEADS: Final = (b"\x00\x00\x00\x0cjP", b"\xff\x4f\xff\x51")
MAX_XML_BYTES: Final = 64_000_000
VISIBLE_BANDS: Final = ("1", "2", "3")  # `bandId` of blue, green and red
IMAGE_TAGS: Final = ("IMAGE_FILE", "IMAGE_FILE_2A", "IMAGE_ID", "IMAGE_ID_2A")


@dataclass(frozen=True)
class Product:
    """A Sentinel-2 product.

    Attributes:
        root: folder of the product, or the place of it in its archive.
        xml: name of its metadata file.
        archive: the zip that holds it; empty for a folder.
    """

    root: Traversable
    xml: str
    archive: str = ""

    @property
    def metadata(self) -> str:
        """GDAL's name of the metadata file."""
        return (
            f"/vsizip/{self.root.joinpath(self.xml)}"
            if self.archive
            else str(self.root.joinpath(self.xml))
        )

    @property
    def file(self) -> Path:
        """The file on this disk that stands for it."""
        return Path(self.archive or self.metadata)

    def check(self) -> None:
        """Refuse metadata that lead elsewhere, and images that are none.

        Raises:
            SceneError: they do, or cannot be read.
        """
        for element in self._main.iter():
            said = [element.text or ""] if element.tag in IMAGE_TAGS else []
            for text in (*said, element.get("granuleIdentifier", "")):
                if ".." in text or ":" in text or text.strip().startswith(("/", "\\")):
                    raise SceneError(
                        f"{self.metadata}: names an image elsewhere ('{text.strip()[:200]}'); "
                        "fetch the product again"
                    )
        for image in self._images():
            with image.open("rb") as opened:
                if not opened.read(16).startswith(JPEG2000_HEADS):
                    raise SceneError(
                        f"{self.file}: its image {image.name} is no JPEG 2000; fetch it again"
                    )

    def properties(self) -> dict[str, Any]:
        """Time and angles, under the names of a STAC item."""
        granule = self._granule
        found: dict[str, Any] = {
            "datetime": _text(granule, "SENSING_TIME") or _text(self._main, "PRODUCT_START_TIME")
        }
        sun = granule.find(".//Mean_Sun_Angle") if granule is not None else None
        found["view:sun_azimuth"] = _text(sun, "AZIMUTH_ANGLE")
        zenith = _text(sun, "ZENITH_ANGLE")
        found["view:sun_elevation"] = str(90.0 - float(zenith)) if _is_number(zenith) else None
        views = granule.findall(".//Mean_Viewing_Incidence_Angle") if granule is not None else []
        seen = [one for one in views if one.get("bandId") in VISIBLE_BANDS]
        for one in seen[:1]:  # the bands look within half a degree of one another
            found["view:off_nadir"] = _text(one, "ZENITH_ANGLE")
            found["view:azimuth"] = _text(one, "AZIMUTH_ANGLE")
        return {name: value for name, value in found.items() if value}

    def offset(self) -> float:
        """What is added to the values of red, green and blue before they are reflectances."""
        for name in ("BOA_ADD_OFFSET", "RADIO_ADD_OFFSET"):
            for element in self._main.iter(name):
                if element.get("band_id") in VISIBLE_BANDS and _is_number(element.text or ""):
                    return float(element.text or "")
        return 0.0

    def classification(self) -> str | None:
        """GDAL's name of the scene classification at 20 m; None without."""
        for image in self._images():
            if image.name.endswith("_SCL_20m.jp2"):
                return f"/vsizip/{image}" if self.archive else str(image)
        return None

    @cached_property
    def _main(self) -> ET.Element:
        return _read_xml(self.root.joinpath(self.xml))

    @cached_property
    def _granule(self) -> ET.Element | None:
        for folder in self._granules():
            for file in folder.iterdir():
                if re.match(r"^(MTD_TL|S2._.*_MTD_L.*)\.xml$", file.name):
                    return _read_xml(file)
        return None

    def _granules(self) -> Iterator[Traversable]:
        granules = self.root.joinpath("GRANULE")
        if granules.is_dir():
            yield from (one for one in _sorted(granules) if one.is_dir())

    def _images(self) -> Iterator[Traversable]:
        for granule in self._granules():
            yield from _below(granule.joinpath("IMG_DATA"))


def find_product(name: str) -> Product | None:
    """The Sentinel-2 product that a folder, a zip or a metadata file is; None where it is none."""
    path = Path(name)
    if os.path.isdir(name):  # noqa: PTH112 - Path raises on some names
        found = _metadata_in(path) if _may_be_product(path) else None
        return Product(path, found) if found else None
    if METADATA.match(path.name) and os.path.isfile(name):  # noqa: PTH113
        return Product(path.parent, path.name)
    return _packed(name) if is_archive(name) else None


def _packed(name: str) -> Product | None:
    try:
        packed = zipfile.Path(name)
        for root in (packed, *(one for one in packed.iterdir() if one.name.endswith(".SAFE"))):
            found = _metadata_in(root)
            if found:
                return Product(root, found, archive=name)
    except (OSError, zipfile.BadZipFile, ValueError, KeyError):
        return None  # told where it is opened
    return None


def _metadata_in(folder: Traversable) -> str | None:
    return min((file.name for file in folder.iterdir() if METADATA.match(file.name)), default=None)


def lacking_image(files: Iterable[str], descriptions: Iterable[str | None]) -> str:
    """The band whose image is not there, which GDAL would read as black; empty where none is.

    Args:
        files: that GDAL found.
        descriptions: of the bands that are read, as GDAL's driver gives them.
    """
    names = [Path(file).stem for file in files]
    if any("_TCI" in name for name in names):
        return ""
    for text in descriptions:
        number = re.match(r"B(\d+)(A?),", text or "")
        band = f"B{int(number[1]):02d}{number[2]}" if number else ""
        if band and not any(re.search(rf"_{band}(_|$)", name) for name in names):
            return band
    return ""


def is_product_name(name: str) -> bool:
    """Whether a folder or zip is called as ESA calls its products of Sentinel-2."""
    return PRODUCT_NAME.search(name) is not None


def is_archive(name: str) -> bool:
    """Whether a file is a zip."""
    if not name.lower().endswith(".zip") or not os.path.isfile(name):  # noqa: PTH113
        return False
    try:
        with Path(name).open("rb") as file:
            return file.read(len(ZIP_HEAD)) == ZIP_HEAD
    except OSError:
        return False


def _may_be_product(path: Path) -> bool:
    return path.name.upper().endswith(".SAFE") or path.joinpath("GRANULE").is_dir()


def _read_xml(file: Traversable) -> ET.Element:
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_XML_BYTES + 1)
        if len(content) > MAX_XML_BYTES:
            raise SceneError(f"{file}: XML of more than {MAX_XML_BYTES:,} bytes is not read")
        return parse_xml(content)
    except (OSError, zipfile.BadZipFile, DocumentError) as error:
        raise SceneError(f"{file}: cannot be read ({error}); fetch the product again") from error


def _text(element: ET.Element | None, tag: str) -> str:
    found = element.find(f".//{tag}") if element is not None else None
    return (found.text or "").strip() if found is not None else ""


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _sorted(folder: Traversable) -> list[Traversable]:
    return sorted(folder.iterdir(), key=lambda one: one.name)


def _below(folder: Traversable) -> Iterator[Traversable]:
    if not folder.is_dir():
        return
    for one in _sorted(folder):
        if one.is_dir():
            yield from _below(one)
        elif one.name.lower().endswith(".jp2"):
            yield one
