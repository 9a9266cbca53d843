"""Time of acquisition and angles, from what lies in and beside a scene."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, timedelta
from pathlib import Path
from typing import Any

import rasterio

from detector.documents import DocumentError, read_json
from detector.scenes.dates import Reading, read_name, read_text
from detector.scenes.limits import ANGLE_LIMITS_DEG
from detector.scenes.parts import split_part
from detector.scenes.safe import find_product
from detector.scenes.types import ViewAngles
from detector.times import Acquired, say_day

TAG_TIMES = (
    ("IMAGERY", "ACQUISITIONDATETIME"),
    ("IMD", "IMAGE_1.firstLineTime"),
    ("", "NITF_IDATIM"),
    ("", "ACQUISITION_DATETIME"),
    ("", "PRODUCT_START_TIME"),
)
# of a product, behind the name that its assets share: 20231013_021530_ssc4_u0001_visual.tif
PLANET_ASSET = re.compile(
    r"(?:_3[AB])?_(?:analytic|visual|pansharpened|panchromatic|basic)\w*$", re.IGNORECASE
)
# What programs write where they know no time: epochs, and the default of GDAL's NITF driver
PLACEHOLDER_DAYS = ("0001-01-01", "1899-12-30", "1900-01-01", "1904-01-01", "1970-01-01")
PLACEHOLDER_TIMES = ("2002-12-16T15:16:29Z",)
LAST_TAG = "TIFFTAG_DATETIME"
SIDECAR_TIMES = ("datetime", "acquired", "start_datetime")
ANGLE_KEYS = {
    "sun_elevation_deg": ("view:sun_elevation", "sun_elevation", "IMAGE_1.meanSunEl"),
    "sun_azimuth_deg": ("view:sun_azimuth", "sun_azimuth", "IMAGE_1.meanSunAz"),
    "off_nadir_deg": ("view:off_nadir", "view_angle", "IMAGE_1.meanOffNadirViewAngle"),
    "view_azimuth_deg": ("view:azimuth", "satellite_azimuth", "IMAGE_1.meanSatAz"),
}


def read_sidecar(path: str) -> dict[str, Any]:
    """The STAC item or Planet metadata beside a scene, or an empty dict.

    Looks for `<stem>.json`, `<stem>_metadata.json` and `<file>.json`. A file that is not a JSON
    object with `properties` is none of these and is passed over. Of a Sentinel-2 product it is what
    its own metadata say.
    """
    product = find_product(split_part(path).file)
    if product is not None:
        return {"properties": product.properties()}
    for file in sidecar_files(path):
        try:
            item = read_json(file)
        except (OSError, ValueError, DocumentError):
            continue  # told by `unread_sidecars`
        if isinstance(item, dict) and isinstance(item.get("properties"), dict):
            return item
    return {}


def unread_sidecars(path: str) -> list[str]:
    """What is wrong with the files that lie where metadata of a scene belong; a sentence each."""
    found = []
    for file in sidecar_files(path):
        try:
            item = read_json(file)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            if error.errno not in (errno.ENAMETOOLONG, errno.ENOENT):
                found.append(f"its side file {file.name} cannot be read ({error.strerror})")
        except (ValueError, DocumentError) as error:
            if "\0" not in path:
                found.append(f"its side file {file.name} is not used ({error})")
        else:
            if not isinstance(item, dict) or not isinstance(item.get("properties"), dict):
                found.append(
                    f"its side file {file.name} is not used: it is no STAC item and has no "
                    "'properties'"
                )
    return found


@dataclass(frozen=True, slots=True)
class FoundTime:
    """When a scene was taken.

    Attributes:
        acquired: as far as it is known.
        source: one of `sidecar`, `tag:<name>`, `file name`, `unknown`.
        remarks: what could not be read, or contradicts; a sentence each, without a full stop.
    """

    acquired: Acquired
    source: str
    remarks: tuple[str, ...]


def sidecar_files(path: str) -> list[Path]:
    """Where metadata of a scene may lie, in the order in which they are believed."""
    scene = Path(split_part(path).file)
    stem = scene.stem
    product = PLANET_ASSET.sub("", stem)
    names = [f"{stem}.json", f"{stem}_metadata.json", f"{scene.name}.json"]
    if product != stem:
        names += [f"{product}_metadata.json", f"{product}.json"]
    return [scene.parent / name for name in names]


def find_acquired(
    dataset: rasterio.DatasetReader, sidecar: Mapping[str, Any], name: str
) -> FoundTime:
    """Time of acquisition and where it was found.

    The order is that of trust: sidecar, acquisition tags, the file's name, and last the TIFF's
    DateTime tag, which many programs set to the time of processing. A date in two ways of reading,
    or one that the calendar lacks, is none; where the name tells such a date, the DateTime tag is
    not asked. Times without an offset are UTC.
    """
    named = read_name(name)
    remarks: list[str] = []
    for text, source, told in _written_times(dataset, sidecar):
        found = _believed(read_text(text))
        if found.problem:
            remarks.append(f"{told}: {found.problem}")
        if found.acquired != Acquired():
            return FoundTime(found.acquired, source, (*remarks, *_contradiction(found, named)))
    remarks += [f"the file's name: {named.problem}"] if named.problem else []
    if named.acquired != Acquired():
        return FoundTime(named.acquired, "file name", tuple(remarks))
    stamped = dataset.tags().get(LAST_TAG)
    if stamped and not named.problem:
        found = _believed(read_text(stamped))
        if found.problem:
            remarks.append(f"the tag {LAST_TAG}: {found.problem}")
        if found.acquired != Acquired():
            return FoundTime(found.acquired, f"tag:{LAST_TAG}", tuple(remarks))
    return FoundTime(Acquired(), "unknown", tuple(remarks))


def given_time(given: date, found: FoundTime) -> FoundTime:
    """What the user says; where the files tell another day, which no time zone explains, it's said.

    Args:
        given: time or day.
        found: in and beside the scene.
    """
    said = Acquired.of(given)
    one, two = (acquired.day_in(UTC) for acquired in (said, found.acquired))
    remarks = []
    if one is not None and two is not None and abs(one - two) > timedelta(days=1):
        remarks.append(
            f"scene.acquired={said.iso} was taken, though the {found.source} says "
            f"{found.acquired.iso}"
        )
    return FoundTime(said, "given", tuple(remarks))


def _believed(found: Reading) -> Reading:
    """The same, or nothing where it is what programs write that know no time."""
    written = found.acquired.iso
    if written[:10] not in PLACEHOLDER_DAYS and written not in PLACEHOLDER_TIMES:
        return found
    return Reading(problem=f"{written} is what programs write that know no time, and not taken")


def _written_times(
    dataset: rasterio.DatasetReader, sidecar: Mapping[str, Any]
) -> Iterator[tuple[str, str, str]]:
    """Texts that may hold the time, their source, and its name in a sentence."""
    properties = sidecar.get("properties", {})
    for key in SIDECAR_TIMES:
        if isinstance(properties.get(key), str):
            yield properties[key], "sidecar", f"the sidecar's '{key}'"
    for domain, key in TAG_TIMES:
        tags = dataset.tags(ns=domain) if domain else dataset.tags()
        if key in tags:
            yield tags[key], f"tag:{key}", f"the tag {key}"


def _contradiction(found: Reading, named: Reading) -> list[str]:
    """What to say where the file's name tells another day: one that no time zone explains."""
    one, two = (reading.acquired.day_in(UTC) for reading in (found, named))
    if one is None or two is None or abs(one - two) <= timedelta(days=1):
        return []
    return [
        f"the file's name says {say_day(two)}, what belongs to it {say_day(one)}, which is taken"
    ]


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
            except (KeyError, TypeError, ValueError, OverflowError):
                continue
            if low <= value <= high:
                return value
    return None
