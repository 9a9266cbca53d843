"""What a raster may be and reach: files of known formats, and nothing that its content points to.

GDAL opens far more than pictures. An XML named `.tif` can be a web service, a VRT can read any file
of the disk or any address, and both are read before anybody has seen a pixel. So only formats whose
files hold their own pixels are opened, a VRT only with sources beside it, and the network only
where the user names it.
"""

from __future__ import annotations

import os
import re
import stat
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import rasterio
from rasterio._err import CPLE_BaseError
from rasterio._path import _parse_path
from rasterio.env import ensure_env_with_credentials
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from detector.documents import DocumentError, parse_xml
from detector.errors import SceneError
from detector.scenes.parts import choose_part, container_of, split_part
from detector.scenes.safe import DRIVER, find_product
from detector.scenes.side_files import is_alone

if TYPE_CHECKING:
    from xml.etree import ElementTree as ET

RASTER_DRIVERS: Final = (
    *("GTiff", "JP2OpenJPEG", "PNG", "JPEG", "WEBP", "VRT", "HFA", "NITF", "EHdr", "ENVI", "BMP"),
    *("GIF", "BIGGIF", "PNM", "GenBin", "ERS", "GPKG", "MBTiles", "netCDF", "HDF5", "HDF5Image"),
    *("BAG", "RMF", "ILWIS", "SGI", "TGA", "MEM"),
)
"""GDAL's drivers for files that hold their own pixels."""

GDAL_ERRORS: Final = (RasterioError, CPLE_BaseError)
"""What rasterio raises; it lets errors of GDAL through as they are in places."""

LOCAL_VSI: Final = ("mem", "zip", "gzip", "tar", "7z", "rar", "subfile")
REMOTE_PART: Final = re.compile(rf"/vsi(?!(?:{'|'.join(LOCAL_VSI)})/)\w*|://", re.IGNORECASE)
VRT_ROOT: Final = "VRTDataset"
VRT_DATASETS: Final = ("", "VRTWarpedDataset", "VRTPansharpenedDataset")
VRT_BANDS: Final = ("", "VRTSourcedRasterBand", "VRTWarpedRasterBand", "VRTPansharpenedRasterBand")
VRT_FILES: Final = ("SourceFilename", "SourceDataset")
VRT_TEXTS: Final = ("SRS", "MDI", "Description", "GCPList")  # may hold addresses that nobody reads
MAX_VRT_BYTES: Final = 64_000_000
MAX_VRT_DEPTH: Final = 4
HEAD_BYTES: Final = 512
OVERVIEW_SUFFIXES: Final = (".ovr", ".msk")
GIB: Final = 1 << 30
MIB: Final = 1 << 20
MAX_SIDE_PX: Final = 1_000_000
MAX_PIXELS: Final = 20_000_000_000  # 140,000 x 140,000; the longest strips have half of it
MAX_BLOCK_BYTES: Final = GIB  # what GDAL holds at once to read one pixel
REFUSED: Final = re.compile(r"\bHTTP response code: (?:401|403|410)\b")
EXPIRED: Final = "; its address may have expired or need a key: sign it anew"
# By default GDAL waits for ever and never asks again. It doubles the delay itself, with some luck.
HTTP_DEFAULTS: Final = {
    "GDAL_HTTP_CONNECTTIMEOUT": "10",  # seconds
    "GDAL_HTTP_TIMEOUT": "120",  # seconds, of one answer
    "GDAL_HTTP_MAX_RETRY": "5",
    "GDAL_HTTP_RETRY_DELAY": "0.5",  # seconds, before the first
    # Overlapping tiles, and the hash of the pixels before them, meet the same blocks: fetched once.
    "CPL_VSIL_CURL_CACHE_SIZE": str(256 * MIB),
    "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
}
READ_FOLDER: Final = "GDAL_DISABLE_READDIR_ON_OPEN"

for _name, _value in HTTP_DEFAULTS.items():
    os.environ.setdefault(_name, _value)  # what the user says stands; reader threads see it too


def open_raster(path: str, allowed: Sequence[str] = ()) -> rasterio.DatasetReader:
    """Open a raster whose format and sources are safe.

    Args:
        path: file, part of a file (`detector.scenes.parts`), Sentinel-2 product, or GDAL name.
        allowed: hosts, addresses or folders that names and a VRT's sources may lead to.

    Raises:
        SceneError: there is no such file, it is none that may be opened, or it leads elsewhere.
    """
    files = sources_of(path, allowed)
    container = container_of(path)
    drivers = [name for name in RASTER_DRIVERS if files or name != "VRT"]
    drivers = [DRIVER] if container.is_product else drivers
    dataset = _read_header(container.file, drivers, path)
    if container.part:
        with dataset:
            name = choose_part(dataset, container, path)
        dataset = _read_header(name, [one for one in drivers if one != "VRT"], path)
    try:
        if not container.is_product:  # GDAL names them itself, beside the metadata
            _check_overviews(dataset, path, allowed)
        check_size(dataset, path)
    except BaseException:
        dataset.close()
        raise
    return dataset


def sources_of(path: str, allowed: Sequence[str] = ()) -> list[Path]:
    """The file itself, and behind it every source of a VRT; empty for a GDAL name.

    Of a part it is the file that holds it, of a Sentinel-2 product its metadata or its zip.

    Raises:
        SceneError: as `open_raster`.
    """
    asked = split_part(path)
    product = find_product(asked.file)
    if product is not None:
        product.check()
        return [product.file]
    if not asked.part:
        check_name(path, allowed)
    if is_gdal_name(asked.file):
        return []
    file = Path(asked.file)
    try:
        mode = file.stat().st_mode
    except OSError as error:
        raise SceneError(f"{path}: no such file; check the name and the folder") from error
    except ValueError as error:  # a name with a zero byte
        raise SceneError(f"{path!r}: no name of a file") from error
    if stat.S_ISDIR(mode):
        raise SceneError(f"{path}: a folder, not a raster file")
    if not stat.S_ISREG(mode):
        raise SceneError(f"{path}: a pipe or device, not a file; save the scene to a file")
    _check_siblings(file)
    return [file, *_vrt_sources(file, allowed, depth=0)]


def is_gdal_name(path: str) -> bool:
    """Whether a path is a name of GDAL's, such as `/vsicurl/…` or `NETCDF:…`, and no file's."""
    if path.startswith("/vsi") or "://" in path:
        return True
    return ":" in path[2:] and not os.path.lexists(path)


def check_name(name: str, allowed: Sequence[str]) -> None:
    """Refuse a name that leads to the network, unless it is allowed.

    Raises:
        SceneError: it is not.
    """
    if REMOTE_PART.search(name) and not is_allowed(name, allowed):
        raise SceneError(
            f"{name}: leads to the network, which files that come from elsewhere must not; if you "
            "trust it, name its host with scene.allow_remote="
        )


def is_allowed(name: str, allowed: Sequence[str]) -> bool:
    """Whether an entry is the name, a beginning of it that ends at a `/`, or its host."""
    address = name[name.find("http") :] if "http" in name else name
    host = urlsplit(address).hostname if "://" in address else None
    return any(
        entry in (name, address, host)
        or name.startswith(f"{entry.rstrip('/')}/")
        or address.startswith(f"{entry.rstrip('/')}/")
        for entry in allowed
        if entry.strip("/")
    )


def reason(error: BaseException) -> str:
    """What GDAL said, in one line."""
    cause = error.__cause__ or error
    return " ".join(str(cause).split())[:200] or type(cause).__name__


def _read_header(name: str, drivers: list[str], path: str) -> rasterio.DatasetReader:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        try:
            with _without_side_files(name):
                return _open(name, drivers)
        except (*GDAL_ERRORS, ValueError, TypeError) as error:
            said = reason(error)
            hint = EXPIRED if REFUSED.search(said) else ""
            raise SceneError(f"{path}: not a raster that GDAL can read ({said}){hint}") from error


@contextmanager
def _without_side_files(name: str) -> Iterator[None]:
    """GDAL asks for no files beside a raster of the network that has none: it waits for each."""
    if READ_FOLDER in os.environ or not is_alone(name):
        yield
        return
    with rasterio.Env(**{READ_FOLDER: "EMPTY_DIR"}):
        yield


@ensure_env_with_credentials  # type: ignore[untyped-decorator]
def _open(path: str, drivers: list[str]) -> rasterio.DatasetReader:
    """As `rasterio.open`, which takes one driver only."""
    return rasterio.DatasetReader(_parse_path(path), driver=drivers, sharing=False)


def _check_siblings(file: Path) -> None:
    """GDAL reads files of the same stem unasked, and would wait for a pipe for ever."""
    stem = f"{file.stem}."
    try:
        with os.scandir(file.parent) as entries:
            beside = [entry for entry in entries if entry.name.startswith(stem)]
        for entry in beside:
            if not entry.is_file() and not entry.is_dir() and not entry.is_symlink():
                raise SceneError(
                    f"{entry.path}: a pipe or device beside the scene {file.name}, whose metadata "
                    "it would be; remove it"
                )
            if entry.name.lower().endswith(OVERVIEW_SUFFIXES) and _head(Path(entry.path)) in "<{":
                raise SceneError(f"{entry.path}: text, where overviews or a mask of pixels belong")
    except OSError as error:
        raise SceneError(f"{file}: cannot be read ({error.strerror})") from error


def _head(file: Path) -> str:
    """The first character of a file that is no space; a space where there is none."""
    with file.open("rb") as opened:
        text = opened.read(HEAD_BYTES).removeprefix(b"\xef\xbb\xbf").lstrip()
    return text[:1].decode("latin-1") or " "


def _vrt_sources(file: Path, allowed: Sequence[str], depth: int) -> Iterator[Path]:
    if _head(file) != "<":
        return
    root = _parse_vrt(file)
    if depth >= MAX_VRT_DEPTH:
        raise SceneError(f"{file}: a VRT of VRTs, more than {MAX_VRT_DEPTH} deep")
    seen: set[Path] = set()
    for element in root.iter():
        for text in (element.text or "", *element.attrib.values()):
            if element.tag not in (*VRT_TEXTS, *VRT_FILES) and REMOTE_PART.search(text):
                check_name(text.strip(), allowed)
        if element.tag in VRT_FILES:
            source = _vrt_source(file, element, allowed)
            if source is not None and source not in seen:
                seen.add(source)
                _check_source(source, file)
                yield source
                yield from _vrt_sources(source, allowed, depth + 1)


def _parse_vrt(file: Path) -> ET.Element:
    if file.stat().st_size > MAX_VRT_BYTES:
        raise SceneError(f"{file}: XML of more than {MAX_VRT_BYTES:,} bytes is not read")
    try:
        root = parse_xml(file.read_bytes())
    except DocumentError as error:
        raise SceneError(f"{file}: neither a raster nor a VRT ({error})") from error
    if root.tag != VRT_ROOT:
        raise SceneError(f"{file}: XML, but no VRT ('{root.tag[:60]}'); give the raster itself")
    classes = [(root, VRT_DATASETS), *((band, VRT_BANDS) for band in root.iter("VRTRasterBand"))]
    for element, known in classes:
        kind = element.get("subClass", "")
        if kind not in known:
            raise SceneError(
                f"{file}: a VRT with a '{kind[:60]}', which is not read: it can take in any file "
                "or run a function; write the scene out with gdal_translate"
            )
    return root


def _vrt_source(file: Path, element: ET.Element, allowed: Sequence[str]) -> Path | None:
    """The file of a source; None for an allowed name of the network."""
    name = (element.text or "").strip()
    relative = element.get("relativeToVRT") == "1"
    source = file.parent / name if relative else Path(name)
    if not relative and is_allowed(name, allowed):
        return None if is_gdal_name(name) else source
    folder = os.path.realpath(file.parent)
    inside = os.path.realpath(source).startswith(folder.rstrip(os.sep) + os.sep)
    if is_gdal_name(name) or not (inside or is_allowed(os.path.realpath(source), allowed)):
        raise SceneError(
            f"{file}: a VRT whose source '{name[:200]}' lies outside of its folder; put it there, "
            "or, if you trust the VRT, name the source's folder or host with scene.allow_remote="
        )
    return source


def _check_source(source: Path, vrt: Path) -> None:
    if not source.is_file():
        raise SceneError(f"{vrt}: its source {source} is no file; fetch it, or make the VRT anew")
    _check_siblings(source)
    if _head(source) == "<":
        return
    others = [name for name in RASTER_DRIVERS if name != "VRT"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        try:
            _open(str(source), others).close()
        except (*GDAL_ERRORS, ValueError) as error:
            raise SceneError(
                f"{vrt}: its source {source} is not a raster that may be read ({reason(error)})"
            ) from error


def _check_overviews(dataset: rasterio.DatasetReader, path: str, allowed: Sequence[str]) -> None:
    """Metadata can name any file or address as the overviews of a raster."""
    name = dataset.tags(ns="OVERVIEWS").get("OVERVIEW_FILE", "")
    elsewhere = "/" in name.removeprefix(":::BASE:::") or "\\" in name or ":" in name[9:]
    if name and elsewhere and not is_allowed(name, allowed):
        raise SceneError(
            f"{path}: its metadata name overviews elsewhere ('{name[:200]}'); make them anew with "
            "gdaladdo, or name their folder or host with scene.allow_remote="
        )


def check_size(dataset: rasterio.DatasetReader, path: str) -> None:
    """Refuse a raster that nobody can mean, or whose blocks fill the memory.

    Raises:
        SceneError: it is too large.
    """
    width, height = dataset.width, dataset.height
    if max(width, height) > MAX_SIDE_PX or width * height > MAX_PIXELS:
        raise SceneError(
            f"{path}: says that it has {width:,} x {height:,} pixels, more than the "
            f"{MAX_PIXELS:,} (and {MAX_SIDE_PX:,} a side) of the largest scenes; if that is true, "
            "cut it"
        )
    if not dataset.count:
        return
    size = {"uint8": 1, "int8": 1, "uint16": 2, "int16": 2}.get(dataset.dtypes[0], 8)
    rows, columns = dataset.block_shapes[0]
    if rows * columns * size > MAX_BLOCK_BYTES:
        raise SceneError(
            f"{path}: stored in blocks of {columns:,} x {rows:,} pixels, too large to be held in "
            "memory; write it in tiles with gdal_translate -co TILED=YES"
        )
