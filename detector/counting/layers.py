"""Layers of vector files: opened by pyogrio, decoded, with the CRS that their numbers are in."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import shapely
from pyproj.exceptions import CRSError

from detector.counting.vectors import check_tables
from detector.documents import guess_encoding
from detector.errors import ZonesError
from detector.later import geopandas as gpd
from detector.later import pyogrio

LONLAT_LIMITS_DEG: Final = (360.0, 90.0)  # 360: files that cross the antimeridian count on
SITE_DEG: Final = 2.0  # no zone is longer; pixels are
RAW_ENCODING: Final = "ISO-8859-1"  # a character for each byte
DBF_CODE_PAGE: Final = 29  # position of the byte that tells it
NO_CODE_PAGE: Final = (0x00, 0x57)  # none, and that of whatever machine wrote it


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer of a vector file.

    Attributes:
        name: in the file.
        frame: its rows, at least one.
        crs: of its shapes; None for pixels, and where the file does not tell.
    """

    name: str
    frame: gpd.GeoDataFrame
    crs: str | None


def read_layers(source: str, notes: list[str]) -> list[Layer]:
    """The layers that have shapes.

    Args:
        source: path or GDAL name.
        notes: gets what had to be guessed, a sentence each.

    Raises:
        ZonesError: the file cannot be read, or its numbers are not what its CRS says.
    """
    name = _gdal_name(source)
    encoding = RAW_ENCODING if _tells_no_encoding(source) else None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # A layer without a geometry type is a plain table, such as QGIS' layer_styles.
            layers = [str(layer) for layer, kind in pyogrio.list_layers(name) if kind is not None]
            check_tables(source, layers)
            more = {"encoding": encoding} if encoding else {}
            found = [
                (layer, pyogrio.read_dataframe(name, layer=layer, on_invalid="fix", **more))
                for layer in layers
            ]
    except (
        *(pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError),
        *(pyogrio.errors.FeatureError, pyogrio.errors.GeometryError, CRSError, ValueError),
        *(shapely.errors.GEOSException, OverflowError, KeyError, TypeError),
    ) as error:
        reason = " ".join(str(error).split())[:200]
        raise ZonesError(f"{source}: not a vector file that GDAL can read ({reason})") from error
    if encoding:
        for _, frame in found:
            notes += _decode(frame, source)
    return [
        Layer(layer, frame, _layer_crs(source, layer, frame))
        for layer, frame in found
        if not frame.empty
    ]


def _tells_no_encoding(source: str) -> bool:
    """Whether a Shapefile has neither a `.cpg` nor a code page in its `.dbf`."""
    path = Path(source)
    if path.suffix.lower() != ".shp" or not path.is_file():
        return False
    beside = {file.suffix.lower(): file for file in path.parent.glob(f"{path.stem}.*")}
    if ".dbf" not in beside or ".cpg" in beside:
        return False
    with beside[".dbf"].open("rb") as file:
        head = file.read(DBF_CODE_PAGE + 1)
    return len(head) > DBF_CODE_PAGE and head[DBF_CODE_PAGE] in NO_CODE_PAGE


def _decode(frame: gpd.GeoDataFrame, source: str) -> list[str]:
    """Decode the texts of a layer that were read byte by byte; what to say of it."""
    columns = [name for name in frame.columns if str(name).lower() in ("name", "kind")]
    raw = {
        name: [text.encode(RAW_ENCODING) if isinstance(text, str) else b"" for text in frame[name]]
        for name in columns
    }
    every = b" ".join(text for texts in raw.values() for text in texts)
    if every.isascii():
        return []
    encoding = guess_encoding(every)
    for name, texts in raw.items():
        frame[name] = [text.decode(encoding, errors="replace") for text in texts]
    return [
        f"{source}: does not say its encoding, {encoding} was taken; if names are wrong, put a "
        ".cpg file beside it"
    ]


def _gdal_name(source: str) -> str:
    """The name under which pyogrio opens a local file as it stands.

    It reads `!` as an archive, and cuts what follows a `;` as the parameters of an address.
    """
    special = "!" in source or ";" in source
    return f"/vsisubfile/0,{source}" if special and Path(source).is_file() else source


def _layer_crs(source: str, layer: str, frame: gpd.GeoDataFrame) -> str | None:
    """The CRS of a layer; None for pixels, and for GeoJSON that holds other than degrees.

    GDAL takes every GeoJSON without a CRS for WGS84, as its standard says; people write pixels
    into it all the same.
    """
    if frame.crs is None or not frame.crs.is_geographic:
        return frame.crs.to_string() if frame.crs is not None else None
    largest = np.abs(shapely.get_coordinates(frame.geometry.array)).max(axis=0, initial=0.0)
    if not (largest > LONLAT_LIMITS_DEG).any():
        return str(frame.crs.to_string())
    points = shapely.get_coordinates(frame.geometry.array)
    if (np.ptp(points, axis=0) < SITE_DEG).all() and largest[0] <= 90.0 and largest[1] <= 180.0:
        raise ZonesError(
            f"{source}: {points[0, 0]:g}, {points[0, 1]:g} are latitude and longitude swapped; "
            "longitude comes first, so swap them in the file"
        )
    if pyogrio.read_info(_gdal_name(source), layer=layer)["driver"] == "GeoJSON":
        return None
    raise ZonesError(
        f"{source}: {largest[0]:g}, {largest[1]:g} are no longitude and latitude, but the file "
        f"says {frame.crs.to_string()}; give it the CRS that its coordinates are in"
    )
