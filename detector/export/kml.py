"""KML and KMZ for Google Earth: a folder of placemarks for each class, and one for the zones."""

from __future__ import annotations

import math
import re
import zipfile
from pathlib import Path
from typing import Final

import numpy as np

from detector.errors import OutputError
from detector.export.result import SceneResult
from detector.export.vector import to_wgs84, writing, zone_layer
from detector.files import atomic_path
from detector.later import geopandas as gpd
from detector.later import pandas as pd
from detector.later import pyogrio
from detector.lengths import say_length

DRIVER: Final = "LIBKML"
ZONES_FOLDER: Final = "zones"
NOT_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
END_OF_CDATA: Final = "]]>"  # LIBKML wraps text in CDATA and lets this end it
KMZ_DOCUMENT: Final = "doc.kml"  # Google's name for the document that is opened
NO_TIME: Final = (1980, 1, 1, 0, 0, 0)  # the earliest of zip: no clock in outputs


def check_driver() -> None:
    """Refuse before any work what this GDAL cannot write.

    Raises:
        OutputError: GDAL was built without LIBKML.
    """
    if DRIVER not in pyogrio.list_drivers():
        version = ".".join(map(str, pyogrio.__gdal_version__))
        raise OutputError(
            f"formats: kml and kmz need GDAL's driver {DRIVER}, which this GDAL {version} lacks; "
            "install pyogrio from its wheel, or leave them out"
        )


def write_kml(path: Path, result: SceneResult) -> None:
    """Write placemarks in WGS84; a scene without CRS gives none and must not come here.

    A placemark is called by its class and score, a zone by its name; the columns of the tables are
    its data. `acquired` is its time stamp, so that Google Earth's slider knows the date.

    Args:
        path: of the file.
        result: of a scene with a CRS.

    Raises:
        OutputError: it cannot be written.
    """
    objects = _with_names(to_wgs84(result.detections.to_geodataframe()))
    layers = {name: objects[objects["class"] == name] for name in result.detections.classes.names}
    if result.zones:
        layers[ZONES_FOLDER] = to_wgs84(zone_layer(result.zones, result.record))
    with writing(path) as temporary:
        for name, layer in layers.items():
            pyogrio.write_dataframe(
                _harmless(layer),
                temporary,
                layer=name,
                driver=DRIVER,
                append=temporary.exists(),
                geometry_type="Unknown",  # polygons, and those that are cut in two
            )


def write_kmz(path: Path, result: SceneResult) -> None:
    """Write the same, zipped.

    Raises:
        OutputError: it cannot be written.
    """
    document = path.with_name(KMZ_DOCUMENT)
    write_kml(document, result)
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        entry = zipfile.ZipInfo(KMZ_DOCUMENT, NO_TIME)
        archive.writestr(entry, document.read_bytes(), zipfile.ZIP_DEFLATED)
    document.unlink()


def _with_names(objects: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    cargo = np.where(objects["on_ship"], ", deck cargo", "")
    cargo = np.where(objects["unseen"], ", not seen: no observation", cargo)
    names = [
        f"{name} {score:.2f}{note}"
        for name, score, note in zip(objects["class"], objects["score"], cargo, strict=True)
    ]
    columns = ("length_m", "length_low_m", "length_high_m", "cut")
    lengths = [
        "" if math.isnan(length_m) else say_length(length_m, low_m, high_m, cut)
        for length_m, low_m, high_m, cut in zip(*(objects[key] for key in columns), strict=True)
    ]
    return objects.assign(
        name=pd.Series(names, index=objects.index, dtype="str"),
        length=pd.Series(lengths, index=objects.index, dtype="str"),
        timestamp=objects["acquired"],
    )


def _harmless(layer: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Without what XML cannot hold, and what would end the text early."""
    texts = [name for name in layer.columns if pd.api.types.is_string_dtype(layer[name].dtype)]
    return layer.assign(
        **{
            name: layer[name]
            .str.replace(NOT_XML, "", regex=True)
            .str.replace(END_OF_CDATA, "]] >", regex=False)
            for name in texts
        }
    )
