"""The formats of a scene's results, where options can name them without importing anything.

A format is a name and a function that writes files of a scene's result into a folder. What a run
reads back itself is no format: it is always written.
"""

from collections.abc import Iterable
from typing import Final

from detector.plugins import PluginGroup

DEFAULT_FORMATS: Final = ("gpkg", "geojson", "parquet", "csv", "png")
# The record of a scene, by format: what later runs, `scenes.csv` and `detector activity` read.
ALWAYS_WRITTEN: Final = {"parquet": "detections.parquet"}
FORMATS: Final = PluginGroup(
    group="detector.exporters",
    what="format",
    built_in=(*DEFAULT_FORMATS, "kml", "kmz", "stac"),
    call=("result", "folder"),
)


def check_formats(formats: Iterable[str]) -> None:
    """Refuse before any work what could not be written after it; loads the plug-ins named.

    Raises:
        PluginError: an unknown format, or the plug-in of one cannot be used.
        OutputError: GDAL cannot write one.
    """
    ours: dict[str, None] = dict.fromkeys(FORMATS.built_in)
    for name in formats:
        FORMATS.get(name, ours)
    if {"kml", "kmz"} & set(formats):
        from detector.export.kml import check_driver  # noqa: PLC0415

        check_driver()
