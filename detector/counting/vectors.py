"""What a file of zones may be: shapes of its own, and nothing that leads elsewhere.

GDAL reads a service, a database or another file as readily as polygons, and asks the network while
it opens them. So a file is looked at before GDAL sees it. Its size is bounded too: what takes hours
or all memory is refused with a sentence.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import shapely
from numpy.typing import NDArray

from detector.documents import DocumentError, computed_tables, parse_json, read_json
from detector.errors import ZonesError
from detector.files import is_file

HEAD_BYTES: Final = 4096
BINARY_HEADS: Final = (b"SQLite format 3\x00", b"fgb\x03", b"\x00\x00\x27\x0a")  # .gpkg .fgb .shp
TEXT_SUFFIXES: Final = (".csv", ".tab", ".mif", ".dxf")
XML_ROOTS: Final = ("kml", "gpx", "FeatureCollection")
JSON_TYPES: Final = (
    *("FeatureCollection", "Feature", "GeometryCollection", "Polygon", "MultiPolygon", "Topology"),
    *("Point", "MultiPoint", "LineString", "MultiLineString"),
)
LINE_SUFFIXES: Final = (".geojsonl", ".geojsons", ".ndjson", ".jsonl")
PACKED_SUFFIXES: Final = frozenset(
    {".shp", ".shx", ".dbf", ".prj", ".cpg", ".sbn", ".sbx", ".qpj", ".qmd", ".qml", ".sld"}
    | {".kml", ".png", ".jpg", ".jpeg", ".gif", ".gpkg", ".txt", ".md", ".xml"}
)
CRS_ADDRESS: Final = re.compile(r"https?://www\.opengis\.net/(def/crs|gml/srs)/[\w./:#-]*")
ADDRESS: Final = re.compile(r"://|/vsi|^[A-Za-z]{2,}:(?!(ogc|epsg|\d))", re.IGNORECASE)
MAX_UNPACKED_BYTES: Final = 1_000_000_000  # of an archive
MAX_ZONES: Final = 20_000
MAX_CORNERS: Final = 2_000_000  # of all zones of a file
MAX_CROSSING_CORNERS: Final = 2_000  # of one that crosses itself: crossings grow with the square


def check_vector_file(source: str) -> None:
    """Refuse a file that is no file of shapes, or that leads elsewhere.

    Args:
        source: path; a GDAL name is the user's own word, and is let through.

    Raises:
        ZonesError: it is none, or its content names an address or another file.
    """
    path = Path(source)
    if source.startswith("/vsi") or "://" in source:
        return
    if path.is_dir():
        _check_folder(path)
        return
    if not path.is_file():
        raise ZonesError(f"{source}: a pipe or device, not a vector file")
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError as error:
        raise ZonesError(f"{source}: cannot be read ({error.strerror})") from error
    if head.startswith(BINARY_HEADS):
        return
    if head.startswith(b"PK\x03\x04"):
        _check_packed(path)
        return
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n\x1e")
    if text.startswith((b"{", b"[")):
        _check_json(path)
    elif text.startswith(b"<"):
        _check_xml(path, text)
    elif path.suffix.lower() not in TEXT_SUFFIXES:
        raise ZonesError(
            f"{source}: not a vector file that GDAL can read (of no known kind); save the zones as "
            "GeoPackage, GeoJSON, Shapefile, FlatGeobuf, KML or GML"
        )


def check_tables(source: str, layers: Collection[str]) -> None:
    """Refuse layers whose rows a database computes while they are read.

    Args:
        source: path or GDAL name.
        layers: of it, by name.

    Raises:
        ZonesError: one is a view or has a generated column.
    """
    path = Path(source)
    found = sorted(computed_tables(path) & set(layers)) if is_file(path) else []
    if found:
        raise ZonesError(
            f"{source}: its layer '{found[0][:60]}' is computed while it is read (a view, or a "
            "generated column); save it as a layer of its own"
        )


def check_amount(source: str, shapes: NDArray[np.object_], so_far: int) -> None:
    """Refuse more zones or corners than can be counted in a reasonable time.

    Args:
        source: of the shapes, in the sentence.
        shapes: `(N,)`, of one layer; None where a row has none.
        so_far: zones of the layers before.

    Raises:
        ZonesError: there are more.
    """
    number, corners = so_far + len(shapes), int(shapely.get_num_coordinates(shapes).sum())
    if number > MAX_ZONES:
        raise ZonesError(
            f"{source}: {number:,} zones, at most {MAX_ZONES:,} are counted at once; split the file"
        )
    if corners > MAX_CORNERS:
        raise ZonesError(
            f"{source}: its zones have {corners:,} corners, at most {MAX_CORNERS:,} are read; "
            "simplify them"
        )


def check_crossing(label: str, shape: shapely.Geometry) -> None:
    """Refuse to mend a shape whose crossings may fill the memory.

    Raises:
        ZonesError: it crosses itself and has too many corners.
    """
    corners = int(shapely.get_num_coordinates(shape))
    if corners > MAX_CROSSING_CORNERS:
        raise ZonesError(
            f"{label} crosses itself and has {corners:,} corners; with more than "
            f"{MAX_CROSSING_CORNERS:,} it isn't repaired here: mend it in your GIS"
        )


def _check_folder(path: Path) -> None:
    if path.suffix.lower() != ".gdb" and not any(path.glob("*.shp")):
        raise ZonesError(f"{path}: a folder without Shapefiles; name the file of the zones")


def _check_packed(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            unpacked = sum(info.file_size for info in archive.infolist())
            if unpacked > MAX_UNPACKED_BYTES:
                raise ZonesError(
                    f"{path}: an archive of {unpacked:,} bytes unpacked, at most "
                    f"{MAX_UNPACKED_BYTES:,} are read; unpack it and name the file of the zones"
                )
            databases = [name for name in names if name.lower().endswith(".gpkg")]
            computed = [name for name in databases if computed_tables(path, archive.read(name))]
            if computed:
                raise ZonesError(
                    f"{path}: {computed[0][:60]} in it computes rows while it is read (a view, or "
                    "a generated column); save its layers in a file of their own"
                )
    except (OSError, zipfile.BadZipFile, ValueError) as error:
        raise ZonesError(f"{path}: a damaged archive ({error})") from error
    strange = [
        name
        for name in names
        if not name.endswith("/") and Path(name).suffix.lower() not in PACKED_SUFFIXES
    ]
    if strange or any(".." in Path(name).parts or name.startswith("/") for name in names):
        raise ZonesError(
            f"{path}: an archive that holds more than Shapefiles or KML; unpack it and name the "
            "file of the zones"
        )


def _check_xml(path: Path, head: bytes) -> None:
    text = re.sub(rb"<\?.*?\?>|<!--.*?-->", b"", head, flags=re.DOTALL)
    root = re.match(rb"\s*<(?:[\w.-]+:)?([\w.-]+)", text)
    name = root.group(1).decode("latin-1") if root else "!DOCTYPE" if b"<!" in text else ""
    if name not in XML_ROOTS:
        raise ZonesError(
            f"{path}: XML that is neither KML, GPX nor GML ('{name[:60]}'), but may lead to a "
            "service or another file; save the zones themselves, as GeoPackage for example"
        )


def _check_json(path: Path) -> None:
    try:
        if path.suffix.lower() in LINE_SUFFIXES:
            lines = path.read_text(encoding="utf-8-sig").replace("\x1e", "").splitlines()
            content: list[Any] = [parse_json(line) for line in lines if line.strip()]
        else:
            content = [read_json(path)]
    except (OSError, UnicodeDecodeError, DocumentError) as error:
        raise ZonesError(f"{path}: not a vector file that GDAL can read ({error})") from error
    for item in content:
        kind = item.get("type") if isinstance(item, dict) else None
        if kind not in JSON_TYPES and not (isinstance(item, dict) and "geometryType" in item):
            raise ZonesError(
                f"{path}: JSON, but no GeoJSON (its type is {str(kind)[:60]!r}); save the zones as "
                "a FeatureCollection"
            )
        for crs in _crs_of(item):
            _check_crs(path, crs)


def _crs_of(item: dict[str, Any]) -> Iterator[Any]:
    """What the object, its features and their geometries say of a CRS."""
    waiting: list[Any] = [item]
    while waiting:
        one = waiting.pop()
        if not isinstance(one, dict):
            continue
        yield from (one[key] for key in ("crs", "coordRefSys") if one.get(key) is not None)
        waiting.append(one.get("geometry"))
        for key in ("features", "geometries"):
            waiting += one[key] if isinstance(one.get(key), list) else []


def _check_crs(path: Path, crs: Any) -> None:
    properties = crs.get("properties") if isinstance(crs, dict) else None
    name = properties.get("name") if isinstance(properties, dict) else crs
    kind = crs.get("type") if isinstance(crs, dict) else "name"
    known = isinstance(name, str) and (CRS_ADDRESS.fullmatch(name) or not ADDRESS.search(name))
    number = isinstance(properties, dict) and isinstance(properties.get("code"), int)
    if not (str(kind).lower() == "name" and known) and not (str(kind).upper() == "EPSG" and number):
        raise ZonesError(
            f"{path}: its CRS leads elsewhere or has no name ({str(crs)[:100]}); GeoJSON names one "
            "as urn:ogc:def:crs:EPSG::32652"
        )
