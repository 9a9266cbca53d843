"""Time of acquisition and angles, from what lies in and beside a scene."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import rasterio

from detector.scenes.types import ViewAngles
from detector.times import parse_time

# 2023-10-13, 2023_10_13, 20231013, each maybe followed by T or _ and hhmmss
NAME_TIME = re.compile(
    r"(?<!\d)(?P<y>(?:19|20)\d\d)(?P<s>[-_.]?)(?P<m>0[1-9]|1[0-2])(?P=s)(?P<d>0[1-9]|[12]\d|3[01])"
    r"(?:[T_-]?(?P<H>[01]\d|2[0-3])[-:_]?(?P<M>[0-5]\d)[-:_]?(?P<S>[0-5]\d)Z?(?!\d))?(?!\d)"
)
TAG_TIMES = (
    ("IMAGERY", "ACQUISITIONDATETIME"),
    ("IMD", "IMAGE_1.firstLineTime"),
    ("", "NITF_IDATIM"),
    ("", "ACQUISITION_DATETIME"),
    ("", "PRODUCT_START_TIME"),
    ("", "TIFFTAG_DATETIME"),
)
SIDECAR_TIMES = ("datetime", "acquired", "start_datetime")
ANGLE_KEYS = {
    "sun_elevation_deg": ("view:sun_elevation", "sun_elevation", "IMAGE_1.meanSunEl"),
    "sun_azimuth_deg": ("view:sun_azimuth", "sun_azimuth", "IMAGE_1.meanSunAz"),
    "off_nadir_deg": ("view:off_nadir", "view_angle", "IMAGE_1.meanOffNadirViewAngle"),
    "view_azimuth_deg": ("view:azimuth", "satellite_azimuth", "IMAGE_1.meanSatAz"),
}
ANGLE_LIMITS_DEG = {
    "sun_elevation_deg": (-90.0, 90.0),
    "sun_azimuth_deg": (-360.0, 360.0),
    "off_nadir_deg": (-90.0, 90.0),
    "view_azimuth_deg": (-360.0, 360.0),
}


def read_sidecar(path: str) -> dict[str, Any]:
    """The STAC item or Planet metadata beside a scene, or an empty dict.

    Looks for `<stem>.json`, `<stem>_metadata.json` and `<file>.json`. A file that is not a JSON
    object with `properties` is none of these and is passed over.
    """
    scene = Path(path)
    for name in (f"{scene.stem}.json", f"{scene.stem}_metadata.json", f"{scene.name}.json"):
        try:
            item = json.loads((scene.parent / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(item, dict) and isinstance(item.get("properties"), dict):
            return item
    return {}


def find_acquired(
    dataset: rasterio.DatasetReader, sidecar: Mapping[str, Any], name: str
) -> tuple[datetime | None, str]:
    """Time of acquisition and where it was found.

    The order is that of trust: sidecar, acquisition tags, the file's name, and last the TIFF's
    DateTime tag, which many programs set to the time of processing.

    Returns:
        The time in UTC (times without a zone are UTC) or None, and one of `sidecar`,
        `tag:<name>`, `file name`, `unknown`.
    """
    properties = sidecar.get("properties", {})
    for key in SIDECAR_TIMES:
        if (moment := parse_time(properties.get(key))) is not None:
            return moment, "sidecar"
    for domain, key in TAG_TIMES:
        if key == "TIFFTAG_DATETIME" and (moment := time_in_name(name)) is not None:
            return moment, "file name"
        tags = dataset.tags(ns=domain) if domain else dataset.tags()
        if (moment := parse_time(tags.get(key))) is not None:
            return moment, f"tag:{key}"
    return None, "unknown"


def time_in_name(name: str) -> datetime | None:
    """The first date, with its time of day where it has one, in a file's name.

    Examples:
        >>> time_in_name("najin_2023-10-13").isoformat()
        '2023-10-13T00:00:00+00:00'
        >>> time_in_name("20231013_021530_ssc4_u0001_visual").isoformat()
        '2023-10-13T02:15:30+00:00'
        >>> time_in_name("tile_12345678_0001")
    """
    for match in NAME_TIME.finditer(name):
        parts = match.groupdict()
        hour, minute, second = (int(parts[key] or 0) for key in "HMS")
        try:
            return datetime(
                int(parts["y"]), int(parts["m"]), int(parts["d"]), hour, minute, second, tzinfo=UTC
            )
        except ValueError:
            continue  # 30 February
    return None


def find_angles(dataset: rasterio.DatasetReader, sidecar: Mapping[str, Any]) -> ViewAngles:
    """Sun and view angles from the sidecar, else from the vendor's tags."""
    sources: list[Mapping[str, Any]] = [
        sidecar.get("properties", {}),
        dataset.tags(ns="IMD"),
        dataset.tags(),
    ]
    return ViewAngles(**{field: _angle(sources, field) for field in ANGLE_KEYS})


def _angle(sources: Iterable[Mapping[str, Any]], field: str) -> float | None:
    low, high = ANGLE_LIMITS_DEG[field]
    for source in sources:
        for key in ANGLE_KEYS[field]:
            try:
                value = float(source[key])
            except (KeyError, TypeError, ValueError):
                continue
            if low <= value <= high:
                return value
    return None
